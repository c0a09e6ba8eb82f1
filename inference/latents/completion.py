"""Part of a datum told from the rest: hidden elements by annealing on the seen ones, and each left out in turn."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from torch.distributions import biject_to

from pyrogen.axes import Likelihood
from pyrogen.base import HasPosterior, Model, Pair
from pyrogen.distributions.shaped import in_shape, vectors_of
from pyrogen.inference.evidence.ais import AIS
from pyrogen.inference.evidence.annealing import PATH
from pyrogen.inference.evidence.latent_space import LatentSpace, Point, latent_spaces
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.evidence.tail import smooth, tail_length
from pyrogen.inference.evidence.weight_stream import WeightStream
from pyrogen.inference.latents.calibration import LEVELS, randomized_rank
from pyrogen.inference.latents.joint import joints, placed
from pyrogen.inference.programs.door import verb
from pyrogen.inference.programs.record import latent_sites, record
from pyrogen.likelihoods.missing import Masked, Observed
from pyrogen.memory import enough_memory
from pyrogen.seeds import ALONE

CHAINS = AIS(temperatures=100, chains=64, leapfrogs=3, doubling=False)
DRAWN, RANKED, ENCODED = 30, 31, 32  # places of the random draws


@contextmanager
def with_holes(model: Model) -> Iterator[Model]:
    """The model as one of data with holes: NaN in x is left out of p(x|z), and in its place the encoder reads 0.

    Raises:
        ValueError: it has no likelihood whose elements can be left out one by one.
    """
    children = [(name, part) for name, part in model.named_children() if isinstance(part, Likelihood)]
    if not isinstance(model, Pair) or not isinstance(model, HasPosterior) or len(children) != 1:
        raise ValueError(
            f"{type(model).__name__} has not one likelihood axis of which elements could be left out; use a model "
            "such as create('vae')."
        )
    ((name, likelihood),) = children
    if model.missing:
        yield model
        return
    # a copy: Masked sizes the likelihood that it is given for one element
    masked = Masked(copy.deepcopy(likelihood))
    masked.size(model.x_shape)
    with ALONE:  # other threads are not to see the model so
        setattr(model, name, masked)
        model.missing = True
        try:
            yield model
        finally:
            setattr(model, name, likelihood)
            model.missing = False


@verb
def complete(
    model: Model,
    x: Any,
    seen: Tensor,
    y: Any = None,
    *,
    num_draws: int = 99,
    estimator: AIS = CHAINS,
    seed: int = 0,
) -> xr.Dataset:
    """Hidden elements of data from the seen ones: p(x_hidden|x_seen) = ∫ p(x_hidden|z) p(z|x_seen) dz.

    p(z|x_seen) is reached by annealing from the prior on the seen elements alone, since no encoder knows it; chains are
    resampled by their weights. The data are those of the world: coverage judges the model, not the encoder.

    Args:
        model: a model of the zoo with a likelihood of independent elements, and one real vector of latents.
        x: whole data, ``(B, *x_shape)``; where elements are missing, these are hidden too, and judge nothing.
        seen: which elements are, ``x_shape`` in bits.
        y: conditions.
        num_draws: of the hidden elements.
        estimator: the chains.
        seed: of all random draws.

    Returns:
        Over ``datum``, in nats: ``log_predictive``, log p(x_hidden|x_seen), with ``mc_se``; ``log_seen``; ``ess`` of chains.
        ``draw`` over ``(sample, datum, element)``: whole data, the seen elements as they are; ``rank`` over
        ``(datum, hidden)``, the randomized ranks of the true elements among draws; ``coverage`` with ``coverage_se`` over
        ``level``, the share of ranks in the central intervals, with an error over data, whose elements are not independent.

    Raises:
        ValueError: the likelihood couples elements, nothing or all is seen, or chains cannot move in the latents.
    """
    x, y = placed(model, x, y)
    seen = seen.to(device=x.device, dtype=torch.bool)
    if seen.shape != model.x_shape or seen.all() or not seen.any():
        raise ValueError(
            f"seen says of each of the elements {tuple(model.x_shape)} whether it is, some and not all; got "
            f"{tuple(seen.shape)} with {int(seen.sum())} seen."
        )
    parts = []
    with with_holes(model) as holed, enough_memory("lower chains, or give fewer data"):
        shown = x.masked_fill(~seen, torch.nan)
        with (
            latent_spaces(holed, shown, y, "prior", seed) as spaces,
            track(estimator.transitions() * len(spaces), "completing") as advance,
        ):
            for space, truth in zip(spaces, x.split([s.data for s in spaces]), strict=True):
                ends = _Ends()
                weights = estimator.path(space, advance).from_base(estimator.chains, PATH, ends.keep).log_weights
                parts.append(_completed(space, truth, seen, ends.z, weights, num_draws))
    found = {k: np.concatenate([part[k] for part in parts], 1 if k == "draw" else 0) for k in parts[0]}
    dims = {"draw": ("sample", "datum", "element"), "rank": ("datum", "hidden")}
    variables = {k: (dims.get(k, ("datum",)), v) for k, v in found.items()}
    return xr.Dataset(
        {**variables, **_coverage(found["rank"])},
        coords={"datum": np.arange(len(x)), "level": list(LEVELS), "hidden": np.flatnonzero(~seen.cpu().numpy())},
        attrs={"estimator": type(estimator).__name__, **estimator.attributes(), "seed": seed, "unit": "nats per datum"},
    )


def _coverage(ranks: np.ndarray) -> dict[str, tuple[str, np.ndarray]]:
    """The share of ranks ``(datum, hidden)`` in the central intervals, and its error over data; nan is nobody's rank."""
    told = ~np.isnan(ranks)
    some = told.any(1)
    inside = np.stack([(np.abs(2 * ranks[some] - 1) <= level).sum(1) for level in LEVELS])
    covered = inside / told[some].sum(1)
    n = covered.shape[1]
    error = covered.std(1, ddof=1) / math.sqrt(n) if n > 1 else np.full(len(LEVELS), np.nan)
    return {"coverage": ("level", covered.mean(1)), "coverage_se": ("level", error)}


