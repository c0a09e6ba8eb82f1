"""Figures as SVG that reads on light and on dark pages: one file, whose own style sheet asks for the reader's preference."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from urllib.parse import quote
from weakref import WeakKeyDictionary

import matplotlib as mpl
from matplotlib.figure import Figure

from pyrogen.figures.figure_style import FRAME, INK, LINE, MUTED

DPI = 144
# what lines and letters are on a dark page; other colours read on both
DARK: Mapping[str, str] = {INK: "#e3e8ed", MUTED: "#a9b4bf", LINE: "#323a43", FRAME: "#56616c"}
# what a browser takes as it is within an attribute and a data URI
PLAIN = " !$'()*+,-./:;=?@[]^_`{|}~"


_drawn: WeakKeyDictionary[Figure, str] = WeakKeyDictionary()


def to_svg(figure: Figure) -> str:
    """The figure without a background; pictures keep their own pixels, and very many points are drawn as pixels.

    Equal figures make equal text. A figure is drawn once, however often it is asked for: drawing is what a report costs.
    """
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


def data_uri(figure: Figure) -> str:
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
