"""The bound of a diffusion, looked at one step a datum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from pyrogen.base import Batch, Model, Objective, Player
from pyrogen.capabilities import HasDiffusion
from pyrogen.inference.evidence.estimator import Estimates, Estimator
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.noise import even_times
from pyrogen.registry import choice
from pyrogen.seeds import derived

BLOCK = 4000  # data and draws that are looked at at once


@choice("objective")
@choice("estimator")
@dataclass(frozen=True)
class DiffusionELBO(Objective, Estimator):
    """The evidence lower bound of a diffusion, its sum over steps by one drawn step a datum, or, as an estimate, by all.

    −ELBO = prior + Σ_i step_i + reconstruction, see :class:`~pyrogen.capabilities.HasDiffusion`; in training the sum is
    T step_i at one i each, spread evenly over a batch: i = ⌈T ((u + n/B) mod 1)⌉ with one u ~ U(0, 1). It is the ELBO of the
    pair, without its other estimator's noise of a whole chain. As an estimate each step has ``num_samples`` draws of its own.

    Should not be confused with the unweighted error of the noise that DDPM minimizes, which is no bound.
    Reference: Kingma et al. 2021, Variational diffusion models, arXiv:2107.00630, appendix I.1.

    Args:
        num_samples: draws of each step and datum of an estimate.
    """

    axes: ClassVar[tuple[str, ...]] = ("objective", "estimator")
    bound: ClassVar[str | None] = "lower"

    num_samples: int = 4

    def __post_init__(self) -> None:
        """Refuse what has no error."""
        if self.num_samples < 2:
            raise ValueError(f"DiffusionELBO(num_samples={self.num_samples}): an error needs 2 draws or more.")

    def players(self, model: Any) -> Sequence[Player]:
        """One player, who owns the whole pair."""
        diffusion = _need(model, "DiffusionELBO trains")

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            step = (even_times(batch.x) * diffusion.steps).long().clamp(max=diffusion.steps - 1) + 1
            prior = diffusion.prior_nats(batch.x).mean()
            steps = diffusion.steps * diffusion.step_nats(batch.x, step, batch.y).mean()
            reconstruction = diffusion.reconstruction_nats(batch.x).mean()
            parts = {"prior": prior, "diffusion": steps, "reconstruction": reconstruction}
            return {"loss": prior + steps + reconstruction, **{k: v.detach() for k, v in parts.items()}}

        return [Player("diffusionelbo", loss, [model])]

    def attributes(self) -> dict[str, Any]:
        """The number of draws."""
        return {"num_samples": self.num_samples}

    def estimate(self, model: Model, x: Tensor, y: Tensor | None, *, chunk_size: int, seed: int) -> Estimates:
        """The bound of each datum with its error, and its three parts."""
        diffusion, n = _need(model, "DiffusionELBO scores"), self.num_samples
        rows = max(1, BLOCK // n)
        parts: list[Tensor] = []
        with evaluating(model), torch.no_grad(), track(len(x), "bounding") as advance:
            for block, start in enumerate(range(0, len(x), rows)):
                some = x[start : start + rows].repeat_interleave(n, 0)
                told = None if y is None else y[start : start + rows].repeat_interleave(n, 0)
                with seeded(derived(seed, block)[0], model.device):
                    parts.append(self._parts(diffusion, some, told))
                advance(len(some) // n)
        prior, steps, reconstruction, variance = (
            torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True)
        )
        return {
            "log_evidence": (("datum",), -(prior + steps + reconstruction)),
            "mc_se": (("datum",), variance**0.5),
            "prior_nats": (("datum",), prior),
            "diffusion_nats": (("datum",), steps),
            "reconstruction_nats": (("datum",), reconstruction),
        }

    def _parts(self, diffusion: HasDiffusion, x: Tensor, y: Tensor | None) -> Any:
        """Prior, steps, reconstruction, and the variance of their sum, of data that each stand there so many times."""
        n = self.num_samples

        def drawn(nats: Tensor) -> tuple[Tensor, Tensor]:
            each = nats.double().unflatten(0, (-1, n))
            return each.mean(1), each.var(1) / n

        mean, variance = drawn(diffusion.reconstruction_nats(x))
        total = torch.zeros_like(mean)
        for i in range(1, diffusion.steps + 1):
            step, of_step = drawn(diffusion.step_nats(x, torch.full((len(x),), i, device=x.device), y))
            total, variance = total + step, variance + of_step
        return diffusion.prior_nats(x).double()[::n], total, mean, variance


def _need(model: Any, who: str) -> HasDiffusion:
    if not isinstance(model, HasDiffusion):
        raise ValueError(
            f"{who} what adds noise in steps, and {type(model).__name__} does not; take 'vdm', or leave it out for ELBO()."
        )
    return model
