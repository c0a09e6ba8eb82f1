"""A run's report: what was trained, how, what came out, in pictures, numbers and words."""

from __future__ import annotations

import copy
import functools
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pyrogen import storage
from pyrogen.axes import Axis
from pyrogen.base import (
    HasClassifier,
    HasConditionals,
    HasCritic,
    HasFreeEnergy,
    HasGenerator,
    HasLogProb,
    HasPartition,
    HasPosterior,
    HasTranslation,
    Model,
    Pair,
)
from pyrogen.capabilities import HasAttention, HasDiffusion, HasGrowth, HasStates, HasStyles, HasTruncation
from pyrogen.data import Data
from pyrogen.figures.report import Section, save_svgs, write_report
from pyrogen.files import first_line, reason
from pyrogen.inference.evidence.request import again, of_weights
from pyrogen.inference.objectives.quantization import HasCodebooks
from pyrogen.inference.pages import (
    autoregressive_sections,
    code_sections,
    codebook_sections,
    datum_sections,
    density_sections,
    diffusion_sections,
    energy_sections,
    fields,
    latent_sections,
    music_sections,
    paired_sections,
    path_sections,
    sample_sections,
    state_sections,
    synthesis_sections,
    text_sections,
    told_sections,
    training_sections,
    translation_sections,
)
from pyrogen.inference.pages.panel import (
    ADVICE,
    ANALYSED,
    COVERAGE,
    DECODED,
    DENSITY,
    LATENTS,
    MISSING,
    PROBED,
    QUALITY,
    SAMPLES,
    SCORES,
    TRAINING,
    TRANSLATED,
    History,
    Panel,
    of_stale,
)
from pyrogen.inference.pages.probe_sections import probes
from pyrogen.inference.pages.quality_sections import quality
from pyrogen.inference.pages.reproduction import paper_section, recipe_section, setup_section
from pyrogen.inference.pages.score_sections import shown_scores
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.runs.analyse import PAGE
from pyrogen.inference.runs.kept_findings import read_findings
from pyrogen.inference.runs.recipe import data_of
from pyrogen.inference.runs.scores import read_scores
from pyrogen.inference.training.run import METRICS, Run, read_history
from pyrogen.inference.training.stages import each
from pyrogen.memory import is_lack

# what each capability of a model brings to its report
PANELS: Sequence[tuple[type, Sequence[Callable[[Any, Data, History], Iterator[Panel]]]]] = (
    (Model, (text_sections.sentences, path_sections.fans, path_sections.rows)),
    (HasPosterior, (text_sections.said_again, text_sections.between)),
    (Model, (music_sections.pieces, music_sections.cost_of_steps)),
    (HasPosterior, (music_sections.played_again, music_sections.played_between, music_sections.made_denser)),
    (HasConditionals, (text_sections.costs,)),
    (
        Model,
        (
            sample_sections.samples,
            sample_sections.classes,
            paired_sections.answers,
            told_sections.sentences,
            sample_sections.neighbours,
            sample_sections.coverage,
        ),
    ),
    (HasStates, (state_sections.sequences, state_sections.foresight, state_sections.states, state_sections.law)),
    (HasGenerator, (sample_sections.walks,)),
    (HasTranslation, (translation_sections.translations, translation_sections.cycles)),
    (HasTruncation, (synthesis_sections.truncation,)),
    (HasStyles, (synthesis_sections.mixtures, synthesis_sections.noise, synthesis_sections.ways)),
    (HasAttention, (synthesis_sections.attention,)),
    (HasGrowth, (synthesis_sections.growth,)),
    (HasDiffusion, (diffusion_sections.noisy, diffusion_sections.gaps, diffusion_sections.costs)),
    (
        HasPosterior,
        (
            code_sections.reconstructions,
            told_sections.styles,
            fields.reconstruction_field,
            latent_sections.manifold,
            code_sections.interpolations,
            code_sections.traversals,
            latent_sections.codes,
            latent_sections.bubbles,
            latent_sections.against_the_prior,
            latent_sections.paired,
            latent_sections.usage,
        ),
    ),
    (
        HasCodebooks,
        (
            codebook_sections.code_maps,
            codebook_sections.dictionary,
            codebook_sections.codebook_use,
            codebook_sections.code_length,
        ),
    ),
    (
        HasLogProb,
        (
            density_sections.conditional_density,
            density_sections.plane,
            density_sections.intervals,
            energy_sections.log_probs,
            density_sections.law,
        ),
    ),
    (
        HasConditionals,
        (
            autoregressive_sections.receptive_fields,
            autoregressive_sections.bits,
            autoregressive_sections.completions,
        ),
    ),
    (Model, (datum_sections.extremes,)),
    (HasClassifier, (datum_sections.classified,)),
    (HasFreeEnergy, (energy_sections.energies, energy_sections.chains)),
    (HasPartition, (energy_sections.fantasies, energy_sections.filters)),
    (HasCritic, (energy_sections.criticism,)),
    (Pair, (training_sections.validation,)),
)
# in the order in which a reader asks: what does it make, how well, what does it know, how did it come about
ORDER = (SAMPLES, QUALITY, COVERAGE, TRANSLATED, DECODED, DENSITY, SCORES, LATENTS, PROBED, ANALYSED)
LAST = (TRAINING, ADVICE, MISSING)


