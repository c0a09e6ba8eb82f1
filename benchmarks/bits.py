"""Bits a dimension of grey digits, of a diffusion beside flows and a VAE of equal size, and what their samples are like."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from measure import Section

import pyrogen
from pyrogen.base import Model
from pyrogen.data import Data, load
from pyrogen.inference import IWAE, DiffusionELBO, assess, fit, log_evidence
from pyrogen.inference.programs.contexts import evaluating, seeded

SEEDS = range(int(os.environ.get("PYROGEN_SEEDS", "3")))
EPOCHS, RATES, CHOSEN_BY = 100, (1e-3, 3e-3), 3  # the seed whose validation bits choose the rate, not reported
SCORED, JUDGED = 200, 500  # test data, and samples
TOP = 255.0  # what 1 is among grey levels


@dataclass(frozen=True, eq=False)
class Work:
    """A model of some 30,000 parameters.

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


WORKS = (
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
)


def measure(threads: list[int], quick: bool) -> Section:
    """Train each at a rate that validation data choose, score it, and judge its samples."""
    torch.set_num_threads(1)
    sets = {kind: load("digits", kind=kind) for kind in ("unit", "levels")}
    data = sets["unit"]
    seeds, epochs = (SEEDS[:1], 2) if quick else (SEEDS, EPOCHS)
    rates = {
        w: min(RATES[:1] if quick else RATES, key=lambda lr, w=w: _valid(w, sets[w.kind], lr, epochs)) for w in WORKS
    }
    nats_of_a_bit = math.log(2) * data.x_shape.numel()
    first: list[np.ndarray] = []
    rows = []
    for work in WORKS:
        own = sets[work.kind]
        models = [_trained(work, own, seed, rates[work], epochs) for seed in seeds]
        bits = [_bits(work, model, own, "test", seed) for model, seed in zip(models, seeds, strict=True)]
        first = first or bits
        gains = [nats_of_a_bit * (a - b) for a, b in zip(first, bits, strict=True)]
        far, apart, floor = zip(*map(_far, [work] * len(models), models, [data] * len(models), seeds), strict=True)
        rows.append(
            (
                work.entry,
                f"{sum(p.numel() for p in models[0].parameters()):,}",
                work.says,
                f"{np.mean(bits):.3f} ± {np.mean([_error(b) for b in bits]):.3f}",
                " ".join(f"{b.mean():.3f}" for b in bits),
                "–" if work is WORKS[0] else ", ".join(f"{g.mean():+.1f} ± {_error(g):.1f}" for g in gains),
                f"{np.mean(far):.2f} ± {np.mean(apart):.2f}",
                f"{np.mean(floor):.2f}",
            )
        )
    told = ", ".join(f"{w.entry} {rates[w]:g} {dict(w.arguments)}" for w in WORKS)
    notes = (
        "Grey digits of 8 × 8 pixels with 17 levels, and uniform noise of a level where x is to be real; "
        f"{len(seeds)} seeds, {epochs} epochs of {len(data.train)}, batch 64, Adam, a tenth of its rate in the last quarter. "
        f"Rates, by bits of validation data at seed {CHOSEN_BY}, and sizes: {told}.",
        f"Bits a dimension of the first {SCORED} test digits, all upper bounds for those of the levels; ± is over data. The "
        "gain over the first row is in nats a digit, paired, seed by seed.",
        f"Fréchet: the distance of {JUDGED} samples from test digits in the features that `assess` takes of itself; the "
        "floor is that of real ones.",
    )
    columns = ("entry", "parameters", "what it is", "bits/dim", "each seed", "nats gained over vdm", "Fréchet", "floor")
    return Section("bits", notes, columns, tuple(rows))


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


def _bits(work: Work, model: Model, data: Data, split: str, seed: int) -> np.ndarray:
    """Bits a dimension of each datum; of a density of noisy x those of as many levels as there are to the unit."""
    nats = log_evidence(model, getattr(data, split).take(SCORED), work.judge, seed=seed)["log_evidence"].values
    levels = math.log2(data.train.levels or 1) if work.kind == "unit" else 0.0
    found: np.ndarray = levels - nats / data.x_shape.numel() / math.log(2)
    return found


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def _valid(work: Work, data: Data, lr: float, epochs: int) -> float:
    """Bits of validation data, by which a rate is chosen."""
    return float(_bits(work, _trained(work, data, CHOSEN_BY, lr, epochs), data, "valid", CHOSEN_BY).mean())


def _far(work: Work, model: Model, data: Data, seed: int) -> tuple[float, float, float]:
    with evaluating(model), seeded(seed):
        drawn = model.sample(JUDGED)
    x = drawn / TOP if work.kind == "levels" else drawn
    found = assess(x.clamp(0, 1), data, ["frechet"], num=JUDGED, seed=seed)
    (name,) = found.names
    far = found.measured(name)
    return far.value, far.error, found.floor(name).value
