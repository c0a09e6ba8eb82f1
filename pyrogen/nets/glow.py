"""A flow over images: 2 × 2 pixels become channels, channels are mixed, and half of them move the other half."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import gcd

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, logsigmoid, pixel_shuffle, pixel_unshuffle

LEAST = 1e-3  # the smallest standard deviation that a channel is divided by


class Invertible(nn.Module, ABC):
    """A network of images that knows its own inverse, and its determinant."""

    @abstractmethod
    def inward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z, and log |det ∂z/∂x|, ``(N,)``."""

    @abstractmethod
    def outward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """x."""

    def start(self, x: Tensor) -> None:
        """Start at data; by default as it is."""


class ActNorm(Invertible):
    """Each channel moved and scaled, z = (x + b) exp(s), which starts so that data have mean 0 and variance 1.

    Shapes: ``(N, channels, H, W)``. Reference: Kingma & Dhariwal 2018, Glow, arXiv:1807.03039.

    Args:
        channels: how many.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(channels, 1, 1))

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Take the mean and the variance of data."""
        mean, sd = x.mean((0, 2, 3)), x.std((0, 2, 3), correction=0)
        self.shift.copy_(-mean.reshape(-1, 1, 1))
        self.log_scale.copy_(-sd.clamp(min=LEAST).log().reshape(-1, 1, 1))

    def inward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z, and log |det ∂z/∂x|, ``(N,)``."""
        log_det = self.log_scale.sum() * x.shape[2:].numel()
        return (x + self.shift) * self.log_scale.exp(), log_det.expand(len(x))

    def outward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """x."""
        return z * (-self.log_scale).exp() - self.shift


class ChannelMix(Invertible):
    """An invertible 1 × 1 convolution, z = W x at every pixel, W = P L (U + diag s): a permutation that is learned.

    W starts as a rotation; P and the signs of s stay as they were. Pyro's ``GeneralizedChannelPermute`` is the same matrix
    and makes a tensor of channels² numbers a pixel.

    Shapes: ``(N, channels, H, W)``. Reference: Kingma & Dhariwal 2018, Glow, arXiv:1807.03039.

    Args:
        channels: how many.
    """

    permutation: Tensor
    sign: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels)).Q
        permutation, lower, upper = torch.linalg.lu(rotation)
        self.register_buffer("permutation", permutation)
        self.register_buffer("sign", upper.diagonal().sign())
        self.lower, self.upper = nn.Parameter(lower.tril(-1)), nn.Parameter(upper.triu(1))
        self.log_diagonal = nn.Parameter(upper.diagonal().abs().log())

    def inward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z, and log |det ∂z/∂x| = H W Σ log |s|, ``(N,)``."""
        lower, upper = self._factors()
        weight = self.permutation @ lower @ upper
        log_det = self.log_diagonal.sum() * x.shape[2:].numel()
        return conv2d(x, weight[:, :, None, None]), log_det.expand(len(x))

    def outward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """x, by two triangular systems."""
        lower, upper = self._factors()
        rows = self.permutation.T @ z.flatten(2)
        rows = torch.linalg.solve_triangular(lower, rows, upper=False, unitriangular=True)
        return torch.linalg.solve_triangular(upper, rows, upper=True).reshape(z.shape)

    def _factors(self) -> tuple[Tensor, Tensor]:
        one = torch.eye(len(self.sign), device=self.sign.device, dtype=self.lower.dtype)
        upper = self.upper.triu(1) + torch.diag(self.sign * self.log_diagonal.exp())
        return self.lower.tril(-1) + one, upper


