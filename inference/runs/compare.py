"""Runs side by side: several seeds of one recipe, or several models on the same data."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pyrogen import storage
from pyrogen.files import repeated
from pyrogen.inference.evidence import request
from pyrogen.inference.evidence.comparison import compare_evidence
from pyrogen.inference.runs.scores import read_scores, stale_scores
from pyrogen.inference.training.run import Run, read_history

Scores = Mapping[str, xr.Dataset]


def seeds_table(runs: Sequence[Run]) -> str:
    """The last value of every metric: mean, standard deviation over seeds, and each seed's own."""
    seeds = [run.settings["seed"] for run in runs]
    table = Table("last epoch", "mean", "sd", *(f"seed {seed}" for seed in seeds), title=f"{len(runs)} seeds")
    last = [run.records[-1] if run.records else {} for run in runs]
    for term in last[0]:
        values = [float(v) for line in last if isinstance(v := line.get(term), (int, float))]
        if term != "epoch" and len(values) == len(runs):
            spread = f"{np.std(values, ddof=1):.3g}"
            table.add_row(term, f"{np.mean(values):.4f}", spread, *(f"{v:.4f}" for v in values))
    return _text(table)


def runs_table(folders: Sequence[str | Path]) -> str:
    """Every score that all runs share, with the paired difference to the first run, both of its errors, and its doubts.

    The differences are those of :func:`~pyrogen.inference.compare_evidence`. Validation losses stand beside them only
    where all runs minimized the same loss on the same data. What a run lacks is said, with the command that makes it.

    Raises:
        ValueError: a folder is no run, or the scores are not of the same data.
    """
    names = [str(folder) for folder in folders]
    if twice := repeated(names):
        raise ValueError(f"{twice} was named twice; compare different runs.")
    if len(names) < 2:
        raise ValueError(f"compare takes two runs or more; the scores of {names[0]} are in its report.")
    configs = {name: storage.read_config(name) for name in names}
    scores = {name: _comparable(read_scores(name)) for name in names}
    first, labels = names[0], list(dict.fromkeys(label for found in scores.values() for label in found))
    shared = [label for label in labels if all(label in found for found in scores.values())]
    compared, doubts = {}, []
    for label in shared:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the doubts are printed below the table
            compared[label] = compare_evidence({name: scores[name][label] for name in names})
        doubts += [f"beware: by {label}, {doubt}" for doubt in compared[label]["doubt"].values if doubt]
    alike = len({repr((c.get("data"), _objective(c))) for c in configs.values()}) == 1
    table = Table(
        "run",
        "model",
        "parameters",
        "score",
        "nats per datum",
        "± MC",
        "± data",
        f"gain over {escape(first)}",
        "flagged",
    )
    for name in names:
        entry = str(configs[name]["model"].get("entry", "own"))
        table.add_row(escape(name), escape(entry), _count(name, configs[name]["model"]))
        loss = _last_loss(name)
        if alike and loss is not None:
            table.add_row("", "", "", "last valid/loss", f"{loss:.3f}")
        for label, comparison in compared.items():
            table.add_row("", "", "", label, *_cells(comparison.sel(estimate=name), first))
    notes = [] if alike else ["validation losses are left out: the runs' data or objectives differ."]
    notes += [sentence for name in names for sentence in stale_scores(name).values()]
    return "\n".join([_text(table).rstrip("\n"), *notes, *doubts, *_missing(scores, labels, shared)]) + "\n"


def _comparable(scores: Scores) -> Scores:
    """Those of data that another run can be scored on: not of what the model simulated, or what its own score flags."""
    return {label: score for label, score in scores.items() if not {"valid_for", "flagged_by"} & set(score.attrs)}


def _cells(row: xr.Dataset, first: str) -> Iterator[str]:
    yield from (f"{float(row[key]):.3f}" for key in ("nats", "mc_se", "data_se"))
    errors = f"± {float(row['difference_mc_se']):.3f} (MC) ± {float(row['difference_data_se']):.3f} (data)"
    yield "" if row["estimate"].item() == first else f"{float(row['difference']):+.3f} {errors}"
    yield str(int(row["flagged"]))


def _missing(scores: Mapping[str, Scores], labels: Sequence[str], shared: Sequence[str]) -> Iterator[str]:
    """What each run lacks that another has, or has not at all, and the command for it."""
    if not labels:
        yield "no run has been scored; score each, by its own exact log_prob or by IWAE:"
        yield from (f"  {request.again(name, 'evaluate', 'evaluate()')}" for name in scores)
        return
    if not shared:
        yield "no score is shared by all:"
    for label in labels:
        a = next(found[label].attrs for found in scores.values() if label in found)
        lacking = [name for name, found in scores.items() if label not in found]
        if lacking:
            yield f"{', '.join(lacking)} {'lacks' if len(lacking) == 1 else 'lack'} {label}:"
            yield from (f"  {request.command(name, str(a['estimator']), request.settings(a), a)}" for name in lacking)


def _objective(config: Mapping[str, Any]) -> Any:
    fit = config.get("fit")
    return fit.get("objective") if isinstance(fit, Mapping) else None


def _last_loss(folder: str) -> float | None:
    history = read_history(folder)
    loss = history[-1].get("valid/loss") if history else None
    return loss if isinstance(loss, (int, float)) else None


def _count(folder: str, origin: Mapping[str, Any]) -> str:
    """How many parameters its model has; a dash where only its maker can build it."""
    arguments = origin.get("arguments")
    if "entry" not in origin or not isinstance(arguments, dict) or storage.own_networks(arguments):
        return "–"
    model: Any = storage.load(folder)
    return f"{sum(p.numel() for p in model.parameters()):,}"


def _text(table: Table) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(table)
    return capture.get()
