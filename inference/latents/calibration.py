"""Whether an encoder, or any sampler of p(z|x), says what the model implies: simulation-based calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import xarray as xr
from scipy import stats
from torch import Tensor

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.figures.belief_plots import ecdf_differences
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.evidence.weights import Weighable
from pyrogen.inference.latents.analysis import Analysis, Finding, Picture, by_trying
from pyrogen.inference.latents.joint import Joint, joints, placed
from pyrogen.inference.programs.contexts import seeded
from pyrogen.inference.programs.door import verb
from pyrogen.memory import enough_memory
from pyrogen.registry import choice
from pyrogen.seeds import derived

Sampler = Callable[[Tensor, int, int], Tensor]

PROJECTIONS = 5
LEVELS = (0.5, 0.9)
SIMULATION, REGRESSION, DRAWS = range(3)  # places of the random draws
SUSPECT = 1e-3  # a p-value, times the number of quantities, below which one is not uniform
SHOWN = 12
ADVICE = (
    "intervals, regressions and attributes that are read off q(z|x) inherit this: `gaps(model, x)` says whether network or "
    "family is at fault, and draws of p(z|x) itself come from `sample_posterior(model, x)`."
)


@verb
def calibrate(
    model: Model | Weighable,
    x: Any,
    y: Any = None,
    *,
    draws: Sampler | None = None,
    simulations: int = 1000,
    num_draws: int = 99,
    seed: int = 0,
) -> xr.Dataset:
    """Simulation-based calibration: of (z*, x) ~ p(z, x), z* is one more draw of p(z|x), and must rank as such among draws.

    For a quantity f the randomized rank u = (#{f(z) < f(z*)} + U (1 + #{f(z) = f(z*)})) / (n + 1), U uniform, is uniform on
    (0, 1) for every n if the draws z are of p(z|x). The quantities: each z_j; random projections; log p(x|z), log p(x, z) and
    log q(z|x), which see what depends on x (ranks of z_j alone pass the prior); and, as TARP, the distance from a reference
    that depends on x, by a linear regression of z on x and noise. Each p-value is twice the least of Kolmogorov and
    Smirnov's of u (is it moved?) and of |2u − 1| (is it too narrow or too wide?).

    Of the given x only the shape, and the y beside it, are used; rows repeat where there are fewer than simulations. Nothing
    here depends on data of the world: an encoder may pass, and its model be wrong.

    Args:
        model: a model of the zoo, or a tuple ``(model, guide)`` of plain Pyro functions, that observes one site alone.
        x: data, ``(B, ...)``.
        y: conditions.
        draws: what is tested in place of the guide, ``draws(x, n, seed) -> (n, B, latents)``, all sites side by side as in
            ``names``; draws of a chain must be thinned until they are independent.
        simulations: pairs (z*, x).
        num_draws: draws of each posterior.
        seed: of all random draws.

    Returns:
        ``rank`` over ``(quantity, simulation)``; ``p`` over ``quantity``; ``coverage`` with ``coverage_se`` over
        ``(level, quantity)``, the share of ranks in the central intervals. Attributes: ``smallest_p``, the least p-value
        times their number; ``worst``, its quantity.

    Raises:
        ValueError: a point-mass guide, an improper prior, or a model that does not observe exactly one site of x's shape.

    Reference: Talts et al. 2018, arXiv:1804.06788; data-dependent quantities: Modrák et al. 2023, arXiv:2211.02383; TARP:
    Lemos et al. 2023, arXiv:2302.03026.
    """
    if simulations < 20 or num_draws < 1:
        raise ValueError(
            f"simulations={simulations} and num_draws={num_draws}: needs at least 20 of the one, 1 of the other."
        )
    x, y = placed(model, x, y)
    index = torch.arange(simulations, device=x.device) % len(x)
    ranks: list[np.ndarray] = []
    with (
        enough_memory("lower num_draws"),
        joints(model, x[index], None if y is None else y[index], seed, draws is None) as blocks,
        track(len(blocks), "calibrating") as advance,
    ):
        views = _Views.of(blocks, seed)
        for i, block in enumerate(blocks):
            ranks.append(_ranks(block, i, views, draws, num_draws, seed))
            advance(1)
    return _judged(np.concatenate(ranks, 1), views.names, {"num_draws": num_draws, "seed": seed})


def _ranks(block: Joint, number: int, views: _Views, draws: Sampler | None, n: int, seed: int) -> np.ndarray:
    """Randomized ranks of the quantities of a block, ``(quantity, data)``."""
    truth, made = block.simulate(SIMULATION)
    there = block.of(made)
    if draws is None:
        drawn, log_q = there.guide(n, DRAWS)
        log_q = torch.cat([there.log_guide(truth.unsqueeze(0)), log_q])
    else:
        (state,) = derived(seed, number, DRAWS)
        drawn, log_q = draws(made, n, state).to(truth), None
        if drawn.shape != (n, *truth.shape):
            raise ValueError(
                f"the sampler was asked for draws of shape {(n, *truth.shape)}, (draws, data, latents), and gave "
                f"{tuple(drawn.shape)}."
            )
    z = torch.cat([truth.unsqueeze(0), drawn])
    scores = there.at(z)
    values = [*views.of_latents(z, made), scores.likelihood, scores.joint, *([] if log_q is None else [log_q])]
    with there.seeded(SIMULATION, 1):
        return np.stack([randomized_rank(v[0], v[1:]).cpu().numpy() for v in values])


def randomized_rank(truth: Tensor, draws: Tensor) -> Tensor:
    """(#{below} + U (1 + #{equal})) / (n + 1) of values ``(...)`` among draws ``(n, ...)``, in float64, U uniform.

    Float32 cannot tell densities that differ by its rounding: what is closer than a millionth counts as equal.
    """
    size = 1e-6 * truth.abs().clamp(min=1).double()
    difference = draws.double() - truth.double()
    difference = torch.where(draws == truth, torch.zeros_like(difference), difference)  # −∞ among −∞
    below, equal = (difference < -size).sum(0), (difference.abs() <= size).sum(0)
    u = torch.rand(truth.shape, dtype=torch.float64, device=truth.device)
    return (below + u * (1 + equal)) / (len(draws) + 1)


class _Views:
    """What is looked at in z: coordinates, projections, and the distance from a reference that depends on x."""

    def __init__(self, names: list[str], directions: Tensor, scale: Tensor, slope: Tensor, noise: Tensor) -> None:
        self.directions, self.scale, self.slope, self.noise = directions, scale, slope, noise
        self.names = [*names, *(f"projection {i + 1}" for i in range(len(directions))), "TARP"]

    @classmethod
    def of(cls, blocks: list[Joint], seed: int) -> _Views:
        """Directions at random, and a ridge regression of z on x learned from simulations of their own."""
        pairs = [block.simulate(REGRESSION) for block in blocks]
        z, x = (_rows(torch.cat(part)) for part in zip(*pairs, strict=True))
        scale = z.std(0).clamp(min=1e-6)
        x = torch.cat([torch.ones_like(x[:, :1]), x.nan_to_num()], 1)
        ridge = x.square().mean() * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        slope = torch.linalg.solve(x.T @ x + ridge, x.T @ z)
        count = PROJECTIONS if z.shape[1] > 1 else 0
        with seeded(seed, z.device):
            directions = torch.randn(count, z.shape[1], dtype=z.dtype, device=z.device) / scale
            noise = torch.randn(1, z.shape[1], dtype=z.dtype, device=z.device)
        names = [*blocks[0].names]
        return cls(names, directions, scale, slope, noise)

    def of_latents(self, z: Tensor, x: Tensor) -> list[Tensor]:
        """Each view of z ``(n, data, latents)``, ``(n, data)``."""
        z, x = z.double(), _rows(x).nan_to_num()
        reference = self.slope[0] + x @ self.slope[1:] + self.scale * self.noise
        distance = ((z - reference) / self.scale).square().sum(-1)
        return [*z.unbind(-1), *(z @ self.directions.T).unbind(-1), distance]


def _rows(values: Tensor) -> Tensor:
    return values.double().reshape(len(values), -1)


def _judged(ranks: np.ndarray, names: list[str], attributes: dict[str, int]) -> xr.Dataset:
    names = [*names, *["log p(x|z)", "log p(x, z)", "log q(z|x)"][: len(ranks) - len(names)]]
    p = np.array([uniformity(row) for row in ranks])
    covered = np.stack([(np.abs(2 * ranks - 1) <= level).mean(1) for level in LEVELS])
    nominal = np.array(LEVELS)[:, None]
    error = np.broadcast_to(np.sqrt(nominal * (1 - nominal) / ranks.shape[1]), covered.shape)
    return xr.Dataset(
        {
            "rank": (("quantity", "simulation"), ranks),
            "p": ("quantity", p),
            "coverage": (("level", "quantity"), covered),
            "coverage_se": (("level", "quantity"), error),
        },
        coords={"quantity": names, "level": list(LEVELS), "simulation": np.arange(ranks.shape[1])},
        attrs={**attributes, "smallest_p": float(min(1.0, len(p) * p.min())), "worst": names[int(p.argmin())]},
    )


def uniformity(u: np.ndarray) -> float:
    """The p-value of numbers between 0 and 1 being uniform: twice the least of Kolmogorov's of u and of |2u − 1|."""
    return float(min(1.0, 2 * min(stats.kstest(v, "uniform").pvalue for v in (u, np.abs(2 * u - 1)))))


def band(n: int, points: np.ndarray, probability: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Between which bounds the whole ECDF of n uniform numbers stays at these points with this probability.

    Reference: Säilynoja, Bürkner & Vehtari 2022, arXiv:2103.10522, as in ArviZ.
    """
    from arviz_stats.ecdf_utils import get_pointwise_confidence_band, simulate_confidence_bands

    pointwise = simulate_confidence_bands(n, 1, points, probability, 1000, np.random.default_rng(0))
    low, high = get_pointwise_confidence_band(pointwise, n, points)
    return low, high


@choice("analysis", "calibration")
class Calibration(Analysis):
    """Whether q(z|x) says what the model implies, under data that the model made.

    Args:
        simulations: pairs (z, x) that the model makes.
        num_draws: draws of each q(z|x).
    """

    title: ClassVar[str] = "Is the encoder calibrated?"
    order: ClassVar[int] = 15

    def __init__(self, simulations: int = 1000, num_draws: int = 99) -> None:
        self.simulations, self.num_draws = simulations, num_draws

    @by_trying
    def refusal(self, model: Model, data: Data) -> str:
        """A guide with a density, a proper prior, and data that the model makes whole are needed."""
        with joints(model, *placed(model, data.test.take(2)), 0) as blocks:
            blocks[0].simulate(SIMULATION)
        return ""

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Rank exact draws among the encoder's."""
        split = data.test.spread(self.simulations)
        found = calibrate(model, split.x, split.y, simulations=self.simulations, num_draws=self.num_draws, seed=seed)
        names = [str(name) for name in found["quantity"].values]
        p = dict(zip(names, found["p"].values.tolist(), strict=True))
        marked = [name for name in names if len(p) * p[name] < SUSPECT]
        shown = [*sorted(names, key=p.__getitem__)[:SHOWN]]
        covered = found["coverage"].sel(level=LEVELS[-1], quantity=latents_among(names)).values
        smallest = found.attrs["smallest_p"]
        width = f"of true latents {covered.mean():.0%} are in the central {LEVELS[-1]:.0%} intervals of q"
        says = (
            f"{len(marked)} of {len(names)} quantities of exact draws of p(z|x) rank as no draw of the encoder would "
            f"(smallest p, times their number: {smallest:.2g}, {found.attrs['worst']}); {width}."
        )
        if not marked:
            says = (
                f"{len(names)} quantities rank as they must (smallest p, times their number: {smallest:.2g}); {width}."
            )
        points = np.linspace(0.01, 0.99, 99)
        ranks = {name: found["rank"].sel(quantity=name).values for name in shown}
        figure = ecdf_differences(ranks, points, band(self.simulations, points), marked)
        caption = (
            "Ranks of exact draws among the encoder's, less uniform ones, upon a band that holds a whole line in 95 %. Above "
            "and then below zero: the encoder is too sure; the reverse: not sure enough; an arch: it is biased."
        )
        return Finding(
            says,
            "beware" if marked else "well",
            ADVICE if marked else "",
            {"smallest_p": smallest, "worst": found.attrs["worst"], "p": p, "coverage": float(covered.mean())},
            (Picture("calibration", caption, figure),),
            [["quantity", "p"], *([name, f"{p[name]:.2g}"] for name in shown)],
        )


def latents_among(names: Sequence[str]) -> list[str]:
    """The latents among the quantities."""
    return [*names[: next(i for i, name in enumerate(names) if name.startswith(("projection", "TARP")))]]
