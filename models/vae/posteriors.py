"""Variational autoencoders that differ in their posterior family, told apart where the true posterior is known.

In every claim the decoder is given, x = W z + ε with ε ~ N(0, σ²I), so that p(z|x) is a normal of precision
P = I + WᵀW/σ², whose coordinates are correlated, and what a family leaves below log p(x) is known in closed form.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from pyrogen.axes import Likelihood, Posterior
from pyrogen.models.vae.vae import VAE, vae
from pyrogen.registry import entry


class Known(nn.Module):
    """A decoder that is given and not learned, E[x|z] = W z.

    Args:
        weight: W, ``(numbers of x, latent_size)``.
    """

    weight: Tensor

    def __init__(self, weight: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.register_buffer("weight", torch.tensor([list(row) for row in weight]), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """W z."""
        return linear(z, self.weight)


def _vae(
    x_shape: Sequence[int],
    latent_size: int,
    hidden: Sequence[int],
    posterior: Posterior | str,
    likelihood: Likelihood | str,
    known: Sequence[Sequence[float]] | None,
) -> VAE:
    decoder = None if known is None else Known(known)
    return vae(x_shape, latent_size, hidden, posterior=posterior, likelihood=likelihood, decoder=decoder)


@entry(
    "vae-fullrank",
    reference="Rezende et al. 2014, arXiv:1401.4082, section 4.3; the gap: Turner & Sahani 2011",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_fullrank(
    x_shape: Sequence[int],
    latent_size: int = 20,
    hidden: Sequence[int] = (400,),
    posterior: Posterior | str = "FullRankNormal",
    likelihood: Likelihood | str = "Bernoulli",
    known: Sequence[Sequence[float]] | None = None,
) -> VAE:
    """The VAE whose posterior is a normal with every correlation.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z.
        hidden: widths of the encoder's hidden layers; a learned decoder mirrors them.
        posterior: q(z|x).
        likelihood: p(x|z).
        known: W of a given decoder, E[x|z] = W z, one row for each number of x; by default it is learned.
    """
    return _vae(x_shape, latent_size, hidden, posterior, likelihood, known)


@entry(
    "vae-lowrank",
    reference="Rezende et al. 2014, arXiv:1401.4082, section 4.3",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_lowrank(
    x_shape: Sequence[int],
    latent_size: int = 20,
    hidden: Sequence[int] = (400,),
    posterior: Posterior | str = "LowRankNormal",
    likelihood: Likelihood | str = "Bernoulli",
    known: Sequence[Sequence[float]] | None = None,
) -> VAE:
    """The VAE whose posterior is a normal with correlations in few directions.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z.
        hidden: widths of the encoder's hidden layers; a learned decoder mirrors them.
        posterior: q(z|x).
        likelihood: p(x|z).
        known: W of a given decoder, E[x|z] = W z, one row for each number of x; by default it is learned.
    """
    return _vae(x_shape, latent_size, hidden, posterior, likelihood, known)


@entry(
    "vae-planar",
    reference="Rezende & Mohamed 2015, Variational inference with normalizing flows, arXiv:1505.05770",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_planar(
    x_shape: Sequence[int],
    latent_size: int = 20,
    hidden: Sequence[int] = (400,),
    posterior: Posterior | str = "PlanarFlow",
    likelihood: Likelihood | str = "Bernoulli",
    known: Sequence[Sequence[float]] | None = None,
) -> VAE:
    """The VAE whose posterior is a flow of planar layers.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z.
        hidden: widths of the encoder's hidden layers; a learned decoder mirrors them.
        posterior: q(z|x).
        likelihood: p(x|z).
        known: W of a given decoder, E[x|z] = W z, one row for each number of x; by default it is learned.
    """
    return _vae(x_shape, latent_size, hidden, posterior, likelihood, known)


@entry(
    "vae-iaf",
    reference="Kingma et al. 2016, Improving variational inference with inverse autoregressive flow, arXiv:1606.04934",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_iaf(
    x_shape: Sequence[int],
    latent_size: int = 20,
    hidden: Sequence[int] = (400,),
    posterior: Posterior | str = "FlowPosterior",
    likelihood: Likelihood | str = "Bernoulli",
    known: Sequence[Sequence[float]] | None = None,
) -> VAE:
    """The VAE whose posterior is an inverse autoregressive flow, of affine layers or of splines.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z.
        hidden: widths of the encoder's hidden layers; a learned decoder mirrors them.
        posterior: q(z|x).
        likelihood: p(x|z).
        known: W of a given decoder, E[x|z] = W z, one row for each number of x; by default it is learned.
    """
    return _vae(x_shape, latent_size, hidden, posterior, likelihood, known)


@entry(
    "vae-mixture-posterior",
    reference="Morningstar et al. 2021, Automatic differentiation variational inference with mixtures, arXiv:2003.01687",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_mixture_posterior(
    x_shape: Sequence[int],
    latent_size: int = 20,
    hidden: Sequence[int] = (400,),
    posterior: Posterior | str = "MixtureOfGaussians",
    likelihood: Likelihood | str = "Bernoulli",
    known: Sequence[Sequence[float]] | None = None,
) -> VAE:
    """The VAE whose posterior is a mixture of normals with independent coordinates.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z.
        hidden: widths of the encoder's hidden layers; a learned decoder mirrors them.
        posterior: q(z|x).
        likelihood: p(x|z).
        known: W of a given decoder, E[x|z] = W z, one row for each number of x; by default it is learned.
    """
    return _vae(x_shape, latent_size, hidden, posterior, likelihood, known)


@entry(
    "vae-laplace-posterior",
    reference="Barello, Charles & Pillow 2018, Sparse-coding variational auto-encoders",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_laplace_posterior(
    x_shape: Sequence[int],
    latent_size: int = 20,
    hidden: Sequence[int] = (400,),
    posterior: Posterior | str = "Laplace",
    likelihood: Likelihood | str = "Bernoulli",
    known: Sequence[Sequence[float]] | None = None,
) -> VAE:
    """The VAE whose posterior has independent Laplace coordinates.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z.
        hidden: widths of the encoder's hidden layers; a learned decoder mirrors them.
        posterior: q(z|x).
        likelihood: p(x|z).
        known: W of a given decoder, E[x|z] = W z, one row for each number of x; by default it is learned.
    """
    return _vae(x_shape, latent_size, hidden, posterior, likelihood, known)


@entry(
    "vae-semi-amortized",
    reference="Kim et al. 2018, Semi-amortized variational autoencoders, arXiv:1802.02550",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_semi_amortized(
    x_shape: Sequence[int],
    latent_size: int = 20,
    hidden: Sequence[int] = (400,),
    posterior: Posterior | str = "SemiAmortized",
    likelihood: Likelihood | str = "Bernoulli",
    known: Sequence[Sequence[float]] | None = None,
) -> VAE:
    """The VAE whose encoder only begins: each datum climbs its own ELBO from there.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z.
        hidden: widths of the encoder's hidden layers; a learned decoder mirrors them.
        posterior: q(z|x).
        likelihood: p(x|z).
        known: W of a given decoder, E[x|z] = W z, one row for each number of x; by default it is learned.
    """
    return _vae(x_shape, latent_size, hidden, posterior, likelihood, known)
