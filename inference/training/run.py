"""What a fit leaves: the model, and what was measured in each epoch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

import pyrogen
from pyrogen.base import Model, check_number
from pyrogen.data import Data
from pyrogen.files import first_line
from pyrogen.inference.programs.contexts import evaluating, seeded

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

METRICS = "metrics.jsonl"


@dataclass(repr=False)
class Run:
    """What a fit leaves: the model, and what was measured in each epoch; :func:`pyrogen.load_run` reads one again.

    Attributes:
        model: as it was trained.
        records: the metrics of every epoch, as ``metrics.jsonl`` has them.
        settings: of the fit.
        folder: where it lies, if it does.
        seconds: of training, in this process.
        steps: how they were computed: recorded in so many seconds, or eager and why.
        source: its data, or how to have them.
        kept: the weights beside the last ones, "best" by the validation loss and "ema", where this process trained them: they
            are judged by ``run.evaluate(weights="ema")``. Of a run with a folder, ``pyrogen.load(folder, weights="ema")``.
    """

    model: Model
    records: list[dict[str, Any]] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    seconds: float = 0.0
    steps: str = ""
    source: Data | Callable[[], Data] | None = None
    kept: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)

    @property
    def history(self) -> pd.DataFrame:
        """The metrics as a table, a row an epoch and a column a term: ``run.history["valid/loss"]``."""
        import pandas as pd

        return pd.DataFrame(self.records).set_index("epoch") if self.records else pd.DataFrame()

    @property
    def data(self) -> Data:
        """The data that it was trained on.

        Raises:
            ValueError: they are not at hand.
        """
        if self.source is None:
            raise ValueError(
                "this run does not say what it was trained on; pass the data to load_run(folder, data=...)."
            )
        self.source = self.source() if callable(self.source) else self.source
        return self.source

    def plot(self) -> Figure:
        """The learning curves: every term of the objective and of its diagnostics over the epochs.

        Raises:
            ValueError: nothing was measured.
        """
        from pyrogen.figures import plots

        if not self.records:
            raise ValueError("there are no epochs to plot: the run was not trained.")
        return plots.curves(self.records)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None, seed: int = 0) -> Tensor:
        """Draw ``n`` data, ``(n, *x_shape)``, in the units of the data before they were standardized.

        Args:
            n: how many.
            y: what they are given, where the model is conditional; by default the y of test data.
            seed: of the draws.

        Raises:
            ValueError: see :meth:`pyrogen.base.Model.sample`.
        """
        check_number(n)
        known = self.data.test.y if y is None and self.model.condition is not None else y
        if y is None and known is not None:
            known = known[torch.arange(n) % len(known)]
        given = self.model.condition_for(known)
        with evaluating(self.model), seeded(seed, self.model.device):
            x = self.model.sample(n, None if given is None else given.to(self.model.device))
        scale = self.data.train.view.scale if self.source is not None else None
        return x if scale is None else scale.restore(x)

    def evaluate(self, estimator: Any = None, **settings: Any) -> xr.Dataset:
        """Estimate log p(x) of the test data, as ``pyrogen evaluate`` does: see :func:`pyrogen.evaluate`."""
        return pyrogen.evaluate(self, estimator, **settings)

    def analyse(self, analyses: Any = None, **settings: Any) -> Any:
        """Ask what its latents mean, as ``pyrogen latents`` does: see :func:`pyrogen.analyse`."""
        return pyrogen.analyse(self, analyses, **settings)

    def assess(self, measures: Any = None, **settings: Any) -> Any:
        """Measure its samples, as ``pyrogen evaluate --quality`` does: see :func:`pyrogen.assess_run`."""
        return pyrogen.assess_run(self, measures, **settings)

    def report(self) -> Path:
        """Write ``report.html`` into the run's folder; returns its path: see :func:`pyrogen.report`."""
        return pyrogen.report(self)

    def _repr_html_(self) -> str:
        from pyrogen import html

        numbers = [(k, f"{v:.4g}") for k, v in (self.records or [{}])[-1].items() if isinstance(v, (int, float))]
        curves = [html.picture(self.plot(), "learning curves")] if self.records else []
        return html.block(repr(self), html.table(numbers, ("last epoch", "value")), *curves)

    def __repr__(self) -> str:
        terms = self.records[-1] if self.records else {}
        last = ", ".join(f"{k} {v:.4g}" for k, v in terms.items() if isinstance(v, (int, float)))
        return f"Run({type(self.model).__name__}, {last}, folder={str(self.folder) if self.folder else None})"


def read_history(folder: str | Path) -> list[dict[str, Any]]:
    """The metrics of every epoch of a run.

    Raises:
        ValueError: the file is damaged.
    """
    path = Path(folder) / METRICS
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        history = [json.loads(line) for line in lines]
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {first_line(error)}") from error
    if not all(isinstance(line, dict) for line in history):
        raise ValueError(f"{path} is damaged: a line is no record of an epoch.")
    return history
