"""Data with holes: any likelihood of independent elements, over those that were observed."""

from __future__ import annotations

from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor

from pyrogen.axes import Distribution, Likelihood
from pyrogen.registry import choice, make


class OrMissing(constraints.Constraint):
    """Values that keep a constraint, or are NaN.

    Args:
        base: of one element.
    """

    def __init__(self, base: constraints.Constraint) -> None:
        self.base = base
        super().__init__()

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        """As without NaN."""
        return bool(self.base.is_discrete)

    def check(self, value: Tensor) -> Tensor:
        """Which elements do."""
        return torch.isnan(value) | self.base.check(value)


class Observed(TorchDistribution):
    """Independent elements of which those that are NaN in the value are left out of the score.

    Args:
        elements: batch shape ``(..., *x_shape)``, event shape all ones.
        inside: the values that an observed element may have.
        filler: a value in the support, scored in the place of a hole and then thrown away: NaN would poison the gradient.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012  (torch's own protocol)

    def __init__(self, elements: Distribution, inside: constraints.Constraint, filler: float) -> None:
        self.elements, self.inside, self.filler, self.rank = elements, inside, filler, len(elements.event_shape)
        shape = elements.batch_shape
        super().__init__(shape[: -self.rank], shape[-self.rank :], validate_args=False)

    @constraints.dependent_property
    def support(self) -> constraints.Constraint:
        """What an element may be, or NaN."""
        return constraints.independent(OrMissing(self.inside), self.rank)

    @property
    def mean(self) -> Tensor:
        """The elements' means, holes included: what a reconstruction imputes."""
        return self._whole(self.elements.mean)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Observed:
        """The same distribution with another batch shape."""
        return Observed(self.elements.expand((*batch_shape, *self.event_shape)), self.inside, self.filler)

    def log_prob(self, value: Tensor) -> Tensor:
        """Σ log p(xᵢ) over the elements that are not NaN."""
        hole = torch.isnan(value)
        filled = torch.where(hole, self.filler, value)
        each = self.elements.log_prob(filled.reshape(*filled.shape, *self.elements.event_shape))
        seen = torch.where(hole, torch.zeros_like(each), each)
        return seen.flatten(seen.dim() - self.rank).sum(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008  (torch's own signature)
        """Whole data, without holes."""
        return self._whole(self.elements.sample(sample_shape))

    def _whole(self, values: Tensor) -> Tensor:
        return values.flatten(values.dim() - self.rank).squeeze(-1)


@choice("likelihood")
class Masked(Likelihood):
    """Elements that were observed, p(x_seen|·) = Π_{i seen} p(xᵢ|·); in x, a hole is NaN: ``x.masked_fill(~seen, nan)``.

    The elements are independent given the features, so that leaving some out is integrating them out, and what an estimator
    puts under its logarithm is p(x_seen, z): the evidence is log p(x_seen), bound and all. The encoder reads 0 in a hole, as
    :meth:`rescale` scales data; whatever it reads, the bound holds. Samples are whole, and a reconstruction imputes.

    Should not be confused with ``poutine.mask``, which leaves out whole data, nor with putting a value into the holes, which
    would score it.

    Shapes: those of the likelihood. Reference: Mattei & Frellsen 2019, MIWAE, arXiv:1812.02633.

    Args:
        likelihood: of the elements: an object, a name, or a mapping such as ``{"name": "StudentT", "df": 3.0}``.
    """

    kinds = ("real", "unit")
    missing = True

    # an annotation with Likelihood would let the command line import whatever path is typed there
    def __init__(self, likelihood: Any = "Normal") -> None:
        super().__init__()
        self.likelihood: Likelihood = make("likelihood", likelihood)
        inner = self.likelihood
        if not inner.proper:
            raise ValueError(
                f"Masked leaves out elements of x, and {type(inner).__name__} scores something else; use "
                "Masked(likelihood='Normal')."
            )
        self.kinds, self.support, self.hull, self.per_element = (
            inner.kinds,
            inner.support,
            inner.hull,
            inner.per_element,
        )
        self.needs_training_data, self.reads_logits = inner.needs_training_data, inner.reads_logits
        self.words = inner.words
        self._filler = 0.0 if bool(inner.support.check(torch.zeros(()))) else 0.5

    def size(self, x_shape: torch.Size) -> None:
        """Take the shape of the data; refuse a likelihood whose elements cannot be left out one by one."""
        if self.likelihood.couples(x_shape):
            raise ValueError(
                f"Masked leaves out elements one by one, and the likelihood {type(self.likelihood).__name__} couples those "
                f"of x_shape={tuple(x_shape)}; use Masked(likelihood='Normal'), or a MixtureDensity of Masked components."
            )
        # built for one element, and asked about all of them as a batch
        self.likelihood.size(torch.Size([1] * len(x_shape)))
        super().size(x_shape)

    def channels(self, x_shape: torch.Size) -> int:
        """As many as the likelihood needs."""
        return self.likelihood.channels(x_shape)

    def couples(self, x_shape: torch.Size) -> bool:
        """Whether the likelihood couples elements."""
        return self.likelihood.couples(x_shape)

    def forward(self, features: Tensor) -> Distribution:
        """The likelihood of whatever was observed."""
        rank, c = len(self.x_shape), self.x_shape[0]
        each = features.unflatten(-rank, (features.shape[-rank] // c, c)).movedim(-rank - 1, -1)
        elements = self.likelihood(each.reshape(*each.shape, *[1] * (rank - 1)))
        return Observed(elements, self.support, self._filler)

    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Show the data to the likelihood."""
        self.likelihood.before_training(x, y)

    def check(self, x: Tensor) -> None:
        """Refuse observed values that have no density."""
        self.likelihood.check(self._filled(x))

    def rescale(self, x: Tensor) -> Tensor:
        """As the likelihood does, and 0 in a hole."""
        scaled = self.likelihood.rescale(self._filled(x))
        return torch.where(torch.isnan(x), torch.zeros_like(scaled), scaled)

    def blend(self, weights: Tensor, parts: Distribution) -> Tensor:
        """The mean of a mixture, as the likelihood defines it."""
        blended = self.likelihood.blend(weights, parts.elements)
        return blended.flatten(-len(self.x_shape)).squeeze(-1)

    def _filled(self, x: Tensor) -> Tensor:
        return torch.where(torch.isnan(x), self._filler, x)
