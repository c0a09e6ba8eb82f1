"""A distribution that an ordinary differential equation makes of noise, with its exact density."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Size, Tensor
from torchdiffeq import odeint

from pyrogen.noise import even_times

LIMIT = {"max_num_steps": 2000}  # of the solver: a velocity that needs more is no smooth one
MOST = 256  # elements of x whose slopes are taken one by one

Velocity = Callable[[Tensor, Tensor], Tensor]


def matching_error(velocity: Velocity, end: Tensor) -> Tensor:
    """E ‖v(x_t, t) − (x₁ − x₀)‖² an element, on straight paths x_t = (1 − t) x₀ + t x₁ from drawn noise x₀ to x₁ = ``end``.

    Times are spread evenly over the batch. Shapes: x₁ ``(N, *x_shape)``; a scalar.
    """
    noise, t = torch.randn_like(end), even_times(end)
    share = t.reshape(-1, *[1] * (end.dim() - 1))
    v = velocity((1 - share) * noise + share * end, t)
    return (v - (end - noise)).square().mean()


class AlongODE(TorchDistribution):
    """x = x(1) of dx/dt = v(x, t) from x(0) ~ N(0, I): log p(x) = log N(x(0); 0, I) − ∫₀¹ div v(x(t), t) dt.

    The divergence is exact, Σᵢ ∂vᵢ/∂xᵢ, so that what is left of an error is the solver's: by Dormand and Prince with steps
    that adapt to the batch, or by Runge and Kutta in so many even ones, with an error like steps⁻⁴, where the density of one
    datum must not hang on those beside it.
    Reference: Chen et al. 2018, Neural ordinary differential equations, arXiv:1806.07366.

    Args:
        velocity: v, of ``(N, *x_shape)`` and times ``(N,)``.
        like: a tensor of the shape of x, of its device and type.
        tolerance: of an error, relative and absolute, where the steps adapt.
        batch: batch shape.
        steps: how many even ones; None: they adapt.

    Raises:
        ValueError: there are no steps, x has too many elements for exact slopes, or the tolerance is not between 0 and 0.1.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)
    has_rsample = False

    def __init__(
        self,
        velocity: Velocity,
        like: Tensor,
        tolerance: float = 1e-5,
        batch: Sequence[int] = (),
        steps: int | None = None,
    ) -> None:
        if like.numel() > MOST:
            raise ValueError(
                f"the density along a differential equation takes a slope for each of {like.numel()} elements of x, and "
                f"{MOST} are the most; take smaller data, as by load(..., size=...)."
            )
        if not 0 < tolerance <= 0.1:
            raise ValueError(f"tolerance={tolerance:g} of a solver is above 0, and 0.1 at most.")
        if steps is not None and steps < 1:
            raise ValueError(f"steps={steps}: an equation is followed in 1 step or more.")
        self.velocity, self.like, self.tolerance, self.steps = velocity, like, tolerance, steps
        super().__init__(Size(batch), like.shape, validate_args=False)

    @constraints.dependent_property
    def support(self) -> constraints.Constraint:
        """All numbers."""
        return constraints.independent(constraints.real, len(self.event_shape))

    def expand(self, batch_shape: Any, _instance: Any = None) -> AlongODE:
        """The same for another batch shape."""
        return AlongODE(self.velocity, self.like, self.tolerance, batch_shape, self.steps)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """x(1) from drawn x(0)."""
        shape = self._extended_shape(Size(sample_shape))
        noise = torch.randn(shape, device=self.like.device, dtype=self.like.dtype)
        return self.push(noise)

    def push(self, noise: Tensor) -> Tensor:
        """x(1) from x(0), ``(..., *x_shape)``."""
        flat = noise.reshape(-1, *self.event_shape)
        (end,) = self._solved((flat,), 0.0, 1.0, lambda t, state: (self._at(state[0], t),))
        return end.reshape(noise.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """In nats."""
        shape = torch.broadcast_shapes(self.batch_shape, value.shape[: value.dim() - len(self.event_shape)])
        x = value.to(self.like).expand(*shape, *self.event_shape).reshape(-1, *self.event_shape)
        start, grown = self._solved((x, x.new_zeros(len(x))), 1.0, 0.0, self._both)
        normal = -0.5 * start.square().flatten(1).sum(1) - self.like.numel() / 2 * math.log(2 * math.pi)
        # the integral runs from 1 back to 0, which is its sign
        return (normal + grown).reshape(shape)

    def _method(self) -> dict[str, Any]:
        """The solver and its settings."""
        if self.steps is None:
            return {"method": "dopri5", "options": LIMIT}
        return {"method": "rk4", "options": {"step_size": 1 / self.steps}}

    def _at(self, x: Tensor, t: Tensor) -> Tensor:
        return self.velocity(x, t.to(x).expand(len(x)))

    def _both(self, t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """v and its divergence."""
        learning = torch.is_grad_enabled()
        with torch.enable_grad():
            x = state[0] if learning and state[0].requires_grad else state[0].detach().requires_grad_()
            v = self._at(x, t)
            flat = v.flatten(1)
            slopes = [
                torch.autograd.grad(flat[:, i].sum(), x, create_graph=learning, retain_graph=True)[0].flatten(1)[:, i]
                for i in range(flat.shape[1])
            ]
            divergence = torch.stack(slopes).sum(0)
        return (v, divergence) if learning else (v.detach(), divergence.detach())

    def _solved(
        self, state: tuple[Tensor, ...], start: float, end: float, slope: Callable[..., tuple[Tensor, ...]]
    ) -> tuple[Tensor, ...]:
        """Where it ends.

        Raises:
            ValueError: the solver cannot go on.
        """
        times = torch.tensor([start, end], device=self.like.device, dtype=self.like.dtype)
        try:
            found = odeint(slope, state, times, rtol=self.tolerance, atol=self.tolerance, **self._method())
        except AssertionError as error:
            raise ValueError(
                f"the differential equation could not be followed to the end ({error}); its velocity is too rough, or not "
                "finite: train on, or raise the tolerance."
            ) from None
        return tuple(part[-1] for part in found)
