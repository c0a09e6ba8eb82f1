"""A network that learns by itself to see images, and is then held."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pyrogen.nets.frozen import descend, freeze


class Features(nn.Module):
    """What a small convolutional network sees in images once it has learned what they are of.

    It learns the labels that are known; where these are of fewer than 2 classes, how far an image was turned, by 0, 1, 2 or 3
    right angles. What it sees are the activations of its layers, each divided so that their variances add up to the number of
    elements of a datum.

    Shapes: ``(N, C, H, W)`` to ``(N, width, H, W)``, ``(N, 2 width, H/2, W/2)`` and ``(N, 4 width)``.
    Reference: turned images: Gidaris, Singh & Komodakis 2018, Unsupervised representation learning by predicting image
    rotations, arXiv:1803.07728.

    Args:
        x_shape: (C, H, W).
        width: channels of the first layer.
        pixels: whether the image itself is the first thing that is seen, in the same unit.

    Raises:
        ValueError: the data are no images.
    """

    passes, batch, rate = 30, 64, 2e-3
    sizes: Tensor

    def __init__(self, x_shape: Sequence[int], width: int = 16, pixels: bool = False) -> None:
        super().__init__()
        self.pixels = pixels
        if len(x_shape) != 3 or width < 1:
            raise ValueError(
                f"features are learned from images, x_shape=(C, H, W), at a width of 1 or more; got x_shape={tuple(x_shape)} "
                f"and width={width}. Use likelihood=Perceptual(network) with a network of your own."
            )
        channels, height, sides = x_shape
        self.last = 4 * width
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(channels, width, 3, padding=1),
                nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
                nn.Sequential(nn.Flatten(), nn.Linear(2 * width * -(-height // 2) * -(-sides // 2), self.last)),
            ]
        )
        self.learned = freeze(self)
        self.register_buffer("sizes", torch.ones(len(self.layers) + pixels))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The activations of all layers."""
        return tuple(h / size for h, size in zip(self._see(x), self.sizes, strict=True))

    def fit(self, x: Tensor, y: Tensor | None = None) -> nn.Module:
        """Learn from training data ``(N, C, H, W)`` and their labels ``(N,)``, whole numbers from 0; less: unknown.

        Returns:
            The linear layer that names the classes from the activations of the last layer, in units of ``sizes``.

        Raises:
            ValueError: there are no labels of 2 classes, and the images are not square, so that turning changes their shape.
        """
        labels, images = None, x
        if y is not None and y.dim() == 1 and not y.is_floating_point() and len(y[y >= 0].unique()) > 1:
            labels, images = y[y >= 0], x[y >= 0]
        if labels is None and x.shape[-1] != x.shape[-2]:
            raise ValueError(
                "without labels of 2 classes or more features are learned from turned images, which must be square; got "
                f"x_shape={tuple(x.shape[1:])}."
            )
        head = nn.Linear(self.last, 4 if labels is None else int(labels.max()) + 1).to(x)
        both = nn.ModuleDict({"features": self, "head": head})

        def loss() -> Tensor:
            some = torch.randint(len(images), (min(self.batch, len(images)),), device=x.device)
            if labels is not None:
                shown, answers = images[some], labels[some]
            else:
                shown = torch.cat([images[some].rot90(k, (-2, -1)) for k in range(4)])
                answers = torch.arange(4, device=x.device).repeat_interleave(len(some))
            return cross_entropy(head(self(shown)[-1]), answers)

        names = [*(f"features.{name}" for name in self.learned), *(f"head.{name}" for name in freeze(head))]
        self.sizes.fill_(1)
        descend(both, names, loss, self.passes * -(-len(images) // self.batch), self.rate)
        with torch.no_grad():
            seen = self._see(x[:1000])
            spread = torch.stack([h.flatten(1).var(0).sum() for h in seen])
            self.sizes.copy_((spread / x[0].numel()).sqrt())
            head.weight *= self.sizes[-1]
        return head

    def _see(self, x: Tensor) -> list[Tensor]:
        seen = [x]
        for layer in self.layers:
            seen.append(torch.relu(layer(seen[-1])))
        return seen if self.pixels else seen[1:]
