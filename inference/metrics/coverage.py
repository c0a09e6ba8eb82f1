"""Metrics of samples against an exact oracle."""

from __future__ import annotations

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.data.ring import Ring
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.registry import choice, unknown

STATISTICS = ("modes", "high_quality", "kl")


@choice("metric", "ring-coverage")
def ring_coverage(model: Model, data: Data, seed: int, statistic: str, n: int = 2500) -> float:
    """How samples cover the ring: "modes", "high_quality" (within 3σ) or "kl" of the modes' shares from uniform ones.

    modes = #{k: at least 20 of n samples within 3σ of μₖ}; high_quality = P(min_k ‖x − μₖ‖ ≤ 3σ);
    kl = Σₖ sₖ log K sₖ with the shares s of nearest modes, in nats.
    Reference: Srivastava et al. 2017, VEEGAN, arXiv:1705.07761.
    """
    if data.name != "ring":
        raise ValueError(f"ring-coverage knows the modes of the data set 'ring' only; got {data.name!r}.")
    if statistic not in STATISTICS:
        raise unknown("statistic of ring-coverage", statistic, STATISTICS)
    with evaluating(model), seeded(seed, model.device):
        return float(Ring().coverage(model.sample(n).cpu())[statistic])
