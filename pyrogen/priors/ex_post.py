"""Densities that are fitted to codes once training ends, kept as buffers: no optimizer of the model's ever moves them."""

from __future__ import annotations

from abc import abstractmethod

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from pyrogen.axes import Distribution
from pyrogen.distributions.mixtures import Mixture
from pyrogen.nets.frozen import descend, freeze
from pyrogen.priors.flow import FlowPrior


class ExPost(nn.Module):
    """A density of codes."""

    fewest = 2

    @abstractmethod
    def fit(self, z: Tensor) -> None:
        """Fit it to codes, ``(N, latent_size)``."""

    @abstractmethod
    def forward(self) -> Distribution:
        """The distribution, event shape ``(latent_size,)``."""


class Normal(ExPost):
    """N(mean, covariance) of the codes."""

    loc: Tensor
    scale_tril: Tensor

    def __init__(self, latent_size: int) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(latent_size))
        self.register_buffer("scale_tril", torch.eye(latent_size))

    def fit(self, z: Tensor) -> None:
        """Take the moments."""
        wide = z.double()
        centered = wide - wide.mean(0)
        covariance = centered.mT @ centered / (len(z) - 1)
        # a code that never moves has no variance; the ridge keeps the factor finite
        ridge = 1e-6 * covariance.diagonal().mean().clamp(min=1e-12)
        covariance += ridge * torch.eye(len(covariance), dtype=wide.dtype, device=wide.device)
        self.loc.copy_(wide.mean(0))
        self.scale_tril.copy_(torch.linalg.cholesky(covariance))

    def forward(self) -> Distribution:
        """N(mean, covariance)."""
        return dist.MultivariateNormal(self.loc, scale_tril=self.scale_tril)


class NormalMixture(ExPost):
    """Σₖ wₖ N(μₖ, Σₖ) by expectation maximization, scikit-learn's."""

    logits: Tensor
    locs: Tensor
    scale_trils: Tensor

    def __init__(self, latent_size: int, components: int) -> None:
        super().__init__()
        self.fewest = max(2, components)
        self.register_buffer("logits", torch.zeros(components))
        self.register_buffer("locs", torch.zeros(components, latent_size))
        self.register_buffer("scale_trils", torch.eye(latent_size).repeat(components, 1, 1))

    def fit(self, z: Tensor) -> None:
        """Run EM from k-means, at a fixed seed."""
        # it takes a second to load
        from sklearn.mixture import GaussianMixture

        wide = z.double().cpu()
        ridge = float(1e-6 * wide.var(0).mean().clamp(min=1e-12))
        found = GaussianMixture(len(self.logits), reg_covar=ridge, random_state=0).fit(wide.numpy())
        self.logits.copy_(torch.as_tensor(found.weights_).log())
        self.locs.copy_(torch.as_tensor(found.means_))
        self.scale_trils.copy_(torch.linalg.cholesky(torch.as_tensor(found.covariances_)))

    def forward(self) -> Distribution:
        """The mixture."""
        parts = dist.MultivariateNormal(self.locs, scale_tril=self.scale_trils)
        return Mixture(dist.Categorical(logits=self.logits), parts)


class Flow(ExPost):
    """A coupling flow over the normal with the moments of the codes, by maximum likelihood: 1,000 steps of 256 codes."""

    steps, batch, rate = 1000, 256, 1e-3

    def __init__(self, latent_size: int) -> None:
        super().__init__()
        self.normal = Normal(latent_size)
        self.flow = FlowPrior()
        self.flow.size(latent_size)
        self.learned = freeze(self.flow)

    def fit(self, z: Tensor) -> None:
        """Whiten the codes, then fit the flow."""
        self.normal.fit(z)
        white = torch.linalg.solve_triangular(self.normal.scale_tril, (z - self.normal.loc).mT, upper=False).mT

        def loss() -> Tensor:
            some = white[torch.randint(len(white), (self.batch,), device=white.device)]
            missed: Tensor = -self.flow().log_prob(some).mean()
            return missed

        descend(self.flow, self.learned, loss, self.steps, self.rate)

    def forward(self) -> Distribution:
        """The flow."""
        white = self.flow()
        moved = dist.transforms.LowerCholeskyAffine(self.normal.loc, self.normal.scale_tril)
        return dist.TransformedDistribution(white.base_dist, [*white.transforms, moved])
