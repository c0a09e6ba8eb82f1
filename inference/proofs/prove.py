"""Each entry's claims, measured on several seeds beside a control that must fail."""

from __future__ import annotations

import json
import logging
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pyrogen import registry
from pyrogen.base import Model
from pyrogen.data import Data, load
from pyrogen.files import first_line, write
from pyrogen.inference.programs import contexts
from pyrogen.inference.proofs.claims import Claim, Setup, claims_of
from pyrogen.inference.proofs.records import (
    FOLDER,
    Measured,
    Proof,
    made_on,
    measured_before,
    write_table,
)
from pyrogen.inference.training.fit import device_named, fit
from pyrogen.memory import enough_memory
from pyrogen.provenance import provenance

log = logging.getLogger("pyrogen")

PAPER = "-paper"


def prove(
    pattern: str,
    seeds: int | Sequence[int] | None = None,
    folder: str | Path = FOLDER,
    table: str | Path | None = None,
    device: str = "cpu",
    threads: int = 1,
    progress: bool | None = None,
    only_stale: bool = False,
) -> list[Proof]:
    """Run the claims of all entries that match a pattern, and write them down.

    Files and table are written after each claim. What the file held of the other claims stays until they are measured again,
    with its commit and date, and with the machine and versions where these were others, so that an interrupted run loses
    nothing. What it held of claims that are made no more is named, and left out.

    Args:
        pattern: a glob; entries called ``*-paper`` run only by their exact name.
        seeds: how many, 0, 1, …, or which ones, instead of each claim's own number.
        folder: where ``NAME.json`` goes, one for each entry.
        table: the table of all proofs in the folder; by default ``PROOFS.md`` beside the folder.
        device: where models are trained.
        threads: of torch. On models this small a second one gains nothing, costs much where the cores are busy, and
            changes the last digits.
        progress: show a bar; by default on a terminal.
        only_stale: measure only claims that the proof in the folder has not, as they are by now, on the same seeds, data,
            machine and versions; the others keep what was measured, with its commit and date. What was measured elsewhere
            or of other data is said to be measured again; of data that cannot be loaded it is kept, and that is said.

    Returns:
        A proof for each matching entry that claims something; none if there is none.

    Raises:
        ValueError: a claim that is not well formed, or a file in the folder that is no proof; nothing has been run then.
        OSError: the folder or the table cannot be written; nothing has been run then.
    """
    if (seeds is not None and not _run_on(seeds)) or threads < 1:
        raise ValueError(f"seeds={seeds}, threads={threads}: a proof needs at least 1 of each.")
    where = device_named(device)
    claimed = {name: claims_of(name) for name in matching(pattern)}
    claimed = {name: claims for name, claims in claimed.items() if claims}
    folder = Path(folder)
    if claimed:
        # minutes of work are not begun where they cannot be written down
        folder.mkdir(parents=True, exist_ok=True)
        write_table(folder, table)
    total = 2 * sum(len(_run_on(c.seeds if seeds is None else seeds)) for claims in claimed.values() for c in claims)
    # one for all: entries that are compared with the same model train it once
    proofs, bench = [], Bench(device)
    with contexts.threads(threads), _bar(progress) as bar:
        task = bar.add_task("", total=total)

        def tell(what: str, done: int) -> None:
            bar.update(task, description=what, advance=done)

        for name, claims in claimed.items():
            runs = [_run_on(c.seeds if seeds is None else seeds) for c in claims]
            path, record = folder / f"{name}.json", registry.find("entry", name)
            held, dropped = measured_before(path, claims, where)
            kept = [
                only_stale and before is not None and holds(before, run) and _of_data_of_now(name, claim, before)
                for claim, before, run in zip(claims, held, runs, strict=True)
            ]
            for line in _told(name, held, kept, dropped, only_stale):
                log.warning(line)
            proof: Proof | None = None
            for i, (claim, run) in enumerate(zip(claims, runs, strict=True)):
                if kept[i]:
                    tell(f"{name}: measured before", 2 * len(run))
                else:
                    held[i] = measure(claim, run, bench, tell)
                known = [m for m in held if m]
                left = [c.says for c, m in zip(claims, held, strict=True) if m is None]
                spent = round(sum(m.minutes for m in known), 3)
                proof = Proof(
                    name,
                    record.summary,
                    record.details["reference"],
                    known,
                    spent,
                    **provenance(where),
                    unmeasured=left,
                )
                write(path, proof.to_json())
                write_table(folder, table)
            assert proof is not None
            proofs.append(proof)
    return proofs


