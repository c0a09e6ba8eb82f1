"""A density for whatever generates: Gaussian noise on what it makes."""

from __future__ import annotations

import math

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyrogen.base import HasGenerator, Model, Pair, announce
from pyrogen.data import Split
from pyrogen.inference.evidence.annealing import PATH, Path, geometric_schedule, pilot_transitions
from pyrogen.inference.evidence.latent_space import Point, latent_spaces
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.door import taken
from pyrogen.memory import enough_memory

LEAPFROGS, ACCEPTANCE = 10, 0.65


class Observed(Pair):
    """A generator seen through noise: z ~ p(z), x ~ N(g(z), σ² I), with the prior as guide; given y where it is conditional.

    A model with a likelihood of its own may be seen so too, g(z) being the mean of its p(x|z): this is how it stands on the
    same footing as one that has none.

    Args:
        generator: a model that makes data from latents.
        sigma: σ.
    """

    kinds = ("real", "unit")
    sigma: Tensor

    def __init__(self, generator: Model, sigma: float) -> None:
        super().__init__()
        if not isinstance(generator, HasGenerator):
            raise ValueError(
                f"{type(generator).__name__} has no generator x = g(z) to put noise on; a model with a likelihood needs none."
            )
        if not 0 < sigma < math.inf:
            raise ValueError(f"the noise's sigma={sigma} must be positive and finite.")
        self.generator, self.x_shape, self.objective = generator, generator.x_shape, generator.objective
        self.condition = generator.condition
        self.register_buffer("sigma", torch.tensor(float(sigma), device=generator.device))

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(z) N(x; g(z), σ²)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            z = pyro.sample("z", self.generator.latent_prior(y))
            center = self.generator.generate(z, y)
            pyro.sample("x", dist.Normal(center, self.sigma).to_event(len(self.x_shape)), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(z): a generator knows no way back."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            pyro.sample("z", self.generator.latent_prior(y))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """g(z) at drawn z with noise, ``(n, *x_shape)``."""
        self.check_draws(n, y)
        prior = self.generator.latent_prior(y)
        center = self.generator.generate(prior.sample(() if prior.batch_shape else (n,)), y)
        return center + self.sigma * torch.randn_like(center)


def observe(
    model: Model,
    x_valid: Tensor | Split,
    temperatures: int = 500,
    chains: int = 16,
    num_data: int = 128,
    seed: int = 0,
    y: Tensor | None = None,
) -> Observed:
    """Give a generator the observation noise with which its evidence of validation data is largest.

    One annealing run from the prior tells the evidence at every σ: its path p(z) N(x; g(z), s² I)^β to a very small s passes
    through the posterior of each σ = s / √β, with log p(x|σ) = log Z_β + (β D/2) log 2πs² − (D/2) log 2πσ². The maximum of
    its mean over data, refined by a parabola, is the σ of what is returned. Estimates are those of annealed importance
    sampling, lower bounds in expectation, so that a path with too few temperatures errs towards a larger σ.

    Reference: Wu et al. 2017, arXiv:1611.04273, fit σ by AIS on validation data, in a run for each σ.

    Args:
        model: a model with a generator.
        x_valid: validation data, or a validation split, which brings its own y.
        temperatures: σs that are tried, evenly spaced in log σ from where noise drowns all to a thousandth of the spread.
        chains: a datum.
        num_data: data that are used, evenly spread over those given.
        seed: of the draws; parameters and the global generator are left as they were.
        y: conditions of x_valid, where the model is conditional.

    Raises:
        ValueError: the model has no generator, data do not fit it, or its evidence has no maximum in the range.
        MemoryError: there is not enough memory; the sentence says what to lower.
    """
    _, x, y, _ = taken(model, x_valid, y)
    spread, dimensions = _spread(model, x, y, seed), x[0].numel()
    least = spread / 1000
    rows = torch.linspace(0, len(x) - 1, min(num_data, len(x))).round().long()
    x, y = x[rows], None if y is None else y[rows]
    sigmas = torch.logspace(math.log10(2 * spread * math.sqrt(dimensions)), math.log10(least), temperatures).double()
    betas = geometric_schedule(temperatures, float(least / sigmas[0]) ** 2)
    curve = torch.zeros(temperatures, dtype=torch.float64)
    transitions = pilot_transitions(temperatures) + temperatures - 1
    with (
        enough_memory("lower chains or num_data"),
        latent_spaces(Observed(model, least), x, y, "prior", seed) as spaces,
        track(transitions * len(spaces), "fitting the noise") as advance,
    ):
        for space in spaces:
            seen: list[Tensor] = []

            def look(log_weights: Tensor, point: Point, seen: list[Tensor] = seen) -> tuple[Tensor, Point]:
                seen.append((log_weights.logsumexp(0) - math.log(chains)).sum())
                return log_weights, point

            Path.tuned(space, betas, LEAPFROGS, ACCEPTANCE, advance).from_base(chains, PATH, look)
            curve += torch.stack(seen).cpu() / len(x)
    curve += dimensions / 2 * (betas[1:] * math.log(2 * math.pi * least**2) - (2 * math.pi * sigmas**2).log())
    return Observed(model, _maximum(sigmas.log(), curve))


def _spread(model: Model, x: Tensor, y: Tensor | None, seed: int) -> float:
    """How far data are from what is generated, per dimension."""
    with evaluating(model), seeded(seed, model.device):
        return float((x - model.sample(len(x), y)).double().square().mean().sqrt())


def _maximum(log_sigmas: Tensor, curve: Tensor) -> float:
    best = int(curve.argmax())
    if best in (0, len(curve) - 1):
        end = "large" if best == 0 else "small"
        raise ValueError(
            f"the evidence of the validation data still grows at sigma={float(log_sigmas[best].exp()):.3g}, the {end} end of "
            "the range; give Observed(model, sigma) a sigma of your own."
        )
    left, middle, right = curve[best - 1 : best + 2].tolist()
    shift = 0.5 * (left - right) / (left - 2 * middle + right)
    step = float(log_sigmas[best + 1] - log_sigmas[best])
    return math.exp(float(log_sigmas[best]) + shift * step)
