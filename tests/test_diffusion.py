"""Diffusions: the bound against closed forms of Gaussian data, stock Pyro and importance weights, and their schedules."""

import math

import numpy as np
import pytest
import torch
from pyro.infer import Trace_ELBO
from torch import nn

import pyrogen
from pyrogen import registry
from pyrogen.base import Batch
from pyrogen.data import load
from pyrogen.inference import ELBO, IWAE, fit, log_evidence
from pyrogen.inference.objectives.diffusion import DiffusionELBO
from pyrogen.models.diffusion.diffusion import Diffusion
from pyrogen.noise import Cosine, Learned, Linear

LOW, HIGH, S = -6.0, 5.0, 0.6


class Best(nn.Module):
    """E[u|z] of Gaussian data, as the noise schedule's ends say the level."""

    def __init__(self, spread=S):
        super().__init__()
        self.spread = nn.Parameter(torch.tensor(spread))

    def forward(self, z, told):
        gamma = LOW + (HIGH - LOW) * told[:, 0]
        alpha, variance = torch.sigmoid(-gamma).sqrt(), torch.sigmoid(gamma)
        share = alpha * self.spread**2 / (alpha**2 * self.spread**2 + variance)
        return share.reshape(-1, *[1] * (z.dim() - 1)) * z


def gaussian(steps, noise=Linear, shape=(2,)):
    return Diffusion(Best(), shape, steps, noise(LOW, HIGH), "signal").double().eval()


def law(model):
    """Of one element by hand: −E ELBO, and the variance of the model's x."""
    gamma = model.noise(torch.linspace(0, 1, model.steps + 1, dtype=torch.float64)).detach()
    alpha, noise = torch.sigmoid(-gamma).sqrt(), torch.sigmoid(gamma)
    nats = 0.5 * (alpha[-1] ** 2 * S**2 + noise[-1] - 1 - noise[-1].log())
    nats += 0.5 * math.log(2 * math.pi) + 0.5 * gamma[0] + 0.5
    left = S**2 * noise / (alpha**2 * S**2 + noise)
    snr = (-gamma).exp()
    nats += 0.5 * ((snr[:-1] - snr[1:]) * left[1:]).sum()
    variance = torch.tensor(1.0, dtype=torch.float64)
    for i in range(model.steps, 0, -1):
        c = -torch.expm1(gamma[i - 1] - gamma[i])
        share = alpha[i] * S**2 / (alpha[i] ** 2 * S**2 + noise[i])
        slope = alpha[i - 1] / alpha[i] * (1 - c) + alpha[i - 1] * c * share
        variance = slope**2 * variance + noise[i - 1] * c
    return float(nats), float(variance / alpha[0] ** 2 + gamma[0].exp())


def exact(variance):
    """−E log p(x) of one element."""
    return 0.5 * math.log(2 * math.pi * variance) + S**2 / (2 * variance)


@pytest.mark.parametrize("steps", [1, 3, 20])
def test_the_bound_of_gaussian_data_is_its_closed_form(steps):
    model, x = gaussian(steps), S * torch.randn(4000, 2, dtype=torch.float64)
    found = log_evidence(model, x, DiffusionELBO(8))
    nats, variance = law(model)
    each = -found["log_evidence"].values
    assert each.mean() == pytest.approx(2 * nats, abs=4 * each.std() / math.sqrt(len(each)))
    assert nats > exact(variance)
    parts = sum(found[f"{name}_nats"].values for name in ("prior", "diffusion", "reconstruction"))
    np.testing.assert_allclose(each, parts)


def test_its_error_bar_is_calibrated():
    model, x = gaussian(5), torch.tensor([[0.3, -0.8]], dtype=torch.float64)
    many = x.expand(400, 2)
    found = log_evidence(model, many, DiffusionELBO(16))
    z = (found["log_evidence"] - found["log_evidence"].mean()) / found["mc_se"]
    assert 0.8 < float(z.std()) < 1.25


def test_the_gap_falls_like_one_over_the_steps():
    gaps = []
    for steps in (200, 400, 800):
        nats, variance = law(gaussian(steps))
        gaps.append(nats - exact(variance))
    # what is left of it is that of the ends: z_T is no pure noise, and z₀ no pure signal
    assert (gaps[0] - gaps[1]) / (gaps[1] - gaps[2]) == pytest.approx(2, abs=0.05)
    assert 0 < 2 * gaps[2] - gaps[1] < 0.01


