"""The data and the model of a run: from wishes, and again from its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyrogen import storage
from pyrogen.axes import refusal
from pyrogen.base import Model
from pyrogen.data import Data, load
from pyrogen.data.dataset import MEMORY
from pyrogen.files import first_line


def data_and_model(wishes: dict[str, Any], build: Callable[..., Any], own: dict[str, Any]) -> tuple[Data, Model]:
    """The data as the model takes them, and the model of their shape."""
    named = {k: v for k, v in wishes.items() if v is not None}
    data = load(**named)
    model = build(**data.decides(build), **own)
    if not {"kind", "binarization", "dequantization"} & named.keys():
        # nothing was said of the kind: take the one that the likelihood scores
        if data.kind == "real" and not {"real", "counts", "angle"} & set(model.kinds):
            raise ValueError(refusal(f"{type(model).__name__}", model.kinds, data.kind))
        data = load(**named, kind=model.kinds)
    return data, model


def data_of(folder: str | Path) -> Data:
    """The data that a run was trained on, loaded again as its config says.

    Raises:
        ValueError: the config has no data, or they are not to be had.
    """
    section = storage.read_config(folder).get("data")
    if not isinstance(section, dict) or "source" not in section:
        raise ValueError(f"{folder} does not say what it was trained on; name the data.")
    if section["source"] == MEMORY:
        raise ValueError(f"{folder} was trained on arrays; pass them, for no file holds them.")
    kind, binarization = section.get("kind"), section.get("binarization")
    # written as they came out, and only data of these kinds may be asked for it again
    dequantization = section.get("dequantization") if kind == "unit" else None
    standardize = section.get("standardize", False) if kind == "real" else None
    try:
        data = load(
            section["source"],
            kind,
            binarization,
            dequantization,
            section.get("seed", 0),
            standardize,
            section.get("size"),
            section.get("labels"),
            section.get("missing", False),
            section.get("label"),
            section.get("columns"),
        )
    except (TypeError, AttributeError, KeyError, RuntimeError, OverflowError, OSError) as error:
        path = Path(folder) / storage.CONFIG
        raise ValueError(f"the section 'data' of {path} describes no data: {first_line(error)}") from error
    then = {split: section.get(f"sha256_{split}") for split in data.sha256}
    changed = [split for split, digest in data.sha256.items() if then[split] not in (None, digest)]
    if changed:
        hashes = "; ".join(f"x and y of {split} hash to {data.sha256[split]}, then {then[split]}" for split in changed)
        raise ValueError(
            f"the {' and '.join(changed)} data of {section['source']} have changed since {folder} was trained ({hashes}); "
            "bring the old ones back, or train anew."
        )
    return data
