"""Networks that are told a sentence, by a network of sequences that reads it."""

from __future__ import annotations

from torch import Tensor, nn

from pyrogen.conditions import Condition


class Told(nn.Module):
    """A network that is told a sentence through another, which reads its words.

    Args:
        net: of what it reads, and of ``(N, width)``.
        reader: of the numbers of words ``(N, 1, L)`` to ``(N, width)``, as :class:`pyrogen.nets.sequences.SequenceNet` builds
            encoders.
        condition: what y is, words.
    """

    def __init__(self, net: nn.Module, reader: nn.Module, condition: Condition) -> None:
        super().__init__()
        self.net, self.reader, self.condition = net, reader, condition

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """What the network makes of both."""
        words = self.condition.as_words(condition).argmax(-1)
        made: Tensor = self.net(x, self.reader(words.unsqueeze(-2)))
        return made
