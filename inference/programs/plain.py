"""Pairs made of two plain Pyro functions."""

from __future__ import annotations

from pyro import poutine
from torch import Tensor, nn

from pyrogen.base import Model, Pair
from pyrogen.inference.programs.record import PlainFunction


class Program(Pair):
    """A pair made of two plain Pyro functions, called as ``model(x)`` or ``model(x, y)``.

    Its batch plate is the one whose size follows ``x.shape[0]``, whatever its name. Particles are laid along the batch,
    because the functions' own networks may not know of other dimensions.
    """

    vectorized = False

    def __init__(self, model: PlainFunction, guide: PlainFunction) -> None:
        super().__init__()
        self.functions = model, guide
        owners = [getattr(f, "__self__", f) for f in self.functions]
        self.owners = nn.ModuleList([m for m in owners if isinstance(m, nn.Module)])

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """The function that was given."""
        self.functions[0](x) if y is None else self.functions[0](x, y)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """The function that was given."""
        self.functions[1](x) if y is None else self.functions[1](x, y)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Not from here: what a plain function observes has a shape that only its data know.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "a plain (model, guide) tuple is sampled by pyro.infer.Predictive, with an x of the right shape."
        )

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse what is no data at all; shapes, and what they mask, are the functions' own business."""
        if not isinstance(x, Tensor) or x.dim() == 0 or x.shape[0] == 0:
            raise ValueError("expected a tensor of data with at least one row.")


def without_guide(pair: Pair) -> Program:
    """The same model beside its own latents in place of the guide, which is neither run nor needed."""

    def prior(x: Tensor, y: Tensor | None = None) -> None:
        with poutine.block(hide_fn=lambda site: site["type"] == "sample" and site["is_observed"]):
            pair.model(x, y)

    return Program(pair.model, prior)


def as_pair(pair: Model | tuple[PlainFunction, PlainFunction]) -> Pair:
    """A pair, from a pair or a tuple ``(model, guide)`` of plain Pyro functions.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(pair, Pair):
        return pair
    if isinstance(pair, tuple) and len(pair) == 2 and all(callable(f) for f in pair):
        return Program(*pair)
    raise ValueError(
        f"expected a latent-variable model of the zoo or a tuple (model, guide) of Pyro functions; got {type(pair).__name__}."
    )
