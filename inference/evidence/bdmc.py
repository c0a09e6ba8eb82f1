"""Bidirectional Monte Carlo: the evidence between a lower and an upper bound, for data that the model itself made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pyro import poutine
from torch import Tensor

from pyrogen.inference.evidence.annealing import (
    FEWEST_CHAINS,
    PATH,
    REVERSE,
    SIMULATION,
    Advance,
    AnnealedEstimator,
    Schedule,
    pilot_transitions,
    weighed,
)
from pyrogen.inference.evidence.estimator import Estimates
from pyrogen.inference.evidence.latent_space import Init, LatentSpace
from pyrogen.inference.programs.particles import run
from pyrogen.inference.programs.record import Site
from pyrogen.registry import choice

BOUND_UNIT = "nats per datum, of simulated whole rows in the data's raw units"
SIMULATED_UNIT = "the model's own: standardized where the split is, whose log_jacobian leads to raw units"


@choice("estimator")
@dataclass(frozen=True)
class BDMC(AnnealedEstimator):
    """Bidirectional Monte Carlo: how far AIS is from the truth, on data simulated from the model in the shape of ``x``.

    Of (z, x) ~ p(z, x) the z is an exact draw of p(z|x). Chains from the base to p(x, z) give a lower bound as :class:`AIS`
    does; chains back from that z give log p(x) ≤ E[−log 1/C Σ_c w_c], w a weight of the way back. Both hold on means over
    data; their ``gap`` shrinks as temperatures grow, and says what AIS with these settings misses on data like these.

    Of the given ``x`` only the shape is used: ``lower``, ``upper`` and their errors (of the chains, not of the one z that all
    start from) are of the data returned as ``simulated``, whole rows without missing cells; ``log_evidence`` is ``lower``.
    Of a standardized split ``simulated`` is standardized too, and the bounds are of the raw values: they hold log p of
    ``simulated`` plus the attribute ``log_jacobian``, that of all columns. Each variable says its unit.

    Reference: Grosse, Ghahramani & Adams 2015, arXiv:1511.02543; Wu et al. 2017, arXiv:1611.04273.

    Args:
        temperatures: T.
        chains: C a datum and direction.
        init: the base, "prior" or "guide".
        schedule: of the temperatures: "even", in strides over which the weights vary alike, as a pilot run finds them;
            "sigmoid", as Wu et al.; or "geometric" for narrow likelihoods, such as a generator's small noise.
        leapfrogs: steps of a trajectory, each with one gradient.
        acceptance: what each datum's step size aims at, in a pilot run of its own.
    """

    quantity: ClassVar[str] = "log p(x) of simulated data"
    simulates: ClassVar[bool] = True

    temperatures: int = 1000
    chains: int = 16
    init: Init = "prior"
    schedule: Schedule = "even"
    leapfrogs: int = 10
    acceptance: float = 0.65

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        self.check(chains=FEWEST_CHAINS, temperatures=1)

    def attributes(self) -> dict[str, Any]:
        """The settings, and what the bounds are valid for."""
        return {**super().attributes(), "valid_for": "simulated data"}

    def transitions(self) -> int:
        """Pilot, there, and back."""
        return pilot_transitions(self.temperatures) + 2 * (self.temperatures - 1)

    def block(self, space: LatentSpace, advance: Advance) -> Estimates:
        """Simulate as many data as the block has, and bound their evidence from both sides."""
        values, simulated = simulate(space)
        there = space.of(simulated)
        path = self.path(there, advance)
        forward = path.from_base(self.chains, PATH)
        exact = there.pack(values).expand(self.chains, -1, -1)
        ahead, back = weighed(forward.log_weights), weighed(path.reversed().follow(exact, REVERSE).log_weights)
        lower, upper = ahead["log_evidence"], -back["log_evidence"]
        sides = {"lower": lower, "lower_se": ahead["mc_se"], "upper": upper, "upper_se": back["mc_se"]}
        found = {**ahead, **sides, "gap": upper - lower, **path.dynamics(forward)}
        dims = ("datum", *(f"x_dim{i}" for i in range(simulated.dim() - 1)))
        variables: Estimates = {name: (("datum",), value) for name, value in found.items()}
        for side in ("log_evidence", "lower", "upper"):
            variables[side] = ("datum",), found[side], {"unit": BOUND_UNIT}
        return {**variables, "simulated": (dims, simulated.cpu().numpy(), {"unit": SIMULATED_UNIT})}


def simulate(space: LatentSpace) -> tuple[dict[str, Tensor], Tensor]:
    """As many exact pairs (z, x) ~ p(z, x) as the space has data: the latents' values, and x.

    Raises:
        ValueError: the model does not observe exactly one site of the shape of x.
    """
    pair = space.pair
    with space.seeded(SIMULATION):
        sites = run(poutine.uncondition(pair.model), pair, space.x, space.y, 1)
    x = simulated(sites, space.x, pair.vectorized)
    values = {name: sites[name]["value"] for name in space.sites}
    return values, x


def simulated(sites: Mapping[str, Site], x: Tensor, vectorized: bool) -> Tensor:
    """The data that an unconditioned run of one particle made in the place of ``x``.

    Raises:
        ValueError: the model does not observe exactly one site of the shape of x.
    """
    made = {
        name: site["value"].squeeze(0) if vectorized else site["value"]
        for name, site in sites.items()
        if site["infer"].get("was_observed") and not site["infer"].get("_deterministic")
    }
    if [value.shape for value in made.values()] != [x.shape]:
        found = ", ".join(f"{name!r} {tuple(value.shape)}" for name, value in made.items())
        raise ValueError(
            f"simulation needs a model that observes exactly one site, of the shape of x {tuple(x.shape)}; this one "
            f"observes {found}."
        )
    (value,) = made.values()
    return value.to(x.dtype)
