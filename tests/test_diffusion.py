"""Diffusions: the bound against closed forms of Gaussian data, stock Pyro and importance weights, and their schedules."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from pyro.infer import Trace_ELBO
from torch import nn

import pyrogen
from pyrogen import registry
from pyrogen.base import Batch
from pyrogen.command.cli import main
from pyrogen.conditions import Condition
from pyrogen.data import load
from pyrogen.inference import ELBO, IWAE, ParticleFilter, check_guide, diagnose, fit, log_evidence
from pyrogen.inference.objectives.diffusion import DiffusionELBO
from pyrogen.inference.pages import sample_sections
from pyrogen.inference.runs.recipe import data_and_model
from pyrogen.models.diffusion.diffusion import Diffusion
from pyrogen.noise import Cosine, Learned, Linear
from pyrogen.samplers import DDIM, Ancestral, ProbabilityFlow

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
        losses = torch.stack([player.loss(Batch(x.repeat(8, 1)))["loss"] for _ in range(50)])
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


def test_particles_that_have_heirs_are_unbiased_for_p():
    model, x = gaussian(3, shape=(1,)), torch.tensor([[0.4], [-1.0]], dtype=torch.float64)
    _, variance = law(model)
    truth = torch.distributions.Normal(0.0, math.sqrt(variance)).log_prob(x).sum(-1)
    found = log_evidence(model, x, ParticleFilter(8, 4000, "guide", 1.0))
    assert found.attrs["bound"] == "lower"
    assert float(found["resampled"].min()) > 1
    for n in range(2):
        error = float(found["mc_se"][n])
        assert error < 0.1
        assert float(found["log_evidence"][n]) == pytest.approx(float(truth[n]), abs=4 * error)


def test_particles_with_heirs_are_a_tighter_bound_than_as_many_weights():
    """In expectation below the truth, nearer than importance weights, and those nearer than the ELBO."""
    torch.manual_seed(0)
    model = gaussian(20, shape=(32,))
    x = S * torch.randn(40, 32, dtype=torch.float64)
    _, variance = law(model)
    truth = torch.distributions.Normal(0.0, math.sqrt(variance)).log_prob(x).sum(-1).numpy()
    gaps = [
        truth - log_evidence(model, x, by)["log_evidence"].values
        for by in (DiffusionELBO(4), ParticleFilter(16, 4, "guide", 0.0), ParticleFilter(16, 4, "guide"))
    ]
    elbo, weights, particles = (float(gap.mean()) for gap in gaps)
    assert elbo > weights + 1
    assert weights > particles + 4 * float((gaps[1] - gaps[2]).std()) / math.sqrt(40)
    assert particles > 0
    with pytest.raises(ValueError, match="use proposal='guide'"):
        log_evidence(model, x, ParticleFilter(2, 4))


class Twice(nn.Module):
    """A network that says of every signal what it is told: the class, as 1 or −1, or 0 where it is told none."""

    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.tensor(1.0))

    def forward(self, z, told):
        said = (told[:, 1] - told[:, 2]) * told[:, 3]
        return self.one * said.unsqueeze(1).expand_as(z)


def told(dropped=0.5, **more):
    return Diffusion(Twice(), (2,), 6, Linear(LOW, HIGH), "signal", condition=Condition((), 2), dropped=dropped, **more)


def test_guidance_goes_beyond_what_is_told():
    model, y = told().eval(), torch.tensor([0, 1, 0])
    signs = torch.tensor([1.0, -1.0, 1.0]).unsqueeze(1).expand(3, 2)
    for weight in (0.0, 1.0, 3.0):
        for sampler in ("Ancestral", "DDIM", "ProbabilityFlow"):
            x = model.sample_mean(3, y, sampler, weight)
            torch.testing.assert_close(x, weight * signs, rtol=0, atol=0.25)
    assert told(guidance=3.0).eval().sample_mean(3, y).abs().min() > 2.5
    with pytest.raises(ValueError, match="the model is conditional, and got no y"):
        model.sample(3, guidance=2.0)


def test_y_is_hidden_in_training_and_in_nothing_else():
    model, y = told(), torch.zeros(4000, dtype=torch.long)
    hidden = model.read_y(y).eq(0).all(-1).double().mean()
    assert float(hidden) == pytest.approx(0.5, abs=0.04)
    assert model.eval().read_y(y).ne(0).any(-1).all()
    assert model.hidden_y().eq(0).all()
    x = torch.ones(4000, 2)
    by = log_evidence(model.train(), x, DiffusionELBO(2), y=y)
    np.testing.assert_array_equal(
        by["diffusion_nats"], log_evidence(model.eval(), x, DiffusionELBO(2), y=y)["diffusion_nats"]
    )


@pytest.mark.parametrize("sampler", [Ancestral(), Ancestral(400), DDIM(400), ProbabilityFlow(1e-4)])
def test_every_sampler_comes_to_the_data_of_the_best_denoiser(sampler):
    torch.manual_seed(0)
    model = gaussian(200)
    x = model.sample(4000, sampler=sampler)
    assert float(x.std()) == pytest.approx(S, rel=0.04)


def test_samplers_without_chance_lead_from_one_noise_to_one_x_the_nearer_the_more_steps():
    model, z = gaussian(3), torch.randn(50, 2, dtype=torch.float64)
    with torch.no_grad():
        exact = ProbabilityFlow(1e-6).walk(z, model.noise, 3, model._seen_by(None))
        ways = [DDIM(n).walk(z, model.noise, 3, model._seen_by(None)) for n in (10, 20, 40, 80)]
    gaps = [(way - exact).abs().max() for way in ways]
    assert all(2.5 > float(a / b) > 1.6 for a, b in pairwise(gaps))
    one = model.generate(z)
    torch.testing.assert_close(
        one, model._mean(DDIM(3).walk(z, model.noise, 9, model._seen_by(None)), model._gamma(z)[0])
    )


def test_sampling_is_asked_for_on_the_command_line(tmp_path, capsys):
    net = {"name": "Perceptron", "hidden": (4,), "octaves": 0}
    model = pyrogen.create("vdm-conditional", x_shape=(2,), kind="real", classes=8, steps=3, denoiser=net)
    fit(model, load("ring"), epochs=1, batch_size=5000, folder=tmp_path / "run", progress=False, validate=False)
    run = ["sample", str(tmp_path / "run"), "--n", "4"]
    drawn = {}
    for way in (["--guidance", "3"], ["--guidance", "1"], ["--sampler", "DDIM", "--sampler.steps", "2"]):
        assert main([*run, *way, "--out", str(tmp_path / way[1])]) == 0
        drawn[way[1]] = np.load(tmp_path / f"{way[1]}.npz")
        assert drawn[way[1]]["x"].shape == (4, 2)
        assert "their means of p(x|z₀), without the noise of the last step (mean)" in capsys.readouterr().out
    assert not np.allclose(drawn["3"]["x"], drawn["1"]["x"])
    assert not np.allclose(drawn["DDIM"]["mean"], drawn["1"]["mean"])
    capsys.readouterr()
    for wrong, sentence in (
        ("nan", "--guidance takes a finite number; got 'nan'"),
        ("-1", "it is a finite weight, 0 or more"),
    ):
        assert main([*run, "--guidance", wrong]) == 2
        assert sentence in capsys.readouterr().err
    assert main([*run, "--guidance", "3", "--temperature", "0.5"]) == 2
    assert (
        "--guidance 3: samples of a diffusion are guided, without --temperature; leave one" in capsys.readouterr().err
    )


def test_its_fixed_guide_is_said_to_be_unchecked_and_its_means_are_said_to_be_of_the_last_step(tiny_data):
    model, x = gaussian(3), S * torch.randn(40, 2, dtype=torch.float64)
    checked = check_guide(model, x, log_evidence(model, x, IWAE(20)))
    assert "from_prior" not in checked
    assert diagnose(checked).unchecked.endswith(
        "it could not be: the guide of a diffusion is fixed, and short chains from "
        "the prior, over all its steps, come to no x"
    )
    net = {"name": "Perceptron", "hidden": (4,), "octaves": 0}
    grey = pyrogen.create("vdm", x_shape=(1, 8, 8), kind="unit", denoiser=net, steps=2)
    said = [panel.caption for panel in sample_sections.samples(grey, tiny_data(grey), [])]
    assert sum("without the noise of the last one" in caption for caption in said) == 1


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
    with pytest.raises(ValueError, match="this model is told no y; take 'vdm-conditional'"):
        gaussian(2).sample(2, guidance=2.0)
    with pytest.raises(ValueError, match="with dropped=0 it never sees them"):
        told(dropped=0.0).sample(2, torch.zeros(2, dtype=torch.long), guidance=2.0)
    with pytest.raises(ValueError, match="it is a finite weight, 0 or more"):
        told(guidance=-1.0)
    with pytest.raises(ValueError, match="from 0 to below 1"):
        told(dropped=1.0)
    with pytest.raises(ValueError, match="it takes 1 step or more"):
        DDIM(0)
    with pytest.raises(ValueError, match="above 0, and 0"):
        ProbabilityFlow(0.0)
    levels = pyrogen.create("vdm", x_shape=(1, 8, 8), kind="unit", denoiser={"name": "UNet", "width": 4}, steps=3)
    with pytest.raises(ValueError, match="has 17 levels alone in 64,000 numbers: nats and bits/dim of such a fit mean"):
        fit(levels, load("digits", kind="unit", dequantization=False), epochs=1, progress=False)
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


def test_data_of_no_stated_kind_are_loaded_as_the_entry_takes_them():
    for name, source, kind in (
        ("vdm", "digits", "unit"),
        ("vdm-conditional", "digits", "unit"),
        ("vdm", "ring", "real"),
    ):
        data, model = data_and_model({"name": source}, registry.find("entry", name).load(), {})
        assert (data.kind, model.kinds) == (kind, (kind,))
    with pytest.raises(ValueError, match="kind='levels': noise is added to real numbers"):
        data_and_model({"name": "digits", "kind": "levels"}, registry.find("entry", "vdm").load(), {})
