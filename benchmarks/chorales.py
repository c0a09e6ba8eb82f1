"""Bach's chorales in nats per step: as voices by models of music and of language, as piano rolls by one of states."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from measure import Section

import pyrogen
from pyrogen.data import load
from pyrogen.inference import fit, log_evidence
from pyrogen.inference.programs.contexts import seeded

ALL = {"lr": 5e-3, "batch_size": 64, "validate": False, "progress": False, "seed": 0}
STEPS, QUARTERS = 24, 4  # of a window of a piano roll, and of a bar
MODELS = {
    "vae-music": ("vae-music", {"warmup": 100}, "IWAE(k=20), an upper bound"),
    "vae-music, flat decoder": ("vae-music", {"warmup": 100, "decoder": "Flat"}, "IWAE(k=20), an upper bound"),
    "lstm-lm": ("lstm-lm", {}, "exact"),
}


# of piano rolls, in nats a quarter note of whole chorales
PUBLISHED = {
    "RNN-NADE, keys of a step not independent †": ("5.56", "Boulanger-Lewandowski et al. 2012, arXiv:1206.6392"),
    "deep Markov model": ("6.93", "Krishnan et al., as Pyro's tutorial quotes it"),
    "deep Markov model, Pyro's": ("6.87", "Pyro's tutorial: 5000 epochs, 20 hours of a GPU"),
}
STATES = {"latent_size": 16, "hidden": [64], "emission": "Bernoulli", "objective": {"name": "ELBO", "warmup": 500}}
FILTER = {"name": "ParticleFilter", "proposal": "guide", "particles": 50, "populations": 8}


def measure(threads: list[int], quick: bool) -> Section:
    import subjects  # sets PYROGEN_DATA

    torch.set_num_threads(1)
    subjects.digits(128)
    notes: list[str] = []
    rows = [*_voices(quick, notes), *_rolls(quick, notes)]
    return Section("chorales", tuple(notes), ("model", "nats a step", "nats a bar", "by"), tuple(rows))


def _voices(quick: bool, notes: list[str]) -> Iterator[tuple[str, ...]]:
    data, epochs = load("jsb-chorales"), 0 if quick else 4
    test = data.test.take(20 if quick else len(data.test))
    yield _row("frequencies of each voice's pitches", -_frequent(data.train.x, test.x, len(data.vocabulary)), "exact")
    for name, (entry, arguments, how) in MODELS.items():
        with seeded(0):
            model = pyrogen.create(entry, x_shape=data.x_shape, vocabulary=data.vocabulary, **arguments)
        fit(model, data, epochs=epochs, **ALL)
        nats = log_evidence(model, test, {"name": "IWAE", "k": 20} if entry == "vae-music" else None)
        yield _row(name, -torch.from_numpy(nats["log_evidence"].values), how)
    notes += (
        "JSB chorales, four voices in sixteenth notes, the official 229, 76 and 77 chorales; windows of four bars, those of "
        f"training beginning at every bar, {len(test)} of test one after the other, what is left at the end of a chorale "
        "dropped. All four voices of a step together; a window's first step is given nothing; ± is the error of the mean "
        "over windows.",
        f"One seed, {epochs} epochs of {len(data.train):,} windows, Adam 5e-3, LSTMs of 64 units: what two cores allow in "
        "minutes, and no best of either. Voices of a step are independent given those before.",
        "No published number is of voices in sixteenth notes: Huang et al. 2017 count the notes of a frame in orders of "
        "their own.",
    )


def _rolls(quick: bool, notes: list[str]) -> Iterator[tuple[str, ...]]:
    data, epochs = load("jsb-roll"), 0 if quick else 40
    test = data.test.take(20 if quick else len(data.test))
    on = (data.train.x.double().sum((0, 2)) + 0.5) / (len(data.train) * STEPS + 1)
    keys = test.x.double()
    frequent = (keys * on.log()[:, None] + (1 - keys) * (1 - on).log()[:, None]).sum((1, 2))
    yield _row("piano rolls: frequencies of the keys", -frequent, "exact", STEPS, QUARTERS)
    with seeded(0):
        model = pyrogen.create("vae-sequential", x_shape=data.x_shape, **STATES)
    fit(model, data, epochs=epochs, **ALL)
    nats = -torch.from_numpy(log_evidence(model, test, FILTER)["log_evidence"].values)
    yield _row("piano rolls: vae-sequential", nats, "ParticleFilter by the guide, an upper bound", STEPS, QUARTERS)
    measured = float(nats.mean()) / STEPS
    for name, (number, where) in PUBLISHED.items():
        apart = f"published, {where}; the distance is {measured - float(number):+.2f}"
        yield f"piano rolls: {name}", number, f"{QUARTERS * float(number):.2f}", apart
    notes += (
        "Piano rolls: the same chorales and splits in quarter notes, 88 keys a step, independent given the state of the "
        f"step; {len(test)} windows of test of {STEPS} steps one after the other, each of which begins with nothing before "
        "it, where the published numbers are of whole chorales of some sixty steps: this costs more. One seed, "
        f"{epochs} epochs of {len(data.train):,} windows. † from memory, not read again.",
    )


def _row(name: str, nats: torch.Tensor, how: str, steps: int = 64, bar: int = 16) -> tuple[str, ...]:
    step = nats.double() / steps
    error = float(step.std()) / len(step) ** 0.5
    return name, f"{float(step.mean()):.3f} ± {error:.3f}", f"{bar * float(step.mean()):.2f} ± {bar * error:.2f}", how


def _frequent(train: torch.Tensor, test: torch.Tensor, words: int) -> torch.Tensor:
    """log p of pitches that are independent, each as frequent as in training in its voice, half a note added."""
    counts = torch.stack([torch.bincount(v.flatten().long(), minlength=words) for v in train.unbind(1)]).double() + 0.5
    each = (counts / counts.sum(1, keepdim=True)).log()
    return sum(each[v][test[:, v].long()].sum(1) for v in range(len(each)))
