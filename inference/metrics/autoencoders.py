"""Metrics of autoencoders: what they take out of noisy data, how their codes move, and what the codes are good for."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Literal

import torch
from pyro.distributions import Normal
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pyrogen.base import Batch, Model, Pair
from pyrogen.data import Data
from pyrogen.data.procedural import Circle, Curve, SparseModel, Spiral
from pyrogen.inference.latents.measured import crossed, mean, ratio
from pyrogen.inference.metrics.codes import encoder_of
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.objectives.penalized import jacobian
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.nets import Dictionary
from pyrogen.registry import choice

CURVES: Mapping[str, Callable[[], Curve]] = {"spiral": Spiral, "circle": Circle}


@choice("metric", "psnr-gain")
def psnr_gain(model: Model, data: Data, seed: int, noise: float, against: Model | None = None) -> WithError:
    """Decibels that noisy test data gain in signal-to-noise ratio by being reconstructed, or over another's reconstructions.

    10 log₁₀ Σ ‖x̃ − x‖² / Σ ‖r(x̃) − x‖² with x̃ = x + noise · ε, ε ~ N(0, I); against r′, its distances stand above.
    Reference: Vincent et al. 2008, Extracting and composing robust features with denoising autoencoders.
    """
    x = data.test.x
    with seeded(seed):
        noisy = x + noise * torch.randn(x.shape)
    before = noisy if against is None else _reconstructed(against, noisy, "psnr-gain")
    after = _reconstructed(model, noisy, "psnr-gain")
    found = ratio(*((made - x).double().flatten(1).square().sum(1) for made in (before, after)))
    return WithError(10 * math.log10(found.value), 10 / math.log(10) * found.error / found.value)


@choice("metric", "score-cosine")
def score_cosine(model: Model, data: Data, seed: int, noise: float) -> WithError:
    """How well r(x̃) − x̃ points along the score of noisy data on the curve, ∇ log p_σ(x̃): their cosine as fields.

    E ⟨g, s⟩ / √(E ‖g‖² E ‖s‖²) over x̃ = x + σ ε, with g = (r(x̃) − x̃)/σ², whose best value is s itself; its error is that of
    the three means together, to first order.
    Reference: Alain & Bengio 2014, arXiv:1211.4246, theorem 1; Miyasawa 1961.
    """
    curve = _curve(data, "score-cosine")
    with seeded(seed):
        noisy = data.test.x + noise * torch.randn(data.test.x.shape)
    field = (_reconstructed(model, noisy, "score-cosine") - noisy).double() / noise**2
    score = curve.score(noisy, noise)
    value = float((field * score).sum() / (field.norm() * score.norm()))
    both, mine, true = ((a * b).flatten(1).sum(1) for a, b in ((field, score), (field, field), (score, score)))
    moves = value * (mine / mine.mean() + true / true.mean()) / 2 - both / (mine.mean() * true.mean()).sqrt()
    return WithError(value, mean(moves).error)


@choice("metric", "jacobian-shrinkage")
def jacobian_shrinkage(model: Model, data: Data, seed: int, against: Model) -> WithError:
    """By which factor the codes of test data move less with x than those of another model.

    √(E ‖∂f′/∂x‖²_F / E ‖∂f/∂x‖²_F). Reference: Rifai et al. 2011, Contractive auto-encoders, section 5.
    """
    mine, other = (_jacobians(m, data, "jacobian-shrinkage").flatten(1).square().sum(1) for m in (model, against))
    return WithError.of(ratio(other, mine).root())


@choice("metric", "tangent-cosine")
def tangent_cosine(model: Model, data: Data, seed: int) -> WithError:
    """How well the direction in which codes move most is that of the curve: mean |⟨v, τ⟩| over the test data.

    v is the leading right singular vector of ∂f/∂x, τ the unit tangent. Random directions of D dimensions have about √(2/πD).
    Reference: Rifai et al. 2011, The manifold tangent classifier.
    """
    curve = _curve(data, "tangent-cosine")
    leading = torch.linalg.svd(_jacobians(model, data, "tangent-cosine")).Vh[:, 0]
    return WithError.of(mean((leading * curve.tangents(data.test.x)).sum(-1).abs()))


@choice("metric", "dictionary-cosine")
def dictionary_cosine(model: Model, data: Data, seed: int) -> float:
    """How well a linear decoder's columns hold the atoms of the sparse model: mean |cosine| of the best one-to-one match.

    max_π 1/K Σₖ |⟨d_k, d̂_π(k)⟩|. Reference: Aharon, Elad & Bruckstein 2006, K-SVD, section V.A.
    """
    if data.name != "sparse-dictionary":
        raise ValueError(f"dictionary-cosine knows the atoms of 'sparse-dictionary' only; got {data.name!r}.")
    found = [m.atoms() for m in model.modules() if isinstance(m, Dictionary)]
    if len(found) != 1:
        raise ValueError(
            f"dictionary-cosine needs a decoder that is a Dictionary; {type(model).__name__} has {len(found)}."
        )
    cosines = (SparseModel().dictionary.T @ found[0].detach().cpu()).abs().numpy()
    return float(cosines[linear_sum_assignment(cosines, maximize=True)].mean())


@choice("metric", "mean-activation")
def mean_activation(model: Model, data: Data, seed: int) -> WithError:
    """The mean of all codes of the test data, 1/NJ Σₙⱼ zₙⱼ. Reference: Ng 2011, Sparse autoencoder."""
    with evaluating(model):
        codes = encoder_of(model, "mean-activation").code(data.test.x.to(model.device))
    return WithError.of(mean(codes.double().flatten(1).mean(1)))


@choice("metric", "energy-distance")
def energy_distance(
    model: Model, data: Data, seed: int, codes: Literal["prior", "standard"] = "prior", n: int = 1000
) -> float:
    """The energy distance of generated data from test data; 0 for equal laws.

    2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖, over pairs of different data. Codes come from the model's prior, or, for comparison,
    from N(0, I). Reference: Székely & Rizzo 2013, Energy statistics.
    """
    if codes not in ("prior", "standard"):
        raise ValueError(f"energy-distance takes codes='prior' or 'standard'; got {codes!r}.")
    with evaluating(model), seeded(seed, model.device):
        if codes == "prior":
            drawn = model.sample(n)
        else:
            encoder = encoder_of(model, "energy-distance")
            zero = torch.zeros(encoder.latent_shape, device=model.device)
            drawn = encoder.decode(Normal(zero, 1).sample((n,))).sample()
    generated, real = drawn.flatten(1).double().cpu(), data.test.x.flatten(1).double()
    return float(2 * torch.cdist(generated, real).mean() - _within(generated) - _within(real))


@choice("metric", "labels-saved")
def labels_saved(
    model: Model, data: Data, seed: int, against: Model, labels: int, more: int, draws: int = 10, steps: int = 200
) -> WithError:
    """Test error of a classifier of ``more`` labels on another model's encoder, less that of ``labels`` on this one's.

    Both encoders, with a linear layer on their codes, are fine-tuned on labels that are drawn evenly; the errors are means
    over draws, and their difference is paired draw by draw and datum by datum. At 0 or above, ``more − labels`` labels were
    saved. Reference: Erhan et al. 2010, Why does unsupervised pre-training help deep learning?
    """
    few = [_wrong(model, data, labels, 1000 * seed + draw, steps) for draw in range(draws)]
    many = [_wrong(against, data, more, 1000 * seed + draw, steps) for draw in range(draws)]
    return WithError.of(crossed(torch.stack(many) - torch.stack(few)).of_gain())


def _wrong(model: Model, data: Data, labels: int, seed: int, steps: int) -> Tensor:
    """Where the encoder with a linear head, copied and fine-tuned on so many labels in all, errs on test data, ``(N,)``."""
    test = data.test.known()
    if data.train.y is None or test.y is None or data.classes is None:
        raise ValueError(f"labels-saved needs labels, and {data.name!r} has none.")
    if labels < data.classes:
        raise ValueError(f"labels-saved needs a label of each of {data.classes} classes; got {labels} labels.")
    with seeded(seed):
        copied = copy.deepcopy(model).cpu()
        encoder = encoder_of(copied, "labels-saved")
        order = torch.randperm(len(data.train))
        ranked = [order[data.train.y[order] == k] for k in range(data.classes)]
        kept = torch.cat([rows[: labels // data.classes] for rows in ranked])
        x, y = data.train.x[kept], data.train.y[kept]
        head = nn.Linear(encoder.latent_size, data.classes)
        optimizer = torch.optim.Adam([*copied.parameters(), *head.parameters()], 1e-3)
        copied.eval()
        for _ in range(steps):
            optimizer.zero_grad()
            cross_entropy(head(encoder.code(x).flatten(1)), y).backward()
            optimizer.step()
        with evaluating(copied):
            return (head(encoder.code(test.x).flatten(1)).argmax(1) != test.y).double()


def _reconstructed(model: Model, x: Tensor, metric: str) -> Tensor:
    with evaluating(model):
        return encoder_of(model, metric).reconstruct(x.to(model.device)).cpu()


def _jacobians(model: Model, data: Data, metric: str) -> Tensor:
    encoder_of(model, metric)
    if not isinstance(model, Pair):
        raise ValueError(f"{type(model).__name__} is no (model, guide) pair, which the metric {metric!r} needs.")
    with evaluating(model):
        return jacobian(model, Batch(data.test.x.to(model.device))).double().cpu()


def _curve(data: Data, metric: str) -> Curve:
    if data.name not in CURVES:
        raise ValueError(f"{metric} needs data on a known curve, {' or '.join(CURVES)}; got {data.name!r}.")
    return CURVES[data.name]()


def _within(x: Tensor) -> Tensor:
    return torch.cdist(x, x).sum() / (len(x) * (len(x) - 1))
