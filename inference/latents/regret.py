"""Likelihood regret: how much better a datum would be encoded if its own q(z|x) were optimized."""

from __future__ import annotations

import torch
import xarray as xr
from torch import Tensor

from pyrogen.base import Pair, told
from pyrogen.data import Split
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.latents.best_posterior import RATE, OfEncoder, families

CLIMB, JUDGE = 10, 11  # places of the random draws
JUDGED = 10  # draws by which both bounds are judged for each by which they are optimized


def likelihood_regret(
    pair: Pair,
    x: Tensor | Split,
    y: Tensor | None = None,
    steps: int = 100,
    lr: float = RATE,
    num_samples: int = 8,
    seed: int = 0,
) -> xr.Dataset:
    """By how many nats a datum's ELBO rises when the features of its own q(z|x) are optimized, the decoder standing still.

    LR(x) = max_q ELBO(x; q) − ELBO(x; q(·|x)) ≥ 0, q in the family of the posterior. An encoder serves data like those
    that it was trained on, and no others: the regret is large for these, even where log p(x) is larger than of any datum.
    It is the amortization gap of :func:`~pyrogen.inference.gaps`, by fewer steps and draws.

    The features start at the encoder's and climb by Adam, whose rate falls; both bounds are then judged by the same
    fresh draws of noise, so that an optimum that fitted its own draws gains nothing by it. What is left of noise may make a
    regret of 0 come out a little below.

    Reference: Xiao, Yan & Amit 2020, Likelihood regret: an out-of-distribution detection score for variational
    auto-encoder, arXiv:2003.02977.

    Args:
        pair: with one posterior axis that reads the encoder's features.
        x: data; a split brings its own y.
        y: conditions, where the model asks for them.
        steps: of Adam.
        lr: its first rate, in units of the features.
        num_samples: draws of each step.
        seed: of all draws.

    Returns:
        ``regret`` and ``mc_se`` over ``datum``, in nats.

    Raises:
        ValueError: the guide has another form, or a point mass; or the latents are discrete.
    """
    if not isinstance(pair, Pair):
        raise ValueError(f"{type(pair).__name__} is no (model, guide) pair, so that it has no q(z|x) to optimize.")
    if min(steps, num_samples) < 1:
        raise ValueError(f"steps={steps} and num_samples={num_samples} must be at least 1.")
    x, y = told(pair, x, y)
    x, y = pair.read(x), pair.condition_for(y)
    regrets, errors = [], []
    with families(pair, x, y, seed) as blocks, track(steps * len(blocks), "optimizing posteriors") as advance:
        for _, family in blocks:
            if not isinstance(family, OfEncoder):
                raise ValueError(
                    "likelihood regret optimizes the features that an encoder gives to one reparameterized posterior, and "
                    "this guide has none; gaps(model, x) measures it against independent normals."
                )
            best, _ = family.climb(steps, num_samples, CLIMB, advance, lr)
            # both by the same noise
            top, own = (
                family.log_weights(features, JUDGED * num_samples, (JUDGE,)) for features in (best, family.start())
            )
            gain = top - own
            regrets.append(gain.mean(0))
            errors.append(gain.std(0) / len(gain) ** 0.5)
    found = {"regret": torch.cat(regrets), "mc_se": torch.cat(errors)}
    return xr.Dataset(
        {name: ("datum", value.cpu().numpy()) for name, value in found.items()},
        attrs={"unit": "nats", "steps": steps, "lr": lr, "num_samples": num_samples, "seed": seed},
    )
