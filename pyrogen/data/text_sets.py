"""Texts of the field, in the folder PYROGEN_DATA names: utterances with their intents, captions, and Shakespeare."""

from __future__ import annotations

from pyrogen.data import store
from pyrogen.data.source import SPLITS, Source, tenths
from pyrogen.data.text import labelled, read_lines, source_of, windows
from pyrogen.registry import choice


@choice("data", "snips")
def snips(token: str = "word", length: int | None = None) -> Source:
    """14,484 things said to an assistant, of 2 to 35 words, with the seven intents as labels.

    Args:
        token: "word" or "character".
        length: T; None: that of the longest.
    """
    where = "github.com/MiuLab/SlotGated-SLU, of github.com/sonos/nlu-benchmark"
    texts = {s: _lines("snips", f"snips/{s}.seq.in", where) for s in SPLITS}
    names = {s: _lines("snips", f"snips/{s}.label", where) for s in SPLITS}
    for split in SPLITS:
        if len(texts[split]) != len(names[split]):
            raise ValueError(
                f"snips has {len(texts[split])} sentences and {len(names[split])} labels in {split}; replace its files."
            )
    y, known = labelled(names)
    return source_of(
        "snips", "Coucke et al. 2018, arXiv:1805.10190; split of Goo et al. 2018", texts, token, length, y, known
    )


@choice("data", "coco-captions")
def coco_captions(token: str = "word", length: int | None = None) -> Source:
    """20,000 captions of pictures, of 7 to 35 words.

    Args:
        token: "word" or "character".
        length: T; None: that of the longest.
    """
    where = "github.com/geek-ai/Texygen"
    taught = _lines("coco-captions", "coco_captions/train.txt", where)
    rows = tenths(len(taught))
    texts = {
        "train": [taught[row] for row in (*rows["train"].tolist(), *rows["test"].tolist())],
        "valid": [taught[row] for row in rows["valid"].tolist()],
        "test": _lines("coco-captions", "coco_captions/test.txt", where),
    }
    return source_of(
        "coco-captions", "Chen et al. 2015, arXiv:1504.00325; selection of Zhu et al. 2018", texts, token, length
    )


@choice("data", "tinyshakespeare")
def tinyshakespeare(length: int = 64) -> Source:
    """Tiny Shakespeare in windows of characters: the first 90 % of it are train, then 5 % each valid and test.

    Args:
        length: T, characters of a window.
    """
    path = store.find("tinyshakespeare", "text/tinyshakespeare/input.txt", "github.com/karpathy/char-rnn", "the file")
    text = path.read_bytes().decode("utf-8", errors="replace")
    if not 1 <= length <= len(text) // 20:
        raise ValueError(f"length={length}: windows have 1 to {len(text) // 20:,} characters.")
    ends = [0, len(text) * 90 // 100, len(text) * 95 // 100, len(text)]
    texts = {split: windows(text[ends[i] : ends[i + 1]], length) for i, split in enumerate(SPLITS)}
    return source_of(
        "tinyshakespeare",
        "Karpathy 2015, The unreasonable effectiveness of recurrent networks",
        texts,
        "character",
        length,
    )


def _lines(name: str, file: str, original: str) -> list[str]:
    return read_lines(store.find(name, f"text/{file}", original, "the file"))
