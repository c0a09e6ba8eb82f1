"""Autoregressive models on MNIST, in minutes instead of days: nats, epochs, and how far from what was published.

Every trained and scored model is kept in ``build/densities``, so that an interrupted measurement goes on where it was.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from measure import ROOT, Section

import pyrogen
from pyrogen.data import Data, load
from pyrogen.files import write
from pyrogen.inference import fit, log_evidence
from pyrogen.inference.programs.contexts import seeded

KEPT = ROOT / "build" / "densities"
SEEDS = (0, 1, 2)
SMALL = {"width": 16, "layers": 4}


@dataclass(frozen=True)
class Work:
    """An entry, how long it is trained, and what was published of it at its full size."""

    arguments: Mapping[str, Any]
    epochs: int
    published: float


WORKS = {  # test NLL in nats, dynamic binarization, as published on one protocol
    "made": Work({"hidden": [500]}, 20, 84.87),
    "nade": Work({"width": 100}, 1, 85.65),
    "pixelcnn": Work(SMALL, 2, 81.45),
    "pixelcnn-gated": Work(SMALL, 2, 81.50),
}


def measure(threads: list[int], quick: bool) -> Section:
    import subjects  # sets PYROGEN_DATA

    torch.set_num_threads(1)
    subjects.digits(128)
    data, test = load("mnist", kind="binary"), 50 if quick else 2000
    found = {
        name: [_score(data, name, work, seed, 0 if quick else work.epochs, test) for seed in SEEDS]
        for name, work in WORKS.items()
    }
    best = np.array([nats for nats, _ in found["made"]])
    rows = []
    for name, scores in found.items():
        nats = np.array([each for each, _ in scores])
        nll, gain = -nats.mean(), (nats - best).mean(0)
        rows.append(
            (
                name,
                str(0 if quick else WORKS[name].epochs),
                f"{np.mean([seconds for _, seconds in scores]) / 60:.1f}",
                f"{nll:.2f}",
                " ".join(f"{-value:.2f}" for value in nats.mean(1)),
                f"{gain.mean():+.2f} ± {gain.std(ddof=1) / len(gain) ** 0.5:.2f}",
                f"{WORKS[name].published:.2f}",
                f"{nll - WORKS[name].published:+.2f}",
            )
        )
    sizes = ", ".join(f"{name} {dict(work.arguments)}" for name, work in WORKS.items())
    notes = (
        f"MNIST, dynamic binarization, 50,000 images, batch 64, Adam 2e-3, a tenth of it in the last epoch or fifth; exact "
        f"log p(x) of the first {test} test images, binarized once; {sizes}.",
        "Published: at full size, the convolutional ones with 10 layers of 128 channels. The gain over MADE is paired; "
        "± is over images. Minutes are the processor's, of one training.",
    )
    columns = ("entry", "epochs", "minutes", "NLL", "each seed", "gain over made", "published", "distance")
    return Section("densities", notes, columns, tuple(rows))


def _score(data: Data, name: str, work: Work, seed: int, epochs: int, test: int) -> tuple[np.ndarray, float]:
    """Log p(x) of the first test images, and the processor's seconds of the training."""
    file = KEPT / f"{name}-seed-{seed}-epochs-{epochs}-test-{test}.json"
    if not file.exists():
        with seeded(seed):
            model = pyrogen.create(name, x_shape=data.x_shape, **work.arguments)
        started = time.process_time()
        fit(
            model,
            data,
            epochs=epochs,
            batch_size=64,
            lr=2e-3,
            lr_milestones=[epochs - max(1, epochs // 5)] if epochs > 1 else [],
            seed=seed,
            validate=False,
            progress=False,
            device="cpu",
        )
        seconds = time.process_time() - started
        score = log_evidence(model, data.test.take(test))["log_evidence"].values
        os.makedirs(KEPT, exist_ok=True)
        write(file, json.dumps({"nats": score.tolist(), "seconds": seconds}))
    kept = json.loads(file.read_text())
    return np.array(kept["nats"]), kept["seconds"]