def holds(before: Measured, run: Sequence[int]) -> bool:
    """Whether the same data would be measured so again: no error, these seeds, this machine, these versions."""
    return not (before.error or before.machine) and list(before.seeds) == list(run)


def _of_data_of_now(name: str, claim: Claim, before: Measured) -> bool:
    """Whether a measurement is of what its data hold by now; a warning says where it is not, or nobody can tell."""
    try:
        other = moved(claim, before)
    except (ValueError, OSError) as problem:  # to measure it again would put this sentence in the place of the numbers
        log.warning("%s: kept, though its data cannot be loaded (%s): %s", name, first_line(problem), before.says)
        return True
    if other:
        log.warning("%s: measured again, since %s holds other data by now: %s", name, " and ".join(other), before.says)
    return not other


def moved(claim: Claim, before: Measured) -> list[str]:
    """The data that a measurement is of and that hold something else by now, as the claim asks for them.

    Raises:
        ValueError, OSError: they cannot be loaded.
    """
    wishes = {_spelled(setup.data): setup.data for setup in _setups(claim)} if before.data else {}
    now = {spelled: dict(_data(wish).sha256) for spelled, wish in wishes.items()}
    return [spelled for spelled, digests in before.data.items() if now.get(spelled) != digests]


def _spelled(wish: Mapping[str, Any]) -> str:
    """Data as a claim asks for them, by a name or by a mapping: calls of one name, as of two sprites, are two data sets."""
    return str(wish["name"]) if set(wish) == {"name"} else json.dumps(dict(wish), sort_keys=True, ensure_ascii=False)


def _setups(claim: Claim) -> list[Setup]:
    """Of the claim, its control and, where it has one, its rival."""
    rival = [] if claim.against is None else [claim.setup.varied(claim.against)]
    return [claim.setup, claim.setup.varied(claim.control), *rival]


def _told(
    name: str, held: Sequence[Measured | None], kept: Sequence[bool], dropped: Sequence[str], only_stale: bool
) -> Iterator[str]:
    """What becomes of measurements that somebody may take for safe."""
    elsewhere = [m for m, stays in zip(held, kept, strict=True) if m and m.machine and not stays]
    if only_stale and elsewhere:
        where = " and ".join(sorted({made_on(asdict(m)) for m in elsewhere}))
        yield (
            f"{name}: {sum(kept)} of {len(kept)} claims are kept as they were measured, and {len(elsewhere)} measured again "
            f"that were measured elsewhere ({where}); the proof keeps their numbers until then."
        )
    for says in dropped:
        yield f"{name}: what was measured of a claim that is made otherwise by now, or no more, is left out: {says}"


def matching(pattern: str) -> list[str]:
    """Names of the entries that a pattern means."""
    return [n for n in registry.list_models(pattern) if n == pattern or not n.endswith(PAPER)]


