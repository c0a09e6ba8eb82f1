"""Data that say what they are: splits whose x is what a likelihood scores, and how it came from the raw values."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from pyrogen.base import KINDS, Batch
from pyrogen.data import npz
from pyrogen.data.source import Source
from pyrogen.registry import find, unknown

BINARIZATIONS = ("dynamic", "static", "none")


@dataclass(frozen=True)
class View:
    """How x is made from raw values r, whole numbers below L or, without L, grey values or real numbers.

    ======================  =====================================
    "binary"                x ~ Bernoulli(r / (L − 1))
    "unit"                  x = r / (L − 1)
    "unit", dequantization  x = (r + u) / L, u uniform on (0, 1)
    "levels"                x = round(255 r / (L − 1))
    "real"                  x = r
    ======================  =====================================
    """

    kind: str = "real"
    binarization: str = "none"
    dequantization: bool = False
    levels: int | None = None
    data_name: str = "own"
    seed: int = 0

    @property
    def fresh(self) -> bool:
        """Whether training sees a new draw in every batch."""
        return self.binarization == "dynamic" or self.dequantization

    def draw(self, raw: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """x of the raw values, same shape, float32."""
        r = raw.float()
        top = (self.levels or 2) - 1
        if self.kind == "levels":
            return (r * (255 / top)).round()
        if self.dequantization and self.levels:
            u = torch.rand(r.shape, generator=generator, device=r.device)
            # float32 would round r + u up to the next level where u is close to 1
            return (r + u.clamp(1e-4, 1 - 1e-4)) / self.levels
        x = r / top
        return x if self.binarization == "none" else torch.bernoulli(x, generator=generator)


class Split(TensorDataset):
    """One split: tensors ``(x,)`` or ``(x, y)``, x a valid view of the data, the same at every access.

    Args:
        x: ``(N, *x_shape)``, drawn once.
        y: labels, ``(N,)`` int64.
        name: "train", "valid" or "test".
        view: how x came from the raw values.
        raw: the raw values; where they are given, :meth:`batch` draws x anew from them.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor | None = None,
        name: str = "train",
        view: View | None = None,
        raw: Tensor | None = None,
    ) -> None:
        super().__init__(x) if y is None else super().__init__(x, y)
        self.name = name
        self.view = view or View()
        self.raw = raw
        self.kind = self.view.kind
        self.binarization = self.view.binarization
        self.dequantization = self.view.dequantization
        self.levels = self.view.levels
        self.data_name = self.view.data_name

    @property
    def x(self) -> Tensor:
        """The data, ``(N, *x_shape)``."""
        return self.tensors[0]

    @property
    def y(self) -> Tensor | None:
        """The labels, ``(N,)``, or None."""
        return self.tensors[1] if len(self.tensors) > 1 else None

    @property
    def fresh(self) -> bool:
        """Whether :meth:`batch` draws x anew."""
        return self.raw is not None

    def batch(self, index: Tensor) -> Batch:
        """The rows of an index on the split's device; fresh splits draw x by torch's global generator."""
        x = self.x[index] if self.raw is None else self.view.draw(self.raw[index])
        return Batch(x=x, y=None if self.y is None else self.y[index], index=index)

    def to(self, device: torch.device | str) -> Split:
        """The same split on another device."""
        return self._map(lambda tensor: tensor.to(device))

    def take(self, n: int) -> Split:
        """The first n rows, all of them if there are fewer.

        Raises:
            ValueError: n is below 1.
        """
        if n < 1:
            raise ValueError(f"expected to take at least 1 row of {self.data_name} {self.name}, got n={n}.")
        return self._map(lambda tensor: tensor[:n])

    def attributes(self) -> dict[str, str | int]:
        """What to record with every score: strings and whole numbers. The seeds are those by which x was drawn."""
        attributes: dict[str, str | int] = {
            "data": self.data_name,
            "split": self.name,
            "kind": self.kind,
            "binarization": self.binarization,
            "dequantization": "uniform" if self.dequantization else "none",
            "levels": self.levels or "continuous",
        }
        if self.binarization != "none":
            attributes["binarization_seed"] = self.view.seed
        if self.dequantization:
            attributes["dequantization_seed"] = self.view.seed
        return attributes

    def __repr__(self) -> str:
        return f"Split({self.data_name} {self.name}: {len(self)} × {tuple(self.x.shape[1:])}, {self.kind})"

    def _map(self, f: Callable[[Tensor], Tensor]) -> Split:
        x, y, raw = (None if t is None else f(t) for t in (self.x, self.y, self.raw))
        assert x is not None
        return Split(x, y, self.name, self.view, raw)


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """A data set in three splits, and what its values are.

    Attributes:
        kind: "binary", "unit", "levels" or "real", see :data:`pyrogen.base.KINDS`.
        x_shape: shape of one datum.
        binarization: "dynamic", "static" or "none".
        dequantization: whether uniform noise was added to the grey levels.
        levels: number of grey levels of the raw data; None where they are continuous.
        seed: by which x was drawn once: all of valid and test, and what ``train.x`` shows.
        reference: where the data come from.
        source: what :func:`load` takes to find them again: a name, or an absolute path.
        sha256: the first 12 hex digits of the raw training array's.
    """

    name: str
    train: Split
    valid: Split
    test: Split
    kind: str
    x_shape: torch.Size
    binarization: str
    dequantization: bool
    levels: int | None
    seed: int
    reference: str
    source: str
    sha256: str = ""

    @property
    def classes(self) -> int | None:
        """Number of classes, one more than the largest label; None without labels."""
        labels = [s.y for s in (self.train, self.valid, self.test) if s.y is not None and s.y.dim() == 1]
        return int(max(y.max() for y in labels)) + 1 if labels else None

    def describe(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "name": self.name,
            "source": self.source,
            "kind": self.kind,
            "x_shape": list(self.x_shape),
            "splits": {s.name: len(s) for s in (self.train, self.valid, self.test)},
            "binarization": self.binarization,
            "dequantization": self.dequantization,
            "levels": self.levels,
            "seed": self.seed,
            "classes": self.classes,
            "reference": self.reference,
            "sha256": self.sha256,
        }

    def __repr__(self) -> str:
        sizes = " + ".join(f"{len(s)} {s.name}" for s in (self.train, self.valid, self.test))
        drawn = f"{self.binarization} binarization" if self.binarization != "none" else ""
        drawn = "dequantized" if self.dequantization else drawn
        how = f" ({drawn}, seed {self.seed})" if drawn else ""
        labels = f", {self.classes} classes" if self.classes else ""
        return f"Data({self.name}: {sizes}, x {tuple(self.x_shape)} {self.kind}{how}{labels})"


