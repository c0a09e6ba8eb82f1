"""What a report shows of models of texts: sentences, where others have pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch

from pyrogen.data import Data
from pyrogen.data.split import evenly
from pyrogen.inference.latents.walks import interpolate
from pyrogen.inference.pages.panel import DECODED, DENSITY, LATENTS, SAMPLES, History, Panel, told_of
from pyrogen.pitches import HasPitches
from pyrogen.registry import make
from pyrogen.vocabulary import Vocabulary, scored

WRITTEN, LINES, JUDGED, COSTED = 12, 2, 500, 6
EMPTY = "(nothing)"


def sentences(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What the model writes, beside test data, and how much of it is possible where the law of the data is known."""
    words = _words(data.vocabulary)
    if words is None:
        return
    part = data.test.spread(JUDGED)
    y = model.condition_for(part.y)
    drawn = model.sample(len(part), y)
    lengths = (scored(drawn).double(), scored(part.x).double())
    said = " and ".join(f"{float(n.mean()):.2f}" for n in lengths)
    caption = (
        f"Sentences that the model writes, and test data. {len(part)} of either have {said} words and ends on average."
    )
    if data.law is not None:
        possible = float(data.law.log_prob(drawn, y).isfinite().double().mean())
        caption += f" By the law of the data {possible:.1%} of what it writes is possible."
    few = evenly(len(part), WRITTEN)
    rows = [*zip(_said(words, drawn[few]), _said(words, part.x[few]), strict=True)]
    yield Panel(SAMPLES, caption, table=[("the model", "test data"), *rows])


def alone(model: Any) -> Iterator[Panel]:
    """What the model writes, where its data are not to be had."""
    known = (model.origin or {}).get("arguments", {}).get("vocabulary")
    words = None if known is None else _words(make("vocabulary", known))
    if words is not None:
        written = _said(words, model.sample(WRITTEN))
        yield Panel(SAMPLES, "Sentences that the model writes.", table=[("the model",), *((text,) for text in written)])


def said_again(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Sentences, and what is most probable at their codes."""
    words = _words(data.vocabulary)
    if words is None:
        return
    part = data.test.spread(JUDGED)
    again = model.reconstruct(part.x, part.y)
    kept = float((again == part.x).flatten(1).all(1).double().mean())
    caption = (
        f"Test data, and the word that is most probable at each place given their codes and the words before it; "
        f"{kept:.1%} of {len(part)} come back whole."
    )
    few = evenly(len(part), WRITTEN)
    rows = [*zip(_said(words, part.x[few]), _said(words, again[few]), strict=True)]
    yield Panel(DECODED, caption, table=[("test data", "at their codes"), *rows])


def between(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What is written on the straight line between the codes of two sentences."""
    words, part = _words(data.vocabulary), data.test.spread(2 * LINES)
    if words is None or len(part) < 2 * LINES:
        return
    first, second, y = part.x[:LINES], part.x[LINES:], told_of(model, part)
    walked = interpolate(model, first, second, steps=6, y=None if y is None else (y[:LINES], y[LINES:]))
    rows = []
    for k, line in enumerate(walked):
        ends = _said(words, torch.stack([first[k], second[k]]))
        rows += [(str(k + 1), "from", ends[0]), *(("", "", text) for text in _said(words, line)), ("", "to", ends[1])]
    caption = (
        "What is most probable on the straight line between the codes of two test data, in six steps from end to end."
    )
    yield Panel(LATENTS, caption, table=[("line", "", "sentence"), *rows])


def costs(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """The bits that each word costs given those before it."""
    words, part = _words(data.vocabulary), data.test.spread(JUDGED)
    if words is None:
        return
    bits = -model.log_conditionals(part.x, model.condition_for(part.y)) / math.log(2)
    tokens = scored(part.x)
    each = float(bits.sum() / tokens.sum())
    rows, few = [], evenly(len(part), COSTED)
    for x, cost, n in zip(part.x[few, 0], bits[few], tokens[few].tolist(), strict=True):
        parts = [words.entries[int(w)] if w >= 0 else "⏎" for w in x[:n]]
        said = [f"{word} {float(c):.1f}" for word, c in zip(parts, cost[:n], strict=True)]
        rows.append((" · ".join(said), f"{float(cost.sum()):.1f}"))
    caption = (
        f"What each word of test data costs given those before it, and their ends (⏎), in bits; {each:.3f} a word on average "
        f"over {len(part)}, a perplexity of {2**each:.2f}."
    )
    yield Panel(DENSITY, caption, table=[("bits of each word", "in all"), *rows])


def _words(vocabulary: Vocabulary | None) -> Vocabulary | None:
    """The vocabulary of what is read; what is heard is shown elsewhere."""
    return None if isinstance(vocabulary, HasPitches) else vocabulary


def _said(words: Vocabulary, x: torch.Tensor) -> list[str]:
    return [text or EMPTY for text in words.write(x.cpu())]
