"""A classifier of few labels taught on samples of a conditional model beside the data, and without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Model
from pyrogen.data import Data
from pyrogen.data.split import evenly
from pyrogen.inference.latents.analysis import Analysis, Finding
from pyrogen.inference.latents.judging import Judge, unjudged
from pyrogen.inference.objectives.augmentations import Augmentation
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.door import verb
from pyrogen.inference.representations.shares import Shares
from pyrogen.kinds import is_picture
from pyrogen.registry import choice, make
from pyrogen.seeds import derived

SAMPLES, PLAIN, VIEWS, DEALT = (
    "data and samples",
    "data alone",
    "data and views of them",
    "samples of classes dealt out at random",
)


@verb
def augment(
    model: Model,
    data: Data,
    made: int = 100,
    augmentation: Augmentation | str | Mapping[str, Any] | None = None,
    judge: Judge | str | Mapping[str, Any] = "SupportVectors",
    draws: int = 5,
    limit: int = 2000,
    seed: int = 0,
) -> Shares:
    """How often a classifier names test data right that was taught on labelled data and on samples x ~ p(x|y) beside them.

    Beside it stand the same classifier of the data alone; of these and as many views of them, moved a little as its user
    would; and, as a control, of samples whose classes were dealt out at random. The classifier learns from the labels that
    the data have, ``load(..., labels=100)``: a model that was trained on more of them only tells what it was told.

    Should not be confused with the classification accuracy score, of samples alone: Ravuri & Vinyals 2019, arXiv:1905.10887.
    Reference: Antoniou, Storkey & Edwards 2017, Data augmentation generative adversarial networks, arXiv:1711.04340.

    Args:
        model: conditional on one label a datum, which may be missing.
        data: with such labels.
        made: samples, and views, of each class.
        augmentation: which views, on the axis "augmentation"; None: Affine of images, else Corrupted.
        judge: the classifier.
        draws: of samples and views.
        limit: test data that are looked at.
        seed: of what is drawn.

    Raises:
        ValueError: a model that makes no data of given classes, data without labels, no draws, or more samples than the
            classifier learns from beside some data of each class.
    """
    if why := _useless(model, data):
        raise ValueError(why)
    if made < 1 or draws < 1:
        raise ValueError(f"made={made}, draws={draws}: needs 1 sample of each class and 1 draw or more.")
    usual = "Affine" if is_picture(data.x_shape) else "Corrupted"
    view: Augmentation = make("augmentation", augmentation or usual)
    classifier: Judge = make("judge", judge)
    x, y, asked, truth = _labelled(data, limit)
    classes = y.unique().repeat_interleave(made)
    rows = _room(y, len(classes), classifier)
    x, y = x[rows], y[rows]
    own = classifier.learn(x, y).names(asked) == truth
    hits: dict[str, list[Tensor]] = {SAMPLES: [], PLAIN: [], VIEWS: [], DEALT: []}
    for draw in range(draws):
        with evaluating(model), seeded(derived(seed, 17, draw)[0], model.device):
            drawn = model.sample_mean(len(classes), classes.to(model.device)).cpu()
            rows = torch.cat(
                [(y == k).nonzero()[:, 0][torch.randint(int((y == k).sum()), (made,))] for k in y.unique()]
            )
            views = view(x[rows])
            dealt = classes[torch.randperm(len(classes))]
        for way, more, named in ((SAMPLES, drawn, classes), (VIEWS, views, y[rows]), (DEALT, drawn, dealt)):
            learned = classifier.learn(torch.cat([x, more]), torch.cat([y, named]))
            hits[way].append(learned.names(asked) == truth)
        hits[PLAIN].append(own)
    return Shares(
        {"test data": {way: torch.stack(right) for way, right in hits.items()}},
        f"A classifier learns from {len(y)} labels of {data.name!r}, and from {made} samples of each of {len(y.unique())} "
        f"classes beside them, drawn {draws} times; {len(truth)} test data judge.",
    )


@choice("analysis", "augmentation")
class Augmented(Analysis):
    """Whether samples of given classes teach a classifier what its few labels do not, see :func:`augment`.

    Args:
        made: samples of each class.
        augmentation: the views that they are compared with; None: the usual ones of such data.
        judge: the classifier.
        draws: of samples and views.
        limit: test data that are looked at.
    """

    title = "Are samples worth training data?"
    order = 68

    def __init__(
        self,
        made: int = 100,
        augmentation: str | None = None,
        judge: str = "SupportVectors",
        draws: int = 3,
        limit: int = 2000,
    ) -> None:
        self.made, self.augmentation, self.judge, self.draws, self.limit = made, augmentation, judge, draws, limit

    def refusal(self, model: Model, data: Data) -> str:
        """Why it cannot be asked."""
        return _useless(model, data)

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Ask it."""
        found = augment(model, data, self.made, self.augmentation, self.judge, self.draws, self.limit, seed)
        return found.finding("augmentation", "samples that teach no more than views of the data are not worth drawing")


def _useless(model: Model, data: Data) -> str:
    """Why a model's samples teach no classes, in one sentence; "" where they may."""
    condition = model.condition
    if condition is None or condition.one_of is None:
        return f"{type(model).__name__} makes no data of a given class, as one that is conditional on one label does."
    return unjudged(data)


def _room(y: Tensor, made: int, classifier: Judge) -> Tensor:
    """The data that a classifier has room for beside so many samples, ``(n,)``: of all ways the same, and no sample goes."""
    if classifier.limit is None or len(y) + made <= classifier.limit:
        return torch.arange(len(y))
    by_class = y.argsort(stable=True)
    rows = by_class[evenly(len(y), max(0, classifier.limit - made))].sort().values
    if len(y[rows].unique()) < len(y.unique()):
        raise ValueError(
            f"made={made // len(y.unique())} samples of each of {len(y.unique())} classes leave no room for data of each: "
            f"the judge learns from {classifier.limit} at most; make fewer, or raise its limit."
        )
    return rows


def _labelled(data: Data, limit: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The training data whose label is known, and such test data, with their labels."""
    train, test = data.train.known(), data.test.known().spread(limit)
    assert train.y is not None  # else nobody could judge
    assert test.y is not None
    return train.x.cpu(), train.y.cpu(), test.x.cpu(), test.y.cpu()
