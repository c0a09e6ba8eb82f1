"""The command line: the same words as in Python, one verb each. ``--help`` and ``list`` do not import torch."""

from __future__ import annotations

import argparse
import inspect
import itertools
import re
import sys
import types
import typing
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyrogen
from pyrogen import registry

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

VERBS = {
    "list": "name the models of the zoo, or the choices on an axis",
    "train": "train a model of the zoo on data, into a folder",
    "evaluate": "estimate log p(x) of a trained model, with its errors",
    "sample": "draw data from a trained model, as a picture and as numbers",
    "demo": "train, score and report a small VAE on real digits, in about a minute",
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
        status: int = globals()[f"_{verb}"](arguments[1:])
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
    name = _model_name(arguments)
    if name is None:
        return 0 if {"-h", "--help"} & set(arguments) else 2
    from pyrogen.inference import fit
    from pyrogen.inference.portrait import write_run_report
    from pyrogen.inference.programs import seeded

    entry = registry.find("entry", name)
    build = entry.load()
    parser = _parser(f"pyrogen train {name}", f"{entry.summary} {entry.details['reference']}.")
    axes = _add_function(parser, build, skip={"x_shape", "encoder", "decoder", "objective"})
    parser.add_argument(
        "--data", default=entry.details["data"], help="a data set, see pyrogen list --axis data, or a .npz file"
    )
    _add_data_options(parser)
    axes |= _add_function(parser, fit, skip={"model", "data", "progress"}, defaults={"folder": f"runs/{name}"})
    options = _parse(parser, [a for i, a in enumerate(arguments) if i != _position(arguments)], axes)
    own = {k: v for k, v in vars(options).items() if k in inspect.signature(build).parameters}
    settings = {k: v for k, v in vars(options).items() if k in inspect.signature(fit).parameters and k not in own}
    settings.pop("data")
    with seeded(settings["seed"]):
        data, model = _data_and_model(options, build, own)
        run = fit(model, data, **settings)
    if not run.seconds:
        print(f"the run in {run.folder} has ended already; nothing was changed.")
        return 0
    report = write_run_report(run.folder)
    print(_last(run.history))
    print(f"trained in {run.seconds:.1f} s; weights, metrics and figures are in {run.folder}, the report in {report}")
    print(f"score it: pyrogen evaluate {run.folder}")
    return 0


def _evaluate(arguments: Sequence[str]) -> int:
    parser = _parser("pyrogen evaluate", VERBS["evaluate"])
    from pyrogen.inference import Estimator, log_evidence, summarize
    from pyrogen.inference.portrait import data_of, save_score, write_run_report

    parser.add_argument("run", type=str, help="folder of a run")
    axes = {"estimator": "estimator"}
    _add_axis(parser, "estimator", Estimator, None, "exact where the model has a log_prob, else IWAE", "estimator")
    parser.add_argument("--split", default="test", help="train, valid or test")
    parser.add_argument("--limit", type=int | None, default=None, help="score the first so many data only")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument(
        "--chunk_size", type=int, default=100, help="draws decoded at once; changes memory, not the answer"
    )
    options = _parse(parser, arguments, axes)
    model, data = pyrogen.load(options.run), data_of(options.run)
    if options.split not in ("train", "valid", "test"):
        raise registry.unknown("split", options.split, ("train", "valid", "test"))
    split = getattr(data, options.split)
    split = split if options.limit is None else split.take(options.limit)
    evidence = log_evidence(model, split, options.estimator, seed=options.seed, chunk_size=options.chunk_size)
    print(summarize(evidence))
    print(f"written to {save_score(options.run, evidence)} and into {write_run_report(options.run)}")
    return 0


def _sample(arguments: Sequence[str]) -> int:
    parser = _parser("pyrogen sample", VERBS["sample"])
    parser.add_argument("run", type=str, help="folder of a run")
    parser.add_argument("--n", type=int, default=64, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument(
        "--mean", type=bool, default=False, help="means of p(x|z) instead of samples, where there are z"
    )
    parser.add_argument("--out", type=str | None, default=None, help="where to, without suffix; default RUN/samples")
    options = _parse(parser, arguments, {})
    import numpy as np

    from pyrogen import plots, storage
    from pyrogen.inference.programs import evaluating, seeded
    from pyrogen.report import save_figures

    if options.n < 1:
        raise ValueError(f"--n {options.n}: ask for at least 1 sample.")
    model = pyrogen.load(options.run)
    kind = storage.read_config(options.run).get("data", {}).get("kind", model.kinds[0])
    with evaluating(model), seeded(options.seed):
        x = model.picture(options.n) if options.mean else model.sample(options.n)
    out = Path(options.out or Path(options.run) / "samples")
    (picture,) = save_figures(out.parent, {out.name: plots.samples(x, kind)})
    np.savez_compressed(out.with_suffix(".npz"), x=x.cpu().numpy())
    print(f"{options.n} samples: {picture} and {out.with_suffix('.npz')}")
    return 0


def _demo(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="pyrogen demo", description=VERBS["demo"])
    parser.add_argument("--folder", default="runs/demo", help="where to write; an earlier demo there is replaced")
    parser.add_argument("--epochs", type=int, default=200, help="passes over the digits")
    options = parser.parse_args(arguments)
    from pyrogen.inference import ELBO, IWAE, fit, log_evidence, summarize
    from pyrogen.inference.portrait import save_score, write_run_report
    from pyrogen.inference.programs import seeded

    data = pyrogen.data.load("digits")
    print(data)
    with seeded(0):
        model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=8, hidden=(256,))
        run = fit(model, data, epochs=options.epochs, batch_size=64, folder=options.folder, overwrite=True)
    print(_last(run.history))
    for estimator in (ELBO(), IWAE(5000)):
        evidence = log_evidence(model, data.test, estimator)
        save_score(options.folder, evidence)
        print(f"\n{summarize(evidence)}")
    report = write_run_report(options.folder)
    print(f"\nweights, config, metrics, scores and figures: {options.folder}\nthe report, for your browser: {report}")
    return 0


def _data_and_model(options: Namespace, build: Callable[..., Any], own: dict[str, Any]) -> tuple[Any, Any]:
    """The data as the model takes them, and the model of their shape."""
    wishes = {"binarization": options.binarization, "dequantization": options.dequantization, "seed": options.seed}
    spoken = any(v is not None for v in (options.kind, options.binarization, options.dequantization))
    data = pyrogen.data.load(options.data, kind=options.kind, **wishes) if spoken else pyrogen.data.load(options.data)
    model = build(x_shape=data.x_shape, **own)
    if not spoken:
        # nothing was said of the kind: take the one that the likelihood scores
        data = pyrogen.data.load(options.data, kind=model.kinds, seed=options.seed)
    return data, model


def _add_data_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--kind",
        type=str | None,
        default=None,
        help="binary, unit, levels or real; default: what the model scores",
    )
    parser.add_argument("--binarization", type=str | None, default=None, help="dynamic, static or none")
    parser.add_argument("--dequantization", type=bool | None, default=None, help="add noise within grey levels")


