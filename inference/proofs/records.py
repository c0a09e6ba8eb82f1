"""What became of claims: one file for each entry, and the table of all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from pyrogen import registry
from pyrogen.files import write
from pyrogen.inference.proofs.claims import BOUNDS, Claim, claims_of
from pyrogen.provenance import CPU, machine_words, provenance

FOLDER, TABLE = Path("proofs"), "PROOFS.md"
SENTENCES = ("says", "control_says")


@dataclass(frozen=True)
class Measured:
    """One claim as it came out: a value for every seed, of the model and of the control.

    Attributes:
        bound: ``{"at_least": number}``, ``{"at_most": number}`` or ``{"between": [low, high]}``, with ``"over": "mean"``
            where the mean of seeds is to keep it.
        claimed_seeds: on how many seeds the claim is made; fewer, or others, may have been run.
        seeds: those that were.
        errors: the standard error of each value, None where the metric gives none.
        met: every seed, or their mean, keeps the bound.
        control_fails: no seed of the control keeps it, and each keeps the control's own where it has one.
        error: why there is no answer; else empty.
        commit: of the run that measured it, where that is not the run that wrote the proof.
        date: likewise.
        machine: that measured it, where the run that wrote the proof was on another one, or had other versions.
        versions: likewise.
        data: what all models of it were trained on: by the data as the claim asks for them, a name or a mapping, the hashes
            of their splits. Measurements that do not know theirs are of before these were recorded.
    """

    says: str
    metric: str
    settings: Mapping[str, Any]
    bound: Mapping[str, Any]
    claimed_seeds: int
    seeds: Sequence[int]
    values: Sequence[float]
    errors: Sequence[float | None]
    control_says: str
    control: Sequence[float]
    control_errors: Sequence[float | None]
    met: bool
    control_fails: bool
    minutes: float
    setup: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    commit: str = ""
    date: str = ""
    machine: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def proved(self) -> bool:
        """The claim is met and its control fails, on as many seeds as it is made on."""
        return self.met and self.control_fails and not self.few and not self.error

    @property
    def few(self) -> str:
        """That it was run on fewer seeds than it is made on, in words; empty if it was not."""
        return f"{len(self.seeds)} of {self.claimed_seeds} seeds" if len(self.seeds) < self.claimed_seeds else ""

    @property
    def verdict(self) -> str:
        """In words."""
        if self.error:
            return f"error: {self.error}"
        if self.proved:
            return "proved"
        kept = [*([] if self.met else ["missed"]), *([] if self.control_fails else ["control does not fail"])]
        return ", ".join(filter(None, [" and ".join(kept), self.few]))


@dataclass(frozen=True)
class Proof:
    """All claims of one entry as they came out, with where and when.

    Attributes:
        claims: those that were measured.
        unmeasured: what else the entry claims: an interrupted run leaves some.
    """

    entry: str
    summary: str
    reference: str
    claims: Sequence[Measured]
    minutes: float
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    commit: str
    date: str
    unmeasured: Sequence[str] = ()

    @property
    def proved(self) -> bool:
        """Every claim of the entry is."""
        return not self.unmeasured and all(claim.proved for claim in self.claims)

    def to_json(self) -> str:
        """As JSON text; numbers that are not finite become null."""
        plain = {"proved": self.proved, **asdict(self)}
        for row, claim in zip(plain["claims"], self.claims, strict=True):
            row["verdict"] = claim.verdict
        return json.dumps(_finite(plain), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_table(folder: str | Path = FOLDER, path: str | Path | None = None) -> Path:
    """Write the Markdown table of every proof in a folder; by default to ``PROOFS.md`` beside the folder.

    A measurement holds for the claim that it was made of: where an entry claims something else by now (another bound, recipe,
    control), the old numbers are left out and the claim is said to be stale. Sentences are those of now: what was measured is
    told by all the rest. Entries that are not known here keep their rows, and these say so.

    Raises:
        ValueError: a file there is no proof.
    """
    folder = Path(folder)
    rows, machines = [], set()
    for file in sorted(folder.glob("*.json")):
        stated = _stated(file.stem)
        try:
            proof = _read(file, stated)
            rows += [_row(proof, claim) for claim in proof["claims"]]
            machines |= {made_on(of) for of in (proof, *proof["claims"]) if of.get("machine")}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{file} is no proof that `pyrogen prove` wrote ({type(error).__name__}: {error}); remove it."
            ) from error
    text = [
        "# Proofs",
        "",
        "What every entry of the zoo claims, as `pyrogen prove NAME` measured it: one value for each seed (0, 1, 2, … unless "
        "others are named; ± the standard error over the test data where the metric has one), and beside it a control for "
        "which the same bound must be missed. Written by that command from `proofs/*.json`; how "
        "bounds are set is said in `inference/proofs/claims.py`.",
        "",
        "| entry | claim | metric | bound | measured | control | control's values | minutes | verdict | commit | date |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        *(f"*{words}.*" for words in sorted(machines)),
    ]
    return write(folder.parent / TABLE if path is None else path, "\n".join(text).rstrip() + "\n")


def read_proof(file: Path) -> Mapping[str, Any]:
    """What a file holds of an entry, with its claims as they are made by now: as measured, or stale."""
    return _read(file, _stated(file.stem))


def measured_before(
    path: Path, claims: Sequence[Claim], device: torch.device = CPU
) -> tuple[list[Measured | None], list[str]]:
    """What a proof has of each claim as it is by now, wherever and on whatever seeds; and what else it has, in words.

    Args:
        path: of the proof, which there need not be.
        claims: what is claimed by now.
        device: where models are trained by now.
    """
    if not path.exists():
        return [None] * len(claims), []
    proof = json.loads(path.read_text(encoding="utf-8"))
    stated = json.loads(json.dumps([claim.stated() for claim in claims]))
    found = [next((row for row in proof["claims"] if _is_of(row, now)), None) for now in stated]
    others = [row["says"] for row in proof["claims"] if not any(_is_of(row, now) for now in stated)]
    held = zip(found, stated, strict=True)
    here = provenance(device)
    return [None if row is None else _as_of(proof, _said(row, now), here) for row, now in held], others


def _as_of(proof: Mapping[str, Any], row: Mapping[str, Any], here: Mapping[str, Any]) -> Measured:
    """A measurement with where and when it was made, as far as another run, by now, would not say the same of itself."""
    made = {what: row.get(what) or proof[what] for what in ("commit", "date", "machine", "versions")}
    if all(made[what] == here[what] for what in ("machine", "versions")):
        made |= {"machine": {}, "versions": {}}
    return Measured(**{**{f.name: row[f.name] for f in fields(Measured) if f.name in row}, **made})


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, (list, tuple)) else value


def _read(file: Path, stated: Sequence[Any] | None) -> Mapping[str, Any]:
    proof = json.loads(file.read_text(encoding="utf-8"))
    return {**proof, "claims": _standing(proof, stated)}


def _stated(entry: str) -> list[Any] | None:
    """What an entry claims by now, as it would be recorded; None where no such entry is known."""
    if entry not in registry.list_models():
        return None
    found: list[Any] = json.loads(json.dumps([claim.stated() for claim in claims_of(entry)]))
    return found


def _standing(proof: Mapping[str, Any], stated: Sequence[Any] | None) -> list[Mapping[str, Any]]:
    """What is claimed by now, as it was measured, or stale; all that was measured where nothing is known of the entry."""
    measured: list[Mapping[str, Any]] = proof["claims"]
    if stated is None:
        return [{**claim, "verdict": f"{claim['verdict']}, of an entry not known here"} for claim in measured]
    stale = {
        **dict.fromkeys(("seeds", "values", "control"), ()),
        "minutes": 0.0,
        "verdict": f"stale: this was not measured; run pyrogen prove {proof['entry']}",
    }
    found = ([row for row in measured if _is_of(row, now)] for now in stated)
    return [_said(rows[0], now) if rows else {**now, **stale} for now, rows in zip(stated, found, strict=True)]


def _is_of(row: Mapping[str, Any], stated: Mapping[str, Any]) -> bool:
    """Whether a measurement was made of a claim as it is stated, in whatever words."""
    return all(row[k] == stated[k] for k in stated if k not in SENTENCES)


def _said(row: Mapping[str, Any], stated: Mapping[str, Any]) -> Mapping[str, Any]:
    """A measurement of a claim in the words of now."""
    return {**row, **{k: stated[k] for k in SENTENCES}}


def _row(proof: Mapping[str, Any], claim: Mapping[str, Any]) -> str:
    # a plain number of seeds counts from 0; what was measured on others says so
    plain = list(range(len(claim["seeds"])))
    named = f"seeds {', '.join(map(str, claim['seeds']))}" if list(claim["seeds"]) != plain else ""
    m, elsewhere = claim.get("machine"), ""
    if m:
        elsewhere = f"on {m.get('device', m['cpu'])}, torch {claim['versions']['torch']}"
    said = f" ({'; '.join(filter(None, [named, elsewhere]))})" if named or elsewhere else ""
    cells = [
        f"`{proof['entry']}`",
        claim["says"],
        f"`{claim['metric']}`",
        bound_words(claim["bound"]),
        measured_words(claim) + said,
        claim["control_says"],
        control_words(claim),
        f"{claim['minutes']:.1f}",
        claim["verdict"] if claim["verdict"] == "proved" else f"**{claim['verdict']}**",
        claim.get("commit") or proof["commit"] or "–",
        claim.get("date") or proof["date"],
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def made_on(of: Mapping[str, Any]) -> str:
    """The machine and the versions of a proof, or of a claim that was measured on others."""
    v = of["versions"]
    return (
        f"{machine_words(of['machine'])}; pyrogen {v['pyrogen']}, torch {v['torch']}, "
        f"Pyro {v['pyro']}, Python {v['python']}"
    )


def bound_words(bound: Mapping[str, Any]) -> str:
    """A bound as one reads it, ≥ 3."""
    ((kind, value),) = ((k, v) for k, v in bound.items() if k != "over")
    words = f"{value[0]:g} … {value[1]:g}" if kind == "between" else f"{'≥' if kind == 'at_least' else '≤'} {value:g}"
    return f"mean {words}" if bound.get("over") == "mean" else words


def measured_words(claim: Mapping[str, Any]) -> str:
    """A claim's values, with their mean where that is to keep the bound."""
    values = claim["values"]
    words = numbers(values, claim.get("errors", ()))
    return f"{words} (mean {fmean(values):.4g})" if claim["bound"].get("over") == "mean" and values else words


def control_words(claim: Mapping[str, Any]) -> str:
    """A control's values, with the bound of its own."""
    own = {k: v for k, v in claim["setup"]["control"].items() if k in BOUNDS}
    words = numbers(claim["control"], claim.get("control_errors", ()))
    return f"{words} (to be {bound_words(own)})" if own else words


def numbers(values: Sequence[float | None], errors: Sequence[float | None] = ()) -> str:
    """Values as one reads them, four digits each, with their standard errors where there are some."""
    known = [*errors, *[None] * (len(values) - len(errors))]
    words = [
        ("nan" if v is None else f"{v:.4g}") + ("" if e is None else f"±{e:.2g}")
        for v, e in zip(values, known, strict=True)
    ]
    return " ".join(words) or "–"
