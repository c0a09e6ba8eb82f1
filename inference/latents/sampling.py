"""Exact posteriors beside the encoder's: draws of p(z|x) by Hamiltonian Monte Carlo, as ArviZ takes them."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from pyrogen.base import Model
from pyrogen.inference.evidence.chains import Trace, sample, transitions
from pyrogen.inference.evidence.latent_space import LatentSpace, latent_spaces
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.evidence.warm_up import Wishes
from pyrogen.inference.evidence.weights import Weighable
from pyrogen.inference.latents.draws import Values, from_programs, named, observed, over_chains
from pyrogen.inference.latents.mixing import MixingWarning, diagnose_chains, in_words, is_grave
from pyrogen.inference.programs.door import taken, verb
from pyrogen.inference.programs.record import has_density, record
from pyrogen.memory import enough_memory

LARGEST = 2**25  # numbers of predicted data that are kept of all data; of more every second, third, ... draw predicts


@runtime_checkable
class Trained(Protocol):
    """What a fit leaves."""

    model: Model
    records: list[dict[str, Any]]


@verb
def sample_posterior(
    pair: Model | Weighable | Trained,
    x: Any,
    y: Tensor | None = None,
    draws: int = 500,
    chains: int = 4,
    seed: int = 0,
    *,
    warm_up: int = 300,
    leapfrogs: int | None = None,
    acceptance: float = 0.8,
    temperatures: int = 1,
) -> xr.DataTree:
    """Draw from p(z|x) of every datum, with the draws of the encoder, of the prior and of predicted data beside them.

    Chains of all data run side by side in one program. They start far apart, half at draws of the guide where it has a
    density, half where scouts from the prior found p(z|x), each as far from the others as any scout is. In a warm-up each
    datum finds its own step size and its own mass, dense for up to 50 coordinates, from positions and gradients; then all are
    frozen. Constrained latents move through the bijections onto their supports; discrete ones are summed out, and drawn
    given the others afterwards.

    R̂ compares modes that chains are in, and knows of no mode that none has found: one to which less than a tenth of the prior
    leads. Of one that its chains left in the warm-up ``beware`` tells. Temperatures find modes, and weigh them.

    Should not be confused with draws of q(z|x), which are the guide's opinion, nor with importance resampling of them, which
    cannot leave the places that the guide knows.

    Args:
        pair: a model of the zoo, a run, or a tuple ``(model, guide)`` of plain Pyro functions.
        x: data ``(B, ...)``, or a split.
        y: conditions, where the model asks for them; a split brings its own.
        draws: of each chain.
        chains: of each datum.
        seed: of all draws; the global generator is left as it was.
        warm_up: transitions before the first draw.
        leapfrogs: gradients of a transition; None: as many as make a quarter of a period, found in the warm-up.
        acceptance: what step sizes aim at.
        temperatures: where modes are separated, 8, say: so many inverse temperatures from the prior's 0 to 1, between which
            chains exchange places. It takes as many times as long.

    Returns:
        Groups ``posterior``, ``posterior_q`` (the guide), ``prior`` and ``posterior_predictive`` over ``(chain, draw, datum,
        ...)``, ``sample_stats``, ``log_likelihood`` log p(x|z) in nats, ``observed_data``, ``constant_data`` where there is a
        y, and ``diagnostics`` over ``datum``: the worst ``r_hat``, ``ess_bulk`` and ``ess_tail`` of its coordinates,
        ``bfmi``, ``divergences``, ``lost``, how many chains never moved, whose draws are nan, and ``deserted``, how many
        started in a place of p(z|x) that no draw is near. The attribute ``beware`` says in words what is wrong
        with which data, "" if nothing is; where chains are lost or R̂ is above 1.1 it is a :class:`MixingWarning` too.

    Raises:
        ValueError: settings that mean nothing, data of another kind, or a model without a posterior to sample: no latents,
            an improper prior, a point mass, or too many discrete states.
    """
    wishes = Wishes(draws, chains, warm_up, leapfrogs, acceptance, temperatures)
    _check(wishes)
    if isinstance(pair, Trained) and not isinstance(pair, Model):
        pair = pair.model
    model, x, y, _ = taken(pair, x, y)
    every = -(-chains * draws * x.numel() // LARGEST)
    with (
        enough_memory("draw less, by fewer chains, or of fewer data"),
        latent_spaces(model, x, y, "prior", seed, guided=True, summed=True) as spaces,
        track(transitions(wishes) * len(spaces), "sample_posterior") as advance,
    ):
        blocks = [_groups(space, sample(space, wishes, _is_guided(space), advance), every) for space in spaces]
        states = spaces[0].states
    return _tree(model, x, y, blocks, wishes, every, seed, [] if states is None else [*states.supports])


def _check(wishes: Wishes) -> None:
    least = {"draws": 4, "chains": 2, "warm_up": 1, "temperatures": 1, "leapfrogs": 1}
    for name, minimum in least.items():
        value = getattr(wishes, name)
        if value is not None and value < minimum:
            raise ValueError(f"sample_posterior({name}={value}): needs {name} >= {minimum}.")
    if wishes.temperatures == 2:
        raise ValueError(
            "sample_posterior(temperatures=2): the prior's temperature and the posterior's need others between them; take 8, "
            "or 1 for none."
        )
    if not 0 < wishes.acceptance < 1:
        raise ValueError(f"sample_posterior(acceptance={wishes.acceptance}): it lies between 0 and 1.")


def _is_guided(space: LatentSpace) -> bool:
    with space.seeded():
        return has_density(record(space.pair.guide, space.x, space.y))


def _groups(space: LatentSpace, trace: Trace, every: int) -> dict[str, Values]:
    """The groups of one block of data, each array over ``(chain, draw, datum, ...)``; one draw in ``every`` predicts."""
    chains, draws = trace.z.shape[:2]
    predicting = np.tile(np.arange(draws) % every == 0, chains)
    with torch.no_grad():
        latent, likelihood, predicted = named(space, trace.z.flatten(0, 1), predicting)
        prior, encoded = from_programs(space, chains * draws)
    lost = _lost(trace)[:, None]
    posterior = over_chains(latent, chains)
    names = space.states.supports if space.states else ()
    discrete = [posterior[name].reshape(chains, draws, space.data, -1) for name in names]
    swaps = trace.swaps.numpy()[None, None]
    stats = {
        "lp": trace.log_joint,
        "acceptance_rate": trace.acceptance,
        "energy": trace.energy,
        "diverging": trace.diverging,
        "step_size": trace.step_size.expand_as(trace.energy),
        "n_steps": trace.steps.unsqueeze(-1).expand_as(trace.energy),
    }
    return {
        "posterior": _without(posterior, lost),
        "posterior_q": over_chains(encoded, chains),
        "prior": over_chains(prior, chains),
        "posterior_predictive": _without(over_chains(predicted, chains), lost),
        "log_likelihood": _without(over_chains(likelihood, chains), lost),
        "sample_stats": {k: v.numpy() for k, v in stats.items()},
        "inner": {
            "z": np.concatenate([trace.z.numpy(), *discrete], -1),
            "lost": lost,
            "starts": trace.starts.numpy()[:, None],
            "swap_rate": swaps,
        },
        "observed_data": {k: v[None, None] for k, v in observed(space).items()},
    }


def _lost(trace: Trace) -> np.ndarray:
    """Which chains never moved, ``(chain, datum)``: there is nothing that their draws are draws of."""
    if not trace.z.shape[-1]:
        return ~np.isfinite(trace.log_joint[:, 0].numpy())
    still = (trace.z == trace.z[:, :1]).all(-1).all(1)
    return (still | ~trace.log_joint.isfinite().all(1)).numpy()


def _without(values: Values, lost: np.ndarray) -> Values:
    if not lost.any():
        return values
    wide = {k: np.broadcast_to(lost.reshape(*lost.shape, *[1] * (v.ndim - 3)), v.shape) for k, v in values.items()}
    return {k: np.where(wide[k], np.nan, v).astype(np.result_type(v, np.float32)) for k, v in values.items()}


def _tree(
    model: Model,
    x: Tensor,
    y: Tensor | None,
    blocks: list[dict[str, Values]],
    wishes: Wishes,
    every: int,
    seed: int,
    discrete: list[str],
) -> xr.DataTree:
    # 1.7 s of import that only samplers pay for
    from arviz_base import from_dict

    groups = {
        group: {name: np.concatenate([block[group][name] for block in blocks], 2) for name in blocks[0][group]}
        for group in blocks[0]
    }
    stats, inner = groups["sample_stats"], groups.pop("inner")
    groups["observed_data"] = {k: v[0, 0] for k, v in groups["observed_data"].items()}
    if y is not None:
        groups["constant_data"] = {"y": y.cpu().numpy()}
    lost, starts = (inner[name][:, 0] for name in ("lost", "starts"))
    found = diagnose_chains(inner["z"], stats["energy"], stats["diverging"], lost, starts)
    if wishes.temperatures > 1:
        found["swap_rate"] = "datum", inner["swap_rate"][0, 0]
    beware = in_words(found, wishes.temperatures)
    said = {
        "model": type(model).__name__,
        "settings": json.dumps(asdict(wishes)),
        "discrete": json.dumps(discrete),
        "seed": seed,
        "unit": "nats",
        "dtype": str(x.dtype).removeprefix("torch."),
        "beware": beware,
    }
    tree = from_dict(groups, dims=_dims(groups), coords={"datum": np.arange(len(x))}, attrs={"/": said})
    predictions = tree["posterior_predictive"].to_dataset()
    predictions["draw"] = np.arange(wishes.draws)[::every]
    tree["posterior_predictive"] = xr.DataTree(predictions)
    tree["diagnostics"] = xr.DataTree(found)
    if is_grave(found):
        warnings.warn(MixingWarning(beware), stacklevel=3)
    return tree


def _dims(groups: dict[str, Values]) -> dict[str, list[str]]:
    """Names of the dimensions after chain and draw: ``datum``, then those of a site, ``z_dim_0``, ``z_dim_1``, ..."""
    return {
        name: ["datum", *(f"{name}_dim_{i}" for i in range(value.ndim - (1 if group.endswith("_data") else 3)))]
        for group, values in groups.items()
        if group != "log_likelihood"  # which has none of its own, under the names of the data
        for name, value in values.items()
    }
