"""Masked diffusion: a guide that hides elements of x, and a model that tells what they are from those that are left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyro
import torch
from torch import Tensor, nn

from pyrogen.axes import Distribution, Likelihood
from pyrogen.base import Objective, Pair, announce
from pyrogen.capabilities import HasDiffusion, HasGaps
from pyrogen.distributions.revealed import Revealed
from pyrogen.inference.objectives.diffusion import DiffusionELBO
from pyrogen.likelihoods.missing import Masked, Observed
from pyrogen.models.autoregressive.made import element_wise
from pyrogen.nets import BatchDims
from pyrogen.nets.denoisers import DenoiserNet, denoiser_of
from pyrogen.registry import entry, make


class MaskedDiffusion(Pair, HasDiffusion, HasGaps):
    """T steps in which elements of x are hidden until none is left, z₀ = x → z₁ → … → z_T, and shown on the way back.

    In z_i each element is hidden with probability i/T, for good: NaN. Given z_i, step i shows each hidden one with
    probability 1/i, whatever x is, so that guide and model differ only in its value, x_d or a draw of p(x_d|z_i):

        −ELBO = Σ_i 1/i E_{q(z_i|x)} Σ_{d hidden in z_i} −log p(x_d|z_i),

    where the prior has no part, as z_T tells nothing, nor the reconstruction. Without a number of steps it is the limit of
    many: no two are shown at once, which leaves D steps of one element each, in an order drawn evenly from all D!. z_i hides
    just i elements then, and the bound is the expected −log p(x) of an autoregression in a random order,

        −ELBO = E_σ Σ_d −log p(x_σ(d) | x_σ(<d)).

    The gap is that to log E_σ p_σ(x): none where the network's conditionals are those of one law. Sites are z_{T−1} … z_1.
    References: Austin et al. 2021, arXiv:2107.03006; Sahoo et al. 2024, arXiv:2406.07524; the limit: Uria et al. 2014,
    arXiv:1310.1757; Hoogeboom et al. 2022, Autoregressive diffusion models, arXiv:2110.02037.

    Should not be confused with :class:`~pyrogen.models.autoregressive.made.OrderEnsemble`, which has few orders and an exact
    density.

    Args:
        denoiser: what is seen, ``(N, *seen_shape)``, and the share that is hidden, ``(N, 1)``, to the features of all
            elements, ``(N, likelihood.channels(x_shape), *x_shape[1:])``.
        likelihood: of one element, told the shape of x.
        steps: T; None: the limit.
        objective: what :func:`pyrogen.inference.fit` optimizes; by default DiffusionELBO(), which looks at one step a datum.

    Raises:
        ValueError: no steps, or a likelihood that leaves elements out itself.
    """

    def __init__(
        self,
        denoiser: nn.Module,
        likelihood: Likelihood,
        steps: int | None = None,
        objective: Objective | str | None = None,
    ) -> None:
        super().__init__()
        self.x_shape = likelihood.x_shape
        if steps is not None and steps < 1:
            raise ValueError(
                f"steps={steps}: a diffusion takes 1 step or more from data to nothing; None is the limit of many."
            )
        if likelihood.missing:
            raise ValueError(
                f"hidden elements are the latents of a masked diffusion, and the likelihood {type(likelihood).__name__} "
                "leaves them out of x; take the one that it is made of."
            )
        self.one_by_one = steps is None
        self.steps = self.x_shape.numel() if steps is None else steps
        self.objective: Objective = DiffusionELBO() if objective is None else make("objective", objective)
        features = torch.Size([likelihood.channels(self.x_shape), *self.x_shape[1:]])
        self.denoiser = BatchDims(denoiser, seen_shape(self.x_shape), features, "denoiser")
        self.likelihood = Masked(likelihood)
        self.likelihood.size(self.x_shape)
        self.kinds = self.likelihood.kinds

    # -- the pair --------------------------------------------------------------------------------------------------------

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """Π p(z_{i−1}|z_i), of which z₀ is x."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            z = torch.full_like(x, torch.nan)
            for i in range(self.steps, 1, -1):
                z = pyro.sample(f"z_{i - 1}", self._shown(z, self.elements(z), self._chance(i)))
            pyro.sample("x", self._shown(z, self.elements(z), self._chance(1)), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """Π q(z_{i−1}|z_i, x), in which nothing is learned."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            z = torch.full_like(x, torch.nan)
            for i in range(self.steps, 1, -1):
                z = pyro.sample(f"z_{i - 1}", self._shown(z, x, self._chance(i)))

    def elements(self, z: Tensor) -> Observed:
        """p(x_d|z) of every element given those of z ``(..., *x_shape)`` that are not NaN."""
        hidden = z.isnan()
        seen = torch.cat([self.likelihood.rescale(z), (~hidden).to(z)], -len(self.x_shape))
        share = hidden.flatten(-len(self.x_shape)).to(z).mean(-1, keepdim=True)
        p = self.likelihood(self.denoiser(seen, share))
        assert isinstance(p, Observed)
        return p

    # -- the bound, step by step -----------------------------------------------------------------------------------------

    def prior_nats(self, x: Tensor) -> Tensor:
        """0: of x nothing is left, ``(B,)``."""
        return x.new_zeros(len(x))

    def step_nats(self, x: Tensor, step: Tensor, y: Tensor | None = None) -> Tensor:
        """1/i Σ_d −log p(x_d|z_i) over what a draw of z_i hides, ``(B,)``."""
        z = self.add_noise(x, step)
        return -self.elements(z).log_prob(x.masked_fill(~z.isnan(), torch.nan)) / step

    def add_noise(self, x: Tensor, step: Tensor) -> Tensor:
        """A draw of q(z_i|x), ``(B, *x_shape)``, NaN where it hides."""
        places = torch.rand(x.shape, device=x.device).flatten(1)
        if self.one_by_one:
            hidden = places.argsort(1).argsort(1) < step.unsqueeze(1)
        else:
            hidden = places < (step / self.steps).unsqueeze(1)
        return x.masked_fill(hidden.reshape(x.shape), torch.nan)

    def denoise(self, z: Tensor, step: Tensor, y: Tensor | None = None) -> Tensor:
        """The mean of each hidden element, ``(B, *x_shape)``."""
        return torch.where(z.isnan(), self.elements(z).mean.to(z), z)

    def reconstruction_nats(self, x: Tensor) -> Tensor:
        """0: z₀ is x, ``(B,)``."""
        return x.new_zeros(len(x))

    # -- what is generated -----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None, steps: int | None = None) -> Tensor:
        """Draw ``n`` data, all hidden at first, ``(n, *x_shape)``.

        Args:
            n: how many.
            y: nothing, as the model looks at none.
            steps: of elements that are shown by chance, instead of the model's own; in few steps many are drawn apart.

        Raises:
            ValueError: no steps.
        """
        if steps is not None and steps < 1:
            raise ValueError(f"steps={steps}: data are drawn in 1 step or more.")
        z = next(self.parameters()).new_full((n, *self.x_shape), torch.nan)
        for i in range(steps or self.steps, 0, -1):
            z = self._shown(z, self.elements(z), self._chance(i) if steps is None else 1 / i).sample()
        return z

    @torch.no_grad()
    def fill(self, x: Tensor, seen: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Seen elements in an order drawn for each datum, then hidden ones: see :class:`~pyrogen.capabilities.HasGaps`."""
        first = torch.where(seen.expand(self.x_shape), 0.0, 1.0).to(x.device)
        order = (torch.rand(x.shape, device=x.device) + first).flatten(1).argsort(1)
        z, log_p = torch.full_like(x, torch.nan), x.new_zeros(len(x))
        many = int((first == 0).sum())
        for step in range(self.x_shape.numel()):
            at = torch.zeros_like(order, dtype=torch.bool).scatter_(1, order[:, step : step + 1], True).reshape(x.shape)
            p = self.elements(z)
            known = step < many
            if known:
                log_p = log_p + p.log_prob(x.masked_fill(~at, torch.nan))
            z = torch.where(at, x if known else p.sample().to(x), z)
        return z, log_p

    # -- data ------------------------------------------------------------------------------------------------------------

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse data of the wrong shape, or outside what the likelihood scores."""
        super().check(x, y)
        self.likelihood.check(x)

    @property
    def needs_training_data(self) -> bool:
        """Whether the likelihood does."""
        return self.likelihood.needs_training_data

    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Show the training data to the likelihood."""
        self.likelihood.before_training(x, y)

    def _chance(self, step: int) -> float | None:
        return None if self.one_by_one else 1 / step

    def _shown(self, z: Tensor, values: Observed | Tensor, chance: float | None) -> Distribution:
        return Revealed(z, values, chance, self.likelihood.support)


def seen_shape(x_shape: torch.Size) -> torch.Size:
    """Of what the network sees: values, 0 where they are hidden, and which are not."""
    return torch.Size([2 * x_shape[0], *x_shape[1:]])


@entry(
    "masked-diffusion",
    reference="Austin et al. 2021, Structured denoising diffusion, arXiv:2107.03006; Hoogeboom et al. 2022, arXiv:2110.02037",
    data="digits",
    recipe={"epochs": 200, "lr": 2e-3, "batch_size": 64},
)
def masked_diffusion(
    x_shape: Sequence[int],
    steps: int | None = None,
    denoiser: DenoiserNet | str | Mapping[str, Any] | None = None,
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> MaskedDiffusion:
    """The diffusion that hides elements of data, and the autoregression in any order that is its limit of many steps.

    Args:
        x_shape: shape of one datum.
        steps: T, of the bound and of the samples; None: the limit, one element a step.
        denoiser: the network; by default UNet of images and Perceptron of others.
        likelihood: of one element given those that are seen.
        objective: the default objective of ``fit``: DiffusionELBO().
    """
    p = element_wise(x_shape, likelihood, "A masked diffusion")
    net = denoiser_of(x_shape, denoiser, {"name": "Perceptron", "octaves": 0})
    shape = seen_shape(p.x_shape)
    return MaskedDiffusion(net.build(shape, channels=p.channels(p.x_shape)), p, steps, objective)
