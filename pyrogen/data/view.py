"""How the x that a likelihood scores is made from raw values, and which of the possible ways was wished for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pyrogen.data.scale import Scale
from pyrogen.data.source import Source, within_a_turn
from pyrogen.kinds import IMAGE_KINDS, PLAIN, kind_named
from pyrogen.registry import choices, unknown
from pyrogen.vocabulary import Vocabulary, numbered

BINARIZATIONS = ("dynamic", "static", "none")
# rows whose noise is drawn together: one generator a block is cheap, and so are the rows that nobody asked for
BLOCK = 16


@dataclass(frozen=True)
class View:
    """How x is made from raw values r, whole numbers below L or, without L, the values themselves, by their kind's ``draw``.

    ======================  =====================================
    "binary"                x ~ Bernoulli(r / (L − 1))
    "unit"                  x = r / (L − 1)
    "unit", dequantization  x = (r + u) / L, u uniform on (0, 1)
    "levels"                x = round(255 r / (L − 1))
    "real"                  x = r
    "real", scale           x = (r − mean) / sd
    "counts"                x = r
    "positive"              x = r
    "positive", scale       x = r / geometric mean
    "angle"                 x = r, turned into [−π, π)
    "tokens"                x = r, −1 after the end
    "paths"                 x = r
    ======================  =====================================

    It also knows what a split by itself is to be told of its data: the names of classes, whether NaN in x is what was not
    observed, whether each y belongs to its x, and the names of the columns of a table.
    """

    kind: str = "real"
    binarization: str = "none"
    dequantization: bool = False
    levels: int | None = None
    data_name: str = "own"
    seed: int = 0
    scale: Scale | None = None
    guess: str = ""
    vocabulary: Vocabulary | None = None
    class_names: tuple[str, ...] = ()
    missing: bool = False
    paired: bool = True
    columns: tuple[str, ...] = ()

    @property
    def fresh(self) -> bool:
        """Whether training sees a new draw in every batch."""
        return self.binarization == "dynamic" or self.dequantization

    def check(self, raw: Tensor) -> None:
        """Refuse raw values that the data, of which this is a view, cannot have.

        Raises:
            ValueError: what they are, and what was expected.
        """
        kind = kind_named(self.kind)
        seen = (raw[~raw.isnan()] if self.missing and kind.vectors else raw).float()
        if seen.numel() and (seen.isinf().any() or not self._can_have(seen)):
            raise ValueError(
                f"{self.data_name!r}: expected further raw data as the others were ({self._words}); got "
                f"{str(raw.dtype).removeprefix('torch.')} from {seen.min().item():g} to {seen.max().item():g}."
            )

    def _can_have(self, seen: Tensor) -> bool:
        if self._levelled:
            return bool(((seen == seen.round()) & (seen >= 0) & (seen < (self.levels or 0))).all())
        if self.kind == "angle":
            return within_a_turn(seen.min().item(), seen.max().item())
        if self.vocabulary is not None and seen.max() >= len(self.vocabulary):
            return False
        return kind_named("unit" if self._random else self.kind).check(seen)

    @property
    def _words(self) -> str:
        if self._levelled:
            return f"whole numbers from 0 to {(self.levels or 0) - 1}"
        if self.vocabulary is not None:
            return f"numbers of {len(self.vocabulary)} words, and −1 after the end"
        return "finite numbers" if self.kind == "real" else kind_named("unit" if self._random else self.kind).words

    @property
    def _levelled(self) -> bool:
        return self.levels is not None and self.kind in IMAGE_KINDS

    def draw(self, raw: Tensor, noise: Tensor | None = None) -> Tensor:
        """x of the raw values, same shape, float32; random views take uniform noise, or torch's global generator."""
        if self.scale:
            return self.scale(raw)
        return kind_named(self.kind).draw(raw, self.levels, self._random, noise)

    def fixed(self, raw: Tensor, rows: Tensor, split: str) -> Tensor:
        """x of the raw values of some rows of a split: the same with whatever other rows they are asked for."""
        return self.draw(raw, self._noise(rows, raw.shape[1:], split) if self._random else None)

    @property
    def _random(self) -> bool:
        return self.fresh or self.binarization == "static"

    def _noise(self, rows: Tensor, shape: torch.Size, split: str) -> Tensor:
        """Uniform on [0, 1), ``(len(rows), *shape)``: a row's is decided by seed, split and the row's number."""
        # in NumPy: torch would wake its threads for each of many small blocks
        blocks, within = np.divmod(rows.numpy(), BLOCK)
        noise = np.empty((len(rows), *shape), np.float32)
        order = blocks.argsort(kind="stable")
        for here in np.split(order, np.flatnonzero(np.diff(blocks[order])) + 1) if len(order) else []:
            generator = np.random.default_rng([self.seed % 2**64, blocks[here[0]], *split.encode()])
            noise[here] = generator.random((BLOCK, *shape), np.float32)[within[here]]
        return torch.from_numpy(noise)


