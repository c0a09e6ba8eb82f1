"""Visible units of Boltzmann machines: how x is read, and what it is given the hidden units."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from pyrogen.axes import Axis
from pyrogen.base import Model
from pyrogen.dequantization import refuse_levels
from pyrogen.kinds import coins, kind_named, kind_of
from pyrogen.registry import choice

NAMED = 62  # binary digits of a number of a tensor
APART = 3.0  # mean and standard deviation from which on data count as not standardized


class Visible(Axis):
    """Units x that hidden ones drive by d = Wᵀh: p(x|h) ∝ exp(a(x) + t(x)ᵀd), an exponential family with statistic t.

    Along the path of β from the base (independent units with the moments of the training data) to the model's own units
    it is a_β(x) = (1 − β) a_base(x) + β a(x). β is a number, or one for each row, ``(n, 1)``.

    Attributes:
        kinds: the kinds of data that they take.
        width: of t(x).
        states: how many values x has, infinite where it is real or where none could number them.
        spread: standard deviation that weights should begin with.
    """

    axes: ClassVar[tuple[str, ...]] = ("visible",)
    kinds: ClassVar[tuple[str, ...]]
    needs_training_data = True
    width: int
    states: float
    spread: ClassVar[float] = 0.01

    @abstractmethod
    def size(self, count: int) -> None:
        """Create what depends on the number of units."""

    @abstractmethod
    def statistic(self, x: Tensor) -> Tensor:
        """t(x), ``(n, width)``, of rows ``(n, count)``."""

    @abstractmethod
    def own(self, x: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """a_β(x) in nats, ``(n,)``."""

    @abstractmethod
    def log_normalizer(self, drive: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """log Σ_x exp(a_β(x) + t(x)ᵀd) in nats, ``(n,)``; of real x an integral."""

    @abstractmethod
    def draw(self, drive: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """x ~ p_β(x|d), ``(n, count)``."""

    def enumerated(self, start: int, stop: int) -> Tensor:
        """Some of all values of x, in a fixed order, ``(stop − start, count)``."""
        raise NotImplementedError

    def natural_bias(self) -> Tensor | None:
        """The bias of the units as hidden ones of a layer above, None where they are not bits."""
        return None

    def check(self, x: Tensor) -> None:
        """Refuse values that the units do not have.

        Raises:
            ValueError: there are some.
        """
        if not kind_named(self.kinds[0]).check(x):
            raise ValueError(refusal(self, kind_of(x)))


class HasVisible(Model):
    """A model whose data are the states of visible units, which start, as its base does, at the moments of the data."""

    visible: Visible

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse data of the wrong shape, or values that the visible units do not have."""
        super().check(x, y)
        self.visible.check(x)

    def refusal(self, kind: str) -> str:
        """The sentence for data of a kind that the visible units do not take."""
        return refusal(self.visible, kind)

    @property
    def needs_training_data(self) -> bool:
        """For the base."""
        return True

    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Set the base, and let the visible units start at it."""
        self.visible.before_training(x)

    def visible_log_partition(self) -> Tensor:
        """Log Z of the base's visible units alone, in nats, a scalar in float64."""
        nothing = torch.zeros(1, self.visible.width, dtype=torch.float64, device=self.device)
        return self.visible.log_normalizer(nothing, 0.0).squeeze(0)


def column(beta: float | Tensor) -> float | Tensor:
    """β as it stands beside rows: of many, ``(n,)``, one for each row, ``(n, 1)``."""
    return beta.unsqueeze(1) if isinstance(beta, Tensor) else float(beta)


def refusal(visible: Visible, got: str) -> str:
    """The sentence for data of a kind that visible units do not take."""
    wanted, came = kind_named(visible.kinds[0]).words, kind_named(got).words
    how = "binarized" if visible.kinds[0] == "binary" else "made so"
    return (
        f"the visible units {type(visible).__name__} take {' or '.join(visible.kinds)} data ({wanted}), and these are {got} "
        f"data ({came}); load them with kind={visible.kinds[0]!r} (grey images are then {how}), or take visible='Bernoulli' "
        "for bits, visible='Gaussian' for standardized real numbers, visible='Categorical' for levels."
    )


