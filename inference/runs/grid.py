"""A product of choices: every cell a run of its own, trained where there is room, all in one table."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pyrogen import registry
from pyrogen.arguments import several
from pyrogen.data import load
from pyrogen.files import first_line, write
from pyrogen.inference.evidence.estimator import Estimator
from pyrogen.inference.runs.grid_quality import samples_section
from pyrogen.inference.runs.grid_run import ENDED, GridRun, Ruler, outcome, run_grid_run
from pyrogen.inference.runs.grid_table import TAKEN, Grid, gather
from pyrogen.inference.training.fit import fit
from pyrogen.storage import SAVED

BACKENDS = ("loky", "dask", "ray")
# arguments of `fit` and of `load` that a grid gives to each cell itself
GIVEN = ("model", "data", "folder", "resume", "overwrite", "progress", "seed")
NAMED = {"data": "name", "data_seed": "seed"}  # arguments of `load` under names of their own
USUAL = "vae"  # the entry, where none is named

Owners = dict[str, tuple[str, inspect.Parameter]]


def grid(
    over: Mapping[str, Sequence[Any]],
    entry: str = USUAL,
    *,
    folder: str | Path = "runs/grid",
    estimator: Estimator | str | Mapping[str, Any] | None = None,
    weights: str = "last",
    limit: int | None = None,
    sigma: float | Literal["fitted"] | None = None,
    quality: bool | None = None,
    seeds: int = 1,
    seed: int = 0,
    jobs: int = -1,
    backend: str = "loky",
    progress: bool | None = None,
    **common: Any,
) -> Grid:
    """Train every combination of choices, score all on the same test data, and set them side by side.

    Each cell is an ordinary run in a folder of its own. The same call goes on where it was stopped: cells that have ended
    are not run again, others resume from their checkpoints; a cell whose scores are stale or lost is scored again, and the
    table says so. A combination that cannot work is shown with the sentence that
    refuses it, one that crashes with the first line of its error, and the other cells go on.

    Args:
        over: the values on each axis of the grid: objects or names on an axis of the zoo ("prior", "objective" ...), numbers
            for any other argument of the entry, of :func:`~pyrogen.inference.fit` or of :func:`pyrogen.data.load`
            ("latent_size", "lr", "data" ...), and for a choice's own argument by its dotted name ("prior.components").
            Entries themselves are an axis too, "entry".
        entry: of the zoo, where it is none of the axes.
        folder: where the cells go, and ``grid.html``, ``grid.md`` and ``grid.nc``; workers elsewhere must see it under the
            same path.
        estimator: of log p(x), for every cell; by default exact where the model has a log_prob, the ELBO of certain guides,
            else IWAE(5000).
        weights: that are scored: "last", "best" (of the lowest validation loss) or "ema".
        limit: score the first so many test data only.
        sigma: score what cells generate with this noise on it, and not by likelihoods of their own; "fitted": in each on its
            validation split, as it is by default in all cells where one of them is trained by a game.
        quality: measure the samples too, and how far AIS is off; by default where there is a game among the cells.
        seeds: train every cell with so many seeds, from ``seed`` on; the table shows means.
        seed: the first one.
        jobs: cells at a time, each in a process of one thread; -1 for as many as there are cores, 1 for this process alone.
        backend: "loky" (processes on this machine), "dask" or "ray": whose cluster you have started.
        progress: show a bar; by default on a terminal.
        common: arguments of the entry, of ``fit`` or of ``load`` that all cells share, ``data="mnist"`` among them. Where
            entries are an axis, each takes those that it has; data are by default those of the first.

    Returns:
        The numbers over the axes, and the table.

    Raises:
        ValueError: names or settings that mean nothing, a backend that is not there, or a folder that holds cells of other
            settings; nothing has been run then.
        ChildProcessError: a worker process died; cells that have ended are kept.
        KeyboardInterrupt: stopped by Ctrl-C; cells that have ended are kept.
    """
    if seeds < 1 or jobs == 0 or (limit is not None and limit < 1):
        raise ValueError(
            f"seeds={seeds}, jobs={jobs}, limit={limit}: needs seeds >= 1, jobs of at least 1 (or -1), limit >= 1."
        )
    if weights not in SAVED:
        raise registry.unknown("kind of weights", weights, SAVED)
    judge = None if estimator is None else registry.describe(registry.make("estimator", estimator))
    axes, cells = plan(over, entry, folder, range(seed, seed + seeds), common)
    game = any(cell.implicit for cell in cells)
    ruler = Ruler(
        judge, weights, limit, "fitted" if game and sigma is None else sigma, game if quality is None else quality
    )
    before = {cell.folder: outcome(cell, ruler) for cell in cells}
    waiting = [cell for cell in cells if before[cell.folder]["status"] != ENDED]
    again = {
        folder: state["said"] for folder, state in before.items() if ruler.key in state["scores"] and state["said"]
    }
    with _workers(backend), _bar(progress) as bar:
        task = bar.add_task("", total=len(cells), completed=len(cells) - len(waiting))
        for name, status in _run(waiting, ruler, jobs, backend):
            bar.update(task, description=f"{name}: {status}", advance=1)
    found = Grid(gather(axes, cells, ruler, again), Path(folder))
    found.write_page(samples_section([cells[i : i + seeds] for i in range(0, len(cells), seeds)], ruler))
    write(found.folder / "grid.md", found.markdown())
    found.numbers.to_netcdf(found.folder / "grid.nc.part", engine="h5netcdf")
    (found.folder / "grid.nc.part").replace(found.folder / "grid.nc")
    return found


def plan(
    over: Mapping[str, Sequence[Any]], entry: str, folder: str | Path, seeds: Sequence[int], common: Mapping[str, Any]
) -> tuple[dict[str, list[Any]], list[GridRun]]:
    """The coordinates of each axis, and the cells in the order of their product, each with its seeds side by side.

    Raises:
        ValueError: unknown names, an axis without values or with one twice, or what only this process could build.
    """
    if not over:
        raise ValueError("a grid needs an axis, as in over={'prior': ['StandardNormal', 'VampPrior']}.")
    common = dict(common) | ({"entry": entry} if "entry" in over and entry != USUAL else {})
    if both := sorted(over.keys() & common.keys()):
        raise ValueError(f"{both[0]} is an axis of the grid and is given for all cells too; leave one out.")
    if columns := sorted(over.keys() & TAKEN):
        raise ValueError(
            f"{columns[0]} cannot be an axis of a grid, whose table has a column of that name; give it for all cells, "
            "in a grid for each value."
        )
    over = {key: several(values) for key, values in over.items()}
    entries = [str(name) for name in over.get("entry", (entry,))]
    owners = {name: _owners(registry.find("entry", name).load()) for name in entries}
    every = {key: owner for name in reversed(entries) for key, owner in owners[name].items()}
    described = {
        key: entries if key == "entry" else [_described(key, value, every) for value in values]
        for key, values in over.items()
    }
    shared = {key: _described(key, value, every) for key, value in common.items()}
    shared = ({} if "data" in over or not entries else {"data": _usual_data(entries[0])}) | shared
    axes = {key: [_shown(key, value) for value in values] for key, values in described.items()}
    for key, shown in axes.items():
        if not shown or len(set(map(str, shown))) < len(shown):
            raise ValueError(
                f"the axis {key} of the grid needs values that differ; got {', '.join(map(str, shown)) or 'none'}."
            )
    cells = []
    for place in itertools.product(*(range(len(values)) for values in axes.values())):
        at = {key: axes[key][i] for key, i in zip(axes, place, strict=True)}
        chosen = {key: described[key][i] for key, i in zip(axes, place, strict=True)}
        name = chosen.pop("entry", entry)
        taken = {key: value for key, value in shared.items() if _takes(name, owners[name], key)}
        sections = _sections(_nested(taken | chosen, owners[name]), owners[name])
        where = Path(folder).absolute() / _folder_name(at)
        cells += [GridRun(at, s, str(where / f"seed-{s}"), name, *sections) for s in seeds]
    if len({cell.folder for cell in cells}) < len(cells):
        raise ValueError("two cells of the grid would share a folder: their values differ in punctuation only.")
    return axes, cells


def _usual_data(entry: str) -> str:
    return str(registry.find("entry", entry).details["data"])


# -- what a cell is made of ------------------------------------------------------------------------------------------


def _owners(build: Callable[..., Any]) -> Owners:
    """To which section each argument belongs, and its parameter there; the entry's come first."""
    own = {k: p for k, p in inspect.signature(build).parameters.items() if k not in registry.DECIDED}
    own = {k: p for k, p in own.items() if p.default is not p.empty}
    fitting = {k: p for k, p in inspect.signature(fit).parameters.items() if k not in GIVEN}
    loading = dict(inspect.signature(load).parameters)
    loading = {k: loading.pop(name) for k, name in NAMED.items()} | loading
    sections = (("data", loading), ("fit", fitting), ("arguments", own))
    return {key: (section, p) for section, parameters in sections for key, p in parameters.items()}


