"""Quality against speed: what a sample costs, and what it is worth, of one model of each family at equal parameters."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from measure import Prepare, Section, Spread, interleave
from torch import Tensor

import pyrogen
from pyrogen.base import Model
from pyrogen.data import Data, from_arrays, load
from pyrogen.inference import AIS, IWAE, assess, fit, log_evidence, observe, summarize
from pyrogen.inference.programs.contexts import evaluating, seeded

SEEDS = range(int(os.environ.get("PYROGEN_SEEDS", "3")))
DRAWN, ROUNDS, JUDGED, SCORED = 64, 9, 500, 100  # images at once for the clock, its rounds; judged samples, scored data
EPOCHS, CHOSEN_BY = (
    (20, 60, 180),
    3,
)  # of each stage; the seed whose runs choose among them, of which nothing is reported
TOP = 255.0  # what 1 is where bits are grey levels


@dataclass(frozen=True, eq=False)
class Work:
    """A member of a family, of some 20,000 parameters.

    Attributes:
        family: what it stands for.
        kind: of the data as it takes them.
        samples: the part whose parameters count; None: all of it.
        judge: of log p(x); None: the usual one.
        says: what its number is.
    """

    family: str
    entry: str
    arguments: Mapping[str, Any]
    lr: float
    says: str
    judge: Any = None
    kind: str = "binary"
    samples: str | None = None


WORKS = (
    Work("autoregressive", "pixelcnn-gated", {"width": 16, "layers": 4, "kernel": 5}, 5e-3, "exact"),
    Work("VAE", "vae", {"latent_size": 10, "hidden": [128]}, 2e-3, "bound", IWAE(1000)),
    Work(
        "codes and their prior",
        "vqvae",
        {"codes": 16, "code_size": 8, "width": 14, "prior_width": 12},
        3e-3,
        "bound",
    ),
    Work("flow", "flow-glow", {"depth": 3, "width": 14}, 2e-3, "bound", IWAE(100), "levels"),
    Work(
        "GAN",
        "dcgan",
        {
            "latent_size": 16,
            "generator": {"name": "Convolutional", "width": 64},
            "critic": {"name": "Convolutional", "width": 32},
        },
        5e-4,
        "density of real numbers, AIS",
        AIS(200, 8),
        "unit",
        "generator",
    ),
)


def measure(threads: list[int], quick: bool) -> Section:
    """Train each, judge it, and draw from all in turns."""
    torch.set_num_threads(1)
    binary = load("digits", kind="binary", binarization="static")
    grey = load("digits", kind="unit", dequantization=False)
    sets = {"binary": binary, "levels": _two_levels(binary), "unit": grey}
    seeds = SEEDS[:1] if quick else SEEDS
    grid = [2] if quick else EPOCHS
    chosen = {work: _chosen(work, sets[work.kind], binary, grid) for work in WORKS}
    made = {work: [_trained(work, sets[work.kind], seed, chosen[work]) for seed in seeds] for work in WORKS}
    drawing: dict[str, Prepare] = {work.entry: lambda m=models[0]: _drawing(m) for work, models in made.items()}
    seconds = interleave(drawing, 3 if quick else ROUNDS, 1)
    rows = []
    for work, models in made.items():
        nats, errors, far, apart, floors = zip(
            *(_judged(work, model, sets[work.kind], binary, seed) for seed, model in zip(seeds, models, strict=True)),
            strict=True,
        )
        owner = models[0] if work.samples is None else models[0].get_submodule(work.samples)
        rows.append(
            (
                work.family,
                work.entry,
                f"{sum(p.numel() for p in owner.parameters()):,}",
                f"{Spread.of(1e6 * value / DRAWN for value in seconds[work.entry]).text(1)}",
                work.says,
                f"{np.mean(nats):.2f} ± {np.mean(errors):.2f}",
                " ".join(f"{value:.2f}" for value in nats),
                f"{np.mean(far):.2f} ± {np.mean(apart):.2f}",
                " ".join(f"{value:.2f}" for value in far),
                f"{np.mean(floors):.2f}",
            )
        )
    notes = (
        f"Digits of 8 × 8 pixels, binarized once, 1257 of them; seeds: {len(seeds)}; batch 64, Adam, a tenth of its rate in "
        f"the last quarter. Epochs, of each stage, are those of {', '.join(map(str, grid))} whose samples were nearest to "
        f"validation data in Fréchet distance, of seed {CHOSEN_BY}: "
        f"{', '.join(f'{w.entry} {chosen[w]}' for w in WORKS)}. Sizes: "
        f"{', '.join(f'{w.entry} {dict(w.arguments)}' for w in WORKS)}.",
        f"log p(x) of the first {SCORED} test digits, nats: exact; bounds are IWAE of 1000 draws of the VAE and 100 of the "
        "flow's dequantization, and what code and decoder of the VQ-VAE cost; ± is the error over test data.",
        "The GAN has no p(x): what stands there is the density of x + noise of the σ that validation data like best, by AIS, "
        "in another unit. All parameters count, encoders too, but for the GAN's critic.",
        "Fréchet: the distance of samples, as bits, from as many test digits, half of them, in the features that `assess` "
        "takes of itself, and its error; the floor is that of the other half. The GAN learns the grey values that "
        "the bits were drawn from, and bits are drawn from its own.",
        f"µs of the processor for a sample, drawn {DRAWN} at once, in turns.",
    )
    columns = ("family", "entry", "parameters", "µs a sample", "what it is", "log p(x)", "each seed")
    columns = (*columns, "Fréchet", "each seed", "floor")
    return Section("samplers", notes, columns, tuple(rows))


def _two_levels(binary: Data) -> Data:
    """The same bits as grey levels of which there are two, for what dequantizes them."""
    arrays = {
        f"{of}_{name}": getattr(part, of) if of == "y" else (TOP * part.x).to(torch.uint8)
        for name, part in (("train", binary.train), ("valid", binary.valid), ("test", binary.test))
        for of in ("x", "y")
    }
    return from_arrays(**arrays, kind="levels")


def _chosen(work: Work, data: Data, binary: Data, grid: Sequence[int]) -> int:
    """The epochs after which samples are nearest to validation data: one rule for all families, densities or not."""

    def far(epochs: int) -> float:
        return _far(work, _trained(work, data, CHOSEN_BY, epochs), binary, CHOSEN_BY, "valid")[0]

    return grid[0] if len(grid) == 1 else min(grid, key=far)


def _trained(work: Work, data: Data, seed: int, epochs: int) -> Model:
    with seeded(seed):
        model = pyrogen.create(work.entry, x_shape=data.x_shape, **work.arguments)
    fit(
        model,
        data,
        epochs=epochs,
        batch_size=64,
        lr=work.lr,
        lr_milestones=[3 * epochs // 4] if epochs > 3 else [],
        seed=seed,
        validate=False,
        progress=False,
        device="cpu",
    )
    return model


def _drawing(model: Model) -> Callable[[], object]:
    def go() -> None:
        with evaluating(model), seeded(0):
            model.sample(DRAWN)

    return go


def _judged(work: Work, model: Model, data: Data, binary: Data, seed: int) -> tuple[float, ...]:
    """Nats with their error over data, and the Fréchet distance with its error and its floor."""
    scored = (
        observe(model, data.valid, temperatures=200, chains=4, num_data=32, seed=seed)
        if work.family == "GAN"
        else model
    )
    score = summarize(log_evidence(scored, data.test.take(SCORED), work.judge, seed=seed))
    return score.nats, score.data_se, *_far(work, model, binary, seed, "test")


def _far(work: Work, model: Model, binary: Data, seed: int, split: str) -> tuple[float, float, float]:
    """The Fréchet distance of samples from a split, its error and its floor."""
    with evaluating(model), seeded(seed):
        drawn = _bits(model.sample(JUDGED), work.kind)
    found = assess(drawn, binary, ["frechet"], num=JUDGED, seed=seed, split=split)
    (name,) = found.names
    far = found.measured(name)
    return far.value, far.error, found.floor(name).value


def _bits(x: Tensor, kind: str) -> Tensor:
    return torch.bernoulli(x) if kind == "unit" else (x / TOP if kind == "levels" else x).round()
