"""``pyrogen evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pyrogen
from pyrogen.command import options as opt
from pyrogen.command.cli import VERBS
from pyrogen.seeds import check_seed

# options of one way to evaluate, which say nothing of the other
SCORED = {"estimator", "flagged_by", "sigma", "check_guide", "chunk_size"}
MEASURED = {"measure", "features", "draws"}


def run(arguments: Sequence[str]) -> int:
    """Score a run, print the score, then write it down."""
    from pyrogen import storage
    from pyrogen.base import HasPosterior, Model
    from pyrogen.data.trajectories import KIND
    from pyrogen.files import saving
    from pyrogen.inference import Estimator, summarize
    from pyrogen.inference.latents.activity import activity, in_words
    from pyrogen.inference.pages.run_report import write_run_report
    from pyrogen.inference.programs.contexts import evaluating, seeded
    from pyrogen.inference.runs.evaluate import score
    from pyrogen.inference.runs.recipe import data_of
    from pyrogen.inference.runs.scores import beware, named, save_score
    from pyrogen.memory import enough_memory

    parser = opt.parser("pyrogen evaluate", VERBS["evaluate"], "RUN [options]")
    parser.add_argument("run", type=str, help="folder of a run")
    what = "exact where the model has a log_prob, AIS of large energy models and where there is no density, else IWAE"
    opt.add_axis(parser, "estimator", Estimator, None, what, "estimator")
    parser.add_argument("--weights", default="last", help="last, best or ema")
    parser.add_argument("--split", default="test", help="train, valid or test")
    parser.add_argument("--limit", type=int | None, default=None, help="score the first so many data only")
    parser.add_argument(
        "--flagged_by", type=str | None, default=None, help="score only the data that the diagnosis of this score flags"
    )
    parser.add_argument(
        "--sigma",
        type=float | Literal["fitted"] | None,
        default=None,
        help="score what the model generates with this noise on it, N(g(z), sigma²); fitted: on the validation split, as by "
        "default where the model has no density, or a game left it unfitted",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument(
        "--chunk_size", type=int, default=100, help="draws decoded at once; changes memory, not the answer"
    )
    parser.add_argument(
        "--check_guide", type=bool, default=True, help="score a few data by chains from the prior too, if the guide led"
    )
    parser.add_argument(
        "--quality", type=bool, default=False, help="measure samples instead, beside data against other data"
    )
    parser.add_argument("--measure", type=list[str] | None, default=None, help="with --quality: which; default all")
    parser.add_argument(
        "--features", default="auto", help="with --quality: the space of features: auto, x, pixels, judge or Inception"
    )
    parser.add_argument("--draws", default="auto", help="with --quality: samples, means of p(x|z), or auto")
    options = opt.parse(parser, arguments, {"estimator": "estimator"})
    check_seed(options.seed)
    for name in ("limit", "chunk_size"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise ValueError(f"{name}={value}: needs 1 or more.")
    if refused := opt.spoken(arguments) & (SCORED if options.quality else MEASURED):
        scores, samples = "scores of log p(x), which --quality leaves out; give one of them", "--quality; add --quality"
        raise ValueError(f"--{min(refused)} belongs to {scores if options.quality else samples}.")
    if options.quality:
        return measure(options)
    judged = storage.fingerprint(options.run, options.weights)  # before: the folder may change meanwhile
    with enough_memory("lower --chunk_size, or score fewer data by --limit"):
        trained: Model = pyrogen.load(options.run, weights=options.weights)
        data = data_of(options.run)
        if data.kind == KIND:
            return foresee(trained, data, options, opt.spoken(arguments))
        chosen = options.weights, options.split, options.limit, options.flagged_by
        own = options.sigma, options.seed, options.chunk_size, options.check_guide
        evidence = score(trained, data, options.run, options.estimator, *chosen, *own).assign_attrs(judged)
    if "sigma" in (a := evidence.attrs):
        print(f"noise     sigma = {a['sigma']:.4g}, {a['sigma_from']}: x ~ N(g(z), sigma²) is what is scored")
    print(summarize(evidence).text(options.run, named(evidence)))
    if isinstance(trained, HasPosterior):
        with evaluating(trained), seeded(options.seed):
            print(f"latents   {in_words(activity(trained, data.split(options.split)), trained.latent_size)}")
    print("".join(f"beware    {sentence}\n" for sentence in beware(options.run)), end="", flush=True)
    with saving("the score above was not saved"):
        path = save_score(options.run, evidence)
    with saving(f"the score above was written to {path}, but the report was not"):
        report = write_run_report(options.run)
    print(f"written to {path} and into {report}")
    return 0


def foresee(trained: Any, data: Any, options: Any, spoken: set[str]) -> int:
    """Print how good forecasts of people's paths are, beside going straight on."""
    from rich.console import Console
    from rich.table import Table

    from pyrogen.inference.pages.run_report import write_run_report
    from pyrogen.inference.quality.forecasts import TOUCHING, forecasts, head, worth

    if refused := spoken & SCORED:
        raise ValueError(
            f"--{min(refused)} belongs to scores of log p(x), and paths are judged as forecasts; leave it out."
        )
    whole = data.split(options.split)
    part = whole if options.limit is None else whole.take(options.limit)
    shown = Table(*head(TOUCHING))
    for row in forecasts(trained, data, part, seed=options.seed):
        shown.add_row(*row.cells())
    Console(width=120).print(shown)
    print(f"{worth(part)}\npictures, and the same of some test scenes, are in {write_run_report(options.run)}")
    return 0


def measure(options: Any) -> int:
    """Measure a run's samples, print what was found, and write it down."""
    from pyrogen.files import saving
    from pyrogen.inference.pages.run_report import write_run_report
    from pyrogen.inference.quality.assess import USUAL
    from pyrogen.inference.runs.fresh import keep
    from pyrogen.inference.runs.quality import FACTS, assess_run
    from pyrogen.memory import enough_memory

    with enough_memory("measure fewer samples by --limit"):
        found = assess_run(
            options.run,
            options.measure,
            weights=options.weights,
            split=options.split,
            num=options.limit or USUAL,
            features=options.features,
            draws=options.draws,
            seed=options.seed,
            kept=False,
        )
    print(f"{found.text()}\n{found.compared()}", flush=True)
    path = Path(options.run) / FACTS
    with saving("the measures above were not saved"):
        keep(path, found)
    with saving(f"the measures above were written to {path}, but not into the report"):
        report = write_run_report(options.run)
    print(f"written to {path} and into {report}")
    return 0