class _Ends:
    """Sees chains at every temperature, and remembers where they are at the last."""

    z: Tensor

    def keep(self, log_weights: Tensor, point: Point) -> tuple[Tensor, Point]:
        """Look, and change nothing."""
        self.z = point.z
        return log_weights, point


def _completed(
    space: LatentSpace, x: Tensor, seen: Tensor, z: Tensor, log_weights: Tensor, num_draws: int
) -> dict[str, np.ndarray]:
    z = _values(space, z)
    known = ~x.isnan()
    each = _elements(space.pair, z, x, space.y)
    hidden = each.masked_fill(seen, 0).flatten(2).sum(2)
    shares = log_weights.softmax(0)
    with space.seeded(DRAWN):
        chosen = torch.multinomial(shares.T, num_draws, replacement=True).T  # (draw, datum)
        picked = z.gather(0, chosen.unsqueeze(-1).expand(-1, -1, z.shape[-1]))
        drawn = torch.where(seen & known, x, _decoded(space.pair, picked, space.y).sample().to(x))
    with space.seeded(RANKED):
        ranks = randomized_rank(x[:, ~seen], drawn[:, :, ~seen]).masked_fill(~known[:, ~seen], torch.nan)
    predictive = (log_weights + hidden).logsumexp(0) - log_weights.logsumexp(0)
    # the ratio of two means of the same weights
    lift = (hidden - predictive).exp()
    error = (shares * (lift - 1)).square().sum(0).sqrt()
    stream = WeightStream.of(log_weights.cpu().numpy())
    return {
        "log_predictive": predictive.cpu().numpy(),
        "mc_se": error.cpu().numpy(),
        "log_seen": stream.log_mean(),
        "ess": stream.effective_sample_size(),
        "draw": drawn.flatten(2).cpu().numpy(),
        "rank": ranks.cpu().numpy(),
    }


def _values(space: LatentSpace, z: Tensor) -> Tensor:
    """Latents of coordinates ``(n, data, size)``.

    Raises:
        ValueError: the model draws several.
    """
    with space.seeded(DRAWN):
        sites = list(latent_sites(record(space.pair.model, space.x, space.y)).values())
    if len(sites) > 1:
        raise ValueError("elements are completed from one vector of latents, and this model draws several sites.")
    values: Tensor = biject_to(vectors_of(sites[0]["fn"]).support)(z)
    return values


def _decoded(pair: Pair, z: Tensor, y: Tensor | None) -> Observed:
    assert isinstance(pair, HasPosterior)
    fn = pair.decode(in_shape(z, pair.latent_shape), y)
    assert isinstance(fn, Observed)
    return fn


