"""Attributes as directions in latents: found from few labels, with the doubt that is left, and tested by what "
"they decode to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyrogen.axes import Distribution
from pyrogen.base import Model
from pyrogen.inference.latents.judging import CONFIDENT, TrainedJudge
from pyrogen.inference.latents.measured import Measured, mean, paired, share
from pyrogen.inference.latents.walks import decoded, draw_latents
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.registry import unknown

Method = Literal["means", "logistic", "linear"]


class Interval(NamedTuple):
    """The mean of draws, and the shortest interval that holds so much of them (an HDI)."""

    mean: float
    low: float
    high: float
    prob: float


@dataclass(frozen=True)
class AttributeVector:
    """Draws of the direction of an attribute: one for each resampling of the data and draw of their latents.

    Attributes:
        draws: ``(S, L)`` in float64.
        labels: how many labels each was made of.
        method: how.
    """

    draws: Tensor
    labels: int
    method: str

    @property
    def mean(self) -> Tensor:
        """The mean direction, ``(L,)``."""
        return self.draws.mean(0)

    def intervals(self, prob: float = 0.94) -> Tensor:
        """The HDI of each coordinate, ``(L, 2)``."""
        return torch.tensor([interval(v, prob)[1:3] for v in self.draws.T], dtype=torch.float64)

    def cosine(self, other: Tensor, prob: float = 0.94) -> Interval:
        """How well it points along another direction ``(L,)``, over its draws."""
        return interval(torch.cosine_similarity(self.draws, other.double().flatten().unsqueeze(0)), prob)


def interval(draws: Tensor, prob: float = 0.94) -> Interval:
    """The mean and the HDI of draws of a number, ``(S,)``; by ArviZ."""
    from arviz_stats import hdi  # it takes a second to load

    low, high = np.asarray(hdi(draws.double().cpu().numpy(), prob=prob)).tolist()
    return Interval(float(draws.double().mean()), low, high, prob)


def attribute_vector(
    z: Tensor | Distribution,
    y: Tensor,
    method: Method = "means",
    labels: int | None = None,
    draws: int = 200,
    seed: int = 0,
) -> AttributeVector:
    """The direction in which an attribute grows, with its doubt.

    Each draw takes ``labels`` data at random with replacement, as many with the attribute as without, and one z ~ q(z|x) of
    each: what is spread over draws is what other labels and other codes would have given. By "means" it is
    v = mean z₊ − mean z₋; by "logistic" w (wᵀv)/‖w‖², w the normal of the plane that tells both apart: as far as the means
    are apart along it. By "linear" y may be any numbers, and it is w/‖w‖², w their regression on z: the least step that
    raises the predicted y by 1.

    Reference: Mikolov et al. 2013 and Radford et al. 2016, arXiv:1511.06434, for means; Shen et al. 2020, InterFaceGAN,
    arXiv:1907.10786, for planes; the bootstrap is Efron's, 1979, and of fewer labels than data that of Bickel et al. 1997.

    Args:
        z: latents of data ``(N, *latent_shape)``, or q(z|x) of N data, whose draws count; of generators see :func:`picked`.
        y: of which the attribute is true, ``(N,)``; by "linear" its numbers.
        method: how.
        labels: how many labels are known; None: all of them.
        draws: S.
        seed: of the choice of data and of the draws of z.

    Raises:
        ValueError: an unknown method, all data are alike, or fewer than 2 labels.
    """
    if method not in _DIRECTIONS:
        raise unknown("method", method, _DIRECTIONS)
    y = y.cpu().double() if method == "linear" else y.cpu().bool()
    groups = [torch.arange(len(y))] if method == "linear" else [y.nonzero()[:, 0], (~y).nonzero()[:, 0]]
    count = len(y) if labels is None else labels
    if count < 2 or min(map(len, groups)) == 0 or (method == "linear" and float(y.std()) == 0):
        raise ValueError(
            f"a direction is between data with an attribute and data without, and {count} labels of {len(y)} data are "
            "too few or all alike; pass 2 labels or more, of both."
        )
    with seeded(seed):
        sizes = (
            [count] if method == "linear" else [count - count // 2, count // 2] if labels else list(map(len, groups))
        )
        found = []
        for _ in range(draws):
            rows = torch.cat([g[torch.randint(len(g), (size,))] for g, size in zip(groups, sizes, strict=True)])
            drawn = z if isinstance(z, Tensor) else z.sample()
            found.append(_DIRECTIONS[method](drawn.detach()[rows.to(drawn.device)].flatten(1).double().cpu(), y[rows]))
    return AttributeVector(torch.stack(found), count, method)


class Picked(NamedTuple):
    """Latents of a generator, and which of them show an attribute.

    Attributes:
        z: ``(n, *latent_shape)``.
        shows: ``(n,)``.
    """

    z: Tensor
    shows: Tensor


def picked(
    model: Model, judge: TrainedJudge, target: int, n: int = 1000, seed: int = 0, confidence: float = CONFIDENT
) -> Picked:
    """Draws of the prior whose decoded pictures a judge is confident of, and which of them are of class ``target``.

    For models without an encoder, to be passed to :func:`attribute_vector`; who picks by eye passes his own.

    Raises:
        ValueError: the judge recognizes none of the class, or nothing else.
    """
    z = draw_latents(model, n, seed=seed)
    with evaluating(model):
        p = judge.probabilities(decoded(model, z))
    sure = (p.amax(1) > confidence).to(z.device)
    shows = (p.argmax(1) == target).to(z.device)[sure]
    if shows.all() or not shows.any():
        raise ValueError(
            f"of {n} draws the judge {judge.digest} is confident of {len(shows)}, and {int(shows.sum())} of them are "
            f"of class {target}; draw more, ask for another class, or ask for less confidence than {confidence}."
        )
    return Picked(z[sure], shows)


@dataclass(frozen=True)
class Effect:
    """What adding a direction to latents does to what they decode to, by a judge.

    Attributes:
        change: by how much c(target|x) grows, the mean over latents, each with another draw of the direction.
        control: the same of random directions of the same lengths.
        gain: change less control, paired by latents.
        before: the share that is named the target without it.
        after: with it.
        digest: of the judge.
    """

    change: Measured
    control: Measured
    gain: Measured
    before: Measured
    after: Measured
    digest: str


def attribute_effect(
    model: Model,
    z: Tensor,
    vector: AttributeVector,
    judge: TrainedJudge,
    target: int,
    strength: float = 1.0,
    y: Tensor | None = None,
    seed: int = 0,
) -> Effect:
    """Add a direction to latents ``(n, *latent_shape)`` of data that lack its attribute, and ask a judge what they decode to.

    z + strength · v is z − mean z₋ + mean z₊: arithmetic on latents. That a direction was found shows nothing of what it
    decodes to; the control is what any step of that length does.

    Args:
        model: what decodes.
        z: latents.
        vector: the direction.
        judge: of the data.
        target: the class that stands for the attribute.
        strength: by how many times it is added.
        y: conditions of the latents.
        seed: of which draw each latent is given, and of the control.
    """
    flat = z.flatten(1)
    with seeded(seed):
        steps = strength * vector.draws[torch.randint(len(vector.draws), (len(z),))]
        other = torch.randn(steps.shape, dtype=steps.dtype)
        other *= steps.norm(dim=1, keepdim=True) / other.norm(dim=1, keepdim=True)
    with evaluating(model):
        moved = [flat, flat + steps.to(flat), flat + other.to(flat)]
        p = [judge.probabilities(decoded(model, m.unflatten(1, z.shape[1:]), y)) for m in moved]
    asked = [q[:, target] for q in p]
    change, control = asked[1] - asked[0], asked[2] - asked[0]
    named = [share(q.argmax(1) == target) for q in p[:2]]
    return Effect(mean(change), mean(control), paired(change, control), named[0], named[1], judge.digest)


def _between_means(z: Tensor, y: Tensor) -> Tensor:
    return z[y].mean(0) - z[~y].mean(0)


def _along_a_plane(z: Tensor, y: Tensor) -> Tensor:
    from sklearn.linear_model import LogisticRegression

    w = torch.from_numpy(LogisticRegression(max_iter=1000).fit(z.numpy(), y.numpy()).coef_[0])
    return w * (w @ _between_means(z, y)) / (w @ w)


def _along_a_regression(z: Tensor, y: Tensor) -> Tensor:
    from sklearn.linear_model import Ridge

    w = torch.from_numpy(Ridge(alpha=1e-6 * len(z)).fit(z.numpy(), y.numpy()).coef_)
    return w / (w @ w)


_DIRECTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "means": _between_means,
    "logistic": _along_a_plane,
    "linear": _along_a_regression,
}