def _parser(prog: str, description: str) -> ArgumentParser:
    from jsonargparse import ArgumentParser

    return ArgumentParser(prog=prog, description=description, exit_on_error=False)


def _add_function(
    parser: ArgumentParser, function: Callable[..., Any], skip: set[str], defaults: dict[str, Any] | None = None
) -> dict[str, str]:
    """An option for every parameter of a function, helped by its docstring; returns its axes by option."""
    from docstring_parser import parse

    helps = {p.arg_name: (p.description or "").replace("\n", " ") for p in parse(inspect.getdoc(function) or "").params}
    hints = typing.get_type_hints(inspect.unwrap(function))
    axes = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in skip:
            continue
        default = (defaults or {}).get(name, parameter.default)
        base = _axis_class(hints[name])
        if base is not None:
            axes[name] = base.axes[0]
            _add_axis(parser, name, base, default, helps.get(name, ""), base.axes[0])
        else:
            parser.add_argument(f"--{name}", type=_plain(hints[name]), default=default, help=helps.get(name))
    return axes


def _add_axis(parser: ArgumentParser, name: str, base: type, default: Any, text: str, axis: str) -> None:
    listed = ", ".join(registry.choices(axis))
    kind: Any = base if default is not None else base | None
    parser.add_argument(
        f"--{name}", type=kind, default=default, help=f"{text} One of: {listed}. Its own options: --{name}.help NAME."
    )