def test_of_many_steps_the_bound_is_the_same_for_every_schedule_and_of_few_it_is_not():
    torch.manual_seed(0)
    learned = Learned(LOW, HIGH)
    with torch.no_grad():
        learned.weight.normal_()
    schedules = (Linear, Cosine, lambda low, high: learned)
    many = [law(gaussian(4000, noise))[0] for noise in schedules]
    few = [law(gaussian(4, noise))[0] for noise in schedules]
    assert max(many) - min(many) < 0.005
    assert max(few) - min(few) > 0.1


def test_stock_pyro_and_both_estimators_see_one_bound():
    model, x = gaussian(3, shape=(1,)), torch.tensor([[0.4]], dtype=torch.float64)
    ours = log_evidence(model, x, DiffusionELBO(20_000))
    by_weights = log_evidence(model, x, ELBO(num_samples=20_000))
    error = math.hypot(float(ours["mc_se"][0]), float(by_weights["mc_se"][0]))
    assert float(ours["log_evidence"][0]) == pytest.approx(float(by_weights["log_evidence"][0]), abs=4 * error)
    rows = x.expand(5000, 1)
    stock = -Trace_ELBO().loss(model.model, model.guide, rows) / len(rows)
    error = 4 * float(by_weights["mc_se"][0]) * math.sqrt(20_000 / len(rows))
    assert stock == pytest.approx(float(ours["log_evidence"][0]), abs=error)
    _, variance = law(model)
    truth = -0.5 * math.log(2 * math.pi * variance) - 0.4**2 / (2 * variance)
    tight = log_evidence(model, x, IWAE(20_000))
    assert float(ours["log_evidence"][0]) < truth
    assert float(tight["log_evidence"][0]) == pytest.approx(truth, abs=5 * float(tight["mc_se"][0]))
    assert log_evidence(model, x).attrs["estimator"] == "DiffusionELBO"


def test_what_is_trained_by_is_the_bound_at_one_step_a_datum():
    model, x = gaussian(7), S * torch.randn(64, 2, dtype=torch.float64)
    (player,) = DiffusionELBO().players(model)
    with torch.no_grad():
        losses = torch.stack([player.loss(Batch(x))["loss"] for _ in range(400)])
    found = log_evidence(model, x, DiffusionELBO(50))
    error = float(losses.std()) / math.sqrt(len(losses))
    assert float(losses.mean()) == pytest.approx(-float(found["log_evidence"].mean()), abs=4 * error + 0.01)


