"""What a training step costs by fit, by hand, and by stock SVI."""

from __future__ import annotations

from collections.abc import Callable

import hand
import pyro
import torch
from measure import Section, Spread, interleave, ratios, verdict
from subjects import digits, vae

from pyrogen.data import Data
from pyrogen.inference import fit

BAR = 1.30
BATCH, LR = 128, 1e-3


def measure(threads: list[int], quick: bool) -> Section:
    """Whole epochs, interleaved."""
    rows, epochs, rounds = (1280, 2, 5) if quick else (6400, 3, 15)
    data = digits(rows)
    steps = epochs * -(-rows // BATCH)
    contestants = {
        "by hand": lambda: by_hand(data, epochs),
        "by hand again (A/A)": lambda: by_hand(data, epochs),
        "pyrogen fit": lambda: by_fit(data, epochs),
        "pyro SVI": lambda: by_svi(data, epochs),
        "pyrogen fit, 0 epochs": lambda: by_fit(data, 0),
    }
    table = []
    for n in threads:
        torch.set_num_threads(n)
        seconds = interleave(contestants, rounds, n)
        setup = seconds.pop("pyrogen fit, 0 epochs")
        for name, values in seconds.items():
            ratio = ratios(values, seconds["by hand"])
            judged = verdict(ratio.median, BAR) if name == "pyrogen fit" else ""
            table.append((str(n), name, Spread.of(1e3 * v / steps for v in values).text(), ratio.text(), judged))
        table.append((str(n), "fit's set-up, a call", Spread.of(1e3 * v for v in setup).text(1), "", ""))
    notes = (
        f"VAE 784-400-20, Bernoulli, batch {BATCH}, Adam {LR}, {rows} rows of {data.name}, binarized anew in each batch. "
        f"Each time is of {epochs} whole epochs ({steps} steps), fit's set-up included; {rounds} rounds.",
        f"Same work: from the same weights and seed the last epoch's loss is {_losses(data)} (nats).",
        "SVI is stock: Trace_ELBO and pyro.optim.Adam with Pyro's defaults, on the same pair.",
    )
    return Section("fit", notes, ("threads", "", "ms a step", "ratio to hand", "bar"), tuple(table))


def by_hand(data: Data, epochs: int) -> Callable[[], object]:
    assert data.train.raw is not None
    net, raw = hand.HandVAE(), data.train.raw.flatten(1)
    return lambda: hand.train(net, raw, epochs, BATCH, LR)


def by_fit(data: Data, epochs: int) -> Callable[[], object]:
    model = vae()
    return lambda: fit(
        model, data, epochs=epochs, batch_size=BATCH, lr=LR, device="cpu", validate=False, progress=False
    )


def by_svi(data: Data, epochs: int) -> Callable[[], object]:
    pyro.clear_param_store()
    pair, train = vae(), data.train
    svi = pyro.infer.SVI(pair.model, pair.guide, pyro.optim.Adam({"lr": LR}), pyro.infer.Trace_ELBO())

    def go() -> None:
        for _ in range(epochs):
            for index in torch.randperm(len(train)).split(BATCH):
                svi.step(train.batch(index).x)

    return go


def _losses(data: Data) -> str:
    model = vae()
    net = hand.HandVAE().copy(model)
    assert data.train.raw is not None
    run = fit(model, data, epochs=2, batch_size=BATCH, lr=LR, device="cpu", validate=False, progress=False)
    plain = hand.train(net, data.train.raw.flatten(1), 2, BATCH, LR)
    return f"{run.history[-1]['train/loss']:.3f} by fit and {plain:.3f} by hand"
