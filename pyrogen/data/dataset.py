"""Named data sets, and data of the user's own, in three splits of what a likelihood scores."""

from __future__ import annotations

import functools
import hashlib
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyrogen import midi
from pyrogen.conditions import Condition
from pyrogen.data import folder, music, npz, table, text, trajectories
from pyrogen.data.given import array_of, filled, x_and_y
from pyrogen.data.label import BLANK, number_as
from pyrogen.data.law import Law
from pyrogen.data.named import path_of, settings_of, source_named
from pyrogen.data.oracle import Oracle
from pyrogen.data.resize import resize
from pyrogen.data.scale import Scale
from pyrogen.data.source import SPLITS, Source, hide
from pyrogen.data.split import CHUNK, Split, draw_split
from pyrogen.data.view import choose, is_named
from pyrogen.kinds import is_picture, kind_named
from pyrogen.registry import DECIDED, choices, notes, unknown
from pyrogen.vocabulary import Vocabulary

log = logging.getLogger("pyrogen")
# the source of data that no file holds
MEMORY = "<arrays>"
PICTURED = 16  # training data that a notebook shows


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """A data set in three splits, and what its values are.

    Attributes:
        kind: "binary", "unit", "levels", "real", "counts", "positive", "angle", "tokens" or "paths", see
            :mod:`pyrogen.kinds`.
        x_shape: shape of one datum.
        binarization: "dynamic", "static" or "none".
        dequantization: whether uniform noise was added to the grey levels.
        levels: number of grey levels of the raw data; None where they are continuous.
        seed: by which x was drawn once: all of valid and test, and what ``train.x`` shows.
        reference: where the data come from.
        source: what :func:`load` takes to find them again: a name, or an absolute path.
        sha256: of each split, the first 12 hex digits of the hash of its raw x and y.
        standardize: whether x is (raw − mean) / sd, or raw / geometric mean of positive x, see
            :class:`pyrogen.data.scale.Scale`.
        size: to which the images were cut and resized.
        class_names: what the labels 0, 1 ... mean; of several labels a datum, one name for each; of tokens, the words.
        labels: how many training data kept their label; those of the others are :data:`pyrogen.conditions.UNKNOWN`.
        missing: whether NaN in x stands for what was not observed.
        label: the column of a table that was named as its labels.
        columns: the names of a table's columns that are x; without a header, the numbers that were named.
        guessed: what was guessed of the meaning of the values, in words; "" where it was said.
        oracle: what is known exactly of their modes; None of most data.
        paired: whether each y belongs to its x; if not, they are two domains, whose partners are hidden in test alone.
        law: what they were drawn from, where its log p is known; None of most data.
        token: what a user's text was cut into, see :func:`load`.
        length: how many tokens a user's text may have, or a window of a user's music has, as it was wished.
        sequence: whether rows of a user's arrays are sequences ``(C, T)``, as it was said.
        labelled: what :func:`load` takes to find such x with y of their own, where here y is made of x; "" of most data.
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
    sha256: Mapping[str, str] = field(default_factory=dict)
    standardize: bool = False
    size: int | None = None
    class_names: tuple[str, ...] = ()
    labels: int | None = None
    missing: bool = False
    label: str | None = None
    columns: tuple[str, ...] = ()
    guessed: str = ""
    oracle: Oracle | None = None
    paired: bool = True
    law: Law | None = None
    token: str | None = None
    length: int | None = None
    sequence: bool = False
    labelled: str = ""

    @property
    def splits(self) -> dict[str, Split]:
        """All three, by their names."""
        return {name: getattr(self, name) for name in SPLITS}

    def split(self, name: str) -> Split:
        """One of them by its name.

        Raises:
            ValueError: there is none.
        """
        if name not in SPLITS:
            raise unknown("split", name, SPLITS)
        return self.splits[name]

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The words that tokens are the numbers of; None of data of other kinds."""
        return self.train.view.vocabulary

    @property
    def classes(self) -> int | None:
        """Number of classes, one more than the largest label; None without labels."""
        labels = [s.y for s in self.splits.values() if s.y is not None and not s.y.is_floating_point()]
        return int(max(y.max() for y in labels)) + 1 if labels else None

    @property
    def y_kind(self) -> str | None:
        """What y is: a "label", "labels" (several a datum), "tokens", a "layout", an "image" or "numbers"; None without y."""
        y = next((s.y for s in self.splits.values() if s.y is not None), None)
        if y is None:
            return None
        if y.is_floating_point():
            picture = Condition(y.shape[1:]).picture if y.dim() > 1 else None
            return "image" if picture is not None and is_picture(picture) else "numbers"
        if y.dim() == 2:
            return "tokens" if self.class_names[:1] == (BLANK,) else "labels"
        return {1: "label", 3: "layout"}.get(y.dim(), "labels")

    @property
    def y_shape(self) -> torch.Size:
        """Shape of one y; of one label, or without y, it is ``()``."""
        return torch.Size() if self.train.y is None else self.train.y.shape[1:]

    def decides(self, build: Callable[..., Any]) -> dict[str, Any]:
        """The arguments of an entry that its data decide: ``x_shape``, ``classes``, ``vocabulary`` and so on, if it has them.

        So do they of a ``latent_size`` that is larger by default than x is, where the posterior is a choice: more latents
        than that only cost a KL. Codes that are points may be larger, and stay.
        """
        wanted = inspect.signature(build).parameters
        found = {k: getattr(self, k) for k in DECIDED if k in wanted}
        usual = wanted["latent_size"].default if "latent_size" in notes(build) else 0
        if isinstance(usual, int) and self.x_shape.numel() < usual:  # a shape is no number to be made smaller
            found["latent_size"] = self.x_shape.numel()
        return found

    def like(self, raw: Any, y: Any = None, name: str = "new") -> Split:
        """Further raw data, ``(N, *x_shape)`` or texts, and y: prepared as these were, standardized, binarized, or numbered.

        Args:
            raw: what :func:`pyrogen.data.from_arrays` takes for x: images with channels first or last, and the columns of a
                DataFrame in any order.
            y: as the y of these data was said: names, or numbers before they were numbered from 0.
            name: of the split.

        Raises:
            ValueError: their shape is another, or they hold values, or classes, that these data cannot.
        """
        view = self.train.view
        if isinstance(raw, Split):
            raise ValueError(f"{raw!r} holds data that are prepared already; pass it as it is.")
        if self.vocabulary is not None and isinstance(raw, Sequence) and all(isinstance(text, str) for text in raw):
            raw = self.vocabulary.read(raw, self.x_shape[-1])
        raw = filled(raw, self.x_shape[-1]) if self.missing and self.x_shape else raw
        x, inner, _ = x_and_y(raw, view.columns, y)
        shape = x.shape
        if x.ndim == 4 and not _fits(x, self.x_shape):
            x = np.moveaxis(x, -1, 1)  # images with their channels last
        if not _fits(x, self.x_shape):
            raise ValueError(f"expected raw data of shape (N, {', '.join(map(str, self.x_shape))}); got {shape}.")
        if x.dtype.kind not in "biuf":
            raise ValueError(f"expected raw data that are numbers, as those of {self.name!r} were; got {x.dtype}.")
        wide = x.dtype.kind in "iu" and x.itemsize > 1
        values = torch.from_numpy(x.astype(np.int64 if wide else x.dtype)).reshape(len(x), *self.x_shape)
        view.check(values)
        told = inner if y is None else array_of(y)
        if told is not None and len(told) != len(x):
            raise ValueError(f"expected one y for each of {len(x)} data; got {len(told)}.")
        missing = self.missing or self.kind == trajectories.KIND
        known = self.class_names, self.classes, self.train.y
        labels = None if told is None else number_as(self.name, told, *known, missing)
        return draw_split(values, labels, name, view)

    def describe(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "name": self.name,
            "source": self.source,
            "kind": self.kind,
            "x_shape": list(self.x_shape),
            "splits": {name: len(s) for name, s in self.splits.items()},
            "binarization": self.binarization,
            "dequantization": self.dequantization,
            "levels": self.levels,
            "seed": self.seed,
            "standardize": self.standardize,
            "size": self.size,
            "classes": self.classes,
            "class_names": list(self.class_names),
            "labels": self.labels,
            "paired": self.paired,
            "missing": self.missing,
            "label": self.label,
            "columns": list(self.columns),
            "guessed": self.guessed,
            **({"vocabulary": text.described(self.vocabulary, self.splits)} if self.vocabulary else {}),
            "token": self.token,
            "length": self.length,
            **({"sequence": True} if self.sequence else {}),
            "reference": self.reference,
            **{f"sha256_{split}": digest for split, digest in self.sha256.items()},
        }

    def _repr_html_(self) -> str:
        from pyrogen import html
        from pyrogen.figures import plots

        part = self.train.spread(PICTURED)
        rows = [(s.name, f"{len(s):,}") for s in self.splits.values()]
        shown = html.picture(plots.samples(part.x, self.kind), f"some training data of {self.name}")
        return html.block(repr(self), html.table(rows, ("split", "data")), shown)

    def __repr__(self) -> str:
        sizes = " + ".join(f"{len(s)} {s.name}" for s in self.splits.values())
        drawn = f"{self.binarization} binarization" if self.binarization != "none" else ""
        drawn = "dequantized" if self.dequantization else drawn
        how = f" ({drawn}, seed {self.seed})" if drawn else " (standardized)" if self.standardize else ""
        labels = f", y {self._said_of_y()}" if self.y_shape else f", {self.classes} classes" if self.classes else ""
        labels += f", {self.labels} labelled" if self.labels is not None else ""
        labels += "" if self.paired else ", unpaired"
        labels += ", some of it missing" if self.missing else ""
        labels += f", {len(self.vocabulary):,} words" if self.vocabulary else ""
        labels += f"; guessed: {self.guessed}" if self.guessed else ""
        return f"Data({self.name}: {sizes}, x {tuple(self.x_shape)} {self.kind}{how}{labels})"

    def _said_of_y(self) -> str:
        many = f" of {self.classes} {'words' if self.y_kind == 'tokens' else 'classes'}" if self.classes else ""
        return f"{tuple(self.y_shape)} {self.y_kind}{many}"


