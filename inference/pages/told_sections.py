"""What a model makes of sentences, and of layouts in the style of other pictures."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import torch

from pyrogen.data import Data
from pyrogen.figures import plots
from pyrogen.inference.pages.panel import DECODED, SAMPLES, History, Panel
from pyrogen.inference.quality.side_by_side import shown, shows_given
from pyrogen.kinds import is_picture

SENTENCES, DRAWS = 6, 6
LAYOUTS, STYLES = 5, 8


def sentences(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Captions of test data, what the model makes of each at several draws, and the picture that it was written of."""
    if data.y_kind != "tokens" or model.condition is None or not is_picture(model.x_shape) or data.test.y is None:
        return
    part = data.test.spread(SENTENCES)
    assert part.y is not None
    said = [" ".join(data.class_names[k] for k in row if k) for row in part.y.tolist()]
    made = [model.sample_mean(len(part), part.y.to(model.device)).to(part.x) for _ in range(DRAWS)]
    figure = plots.strips(
        torch.stack([*made, part.x], 1),
        data.kind,
        [textwrap.fill(line, plots.LINE) for line in said],
        [*[""] * DRAWS, "truth"],
    )
    yield Panel(
        SAMPLES,
        f"Captions of test data, {DRAWS} draws of the model for each, and the true picture.",
        "sentences",
        figure,
    )


def styles(model: Any, data: Data, history: History) -> Iterator[Panel]:
    """Layouts of test data, each in the styles of other pictures, of models that encode these apart from the layout."""
    lent = data.test.spread(STYLES)
    if not shows_given(model, lent) or data.y_kind != "layout" or lent.y is None:
        return
    codes = model.code(lent.x.to(model.device), lent.y.to(model.device))
    layouts = lent.y[:LAYOUTS].to(model.device)
    rows = [model.decode(codes, one.expand(len(codes), *one.shape)).mean.to(lent.x) for one in layouts]
    beside = shown(lent.y[:LAYOUTS], model.condition, lent.x[:LAYOUTS]).to(lent.x)
    table = [torch.cat([torch.zeros_like(lent.x[:1]), lent.x])]
    table += [torch.cat([layout.unsqueeze(0), row]) for layout, row in zip(beside, rows, strict=True)]
    caption = (
        "Above, test data that lend their style; on the left, layouts; and each layout in each style: things should stay "
        "where the layout has them, and look as above."
    )
    yield Panel(DECODED, caption, "styles", plots.strips(torch.stack(table), data.kind))
