"""Estimators of log p(x), and the one function that asks them."""

from __future__ import annotations

import datetime
import inspect
import json
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from pyrogen.arguments import at_least
from pyrogen.base import HasLogProb, HasPartition, Model, Pair
from pyrogen.capabilities import HasDiffusion, HasODE
from pyrogen.inference.evidence.request import instead, is_exact
from pyrogen.inference.evidence.weights import DATA_BLOCK, Weighable
from pyrogen.inference.programs.checks import check_programs, need_support
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.door import taken, verb
from pyrogen.inference.programs.lengths import by_length, cut
from pyrogen.inference.programs.record import latents, log_density, record
from pyrogen.memory import enough_memory
from pyrogen.registry import choice, describe, make
from pyrogen.vocabulary import scored

# variables that are estimates of log p(x), not their errors or diagnostics
IN_NATS = ("log_evidence", "k_curve", "jackknife", "psis", "half", "lower", "upper")

# data whose exact log p(x) is computed at once
EXACT_BLOCK = 1000
CUT_BLOCK = 100  # of sequences of about one length, which are cut to it

# of an energy model: one run of cheap transitions serves all data
ENERGY = {"name": "AIS", "temperatures": 1000, "chains": 100}

# dimensions and values, with attributes where a variable means something else than the whole
Estimates = dict[str, tuple[tuple[str, ...], np.ndarray] | tuple[tuple[str, ...], np.ndarray, dict[str, str]]]


class Estimator(ABC):
    """A way to estimate log p(x), per datum."""

    axes: ClassVar[tuple[str, ...]] = ("estimator",)

    bound: ClassVar[str | None] = None
    """The direction of the estimate's expectation: "lower", "upper", "exact", or None for neither."""
    quantity: ClassVar[str] = "log p(x)"
    averages_weights: ClassVar[bool] = False
    """Whether the estimate is a mean of importance weights, whose error bar Pareto k̂ puts in doubt."""
    simulates: ClassVar[bool] = False
    """Whether the estimate is of data that the model made, whole rows, where the given ones may lack cells."""
    memory: ClassVar[str] = "lower chunk_size (--chunk_size)"
    """What takes less memory."""

    def bound_of(self, model: Model) -> str | None:
        """The direction for one model: by default that of the estimator."""
        return self.bound

    @abstractmethod
    def estimate(self, model: Model, x: Tensor, y: Tensor | None, *, chunk_size: int, seed: int) -> Estimates:
        """Named variables with their dimensions; ``log_evidence`` and ``mc_se`` over ``datum`` at least, in nats.

        Raises:
            ValueError: the model lacks what the estimator needs.
        """

    def attributes(self) -> Mapping[str, Any]:
        """The estimator's settings, as attributes of its result."""
        return {}


