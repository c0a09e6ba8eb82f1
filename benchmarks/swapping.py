"""The prior swapped on MNIST, all else still: `pyrogen compare --grid`, beside what was published.

Cells that have ended are kept in ``build/swap``, so that an interrupted measurement goes on where it was.
"""

from __future__ import annotations

import torch
import xarray as xr
from measure import ROOT, Section

from pyrogen.inference import ELBO, IWAE, grid

PUBLISHED = {"StandardNormal": 84.45, "VampPrior": 82.29}  # NLL of NUMBERS, one recipe
PRIORS = ("StandardNormal", "MixtureOfGaussians(components=100)", "VampPrior(components=200)", "FlowPrior")


def measure(threads: list[int], quick: bool) -> Section:
    """One seed of each cell, one after the other in this process; about an hour of two busy cores."""
    import subjects  # sets PYROGEN_DATA

    subjects.digits(128)
    torch.set_num_threads(1)
    epochs, test, k = (0, 50, 50) if quick else (50, 5000, 500)
    found = grid(
        {"prior": [_spec(prior) for prior in PRIORS]},
        data="mnist",
        latent_size=40,
        hidden=(300, 300),
        objective=ELBO(warmup=3900),
        epochs=epochs,
        batch_size=128,
        lr=1e-3,
        lr_milestones=(40,),
        estimator=IWAE(k),
        limit=test,
        jobs=1,
        folder=ROOT / "build" / ("swap-quick" if quick else "swap"),
        progress=False,
    )
    rows = [_row(prior, found.numbers.isel(prior=i)) for i, prior in enumerate(PRIORS)]
    flagged = ", ".join(str(int(count)) for count in found.numbers["flagged"].values)
    notes = (
        f"MNIST, dynamic binarization, 784-300-300-40, batch 128, Adam 1e-3, after 40 epochs 1e-4, KL warm-up of 10 epochs, "
        f"{epochs} epochs; IWAE({k}) on the first {test} test images; nats; one seed; gains are paired by image.",
        "Published (gated layers, 5000 draws, hundreds of epochs with early stopping): the distance is what 50 epochs leave.",
        f"The diagnosis flags {flagged} of {test} estimates, for which more draws would raise the bound.",
    )
    columns = (
        "prior",
        "IWAE",
        "± MC",
        "± data",
        "gain",
        "± MC",
        "± data",
        "ELBO",
        "KL",
        "active",
        "published",
        "distance",
    )
    return Section("swap", notes, columns, tuple(rows))


def _spec(prior: str) -> object:
    name, _, options = prior.partition("(components=")
    return {"name": name, "components": int(options.rstrip(")"))} if options else name


def _row(prior: str, cell: xr.Dataset) -> tuple[str, ...]:
    def value(key: str, form: str) -> str:
        return format(float(cell[key]), form)

    published = PUBLISHED.get(prior.partition("(")[0])
    gain = ("difference", "+.2f"), ("difference_mc_se", ".2f"), ("difference_data_se", ".2f")
    return (
        prior,
        *(value(key, ".2f") for key in ("nats", "mc_se", "data_se")),
        *(("–", "", "") if prior == PRIORS[0] else (value(*g) for g in gain)),
        *(value(key, ".2f") for key in ("elbo", "kl")),
        value("active_units", ".0f"),
        *(("", "") if published is None else (f"{-published:.2f}", f"{float(cell['nats']) + published:+.2f}")),
    )
