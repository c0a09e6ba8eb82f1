"""Numbers with their errors: shares of data, means over them, and differences of paired ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor


class Measured(NamedTuple):
    """A number, its standard error, and of how many independent data it was made."""

    value: float
    error: float
    n: int

    @property
    def digits(self) -> int:
        """After the point, to the second that the error has."""
        return 3 if self.error <= 0 or not math.isfinite(self.error) else max(0, 2 - math.ceil(math.log10(self.error)))

    def __str__(self) -> str:
        return f"{self.value:.{self.digits}f} ± {self.error:.{self.digits}f}".replace("-", "−")

    def numbers(self) -> Mapping[str, float]:
        """As it is written to files."""
        return self._asdict()

    def of_share(self) -> Measured:
        """The same mean of what is true or false, whose error is none of 0 where all agree, see :func:`share_error`."""
        return self if self.error > 0 else self._replace(error=share_error(self.value * self.n, self.n))

    def of_gain(self) -> Measured:
        """The same mean difference of two such shares, paired, whose error is none of 0 where no datum differs from another.

        √(N d² + 1 − (N d)² / (N + 2)) / (N + 2), that of :func:`paired_shares` of N differences d.
        """
        n, total = self.n + 2, self.n * self.value
        error = math.sqrt(max(self.n * self.value**2 + 1 - total**2 / n, 0.0)) / n
        return self if self.error > 0 else self._replace(error=error)

    def root(self) -> Measured:
        """Its square root, which changes by half as large a share: the error e / 2√v, to first order; NaN of 0."""
        value = math.sqrt(self.value)
        return self._replace(value=value, error=self.error / (2 * value) if value else math.nan)

    def less(self, other: Measured) -> Measured:
        """Its difference to a number of independent draws."""
        return Measured(self.value - other.value, math.hypot(self.error, other.error), min(self.n, other.n))

    def over(self, other: Measured, covariance: float = 0.0) -> Measured:
        """The ratio R = a / b to another number, with the error √(Var a + R² Var b − 2 R Cov(a, b)) / |b|, to first order."""
        value = self.value / other.value
        variance = self.error**2 + (value * other.error) ** 2 - 2 * value * covariance
        error = math.sqrt(max(variance, 0.0)) / abs(other.value)
        return Measured(value, error, min(self.n, other.n))


def share(hits: Tensor) -> Measured:
    """The share of data of which something is true, ``hits`` of shape ``(N,)``, with :func:`share_error`.

    Raises:
        ValueError: there are no data.
    """
    n, k = len(hits), int(hits.sum())
    if not n:
        raise ValueError("a share of 0 data is no number; pass at least 1.")
    return Measured(k / n, share_error(k, n), n)


def share_error(k: float, n: int) -> float:
    """The standard deviation of the posterior Beta(k + ½, n − k + ½) of a share k/n, which is none of 0 where all agree.

    Reference: Brown, Cai & DasGupta 2001, Interval estimation for a binomial proportion.
    """
    a, b = k + 0.5, n - k + 0.5
    return math.sqrt(a * b / ((a + b) ** 2 * (a + b + 1)))


def mean(values: Tensor) -> Measured:
    """The mean of independent numbers ``(N,)`` and its standard error; NaN of one alone."""
    wide = values.double()
    return Measured(
        float(wide.mean()), float(wide.std()) / math.sqrt(len(wide)) if len(wide) > 1 else math.nan, len(wide)
    )


def spread(values: Tensor) -> Measured:
    """Σ_d Var of independent vectors ``(N, ...)``, their squared distance from their mean, and its error, to first order."""
    wide = values.double().flatten(1)
    return mean((wide - wide.mean(0)).square().sum(1) * (len(wide) / max(len(wide) - 1, 1)))


def ratio(over: Tensor, under: Tensor) -> Measured:
    """Σₙ aₙ / Σₙ bₙ of numbers of the same data, both ``(N,)``: a ratio R of means, with the error of aₙ − R bₙ in b̄.

    Reference: Cochran 1977, Sampling techniques, section 6.3.
    """
    a, b = over.double(), under.double()
    value = float(a.sum() / b.sum())
    return Measured(value, mean(a - value * b).error / abs(float(b.mean())), len(a))


def paired_shares(first: Tensor, second: Tensor) -> Measured:
    """The share of the first less that of the second, both ``(N,)`` of the same data in the same order.

    With half a datum added to each of the four cells of agreement, b and c of them those that only the first or only the
    second has: (b − c)/(N + 2) with the error √(b + c − (b − c)²/(N + 2)) / (N + 2), which is none of 0 where all agree.
    Reference: Agresti & Min 2005, Simple improved confidence intervals for comparing matched proportions.

    Raises:
        ValueError: they are not of equally many data.
    """
    if first.shape != second.shape or not len(first):
        raise ValueError(
            f"shares are paired datum by datum, and these are of {tuple(first.shape)} and {tuple(second.shape)} data; judge "
            "both on the same ones."
        )
    n, a, b = len(first) + 2, first.bool(), second.bool()
    only_first, only_second = int((a & ~b).sum()) + 0.5, int((b & ~a).sum()) + 0.5
    difference = only_first - only_second
    return Measured(difference / n, math.sqrt(only_first + only_second - difference**2 / n) / n, len(first))


def paired(first: Tensor, second: Tensor) -> Measured:
    """The mean difference of numbers of the same data, both ``(N,)``, and its standard error."""
    return mean(torch.as_tensor(first).double() - torch.as_tensor(second).double())


def crossed(values: Tensor) -> Measured:
    """The mean of ``(R, N)`` numbers, R draws of what was random on each of the same N data, with the error of both.

    Var = (MS_draws + MS_data − MS_rest) / RN of the two-way layout without replication: another set of draws, and other data,
    would move it so far. Of one draw it is the error of the data alone; n is the number of data.
    Reference: Cornfield & Tukey 1956, Average values of mean squares in factorials.
    """
    wide = values.double()
    draws, n = wide.shape
    if draws == 1:
        return mean(wide[0])
    whole, rows, columns = wide.mean(), wide.mean(1), wide.mean(0)
    of_draws = n * float(rows.var())
    of_data = draws * float(columns.var()) if n > 1 else math.nan
    rest = float((wide - rows[:, None] - columns + whole).square().sum()) / ((draws - 1) * max(n - 1, 1))
    # each part alone is a lower bound on the sum, which rounding and few draws can push below it
    variance = max(of_draws + of_data - rest, of_draws, of_data)
    return Measured(float(whole), math.sqrt(variance / (draws * n)), n)
