"""Pictures of sentences."""

from __future__ import annotations

from collections.abc import Sequence

from pyrogen.base import Objective
from pyrogen.conditions import Condition
from pyrogen.inference.adversarial.game import Adversarial
from pyrogen.inference.adversarial.penalties import R1
from pyrogen.models.adversarial.gan import GAN, kinds_of
from pyrogen.nets.critics import Convolutional, CriticNet
from pyrogen.nets.generators import GeneratorNet
from pyrogen.nets.sequences import SequenceNet
from pyrogen.nets.words import Told
from pyrogen.registry import entry, make, variant


@entry(
    "text-to-image",
    reference="Reed et al. 2016, Generative adversarial text to image synthesis, arXiv:1605.05396",
    data="sprites(y='caption', held_out=['red circle', 'large cross'])",
    recipe={"epochs": 60, "lr": 1e-3, "batch_size": 64},
)
def text_to_image(
    x_shape: Sequence[int],
    y_shape: Sequence[int] = (),
    classes: int | None = None,
    latent_size: int = 16,
    generator: GeneratorNet | str = "Convolutional",
    critic: CriticNet | str | None = None,
    words: SequenceNet | str = "LSTM",
    objective: Objective | str | None = None,
    kind: str = "unit",
) -> GAN:
    """The GAN of pictures given sentences, whose critic is also shown true pictures with the sentences of others.

    Generator and critic each read the words by a network of their own, whose vector they are told. Of the reference it
    differs in that these are learned with them, and not on other data before.

    Args:
        x_shape: shape of one datum.
        y_shape: shape of one y, the places of a sentence; () for one word.
        classes: words of the vocabulary.
        latent_size: size of z.
        generator: the network that makes data of z and of what it is told.
        critic: the network that tells them from real ones with the same sentence; by default convolutions that take the
            projection of the sentence on their features.
        words: what the networks that read sentences are made of, each of which says one with as many numbers as it is wide.
        objective: the default objective of ``fit``: Adversarial(mismatched=True, penalty=R1(1.0)).
        kind: of the data; for "unit" and "binary" the generator ends in a sigmoid.

    Raises:
        ValueError: y is no words.
    """
    kinds_of(kind)
    condition = Condition(tuple(y_shape), classes)
    if condition.words is None:
        raise ValueError(
            f"'text-to-image' reads words, (L,) of so many in a vocabulary; these data have y of {condition}."
        )
    read: SequenceNet = make("sequence", words)
    told, (length, vocabulary) = Condition((read.width,)), condition.words
    making: GeneratorNet = make("generator", generator)
    judging: CriticNet = make("critic", critic or Convolutional(normalization="none", conditioning="projection"))
    nets = making.build(latent_size, x_shape, kind, told), judging.build(x_shape, told)
    made, judged = (Told(net, read.encoder((1, length), read.width, vocabulary), condition) for net in nets)
    game = Adversarial(mismatched=True, penalty=R1(1.0)) if objective is None else objective
    return GAN(made, judged, x_shape, latent_size, objective=game, kind=kind, condition=condition)


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