log = logging.getLogger("pyrogen")


def write_run_report(folder: str | Path, model: Model | None = None, data: Data | None = None) -> Path:
    """Write ``report.html`` and ``figures/`` of a run from what is in its folder.

    What needs the data is left out, and said to be, where they are gone.

    Args:
        folder: of the run.
        model: needed only where the run's model was made with networks of your own, as in :func:`pyrogen.load`.
        data: needed only where the run was trained on arrays.

    Raises:
        ValueError: a file in the folder is missing or damaged.
    """
    folder = Path(folder)
    config, model = storage.read_config(folder), storage.load(folder, model)
    shown, said = panels(folder, config, model, data), _data_section(config)
    save_svgs(folder / "figures", {panel.name: panel.figure for panel in shown if panel.figure is not None})
    title = f"{config['model'].get('entry', type(model).__name__)} on {said.get('name', 'data of its own')}"
    titles = dict.fromkeys(panel.section for panel in shown)
    middle = [t for t in titles if t not in (*ORDER, *LAST)]
    sections = [_section(t, shown) for t in (*ORDER, *middle, *LAST) if t in titles]
    sections += [*paper_section(config), recipe_section(config, model), setup_section(config, model, folder)]
    return write_report(folder / "report.html", title, _subtitle(model, said), sections)


def report(run: Run | str | Path) -> Path:
    """Write ``report.html`` of a run, or of what its folder holds; returns its path.

    Args:
        run: what :func:`~pyrogen.inference.fit` or :func:`pyrogen.load_run` gave, or a folder.

    Raises:
        ValueError: the run has no folder, or a file in it is missing or damaged.
    """
    if not isinstance(run, Run):
        return write_run_report(run)
    if run.folder is None:
        raise ValueError("a report is written into the folder of a run, and this one has none; fit(..., folder=...).")
    # a model of the same networks, to be filled with what the folder holds, where the data are
    return write_run_report(run.folder, copy.deepcopy(run.model).cpu(), run.data)


def panels(folder: Path, config: Mapping[str, Any], model: Model, data: Data | None = None) -> list[Panel]:
    """All that can be shown of a run, section by section.

    Raises:
        ValueError: a file in the folder is damaged.
    """
    data, missing = _data_of(folder) if data is None else (data, [])
    history, kind = _history(folder), str(_data_section(config).get("kind"))
    found = [*missing, *_scores(folder, model, data), *training_sections.films(folder, data, kind)]
    found += _alone(model, kind) if data is None else _shown(model, data, history)
    found += _tried("quality", model, lambda: quality(folder, model, data))
    found += _tried("probes", model, lambda: probes(folder))
    return [*found, *_analysed(folder), *training_sections.curves(history), *_unfinished(folder, config, history)]


def _data_section(config: Mapping[str, Any]) -> Mapping[str, Any]:
    said = config.get("data")
    return said if isinstance(said, dict) else {}


# -- what is in a run's folder ---------------------------------------------------------------------------------------


def _data_of(folder: Path) -> tuple[Data | None, list[Panel]]:
    try:
        return data_of(folder), []
    except ValueError as error:
        return None, [Panel(MISSING, f"Everything that is drawn from the data: {first_line(error)}")]