@verb
def log_evidence(
    pair: Model | Weighable,
    x: Any,
    estimator: Estimator | str | Mapping[str, Any] | None = None,
    seed: int = 0,
    y: Tensor | None = None,
    chunk_size: int = 100,
) -> xr.Dataset:
    """Estimate log p(x) for every datum, with its Monte-Carlo error and what is needed to distrust it.

    Args:
        pair: a model of the zoo, or a tuple ``(model, guide)`` of plain Pyro functions.
        x: data ``(B, ...)``: a tensor, an array, a DataFrame or a torch Dataset; or a split of a data set, whose quantization
            and binarization are then written down. A tensor is scored as it stands: of a model of standardized data in
            the unit "nats per datum of standardized numbers", since only a split knows how far they were stretched.
        estimator: ``IWAE(k)``, ``ELBO()``, ``Exact()``, ``Reconstruction()`` or a name; by default ``Exact()`` where the
            model has a log_prob, ``ODE()`` along a differential equation, ``AIS(1000, 100)`` of an energy model too large for
            that, ``DiffusionELBO()`` of a diffusion, ``ELBO()`` where the guide is certain, else ``IWAE(5000)``.
        seed: of the draws; parameters and the global generator are left as they were.
        y: conditions, where the model asks for them; a split brings its own.
        chunk_size: draws decoded at once for each block of data; it changes memory and speed, not the answer. Of many
            blocks decoding is recorded, and from 10,000 on compiled on a CPU, which changes rounding.

    Returns:
        A dataset over ``datum``, in nats: ``log_evidence``, ``mc_se``; from importance weights also ``ess``, ``pareto_k``,
        ``k_curve`` and ``k_curve_se`` over ``(k, datum)``, and of IWAE ``jackknife`` and ``psis``, which are no bounds.
        Attributes say bound, estimator, data and seed.

    Raises:
        ValueError: the model or the data cannot be scored by this estimator.
        MemoryError: there is not enough memory; the sentence says what to lower.
    """
    at_least(1, chunk_size=chunk_size)
    model, x, y, split = taken(pair, x, y)
    judge: Estimator = make("estimator", usual(model) if estimator is None else estimator)
    jacobian: np.ndarray | float = 0.0
    origin: dict[str, Any] = {"data": "a tensor", "split": "unknown", "binarization": "unknown"}
    if split is not None:
        origin = split.attributes()
        jacobian = split.log_jacobian if judge.simulates else split.log_jacobians()
    with enough_memory(f"{judge.memory}, or score fewer data"):
        variables = judge.estimate(model, x, y, chunk_size=chunk_size, seed=seed)
    # standardized data: the density of the raw values
    variables |= {k: (v[0], v[1] + jacobian, *v[2:]) for k, v in variables.items() if k in IN_NATS}
    attributes = {
        "estimator": type(judge).__name__,
        "quantity": judge.quantity.replace("log p(x)", _scored(model, x, y)),
        "bound": str(judge.bound_of(model)).lower(),
        "averages_weights": int(judge.averages_weights),
        **judge.attributes(),
        "settings": json.dumps(settings_of(judge)),
        "unit": "nats per datum of standardized numbers" if split is None and model.standardized else "nats per datum",
        "dimensions": int(x[0].numel()),
        "seed": seed,
        "dtype": str(x.dtype).removeprefix("torch."),
        "date": datetime.date.today().isoformat(),
        **{k: v for k, v in origin.items() if v is not None},
    }
    coordinates = {"datum": np.arange(len(x)), "fingerprint": ("datum", _fingerprints(x)), **_k_of(variables)}
    if y is not None:
        coordinates["fingerprint_y"] = ("datum", _fingerprints(y))
    if "tokens" in origin:
        coordinates["tokens"] = ("datum", scored(x).cpu().numpy())
    return xr.Dataset(variables, coords=coordinates, attrs=attributes)


def usual(model: Model) -> str | Mapping[str, Any]:
    """The estimator for a model of which none was asked for."""
    if isinstance(model, HasODE):
        return "ODE"
    if is_exact(model):
        return "Exact"
    if isinstance(model, HasPartition):
        return ENERGY
    if isinstance(model, HasDiffusion):
        return "DiffusionELBO"
    return "ELBO" if isinstance(model, Pair) and model.certain else "IWAE"


def _scored(model: Model, x: Tensor, y: Tensor | None) -> str:
    """What the sites of a model score: the density of x alone, of x and y where it observes both, or of x given y."""
    if y is None:
        return "log p(x)"
    if not isinstance(model, Pair):
        return "log p(x|y)"
    with evaluating(model), seeded(0, x.device):
        sites = record(model.model, x[:DATA_BLOCK], y[:DATA_BLOCK])
    seen = [site["value"] for site in sites.values() if site["is_observed"]]
    labels = y[:DATA_BLOCK].reshape(-1)
    both = any(v.numel() == len(labels) and torch.equal(v.reshape(-1).to(labels), labels) for v in seen)
    return "log p(x, y)" if both else "log p(x|y)"


def joined(parts: Sequence[Estimates]) -> Estimates:
    """Estimates of blocks of data as one; what does not depend on the datum is that of the first block."""
    whole = dict(parts[0])
    for name, (dims, _, *more) in parts[0].items():
        if "datum" in dims:
            values = np.concatenate([part[name][1] for part in parts], dims.index("datum"))
            whole[name] = (dims, values, *more)  # type: ignore[assignment]
    return whole


def in_order(found: Estimates, places: np.ndarray) -> Estimates:
    """Estimates of data that were asked for in another order, of which each is now in these places, ``(B,)``."""
    return {
        name: (dims, values.take(places, dims.index("datum")) if "datum" in dims else values, *more)  # type: ignore[misc]
        for name, (dims, values, *more) in found.items()
    }


