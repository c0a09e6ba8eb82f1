"""How far three bounds stay below log p(x) of a diffusion of T steps: its sum over steps, importance weights, and particles.

The data are normal, so that the best denoiser and the law of each model are known, and the gaps in the table are exact
but for their errors. Weights and particles are as many draws: the particles give way to one another.

    python examples/how_tight_is_a_bound.py
"""

import argparse

import torch
from torch import Tensor, nn

from pyrogen.inference import IWAE, DiffusionELBO, ParticleFilter, log_evidence
from pyrogen.models.diffusion.diffusion import Diffusion
from pyrogen.noise import Linear, alpha, earlier, sigma

SIZE, SPREAD, LOW, HIGH = 16, 0.6, -6.0, 5.0


def share(gamma: Tensor) -> Tensor:
    """E[u|z] / z of data N(0, SPREAD²)."""
    return alpha(gamma) * SPREAD**2 / (alpha(gamma) ** 2 * SPREAD**2 + sigma(gamma) ** 2)


class Best(nn.Module):
    """The best denoiser of normal data."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor, told: Tensor) -> Tensor:
        return self.one * share(LOW + (HIGH - LOW) * told) * z


def spread_of(model: Diffusion) -> Tensor:
    """The standard deviation of the x that the model makes: each step is linear in z."""
    gamma = model.noise(torch.linspace(0, 1, model.steps + 1, dtype=torch.float64))
    variance, one = torch.ones((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    for i in range(model.steps, 0, -1):
        slope, noise = earlier(one, share(gamma[i]), gamma[i - 1], gamma[i])
        variance = slope**2 * variance + noise**2
    return (variance / alpha(gamma[0]) ** 2 + gamma[0].exp()).sqrt()


parser = argparse.ArgumentParser()
parser.add_argument("--data", type=int, default=50)
parser.add_argument("--steps", type=int, nargs="+", default=[5, 20, 100])
options = parser.parse_args()
torch.manual_seed(0)
x = SPREAD * torch.randn(options.data, SIZE, dtype=torch.float64)
judges = {
    "sum of steps": DiffusionELBO(8),
    "64 weights": IWAE(64),
    "16 x 4 particles": ParticleFilter(16, 4, "guide"),
}
print("nats below the exact log p(x) of the model, lower bounds all, and their standard errors over data")
print("T".rjust(5), *(name.rjust(18) for name in judges))
for steps in options.steps:
    model = Diffusion(Best(), (SIZE,), steps, Linear(LOW, HIGH), "signal").double().eval()
    exact = torch.distributions.Normal(0.0, spread_of(model)).log_prob(x).sum(1).numpy()
    gaps = [exact - log_evidence(model, x, judge)["log_evidence"].values for judge in judges.values()]
    print(f"{steps:5d}", *(f"{gap.mean():.2f} ± {gap.std() / len(gap) ** 0.5:.2f}".rjust(18) for gap in gaps))
