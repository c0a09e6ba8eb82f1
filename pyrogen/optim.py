"""Optimizer settings as data: what a player carries, and what a run writes down."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from pyrogen.registry import choice

EPSILON = 1e-8  # that of torch
FUSED = ("cpu", "cuda", "mps", "xpu")


class Optim(ABC):
    """Settings of an optimizer, built anew for each player's parameters."""

    axes: ClassVar[tuple[str, ...]] = ("optimizer",)
    lr: float

    def with_lr(self, lr: float) -> Optim:
        """The same settings with another learning rate."""
        return replace(self, lr=lr)  # type: ignore[type-var]

    def lazily(self, every: int) -> Optim:
        """The settings where a part of the loss is computed in every k-th step only: a rate of lr c, c = k / (k + 1).

        Reference: Karras et al. 2020, Analyzing and improving the image quality of StyleGAN, arXiv:1912.04958, appendix B.
        """
        return self if every == 1 else self.with_lr(self.lr * every / (every + 1))

    @abstractmethod
    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """One optimizer over all parameters of one player."""

    def remembers(self) -> set[str]:
        """The names of what the optimizer keeps of each parameter from its first step on, as a step on one number shows."""
        one = nn.Parameter(torch.zeros(1))
        one.grad = torch.zeros(1)
        optimizer = self.build([one])
        optimizer.step()
        return set(optimizer.state[one])

    @property
    def kept(self) -> tuple[str, ...] | None:
        """What the built optimizer keeps of a parameter from its first step on; None: its step is not written out here."""
        return None

    def rates(self, lr: float, steps: float) -> tuple[float, ...]:
        """The numbers that are others in each :meth:`step`, at a learning rate and after so many steps."""
        return (lr,)

    def step(self, parameter: Tensor, gradient: Tensor, state: Mapping[str, Tensor], rates: Sequence[Tensor]) -> None:
        """The step that the built optimizer takes, written out: it moves a parameter, and what is kept of it, in place."""
        raise NotImplementedError(f"the step of {type(self).__name__} is not written out.")


@choice("optimizer")
@dataclass(frozen=True)
class Adam(Optim):
    """Adam, or AdamW with decoupled decay, in its fused form: one kernel for all parameters.

    Reference: Kingma & Ba 2015, arXiv:1412.6980; Loshchilov & Hutter 2019, arXiv:1711.05101.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0

    def lazily(self, every: int) -> Adam:
        """The same, with powers β₁ᶜ and β₂ᶜ, so that averages forget in k + 1 steps what they would in k."""
        if every == 1:
            return self
        c = every / (every + 1)
        return replace(self, lr=self.lr * c, betas=(self.betas[0] ** c, self.betas[1] ** c))

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """A fused Adam (AdamW where ``weight_decay`` is not zero), where torch has one for these parameters."""
        family = torch.optim.AdamW if self.weight_decay else torch.optim.Adam
        moved = list(parameters)
        return family(
            moved,
            lr=self.lr,
            betas=self.betas,
            weight_decay=self.weight_decay,
            fused=_fusable(moved),
            capturable=all(p.device.type == "cuda" for p in moved),  # it counts its steps on the device
        )

    @property
    def kept(self) -> tuple[str, ...]:
        """t, m and v."""
        return "step", "exp_avg", "exp_avg_sq"

    def rates(self, lr: float, steps: float) -> tuple[float, ...]:
        """lr / (1 − β₁ᵗ), 1 / √(1 − β₂ᵗ) and lr λ."""
        first, second = (1 - beta ** (steps + 1) for beta in self.betas)
        return lr / first, second**-0.5, lr * self.weight_decay

    def step(self, parameter: Tensor, gradient: Tensor, state: Mapping[str, Tensor], rates: Sequence[Tensor]) -> None:
        """m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², θ ← (1 − lr λ) θ − lr / (1 − β₁ᵗ) m / (√(v / (1 − β₂ᵗ)) + ε)."""
        m, v = state["exp_avg"], state["exp_avg_sq"]
        state["step"].add_(1)
        m.copy_(self.betas[0] * m + (1 - self.betas[0]) * gradient)
        v.copy_(self.betas[1] * v + (1 - self.betas[1]) * gradient * gradient)
        kept = parameter - rates[2] * parameter if self.weight_decay else parameter
        parameter.copy_(kept - rates[0] * m / (rates[1] * v.sqrt() + EPSILON))


@choice("optimizer")
@dataclass(frozen=True)
class SGD(Optim):
    """Plain steps down the gradient, v ← μ v + g, θ ← θ − lr v, in one fused kernel.

    Reference: Hinton 2012, A practical guide to training restricted Boltzmann machines, sections 7 and 9.

    Args:
        lr: the learning rate.
        momentum: μ.
        weight_decay: λ of λ θ that is added to g.
    """

    lr: float = 0.05
    momentum: float = 0.0
    weight_decay: float = 0.0

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """A fused SGD, where torch has one for these parameters."""
        moved = list(parameters)
        return torch.optim.SGD(
            moved, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay, fused=_fusable(moved)
        )

    @property
    def kept(self) -> tuple[str, ...]:
        """v, with momentum."""
        return ("momentum_buffer",) if self.momentum else ()

    def step(self, parameter: Tensor, gradient: Tensor, state: Mapping[str, Tensor], rates: Sequence[Tensor]) -> None:
        """v ← μ v + g + λ θ, θ ← θ − lr v."""
        moved = gradient + self.weight_decay * parameter if self.weight_decay else gradient
        if self.momentum:
            moved = state["momentum_buffer"].copy_(self.momentum * state["momentum_buffer"] + moved)
        parameter.sub_(rates[0] * moved)


def _fusable(parameters: Iterable[nn.Parameter]) -> bool:
    return all(p.is_floating_point() and p.device.type in FUSED for p in parameters)
