"""Figures as SVG that reads on light and on dark pages: one file, whose own style sheet asks for the reader's preference."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote
from weakref import WeakKeyDictionary

import matplotlib as mpl
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import FRAME, INK, LINE, MUTED

DPI = 144
POINTS, CSS_DPI = 72, 96  # an inch
# what lines and letters are on a dark page; other colours read on both
DARK: Mapping[str, str] = {INK: "#e3e8ed", MUTED: "#a9b4bf", LINE: "#323a43", FRAME: "#56616c"}
# what a browser takes as it is within an attribute and a data URI
PLAIN = " !$'()*+,-./:;=?@[]^_`{|}~"


@dataclass(frozen=True)
class Drawing:
    """A figure that was drawn before, as :func:`to_svg` gave it."""

    svg: str


_drawn: WeakKeyDictionary[Figure, str] = WeakKeyDictionary()


def to_svg(figure: Figure | Drawing) -> str:
    """The figure without a background; pictures keep their own pixels, and very many points are drawn as pixels.

    Equal figures make equal text. A figure is drawn once, however often it is asked for: drawing is what a report costs.
    """
    if isinstance(figure, Drawing):
        return figure.svg
    if figure not in _drawn:
        _drawn[figure] = _draw(figure)
    return _drawn[figure]


def _draw(figure: Figure) -> str:
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "pyrogen"}):
        figure.savefig(buffer, format="svg", dpi=DPI, transparent=True, metadata={"Date": None})
    _, _, whole = buffer.getvalue().decode("utf-8").partition("<svg")
    opening, _, rest = whole.partition(">")
    rest = re.sub(r"<metadata>.*?</metadata>", "", rest, flags=re.DOTALL)
    # image data are broken into lines, and drawing orders are written with more digits than a screen has
    rest = re.sub(r"(?<=[A-Za-z0-9+/=])\n(?=[A-Za-z0-9+/=])", "", rest)
    rest = re.sub(r"(\d\d\.\d\d)\d+", r"\1", rest)
    return f"<svg{opening}><style>{_sheet()}</style>{rest}"


def pixels(figure: Figure | Drawing) -> tuple[int, int]:
    """Width and height on a page; of a drawing without them those of a usual figure."""
    if isinstance(figure, Drawing):
        opening = figure.svg.partition(">")[0]
        sides = [re.search(rf'\b{side}="([\d.]+)pt"', opening) for side in ("width", "height")]
        width, height = (float(found[1]) / POINTS if found else 4.0 for found in sides)
    else:
        width, height = figure.get_size_inches()
    return round(width * CSS_DPI), round(height * CSS_DPI)


def data_uri(figure: Figure | Drawing) -> str:
    """The same as the address of an image."""
    one_line = re.sub(r"\s+", " ", to_svg(figure))
    return f"data:image/svg+xml,{quote(one_line, safe=PLAIN)}"


def _sheet() -> str:
    rules = (
        f'[style*="{what}: {light}"]{{{what}:{dark}!important}}'
        for light, dark in DARK.items()
        for what in ("fill", "stroke")
    )
    return f"@media (prefers-color-scheme: dark){{{''.join(rules)}}}"
