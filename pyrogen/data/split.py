"""One split of a data set: in memory, or streamed from a file that is larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from pyrogen.base import Batch
from pyrogen.conditions import UNKNOWN
from pyrogen.data import store
from pyrogen.data.view import View
from pyrogen.kinds import kind_named
from pyrogen.vocabulary import scored

CHUNK = 1000
# values that are drawn at once: few enough for memory, enough to be worth two threads
PART = 2**24


class Split(TensorDataset):
    """One split: tensors ``(x,)`` or ``(x, y)``, x a valid view of the data, the same at every access.

    A streamed split has no tensor x: its raw values are a memory-mapped array, of which :meth:`batch`, :meth:`chunks`,
    :meth:`take` and ``split[i]`` read the rows that they need and no others.

    Args:
        x: ``(N, *x_shape)``, drawn once; None where ``raw`` lies on disk.
        y: labels, ``(N,)`` or ``(N, attributes)`` int64, or real numbers ``(N, ...)``.
        name: "train", "valid" or "test".
        view: how x came from the raw values.
        raw: the raw values, a tensor, or a memory-mapped array to stream from; where they are given and the view is
            random, :meth:`batch` draws the x of train anew from them.
        device: where a streamed split puts its batches.
    """

    def __init__(
        self,
        x: Tensor | None,
        y: Tensor | None = None,
        name: str = "train",
        view: View | None = None,
        raw: Tensor | np.ndarray | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if x is None and not isinstance(raw, np.ndarray):
            raise ValueError("a split needs x, or an array of raw values to stream it from.")
        super().__init__(*(t for t in (x, y) if x is not None and t is not None))
        self.y = y
        self.name = name
        self.view = view or View()
        self.raw = raw
        self.device = torch.device(device) if x is None else x.device
        self.x_shape = torch.Size(raw.shape[1:]) if isinstance(raw, np.ndarray) else self.tensors[0].shape[1:]
        self.kind = self.view.kind
        self.binarization = self.view.binarization
        self.dequantization = self.view.dequantization
        self.levels = self.view.levels
        self.data_name = self.view.data_name

    @property
    def streamed(self) -> bool:
        """Whether the data stay on disk."""
        return isinstance(self.raw, np.ndarray)

    @property
    def fresh(self) -> bool:
        """Whether :meth:`batch` draws x anew."""
        return self.raw is not None and self.view.fresh and self.name == "train"

    @property
    def x(self) -> Tensor:
        """The data, ``(N, *x_shape)``.

        Raises:
            ValueError: they are streamed.
        """
        if self.streamed:
            raise ValueError(
                f"{self.data_name} {self.name} is streamed from disk: its {len(self):,} data would take "
                f"{4 * len(self) * self.x_shape.numel() / 2**30:.2g} GiB; take(n).x has the first n, chunks() has all of "
                "them one part after the other, and PYROGEN_MAX_IN_MEMORY says from how many bytes on."
            )
        return self.tensors[0]

    @property
    def log_jacobian(self) -> float:
        """Nats to add to log p(x) of a whole datum for the log-density of the raw values; 0 unless x is standardized."""
        return self.view.scale.log_jacobian if self.view.scale else 0.0

    def log_jacobians(self) -> np.ndarray:
        """The same for each datum, ``(N,)``, where the elements of some were not observed."""
        if self.view.scale is None:
            return np.zeros(len(self))
        return self.view.scale.log_jacobians(self.x).cpu().numpy()

    def batch(self, index: Tensor) -> Batch:
        """The rows of an index on the split's device; fresh splits draw x by torch's global generator."""
        return self.drawn(self.undrawn(index))

    def undrawn(self, index: Tensor) -> Batch:
        """The same rows, those of fresh splits as raw values from which :meth:`drawn` makes x."""
        whole = self.raw if self.fresh else None if self.streamed else self.x
        if whole is None:
            x = self._fixed(index)
        elif isinstance(whole, np.ndarray):
            x = store.rows(whole, self._rows(index)).to(self.device)
        else:
            x = whole.index_select(0, index)  # a tenth of the time of whole[index], which copies numbers and not rows
        return Batch(x=x, y=None if self.y is None else self.y.index_select(0, index), index=index)

    def drawn(self, batch: Batch) -> Batch:
        """An :meth:`undrawn` batch with x drawn."""
        return replace(batch, x=self.view.draw(batch.x)) if self.fresh else batch

    def chunks(self, size: int = CHUNK) -> Iterator[Tensor]:
        """All of x in parts of at most ``size`` rows, on the split's device; the same x, whatever the size.

        Raises:
            ValueError: size is below 1.
        """
        if size < 1:
            raise ValueError(f"expected chunks of at least 1 row of {self.data_name} {self.name}, got size={size}.")
        return (self._fixed(slice(start, start + size)) for start in range(0, len(self), size))

    def to(self, device: torch.device | str) -> Split:
        """The same split on another device; a streamed one moves its labels now and x batch by batch."""
        y = None if self.y is None else self.y.to(device)
        if isinstance(self.raw, np.ndarray):
            return Split(None, y, self.name, self.view, self.raw, device)
        return Split(self.x.to(device), y, self.name, self.view, None if self.raw is None else self.raw.to(device))

    def take(self, n: int) -> Split:
        """The first n rows, all of them if there are fewer, in memory.

        Raises:
            ValueError: n is below 1.
        """
        return self._held(slice(self._count(n)))

    def spread(self, n: int) -> Split:
        """n rows at equal distances, since the first may all be of one class; all of them if there are fewer, in memory.

        Raises:
            ValueError: n is below 1.
        """
        return self._held(evenly(len(self), self._count(n)))

    def _count(self, n: int) -> int:
        """How many of n rows there are."""
        if n < 1:
            raise ValueError(f"expected to take at least 1 row of {self.data_name} {self.name}, got n={n}.")
        return min(n, len(self))

    def _held(self, index: slice | Tensor) -> Split:
        """Some rows, in memory."""
        y = None if self.y is None else self.y[index]
        raw = self.raw if self.fresh else None
        if isinstance(raw, np.ndarray):
            raw = store.rows(raw, self._rows(index)).to(self.device)
        elif raw is not None:
            raw = raw[index]
        return Split(self._fixed(index), y, self.name, self.view, raw)

    def known(self) -> Split:
        """The rows whose label is known, in memory; all of them where y is not one label a datum."""
        y = self.y
        if y is None or y.is_floating_point() or y.dim() != 1 or bool((y > UNKNOWN).all()):
            return self
        rows = (y > UNKNOWN).nonzero().flatten()
        return Split(self._fixed(rows), y[rows], self.name, self.view)

    def attributes(self) -> dict[str, str | int | float]:
        """What to record with every score: strings and numbers. The seeds are those by which x was drawn."""
        attributes: dict[str, str | int | float] = {
            "data": self.data_name,
            "split": self.name,
            "kind": self.kind,
            "binarization": self.binarization,
            "dequantization": "uniform" if self.dequantization else "none",
            "levels": self.levels or "continuous",
            "standardization": f"{kind_named(self.kind).standardized_by} of train" if self.view.scale else "none",
            "log_jacobian": self.log_jacobian,
        }
        if self.binarization != "none":
            attributes["binarization_seed"] = self.view.seed
        if self.dequantization:
            attributes["dequantization_seed"] = self.view.seed
        if self.view.guess:
            attributes["guessed"] = self.view.guess
        if self.kind == "tokens":
            attributes["tokens"] = float(scored(self.x).double().mean())
        return attributes

    def __len__(self) -> int:
        return len(self.raw) if isinstance(self.raw, np.ndarray) else len(self.tensors[0])

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        x = self._fixed(index)
        return (x,) if self.y is None else (x, self.y[index])

    def __repr__(self) -> str:
        streamed = ", streamed" if self.streamed else ""
        return f"Split({self.data_name} {self.name}: {len(self)} × {tuple(self.x_shape)}, {self.kind}{streamed})"

    def _fixed(self, index: Any) -> Tensor:
        """The once-drawn x of some rows, on the split's device."""
        if not isinstance(self.raw, np.ndarray):
            return self.tensors[0][index]
        rows = self._rows(index)
        flat = rows.reshape(-1)
        # on the CPU, where the same numbers come out as of splits that were drawn in memory
        x = self.view.fixed(store.rows(self.raw, flat), flat, self.name)
        return x.reshape(*rows.shape, *self.x_shape).to(self.device)

    def _rows(self, index: Any) -> Tensor:
        """Row numbers of whatever can index a tensor."""
        # without counting all rows for the few that are asked for
        if isinstance(index, int):
            return torch.tensor(range(len(self))[index])
        if isinstance(index, slice):
            return torch.from_numpy(np.arange(*index.indices(len(self))))
        if isinstance(index, Tensor) and index.dtype == torch.long:
            rows = torch.where(index < 0, index + len(self), index).cpu()
            if ((rows < 0) | (rows >= len(self))).any():
                raise IndexError(f"{self!r} has no rows from {int(index.min())} to {int(index.max())}.")
            return rows
        return torch.arange(len(self))[index.cpu() if isinstance(index, Tensor) else index]


def evenly(count: int, most: int) -> Tensor:
    """Places of at most so many of ``count`` data, at equal distances, since the first may be the easiest: ``(n,)``.

    >>> evenly(10, 4)
    tensor([0, 2, 5, 7])
    """
    n = min(count, most)
    return torch.arange(n) * count // max(n, 1)


def draw_split(raw: Tensor | np.ndarray, y: Tensor | None, name: str, view: View) -> Split:
    """A split of raw values: streamed if they lie on disk and are large, else drawn once and kept in memory."""
    if isinstance(raw, np.ndarray):
        if store.is_large(raw):
            return Split(None, y, name, view, raw)
        raw = torch.from_numpy(np.array(raw))
    parts = torch.arange(len(raw)).split(max(1, PART // raw.shape[1:].numel()))
    x = torch.cat([view.fixed(raw[part], part, name) for part in parts])
    return Split(x, y, name, view, raw if view.fresh and name == "train" else None)
