"""Continuous flows: their density against closed forms, quadrature and slopes, and what they are trained by."""

import math

import pytest
import torch
from smallest import small
from torch import nn

import pyrogen
from pyrogen.base import Batch
from pyrogen.data.mixtures import line_mixture, ring_mixture
from pyrogen.distributions.ode import AlongODE
from pyrogen.inference import (
    ODE,
    DenoisingScoreMatching,
    Exact,
    FlowMatching,
    SlicedScoreMatching,
    log_evidence,
    summarize,
)
from pyrogen.models.diffusion.matching import FlowMatched, ScoreDensity, ScoreMatched, StraightDensity
from pyrogen.nets.batch_dims import computing_in

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
    return pyrogen.create("flow-matching", x_shape=(2,), net=net, tolerance=1e-6).double().eval()


def test_a_random_flow_is_a_density_of_sum_one_that_slopes_confirm(rough):
    line = torch.linspace(-6, 6, 49, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        total = rough.log_prob_along(grid, 1e-3).exp().sum() * float(line[1] - line[0]) ** 2
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

    model = FlowMatched(StraightDensity(Linear(), torch.Size([2]), 1e-5), torch.Size([2]))
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
    large = pyrogen.create("flow-matching", x_shape=(300,), net={"name": "Perceptron", "hidden": (4,), "octaves": 0})
    with pytest.raises(ValueError, match="takes a slope for each of 300 elements of x, and 256 are the most"):
        log_evidence(large, torch.zeros(2, 300))
    assert log_evidence(large, torch.zeros(2, 300), ODE(probes=2, tolerance=0.1))["mc_se"].shape == (2,)
    with pytest.raises(ValueError, match="an error needs 2 probes or more"):
        ODE(probes=1)
    with pytest.raises(ValueError, match="VAE follows no differential equation"):
        log_evidence(small("vae"), torch.zeros(2, 1, 8, 8), ODE())
    with pytest.raises(ValueError, match="DenoisingScoreMatching trains scores, and VAE has none"):
        DenoisingScoreMatching().players(small("vae"))
    with pytest.raises(ValueError, match="noise grows, from low to high"):
        pyrogen.create("score-matching", x_shape=(2,), low=1.0, high=0.0)
    grey = torch.randint(0, 17, (1000, 2)) / 16
    with pytest.raises(ValueError, match="ScoreMatched is a density of real numbers, and x has 17 levels alone"):
        pyrogen.create("score-matching", x_shape=(2,)).before_training(grey)
    with pytest.raises(ValueError, match="tolerance=0 of a solver is above 0"):
        pyrogen.create("flow-matching", x_shape=(2,), tolerance=0.0)
    with pytest.raises(ValueError, match="FlowMatching trains velocities, and VAE has none"):
        FlowMatching().players(small("vae"))
    rough = AlongODE(lambda x, t: x * torch.nan, torch.zeros(1), 1e-6)
    with pytest.raises(ValueError, match="could not be followed to the end"):
        rough.log_prob(torch.ones(1, 1))
    endless = AlongODE(lambda x, t: 1e3 * x.square(), torch.zeros(1), 1e-3)  # it is infinite long before t = 1
    with pytest.raises(ValueError, match="could not be followed to the end"):
        endless.push(torch.ones(1, 1) / 2)


# --------------------------------------------------------------------------------- scores of mixtures that are known


class Known(nn.Module):
    """w = α ε̂ − σ û of a mixture of normals with one spread, at levels of γ between the ends."""

    def __init__(self, law, low, high, shuffled=False):
        super().__init__()
        self.means, self.spread = law.modes.double(), float(law.scales.reshape(-1)[0])
        self.weights, self.low, self.high, self.shuffled = law.weights.double(), low, high, shuffled

    def forward(self, z, told):
        level = 1 - told[:, :1] if self.shuffled else told[:, :1]
        gamma = self.low + (self.high - self.low) * level
        alpha, sigma = torch.sigmoid(-gamma).sqrt(), torch.sigmoid(gamma).sqrt()
        variance = alpha**2 * self.spread**2 + sigma**2
        far = z.unsqueeze(1) - alpha.unsqueeze(1) * self.means
        weights = (self.weights.log() - 0.5 * far.square().sum(-1) / variance).softmax(1)
        noise = sigma * (weights.unsqueeze(-1) * far).sum(1) / variance
        return (noise - sigma * z) / alpha


def best(law, ends=(-16.0, 10.0), shuffled=False, tolerance=1e-4):
    shape = law.modes.shape[1:]
    density = ScoreDensity(Known(law, *ends, shuffled), shape, tolerance, *ends).double()
    return ScoreMatched(density, shape).double().eval()


def test_the_velocity_is_that_of_the_score():
    """dx/dt = ½ (γ₁ − γ₀) σ² [x + s(x, γ)], s = −ε̂ / σ, at γ between the ends."""
    model = best(ring_mixture(sigma=0.1), ends=(-6.0, 5.0))
    x, t = torch.randn(9, 2, dtype=torch.float64), torch.linspace(0, 1, 9, dtype=torch.float64)
    gamma = 5.0 - 11.0 * t
    sigma = torch.sigmoid(gamma).sqrt().unsqueeze(1)
    score = -model.noise_in(x, gamma) / sigma
    torch.testing.assert_close(model.density.velocity(x, t), 0.5 * 11 * sigma**2 * (x + score))


class KnownVelocity(Known):
    """E[x₁ − x₀ | x_t] of such a mixture on straight paths."""

    def forward(self, x, told):
        t = 1 - told[:, :1] if self.shuffled else told[:, :1]
        variance = (1 - t) ** 2 + (t * self.spread) ** 2
        far = x.unsqueeze(1) - t.unsqueeze(1) * self.means
        weights = (self.weights.log() - 0.5 * far.square().sum(-1) / variance).softmax(1)
        along = self.means + ((t * self.spread**2 - (1 - t)) / variance).unsqueeze(1) * far
        return (weights.unsqueeze(-1) * along).sum(1)


def best_velocity(law, shuffled=False, tolerance=1e-4):
    shape = law.modes.shape[1:]
    density = StraightDensity(KnownVelocity(law, 0.0, 1.0, shuffled), shape, tolerance).double()
    return FlowMatched(density, shape).double().eval()


LAWS = {"on the line": line_mixture, "in the plane": lambda: ring_mixture(sigma=0.1)}
NETS = {"score": best, "velocity": best_velocity}


@pytest.mark.parametrize("of", LAWS)
@pytest.mark.parametrize("net", NETS)
def test_with_the_exact_net_it_is_within_three_errors_of_a_mixture_and_those_are_the_solvers(net, of):
    law, made = LAWS[of](), NETS[net]
    x = law.sample(100, torch.Generator().manual_seed(0))[0].double()
    truth = law.log_prob(x).double().numpy()
    found = log_evidence(made(law), x)
    assert (found.attrs["estimator"], found.attrs["bound"]) == ("ODE", "exact")
    assert float(found["mc_se"].max()) == 0
    assert "half the tolerance moved a datum by" in str(summarize(found))

    def errors(found):
        gap = found["log_evidence"].values - truth
        return abs(gap.mean()) / float(found["solver_gap"].mean()), abs(gap).mean()

    within, off = errors(found)
    assert within < 3
    assert off < 1e-3
    # in few steps it is far off, and told the time the wrong way round it is of no use
    few = made(law).density.along()
    few.steps = 3
    with torch.no_grad():
        rough = abs(few.log_prob(x).numpy() - truth).mean()
    assert rough > 30 * off
    ends = {"ends": (-6.0, 4.0)} if net == "score" else {}
    shuffled = log_evidence(made(law, shuffled=True, **ends), x, ODE(tolerance=0.02))
    assert abs(shuffled["log_evidence"].values - truth).mean() > 0.5


def test_a_hard_datum_keeps_the_tolerance_among_easy_ones():
    law = LAWS["in the plane"]()
    x = torch.cat([torch.tensor([[1.0, 0.45]]), law.modes.repeat(50, 1)]).double()  # the first between two modes
    alone, among = (log_evidence(best(law), part)["log_evidence"].values[0] for part in (x[:1], x))
    truth = float(law.log_prob(x[:1]))
    assert abs(alone - among) < 3e-3
    assert abs(among - truth) < 3e-3


def test_probes_of_the_divergence_have_an_error_that_is_theirs():
    law = LAWS["in the plane"]()
    x = law.sample(50, torch.Generator().manual_seed(0))[0].double()
    exact = log_evidence(best(law), x, Exact())["log_evidence"]
    probed = log_evidence(best(law), x, ODE(probes=16))
    z = (probed["log_evidence"] - exact) / probed["mc_se"]
    assert float(probed["mc_se"].mean()) > 0.01
    assert 0.7 < float(z.std()) < 1.4
    assert abs(float(z.mean())) < 0.4
    assert probed.attrs["probes"] == 16


def test_slopes_of_scores_are_computed_in_float32_where_networks_compute_in_bf16():
    model = small("score-matching", objective=SlicedScoreMatching())
    (player,) = model.objective.players(model)
    found = []
    for dtype in (None, torch.bfloat16):
        torch.manual_seed(0)
        with computing_in(dtype):
            found.append(float(player.loss(Batch(torch.rand(8, *model.x_shape)))["loss"].detach()))
    assert found[0] == found[1]


@pytest.mark.parametrize("objective", [DenoisingScoreMatching(), SlicedScoreMatching()])
def test_both_scores_are_matched_where_the_data_are_normal(objective):
    class Spread(nn.Module):
        def __init__(self):
            super().__init__()
            self.spread = nn.Parameter(torch.tensor(0.3))

        def forward(self, z, told):
            gamma = -6 + 11 * told
            alpha, variance = torch.sigmoid(-gamma).sqrt(), torch.sigmoid(gamma)
            share = variance.sqrt() / (alpha**2 * self.spread**2 + variance)
            return (share - variance.sqrt()) / alpha * z

    model = ScoreMatched(ScoreDensity(Spread(), torch.Size([2]), 1e-5, -6.0, 5.0), torch.Size([2]), objective)
    (player,) = objective.players(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        player.loss(Batch(0.8 * torch.randn(256, 2)))["loss"].backward()
        optimizer.step()
    assert float(model.density.net.net.spread.detach().abs()) == pytest.approx(0.8, abs=0.08)
