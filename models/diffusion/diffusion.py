"""Diffusion models: latents as large as x, a guide that is fixed and adds noise to them, and a model that takes it away."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from pyrogen.axes import Distribution
from pyrogen.base import HasGenerator, Objective, Pair, announce
from pyrogen.capabilities import HasDiffusion, HasGuidance, HasSampler, HasSteps, Move
from pyrogen.conditions import Condition
from pyrogen.dequantization import refuse_levels
from pyrogen.inference.objectives.diffusion import DiffusionELBO
from pyrogen.models.diffusion.guided import Guided
from pyrogen.nets import BatchDims
from pyrogen.noise import NoiseSchedule, alpha, beside, earlier, sigma
from pyrogen.registry import make, unknown
from pyrogen.samplers import DDIM, Sampler, Signal

PREDICTIONS = ("noise", "signal", "velocity")


class Diffusion(Guided, Pair, HasGenerator, HasDiffusion, HasSteps, HasSampler, HasGuidance):
    """T steps of noise, z_T → … → z₀ → x, of which the guide knows each step and the model must guess the signal u.

    q(z_i|x) = N(α_i u, σ_i² I) with u = (x − m) / s and α² = σ(−γ), σ² = σ(γ), γ_i = γ(i/T); and for j = i − 1,

        q(z_j|z_i, x) = N((α_j/α_i)(1 − c) z_i + α_j c u, σ_j² c I),  c = 1 − exp(γ_j − γ_i).

    p(z_T) = N(0, I), p(z_j|z_i) is the same with û(z_i, γ_i) in place of u, and p(x|z₀) = N(m + s z₀/α₀, (s σ₀/α₀)² I). So

        −ELBO = KL(q(z_T|x) ‖ N(0, I)) + Σ_i ½ (1/σ_j² · α_j² − α_i²/σ_i²) E ‖u − û(z_i)‖² − E log p(x|z₀),

    a bound whose gap is that of the steps: with few of them p(z_j|z_i) is no normal distribution. The sites are z_T … z_0.
    References: Sohl-Dickstein et al. 2015, arXiv:1503.03585; Ho et al. 2020, arXiv:2006.11239; Kingma et al. 2021,
    arXiv:2107.00630.

    Where the network reads y, samples may be guided, by û(z) + w (û(z, y) − û(z)): see
    :class:`~pyrogen.models.diffusion.guided.Guided`.

    Args:
        denoiser: ``(N, *x_shape)`` and ``(N, 1)``, the level in [0, 1], to ``(N, *x_shape)``; where it reads y ``(N, 2 + Y)``
            of Y = ``condition.size``: the level, y, and 1 where y is known, else all 0.
        x_shape: shape of one datum.
        steps: T.
        noise: γ, an object or a name.
        predicts: what the network says: the "noise" ε = (z − α u)/σ, the "signal" u or the "velocity" α ε − σ u.
        kind: of the data: "real", which m = 0 and s = 1 suit, or "unit", with m = s = ½.
        objective: what :func:`pyrogen.inference.fit` optimizes; by default DiffusionELBO(), which looks at one step a datum.
        condition: what y is, where the network reads it.
        dropped: the share of data whose y is hidden in training.
        sampler: how samples are drawn, an object or a name.
        guidance: w of samples.

    Raises:
        ValueError: no steps, another kind, nothing that could be predicted, or a guidance by what the network does not know.
    """

    def __init__(
        self,
        denoiser: nn.Module,
        x_shape: Sequence[int],
        steps: int = 50,
        noise: NoiseSchedule | str = "Linear",
        predicts: str = "noise",
        kind: str = "real",
        objective: Objective | str | None = None,
        condition: Condition | None = None,
        dropped: float = 0.0,
        sampler: Sampler | str = "Ancestral",
        guidance: float = 1.0,
    ) -> None:
        super().__init__()
        if steps < 1:
            raise ValueError(f"steps={steps}: a diffusion takes 1 step or more from data to noise.")
        if predicts not in PREDICTIONS:
            raise unknown("prediction of a denoiser", predicts, PREDICTIONS)
        if kind not in ("real", "unit"):
            raise ValueError(
                f"kind={kind!r}: noise is added to real numbers, or to grey values with dequantization; load the data with "
                "kind='real' or kind='unit'."
            )
        self.kinds = (kind,)
        self.x_shape = self.latent_shape = torch.Size(x_shape)
        self.steps, self.predicts = steps, predicts
        self.middle, self.spread = (0.5, 0.5) if kind == "unit" else (0.0, 1.0)
        self.objective: Objective = DiffusionELBO() if objective is None else make("objective", objective)
        self.noise: NoiseSchedule = make("noise", noise)
        self.denoiser = BatchDims(denoiser, self.x_shape, self.x_shape, "denoiser")
        self.sampler: Sampler = make("sampler", sampler)
        self.be_told(condition, dropped, guidance)

    # -- the pair --------------------------------------------------------------------------------------------------------

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(z_T) Π p(z_j|z_i) p(x|z₀)."""
        announce(self)
        gamma, told = self._gamma(x), self.read_y(y)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            z = pyro.sample(f"z_{self.steps}", self.latent_prior(y))
            for i in range(self.steps, 0, -1):
                z = pyro.sample(f"z_{i - 1}", self._earlier(z, self._signal(z, gamma[i], told), gamma[i - 1], gamma[i]))
            pyro.sample("x", self._seen(z, gamma[0]), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """q(z_T|x) Π q(z_j|z_i, x), in which nothing is learned but γ."""
        announce(self)
        gamma, u = self._gamma(x), self._scaled(x)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            z = pyro.sample(f"z_{self.steps}", self._noisy(u, gamma[-1]))
            for i in range(self.steps, 0, -1):
                z = pyro.sample(f"z_{i - 1}", self._earlier(z, u, gamma[i - 1], gamma[i]))

    # -- the bound, step by step -----------------------------------------------------------------------------------------

    def prior_nats(self, x: Tensor) -> Tensor:
        """KL(q(z_T|x) ‖ N(0, I)) in closed form, ``(B,)``."""
        gamma = self._gamma(x)[-1]
        variance = torch.sigmoid(gamma)
        of_each = variance - variance.log() - 1
        kl: Tensor = 0.5 * ((alpha(gamma) * self._scaled(x)).square().flatten(1).sum(1) + self.latent_size * of_each)
        return kl

    def step_nats(self, x: Tensor, step: Tensor, y: Tensor | None = None) -> Tensor:
        """½ (SNR_j − SNR_i) ‖u − û(z_i)‖² at a draw of z_i, ``(B,)``."""
        gamma, u = self._gamma(x), self._scaled(x)
        later, before = gamma[1:], gamma[:-1]
        # SNR_j (1 − SNR_i / SNR_j), which loses no digits where the two are near
        weights = 0.5 * (-before).exp() * -torch.expm1(before - later)
        z = self._noisy(u, later[step - 1]).rsample()
        wrong = (u - self._signal(z, later[step - 1], self.read_y(y))).square().flatten(1).sum(1)
        return weights[step - 1] * wrong

    def add_noise(self, x: Tensor, step: Tensor) -> Tensor:
        """A draw of q(z_i|x), ``(B, *x_shape)``."""
        z: Tensor = self._noisy(self._scaled(x), self._gamma(x)[step]).rsample()
        return z

    def denoise(self, z: Tensor, step: Tensor, y: Tensor | None = None) -> Tensor:
        """x̂ = m + s û(z_i), ``(B, *x_shape)``."""
        return self.middle + self.spread * self._signal(z, self._gamma(z)[step], self.read_y(y))

    def reconstruction_nats(self, x: Tensor) -> Tensor:
        """−log p(x|z₀) at a draw of z₀ = α₀ u + σ₀ ε, from which x is s (σ₀/α₀) ε away, ``(B,)``."""
        log_scale = math.log(self.spread) + self._gamma(x)[0] / 2
        error = 0.5 * torch.randn_like(x).square().flatten(1).sum(1)
        return error + self.latent_size * (log_scale + 0.5 * math.log(2 * math.pi))

    @property
    def step_size(self) -> int:
        """As many as x has."""
        return self.latent_size

    def moves(self, x: Tensor, y: Tensor | None, guided: bool) -> Sequence[Move]:
        """z_T, z_{T−1} … z₀, drawn from the guide, with weights towards p(z_T … z_i) q(z_i|x) / N(z_i; 0, I).

        The last factor, what z_i is still to say of x, is p(x|z_i) of a model that has learned its data, up to how far p(z_i)
        is from N(0, I); at z₀ it gives way to p(x|z₀).
        """
        if not guided:
            raise ValueError(
                f"{type(self).__name__} draws x around z₀ with next to no noise, and z₀ drawn from the model alone is "
                "nowhere near it; use proposal='guide'."
            )
        gamma, u, told = self._gamma(x), self._scaled(x), self.read_y(y)

        def ahead(z: Tensor, i: int) -> Tensor:
            if i == 0:
                log_p: Tensor = self._seen(z, gamma[0]).log_prob(x)
                return log_p
            return self._noisy(u, gamma[i]).log_prob(z) - self.latent_prior().log_prob(z)

        def first(before: Tensor | None, shape: torch.Size) -> tuple[Tensor, Tensor]:
            z = self._noisy(u, gamma[-1]).expand(shape).sample()
            return z, u.new_zeros(shape)  # p(z_T), q(z_T|x) and what is ahead cancel

        def then(i: int, before: Tensor | None, shape: torch.Size) -> tuple[Tensor, Tensor]:
            assert before is not None
            q = self._earlier(before, u, gamma[i - 1], gamma[i])
            p = self._earlier(before, self._signal(before, gamma[i], told), gamma[i - 1], gamma[i])
            z = q.sample()
            return z, p.log_prob(z) - q.log_prob(z) + ahead(z, i - 1) - ahead(before, i)

        return [first, *(partial(then, i) for i in range(self.steps, 0, -1))]

    # -- what is generated -----------------------------------------------------------------------------------------------

    def latent_prior(self, y: Tensor | None = None) -> Distribution:
        """N(0, I) of the shape of x."""
        zero = next(self.parameters()).new_zeros(self.x_shape)
        return dist.Normal(zero, torch.ones_like(zero)).to_event(len(self.x_shape))

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """x without chance from z_T: each step keeps the noise that the network sees, z_j = α_j û + σ_j ε̂.

        Reference: Song et al. 2021, Denoising diffusion implicit models, arXiv:2010.02502.
        """
        z = DDIM(None).walk(z, self.noise, self.steps, self._seen_by(y))
        return self._mean(z, self._gamma(z)[0])

    @torch.no_grad()
    def sample(
        self, n: int, y: Tensor | None = None, sampler: Sampler | str | None = None, guidance: float | None = None
    ) -> Tensor:
        """z_T, on to z₀ by the sampler, and x from p(x|z₀), ``(n, *x_shape)``.

        Args:
            n: how many.
            y: what each is told.
            sampler: an object or a name; None: that of the model.
            guidance: w; None: that of the model.

        Raises:
            ValueError: no y where there is a condition, or a guidance by what the network does not know.
        """
        x: Tensor = self._seen(*self._first_latents(n, y, sampler, guidance)).sample()
        return x

    @torch.no_grad()
    def sample_mean(
        self, n: int, y: Tensor | None = None, sampler: Sampler | str | None = None, guidance: float | None = None
    ) -> Tensor:
        """The mean of p(x|z₀) at z₀ drawn as by :meth:`sample`."""
        return self._mean(*self._first_latents(n, y, sampler, guidance))

    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse levels, and take the scale of the training data's y."""
        refuse_levels(self, x)
        super().before_training(x, y)

    @property
    def needs_training_data(self) -> bool:
        """For a look at whether x are levels."""
        return True

    def _first_latents(
        self, n: int, y: Tensor | None, sampler: Sampler | str | None, guidance: float | None
    ) -> tuple[Tensor, Tensor]:
        """z₀ at the end of the sampler's way, and γ₀."""
        way: Sampler = self.sampler if sampler is None else make("sampler", sampler)
        weight = self.can_be_guided(guidance)
        self.check_draws(n, y)
        z: Tensor = self.latent_prior(y).sample((n,))
        return way.walk(z, self.noise, self.steps, self._seen_by(y, weight)), self._gamma(z)[0]

    def _seen_by(self, y: Tensor | None, guidance: float = 1.0) -> Signal:
        """û(z, γ) as a sampler asks for it."""
        told = self.read_y(y)
        if guidance == 1:
            return lambda z, gamma: self._signal(z, gamma, told)
        plain = self.hidden_y()

        def guided(z: Tensor, gamma: Tensor) -> Tensor:
            without = self._signal(z, gamma, plain)
            return without + guidance * (self._signal(z, gamma, told) - without)

        return guided

    # -- laws ------------------------------------------------------------------------------------------------------------

    def _gamma(self, like: Tensor) -> Tensor:
        """γ₀ … γ_T."""
        gamma: Tensor = self.noise(torch.linspace(0, 1, self.steps + 1, device=like.device, dtype=like.dtype))
        return gamma

    def _scaled(self, x: Tensor) -> Tensor:
        return (x - self.middle) / self.spread

    def _mean(self, z: Tensor, gamma: Tensor) -> Tensor:
        return self.middle + self.spread * z / alpha(gamma)

    def _noisy(self, u: Tensor, gamma: Tensor) -> Distribution:
        """q(z|x) at γ, a number or one for each datum."""
        g = beside(gamma, len(self.x_shape))
        return dist.Normal(alpha(g) * u, sigma(g).expand_as(u)).to_event(len(self.x_shape))

    def _earlier(self, z: Tensor, u: Tensor, before: Tensor, later: Tensor) -> Distribution:
        """The law of z_j given z_i and the signal."""
        mean, scale = earlier(z, u, before, later)
        return dist.Normal(mean, scale.expand_as(mean)).to_event(len(self.x_shape))

    def _seen(self, z: Tensor, gamma: Tensor) -> Distribution:
        """p(x|z₀)."""
        mean, noise = self._mean(z, gamma), self.spread * (gamma / 2).exp()
        return dist.Normal(mean, noise.expand_as(mean)).to_event(len(self.x_shape))

    def _signal(self, z: Tensor, gamma: Tensor, told: Tensor | None) -> Tensor:
        """û(z, γ)."""
        lead = z.shape[: z.dim() - len(self.x_shape)]
        level = ((gamma - self.noise.low) / (self.noise.high - self.noise.low)).expand(lead).unsqueeze(-1)
        said = level if told is None else torch.cat([level, told.expand(*lead, -1)], -1)
        out, g = self.denoiser(z, said), beside(gamma, len(self.x_shape))
        if self.predicts == "signal":
            signal: Tensor = out
        elif self.predicts == "noise":
            signal = (z - sigma(g) * out) / alpha(g)
        else:
            signal = alpha(g) * z - sigma(g) * out
        return signal
