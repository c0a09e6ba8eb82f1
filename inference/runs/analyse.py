"""All that can be asked of a run's latents, asked: the findings, and what is kept of them."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pyrogen import registry
from pyrogen.data import Data
from pyrogen.figures.report import Section, save_svgs, write_report
from pyrogen.files import plain_json, reason, sentence, write
from pyrogen.inference.evidence.request import of_weights
from pyrogen.inference.latents.analysis import VERDICTS, Analysis, Finding
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.inference.runs.kept_findings import FACTS, FIGURES, read_kept
from pyrogen.inference.runs.recipe import judged
from pyrogen.inference.training.run import Run
from pyrogen.memory import enough_memory, is_lack
from pyrogen.seeds import check_seed

PAGE = "latents.html"
WIDTH, NAME, VERDICT = 112, 16, 8


@dataclass(frozen=True)
class Analysed:
    """What was found of a run's latents.

    Attributes:
        title: of what.
        findings: the answers, by the names of their analyses.
        titles: the questions, likewise.
        refused: the analyses that could not be asked, and why.
        attributes: what was judged: hashes of weights, model and data, the weights' name, the seed, and the analyses'
            settings.
    """

    title: str
    findings: Mapping[str, Finding]
    titles: Mapping[str, str]
    refused: Mapping[str, str]
    attributes: Mapping[str, Any]

    @property
    def advice(self) -> list[str]:
        """What to do next, each once, that of the worst findings first."""
        ordered = sorted(self.findings.values(), key=lambda found: VERDICTS.index(found.verdict))
        advice = [sentence(found.advice) for found in ordered if found.advice]
        return list(dict.fromkeys(advice))

    def text(self) -> str:
        """The findings as lines for a terminal."""
        answers = [_told(name, found.verdict, found.says) for name, found in self.findings.items()]
        return "\n".join([*answers, *(_told(name, "–", why) for name, why in self.refused.items()), *self.next_lines()])

    def next_lines(self) -> list[str]:
        """What to do next, as lines for a terminal."""
        return [_told("next", "", advice) for advice in self.advice]

    def to_dict(self) -> dict[str, Any]:
        """All but the pictures, as plain data."""
        found = {
            name: {
                "question": self.titles[name],
                "verdict": f.verdict,
                "says": f.says,
                "advice": f.advice,
                "numbers": f.numbers,
                "table": [[str(cell) for cell in row] for row in f.table],
                "pictures": [{"name": p.name, "caption": p.caption} for p in f.pictures],
            }
            for name, f in self.findings.items()
        }
        return {"attributes": dict(self.attributes), "findings": found, "refused": dict(self.refused)}

    def save(self, folder: str | Path) -> Path:
        """Write ``latents.json``, the pictures into ``latents/``, and the page ``latents.html``, whose path is returned.

        What the folder keeps of other analyses stays, if it judged the same weights, model and data with the same seed.
        """
        folder = Path(folder)
        whole = self.beside(folder)
        shown = {f"{name}-{p.name}": p.figure for name, found in whole.findings.items() for p in found.pictures}
        save_svgs(folder / FIGURES, shown)
        write(folder / FACTS, json.dumps(plain_json(whole.to_dict()), indent=1, allow_nan=False))
        return write_report(folder / PAGE, f"The latents of {self.title}", whole._subtitle(), list(whole._sections()))

    def beside(self, folder: str | Path) -> Analysed:
        """These findings, and those that a folder keeps of analyses that were not asked again, in their usual order."""
        try:
            kept = read_kept(folder)
        except ValueError:
            return self  # what is damaged is renewed
        if kept is None or _judged(kept.attributes) != _judged(self.attributes):
            return self
        asked = self.attributes["analyses"]
        settings = {name: how for name, how in kept.attributes.get("analyses", {}).items() if name not in asked}
        findings = {**{name: f for name, f in kept.findings.items() if name in settings}, **self.findings}
        return Analysed(
            self.title,
            {name: findings[name] for name in sorted(findings, key=_order)},
            {**kept.titles, **self.titles},
            {**{name: why for name, why in kept.refused.items() if name in settings}, **self.refused},
            {**self.attributes, "analyses": {**settings, **asked}},
        )

    def _begun(self) -> Analysed:
        """Without the questions that have no answer yet, so that earlier answers to them stay."""
        asked = {
            name: how for name, how in self.attributes["analyses"].items() if name in {**self.findings, **self.refused}
        }
        return replace(self, attributes={**self.attributes, "analyses": asked})

    def _subtitle(self) -> str:
        counts = {verdict: sum(f.verdict == verdict for f in self.findings.values()) for verdict in VERDICTS}
        said = " · ".join(f"{n} {verdict}" for verdict, n in counts.items() if n) or "nothing could be asked"
        return f"{said}{of_weights(self.attributes).replace(' of', ' · of', 1)}"

    def _sections(self) -> Iterator[Section]:
        rows = [(self.titles[name], f.verdict, f.says) for name, f in self.findings.items()]
        if rows:
            yield Section("In short", table=[("question", "verdict", "answer"), *rows])
        for name, found in self.findings.items():
            pictures = [(picture.caption, picture.figure) for picture in found.pictures]
            yield Section(self.titles[name], found.says, found.table, pictures)
        if self.advice:
            yield Section("What to do next", "\n\n".join(self.advice))
        if self.refused:
            yield Section("What could not be asked", "\n\n".join(f"{k}: {why}" for k, why in self.refused.items()))

    def _repr_html_(self) -> str:
        from pyrogen import html

        rows = [(name, f"{f.verdict}: {f.says}") for name, f in self.findings.items()]
        return html.block(self.title, html.table(rows, ("analysis", "finding")))


def analyse(
    run: Run | str | Path,
    analyses: Sequence[str | Analysis] | None = None,
    *,
    weights: str = "last",
    seed: int = 0,
) -> Analysed:
    """Ask questions of a run's latents, and keep the answers in its folder, if it has one, beside those to other questions.

    Args:
        run: what :func:`~pyrogen.inference.fit` or :func:`pyrogen.load_run` gave, or a folder.
        analyses: which questions, names on the axis "analysis" or objects with settings of their own; by default all.
        weights: "last", "best" or "ema".
        seed: of all random draws.

    Raises:
        ValueError: no such analysis, run or weights, or one that was named cannot be asked of this run.
    """
    found = ask(run, analyses, weights=weights, seed=seed)
    if (folder := run.folder if isinstance(run, Run) else run) is not None:
        found.save(folder)
    return found


def ask(
    run: Run | str | Path,
    analyses: Sequence[str | Analysis] | None = None,
    *,
    weights: str = "last",
    seed: int = 0,
    tell: Callable[[str], None] = lambda line: None,
) -> Analysed:
    """The answers alone; ``tell`` hears each as soon as it is there, see :func:`analyse`.

    If it breaks off, what was found by then is kept in the run's folder, if it has one.

    Raises:
        ValueError: as there.
    """
    check_seed(seed)
    chosen = _chosen(analyses)
    run, model, files = judged(run, weights)
    data = run.data
    refused = {name: why for name, analysis in chosen.items() if (why := analysis.refusal(model, data))}
    for name, why in refused.items() if analyses is not None else ():
        raise ValueError(f"the analysis {name!r} cannot be asked here: {why}")
    asked = {name: registry.describe(analysis) for name, analysis in chosen.items()}
    titles = {name: analysis.title for name, analysis in chosen.items()}
    attributes = {**files, "weights": weights, "seed": seed, "analyses": asked}
    findings: dict[str, Finding] = {}
    found = Analysed(_title(run, data), findings, titles, refused, attributes)
    try:
        for name, analysis in chosen.items():
            if name in refused:
                continue
            try:
                with evaluating(model), enough_memory(f"leave the analysis {name!r} out"):
                    findings[name] = answer = analysis.run(model, data, seed)
            except Exception as error:
                if analyses is not None or is_lack(error):
                    raise
                refused[name] = reason(error)
            else:
                tell(_told(name, answer.verdict, answer.says))
    except BaseException:  # also one who loses patience keeps what was found by then
        if run.folder is not None and findings:
            found._begun().save(run.folder)
        raise
    for name, why in refused.items():
        tell(_told(name, "–", why))
    return found


def _chosen(analyses: Sequence[str | Analysis] | None) -> dict[str, Analysis]:
    if analyses is None:
        everything = {name: registry.find("analysis", name).load()() for name in registry.choices("analysis")}
        return dict(sorted(everything.items(), key=lambda item: item[1].order))
    if isinstance(analyses, str) or not analyses:
        raise ValueError(
            f"analyses={analyses!r}: expected a list of names, such as ['{registry.choices('analysis')[0]}']."
        )
    made = [registry.make("analysis", one) for one in analyses]
    return {registry.describe(one)["name"]: one for one in made}


def _order(name: str) -> int:
    known = name in registry.choices("analysis")
    return registry.find("analysis", name).load().order if known else Analysis.order


def _judged(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if name != "analyses"}


def _title(run: Run, data: Data) -> str:
    origin = run.model.origin or {}
    return f"{origin.get('entry', type(run.model).__name__)} on {data.name}"


def _told(name: str, verdict: str, words: str) -> str:
    head = f"{name:{NAME}}{verdict:{VERDICT}}"
    indent = " " * (NAME + VERDICT)
    return textwrap.fill(words, WIDTH, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False)