def _history(folder: Path) -> History:
    """The metrics, with every number one that can be drawn.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        history = read_history(folder)
        for row in history:
            epoch = row.get("epoch", 0)
            if isinstance(epoch, bool) or not isinstance(epoch, (int, float)) or not abs(epoch) < 1e15:
                raise ValueError(f"{folder / METRICS} is damaged: a line is of epoch {epoch!r:.40}.")
            for value in row.values():
                if isinstance(value, int):
                    float(value)
    except (OverflowError, RecursionError) as error:
        raise ValueError(f"{folder / METRICS} is damaged: {first_line(error)}") from error
    return history


def _scores(folder: Path, model: Model, data: Data | None) -> Iterator[Panel]:
    scores = read_scores(folder)
    yield from shown_scores(folder, scores, data)
    if not scores and isinstance(model, (Pair, HasLogProb, HasPartition)):
        yield Panel(
            ADVICE,
            f"Not scored yet: {again(folder, 'evaluate', 'evaluate()')} adds an estimate with its errors to this page, where "
            "there is one.",
        )


def _analysed(folder: Path) -> Iterator[Panel]:
    kept, stale = read_findings(folder)
    yield from of_stale(stale)
    if kept is not None and kept.findings:
        rows = [(kept.titles[name], found.verdict, found.says) for name, found in kept.findings.items()]
        said = f"What pyrogen latents found{of_weights(kept.attributes)}; its pictures are in {PAGE}, beside this page."
        yield Panel(ANALYSED, said, table=[("question", "verdict", "answer"), *rows])


def _unfinished(folder: Path, config: Mapping[str, Any], history: History) -> Iterator[Panel]:
    if not (folder / storage.WEIGHTS).is_file():
        told = config["fit"].get("epochs") if isinstance(config.get("fit"), dict) else None
        wished = sum(n for n in each(told) if isinstance(n, int))
        done = max((row.get("epoch", 0) for row in history), default=0)
        yield Panel(
            ADVICE,
            f"Training has not ended: this page shows the weights of the last checkpoint, after {done} of {wished} epochs.",
        )


# -- the page --------------------------------------------------------------------------------------------------------


def _shown(model: Model, data: Data, history: History) -> Iterator[Panel]:
    for capability, functions in PANELS:
        for function in functions if isinstance(model, capability) else ():
            yield from _tried(function.__name__, model, functools.partial(function, model, data, history))


def _alone(model: Model, kind: str) -> Iterator[Panel]:
    tokens = (text_sections.alone(model), music_sections.alone(model))
    alone = itertools.chain(*tokens) if kind == "tokens" else sample_sections.alone(model, kind)
    yield from _tried("samples", model, lambda: alone)


def _tried(name: str, model: Model, panels: Callable[[], Iterator[Panel]]) -> list[Panel]:
    found = []
    try:
        with evaluating(model), seeded(0):
            for panel in panels():
                found.append(panel)  # what came before a failure stays
    except Exception as error:  # one section that fails does not take the others with it
        if is_lack(error):
            raise
        log.debug("the section %s of a report failed.", name, exc_info=True)
        found.append(Panel(MISSING, f"{name.replace('_', ' ').capitalize()}: {reason(error)}"))
    return found


def _section(title: str, shown: Sequence[Panel]) -> Section:
    mine = [panel for panel in shown if panel.section == title]
    tables = [panel for panel in mine if panel.table]
    first = tables[0] if tables else None
    table = () if first is None else first.table
    text = "\n\n".join(panel.caption for panel in mine if panel.figure is None and (not panel.table or panel is first))
    figures = [(panel.caption, panel.figure) for panel in mine if panel.figure is not None]
    code = "\n".join(panel.code for panel in mine if panel.code)
    return Section(title, text, table, figures, code, [(panel.caption, panel.table) for panel in tables[1:]])


def _subtitle(model: Model, data: Mapping[str, Any]) -> str:
    standardized = ["x is standardized: drawn in standard deviations"] if data.get("standardize") else []
    axes = [f"{axis.axes[0]} {type(axis).__name__}" for axis in model.children() if isinstance(axis, Axis)]
    return " · ".join([type(model).__name__, *axes, f"{data.get('kind', 'unknown')} data", *standardized])
