"""Continuous flows: their density against closed forms, quadrature and slopes, and what they are trained by."""

import math

import pytest
import torch
from smallest import small
from torch import nn

import pyrogen
from pyrogen.base import Batch
from pyrogen.distributions.ode import AlongODE
from pyrogen.inference import log_evidence
from pyrogen.inference.objectives.matching import FlowMatching
from pyrogen.models.diffusion.matching import FlowMatched, VelocityDensity

S = 0.4


def to_a_normal(x, t):
    """E[x₁ − x₀ | x_t] of data N(0, S² I)."""
    t = t.unsqueeze(-1)
    return (t * S**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * S**2) * x


def test_the_flow_of_gaussian_data_has_their_density_and_their_samples():
    p = AlongODE(to_a_normal, torch.zeros(3, dtype=torch.float64), 1e-6)
    x = S * torch.randn(20, 3, dtype=torch.float64)
    exact = torch.distributions.Normal(0.0, S).log_prob(x).sum(-1)
    torch.testing.assert_close(p.log_prob(x), exact, rtol=0, atol=1e-5)
    drawn = p.sample((4000,))
    assert float(drawn.std()) == pytest.approx(S, rel=0.03)
    assert p.expand((2, 5)).log_prob(x[:5]).shape == (2, 5)


def test_the_error_is_the_solvers_and_falls_with_its_tolerance():
    x = S * torch.randn(50, 2, dtype=torch.float64)
    exact = torch.distributions.Normal(0.0, S).log_prob(x).sum(-1)
    errors = [
        float((AlongODE(to_a_normal, torch.zeros(2, dtype=torch.float64), t).log_prob(x).detach() - exact).abs().max())
        for t in (1e-2, 1e-4, 1e-6)
    ]
    assert errors[0] > 10 * errors[1] > 100 * errors[2]


@pytest.fixture
def rough():
    torch.manual_seed(0)
    net = {"name": "Perceptron", "hidden": (16, 16), "octaves": 1}
    return pyrogen.create("flow-matching", x_shape=(2,), net=net, tolerance=1e-7).double().eval()


def test_a_random_flow_is_a_density_of_sum_one_that_slopes_confirm(rough):
    line = torch.linspace(-6, 6, 49, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        total = rough.log_prob(grid).exp().sum() * float(line[1] - line[0]) ** 2
    assert float(total) == pytest.approx(1, abs=0.01)
    z = torch.randn(5, 2, dtype=torch.float64)
    x = rough.generate(z).detach()
    jacobian = torch.autograd.functional.jacobian(lambda at: rough.generate(at).sum(0), z).transpose(0, 1)
    by_slopes = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1) - jacobian.det().abs().log()
    torch.testing.assert_close(rough.log_prob(x).detach(), by_slopes, rtol=0, atol=1e-3)
    assert log_evidence(rough, x).attrs["bound"] == "exact"


def test_it_is_matched_to_the_velocity_that_straight_paths_have_on_average():
    class Linear(nn.Module):
        def __init__(self):
            super().__init__()
            self.spread = nn.Parameter(torch.tensor(1.0))

        def forward(self, x, told):
            t, s = told, self.spread
            return (t * s**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * s**2) * x

    model = FlowMatched(VelocityDensity(Linear(), torch.Size([2]), 1e-5), torch.Size([2]))
    (player,) = FlowMatching().players(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        player.loss(Batch(S * torch.randn(256, 2)))["loss"].backward()
        optimizer.step()
    assert float(model.density.net.net.spread.detach().abs()) == pytest.approx(S, abs=0.05)


def test_it_starts_where_the_data_are():
    model = pyrogen.create("flow-matching", x_shape=(2,))
    x = torch.tensor([3.0, -1.0]) + 2 * torch.randn(5000, 2)
    model.before_training(x)
    scaled = model.scaled(x)
    assert scaled.mean(0).abs().max() < 1e-4
    assert float(scaled.std()) == pytest.approx(1, abs=1e-3)
    model.before_training(x + 9)
    torch.testing.assert_close(model.scaled(x), scaled)
    # the density is of x and not of what it is scaled to
    plain = model.density.along().log_prob(scaled[:20])
    torch.testing.assert_close(model.log_prob(x[:20]), plain - 2 * math.log(float(model.density.scale)))


def test_nonsense_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="takes a slope for each of 784 elements of x, and 256 are the most"):
        pyrogen.create("flow-matching", x_shape=(1, 28, 28))
    with pytest.raises(ValueError, match="tolerance=0 of a solver is above 0"):
        pyrogen.create("flow-matching", x_shape=(2,), tolerance=0.0)
    with pytest.raises(ValueError, match="FlowMatching trains velocities, and VAE has none"):
        FlowMatching().players(small("vae"))
    rough = AlongODE(lambda x, t: x * torch.nan, torch.zeros(1), 1e-6)
    with pytest.raises(ValueError, match="could not be followed to the end"):
        rough.log_prob(torch.ones(1, 1))
