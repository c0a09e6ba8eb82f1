"""Proofs: each entry's claims, measured on several seeds beside a control that must fail.

A claim is literal data in the ``claims`` of an ``@entry``:

======================  ================================================================================================
``says``                one sentence, what is claimed
``metric``              a name on the axis "metric"
``with``                the metric's settings (optional)
``at_least``            the bound, exactly one of ``at_least``, ``at_most`` (numbers) and ``between`` (two numbers)
``seeds``               number of seeds: 0, 1, … (default 3)
``data``                a data set's name, or a mapping of :func:`pyrogen.data.load`'s arguments, where ``pool`` k makes
                        smaller images of sums over k × k pixels (default: the entry's)
``arguments``           of the entry (default: its own)
``recipe``              of :func:`pyrogen.inference.fit`, over the entry's own; a list of them is trained one after the other
``objective``           a name or a mapping (default: the model's own)
``against``             what differs in a second model, trained alike, that a comparing metric takes (optional)
``control``             what differs in a model for which the same bound must be missed; it ``says`` what it is
======================  ================================================================================================

``against`` and ``control`` override ``entry``, ``arguments``, ``recipe``, ``objective`` and ``data``; ``seed`` is added to the
seed. Mappings are merged into the claim's, but another entry's arguments start afresh. A claim is met if every seed meets
the bound; a control fails if no seed does; a number that is not finite is neither.

**Where the bounds come from.** A bound named by the published work or by an exact answer stands as it is. Any other was set
from the values of seeds 0, 1, 2, before any other seed was run: their mean less (or plus) 8 standard deviations, rounded
outward. That is the one-sided 99 % prediction limit for one more seed, t₂ √(1 + 1/3) = 6.96 × 1.15 = 8.0.
"""

from __future__ import annotations

import argparse
import datetime
import inspect
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import pyrogen
from pyrogen import registry
from pyrogen.base import Model
from pyrogen.data import Data, load
from pyrogen.files import write
from pyrogen.inference.fit import fit
from pyrogen.inference.programs import seeded

FOLDER, TABLE = Path("proofs"), "PROOFS.md"
BOUNDS = ("at_least", "at_most", "between")
VARIED = ("entry", "arguments", "recipe", "objective", "data", "seed", "says")
KEYS = ("says", "metric", "with", *BOUNDS, "seeds", "data", "arguments", "recipe", "objective", "against", "control")
PAPER = "-paper"


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
    seeds: int
    setup: Setup
    settings: Mapping[str, Any]
    against: Mapping[str, Any] | None
    control: Mapping[str, Any]

    def met_by(self, value: float) -> bool:
        """Whether a value keeps the bound; nan and infinities keep none."""
        ((kind, bound),) = self.bound.items()
        if not math.isfinite(value):
            return False
        if kind == "between":
            return bool(bound[0] <= value <= bound[1])
        return bool(value >= bound) if kind == "at_least" else bool(value <= bound)


@dataclass(frozen=True)
class Measured:
    """One claim as it came out: a value for every seed, of the model and of the control.

    Attributes:
        bound: ``{"at_least": number}``, ``{"at_most": number}`` or ``{"between": [low, high]}``.
        claimed_seeds: on how many seeds the claim is made; fewer may have been run.
        met: every seed keeps the bound.
        control_fails: no seed of the control keeps it.
        error: why there is no answer; else empty.
    """

    says: str
    metric: str
    settings: Mapping[str, Any]
    bound: Mapping[str, Any]
    claimed_seeds: int
    seeds: Sequence[int]
    values: Sequence[float]
    control_says: str
    control: Sequence[float]
    met: bool
    control_fails: bool
    minutes: float
    setup: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def proved(self) -> bool:
        """The claim is met and its control fails."""
        return self.met and self.control_fails and not self.error

    @property
    def verdict(self) -> str:
        """In words."""
        if self.error:
            return f"error: {self.error}"
        if self.proved:
            return "proved"
        return " and ".join(
            [*([] if self.met else ["missed"]), *([] if self.control_fails else ["control does not fail"])]
        )


