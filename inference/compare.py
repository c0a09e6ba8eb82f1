"""Runs side by side: several seeds of one recipe, or several models on the same data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from rich.console import Console
from rich.table import Table

from pyrogen import storage
from pyrogen.inference.evidence.summary import summarize
from pyrogen.inference.trainer import Run, read_history


def seeds_table(runs: Sequence[Run]) -> str:
    """The last value of every metric: mean, standard deviation over seeds, and each seed's own."""
    seeds = [run.settings["seed"] for run in runs]
    table = Table("last epoch", "mean", "sd", *(f"seed {seed}" for seed in seeds), title=f"{len(runs)} seeds")
    last = [run.history[-1] if run.history else {} for run in runs]
    for term in last[0]:
        values = [float(v) for line in last if isinstance(v := line.get(term), (int, float))]
        if term != "epoch" and len(values) == len(runs):
            spread = f"{np.std(values, ddof=1):.3g}"
            table.add_row(term, f"{np.mean(values):.4f}", spread, *(f"{v:.4f}" for v in values))
    return _text(table)


def runs_table(folders: Sequence[str | Path]) -> str:
    """Every score that all runs share, with the paired difference to the first run, and both of its errors.

    The difference is a mean over data of log p₂(x) − log p₁(x); ± Monte Carlo joins both runs' errors, ± data is the
    standard error of the paired differences.

    Raises:
        ValueError: a folder is no run, or the scores are not of the same data.
    """
    runs = {str(folder): _scores(folder) for folder in folders}
    first, *_ = runs
    table = Table("run", "model", "parameters", "score", "nats per datum", "± MC", "± data", f"gain over {first}")
    shared = [s for s in runs[first] if all(s in scores for scores in runs.values())]
    for folder, scores in runs.items():
        config, count = storage.read_config(folder), _count(folder)
        name = str(config["model"].get("entry", "own"))
        history = read_history(folder)
        loss = history[-1].get("valid/loss") if history else None
        table.add_row(folder, name, f"{count:,}", "last valid/loss", "–" if loss is None else f"{loss:.3f}", "", "", "")
        for label in shared:
            s = summarize(scores[label])
            gain = "" if folder == first else _gain(scores[label], runs[first][label], folder, first)
            table.add_row("", "", "", label, f"{s.nats:.3f}", f"{s.mc_se:.3f}", f"{s.data_se:.3f}", gain)
    text = _text(table)
    if not shared:
        text += f"no score is shared by all; for each run: pyrogen evaluate {first}\n"
    return text


def _gain(score: xr.Dataset, base: xr.Dataset, folder: str, first: str) -> str:
    same = ("data", "split", "kind", "binarization", "dequantization", "binarization_seed", "dequantization_seed")
    differ = [k for k in same if score.attrs.get(k) != base.attrs.get(k)]
    if differ or score.sizes["datum"] != base.sizes["datum"]:
        raise ValueError(
            f"{folder} and {first} were not scored on the same data ({', '.join(differ) or 'number of data'} differ); score "
            "both on the same split of the same data."
        )
    difference = (score["log_evidence"] - base["log_evidence"]).values
    n = len(difference)
    monte_carlo = math.sqrt(float((score["mc_se"] ** 2 + base["mc_se"] ** 2).sum())) / n
    data = difference.std(ddof=1) / math.sqrt(n) if n > 1 else math.nan
    return f"{difference.mean():+.3f} ± {monte_carlo:.3f} (MC) ± {data:.3f} (data)"


def _scores(folder: str | Path) -> dict[str, xr.Dataset]:
    storage.read_config(folder)
    found = {}
    for path in sorted((Path(folder) / "scores").glob("*.nc")):
        try:
            found[path.stem] = xr.load_dataset(path, engine="h5netcdf")
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ValueError(f"{path} is damaged: {str(error).splitlines()[0]}") from error
    return found


def _count(folder: str | Path) -> int:
    model: Any = storage.load(folder)
    return sum(p.numel() for p in model.parameters())


def _text(table: Table) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(table)
    return capture.get()