@choice("visible")
class Bernoulli(Visible):
    """Bits, p(x = 1|h) = σ(b + Wᵀh): a(x) = bᵀx, t(x) = x.

    Reference: Smolensky 1986.
    """

    kinds = ("binary",)
    base: Tensor

    def __init__(self) -> None:
        super().__init__()

    def size(self, count: int) -> None:
        """b, and the logits of the base."""
        self.width, self.states = count, states_of(2, count)
        self.bias = nn.Parameter(torch.zeros(count))
        self.register_buffer("base", torch.zeros(count))

    def statistic(self, x: Tensor) -> Tensor:
        """The bits themselves."""
        return x

    def own(self, x: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Σ xᵢ bᵢ with b = (1 − β) b_base + β b."""
        if isinstance(beta, Tensor):
            return (x * self._logits(beta)).sum(1)
        return x @ self._logits(beta).to(x.dtype)

    def log_normalizer(self, drive: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Σ softplus(bᵢ + dᵢ)."""
        return softplus(drive + self._logits(beta)).sum(1)

    def draw(self, drive: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Bits."""
        return coins((drive + self._logits(beta)).sigmoid_())

    def natural_bias(self) -> Tensor:
        """b."""
        return self.bias

    def enumerated(self, start: int, stop: int) -> Tensor:
        """The numbers from ``start`` on in binary."""
        return bits(start, stop, self.width, self.bias.device)

    @torch.no_grad()
    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """The base has the rates of the data, of which each is smoothed by half a datum of both kinds; b starts there."""
        if not self.base.any():
            rate = (x.flatten(1).double().sum(0) + 0.5) / (len(x) + 1)
            self.base.copy_(torch.logit(rate))
            self.bias.add_(self.base)

    def _logits(self, beta: float | Tensor) -> Tensor:
        if isinstance(beta, float) and beta == 1.0:
            return self.bias
        return (
            torch.lerp(self.base, self.bias, beta)
            if isinstance(beta, float)
            else self.base + beta * (self.bias - self.base)
        )


@choice("visible")
class Gaussian(Visible):
    """Real numbers, x|h ~ N(μ + σ Wᵀh, σ²): a(x) = −Σ (xᵢ − μᵢ)²/2σᵢ², t(x) = x/σ.

    Reference: Welling, Rosen-Zvi & Hinton 2005, Exponential family harmoniums; Krizhevsky 2009, Learning multiple layers of
    features from tiny images, for this parameterization.

    Args:
        scale: "fixed" at 1, for standardized data, or "learned" for each element, from the data's standard deviation.
    """

    kinds = ("real",)
    spread = 0.1  # around σ that explain all the variance there is next to no gradient at smaller ones
    base_loc: Tensor
    base_scale: Tensor
    seen: Tensor

    def __init__(self, scale: Literal["fixed", "learned"] = "fixed") -> None:
        super().__init__()
        if scale not in ("fixed", "learned"):
            raise ValueError(f"Gaussian(scale={scale!r}): choose 'fixed' or 'learned'.")
        self.scale = scale

    def size(self, count: int) -> None:
        """μ, log σ, and both of the base."""
        self.width, self.states = count, math.inf
        self.loc = nn.Parameter(torch.zeros(count))
        if self.scale == "learned":
            self.log_scale = nn.Parameter(torch.zeros(count))
        else:
            self.register_buffer("log_scale", torch.zeros(count), persistent=False)
        self.register_buffer("base_loc", torch.zeros(count))
        self.register_buffer("base_scale", torch.ones(count))
        self.register_buffer("seen", torch.zeros((), dtype=torch.bool))

    def statistic(self, x: Tensor) -> Tensor:
        """x / σ."""
        return x * (-self.log_scale).exp()

    def own(self, x: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """−½ Σ [(1 − β) (x − m)²/s² + β (x − μ)²/σ²]."""
        base = ((x - self.base_loc) / self.base_scale).square().sum(1)
        mine = ((x - self.loc) * (-self.log_scale).exp()).square().sum(1)
        share = beta.squeeze(1) if isinstance(beta, Tensor) else beta
        return -0.5 * ((1 - share) * base + share * mine)

    def log_normalizer(self, drive: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Of a normal with precision Λ and linear term n: ½ Σ [log 2π/Λ + n²/Λ] less what both squares have at 0."""
        precision, linear, constant = self._natural(drive, beta)
        return 0.5 * ((2 * math.pi / precision).log() + linear.square() / precision - constant).sum(1)

    def draw(self, drive: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Normal numbers."""
        precision, linear, _ = self._natural(drive, beta)
        return linear / precision + torch.randn_like(linear) * precision.rsqrt()

    @torch.no_grad()
    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """The base has the moments of the data, and μ (and a learned σ) start there.

        Raises:
            ValueError: data that are far from standardized, where σ is fixed at 1; levels, where it is learned.
        """
        if self.seen:
            return
        if self.scale == "learned":
            refuse_levels(self, x)
        rows = x.flatten(1).double()
        mean, spread = rows.mean(0), rows.std(0, correction=0)
        far = float(torch.maximum(mean.abs(), spread).max())
        if self.scale == "fixed" and far > APART:
            raise ValueError(
                f"visible='Gaussian' has units of variance 1 for standardized data, and these have columns with means to "
                f"{float(mean.abs().max()):.3g} and standard deviations to {float(spread.max()):.3g}; load them with "
                "standardize=True, or use visible='Gaussian(scale=\"learned\")'."
            )
        spread = torch.where(spread > 1e-3, spread, 1.0)
        self.base_loc.copy_(mean)
        self.base_scale.copy_(spread)
        self.loc.copy_(mean)
        if self.scale == "learned":
            self.log_scale.copy_(spread.log())
        self.seen.fill_(True)

    def _natural(self, drive: Tensor, beta: float | Tensor) -> tuple[Tensor, Tensor, Tensor]:
        of_base = (1 - beta) / self.base_scale.square()
        inverse = (-self.log_scale).exp()
        of_mine = beta * inverse.square()
        linear = of_base * self.base_loc + of_mine * self.loc + drive * inverse
        return of_base + of_mine + 0 * drive, linear, of_base * self.base_loc.square() + of_mine * self.loc.square()


@choice("visible")
class Categorical(Visible):
    """One of K values each, p(x = k|h) = softmax(b + Wᵀh)ₖ: t(x) is 1 at the value of each unit, and 0 elsewhere.

    Reference: Salakhutdinov, Mnih & Hinton 2007, Restricted Boltzmann machines for collaborative filtering.

    Args:
        classes: K; values are 0 … K − 1.
    """

    kinds = ("levels", "counts")
    base: Tensor

    def __init__(self, classes: int = 256) -> None:
        super().__init__()
        if classes < 2:
            raise ValueError(f"Categorical(classes={classes}): a unit with one value says nothing; needs classes >= 2.")
        self.classes = classes

    def size(self, count: int) -> None:
        """b, and the logits of the base, ``(count, K)`` flattened."""
        self.count, self.width = count, count * self.classes
        self.states = states_of(self.classes, count)
        self.bias = nn.Parameter(torch.zeros(self.width))
        self.register_buffer("base", torch.zeros(self.width))

    def check(self, x: Tensor) -> None:
        """Refuse what is no number from 0 to K − 1."""
        if not kind_named("counts").check(x):
            raise ValueError(refusal(self, kind_of(x)))
        if (most := int(x.max())) >= self.classes:
            raise ValueError(
                f"visible='Categorical' has the values 0 to {self.classes - 1} here, and x goes to {most}; use "
                f"visible='Categorical(classes={most + 1})'."
            )

    def statistic(self, x: Tensor) -> Tensor:
        """1 at each unit's value."""
        # by comparison: one_hot looks at the values before it encodes them, which no recorded step can
        values = torch.arange(self.classes, device=x.device, dtype=x.dtype)
        return (x.unsqueeze(2) == values).to(self.bias.dtype).flatten(1)

    def own(self, x: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Σ b of the values."""
        logits = self._logits(beta).unflatten(-1, (self.count, self.classes)).expand(len(x), -1, -1)
        return logits.gather(2, x.long().unsqueeze(2)).flatten(1).sum(1)

    def log_normalizer(self, drive: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Σ logsumexp(b + d) over the values of each unit."""
        return self._table(drive, beta).logsumexp(2).sum(1)

    def draw(self, drive: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Values, by the Gumbel-max trick."""
        logits = self._table(drive, beta)
        uniform = torch.rand_like(logits).clamp(min=torch.finfo(logits.dtype).tiny)
        return (logits - (-uniform.log()).log()).argmax(2).to(self.bias.dtype)

    def enumerated(self, start: int, stop: int) -> Tensor:
        """The numbers from ``start`` on with base K."""
        powers = self.classes ** torch.arange(self.count, device=self.bias.device)
        return (torch.arange(start, stop, device=self.bias.device)[:, None] // powers % self.classes).to(
            self.bias.dtype
        )

    @torch.no_grad()
    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """The base has the rates of the data, smoothed by half a datum of each value; b starts there."""
        if not self.base.any():
            counts = torch.zeros(self.width, dtype=torch.float64, device=x.device)
            for rows in x.flatten(1).split(1000):
                counts += self.statistic(rows).double().sum(0)
            self.base.copy_((counts + 0.5).log().unflatten(0, (self.count, self.classes)).log_softmax(1).flatten())
            self.bias.add_(self.base)

    def _logits(self, beta: float | Tensor) -> Tensor:
        return self.base + beta * (self.bias - self.base)

    def _table(self, drive: Tensor, beta: float | Tensor) -> Tensor:
        return (drive + self._logits(beta)).unflatten(1, (self.count, self.classes))


def states_of(values: int, count: int) -> float:
    """How many states so many units have together, infinite where nobody could name them all by numbers."""
    return math.inf if count * math.log2(values) > NAMED else float(values**count)


def bits(start: int, stop: int, count: int, device: torch.device) -> Tensor:
    """The numbers from ``start`` to ``stop`` in binary, the lowest bit first, ``(stop − start, count)``."""
    return (torch.arange(start, stop, device=device)[:, None] >> torch.arange(count, device=device) & 1).float()