class ImageCoupling(Invertible):
    """The first half of the channels, and a context, move the second: z₂ = (x₂ + b(x₁)) σ(s(x₁) + 2).

    Shapes: ``(N, channels, H, W)``, context ``(N, context, H, W)``. Reference: Dinh et al. 2017, arXiv:1605.08803; the scale
    as in Kingma & Dhariwal 2018, arXiv:1807.03039.

    Args:
        channels: how many.
        width: channels of the two hidden layers.
        context: channels of what the network reads beside.
    """

    def __init__(self, channels: int, width: int, context: int = 0) -> None:
        super().__init__()
        self.kept = channels // 2
        last = nn.Conv2d(width, 2 * (channels - self.kept), 3, padding=1)
        nn.init.zeros_(last.weight)
        assert last.bias is not None
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(
            nn.Conv2d(self.kept + context, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU(), last
        )

    def inward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z, and log |det ∂z/∂x|, ``(N,)``."""
        shift, log_scale = self._answer(x, context)
        moved = (x[:, self.kept :] + shift) * log_scale.exp()
        return torch.cat([x[:, : self.kept], moved], 1), log_scale.flatten(1).sum(1)

    def outward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """x."""
        shift, log_scale = self._answer(z, context)
        moved = z[:, self.kept :] * (-log_scale).exp() - shift
        return torch.cat([z[:, : self.kept], moved], 1)

    def _answer(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        kept = x[:, : self.kept]
        shift, raw = self.net(kept if context is None else torch.cat([kept, context], 1)).chunk(2, 1)
        return shift, logsigmoid(raw + 2)


class Steps(Invertible):
    """``depth`` times: normalize channels, mix them, and couple their halves.

    Args:
        channels: how many, at least 2.
        depth: how often.
        width: channels of the couplings' hidden layers.
        context: channels of what the couplings read beside.
    """

    def __init__(self, channels: int, depth: int, width: int, context: int = 0) -> None:
        super().__init__()
        layers: list[Invertible] = []
        for _ in range(depth):
            layers += [ActNorm(channels), ChannelMix(channels), ImageCoupling(channels, width, context)]
        self.layers = nn.ModuleList(layers)

    def inward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z, and log |det ∂z/∂x|, ``(N,)``."""
        total = x.new_zeros(len(x))
        for layer in self._parts():
            x, log_det = layer.inward(x, context)
            total = total + log_det
        return x, total

    def outward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """x."""
        for layer in reversed(self._parts()):
            z = layer.outward(z, context)
        return z

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Start each normalization at data."""
        for layer in self._parts():
            layer.start(x)
            x, _ = layer.inward(x)

    def _parts(self) -> list[Invertible]:
        return [layer for layer in self.layers if isinstance(layer, Invertible)]


class MultiScale(nn.Module):
    """Glow: scales of squeezed channels, each after :class:`Steps` giving half of its channels to z and the rest further.

    Shapes: x ``(N, C, H, W)`` to z ``(N, C H W)``, the first scale first.
    Reference: Kingma & Dhariwal 2018, Glow: generative flow with invertible 1×1 convolutions, arXiv:1807.03039.

    Args:
        x_shape: (C, H, W), both sides even.
        scales: how often sides are halved; None: as often as both are even, up to three times.
        depth: steps of each scale.
        width: channels of the couplings' hidden layers.

    Raises:
        ValueError: sides that are not even, or fewer scales than one.
    """

    def __init__(self, x_shape: Sequence[int], scales: int | None = None, depth: int = 4, width: int = 32) -> None:
        super().__init__()
        possible = halvings(x_shape)
        scales = min(possible, 3) if scales is None else scales
        if not 1 <= scales <= max(possible, 0) or depth < 1:
            raise ValueError(
                f"each scale of a multi-scale flow makes 2 × 2 pixels one, and x_shape={tuple(x_shape)} can be halved "
                f"{possible} times, not {scales}, in {depth} steps each; use scales from 1 to {possible} and depth >= 1, pad "
                "the images to even sides, or take 'flow-coupling'."
            )
        channels, height, width_of = x_shape
        self.shapes: list[tuple[int, int, int]] = []
        self.steps = nn.ModuleList()
        for _ in range(scales):
            channels, height, width_of = 4 * channels, height // 2, width_of // 2
            self.shapes.append((channels, height, width_of))
            self.steps.append(Steps(channels, depth, width))
            channels //= 2

    def inward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z, ``(N, D)``, and log |det ∂z/∂x|, ``(N,)``."""
        parts, total = [], x.new_zeros(len(x))
        for number, steps in enumerate(self._levels()):
            x, log_det = steps.inward(pixel_unshuffle(x, 2))
            total = total + log_det
            x, part = self._divided(x, number)
            parts.append(part.flatten(1))
        return torch.cat(parts, 1), total

    def outward(self, z: Tensor) -> Tensor:
        """x, ``(N, C, H, W)``."""
        sizes = [self._part(number).numel() for number in range(len(self.shapes))]
        parts = z.split(sizes, 1)
        x = z.new_zeros(len(z), 0)
        for number in reversed(range(len(self.shapes))):
            part = parts[number].reshape(len(z), *self._part(number))
            whole = part if number == len(self.shapes) - 1 else torch.cat([x, part], 1)
            x = pixel_shuffle(self._levels()[number].outward(whole), 2)
        return x

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Start at data."""
        for number, steps in enumerate(self._levels()):
            x = pixel_unshuffle(x, 2)
            steps.start(x)
            x, _ = self._divided(steps.inward(x)[0], number)

    def _levels(self) -> list[Steps]:
        return [steps for steps in self.steps if isinstance(steps, Steps)]

    def _part(self, number: int) -> torch.Size:
        channels, height, width = self.shapes[number]
        return torch.Size([channels if number == len(self.shapes) - 1 else channels // 2, height, width])

    def _divided(self, x: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """What goes further, and what is z already; of the last scale all is."""
        return (x, x) if number == len(self.shapes) - 1 else tuple(x.chunk(2, 1))  # type: ignore[return-value]


def halvings(x_shape: Sequence[int]) -> int:
    """How often both sides of an image are even; 0 of what is no image."""
    if len(x_shape) != 3:
        return 0
    common, times = gcd(x_shape[1], x_shape[2]), 0
    while common % 2 == 0:
        common, times = common // 2, times + 1
    return times
