"""Guides that fill the gaps between grey levels: q(u|x), u in (0, 1) for each element of x."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar

import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from pyrogen.axes import Axis, Distribution
from pyrogen.distributions.pushed import Pushed
from pyrogen.nets.glow import Steps, halvings
from pyrogen.registry import choice

EDGE = 1e-12  # of a cell: no rounding puts what is drawn into the next one
GREY = 256  # levels
LOOKED_AT = 1000  # data
OFTEN = 20  # times that a number of vectors comes before it is a level
LEAST = 1e-15  # Φ of what is further out is rounded to 0 or 1


class Cells(TorchDistribution):
    """A point within the cell of each element's level, z = (r + u) / L, u ~ q on (0, 1): outside of it the density is 0.

    z is of double precision, from which u is read as it was drawn: near the edges of a cell log q(u) may change by nats
    within what float32 rounds, and a q that is wrong there would be a bound that can be cheated.

    Shapes: event that of r.

    Args:
        noise: q, event shape that of one r.
        r: levels 0 … L − 1, ``(*batch, *event)``.
        levels: L, a scalar tensor.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)
    has_rsample = True
    support: constraints.Constraint = constraints.real

    def __init__(self, noise: Distribution, r: Tensor, levels: Tensor) -> None:
        rank = len(noise.event_shape)
        self.noise, self.r, self.levels = noise.expand(r.shape[: r.dim() - rank]), r, levels
        # of all cells together: what is outside of its own has density 0 in the model too
        self.support = constraints.independent(constraints.unit_interval, rank)
        super().__init__(r.shape[: r.dim() - rank], noise.event_shape, validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Cells:
        """The same for another batch shape."""
        batch = torch.Size(batch_shape)
        return Cells(self.noise, self.r.expand(*batch, *self.event_shape), self.levels)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """(r + u) / L."""
        u = self.noise.rsample(torch.Size(sample_shape)).double()
        return (self.r + EDGE + (1 - 2 * EDGE) * u) / self.levels

    def log_prob(self, value: Tensor) -> Tensor:
        """log q(u) + D log L."""
        volume = self.event_shape.numel() * (self.levels.log() - math.log1p(-2 * EDGE))
        inside = value.double() * self.levels - self.r
        kept = ((inside > 0) & (inside < 1)).flatten(inside.dim() - len(self.event_shape)).all(-1)
        u = ((inside - EDGE) / (1 - 2 * EDGE)).clamp(0, 1)
        return torch.where(kept, self.noise.log_prob(u) + volume, -torch.inf).to(self.levels.dtype)


def refuse_levels(model: nn.Module, x: Tensor) -> None:
    """Refuse values that come over and over for a density of real numbers, which may rise on them without end.

    Args:
        model: what has the density.
        x: training data, of which the first are looked at, all together and by channel, or column.

    Raises:
        ValueError: 1000 numbers of pictures, or of a channel, or more hold 256 different ones, or fewer; of vectors, or of a
            column, they must come 20 times each, since measurements are often rounded.
    """
    seen = x[:LOOKED_AT]
    each = seen.transpose(0, 1).flatten(1)
    for where, rows in (("x", seen.reshape(1, -1)), ("x[:, {}]", each)):
        levels = 1 + (rows.sort(-1).values.diff() != 0).sum(-1)
        fewest = int(levels.argmin())
        most = GREY if x.dim() > 2 else min(GREY, rows.shape[1] // OFTEN)
        if rows.shape[1] >= LOOKED_AT and (n := int(levels[fewest])) <= most:
            raise ValueError(
                f"{type(model).__name__} is a density of real numbers, and {where.format(fewest)} has {n} "
                f"level{'s' * (n > 1)} alone in {rows.shape[1]:,} numbers: nats and bits/dim of such a fit mean nothing; "
                "load grey levels with dequantization=True, which spreads each over its cell, and leave bits, classes and "
                "counts to a likelihood of them, as likelihood='Bernoulli' of 'vae' is one."
            )


class Dequantizer(Axis):
    """q(u|x), by which a density of real numbers bounds the probability of grey levels.

    P(x) = ∫ p((x + u) / L) L⁻ᴰ du, so that log P(x) ≥ E_q[log p((x + u) / L) − D log L − log q(u|x)].

    Reference: Theis et al. 2016, arXiv:1511.01844; as a guide: Ho et al. 2019, Flow++, arXiv:1902.00275.
    """

    axes: ClassVar[tuple[str, ...]] = ("dequantizer",)

    @abstractmethod
    def size(self, x_shape: torch.Size) -> None:
        """Take the shape of the data, and make the networks.

        Raises:
            ValueError: it has none for data of this shape.
        """

    @abstractmethod
    def forward(self, x: Tensor) -> Distribution:
        """q(u|x) for x in [−1, 1], ``(B, *x_shape)``: batch shape ``(B,)``, event shape ``x_shape``."""


@choice("dequantizer")
class Uniform(Dequantizer):
    """Noise that knows nothing of x, q(u|x) = 1 on the unit cube.

    Shapes: event ``x_shape``. Reference: Theis et al. 2016, A note on the evaluation of generative models, arXiv:1511.01844.
    """

    like: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("like", torch.zeros(()), persistent=False)

    def size(self, x_shape: torch.Size) -> None:
        """Take the shape of the data."""
        self.x_shape = torch.Size(x_shape)

    def forward(self, x: Tensor) -> Distribution:
        """The unit cube."""
        zeros = self.like.expand(self.x_shape)
        return dist.Uniform(zeros, zeros + 1).to_event(len(self.x_shape)).expand(x.shape[: -len(self.x_shape)])


@choice("dequantizer")
class Variational(Dequantizer):
    """Noise from a flow that reads x, u = Φ(f(ε; h(x))), ε ~ N(0, I): variational dequantization.

    f is Glow's steps on squeezed images, with h(x) beside what couplings read; Φ, the normal distribution function, makes
    of a flow that does nothing uniform noise, from where it starts.

    Shapes: event ``x_shape`` = (C, H, W), sides even. Reference: Ho et al. 2019, Flow++, arXiv:1902.00275.

    Args:
        depth: steps.
        width: channels of the couplings' hidden layers, and of h.
    """

    def __init__(self, depth: int = 2, width: int = 32) -> None:
        super().__init__()
        if min(depth, width) < 1:
            raise ValueError(f"Variational(depth={depth}, width={width}): each must be positive.")
        self.depth, self.width = depth, width

    def size(self, x_shape: torch.Size) -> None:
        """Make the networks.

        Raises:
            ValueError: x is no image of even sides.
        """
        if not halvings(x_shape):
            raise ValueError(
                f"the dequantizer Variational makes 2 × 2 pixels channels, which takes images (C, H, W) of even sides; got "
                f"x_shape={tuple(x_shape)}; use dequantizer='Uniform'."
            )
        self.x_shape = torch.Size(x_shape)
        channels = 4 * x_shape[0]
        self.steps = Steps(channels, self.depth, self.width, self.width)
        self.reading = nn.Sequential(
            nn.Conv2d(channels, self.width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(self.width, self.width, 3, padding=1),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Distribution:
        """The flow of noise for each x."""
        squeezed = torch.Size([4 * self.x_shape[0], self.x_shape[1] // 2, self.x_shape[2] // 2])
        lead = x.shape[:-3]
        context = self.reading(pixel_unshuffle(x.reshape(-1, *self.x_shape), 2))
        context = context.reshape(*lead, *context.shape[1:])
        noise = Pushed(self._inward, self._outward, self.x_shape, squeezed, x, context, lead)
        return dist.TransformedDistribution(noise, [cumulative(x)])

    def _inward(self, g: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self.steps.inward(pixel_unshuffle(g, 2), context)
        return found

    def _outward(self, noise: Tensor, context: Tensor) -> Tensor:
        return pixel_shuffle(self.steps.outward(noise, context), 2)


class Cumulative(torch.distributions.Transform):
    """Φ, from real numbers to (0, 1) of double precision, element by element.

    Args:
        dtype: of the real numbers.
    """

    domain = constraints.real
    codomain = constraints.unit_interval
    bijective = True
    sign = 1

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cumulative) and other.dtype == self.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log N(x; 0, 1)."""
        return -0.5 * x**2 - 0.5 * math.log(2 * math.pi)

    def _call(self, x: Tensor) -> Tensor:
        return torch.special.ndtr(x.double())

    def _inverse(self, y: Tensor) -> Tensor:
        # what is at 0 or 1 to the last bit is put beside it
        return torch.special.ndtri(y.double().clamp(LEAST, 1 - LEAST)).to(self.dtype)


def cumulative(like: Tensor) -> Cumulative:
    """Φ, for real numbers of the same precision."""
    return Cumulative(like.dtype)
