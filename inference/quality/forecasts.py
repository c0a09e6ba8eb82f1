"""How good forecasts of people's paths are: beside going straight on, which is always told, and beside what people did.

Of several forecasts of a scene the one that is best for all its people together counts, not the best for each of them: what
is chosen person by person was never drawn together. Distances are in the unit of the data, metres mostly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pyrogen.base import Model
from pyrogen.data import Data, Split
from pyrogen.data.trajectories import KIND
from pyrogen.inference.latents.measured import Measured, mean, ratio
from pyrogen.inference.programs.contexts import evaluating, seeded

DRAWS, TOUCHING = 20, 0.2  # forecasts of a scene; metres between two who touch
ANGLES = tuple(math.radians(angle) for angle in range(0, 42, 3))  # of which validation chooses
PLACES, FITTED = 512, 200  # for people of scenes at once; scenes by which noise is fitted
STRAIGHT, SPREAD, TRUTH = "constant velocity", "constant velocity with noise", "what people did"


@dataclass(frozen=True)
class Row:
    """What one way of forecasting is worth.

    Attributes:
        name: of the way.
        displacement: mean distance from the truth, the best of all draws of each scene by it.
        final: the same at the last step alone.
        collisions: pairs of people of a scene who touch, in each draw.
        draws: of each scene.
    """

    name: str
    displacement: Measured
    final: Measured
    collisions: Measured
    draws: int

    def cells(self) -> tuple[str, ...]:
        """As words."""
        return self.name, str(self.draws), str(self.displacement), str(self.final), str(self.collisions)


def forecasts(
    model: Model,
    data: Data,
    part: Split | None = None,
    draws: int = DRAWS,
    touching: float = TOUCHING,
    seed: int = 0,
) -> Sequence[Row]:
    """The model, going straight on, going straight on with noise that validation fitted, and the truth.

    Args:
        model: what forecasts.
        data: of people's paths.
        part: of which scenes; None: those of the test.
        draws: of each scene.
        touching: how near two come who touch.
        seed: of the draws.

    Raises:
        ValueError: the data are no paths, or the model is told no y.
    """
    refuse_others(model, data)
    part = data.test if part is None else part
    made = drawn(model, part, draws, seed)
    straight, spread = rivals(data, part, draws, seed)
    paths = {type(model).__name__: made, STRAIGHT: straight, SPREAD: spread, TRUTH: part.x.unsqueeze(0)}
    return [row_of(name, x, part, touching) for name, x in paths.items()]


def head(touching: float) -> tuple[str, ...]:
    """What stands in the columns of :class:`Row`."""
    return "forecast", "draws", "displacement", "at the last step", f"pairs within {touching:g}"


def worth(part: Split, touching: float = TOUCHING) -> str:
    """What the rows of :func:`forecasts` are, in a sentence or two."""
    return (
        f"Distances of {len(part)} {part.name} scenes from what was forecast, in the unit of the data, a mean over people "
        "and steps; of several draws of a scene the one that is best for all its people together. Then the pairs of people "
        f"of a scene who come nearer than {touching:g} on the way in a draw. The noise of going straight on is an angle that "
        "validation chose; ± one standard error, over scenes."
    )


def spaced(part: Split, n: int) -> Split:
    """So many scenes of a split, evenly spaced: those that follow one another are nearly the same."""
    assert part.y is not None
    rows = torch.linspace(0, len(part) - 1, min(n, len(part))).round().long()
    return Split(part.x[rows], part.y[rows], part.name, part.view)


def row_of(name: str, made: Tensor, part: Split, touching: float = TOUCHING) -> Row:
    """What draws ``(k, N, *x_shape)`` are worth."""
    return Row(
        name,
        displacement(made, part.x),
        displacement(made[..., -1:, :], part.x[..., -1:, :]),
        collisions(made, part, touching),
        len(made),
    )


def displacement(made: Tensor, x: Tensor) -> Measured:
    """Σ_n min_k Σ_at ‖x_nat − x̂_knat‖ / Σ_n A_n T over scenes n, people a and steps t: best of k draws of each scene.

    Reference: Gupta et al. 2018, arXiv:1803.10892, section 4, and the code of it, for what is the best.
    """
    return ratio(best(made, x), (~x[..., 0].isnan()).flatten(1).sum(1).double())


def best(made: Tensor, x: Tensor) -> Tensor:
    """min_k Σ_at ‖x_nat − x̂_knat‖ of each scene n, ``(N,)``."""
    # by the truth alone: a forecast that is NaN must not pass for one without an error
    return (made - x).norm(dim=-1).masked_fill(x[..., 0].isnan(), 0.0).flatten(2).sum(-1).amin(0)


def collisions(made: Tensor, part: Split, touching: float = TOUCHING) -> Measured:
    """Pairs of people of a scene who come nearer than ``touching`` on their ways, per scene, the mean over draws.

    People go straight from step to step, so that who pass through one another between two steps touch.
    """
    assert part.y is not None
    return mean(collided(made, part.y, touching).mean(0))


def collided(made: Tensor, past: Tensor, touching: float) -> Tensor:
    """The number of pairs, ``(k, N, A, T, 2)`` and ``(N, A, P, 2)`` to ``(k, N)``."""
    people = past.shape[1]
    first, second = torch.triu_indices(people, people, 1)
    found = []
    there = ~past[..., 0, 0].isnan()
    for n in range(len(past)):
        both = there[n][first] & there[n][second]
        if not both.any():
            found.append(made.new_zeros(len(made)))
            continue
        way = torch.cat([past[n, :, -1:].expand(len(made), -1, -1, -1), made[:, n]], 2)
        apart = way[:, first[both]] - way[:, second[both]]
        found.append((nearest(apart) < touching).sum(1).to(made.dtype))
    return torch.stack(found, 1)


def nearest(apart: Tensor) -> Tensor:
    """The least length of what goes straight from step to step, ``(..., T, 2)`` to ``(...)``."""
    start, move = apart[..., :-1, :], apart.diff(dim=-2)
    square = move.square().sum(-1)
    share = (-(start * move).sum(-1) / square.clamp(min=1e-12)).clamp(0, 1)
    return (start + share.unsqueeze(-1) * move).norm(dim=-1).amin(-1)


# -- ways of forecasting ---------------------------------------------------------------------------------------------


def drawn(model: Model, part: Split, draws: int, seed: int = 0) -> Tensor:
    """What a model makes of the pasts of some data, ``(draws, N, *x_shape)``.

    Raises:
        ValueError: it is NaN of people who are there.
    """
    assert part.y is not None
    made = []
    with evaluating(model), seeded(seed, model.device):
        for y in part.y.split(max(1, PLACES // part.y.shape[1])):
            again = y.repeat(draws, 1, 1, 1).to(model.device)
            made.append(model.sample(len(again), again).unflatten(0, (draws, -1)).cpu())
    whole = torch.cat(made, 1)
    if (whole.isnan().any(-1) & ~part.x.isnan().any(-1)).any():
        raise ValueError(f"this {type(model).__name__} forecasts NaN for people who are there; train it anew.")
    return whole


def straight_on(past: Tensor, steps: int, angles: Tensor | None = None) -> Tensor:
    """Everybody goes on as they went last, ``(N, A, P, 2)`` to ``(..., N, A, steps, 2)``, turned by ``(..., N, A)`` radians.

    Reference: Schöller et al. 2020, What the constant velocity model can teach us about pedestrian motion prediction,
    arXiv:1903.07933, which has both.
    """
    velocity = past[..., -1, :] - past[..., -2, :]
    if angles is not None:
        (x, y), cos, sin = velocity.unbind(-1), angles.cos(), angles.sin()
        velocity = torch.stack([cos * x - sin * y, sin * x + cos * y], -1)
    times = torch.arange(1, steps + 1, dtype=past.dtype, device=past.device)
    return past[..., -1:, :] + times.unsqueeze(-1) * velocity.unsqueeze(-2)


def rivals(data: Data, part: Split, draws: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Going straight on, ``(1, N, *x_shape)``, and turned by noise, ``(draws, N, *x_shape)``, as much as validation likes."""
    assert part.y is not None
    steps = data.x_shape[1]
    with seeded(seed):
        sigma = fitted_angle(data.valid, draws)
        turns = sigma * torch.randn(draws, *part.y.shape[:2])
    return straight_on(part.y, steps).unsqueeze(0), straight_on(part.y, steps, turns)


def fitted_angle(valid: Split, draws: int) -> float:
    """The standard deviation of the turn, in radians, by which the best of so many draws is nearest on validation data."""
    some = spaced(valid, FITTED)
    y, x = some.y, some.x
    assert y is not None
    noise = torch.randn(draws, *y.shape[:2])
    apart = [displacement(straight_on(y, x.shape[2], angle * noise), x).value for angle in ANGLES]
    return ANGLES[apart.index(min(apart))]


def refuse_others(model: Model, data: Data) -> None:
    """Refuse what forecasts no paths.

    Raises:
        ValueError: the data are none, or the model is told no y.
    """
    if data.kind != KIND or model.condition is None:
        raise ValueError(
            f"forecasts are of people's paths, by a model that is told the past; {type(model).__name__} on {data.name!r}, "
            f"which are {data.kind} data, makes none; train 'social-gan' on 'crossings'."
        )