class Bench:
    """Trains models, and remembers them by how they came about."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.trained: dict[str, tuple[Model, Data]] = {}

    def model(self, setup: Setup) -> tuple[Model, Data]:
        """The trained model, and the data it was trained on."""
        key = json.dumps(asdict(setup), sort_keys=True)
        if key not in self.trained:
            self.trained[key] = self._train(setup)
        return self.trained[key]

    def _train(self, setup: Setup) -> tuple[Model, Data]:
        data = _data(setup.data)
        with contexts.seeded(setup.seed):
            model = registry.create(
                setup.entry, **{**data.decides(registry.find("entry", setup.entry).load()), **setup.arguments}
            )
        if not {"kind", "binarization", "dequantization"} & set(setup.data):
            data = _data({**setup.data, "kind": model.kinds})
        objective = None if setup.objective is None else registry.make("objective", setup.objective)
        for phase in setup.recipe:
            fit(model, data, objective, seed=setup.seed, device=self.device, validate=False, progress=False, **phase)
        return model, data


def measure(
    claim: Claim,
    seeds: int | Sequence[int] | None = None,
    bench: Bench | None = None,
    tell: Callable[[str, int], None] = lambda what, done: None,
) -> Measured:
    """Run one claim and its control on its seeds.

    Args:
        claim: of :func:`claims_of`.
        seeds: how many, 0, 1, …, or which ones, instead of the claim's own number.
        bench: trained models to share between the claims of one entry.
        tell: is told what is being done, and how many of ``2 seeds`` values are.
    """
    bench = bench or Bench("cpu")
    started = time.perf_counter()
    _, control, *rival = _setups(claim)
    tried = (
        ("claim", claim.setup, claim.settings),
        ("control", control, {**claim.settings, **claim.control.get("with", {})}),
    )
    run = _run_on(claim.seeds if seeds is None else seeds)
    values: dict[str, list[float]] = {"claim": [], "control": []}
    errors: dict[str, list[float | None]] = {"claim": [], "control": []}
    error = ""
    for seed in run:
        for which, setup, settings in tried:
            tell(f"{claim.setup.entry}: {claim.metric}, {which}, seed {seed}", 0)
            if not error:
                try:
                    with enough_memory("claim it of a smaller model, or of fewer data"):
                        value, spread = _value(claim.metric, settings, setup, rival, seed, bench)
                    values[which].append(value)
                    errors[which].append(spread)
                except (ValueError, ArithmeticError, OSError, MemoryError) as problem:
                    error = f"{which}, seed {seed}: {' '.join(str(problem).split())}"
            tell(f"{claim.setup.entry}: {claim.metric}", 1)
    return Measured(
        **claim.stated(),
        seeds=list(run),
        values=values["claim"],
        errors=errors["claim"],
        control=values["control"],
        control_errors=errors["control"],
        met=not error and claim.met_by(values["claim"]),
        control_fails=not error and claim.failed_by(values["control"]),
        minutes=round((time.perf_counter() - started) / 60, 3),
        error=error,
        data={} if error else {_spelled(s.data): _digests_of(bench, s, run[0]) for s in _setups(claim)},
    )


def _digests_of(bench: Bench, setup: Setup, seed: int) -> dict[str, str]:
    return dict(bench.model(replace(setup, seed=setup.seed + seed))[1].sha256)


def _value(
    metric: str, settings: Mapping[str, Any], setup: Setup, rival: Sequence[Setup], seed: int, bench: Bench
) -> tuple[float, float | None]:
    model, data = bench.model(replace(setup, seed=setup.seed + seed))
    settings = dict(settings)
    for other in rival:
        settings["against"] = bench.model(replace(other, seed=other.seed + seed))[0]
    found = registry.find("metric", metric).load()(model, data, seed, **settings)
    value, error = float(found), getattr(found, "error", None)
    if not math.isfinite(value):
        raise ArithmeticError(f"{metric} is {value}")
    return value, None if error is None else float(error)


def _run_on(seeds: int | Sequence[int]) -> list[int]:
    """The seeds meant by their number or by themselves."""
    return list(range(seeds)) if isinstance(seeds, int) else list(seeds)


def _data(wish: Mapping[str, Any]) -> Data:
    wish = dict(wish)
    name, pool = wish.pop("name"), wish.pop("pool", 1)
    if pool == 1:
        return load(name, **wish)
    source = registry.find("data", name).load()()
    if source.levels is None:
        raise ValueError(f"pool={pool} sums grey levels, and {name!r} has none.")
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


def _bar(progress: bool | None) -> AbstractContextManager[Progress]:
    shown = sys.stderr.isatty() if progress is None else progress
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=Console(stderr=True), disable=not shown)
