"""Autoencoders: VAEs with a point-mass posterior, told apart by their other choices.

max E[log p(x|z) + log p(z)] at z = f(x): a flat prior is the plain autoencoder, a Laplace prior the sparse one, noise in the
guide, z = f(x + ε), the denoising one, and a factor exp(−λ ‖∂f/∂x‖²) the contractive one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from pyrogen.axes import Likelihood, Prior
from pyrogen.base import Model, Objective, Player
from pyrogen.distributions.shaped import shape_of
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.inference.objectives.penalized import Contractive, SparseActivation
from pyrogen.models.vae.vae import VAE, vae
from pyrogen.nets import Dictionary, Noisy, Transposed, mlp
from pyrogen.nets.noisy import Corruption
from pyrogen.registry import entry, make, spelled


@entry(
    "autoencoder",
    reference="Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks",
    fixes={"posterior": "PointMass"},
    data="digits",
    recipe={"epochs": 50, "lr": 1e-3, "batch_size": 128},
)
def autoencoder(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 20,
    hidden: Sequence[int] = (400,),
    prior: Prior | str = "Flat",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The plain autoencoder: a VAE with a point-mass posterior and a flat prior, max E[log p(x|f(x))].

    It samples from what ``Flat(ex_post=...)`` fits to its codes after training: a normal, a mixture of them, or a flow.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of the code, or its shape.
        hidden: widths of the encoder's hidden layers; empty for a linear autoencoder.
        prior: Flat, or a fixed prior as penalty on the codes (StandardNormal: their squares, Laplace: their sizes).
        likelihood: p(x|z), whose −log is the reconstruction loss.
        objective: the default objective of ``fit``: ELBO().
    """
    return vae(x_shape, latent_size, hidden, prior, "PointMass", likelihood, objective=objective)


