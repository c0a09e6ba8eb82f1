"""The comparison of Burda et al. (2016) on MNIST: VAE, IWAE and DReG by numbers of draws, at the scale that two cores allow.

Every trained and scored model is kept in ``build/published``, so that an interrupted measurement goes on where it was.
"""

from __future__ import annotations

import os

import numpy as np
import torch
from measure import Section, kept

import pyrogen
from pyrogen.data import load
from pyrogen.files import write
from pyrogen.inference import ELBO, IWAE, DReG, fit, log_evidence
from pyrogen.inference.programs.contexts import seeded

SEEDS = (0, 1, 2)
OBJECTIVES = {"VAE": lambda k: ELBO(num_samples=k), "IWAE": IWAE, "DReG": DReG}
PUBLISHED = {  # test NLL after 3280 epochs, k = 5000, one stochastic layer; DReG from a rerun in NUMBERS
    ("VAE", 1): 86.76,
    ("VAE", 5): 86.47,
    ("VAE", 50): 86.35,
    ("IWAE", 5): 85.54,
    ("IWAE", 50): 84.78,
    ("DReG", 5): 84.90,
    ("DReG", 50): 84.32,
}


def measure(threads: list[int], quick: bool) -> Section:
    import subjects  # sets PYROGEN_DATA

    torch.set_num_threads(1)
    subjects.digits(128)
    data = load("mnist", kind="binary")
    epochs, test, k = (0, 50, 100) if quick else (int(os.environ.get("PYROGEN_EPOCHS", "6")), 1000, 5000)
    scores: dict[tuple[str, int], np.ndarray] = {}
    # the cheap ones first, so that little is lost when time is short
    for seed in SEEDS:
        for name, draws in sorted(PUBLISHED, key=lambda c: c[1]):
            value = _score(data, name, draws, seed, epochs, test, k)
            scores[name, draws] = np.vstack([scores[name, draws], value]) if (name, draws) in scores else value[None]
    base = scores["VAE", 1].mean(0)
    rows = []
    for (name, draws), published in PUBLISHED.items():
        nll = -scores[name, draws]
        gain = scores[name, draws].mean(0) - base
        error = f"± {gain.std(ddof=1) / len(gain) ** 0.5:.2f}" if gain.any() else ""
        each = " ".join(f"{v:.2f}" for v in nll.mean(1))
        spread = nll.mean(0).std(ddof=1) / nll.shape[1] ** 0.5
        rows.append(
            (name, str(draws), f"{nll.mean():.2f}", f"{spread:.2f}", each, f"{gain.mean():+.2f} {error}",
             f"{published:.2f}", f"{nll.mean() - published:+.2f}")
        )  # fmt: skip
    notes = (
        f"MNIST, dynamic binarization, 784-200-200-50 tanh, batch 20, Adam 1e-3, {epochs} epochs over 50,000 images "
        f"(published: 3280 epochs, falling learning rate); −IWAE({k}) on the first {test} test images, binarized once; nats.",
        "VAE with k draws is the ELBO averaged over them. ± data is the error of the mean over test images; gains are paired "
        "by image. Published: Burda et al. 2016, table 1; DReG: a rerun of Tucker et al. 2019.",
        "At paper scale, for a GPU: `pyrogen train iwae-paper --data mnist`.",
    )
    columns = ("objective", "k", "NLL", "± data", "each seed", "gain over VAE(1)", "published", "distance")
    return Section("published", notes, columns, tuple(rows))


def _score(data: object, name: str, draws: int, seed: int, epochs: int, test: int, k: int) -> np.ndarray:
    """Log-evidence of the first test images under a freshly trained model, or as it was kept."""
    file = kept(__file__, f"{name.lower()}-{draws}-seed-{seed}-epochs-{epochs}-test-{test}-k-{k}.txt")
    if not file.exists():
        with seeded(seed):
            model = pyrogen.create("iwae", x_shape=data.x_shape)
        goal = OBJECTIVES[name](draws)
        fit(model, data, goal, epochs=epochs, batch_size=20, lr=1e-3, seed=seed, validate=False, progress=False)
        score = log_evidence(model, data.test.take(test), IWAE(k))["log_evidence"].values
        write(file, "\n".join(map(repr, score.tolist())) + "\n")
    return np.loadtxt(file)
