"""The best q(z|x) of a family for each datum by itself: what the encoder would say, had it no network to say it by."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam

from pyrogen.axes import Posterior
from pyrogen.base import Model
from pyrogen.inference.evidence.latent_space import Init, LatentSpace, latent_spaces
from pyrogen.inference.evidence.weights import SAMPLE_BLOCK, Weighable
from pyrogen.inference.latents.joint import Joint, joints

RATE = 0.1  # of Adam at first, for features that are means and logarithms of order one
LAST = 0.01  # of it is left in the end, or a q that is narrow would be missed by its own steps
Advance = Callable[[int], None]


class Family(ABC):
    """The distributions that q(z|x) may be of one block of data, and the best of them once :meth:`climb` has run."""

    name: str
    """Which family it is."""

    @abstractmethod
    def start(self) -> list[Tensor]:
        """What tells one member from another, ``(data, ...)`` each, at the encoder's answer."""

    @abstractmethod
    def log_weights(self, features: list[Tensor], n: int, place: tuple[int, ...]) -> Tensor:
        """log p(x, z) − log q(z) for n draws z of a member, ``(n, data)``, with gradients where they are enabled."""

    def climb(
        self, steps: int, draws: int, place: int, advance: Advance, rate: float = RATE
    ) -> tuple[list[Tensor], Tensor]:
        """The features of the largest ELBO, and each datum's ELBO at every step.

        Adam's steps shrink as a cosine does, and the features of the last half of them are averaged, which reaches the top to
        about the accuracy that all those draws allow. Reference: Polyak & Juditsky 1992.

        Returns:
            The features, and noisy ELBOs ``(steps, data)``.
        """
        features = [part.detach().clone().requires_grad_() for part in self.start()]
        optimizer = Adam(features, betas=(0.9, 0.99))
        course, averaged = [], [torch.zeros_like(part) for part in features]
        settling = steps - steps // 2
        for step in range(steps):
            with torch.enable_grad():
                bound = self.log_weights(features, draws, (place, step)).mean(0)
                loss = -bound.nan_to_num(neginf=0.0).sum()
                gradients = torch.autograd.grad(loss, features)
            optimizer.param_groups[0]["lr"] = rate * (LAST + (1 - LAST) * (1 + math.cos(math.pi * step / steps)) / 2)
            for part, gradient in zip(features, gradients, strict=True):
                # each datum is a problem of its own: one whose gradient is no number waits for the next draws
                part.grad = gradient.nan_to_num(posinf=0.0, neginf=0.0)
            optimizer.step()
            course.append(bound.detach())
            if step >= steps - settling:
                averaged = [a + part.detach() / settling for a, part in zip(averaged, features, strict=True)]
            advance(1)
        return averaged, torch.stack(course)


class OfEncoder(Family):
    """The family of the encoder's own posterior: what its features can say.

    Args:
        joint: the data.
        posterior: the axis of the pair that turns features into q(z|x).
    """

    def __init__(self, joint: Joint, posterior: Posterior) -> None:
        self.joint, self.posterior, self.name = joint, posterior, type(posterior).__name__

    def start(self) -> list[Tensor]:
        """The features that the encoder gives."""
        seen: list[Tensor] = []

        def look(features: Tensor) -> Tensor:
            seen.append(features)
            return features

        with self._reading(look):
            self.joint.guide(1)
        return [seen[0][: self.joint.data]]

    def log_weights(self, features: list[Tensor], n: int, place: tuple[int, ...]) -> Tensor:
        """By the pair's own programs, the posterior reading these features instead of the encoder's."""
        (own,) = features
        # where particles lie along the batch, each datum is there n times
        with self._reading(lambda given: own.repeat(len(given) // len(own), *[1] * (own.dim() - 1))):
            return self.joint.log_weights(n, *place)

    @contextmanager
    def _reading(self, instead: Callable[[Tensor], Tensor]) -> Iterator[None]:
        """The guide's reading, which is the first: a VampPrior asks the same posterior of its pseudo-inputs after it."""
        unread = True

        def read(_: object, given: tuple[Any, ...]) -> tuple[Any, ...]:
            nonlocal unread
            first, unread = unread, False
            return (instead(given[0]), *given[1:]) if first else given

        hook = self.posterior.register_forward_pre_hook(read)
        try:
            yield
        finally:
            hook.remove()


class OfNormals(Family):
    """Independent normal coordinates in the space where the latents have no constraints: of any pair, whatever its guide.

    Args:
        space: the data, with the prior as base.
        drawn: draws of the guide on its coordinates, ``(n, data, size)``.
    """

    name = "independent normals on unconstrained coordinates"

    def __init__(self, space: LatentSpace, drawn: Tensor) -> None:
        self.space, self.drawn = space, drawn

    def start(self) -> list[Tensor]:
        """Mean and log standard deviation of the guide's draws."""
        return [self.drawn.mean(0), self.drawn.std(0).clamp(min=1e-4).log()]

    def log_weights(self, features: list[Tensor], n: int, place: tuple[int, ...]) -> Tensor:
        """Densities on the unconstrained coordinates; their slopes are those of the space."""
        loc, log_scale = features
        with self.space.seeded(*place):
            noise = torch.randn(n, *loc.shape, dtype=loc.dtype, device=loc.device)
        z = loc + log_scale.exp() * noise
        point = self.space.at(z.detach())
        value = point.log_density(1.0)
        if z.requires_grad:
            slope = point.slope(1.0)
            value = value + (slope * (z - z.detach())).sum(-1).double()
        entropy = (0.5 * noise.square() + 0.5 * math.log(2 * math.pi) + log_scale).sum(-1)
        return value + entropy.double()


@contextmanager
def families(pair: Weighable | Model, x: Tensor, y: Tensor | None, seed: int) -> Iterator[list[tuple[Joint, Family]]]:
    """Fixed blocks of the data with the family of their q(z|x): the encoder's own, or else independent normals.

    Raises:
        ValueError: as :func:`~pyrogen.inference.latents.joint.joints`; discrete latents; or latents onto whose support there
            is no smooth map of all real vectors.
    """
    with joints(pair, x, y, seed) as blocks, ExitStack() as stack:
        model = blocks[0].pair
        if blocks[0].discrete:
            raise ValueError(
                "the best q(z|x) is found along gradients, and these latents are discrete; score them by "
                "log_evidence(model, x, Enumerate()) and subtract log_evidence(model, x, ELBO())."
            )
        axes = [module for module in model.modules() if isinstance(module, Posterior)]
        q = blocks[0].only_guide()
        if len(axes) == 1 and q is not None and q.has_rsample:
            yield [(block, OfEncoder(block, axes[0])) for block in blocks]
            return
        bases: tuple[Init, Init] = ("prior", "guide")
        spaces, starts = (stack.enter_context(latent_spaces(model, x, y, base, seed)) for base in bases)
        yield [
            (block, OfNormals(space, start.draw(SAMPLE_BLOCK)))
            for block, space, start in zip(blocks, spaces, starts, strict=True)
        ]
