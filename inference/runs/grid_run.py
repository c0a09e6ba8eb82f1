"""One cell of a grid: a run that is trained, scored and written down wherever there is a process for it."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import xarray as xr
import yaml

from pyrogen import plain_yaml, registry, storage
from pyrogen.base import HasGenerator, HasLogProb, HasPosterior, Model, Pair
from pyrogen.data import Data
from pyrogen.files import first_line, write
from pyrogen.inference.evidence.ais import AIS
from pyrogen.inference.evidence.bdmc import BDMC
from pyrogen.inference.evidence.estimator import Estimator, Reconstruction
from pyrogen.inference.latents.activity import activity
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.inference.programs.contexts import evaluating, seeded, threads
from pyrogen.inference.runs.density import Noise
from pyrogen.inference.runs.recipe import data_and_model, data_of
from pyrogen.inference.training.fit import fit
from pyrogen.inference.training.run import read_history
from pyrogen.seeds import ALONE

if TYPE_CHECKING:
    from pyrogen.inference.quality.quality import Quality

log = logging.getLogger("pyrogen")

STATE = "grid_run.yaml"
ENDED, REFUSED, UNSCORED, FAILED, WAITING = "ended", "refused", "not scored", "failed", "not run"


@dataclass(frozen=True)
class Ruler:
    """How every cell is scored, on the test split.

    Attributes:
        estimator: its description, or None for :func:`~pyrogen.inference.log_evidence`'s own choice.
        weights: "last", "best" or "ema".
        limit: the first so many data only.
        sigma: noise on what cells generate, see :func:`~pyrogen.inference.runs.density.density_of`.
        quality: whether samples are measured too, and how far AIS is off.
    """

    estimator: Mapping[str, Any] | None = None
    weights: str = "last"
    limit: int | None = None
    sigma: Noise = None
    quality: bool = False

    @property
    def key(self) -> str:
        """A text that tells rulers apart."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class GridRun:
    """A run to be, as plain data, so that any process anywhere can make it.

    Attributes:
        at: its coordinate on each axis of the grid.
        seed: of the run.
        folder: of the run.
        entry: of the zoo.
        arguments: the entry's, as :func:`~pyrogen.registry.describe` writes them; defaults are left out.
        data: arguments of :func:`pyrogen.data.load`.
        fit: arguments of :func:`~pyrogen.inference.fit`.
    """

    at: Mapping[str, Any]
    seed: int
    folder: str
    entry: str
    arguments: Mapping[str, Any]
    data: Mapping[str, Any]
    fit: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Where it stands, in words."""
        return ", ".join(f"{axis}={value}" for axis, value in self.at.items())

    @property
    def implicit(self) -> bool:
        """Whether it is trained by a game alone, as it is told or by its entry, or is of a model that has no density."""
        record = registry.find("entry", self.entry)
        usual = inspect.signature(record.load()).parameters.get("objective")
        objective = self.fit.get("objective") or self.arguments.get("objective") or (usual and usual.default)
        if objective is not None:
            return bool(registry.make("objective", objective).implicit)
        if registry.find("entry", record.details.get("of", self.entry)).details.get("implicit", False):
            return True
        returned = get_type_hints(record.load()).get("return", Model)
        return issubclass(returned, HasGenerator) and not issubclass(returned, (Pair, HasLogProb))

    @property
    def borrowed(self) -> str:
        """The data that its number of epochs was chosen for, where that is the recipe's and its data are others; else ""."""
        own = str(registry.find("entry", self.entry).details["data"])
        return "" if "epochs" in self.fit or self.data.get("name", own) == own else own

    @property
    def wanted(self) -> dict[str, Any]:
        """What tells its run from another."""
        return {key: getattr(self, key) for key in ("entry", "arguments", "data", "fit", "seed")}