def settings_of(judge: Estimator) -> dict[str, Any]:
    """The arguments with which to ask for this estimate again: the first that it reports, and those not at their defaults."""
    reported, given = judge.attributes(), describe(judge)
    defaults = {k: p.default for k, p in inspect.signature(type(judge)).parameters.items() if k in given}
    first = next((k for k in defaults if k in reported), None)
    return {
        k: reported.get(k, given[k]) for k, default in defaults.items() if k == first or given[k] != describe(default)
    }


def _fingerprints(x: Tensor) -> np.ndarray:
    """A checksum of every datum, or of its y, so that no two estimates are paired that are of unlike data."""
    rows = x.detach().cpu().float().flatten(1) if x.dim() > 1 else x.detach().cpu().float().unsqueeze(1)
    return np.array([zlib.crc32(row.tobytes()) for row in rows.numpy()], dtype=np.int64)


def _k_of(variables: Estimates) -> dict[str, np.ndarray]:
    k = variables.pop("k", None)
    return {} if k is None else {"k": k[1]}


@choice("estimator")
@dataclass(frozen=True)
class Exact(Estimator):
    """The model's own log p(x): exact, without Monte-Carlo error."""

    bound: ClassVar[str | None] = "exact"
    memory: ClassVar[str] = "take a smaller model"

    def estimate(self, model: Model, x: Tensor, y: Tensor | None, *, chunk_size: int, seed: int) -> Estimates:
        """log p(x) of a model that has one."""
        if not isinstance(model, HasLogProb):
            raise ValueError(f"{type(model).__name__} has no log_prob, so Exact() cannot score it; {instead(model)}.")
        with evaluating(model):
            order, at_once = by_length(model, x), CUT_BLOCK if model.any_length else EXACT_BLOCK
            parts = order.split(at_once)
            if isinstance(model, HasPartition):
                # log Z is the same for all data, and may take longer than they do
                log_z = model.log_partition()
                found = [model.log_mass(x[rows]) - log_z for rows in parts]
            else:
                found = [model.log_prob(cut(model, x[rows]), None if y is None else y[rows]) for rows in parts]
            value = torch.cat(found)[order.argsort()].double().cpu().numpy()
        return {"log_evidence": (("datum",), value), "mc_se": (("datum",), np.zeros_like(value))}


@choice("estimator")
@dataclass(frozen=True)
class Reconstruction(Estimator):
    """E_q[log p(x|z)]: how well codes reconstruct their data. It bounds nothing, but every encoder has it.

    Args:
        num_samples: codes drawn for each datum.
    """

    quantity: ClassVar[str] = "E log p(x|z)"
    memory: ClassVar[str] = "take a smaller model"

    num_samples: int = 100

    def attributes(self) -> dict[str, Any]:
        """The number of draws."""
        return {"num_samples": self.num_samples}

    def estimate(self, model: Model, x: Tensor, y: Tensor | None, *, chunk_size: int, seed: int) -> Estimates:
        """The mean of log p(x|z) over codes z ~ q(z|x), and its error."""
        if not isinstance(model, Pair):
            raise ValueError(f"{type(model).__name__} has no codes to reconstruct from; {instead(model)}.")
        if self.num_samples < 2:
            raise ValueError(f"Reconstruction(num_samples={self.num_samples}): an error bar needs at least 2.")
        means, errors = [], []
        with evaluating(model), seeded(seed, x.device):
            check_programs(model, x[:2], None if y is None else y[:2])
            for start in range(0, len(x), 1000):
                part = x[start : start + 1000]
                condition = None if y is None else y[start : start + 1000]
                draws = torch.stack([_log_likelihood(model, part, condition) for _ in range(self.num_samples)])
                means.append(draws.mean(0))
                errors.append(draws.std(0) / self.num_samples**0.5)
        mean, error = (torch.cat(t).cpu().numpy() for t in (means, errors))
        return {"log_evidence": (("datum",), mean), "mc_se": (("datum",), error)}


def _log_likelihood(pair: Pair, x: Tensor, y: Tensor | None) -> Tensor:
    sites = record(pair.model, x, y, latents(record(pair.guide, x, y)), guarded=True)
    need_support(sites)
    observed = [log_density(site).double() for site in sites.values() if site["is_observed"]]
    return torch.stack([value.reshape(len(x), -1).sum(1) for value in observed]).sum(0)
