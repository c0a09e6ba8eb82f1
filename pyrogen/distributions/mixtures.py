"""Mixtures whose support is that of their components, and a mixture of normals that gradients pass through."""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.nn.functional import log_softmax


class Mixture(dist.MixtureSameFamily):
    """Σₖ wₖ pₖ(z), over the values of its components.

    Should not be confused with torch's own, whose support has no bijection, so that no chain could move in it.
    """

    @constraints.dependent_property
    def support(self) -> constraints.Constraint:
        """That of the components, which share it."""
        return self.component_distribution.support


class NormalMixture(Mixture):
    """Σₖ wₖ N(z; μₖ, diag σₖ²), with draws that are differentiable in the weights, the means and the scales.

    A draw moves with the parameters so that its conditional distribution functions F(z_i | z_{<i}) stay where they are:
    ∂z_i = −∂F / p(z_i | z_{<i}), which is exact. Where the components are far apart, draws between them are rare and their
    gradients large.

    Shapes: components of batch shape ``(..., K)`` and event shape ``(d,)``.
    Reference: Graves 2016, arXiv:1607.05690; Figurnov et al. 2018, arXiv:1805.08498.
    """

    has_rsample = True

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Draws through which gradients flow."""
        fixed = self.sample(sample_shape)
        parts = self.component_distribution.base_dist
        log_weight = self.mixture_distribution.logits  # of the components given the coordinates so far
        if not (torch.is_grad_enabled() and any(t.requires_grad for t in (log_weight, parts.loc, parts.scale))):
            return fixed
        moved = []
        for i in range(self.event_shape[0]):
            part = dist.Normal(parts.loc[..., i], parts.scale[..., i], validate_args=False)
            x = fixed[..., i, None]
            below = (log_softmax(log_weight, -1).exp() * part.cdf(x)).sum(-1)
            density = torch.logsumexp(log_softmax(log_weight, -1) + part.log_prob(x), -1).exp().detach()
            density = density.clamp(min=torch.finfo(density.dtype).tiny)
            z = fixed[..., i] - (below - below.detach()) / density
            log_weight = log_weight + part.log_prob(z.unsqueeze(-1))
            moved.append(z)
        return torch.stack(moved, -1)