def _parse(parser: ArgumentParser, arguments: Sequence[str], axes: dict[str, str]) -> Namespace:
    """Options with their axis objects built; only registered names are ever looked up."""
    from jsonargparse import ArgumentError

    arguments = _with_lists(parser, arguments)
    known = {o for action in parser._actions for o in action.option_strings}
    chosen = {
        option: registry.find(axis, parser.get_default(option))
        for option, axis in axes.items()
        if parser.get_default(option)
    }
    for option, axis in axes.items():
        for name in _values(arguments, f"--{option}"):
            chosen[option] = registry.find(axis, name)
        for name in _values(arguments, f"--{option}.help"):
            registry.find(axis, name).load()
    for record in chosen.values():
        record.load()
    for argument in arguments:
        flag = argument.split("=", 1)[0]
        option, _, nested = flag.removeprefix("--").partition(".")
        if flag.startswith("--") and nested and option in chosen and nested != "help":
            accepted = list(inspect.signature(chosen[option].load()).parameters)
            if nested not in accepted:
                raise registry.unknown(f"option of {chosen[option].name}", nested, accepted or ["(it has no options)"])
        elif flag.startswith("--") and not nested and flag not in known:
            raise registry.unknown(
                "option", flag, [o for o in known if o.startswith("--") and "." not in o and "+" not in o]
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return parser.instantiate(parser.parse_args(arguments))
    except ArgumentError as error:
        raise ValueError(_sentence(error)) from None


def _values(arguments: Sequence[str], flag: str) -> list[str]:
    """What follows a flag, in either spelling."""
    after = [b for a, b in itertools.pairwise(arguments) if a == flag]
    return after + [a.split("=", 1)[1] for a in arguments if a.startswith(f"{flag}=")]


def _with_lists(parser: ArgumentParser, arguments: Sequence[str]) -> list[str]:
    """The arguments, with lists as people type them (400 or 400,200) put into brackets."""
    lists = {
        o for a in parser._actions if typing.get_origin(getattr(a, "_typehint", None)) is list for o in a.option_strings
    }
    bracketed = list(arguments)
    for i, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        if equals and flag in lists and not value.startswith("["):
            bracketed[i] = f"{flag}=[{value}]"
        elif i and arguments[i - 1] in lists and not argument.startswith("["):
            bracketed[i] = f"[{argument}]"
    return bracketed


def _sentence(error: Exception) -> str:
    """jsonargparse's message as one sentence."""
    text = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    key, value = re.search(r'Parser key "([^"]+)"', text), re.search(r"(?:Given value|Got value): (.*)$", text)
    wanted = list(dict.fromkeys(re.findall(r"<class '([\w.]+)'>", text.split("Given value")[0])))
    if key and value and wanted:
        names = " or ".join("nothing" if w == "NoneType" else w for w in wanted)
        return f"--{key[1]} takes {names}; got {value[1]!r}."
    return text


def _model_name(arguments: Sequence[str]) -> str | None:
    position = _position(arguments)
    if position is not None:
        return arguments[position]
    stream = sys.stdout if {"-h", "--help"} & set(arguments) else sys.stderr
    entries = [registry.find("entry", name) for name in registry.list_models()]
    names = "\n".join(f"  {r.name:20}{r.summary}" for r in entries)
    usage = "usage: pyrogen train MODEL [options]"
    print(f"{usage}\n\nMODEL is one of:\n{names}\n\npyrogen train MODEL --help lists its options.", file=stream)
    return None


def _position(arguments: Sequence[str]) -> int | None:
    return 0 if arguments and not arguments[0].startswith("-") else None


def _axis_class(hint: Any) -> Any:
    """The axis class in an annotation such as ``Prior | str``, or None."""
    for part in typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,):
        if isinstance(part, type) and hasattr(part, "axes"):
            return part
    return None


def _plain(hint: Any) -> Any:
    """An annotation as the command line reads it."""
    if typing.get_origin(hint) is Sequence or str(hint).startswith("collections.abc.Sequence"):
        return list[typing.get_args(hint)[0]]  # type: ignore[misc]
    if Path in typing.get_args(hint):
        return str
    return hint


def _last(history: Sequence[dict[str, float]]) -> str:
    last = history[-1] if history else {}
    return "  ".join(f"{k} {v:.4g}" for k, v in last.items() if isinstance(v, (int, float))) or "no epochs"


def _complain(error: BaseException | str, status: int) -> int:
    print(f"pyrogen: {error}", file=sys.stderr)
    return status
