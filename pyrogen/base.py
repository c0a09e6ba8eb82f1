"""The contract that every model of the zoo keeps, in the order in which a newcomer meets it.

A :class:`Model` is a module that samples and names its objective. An :class:`Objective` turns it into :class:`Player` s,
which :func:`pyrogen.inference.fit` lets move in turn on :class:`Batch` es, in one :class:`Stage` after the other. A
:class:`Pair` is a model that is two ordinary Pyro functions. What else a model can do it says by the capabilities that it
inherits.
"""

from __future__ import annotations

import contextlib
import inspect
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin as Distribution
from pyro.poutine.runtime import am_i_wrapped, effectful
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from pyrogen.arguments import conform
from pyrogen.conditions import Condition, Reader
from pyrogen.kinds import PLAIN
from pyrogen.nets.causal import Place
from pyrogen.optim import Adam, Optim
from pyrogen.registry import find


@dataclass(frozen=True)
class Batch:
    """What a player's loss reads: tensors only, all on the model's device, first dimension the batch.

    ``step`` is the step of training, None elsewhere; ``turn`` is the same in every ``Player.every``-th step, None in others.
    ``shown`` is what ``Player.shows`` made for this step, by name, None where nothing was.
    """

    x: Tensor
    y: Tensor | None = None
    index: Tensor | None = None
    step: Tensor | None = None
    turn: Tensor | None = None
    shown: Mapping[str, Tensor] | None = None


def nothing() -> None:
    """Do nothing: the default of hooks."""


@dataclass(frozen=True)
class Player:
    """One side of the game that training is: it minimizes its loss over the modules that it owns.

    ``loss(batch)`` is a mapping of named scalar tensors; ``"loss"`` is minimized, all are logged. ``validation`` measures
    what is claimed, where that differs from what is minimized (a schedule at its end). ``state`` names modules that belong to
    the objective and not to the model (a critic of codes, persistent chains): they move with the model and are kept in
    checkpoints, as owned ones outside the model are. ``idle`` names what is meant to have no gradient. In every ``every``-th
    step the batch has a ``turn``, for what is too dear to be computed in each. ``shows(batch)`` makes named tensors once a
    round for the last step of the player before and for the first of its own: both read them as ``batch.shown``, and what
    the own loss says of them moves what they were made by.
    """

    name: str
    loss: Callable[[Batch], Mapping[str, Tensor]]
    owns: Sequence[nn.Module]
    optimizer: Optim = Adam()
    steps: int = 1
    after: Callable[[], None] = nothing
    validation: Callable[[Batch], Mapping[str, Tensor]] | None = None
    state: Sequence[nn.Module] = ()
    idle: Sequence[nn.Parameter | nn.Module] = ()
    every: int = 1
    shows: Callable[[Batch], Mapping[str, Tensor]] | None = None

    def parameters(self) -> list[nn.Parameter]:
        """The parameters that this player may move, each once."""
        return list({id(p): p for module in self.owns for p in module.parameters()}.values())

    def resting(self) -> dict[int, nn.Parameter]:
        """The parameters that it names idle, by their ids."""
        return {id(p): p for one in self.idle for p in ([one] if isinstance(one, nn.Parameter) else one.parameters())}


@dataclass(frozen=True)
class Stage:
    """One of the games that training plays one after the other.

    What is None is as :func:`pyrogen.inference.fit` was told, which may tell it by the stage's name, and no two have the
    same. ``enter()`` is called once, before the stage's first step, to prepare the model; a run that is resumed inside the
    stage has what it left in the checkpoint.
    """

    players: Sequence[Player]
    name: str = "training"
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    enter: Callable[[], None] = nothing


