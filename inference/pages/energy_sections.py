"""Densities, energies and critics: how a model ranks data beside what it generates itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from pyrogen.base import Batch, HasFeatures, HasFreeEnergy
from pyrogen.data import Data
from pyrogen.figures import plots
from pyrogen.inference.pages.panel import (
    ADVICE,
    COUNTED,
    CRITIC,
    DENSITY,
    ENERGIES,
    SCATTERED,
    SHOWN,
    History,
    Panel,
    gap,
)
from pyrogen.kinds import is_picture

STEPS = (0, 1, 3, 10, 30, 100, 300, 1000)


def log_probs(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """How probable the model finds test data, and what it generates itself."""
    train, test = data.train.spread(COUNTED), data.test.spread(COUNTED)
    given = test.take(256).y
    some = {"training data": (train.x, train.y), "test data": (test.x, test.y)}
    some["samples"] = model.sample(min(len(test), 256), model.condition_for(given)), given
    nats = {name: model.log_prob(x, model.condition_for(y)) for name, (x, y) in some.items()}
    for name, part in {"training data": train, "test data": test}.items():
        nats[name] = nats[name] + torch.from_numpy(part.log_jacobians()).to(
            nats[name]
        )  # of the raw values, as in scores
    nats["samples"] = nats["samples"] + test.log_jacobian
    what = "log p(x)" if model.condition is None else "log p(x|y)"
    caption = f"{what} of data, and of the model's own samples: data that it finds unlike its samples lie apart."
    yield Panel(DENSITY, caption, "log-prob", plots.histograms(nats, f"{what}, nats"))
    if not isinstance(model, HasFreeEnergy):  # whose difference of free energies is the same number
        difference, error = gap(nats["training data"], nats["test data"])
        yield Panel(
            ADVICE,
            f"{what} of training data less that of test data is {difference:.2g} ± {error:.1g} nats; a large difference "
            "is overfitting.",
        )


def energies(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Where the model puts data and its own samples on the scale of free energies."""
    some = {"training data": data.train.spread(COUNTED).x, "test data": data.test.spread(COUNTED).x}
    found = {name: model.free_energy(x) for name, x in (some | {"samples": model.sample(128)}).items()}
    caption = "Free energies F(x): of a model that has learned the data, samples have those of the data."
    yield Panel(ENERGIES, caption, "energies", plots.histograms(found, "F(x), nats"))
    difference, error = gap(found["test data"], found["training data"])
    yield Panel(
        ADVICE,
        f"The free energy of test data less that of training data is {difference:.2g} ± {error:.1g} nats; a large difference "
        "is overfitting.",
    )


def filters(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What raises hidden units, as pictures."""
    shape = model.x_shape
    if not isinstance(model, HasFeatures) or not is_picture(shape):
        return
    for number, weight in enumerate(model.filters(), 1):
        if weight.shape[1] == math.prod(shape):
            strongest = weight.norm(dim=1).argsort(descending=True)[:SHOWN]
            shown = weight[strongest].reshape(-1, *shape)
            grey = 0.5 + 0.5 * shown / shown.abs().amax().clamp(min=1e-12)
            through = ", through those below as if they were linear" if number > 1 else ""
            caption = (
                f"What the {len(shown)} strongest of {len(weight)} units of hidden layer {number} read of x{through}: white "
                "raises, black lowers what the unit answers, grey is 0."
            )
            yield Panel(ENERGIES, caption, f"filters-{number}", plots.image_grid(grey, "unit"))


def chains(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """How far the Markov chain gets from where it starts."""
    x = data.test.spread(6).x
    if not is_picture(model.x_shape):
        return
    seen = []
    for step in range(STEPS[-1] + 1):
        if step in STEPS:
            seen.append(x)
        x = model.gibbs(x)
    caption = "Markov chains of the model that start at test data, after so many steps."
    figure = plots.strips(torch.stack(seen, 1), data.kind, columns=[str(step) for step in STEPS])
    yield Panel(ENERGIES, caption, "chains", figure)


def fantasies(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What chains emit on their way from the base to the model."""
    if not is_picture(model.x_shape):
        return
    states, seen = model.base_states(6), []
    for step in range(STEPS[-1] + 1):
        if step in STEPS:
            seen.append(model.emit(states))
        states = model.move(states)
    caption = "Markov chains of the model that start at draws of its base, of independent units, after so many steps."
    figure = plots.strips(torch.stack(seen, 1), data.kind, columns=[str(step) for step in STEPS])
    yield Panel(ENERGIES, caption, "fantasies", figure)


def criticism(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """What the critic says of data and of what is generated."""
    test = data.test.spread(SCATTERED)
    batch = Batch(test.x, test.y)
    real, fake = model.criticize(model.real(batch)), model.criticize(model.fake(batch))
    caption = "Scores of the critic: test data, and as many that were generated."
    figure = plots.histograms({"test data": real, "generated": fake}, "the critic's score")
    yield Panel(CRITIC, caption, "critic", figure)
    order = float(((real[:, None] > fake).double() + 0.5 * (real[:, None] == fake).double()).mean())
    yield Panel(
        ADVICE,
        f"The critic scores a test datum above a generated one in {order:.0%} of all pairs; at 50% it cannot tell them "
        "apart, which is as true of a weak critic as of a good generator.",
    )
    if math.prod(model.x_shape) == 2:
        generated, data_xy = model.sample(len(test)), test.x
        yield Panel(CRITIC, "The critic's scores over the plane.", "critic-plane", _plane(model, data_xy, generated))


def _plane(model: Any, real: Tensor, generated: Tensor) -> Figure:
    side, both = 80, torch.cat([real, generated])
    low, high = both.quantile(0.005, 0), both.quantile(0.995, 0)
    centre, half = (low + high) / 2, 0.65 * (high - low).amax().clamp(min=1e-6)
    axes = [torch.linspace(float(c - half), float(c + half), side, device=real.device) for c in centre.flatten()]
    grid = torch.stack(torch.meshgrid(*axes, indexing="xy"), -1).reshape(-1, *model.x_shape)
    scores = model.criticize(model.real(Batch(grid))).reshape(side, side)
    extent = (*axes[0][[0, -1]].tolist(), *axes[1][[0, -1]].tolist())
    return plots.landscape(scores, extent, "score", generated=generated, data=real)
