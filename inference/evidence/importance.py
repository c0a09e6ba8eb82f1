"""Estimates and diagnostics from importance log weights."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import numpy as np
from torch import Tensor

from pyrogen.base import Model, Pair
from pyrogen.inference.evidence.estimator import Estimates, in_order, joined
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.evidence.request import instead
from pyrogen.inference.evidence.weight_stream import WeightStream
from pyrogen.inference.evidence.weights import weigh

SHOWN = {
    "jackknife": "the bound without its bias of order 1/k (JVI-1), as uncertain as it",
    "psis": "log of the mean of Pareto-smoothed weights",
}


def mean_log_weight(stream: WeightStream) -> Estimates:
    """The ELBO: the mean of log w, with its error."""
    value, error = stream.mean()
    return {"log_evidence": (("datum",), value), "mc_se": (("datum",), error)}


def log_mean_weight(stream: WeightStream) -> Estimates:
    """The importance-weighted bound, log 1/K Σ w, with its error, and two estimates that are no bounds."""
    found = {"jackknife": stream.jackknife(), "psis": stream.pareto()[1]}
    return {
        "log_evidence": (("datum",), stream.log_mean()),
        "mc_se": (("datum",), stream.standard_error()),
        **{name: (("datum",), value, {"bound": "none", "long_name": SHOWN[name]}) for name, value in found.items()},
    }


def diagnostics(stream: WeightStream) -> Estimates:
    """What every estimate from weights carries: ess, pareto_k, and the k-curve with its error."""
    ks, curve, errors = stream.k_curve()
    return {
        "ess": (("datum",), stream.effective_sample_size()),
        "pareto_k": (("datum",), stream.pareto()[0]),
        "k_curve": (("k", "datum"), curve),
        "k_curve_se": (("k", "datum"), errors),
        "k": (("k",), ks),
    }


def estimate_from_weights(
    pair: Model,
    x: Tensor,
    y: Tensor | None,
    num_samples: int,
    reduce: Callable[[WeightStream], Estimates],
    *,
    chunk_size: int,
    seed: int,
) -> Estimates:
    """Reduce the weights of each block of data to an estimate and its error, and add the diagnostics.

    The weights pass by: memory does not grow with their number.

    Args:
        pair: a latent-variable model.
        x: data.
        y: conditions.
        num_samples: draws a datum.
        reduce: what to make of the weights of one block.
        chunk_size: as in :func:`~pyrogen.inference.log_evidence`.
        seed: of the draws.

    Raises:
        ValueError: a model without a guide, or without weights per datum.
    """
    if not isinstance(pair, Pair):
        raise ValueError(
            f"{type(pair).__name__} has no guide to draw latents from for importance weights; {instead(pair)}."
        )
    parts: list[Estimates] = []
    weighed = weigh(pair, x, y, num_samples, chunk_size, seed)
    with track(num_samples * len(x), "weighing") as advance, closing(weighed.blocks) as blocks:
        for size, block in blocks:
            stream = WeightStream(num_samples, size)
            for weights in block:
                stream.add(weights.cpu().numpy())
                advance(weights.numel())
            parts.append({**reduce(stream), **diagnostics(stream)})
    found = in_order(joined(parts), weighed.places.cpu().numpy())
    if weighed.certain:
        found["different_draws"] = (("datum",), np.ones(len(x)))
    return found
