"""The comparison of Wu et al. (2017) on MNIST: one decoder, trained as a VAE and as a GAN, by four rulers.

Every trained model and every score is kept in ``build/wu``, so that an interrupted measurement goes on where it was.
``PYROGEN_SCALE=paper python benchmarks/run.py --only wu`` is the published scale, for a GPU.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from measure import Section, kept
from torch import nn

from pyrogen.base import Model
from pyrogen.data import Data, load
from pyrogen.inference import AIS, BDMC, IWAE, Adversarial, fit, log_evidence, observe
from pyrogen.inference.evidence.comparison import error_of_mean, shared_variance
from pyrogen.inference.evidence.noise import Observed
from pyrogen.inference.evidence.parzen import KDE
from pyrogen.inference.programs.contexts import seeded
from pyrogen.likelihoods import Normal
from pyrogen.models.adversarial.gan import GAN
from pyrogen.models.vae.vae import VAE
from pyrogen.nets import mlp
from pyrogen.optim import Adam

LATENTS, WIDTHS = 10, (64, 256, 256, 1024)  # of the decoder, tanh, with a sigmoid at its end
CRITIC = (512, 256)
SEED, IMPORTANCE = 0, 5000
# nats by Wu et al., of 1000 test images
PUBLISHED = {
    "VAE-10": {"AIS": 705.4, "BDMC gap": 0.8, "KDE": 409.0, "IWAE": 486.0},
    "GAN-10": {"AIS": 328.8, "BDMC gap": 0.9, "KDE": 260.0},
}


class Scale(NamedTuple):
    """How much is done.

    Attributes:
        epochs: of each training, over 50,000 images.
        images: test images that are scored.
        simulated: images of each model's own, between two bounds.
        temperatures: of annealing.
        chains: an image.
        leapfrogs: steps of a trajectory.
        noise: validation images to which the GAN's noise is fitted, and temperatures.
        samples: of KDE.
    """

    epochs: int
    images: int
    simulated: int
    temperatures: int
    chains: int
    leapfrogs: int
    noise: tuple[int, int]
    samples: int


SCALES = {
    "quick": Scale(0, 4, 4, 10, 4, 2, (4, 20), 1000),
    "reduced": Scale(4, 32, 8, 1000, 16, 2, (8, 200), 10_000),
    "paper": Scale(200, 1000, 100, 10_000, 16, 10, (100, 500), 10_000),
}


def measure(threads: list[int], quick: bool) -> Section:
    import subjects  # sets PYROGEN_DATA

    torch.set_num_threads(1)
    subjects.digits(128)
    name = "quick" if quick else os.environ.get("PYROGEN_SCALE", "reduced")
    scale = SCALES[name]
    data = load("mnist", kind="unit")
    rows: list[tuple[str, ...]] = []
    sigmas = {}
    for model, score in (("VAE-10", _score_vae), ("GAN-10", _score_gan)):
        numbers, sigmas[model] = score(data, scale, name)
        for ruler, published in PUBLISHED[model].items():
            value, own, spread = numbers[ruler]
            rows.append(
                (model, ruler, f"{value:.1f}", f"{own:.1f}", f"{spread:.1f}", f"{published:.1f}", f"{value - published:+.1f}")
            )  # fmt: skip
    notes = (
        f"MNIST in [0, 1] with uniform noise within each grey level; decoder {LATENTS}-64-256-256-1024-784, tanh, sigmoid at "
        f"the end, seen through noise of one σ: {', '.join(f'{k} {v:.3f}' for k, v in sigmas.items())}. Seed {SEED}, "
        f"{scale.epochs} epochs of 50,000 images, batch 100; published: trained to the end. Nats per image.",
        "The VAE learned its σ with its weights, by the ELBO, from training data, and its encoder mirrors the decoder; the "
        f"GAN's is the likeliest of {scale.noise[0]} validation images, by AIS. Its game: non-saturating, R1, critic "
        f"784-{CRITIC[0]}-{CRITIC[1]}-1.",
        f"AIS from the prior: {scale.images} test images, {scale.temperatures} temperatures, {scale.chains} chains, "
        f"{scale.leapfrogs} leapfrogs (published: 1000, 10,000, 16, 10). The BDMC gap is of {scale.simulated} images that "
        "the model made, with the same settings: what AIS misses of these.",
        f"KDE: windows around {scale.samples} means of p(x|z), as wide as validation data like them best; a bound of the "
        f"smoothed model, and of the model none. IWAE: {IMPORTANCE} draws of the VAE's encoder.",
        "± data is the error of the mean over images. Published: Wu et al. 2017, arXiv:1611.04273, data errors 7.4 and 5.5 "
        "of AIS. The published scale, for a GPU: `PYROGEN_SCALE=paper python benchmarks/run.py --only wu`.",
    )
    columns = ("model", "ruler", "nats", "± Monte Carlo", "± data", "published", "distance")
    return Section("wu", notes, columns, tuple(rows))


Numbers = dict[str, tuple[float, float, float]]


def _score_vae(data: Data, scale: Scale, name: str) -> tuple[Numbers, float]:
    with seeded(SEED):
        encoder = mlp(data.x_shape, WIDTHS[::-1], (2 * LATENTS,), activation=nn.Tanh)
        model = VAE(encoder, _decoder(data), data.x_shape, LATENTS, likelihood=Normal("shared"))
    _trained(model, data, scale, f"{name}-vae")
    with torch.no_grad():
        sigma = float(model.decode(torch.zeros(1, LATENTS)).base_dist.scale.max())
    numbers = _annealed(model, data, scale, f"{name}-vae")
    iwae = _kept(f"{name}-vae-iwae", lambda: log_evidence(model, data.test.take(scale.images), IWAE(IMPORTANCE), SEED))
    return {**numbers, "KDE": _windows(model, data, scale, f"{name}-vae"), "IWAE": _mean(iwae, "log_evidence")}, sigma


def _score_gan(data: Data, scale: Scale, name: str) -> tuple[Numbers, float]:
    slow = Adam(lr=2e-4, betas=(0.5, 0.999))
    game = Adversarial(penalty="R1", critic_optimizer=slow, generator_optimizer=slow)
    with seeded(SEED):
        critic = mlp(data.x_shape, CRITIC, (1,), activation=lambda: nn.LeakyReLU(0.2))
        model = GAN(_decoder(data), critic, data.x_shape, LATENTS, objective=game, kind="unit")
    _trained(model, data, scale, f"{name}-gan")
    images, temperatures = scale.noise

    def noise() -> xr.Dataset:
        seen = observe(model, data.valid, temperatures, scale.chains, images, SEED)
        return xr.Dataset({"sigma": float(seen.sigma)})

    sigma = float(_kept(f"{name}-gan-noise", noise)["sigma"])
    numbers = _annealed(Observed(model, sigma), data, scale, f"{name}-gan")
    return {**numbers, "KDE": _windows(model, data, scale, f"{name}-gan")}, sigma


def _decoder(data: Data) -> nn.Sequential:
    return nn.Sequential(*mlp((LATENTS,), WIDTHS, data.x_shape, activation=nn.Tanh), nn.Sigmoid())


def _trained(model: Model, data: Data, scale: Scale, name: str) -> None:
    """Train, or take the weights that were kept."""
    file = kept(__file__, f"{name}.pt")
    if file.exists():
        model.load_state_dict(torch.load(file, weights_only=True))
        return
    fit(model, data, epochs=scale.epochs, batch_size=100, seed=SEED, validate=False, progress=False)
    torch.save(model.state_dict(), file)


def _annealed(model: Model, data: Data, scale: Scale, name: str) -> Numbers:
    settings = {"temperatures": scale.temperatures, "chains": scale.chains, "leapfrogs": scale.leapfrogs}
    ais, bdmc = AIS(**settings, doubling=False), BDMC(**settings)
    found = _kept(f"{name}-ais", lambda: log_evidence(model, data.test.take(scale.images), ais, SEED))
    both = _kept(f"{name}-bdmc", lambda: log_evidence(model, data.test.take(scale.simulated), bdmc, SEED))
    gap = (both["upper"] - both["lower"]).values
    own = float(np.hypot(both["lower_se"], both["upper_se"]).values @ np.ones(len(gap))) / len(gap)
    return {"AIS": _mean(found, "log_evidence"), "BDMC gap": (float(gap.mean()), own, _error(gap))}


def _windows(model: Model, data: Data, scale: Scale, name: str) -> tuple[float, float, float]:
    def scored() -> xr.Dataset:
        kernel = KDE.fitted(model, data.valid.take(1000), scale.samples, SEED)
        return log_evidence(model, data.test.take(scale.images), kernel, SEED)

    return _mean(_kept(f"{name}-kde", scored), "log_evidence")


def _kept(name: str, make: Callable[[], xr.Dataset]) -> xr.Dataset:
    """A score, or what was kept of it."""
    file = kept(__file__, f"{name}.nc")
    if not file.exists():
        found = make()
        found.to_netcdf(file)
    return xr.load_dataset(file)


def _mean(found: xr.Dataset, variable: str) -> tuple[float, float, float]:
    """The mean over images, its Monte Carlo error and that of the choice of images."""
    value, own = found[variable].values, found["mc_se"].values
    return float(value.mean()), error_of_mean(own**2, shared_variance(found)), _error(value)


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / len(values) ** 0.5)
