"""Maximum mean discrepancy: two laws compared by a kernel, where a game would train a critic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from pyrogen.base import Batch, Objective, Pair, Player
from pyrogen.inference.adversarial.penalties import Sites
from pyrogen.inference.adversarial.sites import Sides, as_read
from pyrogen.registry import choice

Kernel = Literal["inverse-multiquadric", "gaussian"]
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def mmd(
    a: Tensor,
    b: Tensor,
    kernel: Kernel = "inverse-multiquadric",
    scales: Sequence[float] = SCALES,
    bandwidth: float | None = None,
) -> Tensor:
    """MMD²(a, b) = E k(a, a′) + E k(b, b′) − E k(a, b′) − E k(a′, b) over rows ``(n, d)`` of both, of which no two are one.

    k is the mean over scales s of c / (c + ‖·‖²), or of exp(−‖·‖² / c), with c = s · ``bandwidth``, so that k(a, a) = 1. At a
    given bandwidth it is the unbiased estimate, as often below 0 as above where both laws are one; with None the bandwidth
    is the mean squared distance within both, which moves no gradient. Without units; of one row it is 0.
    Reference: Gretton et al. 2012, A kernel two-sample test, equation 4.

    Raises:
        ValueError: rows of other numbers or sizes, or a kernel that means nothing.
    """
    _check_kernel("mmd", kernel, scales, bandwidth)
    if a.shape != b.shape or a.dim() != 2:
        raise ValueError(f"mmd compares as many rows of one size, and was given {tuple(a.shape)} and {tuple(b.shape)}.")
    a, b = a.float() if a.dtype.itemsize < 4 else a, b.float() if b.dtype.itemsize < 4 else b
    within, between = [_squares(a, a), _squares(b, b)], _squares(a, b)
    n = len(a)
    others = 1 - torch.eye(n, dtype=a.dtype, device=a.device)
    pairs = max(n * (n - 1), 1)
    width: Tensor | float
    if bandwidth is None:
        width = (((within[0] + within[1]).detach() * others).sum() / (2 * pairs)).clamp(min=torch.finfo(a.dtype).tiny)
    else:
        width = bandwidth
    alike = [_kernel(d, kernel, scales, width) for d in (*within, between)]
    return ((alike[0] + alike[1] - alike[2] - alike[2].T) * others).sum() / pairs


def _squares(a: Tensor, b: Tensor) -> Tensor:
    """‖aᵢ − bⱼ‖², by products of a and b less what they have in common, so that no digits cancel far from 0."""
    centre = b.mean(0).detach()
    a, b = a - centre, b - centre
    return (a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.T).clamp(min=0)


def _kernel(squares: Tensor, kernel: Kernel, scales: Sequence[float], width: Tensor | float) -> Tensor:
    if kernel == "gaussian":
        found = [torch.exp(-squares / (s * width)) for s in scales]
    else:
        found = [s * width / (s * width + squares) for s in scales]
    return torch.stack(found).mean(0)


def _check_kernel(who: str, kernel: str, scales: Sequence[float], bandwidth: float | None) -> None:
    known = Kernel.__args__  # type: ignore[attr-defined]
    if kernel not in known:
        raise ValueError(f"{who}(kernel={kernel!r}): there is no such kernel; there are {' and '.join(known)}.")
    positive = all(0 < s < math.inf for s in (*scales, 1.0 if bandwidth is None else bandwidth))
    if not scales or not positive:
        raise ValueError(
            f"{who}(scales={tuple(scales)}, bandwidth={bandwidth}): needs at least one scale, and scales and bandwidth "
            "above 0 and finite."
        )


@choice("objective")
@dataclass(frozen=True)
class MMD(Objective):
    """The squared maximum mean discrepancy of what data give and what the model draws, in a batch: moments and no critic.

    MMD² = E k(s, s′) + E k(m, m′) − 2 E k(s, m), see :func:`mmd`: s are sites of the data and of the guide, m the model's

    Of {z} the codes of all data together are to be the prior, as in ``ELBO(beta=0) + 100 * MMD()``, the Wasserstein
    autoencoder, or beside a KL with a weight of its own, InfoVAE. Of {x} a generator's samples are to be the data: the
    generative moment matching network, which needs no guide. It is without units and at most 2, where a reconstruction has
    hundreds of nats: the weight settles the trade. It is estimated from the batch, and a batch of one says nothing, 0.

    Should not be confused with Adversarial(sites=("z",)), in which a critic is trained to tell both sides; nor with the
    measure ``kernel``, which judges samples by features.

    Reference: Tolstikhin et al. 2018, Wasserstein auto-encoders, arXiv:1711.01558; Zhao et al. 2019, InfoVAE,
    arXiv:1706.02262; of x: Li, Swersky & Zemel 2015, arXiv:1502.02761; Dziugaite, Roy & Ghahramani 2015, arXiv:1505.03906.

    Args:
        sites: what is compared; y is added where the model is told it.
        kernel: c / (c + ‖·‖²), whose tails reach far codes, or the Gaussian's exp(−‖·‖² / c).
        scales: of the kernels that are averaged, in units of the bandwidth.
        bandwidth: a squared distance; None: the batch's mean.
        means: whether what is observed enters by its mean given the latents; by default as draws.
    """

    implicit = True

    sites: Sequence[str] = ("z",)
    kernel: Kernel = "inverse-multiquadric"
    scales: Sequence[float] = SCALES
    bandwidth: float | None = None
    means: bool = False

    def __post_init__(self) -> None:
        """Refuse what means nothing; settings may be given as read from a file."""
        object.__setattr__(self, "sites", tuple(self.sites))
        object.__setattr__(self, "scales", tuple(self.scales))
        if not self.sites:
            raise ValueError("MMD(sites=()): name what is to be compared, as ('z',) or ('x',).")
        _check_kernel("MMD", self.kernel, self.scales, self.bandwidth)

    def players(self, model: Any) -> Sequence[Player]:
        """The one who pays, who owns the pair; what the sites do not depend on rests.

        Raises:
            ValueError: the model is no pair, lacks a site, or has sites that nothing of it moves.
        """
        if not isinstance(model, Pair):
            raise ValueError(
                f"{type(model).__name__} is no (model, guide) pair, of whose sites MMD compares data with draws; leave "
                "objective=None."
            )
        told = model.is_told and "y" not in self.sites
        sides = Sides(model, (*self.sites, "y") if told else self.sites, self.means)

        def charge(batch: Batch) -> Mapping[str, Tensor]:
            real, fake = (_rows(as_read(model, side)) for side in (sides.real(batch), sides.fake(batch)))
            return {"loss": mmd(real, fake, self.kernel, self.scales, self.bandwidth)}

        return [Player("mmd", charge, [model], idle=sides.unmoved)]


def _rows(sites: Sites) -> Tensor:
    """All sites side by side, ``(B, n)``."""
    return torch.cat([(v if v.is_floating_point() else v.float()).flatten(1) for v in sites.values()], 1)
