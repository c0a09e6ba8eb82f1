"""Walks through latents, decoded: between data, along one or two coordinates, and about one datum by chance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyrogen.arguments import at_least
from pyrogen.axes import Distribution, Prior
from pyrogen.base import HasGenerator, HasPosterior, Model, check_number
from pyrogen.conditions import UNKNOWN
from pyrogen.data import Split
from pyrogen.inference.latents.paths import great_circle, grid, path_named
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.door import verb
from pyrogen.inference.programs.record import is_point


@verb
def interpolate(
    model: Model,
    first: Tensor,
    second: Tensor,
    steps: int = 8,
    y: Tensor | tuple[Tensor, Tensor] | None = None,
    path: str = "lerp",
) -> Tensor:
    """What is decoded on the way from one latent to another, means of p(x|z(t)) for t from 0 to 1: ``(B, steps, *x_shape)``.

    Should not be confused with a mixture of the two data: only their codes are mixed.

    Args:
        model: what encodes and decodes, or only generates.
        first: data ``(B, *x_shape)``; of a model without an encoder latents ``(B, *latent_shape)``, see :func:`draw_latents`.
        second: where the walks end, likewise.
        steps: places on each walk, the ends among them.
        y: conditions of both, or of each; the first stays. A model that infers them need not be told, here and below.
        path: "lerp", straight, or "slerp", on an arc around the origin, or "circle", on around it back to the first.

    Raises:
        ValueError: no such path, no steps, latents of another shape, or no latents at all.
    """
    along = path_named(path)
    at_least(1, steps=steps)
    with evaluating(model):
        given = (given_to(model, first), None) if y is None else (y, y) if isinstance(y, Tensor) else y
        a, b = (codes_of(model, x, c) for x, c in zip((first, second), given, strict=True))
        t = torch.linspace(0, 1, steps, dtype=a.dtype, device=a.device)
        z = along(a.flatten(1).unsqueeze(1), b.flatten(1).unsqueeze(1), t).unflatten(-1, a.shape[1:])
        return decoded(model, z, None if given[0] is None else given[0].unsqueeze(1))


def corners(model: Model, four: Tensor, side: int = 6, y: Tensor | None = None, path: str = "lerp") -> Tensor:
    """What is decoded on a square between four data, or latents: ``(side, side, *x_shape)``.

    Args:
        model: as of :func:`interpolate`.
        four: those of the upper left, upper right, lower left and lower right corner.
        side: places on each edge.
        y: conditions of the four; the first stays.
        path: as of :func:`interpolate`.
    """
    with evaluating(model):
        y = given_to(model, four) if y is None else y
        z = codes_of(model, four, y)
        square = grid(z.flatten(1), side, path).unflatten(-1, z.shape[1:])
        return decoded(model, square, None if y is None else y[0])


@verb
def traverse(model: Model, z: Tensor, coordinates: Sequence[int], values: Tensor, y: Tensor | None = None) -> Tensor:
    """What is decoded while one coordinate of a latent takes other values: ``(coordinates, steps, *x_shape)``.

    Args:
        model: what decodes.
        z: the latent whose other coordinates stay, ``latent_shape``.
        coordinates: which ones move, each in a row of its own; of a grid of latents as if it were flat.
        values: what they take, ``(coordinates, steps)``.
        y: the condition of that datum.

    Raises:
        ValueError: the latent has no such coordinate, or there are not as many rows of values.
    """
    _check_coordinates(z, coordinates)
    if values.dim() != 2 or len(values) != len(coordinates):
        raise ValueError(
            f"values are (coordinates, steps), a row for each of the {len(coordinates)} coordinates; got "
            f"{tuple(values.shape)}."
        )
    flat = z.flatten().repeat(*values.shape, 1)
    for row, coordinate in enumerate(coordinates):
        flat[row, :, coordinate] = values[row]
    with evaluating(model):
        return decoded(model, flat.unflatten(-1, z.shape), y)


@verb
def traverse_plane(
    model: Model, z: Tensor, coordinates: tuple[int, int], across: Tensor, down: Tensor, y: Tensor | None = None
) -> Tensor:
    """What is decoded while two coordinates of a latent take all pairs of values: ``(down, across, *x_shape)``.

    Args:
        model: what decodes.
        z: the latent whose other coordinates stay, ``latent_shape``.
        coordinates: the one that changes along rows, and the one that changes along columns.
        across: values of the first, ``(C,)``.
        down: values of the second, ``(R,)``.
        y: the condition of that datum.

    Raises:
        ValueError: the latent has no such coordinates.
    """
    _check_coordinates(z, coordinates)
    flat = z.flatten().repeat(len(down), len(across), 1)
    flat[..., coordinates[0]], flat[..., coordinates[1]] = across, down.unsqueeze(1)
    with evaluating(model):
        return decoded(model, flat.unflatten(-1, z.shape), y)


def circle(model: Model, first: Tensor, second: Tensor, steps: int = 16, y: Tensor | None = None) -> Tensor:
    """What is decoded on the whole circle around the origin through two latents' directions: ``(B, steps, *x_shape)``.

    Arguments as of :func:`interpolate`; the last place is the one before the first comes again.
    """
    with evaluating(model):
        y = given_to(model, first) if y is None else y
        a, b = (codes_of(model, x, y) for x in (first, second))
        t = torch.arange(steps, dtype=a.dtype, device=a.device) / steps
        z = great_circle(a.flatten(1).unsqueeze(1), b.flatten(1).unsqueeze(1), t).unflatten(-1, a.shape[1:])
        return decoded(model, z, None if y is None else y.unsqueeze(1))


@verb
def reconstruct_by_chance(model: Model, x: Tensor, n: int, y: Tensor | None = None, seed: int = 0) -> Tensor:
    """Means of p(x|z) at ``n`` draws of q(z|x) for each datum, what the encoder thinks it may be: ``(B, n, *x_shape)``.

    Raises:
        ValueError: there is no encoder, or its posterior is a point.
    """
    with evaluating(model):
        y = given_to(model, x) if y is None else y
    q = posterior_of(model, x, y)
    if is_point(q):
        raise ValueError(
            f"the posterior of this {type(model).__name__} is a point, so that all reconstructions of a datum are one; use "
            "reconstruct, or a posterior with a density such as DiagonalNormal."
        )
    with evaluating(model), seeded(seed, model.device):
        z = q.sample((n,)).transpose(0, 1)
        return decoded(model, z, None if y is None else y.unsqueeze(1))


def posterior_of(model: Model, x: Tensor, y: Tensor | None = None) -> Distribution:
    """q(z|x) of a model that encodes.

    Raises:
        ValueError: it does not.
    """
    if not isinstance(model, HasPosterior):
        raise ValueError(
            f"{type(model).__name__} encodes nothing, and q(z|x) is asked for; pass latents of draw_latents."
        )
    with evaluating(model):
        return model.encode(x, y)


def given_to(model: Model, x: Tensor) -> Tensor | None:
    """The y of data, or latents, of which none was told: what a model infers that has labels among its latents."""
    return model.condition_for(None, x) if isinstance(model, HasPosterior) else None


def codes_of(model: Model, x: Tensor, y: Tensor | None = None) -> Tensor:
    """The latents that stand for data, of a model that encodes; of one that only generates they are themselves latents.

    Raises:
        ValueError: they have another shape, or the model has no latents.
    """
    if isinstance(model, HasPosterior):
        return model.code(x, y)
    generator = _generator(model)
    if x.shape[1:] != generator.latent_shape:
        raise ValueError(
            f"{type(model).__name__} encodes no data, so that it is given latents (B, "
            f"{', '.join(map(str, generator.latent_shape))}), "
            f"and these are {tuple(x.shape)}; draw some by draw_latents(model, n)."
        )
    return x


def decoded(model: Model, z: Tensor, y: Tensor | None = None) -> Tensor:
    """The mean of p(x|z), or g(z): ``(..., *x_shape)`` for z of shape ``(..., *latent_shape)``.

    Raises:
        ValueError: the model has no latents.
    """
    if isinstance(model, HasPosterior):
        mean: Tensor = model.decode(z, y).mean
        return mean
    return _generator(model).generate(z, y)


def latent_prior(model: Model, y: Tensor | None = None) -> Distribution:
    """What the latents of generated data are drawn from; of an improper prior what was fitted to the codes.

    Raises:
        ValueError: the model has no one prior.
    """
    if isinstance(model, HasGenerator):
        return model.latent_prior(y)
    priors = [part for part in model.modules() if isinstance(part, Prior)]
    if len(priors) != 1:
        raise ValueError(
            f"latents are drawn from the one prior of a model, and {type(model).__name__} has {len(priors)}; pass latents."
        )
    return priors[0].generator(y)


@verb
def draw_latents(model: Model, n: int, y: Tensor | None = None, seed: int = 0) -> Tensor:
    """``n`` draws of the prior, ``(n, *latent_shape)``, each given its y where the prior looks at one.

    Raises:
        ValueError: no number of draws, not as many y, or a model that has no one prior.
    """
    check_number(n)
    if y is not None and model.condition is not None:
        model.condition.check(y, n)
    with evaluating(model), seeded(seed, model.device):
        prior = latent_prior(model, y)
        z: Tensor = prior.sample(() if prior.batch_shape else (n,))
        return z


def choose(split: Split, names: Sequence[int], labels: bool = True) -> list[int]:
    """The place in a split of the first datum of each class in ``names``; without ``labels`` the names are the places.

    Raises:
        ValueError: there is none of a class, or no such place.
    """
    if not labels or split.y is None or split.y.dim() != 1 or split.y.is_floating_point():
        wrong = [k for k in names if not 0 <= k < len(split)]
        if wrong:
            raise ValueError(
                f"{split.data_name} {split.name} has {len(split)} data, and {wrong[0]} is asked for; count from 0."
            )
        return list(names)
    known = split.y.cpu()
    there = known.unique()
    there = there[there > UNKNOWN].tolist()
    lacking = [k for k in names if k not in there]
    if lacking:
        raise ValueError(f"{split.data_name} {split.name} has no datum of class {lacking[0]}; its classes are {there}.")
    seen: dict[int, int] = {}
    places = []
    for k in names:  # the second of a class that is named twice, and so on
        rows = (known == k).nonzero()[:, 0]
        places.append(int(rows[seen.get(k, 0) % len(rows)]))
        seen[k] = seen.get(k, 0) + 1
    return places


def aggregate(model: HasPosterior, x: Tensor, y: Tensor | None = None) -> Tensor:
    """One draw of q(z|x) for each datum, together a sample of the aggregated posterior: ``(B, latent_size)``."""
    z: Tensor = model.encode(x, y).sample()
    return z.flatten(1)


def _check_coordinates(z: Tensor, coordinates: Sequence[int]) -> None:
    size = z.numel()
    for coordinate in coordinates:
        if not -size <= coordinate < size:
            raise ValueError(f"a latent of {size} numbers has no coordinate {coordinate}; they are 0 to {size - 1}.")


def _generator(model: Model) -> HasGenerator:
    if not isinstance(model, HasGenerator):
        raise ValueError(
            f"{type(model).__name__} has no latents to walk through; take a model that encodes or generates."
        )
    return model
