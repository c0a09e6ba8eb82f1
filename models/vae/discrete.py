"""Variational autoencoders whose latents are bits or classes, or relax them."""

from __future__ import annotations

from collections.abc import Sequence

from pyrogen.axes import Likelihood
from pyrogen.base import Objective
from pyrogen.inference.objectives.discrete import VIMCO
from pyrogen.inference.objectives.enumerated import EnumeratedELBO
from pyrogen.models.vae.vae import VAE, vae
from pyrogen.registry import entry, make


@entry(
    "vae-bernoulli",
    reference="Mnih & Rezende 2016, Variational inference for Monte Carlo objectives, arXiv:1602.06725",
    fixes={"prior": "Bernoulli", "posterior": "Bernoulli"},
    settles=("k",),
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_bernoulli(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 20,
    hidden: Sequence[int] = (400,),
    k: int = 10,
    learned: bool = False,
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE whose latents are bits, trained by VIMCO.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: number of bits, or their shape.
        hidden: widths of the hidden layers.
        k: draws inside the logarithm.
        learned: whether the bits' probabilities a priori are learned; else they are fair coins.
        likelihood: p(x|z).
        objective: instead of VIMCO(k).
    """
    prior = make("prior", {"name": "Bernoulli", "learned": learned})
    goal = VIMCO(k) if objective is None else objective
    return vae(x_shape, latent_size, hidden, prior, "Bernoulli", likelihood, objective=goal)


@entry(
    "vae-categorical",
    reference="Kingma et al. 2014, arXiv:1406.5298, the class summed over and no other latent",
    fixes={"prior": "Categorical", "posterior": "Categorical"},
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_categorical(
    x_shape: Sequence[int],
    latent_size: int = 20,
    hidden: Sequence[int] = (400,),
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE whose latent is one class with a learned probability, summed over: a mixture with an encoder.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: number of classes.
        hidden: widths of the hidden layers; none: a mixture of independent pixels, whose posterior the encoder can be.
        likelihood: p(x|z).
        objective: instead of EnumeratedELBO().
    """
    prior = make("prior", {"name": "Categorical", "learned": True})
    goal = EnumeratedELBO() if objective is None else objective
    return vae(x_shape, latent_size, hidden, prior, "Categorical", likelihood, objective=goal)


@entry(
    "vae-relaxed",
    reference="Maddison et al. 2017, Concrete distribution, arXiv:1611.00712; schedules: Jang et al. 2017, arXiv:1611.01144",
    fixes={"prior": "RelaxedBernoulli", "posterior": "RelaxedBernoulli"},
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_relaxed(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 20,
    hidden: Sequence[int] = (400,),
    temperature: float = 0.4,
    start: float | None = 2.0,
    cooling: int = 5000,
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE whose latents are bits relaxed to (0, 1), at a temperature that falls while it is trained.

    Its bound is one at every temperature, because its prior is relaxed too.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z, or its shape.
        hidden: widths of the hidden layers.
        temperature: of the posterior at the end of training, and of the prior.
        start: of the posterior at the first step.
        cooling: steps over which it falls; 0, with no start: it is constant.
        likelihood: p(x|z).
        objective: the default objective of ``fit``: ELBO().
    """
    prior = make("prior", {"name": "RelaxedBernoulli", "temperature": temperature})
    settings = {"temperature": temperature, "start": start, "cooling": cooling}
    posterior = make("posterior", {"name": "RelaxedBernoulli", **settings})
    return vae(x_shape, latent_size, hidden, prior, posterior, likelihood, objective=objective)
