"""Bits a dimension of grey images, of a diffusion beside models of other families of equal size, and their samples."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from measure import Section

import pyrogen
from pyrogen.base import Model
from pyrogen.data import Data, load
from pyrogen.inference import IWAE, DiffusionELBO, assess, fit, log_evidence
from pyrogen.inference.programs.contexts import evaluating, seeded

CHOSEN_BY = 3  # the seed whose validation bits choose the rate, not reported
TOP = 255.0  # what 1 is among grey levels


@dataclass(frozen=True, eq=False)
class Work:
    """A model.

    Attributes:
        judge: of log p(x); None: the usual one.
        says: what its number is.
        kind: of the data: grey levels, or "unit", the same with noise of a level.
    """

    entry: str
    arguments: Mapping[str, Any]
    says: str
    judge: Any
    kind: str = "unit"


@dataclass(frozen=True)
class Table:
    """What is compared.

    Attributes:
        title: of the section.
        name: of the data.
        trained: how many of them; None: all.
        says: what the data are.
        works: the models; gains are over the first.
        seeds: of each.
        epochs: of each.
        rates: of which validation data choose one for each model; one alone is taken.
        scored: test data.
        judged: samples; 0: none are.
    """

    title: str
    name: str
    says: str
    works: Sequence[Work]
    seeds: Sequence[int]
    epochs: int
    rates: Sequence[float]
    scored: int
    judged: int = 0
    trained: int | None = None


DIGITS = Table(
    "bits",
    "digits",
    "Grey digits of 8 × 8 pixels with 17 levels",
    (
        # a Perceptron of this size, which does not see neighbours, is worse on validation data of seed 3
        Work(
            "vdm",
            {"kind": "unit", "steps": 500, "denoiser": {"name": "UNet", "width": 14}},
            "bound of 500 steps",
            DiffusionELBO(),
        ),
        Work("flow-glow", {"depth": 4, "width": 14}, "IWAE(50) of the noise", IWAE(50), "levels"),
        Work("flow-maf", {"layers": 2, "width": 42}, "exact of noisy x", None),
        Work(
            "vae",
            {"likelihood": {"name": "Normal", "scale": "predicted"}, "latent_size": 10, "hidden": [128]},
            "IWAE(1000)",
            IWAE(1000),
        ),
    ),
    range(int(os.environ.get("PYROGEN_SEEDS", "3"))),
    100,
    (1e-3, 3e-3),
    200,
    500,
)


def measure(threads: list[int], quick: bool) -> Section:
    """Digits."""
    return compared(DIGITS, quick)


def compared(table: Table, quick: bool) -> Section:
    """Train each at a rate that validation data choose, score it, and judge its samples."""
    torch.set_num_threads(1)
    if quick:
        few = {"seeds": table.seeds[:1], "epochs": 2, "rates": table.rates[:1], "trained": 640, "scored": 16}
        table = replace(table, **few)
    sets = {kind: _some(load(table.name, kind=kind), table.trained) for kind in ("unit", "levels")}
    data = sets["unit"]
    rates = {work: _rate(work, sets[work.kind], table) for work in table.works}
    nats_of_a_bit = math.log(2) * data.x_shape.numel()
    first: list[np.ndarray] = []
    rows = []
    for work in table.works:
        own = sets[work.kind]
        models = [_trained(work, own, seed, rates[work], table.epochs) for seed in table.seeds]
        bits = [
            _bits(work, model, own, "test", seed, table.scored) for model, seed in zip(models, table.seeds, strict=True)
        ]
        first = first or bits
        gains = [nats_of_a_bit * (a - b) for a, b in zip(first, bits, strict=True)]
        row = (
            work.entry,
            f"{sum(p.numel() for p in models[0].parameters()):,}",
            work.says,
            f"{np.mean(bits):.3f} ± {np.mean([_error(b) for b in bits]):.3f}",
            " ".join(f"{b.mean():.3f}" for b in bits),
            "–" if work is table.works[0] else ", ".join(f"{g.mean():+.1f} ± {_error(g):.1f}" for g in gains),
        )
        if table.judged:
            found = [_far(work, m, data, seed, table.judged) for m, seed in zip(models, table.seeds, strict=True)]
            far, apart, floor = zip(*found, strict=True)
            row += (f"{np.mean(far):.2f} ± {np.mean(apart):.2f}", f"{np.mean(floor):.2f}")
        # it takes long: whoever has to stop it has seen what was measured
        print(*row, sep="  ", flush=True)
        rows.append(row)
    columns = ("entry", "parameters", "what it is", "bits/dim", "each seed", "nats gained over vdm")
    judged = ("Fréchet", "floor") if table.judged else ()
    return Section(table.title, _notes(table, data, rates), columns + judged, tuple(rows))


def _notes(table: Table, data: Data, rates: Mapping[Work, float]) -> tuple[str, ...]:
    told = ", ".join(f"{w.entry} {rates[w]:g} {dict(w.arguments)}" for w in table.works)
    chosen = f"by bits of validation data at seed {CHOSEN_BY}" if len(table.rates) > 1 else "one for all"
    notes = (
        f"{table.says}, and uniform noise of a level where x is to be real; seeds {', '.join(map(str, table.seeds))}, "
        f"{table.epochs} epochs of {len(data.train)}, batch 64, Adam, a tenth of its rate in the last quarter. "
        f"Rates, {chosen}, and sizes: {told}.",
        f"Bits a dimension of the first {table.scored} test data, all upper bounds for those of the levels; ± is over data. "
        "The gain over the first row is in nats a datum, paired, seed by seed.",
    )
    judged = (
        f"Fréchet: the distance of {table.judged} samples from test data in the features that `assess` takes of itself; the "
        "floor is that of real ones.",
    )
    return notes + judged if table.judged else notes


def _some(data: Data, n: int | None) -> Data:
    return data if n is None else replace(data, train=data.train.take(n))


def _rate(work: Work, data: Data, table: Table) -> float:
    """That of the fewest bits of validation data."""

    def valid(lr: float) -> float:
        model = _trained(work, data, CHOSEN_BY, lr, table.epochs)
        return float(_bits(work, model, data, "valid", CHOSEN_BY, table.scored).mean())

    return table.rates[0] if len(table.rates) == 1 else min(table.rates, key=valid)


def _trained(work: Work, data: Data, seed: int, lr: float, epochs: int) -> Model:
    with seeded(seed):
        model = pyrogen.create(work.entry, x_shape=data.x_shape, **work.arguments)
    fall = {"lr_milestones": [3 * epochs // 4]} if epochs > 3 else {}
    fit(
        model,
        data,
        epochs=epochs,
        batch_size=64,
        lr=lr,
        seed=seed,
        validate=False,
        progress=False,
        device="cpu",
        **fall,
    )
    return model


def _bits(work: Work, model: Model, data: Data, split: str, seed: int, scored: int) -> np.ndarray:
    """Bits a dimension of each datum; of a density of noisy x those of as many levels as there are to the unit."""
    nats = log_evidence(model, getattr(data, split).take(scored), work.judge, seed=seed)["log_evidence"].values
    levels = math.log2(data.train.levels or 1) if work.kind == "unit" else 0.0
    found: np.ndarray = levels - nats / data.x_shape.numel() / math.log(2)
    return found


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def _far(work: Work, model: Model, data: Data, seed: int, judged: int) -> tuple[float, float, float]:
    with evaluating(model), seeded(seed):
        drawn = model.sample(judged)
    x = drawn / TOP if work.kind == "levels" else drawn
    found = assess(x.clamp(0, 1), data, ["frechet"], num=judged, seed=seed)
    (name,) = found.names
    far = found.measured(name)
    return far.value, far.error, found.floor(name).value
