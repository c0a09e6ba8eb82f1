"""What an entry draws whose weights come with the package, as the gallery shows it: a picture, or sentences."""

import io

import torch
from matplotlib.figure import Figure

import pyrogen
from pyrogen.base import HasClassifier
from pyrogen.figures import plots
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.runs.recipe import data_of
from pyrogen.pretrained import has_weights, pretrained_folder

PICTURES = 36
POINTS = 500
SENTENCES = 6


def drawn(name: str) -> Figure | list[str] | None:
    """Means of samples at seed 0, sentences of texts; nothing of entries without weights, or that draw no x."""
    if not has_weights(name):
        return None
    model, data = pyrogen.load(pretrained_folder(name)), data_of(pretrained_folder(name))
    if isinstance(model, HasClassifier):
        return None
    words, plane = data.vocabulary, len(data.x_shape) == 1
    n = SENTENCES if words else POINTS if plane else PICTURES
    y = data.test.y if data.test.y is None else data.test.y[torch.arange(n) % len(data.test)]
    with evaluating(model), seeded(0):
        x = (model.sample if words or plane else model.sample_mean)(n, model.condition_for(y))
    return words.write(x) if words else plots.samples(x, data.kind, data.test.x[:n] if plane else None)


def as_png(figure: Figure) -> bytes:
    """The same bytes for the same picture, so that a page that has not changed is not made again."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=96, bbox_inches="tight", metadata={"Software": None})
    return content.getvalue()
