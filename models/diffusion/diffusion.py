"""Diffusion models: latents as large as x, a guide that is fixed and adds noise to them, and a model that takes it away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from pyrogen.axes import Distribution
from pyrogen.base import HasGenerator, Objective, Pair, announce
from pyrogen.capabilities import HasDiffusion
from pyrogen.conditions import Condition, Reader
from pyrogen.inference.objectives.diffusion import DiffusionELBO
from pyrogen.nets import BatchDims
from pyrogen.nets.denoisers import DenoiserNet
from pyrogen.noise import NoiseSchedule
from pyrogen.registry import entry, make, unknown

PREDICTIONS = ("noise", "signal", "velocity")


class Diffusion(Pair, HasGenerator, HasDiffusion):
    """T steps of noise, z_T → … → z₀ → x, of which the guide knows each step and the model must guess the signal u.

    q(z_i|x) = N(α_i u, σ_i² I) with u = (x − m) / s and α² = σ(−γ), σ² = σ(γ), γ_i = γ(i/T); and for j = i − 1,

        q(z_j|z_i, x) = N((α_j/α_i)(1 − c) z_i + α_j c u, σ_j² c I),  c = 1 − exp(γ_j − γ_i).

    p(z_T) = N(0, I), p(z_j|z_i) is the same with û(z_i, γ_i) in place of u, and p(x|z₀) = N(m + s z₀/α₀, (s σ₀/α₀)² I). So

        −ELBO = KL(q(z_T|x) ‖ N(0, I)) + Σ_i ½ (1/σ_j² · α_j² − α_i²/σ_i²) E ‖u − û(z_i)‖² − E log p(x|z₀),

    a bound whose gap is that of the steps: with few of them p(z_j|z_i) is no normal distribution. The sites are z_T … z_0.
    References: Sohl-Dickstein et al. 2015, arXiv:1503.03585; Ho et al. 2020, arXiv:2006.11239; Kingma et al. 2021,
    arXiv:2107.00630.

    Args:
        denoiser: ``(N, *x_shape)`` and ``(N, 1 + condition.size)``, the level in [0, 1] first, to ``(N, *x_shape)``.
        x_shape: shape of one datum.
        steps: T.
        noise: γ, an object or a name.
        predicts: what the network says: the "noise" ε = (z − α u)/σ, the "signal" u or the "velocity" α ε − σ u.
        kind: of the data: "real", which m = 0 and s = 1 suit, or "unit", with m = s = ½.
        objective: what :func:`pyrogen.inference.fit` optimizes; by default DiffusionELBO(), which looks at one step a datum.
        condition: what y is, where the network reads it.

    Raises:
        ValueError: no steps, another kind, or nothing that could be predicted.
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
        self.kinds, self.condition = (kind,), condition
        self.x_shape = self.latent_shape = torch.Size(x_shape)
        self.steps, self.predicts = steps, predicts
        self.middle, self.spread = (0.5, 0.5) if kind == "unit" else (0.0, 1.0)
        self.objective: Objective = DiffusionELBO() if objective is None else make("objective", objective)
        self.noise: NoiseSchedule = make("noise", noise)
        self.denoiser = BatchDims(denoiser, self.x_shape, self.x_shape, "denoiser")
        self.reader = None if condition is None else Reader(condition)

    # -- the pair --------------------------------------------------------------------------------------------------------

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(z_T) Π p(z_j|z_i) p(x|z₀)."""
        announce(self)
        gamma, told = self._gamma(x), self._read(y)
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
        noisy = self._noisy(self._scaled(x), self._gamma(x)[-1])
        kl: Tensor = torch.distributions.kl_divergence(noisy, self.latent_prior())
        return kl

    def step_nats(self, x: Tensor, step: Tensor, y: Tensor | None = None) -> Tensor:
        """½ (SNR_j − SNR_i) ‖u − û(z_i)‖² at a draw of z_i, ``(B,)``."""
        gamma, u = self._gamma(x), self._scaled(x)
        later, before = gamma[step], gamma[step - 1]
        z = self._noisy(u, later).rsample()
        wrong = (u - self._signal(z, later, self._read(y))).square().flatten(1).sum(1)
        # SNR_j (1 − SNR_i / SNR_j), which loses no digits where the two are near
        return 0.5 * (-before).exp() * -torch.expm1(before - later) * wrong

    def add_noise(self, x: Tensor, step: Tensor) -> Tensor:
        """A draw of q(z_i|x), ``(B, *x_shape)``."""
        z: Tensor = self._noisy(self._scaled(x), self._gamma(x)[step]).rsample()
        return z

    def denoise(self, z: Tensor, step: Tensor, y: Tensor | None = None) -> Tensor:
        """x̂ = m + s û(z_i), ``(B, *x_shape)``."""
        return self.middle + self.spread * self._signal(z, self._gamma(z)[step], self._read(y))

    def reconstruction_nats(self, x: Tensor) -> Tensor:
        """−log p(x|z₀) at a draw of z₀, ``(B,)``."""
        gamma = self._gamma(x)[0]
        z = self._noisy(self._scaled(x), gamma).rsample()
        log_p: Tensor = self._seen(z, gamma).log_prob(x)
        return -log_p

    # -- what is generated -----------------------------------------------------------------------------------------------

    def latent_prior(self, y: Tensor | None = None) -> Distribution:
        """N(0, I) of the shape of x."""
        zero = next(self.parameters()).new_zeros(self.x_shape)
        return dist.Normal(zero, torch.ones_like(zero)).to_event(len(self.x_shape))

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """x without chance from z_T: each step keeps the noise that the network sees, z_j = α_j û + σ_j ε̂.

        Reference: Song et al. 2021, Denoising diffusion implicit models, arXiv:2010.02502.
        """
        gamma, told = self._gamma(z), self._read(y)
        for i in range(self.steps, 0, -1):
            u = self._signal(z, gamma[i], told)
            kept = (z - _alpha(gamma[i]) * u) / _sigma(gamma[i])
            z = _alpha(gamma[i - 1]) * u + _sigma(gamma[i - 1]) * kept
        return self._mean(z, gamma[0])

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """z_T, then z_j from p(z_j|z_i), and x from p(x|z₀), ``(n, *x_shape)``."""
        z, first = self._first_latents(n, y)
        x: Tensor = self._seen(z, first).sample()
        return x

    @torch.no_grad()
    def sample_mean(self, n: int, y: Tensor | None = None) -> Tensor:
        """The mean of p(x|z₀) at drawn z₀."""
        return self._mean(*self._first_latents(n, y))

    def before_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Take the scale of the training data's y."""
        if self.reader is not None:
            self.reader.before_training(y)

    @property
    def needs_training_data(self) -> bool:
        """Whether whoever reads y does."""
        return self.reader is not None and self.reader.needs_training_data

    def _first_latents(self, n: int, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """z₀ drawn from the model, and γ₀."""
        if self.condition is not None:
            self.condition.check(y, n)
        z: Tensor = self.latent_prior(y).sample((n,))
        gamma, told = self._gamma(z), self._read(y)
        for i in range(self.steps, 0, -1):
            z = self._earlier(z, self._signal(z, gamma[i], told), gamma[i - 1], gamma[i]).sample()
        return z, gamma[0]

    # -- laws ------------------------------------------------------------------------------------------------------------

    def _gamma(self, like: Tensor) -> Tensor:
        """γ₀ … γ_T."""
        gamma: Tensor = self.noise(torch.linspace(0, 1, self.steps + 1, device=like.device, dtype=like.dtype))
        return gamma

    def _scaled(self, x: Tensor) -> Tensor:
        return (x - self.middle) / self.spread

    def _mean(self, z: Tensor, gamma: Tensor) -> Tensor:
        return self.middle + self.spread * z / _alpha(gamma)

    def _noisy(self, u: Tensor, gamma: Tensor) -> Distribution:
        """q(z|x) at γ, a number or one for each datum."""
        g = self._wide(gamma)
        return dist.Normal(_alpha(g) * u, _sigma(g).expand_as(u)).to_event(len(self.x_shape))

    def _earlier(self, z: Tensor, u: Tensor, before: Tensor, later: Tensor) -> Distribution:
        """The law of z_j given z_i and the signal."""
        c = -torch.expm1(before - later)
        mean = _alpha(before) / _alpha(later) * (1 - c) * z + _alpha(before) * c * u
        return dist.Normal(mean, (_sigma(before) * c.sqrt()).expand_as(mean)).to_event(len(self.x_shape))

    def _seen(self, z: Tensor, gamma: Tensor) -> Distribution:
        """p(x|z₀)."""
        mean, noise = self._mean(z, gamma), self.spread * (gamma / 2).exp()
        return dist.Normal(mean, noise.expand_as(mean)).to_event(len(self.x_shape))

    def _signal(self, z: Tensor, gamma: Tensor, told: Tensor | None) -> Tensor:
        """û(z, γ)."""
        lead = z.shape[: z.dim() - len(self.x_shape)]
        level = ((gamma - self.noise.low) / (self.noise.high - self.noise.low)).expand(lead).unsqueeze(-1)
        said = level if told is None else torch.cat([level, told.expand(*lead, -1)], -1)
        out, g = self.denoiser(z, said), self._wide(gamma)
        if self.predicts == "signal":
            signal: Tensor = out
        elif self.predicts == "noise":
            signal = (z - _sigma(g) * out) / _alpha(g)
        else:
            signal = _alpha(g) * z - _sigma(g) * out
        return signal

    def _wide(self, gamma: Tensor) -> Tensor:
        """γ of each datum beside its elements."""
        return gamma.reshape(*gamma.shape, *[1] * len(self.x_shape)) if gamma.dim() else gamma

    def _read(self, y: Tensor | None) -> Tensor | None:
        return None if self.reader is None or y is None else self.reader(y)


def _alpha(gamma: Tensor) -> Tensor:
    return (logsigmoid(-gamma) / 2).exp()


def _sigma(gamma: Tensor) -> Tensor:
    return (logsigmoid(gamma) / 2).exp()


@entry(
    "vdm",
    reference="Kingma et al. 2021, Variational diffusion models, arXiv:2107.00630; Ho et al. 2020, arXiv:2006.11239",
    data="ring",
    recipe={"epochs": 40, "lr": 1e-3, "batch_size": 128},
)
def vdm(
    x_shape: Sequence[int],
    steps: int = 50,
    denoiser: DenoiserNet | str | Mapping[str, Any] | None = None,
    noise: NoiseSchedule | str | Mapping[str, Any] = "Linear",
    predicts: str = "velocity",
    kind: str = "real",
    objective: Objective | str | None = None,
) -> Diffusion:
    """The diffusion model as a hierarchy of latents with a fixed guide, trained on its bound one step a datum.

    Args:
        x_shape: shape of one datum.
        steps: T, of the bound, and of the samples.
        denoiser: the network; by default UNet of images and Perceptron of others.
        noise: how noise grows.
        predicts: "noise", "signal" or "velocity".
        kind: of the data, "real" or "unit".
        objective: the default objective of ``fit``: DiffusionELBO().
    """
    usual = "UNet" if len(x_shape) == 3 else "Perceptron"
    net: DenoiserNet = make("denoiser", usual if denoiser is None else denoiser)
    return Diffusion(net.build(x_shape), x_shape, steps, noise, predicts, kind, objective)