def load(
    name: str | Path,
    kind: str | Sequence[str] | None = None,
    binarization: str | None = None,
    dequantization: bool | None = None,
    seed: int = 0,
    standardize: bool | None = None,
    size: int | None = None,
    labels: int | None = None,
    missing: bool = False,
    label: str | None = None,
    columns: Sequence[str] | None = None,
    token: str | None = None,
    length: int | None = None,
    sequence: bool = False,
) -> Data:
    """Load a data set.

    >>> load("digits", kind="unit").test
    Split(digits test: 360 × (1, 8, 8), unit)

    Args:
        name: a registered data set, see ``pyrogen.choices("data")``, written as a call where it has arguments,
            ``"sprites(size=64)"``; or the path of a ``.npz`` file
            (:func:`pyrogen.data.npz.read`), of a ``.csv`` file (:func:`pyrogen.data.table.read`), of a ``.txt`` file
            (:func:`pyrogen.data.text.read`), of a ``.mid`` file or a folder of them (:func:`pyrogen.data.music.read`), or of
            a folder of images (:func:`pyrogen.data.folder.read`). Of ``kind="paths"`` a ``.csv`` or ``.txt`` file is one of
            people's places (:func:`pyrogen.data.trajectories.read`); so is a ``.csv`` file with a header that says so.
        kind: what x shall be, see :mod:`pyrogen.kinds`; of several, the first that the data offer.
        binarization: "dynamic" (in training anew for every batch; valid and test once), "static" (all once) or "none".
        dequantization: whether "unit" data get uniform noise within their grey level, which is the default; in training
            anew for every batch.
        seed: by which values are drawn that are drawn once. The splits do not depend on it.
        standardize: whether real x becomes (r − mean) / sd, and positive x r / geometric mean, with the statistics of train,
            by column, or of images by channel; the default for arrays and tables of one's own; their splits' ``log_jacobian``
            turns log p(x) into the log-density of the raw values.
        size: cut images to a centred square and resize them to ``size`` × ``size``.
        labels: keep the labels of so many training data, as many of each class as can be, and hide those of the others.
        missing: whether NaN in a file (in a table also an empty cell) stands for what was not observed, as the likelihood
            Masked takes it; otherwise it is refused.
        label: the column of a ``.csv`` file that holds the labels, by its name, or without a header by its number from 1.
        columns: the columns of a ``.csv`` file that are x, likewise; by default all but the label.
        token: what the sentences of a ``.txt`` file are cut into, "word" or "character"; by default words.
        length: how many of them a sentence of a ``.txt`` file may have; by default as many as the longest has. Of MIDI files
            the sixteenth notes of a window; by default 64, four bars. Of clips the frames.
        sequence: whether rows of a ``.npz`` or ``.npy`` file are sequences ``(C, T)``, and no images ``(H, W)``; of a folder,
            whether each folder of images in it is a clip.

    Raises:
        ValueError: unknown name, unreadable file, or wishes that contradict one another or the data.
    """
    if str(name) == MEMORY:
        raise ValueError("these are arrays that were in memory; pass them again, by pyrogen.data.from_arrays, say.")
    wishes = Wishes(
        kind=kind,
        binarization=binarization,
        dequantization=dequantization,
        seed=seed,
        standardize=standardize,
        size=size,
        labels=labels,
        missing=missing,
        label=label,
        columns=tuple(columns or ()),
        token=token,
        length=length,
        sequence=sequence,
    )
    return prepare(*_found(name, wishes), wishes)


