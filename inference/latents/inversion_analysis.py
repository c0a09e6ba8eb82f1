"""The analysis "inversion": whether a generator without an encoder can make the data at all, and from where."""

from __future__ import annotations

import torch
from torch import Tensor

from pyrogen.base import HasGenerator, HasPosterior, Model
from pyrogen.data import Data
from pyrogen.figures import plots
from pyrogen.inference.latents.analysis import Analysis, Finding, Picture, Verdict, by_trying
from pyrogen.inference.latents.inversion import Inversion, invert, unconstrained
from pyrogen.inference.latents.measured import Measured, mean
from pyrogen.inference.latents.walks import draw_latents
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.kinds import is_picture
from pyrogen.registry import choice

SHOWN = 10
CAN = 0.9  # of the variance, which a generator that can make a datum leaves nothing of


@choice("analysis", "inversion")
class Inverted(Analysis):
    """Latents whose data are nearest to test data, beside the same for the generator's own samples, which it can make.

    Args:
        limit: test data that are inverted, and as many samples.
        steps: of the optimizer.
        restarts: draws of the prior that it starts from.
    """

    title = "Can the generator make the data?"
    order = 46

    def __init__(self, limit: int = 100, steps: int = 200, restarts: int = 4) -> None:
        self.limit, self.steps, self.restarts = limit, steps, restarts

    @by_trying
    def refusal(self, model: Model, data: Data) -> str:
        """Models that generate nothing, those that encode, and discrete latents."""
        if isinstance(model, HasPosterior):
            return f"{type(model).__name__} has an encoder, whose reconstructions say it."
        if not isinstance(model, HasGenerator):
            return f"{type(model).__name__} makes no data from latents."
        if data.test.spread(self.limit).x.isnan().any():  # of what is read: the others may lie on disk
            return "some elements of the data are missing."
        if len(data.test) < 2:
            return "there are fewer than two test data."
        unconstrained(model, model.condition_for(data.test.take(1).y))
        return ""

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Invert test data and samples, and compare."""
        assert isinstance(model, HasGenerator)
        part = data.test.spread(self.limit).to(model.device)
        y = model.condition_for(part.y)
        with evaluating(model):
            own = model.generate(draw_latents(model, len(part), y, seed + 1), y)
        found, floor = (invert(model, x, y, steps=self.steps, restarts=self.restarts, seed=seed) for x in (part.x, own))
        spread = float((part.x - part.x.mean(0)).double().square().flatten(1).sum(1).mean())
        real, made = (_left(one, spread) for one in (found, floor))
        agreed = mean(found.agreed).of_share()
        sound = made.value < 1 - CAN
        verdict: Verdict = "open" if not sound else "well" if real.value < 1 - CAN else "beware"
        says = (
            f"Of {len(part)} test data the nearest that the generator makes leave {real} of their variance; of its own "
            f"samples, which it can make, {made}. Of {self.restarts} starts {agreed} end as near as the best."
        )
        advice = {
            "open": "the search itself does not find its own samples: take more steps and restarts, "
            "`invert(model, x, steps=2000, restarts=20)`",
            "beware": "it makes no such data from any latents: look at the worst of them, and at modes that it drops, "
            '`pyrogen.inference.assess(model, data, ["coverage"])`',
        }.get(verdict, "")
        return Finding(
            says,
            verdict,
            advice,
            {"real": real.numbers(), "own": made.numbers(), "agreed": agreed.numbers(), "spread": spread},
            [_picture(found, part.x, data)],
        )


def _left(found: Inversion, spread: float) -> Measured:
    """‖x − g(z)‖² as a share of the variance of the test data."""
    return mean(found.error / spread)


def _picture(found: Inversion, x: Tensor, data: Data) -> Picture:
    """Data above what is nearest to them: those of the least error, evenly on to those of the greatest."""
    order = found.error.argsort()
    shown = order[torch.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().long()].cpu()
    before, after = x.cpu()[shown], found.reconstruction.cpu()[shown]
    if is_picture(data.x_shape):
        figure = plots.strips(torch.stack([before, after]), data.kind, ["datum", "nearest"])
        return Picture(
            "inversion", "Test data, from the best made to the worst, above the nearest that is made.", figure
        )
    figure = plots.reconstructions(x.cpu(), found.reconstruction.cpu(), data.kind)
    return Picture("inversion", "Test data and the nearest that is made.", figure)
