"""Terms that a generator pays for how it is made: for weights that are not orthogonal, for paths of uneven length."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from pyrogen.base import Batch, HasCritic, Objective, Player
from pyrogen.capabilities import HasStyles
from pyrogen.nets.batch_dims import computing_in
from pyrogen.registry import choice


@choice("objective")
@dataclass(frozen=True)
class Orthogonality(Objective):
    """The generator's rows of weights kept apart, to be charged as Adversarial() + β * Orthogonality(): Σ ‖W Wᵀ ⊙ (1 − I)‖².

    Their norms are free. A generator of such weights changes evenly with z, so that truncation leaves good samples. A
    convolution's W is the matrix ``(out, in · k · k)``, before a spectral norm; layers without a bias, as an embedding of
    y, are left out.

    Reference: Brock et al. 2019, arXiv:1809.11096, equation 3, where β = 10⁻⁴.
    """

    alone = False
    implicit = True

    def players(self, model: Any) -> Sequence[Player]:
        """The one who pays, who owns the generator.

        Raises:
            ValueError: the model has no generator with a critic, or its generator no layer to be charged.
        """
        if not isinstance(model, HasCritic):
            raise ValueError(
                f"{type(model).__name__} plays no game whose generator Orthogonality() could charge; leave it out."
            )
        inside = [m for module in model.generator_modules() for m in module.modules()]
        layers = [m for m in inside if isinstance(m, WEIGHED) and m.bias is not None]
        if not layers:
            raise ValueError(
                "Orthogonality() leaves out layers without a bias, and this generator has no others; give it layers with "
                "one, or leave the term out."
            )

        def charge(batch: Batch) -> Mapping[str, Tensor]:
            return {"loss": torch.stack([overlap(_rows(layer)) for layer in layers]).sum()}

        return [Player("orthogonality", charge, layers)]


WEIGHED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def overlap(weight: Tensor) -> Tensor:
    """‖W Wᵀ ⊙ (1 − I)‖², a scalar, of W ``(rows, columns)``."""
    products = weight @ weight.T
    return products.square().sum() - products.diagonal().square().sum()


def _rows(layer: nn.Module) -> Tensor:
    # what an optimizer moves: looking at a normalized weight would iterate
    parts: Any = layer.parametrizations if is_parametrized(layer, "weight") else None
    weight: Any = layer.weight if parts is None else parts.weight.original
    return (weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight).flatten(1)


class PathMean(nn.Module):
    """ā, the running mean of the lengths of paths."""

    length: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("length", torch.zeros(()))

    def forward(self, lengths: Tensor, decay: float) -> Tensor:
        """ā after it has moved towards the mean of ``(N,)``."""
        self.length.lerp_(lengths.detach().mean(), 1 - decay)
        return self.length.clone()


@choice("objective")
@dataclass(frozen=True)
class PathLength(Objective):
    """Paths of styles kept even, to be charged as Adversarial() + λ * PathLength(): E (‖J_wᵀ ε‖ − ā)², ε noise like an image.

    J_w is the Jacobian of x by w, ε ~ N(0, I / (H W)), and ā the running mean of the norms: a step in any style changes an
    image by as much as elsewhere.

    Reference: Karras et al. 2020, arXiv:1912.04958, section 3.2.

    Args:
        every: k, where it is charged in every k-th round only, times k.
        decay: of the running mean, for each time it is charged.
        share: of the batch on which it is computed.
    """

    alone = False
    implicit = True

    every: int = 8
    decay: float = 0.99
    share: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.every < 1 or not 0 <= self.decay < 1 or not 0 < self.share <= 1:
            raise ValueError(
                f"PathLength(every={self.every}, decay={self.decay}, share={self.share}): it is charged every round or more "
                "rarely, a decay lies between 0 and 1, and a share above 0 and up to 1."
            )

    def players(self, model: Any) -> Sequence[Player]:
        """The one who pays, who owns the generator.

        Raises:
            ValueError: the model has no styles.
        """
        if not (isinstance(model, HasStyles) and isinstance(model, HasCritic)):
            raise ValueError(
                f"{type(model).__name__} is told no styles whose paths PathLength() could charge; take the entry 'stylegan', "
                "or leave it out."
            )
        mean = PathMean().to(model.device)  # type: ignore[attr-defined]

        def charge(batch: Batch) -> Mapping[str, Tensor]:
            if batch.step is not None and batch.turn is None:
                return {"loss": batch.x.new_zeros(())}
            lengths = path_lengths(model, max(1, int(self.share * len(batch.x))), batch)
            if batch.step is None:  # outside of training nothing is remembered
                return {"loss": (lengths - mean.length).square().mean()}
            return {"loss": self.every * (lengths - mean(lengths, self.decay)).square().mean()}

        return [Player("paths", charge, model.generator_modules(), every=self.every, state=[mean])]


def path_lengths(model: HasStyles, n: int, batch: Batch) -> Tensor:
    """‖J_wᵀ ε‖ at n drawn styles, ``(n,)``, differentiable where gradients are on."""
    y = None if batch.y is None else batch.y[:n]
    learning = torch.is_grad_enabled()
    with torch.enable_grad(), computing_in(None):
        w = model.style(model.latent_prior(y).sample((n,)), y)
        styles = w.unsqueeze(1).expand(-1, model.style_layers, -1)
        styles = styles if styles.requires_grad else styles.detach().requires_grad_()
        x = model.synthesize(styles)
        noise = torch.randn_like(x) / math.sqrt(x.shape[-2:].numel())
        (slope,) = torch.autograd.grad((x * noise).sum(), styles, create_graph=learning)
    # of a style for each layer, the mean over layers of the squares of their slopes
    return slope.square().sum(2).mean(1).sqrt()