def _takes(entry: str, owners: Owners, key: str) -> bool:
    """Whether an argument that all cells share is this entry's too; one that it fixes is refused in its cell."""
    return key.split(".", 1)[0] in (*owners, *registry.fixed(entry))


def _described(key: str, value: Any, owners: Owners) -> Any:
    """A value as plain data, its names checked."""
    base = key.split(".", 1)[0]
    if base not in owners or (base != key and not _is_choice(base, owners)):
        raise registry.unknown("argument of the entry, fit or load", key, owners)
    if base == "data" and isinstance(value, (str, Path)) and str(value) not in registry.choices("data"):
        value = str(Path(value).expanduser().absolute()) if Path(value).expanduser().exists() else str(value)
    made = base == key and value is not None and _is_choice(key, owners)
    plain = registry.describe(registry.make(key, value) if made else value)
    if own := re.search(r'\{"own": "([^"]*)"', json.dumps(plain)):
        raise ValueError(
            f"{key} is made of {own[1]}, which other processes cannot build; use names and registered choices."
        )
    return plain


def _is_choice(key: str, owners: Owners) -> bool:
    """Whether an argument takes a choice on an axis; the kind and the sequences of data are wishes of the same names."""
    return key in registry.axes() and owners[key][0] != "data"


def _nested(chosen: Mapping[str, Any], owners: Owners) -> dict[str, Any]:
    """The arguments with dotted ones put into the choices that they belong to."""
    found = {key: value for key, value in chosen.items() if "." not in key}
    for key, value in chosen.items():
        base, _, option = key.partition(".")
        if option and base not in owners:
            found[base] = {option: value}  # of an entry that has none such, which its cell says
        elif option:
            choice = found.get(base, owners[base][1].default)
            if choice is None:
                raise ValueError(f"{key} belongs to the {base}, and none was named; name it by {base}=....")
            found[base] = {**_described(base, choice, owners), option: value}
    return found


