"""Variational autoencoders of data given a condition, p(x|y)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pyrogen.axes import Likelihood, Posterior, Prior
from pyrogen.base import Objective
from pyrogen.conditions import Condition
from pyrogen.distributions.shaped import shape_of
from pyrogen.models.vae.vae import VAE
from pyrogen.nets import Beside, mlp
from pyrogen.registry import entry, make


@entry(
    "vae-conditional",
    reference="Sohn et al. 2015, Learning structured output representation using deep conditional generative models",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_conditional(
    x_shape: Sequence[int],
    y_shape: Sequence[int] = (),
    classes: int | None = None,
    latent_size: int | Sequence[int] = 20,
    hidden: Sequence[int] = (400,),
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE of data given labels or real numbers: encoder and decoder read y beside x and z.

    Args:
        x_shape: shape of one datum, channels first.
        y_shape: shape of one y; () for one label.
        classes: how many there are, or None where y is real numbers.
        latent_size: size of z, or its shape.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
        prior: p(z), or ConditionalNormal for p(z|y).
        posterior: q(z|x, y).
        likelihood: p(x|z, y).
        objective: the default objective of ``fit``: ELBO().
    """
    x_shape, condition = torch.Size(x_shape), Condition(tuple(y_shape), classes)
    q: Posterior = make("posterior", posterior)
    p: Likelihood = make("likelihood", likelihood)
    pz: Prior = make("prior", prior)
    widths, features, size = list(hidden), (p.channels(x_shape), *x_shape[1:]), shape_of(latent_size).numel()
    encoder = mlp((x_shape.numel() + condition.size,), widths, (q.width(size),))
    decoder = mlp((pz.bottom_size(size) + condition.size,), widths[::-1], features)
    return VAE(Beside(encoder), Beside(decoder), x_shape, latent_size, pz, q, p, objective, condition)
