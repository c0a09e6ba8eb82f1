"""What is kept of a run for pictures: codes, reconstructions and samples of a few data at some epochs, from epoch 0 on."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from pyrogen import storage
from pyrogen.base import HasGenerator, HasPosterior, Model
from pyrogen.data import Split
from pyrogen.files import first_line
from pyrogen.inference.programs.contexts import evaluating, seeded

FILM = "film.safetensors"
CODED, PICTURED, DRAWN = 100, 8, 500
VALUES = 2**16  # in one row of a film at most: pictures may be large
STEPWISE = 256  # elements of x, up to which models are filmed that draw by a chain or element by element
HALF = 6e4  # the largest number that half precision, which pictures are kept in, is trusted with


def is_kept(epoch: int) -> bool:
    """Whether an epoch has a frame: 0, 1, 2, 5, 10, 20, 50 and so on, so that a film costs next to nothing."""
    return epoch == 0 or f"{epoch}".rstrip("0") in ("1", "2", "5")


class Film:
    """The frames of a run: what its model makes of the same data and the same noise as training goes on.

    The random generators are as before after each frame, and so are the weights: a run has the same bits with a film as
    without.

    Args:
        split: of whose data some are filmed, evenly spread over it.
        folder: where; None: nothing is kept.
        seed: of the noise.
    """

    def __init__(self, split: Split, folder: Path | None, seed: int) -> None:
        self.split, self.folder, self.seed = split, folder, seed
        self.frames: dict[str, Tensor] = {}

    def wants(self, epoch: int) -> bool:
        """Whether a frame of this epoch is to be taken still."""
        return self.folder is not None and len(self.split) > 0 and is_kept(epoch) and not self._has(epoch)

    def shoot(self, model: Model, epoch: int) -> None:
        """Take the frame of an epoch, and write the film."""
        self.frames |= self._frame(model, epoch)
        self._write(self.frames)

    def end(self, model: Model, epoch: int) -> None:
        """Write the film with a last frame, which longer runs leave out."""
        if self.folder is not None and len(self.split):
            self._write(self.frames | ({} if self._has(epoch) else self._frame(model, epoch)))

    def _has(self, epoch: int) -> bool:
        return any(name.endswith(_numbered(epoch)) for name in self.frames if not name.startswith("data"))

    def _write(self, frames: dict[str, Tensor]) -> None:
        assert self.folder is not None
        storage.write_weights(self.folder / FILM, frames)

    def _frame(self, model: Model, epoch: int) -> dict[str, Tensor]:
        found = {}
        with evaluating(model):
            for what, x in _scenes(model, self.split, self.seed):
                found[what if what == "data" else f"{what}{_numbered(epoch)}"] = x.detach().cpu()
        return found


def read_film(folder: str | Path) -> dict[str, dict[int, Tensor]]:
    """The frames in a run's folder by what they show and by epoch; ``"data"`` has the data alone, as of epoch 0.

    Raises:
        ValueError: the file is damaged.
    """
    path = Path(folder) / FILM
    if not path.is_file():
        return {}
    try:
        kept = safetensors.torch.load(path.read_bytes())
        film: dict[str, dict[int, Tensor]] = {}
        for name in sorted(kept):
            what, _, epoch = name.partition("/")
            film.setdefault(what, {})[int(epoch or 0)] = kept[name].float()
    except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
        raise ValueError(f"{path} is damaged: {first_line(error)}") from error
    return film


def _scenes(model: Any, split: Split, seed: int) -> Iterator[tuple[str, Tensor]]:
    """What is filmed; what a model cannot do yet, or only slowly, is left out."""
    size, pictures = math.prod(model.x_shape), len(model.x_shape) == 3
    n = min(PICTURED if size > 2 else DRAWN, max(1, VALUES // size))
    few, more = (split.spread(count).to(model.device) for count in (n, CODED))

    def kept(x: Tensor) -> Tensor:
        return x.clamp(-HALF, HALF).half() if pictures else x

    yield "data", kept(few.x)
    refusals, device = contextlib.suppress(ValueError, NotImplementedError), model.device
    if isinstance(model, (HasPosterior, HasGenerator)) or size <= STEPWISE:
        with refusals, seeded(seed, device):
            draw = model.sample_mean if pictures else model.sample
            yield "samples", kept(draw(len(few), model.condition_for(few.y)))
    if isinstance(model, HasPosterior):
        with refusals, seeded(seed, device):
            yield "codes", model.code(more.x, more.y).flatten(1)
            yield "reconstructions", kept(model.reconstruct(few.x, few.y))


def _numbered(epoch: int) -> str:
    return f"/{epoch:06d}"
