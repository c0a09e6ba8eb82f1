"""Likelihood regret: how much better a datum would be encoded if its own q(z|x) were optimized."""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
import xarray as xr
from torch import Tensor
from torch.distributions import transform_to

from pyrogen.axes import Distribution
from pyrogen.base import Pair, told
from pyrogen.data import Split
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.evidence.weights import check_weighable, run, total_log_prob
from pyrogen.inference.programs.contexts import evaluating, seeded, standing_still
from pyrogen.inference.programs.record import latent_sites, record
from pyrogen.seeds import derived

BLOCK = 50  # data that are optimized together, whatever is asked for: another number would be another stream of draws
JUDGED = 10  # draws by which both bounds are judged for each by which they are optimized


def likelihood_regret(
    pair: Pair,
    x: Tensor | Split,
    y: Tensor | None = None,
    steps: int = 100,
    lr: float = 0.05,
    num_samples: int = 8,
    seed: int = 0,
) -> xr.Dataset:
    """By how many nats a datum's ELBO rises when the features of its own q(z|x) are optimized, the decoder standing still.

    LR(x) = max_q ELBO(x; q) − ELBO(x; q(·|x)) ≥ 0, q in the family of the posterior. An encoder serves data like those
    that it was trained on, and no others: the regret is large for these, even where log p(x) is larger than of any datum.

    The features start at the encoder's and climb by Adam, whose rate falls to 0; both bounds are then judged by the same
    fresh draws of noise, so that an optimum that fitted its own draws gains nothing by it. What is left of noise may make a
    regret of 0 come out a little below.

    Reference: Xiao, Yan & Amit 2020, Likelihood regret: an out-of-distribution detection score for variational
    auto-encoder, arXiv:2003.02977.

    Args:
        pair: whose guide has one latent of independent, reparameterized coordinates.
        x: data; a split brings its own y.
        y: conditions, where the model asks for them.
        steps: of Adam.
        lr: its first rate, in units of the unconstrained parameters of q.
        num_samples: draws of each step.
        seed: of all draws.

    Returns:
        ``regret`` and ``mc_se`` over ``datum``, in nats.

    Raises:
        ValueError: the guide has another form, or a point mass.
    """
    if not isinstance(pair, Pair):
        raise ValueError(f"{type(pair).__name__} is no (model, guide) pair, so that it has no q(z|x) to optimize.")
    if min(steps, num_samples) < 1:
        raise ValueError(f"steps={steps} and num_samples={num_samples} must be at least 1.")
    x, y = told(pair, x, y)
    x, y = pair.read(x), pair.condition_for(y)
    check_weighable(pair, x, y)
    regrets, errors = [], []
    with evaluating(pair), standing_still(pair.parameters()), track(len(x), "optimizing posteriors") as advance:
        for number, start in enumerate(range(0, len(x), BLOCK)):
            rows = slice(start, start + BLOCK)
            some, labels = x[rows], None if y is None else y[rows]
            climbing, judging = derived(seed, number, count=2)
            with seeded(climbing, x.device):
                family = _Family(pair, some, labels)
                best = family.climb(steps, lr, num_samples)
            bounds = []
            for parameters in (best, family.start):
                with seeded(judging, x.device):  # the same noise for both
                    bounds.append(family.bound(parameters, JUDGED * num_samples))
            gain = bounds[0] - bounds[1]
            regrets.append(gain.mean(0))
            errors.append(gain.std(0) / len(gain) ** 0.5)
            advance(len(some))
    found = {"regret": torch.cat(regrets), "mc_se": torch.cat(errors)}
    return xr.Dataset(
        {name: ("datum", value.cpu().numpy()) for name, value in found.items()},
        attrs={"unit": "nats", "steps": steps, "lr": lr, "num_samples": num_samples, "seed": seed},
    )


class _Family:
    """The distributions that q(z|x) may be, by unconstrained parameters of each datum's own."""

    def __init__(self, pair: Pair, x: Tensor, y: Tensor | None) -> None:
        self.pair, self.x, self.y = pair, x, y
        sites = latent_sites(record(pair.guide, x, y))
        if not sites:
            raise ValueError("this guide draws no latents, so that there is no q(z|x) to optimize.")
        fn: Any = next(iter(sites.values()))["fn"]
        base = fn.base_dist if isinstance(fn, dist.Independent) else fn
        free = base.arg_constraints.keys()
        alone = len(sites) == 1 and pair.vectorized and fn.has_rsample and not base.event_shape
        if not alone or not free or {"probs", "logits"} <= free:
            raise ValueError(
                "likelihood regret optimizes the parameters of one latent whose coordinates are independent and "
                "reparameterized, as those of DiagonalNormal are; this guide has another form."
            )
        (self.name,) = sites
        self.kind, self.events = type(base), len(fn.event_shape)
        self.maps = {name: transform_to(limit) for name, limit in base.arg_constraints.items()}
        self.start = {name: f.inv(getattr(base, name)).detach() for name, f in self.maps.items()}

    def q(self, parameters: dict[str, Tensor]) -> Distribution:
        """The member of the family."""
        found: Distribution = self.kind(**{k: f(parameters[k]) for k, f in self.maps.items()}).to_event(self.events)
        return found

    def bound(self, parameters: dict[str, Tensor], n: int) -> Tensor:
        """log p(x, z) − log q(z) at ``n`` draws, ``(n, datum)``."""
        q = self.q(parameters)
        z = q.rsample((n,))
        sites = run(self.pair.model, self.pair, self.x, self.y, n, {self.name: z})
        return total_log_prob(sites, self.pair, n, len(self.x), "particles") - q.log_prob(z)

    def climb(self, steps: int, lr: float, n: int) -> dict[str, Tensor]:
        """The parameters of the best member that Adam finds from the encoder's."""
        with torch.enable_grad():
            moving = {k: v.clone().requires_grad_() for k, v in self.start.items()}
            adam = torch.optim.Adam(list(moving.values()), lr)
            fall = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
            for _ in range(steps):
                adam.zero_grad()
                # each datum has parameters of its own, so that the sum is minimized by minimizing every term
                (-self.bound(moving, n).mean(0).sum()).backward()
                adam.step()
                fall.step()
        return {k: v.detach() for k, v in moving.items()}
