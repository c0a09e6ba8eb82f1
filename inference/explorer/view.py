"""What the explorer shows: a plane in the space of codes, what lies in it, and what any code decodes to."""

from __future__ import annotations

import base64
import io
import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pyrogen.base import HasGenerator, HasLatents, HasPosterior, Model
from pyrogen.data import Data
from pyrogen.figures.latent_plots import principal_axes
from pyrogen.figures.plots import to_image
from pyrogen.figures.shades import shades
from pyrogen.inference.latents.walks import decoded, draw_latents
from pyrogen.inference.pages.panel import labels_of, told_of
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.record import is_point
from pyrogen.kinds import is_picture

SHOWN, DRAWS, NEAREST, SLIDERS = 1000, 64, 6, 32
REACH = 1.05  # of the plane, over what lies in it


class View:
    """A plane z = origin + u e₁ + v e₂ in the space of codes.

    Two latents span it, or two that were chosen, else the two principal axes of the codes. What is left of z, the part
    outside of the plane, comes from wherever the reader stands.

    Args:
        model: with latents that can be decoded.
        data: whose codes are shown where the model encodes; of a generator without an encoder, draws of its prior are.
        split: of the data.
        coordinates: two latents, by their numbers from 1 as the page names them, to span the plane.
        limit: how many data, at most, evenly spread over the split.
        seed: of the draws.

    Raises:
        ValueError: a model without latents, discrete ones, or coordinates that are none of its own.
    """

    def __init__(
        self,
        model: Model,
        data: Data,
        split: str = "test",
        coordinates: Sequence[int] = (),
        limit: int = SHOWN,
        seed: int = 0,
    ) -> None:
        part = data.split(split)
        if limit < 3:
            raise ValueError(f"limit={limit}: a plane needs 3 data or more.")
        if not isinstance(model, (HasPosterior, HasGenerator)):
            raise ValueError(
                f"{type(model).__name__} has no latents to walk through; explore a VAE, an autoencoder or a GAN."
            )
        self.model, self.data = model, data
        self.size = model.latent_size
        self.split = part.spread(limit).to(model.device)
        # torch's modules are no place for several requests at once
        self.lock = threading.Lock()
        with evaluating(model), seeded(seed, model.device):
            self.codes = self._codes(model, seed)
            self.told = told_of(model, self.split)
        if not np.isfinite(self.codes).all():
            raise ValueError("some codes are not finite, so there is no plane to draw; train the model again.")
        if len(np.unique(self.codes)) <= 2 and self.size > 2:
            raise ValueError("the latents are bits, among which one cannot walk; see pyrogen latents.")
        self.origin, self.directions, self.names = self._plane(tuple(coordinates))
        with evaluating(model), seeded(seed, model.device):
            self.spread = self._covariances(model)
        self.limits = shades(self.split, data.kind)  # all pictures by one measure, so that they can be compared
        self.labels = labels_of(self.split, data) if isinstance(model, HasPosterior) or self.told is not None else None
        self.decode(self.codes[0].tolist())  # what refuses does so before a page is served

    def state(self) -> dict[str, Any]:
        """All that the page needs at first: what lies in the plane, how far it reaches, and what the sliders are."""
        uv = self._project(self.codes)
        low, high = np.quantile(self.codes, (0.005, 0.995), axis=0)
        margin = np.maximum(0.15 * (high - low), 1e-3)
        variance = self.codes.var(0)
        order = np.argsort(-variance, kind="stable")[:SLIDERS]
        ellipses = self._ellipses()
        widest = 0.0 if ellipses is None else float(np.quantile([half for half, *_ in ellipses], 0.9))
        reach = np.abs(uv - uv.mean(0)).max() * REACH + widest + 1e-6
        return {
            "title": f"{(self.model.origin or {}).get('entry', type(self.model).__name__)} on {self.data.name}",
            "names": list(self.names),
            "encodes": isinstance(self.model, HasPosterior),
            "told": self.told is not None,
            "split": self.split.name,
            "points": _rounded(uv),
            "codes": _rounded(self.codes),
            "labels": None if self.labels is None else [str(label) for label in self.labels],
            "ellipses": ellipses,
            "middle": _rounded(uv.mean(0)),
            "reach": float(reach),
            "origin": _rounded(self.origin),
            "directions": _rounded(self.directions),
            "sliders": [
                {"latent": int(i), "low": float(low[i] - margin[i]), "high": float(high[i] + margin[i])} for i in order
            ],
            "picture": is_picture(self.model.x_shape),
        }

    def decode(self, z: Sequence[float], given: int = 0) -> dict[str, Any]:
        """What a code decodes to, and the data whose codes are nearest.

        Args:
            z: the code, flat.
            given: the datum, or the draw, whose y a conditional model is told.

        Raises:
            ValueError: it is no code of this model, or there is no such datum.
        """
        self._check(given)
        code = np.asarray(z, np.float64)
        if code.shape != (self.size,) or not np.isfinite(code).all():
            raise ValueError(f"a code has {self.size} finite numbers; got {len(z)}.")
        with self.lock, evaluating(self.model), torch.no_grad():
            x = self._decoded(torch.from_numpy(code).to(self.like), given)
            distance = np.linalg.norm(self.codes - code, axis=1)
            near = np.argsort(distance, kind="stable")[:NEAREST]
            found = (
                [self._datum(int(i), float(distance[i])) for i in near] if isinstance(self.model, HasPosterior) else []
            )
        return {"x": self._shown(x), "nearest": found}

    def datum(self, index: int) -> dict[str, Any]:
        """One of the shown data, its code, and its reconstruction.

        Raises:
            ValueError: there is no such datum.
        """
        self._check(index)
        return {"z": self.codes[index].tolist(), **self.decode(self.codes[index].tolist(), index)}

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self.codes):
            raise ValueError(f"there are {len(self.codes)} data, numbered from 0; got {index}.")

    def _codes(self, model: HasLatents, seed: int) -> np.ndarray:
        """Codes, ``(N, D)``, or as many draws of the prior."""
        y = self.model.condition_for(self.split.y)
        if isinstance(model, HasPosterior):
            self.like = model.code(self.split.x, y).flatten(1)
        else:
            self.like = draw_latents(self.model, len(self.split), y, seed).flatten(1)
        found: np.ndarray = self.like.double().cpu().numpy()
        return found

    def _covariances(self, model: HasLatents) -> np.ndarray | None:
        """How the posteriors vary in the plane, ``(N, 2, 2)``, if they do: no draw is kept in all of its dimensions."""
        if not isinstance(model, HasPosterior):
            return None
        q = model.encode(self.split.x, self.model.condition_for(self.split.y))
        if is_point(q):
            return None
        draws = np.stack([self._project(q.sample().flatten(1).double().cpu().numpy()) for _ in range(DRAWS)])
        centred = draws - draws.mean(0)
        found: np.ndarray = np.einsum("snd,sne->nde", centred, centred) / (DRAWS - 1)
        return found

    def _plane(self, coordinates: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, tuple[str, str]]:
        """Where the plane begins, its two directions ``(2, D)``, and what they are called."""
        wrong = [i for i in coordinates if not 1 <= i <= self.size]
        if wrong or (coordinates and len(set(coordinates)) != 2):
            raise ValueError(
                f"coordinates={list(coordinates)}: name two different latents of 1 to {self.size}, or none."
            )
        if self.size == 1:
            return np.zeros(1), np.array([[1.0], [0.0]]), ("z1", "")
        if self.size == 2 and not coordinates:
            coordinates = (1, 2)
        middle = self.codes.mean(0)
        if coordinates:
            chosen = [i - 1 for i in coordinates]
            middle = np.where(np.isin(np.arange(self.size), chosen), 0.0, middle)
            first, second = (f"z{i}" for i in coordinates)
            return middle, np.eye(self.size)[chosen], (first, second)
        directions, shares = principal_axes(self.codes)
        first, second = (f"PC {k} ({share:.0%} of the variance)" for k, share in enumerate(shares, 1))
        return middle, directions, (first, second)

    def _project(self, z: np.ndarray) -> np.ndarray:
        uv: np.ndarray = (z - self.origin) @ self.directions.T
        return uv

    def _ellipses(self) -> list[list[float]] | None:
        """Posteriors as ellipses of one standard deviation: half axes, the longer first, and its angle in radians."""
        if self.spread is None:
            return None
        values, vectors = np.linalg.eigh(self.spread)
        half = np.sqrt(values.clip(0))
        angle = np.arctan2(vectors[:, 1, 1], vectors[:, 0, 1])
        return _rounded(np.column_stack([half[:, 1], half[:, 0], angle]))

    def _decoded(self, z: Tensor, given: int) -> Tensor:
        told = None if self.told is None else self.told[given : given + 1]
        return decoded(self.model, z.reshape(1, *self.model.latent_shape), told)[0]

    def _datum(self, i: int, distance: float) -> dict[str, Any]:
        label = None if self.labels is None else str(self.labels[i])
        return {"index": i, "label": label, "distance": distance, "x": self._shown(self.split.x[i])}

    def _shown(self, x: Tensor) -> str | list[float | None]:
        """A picture as a data URI, or the numbers of a vector, None for what is missing."""
        if not is_picture(self.model.x_shape):
            return [round(v, 5) if math.isfinite(v) else None for v in x.flatten().tolist()]
        pixels = (to_image(x.unsqueeze(0), self.data.kind, self.limits)[0] * 255).round().astype(np.uint8)
        content = io.BytesIO()
        Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(content, "png")
        return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def _rounded(values: np.ndarray) -> Any:
    return np.round(values, 5).tolist()
