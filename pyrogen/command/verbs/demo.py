"""``pyrogen demo``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyrogen
from pyrogen.command import speech
from pyrogen.command.cli import VERBS
from pyrogen.command.plain import Parser

if TYPE_CHECKING:
    from pyrogen.base import Model

ANALYSES = ("calibration", "surgery", "anatomy")  # which take seconds
DATA, BATCH = "digits", 64
OWN: dict[str, Any] = {"latent_size": 8, "hidden": (256,)}


def run(arguments: Sequence[str]) -> int:
    """Train, score, analyse and report."""
    parser = Parser("pyrogen demo", VERBS["demo"])
    parser.add_argument("--folder", default="runs/demo", help="where to write; an earlier demo there is replaced")
    parser.add_argument("--epochs", type=int, default=200, help="passes over the digits")
    options = parser.parse_args(arguments)
    from pyrogen.inference import ELBO, IWAE, check_guide, fit, log_evidence, summarize
    from pyrogen.inference.pages.run_report import write_run_report
    from pyrogen.inference.programs.contexts import seeded
    from pyrogen.inference.runs.analyse import ask
    from pyrogen.inference.runs.scores import save_score

    data = pyrogen.data.load(DATA)
    print(data)
    with seeded(0):
        model = pyrogen.create("vae", x_shape=data.x_shape, **OWN)
        _refuse_others(options.folder, model)
        run = fit(model, data, epochs=options.epochs, batch_size=BATCH, folder=options.folder, overwrite=True)
    print(speech.last_line(run.records))
    for estimator in (ELBO(), IWAE(5000)):
        evidence = check_guide(model, data.test, log_evidence(model, data.test, estimator))
        path = save_score(options.folder, evidence)
        print(f"\n{summarize(evidence).text(options.folder, path.stem)}")
    print("\nwhat its latents mean (pyrogen latents asks more)")
    page = ask(options.folder, ANALYSES, tell=lambda line: print(speech.told(line), flush=True)).save(options.folder)
    report = write_run_report(options.folder)
    print(f"\nweights, config, metrics, scores and figures: {options.folder}\nfor your browser: {report} and {page}")
    print(f"walk through the latents: pyrogen explore {shlex.quote(options.folder)}")
    return 0


def _refuse_others(folder: str, model: Model) -> None:
    """Refuse to replace a run that is no demo, of however many epochs.

    Raises:
        ValueError: the folder holds one.
    """
    from pyrogen import storage

    if not (Path(folder) / storage.CONFIG).exists():
        return
    there = storage.read_config(folder)
    data, settings = there.get("data") or {}, there.get("fit") or {}
    chosen = data.get("source"), settings.get("batch_size"), settings.get("seed")
    was, now = there["model"], storage.config_of(model)["model"]
    before, arguments = was.get("arguments") or {}, now["arguments"]
    # a demo of another version may lack arguments that this one has, and have others
    other = [name for name in arguments if name in {*before, *OWN} and before.get(name) != arguments[name]]
    if was.get("entry") != now["entry"] or other or chosen != (DATA, BATCH, 0):
        raise ValueError(f"{folder} holds a run that is no demo; choose another --folder.")
