"""What a report shows of models that hide a state at each step: what is believed of it, and what may follow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyrogen.data import Data
from pyrogen.figures import sequence_plots
from pyrogen.inference.evidence.comparison import standard_error
from pyrogen.inference.evidence.estimator import log_evidence
from pyrogen.inference.evidence.particle_filter import ParticleFilter
from pyrogen.inference.latents.states import filter_states, forecast, smooth_states
from pyrogen.inference.pages.panel import DECODED, LATENTS, SAMPLES, History, Panel, below_the_law

DRAWN, FOLLOWED, FOREBODED, TRAJECTORIES, JUDGED = 8, 3, 200, 3, 100


def sequences(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Sequences that the model makes, beside test data."""
    part = data.test.spread(DRAWN)
    named = {"test data": part.x, "the model": model.sample(len(part))}
    caption = f"{len(part)} test data over their steps, and as many samples of the model."
    yield Panel(SAMPLES, caption, "sequences", sequence_plots.lines(named))


def states(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """The states of a few test data, filtered and smoothed."""
    x = data.test.spread(FOLLOWED).x
    filtered, smoothed = filter_states(model, x), smooth_states(model, x)
    figure = sequence_plots.beliefs(*((found["mean"].values, found["sd"].values) for found in (filtered, smoothed)))
    gain = float((smoothed["sd"] / filtered["sd"])[:, :-1].mean())
    caption = (
        f"The states of {len(x)} test data by particles, means and two standard deviations: filtered, given the steps so "
        f"far, and smoothed, given all, which on average leaves {gain:.0%} of the standard deviation."
    )
    yield Panel(LATENTS, caption, "states", figure)


def foresight(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What may follow the first two thirds of test data, and how often it came as it was told."""
    part = data.test.spread(FOREBODED)
    known = max(1, 2 * part.x.shape[-1] // 3)
    found = forecast(model, part.x, known, particles=200)
    levels = found["quantile"].values
    came = part.x[..., known:].cpu().numpy()
    held = ((came >= levels[0]) & (came <= levels[-1])).mean((1, 2))
    caption = (
        f"What may follow the first {known} steps of test data: the median, the interval that holds nine of ten, and some "
        f"draws. The intervals hold {held.mean():.1%} ± {standard_error(held):.1%} of the steps to come of {len(part)} test "
        "data."
    )
    few = slice(0, FOLLOWED)
    figure = sequence_plots.forecasts(
        part.x[few], known, levels[:, few], found["draw"].values[:TRAJECTORIES, few].astype(float)
    )
    yield Panel(DECODED, caption, "forecasts", figure)


def law(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """How far the model is below the law that the data come from, where it is known, by a particle filter."""
    if data.law is None or data.standardize:
        return
    part = data.test.spread(JUDGED)
    own = log_evidence(model, part, ParticleFilter())["log_evidence"].values
    yield below_the_law(data.law.log_prob(part.x), own, "by a particle filter the model")
