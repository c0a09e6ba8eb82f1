"""A claim as a picture: seeds of the entry, seeds of the control, and the side on which the bound holds."""

import math
from html import escape
from statistics import fmean

WIDTH, HEIGHT, MARGIN = 420, 58, 12


def figure(claim: dict) -> str:
    """A claim as measured, as an SVG in the colours of the page; a sentence where nothing was."""
    values, control = (_finite(claim[k]) for k in ("values", "control"))
    says = escape(f"{claim['says']} Control: {claim['control_says']}. {claim['verdict']}.")
    if not values:
        return f'<p class="proof">{says}</p>'
    ((kind, limit),) = ((k, v) for k, v in claim["bound"].items() if k != "over")
    limits = list(limit) if kind == "between" else [limit]
    place, shown = _scale([*values, *control, *limits])
    left, right = MARGIN, WIDTH - MARGIN
    if kind == "at_least":
        left = place(limits[0])
    elif kind == "at_most":
        right = place(limits[0])
    else:
        left, right = map(place, limits)
    parts = [
        f'<rect class="holds" x="{left:.1f}" y="6" width="{max(right - left, 1):.1f}" height="32"/>',
        *(f'<line class="bound" x1="{place(v):.1f}" x2="{place(v):.1f}" y1="4" y2="40"/>' for v in limits),
        *(f'<circle class="control" cx="{place(v):.1f}" cy="29" r="4.5"/>' for v in control),
        *(f'<circle class="entry" cx="{place(v):.1f}" cy="15" r="4.5"/>' for v in values),
        *(_label(place(v), f"{v:g}") for v in limits),
        *(_label(place(v), f"{v:.3g}") for v in shown if all(abs(place(v) - place(b)) > 45 for b in limits)),
    ]
    if claim["bound"].get("over") == "mean":
        x = place(fmean(values))
        parts.append(f'<line class="mean" x1="{x:.1f}" x2="{x:.1f}" y1="7" y2="23"/>')
    drawn = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{says}">{"".join(parts)}</svg>'
    kept = "proved" if claim["verdict"] == "proved" else "missed"
    words = (
        f"{escape(claim['says'])} <em>Beside {escape(claim['control_says'])}.</em> <b>{escape(claim['verdict'])}</b>"
    )
    return f'<figure class="proof {kept}">{drawn}<figcaption>{words}</figcaption></figure>'


def _label(x: float, words: str) -> str:
    side = "start" if x < 40 else "end" if x > WIDTH - 40 else "middle"
    return f'<text x="{x:.1f}" y="54" text-anchor="{side}">{words}</text>'


def _scale(values: list[float]):
    """Where a value lies on the page, evenly, or by its logarithm where positive ones span four decades; and the two ends."""
    low, high = min(values), max(values)
    by = math.log10 if low > 0 and high / low > 1e4 else float
    first, span = by(low), (by(high) - by(low)) or 1.0
    usable = WIDTH - 4 * MARGIN
    return (lambda v: 2 * MARGIN + usable * (by(v) - first) / span), (low, high)


def _finite(values) -> list[float]:
    return [v for v in values if v is not None and math.isfinite(v)]
