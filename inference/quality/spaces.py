"""In which space samples are compared with data: x itself, what a judge of the domain sees, or a network of photographs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pyrogen.data import Data, load
from pyrogen.data.dataset import MEMORY, found_again
from pyrogen.inference.latents.judging import TrainedJudge, judge_of, unjudged
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.kinds import is_picture, kind_named
from pyrogen.registry import unknown

SPACES = ("auto", "x", "pixels", "judge", "Inception")
FITTED, AXES = 2000, 64  # training data that a space is fitted to; principal axes of pixels
BLOCK = 1000
INCEPTION = "inception_v3_google-0cc3c7bd.pth"
INCEPTION_SIDE, INCEPTION_BLOCK = 299, 32


@dataclass(frozen=True)
class FeatureSpace:
    """A space of features.

    Attributes:
        name: what it is called.
        says: what it is, in words.
        digest: the first 12 hex digits of the hash of all that it was made of: numbers of unlike digests do not compare.
        read: of data ``(N, *x_shape)`` the features, ``(N, F)``.
    """

    name: str
    says: str
    digest: str
    read: Callable[[Tensor], Tensor]

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """The features of data in float64, ``(N, F)``, in parts of so many that memory does not grow with N."""
        return torch.cat([self.read(part.detach().cpu()).flatten(1).double() for part in x.split(BLOCK)])


def space_of(data: Data, features: str | FeatureSpace | TrainedJudge = "auto") -> FeatureSpace:
    """The space of a name, or, of a judge or a space, itself.

    =============  ==================================================================================================
    ``x``          x itself, each element centred and in units of its standard deviation among training data; of angles
                   their cosines and sines
    ``pixels``     the first 64 principal axes of x among training data, all in one unit, in which their mean variance is 1
    ``judge``      what a classifier sees that was trained on the data's own labels, in one unit as well; of data whose y is
                   made of x, as ``reduced(of='mnist')``, on those of the data that they are of
    ``Inception``  the last hidden layer, 2048 wide, of torchvision's Inception, where its weights lie on this machine; not
                   the network whose distances are published
    ``auto``       of pictures ``judge``, or ``pixels`` where there can be none; of what is no vector of numbers, as words,
                   ``judge``; of all else ``x``
    =============  ==================================================================================================

    Raises:
        ValueError: there is no such space, or it cannot be had.
    """
    if isinstance(features, FeatureSpace):
        return features
    if isinstance(features, TrainedJudge):
        return _judged(features, data)
    if features not in SPACES:
        raise unknown("space of features", features, SPACES)
    if features == "auto":
        return _usual(data)
    if features == "judge":
        return _judged(judge_of(grey(labelled(data))), data)
    made: Mapping[str, Callable[[Data], FeatureSpace]] = {
        "x": standardized,
        "pixels": principal,
        "Inception": inception,
    }
    return made[features](data)


def grey(data: Data) -> Data:
    """The data as a judge learns to see them, the same whether a model reads bits, grey values, or these with noise."""
    drawn = data.binarization != "none" or data.dequantization
    if data.source == MEMORY or data.kind not in ("binary", "unit") or not drawn:
        return data
    seen = {"kind": "unit", "binarization": None, "dequantization": False, "labels": None}
    return load(**{**found_again(vars(data)), **seen})


def labelled(data: Data) -> Data:
    """Such x with y of their own, where that of the data is made of x; of all others the data themselves."""
    if not data.labelled:
        return data
    return load(data.labelled, kind=data.kind, dequantization=data.dequantization, seed=data.seed, size=data.size)


def standardized(data: Data) -> FeatureSpace:
    """x itself, in units of the training data's standard deviations.

    Raises:
        ValueError: x is no vector of numbers.
    """
    _refuse_words(data)
    rows = _plain(_some(data), data.kind)
    mean, scale = rows.mean(0), rows.std(0)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    says = "x in units of the training data's standard deviations"
    return FeatureSpace("x", says, _digest([mean, scale]), lambda x: (_plain(x, data.kind) - mean) / scale)


def principal(data: Data, why: str = "") -> FeatureSpace:
    """x in its principal axes among training data; ``why`` there is nothing better.

    Raises:
        ValueError: x is no vector of numbers.
    """
    _refuse_words(data)
    rows = _plain(_some(data), data.kind)
    mean = rows.mean(0)
    _, size, axes = torch.linalg.svd(rows - mean, full_matrices=False)
    kept = min(AXES, int((size > 1e-9 * size[0]).sum()))
    axes, explained = axes[:kept].T, float(size[:kept].square().sum() / size.square().sum())
    unit = (size[:kept].square().sum() / (len(rows) - 1) / kept).sqrt()
    says = f"{kept} principal axes of raw x, {explained:.0%} of the variance" + (f", for {why}" if why else "")
    return FeatureSpace("pixels", says, _digest([mean, axes]), lambda x: (_plain(x, data.kind) - mean) @ axes / unit)


def inception(data: Data) -> FeatureSpace:
    """The last hidden layer of torchvision's Inception, of weights that lie where torch keeps what it downloaded.

    Raises:
        ValueError: they do not, or the data are no pictures of one or three channels in [0, 1].
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION
    if not is_picture(data.x_shape) or data.kind not in ("unit", "binary"):
        raise ValueError(
            f"features='Inception' reads pictures of one or three channels with values from 0 to 1, and {data.name!r} has "
            f"x_shape={tuple(data.x_shape)} of kind {data.kind!r}; take features='auto'."
        )
    if not path.is_file():
        raise ValueError(
            f"features='Inception' needs the weights {path}, which are not there, and downloads nothing; fetch them by "
            "torchvision.models.inception_v3(weights='DEFAULT'), or take features='auto'."
        )
    from torchvision.models import inception_v3

    network = inception_v3(weights=None, aux_logits=True, init_weights=False, transform_input=False)
    network.load_state_dict(torch.load(path, weights_only=True))
    network.fc = torch.nn.Identity()

    def read(x: Tensor) -> Tensor:
        with evaluating(network):
            return torch.cat([network(_as_inception_reads(part)) for part in x.split(INCEPTION_BLOCK)])

    says = "the last hidden layer of torchvision's Inception"
    digest = hashlib.sha256(path.read_bytes() + b"of colours from -1 to 1").hexdigest()[:12]
    return FeatureSpace("Inception", says, digest, read)


