"""Metrics of priors: whether latents are drawn from the density that scores them, and what bits stand behind relaxed ones."""

from __future__ import annotations

from typing import Literal

import pyro
import torch
from scipy import stats
from torch import Tensor

from pyrogen.axes import Distribution, unit_vector
from pyrogen.base import HasPosterior, Model, Pair
from pyrogen.data import Data
from pyrogen.distributions.finite import Bits
from pyrogen.distributions.shaped import in_shape, vectors_of
from pyrogen.inference.evidence.enumerate import Enumerate
from pyrogen.inference.evidence.estimator import log_evidence
from pyrogen.inference.metrics.evidence import Nats
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.record import latent_sites, record
from pyrogen.registry import choice


@choice("metric", "prior-two-sample")
def prior_two_sample(
    model: Model,
    data: Data,
    seed: int,
    draws: int = 2000,
    steps: int = 200,
    drawn: Literal["prior", "StandardNormal"] = "prior",
) -> float:
    """The p-value with which latents that the model draws are draws of the density p(z) that scores them.

    Half of them move by Metropolis steps that leave the scored p(z) as it is. If they were drawn from it, they still are, and
    differ from the other half by chance alone: Kolmogorov and Smirnov's test of every coordinate and of log p(z), the least
    p-value times their number. ``drawn``: "StandardNormal" instead puts N(0, I) in the place of the model's draws.
    """
    if not isinstance(model, Pair):
        raise ValueError(
            f"prior-two-sample tests the latents of a (model, guide) pair; {type(model).__name__} is none."
        )
    with evaluating(model), seeded(seed, model.device):
        x = data.test.x[:1].to(model.device).expand(2 * draws, *model.x_shape)
        site, *others = latent_sites(record(model.model, x, None)).values()
        p, z = vectors_of(site["fn"]), site["value"]
        z = z if p is site["fn"] else z.flatten(1)
        if others or z.dim() != 2 or not p.support.check(z + torch.randn_like(z)).all():
            raise ValueError("prior-two-sample moves one real vector z, and the latents of this model are none.")
        z = torch.randn_like(z) if drawn == "StandardNormal" else z
        moved = _metropolis(p, z, steps)
        first, second = (torch.cat([part, p.log_prob(part).unsqueeze(-1)], -1) for part in (z, moved))
        columns = zip(first[:draws].cpu().double().T, second[draws:].cpu().double().T, strict=True)
        values = [float(stats.ks_2samp(a.numpy(), b.numpy()).pvalue) for a, b in columns]
    return min(1.0, len(values) * min(values))


def _metropolis(p: Distribution, z: Tensor, steps: int) -> Tensor:
    """Draws after ``steps`` moves of normal steps, 2.4 standard deviations of all draws over √d long."""
    length = 2.4 / z.shape[-1] ** 0.5 * z.std(0)
    score = p.log_prob(z)
    for _ in range(steps):
        there = z + length * torch.randn_like(z)
        scored = p.log_prob(there)
        goes = torch.rand_like(score).log() < scored - score
        z, score = torch.where(goes.unsqueeze(-1), there, z), torch.where(goes, scored, score)
    return z


@choice("metric", "evidence-of-bits")
def evidence_of_bits(model: Model, data: Data, seed: int) -> Nats:
    """Mean log p(x) of the test data once numbers between 0 and 1 are rounded to fair bits, in nats per datum.

    1/N Σₙ log 2⁻ᵈ Σ_z p(xₙ|z) over all z in {0, 1}ᵈ: exact, for latents that are few. It is what relaxed bits were trained
    to stand for. Reference: Maddison et al. 2017, arXiv:1611.00712, section 5.
    """
    if not isinstance(model, HasPosterior):
        raise ValueError(f"evidence-of-bits rounds latents, and {type(model).__name__} has none that it decodes.")
    q = model.encode(data.test.x[:1].to(model.device))
    if repr(vectors_of(q).support) != repr(unit_vector):
        raise ValueError(
            "evidence-of-bits rounds latents between 0 and 1, as of prior='RelaxedBernoulli' with "
            f"posterior='RelaxedBernoulli'; the posterior here is over {q.support}."
        )
    decode, shape = model.decode, model.latent_shape
    fair = torch.zeros(model.latent_size, device=model.device)

    def bits(x: Tensor, y: Tensor | None = None) -> None:
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            z = pyro.sample("z", Bits(fair))
            pyro.sample("x", decode(in_shape(z, shape)), obs=x)

    with evaluating(model):
        found = log_evidence((bits, bits), data.test.to(model.device), Enumerate(), seed=seed)
    return Nats(found["log_evidence"].values)