class Objective(ABC):
    """What is optimized, as an object that is applied to a model.

    Objectives add up: ``ELBO(warmup=1000) + 10 * Contractive()`` is one too, see
    :class:`pyrogen.inference.objectives.sums.Sum`.
    """

    axes: ClassVar[tuple[str, ...]] = ("objective",)
    alone: bool = True
    """Whether a model can be trained by it without others beside it."""
    implicit: bool = False
    """Whether it fits what a model makes, as a game does, and leaves its densities unasked."""

    @abstractmethod
    def players(self, model: Any) -> Sequence[Player]:
        """The players of the game, in the order of their moves.

        Raises:
            ValueError: the model lacks a capability that the objective needs.
        """

    @property
    def has_rates(self) -> bool:
        """Whether it, or an objective in it, was given an optimizer other than its kind's, at the rate of which it stays."""
        defaults = {name: p.default for name, p in inspect.signature(type(self)).parameters.items()}
        given = [(getattr(self, name, None), default) for name, default in defaults.items()]
        return any(
            value.has_rates if isinstance(value, Objective) else isinstance(default, Optim) and value != default
            for value, default in given
        )

    def __add__(self, other: object) -> Objective:
        return _sum([(1.0, self), (1.0, other)]) if isinstance(other, Objective) else NotImplemented

    def __mul__(self, weight: object) -> Objective:
        return _sum([(float(weight), self)]) if isinstance(weight, (int, float)) else NotImplemented

    __rmul__ = __mul__


def _sum(parts: Sequence[tuple[float, Objective]]) -> Objective:
    total: Objective = find("objective", "Sum").load()(parts)
    return total


def check_number(n: int) -> None:
    """Refuse what cannot be the number of draws.

    Raises:
        ValueError: n is no whole number or below 1.
    """
    if conform(check_number, {"n": n})["n"] < 1:
        raise ValueError(f"n={n}: the number of draws is at least 1.")


