"""From positions of chains to what they mean: latents by name, p(x|z), and data that they predict."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyro.distributions as dist
import torch
from torch import Tensor

from pyrogen.inference.evidence.latent_space import LatentSpace
from pyrogen.inference.evidence.weights import SAMPLE_BLOCK
from pyrogen.inference.programs.checks import plate_dim
from pyrogen.inference.programs.particles import per_datum, run
from pyrogen.inference.programs.record import Site, is_point, latent_sites, log_density

PRIOR, ENCODER, STATES, PREDICTION = range(100, 104)  # places of the random draws, none of them one of the chains'

Values = dict[str, np.ndarray]


def named(space: LatentSpace, z: Tensor, predicting: np.ndarray) -> tuple[Values, Values, Values]:
    """The latents at positions, log p(x|z) in nats, and predicted data, by site.

    Discrete latents are drawn given the others and x. Predictions are one draw of p(x|z) at each position.

    Args:
        space: of a block of data.
        z: ``(n, datum, size)``.
        predicting: at which of the positions data are predicted, ``(n,)``.

    Returns:
        Each over ``(n, datum, ...)``.
    """
    parts: tuple[list[Values], list[Values], list[Values]] = [], [], []
    for i, part in enumerate(z.to(space.x.device).split(space.at_once)):
        predicted = predicting[i * space.at_once :][: len(part)]
        states: dict[str, Tensor] = {}
        if space.states is not None:
            with space.seeded(STATES, i):
                logits = space.by_state(part)[1].movedim(1, -1)
                nowhere = ~(logits > -torch.inf).any(-1, keepdim=True)
                logits = logits.nan_to_num(nan=-torch.inf, neginf=-torch.inf)
                logits = logits.masked_fill(nowhere, 0.0)  # a chain that is lost
                which = dist.Categorical(logits=logits).sample()
            states = space.states.chosen(which, not space.pair.vectorized)
        sites, _ = space.run_at(part, states)
        seen = {k: s for k, s in sites.items() if _is_data(s)}
        with space.seeded(PREDICTION, i):
            made = {name: site["fn"].sample() for name, site in seen.items()}
        n = len(part)
        likelihoods = {k: per_datum(log_density(s), s, space.pair, n, space.plate).double() for k, s in seen.items()}
        parts[0].append({k: _apart(s, s["value"], space, n) for k, s in latent_sites(sites).items()})
        parts[1].append({k: v.expand(n, space.data).cpu().numpy() for k, v in likelihoods.items()})
        parts[2].append({k: _apart(seen[k], value, space, n)[predicted] for k, value in made.items()})
    return _joined(parts[0]), _joined(parts[1]), _joined(parts[2])


def from_programs(space: LatentSpace, n: int) -> tuple[Values, Values]:
    """``n`` draws of the latents from the prior, and as many from the guide, by site: ``(n, datum, ...)``."""
    found: tuple[list[Values], list[Values]] = [], []
    for parts, program, place in zip(found, (space.pair.model, space.pair.guide), (PRIOR, ENCODER), strict=True):
        for i in range(-(-n // SAMPLE_BLOCK)):
            with space.seeded(place, i):
                sites = latent_sites(run(program, space.pair, space.x, space.y, SAMPLE_BLOCK))
            parts.append({k: _apart(s, s["value"], space, SAMPLE_BLOCK) for k, s in sites.items()})
    prior, encoded = (_joined(parts) for parts in found)
    return {k: v[:n] for k, v in prior.items()}, {k: v[:n] for k, v in encoded.items()}


def observed(space: LatentSpace) -> Values:
    """What the model observes, by site: ``(datum, ...)``."""
    with space.seeded():
        sites = run(space.pair.model, space.pair, space.x, space.y, 1)
    return {k: _apart(s, s["value"], space, 1)[0] for k, s in sites.items() if _is_data(s)}


def _is_data(site: Site) -> bool:
    return bool(site["is_observed"]) and not isinstance(site["fn"], dist.Unit) and not is_point(site["fn"])


def _apart(site: Site, value: Tensor, space: LatentSpace, n: int) -> np.ndarray:
    """A value of a site over ``(n, datum, *inner plates, *event)``."""
    events = site["fn"].event_dim
    at = plate_dim(site, space.plate) - events
    if space.pair.vectorized:
        places = plate_dim(site, "particles") - events, at
        wide = value.expand(*[1] * (-min(places) - value.dim()), *value.shape)
        wide = wide.movedim(places, (0, 1))
        wide = wide.expand(n, space.data, *wide.shape[2:])
    else:
        wide = value.movedim(at, 0).unflatten(0, (n, space.data))
    return wide.cpu().numpy()


def _joined(parts: list[Values]) -> Values:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def over_chains(values: Mapping[str, np.ndarray], chains: int) -> Values:
    """Draws ``(chain · draw, ...)`` as ``(chain, draw, ...)``."""
    return {name: value.reshape(chains, -1, *value.shape[1:]) for name, value in values.items()}
