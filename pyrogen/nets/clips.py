"""Networks of clips ``(T, C, H, W)``: frames of one content and of a motion that goes on, and critics of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Size, Tensor, nn

from pyrogen.conditions import Condition
from pyrogen.nets.critics import OfAnother
from pyrogen.nets.generators import GeneratorNet
from pyrogen.nets.recurrent import LSTM
from pyrogen.registry import choice, make


@choice("generator")
@dataclass(frozen=True)
class Moving(GeneratorNet):
    """Frames x_t = g(c, m_t) of one content c, and of states m_t that follow from one another: z = (c, e₁ … e_T).

    The states are those of an LSTM that reads e_t, so that frames differ by the motion alone, and clips of one content move
    in many ways. Reference: Tulyakov et al. 2018, MoCoGAN, arXiv:1707.04993.

    Args:
        frame: the network g of one frame.
        motion: numbers of one e_t; c has what is left of z.
        states: numbers of m_t.
    """

    # an annotation with GeneratorNet would let the command line import whatever path is typed there
    frame: Any = "Convolutional"
    motion: int = 4
    states: int = 16

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.motion < 1 or self.states < 1:
            raise ValueError(f"Moving(motion={self.motion}, states={self.states}): each is made of 1 number or more.")
        object.__setattr__(self, "frame", make("generator", self.frame))

    def latents(self, content: int, x_shape: Sequence[int]) -> int:
        """Those of c, and e_t of every frame."""
        return content + x_shape[0] * self.motion

    def layers(self, latent_size: int, x_shape: Size, condition: Condition | None) -> list[nn.Module]:
        """The layers: of all frames as if they were many pictures."""
        frames = x_shape[0]
        content = content_of(self, latent_size, frames * self.motion, x_shape, condition)
        course = Course(frames, content, self.motion, self.states)
        pictures = self.frame.layers(content + self.states, x_shape[1:], None)
        return [course, *pictures, nn.Unflatten(0, (-1, frames))]


def content_of(of: GeneratorNet, latent_size: int, motion: int, x_shape: Size, condition: Condition | None) -> int:
    """How many latents of a generator of clips say what they show, where ``motion`` of them say how it moves.

    Raises:
        ValueError: data that are no clips of 2 frames or more, a condition, or none are left.
    """
    name = type(of).__name__
    if len(x_shape) != 4 or x_shape[0] < 2:
        raise ValueError(
            f"the generator {name} makes clips of 2 frames or more, x_shape=(T, C, H, W); got x_shape={tuple(x_shape)}."
        )
    if condition is not None:
        raise ValueError(f"the generator {name} reads no y; take data without one, as sprites(frames=8).")
    if latent_size <= motion:
        raise ValueError(
            f"{name} takes {motion} of the latents for how {x_shape[0]} frames move, and of latent_size={latent_size} "
            f"nothing is left for what they show; take {motion + 1} or more."
        )
    return latent_size - motion


class Course(nn.Module):
    """What each frame of a clip is made of: ``(N, content + T motion)`` to ``(N T, content + states)``.

    Args:
        frames: T.
        content: numbers that are the same in all frames.
        motion: numbers that an LSTM reads at each.
        states: of the LSTM.
    """

    def __init__(self, frames: int, content: int, motion: int, states: int) -> None:
        super().__init__()
        self.frames, self.content = frames, content
        self.body = LSTM(states).backward_looking(motion, frames)

    def forward(self, z: Tensor) -> Tensor:
        """c beside m_t."""
        content, moves = z[:, : self.content], z[:, self.content :].unflatten(1, (self.frames, -1))
        shown = content.unsqueeze(1).expand(-1, self.frames, -1)
        return torch.cat([shown, self.body(moves)], -1).flatten(0, 1)


@choice("critic")
@dataclass(frozen=True)
class Stacked(OfAnother):
    """A critic of pictures that reads the frames of a clip as channels: it sees how they follow from one another.

    Args:
        of: the critic of pictures of T · C channels, whose settings are those of this one.
    """

    of: Any = "Convolutional"

    def scores(self, x_shape: Size, condition: int) -> nn.Module:
        """The network of clips that are packed already."""
        if len(x_shape) != 4:
            raise ValueError(f"the critic Stacked reads clips, x_shape=(T, C, H, W); got x_shape={tuple(x_shape)}.")
        return Frames(self.of.scores(Size((x_shape[0] * x_shape[1], *x_shape[2:])), condition))


class Frames(nn.Module):
    """A network of pictures that is shown clips ``(N, T, C, H, W)``, frame upon frame.

    Args:
        net: of ``(N, T C, H, W)``.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """What the network makes of them."""
        stacked = x.flatten(1, 2)
        h: Tensor = self.net(stacked) if condition is None else self.net(stacked, condition)
        return h


class PartsFirst(nn.Module):
    """Frames of parameters ``(N, T, k C, H, W)`` as a likelihood reads them, ``(N, k T, C, H, W)``.

    Args:
        parts: k, parameters of an element.
    """

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.parts = parts

    def forward(self, h: Tensor) -> Tensor:
        """The same numbers in another order."""
        return h.unflatten(2, (self.parts, -1)).transpose(1, 2).flatten(1, 2)
