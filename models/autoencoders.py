"""Autoencoders: VAEs with a point-mass posterior, told apart by their other choices."""

from __future__ import annotations

from collections.abc import Sequence

from pyrogen.axes import Likelihood, Prior
from pyrogen.models.vae import VAE, vae
from pyrogen.registry import entry


@entry(
    "autoencoder",
    reference="Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks",
    data="digits",
    recipe={"epochs": 50, "lr": 1e-3, "batch_size": 128},
    claims=[
        {
            "says": "A linear autoencoder spans the plane of the principal components, in degrees off.",
            "metric": "angle-to-pca",
            "at_most": 5,
            "seeds": 3,
            "data": {"name": "digits", "kind": "unit", "dequantization": False},
            "arguments": {"latent_size": 3, "hidden": [], "likelihood": {"name": "Normal", "scale": "fixed"}},
            "recipe": [{"epochs": 100, "lr": 3e-2, "batch_size": 128}, {"epochs": 60, "lr": 3e-3, "batch_size": 128}],
            "control": {
                "says": "absolute instead of squared error",
                "arguments": {"likelihood": {"name": "Laplace", "scale": "fixed"}},
            },
        },
        {
            "says": "A deep autoencoder's squared error is below that of as many principal components, as a fraction.",
            "metric": "error-over-pca",
            "at_most": 0.53,
            "seeds": 3,
            "data": {"name": "digits", "kind": "unit", "dequantization": False},
            "arguments": {"latent_size": 5, "hidden": [256, 64], "likelihood": {"name": "Normal", "scale": "fixed"}},
            "recipe": {"epochs": 150, "batch_size": 64},
            "control": {"says": "linear networks", "arguments": {"hidden": []}},
        },
    ],
)
def autoencoder(
    x_shape: Sequence[int],
    latent_size: int = 20,
    hidden: Sequence[int] = (400,),
    prior: Prior | str = "Flat",
    likelihood: Likelihood | str = "Bernoulli",
) -> VAE:
    """The plain autoencoder: a VAE with a point-mass posterior and a flat prior, max E[log p(x|f(x))].

    It samples from a normal distribution fitted to its codes after training.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of the code.
        hidden: widths of the encoder's hidden layers; empty for a linear autoencoder.
        prior: Flat, or a fixed prior as penalty on the codes (Laplace: the sparse autoencoder).
        likelihood: p(x|z), whose −log is the reconstruction loss.
    """
    return vae(x_shape, latent_size, hidden, prior, "PointMass", likelihood)
