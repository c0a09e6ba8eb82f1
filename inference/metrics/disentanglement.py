"""A metric of codes beside known factors."""

from __future__ import annotations

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.inference.latents.disentanglement import known_factors
from pyrogen.inference.latents.factor_scores import disentanglement
from pyrogen.inference.metrics.codes import codes_of, encoder_of
from pyrogen.registry import choice


@choice("metric", "disentanglement")
def disentanglement_of(model: Model, data: Data, seed: int, score: str = "mig", repeats: int = 3) -> float:
    """How far each latent is one of the known factors of the test data, by one of the scores of ``disentanglement``.

    By default MIG, 1/F Σ_f [I(z_(1); f) − I(z_(2); f)] / H(f), less chance, as a mean over random halves of the data.
    Reference: Chen et al. 2018, arXiv:1802.04942, section 4.
    """
    if not known_factors(data):
        raise ValueError(
            f"disentanglement needs data with several labels each, their factors, and {data.name!r} has none."
        )
    assert data.test.y is not None
    codes = codes_of(encoder_of(model, "disentanglement"), data.test)
    return float(disentanglement(codes.flatten(1), data.test.y, [score], repeats, seed)[score].mean())
