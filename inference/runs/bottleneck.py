"""How many latents data need: a score against their number, and where it bends."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from pyrogen import registry
from pyrogen.base import HasPosterior, Model
from pyrogen.data import Data
from pyrogen.inference.evidence.estimator import Estimator, log_evidence
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.door import verb
from pyrogen.inference.runs.grid import GIVEN
from pyrogen.inference.training.fit import check_settings, fit
from pyrogen.registry import choice

SHARE = 0.1
SPREAD = 0.01


@verb
def bottleneck(
    data: Data,
    sizes: Sequence[int],
    entry: str = "vae",
    seeds: Sequence[int] = (0,),
    estimator: Estimator | str | Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> xr.Dataset:
    """Train one entry with several numbers of latents, and score each on the same test data.

    A linear or curved manifold of d dimensions needs d latents: up to d each one raises the evidence and lowers the error of
    reconstructions, beyond it none does. White noise needs none. :func:`bend` says where that is, with errors.

    Args:
        data: of a kind that the entry takes.
        sizes: numbers of latents, ascending.
        entry: of the zoo, with an argument ``latent_size``.
        seeds: every size is trained with each.
        estimator: of log p(x); by default exact where the model has a log_prob, the ELBO of certain guides, else IWAE(5000).
        training: settings of :func:`~pyrogen.inference.fit`, but for what each training has of its own.
        arguments: of the entry.

    Returns:
        ``log_evidence`` and ``mc_se`` in nats, ``squared_error`` of reconstructions, ‖x − E p(x|z(x))‖², all over
        ``latent_size``, ``seed`` and ``datum``.

    Raises:
        ValueError: sizes that do not ascend from 1 on, no seeds, settings of a training that mean nothing or that each has of
            its own, or an entry that encodes nothing.
    """
    if not seeds or list(sizes) != sorted({*sizes}) or not sizes or sizes[0] < 1:
        raise ValueError(f"sizes={list(sizes)} must ascend from 1 or more, and seeds={list(seeds)} hold at least one.")
    settings = dict(training or {})
    free = [k for k in inspect.signature(fit).parameters if k not in GIVEN]
    if wrong := [k for k in settings if k not in free]:
        why = "is each training's own here" if wrong[0] in GIVEN else "is none of fit"
        raise ValueError(f"the setting {wrong[0]!r} of training {why}; there are {', '.join(free)}.")
    check_settings(settings)
    build = registry.find("entry", entry).load()
    found: dict[str, list[np.ndarray]] = {"log_evidence": [], "mc_se": [], "squared_error": []}
    with track(len(sizes) * len(seeds), "training") as advance:
        for size in sizes:
            for seed in seeds:
                with seeded(seed):
                    model = registry.create(entry, **{**data.decides(build), "latent_size": size, **arguments})
                if not isinstance(model, Model) or not isinstance(model, HasPosterior):
                    raise ValueError(
                        f"{entry!r} encodes nothing, so that it has no bottleneck; use an autoencoder or VAE."
                    )
                fit(model, data, seed=seed, progress=False, **settings)
                scored = log_evidence(model, data.test, estimator, seed)
                test = data.test.to(model.device)
                with evaluating(model):
                    error = (test.x - model.reconstruct(test.x, model.condition_for(test.y))).double()
                found["log_evidence"].append(scored["log_evidence"].values)
                found["mc_se"].append(scored["mc_se"].values)
                found["squared_error"].append(error.square().flatten(1).sum(1).cpu().numpy())
                advance(1)
    dims = ("latent_size", "seed", "datum")
    shape = (len(sizes), len(seeds), -1)
    return xr.Dataset(
        {name: (dims, np.stack(values).reshape(shape)) for name, values in found.items()},
        coords={"latent_size": list(sizes), "seed": list(seeds)},
        attrs={"data": data.name, "entry": entry},
    )


def gains(curve: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """By how much each size is above the one before it, paired by datum, and the standard error: ``(sizes − 1,)`` each.

    Args:
        curve: of what is to be large, over ``latent_size``, ``datum`` and, averaged over, ``seed``.
    """
    values = curve.mean("seed") if "seed" in curve.dims else curve
    steps = np.diff(values.transpose("latent_size", "datum").values, axis=0)
    return steps.mean(1), steps.std(1, ddof=1) / steps.shape[1] ** 0.5


def bend(curve: xr.DataArray) -> int | None:
    """The number of latents beyond which no more is gained; None where the curve has no such place.

    A step counts where it is above three of its standard errors, above a tenth of the largest one, and above a hundredth of
    the standard deviation that data have among themselves (two trainings differ by more than the errors of either say).
    There is no bend where no step counts, as in the evidence of white noise, nor where the last one still does, as in the
    error of its reconstructions by principal components, which every one lowers alike.

    Args:
        curve: as in :func:`gains`; an error with its sign changed.

    Raises:
        ValueError: fewer than three sizes.
    """
    sizes = curve["latent_size"].values
    if len(sizes) < 3:
        raise ValueError(f"a bend lies between two others of at least three sizes; got {sizes.tolist()}.")
    mean, error = gains(curve)
    values = curve.mean("seed") if "seed" in curve.dims else curve
    floor = max(SHARE * mean.max(), SPREAD * float(values.std("datum", ddof=1).max()))
    counts = np.flatnonzero((mean > 3 * error) & (mean > floor))
    if not len(counts) or counts[-1] == len(mean) - 1:
        return None
    return int(sizes[counts[-1] + 1])


@choice("metric", "bottleneck-bend")
def bottleneck_bend(
    model: Model,
    data: Data,
    seed: int,
    sizes: Sequence[int],
    score: Literal["log_evidence", "squared_error"] = "log_evidence",
    estimator: Mapping[str, Any] | str | None = None,
    training: Mapping[str, Any] | None = None,
) -> int:
    """The number of latents beyond which models made as this one gain no more; 0 where their curve bends nowhere.

    The model says of which entry and arguments they are; its own latents and weights do not matter.
    Reference: Hinton & Salakhutdinov 2006 choose the size of codes; that a curved manifold needs as many as it has
    dimensions, and principal components as many as it spans: Kramer 1991, Nonlinear principal component analysis.
    """
    if model.origin is None:
        raise ValueError(
            f"bottleneck-bend trains models made as this one, and {type(model).__name__} was not made by create(...); use "
            "bottleneck(data, sizes, entry)."
        )
    build = registry.find("entry", model.origin["entry"]).load()
    given = {"latent_size", *data.decides(build)}
    arguments = {k: v for k, v in model.origin["arguments"].items() if k not in given}
    wanted = {"device": str(model.device), "validate": False, **(training or {})}
    found = bottleneck(data, sizes, model.origin["entry"], [seed], estimator, wanted, **arguments)
    curve = found[score]
    return bend(curve if score == "log_evidence" else -curve) or 0
