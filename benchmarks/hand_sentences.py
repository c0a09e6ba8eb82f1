"""Language models by hand, in plain PyTorch, as a careful user would write them: of padded rows, an end and a start."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

END = -1


class LSTM(nn.Module):
    """A table of words, torch's LSTM, and a linear map."""

    def __init__(self, words: int, width: int, length: int) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(words + 2, width), nn.Linear(width, words + 1)
        self.body = nn.LSTM(width, width, batch_first=True)

    def forward(self, before: Tensor) -> Tensor:
        """The logits at each place of the words before it, ``(N, T)`` to ``(N, T, words + 1)``."""
        return self.head(self.body(self.table(before))[0])


class Block(nn.Module):
    """Self-attention to what is before, and two linear maps, norms first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.asked, self.found = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, h: Tensor) -> Tensor:
        query, key, value = (
            t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.asked(self.first(h)).chunk(3, -1)
        )
        seen = scaled_dot_product_attention(query, key, value, is_causal=True)
        h = h + self.found(seen.transpose(1, 2).flatten(2))
        return h + self.mlp(self.second(h))


class Transformer(nn.Module):
    """A table of words and one of places, two blocks, a norm, and a linear map."""

    def __init__(self, words: int, width: int, length: int) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(words + 2, width), nn.Linear(width, words + 1)
        self.enter, self.places = nn.Linear(width, width), nn.Parameter(0.02 * torch.randn(length, width))
        self.blocks, self.last = nn.Sequential(*(Block(width, 4) for _ in range(2))), nn.LayerNorm(width)

    def forward(self, before: Tensor) -> Tensor:
        h = self.enter(self.table(before)) + self.places[: before.shape[1]]
        return self.head(self.last(self.blocks(h)))


NETS = {"LSTM": LSTM, "Transformer": Transformer}


def train(net: LSTM | Transformer, x: Tensor, epochs: int, batch_size: int, lr: float) -> None:
    """Epochs over rows of words ``(N, T)``, filled up with ends, each batch cut to its longest; ends are scored, once."""
    words = net.head.out_features - 1
    lengths = ((x != END).sum(1) + 1).clamp(max=x.shape[1])
    optimizer = torch.optim.Adam(net.parameters(), lr=lr, fused=True)
    net.train()
    for _ in range(epochs):
        for index in torch.randperm(len(x)).split(batch_size):
            length = lengths[index]
            told = torch.where(x[index] == END, words, x[index])[:, : int(length.max())]
            before = torch.cat([torch.full_like(told[:, :1], words + 1), told[:, :-1]], 1)
            asked = torch.where(torch.arange(told.shape[1]) < length[:, None], told, -100)
            loss = cross_entropy(net(before).flatten(0, 1), asked.flatten(), reduction="sum") / len(index)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
