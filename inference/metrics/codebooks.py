"""Metrics of codebooks: how many of their entries are in use, and what a prior of the codes is worth."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pyrogen.base import Batch, Model
from pyrogen.data import Data, Split
from pyrogen.inference.metrics.evidence import Nats
from pyrogen.inference.objectives.quantization import HasCodebooks, log_prior
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.nets.codebook import perplexity
from pyrogen.registry import choice

AT_ONCE = 1000


def code_counts(model: Model, split: Split) -> list[Tensor]:
    """How often each code stands for something in a split, ``(K,)`` in float64, by level.

    Raises:
        ValueError: the model has no codebooks.
    """
    if not isinstance(model, HasCodebooks):
        raise ValueError(f"{type(model).__name__} has no codebooks whose codes could be counted; take 'vqvae'.")
    counts = [torch.zeros(book.codes, dtype=torch.float64) for book in model.books]
    with evaluating(model):
        for start in range(0, len(split), AT_ONCE):
            x = split.x[start : start + AT_ONCE].to(model.device)
            for count, (_, hot) in zip(counts, model.quantize(x), strict=True):
                count += hot.flatten(0, -2).sum(0).double().cpu()
    return counts


@choice("metric", "codebook-use")
def codebook_use(model: Model, data: Data, seed: int) -> float:
    """The perplexity of codes of the test data as a fraction of the codebook's size, of the level that uses it least.

    exp(−Σ p log p) / K, p the fractions of places that each code stands for: 1 if all are alike, 1/K if there is one.
    Reference: van den Oord et al. 2017, arXiv:1711.00937.
    """
    return min(float(perplexity(count)) / len(count) for count in code_counts(model, data.test))


@choice("metric", "code-gain")
def code_gain(model: Model, data: Data, seed: int) -> Nats:
    """Nats per datum by which the prior of codes beats codes that are all alike, on the test data.

    1/N Σₙ [log p(z(xₙ)) + Σ log K], summed over places: what has been learned of how codes lie beside one another.
    """
    if not isinstance(model, HasCodebooks):
        raise ValueError(f"{type(model).__name__} has no codebooks, and so no codes to gain on; take 'vqvae'.")
    alike = sum(h * w * math.log(book.codes) for (h, w), book in zip(model.grids, model.books, strict=True))
    test = data.test.to(model.device)
    with evaluating(model):
        parts = [slice(start, start + AT_ONCE) for start in range(0, len(test), AT_ONCE)]
        y = test.y if model.condition is not None else None
        found = [log_prior(model, Batch(test.x[part], None if y is None else y[part])) for part in parts]
    return Nats(torch.cat(found).double().cpu().numpy() + alike)
