"""Metrics of codes beside known factors."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.inference.metrics.codes import codes_of, encoder_of
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.representations.disentanglement import known_factors
from pyrogen.inference.representations.factor_scores import disentanglement
from pyrogen.inference.representations.probes import probe
from pyrogen.registry import choice, unknown


@choice("metric", "disentanglement")
def disentanglement_of(model: Model, data: Data, seed: int, score: str = "mig", repeats: int = 3) -> float:
    """How far each latent is one of the known factors of the test data, by one of the scores of ``disentanglement``.

    By default MIG, 1/F Σ_f [I(z_(1); f) − I(z_(2); f)] / H(f), less chance, as a mean over random halves of the data.
    Reference: Chen et al. 2018, arXiv:1802.04942, section 4.
    """
    _, factors = _factors(data, "disentanglement")
    codes = codes_of(encoder_of(model, "disentanglement"), data.test)
    return float(disentanglement(codes.flatten(1), factors, [score], repeats, seed)[score].mean())


@choice("metric", "factor-probe")
def factor_probe(model: Model, data: Data, seed: int, factor: str) -> WithError:
    """How well a linear probe of codes tells one known factor of the test data, as a share of data that it has not seen.

    What guesses is right for the share of the factor's most frequent value. Reference: Alain & Bengio 2016, arXiv:1610.01644.

    Args:
        model: one that encodes.
        data: with several labels each.
        seed: of the folds.
        factor: its name.

    Raises:
        ValueError: the model encodes nothing, or the data have no such factor.
    """
    names, factors = _factors(data, "factor-probe")
    if factor not in names:
        raise unknown(f"factor of {data.name!r}", factor, names)
    codes = codes_of(encoder_of(model, "factor-probe"), data.test)
    return WithError.of(probe(codes, factors[:, list(names).index(factor)], seed).score)


def _factors(data: Data, metric: str) -> tuple[Sequence[str], Tensor]:
    """The names of the known factors, and their values in the test data, ``(N, factors)``."""
    names = known_factors(data)
    if not names:
        raise ValueError(f"{metric} needs data with several labels each, their factors, and {data.name!r} has none.")
    assert data.test.y is not None
    return names, data.test.y
