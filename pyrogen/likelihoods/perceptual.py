"""A likelihood of what a given network sees in x, which trains, and is no density of x."""

from __future__ import annotations

import copy
from typing import Any, Literal

import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor, nn

from pyrogen.axes import Distribution, Likelihood
from pyrogen.registry import choice

FAMILIES = {"Normal": dist.Normal, "Laplace": dist.Laplace}


class Seen(TorchDistribution):
    """Data by their features, Σⱼ log p(φⱼ(x); φⱼ(m), s): a density of φ(x), and none of x.

    Args:
        center: m, ``(..., *x_shape)``.
        rank: how many of its dimensions, the last ones, are one datum.
        network: φ, ``(N, *x_shape)`` to a tensor ``(N, ...)`` or several.
        family: "Normal" or "Laplace".
        scale: s.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)

    def __init__(self, center: Tensor, rank: int, network: nn.Module, family: str, scale: float) -> None:
        self.center, self.rank, self.network, self.family, self.scale = center, rank, network, family, scale
        split = center.dim() - rank
        super().__init__(center.shape[:split], center.shape[split:], validate_args=False)

    @constraints.dependent_property
    def support(self) -> constraints.Constraint:
        """Anything that the network can read."""
        return constraints.independent(constraints.real, self.rank)

    @property
    def mean(self) -> Tensor:
        """m."""
        return self.center

    def expand(self, batch_shape: Any, _instance: Any = None) -> Seen:
        """The same for another batch shape."""
        return Seen(
            self.center.expand(*batch_shape, *self.event_shape), self.rank, self.network, self.family, self.scale
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(φ(x)|·) in nats, of the features and not of x."""
        center = self._look(self.center)
        seen = FAMILIES[self.family](center, torch.full_like(center, self.scale), validate_args=False)
        log_p: Tensor = seen.log_prob(self._look(value)).sum(-1)
        return log_p

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """m itself: what has these features is not known, and no noise on x is claimed."""
        return self.center.expand(self._extended_shape(sample_shape))

    def _look(self, x: Tensor) -> Tensor:
        """The features of ``(..., *x_shape)``, flat, ``(..., F)``."""
        outputs = self.network.to(x.device, x.dtype)(x.reshape(-1, *self.event_shape))
        parts = outputs if isinstance(outputs, (tuple, list)) else [outputs]
        return torch.cat([t.flatten(1) for t in parts], 1).reshape(*x.shape[: x.dim() - self.rank], -1)


@choice("likelihood")
class Perceptual(Likelihood):
    """What a network φ sees in x, p(φ(x)|·) = Πⱼ Normal or Laplace(φⱼ(x); φⱼ(m), s): the perceptual loss as a likelihood.

    It is a density of the features alone. x of the same features are not told apart, log p(x) does not exist, and whatever
    estimates it refuses; the ELBO that trains with it bounds log p(φ(x)) and compares with nothing else.

    Shapes: features and event ``x_shape``. Reference: Hou et al. 2017, Deep feature consistent variational autoencoder,
    arXiv:1610.00291.

    Args:
        network: φ, ``(N, *x_shape)`` to a tensor ``(N, ...)`` or several; it is copied, never trained, and never saved.
        family: "Normal" or "Laplace".
        scale: s.
    """

    kinds = ("real", "unit")
    proper = False

    def __init__(
        self, network: Any = None, family: Literal["Normal", "Laplace"] = "Normal", scale: float = 1.0
    ) -> None:
        super().__init__()
        if network is not None and not isinstance(network, nn.Module):
            raise ValueError(
                f"Perceptual(network={network!r}): takes a torch.nn.Module, in Python; a model that was saved with one is "
                "read by load(folder, model=...)."
            )
        if family not in FAMILIES:
            raise ValueError(f"Perceptual(family={family!r}): choose 'Normal' or 'Laplace'.")
        if not scale > 0:
            raise ValueError(f"Perceptual(scale={scale}): needs scale > 0.")
        self.family, self.scale = family, scale
        # out of sight of parameters() and state_dict(): its weights are given, and belong to no model
        self._held = (None if network is None else copy.deepcopy(network).eval().requires_grad_(False),)

    @property
    def network(self) -> nn.Module | None:
        """φ."""
        return self._held[0]

    def size(self, x_shape: torch.Size) -> None:
        """Take the shape of the data; there must be a network."""
        if self.network is None:
            raise ValueError(
                "the likelihood Perceptual scores what a network sees, and was given none; use "
                f"likelihood=Perceptual(network) with a network of x_shape={tuple(x_shape)}, or likelihood='Normal'."
            )
        super().size(x_shape)

    def couples(self, x_shape: torch.Size) -> bool:
        """Features see many elements at once."""
        return True

    def forward(self, features: Tensor) -> Distribution:
        """The features' distribution around those of the decoder's image."""
        assert self.network is not None
        return Seen(features, len(self.x_shape), self.network, self.family, self.scale)
