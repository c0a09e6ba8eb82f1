"""How good a run's samples are: measured, and kept beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyrogen.inference.evidence.request import again
from pyrogen.inference.latents.judging import TrainedJudge
from pyrogen.inference.quality.assess import USUAL, Draws, assess
from pyrogen.inference.quality.measure import Measure
from pyrogen.inference.quality.quality import Quality
from pyrogen.inference.quality.spaces import FeatureSpace
from pyrogen.inference.runs.fresh import keep, read_fresh
from pyrogen.inference.runs.recipe import judged
from pyrogen.inference.training.run import Run

FACTS = "quality.json"


def assess_run(
    run: Run | str | Path,
    measures: Sequence[str | Measure | Mapping[str, Any]] | None = None,
    *,
    weights: str = "last",
    split: str = "test",
    num: int = USUAL,
    features: str | FeatureSpace | TrainedJudge = "auto",
    draws: Draws = "auto",
    seed: int = 0,
    kept: bool = True,
) -> Quality:
    """Measure a run's samples, and keep what was found in its folder, if it has one, in the place of what was there.

    Args:
        run: what :func:`~pyrogen.inference.fit` or :func:`pyrogen.load_run` gave, or a folder.
        measures: which, names on the axis "measure" or objects with settings of their own; by default all that apply.
        weights: "last", "best" or "ema".
        split: the data that samples are held against.
        num: of samples.
        features: the space of those that read features.
        draws: "samples", "means" or "auto".
        seed: of all random draws.
        kept: whether what was found is written down.

    Raises:
        ValueError: as :func:`pyrogen.inference.quality.assess.assess`, or no such run or weights.
    """
    run, model, files = judged(run, weights)
    found = assess(model, run.data, measures, features, num, seed, split, draws)
    found.results.attrs.update(files, weights=weights)
    if run.folder is not None and kept:
        keep(run.folder / FACTS, found)
    return found


def read_quality(folder: str | Path) -> tuple[Quality | None, str]:
    """What was found of a run, where it judged what the folder holds now, and the sentence that says why nothing is there.

    Raises:
        ValueError: the file is damaged.
    """
    renew = again(folder, "evaluate", "assess()", "--quality")
    return read_fresh(Path(folder) / FACTS, Quality.from_dict, "the quality", renew)
