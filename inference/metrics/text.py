"""Metrics of models of texts, per word and per sentence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import HasPosterior, Model
from pyrogen.data import Data
from pyrogen.inference.latents.measured import mean, ratio, share
from pyrogen.inference.metrics.evidence import scores
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.registry import choice
from pyrogen.vocabulary import END, scored


@choice("metric", "perplexity")
def perplexity(model: Model, data: Data, seed: int, estimator: Mapping[str, Any] | str | None = None) -> WithError:
    """Among how many equally probable words a model wavers at each place of the test texts, ends included.

    exp(−Σₙ log p(xₙ) / Σₙ Tₙ), Tₙ the words of a text and its end. Of a model with latents by an estimator, which makes it
    an upper bound.
    """
    _refuse_others(data, "perplexity")
    nats, tokens = scores(model, data, seed, estimator), scored(data.test.x).double().cpu()
    each = ratio(-torch.from_numpy(nats.each), tokens)
    found = math.exp(each.value)
    return WithError(found, found * math.sqrt(max(each.error**2 + nats.shared / float(tokens.mean()) ** 2, 0.0)))


@choice("metric", "sentences-kept")
def sentences_kept(model: Model, data: Data, seed: int, num: int = 500) -> WithError:
    """The share of test texts that come back whole from their codes, the most probable word at each place.

    Reference: Bowman et al. 2016, arXiv:1511.06349, show how few of a VAE's do.
    """
    _refuse_others(data, "sentences-kept")
    if not isinstance(model, HasPosterior):
        raise ValueError(f"sentences-kept decodes codes, and {type(model).__name__} has none; take a 'vae-text'.")
    part = data.test.take(num)
    with evaluating(model), seeded(seed, model.device):
        again = model.reconstruct(part)
    kept = (again == part.x.to(again.device)).flatten(1).all(1)
    return WithError.of(share(kept))


@choice("metric", "sentences-possible")
def sentences_possible(model: Model, data: Data, seed: int, between: bool = False, num: int = 500) -> WithError:
    """The share of what a model writes that the law of the data can write too, log p*(x) > −∞.

    Args:
        model: what writes.
        data: of a known law.
        seed: of the samples.
        between: instead of samples, what is most probable half-way between the codes of two test texts.
        num: how many texts.
    """
    _refuse_others(data, "sentences-possible")
    if data.law is None:
        raise ValueError(f"sentences-possible asks the law of the data, and nobody knows that of {data.name!r}.")
    if between and not isinstance(model, HasPosterior):
        raise ValueError(f"between=True takes codes, and {type(model).__name__} has none; use between=False.")
    with evaluating(model), seeded(seed, model.device), torch.no_grad():
        written = _half_way(model, data, num)[0] if isinstance(model, HasPosterior) and between else model.sample(num)
    possible = data.law.log_prob(written).isfinite()
    return WithError.of(share(possible))


@choice("metric", "sentences-between")
def sentences_between(model: Model, data: Data, seed: int, num: int = 500) -> WithError:
    """How often what is written half-way between two sentences has more words of both than of two others; by chance ½.

    1/N Σᵢ 1[min(o(mᵢ, aᵢ), o(mᵢ, bᵢ)) > min(o(mᵢ, aᵢ₊₁), o(mᵢ, bᵢ₊₁))] and ½ where they are equal; mᵢ is the most
    probable text at the mean of the codes of the test texts aᵢ and bᵢ, and o the share of the longer one's words that are in
    the other.
    Reference: Bowman et al. 2016, arXiv:1511.06349, show such sentences.
    """
    _refuse_others(data, "sentences-between")
    if not isinstance(model, HasPosterior):
        raise ValueError(f"sentences-between takes codes, and {type(model).__name__} has none; take a 'vae-text'.")
    with evaluating(model), seeded(seed, model.device), torch.no_grad():
        middle, first, second = (_bags(x) for x in _half_way(model, data, num))
    own = [min(_overlap(m, a), _overlap(m, b)) for m, a, b in zip(middle, first, second, strict=True)]
    others = [
        min(_overlap(m, a), _overlap(m, b))
        for m, a, b in zip(middle, first[1:] + first[:1], second[1:] + second[:1], strict=True)
    ]
    won = torch.tensor([1.0 if o > r else 0.5 if o == r else 0.0 for o, r in zip(own, others, strict=True)])
    return WithError.of(mean(won).of_share())


def _half_way(model: HasPosterior, data: Data, num: int) -> tuple[Tensor, Tensor, Tensor]:
    """The most probable texts at the means of the codes of two test texts each, and these."""
    part = data.test.take(2 * num)
    half = len(part) // 2
    codes = model.code(part)
    return model.decode((codes[:half] + codes[half : 2 * half]) / 2).mean, part.x[:half], part.x[half : 2 * half]


def _bags(x: Tensor) -> list[Counter[int]]:
    return [Counter(int(word) for word in row if word != END) for row in x.flatten(1).tolist()]


def _overlap(a: Counter[int], b: Counter[int]) -> float:
    return (a & b).total() / max(a.total(), b.total(), 1)


def _refuse_others(data: Data, metric: str) -> None:
    if data.vocabulary is None:
        raise ValueError(f"{metric} is of texts, and {data.name!r} is {data.kind} data; load a text, as 'grammar'.")