class Model(nn.Module, ABC):
    """Anything that can be trained and sampled."""

    x_shape: torch.Size
    kinds: tuple[str, ...] = PLAIN
    missing: bool = False
    """Whether NaN in x stands for what was not observed."""
    as_they_are: bool = False
    """Whether data in memory are told to it as they are; most models have them read as data of one of their kinds."""
    condition: Condition | None = None
    """What y is; None where the model does not look at it."""
    objective: Objective
    origin: Mapping[str, Any] | None = None
    paired: bool = True
    """Whether it takes each y to belong to its x; a model of two domains does not, and takes any data."""
    standardized: bool = False
    """Whether the data that it was trained on were standardized, so that raw ones are not what it reads."""
    columns: tuple[str, ...] = ()
    """What the columns of the table are called that it was trained on, in its order; none of what is no table."""
    read_weights: str = ""
    """The hash of the saved weights that it was given, from which further training goes on; "" if it was given none."""
    reader: Reader | None
    """Who makes numbers for a network of y; None where no network is told it."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = None  # of this object: as the class's own it would hide what a module is assigned to

    @abstractmethod
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw ``n`` data from the model, each given its y where the model is conditional: ``(n, *x_shape)``.

        Raises:
            ValueError: of :meth:`check_draws`.
        """

    def sample_mean(self, n: int, y: Tensor | None = None) -> Tensor:
        """``n`` generated data as one looks at them: by default samples; means, where p(x|z) only adds pixel noise."""
        return self.sample(n, y)

    def stages(self) -> Sequence[Stage]:
        """The games that training plays one after the other; by default the one of the model's own objective."""
        return [Stage(self.objective.players(self))]

    def meet(self, x: Tensor, y: Tensor | None = None) -> None:
        """What a model has to see of data before it is known what can be trained, on their device; by default nothing.

        Raises:
            ValueError: it cannot be trained on them.
        """

    @property
    def needs_training_data(self) -> bool:
        """Whether the model asks for all training data at once, before its games and after: by default where a part does."""
        return any(part.needs_training_data for part in self._learning())

    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """What is to be done with all training data before the games begin; by default each part is shown them."""
        for part in self._learning():
            part.before_training(x, y)

    def _learning(self) -> Sequence[Any]:
        """The parts that may learn from the data themselves: the axes, and whoever reads y."""
        from pyrogen.axes import Axis

        return [part for part in self.children() if isinstance(part, (Axis, Reader))]

    def after_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """What is left to do with all training data once the games are over, for all kept weights; by default nothing."""

    @property
    def any_length(self) -> bool:
        """Whether it trains on, and scores, x cut behind the ends of all data of a batch: by default only whole ones."""
        return False

    def refusal(self, kind: str) -> str:
        """The sentence for data of a kind that it does not take: what was expected, what came, what to do."""
        from pyrogen.axes import refusal

        return refusal(f"the model {type(self).__name__}", self.kinds, kind)

    @property
    def is_told(self) -> bool:
        """Whether it has to be told y, and does not infer it."""
        return self.condition is not None and not self.condition.optional

    def need_told(self, y: Tensor | None) -> None:
        """Refuse to go on without y where the model has to be told it.

        Raises:
            ValueError: it was told none.
        """
        if self.condition is not None:
            self.condition.need(y)

    def read_y(self, y: Tensor | None) -> Tensor | None:
        """y as a network reads it, ``(..., condition.size)``; None of no y, or of a model that does not look at it.

        Raises:
            ValueError: it has to be told y, and was told none.
        """
        self.need_told(y)
        return None if self.reader is None or y is None else self.reader(y)

    def condition_for(self, y: Tensor | None, x: Tensor | None = None) -> Tensor | None:
        """The y that must be told beside data or samples: None where the model takes none, or infers it.

        What is decoded needs a y of every model that takes one: with data x it is, where the model infers it, the y that it
        infers of them, ``(B,)``.
        """
        return y if self.is_told else None

    @property
    def device(self) -> torch.device:
        """Where the model's tensors are."""
        tensors = [*self.parameters(), *self.buffers()]
        return tensors[0].device if tensors else torch.device("cpu")

    def read(self, x: Tensor) -> Tensor:
        """Data of any real type in the model's own: float64, whole numbers and bits are converted.

        Raises:
            ValueError: complex numbers.
        """
        if not isinstance(x, Tensor):
            return x  # what is no tensor is refused by check
        if x.is_complex():
            raise ValueError(f"the model takes real numbers, and x holds {x.dtype}; pass x.real, or x.abs().")
        own = (t.dtype for t in (*self.parameters(), *self.buffers()) if t.is_floating_point())
        return x.to(next(own, torch.get_default_dtype()))

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse data that the model cannot take.

        Raises:
            ValueError: wrong shape, no data, or values that are not finite, unless NaN says that they are missing; no y, or
                a wrong one, where the model is conditional.
        """
        if not isinstance(x, Tensor):
            raise ValueError(f"expected a tensor of data, got {type(x).__name__}.")
        if x.shape[1:] != self.x_shape or x.dim() != len(self.x_shape) + 1:
            expected = ", ".join(map(str, self.x_shape))
            raise ValueError(f"the model takes x of shape (B, {expected}); got {tuple(x.shape)}.")
        if x.shape[0] == 0:
            raise ValueError("there are no data: x has 0 rows.")
        bad = torch.isinf(x) if self.missing else ~torch.isfinite(x)
        if bad.any():
            rows = int(bad.flatten(1).any(1).sum())
            holes = "" if self.missing or torch.isinf(x).any() else ", or leave them out by likelihood='Masked'"
            raise ValueError(
                f"{rows} of {x.shape[0]} data hold NaN or infinite values; remove or impute them first{holes}."
            )
        if self.condition is not None:
            self.condition.check(y, len(x))

    def check_draws(self, n: int, y: Tensor | None = None) -> None:
        """Refuse what cannot be the number of draws, and what is no y for each of them.

        Raises:
            ValueError: n is no whole number or below 1; no y, or a wrong one, where the model is conditional.
        """
        check_number(n)
        if self.condition is not None:
            self.condition.check(y, n)

    def _repr_html_(self) -> str:
        from pyrogen import html
        from pyrogen.registry import describe

        said = self.origin or {}
        # data bring their vocabulary, which may be longer than a screen
        given = {k: v for k, v in said.get("arguments", {}).items() if k != "vocabulary"}
        rows = [(k, v) for k, v in describe(given).items() if v is not None]
        size = f"{sum(p.numel() for p in self.parameters()):,} parameters"
        return html.block(f"{said.get('entry', type(self).__name__)}: {type(self).__name__}, {size}", html.table(rows))

    def save(self, folder: str | Path) -> None:
        """Write ``config.yaml`` and ``weights.safetensors`` to a folder, each atomically."""
        from pyrogen.storage import save

        save(self, folder)


def told(model: Any, x: Tensor | TensorDataset, y: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """x and y; a split of data brings its own, unless another y is told, and they go to where the model is.

    Raises:
        ValueError: the split is streamed from disk, and has no tensor x.
    """
    if not isinstance(x, TensorDataset):
        return x, y
    plain = dict(zip("xy", x.tensors, strict=False))
    own: Any = getattr(x, "x", plain.get("x"))  # of a streamed split x is no tensor, which it says itself
    known = getattr(x, "y", plain.get("y")) if y is None else y
    where = model.device if isinstance(model, Model) else own.device
    return own.to(where), None if known is None else known.to(where)


class HasLogProb(ABC):
    """A model whose log p(x), or log p(x|y), can be computed."""

    @abstractmethod
    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x) in nats, ``(B,)``."""


