"""Attacks: the small move of each datum after which a classifier is most wrong, sought by its slopes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from pyrogen.base import HasClassifier, Model
from pyrogen.inference.attacks.balls import ball
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.registry import choice
from pyrogen.seeds import check_seed

Logits = Callable[[Tensor], Tensor]
Bounds = tuple[Tensor | float, Tensor | float]
"""The least and the greatest value that an element may have: of all, or of each, ``x_shape``."""

ROUNDED = 1e-6  # relative to a range, by which data in float32 may lie outside of it


@dataclass(frozen=True)
class Attacked:
    """Data after an attack, and what has become of their class.

    Attributes:
        x: the data, moved, ``(N, *x_shape)``.
        named: the most probable class of each, ``(N,)``.
        success: whether that is another than y or, of an attack with a target, the target, ``(N,)``.
        distance: how far each was moved, in the norm of the attack, ``(N,)`` float64.
        probability: of y or the target now, ``(N,)`` float64.
    """

    x: Tensor
    named: Tensor
    success: Tensor
    distance: Tensor
    probability: Tensor


@dataclass(frozen=True)
class Attack(ABC):
    """Starts somewhere near each datum, and steps from there against its class: what differs are starts and steps.

    An attack is a function, ``attack(classifier, x, y, epsilon)``; one under ``@choice("attack")`` is found by its name.

    Args:
        norm: what moves are measured by: "inf", the greatest change of an element, or "2", the Euclidean distance.
    """

    axes: ClassVar[tuple[str, ...]] = ("attack",)

    norm: str = "inf"

    def __post_init__(self) -> None:
        """Refuse a norm that there is not."""
        ball(self.norm)

    @property
    def searches(self) -> int:
        """How many are made of each datum, from starts of their own."""
        return 1

    @abstractmethod
    def start(self, x: Tensor, epsilon: float, generator: Generator | None = None) -> Tensor:
        """Where a search begins, as moves of x; without a generator from torch's global one."""

    @abstractmethod
    def stride(self, epsilon: float) -> tuple[int, float]:
        """How many steps a search has, and the length of each."""

    def search(
        self,
        logits: Logits,
        x: Tensor,
        y: Tensor,
        epsilon: float,
        moves: Tensor,
        targeted: bool = False,
        bounds: Bounds | None = None,
    ) -> Tensor:
        """x after one search from these moves, ``(N, *x_shape)``; the classifier is asked as it is."""
        steps, step_size = self.stride(epsilon)
        return climb(logits, x, y, x + moves, epsilon, self.norm, steps, step_size, targeted, bounds)

    def __call__(
        self,
        classifier: HasClassifier | Logits,
        x: Tensor,
        y: Tensor,
        epsilon: float,
        *,
        targeted: bool = False,
        bounds: Bounds | None = None,
        seed: int = 0,
        chunk_size: int = 1000,
    ) -> Attacked:
        """Attack data; of several searches each datum keeps the one that brought it farthest.

        The classifier is asked as it is at test time and left as it was, and so are torch's generators.

        Args:
            classifier: a model that names classes, or any function from x, ``(N, *x_shape)``, to logits ``(N, classes)``.
            x: data.
            y: their classes, or the targets, ``(N,)``.
            epsilon: how far each may be moved, in the attack's norm.
            targeted: whether y is what they should be taken for, instead of what they are.
            bounds: the range of the data, which is not left.
            seed: of the starts.
            chunk_size: data at once, which changes nothing but memory.

        Raises:
            ValueError: no such distance or seed, no y of each datum, one that the classifier has no class for, whole numbers
                for a function, or data outside their own range.
        """
        x = classifier.read(x) if isinstance(classifier, Model) else x
        _check(x, y, epsilon, bounds)
        generator = Generator().manual_seed(check_seed(seed))
        # all at once, and not chunk by chunk
        starts = [self.start(x, epsilon, generator) for _ in range(self.searches)]
        parts = []
        with asked(classifier) as logits:
            check_classes(logits, x[:1], y)
            for rows in torch.arange(len(x), device=x.device).split(chunk_size):
                tried = [self.search(logits, x[rows], y[rows], epsilon, m[rows], targeted, bounds) for m in starts]
                parts.append(_farthest(logits, tried, y[rows], targeted))
        found, outputs = (torch.cat(halves) for halves in zip(*parts, strict=True))
        return judged(outputs, found, y, targeted, ball(self.norm).length((found - x).double()))


