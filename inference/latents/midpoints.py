"""Whether a latent space can be walked in: what a judge recognizes midway between data, and three numbers for the space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Model
from pyrogen.conditions import UNKNOWN
from pyrogen.data import Split
from pyrogen.inference.latents.judging import CONFIDENT, TrainedJudge
from pyrogen.inference.latents.measured import Measured, mean, paired_shares, share
from pyrogen.inference.latents.paths import path_named
from pyrogen.inference.latents.walks import codes_of, decoded, draw_latents, posterior_of
from pyrogen.inference.programs.contexts import evaluating, seeded

FOLDS = 5


@dataclass(frozen=True)
class Midpoints:
    """Of which pictures a judge is confident, each ``(n,)`` of booleans; datum by datum those of the same two test data.

    Attributes:
        lerp: decoded at the middle of the straight line between their codes.
        slerp: decoded at the middle of the arc.
        reconstructed: the reconstruction of the first of them.
        real: the first of them itself.
        averaged: the mean of the two data, pixel by pixel: what a straight line in x gives.
        prior: decoded at as many draws of the prior, which no data belong to.
        kept: which reconstructions the judge names as the class of their datum, however sure it is.
        judge: who judged, as :meth:`TrainedJudge.numbers`.
    """

    lerp: Tensor
    slerp: Tensor
    reconstructed: Tensor
    real: Tensor
    averaged: Tensor
    prior: Tensor
    kept: Tensor
    judge: Mapping[str, Any]

    def shares(self) -> dict[str, Measured]:
        """The share of each that is recognized."""
        names = ("real", "reconstructed", "lerp", "slerp", "prior", "averaged")
        return {name: share(getattr(self, name)) for name in names}

    def less(self, other: Midpoints) -> dict[str, Measured]:
        """By how much more this model's are recognized than another's, paired by the data at their ends.

        Raises:
            ValueError: they are of other data, or another judge judged them.
        """
        if self.judge != other.judge or not torch.equal(self.real, other.real):
            raise ValueError(
                f"midpoints are compared between the same data by the same judge, and these are of {len(self.real)} data by "
                f"{self.judge['digest']} and of {len(other.real)} by {other.judge['digest']}; ask for both with "
                "one judge and seed."
            )
        return {
            name: paired_shares(getattr(self, name), getattr(other, name))
            for name in ("lerp", "slerp", "reconstructed")
        } | {"prior": share(self.prior).less(share(other.prior))}

    def over_pixels(self) -> Measured:
        """By how much more often the line's middle is recognized than the mean of the two data, paired by them."""
        return paired_shares(self.lerp, self.averaged)

    def arcs_over_lines(self) -> Measured:
        """By how much more often the arc's middle is recognized than the line's, paired likewise."""
        return paired_shares(self.slerp, self.lerp)


def midpoints(
    model: Model,
    split: Split,
    judge: TrainedJudge,
    n: int = 500,
    seed: int = 0,
    confidence: float = CONFIDENT,
    seen: Split | None = None,
) -> Midpoints:
    """Judge what is decoded midway between disjoint pairs of data of different classes, and at draws of the prior.

    Both ends are of one model's test data; which are paired depends on the seed alone, so that two models are compared pair
    by pair. Where the model looks at a condition, all that is made of a pair is given that of its first datum, or
    what it infers of it.

    Args:
        model: whatever encodes.
        split: the data, with labels.
        judge: of the same data, see :func:`pyrogen.inference.latents.judging.judge_of`.
        n: pairs at most; as many as there are data for, if these are fewer.
        seed: of the pairs and the draws.
        confidence: from which probability on a picture counts as recognized.
        seen: the same data as they are shown to the judge, where the model reads them otherwise, as bits: see
            :func:`pyrogen.inference.latents.judging.as_decoded`.

    Raises:
        ValueError: the model encodes nothing, or there are no two data of different classes.
    """
    first, second = disjoint_pairs(split, n, seed)
    a, b = (split[rows][0].to(model.device) for rows in (first, second))
    with evaluating(model):
        asked = model.condition_for(None if split.y is None else split.y[first], a)
    y = None if asked is None else asked.to(model.device)
    posterior_of(model, a[:1], None if y is None else y[:1])  # refuses models that encode nothing
    with evaluating(model):
        za, zb = codes_of(model, a, y), codes_of(model, b, y)
        half = za.new_tensor(0.5)
        middles = {
            name: path_named(name)(za.flatten(1), zb.flatten(1), half).unflatten(-1, za.shape[1:])
            for name in (("lerp", "slerp") if za[0].numel() > 1 else ("lerp",))
        }
        middles.setdefault("slerp", middles["lerp"])  # between numbers an arc is the line
        drawn = draw_latents(model, len(first), y, seed)
        made = {name: decoded(model, z, y) for name, z in ({**middles, "reconstructed": za, "prior": drawn}).items()}
        shown_as = split if seen is None else seen
        (real, y_real), (other_real, _) = (shown_as[rows] for rows in (first, second))
        kept = judge.names(made["reconstructed"]).cpu() == y_real.cpu()
        shown = {**made, "real": real, "averaged": (real + other_real) / 2}
        found = {name: judge.recognizes(x, confidence) for name, x in shown.items()}
    return Midpoints(**found, kept=kept, judge=judge.numbers())


