"""The variational autoencoder that reconstructs what a network sees in an image, and not its pixels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from pyrogen.axes import Likelihood, Posterior, Prior
from pyrogen.base import Model, Objective
from pyrogen.distributions.shaped import shape_of
from pyrogen.likelihoods.perceptual import Perceptual
from pyrogen.models.vae.vae import VAE
from pyrogen.nets import mlp
from pyrogen.nets.features import Features
from pyrogen.nets.switch import Switch
from pyrogen.registry import entry, make


class LearnsFeatures(Model):
    """A model whose likelihood is of what a network φ sees, which learns first, from the same images, and is saved with it.

    No player moves φ, see :class:`pyrogen.nets.features.Features`.
    """

    feature_net: Features
    sees: Switch
    """Whether φ has learned."""

    def keep_features(self, likelihood: Likelihood) -> None:
        """Take φ of the likelihood that the model was built with, which keeps a copy out of sight of whoever saves."""
        assert isinstance(likelihood, Perceptual)
        assert isinstance(likelihood.network, Features)
        self.feature_net = likelihood.network
        self.sees = Switch()

    @property
    def needs_training_data(self) -> bool:
        """Always: φ learns from all data."""
        return True

    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Let φ learn, from labels where y is labels, once: what has been trained sees as it saw."""
        super().before_training(x, y)
        if not self.sees.on:
            self.feature_net.fit(x, y)
            self.sees.turn(True)


class PerceptualVAE(LearnsFeatures, VAE):
    """A VAE of what a network φ sees, log p(φ(x)|z) = Σⱼ log N(φⱼ(x); φⱼ(m(z)), s²).

    Args:
        encoder: as in :class:`VAE`.
        decoder: as in :class:`VAE`; it gives m(z).
        x_shape: (C, H, W).
        latent_size: size of z, or its shape.
        prior: p(z).
        posterior: q(z|x).
        width: channels of φ's first layer.
        scale: s.
        objective: the default objective of ``fit``.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        x_shape: Sequence[int],
        latent_size: int | Sequence[int],
        prior: Prior | str = "StandardNormal",
        posterior: Posterior | str = "DiagonalNormal",
        width: int = 16,
        scale: float = 1.0,
        objective: Objective | str | None = None,
    ) -> None:
        likelihood = Perceptual(Features(x_shape, width), scale=scale)
        super().__init__(encoder, decoder, x_shape, latent_size, prior, posterior, likelihood, objective)
        self.keep_features(self.likelihood)


@entry(
    "vae-perceptual",
    reference="Hou et al. 2017, Deep feature consistent variational autoencoder, arXiv:1610.00291",
    fixes={"likelihood": "Perceptual"},
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_perceptual(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 20,
    hidden: Sequence[int] = (400,),
    scale: float = 1.0,
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    objective: Objective | str | None = None,
) -> PerceptualVAE:
    """The VAE of what a network sees in images, which learns to see before it learns to reconstruct.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z, or its shape.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
        scale: standard deviation of what is seen.
        prior: p(z).
        posterior: q(z|x).
        objective: the default objective of ``fit``: ELBO().
    """
    q: Posterior = make("posterior", posterior)
    size = shape_of(latent_size).numel()
    pz: Prior = make("prior", prior)
    encoder = mlp(x_shape, hidden, (q.width(size),))
    decoder = mlp((pz.bottom_size(size),), [*hidden][::-1], x_shape)
    return PerceptualVAE(encoder, decoder, x_shape, latent_size, pz, q, scale=scale, objective=objective)
