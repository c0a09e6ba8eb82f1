"""A page that explains a run: titled sections of text, tables and figures in one HTML file that needs nothing else."""

from __future__ import annotations

import io
import math
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from importlib.metadata import version
from itertools import pairwise, product, zip_longest
from pathlib import Path

from matplotlib.figure import Figure

from pyrogen.figures.svg import Drawing, data_uri, pixels, to_svg
from pyrogen.files import write

DPI = 144
MOST = 12  # figures whose places are tried in all ways
WIDE = 500  # pixels, from which on a figure has a row of its own
NUMBER = re.compile(r"[-−+±≥≤<>~≈]?\s*[\d.,]+[\d\s.,%e×±()+−-]*|[-−]?(nan|inf|∞)|[-–—]?", re.IGNORECASE)


@dataclass(frozen=True)
class Section:
    """A part of a report: figures with their captions, then text, code, a table (first row the header), and more tables, each
    below words of its own.

    Everything is plain text; a blank line in ``text`` begins a paragraph.
    """

    title: str
    text: str = ""
    table: Sequence[Sequence[str]] = ()
    figures: Sequence[tuple[str, Figure | Drawing]] = ()
    code: str = ""
    tables: Sequence[tuple[str, Sequence[Sequence[str]]]] = ()


def write_report(
    path: str | Path, title: str, subtitle: str, sections: Sequence[Section], date: datetime | None = None
) -> Path:
    """Write one self-contained page, atomically: no scripts, no network, light or dark as the reader prefers."""
    page = PAGE.format(
        style=STYLE,
        title=escape(title),
        subtitle=escape(subtitle),
        contents=_contents(sections),
        sections="\n".join(_section(i, section) for i, section in enumerate(sections, start=1)),
        footer=_footer(date or datetime.now().astimezone()),
    )
    return write(Path(path), page.encode("utf-8", "replace"))


def save_svgs(folder: str | Path, figures: Mapping[str, Figure | Drawing]) -> list[Path]:
    """Write each figure to ``folder/name.svg``, as it stands in a report, and remove those that were there before."""
    for path in Path(folder).glob("*.svg"):
        if path.stem not in figures:
            path.unlink()
    return [write(Path(folder) / f"{name}.svg", to_svg(figure).encode()) for name, figure in figures.items()]


def save_figures(folder: str | Path, figures: Mapping[str, Figure]) -> list[Path]:
    """Write each figure to ``folder/name.png``, atomically."""
    return [write(Path(folder) / f"{name}.png", _png(figure)) for name, figure in figures.items()]


def _contents(sections: Sequence[Section]) -> str:
    if len(sections) < 2:
        return ""
    entries = [f'<li><a href="#section-{i}">{escape(s.title)}</a></li>' for i, s in enumerate(sections, start=1)]
    return f'<nav aria-label="Contents"><ol>{"".join(entries)}</ol></nav>'


def _section(number: int, section: Section) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"]
    if section.figures:
        parts.append(_figures(section.figures))
    parts += _paragraphs(section.text)
    if section.code:
        parts.append(f"<pre><code>{escape(section.code)}</code></pre>")
    if section.table:
        parts.append(_table(section.table, section.title))
    for words, table in section.tables:
        parts += [*_paragraphs(words), _table(table, section.title)]
    return f'<section id="section-{number}">\n' + "\n".join(parts) + "\n</section>"


def _paragraphs(text: str) -> list[str]:
    return [f"<p>{escape(paragraph.strip())}</p>" for paragraph in text.split("\n\n") if paragraph.strip()]


def _table(table: Sequence[Sequence[str]], label: str) -> str:
    header, *body = [[str(cell) for cell in row] for row in table]
    numeric = [all(map(NUMBER.fullmatch, column)) for column in zip_longest(*body, fillvalue="")]
    rows = "".join(_row("td", row, numeric) for row in body)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table: {escape(label)}">'
        f"<table><thead>{_row('th', header, numeric)}</thead><tbody>{rows}</tbody></table></div>"
    )


def _row(tag: str, row: Sequence[str], numeric: Sequence[bool]) -> str:
    looks = [' class="number"' if number else "" for number in numeric]
    cells = [f"<{tag}{look}>{escape(cell)}</{tag}>" for cell, look in zip_longest(row, looks, fillvalue="")]
    return f"<tr>{''.join(cells)}</tr>"


def _figures(figures: Sequence[tuple[str, Figure | Drawing]]) -> str:
    """Figures in blocks of two columns as equally high as can be, between wide ones; phones have them in their order."""
    blocks: list[list[int]] = [[]]
    for i, (_, figure) in enumerate(figures):
        blocks += [[i], []] if pixels(figure)[0] > WIDE else []
        blocks[-1] += [] if pixels(figure)[0] > WIDE else [i]
    shown = [_figure(*figure, i) for i, figure in enumerate(figures)]
    parts = []
    for block in (block for block in blocks if block):
        left, right, alone = _columns([_height(*figures[i]) for i in block])
        if right:
            columns = (f'<div class="column">{"".join(shown[block[i]] for i in side)}</div>' for side in (left, right))
            parts.append(f'<div class="figures">{"".join(columns)}</div>')
        look = "wide" if pixels(figures[block[-1]][1])[0] > WIDE else "alone"
        parts += [f'<div class="{look}">{shown[block[i]]}</div>' for i in alone]
    return "".join(parts)


