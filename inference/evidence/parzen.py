"""Parzen windows: the density of a kernel around each of many samples, which is what scored generators before AIS did."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from pyrogen.base import Model
from pyrogen.data import Split
from pyrogen.inference.evidence.comparison import in_common
from pyrogen.inference.evidence.estimator import Estimates, Estimator, joined
from pyrogen.inference.evidence.weight_stream import LEAST_SHARE, WeightStream, jackknife_error
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.memory import enough_memory
from pyrogen.registry import choice
from pyrogen.seeds import derived

BLOCK = 100  # data that are compared with all samples at once
DRAWN = 1000  # samples that are drawn from one seed, whatever their number
SHARED = "of the errors of two data, which are compared with the same samples: their covariance, on average"
NARROWEST, WIDEST, TRIED = 0.005, 2.0, 121  # bandwidths, in units of the data's spread


@choice("estimator")
@dataclass(frozen=True)
class KDE(Estimator):
    """A kernel density estimate: log p̂(x) = log 1/N Σᵢ N(x; sᵢ, h²), sᵢ means of p(x|z) at z from the prior.

    It is a lower bound in expectation of log p_h(x), of the generator seen through noise h, and of log p(x) neither a lower
    bound nor an upper one: h is wider than the model's own noise, or no window reaches x. N grows exponentially with
    the dimensions of the manifold for the same error, and models are not ranked by it as by their likelihood: it is here to
    be compared with :class:`AIS`, which :func:`pyrogen.inference.observe` gives the same noise.

    All data are compared with the same samples, and so their errors are not independent: ``shared_variance`` is the
    covariance of two, on average, with which the error of a mean over data is what leaving out each sample tells. It is below
    0 where data lie far from one another, for where samples are too many at one, they are too few at another.

    Of conditional models there would be samples for every y, and they are refused.

    Reference: Parzen 1962; of generators Breuleux et al. 2011 and Goodfellow et al. 2014; why not: Theis et al. 2016,
    arXiv:1511.01844, and Wu et al. 2017, arXiv:1611.04273.

    Args:
        bandwidth: h, see :meth:`fitted`.
        samples: N.
    """

    quantity: ClassVar[str] = "log p(x) under a kernel"
    averages_weights: ClassVar[bool] = True
    memory: ClassVar[str] = "lower samples"

    bandwidth: float = 0.2
    samples: int = 10_000

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if not 0 < self.bandwidth < math.inf or self.samples < 1:
            raise ValueError(
                f"KDE(bandwidth={self.bandwidth}, samples={self.samples}): needs a positive, finite bandwidth and a sample."
            )

    @classmethod
    def fitted(cls, model: Model, x_valid: Tensor | Split, samples: int = 10_000, seed: int = 0) -> KDE:
        """The windows under which validation data are likeliest on average.

        Bandwidths are tried in equal ratios from 1/200 of the data's spread to twice that.

        Raises:
            ValueError: the model is conditional, or the best is at an end of the range.
            MemoryError: there is not enough memory; the sentence says what to lower.
        """
        x = (x_valid.x if isinstance(x_valid, Split) else x_valid).to(model.device).flatten(1).double()
        spread = float(x.var(0).mean().sqrt())
        tried = spread * torch.logspace(math.log10(NARROWEST), math.log10(WIDEST), TRIED, dtype=torch.float64)
        sums = torch.zeros(TRIED, dtype=torch.float64, device=x.device)
        with enough_memory(cls.memory):
            made = _means(model, samples, seed)
            for part in x.split(BLOCK):
                squares = _squares(part, made)
                sums += torch.stack([_log_windows(squares, float(h), x.shape[1]).logsumexp(0).sum() for h in tried])
        best = int(sums.argmax())
        if best in (0, TRIED - 1):
            raise ValueError(
                f"validation data are still likelier at bandwidth={float(tried[best]):.3g}, the end of the range; give "
                "KDE(bandwidth) one of your own."
            )
        return cls(float(tried[best]), samples)

    def attributes(self) -> dict[str, Any]:
        """Bandwidth and number of samples."""
        return {"bandwidth": self.bandwidth, "samples": self.samples, "num_samples": self.samples}

    def estimate(self, model: Model, x: Tensor, y: Tensor | None, *, chunk_size: int, seed: int) -> Estimates:
        """The log of the mean window, all data by the same samples, and its error."""
        made = _means(model, self.samples, seed)
        parts: list[Estimates] = []
        changes = torch.zeros(self.samples, dtype=torch.float64, device=made.device)
        for part in x.flatten(1).double().split(BLOCK):
            windows = _log_windows(_squares(part, made), self.bandwidth, part.shape[1])
            changes += torch.log1p(-windows.softmax(0).clamp(max=1 - LEAST_SHARE)).sum(1)
            stream = WeightStream.of(windows.cpu().numpy())
            found = {
                "log_evidence": stream.log_mean(),
                "mc_se": stream.standard_error(),
                "ess": stream.effective_sample_size(),
                "pareto_k": stream.pareto()[0],
            }
            parts.append({name: (("datum",), value) for name, value in found.items()})
        variables = joined(parts)
        mean = (changes / len(x)).cpu().numpy()
        error = float(jackknife_error(((mean - mean.mean()) ** 2).sum(), self.samples))
        shared = in_common(error, variables["mc_se"][1] ** 2)
        return {**variables, "shared_variance": ((), np.array(shared), {"description": SHARED})}


def _means(model: Model, n: int, seed: int) -> Tensor:
    """Means of p(x|z) at drawn z in float64, ``(n, D)``: the first of them are the same however many there are."""
    if model.condition is not None:
        raise ValueError(
            f"{type(model).__name__} is conditional, and KDE compares all data with the same samples; score it with AIS()."
        )
    parts = []
    with evaluating(model):
        for block in range(-(-n // DRAWN)):
            with seeded(derived(seed, block)[0], model.device):
                parts.append(model.sample_mean(DRAWN).flatten(1).double())
    return torch.cat(parts)[:n]


def _squares(x: Tensor, made: Tensor) -> Tensor:
    """‖x − s‖², ``(samples, data)``."""
    return torch.cdist(made, x).square()


def _log_windows(squares: Tensor, bandwidth: float, dimensions: int) -> Tensor:
    """log N(x; s, h²), as ``squares``."""
    return -squares / (2 * bandwidth**2) - dimensions / 2 * math.log(2 * math.pi * bandwidth**2)