def test_the_best_denoiser_of_gaussian_data_is_where_training_ends():
    model = Diffusion(Best(0.2), (2,), 10, Linear(LOW, HIGH), "signal")
    (player,) = DiffusionELBO().players(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        player.loss(Batch(S * torch.randn(200, 2)))["loss"].backward()
        optimizer.step()
    assert float(model.denoiser.net.spread.detach().abs()) == pytest.approx(S, abs=0.05)


@pytest.mark.parametrize("predicts", ["noise", "signal", "velocity"])
def test_the_three_predictions_say_one_signal(predicts):
    class Knows(nn.Module):
        """What u of the right signal 0.5 would be told as."""

        def __init__(self):
            super().__init__()
            self.u = nn.Parameter(torch.tensor(0.5))

        def forward(self, z, told):
            gamma = (LOW + (HIGH - LOW) * told[:, :1]).double()
            alpha, sigma = torch.sigmoid(-gamma).sqrt(), torch.sigmoid(gamma).sqrt()
            noise = (z - alpha * self.u) / sigma
            said = {"noise": noise, "signal": self.u.expand_as(z), "velocity": alpha * noise - sigma * self.u}
            return said[predicts]

    model = Diffusion(Knows(), (3,), 5, Linear(LOW, HIGH), predicts).double()
    gamma = torch.linspace(LOW, HIGH, 6, dtype=torch.float64)
    u = model._signal(torch.randn(6, 3, dtype=torch.float64), gamma, None)
    torch.testing.assert_close(u, torch.full_like(u, 0.5), rtol=0, atol=1e-6)
    x = torch.full((4, 3), 0.5, dtype=torch.float64)
    assert float(model.step_nats(x, torch.tensor([1, 2, 3, 5])).detach().abs().max()) < 1e-8
    torch.testing.assert_close(model.generate(torch.randn(4, 3, dtype=torch.float64)), x, rtol=0, atol=0.2)


def test_samples_have_the_law_of_the_model():
    torch.manual_seed(1)
    model = gaussian(6)
    _, variance = law(model)
    x = model.sample(20_000)
    assert float(x.var()) == pytest.approx(variance, rel=0.03)
    assert torch.equal(model.generate(torch.ones(2, 2).double())[0], model.generate(torch.ones(3, 2).double())[0])


@pytest.mark.parametrize("noise", ["Linear", "Cosine", "Learned"])
def test_noise_grows_from_end_to_end(noise):
    gamma = registry.make("noise", {"name": noise, "low": LOW, "high": HIGH})
    at = gamma(torch.linspace(0, 1, 101)).detach()
    assert (at.diff() > 0).all()
    assert float(at[0]) == pytest.approx(LOW, abs=1e-4)
    assert float(at[-1]) == pytest.approx(HIGH, abs=1e-4)
    with pytest.raises(ValueError, match="noise grows, from low to high"):
        registry.make("noise", {"name": noise, "low": 1.0, "high": 0.0})


def test_grey_values_are_seen_around_their_middle():
    model = pyrogen.create("vdm", x_shape=(1, 8, 8), kind="unit", denoiser={"name": "UNet", "width": 8}, steps=3)
    x = torch.rand(4, 1, 8, 8)
    assert log_evidence(model, x)["log_evidence"].shape == (4,)
    assert model.sample_mean(2).shape == (2, 1, 8, 8)
    near = Diffusion(Best(), (2,), 40, Linear(-12.0, 5.0), "signal", "unit")
    noisy = near._noisy(near._scaled(torch.full((5000, 2), 0.9)), torch.tensor(-12.0)).sample()
    assert float(near._mean(noisy, torch.tensor(-12.0)).mean()) == pytest.approx(0.9, abs=1e-3)
    with pytest.raises(ValueError, match="the model Diffusion scores unit data"):
        fit(model, load("digits", kind="binary"), epochs=1, progress=False)


def test_nonsense_is_refused_in_a_sentence():
    for wrong, sentence in (
        ({"steps": 0}, "steps=0: a diffusion takes 1 step or more"),
        ({"predicts": "nosie"}, "did you mean 'noise'"),
        ({"kind": "binary"}, "kind='binary': noise is added to real numbers"),
        ({"denoiser": "UNet"}, "the denoiser UNet reads images"),
        ({"denoiser": {"name": "Perceptron", "hidden": (8, 4)}}, "hidden layers of one width"),
    ):
        with pytest.raises(ValueError, match=sentence):
            pyrogen.create("vdm", x_shape=(2,), **wrong)
    with pytest.raises(ValueError, match="an error needs 2 draws or more"):
        DiffusionELBO(1)
    with pytest.raises(ValueError, match="what adds noise in steps, and VAE does not"):
        DiffusionELBO().players(pyrogen.create("vae", x_shape=(4,), hidden=(4,)))
    with pytest.raises(ValueError, match="what adds noise in steps, and VAE does not"):
        log_evidence(pyrogen.create("vae", x_shape=(4,), hidden=(4,)), torch.zeros(2, 4), DiffusionELBO())


def test_laws_of_data_are_given_y_where_a_model_is_told_it():
    data = load("ring")
    x, mode = data.law.sample(200, torch.Generator().manual_seed(0))
    each = torch.stack([data.law.log_prob(x, torch.full((200,), k)) for k in range(8)])
    torch.testing.assert_close(data.law.log_prob(x), each.logsumexp(0) - math.log(8))
    assert (data.law.log_prob(x, mode) - data.law.log_prob(x)).mean() == pytest.approx(math.log(8), abs=1e-3)
    grammar = load("grammar").law
    x, topic = grammar.sample(50, torch.Generator().manual_seed(0))
    each = torch.stack([grammar.log_prob(x, torch.full((50,), k)) for k in range(6)])
    torch.testing.assert_close(grammar.log_prob(x), each.logsumexp(0) - math.log(6))
    assert grammar.log_prob(x, topic).isfinite().all()
