"""Models of pieces of music: MusicVAE."""

from __future__ import annotations

from collections.abc import Sequence

from pyrogen.axes import Posterior, Prior
from pyrogen.base import Objective
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.models.sequences.text import Known, told_by_a_latent
from pyrogen.models.vae.vae import VAE
from pyrogen.nets.bars import Telling
from pyrogen.nets.sequences import SequenceNet
from pyrogen.registry import entry


@entry(
    "vae-music",
    reference="Roberts et al. 2018, A hierarchical latent vector model for learning long-term structure in music, "
    "arXiv:1803.05428",
    fixes={"likelihood": "Autoregressive"},
    settles=("warmup", "free_bits"),
    data="tunes",
    recipe={"epochs": 20, "lr": 3e-3, "batch_size": 64},
)
def vae_music(
    x_shape: Sequence[int],
    vocabulary: Known,
    latent_size: int = 32,
    net: SequenceNet | str = "LSTM",
    decoder: Telling | str = "Hierarchical",
    dropout: float = 0.0,
    warmup: int = 1000,
    free_bits: float = 0.0,
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE of music: of a piece's latent a conductor makes a vector for each bar, and a network plays the bars from these.

    p(x|z) = Π_bars Π_{t in bar} p(x_t | x_<t of the bar and the place before it, c_bar(z))

    The encoder has read the piece from either end. Who plays a bar remembers no other one, so that the decoder cannot do
    without z, as a flat one can. All voices of a step are independent given what was before.
    Should not be confused with MusicVAE in two points: a step of a bar is told the vector c and not started with it, and the
    network is told what is true in training, with some left out by ``dropout``, and never its own draws.

    Args:
        x_shape: (voices, T), T a whole number of bars.
        vocabulary: the pitches; data bring their own.
        latent_size: size of z.
        net: of encoder, conductor and decoder.
        decoder: "Hierarchical", or "Flat": z itself at every step to a network that remembers the whole piece.
        dropout: the share of notes that the decoder is not told in training.
        warmup: steps over which the weight of the KL rises.
        free_bits: nats below which the mean KL costs nothing more.
        prior: p(z).
        posterior: q(z|x).
        objective: instead of ELBO(warmup, free_bits).
    """
    goal = ELBO(warmup=warmup, free_bits=free_bits) if objective is None else objective
    return told_by_a_latent(
        "vae-music", x_shape, vocabulary, latent_size, net, dropout, prior, posterior, goal, telling=decoder
    )
