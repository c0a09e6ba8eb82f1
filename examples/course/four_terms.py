"""KL(N(μ, σ²) ‖ N(0, 1)) = ½ (μ² + σ² − ln σ² − 1): four terms, what each does, and two slips in writing them down.

μ² is a spring that pulls means to 0; σ² − ln σ² − 1 = V − ln V − 1 is 0 at V = 1 and steep towards 0, so that no
variance vanishes. The log variance may be any real number, and a network need not be told to make it positive.
"""

import argparse

import torch
from torch.distributions import Normal, kl_divergence

from pyrogen.figures import theory_plots
from pyrogen.figures.report import save_figures

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
folder = parser.parse_args().folder


def kl(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    return 0.5 * (mean**2 + log_variance.exp() - log_variance - 1)


torch.manual_seed(0)
mean, log_variance = 2 * torch.randn(1000, dtype=torch.float64), torch.randn(1000, dtype=torch.float64)
q, p = Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros_like(mean), 1.0)
exact = kl(mean, log_variance)
assert torch.allclose(exact, kl_divergence(q, p)), "ml-kl-closed-form"

z = q.sample((4000,))
drawn = q.log_prob(z) - p.log_prob(z)
off = (drawn.mean(0) - exact) / (drawn.std(0) / 4000**0.5)
print(
    f"the four terms against 4,000 draws, in standard errors, over 1,000 normals: {off.mean():+.2f} ± {off.std():.2f}"
)
assert abs(off.mean()) < 0.15, "pr-derive-kl"
assert 0.9 < off.std() < 1.1, "pr-derive-kl"

# two slips: without the ½ everything doubles; with σ for σ² the variance is best at 1 still, but costs less where it is off
wrong = mean**2 + (log_variance / 2).exp() - log_variance / 2 - 1
print(f"without ½ and with σ for σ²: {(wrong / exact).min():.2f} to {(wrong / exact).max():.2f} of the true KL")
assert (wrong / exact).max() > 1.5, "rl-kl-formula"
assert (wrong / exact).min() < 0.6, "rl-kl-formula"

v = torch.linspace(0.05, 4, 80, dtype=torch.float64)
curve = v - v.log() - 1
best = v[curve.argmin()]
print(
    f"V - ln V - 1 is least, {curve.min():.4f}, at V = {best:.2f}; at V = 0.05 it is {curve[0]:.2f}, "
    f"at V = 4 {curve[-1]:.2f}"
)
assert torch.allclose(2 * kl(torch.zeros_like(v), v.log()), curve), "pr-v-log-v"
assert torch.equal(curve.argmin(), (v - 1).abs().argmin()), "pr-v-log-v"

# any real number is a log variance: its gradient, ½ (σ² − 1), exists everywhere and pulls to 0
free = torch.linspace(-8, 3, 12, dtype=torch.float64, requires_grad=True)
(pull,) = torch.autograd.grad(kl(torch.zeros_like(free), free).sum(), free)
assert torch.allclose(pull, 0.5 * (free.exp() - 1)), "pr-log-variance"

a = torch.linspace(-3, 3, 61, dtype=torch.float64)
terms = {"½ μ²": 0.5 * a**2}
parts = {"½ V": v / 2, "−½ ln V": -v.log() / 2, "½ (V − ln V − 1)": curve / 2}
figure = theory_plots.pulls({"μ": (a, terms), "V = σ²": (v, parts)}, "nats")
print("the picture:", *save_figures(folder, {"four_terms": figure}))