def _as_inception_reads(x: Tensor) -> Tensor:
    """Pictures in [0, 1] as the network's weights were trained on them: of 299 pixels a side, three colours from −1 to 1.

    Torchvision's own scale of colours is that of its other networks; of it this one, by ``transform_input``, makes the same.
    """
    return 2 * interpolate(x.float().expand(-1, 3, -1, -1), INCEPTION_SIDE, mode="bilinear") - 1


def _refuse_words(data: Data) -> None:
    if not kind_named(data.kind).vectors:
        raise ValueError(
            f"{data.name!r} is of kind {data.kind!r}, whose numbers are no vectors that lie near to or far from one another, "
            "and there is no space of them but what a judge sees; take data with one label a datum, and features='judge'."
        )


def _usual(data: Data) -> FeatureSpace:
    if not kind_named(data.kind).vectors and not unjudged(data):
        return _judged(judge_of(data), data)
    if not is_picture(data.x_shape):
        return standardized(data)
    known = labelled(data)
    why = "there are no labels of one class a datum" if unjudged(known) else ""
    try:
        return principal(data, why) if why else _judged(judge_of(grey(known)), data)
    except ValueError:
        return principal(data, "no classifier of these data can be trusted")


def _judged(judge: TrainedJudge, data: Data) -> FeatureSpace:
    some = judge.features(_some(data)).double()
    unit = some.var(0).mean().sqrt()
    says = f"what a classifier sees that names {judge.accuracy} of {judge.accuracy.n} real test data right"
    return FeatureSpace("judge", says, judge.digest, lambda x: judge.features(x).double() / unit)


def _some(data: Data) -> Tensor:
    """Training data that a space is fitted to."""
    return data.train.spread(FITTED).x.cpu()


def _plain(x: Tensor, kind: str) -> Tensor:
    """x as rows of numbers whose differences are distances."""
    rows = x.flatten(1).double()
    return torch.cat([rows.cos(), rows.sin()], 1) if kind == "angle" else rows


def _digest(parts: Sequence[Tensor]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        # what rounding changes from one machine to another is no other space
        digest.update(str(tuple(part.shape)).encode() + part.float().numpy().tobytes())
    return digest.hexdigest()[:12]
