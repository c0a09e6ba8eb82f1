"""Representations by contrast: two views of a datum are alike, and unlike all other data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from pyrogen.base import Batch, HasPosterior, Objective, Pair, Player
from pyrogen.inference.objectives.augmentations import Augmentation
from pyrogen.inference.objectives.penalized import differentiable
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.nets import mlp
from pyrogen.optim import Adam, Optim
from pyrogen.registry import choice, make


def info_nce(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """−E log exp(s(aᵢ, bᵢ)/τ) / Σ_{c ≠ aᵢ} exp(s(aᵢ, c)/τ) over the 2B views a and b, ``(B, n)``, s the cosine; in nats.

    Of views that say nothing it is log(2B − 1). log(2B − 1) less it is no bound, for both views of another datum are among
    the candidates: see :func:`information`.
    Reference: van den Oord, Li & Vinyals 2018, arXiv:1807.03748; Chen et al. 2020, arXiv:2002.05709, equation 1.
    """
    views = normalize(torch.cat([first, second]), dim=1)
    size = len(first)
    alike = (views @ views.T / temperature).masked_fill(
        torch.eye(2 * size, dtype=torch.bool, device=views.device), -math.inf
    )
    partner = torch.arange(2 * size, device=views.device).roll(size)
    return cross_entropy(alike, partner)


def information(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """log B + E log exp(s(aᵢ, bᵢ)/τ) / Σⱼ exp(s(aᵢ, bⱼ)/τ) over views a and b, ``(B, n)``, and a and b exchanged; in nats.

    The mean of the two bounds the mutual information of the views from below in expectation over B independent data,
    whatever s, and is at most log B.
    Reference: Poole et al. 2019, On variational bounds of mutual information, arXiv:1905.06922, equation 10.
    """
    alike = normalize(first, dim=1) @ normalize(second, dim=1).T / temperature
    own = torch.arange(len(first), device=first.device)
    return math.log(len(first)) - (cross_entropy(alike, own) + cross_entropy(alike.T, own)) / 2


@choice("objective")
@dataclass(frozen=True)
class InfoNCE(Objective):
    """The contrastive loss of SimCLR: of two views of each datum a projection g(f(x)) tells the other among all of a batch.

    −E log exp(s(g₁, g₂)/τ) / Σ_c exp(s(g₁, c)/τ), f the code of x, the mean of q(z|x), and s the cosine. It moves what the
    code depends on, and the projection, which is thrown away afterwards; a decoder rests. As a term it shapes the codes of a
    VAE, as in ``ELBO() + 10 * InfoNCE()``. It needs no density and claims none; beside it is told how many nats the two
    projections share at least, as far as one batch says (:func:`information`).

    Should not be confused with :class:`~pyrogen.inference.ContrastiveDivergence`, which trains energy models by chains.

    Reference: Chen et al. 2020, A simple framework for contrastive learning of visual representations, arXiv:2002.05709;
    van den Oord, Li & Vinyals 2018, Representation learning with contrastive predictive coding, arXiv:1807.03748.

    Args:
        temperature: τ.
        augmentation: what makes the views.
        hidden: widths of the projection's hidden layers.
        size: of what is projected.
        optimizer: of encoder and projection.
    """

    temperature: float = 0.5
    augmentation: Augmentation | str = "Affine"
    hidden: Sequence[int] = (64,)
    size: int = 32
    optimizer: Optim = Adam(lr=1e-3)

    def __post_init__(self) -> None:
        """Settings may be given by name, or as read from a file.

        Raises:
            ValueError: a temperature or a size that means nothing.
        """
        if not self.temperature > 0 or self.size < 1:
            raise ValueError(
                f"InfoNCE(temperature={self.temperature}, size={self.size}): the temperature is above 0, the size 1 or more."
            )
        object.__setattr__(self, "hidden", tuple(self.hidden))
        object.__setattr__(self, "augmentation", make("augmentation", self.augmentation))
        object.__setattr__(self, "optimizer", make("optimizer", self.optimizer))

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the model and the projection; what codes do not depend on rests.

        Raises:
            ValueError: the model encodes nothing, is told y, or has codes without a derivative.
        """
        if not (isinstance(model, Pair) and isinstance(model, HasPosterior)):
            raise ValueError(f"{type(model).__name__} is no pair that encodes, and InfoNCE compares codes; take one.")
        if model.is_told:
            raise ValueError(f"{type(model).__name__} is told y, which no view has; take a model without a condition.")
        projection: nn.Module = mlp((model.latent_size,), self.hidden, (self.size,)).to(model.device)
        augment = make("augmentation", self.augmentation)

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            x = model.read(batch.x)
            first, second = projection(_codes(model, torch.cat([augment(x), augment(x)]))).chunk(2)
            shared = information(first.detach(), second.detach(), self.temperature)
            return {"loss": info_nce(first, second, self.temperature), "information": shared}

        return [Player("contrast", loss, [model, projection], self.optimizer, idle=_resting(model))]


def _codes(pair: Pair, x: Tensor) -> Tensor:
    """The mean of q(z|x), ``(B, n)``, of views too, which need not be of the kind that the likelihood scores."""
    found = differentiable("InfoNCE", pair, x, None)
    return torch.cat([site["fn"].mean.flatten(1) for site in found.values()], 1)


def _resting(model: Pair) -> list[nn.Parameter]:
    """The parameters that codes do not depend on."""
    owned = [p for p in model.parameters() if p.requires_grad]
    with evaluating(model), seeded(0, model.device), torch.enable_grad():
        codes = _codes(model, torch.zeros(2, *model.x_shape, device=model.device, dtype=owned[0].dtype))
        slopes = torch.autograd.grad(codes.sum(), owned, allow_unused=True)
    return [p for p, slope in zip(owned, slopes, strict=True) if slope is None]
