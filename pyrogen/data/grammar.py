"""Sentences of a small grammar of which every probability is known: text with an exact log p(x)."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from pyrogen.data.law import Law
from pyrogen.data.source import SPLITS, Source
from pyrogen.registry import choice
from pyrogen.vocabulary import END, Words

SIZES = (4_000, 500, 1_000)
LONGEST = 10
# nouns, and verbs in the plural, of each topic, the frequent ones first
TOPICS = {
    "animals": ("cat dog bird horse", "chase hear follow"),
    "cooking": ("cook pan cake soup", "stir bake taste"),
    "music": ("singer drum song choir", "play tune record"),
    "sea": ("sailor boat wave whale", "cross pull watch"),
    "school": ("teacher book lesson pupil", "read explain quote"),
    "garden": ("gardener rose tree bee", "water plant visit"),
}
ADJECTIVES = "old small loud red quiet happy cold young bright sweet dark green"
ADVERBS = "today again slowly there"
SINGULAR, PLURAL = "a the this", "some the these"
FALLING = (0.5, 0.25, 0.15, 0.1)  # how frequent the words of a part of speech are
# the parts of speech in their order, and where a sentence goes from each, with what probability; "" is its end
AFTER = {
    "determiner": {"adjective": 0.4, "noun": 0.6},
    "adjective": {"second adjective": 0.2, "noun": 0.8},
    "second adjective": {"noun": 1.0},
    "noun": {"verb": 1.0},
    "verb": {"object determiner": 0.7, "adverb": 0.2, "": 0.1},
    "object determiner": {"object adjective": 0.3, "object noun": 0.7},
    "object adjective": {"second object adjective": 0.2, "object noun": 0.8},
    "second object adjective": {"object noun": 1.0},
    "object noun": {"adverb": 0.3, "": 0.7},
    "adverb": {"": 1.0},
}


class Grammar(Law):
    """A topic, whether subject and object are many, and then word after word as a path of parts of speech goes.

    All nouns and verbs are of the topic, adjectives are shared by neighbouring ones; verbs agree with their subjects, and
    determiners with their nouns. What is drawn first is seen by no word, so that
    log p(x) = log Σ_c p(c) Π_t p(x_t | x_<t, c) over the 24 choices c, and for each c the sum over paths is a forward pass.

    Attributes:
        vocabulary: the words.
    """

    def __init__(self) -> None:
        self.parts = list(AFTER)
        self.vocabulary = Words(
            " ".join(dict.fromkeys(word for c in self.choices for p in self.parts for word in _words(p, *c)))
        )

    @property
    def choices(self) -> list[tuple[int, bool, bool]]:
        """The number of the topic, whether subjects and whether objects are many: all alike."""
        return [(k, s, o) for k in range(len(TOPICS)) for s in (False, True) for o in (False, True)]

    @cached_property
    def emissions(self) -> Tensor:
        """The probability of each word at each part of speech, ``(choices, parts, words)`` float64."""
        found = torch.zeros(len(self.choices), len(self.parts), len(self.vocabulary), dtype=torch.float64)
        for c, chosen in enumerate(self.choices):
            for p, part in enumerate(self.parts):
                words = _words(part, *chosen)
                shares = torch.tensor(FALLING[: len(words)], dtype=torch.float64)
                for word, share in zip(words, shares / shares.sum(), strict=True):
                    found[c, p, self.vocabulary.numbers[word]] += share
        return found

    @cached_property
    def steps(self) -> Tensor:
        """The probability of each part of speech after each, ``(parts, parts + 1)`` float64, the end last."""
        names = [*self.parts, ""]
        return torch.tensor([[AFTER[a].get(b, 0.0) for b in names] for a in self.parts], dtype=torch.float64)

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Sentences ``(n, 1, 10)`` and the numbers of their topics ``(n,)``."""
        chosen = torch.randint(len(self.choices), (n,), generator=generator)
        x = torch.full((n, LONGEST), END, dtype=torch.int32)
        part = torch.zeros(n, dtype=torch.long)
        for t in range(LONGEST):
            going = part < len(self.parts)
            at = part[going]
            words = torch.multinomial(self.emissions[chosen[going], at], 1, generator=generator)[:, 0]
            x[going, t] = words.to(x.dtype)
            part[going] = torch.multinomial(self.steps[at], 1, generator=generator)[:, 0]
        return x.unsqueeze(1), chosen // 4

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x), or log p(x|y) of topics y: ``(..., 1, T)`` to ``(...)`` in nats, float64, −∞ of what is no sentence."""
        rows = x.reshape(-1, x.shape[-1]).long().cpu()
        rows = torch.cat([rows, torch.full_like(rows[:, :1], END)], 1)
        # the probability of the words so far and of each part of speech to come, (N, choices, parts + 1)
        state = torch.zeros(len(rows), len(self.choices), len(self.parts) + 1, dtype=torch.float64)
        state[..., 0] = 1 / len(self.choices)
        if y is not None:
            topics = torch.tensor([topic for topic, _, _ in self.choices])
            told = topics == y.expand(x.shape[:-2]).reshape(-1, 1).cpu()
            state = torch.where(told.unsqueeze(-1), len(TOPICS) * state, 0.0)
        for words in rows.unbind(1):
            told = self.emissions[:, :, words.clamp(min=0)].movedim(-1, 0)
            on = (state[..., :-1] * told) @ self.steps
            # what has ended stays so, and nothing but an end is there
            ended = torch.zeros_like(state)
            ended[..., -1] = state[..., -1]
            state = torch.where((words == END)[:, None, None], ended, on)
        return state[..., -1].sum(-1).log().reshape(x.shape[:-2])


@choice("data", "grammar")
def grammar() -> Source:
    """Sentences of up to ten words of a small grammar with six topics, their labels; log p(x) is known exactly."""
    law, generator = Grammar(), torch.Generator().manual_seed(0)
    return Source(
        name="grammar",
        reference="drawn from pyrogen.data.grammar.Grammar with a fixed seed",
        kinds=("tokens",),
        levels=None,
        splits={s: law.sample(n, generator) for s, n in zip(SPLITS, SIZES, strict=True)},
        class_names=tuple(TOPICS),
        law=law,
        vocabulary=law.vocabulary,
    )


def _words(part: str, topic: int, many_subjects: bool, many_objects: bool) -> list[str]:
    """What may stand at a part of speech, the frequent ones first."""
    many = many_objects if "object" in part else many_subjects
    nouns, verbs = list(TOPICS.values())[topic]
    if part.endswith("determiner"):
        return (PLURAL if many else SINGULAR).split()
    if part.endswith("adjective"):
        return (ADJECTIVES.split() * 2)[2 * topic : 2 * topic + 4]
    if part == "adverb":
        return ADVERBS.split()
    if part == "verb":
        return verbs.split() if many else [_with_s(word) for word in verbs.split()]
    return [_with_s(word) for word in nouns.split()] if many else nouns.split()


def _with_s(word: str) -> str:
    return f"{word}es" if word.endswith(("ch", "sh", "s")) else f"{word}s"
