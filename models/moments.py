"""Models that are trained by moments: a kernel compares data with draws, where a game would train a critic."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pyrogen.axes import Likelihood, Posterior, Prior
from pyrogen.base import Objective
from pyrogen.inference.adversarial.moments import MMD
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.likelihoods import Normal
from pyrogen.models.adversarial.generators import Generator
from pyrogen.models.vae.vae import VAE, vae
from pyrogen.nets import mlp
from pyrogen.registry import entry, make


@entry(
    "wae-mmd",
    reference="Tolstikhin et al. 2018, Wasserstein auto-encoders, arXiv:1711.01558, algorithm 2",
    settles=("weight",),
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def wae_mmd(
    x_shape: Sequence[int],
    latent_size: int = 8,
    hidden: Sequence[int] = (400,),
    weight: float = 100.0,
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "PointMass",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The Wasserstein autoencoder: all codes together are held to the prior by the moments that a kernel compares.

    E log p(x|E(x)) − λ MMD²(q(z), p(z)), q(z) = E_x q(z|x): what ``aae`` asks of a critic, without a game. With a posterior
    that has a density and ``ELBO(beta=…) + λ * MMD()`` it is InfoVAE.

    Args:
        x_shape: shape of one datum.
        latent_size: size of z.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
        weight: λ, of the discrepancy, which is at most 2, beside the reconstruction's nats.
        prior: p(z), drawn from and never scored.
        posterior: q(z|x): a point, or one with noise.
        likelihood: p(x|z).
        objective: the default objective of ``fit``: the reconstruction and the discrepancy of z.
    """
    goal = ELBO(beta=0) + weight * MMD()
    return vae(
        x_shape, latent_size, hidden, prior, posterior, likelihood, objective=goal if objective is None else objective
    )


@entry(
    "gmmn",
    reference=(
        "Li, Swersky & Zemel 2015, Generative moment matching networks, arXiv:1502.02761; Dziugaite, Roy & Ghahramani 2015, "
        "arXiv:1505.03906"
    ),
    data="ring",
    recipe={"epochs": 60, "lr": 1e-3, "lr_milestones": [40, 50], "batch_size": 256},
    implicit=True,
)
def gmmn(
    x_shape: Sequence[int] = (2,),
    latent_size: int = 8,
    hidden: Sequence[int] = (128, 128),
    prior: Prior | str = "StandardNormal",
    likelihood: Likelihood | str | None = None,
    objective: Objective | str | None = None,
) -> Generator:
    """The generative moment matching network: a generator whose samples have the data's moments, as a kernel compares them.

    There is no critic that could be deceived, and no encoder. What the kernel resolves of a batch is learned: in many
    dimensions that is little, so that batches are large and latents of an autoencoder are matched instead of pixels.

    Args:
        x_shape: shape of one datum.
        latent_size: size of z.
        hidden: widths of the hidden layers, as of the VAE's encoder: the generator mirrors them.
        prior: p(z).
        likelihood: p(x|z), drawn from: a Normal with a scale of 0.02 unless told otherwise.
        objective: the default objective of ``fit``: MMD of x, by kernels narrow enough for clusters.
    """
    x_shape, widths = torch.Size(x_shape), list(hidden)
    p: Likelihood = Normal("fixed", 0.02) if likelihood is None else make("likelihood", likelihood)
    net = mlp((latent_size,), widths[::-1], (p.channels(x_shape), *x_shape[1:]))
    # of modes that a wide kernel takes for one neither the places nor the widths are learned
    goal = MMD(sites=("x",), scales=(0.01, 0.1, 1.0)) if objective is None else objective
    return Generator(net, x_shape, latent_size, prior, p, goal)
