"""Games that an encoder plays: the pair of a VAE before one critic or another."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from pyrogen.axes import Likelihood, Posterior, Prior
from pyrogen.base import Objective
from pyrogen.distributions.shaped import shape_of
from pyrogen.inference.adversarial.game import Adversarial
from pyrogen.inference.adversarial.penalties import R1
from pyrogen.inference.adversarial.similarity import LearnedSimilarity
from pyrogen.inference.adversarial.variational import AVB
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.kinds import BOUNDED, kinds_of_range
from pyrogen.likelihoods import Normal
from pyrogen.models.vae.vae import VAE, vae
from pyrogen.nets import mlp
from pyrogen.nets.critics import Perceptron
from pyrogen.posteriors import Implicit
from pyrogen.registry import entry, make


@entry(
    "bigan",
    reference=(
        "Donahue et al. 2017, Adversarial feature learning, arXiv:1605.09782; with a posterior that is no point: Dumoulin et "
        "al. 2017, Adversarially learned inference, arXiv:1606.00704"
    ),
    data="digits",
    recipe={"epochs": 100, "batch_size": 64},
    implicit=True,
)
def bigan(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 20,
    hidden: Sequence[int] = (400,),
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "PointMass",
    likelihood: Likelihood | str | None = None,
    objective: Objective | str | None = None,
) -> VAE:
    """Encoder and generator against a critic that tells (x, E(x)) from (G(z), z): where it cannot, E inverts G.

    Nobody asks for reconstructions, which the optimum implies. With posterior="DiagonalNormal" it is adversarially learned
    inference (ALI).

    Args:
        x_shape: shape of one datum.
        latent_size: size of z, or its shape.
        hidden: widths of the encoder's hidden layers; the generator mirrors them.
        prior: p(z), drawn from and never scored.
        posterior: what the encoder gives.
        likelihood: p(x|z), drawn from and never scored: a Normal with a scale of 0.02 unless told otherwise.
        objective: the default objective of ``fit``: a game over x and z.
    """
    return vae(
        x_shape,
        latent_size,
        hidden,
        prior,
        posterior,
        Normal("fixed", 0.02) if likelihood is None else likelihood,
        objective=Adversarial(sites=("x", "z"), critic=Perceptron(), penalty="R1") if objective is None else objective,
    )


@entry(
    "aae",
    reference="Makhzani et al. 2016, Adversarial autoencoders, arXiv:1511.05644",
    settles=("weight",),
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def aae(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 8,
    hidden: Sequence[int] = (400,),
    weight: float = 1.0,
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "PointMass",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The autoencoder whose codes a critic cannot tell from draws of the prior, which may be anything that can be drawn.

    E log p(x|E(x)) is all that is asked of each datum; the game is about all codes together, q(z) = E_x q(z|x), where the KL
    of a VAE is about those of each.

    Args:
        x_shape: shape of one datum.
        latent_size: size of z, or its shape.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
        weight: of the game beside the reconstruction's nats.
        prior: p(z), drawn from and never scored.
        posterior: q(z|x): a point, or one with noise.
        likelihood: p(x|z).
        objective: the default objective of ``fit``: the reconstruction and a game over z.
    """
    game = ELBO(beta=0) + weight * Adversarial(sites=("z",))
    return vae(
        x_shape, latent_size, hidden, prior, posterior, likelihood, objective=game if objective is None else objective
    )


@entry(
    "avb",
    reference="Mescheder et al. 2017, Adversarial variational Bayes, arXiv:1701.04722",
    fixes={"posterior": "Implicit"},
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def avb(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 8,
    hidden: Sequence[int] = (400,),
    noise: int = 8,
    features: int = 64,
    push: Sequence[int] = (128,),
    prior: Prior | str = "StandardNormal",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE whose posterior is a network of the datum and of noise, and whose KL is told by a critic.

    Its beliefs may have any shape, two modes or a bend, and no density: IWAE refuses them, AIS from the prior scores it.

    Args:
        x_shape: shape of one datum.
        latent_size: size of z, or its shape.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
        noise: numbers of noise that the posterior reads.
        features: numbers that the encoder gives it.
        push: widths of the hidden layers of the network that makes z of both.
        prior: p(z).
        likelihood: p(x|z).
        objective: the default objective of ``fit``: AVB().
    """
    q = Implicit(noise, features, push)
    return vae(x_shape, latent_size, hidden, prior, q, likelihood, objective=AVB() if objective is None else objective)


@entry(
    "vae-gan",
    reference="Larsen et al. 2016, Autoencoding beyond pixels using a learned similarity metric, arXiv:1512.09300",
    fixes={"likelihood": "Normal"},
    settles=("weight", "scale"),
    data="digits",
    recipe={"epochs": 60, "batch_size": 64},
)
def vae_gan(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 20,
    hidden: Sequence[int] = (400,),
    weight: float = 1.0,
    scale: float = 0.15,
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    objective: Objective | str | None = None,
    kind: str = "unit",
) -> VAE:
    """The VAE whose reconstructions are compared with data in the eyes of the critic of a game that its decoder plays.

    Of p(x|z), a Normal with a scale of 0.1, training asks the mean alone.

    Args:
        x_shape: shape of one datum.
        latent_size: size of z, or its shape.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
        weight: of the game in what the decoder pays.
        scale: standard deviation of what the critic sees.
        prior: p(z).
        posterior: q(z|x).
        objective: the default objective of ``fit``: LearnedSimilarity(weight=weight, scale=scale).
        kind: of the data; for "unit" and "binary" the decoder ends in a sigmoid.
    """
    kinds = kinds_of_range(kind, "the decoder of a VAE-GAN makes")
    shape, pz = tuple(x_shape), make("prior", prior)
    decoder = mlp((pz.bottom_size(shape_of(latent_size).numel()),), [*hidden][::-1], shape)
    seen = LearnedSimilarity(Adversarial(critic=Perceptron(), penalty=R1(1.0)), weight, scale)
    return vae(
        shape,
        latent_size,
        hidden,
        pz,
        posterior,
        Normal("fixed", 0.1),
        decoder=nn.Sequential(*decoder, nn.Sigmoid()) if kinds == BOUNDED else decoder,
        objective=seen if objective is None else objective,
    )