@entry(
    "autoencoder-overcomplete",
    reference="Olshausen & Field 1997, Sparse coding with an overcomplete basis set: a strategy employed by V1?",
    fixes={"posterior": "PointMass"},
    data="digits",
    recipe={"epochs": 50, "lr": 1e-3, "batch_size": 128},
)
def autoencoder_overcomplete(
    x_shape: Sequence[int],
    times: int = 2,
    hidden: Sequence[int] = (400,),
    prior: Prior | str = "Laplace",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The overcomplete autoencoder: more codes than elements of x, kept from copying x by a penalty, here a sparse prior.

    Args:
        x_shape: shape of one datum, channels first.
        times: codes for each element of x.
        hidden: widths of the encoder's hidden layers.
        prior: whose −log p(z) is the penalty; Flat for none.
        likelihood: p(x|z), whose −log is the reconstruction loss.
        objective: the default objective of ``fit``: ELBO().
    """
    return autoencoder_sparse(x_shape, times * torch.Size(x_shape).numel(), hidden, prior, likelihood, objective)


@entry(
    "autoencoder-sparse",
    reference="Olshausen & Field 1996, Emergence of simple-cell receptive field properties by learning a sparse code",
    fixes={"posterior": "PointMass"},
    data="digits",
    recipe={"epochs": 50, "lr": 1e-3, "batch_size": 128},
)
def autoencoder_sparse(
    x_shape: Sequence[int],
    latent_size: int = 128,
    hidden: Sequence[int] = (400,),
    prior: Prior | str = "Laplace",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The sparse autoencoder: a Laplace prior on the point mass, max E[log p(x|f(x)) − ‖f(x)‖₁ / b], and a linear decoder.

    The decoder's columns have length 1, so that the penalty cannot be escaped by small codes.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: number of atoms.
        hidden: widths of the encoder's hidden layers.
        prior: Laplace, whose scale b sets the penalty; Flat for none.
        likelihood: p(x|z), whose −log is the reconstruction loss.
        objective: the default objective of ``fit``: ELBO().
    """
    x_shape = torch.Size(x_shape)
    p: Likelihood = make("likelihood", likelihood)
    decoder = Dictionary(latent_size, p.channels(x_shape) * x_shape[1:].numel())
    return vae(x_shape, latent_size, hidden, prior, "PointMass", p, decoder=decoder, objective=objective)


@entry(
    "autoencoder-sparse-kl",
    reference="Ng 2011, Sparse autoencoder (CS294A lecture notes)",
    fixes={"posterior": "PointMass"},
    settles=("target", "weight"),
    data="digits",
    recipe={"epochs": 50, "lr": 1e-3, "batch_size": 128},
)
def autoencoder_sparse_kl(
    x_shape: Sequence[int],
    latent_size: int = 128,
    hidden: Sequence[int] = (),
    target: float = 0.05,
    weight: float = 1.0,
    likelihood: Likelihood | str = "Bernoulli",
    prior: Prior | str = "Flat",
    objective: Objective | str | None = None,
) -> VAE:
    """The autoencoder of codes in (0, 1) that are rarely large, max E[log p(x|f(x))] − λ Σⱼ KL(ρ ‖ E f(x)ⱼ).

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of the code.
        hidden: widths of the encoder's hidden layers, before the sigmoid that ends it.
        target: ρ, of each code's mean over a batch.
        weight: λ, in nats.
        likelihood: p(x|z), whose −log is the reconstruction loss.
        prior: Flat, or a fixed prior as penalty on the codes.
        objective: instead of ELBO() + λ SparseActivation(target).
    """
    goal = ELBO() + weight * SparseActivation(target) if objective is None else objective
    encoder = _squashed(x_shape, hidden, latent_size)
    return vae(x_shape, latent_size, hidden, prior, "PointMass", likelihood, encoder, objective=goal)


@entry(
    "autoencoder-denoising",
    reference="Vincent et al. 2008, Extracting and composing robust features with denoising autoencoders",
    fixes={"posterior": "PointMass"},
    data="digits",
    recipe={"epochs": 50, "lr": 1e-3, "batch_size": 128},
)
def autoencoder_denoising(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 128,
    hidden: Sequence[int] = (400,),
    noise: float = 0.5,
    corruption: Corruption = "normal",
    likelihood: Likelihood | str = "Bernoulli",
    prior: Prior | str = "Flat",
    objective: Objective | str | None = None,
) -> VAE:
    """The denoising autoencoder: noise in the guide, q(z|x) = E_ε δ(z − f(x + ε)), max E[log p(x|f(x + ε))].

    With small normal noise and squared error, (r(x) − x) / σ² tends to ∇ log p(x) (Alain & Bengio 2014, arXiv:1211.4246).
    The noise is there in training only: in evaluation mode the point mass is at f(x).

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of the code, or its shape; noise keeps even overcomplete ones from copying x.
        hidden: widths of the encoder's hidden layers.
        noise: its standard deviation, or the probability that an element is corrupted.
        corruption: "normal", "mask" (elements become 0) or "salt" (0 or 1).
        likelihood: p(x|z), whose −log is the reconstruction loss.
        prior: Flat, or a fixed prior as penalty on the codes.
        objective: the default objective of ``fit``: ELBO().
    """
    encoder = Noisy(mlp(x_shape, hidden, shape_of(latent_size)), noise, corruption)
    return vae(x_shape, latent_size, hidden, prior, "PointMass", likelihood, encoder, objective=objective)


@entry(
    "autoencoder-contractive",
    reference="Rifai et al. 2011, Contractive auto-encoders: explicit invariance during feature extraction",
    fixes={"posterior": "PointMass"},
    settles=("weight",),
    data="digits",
    recipe={"epochs": 50, "lr": 1e-3, "batch_size": 128},
)
def autoencoder_contractive(
    x_shape: Sequence[int],
    latent_size: int = 128,
    hidden: Sequence[int] = (),
    weight: float = 0.1,
    likelihood: Likelihood | str = "Bernoulli",
    prior: Prior | str = "Flat",
    objective: Objective | str | None = None,
) -> VAE:
    """The contractive autoencoder: a Jacobian factor, max E[log p(x|f(x)) − λ ‖∂f(x)/∂x‖²_F], with tied weights.

    Codes lie in (0, 1), and the decoder is the encoder transposed, so that the penalty is not escaped by small codes.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of the code.
        hidden: widths of the encoder's hidden layers, before the sigmoid that ends it.
        weight: λ, in nats.
        likelihood: p(x|z) of one number an element, whose −log is the reconstruction loss.
        prior: Flat, or a fixed prior as penalty on the codes.
        objective: instead of ELBO() + λ Contractive().
    """
    x_shape = torch.Size(x_shape)
    p: Likelihood = make("likelihood", likelihood)
    need_single(p, x_shape)
    encoder = _squashed(x_shape, hidden, latent_size)
    goal = ELBO() + weight * Contractive() if objective is None else objective
    return vae(x_shape, latent_size, hidden, prior, "PointMass", p, encoder, Transposed(encoder), goal)


def one_player(objective: Objective, model: Model) -> Player:
    """The player of an objective that has no other.

    Raises:
        ValueError: it has several.
    """
    players = objective.players(model)
    if len(players) > 1:
        raise ValueError(
            f"a {type(model).__name__} trains parts of itself alone, each by one player, and {spelled(objective)} has "
            f"{len(players)}; take an objective of one, as ELBO()."
        )
    return players[0]


def need_single(p: Likelihood, x_shape: torch.Size) -> None:
    """Refuse a likelihood that reads more than one number for each element of x, of which a tied decoder gives none.

    Raises:
        ValueError: it does.
    """
    if p.channels(x_shape) != x_shape[0]:
        raise ValueError(
            f"a contractive autoencoder's decoder, its encoder transposed, gives one number for each element of x, and the "
            f"likelihood {type(p).__name__} reads {p.channels(x_shape) / x_shape[0]:g}; use one of a fixed scale, such as "
            "Normal(scale='fixed'), or Bernoulli."
        )


def _squashed(x_shape: Sequence[int], hidden: Sequence[int], latent_size: int) -> nn.Module:
    """An encoder whose codes lie in (0, 1)."""
    return nn.Sequential(mlp(x_shape, hidden, (latent_size,)), nn.Sigmoid())