def _sections(chosen: Mapping[str, Any], owners: Owners) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What differs from the defaults, by whom it is for: the entry, ``load`` and ``fit``."""
    found: dict[str, dict[str, Any]] = {"arguments": {}, "data": {}, "fit": {}}
    for key, value in chosen.items():
        if key not in owners:
            found["arguments"][key] = value  # refused in its cell, in a sentence
            continue
        section, parameter = owners[key]
        usual = None if parameter.default is parameter.empty else _described(key, parameter.default, owners)
        if value != usual or key == "latent_size":  # unless it is said, the data may decide it
            found[section][NAMED.get(key, key) if section == "data" else key] = value
    return found["arguments"], found["data"], found["fit"]


def _shown(key: str, value: Any) -> Any:
    """A value as a coordinate: a number, or text; a choice with the settings that are not its defaults."""
    if isinstance(value, Mapping) and "name" in value:
        return registry.spelled(registry.make(key, value)).removesuffix("()")
    return value if isinstance(value, (int, float, str)) and not isinstance(value, bool) else json.dumps(value)


def _folder_name(at: Mapping[str, Any]) -> str:
    words = (f"{key}={value}" for key, value in sorted(at.items()))
    return ",".join(re.sub(r"[^\w.=+-]+", "-", word).strip("-") for word in words)


# -- where the cells are run -----------------------------------------------------------------------------------------


def _run(cells: Sequence[GridRun], ruler: Ruler, jobs: int, backend: str) -> Iterator[tuple[str, str]]:
    """Run the cells, and tell of each when it is done; Ray tells of all at the end."""
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=jobs, batch_size=1, return_as="list" if backend == "ray" else "generator_unordered")
    try:
        yield from parallel(delayed(_told)(cell, ruler) for cell in cells)
    except KeyboardInterrupt as stopped:
        raise KeyboardInterrupt("stopped; cells that have ended are kept, and the same command goes on.") from stopped
    except Exception as error:  # whatever the backend raises of a process that died: cells keep their own errors
        raise ChildProcessError(
            f"a worker process of {backend} died ({first_line(error)}); cells that have ended are kept, and the same command "
            "goes on. If memory was short, ask for fewer jobs."
        ) from error


def _told(cell: GridRun, ruler: Ruler) -> tuple[str, str]:
    return f"{cell.name}, seed {cell.seed}", run_grid_run(cell, ruler)


@contextmanager
def _workers(backend: str) -> Iterator[None]:
    """joblib's backend, on a cluster that the user has started.

    Raises:
        ValueError: no such backend, or it is not installed or not started.
    """
    from joblib import parallel_config

    if backend not in BACKENDS:
        raise registry.unknown("backend", backend, BACKENDS)
    package = {"dask": "distributed"}.get(backend, backend)
    if backend != "loky" and importlib.util.find_spec(package) is None:
        raise ValueError(f"backend={backend!r} needs the package {package}: pip install {package}.")
    clusters: dict[str, Callable[[], AbstractContextManager[dict[str, Any]]]] = {"dask": _dask, "ray": _ray}
    with clusters.get(backend, lambda: nullcontext({}))() as settings, parallel_config(backend=backend, **settings):
        yield


@contextmanager
def _dask() -> Iterator[dict[str, Any]]:
    import dask
    from dask.distributed import Client, get_client

    address = dask.config.get("scheduler-address", None)
    if address is not None:
        with Client(address, set_as_default=False) as client:
            yield {"client": client}
        return
    try:
        running = get_client()
    except ValueError as error:
        raise ValueError(
            "backend='dask' finds no cluster: make a dask.distributed.Client first, or start `dask scheduler` and "
            "`dask worker`, and name the scheduler by DASK_SCHEDULER_ADDRESS=tcp://host:8786."
        ) from error
    yield {"client": running}


@contextmanager
def _ray() -> Iterator[dict[str, Any]]:
    import ray
    from ray.util.joblib import register_ray

    connects = not ray.is_initialized()
    if connects:
        try:
            ray.init(address=os.environ.get("RAY_ADDRESS", "auto"), log_to_driver=False)
        except ConnectionError as error:
            raise ValueError(
                "backend='ray' finds no cluster: call ray.init() first, or start one by `ray start --head`."
            ) from error
    register_ray()
    try:
        yield {}
    finally:
        if connects:
            ray.shutdown()


def _bar(progress: bool | None) -> AbstractContextManager[Progress]:
    shown = sys.stderr.isatty() if progress is None else progress
    columns = (
        TextColumn("cells"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    # the stream itself: a cell that runs in this process puts another in its place meanwhile
    return Progress(*columns, console=Console(file=sys.stderr), disable=not shown)