def read_grid_run(cell: GridRun) -> dict[str, Any]:
    """What became of a cell so far: status, what was said, seconds, parameters; scores, active units, measures by ruler.

    Raises:
        ValueError: the file is damaged, or the folder holds a cell that was asked for otherwise, or a run that is no cell.
    """
    path = Path(cell.folder) / STATE
    state: dict[str, Any] = {"wanted": cell.wanted, "status": WAITING, "said": "", "seconds": 0.0, "scores": {}}
    if not path.is_file():
        if (path.parent / storage.CONFIG).is_file():
            raise ValueError(
                f"{cell.folder} holds a run without a {STATE} that says what was asked for; remove it, or choose another "
                "folder."
            )
        return state
    try:
        found = plain_yaml.read(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {first_line(error)}") from error
    if not isinstance(found, dict) or state.keys() - found.keys():
        raise ValueError(f"{path} is damaged: it does not say what became of a cell.")
    then, now = (dict(_leaves(asked)) for asked in (found["wanted"], json.loads(json.dumps(cell.wanted))))
    changed = [
        f"{key} was {then.get(key, 'the default')}, now {now.get(key, 'the default')}"
        for key in {**then, **now}
        if then.get(key) != now.get(key)
    ]
    if changed:
        raise ValueError(
            f"{cell.folder} was begun with other settings ({'; '.join(changed)}); go on with the same, or choose another "
            "folder."
        )
    return found


def outcome(cell: GridRun, ruler: Ruler) -> dict[str, Any]:
    """What became of a cell, judged by this ruler: it has ended where what it holds now was scored by it.

    Where its scores are stale or lost it waits to be scored again, and says why.
    """
    state = read_grid_run(cell)
    if ruler.key in state["scores"]:
        lost = _lost(cell, ruler, state["scores"][ruler.key].values())
        return {**state, "status": WAITING if lost else ENDED, "said": lost}
    return {**state, "status": WAITING} if state["status"] == ENDED else state


def read_measured(cell: GridRun, ruler: Ruler) -> tuple[Quality | None, str]:
    """What was measured of a cell's samples by this ruler, and the sentence that says why nothing is there.

    Raises:
        ValueError: a file is damaged.
    """
    from pyrogen.inference.runs.quality import read_quality  # here, and below: they bring matplotlib

    found, old = read_quality(cell.folder)
    if found is None:
        return None, old.split("; measure")[0] or f"{cell.folder} has lost what was measured of its samples"
    by = read_grid_run(cell).get("measured", {}).get(ruler.key, {})
    if _measured_by(found) != by:
        return None, f"what was measured of samples in {cell.folder} is of other weights, data or settings"
    return found, ""


def _measured_by(found: Quality) -> dict[str, Any]:
    """How samples were measured: which weights, against how many data of which split, and all that may be chosen else."""
    kept = {key: found.results.attrs.get(key) for key in ("weights", "split", "num", "draws", "seed", "features")}
    plain: dict[str, Any] = json.loads(json.dumps({**kept, "measures": dict(found.settings)}))
    return plain


def _lost(cell: GridRun, ruler: Ruler, names: Iterable[str]) -> str:
    """Why the scores of these names, or what was measured of samples, are not there to be read; "" where they are."""
    from pyrogen.inference.runs.scores import read_scores, stale_scores

    try:
        unmeasured = read_measured(cell, ruler)[1] if ruler.quality else ""
        found = read_scores(cell.folder)
        missing = next((name for name in names if name not in found), None)
        stale = {} if missing is None else stale_scores(cell.folder)
    except ValueError as error:  # a damaged file
        return first_line(error)
    if missing is None:
        return unmeasured
    return (
        stale[missing].split("; score again")[0] if missing in stale else f"{cell.folder} has lost its score {missing}"
    )


def run_grid_run(cell: GridRun, ruler: Ruler) -> str:
    """Train a cell from wherever it stands, score it, and write down what became of it; returns its status.

    Nothing that goes wrong in it leaves it, but Ctrl-C; one torch thread, and no other cell in this process meanwhile.
    """
    with ALONE, threads(1), contextlib.redirect_stderr(io.StringIO()):
        try:
            state = read_grid_run(cell) | {"status": WAITING, "said": ""}
        except ValueError:
            return REFUSED  # the folder became another's meanwhile, as whoever reads the cell will be told
        state["scores"].pop(ruler.key, None)  # stale or lost, or this cell would have ended
        _write_down(cell, state)  # a process that is killed leaves what was asked for, and later what training took
        state["status"] = REFUSED
        try:
            data = _train(cell, state)
            state["training_steps"] = history[-1].get("step", 0) if (history := read_history(cell.folder)) else 0
            state["status"] = UNSCORED
            _write_down(cell, state)
            _score(cell, ruler, data, state)
            state["status"] = ENDED
        except ValueError as error:
            state["said"] = first_line(error)
        except Exception as error:  # of whatever kind: the other cells go on, and the table says it
            state |= {"status": FAILED, "said": f"{type(error).__name__}: {first_line(error)}"}
        except KeyboardInterrupt:
            state["status"] = WAITING
            raise
        finally:
            _write_down(cell, state)
    return str(state["status"])


def _write_down(cell: GridRun, state: Mapping[str, Any]) -> None:
    try:
        write(Path(cell.folder) / STATE, yaml.safe_dump(json.loads(json.dumps(state)), sort_keys=False))
    except OSError as error:  # as of a full disk: it is this cell's, and the others go on
        log.warning("what became of %s was not written down, and it will wait: %s", cell.folder, first_line(error))


def read_evidence(cell: GridRun, ruler: Ruler) -> dict[str, xr.Dataset]:
    """The scores of a cell that has ended: ``evidence``, and of models with latents ``elbo`` and ``reconstruction``."""
    from pyrogen.inference.runs.scores import read_scores

    names, scores = read_grid_run(cell)["scores"][ruler.key], read_scores(cell.folder)
    return {what: scores[name] for what, name in names.items()}


def _train(cell: GridRun, state: dict[str, Any]) -> Data:
    if (Path(cell.folder) / storage.WEIGHTS).is_file():
        return data_of(cell.folder)
    build = registry.find("entry", cell.entry).load()
    registry.check_arguments(cell.entry, cell.arguments)
    with seeded(cell.seed):
        data, model = data_and_model(dict(cell.data), build, dict(cell.arguments))
        started = time.perf_counter()
        try:
            fit(model, data, **cell.fit, seed=cell.seed, folder=cell.folder, resume=True, progress=False)
        finally:
            state["seconds"] += time.perf_counter() - started
    return data


def _score(cell: GridRun, ruler: Ruler, data: Data, state: dict[str, Any]) -> None:
    from pyrogen.inference.runs.evaluate import score
    from pyrogen.inference.runs.quality import assess_run
    from pyrogen.inference.runs.scores import part_of, save_score

    trained: Model = storage.load(cell.folder, weights=ruler.weights)
    state["parameters"] = sum(p.numel() for p in trained.parameters())
    chosen: dict[str, Any] = {"weights": ruler.weights, "split": "test", "limit": ruler.limit, "check_guide": False}
    chosen["sigma"] = ruler.sigma
    names = {}
    for what, estimator in _estimators(trained, ruler):
        try:
            evidence = score(trained, data, cell.folder, estimator, **chosen)
        except ValueError:
            if what == "evidence":
                raise
            continue  # a posterior without a density has no ELBO: the table leaves it blank
        names[what] = save_score(cell.folder, evidence).stem
    if isinstance(trained, HasPosterior):
        split, _, _ = part_of(cell.folder, data, "test", ruler.limit)
        with evaluating(trained), seeded(0):
            state.setdefault("active", {})[ruler.key] = activity(trained, split)["active_units"]
    if ruler.quality:
        found = assess_run(cell.folder, weights=ruler.weights)
        state.setdefault("measured", {})[ruler.key] = _measured_by(found)
    state["scores"][ruler.key] = names


def _estimators(model: Model, ruler: Ruler) -> Iterator[tuple[str, Estimator | Mapping[str, Any] | str | None]]:
    yield "evidence", ruler.estimator
    if ruler.sigma is not None:
        judge = registry.make("estimator", ruler.estimator or "AIS")
        if ruler.quality and isinstance(judge, AIS):
            yield (
                "gap",
                BDMC(judge.temperatures, judge.chains, judge.init, judge.schedule, judge.leapfrogs, judge.acceptance),
            )
    elif isinstance(model, Pair):
        yield from (("elbo", ELBO()), ("reconstruction", Reconstruction()))


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    elif tree != {}:
        yield path, tree