class HasConditionals(HasLogProb):
    """A model that draws one place of x after the other, log p(x) = Σ_d log p(x_d | x_<d).

    Attributes:
        places: pixels, or channels of them, in the order in which they are drawn.
    """

    places: Sequence[Place]

    @abstractmethod
    def distribution(self, y: Tensor | None = None) -> Distribution:
        """p(x), or p(x|y) with batch shape ``(B,)``."""

    @abstractmethod
    def log_conditionals(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p of each pixel given those before it in nats, ``(B, *x_shape[1:])``: they sum to log p(x)."""

    @abstractmethod
    def complete(self, x: Tensor, known: int, y: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """Data whose first ``known`` places are those of ``x``, and the rest drawn given them, ``(B, *x_shape)``.

        At a temperature T every place is drawn from p(x_d | x_<d)^(1/T), normalized.
        """

    @abstractmethod
    def receptive_field(self, pixel: tuple[int, ...], channel: int = 0) -> Tensor:
        """How much what is said of one element moves with each element of x, ``x_shape``: 0 where it is not seen."""


class HasFreeEnergy(ABC):
    """A model with p(x) ∝ exp(−F(x))."""

    @abstractmethod
    def free_energy(self, x: Tensor) -> Tensor:
        """F(x) in nats, ``(B,)``."""

    @abstractmethod
    def gibbs(self, x: Tensor) -> Tensor:
        """One transition of a Markov chain that leaves p(x) unchanged, same shape."""


class HasPartition(ABC):
    """A model p(x) = f(x) / Z whose log Z is told by chains that climb from a base with a known normalizer.

    The chains' states s need not be data: Σ_s f_β(s) = Z_β along a path of unnormalized densities, from f₀, whose Z₀ is
    known, to f₁, whose Z₁ is the Z of the model. β is a number, or one for each state, ``(n,)``.

    Attributes:
        tight: whether ``log_unnormalized`` is log f(x), and not a lower bound.
    """

    tight: bool = True

    @abstractmethod
    def log_unnormalized(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """log f(x), or a lower bound, and its Monte-Carlo error, in nats, each ``(B,)``."""

    @abstractmethod
    def base_states(self, n: int) -> Tensor:
        """``n`` exact draws of the base, ``(n, *)``."""

    @abstractmethod
    def base_log_partition(self) -> Tensor:
        """log Z₀ in nats, a scalar."""

    @abstractmethod
    def log_density(self, states: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """log f_β(s) in nats, ``(n,)``."""

    @abstractmethod
    def move(self, states: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """One transition that leaves f_β unchanged and is reversible, same shape."""

    @abstractmethod
    def emit(self, states: Tensor) -> Tensor:
        """Data drawn from p(x|s), ``(n, *x_shape)``."""

    def climb(self, states: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
        """log f_high(s) − log f_low(s), ``(n,)``, and the states after a transition that leaves f_high unchanged."""
        lift = self.log_density(states, high) - self.log_density(states, low)
        return lift, self.move(states, high)

    def contrast(self, x: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """log f(x), or a lower bound, and log f(s), which may share what they read."""
        return self.log_unnormalized(x)[0], self.log_density(states)

    @property
    @abstractmethod
    def enumerable(self) -> bool:
        """Whether ``log_partition`` has an answer."""

    @abstractmethod
    def log_partition(self) -> Tensor:
        """log Z in nats, exact, a scalar in float64.

        Raises:
            ValueError: the model is too large; the sentence names AIS.
        """

    def log_mass(self, x: Tensor) -> Tensor:
        """log f(x) in nats, exact, ``(B,)``: where there is a ``log_prob``, it is this less log Z."""
        if not self.tight:
            raise NotImplementedError(f"of log f(x) {type(self).__name__} knows a bound alone.")
        return self.log_unnormalized(x)[0]

    @abstractmethod
    def exact_states(self, n: int) -> Tensor:
        """``n`` exact draws of f₁ / Z, ``(n, *)``.

        Raises:
            ValueError: as ``log_partition``.
        """


class HasLatents(ABC):
    """A model with latents z of one shape: ``(n,)`` of a vector, ``(C, H, W)`` of a grid."""

    latent_shape: torch.Size

    @property
    def latent_size(self) -> int:
        """How many numbers z is made of."""
        return self.latent_shape.numel()


class HasFeatures(ABC):
    """A model that describes data by numbers: by its hidden units, or by its codes."""

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """The numbers that describe each x, ``(B, n)``: those of the topmost hidden units, or of the code."""

    def filters(self) -> Sequence[Tensor]:
        """What raises the units of each layer, from the data upwards, ``(units, elements of x)``; none: it is no picture."""
        return []


class HasPosterior(HasLatents, HasFeatures):
    """A model that encodes data into a distribution over latents."""

    @abstractmethod
    def encode(self, x: Tensor | TensorDataset, y: Tensor | None = None) -> Distribution:
        """q(z|x): batch shape ``(B,)``, event shape ``latent_shape``; a split of data brings its own y."""

    @abstractmethod
    def decode(self, z: Tensor, y: Tensor | None = None) -> Distribution:
        """p(x|z): batch shape ``(...)`` of z, event shape ``x_shape``; y is broadcast against it."""

    def code(self, x: Tensor | TensorDataset, y: Tensor | None = None) -> Tensor:
        """The one z that stands for each datum, ``(B, *latent_shape)``: by default the mean of q(z|x)."""
        z: Tensor = self.encode(x, y).mean
        return z

    def features(self, x: Tensor) -> Tensor:
        """The code of each x, ``(B, latent_size)``."""
        return self.code(x).flatten(1)

    def reconstruct(self, x: Tensor | TensorDataset, y: Tensor | None = None) -> Tensor:
        """The mean of p(x|z) at each datum's code: deterministic, ``(B, *x_shape)``."""
        x, y = told(self, x, y)
        with torch.no_grad():
            mean: Tensor = self.decode(self.code(x, y), y).mean
        return mean


class HasClassifier(ABC):
    """A model that says of which class data are."""

    @abstractmethod
    def classify(self, x: Tensor) -> Distribution:
        """q(y|x): batch shape ``(B,)``, over the numbers of the classes."""

    @abstractmethod
    def classifier_modules(self) -> Sequence[nn.Module]:
        """What makes up q(y|x)."""


class HasGenerator(HasLatents):
    """A model that makes data from latents, x = g(z) with z ~ p(z), whether or not it has a density."""

    @abstractmethod
    def latent_prior(self, y: Tensor | None = None) -> Distribution:
        """p(z), or p(z|y): event shape ``latent_shape``, batch shape that of y where it depends on it."""

    @abstractmethod
    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """g(z), or g(z, y), ``(..., *x_shape)`` for z of shape ``(..., *latent_shape)``; y is broadcast against it."""


class HasTranslation(ABC):
    """A model of two domains, x and y, that makes of what is in one what it would be in the other."""

    @abstractmethod
    def to_y(self, x: Tensor) -> Tensor:
        """x in the second domain, ``(B, *x_shape)`` to ``(B, *y_shape)``."""

    @abstractmethod
    def to_x(self, y: Tensor) -> Tensor:
        """y in the first domain, ``(B, *y_shape)`` to ``(B, *x_shape)``."""

    @abstractmethod
    def x_given(self, made: Tensor) -> Distribution:
        """p(x|m) of m, what became of x on its way, ``(B, *x_shape)``: how far the two may be apart."""

    @abstractmethod
    def y_given(self, made: Tensor) -> Distribution:
        """p(y|m) of m, what became of y on its way, ``(B, *y_shape)``."""

    @abstractmethod
    def translating_modules(self) -> Sequence[nn.Module]:
        """What makes up all of these."""


class HasCritic(ABC):
    """A model with a critic that reads named sites of real and of generated data.

    Attributes:
        encodes: whether the sites of the data depend on what the generating player moves, as codes of an encoder do.
        apart: whether each site has a critic of its own, so that ``criticize`` scores any of them without the others.
    """

    encodes: bool = False
    apart: bool = False

    @abstractmethod
    def real(self, batch: Batch) -> Mapping[str, Tensor]:
        """Named sites of the data."""

    @abstractmethod
    def fake(self, batch: Batch) -> Mapping[str, Tensor]:
        """Named sites of as many generated data, differentiable in the generator's parameters."""

    @abstractmethod
    def criticize(self, sites: Mapping[str, Tensor]) -> Tensor:
        """The critic's scores, ``(B,)``: for the logistic losses logits."""

    @abstractmethod
    def generator_modules(self) -> Sequence[nn.Module]:
        """The modules that the generating player owns."""

    @abstractmethod
    def critic_modules(self) -> Sequence[nn.Module]:
        """The modules that the criticizing player owns."""


class Pair(Model, ABC):
    """A model and a guide: two ordinary Pyro functions over one batch plate named ``"datum"``.

    Both begin by :func:`announce`, use ``to_event`` for every dimension but the batch, and leave the global parameter
    store empty, so that stock Pyro trains, conditions and predicts with them. ``vectorized`` pairs accept particles as
    leading dimensions of their latents; of others ``plate`` says what the plate is called. The guide of ``certain`` pairs has
    one state of the latents for a datum, so that a single draw says of log p(x) what many would.
    """

    vectorized: bool = True
    plate: str = "datum"
    certain: bool = False

    @abstractmethod
    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(x, z): samples the latents and observes ``x``."""

    @abstractmethod
    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """q(z|x): samples the latents."""


# of this thread alone: two that skip announcements in turn must not leave each other silent
_announcing: ContextVar[bool] = ContextVar("announcing", default=True)


def announce(pair: nn.Module) -> None:
    """Tell the Pyro handlers on the stack of every parameter of a pair, without the global parameter store.

    Pyro's SVI moves what it sees as ``param`` sites. It asks each site's value for ``unconstrained()``: here the very
    same parameter.
    """
    if _announcing.get() and am_i_wrapped():
        for name, parameter in pair.named_parameters():
            _announce(parameter, name=f"{type(pair).__name__}.{name}")


@contextlib.contextmanager
def unannounced() -> Iterator[None]:
    """Skip announcements inside: the zoo's own objectives know from their players which parameters move."""
    token = _announcing.set(False)
    try:
        yield
    finally:
        _announcing.reset(token)


@effectful(type="param")
def _announce(parameter: nn.Parameter) -> nn.Parameter:
    parameter.unconstrained = _Itself(parameter)  # type: ignore[attr-defined]
    return parameter


class _Itself:
    """A parameter as its own unconstrained value; pickled, it is nobody's until the parameter is announced again."""

    def __init__(self, parameter: nn.Parameter | None = None) -> None:
        self.parameter = None if parameter is None else weakref.ref(parameter)

    def __call__(self) -> nn.Parameter | None:
        return None if self.parameter is None else self.parameter()

    def __reduce__(self) -> tuple[type[_Itself], tuple[()]]:
        return _Itself, ()
