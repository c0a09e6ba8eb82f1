"""Metrics of generators with styles: what layers decide, by an oracle that reads factors off pictures exactly."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pyrogen.base import Model
from pyrogen.capabilities import HasStyles
from pyrogen.data import Data
from pyrogen.data.sprites_reading import SpriteReader
from pyrogen.inference.latents.measured import ratio, share
from pyrogen.inference.latents.paths import path_named
from pyrogen.inference.metrics.sprites import reader_of
from pyrogen.inference.metrics.with_error import WithError
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.quality.modes import raw_values
from pyrogen.registry import choice, unknown

COARSE, FINE = "coarse", "fine"
ANEW = ("noise", "style")


@choice("metric", "style-ratio")
def style_ratio(
    model: Model, data: Data, seed: int, factor: str, of: str = COARSE, split: int | None = None, n: int = 1000
) -> WithError:
    """How many times as often a factor changes by other coarse styles as by other fine ones, or the other way round.

    P(factor of g(w′ … w′, w … w) ≠ that of g(w)) / P(factor of g(w … w, w′ … w′) ≠ that of g(w)), w and w′ drawn, noise
    held; the first ``split`` layers, by default half, are coarse. A half is added to both counts, so that none is 0.
    """
    if of not in (COARSE, FINE):
        raise unknown("kind of styles", of, (COARSE, FINE))
    styled, reader = _styled(model), _reader(data, factor)
    first = styled.style_layers // 2 if split is None else split
    if not 0 < first < styled.style_layers:
        raise ValueError(f"split={first}: some of {styled.style_layers} layers are coarse, and the others fine.")
    with evaluating(model), seeded(seed, model.device):
        own, other = (styled.style(styled.latent_prior().sample((n,))) for _ in "ab")
        noise = styled.draw_noise(n)
        coarse = torch.arange(styled.style_layers, device=own.device)[:, None] < first
        mixtures = torch.zeros_like(coarse), coarse, ~coarse
        read = [
            _read(reader, styled.synthesize(torch.where(mine, other[:, None], own[:, None]), noise), data, factor)
            for mine in mixtures
        ]
    by_coarse, by_fine = (found != read[0] for found in read[1:])
    moved = [float(changed.sum()) + 0.5 for changed in (by_coarse, by_fine)]
    above, below = moved if of == COARSE else moved[::-1]
    # both counts are of the same pictures: 1/nP + 1/nQ − 2 P(both)/nPQ
    spread = 1 / above + 1 / below - 2 * float((by_coarse & by_fine).sum()) / (above * below)
    return WithError(above / below, above / below * math.sqrt(spread))


@choice("metric", "noise-moves")
def noise_moves(model: Model, data: Data, seed: int, factor: str, anew: str = "noise", n: int = 1000) -> WithError:
    """The share of pictures whose factor is another one when the layers' noise, or their style, is drawn ``anew``."""
    if anew not in ANEW:
        raise unknown("part of a picture to be drawn anew", anew, ANEW)
    styled, reader = _styled(model), _reader(data, factor)
    with evaluating(model), seeded(seed, model.device):
        first, second = (styled.style(styled.latent_prior().sample((n,))) for _ in "ab")
        noise, other = styled.draw_noise(n), styled.draw_noise(n)
        again = (first, other) if anew == "noise" else (second, noise)
        read = [
            _read(reader, styled.synthesize(w.unsqueeze(1).expand(-1, styled.style_layers, -1), drawn), data, factor)
            for w, drawn in ((first, noise), again)
        ]
    return WithError.of(share(read[0] != read[1]))


@choice("metric", "path-ratio")
def path_ratio(model: Model, data: Data, seed: int, n: int = 2000, step: float = 1e-2) -> WithError:
    """The length of paths between styles, as a fraction of that of paths between the z that they are of.

    E ‖g(p(t + δ)) − g(p(t))‖² / δ² with t uniform on [0, 1 − δ], straight in w, on an arc in z, noise held. In pixels, not
    as one perceives them. Reference: Karras et al. 2019, arXiv:1812.04948, section 4.1.
    """
    styled, arc = _styled(model), path_named("slerp")
    with evaluating(model), seeded(seed, model.device):
        first, second = (styled.latent_prior().sample((n,)) for _ in "ab")
        noise, t = styled.draw_noise(n), (1 - step) * torch.rand(n, device=first.device)

        def made(w: Tensor) -> Tensor:
            return styled.synthesize(w.unsqueeze(1).expand(-1, styled.style_layers, -1), noise)

        ends = styled.style(first), styled.style(second)
        in_w = [made(torch.lerp(*ends, s.unsqueeze(1))) for s in (t, t + step)]
        in_z = [made(styled.style(arc(first, second, s))) for s in (t, t + step)]
    of_w, of_z = ((b - a).flatten(1).double().square().sum(1) for a, b in (in_w, in_z))
    return WithError.of(ratio(of_w, of_z))


def _styled(model: Model) -> HasStyles:
    if not isinstance(model, HasStyles):
        raise ValueError(
            f"{type(model).__name__} is told no styles, which this metric mixes; take the entry 'stylegan'."
        )
    return model


def _reader(data: Data, factor: str) -> SpriteReader:
    reader = reader_of(data)
    if factor not in reader.sprites.names:
        raise unknown("factor of sprites", factor, reader.sprites.names)
    return reader


def _read(reader: SpriteReader, x: Tensor, data: Data, factor: str) -> Tensor:
    return reader.sprites.column(reader.read(raw_values(x, data)).factors, factor)