def _columns(heights: Sequence[float]) -> tuple[list[int], list[int], list[int]]:
    """Which figures stand left, right, and in a row of their own with their words beside: what leaves least room empty."""
    best: tuple[float, tuple[list[int], list[int], list[int]]] = (math.inf, ([], [], list(range(len(heights)))))
    for single in (False, True):
        many = len(heights) - single
        if many < 2:
            continue
        for rest in product((False, True), repeat=min(many, MOST) - 2):
            goes = (False, True, *rest, *(i % 2 == 1 for i in range(MOST, many)))
            sides = [i for i in range(many) if not goes[i]], [i for i in range(many) if goes[i]]
            left, right = (sum(heights[i] for i in side) for side in sides)
            empty = abs(left - right) + (0.5 * heights[-1] if single else 0.0)
            # of equally good ones that in which most figures change sides, as one reads
            empty -= 1e-3 * sum(a != b for a, b in pairwise(goes))
            best = min(best, (empty, (*sides, [many] if single else [])), key=lambda found: found[0])
    return best[1]


def _height(caption: str, figure: Figure | Drawing) -> float:
    return pixels(figure)[1] + 60 + 20 * (len(caption) // 65)


def _figure(caption: str, figure: Figure | Drawing, order: int) -> str:
    width, height = pixels(figure)
    image = f'<img src="{data_uri(figure)}" alt="{escape(caption)}" width="{width}" height="{height}">'
    return f'<figure style="order:{order}">{image}<figcaption>{escape(caption)}</figcaption></figure>'


def _footer(date: datetime) -> str:
    made_by = f"pyrogen {version('pyrogen')} · torch {version('torch')} · Python {platform.python_version()}"
    time = f'<time datetime="{date.isoformat(timespec="seconds")}">{date:%Y-%m-%d %H:%M} {date.tzname() or ""}</time>'
    return f"{escape(made_by)} · {escape(platform.platform(terse=True))} · {time}"


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


# The policy makes the promise enforceable: a browser loads nothing but what is in the file.
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p>{subtitle}</p>
{contents}
</header>
<main>
{sections}
</main>
<footer>{footer}</footer>
</body>
</html>
"""

STYLE = """
:root { --page: #f6f7f9; --card: #fff; --ink: #25303b; --muted: #5f6b76; --line: #e1e5ea; --link: #2f5f9e; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14181d; --card: #1c2229; --ink: #e3e8ed; --muted: #9aa6b2; --line: #303841; --link: #8fb8ea; }
}
* { box-sizing: border-box; }
body {
  max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.25rem; background: var(--page); color: var(--ink);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; overflow-wrap: anywhere;
}
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.02em; }
h2 { margin: 0 0 .75rem; font-size: 1.2rem; line-height: 1.3; }
p { max-width: 44rem; margin: 0 0 1rem; }
header p { margin: .4rem 0 0; color: var(--muted); font-size: 1.05rem; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
nav ol { display: flex; flex-wrap: wrap; gap: .4rem 1.4rem; margin: 1.25rem 0 0; padding: 0; list-style: none; }
section {
  margin-top: 1.5rem; padding: 1.5rem; background: var(--card); border: 1px solid var(--line); border-radius: 12px;
}
section > :last-child { margin-bottom: 0; }
pre {
  margin: 0 0 1rem; padding: .9rem 1rem; white-space: pre-wrap; background: var(--page); border-radius: 8px;
  font: .85rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace;
}
.scroll { margin-bottom: 1rem; overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; overflow-wrap: normal; }
th, td { padding: .45rem 1.15rem .45rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--muted); font-weight: 600; vertical-align: bottom; }
td:first-child { min-width: 8rem; }
tbody tr:last-child td { border-bottom: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
.figures { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1.75rem; margin-bottom: 1.75rem; }
.column { display: flex; flex-direction: column; gap: 1.75rem; min-width: 0; }
.wide, .alone { margin-bottom: 1.75rem; }
/* what has a row of its own has its words beside it */
.alone figure { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1.75rem; align-items: center; }
figure { min-width: 0; margin: 0; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
figcaption { margin-top: .5rem; color: var(--muted); font-size: .88rem; line-height: 1.45; }
footer { margin-top: 1.5rem; color: var(--muted); font-size: .82rem; }
@media (max-width: 40rem) {
  body { padding: 1.5rem .75rem; }
  section { padding: 1.1rem; }
  .figures { display: flex; flex-direction: column; }
  .column { display: contents; }
  .alone figure { display: block; }
}
"""
