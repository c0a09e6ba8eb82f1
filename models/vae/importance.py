"""The architecture on which importance-weighted objectives are compared."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from pyrogen.axes import Likelihood, Posterior, Prior
from pyrogen.base import Objective
from pyrogen.distributions.shaped import shape_of
from pyrogen.inference.objectives.importance import IWAE
from pyrogen.models.vae.vae import VAE
from pyrogen.nets import mlp
from pyrogen.registry import entry, make, variant


@entry(
    "iwae",
    reference="Burda, Grosse & Salakhutdinov 2016, Importance weighted autoencoders, arXiv:1509.00519",
    settles=("k",),
    data="mnist",
    recipe={"epochs": 10, "lr": 1e-3, "batch_size": 20},
)
def iwae(
    x_shape: Sequence[int],
    k: int = 50,
    latent_size: int | Sequence[int] = 50,
    hidden: Sequence[int] = (200, 200),
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE of two tanh layers trained by the importance-weighted bound.

    Args:
        x_shape: shape of one datum, channels first.
        k: draws inside the logarithm.
        latent_size: size of z, or its shape.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
        prior: p(z).
        posterior: q(z|x).
        likelihood: p(x|z).
        objective: instead of IWAE(k).
    """
    shape, size = torch.Size(x_shape), shape_of(latent_size).numel()
    q: Posterior = make("posterior", posterior)
    p: Likelihood = make("likelihood", likelihood)
    encoder = mlp(shape, hidden, (q.width(size),), activation=nn.Tanh)
    pz: Prior = make("prior", prior)
    decoder = mlp((pz.bottom_size(size),), [*hidden][::-1], (p.channels(shape), *shape[1:]), activation=nn.Tanh)
    goal: Objective = IWAE(k) if objective is None else make("objective", objective)
    return VAE(encoder, decoder, shape, latent_size, pz, q, p, goal)


iwae_paper = variant(
    "iwae-paper",
    of="iwae",
    says="The importance-weighted autoencoder at the scale of its paper, for a GPU.",
    defaults={},
    reference="Burda, Grosse & Salakhutdinov 2016, arXiv:1509.00519, table 1: 84.78 nats",
    data="mnist",
    recipe={
        "epochs": 3280,
        "lr": 1e-3,
        "batch_size": 20,
        "lr_milestones": [2, 5, 14, 41, 122, 365, 1094],
        "lr_decay": 0.7197,
    },
)
