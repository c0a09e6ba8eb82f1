"""Bach's chorales in nats per step: the VAE of music with either decoder, a language model, and pitches by frequency."""

from __future__ import annotations

import torch
from measure import Section

import pyrogen
from pyrogen.data import load
from pyrogen.inference import fit, log_evidence
from pyrogen.inference.programs.contexts import seeded

ALL = {"lr": 5e-3, "batch_size": 64, "validate": False, "progress": False, "seed": 0}
MODELS = {
    "vae-music": ("vae-music", {"warmup": 100}, "IWAE(k=20), an upper bound"),
    "vae-music, flat decoder": ("vae-music", {"warmup": 100, "decoder": "Flat"}, "IWAE(k=20), an upper bound"),
    "lstm-lm": ("lstm-lm", {}, "exact"),
}


def measure(threads: list[int], quick: bool) -> Section:
    import subjects  # sets PYROGEN_DATA

    torch.set_num_threads(1)
    subjects.digits(128)
    data, epochs = load("jsb-chorales"), 0 if quick else 4
    test = data.test.take(20 if quick else len(data.test))
    rows = [
        _row("frequencies of each voice's pitches", -_frequent(data.train.x, test.x, len(data.vocabulary)), "exact")
    ]
    for name, (entry, arguments, how) in MODELS.items():
        with seeded(0):
            model = pyrogen.create(entry, x_shape=data.x_shape, vocabulary=data.vocabulary, **arguments)
        fit(model, data, epochs=epochs, **ALL)
        nats = log_evidence(model, test, {"name": "IWAE", "k": 20} if entry == "vae-music" else None)
        rows.append(_row(name, -torch.from_numpy(nats["log_evidence"].values), how))
    notes = (
        "JSB chorales, four voices in sixteenth notes, the official 229, 76 and 77 chorales; windows of four bars, those of "
        f"training beginning at every bar, {len(test)} of test one after the other, what is left at the end of a chorale "
        "dropped. All four voices of a step together; a window's first step is given nothing; ± is the error of the mean "
        "over windows.",
        f"One seed, {epochs} epochs of {len(data.train):,} windows, Adam 5e-3, LSTMs of 64 units: what two cores allow in "
        "minutes, and no best of either. Voices of a step are independent given those before.",
        "No published number is of this measure: Boulanger-Lewandowski et al. 2012 count quarter notes of a piano roll, and "
        "Huang et al. 2017 the notes of a frame in orders of their own.",
    )
    return Section("chorales", notes, ("model", "nats a step", "nats a bar", "by"), tuple(rows))


def _row(name: str, nats: torch.Tensor, how: str) -> tuple[str, ...]:
    step = nats.double() / 64
    error = float(step.std()) / len(step) ** 0.5
    return name, f"{float(step.mean()):.3f} ± {error:.3f}", f"{16 * float(step.mean()):.2f} ± {16 * error:.2f}", how


def _frequent(train: torch.Tensor, test: torch.Tensor, words: int) -> torch.Tensor:
    """log p of pitches that are independent, each as frequent as in training in its voice, half a note added."""
    counts = torch.stack([torch.bincount(v.flatten().long(), minlength=words) for v in train.unbind(1)]).double() + 0.5
    each = (counts / counts.sum(1, keepdim=True)).log()
    return sum(each[v][test[:, v].long()].sum(1) for v in range(len(each)))
