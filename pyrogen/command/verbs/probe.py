"""``pyrogen probe``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyrogen.command.cli import VERBS
from pyrogen.command.plain import Parser, listed, numbers
from pyrogen.registry import registrations

COUNTS = "numbers of labelled data of each class, as 1,10,100"


def run(arguments: Sequence[str]) -> int:
    """Compare what probes read from runs, beside their rivals; of one run, keep it and show it in the report."""
    listings = {axis: sorted((r.name, r.summary) for r in registrations(axis)) for axis in ("representation", "reader")}
    told = "\n\n".join(
        f"the choices of --{option}:\n{listed(listings[axis])}"
        for option, axis in (("rivals", "representation"), ("readers", "reader"))
    )
    parser = Parser("pyrogen probe", VERBS["probe"], epilog=told)
    parser.add_argument("runs", nargs="+", help="folders of runs; differences are to the first")
    parser.add_argument("--data", help="other data than the first run's own, resized to what its model reads: transfer")
    parser.add_argument(
        "--judged_on", help="other data of the same classes, whose test data judge: a shift of the domain"
    )
    parser.add_argument(
        "--labels", help="labelled data of each class, as 1,10,100; default: 1,3,10,30,100 that there are"
    )
    parser.add_argument("--factor", help="of several labels a datum, which one is asked for")
    parser.add_argument("--rivals", help="what codes are compared with, of those below, as Pixels,Untrained")
    parser.add_argument("--readers", help="what reads them, of those below, as 'Linear,Neighbours(k=1)'")
    parser.add_argument("--draws", type=int, default=5, help="of the labelled data; default 5")
    parser.add_argument(
        "--limit", type=int, default=5000, help="training and test data that are looked at; default 5000"
    )
    parser.add_argument("--weights", default="last", help="last, best or ema; default last")
    parser.add_argument("--seed", type=int, default=0, help="of the draws; default 0")
    options = parser.parse_args(arguments)
    from pyrogen.command.options import axis_values
    from pyrogen.files import saving
    from pyrogen.inference.pages.run_report import write_run_report
    from pyrogen.inference.runs.fresh import keep
    from pyrogen.inference.runs.probes import FACTS, probe_runs

    chosen = {
        name: axis_values(f"{name}={value}")[1]
        for name in ("rivals", "readers")
        if (value := getattr(options, name)) is not None
    }
    found = probe_runs(
        options.runs,
        options.data,
        options.judged_on,
        options.weights,
        kept=False,
        labels=None if options.labels is None else numbers("--labels", options.labels, COUNTS),
        factor=options.factor,
        draws=options.draws,
        limit=options.limit,
        seed=options.seed,
        **chosen,
    )
    print(f"{found.text()}\n{found.compared()}", flush=True)
    if "weights" in found.results.attrs:
        path = Path(options.runs[0]) / FACTS
        with saving("the probes above were not saved"):
            keep(path, found)
        with saving(f"the probes above were written to {path}, but not into the report"):
            report = write_run_report(options.runs[0])
        print(f"written to {path} and into {report}")
    return 0
