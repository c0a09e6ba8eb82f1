"""A prior that is a diffusion: noise that a learned velocity carries to where codes are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from pyrogen.axes import Distribution, Prior
from pyrogen.base import Batch, Player, Stage
from pyrogen.distributions.ode import AlongODE, check_exact, matching_error
from pyrogen.nets import mlp
from pyrogen.nets.switch import Switch
from pyrogen.registry import choice


@choice("prior")
class DiffusionPrior(Prior):
    """z = z(1) of dz/dt = v(z, t) from z(0) ~ N(0, I), with v matched to straight paths to the codes, a latent diffusion.

    log p(z) is exact but for the solver's error, which falls like steps⁻⁴, by the divergence of v along the way, so that the
    prior that is scored is the one that is drawn from, under every estimator; it costs latent_size slopes at four places of
    each step. ``fit`` plays two stages: the model under N(0, I), which is the law of v = 0, and then v alone, by
    E ‖v(z_t, t) − (z₁ − z₀)‖² of codes z₁ ~ q(z|x), which follows no equation.

    What it can gain in the ELBO is KL(q(z) ‖ N(0, I)) of the codes of all data, which a model that was trained under N(0, I)
    has made small: more is left where that weighed less, as by ``objective=ELBO(beta=0.2)``.

    Should not be confused with :class:`~pyrogen.priors.flow.FlowPrior`, of few layers that are inverted exactly.
    Shapes: event ``(latent_size,)``, of 256 at most. References: Vahdat, Kreis & Kautz 2021, Score-based generative modeling
    in latent space, arXiv:2106.05931; Rombach et al. 2022, arXiv:2112.10752; Lipman et al. 2023, arXiv:2210.02747.

    Args:
        hidden: widths of the hidden layers of v.
        steps: even ones of the solver, from noise to code.
    """

    learned = True
    like: Tensor

    def __init__(self, hidden: Sequence[int] = (64, 64), steps: int = 10) -> None:
        super().__init__()
        self.hidden, self.steps = tuple(hidden), steps

    def size(self, latent_size: int) -> None:
        """Make the network.

        Raises:
            ValueError: there are more latents than slopes can be taken of, or no steps.
        """
        shape = torch.Size([latent_size])
        self.register_buffer("like", torch.zeros(shape), persistent=False)
        self.awake = Switch(True)
        check_exact(latent_size, "fewer latents")
        self._law()  # refuses what it could not follow
        # smooth in t too, as so few steps must follow it: told as it is, not by fast waves
        self.net = mlp((latent_size + 1,), self.hidden, (latent_size,), nn.SiLU)
        last = self.net[-2]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def velocity(self, z: Tensor, t: Tensor) -> Tensor:
        """v(z, t), of codes ``(N, latent_size)`` and times ``(N,)``."""
        v: Tensor = self.net(torch.cat([z, t.unsqueeze(-1)], -1))
        return v

    def forward(self, y: Tensor | None = None) -> Distribution:
        """What v makes of noise; before it is learned, N(0, I)."""
        if not self.awake.on:
            return dist.Normal(self.like, torch.ones_like(self.like)).to_event(1)
        return self._law()

    def stages(self, coded: Callable[[Batch], Batch]) -> Sequence[Stage]:
        """The stage in which v is matched to the codes."""

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            with torch.no_grad():
                codes = coded(batch)
            return {"loss": matching_error(self.velocity, codes.x)}

        return [Stage([Player("prior", loss, [self])], "prior", enter=lambda: self.wake(True))]

    def _law(self) -> AlongODE:
        return AlongODE(self.velocity, self.like, steps=self.steps)

    def wake(self, awake: bool) -> None:
        """Let the law be that of v, or N(0, I)."""
        self.awake.turn(awake)
