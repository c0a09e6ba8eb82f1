"""Densities without an encoder on MNIST, in minutes instead of days: nats, epochs, and how far from what was published.

Every trained and scored model is kept in ``build/densities``, so that an interrupted measurement goes on where it was.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from measure import Section, kept

import pyrogen
from pyrogen.data import Data, load
from pyrogen.files import write
from pyrogen.inference import AIS, IWAE, fit, log_evidence, summarize
from pyrogen.inference.programs.contexts import seeded

SEEDS = range(int(os.environ.get("PYROGEN_SEEDS", "3")))
SMALL = {"width": 16, "layers": 4}
CODES = {"codes": 64, "factor": 4, "width": 16, "prior_width": 16}


@dataclass(frozen=True)
class Work:
    """An entry, how it is trained and judged, and what was published of it at its full size.

    Attributes:
        epochs: of each stage.
        judge: of log p(x); None: it is exact.
        says: what the judge's number is.
        published: test NLL in nats; None where none is of this data.
    """

    arguments: Mapping[str, Any]
    epochs: int
    published: float | None
    lr: float = 2e-3
    batch_size: int = 64
    judge: Any = None
    says: str = "exact"


WORKS = {  # published: the autoregressive ones of dynamic binarization, on one protocol; the RBM by AIS after CD-25
    "made": Work({"hidden": [500]}, 4, 84.87),
    "nade": Work({"width": 100}, 1, 85.65),
    "pixelcnn": Work(SMALL, 1, 81.45, lr=5e-3),
    "pixelcnn-gated": Work(SMALL, 1, 81.50, lr=5e-3),
    "vqvae": Work(CODES, 1, None, lr=3e-3, judge=IWAE(1), says="bound"),
    "rbm-500": Work({}, 8, 86.34, lr=1e-3, batch_size=100, judge=AIS(2000, 100, doubling=False), says="AIS"),
}


def measure(threads: list[int], quick: bool) -> Section:
    import subjects  # sets PYROGEN_DATA

    torch.set_num_threads(1)
    subjects.digits(128)
    data, test = load("mnist", kind="binary"), 50 if quick else 2000
    found: dict[str, list[Kept]] = {name: [] for name in WORKS}
    # seed by seed, so that little is lost when time is short
    for seed in SEEDS:
        for name, work in WORKS.items():
            found[name].append(_score(data, name, work, seed, 0 if quick else work.epochs, test))
    best = np.array([one.nats for one in found["made"]])
    rows = []
    for name, scores in found.items():
        work, nats = WORKS[name], np.array([one.nats for one in scores])
        nll, gain = -nats.mean(), (nats - best).mean(0)
        published = work.published
        rows.append(
            (
                name,
                f"{scores[0].parameters:,}",
                str(0 if quick else work.epochs),
                f"{np.mean([one.seconds for one in scores]) / 60:.1f}",
                work.says,
                f"{nll:.2f} ± {_error(nats.mean(0)):.2f}",
                " ".join(f"{-value:.2f}" for value in nats.mean(1)),
                "" if name == "made" else f"{gain.mean():+.2f} ± {_error(gain):.2f}",
                "" if published is None else f"{published:.2f}",
                "" if published is None else f"{nll - published:+.2f}",
            )
        )
    sizes = ", ".join(f"{name} {dict(work.arguments)}" for name, work in WORKS.items() if work.arguments)
    notes = (
        f"MNIST, dynamic binarization, 50,000 images; seeds: {len(SEEDS)}; Adam, a tenth of its rate in the last epoch or "
        f"fifth of several; log p(x) of the first {test} test images, binarized once, the same for all; {sizes}.",
        "Exact, but for two: of the VQ-VAE it is the bound log p(x|z(x)) + log p(z(x)) of decoder and code, its two stages "
        "trained for so many epochs each; of the RBM it is by AIS of 2000 temperatures and 100 chains, whose log Z has an "
        f"error of {max(one.error for one in found['rbm-500']):.2f} nats and is in expectation too small, so that log p(x) "
        "is too large.",
        "Published: at full size and hundreds of epochs, the convolutional ones with 10 layers of 128 channels; the RBM "
        "after CD-25. None is known of a VQ-VAE on this data. The gain over MADE is paired; ± is over images. Minutes are "
        "the processor's, of one training.",
    )
    columns = ("entry", "parameters", "epochs", "minutes", "what it is", "NLL", "each seed", "gain over made")
    columns = (*columns, "published", "distance")
    return Section("densities", notes, columns, tuple(rows))


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / len(values) ** 0.5)


@dataclass(frozen=True)
class Kept:
    """What is kept of a trained and scored model: nats of each image, their common error, processor seconds, size."""

    nats: list[float]
    error: float
    seconds: float
    parameters: int


def _score(data: Data, name: str, work: Work, seed: int, epochs: int, test: int) -> Kept:
    """Log p(x) of the first test images under a freshly trained model, or as it was kept."""
    file = kept(__file__, f"{name}-seed-{seed}-epochs-{epochs}-test-{test}.json")
    if not file.exists():
        with seeded(seed):
            model = pyrogen.create(name, x_shape=data.x_shape, **work.arguments)
        started = time.process_time()
        fit(
            model,
            data,
            epochs=epochs,
            batch_size=work.batch_size,
            lr=work.lr,
            lr_milestones=[epochs - max(1, epochs // 5)] if epochs > 2 else [],
            seed=seed,
            validate=False,
            progress=False,
            device="cpu",
        )
        seconds = time.process_time() - started
        score = log_evidence(model, data.test.take(test), work.judge)
        scored = Kept(
            score["log_evidence"].values.tolist(),
            summarize(score).mc_se,
            seconds,
            sum(p.numel() for p in model.parameters()),
        )
        write(file, json.dumps(asdict(scored)))
    return Kept(**json.loads(file.read_text()))