def disjoint_pairs(split: Split, n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Places of data of different classes, each datum in one pair at most, so that pairs are independent: ``(M,)`` twice.

    Raises:
        ValueError: there are no labels, or none of different classes.
    """
    if split.y is None or split.y.dim() != 1:
        raise ValueError(f"pairs are of data of different classes, and {split.data_name} {split.name} has no labels.")
    with seeded(seed):
        order = torch.randperm(len(split))
    half = len(order) // 2
    first, second = order[:half], order[half : 2 * half]
    y = split.y.cpu()
    apart = (y[first] != y[second]) & (torch.minimum(y[first], y[second]) > UNKNOWN)
    if not apart.any():
        raise ValueError(f"{split.data_name} {split.name} has no two data of different classes to walk between.")
    return first[apart][:n], second[apart][:n]


@dataclass(frozen=True)
class Regularity:
    """Three numbers of a latent space, each 1 at best, with their errors.

    Attributes:
        regularity: 2 (1 − a), a the accuracy, in cross-validation, of a classifier that is to tell draws of q(z|x), one of
            each datum, from draws of the prior p(z): 1 where nothing tells them apart. No classifier is right more often
            than (1 + TV)/2, so that it is, in expectation, at least 1 − TV(q(z), p(z)).
        continuity: E[Σₜ sₜ / (T maxₜ sₜ)], sₜ = ‖g(z_{t+1}) − g(z_t)‖ the T steps of what is decoded on straight lines
            between codes: 1 where it changes evenly, 1/T where it jumps.
        completeness: P(max_y c(y|g(z)) > .9), z ~ p(z): how much of the prior decodes to what a judge recognizes.
    """

    regularity: Measured
    continuity: Measured
    completeness: Measured


def regularity(q: Tensor, p: Tensor, seed: int = 0) -> Measured:
    """2 (1 − a), at most 1, of draws of the aggregated posterior and of the prior, ``(N, L)`` each; see :class:`Regularity`.

    The classifier is a logistic regression on z, its squares and its products; where these are many, on ‖z‖ instead.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    z = torch.cat([q, p]).flatten(1).double().cpu()
    size = z.shape[1]
    if size * (size + 1) / 2 < len(z) / 10:
        pairs = torch.triu_indices(size, size)
        bent = z[:, pairs[0]] * z[:, pairs[1]]
    else:
        bent = torch.cat([z**2, z.norm(dim=1, keepdim=True)], 1)
    rows, labels = torch.cat([z, bent], 1).numpy(), torch.arange(len(z)) < len(q)
    with seeded(seed):
        order = torch.randperm(len(z))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    told = cross_val_predict(classifier, rows[order], labels[order].numpy(), cv=FOLDS)
    right = share(torch.from_numpy(told) == labels[order])
    return Measured(min(1.0, 2 * (1 - right.value)), 2 * right.error, right.n)


def continuity(walked: Tensor) -> Measured:
    """How evenly what is decoded changes on walks ``(B, T + 1, *x_shape)``; see :class:`Regularity`. Still ones count 1."""
    steps = walked.double().flatten(2).diff(dim=1).norm(dim=2)
    longest = steps.amax(1)
    even = steps.mean(1) / longest.clamp_min(torch.finfo(steps.dtype).tiny)
    return mean(torch.where(longest > 0, even, torch.ones_like(even)))


def three_numbers(
    model: Model, split: Split, judge: TrainedJudge, n: int = 500, steps: int = 20, seed: int = 0
) -> Regularity:
    """Regularity, continuity and completeness of a model's latent space, on ``2 n`` data of a split.

    Args:
        model: whatever encodes and has a prior.
        split: real data, with labels.
        judge: of the same data.
        n: walks at most, between pairs of the ``2 n`` data, or of all if there are fewer; the prior is drawn from once for
            each datum.
        steps: T, of each walk.
        seed: of all draws.
    """
    part = split.spread(2 * n).to(model.device)
    with evaluating(model):
        y = model.condition_for(part.y, part.x)
    first, second = disjoint_pairs(part, n, seed)
    given = None if y is None else y[first]
    with evaluating(model), seeded(seed, model.device):
        q = posterior_of(model, part.x, y).sample()
        p = draw_latents(model, len(q), y, seed + 1)
        t = torch.linspace(0, 1, steps + 1, dtype=q.dtype, device=q.device)
        codes = codes_of(model, part.x, y).flatten(1)
        a, b = codes[first].unsqueeze(1), codes[second].unsqueeze(1)
        walks = torch.lerp(a, b, t.unsqueeze(-1)).unflatten(-1, q.shape[1:])
        walked = decoded(model, walks, None if given is None else given.unsqueeze(1))
        complete = share(judge.recognizes(decoded(model, p, y)))
    return Regularity(regularity(q, p, seed), continuity(walked), complete)