@dataclass(frozen=True)
class Proof:
    """All claims of one entry as they came out, with where and when."""

    entry: str
    summary: str
    reference: str
    claims: Sequence[Measured]
    minutes: float
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    commit: str
    date: str

    @property
    def proved(self) -> bool:
        """Every claim is."""
        return all(claim.proved for claim in self.claims)

    def to_json(self) -> str:
        """As JSON text; numbers that are not finite become null."""
        plain = {"proved": self.proved, **asdict(self)}
        for row, claim in zip(plain["claims"], self.claims, strict=True):
            row["verdict"] = claim.verdict
        return json.dumps(_finite(plain), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def prove(
    pattern: str,
    seeds: int | None = None,
    folder: str | Path = FOLDER,
    table: str | Path | None = None,
    device: str = "cpu",
    progress: bool | None = None,
) -> list[Proof]:
    """Run the claims of all entries that match a pattern, and write them down.

    Every file is written when its entry is done, so that an interrupted run keeps what it has.

    Args:
        pattern: a glob; entries called ``*-paper`` run only by their exact name.
        seeds: how many, instead of each claim's own number.
        folder: where ``NAME.json`` goes, one for each entry.
        table: the table of all proofs in the folder; by default ``PROOFS.md`` beside the folder.
        device: where models are trained.
        progress: show a bar; by default on a terminal.

    Returns:
        A proof for each matching entry that claims something; none if there is none.

    Raises:
        ValueError: a claim that is not well formed; nothing has been run then.
    """
    if seeds is not None and seeds < 1:
        raise ValueError(f"seeds={seeds}: a proof needs at least 1.")
    claimed = {name: claims_of(name) for name in matching(pattern)}
    claimed = {name: claims for name, claims in claimed.items() if claims}
    folder = Path(folder)
    total = 2 * sum(c.seeds if seeds is None else seeds for claims in claimed.values() for c in claims)
    proofs = []
    with _bar(progress) as bar:
        task = bar.add_task("", total=total)

        def tell(what: str, done: int) -> None:
            bar.update(task, description=what, advance=done)

        for name, claims in claimed.items():
            started, bench = time.perf_counter(), _Bench(device)
            measured = [measure(claim, seeds, bench, tell) for claim in claims]
            record = registry.find("entry", name)
            proof = Proof(
                name,
                record.summary,
                record.details["reference"],
                measured,
                (time.perf_counter() - started) / 60,
                **provenance(),
            )
            write(folder / f"{name}.json", proof.to_json())
            write_table(folder, table)
            proofs.append(proof)
    return proofs


def matching(pattern: str) -> list[str]:
    """Names of the entries that a pattern means."""
    return [n for n in registry.list_models(pattern) if n == pattern or not n.endswith(PAPER)]


def claims_of(name: str) -> list[Claim]:
    """The claims of an entry.

    Raises:
        ValueError: one of them is not well formed; the sentence names the entry, the claim and what was expected.
    """
    record = registry.find("entry", name)
    found = []
    for number, literal in enumerate(record.details["claims"], start=1):
        try:
            found.append(_read(record, literal))
        except ValueError as error:
            raise ValueError(f"claim {number} of {name!r}: {error}") from None
    return found


def measure(
    claim: Claim,
    seeds: int | None = None,
    bench: _Bench | None = None,
    tell: Callable[[str, int], None] = lambda what, done: None,
) -> Measured:
    """Run one claim and its control on its seeds.

    Args:
        claim: of :func:`claims_of`.
        seeds: how many, instead of the claim's own number.
        bench: trained models to share between the claims of one entry.
        tell: is told what is being done, and how many of ``2 seeds`` values are.
    """
    bench = bench or _Bench("cpu")
    started = time.perf_counter()
    rivals = claim.setup.varied(claim.against) if claim.against is not None else None
    control = claim.setup.varied(claim.control)
    numbers = range(claim.seeds if seeds is None else seeds)
    values: dict[str, list[float]] = {"claim": [], "control": []}
    error = ""
    for seed in numbers:
        for which, setup in (("claim", claim.setup), ("control", control)):
            tell(f"{claim.setup.entry}: {claim.metric}, {which}, seed {seed}", 0)
            if not error:
                try:
                    values[which].append(_value(claim, setup, rivals, seed, bench))
                except (ValueError, ArithmeticError, OSError) as problem:
                    error = f"{which}, seed {seed}: {' '.join(str(problem).split())}"
            tell(f"{claim.setup.entry}: {claim.metric}", 1)
    return Measured(
        says=claim.says,
        metric=claim.metric,
        settings=claim.settings,
        bound=claim.bound,
        claimed_seeds=claim.seeds,
        seeds=list(numbers),
        values=values["claim"],
        control_says=claim.control["says"],
        control=values["control"],
        met=not error and all(map(claim.met_by, values["claim"])),
        control_fails=not error and not any(map(claim.met_by, values["control"])),
        minutes=(time.perf_counter() - started) / 60,
        setup={
            **asdict(claim.setup),
            **({} if claim.against is None else {"against": claim.against}),
            "control": {k: v for k, v in claim.control.items() if k != "says"},
        },
        error=error,
    )


def write_table(folder: str | Path = FOLDER, path: str | Path | None = None) -> Path:
    """Write the Markdown table of every proof in a folder; by default to ``PROOFS.md`` beside the folder.

    Raises:
        ValueError: a file there is no proof.
    """
    folder = Path(folder)
    rows, machines = [], set()
    for file in sorted(folder.glob("*.json")):
        try:
            proof = json.loads(file.read_text(encoding="utf-8"))
            rows += [_row(proof, claim) for claim in proof["claims"]]
            machines.add(_machine_words(proof))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{file} is no proof that `pyrogen prove` wrote ({type(error).__name__}: {error}); remove it."
            ) from error
    text = [
        "# Proofs",
        "",
        "What every entry of the zoo claims, as `pyrogen prove NAME` measured it: one value for each seed (0, 1, 2, …), and "
        "beside it a control for which the same bound must be missed. Written by that command from `proofs/*.json`; how "
        "bounds are set is said in `inference/prove.py`.",
        "",
        "| entry | claim | metric | bound | measured | control | control's values | minutes | verdict | commit | date |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        *(f"*{words}.*" for words in sorted(machines)),
    ]
    return write(folder.parent / TABLE if path is None else path, "\n".join(text).rstrip() + "\n")


