"""Small pieces of HTML for notebooks: titled tables and pictures, every text escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 96


def block(title: str, *parts: str) -> str:
    """A title above parts that are HTML already."""
    return f"<div><p><strong>{escape(title)}</strong></p>{''.join(parts)}</div>"


def table(rows: Sequence[Sequence[object]], header: Sequence[object] = ()) -> str:
    """A table of plain values."""
    head = f"<thead><tr>{_cells(header, 'th')}</tr></thead>" if header else ""
    return f"<table>{head}<tbody>{''.join(f'<tr>{_cells(row)}</tr>' for row in rows)}</tbody></table>"


def text(plain: str) -> str:
    """Lines as they are."""
    return f"<pre>{escape(plain)}</pre>"


def picture(figure: Figure, what: str) -> str:
    """A figure inline, with what it shows for those who cannot see it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    code = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{escape(what)}" src="data:image/png;base64,{code}">'


def _cells(row: Sequence[object], tag: str = "td") -> str:
    return "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in row)
