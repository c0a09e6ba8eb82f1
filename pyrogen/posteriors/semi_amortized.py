"""A posterior that starts from the encoder's answer and improves it."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pyro.distributions as dist
import torch
from torch import Tensor

from pyrogen.axes import Distribution, Posterior
from pyrogen.distributions.bounds import scale_of
from pyrogen.distributions.transformed import spread
from pyrogen.registry import choice


@functools.cache
def _points(size: int, draws: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Points that stand for a standard normal, with mean 0 and variances 1, uncorrelated where they are enough."""
    if device.type != "cpu":
        return _points(size, draws, dtype, torch.device("cpu")).to(device)
    half = torch.special.ndtri(spread(size, draws)[: draws // 2])
    left, _, right = torch.linalg.svd(half, full_matrices=False)
    half = left @ right  # the orthogonal matrix nearest to it
    half = half / half.square().mean(0).sqrt()
    return torch.cat([half, -half]).to(dtype)


@choice("posterior")
class SemiAmortized(Posterior):
    """Independent normal coordinates, N(z; μ, diag σ²), after a few steps of each datum's own up its ELBO.

    With L(μ, σ) = E_q[log p(x, z)], each is a natural-gradient step: σ⁻² ← σ⁻² (1 − r (1 + ∂L/∂ log σ)), then
    μ ← μ + r σ² ∂L/∂μ, less than one σ at a time. Its fixed point is the best q of the family. The expectation is over the
    same few draws at every call, so that q(z|x) is one distribution; training differentiates through the steps.

    Shapes: features ``(..., 2 latent_size)`` are the first μ and log σ²; event ``(latent_size,)``.
    Reference: Kim et al. 2018, Semi-amortized variational autoencoders, arXiv:1802.02550; steps: Khan & Lin 2017,
    arXiv:1703.04265.

    Args:
        steps: number of steps, each of which decodes ``draws`` z and goes back once.
        rate: r, below 1; lower where latents are strongly correlated.
        draws: points that stand for q in L; even.
    """

    needs_log_joint = True
    reads_pair = True

    def __init__(self, steps: int = 5, rate: float = 0.3, draws: int = 8) -> None:
        super().__init__()
        if steps < 1 or not 0 < rate < 1 or draws < 2 or draws % 2:
            raise ValueError(
                f"SemiAmortized(steps={steps}, rate={rate}, draws={draws}): needs steps >= 1, a rate between 0 and 1, and an "
                "even number of draws."
            )
        self.steps, self.rate, self.draws = steps, rate, draws

    def width(self, latent_size: int) -> int:
        """2 latent_size."""
        return 2 * latent_size

    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """The normal distribution after the steps.

        Raises:
            ValueError: the model does not tell its log p(x, z).
        """
        if log_joint is None:
            raise ValueError(
                "the posterior SemiAmortized climbs log p(x, z), which this model does not pass on; use "
                "posterior='DiagonalNormal', or create('vae', posterior='SemiAmortized')."
            )
        learning = torch.is_grad_enabled()
        noise = _points(features.shape[-1] // 2, self.draws, features.dtype, features.device)
        noise = noise.reshape(self.draws, *[1] * (features.dim() - 1), -1)
        with torch.enable_grad():
            # where nothing is learned there may be nothing to differentiate yet
            start = features if features.requires_grad else features.detach().requires_grad_()
            loc, log_variance = start.chunk(2, -1)
            for _ in range(self.steps):
                scale = scale_of(log_variance)
                reward = log_joint(loc + scale * noise).mean(0).sum()
                up, wide = torch.autograd.grad(reward, (loc, log_variance), create_graph=learning)
                # 2 ∂L/∂ log σ² = ∂L/∂ log σ is at most 0 where log p(x, z) is concave
                log_variance = log_variance - torch.log1p(-self.rate * (1 + 2 * wide.clamp(max=0)))
                # no further than the draws have looked
                loc = loc + scale * torch.tanh(self.rate * scale_of(log_variance).square() * up / scale)
        if not learning:
            loc, log_variance = loc.detach(), log_variance.detach()
        return dist.Normal(loc, scale_of(log_variance)).to_event(1)