def provenance() -> dict[str, Any]:
    """Where and when: machine, versions, commit and date."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    machine = {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cpus": cpus,
        "threads": torch.get_num_threads(),
    }
    versions = {
        "pyrogen": pyrogen.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "pyro": pyro.__version__,
        "numpy": np.__version__,
    }
    date = datetime.date.today().isoformat()
    return {"machine": machine, "versions": versions, "commit": _commit(), "date": date}


def main(arguments: Sequence[str]) -> int:
    """``pyrogen prove``: 0 if every claim is met and every control fails, 1 if not, 2 if nothing matches."""
    parser = argparse.ArgumentParser(
        prog="pyrogen prove",
        description="Run the claims of the matching models on several seeds, with controls that must fail; write "
        "proofs/NAME.json and the table PROOFS.md.",
        epilog="Exit status: 0 if every claim is met and every control fails, 1 if not, 2 if nothing matches.",
    )
    parser.add_argument("pattern", help="a model's name or a glob; *-paper models run only by their exact name")
    parser.add_argument("--seeds", type=int, default=None, help="how many, instead of each claim's own number")
    parser.add_argument("--folder", default=str(FOLDER), help="where NAME.json goes; default proofs")
    parser.add_argument("--table", default=None, help="the table; default PROOFS.md beside the folder")
    parser.add_argument("--device", default="cpu", help="where models are trained")
    options = parser.parse_args(list(arguments))
    names = matching(options.pattern)
    if not names:
        return _nothing(f"no model matches {options.pattern!r}; pyrogen list shows all")
    proofs = prove(options.pattern, options.seeds, options.folder, options.table, options.device)
    silent = [n for n in names if n not in {p.entry for p in proofs}]
    if not proofs:
        return _nothing(f"{', '.join(silent)} claims nothing")
    console = Console()
    console.print(_as_table(proofs))
    if silent:
        console.print(f"nothing is claimed by {', '.join(silent)}")
    claims = [c for p in proofs for c in p.claims]
    proved = sum(c.proved for c in claims)
    minutes = sum(p.minutes for p in proofs)
    where = Path(options.table) if options.table else Path(options.folder).parent / TABLE
    console.print(f"{proved} of {len(claims)} claims proved in {minutes:.1f} minutes; {options.folder} and {where}")
    return 0 if proved == len(claims) else 1


class _Bench:
    """Trains models, and remembers them by how they came about."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.trained: dict[str, tuple[Model, Data]] = {}

    def model(self, setup: Setup) -> tuple[Model, Data]:
        key = json.dumps(asdict(setup), sort_keys=True)
        if key not in self.trained:
            self.trained[key] = self._train(setup)
        return self.trained[key]

    def _train(self, setup: Setup) -> tuple[Model, Data]:
        data = _data(setup.data)
        with seeded(setup.seed):
            model = registry.create(setup.entry, x_shape=data.x_shape, **setup.arguments)
        if not {"kind", "binarization", "dequantization"} & set(setup.data):
            data = _data({**setup.data, "kind": model.kinds})
        objective = _objective(setup.objective)
        for phase in setup.recipe:
            fit(model, data, objective, seed=setup.seed, device=self.device, validate=False, progress=False, **phase)
        return model, data


