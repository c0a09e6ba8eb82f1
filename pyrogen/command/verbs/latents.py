"""``pyrogen latents``."""

from __future__ import annotations

from collections.abc import Sequence

from pyrogen.command import speech
from pyrogen.command.cli import VERBS
from pyrogen.command.plain import Parser, listed, numbers
from pyrogen.registry import registrations


def run(arguments: Sequence[str]) -> int:
    """Analyse, print what was found, and write it down."""
    analyses = sorted((record.name, record.summary) for record in registrations("analysis"))
    parser = Parser("pyrogen latents", VERBS["latents"], epilog=f"the analyses:\n{listed(analyses)}")
    parser.add_argument("run", help="folder of a run")
    parser.add_argument(
        "--analysis",
        help="one of those below, or some, as gaps,calibration, whose earlier findings they replace; default: all",
    )
    parser.add_argument("--pair", help="the classes of two data to walk between, as 3,8 (without labels: their places)")
    parser.add_argument("--weights", default="last", help="last, best or ema; default last")
    parser.add_argument("--seed", type=int, default=0, help="of the draws; default 0")
    options = parser.parse_args(arguments)
    from pyrogen.command.options import axis_values
    from pyrogen.files import saving
    from pyrogen.inference.pages.run_report import write_run_report
    from pyrogen.inference.runs.analyse import ask

    def tell(line: str) -> None:
        print(speech.told(line), flush=True)

    names = None if options.analysis is None else axis_values(f"analysis={options.analysis}")[1]
    if options.pair is not None:
        pair = numbers("--pair", options.pair, "two classes, or two places in the split, as 3,8", 2)
        wished = names or ["walks"]
        names = [_between(name, pair) for name in wished]
        if names == wished:
            raise ValueError(
                f"--pair {options.pair} is of the analysis walks, which --analysis leaves out; add walks to it."
            )
    found = ask(options.run, names, weights=options.weights, seed=options.seed, tell=tell)
    for line in found.next_lines():
        tell(line)
    with saving("the findings above were not saved"):
        page = found.save(options.run)
    with saving(f"the findings above were written to {page}, but not into the report"):
        report = write_run_report(options.run)
    print(f"with pictures: {page}; in short: {report}")
    return 0


def _between(analysis: str, pair: Sequence[int]) -> str:
    """An analysis as it was written; walks, also with settings of its own, with this pair as one of them."""
    name, _, settings = analysis.partition("(")
    if name != "walks":
        return analysis
    return f"walks({', '.join(filter(None, (settings.removesuffix(')'), f'pair={pair}')))})"