@choice("attack")
@dataclass(frozen=True)
class FastGradient(Attack):
    """One step of length ε along the steepest slope at the datum: of the norm "inf" x + ε sign ∇ₓ(−log p(y|x)).

    Reference: Goodfellow, Shlens & Szegedy 2015, Explaining and harnessing adversarial examples, arXiv:1412.6572.

    Args:
        norm: "inf" or "2".
    """

    def start(self, x: Tensor, epsilon: float, generator: Generator | None = None) -> Tensor:
        """The datum itself."""
        return torch.zeros_like(x)

    def stride(self, epsilon: float) -> tuple[int, float]:
        """One step, as far as is allowed."""
        return 1, epsilon


@choice("attack")
@dataclass(frozen=True)
class ProjectedGradient(Attack):
    """Many small steps, each brought back into the ball: x ← Π(x + α · steepest), from a random point of it.

    Reference: Madry et al. 2018, Towards deep learning models resistant to adversarial attacks, arXiv:1706.06083.

    Args:
        norm: "inf" or "2".
        steps: how many.
        reach: how far all steps together would come, in units of ε: α = reach · ε / steps.
        restarts: searches, each from another point.
    """

    steps: int = 20
    reach: float = 2.5
    restarts: int = 1

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        super().__post_init__()
        if min(self.steps, self.restarts) < 1 or not 0 < self.reach < math.inf:
            raise ValueError(
                f"ProjectedGradient(steps={self.steps}, reach={self.reach}, restarts={self.restarts}): an attack takes one "
                "step or more, of a length above 0, once or more often."
            )

    @property
    def searches(self) -> int:
        """So many restarts."""
        return self.restarts

    def start(self, x: Tensor, epsilon: float, generator: Generator | None = None) -> Tensor:
        """A point of the ball at random."""
        return ball(self.norm).inside(x, epsilon, generator)

    def stride(self, epsilon: float) -> tuple[int, float]:
        """Small steps, which could cross the ball."""
        return self.steps, self.reach * epsilon / self.steps


@choice("attack")
@dataclass(frozen=True)
class Noise(Attack):
    """A move of length ε in a random direction: no attack, but what one has to be compared with.

    Args:
        norm: "inf" or "2".
    """

    def start(self, x: Tensor, epsilon: float, generator: Generator | None = None) -> Tensor:
        """A point of the ball's surface at random."""
        return ball(self.norm).surface(x, epsilon, generator)

    def stride(self, epsilon: float) -> tuple[int, float]:
        """None."""
        return 0, 0.0


def climb(
    logits: Logits,
    x: Tensor,
    y: Tensor,
    start: Tensor,
    epsilon: float,
    norm: str,
    steps: int,
    step_size: float,
    targeted: bool = False,
    bounds: Bounds | None = None,
) -> Tensor:
    """Steps of the steepest slope of each datum's own log odds of y, down or, to a target, up, ``(N, *x_shape)``.

    After each step x is brought back to ‖x − x₀‖ ≤ ε and into its range. The slope of log p(y|x) is that of the log odds
    times 1 − p(y|x): it points to the same place, but vanishes of a classifier that is sure, whom no attack by it would hurt.

    Args:
        logits: of x, ``(N, classes)``.
        x: x₀, the data.
        y: classes or targets, ``(N,)``.
        start: where the steps begin.
        epsilon: how far from x they may lead; ∞: anywhere.
        norm: of ε and of the steps.
        steps: how many.
        step_size: the length of each.
        targeted: whether to climb towards y.
        bounds: the range of the data.
    """
    room, sign = ball(norm), 1 if targeted else -1

    def back(at: Tensor) -> Tensor:
        return clipped(x + room.shorten(at - x, epsilon), bounds).detach()

    at = back(start)
    with torch.enable_grad():
        for _ in range(steps):
            at = at.requires_grad_()
            (slopes,) = torch.autograd.grad(sign * log_odds(logits(at), y).sum(), at)
            at = back(at.detach() + step_size * room.steepest(slopes))
    return at