def choose(
    source: Source,
    kind: str | Sequence[str] | None,
    binarization: str | None,
    dequantization: bool | None,
    seed: int,
    standardize: bool | None,
) -> View:
    """The first view that was wished for and that the source offers.

    Raises:
        ValueError: there is none.
    """
    if binarization not in (None, *BINARIZATIONS):
        raise unknown("binarization", binarization, BINARIZATIONS)
    wishes = _wishes(source, kind, binarization, dequantization, standardize)
    for wish in wishes:
        if wish not in choices("kind"):
            raise unknown("kind of data", wish, choices("kind"))
    named = is_named(kind, binarization, dequantization)
    kinds = (*source.kinds, *source.wished) if named else source.kinds
    kinds += tuple(k for k in wishes if k not in PLAIN and k not in kinds and _can_be(source, k))
    offered = [k for k in wishes if k in kinds]
    if not offered:
        near = [k for k in wishes if k in source.wished]
        further = f"; if that is what they are, say so by load(..., kind={near[0]!r})" if near else ""
        strange = [k for k in wishes if k not in PLAIN]
        further = f", whose values are {kind_named(strange[0]).words}" if strange else further
        told = kind_named(wishes[0]) if len(wishes) == 1 else None
        further = further or (f", whose values are {told.words}; {told.instead}" if told and told.instead else "")
        further = further or f"; take a model or a likelihood of {_either(kinds)} data"
        raise ValueError(f"{source.name!r} offers kind {_either(kinds)}, not {_either(wishes)}{further}.")
    objections = {k: _objection(source, k, binarization, dequantization, standardize) for k in offered}
    chosen = next((k for k in offered if not objections[k]), None)
    if chosen is None:
        raise ValueError(objections[offered[0]])
    grey = chosen == "binary" and source.levels != 2
    quantized = chosen == "unit" and source.levels is not None
    own = source.own and (chosen != "real" or _of_any_unit(source))
    scaled = bool(kind_named(chosen).standardized_by) and (own if standardize is None else standardize)
    return View(
        kind=chosen,
        binarization=(binarization or "dynamic") if grey else "none",
        dequantization=quantized and dequantization is not False,
        # numbers as they are have no top to be divided by
        levels=source.levels if source.levels == 2 or chosen in IMAGE_KINDS else None,
        data_name=source.name,
        seed=seed,
        scale=Scale.of(source, kind_named(chosen)) if scaled else None,
        guess=_guess(source, chosen, named, binarized=grey and not named),
        vocabulary=_vocabulary(source) if chosen == "tokens" else None,
    )


def _vocabulary(source: Source) -> Vocabulary:
    highest = max(int(np.asarray(x).max()) for x, _ in source.splits.values())
    return source.vocabulary or numbered(max(highest, 0))


def is_named(kind: str | Sequence[str] | None, binarization: str | None, dequantization: bool | None) -> bool:
    """Whether a wish says what the data are: several kinds are what a model takes, and no word of that."""
    return isinstance(kind, str) or (kind is None and (binarization in ("dynamic", "static") or bool(dequantization)))


def _guess(source: Source, chosen: str, named: bool, binarized: bool) -> str:
    """What was guessed, in words; of grey levels nobody who names their kind says how many there are."""
    of_kind = source.guess_of_kind if not named or chosen in IMAGE_KINDS else ""
    how = "they were binarized" if of_kind and binarized else ""
    return "; ".join(filter(None, (of_kind, how, source.guess)))


def _wishes(
    source: Source,
    kind: str | Sequence[str] | None,
    binarization: str | None,
    dequantization: bool | None,
    standardize: bool | None,
) -> tuple[str, ...]:
    if kind is not None:
        return (kind,) if isinstance(kind, str) else tuple(kind)
    if binarization in ("dynamic", "static"):
        return ("binary",)
    if dequantization:
        return ("unit",)
    if standardize and "real" in source.kinds:
        return ("real",)
    return ("unit", *source.kinds) if binarization == "none" else source.kinds


def _objection(
    source: Source, kind: str, binarization: str | None, dequantization: bool | None, standardize: bool | None
) -> str:
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
    if standardize and not kind_named(kind).standardized_by:
        takes = "standardize=True takes data of kind 'real' or 'positive'"
        return f"{takes}, and {source.name!r} is {kind!r}; leave standardize out."
    return ""


def _can_be(source: Source, kind: str) -> bool:
    return all(kind_named(kind).check(torch.as_tensor(np.asarray(x))) for x, _ in source.splits.values())


def _of_any_unit(source: Source) -> bool:
    """Whether real numbers may be far from order one: columns of a table, and images that nobody has scaled to [−1, 1]."""
    x = torch.as_tensor(source.splits["train"][0])
    return x.dim() == 2 or bool((x < -1).any() or (x > 1).any())


def _either(kinds: Sequence[str]) -> str:
    return " or ".join(map(repr, kinds)) or "nothing"
