"""Metrics of codes: what they keep of the labels, and how they stand to principal components."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pyrogen.base import HasPosterior, Model
from pyrogen.data import Data, Split
from pyrogen.distributions.shaped import in_shape
from pyrogen.inference.latents.measured import ratio, share
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.registry import choice

BLOCK = 1000  # data that are compared with all others at once


@choice("metric", "neighbour-accuracy")
def neighbour_accuracy(model: Model, data: Data, seed: int) -> WithError:
    """The fraction of test data whose nearest training datum of known label, in the space of codes, bears the same.

    1/N Σₙ 1[y(argmin_m ‖z(xₙ) − z(x_m)‖) = yₙ]. Reference: Cover & Hart 1967; as a score of codes: Donahue et al. 2017,
    arXiv:1605.09782.
    """
    train, test = data.train.known(), data.test.known()
    if train.y is None or test.y is None or not (len(train) and len(test)):
        raise ValueError(f"neighbour-accuracy needs labels, and {data.name!r} has none.")
    encoder = encoder_of(model, "neighbour-accuracy")
    known = codes_of(encoder, train)
    # a block at a time: all distances of MNIST are 5 GB
    nearest = torch.cat([torch.cdist(part, known).argmin(1) for part in codes_of(encoder, test).split(BLOCK)])
    return WithError.of(share(train.y[nearest] == test.y))


@choice("metric", "angle-to-pca")
def angle_to_pca(model: Model, data: Data, seed: int) -> float:
    """The largest angle in degrees between the plane that a linear decoder spans and that of the principal components.

    max arccos σᵢ(QᵀP), Q an orthonormal basis of the decoder's means at the unit codes less that at 0, P the leading
    eigenvectors of the training data's covariance. Reference: Baldi & Hornik 1989; Björck & Golub 1973.
    """
    encoder = encoder_of(model, "angle-to-pca")
    size = encoder.latent_size
    z = torch.cat([torch.zeros(1, size), torch.eye(size), 2 * torch.eye(size)]).to(model.device)
    with evaluating(model):
        means = encoder.decode(in_shape(z, encoder.latent_shape)).mean.double().cpu().flatten(1)
    columns, doubled = means[1 : size + 1] - means[0], means[size + 1 :] - means[0]
    if not torch.allclose(doubled, 2 * columns, rtol=1e-3, atol=1e-4):
        raise ValueError("angle-to-pca needs a linear decoder (hidden=()), and this one bends.")
    span = torch.linalg.qr(columns.T).Q
    cosines = torch.linalg.svdvals(span.T @ _components(data, size))
    return math.degrees(math.acos(min(1.0, float(cosines.min()))))


@choice("metric", "error-over-pca")
def error_over_pca(model: Model, data: Data, seed: int) -> WithError:
    """Squared error of reconstructed test data over that of as many principal components fitted to the training data.

    Σ ‖x − E p(x|z(x))‖² / Σ ‖x − m − PPᵀ(x − m)‖². Below 1 the codes hold more than linear ones of the same size.
    Reference: Hinton & Salakhutdinov 2006, figure 2.
    """
    encoder = encoder_of(model, "error-over-pca")
    x = data.test.x.flatten(1).double()
    test = data.test.to(model.device)
    with evaluating(model):
        mean = encoder.reconstruct(test.x, test.y).double().cpu().flatten(1)
    basis, centre = _components(data, encoder.latent_size), data.train.x.flatten(1).double().mean(0)
    linear = centre + (x - centre) @ basis @ basis.T
    return WithError.of(ratio(*((x - made).square().sum(1) for made in (mean, linear))))


def encoder_of(model: Model, metric: str) -> HasPosterior:
    """The model, if it encodes.

    Raises:
        ValueError: it does not.
    """
    if not isinstance(model, HasPosterior):
        raise ValueError(f"{type(model).__name__} encodes nothing, which the metric {metric!r} needs.")
    return model


def codes_of(model: HasPosterior, split: Split) -> Tensor:
    """The code of every datum of a split, ``(N, latent_size)`` in float64."""
    assert isinstance(model, Model)
    split = split.to(model.device)
    with evaluating(model):
        return model.code(split.x, split.y).flatten(1).double().cpu()


def _components(data: Data, count: int) -> Tensor:
    """The leading principal components of the training data, ``(D, count)``, orthonormal."""
    x = data.train.x.flatten(1).double()
    if not 0 < count < x.shape[1]:
        raise ValueError(f"{count} principal components of {x.shape[1]}-dimensional data are no comparison.")
    return torch.linalg.eigh(torch.cov(x.T)).eigenvectors[:, -count:]
