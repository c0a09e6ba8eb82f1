"""A prior that is a normalizing flow."""

from __future__ import annotations

from typing import Literal

import pyro.distributions as dist
import torch
from pyro.distributions import transforms
from torch import Tensor, nn

from pyrogen.axes import Blueprint, Distribution, Prior
from pyrogen.registry import choice


@choice("prior")
class FlowPrior(Prior):
    """A learned flow from a standard normal, log p(z) = log N(f⁻¹(z); 0, I) − log |det ∂f/∂ε|, in Pyro's own transforms.

    Both directions are closed-form, so that scoring and sampling cost the same. Each layer moves the coordinates that the
    layer before it left alone.

    Shapes: event ``(latent_size,)``, of at least 2.
    Reference: Dinh et al. 2017, arXiv:1605.08803; Durkan et al. 2019, arXiv:1906.04032.

    Args:
        transform: "affine_coupling" or "spline_coupling".
        layers: number of coupling layers.
        hidden: width of the two hidden layers of each coupling's network.
    """

    learned = True
    loc: Tensor
    unit: Tensor

    def __init__(
        self,
        transform: Literal["affine_coupling", "spline_coupling"] = "affine_coupling",
        layers: int = 4,
        hidden: int = 64,
    ) -> None:
        super().__init__()
        if transform not in ("affine_coupling", "spline_coupling"):
            raise ValueError(f"FlowPrior(transform={transform!r}): choose 'affine_coupling' or 'spline_coupling'.")
        if layers < 2:
            raise ValueError(
                f"FlowPrior(layers={layers}): the second layer moves what the first leaves; use 2 or more."
            )
        self.transform, self.layers, self.hidden = transform, layers, hidden

    def build(self, plan: Blueprint) -> None:
        """Create the coupling layers."""
        if plan.latent_size < 2:
            raise ValueError(
                f"FlowPrior couples halves of z, and latent_size={plan.latent_size} has none; "
                "use latent_size >= 2, or prior='MixtureOfGaussians'."
            )
        self.register_buffer("loc", torch.zeros(plan.latent_size), persistent=False)
        self.register_buffer("unit", torch.ones(plan.latent_size), persistent=False)
        make = getattr(transforms, self.transform)
        self.couplings = nn.ModuleList(
            make(plan.latent_size, hidden_dims=[self.hidden, self.hidden]) for _ in range(self.layers)
        )

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The base distribution pushed through the layers."""
        self._forget()
        flip = torch.arange(self.loc.shape[0], device=self.loc.device).flip(0)
        flow = [layer for coupling in self.couplings for layer in (coupling, transforms.Permute(flip))]
        return dist.TransformedDistribution(dist.Normal(self.loc, self.unit).to_event(1), flow)

    def __getstate__(self) -> dict[str, object]:
        """Without cached tensors, which cannot be deep-copied."""
        self._forget()
        return super().__getstate__()

    def _forget(self) -> None:
        # the last z and its image are cached by identity: after an optimizer step they are stale
        for part in getattr(self, "couplings", nn.Module()).modules():
            if isinstance(part, torch.distributions.Transform):
                vars(part).update(_cached_x_y=(None, None), _cached_log_scale=None, _cache_log_detJ=None)
