"""What an entry claims: literal data, read and refused before anything runs.

A claim is literal data in ``models/claims`` (or in the ``claims`` of an ``@entry`` of your own), where what several claims
share may have a name above it:

======================  ================================================================================================
``says``                one sentence, what is claimed
``metric``              a name on the axis "metric"
``with``                the metric's settings (optional)
``at_least``            the bound, exactly one of ``at_least``, ``at_most`` (numbers) and ``between`` (two numbers)
``over``                what keeps the bound: "each" seed (default), or the "mean" over seeds
``seeds``               number of seeds: 0, 1, … (default 3)
``data``                a data set's name, or a mapping of :func:`pyrogen.data.load`'s arguments, where ``pool`` k makes
                        smaller images of sums over k × k pixels (default: the entry's)
``arguments``           of the entry (default: its own)
``recipe``              of :func:`pyrogen.inference.fit`, over the entry's own; a list of them is trained one after the other
``objective``           a name or a mapping (default: the model's own)
``against``             what differs in a second model, trained alike, that a comparing metric takes (optional)
``control``             what differs in a model for which the same bound must be missed: a rival, from other seeds; it
                        ``says`` what it is, and may have a bound of its own, which its every seed must keep
======================  ================================================================================================

``against`` and ``control`` override ``entry``, ``arguments``, ``recipe``, ``objective`` and ``data``, a control also
``with``; their ``seed`` is added to the seed. Mappings are merged into the claim's, but another entry's arguments start
afresh. A claim is met if every seed (or the mean of all) meets the bound; a control fails if no seed of it does; a number
that is not finite is neither.

**Where the bounds come from.** A bound named by published work or by an exact answer stands as it is. For any
other, the recipe was settled on seeds 0, 1, 2, then seeds 3, 4, 5 were run as well, and the bound is the mean of all six less
(or plus) 3.6 standard deviations, rounded outward to two digits: the one-sided 99 % prediction limit for one more seed,
t₅ √(1 + 1/6) = 3.36 × 1.08. (Three seeds were too few to know the spread by: the GAN's limit drawn from seeds 0, 1, 2
alone was missed by a later one.)
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from pyrogen import registry
from pyrogen.inference.training.fit import fit

BOUNDS = ("at_least", "at_most", "between")
OVER = ("each", "mean")
KEYS = (
    "says",
    "metric",
    "with",
    *BOUNDS,
    "over",
    "seeds",
    "data",
    "arguments",
    "recipe",
    "objective",
    "against",
    "control",
)
VARIED = ("entry", "arguments", "recipe", "objective", "data", "seed", "says")
DATA = ("name", "kind", "binarization", "dequantization", "seed", "labels", "missing", "size", "pool")
# what prove itself passes to fit
RUNNERS = ("model", "data", "objective", "device", "seed", "folder", "overwrite", "resume", "validate", "progress")


@dataclass(frozen=True)
class Setup:
    """How one model comes about: an entry's arguments, data, objective, and one or more trainings."""

    entry: str
    arguments: Mapping[str, Any]
    data: Mapping[str, Any]
    recipe: Sequence[Mapping[str, Any]]
    objective: Any = None
    seed: int = 0

    def varied(self, changes: Mapping[str, Any]) -> Setup:
        """The same, but for some changes."""
        entry = changes.get("entry", self.entry)
        kept = self.arguments if entry == self.entry else {}
        recipe = changes.get("recipe", {})
        return Setup(
            entry,
            {**kept, **changes.get("arguments", {})},
            _data_wish(changes["data"]) if "data" in changes else self.data,
            [{**phase, **recipe} for phase in self.recipe] if isinstance(recipe, Mapping) else list(recipe),
            changes.get("objective", self.objective),
            self.seed + changes.get("seed", 0),
        )


