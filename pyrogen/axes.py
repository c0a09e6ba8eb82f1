"""The three axes of a latent-variable model: p(z), q(z|x) and p(x|·), each a module that returns a distribution.

An axis object is constructed from its choices alone and keeps each under its argument's name. The model that takes it
calls ``build`` with a :class:`Blueprint`, where it learns the sizes and refuses what cannot work.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistributionMixin as Distribution
from torch import Tensor, nn

from pyrogen.base import Batch, Stage
from pyrogen.conditions import Condition
from pyrogen.kinds import IMAGE_KINDS, kind_named, kind_of
from pyrogen.registry import Registration, registrations

bit_vector = constraints.independent(constraints.boolean, 1)
unit_vector = constraints.independent(constraints.unit_interval, 1)

# constraints are made anew at will, and two that read the same are the same
_SPACES = {
    repr(constraints.real_vector): "real vectors",
    repr(bit_vector): "vectors of bits",
    repr(constraints.one_hot): "one-hot vectors",
    repr(constraints.simplex): "points of the simplex",
    repr(constraints.sphere): "points of the unit sphere",
    repr(unit_vector): "vectors of numbers between 0 and 1",
}


@dataclass(frozen=True)
class Blueprint:
    """What a model tells its axes when it is built."""

    x_shape: torch.Size
    latent_size: int
    prior: Prior
    posterior: Posterior
    likelihood: Likelihood
    encode: Callable[[Tensor], Distribution]
    condition: Condition | None = None
    read: Callable[[Tensor | None], Tensor] | None = None
    """y as a network reads it, where there is a condition; of no y a ValueError."""


class Axis(nn.Module, ABC):
    """A swappable part, made of its choices."""

    axes: ClassVar[tuple[str, ...]]
    needs_training_data: bool = False
    """Whether it asks for all training data, or their codes, before training or after."""

    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """What it needs of the training data before it can be used; by default nothing."""

    def after_training(self, z: Tensor, y: Tensor | None = None) -> None:
        """What is left to learn from the codes ``z`` of the training data, ``(N, latent_size)``; by default nothing."""

    def build(self, plan: Blueprint) -> None:
        """Learn the sizes and create what depends on them.

        Raises:
            ValueError: it cannot work with the rest of the plan; the message names both sides.
        """

    def extra_repr(self) -> str:
        """The choices, as typed; one of a user's own may keep them elsewhere."""
        names = inspect.signature(type(self)).parameters
        return ", ".join(f"{k}={getattr(self, k)!r}" for k in names if hasattr(self, k))


class Prior(Axis):
    """p(z); calling it gives the one distribution that is both scored and sampled.

    ``learned`` priors have parameters of their own, and cannot be joined with a posterior that has no density: pulling
    all codes to one point would raise log p(z) without limit.

    Attributes:
        support: the values that z may have; None: those of the posterior, whatever they are.
        learned: whether it has parameters.
        proper: whether it has a normalizer.
        made_of_posteriors: whether its density is one of posteriors.
    """

    axes: ClassVar[tuple[str, ...]] = ("prior",)
    support: constraints.Constraint | None = constraints.real_vector
    learned: bool = False
    proper: ClassVar[bool] = True
    made_of_posteriors: ClassVar[bool] = False

    @abstractmethod
    def forward(self, y: Tensor | None = None) -> Distribution:
        """The distribution, with event shape ``(latent_size,)``."""

    def build(self, plan: Blueprint) -> None:
        """Take the latent size."""
        self.size(plan.latent_size)

    def size(self, latent_size: int) -> None:
        """Take the latent size, which is all that a fixed prior needs of a plan."""

    def bottom_size(self, latent_size: int) -> int:
        """How many numbers of :meth:`bottom` the data depend on directly: all of z, unless the prior has levels."""
        return latent_size

    def bottom(self, z: Tensor) -> Tensor:
        """What the data depend on directly, ``(..., latent_size)`` to ``(..., bottom_size)``: the last coordinates of z."""
        return z[..., -self.bottom_size(z.shape[-1]) :]

    def stages(self, coded: Callable[[Batch], Batch]) -> Sequence[Stage]:
        """The games in which it is fitted to codes, once the rest of the model is trained.

        By default none, as a prior is trained with the model. One that has some is given the model to train under while it is
        not :meth:`wake`.

        Args:
            coded: of a batch of data, that of their codes ``(B, latent_size)``, and of the y that the prior is told.
        """
        return []

    def stages_after(self, own: Sequence[Stage], coded: Callable[[Batch], Batch]) -> Sequence[Stage]:
        """The stages of a model, in which this prior rests where it has some of its own, and then those."""
        later = self.stages(coded)

        def enter(stage: Stage) -> None:
            self.wake(False)
            stage.enter()

        def asleep(stage: Stage) -> Stage:
            players = [replace(p, idle=[*p.idle, self]) for p in stage.players]
            return replace(stage, players=players, enter=partial(enter, stage))

        return [*map(asleep, own), *later] if later else own

    def wake(self, awake: bool) -> None:
        """Be what was fitted to codes, or what stands for it until then; of a prior without stages nothing."""

    def generator(self, y: Tensor | None = None) -> Distribution:
        """What the latents of generated data are drawn from: the prior itself, where it is proper."""
        return self(y)


