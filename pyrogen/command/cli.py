"""The command line: the same words as in Python, one verb each. ``--help`` and ``list`` do not import torch."""

from __future__ import annotations

import argparse
import ast
import inspect
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyrogen
from pyrogen import registry
from pyrogen.command import completion

if TYPE_CHECKING:
    from jsonargparse import Namespace

VERBS = {
    "list": "name the models of the zoo, or the choices on an axis",
    "train": "train a model of the zoo on data, into a folder",
    "evaluate": "estimate log p(x) of a trained model, with its errors",
    "sample": "draw data from a trained model, as a picture and as numbers",
    "compare": "set trained models side by side, with paired differences; --grid trains a product of choices first",
    "report": "write a run's report again",
    "prove": "run the claims of the zoo's entries, and their controls",
    "demo": "train, score and report a small VAE on real digits, in about a minute",
    "completion": "print a completion script for bash or zsh",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, or 1 for what was refused, or 2 for wrong usage."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="pyrogen",
        description="A zoo of deep generative models: swap one assumption, read a number you can trust.",
        epilog="pyrogen VERB --help says more, pyrogen train MODEL --help most.",
    )
    parser.add_argument("--version", action="version", version=f"pyrogen {pyrogen.__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    for verb, summary in VERBS.items():
        verbs.add_parser(verb, help=summary, add_help=False)
    if not arguments:
        parser.print_help()
        return 2
    if arguments[0] not in VERBS and not arguments[0].startswith("-"):
        return _complain(registry.unknown("command", arguments[0], VERBS), 2)
    verb = parser.parse_known_args(arguments[:1])[0].verb
    try:
        status: int = globals()[f"_{verb}"](_underscored(arguments[1:]))
        sys.stdout.flush()
    except BrokenPipeError:  # as of `pyrogen list | head -1`, who has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where Python's own last flush may go
        return 0
    except (ValueError, FloatingPointError, OSError) as error:
        return _complain(error, 1)
    except KeyboardInterrupt as stopped:
        return _complain(str(stopped) or "stopped.", 130)
    return status


def _list(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="pyrogen list", description=VERBS["list"])
    parser.add_argument("pattern", nargs="?", default="*", help="a glob pattern, such as '*vae*'")
    parser.add_argument("--axis", help=f"list the choices on an axis instead: {', '.join(registry.axes())}")
    options = parser.parse_args(arguments)
    if options.axis:
        names = registry.choices(options.axis)
        found = [registry.find(options.axis, name) for name in names]
    else:
        found = [registry.find("entry", name) for name in registry.list_models(options.pattern)]
    if not found:
        raise ValueError(f"no model matches {options.pattern!r}; pyrogen list shows all.")
    width = max(len(r.name) for r in found)
    for record in found:
        print(f"{record.name:{width}}  {record.summary}")
        if record.details:
            print(f"{'':{width}}  {record.details['reference']}")
    return 0


def _train(arguments: Sequence[str]) -> int:
    from pyrogen.command import options as opt

    config: dict[str, dict[str, Any]] = {"model": {}, "data": {}, "fit": {}}
    if path := opt.value_of(arguments, "--config"):
        config = opt.read_sections(path)
    name = config["model"].get("entry")
    rest = list(arguments)
    if rest and not rest[0].startswith("-"):
        name = rest.pop(0)
    if name is None:
        return _models({"-h", "--help"} & set(arguments) != set())
    entry = registry.find("entry", str(name))
    from pyrogen.inference import fit
    from pyrogen.inference.training.fit import check_settings

    build = entry.load()
    parser = opt.parser(f"pyrogen train {name}", f"{entry.summary} {entry.details['reference']}.")
    axes = opt.add_function(parser, build, skip={*registry.DECIDED, "encoder", "decoder", "objective"})
    _add_data_options(parser, entry.details["data"])
    axes |= opt.add_function(parser, fit, skip={"model", "data", "progress"}, defaults={"folder": f"runs/{name}"})
    parser.add_argument("--seeds", type=int, default=1, help="train so many seeds, from --seed on, and print one table")
    parser.add_argument(
        "--config", type=str | None, default=None, help="a config file, as runs write it; flags override it"
    )
    parser.add_argument(
        "--print_config", action="store_true", help="print the config that these options make, and stop"
    )
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
    check_settings(settings)  # before data are looked for, which may ask for a network
    runs = []
    for seed in range(settings["seed"], settings["seed"] + options.seeds):
        folder = Path(settings["folder"]) / f"seed-{seed}" if options.seeds > 1 else settings["folder"]
        runs.append(_train_one(build, own, wishes, {**settings, "seed": seed, "folder": folder}))
    if options.seeds > 1:
        from pyrogen.inference.runs.compare import seeds_table

        print(seeds_table(runs))
    return 0


def _train_one(build: Callable[..., Any], own: dict[str, Any], wishes: dict[str, Any], settings: dict[str, Any]) -> Any:
    from pyrogen.base import HasLogProb, Pair
    from pyrogen.inference import fit
    from pyrogen.inference.pages.run_report import write_run_report
    from pyrogen.inference.programs.contexts import seeded
    from pyrogen.inference.runs.recipe import data_and_model

    with seeded(settings["seed"]):
        data, model = data_and_model(wishes, build, own)
        print(data)
        run = fit(model, data, **settings)
    if not run.seconds:
        print(f"the run in {run.folder} has ended already; nothing was changed.")
        if not (Path(settings["folder"]) / "report.html").is_file():
            print(f"its report was missing, and is in {write_run_report(settings['folder'])}")
        return run
    report = write_run_report(settings["folder"])
    print(_last(run.history))
    print(f"trained in {run.seconds:.1f} s; weights, metrics and figures are in {run.folder}, the report in {report}")
    if isinstance(run.model, (Pair, HasLogProb)):
        print(f"score it: pyrogen evaluate {run.folder}")
    return run


def _sections(
    options: Namespace, spoken: set[str], config: dict[str, dict[str, Any]], build: Callable[..., Any]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Arguments of the model, of ``load`` and of ``fit``: flags before the config, the config before defaults."""
    from pyrogen.data import Data, load
    from pyrogen.inference import fit

    flags = {k: getattr(options, k) for k in vars(options)}
    own = {k: flags[k] for k in inspect.signature(build).parameters if k in flags}
    wishes = {k: flags[DATA_FLAGS.get(k, k)] for k in inspect.signature(load).parameters}
    settings = {k: flags[k] for k in inspect.signature(fit).parameters if k in flags and k not in own and k != "data"}
    written = config["model"].get("arguments") or {}
    if not isinstance(written, dict):
        raise ValueError("the section 'model' of the config needs 'arguments', a mapping of names to values.")
    data = {k: v for k, v in config["data"].items() if k != "name" or "source" not in config["data"]}
    if "source" in data:
        data["name"] = data.pop("source")
    for section, target, given in (("model", own, written), ("data", wishes, data), ("fit", settings, config["fit"])):
        for key, value in given.items():
            if key in target and DATA_FLAGS.get(key, key) not in spoken:
                target[key] = value
            elif key not in target and key not in (*FOLLOWING, *(dir(Data) if section == "data" else ())):
                raise registry.unknown(f"setting in the section {section!r} of the config", key, target)
    return own, wishes, settings


# arguments of `load` by the flags that they have beside those of the model and of `fit`
DATA_FLAGS = {"name": "data", "seed": "data_seed"}
# what a run writes down that follows from the rest
HASHES = ("sha256_train", "sha256_valid", "sha256_test")
FOLLOWING = (*registry.DECIDED, "splits", "levels", "reference", *HASHES, "encoder", "decoder", "objective")


def _evaluate(arguments: Sequence[str]) -> int:
    from pyrogen import storage
    from pyrogen.command import options as opt
    from pyrogen.files import saving
    from pyrogen.inference import Estimator, check_guide, log_evidence, summarize
    from pyrogen.inference.pages.run_report import write_run_report
    from pyrogen.inference.runs.recipe import data_of
    from pyrogen.inference.runs.scores import beware, density_of, named, part_of, save_score
    from pyrogen.memory import enough_memory

    parser = opt.parser("pyrogen evaluate", VERBS["evaluate"])
    parser.add_argument("run", type=str, help="folder of a run")
    what = "exact where the model has a log_prob, AIS where it has no density, else IWAE"
    opt.add_axis(parser, "estimator", Estimator, None, what, "estimator")
    parser.add_argument("--weights", default="last", help="last, best or ema")
    parser.add_argument("--split", default="test", help="train, valid or test")
    parser.add_argument("--limit", type=int | None, default=None, help="score the first so many data only")
    parser.add_argument(
        "--flagged_by", type=str | None, default=None, help="score only the data that the diagnosis of this score flags"
    )
    parser.add_argument(
        "--sigma",
        type=float | None,
        default=None,
        help="observation noise of a generator without a density; by default fitted on the validation split",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument(
        "--chunk_size", type=int, default=100, help="draws decoded at once; changes memory, not the answer"
    )
    parser.add_argument(
        "--check_guide", type=bool, default=True, help="score a few data by chains from the prior too, if the guide led"
    )
    options = opt.parse(parser, arguments, {"estimator": "estimator"})
    _check_seed(options.seed)
    judged = storage.fingerprint(options.run, options.weights)  # before: the folder may change meanwhile
    with enough_memory("lower --chunk_size, or score fewer data by --limit"):
        trained, data = pyrogen.load(options.run, weights=options.weights), data_of(options.run)
        split, rows, part = part_of(options.run, data, options.split, options.limit, options.flagged_by)
        model, noise = density_of(trained, data, options.sigma, options.seed)
        if noise:
            print(f"noise     sigma = {noise['sigma']:.4g}, {noise['sigma_from']}: the model has no density of its own")
        estimator = "AIS" if noise and options.estimator is None else options.estimator
        evidence = log_evidence(model, split, estimator, seed=options.seed, chunk_size=options.chunk_size)
        evidence = check_guide(model, split, evidence, seed=options.seed) if options.check_guide else evidence
    evidence = evidence.assign_coords(datum=rows).assign_attrs(weights=options.weights, **part, **noise, **judged)
    print(summarize(evidence).text(options.run, named(evidence)))
    print("".join(f"beware    {sentence}\n" for sentence in beware(options.run)), end="", flush=True)
    with saving("the score above was not saved"):
        path = save_score(options.run, evidence)
    with saving(f"the score above was written to {path}, but the report was not"):
        report = write_run_report(options.run)
    print(f"written to {path} and into {report}")
    return 0


def _check_seed(seed: int) -> None:
    """Refuse a seed that generators or files cannot hold, before any work is done."""
    if not -(2**63) <= seed < 2**63:
        raise ValueError(f"--seed {seed}: expected a whole number of 64 bits, as 0 or 1.")


def _sample(arguments: Sequence[str]) -> int:
    from pyrogen.command import options as opt

    parser = opt.parser("pyrogen sample", VERBS["sample"])
    parser.add_argument("run", type=str, help="folder of a run")
    parser.add_argument("--n", type=int, default=64, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument(
        "--y",
        type=int | None,
        default=None,
        help="class of a conditional model's samples; by default the y of test data",
    )
    parser.add_argument("--out", type=str | None, default=None, help="where to, without suffix; default RUN/samples")
    options = opt.parse(parser, arguments, {})
    import numpy as np
    import torch

    from pyrogen.figures import plots
    from pyrogen.figures.report import save_figures
    from pyrogen.files import saving, write
    from pyrogen.inference.programs.contexts import evaluating, seeded
    from pyrogen.inference.runs.recipe import data_of
    from pyrogen.memory import enough_memory

    _check_seed(options.seed)
    if options.n < 1:
        raise ValueError(f"--n {options.n}: ask for at least 1 sample.")
    out, content = Path(options.out or Path(options.run) / "samples"), io.BytesIO()
    with enough_memory("lower --n"):
        model, data = pyrogen.load(options.run), data_of(options.run)
        y = data.test.y
        if options.y is not None:
            y = torch.full((options.n,), options.y)
        elif y is not None:
            y = y[torch.arange(options.n) % len(y)]
        if options.y is not None and model.condition_for(y) is None:
            raise ValueError(f"--y {options.y}: the model in {options.run} is not conditional; leave --y out.")
        drawn = {}
        for name, draw in (("x", model.sample), ("mean", model.sample_mean)):
            with evaluating(model), seeded(options.seed):  # the same draws of z for both
                drawn[name] = draw(options.n, model.condition_for(y))
        if torch.equal(drawn["x"], drawn["mean"]):
            del drawn["mean"]  # of a model that adds no noise to what it means
        if (scale := data.train.view.scale) is not None:
            drawn = {name: scale.restore(x) for name, x in drawn.items()}  # to the file's own values
        shown = {"x": out.name, "mean": f"{out.name}-means"}
        figures = {shown[name]: plots.samples(x, data.kind) for name, x in drawn.items()}
        np.savez_compressed(content, **{name: x.cpu().numpy() for name, x in drawn.items()})
    with saving("the samples were not saved"):
        pictures = save_figures(out.parent, figures)
        write(out.with_suffix(".npz"), content.getvalue())
    what = "samples (x) and their means (mean)" if "mean" in drawn else "samples (x)"
    print(f"{options.n} {what}: {', '.join(map(str, pictures))} and {out.with_suffix('.npz')}")
    return 0


def _compare(arguments: Sequence[str]) -> int:
    if any(word.split("=", 1)[0] == "--grid" for word in arguments):
        return _grid(arguments)
    parser = argparse.ArgumentParser(
        prog="pyrogen compare",
        description=f"{VERBS['compare'].capitalize()}.",
        epilog="pyrogen compare --grid --help says how to train a product of choices first.",
    )
    parser.add_argument("runs", nargs="+", help="folders of runs; differences are to the first")
    options = parser.parse_args(arguments)
    from pyrogen.inference.runs.compare import runs_table

    print(runs_table(options.runs))
    return 0


def _grid(arguments: Sequence[str]) -> int:
    from pyrogen.command import options as opt
    from pyrogen.inference import fit, grid
    from pyrogen.inference.runs.grid import GIVEN

    wishes, rest = opt.taken(arguments, "--grid")
    entry = registry.find("entry", opt.value_of(rest, "--entry") or "vae")
    build = entry.load()
    parser = opt.parser(
        "pyrogen compare --grid AXIS=VALUE,VALUE ...",
        f"Train the product of choices of {entry.name}, score every cell on the same test data, and print one table. The "
        "same command goes on where it was stopped.",
    )
    parser.add_argument(
        "--grid",
        help="an axis and its values, once for each axis: prior=StandardNormal,'VampPrior(components=500)', latent_size=2,8, "
        "prior.components=10,50; any option of the model, of the data or of training can be an axis, or given for all cells",
    )
    own = opt.add_function(parser, grid, skip={"over", "common"})
    axes = own | opt.add_function(parser, build, skip={*registry.DECIDED, "encoder", "decoder", "objective"})
    _add_data_options(parser, entry.details["data"])
    axes |= opt.add_function(parser, fit, skip={*GIVEN})
    over: dict[str, list[Any]] = {}
    for wish in wishes:
        axis, values = opt.axis_values(wish)
        over[axis] = [_on_axis(parser, axis, value, axes) for value in values]
    options = opt.parse(parser, rest, axes)
    mine = inspect.signature(grid).parameters
    given = {k: getattr(options, k) for k in [*mine, *sorted(opt.spoken(rest) - mine.keys())] if k in vars(options)}
    found = grid(over, **given)
    print(f"{found.text()}written to {found.folder / 'grid.md'} and {found.folder / 'grid.nc'}")
    return int(found.failed)


def _on_axis(parser: Any, axis: str, value: str, axes: dict[str, str]) -> Any:
    """A value of a grid's axis, read as its option reads it; a choice's own argument, as a number where it is one."""
    from pyrogen.command import options as opt

    if "." not in axis:
        return getattr(opt.parse(parser, opt.words_of(axis, value), axes), axis)
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value


def _report(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="pyrogen report", description=VERBS["report"])
    parser.add_argument("run", help="folder of a run")
    options = parser.parse_args(arguments)
    from pyrogen.inference.pages.run_report import write_run_report

    print(write_run_report(options.run))
    return 0


def _prove(arguments: Sequence[str]) -> int:
    from pyrogen.inference.proofs.prove import main as prove

    return prove(arguments)


def _completion(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["--words"]:
        print("\n".join(completion.candidates(arguments[1:], VERBS)))
        return 0
    parser = argparse.ArgumentParser(prog="pyrogen completion", description=VERBS["completion"])
    parser.add_argument("shell", choices=sorted(completion.SCRIPTS), help='as in: eval "$(pyrogen completion bash)"')
    print(completion.SCRIPTS[parser.parse_args(arguments).shell])
    return 0


def _demo(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="pyrogen demo", description=VERBS["demo"])
    parser.add_argument("--folder", default="runs/demo", help="where to write; an earlier demo there is replaced")
    parser.add_argument("--epochs", type=int, default=200, help="passes over the digits")
    options = parser.parse_args(arguments)
    from pyrogen.inference import ELBO, IWAE, check_guide, fit, log_evidence, summarize
    from pyrogen.inference.pages.run_report import write_run_report
    from pyrogen.inference.programs.contexts import seeded
    from pyrogen.inference.runs.scores import save_score

    data = pyrogen.data.load("digits")
    print(data)
    with seeded(0):
        model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=8, hidden=(256,))
        run = fit(model, data, epochs=options.epochs, batch_size=64, folder=options.folder, overwrite=True)
    print(_last(run.history))
    for estimator in (ELBO(), IWAE(5000)):
        evidence = check_guide(model, data.test, log_evidence(model, data.test, estimator))
        path = save_score(options.folder, evidence)
        print(f"\n{summarize(evidence).text(options.folder, path.stem)}")
    report = write_run_report(options.folder)
    print(f"\nweights, config, metrics, scores and figures: {options.folder}\nthe report, for your browser: {report}")
    return 0


def _add_data_options(parser: Any, default: str) -> None:
    from pyrogen.command import options as opt
    from pyrogen.data import load

    parser.add_argument("--data", default=default, help="a data set, see pyrogen list --axis data, or the path of one")
    opt.add_function(parser, load, skip={"name", "seed"})
    parser.add_argument("--data_seed", type=int, default=0, help="of what is drawn once: binarized test data, say")


def _underscored(arguments: Sequence[str]) -> list[str]:
    """The arguments with options as Python spells them: ``--latent-size`` is ``--latent_size``."""
    split = (word.partition("=") for word in arguments)
    return [
        f"--{flag[2:].replace('-', '_')}{equals}{value}" if flag[:2] == "--" else f"{flag}{equals}{value}"
        for flag, equals, value in split
    ]


def _models(asked: bool) -> int:
    entries = [registry.find("entry", name) for name in registry.list_models()]
    names = "\n".join(f"  {r.name:20}{r.summary}" for r in entries)
    usage = "usage: pyrogen train MODEL [options]"
    stream = sys.stdout if asked else sys.stderr
    print(f"{usage}\n\nMODEL is one of:\n{names}\n\npyrogen train MODEL --help lists its options.", file=stream)
    return 0 if asked else 2


def _last(history: Sequence[dict[str, Any]]) -> str:
    last = history[-1] if history else {}
    return "  ".join(f"{k} {v:.4g}" for k, v in last.items() if isinstance(v, (int, float))) or "no epochs"


def _complain(error: BaseException | str, status: int) -> int:
    # what was read from files must not steer the terminal
    said = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda code: repr(code[0])[1:-1], str(error))
    print(f"pyrogen: {said}", file=sys.stderr)
    return status
