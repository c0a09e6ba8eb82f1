"""How often a classifier is right of data that were moved, by how far they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from pyrogen.base import HasClassifier, Model
from pyrogen.data import Data
from pyrogen.inference.attacks.attack import Attack, Bounds
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.latents.measured import share
from pyrogen.inference.programs.door import verb
from pyrogen.kinds import kind_named
from pyrogen.registry import make

SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)


def limits_of(data: Data, x: Tensor | None = None) -> Bounds:
    """The least and the greatest value that an element of data may have: of their kind, else each element's in training.

    Those of standardized data are therefore the standardized ones of what was seen. Where ``x``, what is to be moved, goes
    beyond what training data have, the limits do too.
    """
    limits = kind_named(data.kind).limits
    if limits is not None:
        return limits
    ends = [(part.amin(0), part.amax(0)) for part in data.train.chunks()]  # they may lie on disk
    low, high = (torch.stack(end) for end in zip(*ends, strict=True))
    low, high = low.amin(0), high.amax(0)
    return (low, high) if x is None else (low.minimum(x.amin(0).to(low)), high.maximum(x.amax(0).to(high)))


def unattackable(model: Any, data: Data) -> str:
    """Why there is nothing to attack, in a sentence; "" where there is."""
    if not isinstance(model, HasClassifier):
        return f"{type(model).__name__} names no classes that an attack could change."
    y = data.test.y
    if y is None or y.dim() != 1 or y.is_floating_point() or not bool((y >= 0).any()):
        return f"{data.name!r} has no labels to be right about, one for each datum."
    return "" if not data.missing else f"{data.name!r} has missing elements, and an attack moves whole data."


def labelled(model: Any, data: Data, limit: int | None) -> tuple[Tensor, Tensor]:
    """The test data whose label is known, at most ``limit``, where the model is.

    Raises:
        ValueError: there is nothing to attack.
    """
    why = unattackable(model, data)
    if why:
        raise ValueError(why)
    part = data.test.known()
    part = part if limit is None else part.spread(limit)
    assert part.y is not None  # or it could not be attacked
    return part.x.to(model.device), part.y.to(model.device)


@verb
def robustness(
    model: Model,
    data: Data,
    epsilons: Sequence[float] | None = None,
    attack: Attack | str | Mapping[str, Any] = "ProjectedGradient",
    seed: int = 0,
    limit: int | None = None,
) -> xr.Dataset:
    """The accuracy on test data that an attack moved by up to ε each, over ε.

    Of one seed all ε begin at the same places of their balls, and so do two models: both are paired datum by datum.

    Args:
        model: one that names classes.
        data: what it was trained on; moved data stay within the range of these and of test data, :func:`limits_of`.
        epsilons: distances, in the attack's norm and the units of x; by default shares of the elements' mean range, of an
            attack in the Euclidean norm times √D.
        attack: an object, a name, or its description.
        seed: of the attack's starts.
        limit: the most test data.

    Returns:
        Over ``epsilon`` the ``accuracy`` and its binomial error ``accuracy_se``, and ``probability``, the mean p(y|x); over
        ``epsilon`` and ``datum`` whether it was ``right``, and the ``distance`` moved.

    Raises:
        ValueError: there is nothing to attack, or no such distances or attack.
    """
    x, y = labelled(model, data, limit)
    attack = make("attack", attack)
    assert isinstance(attack, Attack)
    bounds = limits_of(data, x)
    if epsilons is None:
        epsilons = [part * unit_of(data, attack.norm) for part in SHARES]
    if not len(epsilons):
        raise ValueError("epsilons is empty; pass distances, such as [0.0, 0.1].")
    found = []
    with track(len(epsilons), "distances") as done:
        for epsilon in epsilons:
            found.append(attack(model, x, y, float(epsilon), bounds=bounds, seed=seed))
            done(1)
    right = torch.stack([~one.success for one in found]).cpu()
    accuracies = [share(row) for row in right]
    return xr.Dataset(
        {
            "accuracy": ("epsilon", [a.value for a in accuracies]),
            "accuracy_se": ("epsilon", [a.error for a in accuracies]),
            "probability": ("epsilon", [float(one.probability.mean()) for one in found]),
            "right": (("epsilon", "datum"), right.numpy()),
            "distance": (("epsilon", "datum"), np.stack([one.distance.cpu().numpy() for one in found])),
        },
        coords={"epsilon": [float(epsilon) for epsilon in epsilons]},
        attrs={"attack": repr(attack), "seed": seed},
    )


def unit_of(data: Data, norm: str) -> float:
    """The mean range of an element of x, as a distance: of the Euclidean norm √D of them."""
    low, high = (torch.as_tensor(bound, dtype=torch.float64) for bound in limits_of(data))
    extent = float((high - low).mean())
    return extent if norm == "inf" else extent * data.x_shape.numel() ** 0.5
