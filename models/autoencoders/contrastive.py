"""The autoencoder whose encoder learns by contrast, before there is a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from pyrogen.axes import Likelihood
from pyrogen.base import Objective, Stage
from pyrogen.models.autoencoders.shallow import one_player
from pyrogen.models.vae.vae import VAE
from pyrogen.nets import mlp
from pyrogen.registry import entry, make


class ContrastiveAutoencoder(VAE):
    """An encoder that takes views of a datum for the same and data for different; then a decoder of its codes, which stay.

    Stage "contrast": min −E log exp(s(g₁, g₂)/τ) / Σ_c exp(s(g₁, c)/τ) over encoder and projection, see
    :class:`pyrogen.inference.InfoNCE`. Stage "decoder": max E[log p(x|f(x))] over the decoder alone: what it draws is what
    the codes keep of x, and what views have in common is all that they were asked to keep.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of the code.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        contrast: the objective of the encoder.
        likelihood: p(x|z), an object or a name.
        objective: of the decoder.
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        latent_size: int,
        hidden: Sequence[int],
        contrast: Objective | str = "InfoNCE",
        likelihood: Likelihood | str = "Bernoulli",
        objective: Objective | str | None = None,
    ) -> None:
        x_shape = torch.Size(x_shape)
        p: Likelihood = make("likelihood", likelihood)
        encoder = mlp(x_shape, hidden, (latent_size,))
        decoder = mlp((latent_size,), tuple(reversed(hidden)), (p.channels(x_shape) * x_shape[1:].numel(),))
        super().__init__(encoder, decoder, x_shape, latent_size, "Flat", "PointMass", p, objective)
        self.contrast: Objective = make("objective", contrast)

    def stages(self) -> Sequence[Stage]:
        """The encoder's, and the decoder's."""
        alone = replace(one_player(self.objective, self), name="decoder", owns=[self.decoder, self.likelihood])
        return [Stage(self.contrast.players(self), "contrast"), Stage([alone], "decoder")]


@entry(
    "contrastive",
    reference="Chen et al. 2020, A simple framework for contrastive learning of visual representations, arXiv:2002.05709",
    fixes={"prior": "Flat", "posterior": "PointMass"},
    data="digits",
    recipe={"epochs": 60, "lr": 1e-3, "batch_size": 128},
)
def contrastive(
    x_shape: Sequence[int],
    latent_size: int = 64,
    hidden: Sequence[int] = (256,),
    contrast: Objective | str = "InfoNCE",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> ContrastiveAutoencoder:
    """The encoder that learns without labels to take moved images for the same; a decoder then shows what it keeps.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of the code.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        contrast: the encoder's objective, of which the augmentation decides what codes forget.
        likelihood: p(x|z) of the decoder.
        objective: of the decoder: ELBO().
    """
    return ContrastiveAutoencoder(x_shape, latent_size, hidden, contrast, likelihood, objective)
