"""A prior that is a diffusion: noise that a learned velocity carries to where codes are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from pyrogen.axes import Distribution, Prior
from pyrogen.base import Batch, Player, Stage
from pyrogen.distributions.ode import AlongODE, matching_error
from pyrogen.nets.batch_dims import BatchDims
from pyrogen.nets.denoisers import Perceptron
from pyrogen.registry import choice


@choice("prior")
class DiffusionPrior(Prior):
    """z = z(1) of dz/dt = v(z, t) from z(0) ~ N(0, I), with v matched to straight paths to the codes, a latent diffusion.

    log p(z) is exact but for the solver's tolerance, by the divergence of v along the way, so that the prior that is scored
    is the one that is drawn from, under every estimator; a density costs latent_size slopes at each of many steps. ``fit``
    plays two stages: the model under N(0, I), as whose law v = 0 begins, and then v alone, by E ‖v(z_t, t) − (z₁ − z₀)‖² of
    codes z₁ ~ q(z|x), which follows no equation. Trained by an objective that is given to ``fit`` instead, v goes with the
    rest, by its exact density, which is slow.

    Should not be confused with :class:`~pyrogen.priors.flow.FlowPrior`, of few layers that are inverted exactly.
    Shapes: event ``(latent_size,)``, of 256 at most. References: Vahdat, Kreis & Kautz 2021, Score-based generative modeling
    in latent space, arXiv:2106.05931; Rombach et al. 2022, arXiv:2112.10752; Lipman et al. 2023, arXiv:2210.02747.

    Args:
        hidden: widths of the hidden layers of v, all alike.
        tolerance: of the solver, relative and absolute.
    """

    learned = True
    like: Tensor
    asleep: Tensor

    def __init__(self, hidden: Sequence[int] = (64, 64), tolerance: float = 1e-4) -> None:
        super().__init__()
        self.hidden, self.tolerance = tuple(hidden), tolerance
        self._network = Perceptron(self.hidden, octaves=0)

    def size(self, latent_size: int) -> None:
        """Make the network.

        Raises:
            ValueError: there are more latents than slopes can be taken of, or the tolerance is not between 0 and 0.1.
        """
        shape = torch.Size([latent_size])
        self.register_buffer("like", torch.zeros(shape), persistent=False)
        self.register_buffer("asleep", torch.zeros((), dtype=torch.bool))
        AlongODE(self.velocity, self.like, self.tolerance)  # refuses what it could not score
        net = self._network.build(shape)
        last = net.get_submodule("last")
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.net = BatchDims(net, shape, shape, "prior's velocity")

    def velocity(self, z: Tensor, t: Tensor) -> Tensor:
        """v(z, t), of codes ``(N, latent_size)`` and times ``(N,)``."""
        v: Tensor = self.net(z, t.unsqueeze(-1))
        return v

    def forward(self, y: Tensor | None = None) -> Distribution:
        """What v makes of noise; before it is learned, N(0, I)."""
        if self.asleep:
            return dist.Normal(self.like, torch.ones_like(self.like)).to_event(1)
        return AlongODE(self.velocity, self.like, self.tolerance)

    def stages(self, codes: Callable[[Batch], Tensor]) -> Sequence[Stage]:
        """The stage in which v is matched to the codes."""

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            with torch.no_grad():
                z = codes(batch)
            return {"loss": matching_error(self.velocity, z)}

        return [Stage([Player("prior", loss, [self])], "prior", enter=lambda: self.wake(True))]

    def wake(self, awake: bool) -> None:
        """Let the law be that of v, or N(0, I)."""
        self.asleep.fill_(not awake)