def found_again(said: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of :func:`load`, by name, that find data again which were loaded before.

    Args:
        said: what :meth:`Data.describe` says of them, or their attributes.
    """
    parameters = inspect.signature(load).parameters
    found = {name: said.get(name, parameter.default) for name, parameter in parameters.items()}
    # written as they came out, and only data of these kinds may be asked for it again
    found["dequantization"] = found["dequantization"] if found["kind"] == "unit" else None
    found["standardize"] = found["standardize"] if is_standardized(found["kind"]) else None
    return {**found, "name": said["source"], "columns": found["columns"] or None}


def is_standardized(kind: str | Sequence[str] | None) -> bool:
    """Whether data of a kind may be standardized."""
    return isinstance(kind, str) and kind in choices("kind") and bool(kind_named(kind).standardized_by)


def alike(name: str, said: Mapping[str, Any], scale: Scale | None = None, size: int | None = None) -> Data:
    """Other data, of the kind of those that were loaded before, drawn, resized and standardized as they were.

    How those came out is wished of the others where they have something to draw: bits stay what they are beside data that
    were binarized, and so do numbers in [0, 1] beside grey levels with noise. Grey values beside bits that nobody drew are
    binarized as usual.

    Args:
        name: of the others.
        said: what :meth:`Data.describe` says of those that were loaded, or their attributes.
        scale: of those that were loaded, the view's, where they were standardized: the others are put in its units.
        size: of images, instead of theirs.

    Raises:
        ValueError: there are none of that kind, or none of the scale's shape.
    """
    kind, size = said["kind"], said.get("size") if size is None else size
    wishes = Wishes(kind, seed=said.get("seed", 0), standardize=False if is_standardized(kind) else None, size=size)
    source, found = _found(name, wishes)
    if kind == "binary" and source.levels != 2 and said.get("binarization") != "none":
        wishes = wishes._replace(binarization=said.get("binarization"))
    if kind == "unit" and source.levels is not None:
        wishes = wishes._replace(dequantization=said.get("dequantization"))
    return prepare(source, found, wishes, scale)


class Wishes(NamedTuple):
    """What was wished of data, see :func:`load`."""

    kind: str | Sequence[str] | None = None
    binarization: str | None = None
    dequantization: bool | None = None
    seed: int = 0
    standardize: bool | None = None
    size: int | None = None
    labels: int | None = None
    missing: bool = False
    label: str | None = None
    columns: tuple[str, ...] = ()
    token: str | None = None
    length: int | None = None
    sequence: bool = False


def prepare(source: Source, found: str, wishes: Wishes, scale: Scale | None = None) -> Data:
    """Raw data in three splits as they were wished; ``found`` is what :func:`load` takes to find them again.

    Args:
        source: the raw data.
        found: what finds them.
        wishes: of how they are drawn.
        scale: of other data, by which these are standardized instead of by their own.

    Raises:
        ValueError: wishes that contradict one another or the data, or a scale of another shape.
    """
    if wishes.labels is not None:
        source = hide(source, wishes.labels)
    wishes = wishes._replace(columns=source.columns or wishes.columns)
    view = choose(source, wishes.kind, wishes.binarization, wishes.dequantization, wishes.seed, wishes.standardize)
    view = replace(
        view,
        missing=wishes.missing,
        class_names=source.class_names,
        columns=source.columns,
        paired=source.paired,
        scale=view.scale if scale is None else scale,
    )
    raw = source.splits["train"][0]
    if scale is not None and scale.mean.shape != raw.shape[1:]:
        raise ValueError(
            f"{source.name!r} has data of shape {tuple(raw.shape[1:])}, which cannot be standardized as others of shape "
            f"{tuple(scale.mean.shape)}; name data of the same shape."
        )
    sha256 = {split: digest_of(*values) for split, values in source.splits.items()}
    named = is_named(wishes.kind, wishes.binarization, wishes.dequantization)
    if guess := source.guess if named else view.guess:
        _say(source.name, guess, "" if named or not source.guess_of_kind else view.kind, tuple(sha256.items()))
    splits = {split: draw_split(values, y, split, view) for split, (values, y) in source.splits.items()}
    decided = {name: getattr(view, name) for name in ("kind", "binarization", "dequantization")}
    said: dict[str, Any] = {**splits, **wishes._asdict(), **decided, "standardize": view.scale is not None}
    return Data(
        name=source.name,
        **said,
        x_shape=torch.Size(raw.shape[1:]),
        levels=view.levels,
        reference=source.reference,
        source=found,
        sha256=sha256,
        class_names=source.class_names,
        guessed=view.guess,
        oracle=source.oracle,
        paired=source.paired,
        law=source.law,
        labelled=source.labelled,
    )


def _found(name: str | Path, wishes: Wishes) -> tuple[Source, str]:
    """Raw data as far as they were wished, and what :func:`load` takes to find them again.

    Raises:
        ValueError: unknown name, unreadable file, or wishes that no such file can keep.
    """
    path = path_of(name)
    only = [wishes.kind] if isinstance(wishes.kind, str) else list(wishes.kind or ())
    asked = path is not None and path.suffix.lower() in trajectories.FILES and only == [trajectories.KIND]
    plain = not (wishes.label or wishes.columns or wishes.missing)
    if path is not None and (asked or (plain and trajectories.told_by_names(path))):
        tabled = wishes.label is not None or wishes.columns or wishes.token is not None
        if wishes.missing or tabled or wishes.length is not None or wishes.sequence:
            raise ValueError(
                f"{path} is read as paths, which take no missing=, label=, columns=, token=, length=, sequence=."
            )
        source = trajectories.read(path)
    else:
        source = _source(name, path, wishes)
    if wishes.size is not None and not (path and path.is_dir()):
        source = resize(source, wishes.size)
    return source, str(path.absolute()) if path else str(name)


@functools.lru_cache(maxsize=256)
def _say(name: str, guess: str, kind: str, sha256: tuple[tuple[str, str], ...]) -> None:
    """Say what was guessed of data, once of each: the cache knows of which it was said."""
    more = f"; taken for kind {kind!r}, where kind= says another" if kind else ""
    # the command line prints the data themselves, which say it
    log.warning("guessed of the data %r: %s%s.", name, guess, more, extra={"in_data": True})


def _source(name: str | Path, path: Path | None, wishes: Wishes) -> Source:
    clips = wishes.sequence and path is not None and path.is_dir() and not music.holds_music(path)
    if wishes.sequence and not clips and not (path and path.suffix.lower() in (".npz", ".npy")):
        raise ValueError(
            "sequence=True says what the arrays of an .npz or .npy file are, or the folders of images in a folder, and "
            f"{str(name)!r} is none; leave it out."
        )
    table_like = path is not None and path.suffix.lower() == ".csv" and not path.is_dir()
    if not table_like and (wishes.label is not None or wishes.columns):
        raise ValueError(f"label= and columns= name columns of a .csv file, and {str(name)!r} is none; leave them out.")
    if path is not None and path.suffix.lower() == ".txt" and not path.is_dir():
        if wishes.missing:
            raise ValueError(f"missing=True reads NaN in a file of numbers, and {path} is a text; leave missing out.")
        return text.read(path, wishes.token or "word", wishes.length)
    musical = path is not None and (music.holds_music(path) if path.is_dir() else path.suffix.lower() in midi.SUFFIXES)
    if wishes.token is not None or (wishes.length is not None and not musical and not clips):
        own = settings_of(str(name)) if path is None else []
        raise ValueError(
            "token= and length= say how a .txt file is cut, and length= how MIDI files are and clips, by sequence=True, and "
            f"{str(name)!r} is none; leave them out"
            + (f": in its brackets it takes {', '.join(f'{setting}=' for setting in own)}." if own else ".")
        )
    if wishes.missing and (path is None or path.is_dir() or musical):
        raise ValueError(f"missing=True reads NaN in a file of numbers, and {str(name)!r} is none; leave missing out.")
    if path and musical and path.exists():
        return music.read(path, wishes.length)
    if path and path.is_dir():
        return folder.read(path, wishes.size, clips, wishes.length)
    if not path:
        return source_named(str(name))
    if not path.exists():
        raise ValueError(f"there is no such file: {path}.")
    if table_like:
        return table.read(path, wishes.missing, wishes.label, wishes.columns)
    return npz.read(path, wishes.missing, wishes.sequence)


def _fits(raw: np.ndarray, x_shape: torch.Size) -> bool:
    """Whether rows have this shape, a channel of 1 left out or not."""
    shape = raw.shape[1:]
    return raw.size > 0 and shape in (tuple(x_shape), tuple(x_shape)[1:] if x_shape[:1] == (1,) else tuple(x_shape))


def digest_of(x: Tensor | np.ndarray, y: Tensor | None) -> str:
    """The first 12 hex digits of the hash of raw x and y."""
    digest = hashlib.sha256()
    for raw in (x,) if y is None else (x, y):
        digest.update(str(tuple(raw.shape)).encode())
        for start in range(0, len(raw), CHUNK):
            digest.update(np.ascontiguousarray(raw[start : start + CHUNK]).data)
    return digest.hexdigest()[:12]
