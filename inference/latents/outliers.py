"""Data that a model was not made for: whether it would notice them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from pyrogen.base import HasLogProb, Model, Pair
from pyrogen.data import Data, Split, load
from pyrogen.data.dataset import found_again, is_standardized
from pyrogen.figures import outlier_plots, plots
from pyrogen.inference.latents.analysis import Analysis, Finding, Picture
from pyrogen.inference.latents.conformal import Separation, conformal_p_values, separation
from pyrogen.inference.latents.measured import share
from pyrogen.inference.latents.outlier_scores import Scorer, unweighable
from pyrogen.inference.programs.contexts import seeded
from pyrogen.registry import choice

CROWD = 25


def shuffled_columns(x: Tensor, seed: int = 0) -> Tensor:
    """Strangers made of data: each element is that of another datum, so that all of x that is left are its marginals."""
    with seeded(seed):
        order = torch.rand(len(x), x[0].numel()).argsort(0).to(x.device)
    return x.flatten(1).gather(0, order).reshape(x.shape)


def crowds(x: Tensor, n: int | None = None, seed: int = 0) -> Tensor:
    """Strangers in the midst of data: each element is the median of that of 25 random data that have it, ``(n, *x_shape)``.

    They are smoother than any datum and lie where density is highest, and yet no datum is like them.
    """
    with seeded(seed):
        rows = torch.randint(len(x), (len(x) if n is None else n, CROWD)).to(x.device)
    return x[rows].nanmedian(1).values


@choice("analysis", "outliers")
class Outliers(Analysis):
    """How well each score tells strangers from the test data, and whether its p-values hold.

    Without data to compare with, strangers are made of the test data: shuffled elements, which keep their marginals and
    nothing else, and medians of crowds, which lie in their midst, where log p(x) is known to fail.

    Args:
        against: a data set of strangers by its name, in the shape and kind of the model's data, beside those that are made;
            it is drawn, resized and standardized as the model's data were, by the statistics of these.
        limit: data of each set that are looked at.
        draws: of IWAE, for each datum, where log p(x) is not known exactly.
        steps: of the optimization of each posterior, for likelihood regret.
        level: of p-values that are called small.
    """

    title = "Would the model notice data that are not its own?"
    order = 60

    def __init__(
        self, against: str | None = None, limit: int = 120, draws: int = 100, steps: int = 60, level: float = 0.05
    ) -> None:
        self.against, self.limit, self.draws, self.steps, self.level = against, limit, draws, steps, level

    def refusal(self, model: Model, data: Data) -> str:
        """Why it cannot be asked."""
        if not isinstance(model, (Pair, HasLogProb)):
            return f"{type(model).__name__} has neither an encoder nor a log p(x), so that it has no score of outliers."
        if min(len(data.valid), len(data.test)) < 20:
            return f"{data.name!r} has fewer than 20 validation or test data, by which nothing can be told apart."
        return unweighable(model, data.test)

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Ask it."""
        half = min(self.limit, len(data.valid) // 2)
        valid = data.valid.spread(2 * half)
        # the model knows training data better than others, so validation data say what is typical, and others rank
        reference, calibration = (_rows(valid, slice(start, None, 2)) for start in (0, 1))
        test = data.test.spread(self.limit)
        sets = {"calibration": calibration, "test data": test, **self._strangers(data, test, seed)}
        estimator = None if isinstance(model, HasLogProb) else {"name": "IWAE", "k": self.draws}
        scorer = Scorer(model, reference, estimator, {"steps": self.steps}, seed)
        found = {name: scorer(some)["score"] for name, some in sets.items()}
        known, own = found.pop("calibration"), found.pop("test data")
        names = [str(name) for name in own["score_name"].values]
        areas = {
            stranger: [separation(scores.sel(score_name=n).values, own.sel(score_name=n).values) for n in names]
            for stranger, scores in found.items()
        }
        alarms = {
            which: [
                conformal_p_values(known.sel(score_name=n).values, scores.sel(score_name=n).values, seed) <= self.level
                for n in names
            ]
            for which, scores in {"test data": own, **found}.items()
        }
        return self._finding(names, areas, alarms, {"test data": own, **found}, data.standardize)

    def _strangers(self, data: Data, test: Split, seed: int) -> dict[str, Split]:
        made = {
            "shuffled elements": Split(shuffled_columns(test.x, seed), test.y, "shuffled", test.view),
            "crowd medians": Split(crowds(test.x, seed=seed), test.y, "crowds", test.view),
        }
        if self.against is None:
            return made
        # drawn as the data were, and standardized by what the model knows: else a score tells loaders apart
        said = found_again(vars(data))
        drawn = {name: said[name] for name in ("kind", "binarization", "dequantization", "seed", "size")}
        other = load(self.against, **drawn, standardize=False if is_standardized(data.kind) else None)
        if other.x_shape != data.x_shape:
            raise ValueError(
                f"against={self.against!r} has data of shape {tuple(other.x_shape)}, and {data.name!r} of "
                f"{tuple(data.x_shape)}; name data of the same shape."
            )
        some = other.test.spread(len(test))
        y = None if test.y is None else test.y[: len(some)]  # a conditional model asks for some y of strangers too
        scale = test.view.scale
        x = some.x if scale is None else scale(some.x)
        return {self.against: Split(x, y, self.against, replace(some.view, scale=scale)), **made}

    def _finding(
        self,
        names: Sequence[str],
        areas: Mapping[str, Sequence[Separation]],
        alarms: Mapping[str, Sequence[np.ndarray]],
        scores: Mapping[str, xr.DataArray],
        standardized: bool,
    ) -> Finding:
        worst = {name: min((of[i] for of in areas.values()), key=lambda s: s.auc) for i, name in enumerate(names)}
        best = max(names, key=lambda name: worst[name].auc)
        fooled = worst["low evidence"].interval()[1] < 0.5
        says = (
            f"Of {len(names)} scores {best} tells strangers best: its area under the ROC curve is {worst[best]} for those "
            "that it tells worst."
        )
        if fooled:
            kind = min(areas, key=lambda stranger: areas[stranger][names.index("low evidence")].auc)
            says += f" log p(x) alone prefers {kind} to the test data: its area is {worst['low evidence']}, below ½."
        table = [["score", *(f"area, {s}" for s in areas), *(f"alarms at p ≤ {self.level:g}, {s}" for s in alarms)]]
        for i, name in enumerate(names):
            rates = [_rate(found[i]) for found in alarms.values()]
            table.append([name, *(str(of[i]) for of in areas.values()), *rates])
        log_p = {name: -found.sel(score_name="low evidence").values for name, found in scores.items()}
        drawn = {stranger: np.array([[s.auc, *s.interval()] for s in of]) for stranger, of in areas.items()}
        pictures = [
            Picture(
                "outlier-scores",
                "How well each score tells strangers from test data: 1 is perfect, ½ (dashed) knows nothing, and below it "
                "strangers are taken for data before the data are.",
                outlier_plots.separations(names, drawn),
            ),
            Picture(
                "evidence-of-strangers",
                "log p(x) of test data and of strangers: those to the right of the data are not found by low evidence.",
                plots.histograms(log_p, f"log p(x){' of standardized x' if standardized else ''}, nats"),
            ),
        ]
        return Finding(
            says,
            "beware" if fooled else "well" if worst[best].interval()[0] > 0.5 else "open",
            "Judge new data by `conformal_p_values` of several `outlier_scores`, not by log p(x) alone."
            if fooled
            else "",
            numbers={
                "areas": {
                    stranger: {
                        n: {"auc": s.auc, "error": s.error, "interval": list(s.interval())}
                        for n, s in zip(names, of, strict=True)
                    }
                    for stranger, of in areas.items()
                },
                "alarms": {which: dict(zip(names, map(_share, of), strict=True)) for which, of in alarms.items()},
                "level": self.level,
            },
            pictures=pictures,
            table=table,
        )


def _share(alarms: np.ndarray) -> dict[str, float]:
    found = share(torch.from_numpy(alarms))
    return {"rate": found.value, "error": found.error}


def _rate(alarms: np.ndarray) -> str:
    found = _share(alarms)
    return f"{found['rate']:.2f} ± {found['error']:.2f}"


def _rows(split: Split, rows: slice) -> Split:
    return Split(split.x[rows], None if split.y is None else split.y[rows], split.name, split.view)
