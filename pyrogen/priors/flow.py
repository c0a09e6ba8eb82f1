"""A prior that is a normalizing flow."""

from __future__ import annotations

from typing import Literal, get_args

import pyro.distributions as dist
import torch
from pyro.distributions import transforms
from pyro.nn import AutoRegressiveNN
from torch import Tensor, nn

from pyrogen.axes import Distribution, Prior
from pyrogen.distributions.splines import BINS, SplineAutoregressive, SplineCoupling
from pyrogen.distributions.transformed import AffineAutoregressive
from pyrogen.registry import choice

Kind = Literal["affine_coupling", "spline_coupling", "affine_autoregressive", "spline_autoregressive"]


@choice("prior")
class FlowPrior(Prior):
    """A learned flow from a standard normal, log p(z) = log N(f⁻¹(z); 0, I) − log |det ∂f/∂ε|, in Pyro's transforms.

    Couplings score and sample at the same cost; each moves the coordinates that the one before it left alone.
    Autoregressive layers (masked autoregressive flow) score in one pass, as training asks of a prior, and sample in
    latent_size passes; each turns the order around.

    Shapes: event ``(latent_size,)``, of at least 2.
    Reference: Dinh et al. 2017, arXiv:1605.08803; Papamakarios et al. 2017, arXiv:1705.07057; as a prior: Chen et al. 2017,
    arXiv:1611.02731; splines: Durkan et al. 2019, arXiv:1906.04032.

    Args:
        transform: "affine_coupling", "spline_coupling", "affine_autoregressive" or "spline_autoregressive".
        layers: number of layers.
        hidden: width of the two hidden layers of each one's network; for autoregressive ones at least latent_size.
    """

    learned = True
    loc: Tensor
    unit: Tensor

    def __init__(self, transform: Kind = "affine_coupling", layers: int = 4, hidden: int = 64) -> None:
        super().__init__()
        if transform not in get_args(Kind):
            raise ValueError(f"FlowPrior(transform={transform!r}): choose {', '.join(map(repr, get_args(Kind)))}.")
        if layers < 2:
            raise ValueError(
                f"FlowPrior(layers={layers}): the second layer moves what the first leaves; use 2 or more."
            )
        self.transform, self.layers, self.hidden = transform, layers, hidden

    def size(self, latent_size: int) -> None:
        """Create the layers.

        Raises:
            ValueError: there is one latent, or more than a network can order.
        """
        if latent_size < 2:
            raise ValueError(
                f"FlowPrior couples coordinates of z, and latent_size={latent_size} has one; use latent_size >= 2, or "
                "prior='MixtureOfGaussians'."
            )
        if self.hidden < latent_size and "autoregressive" in self.transform:
            raise ValueError(
                f"FlowPrior(hidden={self.hidden}) cannot order latent_size={latent_size}; use hidden >= {latent_size}."
            )
        self.register_buffer("loc", torch.zeros(latent_size), persistent=False)
        self.register_buffer("unit", torch.ones(latent_size), persistent=False)
        self.couplings = nn.ModuleList(self._layer(latent_size) for _ in range(self.layers))

    def _layer(self, size: int) -> nn.Module:
        hidden = [self.hidden, self.hidden]
        if self.transform == "affine_autoregressive":
            return AffineAutoregressive(AutoRegressiveNN(size, hidden, permutation=torch.LongTensor(range(size))))
        if self.transform == "spline_autoregressive":
            widths = [BINS, BINS, BINS - 1, BINS]
            network = AutoRegressiveNN(size, hidden, widths, torch.LongTensor(range(size)))
            return SplineAutoregressive(size, network)
        if self.transform == "spline_coupling":
            return SplineCoupling(size, hidden)
        layer: nn.Module = transforms.affine_coupling(size, hidden_dims=hidden)
        return layer

    def forward(self, y: Tensor | None = None) -> Distribution:
        """The base distribution pushed through the layers."""
        self._forget()
        flip = torch.arange(self.loc.shape[0], device=self.loc.device).flip(0)
        # the direction that an autoregressive layer has in one pass is the one in which densities are asked for
        back = "autoregressive" in self.transform
        flow = [t for layer in self.couplings for t in (layer.inv if back else layer, transforms.Permute(flip))]
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