def _elements(pair: Pair, z: Tensor, x: Tensor, y: Tensor | None) -> Tensor:
    """log p(xᵢ|z) of every element for z ``(n, data, size)``: ``(n, data, *x_shape)`` in float64."""
    fn = _decoded(pair, z, y)
    filled = torch.where(x.isnan(), fn.filler, x)
    found: Tensor = fn.elements.log_prob(filled.reshape(*x.shape, *fn.elements.event_shape))
    return found.double().masked_fill(x.isnan(), 0)


def loo_pit(
    model: Model,
    x: Any,
    y: Any = None,
    *,
    leave_out: str = "element",
    num_samples: int = 1000,
    seed: int = 0,
) -> xr.Dataset:
    """The probability integral transform of each element given all others of its datum, Pr(X_j ≤ x_j | x_{−j}).

    Draws of q(z|x) with weights p(x, z) / q(z|x) / p(x_j|z), Pareto smoothed. Where the model is right, each is uniform; the
    elements of one datum are not independent of one another.

    It is a datum's elements that can be left out: each leaves its latent with all others to be told by. Leaving out the whole
    datum leaves the prior, and the weights 1 / p(x|z) are the harmonic mean's, which PSIS does not save: refused.

    Args:
        model: a model of the zoo with a likelihood of independent elements.
        x: data, ``(B, *x_shape)``.
        y: conditions.
        leave_out: "element".
        num_samples: draws of each datum's q(z|x).
        seed: of all random draws.

    Returns:
        ``pit`` and ``pareto_k`` over ``(datum, element)``, nan where an element is missing; where k̂ exceeds 0.7 the transform
        is not to be believed.

    Raises:
        ValueError: leaving out whole data, a likelihood that couples elements, or a guide without density.

    Reference: Vehtari, Gelman & Gabry 2017, arXiv:1507.04544.
    """
    if leave_out != "element":
        raise ValueError(
            f"loo_pit(leave_out={leave_out!r}): a datum has a latent of its own, of which nothing is left to be told by once "
            "it is left out, so that 1 / p(x|z) is the harmonic mean's weight and not to be trusted; leave out elements "
            "(leave_out='element'), or take log p(x) itself by log_evidence, and predictive_check for replications."
        )
    x, y = placed(model, x, y)
    rows: list[np.ndarray] = []
    shapes: list[np.ndarray] = []
    with (
        with_holes(model) as holed,
        enough_memory("lower num_samples"),
        joints(holed, x, y, seed) as blocks,
        track(len(blocks), "leaving out elements") as advance,
    ):
        for block in blocks:
            z, log_q = block.guide(num_samples, ENCODED)
            each = _elements(block.pair, z, block.x, block.y).flatten(2)
            log_weights = (block.at(z).joint - log_q).unsqueeze(-1) - each
            with block.seeded(ENCODED, 1):
                again = _decoded(block.pair, z, block.y).sample().flatten(2)
                u = torch.rand(again.shape[1:], dtype=torch.float64, device=x.device)
            weights, k = _smoothed(log_weights)
            truth = block.x.flatten(1)
            below, equal = (again < truth).double(), (again == truth).double()
            pit = (weights * (below + u * equal)).sum(0).masked_fill(truth.isnan(), torch.nan)
            rows.append(pit.cpu().numpy())
            shapes.append(np.where(np.isnan(rows[-1]), np.nan, k))
            advance(1)
    dims = ("datum", "element")
    found = {"pit": (dims, np.concatenate(rows)), "pareto_k": (dims, np.concatenate(shapes))}
    return xr.Dataset(found, attrs={"num_samples": num_samples, "seed": seed, "leave_out": leave_out})


def _smoothed(log_weights: Tensor) -> tuple[Tensor, np.ndarray]:
    """Normalized weights ``(n, data, element)`` with Pareto-smoothed tails, and k̂, ``(data, element)``."""
    values = log_weights.cpu().numpy()
    shapes = np.empty(values.shape[1:])
    size = tail_length(len(values))
    order = np.argsort(values, 0)
    for place in np.ndindex(*shapes.shape):
        largest = order[-size - 1 :, *place]
        shapes[place], values[largest[1:], *place] = smooth(values[largest, *place])
    return torch.from_numpy(values).to(log_weights.device).softmax(0), shapes
