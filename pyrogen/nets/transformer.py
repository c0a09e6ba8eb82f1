"""Transformers over sequences."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from pyrogen.nets.sequences import Body, SequenceNet, Step, SummaryBody
from pyrogen.registry import choice


@choice("sequence")
@dataclass(frozen=True)
class Transformer(SequenceNet):
    """Self-attention, with layer norms before each part and a learned vector for each place.

    A whole sequence is summed up by the mean of the last layer over the places that are there.
    References: Vaswani et al. 2017, arXiv:1706.03762; norms first: Xiong et al. 2020, arXiv:2002.04745.

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
        need_heads("Transformer", self.width, self.layers, self.heads)

    def backward_looking(self, inputs: int, length: int) -> Body:
        """Blocks that look at what is before a place, and at the place."""
        return _Backward(inputs, length, self)

    def summary(self, length: int) -> SummaryBody:
        """Blocks that look everywhere."""
        return _Mean(length, self)


def need_heads(who: str, width: int, layers: int, heads: int) -> None:
    """Refuse widths that heads cannot share.

    Raises:
        ValueError: no layer, or a width that the heads do not divide.
    """
    if min(width, layers, heads) < 1 or width % heads:
        raise ValueError(
            f"{who}(width={width}, layers={layers}, heads={heads}): needs 1 layer or more, and a width that the heads divide."
        )


class Block(nn.Module):
    """h + attention(norm(h)), and then h + mlp(norm(h))."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.asked, self.found = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, h: Tensor, mask: Tensor | None = None) -> Tensor:
        """All places of ``(N, T, width)``, each of those that the mask lets it see; without, of those up to it."""
        query, key, value = self._split(h)
        seen = scaled_dot_product_attention(query, key, value, mask, is_causal=mask is None)
        return self._after(h, seen)

    def begin(self) -> Step:
        """A function of one place after the other, ``(N, 1, width)``, that keeps keys and values."""
        keys: list[Tensor] = []
        values: list[Tensor] = []

        def step(h: Tensor) -> Tensor:
            query, key, value = self._split(h)
            keys.append(key)
            values.append(value)
            return self._after(h, scaled_dot_product_attention(query, torch.cat(keys, 2), torch.cat(values, 2)))

        return step

    def _split(self, h: Tensor) -> tuple[Tensor, ...]:
        return self.asked(self.first(h)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)

    def _after(self, h: Tensor, seen: Tensor) -> Tensor:
        h = h + self.found(seen.transpose(1, 2).flatten(2))
        out: Tensor = h + self.mlp(self.second(h))
        return out


class _Backward(Body):
    any_length = True

    def __init__(self, inputs: int, length: int, made: Transformer) -> None:
        super().__init__()
        self.enter = nn.Linear(inputs, made.width)
        self.places = nn.Parameter(0.02 * torch.randn(length, made.width))
        self.blocks = nn.ModuleList(Block(made.width, made.heads) for _ in range(made.layers))
        self.last = nn.LayerNorm(made.width)

    def forward(self, h: Tensor) -> Tensor:
        h = self.enter(h) + self.places[: h.shape[1]]
        for block in self.blocks:
            h = block(h)
        out: Tensor = self.last(h)
        return out

    def begin(self) -> Step:
        steps, place = [block.begin() for block in self.blocks], 0  # type: ignore[operator]

        def step(h: Tensor) -> Tensor:
            nonlocal place
            h = (self.enter(h) + self.places[place]).unsqueeze(1)
            place += 1
            for one in steps:
                h = one(h)
            out: Tensor = self.last(h)[:, 0]
            return out

        return step


class _Mean(SummaryBody):
    any_length = True

    def __init__(self, length: int, made: Transformer) -> None:
        super().__init__()
        self.size = made.width
        self.places = nn.Parameter(0.02 * torch.randn(length, made.width))
        self.blocks = nn.ModuleList(Block(made.width, made.heads) for _ in range(made.layers))
        self.last = nn.LayerNorm(made.width)

    def forward(self, h: Tensor, count: Tensor) -> Tensor:
        there = torch.arange(h.shape[1], device=h.device) < count[:, None]
        h = h + self.places[: h.shape[1]]
        for block in self.blocks:
            h = block(h, there[:, None, None, :])
        kept = torch.where(there.unsqueeze(-1), self.last(h), torch.zeros_like(h))
        return kept.sum(1) / count.unsqueeze(-1)
