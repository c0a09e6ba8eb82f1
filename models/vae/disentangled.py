"""Variational autoencoders whose latents are asked to be independent of one another, so that each may be one factor."""

from __future__ import annotations

from collections.abc import Sequence

from pyrogen.axes import Likelihood, Posterior, Prior
from pyrogen.base import Objective
from pyrogen.inference.objectives.betatc import BetaTC
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.inference.objectives.factor import TotalCorrelation
from pyrogen.models.vae.vae import VAE, vae
from pyrogen.registry import entry


@entry(
    "beta-tc-vae",
    reference="Chen et al. 2018, Isolating sources of disentanglement in VAEs, arXiv:1802.04942",
    settles=("beta",),
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def beta_tc_vae(
    x_shape: Sequence[int],
    beta: float = 6.0,
    latent_size: int | Sequence[int] = 10,
    hidden: Sequence[int] = (400,),
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE that pays β times for the total correlation of its codes, and once for the rest of the KL.

    Should not be confused with ``beta-vae``, which pays β times for the information that codes have of the data, too.

    Args:
        x_shape: shape of one datum, channels first.
        beta: weight of the total correlation.
        latent_size: size of z, or its shape.
        hidden: widths of the hidden layers.
        prior: p(z).
        posterior: q(z|x), of independent coordinates.
        likelihood: p(x|z).
        objective: instead of BetaTC(beta).
    """
    goal = BetaTC(beta=beta) if objective is None else objective
    return vae(x_shape, latent_size, hidden, prior, posterior, likelihood, objective=goal)


@entry(
    "factor-vae",
    reference="Kim & Mnih 2018, Disentangling by factorising, arXiv:1802.05983",
    settles=("gamma",),
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def factor_vae(
    x_shape: Sequence[int],
    gamma: float = 10.0,
    latent_size: int | Sequence[int] = 10,
    hidden: Sequence[int] = (400,),
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE that pays γ times for the total correlation of its codes as a critic tells it, beside the whole ELBO.

    Args:
        x_shape: shape of one datum, channels first.
        gamma: weight of the total correlation.
        latent_size: size of z, or its shape.
        hidden: widths of the hidden layers.
        prior: p(z).
        posterior: q(z|x), of any reparameterized form.
        likelihood: p(x|z).
        objective: instead of ELBO() + gamma * TotalCorrelation().
    """
    goal = ELBO() + gamma * TotalCorrelation() if objective is None else objective
    return vae(x_shape, latent_size, hidden, prior, posterior, likelihood, objective=goal)
