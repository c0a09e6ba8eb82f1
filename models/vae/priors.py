"""Variational autoencoders that differ in their prior: learned ones, heavy-tailed ones, and directions."""

from __future__ import annotations

from collections.abc import Sequence

from pyrogen.axes import Likelihood, Posterior
from pyrogen.base import Objective
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.models.vae.vae import VAE, vae
from pyrogen.registry import entry, make, variant


@entry(
    "vae-mixture",
    reference="Dilokthanakul et al. 2016, arXiv:1611.02648, the component summed out",
    fixes={"prior": "MixtureOfGaussians"},
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_mixture(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 20,
    components: int = 10,
    hidden: Sequence[int] = (400,),
    posterior: Posterior | str = "DiagonalNormal",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE with a learned mixture of Gaussians as prior.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z, or its shape.
        components: number of Gaussians.
        hidden: widths of the hidden layers.
        posterior: q(z|x).
        likelihood: p(x|z).
        objective: the default objective of ``fit``: ELBO().
    """
    prior = make("prior", {"name": "MixtureOfGaussians", "components": components})
    return vae(x_shape, latent_size, hidden, prior, posterior, likelihood, objective=objective)


@entry(
    "vae-vamp",
    reference="Tomczak & Welling 2018, VAE with a VampPrior, arXiv:1705.07120",
    fixes={"prior": "VampPrior"},
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_vamp(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 20,
    components: int = 500,
    hidden: Sequence[int] = (400,),
    posterior: Posterior | str = "DiagonalNormal",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE whose prior is a mixture of its own posteriors.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z, or its shape.
        components: number of pseudo-data.
        hidden: widths of the hidden layers.
        posterior: q(z|x).
        likelihood: p(x|z).
        objective: the default objective of ``fit``: ELBO().
    """
    prior = make("prior", {"name": "VampPrior", "components": components})
    return vae(x_shape, latent_size, hidden, prior, posterior, likelihood, objective=objective)


@entry(
    "vae-exemplar",
    reference="Norouzi, Fleet & Norouzi 2020, Exemplar VAE, arXiv:2004.04795; Tomczak & Welling 2018, VampPrior data",
    fixes={"prior": "ExemplarPrior"},
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_exemplar(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 20,
    components: int = 500,
    hidden: Sequence[int] = (400,),
    posterior: Posterior | str = "DiagonalNormal",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE whose prior is a mixture around the codes of some training data.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z, or its shape.
        components: number of training data.
        hidden: widths of the hidden layers.
        posterior: q(z|x).
        likelihood: p(x|z).
        objective: the default objective of ``fit``: ELBO().
    """
    prior = make("prior", {"name": "ExemplarPrior", "components": components})
    return vae(x_shape, latent_size, hidden, prior, posterior, likelihood, objective=objective)


@entry(
    "vae-flow-prior",
    reference="Chen et al. 2017, Variational lossy autoencoder, arXiv:1611.02731; Dinh et al. 2017, arXiv:1605.08803",
    fixes={"prior": "FlowPrior"},
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_flow_prior(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 20,
    layers: int = 4,
    hidden: Sequence[int] = (400,),
    posterior: Posterior | str = "DiagonalNormal",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE whose prior is a flow of coupling layers, which scores and samples at the same cost.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z, or its shape.
        layers: number of coupling layers.
        hidden: widths of the hidden layers.
        posterior: q(z|x).
        likelihood: p(x|z).
        objective: the default objective of ``fit``: ELBO().
    """
    prior = make("prior", {"name": "FlowPrior", "layers": layers})
    return vae(x_shape, latent_size, hidden, prior, posterior, likelihood, objective=objective)


@entry(
    "vae-autoregressive-prior",
    reference="Chen et al. 2017, arXiv:1611.02731; Papamakarios et al. 2017, arXiv:1705.07057",
    fixes={"prior": "FlowPrior"},
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_autoregressive_prior(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 20,
    layers: int = 2,
    hidden: Sequence[int] = (400,),
    posterior: Posterior | str = "DiagonalNormal",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE whose prior draws each latent given those before it: a masked autoregressive flow.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z, or its shape.
        layers: number of autoregressive layers, each in the other order.
        hidden: widths of the hidden layers.
        posterior: q(z|x).
        likelihood: p(x|z).
        objective: the default objective of ``fit``: ELBO().
    """
    prior = make("prior", {"name": "FlowPrior", "transform": "affine_autoregressive", "layers": layers})
    return vae(x_shape, latent_size, hidden, prior, posterior, likelihood, objective=objective)


vae_heavy_tailed = variant(
    "vae-heavy-tailed",
    of="vae",
    says="The VAE whose prior has heavier tails than the normal, for causes of which few are at work at once.",
    defaults={"prior": "StudentT"},
    reference="Abiri & Ohlsson 2020, Variational auto-encoders with Student's t-prior, arXiv:2004.02581",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)


@entry(
    "vae-spherical",
    reference="Davidson et al. 2018, Hyperspherical variational auto-encoders, arXiv:1804.00891",
    fixes={"prior": "HypersphericalUniform", "posterior": "VonMisesFisher"},
    settles=("warmup",),
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_spherical(
    x_shape: Sequence[int],
    latent_size: int = 11,
    hidden: Sequence[int] = (400,),
    warmup: int = 1000,
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE whose latents are directions: uniform on the unit sphere, and von Mises-Fisher given x.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: coordinates of z, one more than the sphere has dimensions.
        hidden: widths of the hidden layers.
        warmup: steps over which the weight of the KL rises; without it some runs never leave the uniform posterior.
        likelihood: p(x|z).
        objective: instead of ELBO(warmup).
    """
    goal = ELBO(warmup=warmup) if objective is None else objective
    return vae(x_shape, latent_size, hidden, "HypersphericalUniform", "VonMisesFisher", likelihood, objective=goal)