def _value(claim: Claim, setup: Setup, rivals: Setup | None, seed: int, bench: _Bench) -> float:
    model, data = bench.model(replace(setup, seed=setup.seed + seed))
    settings = dict(claim.settings)
    if rivals is not None:
        settings["against"] = bench.model(replace(rivals, seed=rivals.seed + seed))[0]
    value = float(registry.find("metric", claim.metric).load()(model, data, seed, **settings))
    if not math.isfinite(value):
        raise ArithmeticError(f"{claim.metric} is {value}")
    return value


def _read(record: registry.Record, literal: Mapping[str, Any]) -> Claim:
    if not isinstance(literal, Mapping):
        raise ValueError(f"it is a mapping with {', '.join(KEYS)}; got {type(literal).__name__}.")
    _known("key", literal, KEYS)
    for key in ("says", "metric", "control"):
        if key not in literal:
            raise ValueError(f"it lacks {key!r}.")
    bound = {k: literal[k] for k in BOUNDS if k in literal}
    if len(bound) != 1:
        raise ValueError(f"it needs exactly one of {', '.join(BOUNDS)}; got {', '.join(bound) or 'none'}.")
    _check_bound(bound)
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
    control = _variation("control", literal["control"])
    if not isinstance(control.get("says"), str) or not set(control) - {"says"}:
        raise ValueError("its control says what it is, and differs in something.")
    _check_metric(literal["metric"], settings, against is not None)
    claim = Claim(
        says=_text("says", literal["says"]),
        metric=literal["metric"],
        bound=bound,
        seeds=seeds,
        setup=setup,
        settings=settings,
        against=None if against is None else _variation("against", against),
        control=control,
    )
    for some in (setup, setup.varied(control), setup.varied(claim.against or {})):
        _check_setup(some)
    return claim


def _variation(where: str, changes: Any) -> Mapping[str, Any]:
    _known(f"key of {where}", _mapping(where, changes), VARIED)
    _mapping(f"{where}.arguments", changes.get("arguments", {}))
    _phases(f"{where}.recipe", changes.get("recipe", {}))
    if not isinstance(changes.get("seed", 0), int):
        raise ValueError(f"{where}.seed is a whole number; got {changes['seed']!r}.")
    return dict(changes)


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
    _objective(setup.objective)
    accepted = [p for p in inspect.signature(fit).parameters if p not in _OWN]
    for phase in setup.recipe:
        _known("setting of fit", phase, accepted)


_OWN = ("model", "data", "objective", "device", "seed", "folder", "overwrite", "resume", "validate", "progress")
_DATA = ("name", "kind", "binarization", "dequantization", "seed", "pool")


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
    _known("key of data", wish, _DATA)
    if "name" not in wish:
        raise ValueError("data lacks 'name'.")


