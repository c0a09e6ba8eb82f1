"""Metrics of clips of sprites: whether what they show stays what it is, and moves as it should."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from pyrogen.base import HasCritic, HasPosterior, Model
from pyrogen.data import Data
from pyrogen.data.sprites_reading import Frames
from pyrogen.inference.latents.measured import mean, share
from pyrogen.inference.metrics.sprites import reader_of
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.quality.modes import raw_values
from pyrogen.registry import choice, unknown

Clips = Literal["samples", "reconstructions", "data"]
SHARE_OF_STEP = 0.5  # of the slowest, by which a move may miss what it should be
SEEN = 0.5  # of a shape's contrast with the background: what shows less of it is nearer to showing nothing


@choice("metric", "identity-drift")
def identity_drift(model: Model, data: Data, seed: int, n: int = 200, of: Clips = "samples") -> WithError:
    """The share of frames of generated clips that show another shape, colour, size or background than the frame before.

    So does a frame that shows nothing, or comes after one: a shape of which less than half of its contrast is left. An
    oracle reads every frame by itself, wherever the shape is: on the data it errs never, on clips that are blurred by
    0.5, 0.7, 1 and 1.5 pixels in 0, 4, 18 and 35 % of the frames of 16 pixels, in their shape mostly. Reconstructions tell
    blurred pictures from codes that are drawn of things that change. Reference: Tulyakov et al. 2018, arXiv:1707.04993,
    measure the like of faces.

    Args:
        model: of clips.
        data: of sprites.
        seed: of the draws.
        n: clips.
        of: "samples"; "reconstructions" of test data; or these "data" themselves, the floor of the judge.
    """
    found = _frames(model, data, seed, n, of)
    seen = found.visible >= SEEN
    kept = (found.modes[:, 1:] == found.modes[:, :-1]) & seen[:, 1:] & seen[:, :-1]
    return WithError.of(mean((~kept).double().mean(1)).of_share())


@choice("metric", "motion-possible")
def motion_possible(model: Model, data: Data, seed: int, n: int = 200) -> WithError:
    """The share of generated clips whose every move from frame to frame is the same one of those that the data make.

    An oracle reads where the shape is in every frame, of its size and half the slowest step exactly; what leaves on one side
    comes back on the other. A clip with a frame in which less than half of the shape's contrast is left does not count.
    """
    found = _frames(model, data, seed, n)
    centres = found.centres
    moves = torch.remainder(centres.diff(dim=1) + 0.5, 1) - 0.5
    steps = reader_of(data).sprites.steps.flatten(0, 1)
    slowest = float(steps.abs().amax(1).min())
    near = (moves.unsqueeze(2) - steps).abs().amax(-1) <= SHARE_OF_STEP * slowest
    return WithError.of(share(near.all(1).any(-1) & (found.visible >= SEEN).all(1)))


@choice("metric", "shuffled-frames-caught")
def shuffled_frames_caught(model: Model, data: Data, seed: int, n: int = 200) -> WithError:
    """How often the critic finds a real clip more real than the same one with its frames in another order; by chance ½.

    1/N Σ 1[score(x) > score(x with its frames permuted)], the permutation not the identity.
    """
    if not isinstance(model, HasCritic):
        raise ValueError(
            f"shuffled-frames-caught asks a critic, and {type(model).__name__} has none; take 'video-gan'."
        )
    x = data.test.x[:n].to(model.device)
    if x.dim() != 5:
        raise ValueError(
            f"frames are shuffled of clips, (T, C, H, W), and {data.name!r} has x_shape={tuple(data.x_shape)}."
        )
    generator = torch.Generator().manual_seed(seed)
    orders = torch.stack([_another_order(x.shape[1], generator) for _ in range(len(x))]).to(x.device)
    shuffled = x.gather(1, orders.reshape(*orders.shape, 1, 1, 1).expand_as(x))
    with evaluating(model), seeded(seed, model.device), torch.no_grad():
        told, mixed = (model.criticize({"x": clips}) for clips in (x, shuffled))
    return WithError.of(share(told > mixed))


def _frames(model: Model, data: Data, seed: int, n: int, of: Clips = "samples") -> Frames:
    if of not in get_args(Clips):
        raise unknown("clips to read", of, get_args(Clips))
    made = data.test.x[:n]
    with evaluating(model), seeded(seed, model.device):
        if of == "samples":
            made = model.sample_mean(n)
        elif of == "reconstructions":
            if not isinstance(model, HasPosterior):
                raise ValueError(f"{type(model).__name__} has no codes of clips to remake them by; take of='samples'.")
            made = model.reconstruct(made.to(model.device))
    return reader_of(data).read_frames(raw_values(made.cpu(), data))


def _another_order(frames: int, generator: torch.Generator) -> Tensor:
    order = torch.randperm(frames, generator=generator)
    while bool((order == torch.arange(frames)).all()):
        order = torch.randperm(frames, generator=generator)
    return order