class HasLevels(ABC):
    """A prior whose z is made of levels, the top one first."""

    sizes: Sequence[int]

    @abstractmethod
    def level(self, number: int, above: Tensor) -> Distribution:
        """p(z_l | z_{<l}) given all levels above, ``(..., sum(sizes[:number]))``; event ``(sizes[number],)``."""


class HasTransition(ABC):
    """A prior whose z is made of states side by side, each normal given the one before: the same transition at each step."""

    @property
    @abstractmethod
    def first(self) -> Distribution:
        """p(z₁), independent normal coordinates: batch shape ``()``, event ``(L,)``."""

    @abstractmethod
    def following(self, before: Tensor) -> Distribution:
        """p(z_t | z_{t−1}) of states ``(..., L)``, independent normal coordinates: batch shape ``(...)``, event ``(L,)``."""


class HasCentre(ABC):
    """A prior with most of its mass around 0, of which z can be drawn that lie within a distance of it.

    Attributes:
        truncations: distances to look at, from far to near.
    """

    truncations: Sequence[float]

    @abstractmethod
    def draw_within(self, n: int, most: float) -> Tensor:
        """z of the prior given that all |z_i| ≤ ``most``, above 0: ``(n, latent_size)``."""


class Posterior(Axis):
    """q(z|x) from the features that the encoder gives.

    Attributes:
        support: the values that z may have.
        follows_levels: whether it needs a prior that :class:`HasLevels`.
        follows_transition: whether it needs a prior that :class:`HasTransition`.
        needs_log_joint: whether it climbs the joint density of x and z, so that it needs the prior's.
        has_density: whether its mass is not all at one point.
        reads_pair: whether its features are a mean and a log variance, which an encoder may return apart.
    """

    axes: ClassVar[tuple[str, ...]] = ("posterior",)
    support: constraints.Constraint = constraints.real_vector
    has_density: ClassVar[bool] = True
    follows_levels: ClassVar[bool] = False
    follows_transition: ClassVar[bool] = False
    needs_log_joint: ClassVar[bool] = False
    reads_pair: ClassVar[bool] = False

    @abstractmethod
    def width(self, latent_size: int) -> int:
        """How many features a datum needs."""

    @abstractmethod
    def forward(self, features: Tensor, log_joint: Callable[[Tensor], Tensor] | None = None) -> Distribution:
        """The distribution with batch shape ``features.shape[:-1]`` and event shape ``(latent_size,)``."""

    def code(self, q: Distribution) -> Tensor:
        """The one z that stands for a datum in its reconstruction: the mean of q(z|x)."""
        z: Tensor = q.mean
        return z

    def build(self, plan: Blueprint) -> None:
        """Take the latent size; refuse priors of other values, and priors that need, or cannot bear, a density."""
        self.latent_size = plan.latent_size
        if plan.condition is not None and plan.prior.made_of_posteriors:
            raise ValueError(
                f"the prior {type(plan.prior).__name__} is made of posteriors q(z|x), and those of a conditional model, "
                "q(z|x, y), need a y as well; use prior='ConditionalNormal' or prior='MixtureOfGaussians'."
            )
        wrong = _misfit(plan.prior, self)
        if wrong:
            p, q = type(plan.prior).__name__, type(self).__name__
            other_q = next((r.name for r in _plainest_first(Posterior, p) if not _misfit(plan.prior, r.load())), None)
            other_p = next((r.name for r in _plainest_first(Prior, q) if not _misfit(r.load(), self)), None)
            # a choice may fit another by its settings alone
            left = (
                f"posterior={other_q!r} with prior={p!r}"
                if other_q
                else f"posterior={p!r} with the settings of the prior"
            )
            right = f"prior={other_p!r} with posterior={q!r}" if other_p else f"prior={q!r} with those of the posterior"
            raise ValueError(f"{wrong}; use {left}, or {right}.")


