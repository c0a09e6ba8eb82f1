"""The evidence lower bound with discrete latents summed over, not drawn."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pyro.distributions.torch_distribution import MaskedDistribution
from torch import Tensor

from pyrogen.base import Batch, Pair
from pyrogen.inference.objectives.weighted import PairObjective, at_least_one
from pyrogen.inference.programs.enumeration import JointStates, joint_states
from pyrogen.inference.programs.particles import per_datum, run
from pyrogen.inference.programs.record import Site, latents, log_prob
from pyrogen.registry import choice


@choice("objective")
@dataclass(frozen=True)
class EnumeratedELBO(PairObjective):
    """The evidence lower bound of discrete latents, Σ_z q(z|x) [log p(x, z) − log q(z|x)], summed over all of their states.

    Without continuous latents it is exact, and so is its gradient. Continuous ones are drawn for each state, and must be
    reparameterized. It is the number of Pyro's ``TraceEnum_ELBO`` under ``config_enumerate(guide)``, per datum.

    Should not be confused with :class:`ELBO`, which draws discrete latents and learns from the score of its draws.

    Reference: Kingma et al. 2014, arXiv:1406.5298, equation 7; Obermeyer et al. 2019, arXiv:1902.03210.

    Args:
        num_samples: draws of the continuous latents for each state.
        max_states: joint states that are decoded at once; more are refused, because memory grows with them.
    """

    num_samples: int = 1
    max_states: int = 1024

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        at_least_one(self, num_samples=self.num_samples, max_states=self.max_states)

    def terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The loss and its parts, in nats per datum.

        Returns:
            ``loss`` (to minimize), ``reconstruction`` = E_q[log p(x|z)] and ``kl``, scalars.

        Raises:
            ValueError: a guide without discrete latents, with too many states, or with continuous latents that are not
                reparameterized.
        """
        states = joint_states(pair.guide, pair, batch.x, batch.y, None if pair.vectorized else pair.plate)
        self._check(states)
        repeats = self.num_samples if states.others else 1
        n = repeats * states.count
        values = states.values(0, n) if pair.vectorized else states.along_batch(0, n, len(batch.x))
        drawn = run(pair.guide, pair, batch.x, batch.y, n, values, guarded=False)
        scored = run(pair.model, pair, batch.x, batch.y, n, latents(drawn), guarded=False)

        def each(value: Tensor, site: Site) -> Tensor:
            return per_datum(value, site, pair, n)

        for name in states.others:
            if not drawn[name]["fn"].has_rsample:
                raise ValueError(
                    f"EnumeratedELBO differentiates through the draws of continuous latents, and the guide's {name!r} is not "
                    "reparameterized; train it by ELBO or VIMCO."
                )
        masses = [each(_log_mass(drawn[name]), drawn[name]) for name in states.supports]
        weight = torch.stack(masses).sum(0).exp() / repeats
        seen = torch.stack([each(log_prob(site), site) for site in scored.values() if site["is_observed"]]).sum(0)
        costs = [each(log_prob(drawn[name]) - log_prob(scored[name]), drawn[name]) for name in latents(drawn)]
        cost = torch.stack(costs).sum(0)
        reconstruction, kl = ((weight * part).sum(0).mean() for part in (seen, cost))
        return {"loss": kl - reconstruction, "reconstruction": reconstruction.detach(), "kl": kl.detach()}

    def _check(self, states: JointStates) -> None:
        if not states.supports:
            raise ValueError(
                "EnumeratedELBO sums over discrete latents, and the guide draws none; train it by ELBO(), or choose "
                "posterior='Bernoulli' with prior='Bernoulli'."
            )
        if states.count > self.max_states:
            raise ValueError(
                f"the discrete latents have {states.count:,} states, and EnumeratedELBO(max_states={self.max_states}) "
                "decodes no more than that at once; raise max_states, or draw them: train by VIMCO or ELBO."
            )


def _log_mass(site: Site) -> Tensor:
    """log q of a state whether it is masked or not: masks take terms out of the sum, not probability out of the states."""
    fn = site["fn"]
    while isinstance(fn, MaskedDistribution):
        fn = fn.base_dist
    value: Tensor = fn.log_prob(site["value"])
    return value
