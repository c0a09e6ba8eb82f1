"""The analysis "attributes": what labels are in the codes, and whether their directions do what they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import HasPosterior, Model
from pyrogen.data import Data
from pyrogen.figures import plots, walk_plots
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.latents.analysis import Analysis, Finding, Picture, Verdict
from pyrogen.inference.latents.attributes import (
    AttributeVector,
    Effect,
    Interval,
    attribute_effect,
    attribute_vector,
)
from pyrogen.inference.latents.judging import judge_of, unjudged
from pyrogen.inference.latents.walks import codes_of, decoded, posterior_of
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.inference.representations.probes import Probe, probe
from pyrogen.kinds import is_picture
from pyrogen.registry import choice

MOST, SHOWN = 2000, 6
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
LABELS = (2, 8, 32, 200)


@choice("analysis", "attributes")
class AttributeAnalysis(Analysis):
    """A probe of the labels with its control, and the direction from one class to another from few labels and from many.

    Args:
        pair: the class that codes start from and the one that they are led to.
        labels: of how many labels the direction is made, each in turn.
        draws: of labels and codes.
        method: "means", or "logistic".
        judge: what judges; None: the usual one, see :func:`pyrogen.inference.latents.judging.judge_of`.
    """

    title = "What do the codes know of the labels, and can it be changed?"
    order = 47

    def __init__(
        self,
        pair: Sequence[int] = (0, 1),
        labels: Sequence[int] = LABELS,
        draws: int = 200,
        method: str = "means",
        judge: str | None = None,
    ) -> None:
        self.pair, self.labels, self.draws, self.method, self.judge = pair, labels, draws, method, judge

    def refusal(self, model: Model, data: Data) -> str:
        """It asks codes for labels that the model was not told."""
        if not isinstance(model, HasPosterior):
            return (
                f"{type(model).__name__} encodes nothing; pass latents that a judge or you picked to attribute_vector: see "
                "pyrogen.inference.latents.attributes.picked."
            )
        if model.condition is not None:
            known = "infers the labels" if model.condition.optional else "is told the labels as its condition"
            return f"the model {known}, so that its codes need not know them; change y instead."
        return unjudged(data)

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Probe the codes of training data, and change those of test data."""
        start, target = self.pair
        train, test = (split.known().spread(MOST).to(model.device) for split in (data.train, data.test))
        assert train.y is not None  # of others it is not asked
        assert test.y is not None
        x, y = train.x, train.y
        with track(len(self.labels) + 2, "asking codes for labels") as advance:
            judge = judge_of(data, self.judge)
            with evaluating(model):
                codes = codes_of(model, x)
                ends = codes_of(model, test.x[test.y == start])
            probed = probe(codes, y, seed)
            advance(1)
            of_two = (y == start) | (y == target)
            q, told = posterior_of(model, x[of_two]), y[of_two] == target
            ask: Any = {"method": self.method, "draws": self.draws, "seed": seed}
            whole = attribute_vector(q, told, **ask)
            advance(1)
            rows = {}
            for n in self.labels:
                vector = attribute_vector(q, told, labels=n, **ask)
                rows[n] = vector.cosine(whole.mean), attribute_effect(model, ends, vector, judge, target, seed=seed)
                advance(1)
        _, last = rows[max(rows)]
        verdict: Verdict = "well" if last.gain.value > 2 * last.gain.error and last.after.value > 0.5 else "beware"
        names = [data.class_names[k] if k < len(data.class_names) else str(k) for k in (start, target)]
        return Finding(
            f"A linear probe of codes tells labels with {probed.measure} {probed.score}, of shuffled ones "
            f"{probed.shuffled}. Codes of {len(ends)} test data of class {names[0]}, moved towards class {names[1]} by "
            f"a direction of {max(rows)} labels, decode to {names[1]} in {last.after} of all cases ({last.before} "
            f"before), and c({names[1]}|x) grows by {last.gain} more than by random steps of that length; "
            f"{judge.says()}.",
            verdict,
            ""
            if verdict == "well"
            else "go further than 1, `attribute_effect(..., strength=1.5)`, or ask for method='logistic'",
            _numbers(probed, rows, judge.numbers()),
            _pictures(model, data, ends, whole, rows, names),
            _table(rows, names[1]),
        )


Rows = dict[int, tuple[Interval, Effect]]


def _numbers(probed: Probe, rows: Rows, judge: Any) -> dict[str, Any]:
    by_labels = {
        str(n): {
            "cosine": cosine._asdict(),
            **{k: getattr(effect, k).numbers() for k in ("change", "control", "gain", "before", "after")},
        }
        for n, (cosine, effect) in rows.items()
    }
    told = {"measure": probed.measure, "score": probed.score.numbers(), "shuffled": probed.shuffled.numbers()}
    return {"probe": told, "labels": by_labels, "judge": judge}


def _table(rows: Rows, name: str) -> list[Sequence[str]]:
    head = ("labels", "cosine with the direction of all", f"named {name} before", "after", "gain over random steps")
    return [
        head,
        *(
            (str(n), f"{c.mean:.2f} ({c.low:.2f} to {c.high:.2f})", str(e.before), str(e.after), str(e.gain))
            for n, (c, e) in rows.items()
        ),
    ]


def _pictures(
    model: Model, data: Data, ends: Tensor, whole: AttributeVector, rows: Rows, names: Sequence[str]
) -> list[Picture]:
    cosines = {"cosine": [(c.mean, c.low, c.high) for c, _ in rows.values()]}
    figure = walk_plots.label_curve(list(rows), cosines, "cosine with that of all labels")
    caption = "How well a direction of few labels points along that of all: means and 94 % HDIs over labels and codes."
    pictures = [Picture("attribute-labels", caption, figure)]
    moved = {
        kind: [(m.value, m.value - m.error, m.value + m.error) for m in (getattr(e, kind) for _, e in rows.values())]
        for kind in ("change", "control")
    }
    named = {"that direction": moved["change"], "random steps": moved["control"]}
    figure = walk_plots.label_curve(list(rows), named, f"change of c({names[1]}|x)")
    caption = (
        f"By how much the judge believes more in class {names[1]} once the direction was added, with standard errors."
    )
    pictures.append(Picture("attribute-effects", caption, figure))
    if is_picture(data.x_shape):
        first = ends[:SHOWN].flatten(1)
        steps = torch.tensor(STRENGTHS, dtype=first.dtype, device=first.device).reshape(-1, 1, 1)
        z = first + steps * whole.mean.to(first)
        with evaluating(model):
            made = decoded(model, z.unflatten(-1, ends.shape[1:]))
        shown = plots.strips(made.transpose(0, 1), data.kind, columns=[f"{s:g}" for s in STRENGTHS])
        caption = f"Codes of class {names[0]} with so much of the direction towards {names[1]} added, decoded."
        pictures.append(Picture("attribute-walk", caption, shown))
    return pictures
