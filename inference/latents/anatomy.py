"""What each term of the objective does to a belief: how it pulls at its place and at its width, and how beliefs overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from pyro.distributions import constraints
from torch import Tensor

from pyrogen.axes import Prior
from pyrogen.base import HasPosterior, Model, Pair
from pyrogen.data import Data
from pyrogen.figures import theory_plots
from pyrogen.inference.latents.analysis import Analysis, Finding, Picture
from pyrogen.inference.latents.mixtures import estimate
from pyrogen.inference.latents.walks import latent_prior
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.record import lacks_density
from pyrogen.registry import choice

STEPS = 41
SHIFT, WIDTH = 3.0, 4.0  # sds to either side, and of log σ²
OVERLAPPING = 0.9  # from which on codes say next to nothing of which datum they are of


@dataclass(frozen=True)
class Pulls:
    """The terms of one datum's ELBO while its belief is moved, or widened, along one latent.

    The belief's draws become z_j → m_j + a + e^{b/2} (z_j − m_j), with m the mean, whose density is q(z) e^{−b/2}: for a
    diagonal normal a moves μ_j, and b is added to log σ²_j. All values share their draws.

    Attributes:
        place: a, ``(steps,)``.
        width: b, ``(steps,)``.
        reconstruction: E log p(x|z) at each a, and at each b, ``(2, steps)`` in nats.
        kl: E [log q(z) − log p(z)], likewise.
        error: Monte-Carlo standard errors of their difference, the ELBO, likewise.
    """

    place: np.ndarray
    width: np.ndarray
    reconstruction: np.ndarray
    kl: np.ndarray
    error: np.ndarray

    def slopes(self) -> tuple[np.ndarray, np.ndarray]:
        """Central differences of the two terms, in nats a unit of a, and of b: ``(2, steps)`` each."""
        grids = (self.place, self.width)
        both = [[np.gradient(term[i], grids[i]) for i in range(2)] for term in (self.reconstruction, -self.kl)]
        return np.array(both[0]), np.array(both[1])


def pulls(model: Pair, x: Tensor, latent: int, y: Tensor | None = None, *, draws: int = 400, seed: int = 0) -> Pulls:
    """How the terms of the ELBO change with the place and the width of one datum's belief along one latent.

    Args:
        model: with a posterior that has a density, over real vectors.
        x: one datum, ``(1, *x_shape)``.
        latent: which coordinate.
        y: its condition; one that the model infers need not be told.
        draws: of the belief.
        seed: of the draws.

    Raises:
        ValueError: no such latent, or more than one datum.
    """
    if not isinstance(model, HasPosterior):
        raise ValueError(f"{type(model).__name__} does not encode data, so there is no belief to move.")
    if len(x) != 1 or not 0 <= latent < model.latent_size:
        raise ValueError(f"expected one datum and a latent of 0 to {model.latent_size - 1}; got {len(x)} and {latent}.")
    with evaluating(model), seeded(seed, x.device), torch.no_grad():
        y = model.condition_for(None, x) if y is None else y
        q, prior = model.encode(x, y), latent_prior(model, y if model.condition is not None else None)
        z = q.sample((draws,))
        log_q, flat = q.log_prob(z), z.flatten(2)
        own, mean, sd = flat[..., latent], flat.mean(0)[..., latent], float(flat[..., latent].std())
        place = np.linspace(-SHIFT * sd, SHIFT * sd, STEPS)
        width = np.linspace(-WIDTH, WIDTH, STEPS)
        found = []
        for a, b in [(a, 0.0) for a in place] + [(0.0, b) for b in width]:
            moved = flat.clone()
            moved[..., latent] = mean + a + math.exp(b / 2) * (own - mean)
            moved = moved.unflatten(2, z.shape[2:])
            fit = model.decode(moved, y).log_prob(x).double()
            rate = (log_q - b / 2 - prior.log_prob(moved)).double()
            found.append([float(fit.mean()), float(rate.mean()), float((fit - rate).std()) / math.sqrt(draws)])
    terms = np.array(found).T.reshape(3, 2, STEPS)
    return Pulls(place, width, *terms)


def overlap(
    model: HasPosterior, x: Tensor, y: Tensor | None = None, *, draws: int = 32, seed: int = 0
) -> tuple[float, float]:
    """How much the beliefs about data overlap, and its error: 0 where none do, 1 where all are the same.

    1 − 1/N Σₙ E_{q(z|xₙ)} q(z|xₙ) / Σₘ q(z|xₘ), over 1 − 1/N: the chance that a code is taken for another datum's,
    in units of pure guessing. The error is a jackknife over data, each left out as a code and of all sums, since one wide
    belief overlaps with all others; NaN of two data.

    Args:
        model: with a posterior whose density can be asked anywhere.
        x: data, ``(N, *x_shape)``, N at least 2.
        y: conditions.
        draws: of each belief.
        seed: of the draws.

    Raises:
        ValueError: fewer than two data, or a posterior that knows the density of its own draws only.
    """
    n = len(x)
    if n < 2:
        raise ValueError(f"beliefs overlap with one another, and there is {n}; give 2 data or more.")
    with seeded(seed, x.device), torch.no_grad():
        q = model.encode(x, y)
        z = q.sample((draws,))
        try:
            # of a draw of datum n, under the belief of datum m: (draws, n, m)
            each = q.log_prob(z.unsqueeze(2)).double()
        except NotImplementedError as error:
            raise ValueError("this posterior has no inverse, and knows the density of its own draws only.") from error
    shares = torch.softmax(each, -1)
    own = shares.diagonal(dim1=-2, dim2=-1)
    # what is left of a sum without its largest term is at least the second
    second = shares.topk(2, -1).values[..., 1:].clamp_min(torch.finfo(shares.dtype).tiny)
    kept = (own.unsqueeze(-1) / torch.maximum(1 - shares, second)).mean(0).fill_diagonal_(0)
    missed = 1 - torch.cat([own.mean().reshape(1), kept.sum(0) / (n - 1)])
    counts = missed.new_tensor([n, *[n - 1] * n])
    return estimate(missed / (1 - 1 / counts))


@choice("analysis", "anatomy")
class Anatomy(Analysis):
    """How reconstruction and KL pull at the beliefs about data, and how much these overlap.

    Args:
        limit: test data whose beliefs are set against one another.
        draws: of the belief that is moved.
    """

    title = "What does each term of the objective do?"
    order = 30

    def __init__(self, limit: int = 200, draws: int = 400) -> None:
        self.limit = limit
        self.draws = draws

    def refusal(self, model: Model, data: Data) -> str:
        """Only beliefs that are densities over real vectors can be moved and widened."""
        if not isinstance(model, HasPosterior) or not isinstance(model, Pair):
            return f"{type(model).__name__} has no beliefs about latents."
        x = data.test.take(2)
        q = model.encode(x.x.to(model.device), None if x.y is None else x.y.to(model.device))
        if lack := lacks_density(q):
            return f"the posterior {lack} to be moved and widened."
        priors = [module for module in model.modules() if isinstance(module, Prior)]
        if len(priors) != 1 or not priors[0].proper:
            return "there is no one proper prior to weigh the beliefs against."
        if priors[0].support is not None and repr(priors[0].support) != repr(constraints.real_vector):
            return "the latents are not real vectors, which can be moved along one coordinate."
        return "" if len(data.test) > 1 else "there are fewer than two test data."

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Move the belief of the first test datum along the latent that it says most of."""
        assert isinstance(model, Pair)
        assert isinstance(model, HasPosterior)
        part = data.test.spread(self.limit).to(model.device)
        told, one = model.condition_for(part.y, part.x), part.x[:1]
        found, error = overlap(model, part.x, told, seed=seed)
        latent = int(model.code(part.x, told).flatten(1).var(0).argmax())
        terms = pulls(model, one, latent, None if told is None else told[:1], draws=self.draws, seed=seed)
        fit, rate = terms.slopes()
        names = (f"moved along z{latent + 1} by", f"log variance of z{latent + 1}, change")
        grids = (terms.place, terms.width)
        curves = {
            name: (grids[i], {"reconstruction": fit[i], "KL": rate[i], "both": fit[i] + rate[i]})
            for i, name in enumerate(names)
        }
        caption = (
            "The pull of each term of the ELBO at the belief about the first test datum, while it is moved along latent "
            f"{latent + 1}, or made narrower and wider. Where both together are 0 it would rest; 0 on the axis is where the "
            "encoder put it. Reconstruction pulls to one place and narrower, the KL to the prior's place and width."
        )
        at_rest = STEPS // 2
        says = (
            f"Beliefs about {len(part)} test data overlap by {found:.3g} ± {error:.2g} (0: each code tells its datum, "
            "1: none does). Where the encoder put the first one, reconstruction pulls at its log variance by "
            f"{fit[1, at_rest]:+.2f} nats, the KL by {rate[1, at_rest]:+.2f}."
        )
        advice = (
            "The codes say little of which datum they are of; train with a warm-up of the KL, objective='ELBO(warmup=1000)', "
            "or with more latents."
        )
        poor = found > OVERLAPPING
        return Finding(
            says,
            "beware" if poor else "well",
            advice if poor else "",
            {
                "overlap": found,
                "overlap_se": error,
                "latent": latent,
                "place": terms.place,
                "width": terms.width,
                "reconstruction": terms.reconstruction,
                "kl": terms.kl,
                "error": terms.error,
            },
            [Picture("pulls", caption, theory_plots.pulls(curves, "nats a unit"))],
        )
