"""Pictures of sentences."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pyrogen.axes import Prior
from pyrogen.base import Objective
from pyrogen.conditions import Condition
from pyrogen.inference.adversarial.game import Adversarial
from pyrogen.inference.adversarial.penalties import R1
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.kinds import kinds_of_range
from pyrogen.likelihoods import Normal
from pyrogen.models.adversarial.gan import MAKES
from pyrogen.models.adversarial.generators import Generator
from pyrogen.nets.critics import Convolutional, CriticNet
from pyrogen.nets.generators import GeneratorNet
from pyrogen.nets.sequences import SequenceNet
from pyrogen.nets.words import OfSentences, told_by
from pyrogen.registry import entry, make, variant


@entry(
    "text-to-image",
    reference="Reed et al. 2016, Generative adversarial text to image synthesis, arXiv:1605.05396; the term of x itself: "
    "Isola et al. 2017, arXiv:1611.07004",
    fixes={"likelihood": "Normal"},
    settles=("weight", "critic"),
    data="sprites(y='caption', held_out=['red circle', 'large cross'])",
    recipe={"epochs": 60, "lr": 1e-3, "batch_size": 64},
)
def text_to_image(
    x_shape: Sequence[int],
    y_shape: Sequence[int] = (),
    classes: int | None = None,
    latent_size: int = 16,
    weight: float = 100.0,
    scale: float = 0.1,
    generator: GeneratorNet | str = "Convolutional",
    critic: CriticNet | str | None = None,
    words: SequenceNet | str = "LSTM",
    prior: Prior | str = "StandardNormal",
    objective: Objective | str | None = None,
    kind: str = "unit",
) -> Generator:
    """Pictures of sentences, in a game whose critic is also shown true pictures with the sentences of others.

    min_g max_c game(c; x, g(z, y) | y) + λ E (x − g(z, y))²

    The second term is the likelihood of a Normal, 2 λ s² / D of the ELBO's nats: a sentence leaves little of a picture open,
    and what the critic is slow to see in it, as the shape of what is small, the likelihood says at once. "pix2pix" has
    absolute differences there, of which the least is that of a bare background as long as it is open where things are.
    Generator and critic each read the words by a network of their own, whose vector they are told. Of the reference it
    differs in this term, which is not there, and in that readers are learned with the game, and not on other data before.

    Args:
        x_shape: shape of one datum.
        y_shape: shape of one y, the places of a sentence; () for one word.
        classes: words of the vocabulary.
        latent_size: size of z.
        weight: λ, of the mean squared difference; 0: the game alone.
        scale: s, of the Normal.
        generator: the network that makes data of z and of what it is told.
        critic: the network that tells them from real ones with the same sentence; by default convolutions that take the
            projection of the sentence on their features.
        words: what the networks that read sentences are made of, each of which says one with as many numbers as it is wide.
        prior: p(z), a fixed one.
        objective: the default objective of ``fit``: Adversarial(mismatched=True, penalty=R1(1.0), penalty_every=8), and
            2 λ s² / D times the ELBO.
        kind: of the data; for "unit" and "binary" the generator ends in a sigmoid.

    Raises:
        ValueError: y is no words.
    """
    kinds_of_range(kind, MAKES)
    condition = Condition(tuple(y_shape), classes)
    if condition.words is None:
        raise ValueError(
            f"'text-to-image' reads words, (L,) of so many in a vocabulary; these data have y of {condition}."
        )
    if objective is None:
        judging: CriticNet = make("critic", critic or Convolutional(normalization="none", conditioning="projection"))
        told = OfSentences(judging, words)
        game = Adversarial(mismatched=True, penalty=R1(1.0), penalty_every=8, critic=told, means=True)
        objective = game + 2 * weight * scale**2 / torch.Size(x_shape).numel() * ELBO()
    making: GeneratorNet = make("generator", generator)
    net = told_by(words, condition, lambda told: making.build(latent_size, x_shape, kind, told))
    return Generator(net, x_shape, latent_size, prior, Normal("fixed", scale), objective, condition)


text_to_image_paper = variant(
    "text-to-image-paper",
    of="text-to-image",
    says="Pictures of sentences at the scale of the paper, for a GPU: 64 pixels, 100 numbers of noise, 128 of the sentence.",
    defaults={
        "x_shape": (3, 64, 64),
        "latent_size": 100,
        "generator": {"name": "Convolutional", "width": 64},
        "critic": {"name": "Convolutional", "width": 64, "normalization": "none", "conditioning": "projection"},
        "words": {"name": "LSTM", "width": 128},
    },
    reference="Reed et al. 2016, arXiv:1605.05396, section 5: 600 epochs at 2e-4 in batches of 64",
    data="sprites(size=64, y='caption', held_out=['red circle', 'large cross'])",
    recipe={"epochs": 600, "lr": 2e-4, "batch_size": 64},
)