def _data(wish: Mapping[str, Any]) -> Data:
    wish = dict(wish)
    name, pool = wish.pop("name"), wish.pop("pool", 1)
    if pool == 1:
        return load(name, **wish)
    source = registry.find("data", name).load()()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}-pooled-{pool}.npz"
        # np.savez without pickle; the loader checks what it reads
        arrays: dict[str, Any] = {"levels": (source.levels - 1) * pool**2 + 1}
        for split, (x, y) in source.splits.items():
            arrays[f"x_{split}"] = _pooled(x, pool).numpy()
            arrays |= {} if y is None else {f"y_{split}": y.numpy()}
        np.savez(path, **arrays)
        return load(path, **wish)


def _pooled(x: torch.Tensor, k: int) -> torch.Tensor:
    return x.long().unfold(-2, k, k).unfold(-2, k, k).sum((-2, -1))


def _objective(spec: Any) -> Any:
    if not isinstance(spec, Mapping):
        return None if spec is None else registry.make("objective", spec)
    parts = {
        k: registry.make("optimizer", v) if k.endswith("optimizer") and isinstance(v, Mapping) else v
        for k, v in spec.items()
    }
    return registry.make("objective", parts)


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _commit() -> str:
    """The commit of the sources that run, with "+" where files differ from it; "" where they are in no repository."""
    source = Path(registry.__file__)

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", *words], cwd=source.parent, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    # an installed copy may lie inside somebody else's repository
    if git("ls-files", "--error-unmatch", source.name) is None:
        return ""
    changed = git("status", "--porcelain", "--", ":/pyrogen", ":/inference", ":/models")
    return f"{git('rev-parse', '--short', 'HEAD')}{'+' if changed else ''}"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, (list, tuple)) else value


def _row(proof: Mapping[str, Any], claim: Mapping[str, Any]) -> str:
    run, claimed = len(claim["seeds"]), claim["claimed_seeds"]
    few = f" ({run} of {claimed} seeds)" if run < claimed else ""
    cells = [
        f"`{proof['entry']}`",
        claim["says"],
        f"`{claim['metric']}`",
        _bound_words(claim["bound"]),
        _numbers(claim["values"]) + few,
        claim["control_says"],
        _numbers(claim["control"]),
        f"{claim['minutes']:.1f}",
        claim["verdict"] if claim["verdict"] == "proved" else f"**{claim['verdict']}**",
        proof["commit"] or "–",
        proof["date"],
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _machine_words(proof: Mapping[str, Any]) -> str:
    m, v = proof["machine"], proof["versions"]
    return (
        f"{m['cpu']}, {m['cpus']} CPUs, {m['threads']} threads, {m['system']}; pyrogen {v['pyrogen']}, torch {v['torch']}, "
        f"Pyro {v['pyro']}, Python {v['python']}"
    )


def _bound_words(bound: Mapping[str, Any]) -> str:
    ((kind, value),) = bound.items()
    return f"{value[0]:g} … {value[1]:g}" if kind == "between" else f"{'≥' if kind == 'at_least' else '≤'} {value:g}"


def _numbers(values: Sequence[float | None]) -> str:
    return " ".join("nan" if v is None else f"{v:.4g}" for v in values) or "–"


def _as_table(proofs: Sequence[Proof]) -> Table:
    table = Table("model", "claim", "bound", "measured", "control", "seeds", "minutes", "verdict")
    for proof in proofs:
        for c in proof.claims:
            control = f"{_numbers(c.control)} ({c.control_says})"
            style = "green" if c.proved else "red"
            table.add_row(
                proof.entry,
                c.says,
                _bound_words(c.bound),
                _numbers(c.values),
                control,
                str(len(c.seeds)),
                f"{c.minutes:.1f}",
                f"[{style}]{c.verdict.replace('[', chr(92) + '[')}[/]",
            )
    return table


def _bar(progress: bool | None) -> AbstractContextManager[Progress]:
    shown = sys.stderr.isatty() if progress is None else progress
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=Console(stderr=True), disable=not shown)


def _nothing(why: str) -> int:
    print(f"pyrogen: {why}.", file=sys.stderr)
    return 2
