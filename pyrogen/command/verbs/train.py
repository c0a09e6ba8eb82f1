"""``pyrogen train``."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyrogen import registry
from pyrogen.command import options as opt
from pyrogen.command import speech
from pyrogen.command.plain import listed

if TYPE_CHECKING:
    from jsonargparse import Namespace

# arguments of `load` by the flags that they have beside those of the model and of `fit`
DATA_FLAGS = {"name": "data", "seed": "data_seed"}
# what a run writes down that follows from the rest
HASHES = ("sha256_train", "sha256_valid", "sha256_test")
FOLLOWING = (*registry.DECIDED, "splits", "levels", "reference", *HASHES, "encoder", "decoder", "objective")


def run(arguments: Sequence[str]) -> int:
    """Train one model, or one for each seed, and write its report."""
    config: dict[str, dict[str, Any]] = {"model": {}, "data": {}, "fit": {}}
    if path := opt.value_of(arguments, "--config"):
        config = opt.read_sections(path)
    name = config["model"].get("entry")
    rest = list(arguments)
    if rest and not rest[0].startswith("-"):
        name = rest.pop(0)
    if name is None and path and not {"-h", "--help"} & set(arguments):
        raise ValueError(
            f"the config {path} names no entry of the zoo: its model was made in Python; make it there again, or name the "
            "entry to train by its settings, pyrogen train MODEL --config ..."
        )
    if name is None and rest and not {"-h", "--help"} & set(arguments):
        raise ValueError(
            "MODEL comes first, as in pyrogen train vae --folder runs/mine; pyrogen list names all models."
        )
    if name is None:
        return _models({"-h", "--help"} & set(arguments) != set())
    entry = registry.find("entry", str(name))
    from pyrogen.inference import fit
    from pyrogen.inference.training.fit import check_settings
    from pyrogen.inference.training.processes import is_first

    build = entry.load()
    parser = opt.parser(f"pyrogen train {name}", f"{entry.summary} {entry.details['reference']}.")
    axes = opt.add_function(parser, build, skip=opt.unspoken(build))
    opt.add_data(parser, entry.details["data"])
    axes |= opt.add_function(parser, fit, skip={"model", "data", "progress"}, defaults={"folder": f"runs/{name}"})
    parser.add_argument("--seeds", type=int, default=1, help="train so many seeds, from --seed on, and print one table")
    parser.add_argument(
        "--config", type=str | None, default=None, help="a config file, as runs write it; flags override it"
    )
    parser.add_argument(
        "--print_config", action="store_true", help="print the config that these options make, and stop"
    )
    registry.refuse_fixed(str(name), opt.spoken(rest))
    options = opt.parse(parser, [a for a in rest if a != "--print_config"], axes)
    own, wishes, settings = _sections(options, opt.spoken(rest), config, build)
    if "--print_config" in rest:
        import yaml

        sections = {"model": {"entry": name, "arguments": own}, "data": wishes, "fit": settings}
        sections["data"]["source"] = sections["data"].pop("name")
        print(yaml.safe_dump(registry.describe(sections), sort_keys=False, allow_unicode=True), end="")
        return 0
    if options.seeds < 1:
        raise ValueError(f"--seeds {options.seeds}: train at least 1.")
    if settings["folder"] is None:
        raise ValueError("folder=None: what this command trains lies in a folder; name one, as in --folder runs/mine.")
    check_settings(settings)  # before data are looked for, which may ask for a network
    runs = []
    for seed in range(settings["seed"], settings["seed"] + options.seeds):
        folder = Path(settings["folder"]) / f"seed-{seed}" if options.seeds > 1 else settings["folder"]
        runs.append(_train_one(build, own, wishes, {**settings, "seed": seed, "folder": folder}))
    if options.seeds > 1 and is_first():
        from pyrogen.inference.runs.compare import seeds_table

        print(seeds_table(runs))
    return 0


def _train_one(build: Callable[..., Any], own: dict[str, Any], wishes: dict[str, Any], settings: dict[str, Any]) -> Any:
    from pyrogen.base import HasLogProb, HasPartition, Pair
    from pyrogen.inference import fit
    from pyrogen.inference.pages.run_report import write_run_report
    from pyrogen.inference.programs.contexts import seeded
    from pyrogen.inference.runs.recipe import data_and_model
    from pyrogen.inference.training.processes import is_first

    with seeded(settings["seed"]):
        data, model = data_and_model(wishes, build, own)
        if is_first():
            print(data)
        run = fit(model, data, **settings)
    if not is_first():
        return run
    if not run.seconds:
        print(f"the run in {run.folder} has ended already; nothing was changed.")
        if not (Path(settings["folder"]) / "report.html").is_file():
            print(f"its report was missing, and is in {write_run_report(settings['folder'])}")
        return run
    print(speech.last_line(run.records))
    # a report looks at the model from many sides, and may take longer than a short training
    print(f"trained in {run.seconds:.1f} s; weights and metrics are in {run.folder}, figures are drawn", flush=True)
    print(f"the report is in {write_run_report(settings['folder'])}")
    if isinstance(run.model, (Pair, HasLogProb, HasPartition)):
        print(_advice(run.model, data, run.folder))
    return run


def _advice(model: Any, data: Any, folder: Any) -> str:
    """How to score the run, or why it has no score, found out on one datum."""
    from pyrogen.base import HasLogProb, HasPartition
    from pyrogen.inference import AIS, IWAE, log_evidence

    command = f"pyrogen evaluate {shlex.quote(str(folder))}"
    try:
        energy = isinstance(model, HasPartition)
        brief = AIS(2, 4) if energy else None if isinstance(model, HasLogProb) else IWAE(2)
        log_evidence(model, data.test.take(1), brief)
    except ValueError as error:
        return f"it has no score by {command}: {speech.told(str(error), ['estimator'])}"
    return f"score it: {command}"


def _sections(
    options: Namespace, spoken: set[str], config: dict[str, dict[str, Any]], build: Callable[..., Any]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Arguments of the model, of ``load`` and of ``fit``: flags before the config, the config before defaults."""
    from pyrogen.data import Data, load
    from pyrogen.inference import fit
    from pyrogen.inference.training.stages import BY_STAGE, shared
    from pyrogen.storage import own_networks

    flags = {k: getattr(options, k) for k in vars(options)}
    own = {k: flags[k] for k in inspect.signature(build).parameters if k in flags and k not in registry.DECIDED}
    wishes = {k: flags[DATA_FLAGS.get(k, k)] for k in inspect.signature(load).parameters}
    settings = {k: flags[k] for k in inspect.signature(fit).parameters if k in flags and k not in own and k != "data"}
    written = config["model"].get("arguments") or {}
    if not isinstance(written, dict):
        raise ValueError("the section 'model' of the config needs 'arguments', a mapping of names to values.")
    if networks := own_networks(written):
        raise ValueError(
            f"the config is of a model with networks of its maker's own ({', '.join(networks)}), which no config holds; "
            "train it in Python, or take them out of its section 'model' to have the usual ones."
        )
    data = {k: v for k, v in config["data"].items() if k != "name" or "source" not in config["data"]}
    if "source" in data:
        data["name"] = data.pop("source")
    for section, target, given in (("model", own, written), ("data", wishes, data), ("fit", settings, config["fit"])):
        for key, value in given.items():
            if key in target and DATA_FLAGS.get(key, key) not in spoken:
                # one value for all stages is no word on those of another prior or objective
                target[key] = shared(value) if section == "fit" and key in BY_STAGE else value
            elif key not in target and key not in (*FOLLOWING, *(dir(Data) if section == "data" else ())):
                raise registry.unknown(f"setting in the section {section!r} of the config", key, target)
    for decided in {"latent_size", "objective"} - {*spoken, *written}:
        own.pop(decided, None)  # unless they are said, the data may decide the one, and the entry the other
    return own, wishes, settings


def _models(asked: bool) -> int:
    entries = [registry.find("entry", name) for name in registry.list_models()]
    names = listed((r.name, r.summary) for r in entries)
    usage = "usage: pyrogen train MODEL [options]"
    stream = sys.stdout if asked else sys.stderr
    print(f"{usage}\n\nMODEL is one of:\n{names}\n\npyrogen train MODEL --help lists its options.", file=stream)
    return 0 if asked else 2
