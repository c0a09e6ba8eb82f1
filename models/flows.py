"""Normalizing flows as densities of data: p(x) = N(f(x); 0, I) |det ∂f/∂x|."""

from __future__ import annotations

import logging
from abc import ABC
from collections.abc import Sequence

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyrogen.axes import Distribution
from pyrogen.base import HasLogProb, Objective, Pair, announce
from pyrogen.capabilities import HasSource
from pyrogen.dequantization import Cells, Dequantizer, Uniform, cumulative, refuse_levels
from pyrogen.distributions.densities import Density, ImageFlow, VectorFlow
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.nets.glow import MultiScale
from pyrogen.priors.flow import FlowPrior
from pyrogen.registry import entry, make

log = logging.getLogger("pyrogen")

GREY, FEW = 256, 64  # levels, and as many as are told from all of them
AT_ONCE = 1000  # data whose values are looked at together


class Flow(Pair, HasSource, ABC):
    """A density made of a flow, as a pair.

    Args:
        density: the flow.
        x_shape: shape of one datum.
        objective: what :func:`pyrogen.inference.fit` optimizes unless told otherwise.

    Attributes:
        overflows: whether it was said that samples are not finite.
    """

    overflows = False

    def __init__(self, density: Density, x_shape: torch.Size, objective: Objective | str | None = None) -> None:
        super().__init__()
        self.density, self.x_shape = density, x_shape
        self.objective: Objective = ELBO() if objective is None else make("objective", objective)

    @property
    def needs_training_data(self) -> bool:
        """It starts where the data are."""
        return True

    def _drawn(self, n: int) -> Tensor:
        """Draws of the density; those that are no numbers are said to be none."""
        self.check_draws(n)
        x: Tensor = self.density().sample((n,))
        lost = n - int(x.flatten(1).isfinite().all(1).sum())
        if lost and not self.overflows:  # said once: many samples are drawn in parts
            self.overflows = True
            log.warning(
                f"{lost} of {n} samples are not finite: away from data this flow may divide by scales that training left too "
                "small, as happens at a large learning rate; train at a smaller lr."
            )
        return x


