"""What a model of two domains makes of each, what comes back, and whether more comes back than was to be seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from pyrogen.data import Data
from pyrogen.figures import plots
from pyrogen.inference.metrics.translation import ANOTHER, OWN, PARTNER, cycle_error, nearest, pair_error
from pyrogen.inference.pages.panel import ADVICE, TRANSLATED, History, Panel
from pyrogen.kinds import is_picture

SIDE_BY_SIDE = 10
NOISE = (0.01, 0.03, 0.1)  # standard deviations; of 256 grey levels the middle one is eight
SEARCHED = 250
FATES = {
    PARTNER: "partners found: nearer to the partner than to any other datum",
    ANOTHER: "taken for another: nearer to another datum of that domain",
    OWN: "left as they were: nearer to a datum of their own domain",
}
SUSPECT = 3.0  # times the cycle error, from which on faint noise says that it was bought by what cannot be seen


def translations(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Test data of either domain, what is made of them, their hidden partners, and what comes back."""
    part = data.test.spread(SIDE_BY_SIDE)
    if not is_picture(model.x_shape) or part.y is None:
        return
    x, y = part.x, part.y.to(part.x)
    as_y, as_x = model.to_y(x), model.to_x(y)
    rows = ["given", "translated", "its partner", "and back"]
    there = torch.stack([x, as_y, y, model.to_x(as_y)])
    back = torch.stack([y, as_x, x, model.to_y(as_x)])
    told = "which training never saw beside it" if not data.paired else "as the data have it"
    yield Panel(
        TRANSLATED,
        f"Test data of the first domain, what the model makes of them in the second, the true partner of each, {told}, and "
        "what is made of the translation on its way back.",
        "to_y",
        plots.strips(there, data.kind, rows),
    )
    yield Panel(
        TRANSLATED, "The same from the second domain to the first.", "to_x", plots.strips(back, data.kind, rows)
    )
    if len(data.test) > SIDE_BY_SIDE:
        yield Panel(
            TRANSLATED,
            f"Where it fails: of {min(SEARCHED, len(data.test))} test data those whose translation is farthest from "
            "the partner. What a cycle leaves open goes wrong alike in many: a colour taken for another, or a shape left as "
            "it was, comes back as well as a right one (Moriakov et al. 2020, arXiv:2001.09061).",
            "farthest",
            plots.strips(farthest(model, data), data.kind, rows),
        )


def farthest(model: Any, data: Data) -> torch.Tensor:
    """Rows of the test data that fare worst, what is made of them, their partners, and what comes back."""
    part = data.test.spread(SEARCHED)
    assert part.y is not None
    x, y = part.x, part.y.to(part.x)
    as_y = model.to_y(x)
    worst = (as_y - y).abs().flatten(1).mean(1).argsort(descending=True)[:SIDE_BY_SIDE]
    return torch.stack([x[worst], as_y[worst], y[worst], model.to_x(as_y[worst])])


def cycles(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """How near translations are to partners, and how much of what comes back had been hidden in them."""
    if data.test.y is None:
        return
    fates, apart = nearest(model, data), pair_error(model, data, 0)
    plain = cycle_error(model, data, 0)
    disturbed = {noise: cycle_error(model, data, 0, noise=noise) for noise in NOISE}
    rows = [("of test data, both ways", "value")]
    rows += [(words, f"{float((fates == fate).double().mean()):.3f}") for fate, words in FATES.items()]
    rows += [("distance from the partner, where that of the datum itself is 1", f"{apart:.3f}")]
    rows += [("cycle error, where the distance of two data is 1", f"{plain:.3f}")]
    rows += [
        (f"cycle error, with noise of {noise:g} on the translations", f"{e:.3f}") for noise, e in disturbed.items()
    ]
    caption = (
        "A low cycle error alone says little: a translation may carry what the other domain cannot show as a pattern too "
        "faint to be seen, and read it back from there (Chu et al. 2017, arXiv:1712.02950). Noise as faint destroys it."
    )
    yield Panel(TRANSLATED, caption, table=rows)
    left = float((fates == OWN).double().mean())
    if left > 0.5:
        yield Panel(
            ADVICE,
            f"{left:.0%} of the translations are nearer to data of the domain that they came from than to any of the other: "
            "the networks change too little, since what is left as it was comes back best; train for longer, raise the "
            "weight of the game, or lower that of identity.",
        )
    if disturbed[NOISE[1]] > SUSPECT * plain:
        yield Panel(
            ADVICE,
            f"Noise of {NOISE[1]:g} on the translations raises the cycle error from {plain:.3f} to "
            f"{disturbed[NOISE[1]]:.3f}: what comes back was hidden in them rather than translated; give the second domain a "
            "way to show it, or lower the weight of the cycle.",
        )
