"""Words of sentences that end."""

from __future__ import annotations

from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Size, Tensor

from pyrogen.axes import Distribution, Likelihood
from pyrogen.distributions.tempered import COLDEST, HasChoices, HasTemperature
from pyrogen.kinds import kind_named
from pyrogen.registry import choice
from pyrogen.vocabulary import END


class Sentences(TorchDistribution, HasTemperature, HasChoices):
    """Rows of words up to and with their ends: log p(x) = Σ_t log softmax(logits_t)[x_t] over t up to the first end.

    A row that is full has no end to score; a word after an end has probability 0. So Σₓ p(x) = 1 over all sentences of at
    most T words. Values ``(..., voices, t)`` of fewer places are rows whose further places all hold an end, as the last of
    these does: the first end of each must be in what is left of it.

    Args:
        logits: ``(..., words + 1, voices, T)``, those of the end last.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        super().__init__(logits.shape[:-3], logits.shape[-2:], validate_args=False)

    @constraints.dependent_property
    def support(self) -> constraints.Constraint:
        """Whole numbers from −1, the end."""
        return constraints.independent(constraints.integer_interval(END, self.logits.shape[-3] - 2), 2)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Sentences:
        """The same distribution with another batch shape."""
        return Sentences(self.logits.expand(*batch_shape, *self.logits.shape[-3:]))

    def at(self, temperature: float) -> Sentences:
        """Every word at a temperature."""
        return Sentences(self.logits / max(temperature, COLDEST))

    def choices(self) -> tuple[Tensor, Tensor]:
        """The words and the end, and log p of each at the one place that there is."""
        if self.event_shape.numel() != 1:
            raise ValueError(
                f"the words of one voice are few enough to be tried each, and there are {self.event_shape[0]} voices; "
                "take a temperature instead."
            )
        words = torch.arange(self.logits.shape[-3], device=self.logits.device)
        words[-1] = END
        return words.to(self.logits.dtype), self.logits.log_softmax(-3).flatten(-3)

    def log_prob(self, value: Tensor) -> Tensor:
        """In nats, over the voices and up to their ends."""
        ended = value == END
        shape = torch.broadcast_shapes(value.shape[:-2], self.batch_shape)
        # words last: networks leave them side by side, and there a softmax is ten times as fast
        logits = self.logits[..., : value.shape[-1]].movedim(-3, -1)
        index = torch.where(ended, logits.shape[-1] - 1, value).long().expand(*shape, *logits.shape[-3:-1])
        each = logits.expand(*shape, *logits.shape[-3:]).log_softmax(-1).gather(-1, index.unsqueeze(-1)).squeeze(-1)
        before = ended.cumsum(-1) - ended.long() > 0
        after_the_end = torch.where(ended, 0.0, -torch.inf).to(each)
        return torch.where(before, after_the_end, each).sum((-2, -1))

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """A word for each place up to the first end."""
        logits = self.logits.movedim(-3, -1)
        drawn = torch.distributions.Categorical(logits=logits, validate_args=False).sample(Size(sample_shape))
        return self._cut(drawn)

    @property
    def mean(self) -> Tensor:
        """The most probable word of each place up to the first end: what a reconstruction shows."""
        return self._cut(self.logits.argmax(-3))

    def _cut(self, words: Tensor) -> Tensor:
        ended = (words == self.logits.shape[-3] - 1).cumsum(-1) > 0
        return torch.where(ended, END, words).to(self.logits.dtype)


@choice("likelihood")
class Tokens(Likelihood):
    """Words that are independent given the features, up to the end of the sentence, which is scored like a word.

    p(x|·) = Π_{t ≤ end} softmax(features_t)[x_t]

    Words that follow from one another are :class:`~pyrogen.likelihoods.autoregressive.Autoregressive` of them.
    Shapes: features ``((words + 1) voices, T)``; event ``x_shape`` = ``(voices, T)``.

    Args:
        words: how many there are, ``len(data.vocabulary)``; entries of texts take it from their data.
    """

    kinds = ("tokens",)
    hull = None
    any_length = True
    reads_logits = True

    def __init__(self, words: int | None = None) -> None:
        super().__init__()
        if words is not None and words < 1:
            raise ValueError(f"Tokens(words={words}): a sentence is made of 1 word or more.")
        self.words = words
        self.per_element = (words or 1) + 1
        self.support = constraints.integer_interval(END, (words or 1) - 1)

    def size(self, x_shape: torch.Size) -> None:
        """Take the shape of the data; refuse those that are no sequences.

        Raises:
            ValueError: they are none, or nobody said how many words there are.
        """
        if self.words is None:
            raise ValueError(
                "the likelihood Tokens must be told how many words there are, Tokens(words=len(data.vocabulary)); 'vae-text' "
                "and 'lstm-lm' take it from their data."
            )
        if len(x_shape) != 2:
            raise ValueError(
                f"the likelihood Tokens takes sequences, x_shape=(voices, T), as texts are, (1, T); got "
                f"x_shape={tuple(x_shape)}."
            )
        super().size(x_shape)

    def forward(self, features: Tensor) -> Distribution:
        """The words of every place."""
        return Sentences(features.unflatten(-2, (self.per_element, -1)))

    def check(self, x: Tensor) -> None:
        """Refuse what are no words, or words that it does not know.

        Raises:
            ValueError: there is one.
        """
        if kind_named("tokens").check(x) and not self.support.check(x).all():
            raise ValueError(
                f"the likelihood Tokens knows {self.words} words, numbered from 0, and x holds number {int(x.max())}; read "
                "texts by the vocabulary that the model was made with."
            )
        if not kind_named("tokens").check(x):
            raise ValueError(
                "the likelihood Tokens scores tokens, whole numbers from 0, and −1 after the end, and x holds others; "
                "vocabulary.read(texts) makes them."
            )

    def blend(self, weights: Tensor, parts: Distribution) -> Tensor:
        """What the heaviest component of a mixture shows: numbers of words have no mean."""
        shown = parts.mean
        heaviest = weights.argmax(-1)[..., None, None, None].expand(*weights.shape[:-1], 1, *shown.shape[-2:])
        return shown.gather(-3, heaviest).squeeze(-3)
