"""What some models can be asked beside samples and densities: each a small abstract class, as of :mod:`pyrogen.base`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin as Distribution
from torch import Tensor, nn

from pyrogen.base import HasGenerator, HasLatents
from pyrogen.distributions.markov import MarkovChain
from pyrogen.samplers import Sampler


class HasSource(ABC):
    """A model whose samples are draws of one distribution, or are made of these: at a temperature, of one of less spread."""

    @abstractmethod
    def source(self) -> Distribution:
        """What is drawn."""

    def made_of(self, draws: Tensor) -> Tensor:
        """The samples that draws become: by default the draws themselves."""
        return draws


class HasWay(ABC):
    """A pair of clips that tells of its code where a thing is in each frame, and sees it in the clip."""

    @abstractmethod
    def way_seen(self, x: Tensor) -> Tensor:
        """Where it is seen, in sides from the middle down and to the right, ``(N, T, 2)``; nothing learns from it."""

    @abstractmethod
    def way_told(self, x: Tensor) -> Tensor:
        """Where a draw of q(z|x) says that it is, ``(N, T, 2)``."""

    @abstractmethod
    def way_modules(self) -> Sequence[nn.Module]:
        """The networks by which it is told; none where the generator tells nothing."""


class HasTruncation(HasGenerator):
    """A generator that can keep to what is typical: the tighter its latents are truncated, the less various its samples.

    Attributes:
        untruncated: the level at which nothing is, whose draws go over into those of tighter levels of one seed.
    """

    untruncated: float

    @property
    @abstractmethod
    def truncations(self) -> Sequence[float]:
        """Levels to look at, from loose to tight; none where the latents have no centre."""

    @abstractmethod
    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        """``n`` data, ``(n, *x_shape)``; None: of the whole law.

        Raises:
            ValueError: a level that means nothing, or latents that have no centre.
        """


class HasAttention(HasGenerator):
    """A generator whose positions attend to one another."""

    @abstractmethod
    def attention(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """β, how each position attends to all, ``(B, H, W, H, W)``: the last two sum to 1."""


class HasStyles(HasGenerator):
    """A generator x = g(w₁ … w_L, noise) whose every layer is told a style, all of them w = f(z) if nothing is mixed.

    Attributes:
        style_layers: L, from coarse to fine.
    """

    style_layers: int

    @abstractmethod
    def style(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """w = f(z), ``(N, style_size)``."""

    @abstractmethod
    def synthesize(self, styles: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """g(w₁ … w_L, noise), ``(N, *x_shape)``, of styles ``(N, L, style_size)``; None: noise is drawn."""

    @abstractmethod
    def draw_noise(self, n: int) -> Sequence[Tensor]:
        """The noise of ``n`` data, ``(n, 1, H_l, W_l)`` for each layer."""


class HasGrowth(HasGenerator):
    """A generator that grew, from small images to those of the size of x.

    Attributes:
        growths: how often it was doubled and more: there is an image of each level from 0 to ``growths - 1``.
    """

    growths: int

    @abstractmethod
    def generate_at(self, level: int, z: Tensor, y: Tensor | None = None) -> Tensor:
        """What the net as it is would make if it had grown to this level only, in the size of x: ``(N, *x_shape)``."""


class Move(Protocol):
    """One draw of particles, and what it is worth."""

    def __call__(self, before: Tensor | None, shape: torch.Size) -> tuple[Tensor, Tensor]:
        """The latents that come next, ``(*shape, *)``, and by how much the log weights grow, ``shape``.

        Args:
            before: the latents before them, None at first.
            shape: (particles, data).
        """


class HasSteps(ABC):
    """A model whose latents come one after the other, each drawn given the one before, so that particles can follow them."""

    @property
    @abstractmethod
    def step_size(self) -> int:
        """Of how many numbers the latents of a step are."""

    @abstractmethod
    def moves(self, x: Tensor, y: Tensor | None, guided: bool) -> Sequence[Move]:
        """The draws for data ``(B, *x_shape)``, whose weights have p(x, z) / q(z) as their product over all.

        Before the last they may weigh towards any positive function of the latents so far: the nearer it is to p(x, z so
        far), the less is lost where particles give way to one another.

        Args:
            x: data.
            y: what they are told.
            guided: whether the guide draws, which has seen x, or the model alone.

        Raises:
            ValueError: there is no such way to draw.
        """


class HasStates(HasLatents, HasSteps):
    """A model of sequences that hides a state at each step, p(x, z) = p(z₁) Π_t p(z_t | z_{t−1}) Π_t p(x_t | z_t).

    Its latents are the states side by side, z₁ first; data are ``(C, T)``.
    """

    @abstractmethod
    def chain(self) -> MarkovChain:
        """p(z₁) and p(z_t | z_{t−1})."""

    @abstractmethod
    def emission(self, states: Tensor) -> Distribution:
        """p(x_t | z_t) of states ``(..., L)``: event ``(C,)``."""

    @abstractmethod
    def guided(self, x: Tensor) -> MarkovChain:
        """q(z₁ | x) and q(z_t | z_{t−1}, x).

        Raises:
            ValueError: the posterior is no chain of states.
        """

    @property
    def step_size(self) -> int:
        """L."""
        return int(self.chain().first.event_shape[0])

    def moves(self, x: Tensor, y: Tensor | None, guided: bool) -> Sequence[Move]:
        """From state to state, each weighed by the x of its step."""
        chains = [self.chain(), *([self.guided(x)] if guided else [])]

        def move(step: int, seen: Tensor, before: Tensor | None, shape: torch.Size) -> tuple[Tensor, Tensor]:
            if before is None:
                ahead = [chain.first.expand(shape) for chain in chains]
            else:
                ahead = [chain.following(before.unsqueeze(-2), step) for chain in chains]
            drawn = ahead[-1].sample()
            z = drawn.reshape(*shape, -1)
            gained: Tensor = self.emission(z).log_prob(seen).double()
            if guided:
                gained = gained + (ahead[0].log_prob(drawn) - ahead[1].log_prob(drawn)).double().reshape(shape)
            return z, gained

        return [partial(move, step, seen) for step, seen in enumerate(x.unbind(-1))]


class HasDiffusion(ABC):
    """A pair whose guide adds noise in steps and whose model takes it away: −ELBO = prior + Σ_i step_i + reconstruction.

    Attributes:
        steps: T.
    """

    steps: int

    @abstractmethod
    def prior_nats(self, x: Tensor) -> Tensor:
        """KL(q(z_T|x) ‖ p(z_T)), ``(B,)``."""

    @abstractmethod
    def step_nats(self, x: Tensor, step: Tensor, y: Tensor | None = None) -> Tensor:
        """KL(q(z_{i−1}|z_i, x) ‖ p(z_{i−1}|z_i)) at a draw of q(z_i|x), for steps i ``(B,)`` from 1 to T: ``(B,)``."""

    @abstractmethod
    def add_noise(self, x: Tensor, step: Tensor) -> Tensor:
        """A draw of q(z_i|x), steps i ``(B,)`` from 0 to T: ``(B, *x_shape)``."""

    @abstractmethod
    def denoise(self, z: Tensor, step: Tensor, y: Tensor | None = None) -> Tensor:
        """x̂(z_i), the data that the model sees in noisy ones, ``(B, *x_shape)``."""

    @abstractmethod
    def reconstruction_nats(self, x: Tensor) -> Tensor:
        """−log p(x|z₀) at a draw of q(z₀|x), ``(B,)``."""


class HasSampler(ABC):
    """A diffusion whose samples can be drawn in several ways."""

    @abstractmethod
    def sample(self, n: int, y: Tensor | None = None, sampler: Sampler | str | None = None) -> Tensor:
        """``n`` data, ``(n, *x_shape)``, by a sampler; None: that of the model."""


class HasGuidance(ABC):
    """A diffusion whose samples may be guided by what they are told.

    Attributes:
        guidance: the weight of y in samples, unless they are asked for with another: at 1 they are of the model.
    """

    guidance: float

    @abstractmethod
    def sample(self, n: int, y: Tensor | None = None, *, guidance: float | None = None) -> Tensor:
        """``n`` data, ``(n, *x_shape)``, with a weight of y; None: that of the model.

        Raises:
            ValueError: a guidance by what the model does not know.
        """


class HasODE(ABC):
    """A model that makes data of noise along a differential equation, by which it is scored too.

    Attributes:
        tolerance: of the solver.
    """

    tolerance: float

    @abstractmethod
    def log_prob_along(self, x: Tensor, tolerance: float, probes: Tensor | None = None) -> Tensor:
        """log p(x) in nats by the exact divergence, ``(B,)``, or by each of P probes of it ``(P, B, *x_shape)``: ``(P, B)``.

        Raises:
            ValueError: the solver cannot go on, or x has too many elements for an exact divergence.
        """


class HasGaps(ABC):
    """A model that draws x in parts, and can begin with any that are known."""

    @abstractmethod
    def fill(self, x: Tensor, seen: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Data ``(N, *x_shape)`` whose hidden places are drawn, and the log weight of each in nats, ``(N,)``.

        The mean of the weights is p(x_seen), without bias; of many data, drawn again by their weights, the hidden places are
        draws of p(x_hidden|x_seen). A model that draws x in an order of chance has the seen places come first: then both are
        of the orders that begin with them, and of its own law only where its conditionals are those of one law.

        Args:
            x: data; what is hidden of them is not read.
            seen: which places are, ``x_shape[1:]`` in bits.
            y: conditions of each.

        Raises:
            ValueError: parts of x that are drawn otherwise.
        """


