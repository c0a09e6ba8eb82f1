"""``pyrogen compare``, of runs that there are or of a grid."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Sequence
from typing import Any

from pyrogen import plain_yaml, registry
from pyrogen.command import options as opt
from pyrogen.command.cli import VERBS
from pyrogen.command.plain import Parser


def run(arguments: Sequence[str]) -> int:
    """Print one table of runs, or train a grid of them first."""
    if any(word.split("=", 1)[0] == "--grid" for word in arguments):
        return _grid(arguments)
    parser = Parser(
        "pyrogen compare",
        VERBS["compare"],
        epilog="pyrogen compare --grid --help says how to train a product of choices first.",
    )
    parser.add_argument("runs", nargs="+", help="folders of runs; differences are to the first")
    options = parser.parse_args(arguments)
    from pyrogen.inference.runs.compare import runs_table

    print(runs_table(options.runs))
    return 0


def _grid(arguments: Sequence[str]) -> int:
    from pyrogen.inference import fit, grid
    from pyrogen.inference.runs.grid import GIVEN

    wishes, rest = opt.taken(arguments, "--grid")
    if not wishes and "-h" not in rest and "--help" not in rest:
        raise ValueError("--grid takes AXIS=VALUE,VALUE as in --grid prior=StandardNormal,VampPrior; it got nothing.")
    for wish in wishes:
        plain_yaml.refuse_anchors(wish.partition("=")[2])
    read = [opt.axis_values(wish) for wish in wishes]
    on_axes = dict(read)
    if repeated := next((axis for axis, values in read if values is not on_axes[axis]), None):
        raise ValueError(
            f"--grid names the axis {repeated} twice; give all its values at once, as in --grid "
            f"{repeated}={','.join(value for axis, values in read if axis == repeated for value in values)}."
        )
    entries = [registry.find("entry", n) for n in on_axes.get("entry", [opt.value_of(rest, "--entry") or "vae"])]
    parser = opt.parser(
        "pyrogen compare --grid AXIS=VALUE,VALUE ...",
        f"Train the product of choices of {' and '.join(e.name for e in entries)}, score every cell on the same test data, "
        "and print one table. The same command goes on where it was stopped.",
    )
    parser.add_argument(
        "--grid",
        help="an axis and its values, once for each axis: prior=StandardNormal,'VampPrior(components=500)', latent_size=2,8, "
        "prior.components=10,50; entries themselves (entry=vae,vae-conv) and any option of the model, of the data or of "
        "training can be an axis, or given for all cells",
    )
    own = opt.add_function(parser, grid, skip={"over", "common"})
    axes, added = dict(own), set[str]()
    for entry in entries:
        unspoken = opt.unspoken(build := entry.load())
        axes |= opt.add_function(parser, build, skip=added | unspoken)
        added |= {*inspect.signature(build).parameters} - unspoken
    opt.add_data(parser, entries[0].details["data"])
    axes |= opt.add_function(parser, fit, skip={*GIVEN})
    over = {axis: [_on_axis(parser, axis, value, axes) for value in values] for axis, values in on_axes.items()}
    options = opt.parse(parser, rest, axes)
    mine = inspect.signature(grid).parameters
    given = {k: getattr(options, k) for k in [*mine, *sorted(opt.spoken(rest) - mine.keys())] if k in vars(options)}
    found = grid(over, **given)
    print(f"{found.text()}written to {found.folder / 'grid.html'}, grid.md and grid.nc")
    return int(found.failed)


def _on_axis(parser: Any, axis: str, value: str, axes: dict[str, str]) -> Any:
    """A value of a grid's axis, read as its option reads it; a choice's own argument, as a number where it is one."""
    if "." not in axis:
        return getattr(opt.parse(parser, opt.words_of(axis, value, axes.get(axis)), axes), axis)
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
    except (RecursionError, MemoryError) as error:
        raise ValueError(f"--grid {axis}={value[:40]}… is nested too deep to be read.") from error
