"""What probes read from runs: measured, and kept beside the run that was asked alone."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyrogen import storage
from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.data.dataset import alike
from pyrogen.files import repeated
from pyrogen.inference.representations.comparison import compare_representations
from pyrogen.inference.representations.probed import Probed
from pyrogen.inference.runs.fresh import keep, read_fresh
from pyrogen.inference.runs.recipe import data_of
from pyrogen.kinds import is_picture

FACTS = "probes.json"


def probe_runs(
    folders: Sequence[str | Path],
    data: str | None = None,
    judged_on: str | None = None,
    weights: str = "last",
    kept: bool = True,
    **settings: Any,
) -> Probed:
    """Compare what runs make of data, by :func:`~pyrogen.inference.compare_representations`.

    Of one run on its own data what was found is kept in its folder, in the place of what was there.

    Args:
        folders: of the runs; differences are to the first.
        data: other data than the first run's own, by name, of the kind and the size that its model reads.
        judged_on: other data of the same classes, likewise, whose test data judge.
        weights: "last", "best" or "ema".
        kept: whether what was found is written down.
        settings: of the comparison.

    Raises:
        ValueError: a folder is no run, or as of the comparison.
    """
    names = [str(folder) for folder in folders]
    if twice := repeated(names):
        raise ValueError(f"{twice} was named twice; probe different runs.")
    judged = {name: storage.fingerprint(name, weights) for name in names}  # before: the folders may change meanwhile
    models: dict[str, Model] = {name: storage.load(name, weights=weights) for name in names}
    first = models[names[0]]
    own = data_of(names[0]) if data is None else like_the_data_of(names[0], first, data)
    other = None if judged_on is None else like_the_data_of(names[0], first, judged_on)
    found = compare_representations(models if len(names) > 1 else first, own, judged_on=other, **settings)
    if len(names) == 1 and data is None and judged_on is None:
        found.results.attrs.update(judged[names[0]], weights=weights)
        if kept:
            keep(Path(names[0]) / FACTS, found)
    return found


def like_the_data_of(folder: str | Path, model: Model, name: str) -> Data:
    """Other data, of the kind and the size of a run's: images are cut and resized to those that its model reads.

    Raises:
        ValueError: there are none of that kind.
    """
    section = storage.read_config(folder).get("data")
    said = {"kind": model.kinds[0], **(section if isinstance(section, dict) else {})}
    # what standardized the run's own data is known of these alone
    scale = data_of(folder).train.view.scale if said.get("standardize") else None
    found = alike(name, said, scale)
    if found.x_shape != model.x_shape and is_picture(model.x_shape) and model.x_shape[-1] == model.x_shape[-2]:
        found = alike(name, said, scale, model.x_shape[-1])
    return found


def read_probes(folder: str | Path) -> tuple[Probed | None, str]:
    """What probes found, where they read what the folder holds now, and the sentence that says why nothing is there.

    Raises:
        ValueError: the file is damaged.
    """
    renew = shlex.join(["pyrogen", "probe", str(folder)])  # of runs on arrays there is none: only Python can probe them
    return read_fresh(Path(folder) / FACTS, Probed.from_dict, "the table of probes", renew)
