"""Metrics of generators: how much what they make varies, and whether it has the density that quadrature says."""

from __future__ import annotations

import torch
from torch import Tensor

from pyrogen.base import Model, Pair
from pyrogen.data import Data
from pyrogen.inference.latents.measured import spread
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.record import latents, log_prob, record
from pyrogen.inference.programs.supports import unwrap
from pyrogen.registry import choice

BLOCK = 20_000  # nodes at once
REACH = 7.0  # of the square that z is integrated over


@choice("metric", "output-variance")
def output_variance(model: Model, data: Data, seed: int, n: int = 2000) -> WithError:
    """The variance of what a model makes, as a fraction of the test data's: Σ_d Var x̂_d / Σ_d Var x_d.

    x̂ is what one looks at, means of p(x|z) where that only adds noise to each element, which has a variance without saying
    anything. Of a generator that makes the same x̂ whatever z is, it is 0. Its error is that of both variances.
    """
    with evaluating(model), seeded(seed, model.device):
        made = model.sample_mean(n, given(model, data, n))
    return WithError.of(spread(made).over(spread(data.test.x)))


@choice("metric", "density-error")
def density_error(
    model: Model, data: Data, seed: int, against: Model, n: int = 400_000, bins: int = 32, nodes: int = 500
) -> float:
    """Total variation between samples of a model in the plane and the density of another, on cells of a square grid.

    ½ Σ |n_c/n − ∫ p(z) P(x in c | z) dz| over ``bins``² cells and the rest of the plane, the integral by the midpoint rule on
    ``nodes``² places of z. ``against`` equal to the model itself, what is left is the noise of n samples, about
    ½ Σ √(2 p_c / πn).
    """
    if model.x_shape != torch.Size([2]) or against.x_shape != model.x_shape:
        raise ValueError(
            f"density-error compares points of the plane, x_shape=(2,); got x_shape={tuple(model.x_shape)}."
        )
    with evaluating(model), evaluating(against), seeded(seed, model.device):
        x = model.sample(n).double()
        low, high = x[:100_000].quantile(0.001, 0), x[:100_000].quantile(0.999, 0)
        edges = low + (high - low) * torch.linspace(0, 1, bins + 1, device=x.device).unsqueeze(1)
        expected = cell_probabilities(against, edges, nodes)
    cell = torch.stack([torch.bucketize(x[:, d].contiguous(), edges[:, d].contiguous()) - 1 for d in (0, 1)], -1)
    inside = ((cell >= 0) & (cell < bins)).all(-1)
    counts = torch.bincount(cell[inside] @ cell.new_tensor([bins, 1]), minlength=bins**2)
    seen = (counts.double() / n).reshape(bins, bins)
    outside = abs(float(expected.sum() - seen.sum()))
    return (float((expected - seen).abs().sum()) + outside) / 2


def cell_probabilities(model: Model, edges: Tensor, nodes: int = 500) -> Tensor:
    """P(x in c) = ∫ p(z) Π_d [F_d(b|z) − F_d(a|z)] dz of a model of two latents, for cells of a grid.

    Args:
        model: a pair with one latent site of two numbers, and independent elements of x that have a distribution function.
        edges: of the cells on both axes, ``(bins + 1, 2)``.
        nodes: of the midpoint rule on each axis of z.

    Returns:
        ``(bins, bins)``, float64; what is missing to 1 lies outside.

    Raises:
        ValueError: the model is not of this kind.
    """
    drawn = latents(record(model.model, edges.new_zeros(3, 2), None)) if isinstance(model, Pair) else {}
    if not isinstance(model, Pair) or [z.shape for z in drawn.values()] != [torch.Size([3, 2])]:
        raise ValueError(f"density-error integrates over one z of two numbers; {type(model).__name__} has none here.")
    (name,) = drawn
    side = (2 * (torch.arange(nodes, device=edges.device) + 0.5) / nodes - 1) * REACH
    total = edges.new_zeros(len(edges) - 1, len(edges) - 1, dtype=torch.float64)
    for z in torch.cartesian_prod(side, side).split(BLOCK):
        sites = record(model.model, z.new_zeros(len(z), 2), None, {name: z})
        (head,) = (unwrap(site["fn"]) for site in sites.values() if site["is_observed"])
        try:
            below = head.cdf(edges.float().unsqueeze(1)).double()
        except NotImplementedError:
            raise ValueError(
                f"density-error needs a distribution function of x given z, and {type(head).__name__} has none."
            ) from None
        weight = log_prob(sites[name]).double().exp() * (2 * REACH / nodes) ** 2
        across, up = below.diff(dim=0).unbind(-1)
        total += (across * weight) @ up.T
    return total


def given(model: Model, data: Data, n: int) -> Tensor | None:
    """The y of n test data, over and over, where the model is told one."""
    y = model.condition_for(None if data.test.y is None else data.test.y[torch.arange(n) % len(data.test)])
    return None if y is None else y.to(model.device)
