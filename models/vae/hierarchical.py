"""Variational autoencoders whose latents lie in levels."""

from __future__ import annotations

from collections.abc import Sequence

from pyrogen.axes import Likelihood, Posterior
from pyrogen.base import Objective
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.models.vae.vae import VAE, vae
from pyrogen.registry import entry, make


@entry(
    "vae-ladder",
    reference="Sønderby et al. 2016, Ladder variational autoencoders, arXiv:1602.02282",
    fixes={"prior": "Hierarchical"},
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_ladder(
    x_shape: Sequence[int],
    latent_size: int = 30,
    upper: Sequence[int] = (10,),
    hidden: Sequence[int] = (400,),
    warmup: int = 5000,
    posterior: Posterior | str = "Ladder",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE of several levels of latents, inferred from the top down.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z, all levels together.
        upper: sizes of the levels above the last, the top one first.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
        warmup: steps over which the weight of the KL rises, so that no level dies young.
        posterior: q(z|x).
        likelihood: p(x|z).
        objective: instead of ELBO(warmup).
    """
    prior = make("prior", {"name": "Hierarchical", "upper": tuple(upper)})
    goal = ELBO(warmup=warmup) if objective is None else objective
    return vae(x_shape, latent_size, hidden, prior, posterior, likelihood, objective=goal)
