"""What earlier calls found of a run's latents, read from its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrogen import storage
from pyrogen.figures.svg import Drawing
from pyrogen.files import first_line
from pyrogen.inference.evidence.request import again
from pyrogen.inference.latents.analysis import VERDICTS, Finding, Picture

FACTS, FIGURES = "latents.json", "latents"


@dataclass(frozen=True)
class Kept:
    """The findings of earlier calls.

    Attributes:
        findings: the answers, by the names of their analyses, their pictures as they were drawn.
        titles: the questions, likewise.
        refused: the analyses that could not be asked, and why.
        attributes: what was judged, as of :class:`~pyrogen.inference.runs.analyse.Analysed`.
    """

    findings: Mapping[str, Finding]
    titles: Mapping[str, str]
    refused: Mapping[str, str]
    attributes: Mapping[str, Any]


def read_kept(folder: str | Path) -> Kept | None:
    """What a folder keeps; None where it keeps nothing.

    Raises:
        ValueError: the file is damaged.
    """
    path = Path(folder) / FACTS
    if not path.is_file():
        return None
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        findings = {str(name): _finding(Path(folder) / FIGURES, name, f) for name, f in said["findings"].items()}
        titles = {str(name): str(f["question"]) for name, f in said["findings"].items()}
        refused = {str(name): str(why) for name, why in said["refused"].items()}
        return Kept(findings, titles, refused, {**said["attributes"]})
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        renew = again(folder, "latents", "analyse()")
        raise ValueError(f"{path} is damaged: {first_line(error)}; renew it by {renew}.") from error


def read_findings(folder: str | Path) -> list[tuple[str, str, str, str]]:
    """Question, verdict, answer and advice of each finding in a run's folder that judged what the folder holds now.

    Raises:
        ValueError: the file is damaged.
    """
    kept = read_kept(folder)
    if kept is None:
        return []
    now = storage.fingerprint(folder, str(kept.attributes.get("weights", "last")))
    if any(kept.attributes.get(name) != digest for name, digest in now.items()):
        return []
    return [(kept.titles[name], f.verdict, f.says, f.advice) for name, f in kept.findings.items()]


def _finding(figures: Path, name: str, said: Mapping[str, Any]) -> Finding:
    pictures = [
        Picture(str(shown["name"]), str(shown["caption"]), Drawing(path.read_text(encoding="utf-8")))
        for shown in said.get("pictures", ())
        if (path := figures / f"{name}-{shown['name']}.svg").is_file()
    ]
    if said["verdict"] not in VERDICTS:
        raise ValueError(f"the verdict on {name!r} is {said['verdict']!r}")
    table = [[str(cell) for cell in row] for row in said.get("table", ())]
    return Finding(
        str(said["says"]), said["verdict"], str(said["advice"]), {**said.get("numbers", {})}, pictures, table
    )
