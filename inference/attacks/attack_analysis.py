"""How little it takes to deceive a classifier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
import xarray as xr
from torch import Tensor

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.figures import attack_plots, plots
from pyrogen.inference.attacks.activation import maximize_activation
from pyrogen.inference.attacks.attack import Attack, Bounds, FastGradient, Noise, ProjectedGradient, asked
from pyrogen.inference.attacks.robustness import SHARES, labelled, limits_of, robustness, unattackable, unit_of
from pyrogen.inference.latents.analysis import Analysis, Finding, Picture, Verdict
from pyrogen.inference.latents.measured import Measured, paired_shares, share
from pyrogen.kinds import is_picture
from pyrogen.registry import choice

SHOWN, DRAWN = 8, 10
IGNORANT = "it knows no more than how frequent classes are, which no attack takes from it; train it longer."
FIRM = 0.8  # of its accuracy, that a classifier keeps under an attack which one calls withstood


@choice("analysis", "attacks")
class Attacks(Analysis):
    """How often a classifier is right of data that were moved against it, beside data moved at random.

    Args:
        at: the distance that is judged, as a share of an element's range, of the Euclidean norm times √D.
        norm: "inf", the greatest change of an element, or "2", the Euclidean distance.
        shares: further distances, for the curves.
        limit: test data that are attacked.
    """

    title = "How little does it take to deceive the classifier?"
    order = 64

    def __init__(self, at: float = 0.1, norm: str = "inf", shares: Sequence[float] = SHARES, limit: int = 500) -> None:
        self.at, self.norm, self.shares, self.limit = at, norm, tuple(shares), limit

    def refusal(self, model: Model, data: Data) -> str:
        """Why it cannot be asked."""
        return unattackable(model, data)

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Ask it."""
        unit = unit_of(data, self.norm)
        judged = self.at * unit
        epsilons = sorted({0.0, judged, *(part * unit for part in self.shares)})
        attacks: dict[str, Attack] = {
            "many steps": ProjectedGradient(self.norm),
            "one step": FastGradient(self.norm),
            "at random": Noise(self.norm),
        }
        found = {name: robustness(model, data, epsilons, attack, seed, self.limit) for name, attack in attacks.items()}
        rights = {name: _right(one, judged) for name, one in found.items()}
        unmoved = _right(found["many steps"], 0.0)
        clean, many, one, noise = (share(right) for right in (unmoved, *(rights[name] for name in attacks)))
        usual = _usual(labelled(model, data, self.limit)[1])
        verdict = _verdict(clean, usual, _kept(unmoved, rights["many steps"]))
        better = paired_shares(rights["one step"], rights["many steps"])
        says = (
            f"It is right on {clean} of {clean.n} test data. Moved against it by up to {judged:.3g} "
            f"({_norm_named(self.norm)}), on {many} by many steps and {one} by one; moved as far at random, on {noise}."
        )
        return Finding(
            says,
            verdict,
            _advice(verdict, judged, self.norm) if _knows(clean, usual) else IGNORANT,
            numbers={
                "epsilon": judged,
                "accuracy": clean.numbers(),
                "most_frequent": usual,
                "attacked": {name: share(right).numbers() for name, right in rights.items()},
                "one_step_less_many": better.numbers(),
                "curves": {name: _numbers(one) for name, one in found.items()},
            },
            pictures=list(self._pictures(model, data, found, judged, seed)),
        )

    def _pictures(
        self, model: Model, data: Data, found: Mapping[str, xr.Dataset], judged: float, seed: int
    ) -> Iterator[Picture]:
        curves = {k: (f["epsilon"].values, f["accuracy"].values, f["accuracy_se"].values) for k, f in found.items()}
        classes = data.classes or 1
        yield Picture(
            "accuracy",
            f"How often it is right, over how far each datum was moved, with standard errors; dashed: guessing. "
            f"ε is {_norm_named(self.norm)}.",
            attack_plots.robustness_curves(curves, "ε", 1 / classes),
        )
        if not is_picture(model.x_shape):
            return
        x, y = labelled(model, data, self.limit)
        bounds = limits_of(data, x)
        with asked(model) as logits:
            named = logits(x).argmax(-1)
        attacked = ProjectedGradient(self.norm)(model, x, y, judged, bounds=bounds, seed=seed)
        rows = (attacked.success & (named == y)).nonzero().flatten()[:SHOWN]
        if len(rows):
            words = [(_word(data, int(named[i])), _word(data, int(attacked.named[i]))) for i in rows]
            yield Picture(
                "examples",
                "The first data that it knows and, moved, takes for another class: as they were, what was added (grey: "
                "nothing), as they are, and what it took them for.",
                attack_plots.moved_pictures(x[rows], attacked.x[rows], _outermost(bounds), words),
            )
        target = torch.arange(min(classes, DRAWN), device=x.device)
        made = maximize_activation(model, target, model.x_shape, bounds=bounds, seed=seed)
        yield Picture(
            "activation",
            f"Noise, climbed until it is sure of each class ({float(made.probability.min()):.4f} or more): where these "
            "are no pictures of the class, it is sure of what it has never seen.",
            plots.strips(made.x.unsqueeze(0), data.kind, columns=[_word(data, int(c)) for c in target]),
        )


def _right(found: xr.Dataset, epsilon: float) -> Tensor:
    return torch.from_numpy(found["right"].sel(epsilon=epsilon).values)


def _usual(y: Tensor) -> float:
    """The share of the most frequent class, which one is right on who knows nothing else."""
    return float(y.bincount().max()) / len(y)


def _knows(clean: Measured, usual: float) -> bool:
    return clean.value - 3 * clean.error > usual


def _kept(clean: Tensor, attacked: Tensor) -> Measured:
    """The attacked accuracy less 0.8 of the clean one, of the same data ``(N,)``.

    Half a datum is added to each of the four cells of agreement, as by :func:`paired_shares`, so that where all agree the
    error is none of 0.
    """
    cells = torch.tensor([0.0, 1.0, -FIRM, 1 - FIRM], dtype=torch.float64)
    lead = attacked.double() - FIRM * clean.double()
    halves = torch.cat([lead, lead, cells])
    return Measured(float(halves.mean()), float(halves.std()) / (len(halves) / 2) ** 0.5, len(clean))


def _verdict(clean: Measured, usual: float, kept: Measured) -> Verdict:
    if not _knows(clean, usual) or abs(kept.value) <= 2 * kept.error:
        return "open"
    return "well" if kept.value > 0 else "beware"


def _advice(verdict: Verdict, epsilon: float, norm: str) -> str:
    if verdict == "well":
        return ""
    other = "" if norm == "inf" else f", norm={norm!r}"
    return f"train it against attacks, `fit(model, data, AdversarialTraining({epsilon:.3g}{other}))`."


def _numbers(found: xr.Dataset) -> dict[str, list[float]]:
    return {name: found[name].values.tolist() for name in ("epsilon", "accuracy", "accuracy_se")}


def _norm_named(norm: str) -> str:
    return "the greatest change of an element" if norm == "inf" else "the Euclidean distance"


def _word(data: Data, label: int) -> str:
    return data.class_names[label] if label < len(data.class_names) else str(label)


def _outermost(bounds: Bounds) -> tuple[float, float]:
    low, high = (torch.as_tensor(bound) for bound in bounds)
    return float(low.min()), float(high.max())
