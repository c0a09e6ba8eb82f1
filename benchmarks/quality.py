"""Is the VAE as good as one written by hand? Same sizes, budget and data, three seeds each, scored by the same ruler."""

from __future__ import annotations

import hand
import numpy as np
import torch
from measure import Section, verdict

import pyrogen
from pyrogen.data import load
from pyrogen.inference import IWAE, fit, log_evidence, summarize

SEEDS = (0, 1, 2)
BAR = 0.3


def measure(threads: list[int], quick: bool) -> Section:
    import subjects  # sets PYROGEN_DATA

    torch.set_num_threads(1)
    subjects.digits(128)
    data = load("mnist", kind="binary")
    epochs, test, k = (1, 50, 50) if quick else (20, 1000, 500)
    raw = data.train.raw.flatten(1)
    rows, values = [], {"pyrogen": [], "by hand": []}
    for seed in SEEDS:
        torch.manual_seed(seed)
        ours = pyrogen.create("vae", x_shape=data.x_shape)
        theirs = hand.HandVAE().copy(ours)  # the same start
        fit(ours, data, epochs=epochs, batch_size=128, lr=1e-3, seed=seed, validate=False, progress=False)
        hand.train(theirs, raw, epochs, 128, 1e-3, seed=seed + 100)
        judged = pyrogen.create("vae", x_shape=data.x_shape)
        with torch.no_grad():
            for mine, other in zip(judged.parameters(), theirs.parameters(), strict=True):
                mine.copy_(other)
        for name, model in (("pyrogen", ours), ("by hand", judged)):
            score = summarize(log_evidence(model, data.test.take(test), IWAE(k)))
            values[name].append(score.nats)
            rows.append((name, str(seed), f"{score.nats:.3f}", f"{score.mc_se:.3f}", f"{score.data_se:.3f}", ""))
    shortfall = float(np.mean(values["by hand"]) - np.mean(values["pyrogen"]))
    for name, nats in values.items():
        told = verdict(shortfall, BAR, " nat short of by hand") if name == "pyrogen" else ""
        rows.append((f"{name}, mean", "all", f"{np.mean(nats):.3f}", "", f"sd {np.std(nats, ddof=1):.3f}", told))
    notes = (
        f"VAE 784-400-20, Bernoulli, {epochs} epochs over 50,000 training images binarized anew in every batch, batch 128, "
        f"Adam 1e-3; IWAE({k}) on the first {test} test images, binarized once; nats per datum.",
        f"pyrogen falls short by {shortfall:.3f} nat on the mean of the seeds (below 0: it is ahead).",
    )
    return Section("quality", notes, ("", "seed", "log p(x) ≥", "± Monte Carlo", "± data", "bar"), tuple(rows))