class Likelihood(Axis):
    """p(x|·) from the features that the decoder gives, ``(..., channels(x_shape), *x_shape[1:])``.

    Attributes:
        kinds: the kinds of data that it scores.
        support: the values that one element may have.
        hull: the convex set that the data lie in, where pseudo-data may move; None: there is nothing between them.
        per_element: how many parameters each element of x needs.
        missing: whether NaN in x stands for what was not observed.
        proper: whether it is a density, or a probability, of x itself.
        reads_logits: whether features are log odds, or logits, which a decoder that ends in a sigmoid does not give.
        words: how many words elements of x are the numbers of; None where they are numbers.
        any_length: whether it scores x cut behind its ends, see :meth:`pyrogen.kinds.Kind.needed`, as it scores the whole.
    """

    axes: ClassVar[tuple[str, ...]] = ("likelihood",)
    kinds: tuple[str, ...]
    support: constraints.Constraint = constraints.real
    hull: constraints.Constraint | None = constraints.real
    per_element: int = 1
    missing: bool = False
    proper: ClassVar[bool] = True
    reads_logits: bool = False
    words: int | None = None
    any_length: bool = False

    @abstractmethod
    def forward(self, features: Tensor) -> Distribution:
        """The distribution with event shape ``x_shape``; its ``mean`` is what a reconstruction shows."""

    def build(self, plan: Blueprint) -> None:
        """Take the shape of the data."""
        self.size(plan.x_shape)

    def size(self, x_shape: torch.Size) -> None:
        """Take the shape of the data (all that a likelihood needs of a plan)."""
        self.x_shape = torch.Size(x_shape)

    def channels(self, x_shape: torch.Size) -> int:
        """How many numbers a decoder gives at each position."""
        return self.per_element * x_shape[0]

    def couples(self, x_shape: torch.Size) -> bool:
        """Whether elements of x depend on one another given the features, beyond what each has for itself."""
        return self.channels(x_shape) != x_shape[0] * self.channels(torch.Size([1, *x_shape[1:]]))

    def check(self, x: Tensor) -> None:
        """Refuse values that have no density here.

        Raises:
            ValueError: the sentence names what they are and which likelihoods score them.
        """
        if not self.support.check(x).all():
            raise ValueError(refusal(f"the likelihood {type(self).__name__}", self.kinds, kind_of(x)))

    def rescale(self, x: Tensor) -> Tensor:
        """``x`` as a network likes to read it, of order one."""
        return x

    def blend(self, weights: Tensor, parts: Distribution) -> Tensor:
        """The mean of a mixture of ``parts``, batch shape ``(..., K)``, with weights ``(..., K)``."""
        return average(weights, parts.mean)

    def parts(self, features: Tensor) -> tuple[Tensor, ...]:
        """The ``per_element`` parameters of each element, each ``(..., *x_shape)``."""
        rank = len(self.x_shape)
        return features.unflatten(-rank, (self.per_element, self.x_shape[0])).unbind(-rank - 1)


def average(weights: Tensor, values: Tensor) -> Tensor:
    """Σₖ wₖ vₖ for weights ``(..., K)`` and values ``(..., K, *event)``."""
    padded = weights.reshape(*weights.shape, *[1] * (values.dim() - weights.dim()))
    return (padded * values).sum(weights.dim() - 1)


