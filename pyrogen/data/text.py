"""Texts as data: a file of the user's own, one sentence a line, and what any text becomes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pyrogen.data.source import Source, tenths
from pyrogen.data.split import Split
from pyrogen.registry import describe, find
from pyrogen.vocabulary import Vocabulary, lengths

# a word that training shows once teaches nothing; as the unknown word it teaches what that is worth
AT_LEAST = {"word": 2, "character": 1}

ENDS = re.compile("\r\n|\r|\n")

Texts = Mapping[str, Sequence[str]]


def read(path: Path, token: str = "word", length: int | None = None) -> Source:
    """One sentence a line; train, valid and test are 80, 10 and 10 % of the lines, by a fixed permutation.

    Words are those between blanks; what training has once only is the unknown word.

    Args:
        path: of a file in UTF-8.
        token: "word" or "character", see :mod:`pyrogen.vocabulary`.
        length: T; None: that of the longest sentence.

    Raises:
        ValueError: the file is none, has an empty line, too few of them, or one that is too long; the line is named.
    """
    lines = read_lines(path)
    cut = vocabulary_class(token).cut
    for number, line in enumerate(lines, 1):
        words = cut(line)
        if not words:
            raise ValueError(f"{path}: line {number} is empty; remove it, each line is a sentence.")
        if length is not None and len(words) > length:
            raise ValueError(
                f"{path}: line {number} has {len(words)} {token}s, more than length={length}; shorten it, or take "
                f"length={max(len(cut(line)) for line in lines)}."
            )
    parts = tenths(len(lines), f"{path} has {len(lines)} lines")
    texts = {split: [lines[row] for row in rows.tolist()] for split, rows in parts.items()}
    return source_of(path.stem, f"file {path}", texts, token, length)


def read_lines(path: Path) -> list[str]:
    """The lines of a file without blanks at their ends, and without empty ones at the end of the file.

    Raises:
        ValueError: it cannot be read as UTF-8; the line that cannot is named.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); expected a text.") from error
    try:
        text = raw.decode("utf-8-sig").rstrip()
        # str.splitlines would also cut at characters that no editor counts as the end of a line
        return [line.rstrip() for line in ENDS.split(text)] if text else []
    except UnicodeDecodeError as error:
        line = len(ENDS.split(raw[: error.start].decode("latin-1")))
        raise ValueError(f"{path}: line {line} is not in UTF-8; convert the file, as by iconv -t UTF-8.") from error


def source_of(
    name: str,
    reference: str,
    texts: Texts,
    token: str,
    length: int | None = None,
    labels: Mapping[str, Tensor] | None = None,
    class_names: tuple[str, ...] = (),
    vocabulary: Vocabulary | None = None,
) -> Source:
    """Raw data of the texts of each split.

    Args:
        name: of the data set.
        reference: where the texts come from.
        texts: by split.
        token: "word" or "character".
        length: T; None: that of the longest text of all splits.
        labels: y, by split.
        class_names: what the labels mean.
        vocabulary: its words; None: those of the training texts, words that are there once left out.

    Raises:
        ValueError: a text is longer than ``length``, or there is no such ``token``.
    """
    known = vocabulary_class(token).of(texts["train"], AT_LEAST.get(token, 1)) if vocabulary is None else vocabulary
    longest = max(len(known.cut(text)) for part in texts.values() for text in part) if length is None else length
    return Source(
        name=name,
        reference=reference,
        kinds=("tokens",),
        levels=None,
        splits={s: (known.read(part, longest), labels[s] if labels else None) for s, part in texts.items()},
        class_names=class_names,
        vocabulary=known,
    )


def vocabulary_class(token: str) -> type[Vocabulary]:
    """The class of vocabularies of that level, "word" or "character".

    Raises:
        ValueError: there is none.
    """
    cls: type[Vocabulary] = find("vocabulary", token).load()
    return cls


def described(vocabulary: Vocabulary, splits: Mapping[str, Split]) -> dict[str, Any]:
    """What sentences are made of, as plain data: how many words there are, and of each split the longest sentence in
    words and the share of words that are unknown."""
    unknown, longest = {}, {}
    for name, split in splits.items():
        words = lengths(split.x)
        longest[name] = int(words.max())
        unknown[name] = round(float((split.x == len(vocabulary) - 1).sum() / words.sum().clamp(min=1)), 4)
    return {
        "level": describe(vocabulary)["name"],
        "words": len(vocabulary),
        "longest": longest,
        vocabulary.unknown_is: unknown,
    }


def windows(text: str, length: int) -> list[str]:
    """A text in pieces of so many characters, one after the other; what is left at its end is dropped."""
    return [text[start : start + length] for start in range(0, len(text) - length + 1, length)]


def labelled(names: Mapping[str, Sequence[str]]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Numbers of the names of labels in each split, and the names in alphabetical order."""
    known = {name: k for k, name in enumerate(sorted({name for part in names.values() for name in part}))}
    return {s: torch.tensor([known[name] for name in part]) for s, part in names.items()}, tuple(known)
