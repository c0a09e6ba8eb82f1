"""Metrics of how far bounds stay below the evidence: what a posterior family, or its training, leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Model, Pair
from pyrogen.data import Data
from pyrogen.distributions.finite import is_discrete
from pyrogen.inference.metrics.evidence import Nats, scores
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.inference.programs.record import latent_sites, log_prob, record
from pyrogen.registry import choice


@choice("metric", "bound-gap")
def bound_gap(
    model: Model, data: Data, seed: int, above: Mapping[str, Any] | str, estimator: Mapping[str, Any] | str = "ELBO"
) -> Nats:
    """Nats per datum by which one estimate of the evidence stays below another, on the test data.

    With an exact one above, or one of very many draws, and the ELBO below it is E KL(q(z|x) ‖ p(z|x)).
    Reference: Cremer et al. 2018, Inference suboptimality in variational autoencoders, arXiv:1801.03558.
    """
    over, under = (scores(model, data, seed, judge) for judge in (above, estimator))
    return Nats(over.each - under.each, over.shared + under.shared)


@choice("metric", "posterior-gap")
def posterior_gap(
    model: Model, data: Data, seed: int, estimator: Mapping[str, Any] | str = "ELBO", relative: bool = False
) -> Nats | WithError:
    """Nats per datum that a bound stays below log p(x), where p(z|x) is normal and all is known in closed form.

    log p(x) = log p(x, ẑ) + d/2 log 2π − ½ log det P, with P = −∂² log p(x, z)/∂z² the posterior's precision and ẑ its mode.
    ``relative``: in units of what the best independent normal coordinates leave, ½ (Σᵢ log P_ii − log det P).
    Reference: Turner & Sahani 2011, Two problems with variational expectation maximisation, for the mean-field gap.
    """
    if not isinstance(model, Pair):
        raise ValueError(f"posterior-gap needs a (model, guide) pair; {type(model).__name__} has no p(z|x).")
    x = data.test.x.to(model.device)
    with evaluating(model):
        exact, precision = _normal_evidence(model, x)
    found = scores(model, data, seed, estimator)
    gap = Nats(exact.double().cpu().numpy() + data.test.log_jacobian - found.each, found.shared)
    if not relative:
        return gap
    tied = precision.diagonal(dim1=-2, dim2=-1).log().sum(-1) - torch.logdet(precision)
    left = 0.5 * float(tied.double().mean())
    return WithError(gap / left, gap.error / left)


def _normal_evidence(pair: Pair, x: Tensor) -> tuple[Tensor, Tensor]:
    """log p(x), ``(B,)``, and the precision of p(z|x), ``(B, d, d)``, by one step of Newton's from z = 0.

    Raises:
        ValueError: there is not one site of real vectors, or log p(x, z) is not quadratic in z.
    """
    sites = latent_sites(record(pair.guide, x, None))
    shapes = {n: site["value"].shape[1:] for n, site in sites.items() if not is_discrete(site["fn"])}
    found = _newton(pair, x, *shapes.popitem()) if len(sites) == len(shapes) == 1 else None
    if found is None:
        raise ValueError(
            "posterior-gap knows log p(x) where p(x, z) is normal in one vector z, as a linear decoder with normal axes "
            "makes it, and it is not here; use bound-gap with an estimator above."
        )
    return found


def _newton(pair: Pair, x: Tensor, name: str, shape: torch.Size) -> tuple[Tensor, Tensor] | None:
    size = shape.numel()
    _, slope, precision = _expanded(pair, x, name, shape, x.new_zeros(len(x), size))
    found = torch.linalg.cholesky_ex(precision)
    if found.info.any():
        return None
    mode = torch.cholesky_solve(slope.unsqueeze(-1), found.L).squeeze(-1)
    top, flat, again = _expanded(pair, x, name, shape, mode)
    if flat.abs().max() > 1e-3 * (1 + slope.abs().max()) or not torch.allclose(again, precision, rtol=1e-3, atol=1e-3):
        return None
    log_det = 2 * found.L.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return top + 0.5 * (size * math.log(2 * math.pi) - log_det), precision


def _expanded(pair: Pair, x: Tensor, name: str, shape: torch.Size, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x, z), its gradient and minus its Hessian in z, for each datum, of z ``(B, numbers of shape)``."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        joint = torch.stack(
            [log_prob(site) for site in record(pair.model, x, None, {name: z.reshape(-1, *shape)}).values()]
        ).sum(0)
        (slope,) = torch.autograd.grad(joint.sum(), z, create_graph=True)
        rows = [torch.autograd.grad(part.sum(), z, retain_graph=True)[0] for part in slope.unbind(-1)]
    return joint.detach(), slope.detach(), -torch.stack(rows, -2)
