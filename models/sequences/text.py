"""Models of sentences: a language model, and beside it the same network told by a latent, of a VAE or of an autoencoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from pyrogen.axes import Posterior, Prior
from pyrogen.base import Objective
from pyrogen.conditions import Condition
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.likelihoods.autoregressive import Autoregressive
from pyrogen.likelihoods.tokens import Tokens
from pyrogen.models.autoregressive.autoregressive import AutoregressiveModel
from pyrogen.models.vae.vae import VAE
from pyrogen.nets.bars import Telling
from pyrogen.nets.sequences import SequenceNet
from pyrogen.registry import entry, make
from pyrogen.vocabulary import Vocabulary

Known = Vocabulary | Mapping[str, Any] | None


def words_of(vocabulary: Known, who: str) -> int:
    """How many words there are.

    Raises:
        ValueError: there is no vocabulary.
    """
    if vocabulary is None:
        raise ValueError(
            f"{who!r} reads texts, and these data have no vocabulary; load a .txt file, a text as 'grammar', or whole "
            "numbers by kind='tokens'."
        )
    known: Vocabulary = make("vocabulary", vocabulary)
    return len(known)


@entry(
    "lstm-lm",
    reference="Mikolov et al. 2010, Recurrent neural network based language model; Zaremba et al. 2014, arXiv:1409.2329",
    fixes={"likelihood": "Tokens"},
    data="grammar",
    recipe={"epochs": 20, "lr": 3e-3, "batch_size": 64},
)
def lstm_lm(
    x_shape: Sequence[int],
    vocabulary: Known,
    net: SequenceNet | str = "LSTM",
    dropout: float = 0.0,
    objective: Objective | str | None = None,
) -> AutoregressiveModel:
    """A language model: each word given those before it, p(x) = Π_t p(x_t | x_<t), lengths scored too.

    Args:
        x_shape: (1, T).
        vocabulary: the words; data bring their own.
        net: the network that looks back.
        dropout: the share of words that it is not told in training.
        objective: the default objective of ``fit``: ELBO(), which is log p(x).
    """
    p = Tokens(words_of(vocabulary, "lstm-lm"))
    p.size(torch.Size(x_shape))
    made: SequenceNet = make("sequence", net)
    return AutoregressiveModel(made.causal(p.x_shape, p.channels(p.x_shape), p.words, dropout=dropout), p, objective)


@entry(
    "vae-text",
    reference="Bowman et al. 2016, Generating sentences from a continuous space, arXiv:1511.06349",
    fixes={"likelihood": "Autoregressive"},
    settles=("warmup", "free_bits"),
    data="grammar",
    recipe={"epochs": 40, "lr": 3e-3, "batch_size": 64},
)
def vae_text(
    x_shape: Sequence[int],
    vocabulary: Known,
    latent_size: int = 16,
    net: SequenceNet | str = "LSTM",
    dropout: float = 0.5,
    warmup: int = 1000,
    free_bits: float = 0.0,
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE of sentences: a language model that is told z at every word, and an encoder that has read all of it.

    Such a decoder can do without z, and mostly does, unless it is not told some of the words that it has written, and the KL
    is charged slowly, or not at all below some nats.

    Args:
        x_shape: (1, T).
        vocabulary: the words; data bring their own.
        latent_size: size of z.
        net: of encoder and decoder.
        dropout: the share of words that the decoder is not told in training.
        warmup: steps over which the weight of the KL rises.
        free_bits: nats below which the mean KL costs nothing more.
        prior: p(z).
        posterior: q(z|x).
        objective: instead of ELBO(warmup, free_bits).
    """
    goal = ELBO(warmup=warmup, free_bits=free_bits) if objective is None else objective
    return told_by_a_latent("vae-text", x_shape, vocabulary, latent_size, net, dropout, prior, posterior, goal)


