"""Metrics of models of texts, per word and per sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from pyrogen.base import HasPosterior, Model
from pyrogen.data import Data
from pyrogen.inference.latents.measured import share
from pyrogen.inference.metrics.evidence import evidence
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.registry import choice
from pyrogen.vocabulary import scored


@choice("metric", "perplexity")
def perplexity(model: Model, data: Data, seed: int, estimator: Mapping[str, Any] | str | None = None) -> WithError:
    """Among how many equally probable words a model wavers at each place of the test texts, ends included.

    exp(−Σₙ log p(xₙ) / Σₙ Tₙ), Tₙ the words of a text and its end. Of a model with latents by an estimator, which makes it
    an upper bound.
    """
    _refuse_others(data, "perplexity")
    tokens = float(scored(data.test.x).double().mean())
    nats = evidence(model, data, seed, estimator)
    found = math.exp(-float(nats) / tokens)
    return WithError(found, found * nats.error / tokens)


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
        if between:
            assert isinstance(model, HasPosterior)
            codes = model.code(data.test.take(2 * num))
            half = len(codes) // 2
            written = model.decode((codes[:half] + codes[half : 2 * half]) / 2).mean
        else:
            written = model.sample(num)
    possible = data.law.log_prob(written).isfinite()
    return WithError.of(share(possible))


def _refuse_others(data: Data, metric: str) -> None:
    if data.vocabulary is None:
        raise ValueError(f"{metric} is of texts, and {data.name!r} is {data.kind} data; load a text, as 'grammar'.")
