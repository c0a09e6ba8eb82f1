"""Masked diffusion: a guide that hides elements of x, and a model that tells what they are from those that are left."""

from __future__ import annotations

import pyro
import torch
from torch import Tensor, nn

from pyrogen.axes import Distribution, Likelihood
from pyrogen.base import Objective, Pair, announce
from pyrogen.capabilities import HasDiffusion, HasGaps, HasGuidance
from pyrogen.conditions import Condition
from pyrogen.distributions.revealed import Revealed
from pyrogen.inference.objectives.diffusion import DiffusionELBO
from pyrogen.likelihoods.missing import Masked, Observed
from pyrogen.models.diffusion.guided import Guided
from pyrogen.nets import BatchDims
from pyrogen.registry import make
from pyrogen.vocabulary import END


class MaskedDiffusion(Guided, Pair, HasDiffusion, HasGaps, HasGuidance):
    """T steps in which elements of x are hidden until none is left, z₀ = x → z₁ → … → z_T, and shown on the way back.

    In z_i each element is hidden with probability i/T, for good: NaN. Given z_i, step i shows each hidden one with
    probability 1/i, whatever x is, so that guide and model differ only in its value, x_d or a draw of p(x_d|z_i):

        −ELBO = Σ_i 1/i E_{q(z_i|x)} Σ_{d hidden in z_i} −log p(x_d|z_i),

    where the prior has no part, as z_T tells nothing, nor the reconstruction. Without a number of steps it is the limit of
    many: no two are shown at once, which leaves D steps of one element each, in an order drawn evenly from all D!. z_i hides
    just i elements then, and the bound is the expected −log p(x) of an autoregression in a random order,

        −ELBO = E_σ Σ_d −log p(x_σ(d) | x_σ(<d)).

    The gap is that to log E_σ p_σ(x): none where the network's conditionals are those of one law. Sites are z_{T−1} … z_1.

    Elements may be words of sentences that end, ends among them: before a word that is seen there is none, and after one
    there is nothing else, so that one element at a time makes sentences alone, and Σₓ p(x) = 1 over them. Several at once
    would make words after an end: of sentences T is None, and samples in few steps are cut at their ends.

    Where the network reads y, samples may be guided, by features f + w (f(y) − f) of those that are log odds: of each element
    p(x_d|z, y)^w p(x_d|z)^(1−w), normalized, see :class:`~pyrogen.models.diffusion.guided.Guided`.
    References: Austin et al. 2021, arXiv:2107.03006; Sahoo et al. 2024, arXiv:2406.07524; the limit: Uria et al. 2014,
    arXiv:1310.1757; Hoogeboom et al. 2022, Autoregressive diffusion models, arXiv:2110.02037.

    Should not be confused with :class:`~pyrogen.models.autoregressive.made.OrderEnsemble`, which has few orders and an exact
    density.

    Args:
        denoiser: what is seen, ``(N, *seen_shape)``, and the share that is hidden, ``(N, 1)``, to the features of all
            elements, ``(N, likelihood.channels(x_shape), *x_shape[1:])``; where it reads y ``(N, 2 + Y)`` of Y =
            ``condition.size``: the share, y, and 1 where y is known, else all 0.
        likelihood: of one element, told the shape of x.
        steps: T; None: the limit.
        objective: what :func:`pyrogen.inference.fit` optimizes; by default DiffusionELBO(), which looks at one step a datum.
        condition: what y is, where the network reads it.
        dropped: the share of data whose y is hidden in training.
        guidance: w of samples.

    Raises:
        ValueError: no steps, or some of sentences, a likelihood that leaves elements out itself, or a guidance by what the
            network does not know.
    """

    told_by = "masked-diffusion-conditional"

    def __init__(
        self,
        denoiser: nn.Module,
        likelihood: Likelihood,
        steps: int | None = None,
        objective: Objective | str | None = None,
        condition: Condition | None = None,
        dropped: float = 0.0,
        guidance: float = 1.0,
    ) -> None:
        super().__init__()
        self.x_shape = likelihood.x_shape
        if steps is not None and steps < 1:
            raise ValueError(
                f"steps={steps}: a diffusion takes 1 step or more from data to nothing; None is the limit of many."
            )
        if steps is not None and likelihood.words is not None:
            raise ValueError(
                f"steps={steps}: of sentences that are shown several words at a time some would go on after their end; leave "
                "steps=None, one word at a time, and sample(n, steps=...) for speed."
            )
        if likelihood.missing:
            raise ValueError(
                f"hidden elements are the latents of a masked diffusion, and the likelihood {type(likelihood).__name__} "
                "leaves them out of x; take the one that it is made of."
            )
        self.one_by_one = steps is None
        self.steps = self.x_shape.numel() if steps is None else steps
        self.objective: Objective = DiffusionELBO() if objective is None else make("objective", objective)
        features = torch.Size([likelihood.channels(self.x_shape), *self.x_shape[1:]])
        self.denoiser = BatchDims(denoiser, seen_shape(likelihood), features, "denoiser")
        self.likelihood = Masked(likelihood)
        self.likelihood.size(self.x_shape)
        self.kinds = self.likelihood.kinds
        self.be_told(condition, dropped, guidance)

    # -- the pair --------------------------------------------------------------------------------------------------------

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """Π p(z_{i−1}|z_i), of which z₀ is x."""
        announce(self)
        told = self.read_y(y)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            z = torch.full_like(x, torch.nan)
            for i in range(self.steps, 1, -1):
                z = pyro.sample(f"z_{i - 1}", self._shown(z, self.elements(z, told), self._chance(i)))
            pyro.sample("x", self._shown(z, self.elements(z, told), self._chance(1)), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """Π q(z_{i−1}|z_i, x), in which nothing is learned."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            z = torch.full_like(x, torch.nan)
            for i in range(self.steps, 1, -1):
                z = pyro.sample(f"z_{i - 1}", self._shown(z, x, self._chance(i)))

    def elements(self, z: Tensor, told: Tensor | None = None, guidance: float = 1.0) -> Observed:
        """p(x_d|z) of every element given those of z ``(..., *x_shape)`` that are not NaN.

        Args:
            z: elements, NaN where they are hidden.
            told: y as the network reads it, of :meth:`read_y`.
            guidance: w.
        """
        features = self._features(z, told)
        if guidance != 1:
            without = self._features(z, self.hidden_y())
            features = without + guidance * (features - without)
        if self.likelihood.words is not None:
            features = features.masked_fill(_ruled_out(z, self.likelihood.words), -torch.inf)
        p = self.likelihood(features)
        assert isinstance(p, Observed)
        return p

    def _features(self, z: Tensor, told: Tensor | None) -> Tensor:
        hidden, rank = z.isnan(), len(self.x_shape)
        words = self.likelihood.words
        values = self.likelihood.rescale(z) if words is None else _one_hot(z, words)
        seen = torch.cat([values, (~hidden).to(z)], -rank)
        said = hidden.flatten(-rank).to(z).mean(-1, keepdim=True)
        if told is not None:
            said = torch.cat([said, told.expand(*said.shape[:-1], -1)], -1)
        features: Tensor = self.denoiser(seen, said)
        return features

    # -- the bound, step by step -----------------------------------------------------------------------------------------

    def prior_nats(self, x: Tensor) -> Tensor:
        """0: of x nothing is left, ``(B,)``."""
        return x.new_zeros(len(x))

    def step_nats(self, x: Tensor, step: Tensor, y: Tensor | None = None) -> Tensor:
        """1/i Σ_d −log p(x_d|z_i) over what a draw of z_i hides, ``(B,)``."""
        z = self.add_noise(x, step)
        return -self.elements(z, self.read_y(y)).log_prob(x.masked_fill(~z.isnan(), torch.nan)) / step

    def add_noise(self, x: Tensor, step: Tensor) -> Tensor:
        """A draw of q(z_i|x), ``(B, *x_shape)``, NaN where it hides."""
        places = torch.rand(x.shape, device=x.device).flatten(1)
        if self.one_by_one:
            hidden = places.argsort(1).argsort(1) < step.unsqueeze(1)
        else:
            hidden = places < (step / self.steps).unsqueeze(1)
        return x.masked_fill(hidden.reshape(x.shape), torch.nan)

    def denoise(self, z: Tensor, step: Tensor, y: Tensor | None = None) -> Tensor:
        """The mean of each hidden element, ``(B, *x_shape)``."""
        return torch.where(z.isnan(), self.elements(z, self.read_y(y)).mean.to(z), z)

    def reconstruction_nats(self, x: Tensor) -> Tensor:
        """0: z₀ is x, ``(B,)``."""
        return x.new_zeros(len(x))

    # -- what is generated -----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def sample(
        self, n: int, y: Tensor | None = None, steps: int | None = None, guidance: float | None = None
    ) -> Tensor:
        """Draw ``n`` data, all hidden at first, ``(n, *x_shape)``.

        Args:
            n: how many.
            y: what each is told.
            steps: of elements that are shown by chance, instead of the model's own; in few steps many are drawn apart.
            guidance: w; None: that of the model.

        Raises:
            ValueError: no steps, no y where there is a condition, or a guidance by what the network does not know.
        """
        if steps is not None and steps < 1:
            raise ValueError(f"steps={steps}: data are drawn in 1 step or more.")
        weight = self.can_be_guided(guidance)
        self.check_draws(n, y)
        z, told = next(self.parameters()).new_full((n, *self.x_shape), torch.nan), self.read_y(y)
        for i in range(steps or self.steps, 0, -1):
            chance = self._chance(i) if steps is None else 1 / i
            z = self._shown(z, self.elements(z, told, weight), chance).sample()
        return z if self.likelihood.words is None else _cut(z)

    def can_be_guided(self, weight: float | None) -> float:
        """As the class says; and of features that are log odds alone."""
        found = super().can_be_guided(weight)
        if found != 1 and not self.likelihood.reads_logits:
            raise ValueError(
                f"guidance={found:g} weighs log odds, and the likelihood {type(self.likelihood.likelihood).__name__} has "
                "other features; leave guidance=1, or take a Bernoulli, Categorical or Tokens."
            )
        return found

    @torch.no_grad()
    def fill(self, x: Tensor, seen: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Seen elements in an order drawn for each datum, then hidden ones: see :class:`~pyrogen.capabilities.HasGaps`.

        The mean weight is E_σ Π p(x_σ(d) | x_σ(<d)) over the orders σ that begin with the seen elements. That is the model's
        own p(x_seen), E_σ over all orders, only where the network's conditionals are those of one law.
        """
        x = self.read(x)
        first = torch.where(seen.expand(self.x_shape), 0.0, 1.0).to(x.device)
        order = (torch.rand(x.shape, device=x.device) + first).flatten(1).argsort(1)
        z, log_p = torch.full_like(x, torch.nan), x.new_zeros(len(x))
        many, told = int((first == 0).sum()), self.read_y(y)
        for step in range(self.x_shape.numel()):
            at = torch.zeros_like(order, dtype=torch.bool).scatter_(1, order[:, step : step + 1], True).reshape(x.shape)
            p = self.elements(z, told)
            known = step < many
            if known:
                log_p = log_p + p.log_prob(x.masked_fill(~at, torch.nan))
            z = torch.where(at, x if known else p.sample().to(x), z)
        return z, log_p

    # -- data ------------------------------------------------------------------------------------------------------------

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse data of the wrong shape, or outside what the likelihood scores."""
        super().check(x, y)
        self.likelihood.check(x)

    def _chance(self, step: int) -> float | None:
        return None if self.one_by_one else 1 / step

    def _shown(self, z: Tensor, values: Observed | Tensor, chance: float | None) -> Distribution:
        return Revealed(z, values, chance, self.likelihood.support)


def seen_shape(likelihood: Likelihood) -> torch.Size:
    """Of what the network sees: values, 0 where they are hidden, and which are not; of words, one-hot vectors."""
    voices, *places = likelihood.x_shape
    return torch.Size([voices * (2 if likelihood.words is None else likelihood.words + 2), *places])


def _one_hot(z: Tensor, words: int) -> Tensor:
    """Words and ends of ``(..., voices, T)`` as ``(..., (words + 1) voices, T)``, the end last; 0 where they are hidden."""
    values = torch.arange(words + 1, device=z.device)
    values = values.where(values < words, END)
    return (z.unsqueeze(-3) == values[:, None, None]).to(z).flatten(-3, -2)


def _ruled_out(z: Tensor, words: int) -> Tensor:
    """What an element cannot be, of the shape of the features: an end before a word, or a word after an end."""
    ended, word = z == END, ~(z.isnan() | (z == END))
    after = ended.cumsum(-1) - ended.long() > 0
    before = word.flip(-1).cumsum(-1).flip(-1) - word.long() > 0
    no_word, no_end = after.unsqueeze(-3).expand(*z.shape[:-2], words, *z.shape[-2:]), (before & ~after).unsqueeze(-3)
    return torch.cat([no_word, no_end], -3).flatten(-3, -2)


def _cut(x: Tensor) -> Tensor:
    """Sentences, of which words after an end are no part."""
    return torch.where((x == END).cumsum(-1) > 0, END, x)
