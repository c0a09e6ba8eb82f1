"""Networks that tell what is hidden, or noisy, in sequences ``(C, T)``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Size, Tensor, nn

from pyrogen.nets.denoisers import WAVES, DenoiserNet, Level
from pyrogen.nets.transformer import Block, need_heads
from pyrogen.registry import choice


@choice("denoiser")
@dataclass(frozen=True)
class SequenceTransformer(DenoiserNet):
    """Self-attention of all places to all, with a learned vector for each place, each block told the level anew.

    Should not be confused with the sequence network Transformer, which looks back alone.
    References: Vaswani et al. 2017, arXiv:1706.03762; as a denoiser: Sahoo et al. 2024, arXiv:2406.07524.

    Args:
        width: of the vectors, a multiple of the heads.
        layers: one upon the other.
        heads: of each attention.
    """

    width: int = 64
    layers: int = 2
    heads: int = 4

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        need_heads("SequenceTransformer", self.width, self.layers, self.heads)

    def build(self, x_shape: Sequence[int], condition: int = 0, channels: int | None = None) -> nn.Module:
        """The network."""
        if len(x_shape) != 2:
            raise ValueError(
                f"the denoiser SequenceTransformer reads sequences, x_shape=(C, T); got x_shape={tuple(x_shape)}; take "
                "denoiser='Perceptron', or 'UNet' of images."
            )
        return _Attending(Size(x_shape), channels or x_shape[0], self, condition)


class _Attending(nn.Module):
    def __init__(self, x_shape: Size, channels: int, made: SequenceTransformer, condition: int) -> None:
        super().__init__()
        inputs, length = x_shape
        self.level, self.enter = Level(), nn.Linear(inputs, made.width)
        self.places = nn.Parameter(0.02 * torch.randn(length, made.width))
        self.told = nn.ModuleList(nn.Linear(2 * WAVES + condition, made.width) for _ in range(made.layers))
        self.blocks = nn.ModuleList(Block(made.width, made.heads) for _ in range(made.layers))
        self.last = nn.Sequential(nn.LayerNorm(made.width), nn.Linear(made.width, channels))

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """The output."""
        level, h = self.level(told), self.enter(x.transpose(1, 2)) + self.places
        everywhere = torch.ones((), dtype=torch.bool, device=x.device).expand(h.shape[1], h.shape[1])
        for block, say in zip(self.blocks, self.told, strict=True):
            h = block(h + say(level).unsqueeze(1), everywhere)
        out: Tensor = self.last(h)
        return out.transpose(1, 2)