@dataclass(frozen=True)
class Claim:
    """A claim that was read and found well formed, see the module's docstring."""

    says: str
    metric: str
    bound: Mapping[str, Any]
    over: str
    seeds: int
    setup: Setup
    settings: Mapping[str, Any]
    against: Mapping[str, Any] | None
    control: Mapping[str, Any]

    def met_by(self, values: Sequence[float]) -> bool:
        """Whether the values of all seeds keep the bound."""
        kept = [fmean(values)] if self.over == "mean" and values else values
        return all(keeps(value, self.bound) for value in kept)

    def failed_by(self, values: Sequence[float]) -> bool:
        """Whether a control's values miss the bound, each of them, and keep that of the control where it has one."""
        own = _bound_of(self.control)
        return not any(keeps(v, self.bound) for v in values) and (not own or all(keeps(v, own) for v in values))

    def stated(self) -> dict[str, Any]:
        """What is claimed, of what, and beside what, as it is recorded: a measurement holds for no other claim."""
        return {
            "says": self.says,
            "metric": self.metric,
            "settings": self.settings,
            "bound": {**self.bound, **({} if self.over == "each" else {"over": self.over})},
            "claimed_seeds": self.seeds,
            "control_says": self.control["says"],
            "setup": {
                **asdict(self.setup),
                **({} if self.against is None else {"against": self.against}),
                "control": {k: v for k, v in self.control.items() if k != "says"},
            },
        }


def keeps(value: float, bound: Mapping[str, Any]) -> bool:
    """Whether a value keeps a bound; nan and infinities keep none."""
    ((kind, limit),) = bound.items()
    if not math.isfinite(value):
        return False
    if kind == "between":
        return bool(limit[0] <= value <= limit[1])
    return bool(value >= limit) if kind == "at_least" else bool(value <= limit)


def claims_of(name: str) -> list[Claim]:
    """The claims of an entry.

    Raises:
        ValueError: one of them is not well formed; the sentence names the entry, the claim and what was expected.
    """
    record = registry.find("entry", name)
    found = []
    for number, literal in enumerate(registry.claims(name), start=1):
        try:
            found.append(_read(record, literal))
        except ValueError as error:
            raise ValueError(f"claim {number} of {name!r}: {error}") from None
    return found


def _read(record: registry.Registration, literal: Mapping[str, Any]) -> Claim:
    if not isinstance(literal, Mapping):
        raise ValueError(f"it is a mapping with {', '.join(KEYS)}; got {type(literal).__name__}.")
    _known("key", literal, KEYS)
    for key in ("says", "metric", "control"):
        if key not in literal:
            raise ValueError(f"it lacks {key!r}.")
    bound = _bound_of(literal)
    if len(bound) != 1:
        raise ValueError(f"it needs exactly one of {', '.join(BOUNDS)}; got {', '.join(bound) or 'none'}.")
    _check_bound(bound)
    over = literal.get("over", "each")
    if over not in OVER:
        raise ValueError(f"over is {' or '.join(map(repr, OVER))}; got {over!r}.")
    seeds = literal.get("seeds", 3)
    if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
        raise ValueError(f"seeds is a whole number from 1; got {seeds!r}.")
    settings, against = _mapping("with", literal.get("with", {})), literal.get("against")
    own = record.details["recipe"]
    recipe = literal.get("recipe", {})
    setup = Setup(
        record.name,
        _mapping("arguments", literal.get("arguments", {})),
        _data_wish(literal.get("data", record.details["data"])),
        [{**own, **phase} for phase in _phases("recipe", recipe)],
        literal.get("objective"),
    )
    control = _variation("control", literal["control"], (*VARIED, "with", *BOUNDS))
    if not isinstance(control.get("says"), str) or not set(control) - {"says", *BOUNDS}:
        raise ValueError("its control says what it is, and differs in something.")
    own = _bound_of(control)
    if len(own) > 1:
        raise ValueError(f"its control has at most one of {', '.join(BOUNDS)}; got {', '.join(own)}.")
    if own:
        _check_bound(own)
    for used in (settings, {**settings, **control.get("with", {})}):
        _check_metric(literal["metric"], used, against is not None)
    claim = Claim(
        says=_text("says", literal["says"]),
        metric=literal["metric"],
        bound=bound,
        over=over,
        seeds=seeds,
        setup=setup,
        settings=settings,
        against=None if against is None else _variation("against", against),
        control=control,
    )
    for some in (setup, setup.varied(control), setup.varied(claim.against or {})):
        _check_setup(some)
    return claim