def load(
    name: str | Path,
    kind: str | Sequence[str] | None = None,
    binarization: str | None = None,
    dequantization: bool | None = None,
    seed: int = 0,
) -> Data:
    """Load a data set.

    Args:
        name: a registered data set, see ``pyrogen.choices("data")``, or the path of a ``.npz`` file, see
            :func:`pyrogen.data.npz.read`.
        kind: what x shall be, "binary", "unit", "levels" or "real"; of several, the first that the data offer.
        binarization: "dynamic" (in training anew for every batch; valid and test once), "static" (all once) or "none".
        dequantization: whether "unit" data get uniform noise within their grey level, which is the default; in training
            anew for every batch.
        seed: by which values are drawn that are drawn once. The splits do not depend on it.

    Raises:
        ValueError: unknown name, unreadable file, or wishes that contradict one another or the data.
    """
    source = _source(name)
    view = _view(source, kind, binarization, dequantization, seed)
    generator = torch.Generator().manual_seed(seed)
    splits = {}
    for split, (raw, y) in source.splits.items():
        kept = raw if split == "train" and view.fresh else None
        splits[split] = Split(view.draw(raw, generator), y, split, view, kept)
    raw = source.splits["train"][0]
    return Data(
        name=source.name,
        **splits,
        kind=view.kind,
        x_shape=raw.shape[1:],
        binarization=view.binarization,
        dequantization=view.dequantization,
        levels=source.levels,
        seed=seed,
        reference=source.reference,
        source=str(Path(name).expanduser().absolute()) if _is_path(name) else str(name),
        sha256=hashlib.sha256(raw.contiguous().numpy().tobytes()).hexdigest()[:12],
    )


def _source(name: str | Path) -> Source:
    if _is_path(name):
        return npz.read(Path(name).expanduser())
    return find("data", str(name)).load()()


def _is_path(name: str | Path) -> bool:
    return isinstance(name, Path) or bool(Path(name).suffix) or "/" in name or "\\" in name


def _view(
    source: Source, kind: str | Sequence[str] | None, binarization: str | None, dequantization: bool | None, seed: int
) -> View:
    """The first view that was wished for and that the source offers."""
    if binarization not in (None, *BINARIZATIONS):
        raise unknown("binarization", binarization, BINARIZATIONS)
    wishes = _wishes(source, kind, binarization, dequantization)
    for wish in wishes:
        if wish not in KINDS:
            raise unknown("kind of data", wish, KINDS)
    offered = [k for k in wishes if k in source.kinds]
    if not offered:
        raise ValueError(f"{source.name!r} offers kind {_either(source.kinds)}, not {_either(wishes)}.")
    objections = {k: _objection(source, k, binarization, dequantization) for k in offered}
    chosen = next((k for k in offered if not objections[k]), None)
    if chosen is None:
        raise ValueError(objections[offered[0]])
    grey = chosen == "binary" and source.levels != 2
    quantized = chosen == "unit" and source.levels is not None
    return View(
        kind=chosen,
        binarization=(binarization or "dynamic") if grey else "none",
        dequantization=quantized and dequantization is not False,
        levels=source.levels,
        data_name=source.name,
        seed=seed,
    )


def _wishes(
    source: Source, kind: str | Sequence[str] | None, binarization: str | None, dequantization: bool | None
) -> tuple[str, ...]:
    if kind is not None:
        return (kind,) if isinstance(kind, str) else tuple(kind)
    if binarization in ("dynamic", "static"):
        return ("binary",)
    if dequantization:
        return ("unit",)
    return ("unit", *source.kinds) if binarization == "none" else source.kinds


def _objection(source: Source, kind: str, binarization: str | None, dequantization: bool | None) -> str:
    """Why the wishes cannot be had together, or nothing."""
    binarized = binarization in ("dynamic", "static")
    if binarized and kind != "binary":
        return f"binarization={binarization!r} makes data of kind 'binary', not {kind!r}; leave one of the two out."
    if dequantization and kind != "unit":
        return f"dequantization makes data of kind 'unit', not {kind!r}; leave one of the two out."
    if dequantization and source.levels is None:
        return f"{source.name!r} has continuous values, no grey levels to dequantize; leave dequantization out."
    if binarized and source.levels == 2:
        return f"{source.name!r} is binary already; binarization must be 'none', not {binarization!r}."
    if kind == "binary" and binarization == "none" and source.levels != 2:
        return f"{source.name!r} is grey: kind 'binary' needs binarization 'dynamic' or 'static', not 'none'."
    return ""


def _either(kinds: Sequence[str]) -> str:
    return " or ".join(map(repr, kinds)) or "nothing"
