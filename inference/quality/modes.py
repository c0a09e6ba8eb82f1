"""Measures by an exact oracle of the data's modes: how many are covered, how evenly, and how much lies in none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from scipy.stats import binom
from torch import Tensor

from pyrogen.data import Data, load
from pyrogen.data.oracle import Oracle
from pyrogen.inference.latents.judging import Judge, judge_of
from pyrogen.inference.latents.measured import share_error
from pyrogen.inference.quality.measure import Direction, Measure, Reads
from pyrogen.registry import choice


def placed(oracle: Oracle, x: Tensor) -> Tensor:
    """What an oracle says of each of x, in raw units, ``(n, 4)`` in float64.

    The number of its mode, whether it is of high quality there, the mode's share in the law, and how many such samples
    cover a mode.
    """
    mode, good = oracle.place(x)
    columns = mode, good, oracle.weights.to(mode.device)[mode], torch.full_like(mode, oracle.least)
    return torch.stack([column.double().cpu() for column in columns], 1)


class _OfModes(Measure):
    reads: ClassVar[Reads] = "modes"


@choice("measure", "modes")
class Modes(_OfModes):
    """The number of modes of the data's law that enough samples of high quality lie in."""

    better: ClassVar[Direction] = "higher"
    order = 1
    says = "How many modes of the data's law have enough samples, as its oracle knows them."
    above = "more modes are covered than by as many data"
    below = "modes are missed"

    def value(self, made: Tensor, real: Tensor, train: Tensor | None = None) -> Tensor:
        """#{k: at least so many samples of high quality in mode k}."""
        return (_counts(made) >= made[0, 3]).sum().double()

    def repeated(self, made: Tensor, real: Tensor, train: Tensor | None, masks: Tensor) -> Tensor:
        """Of a count parts say nothing, for fewer samples cover fewer modes."""
        return self.value(made, real).expand(len(masks))

    def least_error(self, value: float, made: Tensor, real: Tensor, train: Tensor | None = None) -> float:
        """√Σₖ Pₖ(1 − Pₖ), Pₖ the probability that as many other samples cover mode k, with the shares of these."""
        n, least = len(made), int(made[0, 3])
        covers = binom.sf(least - 1, n, _counts(made).numpy() / n)
        return math.sqrt(float((covers * (1 - covers)).sum()))


def _counts(rows: Tensor) -> Tensor:
    """How many samples of high quality are in each mode."""
    return torch.bincount(rows[rows[:, 1] > 0, 0].long())


@choice("measure", "high-quality")
class HighQuality(_OfModes):
    """The share of samples that are as data of their mode are."""

    better: ClassVar[Direction] = "higher"
    order = 2
    says = "The share of samples that are as data of their mode are, as the oracle knows it."
    above = "samples lie nearer to the modes than data do"
    below = "samples lie between modes, or beside them"

    def value(self, made: Tensor, real: Tensor, train: Tensor | None = None) -> Tensor:
        """The share."""
        return made[:, 1].mean()

    def least_error(self, value: float, made: Tensor, real: Tensor, train: Tensor | None = None) -> float:
        """That of a share."""
        return share_error(value * len(made), len(made))


@choice("measure", "uneven-modes")
class UnevenModes(_OfModes):
    """KL(shares of the nearest modes ‖ those of the law) in nats.

    n samples raise it by (K − 1)/2n even where they are exact.
    """

    better: ClassVar[Direction] = "lower"
    order = 3
    says = "By how many nats the shares of the modes differ from those of the law."
    above = "modes are over- and underrepresented"
    below = "modes are more even than in data"

    def value(self, made: Tensor, real: Tensor, train: Tensor | None = None) -> Tensor:
        """Σₖ sₖ log sₖ / wₖ, as the mean of the logarithm over samples."""
        mode = made[:, 0].long()
        share = torch.bincount(mode).double() / len(mode)
        return (share[mode] / made[:, 2]).log().mean()


def oracle_of(data: Data, judge: Judge | Mapping[str, Any] | str | None = None) -> Oracle:
    """The oracle of a data set's modes, with the classifier that it asks trained on real data, where it asks one.

    Raises:
        ValueError: the data have no oracle, or the classifier cannot be trusted.
    """
    if data.oracle is None:
        raise ValueError(
            f"nobody knows the modes of {data.name!r} as they are loaded here; take data with an oracle, as 'ring', 'grid', "
            "'stacked-digits' or 'sprites', in their own size."
        )
    if not data.oracle.taught_on:
        return data.oracle
    single = load(data.oracle.taught_on, kind="unit", dequantization=False)
    return data.oracle.taught(judge_of(single, judge))


def raw_values(x: Tensor, data: Data) -> Tensor:
    """Data, or what a model makes of them, in the units of the raw values, images in [0, 1]: on the CPU."""
    scale = data.train.view.scale
    values = (x if scale is None else scale.restore(x)).detach().cpu().float()
    return values / 255 if data.kind == "levels" else values