def log_odds(logits: Tensor, y: Tensor) -> Tensor:
    """log p(y) − log (1 − p(y)) = l_y − log Σ_{j ≠ y} exp l_j of logits ``(N, classes)``, in float64, ``(N,)``."""
    wide, place = logits.double(), y.unsqueeze(-1)
    return wide.gather(-1, place).squeeze(-1) - wide.scatter(-1, place, -math.inf).logsumexp(-1)


def clipped(x: Tensor, bounds: Bounds | None) -> Tensor:
    """x within its range."""
    if bounds is None:
        return x
    low, high = (bound.to(x) if isinstance(bound, Tensor) else bound for bound in bounds)
    return x.clamp(min=low).clamp(max=high)


def judged(outputs: Tensor, x: Tensor, y: Tensor, targeted: bool, distance: Tensor) -> Attacked:
    """What has become of data, from their logits."""
    named = outputs.argmax(-1)
    success = named == y if targeted else named != y
    return Attacked(x, named, success, distance, log_odds(outputs, y).sigmoid())


@contextmanager
def asked(classifier: HasClassifier | Logits) -> Iterator[Logits]:
    """A classifier's logits as they are at test time; its mode comes back afterwards."""
    modules: list[nn.Module] = [classifier] if isinstance(classifier, nn.Module) else []
    with evaluating(*modules):
        yield logits_of(classifier)


def logits_of(classifier: HasClassifier | Logits) -> Logits:
    """The function from x to logits."""
    if not isinstance(classifier, HasClassifier):
        return classifier
    model = classifier

    def logits(x: Tensor) -> Tensor:
        found: Tensor = model.classify(x).logits
        return found

    return logits


def _farthest(logits: Logits, tried: list[Tensor], y: Tensor, targeted: bool) -> tuple[Tensor, Tensor]:
    """Of several searches the x, and their logits, at which y is beaten by most or, as a target, wins by most."""
    outputs = torch.stack([logits(x) for x in tried])
    place = y.expand(len(tried), -1).unsqueeze(-1)
    ahead = outputs.gather(-1, place).squeeze(-1) - outputs.scatter(-1, place, -math.inf).amax(-1)
    best = (ahead if targeted else -ahead).argmax(0)
    rows = torch.arange(len(y), device=y.device)
    return torch.stack(tried)[best, rows], outputs[best, rows]


def _check(x: Tensor, y: Tensor, epsilon: float, bounds: Bounds | None) -> None:
    if not 0 <= epsilon < math.inf:
        raise ValueError(f"epsilon={epsilon}: how far a datum may be moved is a finite number from 0.")
    if y.shape != x.shape[:1] or y.is_floating_point() or not len(x) or int(y.min()) < 0:
        raise ValueError(
            f"an attack takes one class for each of 1 datum or more; got x of shape {tuple(x.shape)} and y of shape "
            f"{tuple(y.shape)}, {str(y.dtype).removeprefix('torch.')}; leave out data whose label is unknown."
        )
    if not x.is_floating_point():
        raise ValueError(f"an attack moves data along slopes, and x holds {x.dtype}; pass x.float().")
    if x.isnan().any():
        raise ValueError("an attack moves whole data, and of these some elements are missing; impute them first.")
    if bounds is None:
        return
    low, high = (torch.as_tensor(bound).to(x) for bound in bounds)
    slack = ROUNDED * (high - low).abs().amax()
    if ((x < low - slack) | (x > high + slack)).any():
        raise ValueError(
            f"the data go from {float(x.min()):.4g} to {float(x.max()):.4g} and leave the range that they are to be kept in; "
            "pass bounds that hold them, or none."
        )


def check_classes(logits: Logits, x: Tensor, y: Tensor) -> None:
    """Refuse classes that there are not, which on a GPU would end the process.

    Raises:
        ValueError: one is.
    """
    with torch.no_grad():
        classes = logits(x).shape[-1]
    if len(y) and not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise ValueError(
            f"the classifier names the classes 0 to {classes - 1}, and the ones given go from {int(y.min())} to "
            f"{int(y.max())}."
        )
