"""Penalties on the codes: factors that make autoencoders contractive or sparse."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from pyrogen.base import Batch, HasPosterior, Pair, Player
from pyrogen.inference.objectives.weighted import PairObjective
from pyrogen.inference.programs.record import Site, latent_sites, record
from pyrogen.nets.batch_dims import computing_in
from pyrogen.registry import choice


class Penalty(PairObjective):
    """A term beside others: ``ELBO() + weight * penalty`` is the pair with one more factor, exp(−weight · penalty)."""

    alone: bool = False

    @abstractmethod
    def penalty(self, pair: Pair, batch: Batch) -> Tensor:
        """What is charged, a scalar."""

    def terms(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The penalty alone."""
        return {"loss": self.penalty(pair, batch)}

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the whole pair.

        Raises:
            ValueError: the model is no pair, or encodes nothing.
        """
        found = super().players(model)
        if not isinstance(model, HasPosterior):
            raise ValueError(
                f"{type(model).__name__} encodes nothing, and {type(self).__name__} charges codes; train it by ELBO()."
            )
        return found


@choice("objective")
@dataclass(frozen=True)
class Contractive(Penalty):
    """The contractive autoencoder's term, E ‖∂f(x)/∂x‖²_F, f the mean of q(z|x): to be charged as ELBO() + λ * Contractive().

    A pair with the factor exp(−λ ‖∂f/∂x‖²): codes that stand still where x moves off the data. The norm is exact, a
    derivative of each code. The penalty can be escaped by codes of half the size that the decoder doubles, unless the decoder
    is tied to the encoder, as in the entry ``autoencoder-contractive``.

    Should not be confused with noise on x (:class:`pyrogen.nets.Noisy`), which makes the whole reconstruction contract.

    Reference: Rifai et al. 2011, Contractive auto-encoders: explicit invariance during feature extraction, equation 7.
    """

    def penalty(self, pair: Pair, batch: Batch) -> Tensor:
        """E ‖∂f(x)/∂x‖²_F, over the batch; raises as :func:`jacobian` does."""
        return jacobian(pair, batch).flatten(1).square().sum(1).mean()


@choice("objective")
@dataclass(frozen=True)
class SparseActivation(Penalty):
    """The distance of each code's mean over the batch from a target in (0, 1): a term, as in ELBO() + λ * SparseActivation().

    Σⱼ [ρ log ρ/ρ̂ⱼ + (1 − ρ) log (1 − ρ)/(1 − ρ̂ⱼ)],  ρ̂ⱼ = 1/B Σᵢ zᵢⱼ

    The codes must lie in (0, 1), as those of an encoder that ends in a sigmoid do. It asks that each be small on average and
    used at all; a Laplace prior asks that each be small everywhere. With small batches ρ̂ is noisy, and its noise is charged.

    Reference: Ng 2011, Sparse autoencoder (CS294A lecture notes); Lee, Ekanadham & Ng 2008.

    Args:
        target: ρ.
    """

    target: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if not 0 < self.target < 1:
            raise ValueError(f"SparseActivation(target={self.target}): the mean activation must lie between 0 and 1.")

    def penalty(self, pair: Pair, batch: Batch) -> Tensor:
        """Σⱼ KL(ρ ‖ ρ̂ⱼ) over all codes.

        Raises:
            ValueError: codes outside [0, 1], or that are not differentiable.
        """
        found = differentiable("SparseActivation", pair, batch.x, batch.y)
        codes = torch.cat([site["value"].flatten(1) for site in found.values()], 1)
        _need_unit(pair, codes)
        # a float that has reached 0 or 1 has no gradient to come back by, and an infinite penalty helps nobody
        mean, target = codes.mean(0).clamp(1e-6, 1 - 1e-6), torch.full_like(codes[0], self.target)
        kept = torch.special.xlogy(target, target / mean)
        return (kept + torch.special.xlogy(1 - target, (1 - target) / (1 - mean))).sum()


def jacobian(pair: Pair, batch: Batch) -> Tensor:
    """∂f(x)/∂x of each datum's code f(x), the mean of q(z|x): ``(B, latents, *x_shape)``.

    Raises:
        ValueError: codes without a derivative, or batch norm, by which a code depends on other data too.
    """
    if any(isinstance(m, _BatchNorm) and m.training for m in pair.modules()):
        raise ValueError(
            "Contractive differentiates each datum's code by that datum alone, and batch norm in training makes it depend on "
            "the others; use networks without it, or with layer norm."
        )
    learning = torch.is_grad_enabled()
    with torch.enable_grad(), computing_in(None):
        x = batch.x.detach().requires_grad_()
        found = differentiable("Contractive", pair, x, batch.y)
        codes = torch.cat([site["fn"].mean.flatten(1) for site in found.values()], 1)
        size, count = codes.shape
        # one backward pass for all codes, each datum's code being a function of that datum alone
        rows = torch.eye(count, dtype=codes.dtype, device=codes.device).unsqueeze(1).expand(count, size, count)
        (slopes,) = torch.autograd.grad(codes, x, rows, create_graph=learning, is_grads_batched=True)
    return slopes.movedim(0, 1)


def differentiable(who: str, pair: Pair, x: Tensor, y: Tensor | None) -> dict[str, Site]:
    """The guide's latent sites, if gradients pass through all."""
    found = latent_sites(record(pair.guide, x, y))
    for name, site in found.items():
        if not site["fn"].has_rsample:
            raise ValueError(
                f"{who} differentiates codes, and draws of the guide's {name!r} are not reparameterized, as discrete ones "
                "cannot be; train it by ELBO()."
            )
    return found


_unit: WeakSet[Pair] = WeakSet()


def _need_unit(pair: Pair, codes: Tensor) -> None:
    # at the first step only: to look at a number is to wait for the device
    if pair in _unit:
        return
    low, high = codes.detach().aminmax()
    if not 0 <= float(low) <= float(high) <= 1:
        raise ValueError(
            f"SparseActivation needs codes between 0 and 1, and these lie between {float(low):.3g} and {float(high):.3g}; "
            "let the encoder end in a sigmoid, as that of the entry 'autoencoder-sparse-kl' does."
        )
    _unit.add(pair)
