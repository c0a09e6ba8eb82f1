"""Variational autoencoders that differ in their posterior family, told apart where the true posterior is known.

In every claim the decoder is given, x = W z + ε with ε ~ N(0, σ²I), so that p(z|x) is a normal of precision
P = I + WᵀW/σ², whose coordinates are correlated, and what a family leaves below log p(x) is known in closed form.
The entries differ in one default only.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from pyrogen.axes import Likelihood, Posterior, Prior
from pyrogen.base import Objective
from pyrogen.models.vae.vae import VAE, vae
from pyrogen.registry import entry, variant


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


RECIPE = {"epochs": 20, "lr": 1e-3, "batch_size": 128}


@entry(
    "vae-fullrank",
    reference="Rezende et al. 2014, arXiv:1401.4082, section 4.3; the gap: Turner & Sahani 2011",
    data="mnist",
    recipe=RECIPE,
)
def vae_fullrank(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 20,
    hidden: Sequence[int] = (400,),
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "FullRankNormal",
    likelihood: Likelihood | str = "Bernoulli",
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    objective: Objective | str | None = None,
    known: Sequence[Sequence[float]] | None = None,
) -> VAE:
    """The VAE whose posterior is a normal with every correlation.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z, or its shape.
        hidden: widths of the encoder's hidden layers; a learned decoder mirrors them.
        prior: p(z).
        posterior: q(z|x).
        likelihood: p(x|z).
        encoder: your own network, as of ``vae``.
        decoder: your own network, as of ``vae``.
        objective: the default objective of ``fit``: ELBO().
        known: W of a given decoder, E[x|z] = W z, one row for each number of x; by default it is learned.
    """
    if known is not None and decoder is not None:
        raise ValueError("known= and decoder= both say what the decoder is; give one of them.")
    decoder = decoder if known is None else Known(known)
    return vae(x_shape, latent_size, hidden, prior, posterior, likelihood, encoder, decoder, objective)


vae_lowrank = variant(
    "vae-lowrank",
    of="vae-fullrank",
    says="The VAE whose posterior is a normal with correlations in few directions.",
    defaults={"posterior": "LowRankNormal"},
    reference="Rezende et al. 2014, arXiv:1401.4082, section 4.3",
    data="mnist",
    recipe=RECIPE,
)

vae_planar = variant(
    "vae-planar",
    of="vae-fullrank",
    says="The VAE whose posterior is a flow of planar layers.",
    defaults={"posterior": "PlanarFlow"},
    reference="Rezende & Mohamed 2015, Variational inference with normalizing flows, arXiv:1505.05770",
    data="mnist",
    recipe=RECIPE,
)

vae_iaf = variant(
    "vae-iaf",
    of="vae-fullrank",
    says="The VAE whose posterior is an inverse autoregressive flow, of affine layers or of splines.",
    defaults={"posterior": "FlowPosterior"},
    reference="Kingma et al. 2016, Improving variational inference with inverse autoregressive flow, arXiv:1606.04934",
    data="mnist",
    recipe=RECIPE,
)

vae_mixture_posterior = variant(
    "vae-mixture-posterior",
    of="vae-fullrank",
    says="The VAE whose posterior is a mixture of normals with independent coordinates.",
    defaults={"posterior": "MixtureOfGaussians"},
    reference="Morningstar et al. 2021, Automatic differentiation variational inference with mixtures, arXiv:2003.01687",
    data="mnist",
    recipe=RECIPE,
)

vae_laplace_posterior = variant(
    "vae-laplace-posterior",
    of="vae-fullrank",
    says="The VAE whose posterior has independent Laplace coordinates.",
    defaults={"posterior": "Laplace"},
    reference="Barello, Charles & Pillow 2018, Sparse-coding variational auto-encoders",
    data="mnist",
    recipe=RECIPE,
)

vae_semi_amortized = variant(
    "vae-semi-amortized",
    of="vae-fullrank",
    says="The VAE whose encoder only begins: each datum climbs its own ELBO from there.",
    defaults={"posterior": "SemiAmortized"},
    reference="Kim et al. 2018, Semi-amortized variational autoencoders, arXiv:1802.02550",
    data="mnist",
    recipe=RECIPE,
)
