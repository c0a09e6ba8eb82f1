"""How noisy each objective's gradient for the guide is, by its number of draws."""

from __future__ import annotations

import pyro
import torch
from measure import Section

import pyrogen
from pyrogen.base import Batch
from pyrogen.data import load
from pyrogen.inference import (
    CUBO,
    ELBO,
    IWAE,
    VIMCO,
    DReG,
    Renyi,
    ReweightedWakeSleep,
    StickingTheLanding,
    Thermodynamic,
    fit,
)

OBJECTIVES = {
    "ELBO": lambda k: ELBO(num_samples=k),
    "StickingTheLanding": StickingTheLanding,
    "IWAE": IWAE,
    "DReG": DReG,
    "Renyi(0.5)": lambda k: Renyi(0.5, k=k),
    "CUBO": lambda k: CUBO(k=k),
    "VIMCO": VIMCO,
    "ReweightedWakeSleep": ReweightedWakeSleep,
    "Thermodynamic": lambda k: Thermodynamic(k=k),
}


def measure(threads: list[int], quick: bool) -> Section:
    torch.set_num_threads(1)
    ks, repeats, epochs = ((2, 8), 20, 1) if quick else ((2, 8, 32, 128, 512), 1000, 30)
    data = load("digits")
    torch.manual_seed(0)
    model = pyrogen.create("iwae", x_shape=data.x_shape, latent_size=8, hidden=(64, 64))
    fit(model, data, ELBO(), epochs=epochs, batch_size=64, validate=False, progress=False)
    batch = Batch(data.test.take(1).x)
    rows = []
    for name, build in OBJECTIVES.items():
        cells = []
        for k in ks:
            signal, noise = _gradient(model, build(k), batch, repeats)
            cells.append(f"{signal / noise:.3f} ({noise:.2g})")
        rows.append((name, *cells))
    notes = (
        f"Gradient for the encoder of one test digit, VAE 64-64-64-8 tanh after {epochs} epochs of the ELBO, {repeats} "
        "independent gradients each: ‖mean‖ / √(trace of the covariance), in brackets that root of the trace (nats).",
        f"A mean gradient of zero would show as {repeats**-0.5:.3f}.",
        "The closed-form KL of the ELBO is in its gradient; all others weigh draws.",
    )
    return Section("gradients", notes, ("objective", *(f"k = {k}" for k in ks)), tuple(rows))


def _gradient(model: pyrogen.base.Pair, objective: object, batch: Batch, repeats: int) -> tuple[float, float]:
    """Norm of the mean gradient for the encoder, and the root of the trace of its covariance."""
    parameters = list(model.encoder.parameters())
    total, squares = torch.zeros(()), torch.zeros(())
    torch.manual_seed(0)
    with pyro.validation_enabled(False):
        for _ in range(repeats):
            loss = objective.terms(model, batch)["loss"]
            g = torch.cat([p.flatten() for p in torch.autograd.grad(loss, parameters)]).double()
            total, squares = total + g, squares + g.square()
    mean = total / repeats
    return float(mean.norm()), float((squares / repeats - mean.square()).sum().sqrt())