@entry(
    "vae-text-conditional",
    reference="Hu et al. 2017, Toward controlled generation of text, arXiv:1703.00955, of which it is the base",
    fixes={"likelihood": "Autoregressive"},
    settles=("warmup", "free_bits"),
    data="grammar",
    recipe={"epochs": 40, "lr": 3e-3, "batch_size": 64},
)
def vae_text_conditional(
    x_shape: Sequence[int],
    vocabulary: Known,
    y_shape: Sequence[int] = (),
    classes: int | None = None,
    latent_size: int = 16,
    net: SequenceNet | str = "LSTM",
    dropout: float = 0.5,
    warmup: int = 1000,
    free_bits: float = 0.0,
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE of sentences given y, such as what they are about: the decoder is told y beside z at every word.

    Args:
        x_shape: (1, T).
        vocabulary: the words; data bring their own.
        y_shape: shape of one y; () for one label.
        classes: how many there are, or None where y is real numbers.
        latent_size: size of z.
        net: of encoder and decoder.
        dropout: the share of words that the decoder is not told in training.
        warmup: steps over which the weight of the KL rises.
        free_bits: nats below which the mean KL costs nothing more.
        prior: p(z), or ConditionalNormal for p(z|y).
        posterior: q(z|x, y).
        objective: instead of ELBO(warmup, free_bits).
    """
    goal = ELBO(warmup=warmup, free_bits=free_bits) if objective is None else objective
    condition = Condition(tuple(y_shape), classes)
    return told_by_a_latent(
        "vae-text-conditional",
        x_shape,
        vocabulary,
        latent_size,
        net,
        dropout,
        prior,
        posterior,
        goal,
        condition,
    )


@entry(
    "autoencoder-text",
    reference="Dai & Le 2015, Semi-supervised sequence learning, arXiv:1511.01432",
    fixes={"likelihood": "Autoregressive", "posterior": "PointMass"},
    data="grammar",
    recipe={"epochs": 20, "lr": 3e-3, "batch_size": 64},
)
def autoencoder_text(
    x_shape: Sequence[int],
    vocabulary: Known,
    latent_size: int = 16,
    net: SequenceNet | str = "LSTM",
    dropout: float = 0.0,
    prior: Prior | str = "Flat",
    objective: Objective | str | None = None,
) -> VAE:
    """The autoencoder of sentences: the same two networks, a code that is a point, and no cost for it.

    Args:
        x_shape: (1, T).
        vocabulary: the words; data bring their own.
        latent_size: size of the code.
        net: of encoder and decoder.
        dropout: the share of words that the decoder is not told in training.
        prior: Flat, or a fixed prior as penalty on the codes.
        objective: the default objective of ``fit``: ELBO().
    """
    goal = ELBO() if objective is None else objective
    return told_by_a_latent(
        "autoencoder-text", x_shape, vocabulary, latent_size, net, dropout, prior, "PointMass", goal
    )


def told_by_a_latent(
    who: str,
    x_shape: Sequence[int],
    vocabulary: Known,
    latent_size: int,
    net: SequenceNet | str,
    dropout: float,
    prior: Prior | str,
    posterior: Posterior | str,
    objective: Objective | str | None,
    condition: Condition | None = None,
    telling: Telling | str = "Flat",
) -> VAE:
    """A language model that is told z, and y if there is one, at every word, and an encoder that has read all of it."""
    words, shape, more = words_of(vocabulary, who), torch.Size(x_shape), 0 if condition is None else condition.size
    q: Posterior = make("posterior", posterior)
    pz: Prior = make("prior", prior)
    made: SequenceNet = make("sequence", net)
    way: Telling = make("telling", telling)
    told = pz.bottom_size(latent_size) + more
    p = Autoregressive(Tokens(words), way.looking_back(made), way.features(told, made), dropout)
    encoder, decoder = made.encoder(shape, q.width(latent_size), words, more), way.said(told, made, shape[-1])
    return VAE(encoder, decoder, shape, latent_size, pz, q, p, objective, condition)