def _variation(where: str, changes: Any, keys: Iterable[str] = VARIED) -> Mapping[str, Any]:
    _known(f"key of {where}", _mapping(where, changes), keys)
    for key in ("arguments", "with"):
        _mapping(f"{where}.{key}", changes.get(key, {}))
    _phases(f"{where}.recipe", changes.get("recipe", {}))
    if not isinstance(changes.get("seed", 0), int):
        raise ValueError(f"{where}.seed is a whole number; got {changes['seed']!r}.")
    return dict(changes)


def _bound_of(literal: Mapping[str, Any]) -> dict[str, Any]:
    return {k: literal[k] for k in BOUNDS if k in literal}


def _check_bound(bound: Mapping[str, Any]) -> None:
    ((kind, value),) = bound.items()
    numbers = value if kind == "between" else [value]
    fine = isinstance(numbers, (list, tuple)) and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in numbers
    )
    if not fine or (kind == "between" and (len(numbers) != 2 or numbers[0] > numbers[1])):
        expected = "two numbers, the smaller first" if kind == "between" else "a finite number"
        raise ValueError(f"{kind} is {expected}; got {value!r}.")


def _check_metric(name: Any, settings: Mapping[str, Any], compares: bool) -> None:
    accepted = dict(list(inspect.signature(registry.find("metric", str(name)).load()).parameters.items())[3:])
    _known(f"setting of {name!r}", settings, [k for k in accepted if k != "against"])
    given = {*settings, *(["against"] if compares else [])}
    if compares and "against" not in accepted:
        raise ValueError(f"the metric {name!r} compares with nothing; leave 'against' out.")
    missing = [k for k, p in accepted.items() if p.default is p.empty and k not in given]
    if missing:
        raise ValueError(f"the metric {name!r} needs {', '.join(map(repr, missing))}.")


def _check_setup(setup: Setup) -> None:
    build = registry.find("entry", setup.entry).load()
    _known(
        f"argument of {setup.entry!r}",
        setup.arguments,
        [k for k in inspect.signature(build).parameters if k != "x_shape"],
    )
    _data_known(setup.data)
    if setup.objective is not None:
        registry.make("objective", setup.objective)
    accepted = [p for p in inspect.signature(fit).parameters if p not in RUNNERS]
    for phase in setup.recipe:
        _known("setting of fit", phase, accepted)


def _known(what: str, given: Iterable[str], accepted: Iterable[str]) -> None:
    accepted = list(accepted)
    for key in given:
        if key not in accepted:
            raise registry.unknown(what, key, accepted or ["(none)"])


def _mapping(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} is a mapping; got {value!r}.")
    return value


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where} is a sentence; got {value!r}.")
    return value


def _phases(where: str, recipe: Any) -> list[Mapping[str, Any]]:
    if isinstance(recipe, (list, tuple)) and not recipe:
        raise ValueError(f"{where} is an empty list; for an untrained model say {{'epochs': 0}}.")
    return [_mapping(where, phase) for phase in (recipe if isinstance(recipe, (list, tuple)) else [recipe])]


def _data_wish(data: Any) -> Mapping[str, Any]:
    return {"name": data} if isinstance(data, str) else dict(_mapping("data", data))


def _data_known(wish: Mapping[str, Any]) -> None:
    _known("key of data", wish, DATA)
    if "name" not in wish:
        raise ValueError("data lacks 'name'.")