class HasVelocity(ABC):
    """A model that makes data of noise along dx/dt = v(x, t), from t = 0 to 1, whatever v is."""

    @abstractmethod
    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """v(x, t), of scaled data ``(N, *x_shape)`` and times ``(N,)``."""

    @abstractmethod
    def scaled(self, x: Tensor) -> Tensor:
        """Data on the scale of the noise, ``(N, *x_shape)``."""


class HasScore(ABC):
    """A model of the score of noisy data z = α u + σ ε at every γ, ∇ log p(z; γ) = −ε̂(z, γ) / σ.

    Attributes:
        low: the least γ.
        high: the greatest.
    """

    low: float
    high: float

    @abstractmethod
    def noise_in(self, z: Tensor, gamma: Tensor) -> Tensor:
        """ε̂(z, γ) of noisy data ``(N, *x_shape)``, γ ``(N,)``."""

    @abstractmethod
    def scaled(self, x: Tensor) -> Tensor:
        """u, the data on the scale of the noise, ``(N, *x_shape)``."""


class HasTasks(ABC):
    """A model that names several labels of each datum, by networks that may have parts in common.

    Attributes:
        trunks: the networks below the heads: one that all tasks share, or one for each task, built alike.
    """

    trunks: nn.ModuleList

    @abstractmethod
    def classify(self, x: Tensor) -> Distribution:
        """q(y_a|x) of each task a, batch shape ``(B, A)``."""
