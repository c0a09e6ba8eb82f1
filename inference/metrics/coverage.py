"""Metrics of samples against an exact oracle of the data's modes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.data.oracle import STATISTICS
from pyrogen.inference.latents.measured import share
from pyrogen.inference.metrics.generators import given
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.quality.modes import oracle_of, raw_values
from pyrogen.registry import choice, unknown


@choice("metric", "mode-coverage")
def mode_coverage(
    model: Model,
    data: Data,
    seed: int,
    statistic: str,
    n: int = 2500,
    means: bool = False,
    judge: Mapping[str, Any] | str | None = None,
) -> WithError:
    """How samples cover the modes that the data's oracle knows: "modes", "high_quality", or "kl" of their shares.

    modes = #{k: enough of n samples are of high quality in mode k}, 20 of a mixture's, 1 of pictures; high_quality, the
    share of samples that are as data are, within 3σ of a mean, recognized, or valid; kl = Σₖ sₖ log sₖ/wₖ in nats, with the
    shares s of nearest modes and w of the law. With ``means`` of p(x|z) instead of samples. High quality with few modes is
    dropping; low quality is averaging, or noise. The error of high_quality is that of a share; of kl it is the standard
    deviation of log s/w over samples / √n; modes are a count.
    Reference: Srivastava et al. 2017, VEEGAN, arXiv:1705.07761; Metz et al. 2017, arXiv:1611.02163.
    """
    if statistic not in STATISTICS:
        raise unknown("statistic of mode-coverage", statistic, STATISTICS)
    oracle = oracle_of(data, judge)
    y = given(model, data, n)
    with evaluating(model), seeded(seed, model.device):
        drawn = (model.sample_mean if means else model.sample)(n, y)
    mode, good = oracle.place(raw_values(drawn, data))
    found = oracle.counted(mode, good)[statistic]
    if statistic == "high_quality":
        return WithError(found, share(good).error)
    if statistic == "kl":
        shares = torch.bincount(mode, minlength=len(oracle.weights)).double() / len(mode)
        return WithError(found, float((shares / oracle.weights)[mode].log().std()) / math.sqrt(len(mode)))
    return WithError(found)
