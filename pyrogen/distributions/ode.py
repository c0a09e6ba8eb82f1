"""A distribution that an ordinary differential equation makes of noise, with its density."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Size, Tensor
from torchdiffeq import odeint

from pyrogen.noise import beside, even_times

LIMIT = 2000  # steps of the solver: a velocity that needs more is no smooth one
MOST = 256  # elements of x whose slopes are taken one by one

Velocity = Callable[[Tensor, Tensor], Tensor]


def matching_error(velocity: Velocity, end: Tensor) -> Tensor:
    """E ‖v(x_t, t) − (x₁ − x₀)‖² an element, on straight paths x_t = (1 − t) x₀ + t x₁ from drawn noise x₀ to x₁ = ``end``.

    Times are spread evenly over the batch. Shapes: x₁ ``(N, *x_shape)``; a scalar.
    """
    noise, t = torch.randn_like(end), even_times(end)
    share = beside(t, end.dim() - 1)
    v = velocity((1 - share) * noise + share * end, t)
    return (v - (end - noise)).square().mean()


class AlongODE(TorchDistribution):
    """x = x(1) of dx/dt = v(x, t) from x(0) ~ N(0, I): log p(x) = log N(x(0); 0, I) − ∫₀¹ div v(x(t), t) dt.

    The divergence is exact, Σᵢ ∂vᵢ/∂xᵢ, so that what is left of an error is the solver's; or, of data of many elements, it
    is probed, div v = E eᵀ (∂v/∂x) e with e of independent signs, the same e along the whole way, whose mean is then the
    log p of a probe. The solver is that of Dormand and Prince, in steps that keep the tolerance for the hardest datum of the
    batch, and so for each: what stands beside it moves the density of a datum by the solver's error and no more. Where it
    must not move it at all, the solver is that of Runge and Kutta in so many even steps, with an error like steps⁻⁴.
    References: Chen et al. 2018, Neural ordinary differential equations, arXiv:1806.07366; Hutchinson 1990; Grathwohl et al.
    2019, FFJORD, arXiv:1810.01367.

    Args:
        velocity: v, of ``(N, *x_shape)`` and times ``(N,)``.
        like: a tensor of the shape of x, of its device and type.
        tolerance: of an error, relative and absolute, where the steps adapt.
        batch: batch shape.
        steps: how many even ones; None: they adapt.

    Raises:
        ValueError: there are no steps, or the tolerance is not between 0 and 0.1.
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
        check_tolerance(tolerance)
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
        (end,) = solved(lambda t, state: (self._at(state[0], t),), (flat,), 0.0, 1.0, self.tolerance, self.steps)
        return end.reshape(noise.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """In nats, by the exact divergence.

        Raises:
            ValueError: x has too many elements for a slope of each.
        """
        check_exact(self.like.numel(), "estimator=ODE(probes=16), or smaller data, as by load(..., size=...)")
        shape = torch.broadcast_shapes(self.batch_shape, value.shape[: value.dim() - len(self.event_shape)])
        x = value.to(self.like).expand(*shape, *self.event_shape).reshape(-1, *self.event_shape)
        basis = torch.eye(self.like.numel(), device=x.device, dtype=x.dtype).unflatten(1, self.event_shape)
        return self._followed(x, basis.unsqueeze(1).expand(-1, *x.shape), exact=True).squeeze(0).reshape(shape)

    def probed(self, x: Tensor, probes: Tensor) -> Tensor:
        """log p by each of P probes of the divergence, in nats, ``(P, N)``.

        Args:
            x: ``(N, *x_shape)``.
            probes: e, signs that are drawn independently, ``(P, N, *x_shape)``.
        """
        return self._followed(x, probes, exact=False)

    def _followed(self, x: Tensor, along: Tensor, exact: bool) -> Tensor:
        """log p of each direction, or, where they are a whole basis, of all together: ``(P, N)`` or ``(1, N)``."""

        def both(t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
            v, slopes = self._slopes(state[0], t, along)
            return v, slopes.sum(0, keepdim=True) if exact else slopes

        state = x, x.new_zeros(1 if exact else len(along), len(x))
        start, grown = solved(both, state, 1.0, 0.0, self.tolerance, self.steps)
        normal = -0.5 * start.square().flatten(1).sum(1) - self.like.numel() / 2 * math.log(2 * math.pi)
        # the integral runs from 1 back to 0, which is its sign
        return normal + grown

    def _at(self, x: Tensor, t: Tensor) -> Tensor:
        return self.velocity(x, t.to(x).expand(len(x)))

    def _slopes(self, x: Tensor, t: Tensor, along: Tensor) -> tuple[Tensor, Tensor]:
        """v, and eᵀ (∂v/∂x) e of each direction e, ``(P, N)``."""
        learning = torch.is_grad_enabled()
        with torch.enable_grad():
            x = x if learning and x.requires_grad else x.detach().requires_grad_()
            v = self._at(x, t)
            slopes = torch.stack(
                [
                    (torch.autograd.grad(v, x, e, create_graph=learning, retain_graph=True)[0] * e).flatten(1).sum(1)
                    for e in along
                ]
            )
        return (v, slopes) if learning else (v.detach(), slopes.detach())


def solved(
    slope: Callable[..., tuple[Tensor, ...]],
    state: tuple[Tensor, ...],
    start: float,
    end: float,
    tolerance: float,
    steps: int | None = None,
) -> tuple[Tensor, ...]:
    """Where dx/dt = slope(t, x) leads from ``start`` to ``end``, in steps for the hardest datum, or in so many even ones.

    Of the state the first is x, ``(N, *x_shape)``, and what else grows along the way has the data last, ``(..., N)``.

    Raises:
        ValueError: the tolerance is not between 0 and 0.1, or the solver cannot go on: it does not converge.
    """
    check_tolerance(tolerance)
    times = torch.tensor([start, end], device=state[0].device, dtype=state[0].dtype)
    method: dict[str, Any] = {"method": "dopri5", "options": {"max_num_steps": LIMIT, "norm": _of_the_hardest}}
    if steps is not None:
        method = {"method": "rk4", "options": {"step_size": abs(end - start) / steps}}
    try:
        found = odeint(slope, state, times, rtol=tolerance, atol=tolerance, **method)
    except AssertionError as error:
        raise ValueError(
            f"the differential equation could not be followed to the end ({error}); its velocity is too rough, or not "
            "finite: train on, or raise the tolerance."
        ) from None
    return tuple(part[-1] for part in found)


def _of_the_hardest(errors: tuple[Tensor, ...]) -> Tensor:
    """The largest error of a datum: a mean over the batch would let a hard one hide among easy ones."""
    x, *more = errors
    each = [x.square().flatten(1).mean(1), *(part.square().reshape(-1, len(x)).mean(0) for part in more)]
    return torch.stack(each).max().sqrt()


def check_exact(elements: int, instead: str) -> None:
    """Refuse to take more slopes than can be taken.

    Raises:
        ValueError: x has too many elements for a slope of each; what to take ``instead`` is said.
    """
    if elements > MOST:
        raise ValueError(
            f"the exact density along a differential equation takes a slope for each of {elements} elements of x, and {MOST} "
            f"are the most; take {instead}."
        )


def check_tolerance(tolerance: float) -> None:
    """Refuse what no solver keeps.

    Raises:
        ValueError: it is not between 0 and 0.1.
    """
    if not 0 < tolerance <= 0.1:
        raise ValueError(f"tolerance={tolerance:g} of a solver is above 0, and 0.1 at most.")
