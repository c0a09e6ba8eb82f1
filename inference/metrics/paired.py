"""Metrics of what is made of a given picture: how near the answer, how sharp, how coloured, and how various it is."""

from __future__ import annotations

import torch
from torch import Tensor

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.inference.latents.measured import mean, paired, ratio
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.kinds import is_picture
from pyrogen.nets.pictures import enlarged
from pyrogen.registry import choice


@choice("metric", "paired-error")
def paired_error(model: Model, data: Data, seed: int, n: int = 500, draws: int = 16) -> WithError:
    """The mean absolute difference of test data from the nearest of several answers to their y: E min_k mean_d |x_d − x̂_kd|.

    x̂ is what one looks at, as in "output-variance". A model of one answer has no nearer one; one of many must make the right
    one among them. With ``draws=1`` it is the plain L1.
    Reference: Zhu et al. 2017, Toward multimodal image-to-image translation, arXiv:1711.11586.
    """
    x, made = _answers(model, data, seed, n, draws)
    return WithError.of(mean((made - x).abs().flatten(2).mean(2).amin(0)))


@choice("metric", "answer-diversity")
def answer_diversity(model: Model, data: Data, seed: int, n: int = 500, draws: int = 16) -> WithError:
    """The spread of a model's answers to one y, as a fraction of that of the truth: √(Σ_d Var(x̂_d|y) / Σ_d Var(x_d|y)).

    The truth's is that of data of equal y in train and test together, of which each group of g adds its sum of squares and
    g − 1 to the divisor. Its error is that of both variances, one over y that answers are made for and the other over groups.

    Raises:
        ValueError: fewer than 2 draws, no two data have the same y, or all that have it are alike.
    """
    if draws < 2:
        raise ValueError(f"draws={draws}: answers to one y vary among 2 draws or more.")
    _, made = _answers(model, data, seed, n, draws)
    varied = mean(made.double().var(0).flatten(1).sum(1))
    x, y = (torch.cat([getattr(data.train, k), getattr(data.test, k)]) for k in "xy")
    _, group = torch.unique(y.reshape(len(y), -1), dim=0, return_inverse=True)
    count = torch.bincount(group)
    if len(count) == len(group):
        raise ValueError(f"answer-diversity compares data of the same y, and no two of {data.name!r} have it.")
    flat = x.flatten(1).double()
    means = torch.zeros(len(count), flat.shape[1], dtype=flat.dtype).index_add_(0, group, flat) / count.unsqueeze(1)
    squares = torch.zeros(len(count), dtype=flat.dtype).index_add_(0, group, (flat - means[group]).square().sum(1))
    true = ratio(squares[count > 1], count[count > 1] - 1)
    if not true.value:
        raise ValueError(
            f"answer-diversity is a fraction of how data of the same y vary, and those of {data.name!r} are all alike."
        )
    # what never varies has no share to change by
    return WithError.of(varied.over(true).root()) if varied.value else WithError(0.0, 0.0)


@choice("metric", "sharpness")
def sharpness(model: Model, data: Data, seed: int, n: int = 500) -> WithError:
    """How much neighbouring pixels differ, as a fraction of how much those of data do, E |∇x̂| / E |∇x|: below 1 of blur."""
    x, made = _answers(model, data, seed, n, 1)
    return WithError.of(ratio(_steps(made[0]), _steps(x)))


@choice("metric", "saturation")
def saturation(model: Model, data: Data, seed: int, n: int = 500) -> WithError:
    """How coloured pictures are, as a fraction of how coloured data are, by E [max_c x_c − min_c x_c] over pixels.

    0 is grey; what is coloured at random has about that of the data, what averages over colours less.

    Raises:
        ValueError: the data are no pictures in colour.
    """
    if len(data.x_shape) != 3 or data.x_shape[0] != 3:
        raise ValueError(f"saturation is of pictures in colour, and {data.name!r} has x_shape={tuple(data.x_shape)}.")
    x, made = _answers(model, data, seed, n, 1)
    return WithError.of(ratio(*((t.amax(1) - t.amin(1)).double().mean((1, 2)) for t in (made[0], x))))


@choice("metric", "gain-over-bicubic")
def gain_over_bicubic(model: Model, data: Data, seed: int, against: Model | None = None, n: int = 500) -> WithError:
    """By how many dB the peak signal-to-noise ratio exceeds that of bicubic interpolation of y, or of another model.

    PSNR = −10 log₁₀ mean_d (x_d − x̂_d)² of each datum in [0, 1], and the gain is the mean of the paired differences.
    """
    x, made = _answers(model, data, seed, n, 1)
    if against is not None:
        rival = _answers(against, data, seed, n, 1)[1][0]
    else:
        y = data.test.take(n).y
        if y is None or y.dim() != 4 or y.shape[1] != x.shape[1]:
            raise ValueError(
                f"gain-over-bicubic enlarges a y of the channels of x; {data.name!r} has y_shape={tuple(data.y_shape)}."
            )
        rival = enlarged(y, x.shape[2:]).clamp(0, 1)
    return WithError.of(paired(_psnr(x, made[0]), _psnr(x, rival)))


def _answers(model: Model, data: Data, seed: int, n: int, draws: int) -> tuple[Tensor, Tensor]:
    """Test data ``(N, *x_shape)``, and what a model makes of their y, ``(draws, N, *x_shape)``.

    Raises:
        ValueError: the model is given no y, or x is no picture.
    """
    part = data.test.take(n)
    given = model.condition_for(part.y)
    if given is None or not is_picture(data.x_shape):
        raise ValueError(
            f"answers are asked of models that make pictures of a given y; {type(model).__name__} on {data.name!r} is none."
        )
    with evaluating(model), seeded(seed, model.device):
        made = [model.sample_mean(len(part), given.to(model.device)).cpu() for _ in range(draws)]
    return part.x, torch.stack(made)


def _steps(x: Tensor) -> Tensor:
    """Mean difference of neighbours in rows and in columns, ``(N,)``."""
    across, down = (x.diff(dim=k).abs().flatten(1).double().mean(1) for k in (-1, -2))
    return across + down


def _psnr(x: Tensor, made: Tensor) -> Tensor:
    # a datum that is met exactly has 100 dB, and no infinity
    return -10 * (x - made).square().flatten(1).double().mean(1).clamp(min=1e-10).log10()
