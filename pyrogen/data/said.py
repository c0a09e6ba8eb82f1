"""A condition as people say it: the name of a class, a caption, numbers, a picture or an array in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pyrogen.conditions import Condition
from pyrogen.data import images
from pyrogen.data.dataset import Data
from pyrogen.data.label import number_as
from pyrogen.registry import unknown

FILES = (".npy", ".png", ".jpg", ".jpeg", ".webp", ".bmp")


def as_said(text: str, condition: Condition, data: Data | None = None) -> Tensor:
    """One y of a model, ``condition.shape``, as it is said in words.

    =========  ===========================================================================
    a label    its number, or its name where the data have names
    tokens     a caption, of words that the data have
    labels     their numbers, with commas: ``0,2,1``
    numbers    themselves, with commas: ``0.5,-1``
    an image   an image file of its size, or a ``.npy`` file; its colours as the model's
    a layout   an image file whose pixels are the numbers of classes, or a ``.npy`` file
    =========  ===========================================================================

    Args:
        text: what is said.
        condition: what the model takes.
        data: those of the model, which know names and words.

    Raises:
        ValueError: it says no such y.
    """
    path = Path(text).expanduser()
    if path.suffix.lower() in FILES:
        y = _of_file(path, condition, data)
    elif condition.picture is not None:
        raise ValueError(f"{text!r}: the model takes {condition}; name an image file, or a .npy file that holds one.")
    else:
        y = _of_words(text, condition, data)
    condition.check(y.unsqueeze(0), 1)
    return y


def _of_words(text: str, condition: Condition, data: Data | None) -> Tensor:
    names = () if data is None else data.class_names
    if data is not None and data.y_kind == "tokens" and not text.replace(",", "").isdigit():
        return _tokens(text, condition, names)
    if not condition.shape and text in names:
        return torch.tensor(names.index(text))
    parts = text.split(",")
    try:
        numbers = [float(part) if condition.classes is None else int(part) for part in parts]
    except ValueError:
        if not condition.shape and names:
            raise unknown("class", text, names) from None
        raise ValueError(f"{text!r}: the model takes {condition}; {_how(condition)}.") from None
    if len(numbers) != (wanted := torch.Size(condition.shape).numel()):
        raise ValueError(f"{text!r}: the model takes {condition}, and these are {len(numbers)} instead of {wanted}.")
    kind = None if condition.classes is None else torch.long
    return torch.tensor(numbers, dtype=kind).reshape(tuple(condition.shape))


def _how(condition: Condition) -> str:
    if condition.shape:
        return "write them with commas between"
    return f"write its number, 0 to {condition.classes - 1}" if condition.classes else "write it as a number"


def _tokens(caption: str, condition: Condition, vocabulary: Sequence[str]) -> Tensor:
    said, (length,) = caption.split(), condition.shape
    for word in said:
        if word not in vocabulary[1:]:
            raise unknown("word", word, vocabulary[1:])
    if len(said) > length:
        raise ValueError(f"{caption!r} has {len(said)} words, and the model takes captions of up to {length}.")
    return torch.tensor([vocabulary.index(word) for word in said] + [0] * (length - len(said)))


def _of_file(path: Path, condition: Condition, data: Data | None) -> Tensor:
    if not path.is_file():
        raise ValueError(f"there is no such file: {path}.")
    if path.suffix.lower() == ".npy":
        try:
            values = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise ValueError(f"{path} cannot be read ({' '.join(str(error).split())}); expected an array.") from error
    elif condition.picture is None:
        raise ValueError(f"{path} is a picture, and the model takes {condition}.")
    else:
        values = _classes_of(path) if condition.classes else _pixels(path, condition)
    shape = tuple(condition.shape)
    if values.shape == (1, *shape):
        values = values[0]
    if len(shape) == 3 and values.shape == (*shape[1:], shape[0]) != shape:
        values = np.moveaxis(values, -1, 0)  # channels last
    if values.shape != shape:
        told = "; resize it" if condition.picture else f", {_by(shape)}"
        raise ValueError(f"{path} holds {_by(values.shape)} numbers, and the model takes {condition}{told}.")
    known = None if data is None else data.train.y
    if data is not None and known is not None and path.suffix.lower() == ".npy" and known.shape[1:] == shape:
        return number_as(str(path), values[None], data.class_names, data.classes, known, condition.missing)[0]
    if condition.classes is None:
        return torch.from_numpy(values.astype(np.float32))
    return torch.from_numpy(values.astype(np.int64) if values.dtype.kind in "biu" else values)


def _pixels(path: Path, condition: Condition) -> np.ndarray:
    """``(C, H, W)`` in [0, 1], in as many channels as the model takes."""
    picture = condition.need_picture("the model")
    if picture[0] not in (1, 3):
        raise ValueError(f"{path} has 1 or 3 channels, and the model takes {condition}; give it as a .npy file.")
    return images.pixels(images.read(path, picture[0] == 3)) / 255


def _classes_of(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            if image.mode not in ("L", "P", "1", "I;16", "I"):
                raise ValueError(f"its pixels are colours, of mode {image.mode}")
            return np.asarray(image).astype(np.int64)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{path} is no layout ({reason}); its pixels must be numbers of classes, grey or of a palette."
        ) from error


def _by(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape)) or "1"
