"""Posterior predictive checks: do data that the model makes look like data of the world?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.figures.belief_plots import replications as replicated_statistics
from pyrogen.figures.plots import strips
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.evidence.weights import Weighable
from pyrogen.inference.latents.analysis import Analysis, Finding, Picture, Verdict, by_trying
from pyrogen.inference.latents.calibration import LEVELS
from pyrogen.inference.latents.completion import complete
from pyrogen.inference.latents.joint import joints, placed
from pyrogen.inference.programs.door import verb
from pyrogen.kinds import is_picture
from pyrogen.memory import enough_memory
from pyrogen.registry import choice

Statistic = Callable[[Tensor], Tensor]
REPLICATED = 40  # place of the random draws
SUSPECT = 0.01  # a p-value of two sides at which replications are unlike the data; the least of 199 of them
ADVICE = (
    "samples differ from data in these ways: another likelihood (pixels), a learned prior (how data differ among themselves) "
    "or a larger decoder; a statistic of your own goes into `predictive_check(model, x, statistics={...})`."
)


def _neighbours(x: Tensor) -> Tensor:
    a, b = x[..., 1:], x[..., :-1]
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum() / (a.square().sum() * b.square().sum()).sqrt().clamp(min=torch.finfo(x.dtype).tiny)


STATISTICS: Mapping[str, Statistic] = {
    "mean": lambda x: x.mean(),
    "sd": lambda x: x.std(),
    "least": lambda x: x.min(),
    "largest": lambda x: x.max(),
    "sd-of-means": lambda x: x.flatten(1).mean(1).std(),
    "mean-of-sds": lambda x: x.flatten(1).std(1).mean() if x[0].numel() > 1 else x.std(),
    "neighbours": _neighbours,
    "distance": lambda x: torch.cdist(x.flatten(1), x.flatten(1)).fill_diagonal_(torch.inf).amin(1).mean(),
}
"""What is compared by name, each of all data ``(N, *x_shape)`` in float64: moments; extremes; how much data differ in their
means; how much a datum varies within itself; the correlation of neighbouring elements; the mean distance to the nearest
other datum."""

DEFAULT = ("mean", "sd", "sd-of-means", "mean-of-sds", "neighbours", "distance")


@verb
def predictive_check(
    model: Model | Weighable,
    x: Any,
    y: Any = None,
    *,
    statistics: Sequence[str] | Mapping[str, Statistic] = DEFAULT,
    replications: int = 199,
    latents: Literal["prior", "posterior"] = "prior",
    seed: int = 0,
) -> xr.Dataset:
    """Statistics of the data beside those of replicated data sets of the same size.

    p = (1 + #{T(x_rep) ≥ T(x)}) / (R + 1), of two sides the lesser doubled. Replications have new latents, z ~ p(z): data
    that the model would make, against which the whole model is judged; for data that it was not trained on p is exact,
    uniform where the model is right. With ``latents="posterior"`` they keep their data's, z ~ q(z|x): only p(x|z) is judged,
    by data that told z before, so that p is then not uniform but gathers around 1/2.

    Args:
        model: a model of the zoo, or a tuple ``(model, guide)`` of plain Pyro functions, that observes one site alone.
        x: data, ``(N, ...)``, held out.
        y: conditions.
        statistics: names of :data:`STATISTICS`, or functions by names of your own, of data ``(N, ...)`` in float64.
        replications: R.
        latents: where replications have theirs from.
        seed: of all random draws.

    Returns:
        Over ``statistic``: ``observed``, ``mean`` and ``sd`` of the replications, ``p``; ``replicated`` over ``(replication,
        statistic)``.

    Raises:
        ValueError: an unknown statistic, or one that is no number for these data, as of one datum alone or of data with holes
            (which replications have too, for functions of your own); an improper prior, or a model that does not observe
            exactly one site of x's shape.

    Reference: Gelman, Meng & Stern 1996, Posterior predictive assessment of model fitness via realized discrepancies.
    """
    chosen = statistics if isinstance(statistics, Mapping) else {name: _named(name) for name in statistics}
    if replications < 19 or not chosen:
        raise ValueError(f"replications={replications}, statistics={[*chosen]}: needs 19 at least, and a statistic.")
    if latents not in ("prior", "posterior"):
        raise ValueError(f"latents={latents!r}: choose 'prior' or 'posterior'.")
    x, y = placed(model, x, y)

    holes = x.isnan()

    def measured(data: Tensor) -> list[float]:
        return [float(statistic(data.double().masked_fill(holes, torch.nan))) for statistic in chosen.values()]

    _two_or_more(x, statistics)
    found = np.array(measured(x))
    lost = [name for name, value in zip(chosen, found, strict=True) if not np.isfinite(value)]
    if lost:
        raise ValueError(
            f"of these {len(x)} data {', '.join(lost)} is no number{' since elements are missing' * bool(holes.any())}; pass "
            "functions that are one, as statistics={'mean': lambda x: x.nanmean()}."
        )
    replicated = []
    with (
        enough_memory("give fewer data"),
        joints(model, x, y, seed, guided=latents == "posterior") as blocks,
        track(replications, "replicating") as advance,
    ):
        for r in range(replications):
            made = [block.replicate(latents, REPLICATED, r) for block in blocks]
            replicated.append(measured(torch.cat(made)))
            advance(1)
    values = np.array(replicated)
    sides = np.stack([(values >= found).sum(0), (values <= found).sum(0)])
    p = np.minimum(1.0, 2 * (1 + sides.min(0)) / (replications + 1))
    return xr.Dataset(
        {
            "observed": ("statistic", found),
            "mean": ("statistic", values.mean(0)),
            "sd": ("statistic", values.std(0, ddof=1)),
            "p": ("statistic", p),
            "replicated": (("replication", "statistic"), values),
        },
        coords={"statistic": [*chosen]},
        attrs={"latents": latents, "num_data": len(x), "seed": seed},
    )


def _two_or_more(x: Tensor, statistics: Sequence[str] | Mapping[str, Statistic]) -> None:
    if len(x) < 2 and not isinstance(statistics, Mapping):
        raise ValueError(
            "the statistics that have names say how data differ, and this is one datum; give more, or functions of your own."
        )


def _named(name: str) -> Statistic:
    if name not in STATISTICS:
        raise ValueError(
            f"no statistic called {name!r}; there are {', '.join(STATISTICS)}, or pass functions of your own by names."
        )
    return lambda x: STATISTICS[name](x if x.dim() > 1 else x.unsqueeze(1))


@choice("analysis", "predictive")
class Predictive(Analysis):
    """Whether data that the model makes are like the data, and whether half of a datum tells the other.

    Args:
        num_data: test data whose statistics are compared.
        replications: data sets that the model makes; of fewer than 199 no p-value is small enough to tell them from data.
        completed: data whose second half is told from the first.
    """

    title: ClassVar[str] = "Does the model make such data?"
    order: ClassVar[int] = 40

    def __init__(self, num_data: int = 500, replications: int = 199, completed: int = 32) -> None:
        self.num_data, self.replications, self.completed = num_data, replications, completed

    @by_trying
    def refusal(self, model: Model, data: Data) -> str:
        """Data that the model makes whole, from a proper prior, are needed."""
        if data.missing:
            return (
                f"of {data.name!r} elements are missing, and statistics of whole data are compared; pass functions of your "
                "own, predictive_check(model, x, statistics={'mean': lambda x: x.nanmean()})."
            )
        with joints(model, *placed(model, data.test.take(1)), 0, guided=False) as blocks:
            blocks[0].simulate(REPLICATED)
        return ""

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Replicate, compare, and complete."""
        split = data.test.spread(self.num_data)
        found = predictive_check(model, split.x, split.y, replications=self.replications, seed=seed)
        names = [str(name) for name in found["statistic"].values]
        p = dict(zip(names, found["p"].values.tolist(), strict=True))
        odd = [name for name in names if p[name] <= SUSPECT]
        observed = dict(zip(names, found["observed"].values.tolist(), strict=True))
        replicated = {name: found["replicated"].sel(statistic=name).values for name in names}
        z = ((found["observed"] - found["mean"]) / found["sd"]).values
        says = f"Of {len(names)} statistics of {len(split)} data {len(odd)} {'is' if len(odd) == 1 else 'are'} unlike "
        says += f"{self.replications} replications"
        says += "".join(f"; {name} by {z[names.index(name)]:+.1f} sd" for name in odd)
        caption = "Statistics of the test data upon those of data sets that the model made."
        pictures = [Picture("replications", caption, replicated_statistics(observed, replicated, p))]
        numbers: dict[str, Any] = {"p": p, "z": dict(zip(names, z.tolist(), strict=True))}
        half = _completion(model, data, self.completed, seed)
        if half is not None:
            held, more = half
            of_what = " of standardized x" if data.standardize else ""
            says += (
                f". From the first half of a datum the second is told with {held['coverage']:.0%} ± "
                f"{held['coverage_se']:.0%} in {LEVELS[-1]:.0%} intervals, at {held['log_predictive']:.1f} nats "
                f"a datum{of_what}"
            )
            numbers["completion"] = held
            pictures += more
        return Finding(f"{says}.", *_judged(odd, self.replications), numbers, pictures)


def _judged(odd: Sequence[str], replications: int) -> tuple[Verdict, str]:
    if odd:
        return "beware", ADVICE
    if 2 / (replications + 1) > SUSPECT:
        return "open", f"by {replications} replications no p-value can fall to {SUSPECT:g}; make 199 or more."
    return "well", ""


def _completion(model: Model, data: Data, count: int, seed: int) -> tuple[dict[str, float], list[Picture]] | None:
    """How well the second half of test data is told from the first; None where elements or chains forbid it."""
    split = data.test.spread(count)
    seen = torch.zeros(model.x_shape, dtype=torch.bool)
    # the upper half, of every frame and channel, or the first in time
    along = -2 if seen.dim() > 1 and seen.shape[-2] > 1 else -1
    seen.narrow(along, 0, seen.shape[along] // 2).fill_(True)
    try:
        found = complete(model, split.x, seen, split.y, seed=seed)
    except ValueError:
        return None
    value = found["log_predictive"].values
    held = {
        "coverage": float(found["coverage"].sel(level=LEVELS[-1])),
        "coverage_se": float(found["coverage_se"].sel(level=LEVELS[-1])),
        "log_predictive": float(value.mean()),
        "log_predictive_se": float(np.sqrt((found["mc_se"].values ** 2).sum()) / len(value)),
    }
    if not is_picture(model.x_shape):
        return held, []
    shown = min(8, len(split))
    draws = torch.from_numpy(found["draw"].values[:, :shown]).reshape(-1, shown, *model.x_shape)
    x = split.x[:shown].cpu()
    rows = [x, torch.where(seen, x, draws.mean(0)), *draws[:3]]
    figure = strips(torch.stack(rows), data.kind, ["data", "mean", "draw", "draw", "draw"])
    return held, [Picture("completions", "The lower half as told from the upper: its mean, and three draws.", figure)]