def refusal(who: str, kinds: Sequence[str], got: str) -> str:
    """The sentence for data of the wrong kind: what was expected, what came, what to do."""
    working = [(r.name, r.load().kinds) for r in registrations("likelihood") if r.load().proper]
    others = [k for k in ("unit", "levels") if k not in kinds and k != got]
    by_kind = {k: [name for name, scored in working if k in scored] for k in (got, *others)}
    listed = [f"{k} data: {', '.join(names) or 'none'}" for k, names in by_kind.items()]
    made = " (grey images are then binarized or dequantized)" if kinds[0] in ("binary", "unit") else ""
    wanted, came = (f"{kind} data ({kind_named(kind).words})" for kind in (kinds[0], got))
    load, choose = f"load them with kind={kinds[0]!r}{made}", f"choose another likelihood ({'; '.join(listed)})"
    ways = f"{load}, or {choose}" if got in IMAGE_KINDS else f"{choose}, or, were they images once, {load}"
    return f"{who} scores {' or '.join((*kinds[1:], wanted))}, and these are {came}; {ways}."


def refuse_images(likelihood: str, x_shape: torch.Size, instead: str) -> None:
    """Refuse data with positions for a likelihood whose parameters belong to a whole vector.

    Raises:
        ValueError: they have them.
    """
    if len(x_shape) > 1:
        raise ValueError(
            f"the likelihood {likelihood} ties the elements of a vector, x_shape=(D,), together, and got "
            f"x_shape={tuple(x_shape)}; flatten the data to ({torch.Size(x_shape).numel()},), or use "
            f"likelihood={instead!r}, which takes them as they are."
        )


def refuse_one_class(latent_size: int, variables: int = 1) -> None:
    """Refuse categorical latents that have nothing to choose from.

    Raises:
        ValueError: there is one class, or latent_size does not divide evenly.
    """
    if variables > 1 and (latent_size % variables or latent_size < 2 * variables):
        raise ValueError(
            f"Categorical(variables={variables}) cuts latent_size={latent_size} into {variables} one-hot vectors of at least "
            f"2 classes; use a multiple of {variables}, such as latent_size={10 * variables}."
        )
    if latent_size < 2:
        raise ValueError(
            f"latent_size={latent_size} gives a Categorical latent one class, which says nothing; use latent_size >= 2, or "
            "prior='Bernoulli' with posterior='Bernoulli' for one bit."
        )


def _misfit(prior: Prior | type[Prior], posterior: Posterior | type[Posterior]) -> str | None:
    """Why a prior and a posterior cannot be joined, both named; None where they can."""
    p, q = ((axis if isinstance(axis, type) else type(axis)).__name__ for axis in (prior, posterior))
    if prior.support is not None and repr(prior.support) != repr(posterior.support):
        left, right = (_SPACES.get(repr(s), repr(s)) for s in (prior.support, posterior.support))
        return f"the prior {p} is over {left} and the posterior {q} over {right}"
    if posterior.follows_levels and not issubclass(prior if isinstance(prior, type) else type(prior), HasLevels):
        return f"the prior {p} has no levels for the posterior {q} to follow"
    if posterior.follows_transition and not issubclass(
        prior if isinstance(prior, type) else type(prior), HasTransition
    ):
        return f"the prior {p} has no transition from state to state for the posterior {q} to follow"
    if prior.made_of_posteriors and posterior.needs_log_joint:
        return f"the prior {p} is made of posteriors and the posterior {q} climbs the prior's density, each needing the other"
    if not prior.proper and posterior.has_density:
        return f"the prior {p} has no normalizer to weigh the posterior {q} against"
    if prior.learned and not posterior.has_density:
        return f"the prior {p} is learned and the posterior {q} has no density, so log p(z) would grow without limit"
    return None


def _plainest_first(axis: type[Prior] | type[Posterior], partner: str) -> list[Registration]:
    """The choices on an axis: the usual one, that of the partner's name, then those without demands of their own."""

    def special(record: Registration) -> tuple[bool, bool, bool, bool]:
        cls = record.load()
        usual = record.name in ("StandardNormal", "DiagonalNormal")
        elsewhere = repr(cls.support) != repr(constraints.real_vector)
        return not usual, record.name != partner, elsewhere, cls.build is not axis.build

    return sorted(registrations(axis.axes[0]), key=special)
