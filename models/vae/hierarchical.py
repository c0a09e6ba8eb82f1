"""Variational autoencoders whose latents lie in levels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from pyrogen.axes import Likelihood, Posterior
from pyrogen.base import Objective
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.models.vae.vae import VAE, vae
from pyrogen.nets import mlp
from pyrogen.nets.stacks import BottomUp
from pyrogen.registry import entry, make


@entry(
    "vae-ladder",
    reference="Sønderby et al. 2016, Ladder variational autoencoders, arXiv:1602.02282",
    fixes={"prior": "Hierarchical"},
    settles=("warmup",),
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


@entry(
    "vae-hierarchical",
    reference="Child 2021, Very deep VAEs generalize autoregressive models, arXiv:2011.10650",
    fixes={"prior": "TopDown"},
    settles=("warmup",),
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_hierarchical(
    x_shape: Sequence[int],
    latent_size: int = 32,
    levels: int = 4,
    width: int = 128,
    warmup: int = 5000,
    posterior: Posterior | str = "Ladder",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE of many levels along residual stacks: one reads x from the bottom up, one draws z and x from the top down.

    The path that draws the levels, h_{l+1} = f_l(h_l + W_l z_l), goes on to the data, x ~ p(x|h_{L+1}): see
    :class:`~pyrogen.priors.top_down.TopDown`. It has the evaluators of every VAE, as its levels are one z.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z, all levels together.
        levels: how many.
        width: of both stacks.
        warmup: steps over which the weight of the KL rises, so that no level dies young.
        posterior: q(z|x), such as Ladder or ResidualNormal, which follow the levels.
        likelihood: p(x|z).
        objective: instead of ELBO(warmup).
    """
    shape = torch.Size(x_shape)
    q: Posterior = make("posterior", posterior)
    p: Likelihood = make("likelihood", likelihood)
    prior = make("prior", {"name": "TopDown", "levels": levels, "width": width})
    encoder = BottomUp(shape.numel(), q.width(latent_size), width, levels)
    decoder = nn.Sequential(nn.SiLU(), mlp((width,), (), (p.channels(shape), *shape[1:])))
    goal = ELBO(warmup=warmup) if objective is None else objective
    return VAE(encoder, decoder, shape, latent_size, prior, q, p, goal)
