"""Variational autoencoders whose latents are bits or classes, or relax them."""

from __future__ import annotations

from collections.abc import Sequence

from pyrogen.inference.objectives.discrete import VIMCO
from pyrogen.inference.objectives.enumerated import EnumeratedELBO
from pyrogen.models.vae.vae import VAE, vae
from pyrogen.registry import entry, make


@entry(
    "vae-bernoulli",
    reference="Mnih & Rezende 2016, Variational inference for Monte Carlo objectives, arXiv:1602.06725",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
    claims=[
        {
            "says": "Eight bits beat independent pixels on digits, in exact nats of evidence.",
            "metric": "gain-over-marginals",
            "with": {"estimator": "Enumerate"},
            "at_least": 4.2,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 8, "hidden": [256]},
            "recipe": {"epochs": 100, "lr": 2e-3, "batch_size": 64, "lr_milestones": [70]},
            "control": {"says": "one bit", "arguments": {"latent_size": 1}},
        },
        {
            "says": "5,000 weighted draws find the sum over all 256 states, in nats below it.",
            "metric": "bound-gap",
            "with": {"above": "Enumerate", "estimator": {"name": "IWAE", "k": 5000}},
            "at_most": 0.003,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 8, "hidden": [256]},
            "recipe": {"epochs": 100, "lr": 2e-3, "batch_size": 64, "lr_milestones": [70]},
            "control": {"says": "the ELBO", "with": {"estimator": "ELBO"}},
        },
    ],
)
def vae_bernoulli(
    x_shape: Sequence[int], latent_size: int = 20, hidden: Sequence[int] = (400,), k: int = 10, learned: bool = False
) -> VAE:
    """The VAE whose latents are bits, trained by VIMCO.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: number of bits.
        hidden: widths of the hidden layers.
        k: draws inside the logarithm.
        learned: whether the bits' probabilities a priori are learned; else they are fair coins.
    """
    prior = make("prior", {"name": "Bernoulli", "learned": learned})
    return vae(x_shape, latent_size, hidden, prior, "Bernoulli", objective=VIMCO(k))


@entry(
    "vae-categorical",
    reference="Kingma et al. 2014, arXiv:1406.5298, the class summed over and no other latent",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
    claims=[
        {
            "says": "Of a mixture of independent pixels, its linear networks, inference is exact, in nats missed.",
            "metric": "bound-gap",
            "with": {"above": "Enumerate"},
            "at_most": 0.0038,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 10, "hidden": []},
            "recipe": {"epochs": 150, "lr": 1e-2, "batch_size": 64, "lr_milestones": [100]},
            "control": {"says": "untrained", "recipe": {"epochs": 0}},
        },
        {
            "says": "Twenty classes beat independent pixels on digits, in exact nats of evidence.",
            "metric": "gain-over-marginals",
            "with": {"estimator": "Enumerate"},
            "at_least": 3.6,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 20, "hidden": []},
            "recipe": {"epochs": 150, "lr": 1e-2, "batch_size": 64, "lr_milestones": [100]},
            "control": {"says": "two classes", "arguments": {"latent_size": 2}},
        },
    ],
)
def vae_categorical(x_shape: Sequence[int], latent_size: int = 20, hidden: Sequence[int] = (400,)) -> VAE:
    """The VAE whose latent is one class with a learned probability, summed over: a mixture with an encoder.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: number of classes.
        hidden: widths of the hidden layers; none: a mixture of independent pixels, whose posterior the encoder can be.
    """
    prior = make("prior", {"name": "Categorical", "learned": True})
    return vae(x_shape, latent_size, hidden, prior, "Categorical", objective=EnumeratedELBO())


@entry(
    "vae-relaxed",
    reference="Maddison et al. 2017, Concrete distribution, arXiv:1611.00712; schedules: Jang et al. 2017, arXiv:1611.01144",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
    claims=[
        {
            "says": "Bits relaxed at a temperature that falls are worth more as bits, in exact nats of evidence on digits.",
            "metric": "evidence-of-bits",
            "at_least": -23.65,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 8, "hidden": [256], "cooling": 1000},
            "recipe": {"epochs": 100, "lr": 2e-3, "batch_size": 64, "lr_milestones": [70]},
            "control": {"says": "at the same one from the start", "arguments": {"start": None, "cooling": 0}},
        },
    ],
)
def vae_relaxed(
    x_shape: Sequence[int],
    latent_size: int = 20,
    hidden: Sequence[int] = (400,),
    temperature: float = 0.4,
    start: float | None = 2.0,
    cooling: int = 5000,
) -> VAE:
    """The VAE whose latents are bits relaxed to (0, 1), at a temperature that falls while it is trained.

    Its bound is one at every temperature, because its prior is relaxed too.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z.
        hidden: widths of the hidden layers.
        temperature: of the posterior at the end of training, and of the prior.
        start: of the posterior at the first step.
        cooling: steps over which it falls; 0, with no start: it is constant.
    """
    prior = make("prior", {"name": "RelaxedBernoulli", "temperature": temperature})
    settings = {"temperature": temperature, "start": start, "cooling": cooling}
    return vae(x_shape, latent_size, hidden, prior, make("posterior", {"name": "RelaxedBernoulli", **settings}))