class RealFlow(Flow, HasLogProb):
    """A flow of real numbers, whose log p(x) is exact; its guide is empty."""

    kinds = ("real", "unit")

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(x)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            pyro.sample("x", self.density(), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """Nothing: there are no latents."""
        announce(self)

    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse levels, and start where the data are."""
        refuse_levels(self, x)
        self.density.before_training(x)

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x), exact, ``(B,)``."""
        log_p: Tensor = self.density().log_prob(self.read(x))
        return log_p

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw ``n`` data, ``(n, *x_shape)``."""
        return self._drawn(n)

    def source(self) -> Distribution:
        """p(x)."""
        return self.density()


class LevelsFlow(Flow):
    """Grey levels as cells of a flow: z ~ p(z) on the unit cube, x = ⌊L z⌋, with the guide z = (x + u) / L, u ~ q(u|x).

    P(x) = ∫ p((x + u) / L) L⁻ᴰ du, of which every number that is computed is a bound: ELBO or IWAE, log P(x) never itself.
    p(z) is the flow pushed through Φ, element by element, so that it has no mass beside the cube. Dequantization by the
    data's loader, kind "unit", is the case of uniform noise, with its number called a density.

    L is how many levels the training data have, where they are 64 or fewer, evenly spaced; else 256.

    Reference: Ho et al. 2019, Flow++, arXiv:1902.00275.

    Args:
        density: the flow.
        x_shape: shape of one datum.
        dequantizer: q(u|x), an object or a name.
        objective: what :func:`pyrogen.inference.fit` optimizes unless told otherwise.
    """

    kinds = ("levels",)
    levels: Tensor

    def __init__(
        self,
        density: Density,
        x_shape: torch.Size,
        dequantizer: Dequantizer | str = "Uniform",
        objective: Objective | str | None = None,
    ) -> None:
        super().__init__(density, x_shape, objective)
        self.dequantizer: Dequantizer = make("dequantizer", dequantizer)
        self.dequantizer.size(x_shape)
        self.register_buffer("levels", torch.tensor(float(GREY)))

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(z) 1[x = ⌊L z⌋]."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            z = pyro.sample("z", self._cube())
            pyro.sample("x", dist.Delta(self._level_of(z), event_dim=len(self.x_shape)), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """z = (x + u) / L, u ~ q(u|x)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            pyro.sample("z", self._cells(x, self.dequantizer))

    @torch.no_grad()
    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Count the levels, and start where the data are, once."""
        if self.density.started:
            return
        seen = torch.cat([part.unique() for part in x.split(AT_ONCE)]).unique()
        self.levels.fill_(next((n for n in range(2, FEW + 1) if are_levels(seen, n)), GREY))
        uniform = Uniform().to(x.device)
        uniform.size(self.x_shape)
        z = self._cells(x, uniform).sample()
        self.density.before_training(cumulative(x).inv(z))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw ``n`` data, ``(n, *x_shape)``."""
        return self._level_of(cumulative(self.levels)(self._drawn(n)))

    def source(self) -> Distribution:
        """p(z)."""
        return self._cube()

    def made_of(self, draws: Tensor) -> Tensor:
        """⌊L z⌋."""
        return self._level_of(draws)

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse what are none of the levels that the model was trained on."""
        super().check(x, y)
        levels = int(self.levels)
        if not are_levels(x, levels):
            raise ValueError(
                f"a flow of {levels} grey levels takes whole numbers from 0 to 255 that are multiples of "
                f"{255 / (levels - 1):.4g}, rounded, and x holds others; load the data with kind='levels', or take a flow of "
                "real numbers, dequantizer=None."
            )

    def _cells(self, x: Tensor, dequantizer: Dequantizer) -> Cells:
        noise = dequantizer(x / (255 / 2) - 1)
        return Cells(noise, (x * ((self.levels - 1) / 255)).round(), self.levels)

    def _cube(self) -> Distribution:
        return dist.TransformedDistribution(self.density(), [cumulative(self.levels)])

    def _level_of(self, z: Tensor) -> Tensor:
        # a draw at the very edge of the cube may be rounded onto it
        r = (z * self.levels).floor().to(self.levels.dtype).clamp(max=self.levels - 1)
        return (r * (255 / (self.levels - 1))).round()


def are_levels(x: Tensor, levels: int) -> bool:
    """Whether all x are grey values of so many levels."""
    r = (x * ((levels - 1) / 255)).round().clamp(0, levels - 1)
    return bool(((r * (255 / (levels - 1))).round() == x).all())


def flow_of(
    density: Density, x_shape: torch.Size, dequantizer: Dequantizer | str | None, objective: Objective | str | None
) -> Flow:
    """The pair of a flow: of real numbers, or of grey levels where there is a dequantizer."""
    if dequantizer is None:
        return RealFlow(density, x_shape, objective)
    return LevelsFlow(density, x_shape, dequantizer, objective)


@entry(
    "flow-coupling",
    reference="Dinh et al. 2017, Density estimation using Real NVP, arXiv:1605.08803",
    data="ring",
    recipe={"epochs": 30, "lr": 1e-3, "batch_size": 128, "lr_milestones": [20]},
)
def flow_coupling(
    x_shape: Sequence[int],
    layers: int = 8,
    width: int = 64,
    dequantizer: Dequantizer | str | None = None,
    objective: Objective | str | None = None,
) -> Flow:
    """The flow of affine couplings, with an exact log p(x) that is as cheap as a sample.

    Args:
        x_shape: shape of one datum, of two elements or more.
        layers: number of couplings; each moves what the one before left alone.
        width: of the two hidden layers of each one's network.
        dequantizer: q(u|x) for grey levels, "Uniform" or "Variational"; None: for real numbers.
        objective: the default objective of ``fit``: ELBO(), which for real numbers is log p(x).
    """
    shape = torch.Size(x_shape)
    return flow_of(VectorFlow(FlowPrior("affine_coupling", layers, width), shape), shape, dequantizer, objective)


@entry(
    "flow-spline",
    reference="Durkan et al. 2019, Neural spline flows, arXiv:1906.04032",
    data="ring",
    recipe={"epochs": 30, "lr": 1e-3, "batch_size": 128, "lr_milestones": [20]},
)
def flow_spline(
    x_shape: Sequence[int],
    layers: int = 4,
    width: int = 64,
    dequantizer: Dequantizer | str | None = None,
    objective: Objective | str | None = None,
) -> Flow:
    """The flow of rational spline couplings, which bend where affine ones stretch: densities of several modes.

    Args:
        x_shape: shape of one datum, of two elements or more.
        layers: number of couplings.
        width: of the two hidden layers of each one's network.
        dequantizer: q(u|x) for grey levels, "Uniform" or "Variational"; None: for real numbers.
        objective: the default objective of ``fit``: ELBO(), which for real numbers is log p(x).
    """
    shape = torch.Size(x_shape)
    return flow_of(VectorFlow(FlowPrior("spline_coupling", layers, width), shape), shape, dequantizer, objective)


@entry(
    "flow-maf",
    reference="Papamakarios et al. 2017, Masked autoregressive flow for density estimation, arXiv:1705.07057",
    data="ring",
    recipe={"epochs": 30, "lr": 1e-3, "batch_size": 128, "lr_milestones": [20]},
)
def flow_maf(
    x_shape: Sequence[int],
    layers: int = 5,
    width: int = 64,
    dequantizer: Dequantizer | str | None = None,
    objective: Objective | str | None = None,
) -> Flow:
    """The masked autoregressive flow: log p(x) in one pass, a sample in as many as x has elements.

    Args:
        x_shape: shape of one datum, of two elements or more.
        layers: number of layers; each turns the order around.
        width: of the two hidden layers of each one's network; at least as many as x has elements are taken.
        dequantizer: q(u|x) for grey levels, "Uniform" or "Variational"; None: for real numbers.
        objective: the default objective of ``fit``: ELBO(), which for real numbers is log p(x).
    """
    shape = torch.Size(x_shape)
    wide = max(width, shape.numel())
    return flow_of(VectorFlow(FlowPrior("affine_autoregressive", layers, wide), shape), shape, dequantizer, objective)


@entry(
    "flow-glow",
    reference="Kingma & Dhariwal 2018, Glow: generative flow with invertible 1×1 convolutions, arXiv:1807.03039",
    data="digits",
    recipe={"epochs": 60, "lr": 1e-3, "batch_size": 64, "lr_milestones": [40]},
)
def flow_glow(
    x_shape: Sequence[int],
    scales: int | None = None,
    depth: int = 4,
    width: int = 32,
    dequantizer: Dequantizer | str | None = "Uniform",
    objective: Objective | str | None = None,
) -> Flow:
    """The multi-scale flow of images: actnorm, invertible 1 × 1 convolutions and couplings of channels.

    Args:
        x_shape: (C, H, W), of even sides.
        scales: how often sides are halved; None: as often as both are even, up to three times.
        depth: steps of each scale.
        width: channels of the couplings' hidden layers.
        dequantizer: q(u|x) for grey levels, "Uniform" or "Variational"; None: for real numbers.
        objective: the default objective of ``fit``: ELBO().
    """
    shape = torch.Size(x_shape)
    return flow_of(ImageFlow(MultiScale(shape, scales, depth, width), shape), shape, dequantizer, objective)
