"""Activation maximization: what a classifier takes for a class, sought from noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from pyrogen.base import HasClassifier
from pyrogen.inference.attacks.attack import Attacked, Bounds, Logits, asked, check_classes, climb, judged
from pyrogen.inference.attacks.balls import ball
from pyrogen.seeds import check_seed

STEPS, STEP_SIZE = 100, 0.02


def maximize_activation(
    classifier: HasClassifier | Logits,
    target: Tensor,
    x_shape: Sequence[int],
    steps: int = STEPS,
    step_size: float = STEP_SIZE,
    bounds: Bounds | None = None,
    seed: int = 0,
) -> Attacked:
    """Noise, climbed until a classifier is sure of the targets; distances are Euclidean, from where it began.

    Of a classifier that was trained plainly it stays noise; of one that was trained against attacks it grows strokes of the
    class. References: Erhan et al. 2009, Visualizing higher-layer features of a deep network; Nguyen et al. 2015,
    arXiv:1412.1897; Santurkar et al. 2019, Image synthesis with a single (robust) classifier, arXiv:1906.09453.

    Args:
        classifier: a model that names classes, or any function from x to logits.
        target: a class for each x, ``(N,)``.
        x_shape: shape of one x.
        steps: how many; 0 leaves the noise.
        step_size: their length, as a root mean square over the elements of x, in units of their range or of 1.
        bounds: the range of x, which is not left.
        seed: of the noise.

    Raises:
        ValueError: no such steps, targets or seed.
    """
    if steps < 0 or not 0 < step_size < math.inf or target.dim() != 1:
        raise ValueError(
            f"steps={steps}, step_size={step_size}, targets of shape {tuple(target.shape)}: it takes steps of a length above "
            "0, and one class for each x."
        )
    noise = start(len(target), x_shape, bounds, Generator().manual_seed(check_seed(seed))).to(target.device)
    with asked(classifier) as logits:
        check_classes(logits, noise[:1], target)
        x = ascend(logits, target, noise, steps, step_size, bounds)
        outputs = logits(x)
    return judged(outputs, x, target, True, ball("2").length((x - noise).double()))


def start(n: int, x_shape: Sequence[int], bounds: Bounds | None, generator: Generator | None = None) -> Tensor:
    """Noise, uniform where x has a range, else standard normal, ``(n, *x_shape)``."""
    shape = (n, *x_shape)
    if bounds is None:
        return torch.randn(shape, generator=generator)
    low, high = (torch.as_tensor(bound) for bound in bounds)
    return low + (high - low) * torch.rand(shape, generator=generator)


def ascend(logits: Logits, target: Tensor, x: Tensor, steps: int, step_size: float, bounds: Bounds | None) -> Tensor:
    """x after steps of the steepest slope of log odds of the targets, with nothing to stay near to."""
    if bounds is None:
        extent = 1.0
    else:
        low, high = (torch.as_tensor(bound, dtype=torch.float64) for bound in bounds)
        extent = float((high - low).square().mean().sqrt())
    length = step_size * extent * math.sqrt(x[0].numel()) if len(x) else 0.0
    return climb(logits, x, target, x, math.inf, "2", steps, length, targeted=True, bounds=bounds)
