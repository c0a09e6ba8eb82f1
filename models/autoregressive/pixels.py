"""Autoregressive models of images, pixel after pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pyrogen.axes import Likelihood
from pyrogen.base import Objective
from pyrogen.conditions import Condition
from pyrogen.models.autoregressive.autoregressive import AutoregressiveModel
from pyrogen.nets.causal_conv import check_image
from pyrogen.nets.pixelcnn import GatedPixelCNNNet, PixelCNNNet
from pyrogen.nets.pixelrnn import PixelRNNNet, Recurrence
from pyrogen.registry import entry, make


def head(x_shape: Sequence[int], likelihood: Likelihood | str) -> tuple[Likelihood, int, bool]:
    """A likelihood told the shape of x, how many numbers it needs at a pixel, and whether channels follow one another.

    Where it couples the channels of a pixel it draws them together, and the network need not.

    Raises:
        ValueError: data that are no images, or a likelihood that is no density of x.
    """
    check_image(x_shape)
    p: Likelihood = make("likelihood", likelihood)
    p.size(torch.Size(x_shape))
    if not p.proper:
        raise ValueError(
            f"a PixelCNN has a log p(x), and the likelihood {type(p).__name__} is no density of x; use "
            "likelihood='Bernoulli' or likelihood='DiscretizedLogisticMixture'."
        )
    return p, p.channels(p.x_shape), not p.couples(p.x_shape)


@entry(
    "pixelcnn",
    reference="van den Oord et al. 2016, Pixel recurrent neural networks, arXiv:1601.06759",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 64},
)
def pixelcnn(
    x_shape: Sequence[int],
    width: int = 32,
    layers: int = 5,
    kernel: int = 7,
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> AutoregressiveModel:
    """Masked convolutions with residual blocks, any likelihood of pixels as head, and an exact log p(x).

    Args:
        x_shape: (C, H, W).
        width: hidden channels; the residual stream has twice as many.
        layers: residual blocks.
        kernel: side of the first kernel, odd; the others have 3.
        likelihood: of one pixel given those before it.
        objective: the default objective of ``fit``: ELBO(), which is log p(x).
    """
    p, channels, split = head(x_shape, likelihood)
    return AutoregressiveModel(PixelCNNNet(x_shape, channels, split, width, layers, kernel), p, objective)


@entry(
    "pixelcnn-gated",
    reference="van den Oord et al. 2016, Conditional image generation with PixelCNN decoders, arXiv:1606.05328",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 64},
)
def pixelcnn_gated(
    x_shape: Sequence[int],
    width: int = 32,
    layers: int = 5,
    kernel: int = 7,
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> AutoregressiveModel:
    """Two stacks of gated convolutions that see all that is before a pixel, with an exact log p(x).

    Args:
        x_shape: (C, H, W).
        width: hidden channels of each stack.
        layers: how many.
        kernel: side of the first kernel, odd; the others have 3.
        likelihood: of one pixel given those before it.
        objective: the default objective of ``fit``: ELBO(), which is log p(x).
    """
    p, channels, split = head(x_shape, likelihood)
    return AutoregressiveModel(GatedPixelCNNNet(x_shape, channels, split, width, layers, kernel), p, objective)


@entry(
    "pixelcnn-conditional",
    reference="van den Oord et al. 2016, Conditional image generation with PixelCNN decoders, arXiv:1606.05328",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 64},
)
def pixelcnn_conditional(
    x_shape: Sequence[int],
    y_shape: Sequence[int] = (),
    classes: int | None = None,
    width: int = 32,
    layers: int = 5,
    kernel: int = 7,
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> AutoregressiveModel:
    """The gated PixelCNN told labels or real numbers y, which shift every layer: an exact log p(x|y).

    Args:
        x_shape: (C, H, W).
        y_shape: shape of one y; () for one label.
        classes: how many there are, or None where y is real numbers.
        width: hidden channels of each stack.
        layers: how many.
        kernel: side of the first kernel, odd; the others have 3.
        likelihood: of one pixel given those before it.
        objective: the default objective of ``fit``: ELBO(), which is log p(x|y).
    """
    p, channels, split = head(x_shape, likelihood)
    condition = Condition(tuple(y_shape), classes)
    net = GatedPixelCNNNet(x_shape, channels, split, width, layers, kernel, condition.size)
    return AutoregressiveModel(net, p, objective, condition)


@entry(
    "pixelcnn-logistic",
    reference="Salimans et al. 2017, PixelCNN++, arXiv:1701.05517: its likelihood, over the gated network",
    fixes={"likelihood": "DiscretizedLogisticMixture"},
    data="digits",
    recipe={"epochs": 40, "lr": 1e-3, "batch_size": 64},
)
def pixelcnn_logistic(
    x_shape: Sequence[int],
    components: int = 10,
    width: int = 32,
    layers: int = 5,
    kernel: int = 7,
    objective: Objective | str | None = None,
) -> AutoregressiveModel:
    """The gated PixelCNN over 256 levels, a mixture of logistics at each pixel, whose channels follow one another.

    Args:
        x_shape: (C, H, W).
        components: of the mixture.
        width: hidden channels of each stack.
        layers: how many.
        kernel: side of the first kernel, odd; the others have 3.
        objective: the default objective of ``fit``: ELBO(), which is log p(x).
    """
    likelihood = {"name": "DiscretizedLogisticMixture", "components": components}
    p, channels, split = head(x_shape, make("likelihood", likelihood))
    return AutoregressiveModel(GatedPixelCNNNet(x_shape, channels, split, width, layers, kernel), p, objective)


@entry(
    "pixelrnn",
    reference="van den Oord et al. 2016, Pixel recurrent neural networks, arXiv:1601.06759",
    data="digits",
    recipe={"epochs": 40, "lr": 3e-3, "batch_size": 64},
)
def pixelrnn(
    x_shape: Sequence[int],
    recurrence: Recurrence = "row",
    width: int = 16,
    layers: int = 2,
    kernel: int = 7,
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> AutoregressiveModel:
    """Convolutional LSTMs down the rows, or along the diagonals from both sides, with an exact log p(x).

    Args:
        x_shape: (C, H, W).
        recurrence: "row" or "diagonal".
        width: hidden units at a pixel; the residual stream has twice as many.
        layers: of LSTMs.
        kernel: side of the first kernel, odd.
        likelihood: of one pixel given those before it.
        objective: the default objective of ``fit``: ELBO(), which is log p(x).
    """
    p, channels, split = head(x_shape, likelihood)
    return AutoregressiveModel(PixelRNNNet(x_shape, channels, split, recurrence, width, layers, kernel), p, objective)
