"""Autoencoders: penalties, noise, ties, stages and the laws they are judged by, each against an exact answer."""

import copy
import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from playing import stop_after
from torch import nn
from torch.distributions import Bernoulli, kl_divergence

import pyrogen
from pyrogen.base import Batch, HasPosterior, Model, Stage
from pyrogen.data import load
from pyrogen.data.procedural import Circle, SparseModel, Spiral
from pyrogen.inference import ELBO, fit
from pyrogen.inference.objectives.penalized import Contractive, SparseActivation, jacobian
from pyrogen.inference.pages.fields import arrows, grid, reconstruction_field
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.inference.programs.plain import Program
from pyrogen.inference.training.checkpoint import Stopped
from pyrogen.models.energy.pretrained import PretrainedAutoencoder
from pyrogen.nets import Dictionary, Noisy
from pyrogen.nets.batch_dims import computing_in
from pyrogen.registry import find

pytestmark = pytest.mark.usefixtures("empty_store")

NORMAL = {"name": "Normal", "scale": "fixed"}
SQUASHED = {"prior": "Flat", "posterior": "PointMass", "likelihood": NORMAL}


def metric(name):
    return find("metric", name).load()


def number(scalar):
    return float(scalar.detach())


def terms(objective, model, x):
    (player,) = objective.players(model)
    return player.loss(Batch(x))


def squashed(**choices):
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.Sigmoid())
    return pyrogen.vae(x_shape=(1, 4, 4), latent_size=3, hidden=(), encoder=encoder, **SQUASHED, **choices)


# -- penalties -------------------------------------------------------------------------------------------------------


def test_slopes_are_computed_in_float32_where_networks_compute_in_bf16(draws):
    m, x = squashed(), draws("real", 5, 1, 4, 4)
    plain = Contractive().penalty(m, Batch(x))
    with computing_in(torch.bfloat16):
        assert number(Contractive().penalty(m, Batch(x))) == number(plain)


@pytest.mark.parametrize("posterior", ["PointMass", "DiagonalNormal", "FullRankNormal"])
def test_the_jacobian_is_autograds(pair, draws, posterior):
    m = pair(posterior=posterior, likelihood=NORMAL)
    x = draws("real", 5, 1, 4, 4)
    mine = jacobian(m, Batch(x))
    assert mine.shape == (5, 2, 1, 4, 4)
    for row, datum in zip(mine, x, strict=True):
        exact = torch.autograd.functional.jacobian(lambda v: m.encode(v[None]).mean[0], datum)
        torch.testing.assert_close(row, exact, rtol=1e-5, atol=1e-6)
    assert number(Contractive().penalty(m, Batch(x))) == pytest.approx(number(mine.square().sum() / 5), rel=1e-5)


def test_of_a_linear_encoder_the_penalty_is_the_square_of_its_weights(draws):
    m = pyrogen.create("autoencoder", x_shape=(7,), latent_size=3, hidden=(), likelihood=NORMAL)
    weight = m.encoder.net[1].weight
    penalty = Contractive().penalty(m, Batch(draws("real", 5, 7)))
    assert number(penalty) == pytest.approx(number(weight.square().sum()), rel=1e-5)
    (gradient,) = torch.autograd.grad(penalty, weight)
    torch.testing.assert_close(gradient, 2 * weight.detach())


def test_the_gradient_of_the_penalty_is_that_of_finite_differences(draws):
    m, x = squashed().double(), draws("real", 4, 1, 4, 4).double()
    weight = m.encoder.net[1].weight
    (gradient,) = torch.autograd.grad(Contractive().penalty(m, Batch(x)), weight)
    for place in ((0, 3), (2, 11)):
        found = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                weight[place] += step
                found.append(number(Contractive().penalty(m, Batch(x))))
                weight[place] -= step
        assert (found[0] - found[1]) / 2e-5 == pytest.approx(float(gradient[place]), rel=1e-5)


@pytest.mark.parametrize("penalty", [Contractive(), SparseActivation(0.2)])
def test_a_penalty_is_added_at_its_weight_and_measured_without_gradients(draws, penalty):
    m, x, objective = squashed(), draws("real", 5, 1, 4, 4), ELBO() + 0.3 * penalty
    found, plain = terms(objective, m, x), terms(ELBO(), m, x)
    charged = found[type(penalty).__name__.lower()]
    assert number(charged) > 0
    assert number(found["loss"]) == pytest.approx(number(plain["loss"] + 0.3 * charged), rel=1e-6)
    with evaluating(m):
        again = terms(objective, m, x)
    assert number(again["loss"]) == pytest.approx(number(found["loss"]), rel=1e-6)
    assert not again["loss"].requires_grad


def test_kl_sparsity_is_the_kl_of_coins_and_its_gradient_the_closed_form(draws):
    m, x = squashed(), draws("real", 6, 1, 4, 4)
    bias, rho = m.encoder.net[1].bias, 0.2
    penalty = SparseActivation(rho).penalty(m, Batch(x))
    z = m.code(x).detach()
    mean = z.mean(0)
    exact = kl_divergence(Bernoulli(torch.tensor(rho)), Bernoulli(mean)).sum()
    assert number(penalty) == pytest.approx(number(exact), rel=1e-5)
    (gradient,) = torch.autograd.grad(penalty, bias)
    slope = (1 - rho) / (1 - mean) - rho / mean
    torch.testing.assert_close(gradient, slope * (z * (1 - z)).mean(0), rtol=1e-4, atol=1e-6)


def test_kl_sparsity_is_nothing_at_its_target_and_finite_where_codes_are_saturated(draws):
    m, x = squashed(), draws("real", 6, 1, 4, 4)
    with torch.no_grad():
        m.encoder.net[1].weight.zero_()
        m.encoder.net[1].bias.fill_(math.log(0.2 / 0.8))
    assert number(SparseActivation(0.2).penalty(m, Batch(x))) == pytest.approx(0, abs=1e-6)
    with torch.no_grad():
        m.encoder.net[1].bias.copy_(torch.tensor([200.0, -200.0, 0.0]))
    assert 0 < number(SparseActivation(0.2).penalty(m, Batch(x))) < 100


@pytest.mark.rotating
@pytest.mark.parametrize("entry", ["autoencoder-contractive", "autoencoder-sparse-kl", "autoencoder-denoising"])
def test_their_steps_can_be_recorded(entry):
    arguments = {"weight": 0.1} if entry != "autoencoder-denoising" else {}
    m = pyrogen.create(entry, x_shape=(1, 8, 8), latent_size=4, hidden=(), **arguments)
    run = fit(m, "digits", epochs=13, batch_size=32, validate=False, progress=False)
    assert run.steps.startswith("recorded")
    assert run.records[-1]["train/loss"] < run.records[0]["train/loss"]


def with_norm(**choices):
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    return pyrogen.vae(x_shape=(1, 4, 4), latent_size=2, hidden=(), encoder=encoder, **SQUASHED, **choices)


BITS = {"prior": "Bernoulli", "posterior": "Bernoulli", "likelihood": NORMAL}
REFUSED = {
    "not a pair": (
        Contractive(),
        lambda pair: pyrogen.create("rbm", x_shape=(1, 4, 4), hidden=3),
        r"RBM is no \(model, guide\) pair",
    ),
    "no latents": (
        Contractive(),
        lambda pair: pyrogen.create("made", x_shape=(4,)),
        "AutoregressiveModel encodes nothing.*ELBO",
    ),
    "no encoder": (SparseActivation(), lambda pair: Program(print, print), "Program encodes nothing.*SparseActivation"),
    "discrete codes": (Contractive(), lambda pair: pair(**BITS), "Contractive differentiates codes.*'z'.*ELBO"),
    "discrete units": (
        SparseActivation(),
        lambda pair: pair(**BITS),
        "SparseActivation differentiates codes.*'z'.*ELBO",
    ),
    "batch norm": (Contractive(), lambda pair: with_norm(), "batch norm in training.*without it"),
    "unbounded codes": (
        SparseActivation(),
        lambda pair: pair(likelihood=NORMAL),
        "codes between 0 and 1, and these lie",
    ),
}


@pytest.mark.parametrize(("objective", "build", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_a_penalty_cannot_charge_is_refused(pair, draws, objective, build, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        terms(objective, build(pair), 3 * draws("real", 5, 1, 4, 4))
    assert "\n" not in str(caught.value)


def test_batch_norm_that_stands_still_is_no_obstacle(draws):
    m = with_norm().eval()
    assert number(Contractive().penalty(m, Batch(draws("real", 5, 1, 4, 4)))) > 0


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: -1 * Contractive(), "the weight -1 of an objective must be finite and not below 0"),
        (lambda: math.inf * SparseActivation(), "the weight inf of an objective must be finite"),
        (lambda: SparseActivation(target=1.0), r"SparseActivation\(target=1.0\).*between 0 and 1"),
        (lambda: Noisy(nn.Identity(), 0.1, "salty"), "choose 'normal', 'mask' or 'salt'"),
        (lambda: Noisy(nn.Identity(), -0.1), r"noise=-0.1 .*at least 0"),
        (lambda: Noisy(nn.Identity(), 1.5, "mask"), r"noise=1.5 .*at most 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()


# -- networks --------------------------------------------------------------------------------------------------------


def test_noise_has_the_moments_that_it_should_have():
    x = torch.full((200_000,), 0.7)
    normal = Noisy(nn.Identity(), 0.3)(x) - x
    assert float(normal.mean()) == pytest.approx(0, abs=4 * 0.3 / 200_000**0.5)
    assert float(normal.std()) == pytest.approx(0.3, rel=0.01)
    error = 4 * (0.25 * 0.75 / 200_000) ** 0.5
    for kind, values in (("mask", {0.0: 0.25}), ("salt", {0.0: 0.125, 1.0: 0.125})):
        hit = Noisy(nn.Identity(), 0.25, kind)(x)
        assert set(hit.unique().tolist()) == {x[0].item(), *values}
        for value, share in values.items():
            assert float((hit == value).double().mean()) == pytest.approx(share, abs=error)


def test_noise_is_there_in_training_only_and_in_the_guide_only(draws):
    m = pyrogen.create("autoencoder-denoising", x_shape=(1, 4, 4), latent_size=3, hidden=(8,), likelihood=NORMAL)
    x = draws("unit", 6, 1, 4, 4)
    assert not torch.equal(m.code(x), m.code(x))
    clean = m.encoder.net.net(x)
    with evaluating(m):
        assert torch.equal(m.code(x), clean)
        assert torch.equal(m.reconstruct(x), m.reconstruct(x))
        loss = terms(ELBO(), m, x)["loss"]
        assert number(loss) == pytest.approx(-float(m.decode(clean).log_prob(x).mean()), rel=1e-6)


def test_atoms_have_length_one_whatever_their_columns():
    net, z = Dictionary(5, 7), torch.randn(4, 5)
    before = net(z)
    torch.testing.assert_close(net.atoms().norm(dim=0), torch.ones(5))
    torch.testing.assert_close(before, z @ net.atoms().T + net.bias)
    with torch.no_grad():
        net.columns.mul_(torch.rand(5) + 0.1)
    torch.testing.assert_close(net(z), before)


def test_a_mirror_image_has_no_weights_of_its_own(tmp_path, draws):
    m = pyrogen.create("autoencoder-contractive", x_shape=(1, 4, 4), latent_size=3, hidden=(8,), likelihood=NORMAL)
    first, second = (layer for layer in m.encoder.modules() if isinstance(layer, nn.Linear))
    z = torch.randn(5, 3)
    b2, b1 = m.decoder.net.biases
    exact = torch.relu(z @ second.weight + b2) @ first.weight + b1
    torch.testing.assert_close(m.decode(z).mean.flatten(1), exact)
    assert [k for k in m.state_dict() if k.startswith("decoder")] == ["decoder.net.biases.0", "decoder.net.biases.1"]
    m.save(tmp_path)
    loaded, copied = pyrogen.load(tmp_path), copy.deepcopy(m)
    for other in (loaded, copied):
        assert torch.equal(other.decode(z).mean, m.decode(z).mean)
        with torch.no_grad():
            next(p for k, p in other.named_parameters() if k.startswith("encoder") and p.dim() == 2).mul_(2)
        assert not torch.equal(other.decode(z).mean, m.decode(z).mean)
    (gradient,) = torch.autograd.grad(m.decode(z).mean.sum(), first.weight)
    assert gradient.abs().sum() > 0


# -- laws ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", [Spiral(), Circle()])
def test_a_curves_velocity_and_score_are_derivatives(law):
    t = torch.tensor([0.1, 0.45, 0.8], dtype=torch.float64)
    exact = torch.autograd.functional.jacobian(law.points, t).diagonal(dim1=0, dim2=2).mT
    torch.testing.assert_close(law.velocities(t), exact)
    x = (law.points(t) + 0.2 * torch.randn(3, law.size, dtype=torch.float64)).requires_grad_()
    (slope,) = torch.autograd.grad(law.log_prob(x, 0.3).sum(), x)
    torch.testing.assert_close(law.score(x.detach(), 0.3), slope)
    on = law.points(law.times[::100])
    torch.testing.assert_close(
        law.tangents(on), nn.functional.normalize(law.velocities(law.times[::100]), dim=1), rtol=1e-6, atol=1e-6
    )


def test_a_noisy_spiral_has_a_density():
    side = torch.linspace(-2.6, 2.6, 105, dtype=torch.float64)
    plane = torch.cartesian_prod(side, side)
    density = torch.cat([Spiral().log_prob(part, 0.2).exp() for part in plane.split(10_000)])
    assert float(density.sum() * (side[1] - side[0]) ** 2) == pytest.approx(1, abs=1e-6)


def test_a_noisy_circle_has_the_density_of_bessel():
    law, sigma = Circle(), 0.3
    x = law.sample(5, torch.Generator().manual_seed(1)).double() + 0.3 * torch.randn(5, 16, dtype=torch.float64)
    variance, radius = 0.1**2 + sigma**2, (x @ law.plane.double()).norm(dim=1)
    bessel = torch.special.i0e(2 * radius / variance).log() + 2 * radius / variance
    exact = bessel - (x.square().sum(1) + 4) / (2 * variance) - 8 * math.log(2 * math.pi * variance)
    torch.testing.assert_close(law.log_prob(x, sigma), exact, rtol=1e-6, atol=1e-5)


def test_the_sparse_model_has_the_covariance_that_it_should_have():
    law = SparseModel()
    d = law.dictionary.double()
    torch.testing.assert_close(d.norm(dim=0), torch.ones(24, dtype=torch.float64), rtol=1e-6, atol=1e-6)
    x = law.sample(100_000, torch.Generator().manual_seed(1)).double()
    # E (1 + |N|)² / 4 = (2 + 2 √(2/π)) / 4
    exact = 0.08 * (0.5 + 0.5 * (2 / math.pi) ** 0.5) * d @ d.T + 0.02**2 * torch.eye(16)
    torch.testing.assert_close(torch.cov(x.T), exact, atol=0.004, rtol=0)
    assert float(x.mean().abs()) < 0.01


@pytest.mark.parametrize("name", ["spiral", "circle", "sparse-dictionary"])
def test_procedural_data_are_the_same_at_every_load(name):
    first, second = load(name), load(name)
    assert first.sha256 == second.sha256
    assert [len(s) for s in (first.train, first.valid, first.test)] == [5000, 500, 1000]
    assert first.kind == "real"


# -- stages ----------------------------------------------------------------------------------------------------------


def only(model, number):
    """The model with one of its stages alone."""
    alone = Stage([replace(player, idle=[model]) for player in model.stages()[number].players])
    model.stages = lambda: [alone]
    return model


def stacked(**arguments):
    torch.manual_seed(0)
    return pyrogen.create("autoencoder-stacked", x_shape=(1, 8, 8), latent_size=3, hidden=(16, 8), **arguments)


QUICK = {"epochs": 1, "batch_size": 256, "progress": False, "validate": False}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_only_the_new_layer_moves_in_its_stage(number):
    m = stacked()
    before = {k: p.detach().clone() for k, p in m.named_parameters()}
    fit(only(m, number), "digits", **QUICK)
    moved = {k for k, p in m.named_parameters() if not torch.equal(p, before[k])}
    up, down = f"encoder.net.net.{number}.1", f"decoder.net.{2 - number}.0"
    assert moved == {f"{part}.{p}" for part in (up, down) for p in ("weight", "bias")}


def unrolled(**arguments):
    return pyrogen.create("autoencoder-pretrained", x_shape=(1, 8, 8), latent_size=3, hidden=(16, 8), **arguments)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_machine_moves_its_layer_and_the_biases_below(number):
    m = unrolled()
    before = {k: p.detach().clone() for k, p in m.named_parameters()}
    fit(only(m, number), "digits", **QUICK)
    moved = {k for k, p in m.named_parameters() if not torch.equal(p, before[k])}
    up, down = f"encoder.net.{1 + 2 * number}", f"decoder.net.{2 * (2 - number)}"
    assert moved == {f"{up}.weight", f"{up}.bias", f"{down}.bias"}


def test_machines_are_unrolled_before_all_layers_are_tuned():
    m = unrolled()
    assert [stage.name for stage in m.stages()] == ["layer 1", "layer 2", "layer 3", "all layers"]
    m.stages()[-1].enter()
    x = torch.rand(5, 1, 8, 8).round()
    z = m.code(x)
    assert ((z > 0) & (z < 1)).all()
    for up, down in zip(reversed(m.ups), reversed(m.downs), strict=True):
        z = z @ up.weight + down.bias
        z = z if down is m.downs[0] else torch.sigmoid(z)
    torch.testing.assert_close(m.decode(m.code(x)).mean.flatten(1), torch.sigmoid(z))
    assert [stage.name for stage in unrolled(pretraining=False).stages()] == ["training"]
    run = fit(m, "digits", **QUICK)
    assert run.records[-1]["train/loss"] < 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"likelihood": "Normal"}, "one number for each element"),
        ({"likelihood": "Categorical"}, "one number for each element"),
        ({"likelihood": {"name": "Masked", "likelihood": "Bernoulli"}}, "read no holes"),
        ({"hidden": (0,)}, r"hidden=\(0,\): a size is 1 or more"),
    ],
)
def test_machines_that_cannot_be_unrolled(arguments, message):
    with pytest.raises(ValueError, match=message):
        pyrogen.create("autoencoder-pretrained", x_shape=(1, 8, 8), **{"latent_size": 2, **arguments})


def test_machines_read_numbers_from_0_to_1_whatever_is_scored():
    m = unrolled(likelihood={"name": "Normal", "scale": "fixed"})
    with pytest.raises(ValueError, match=r"scores unit data .*these are real data"):
        fit(m, pyrogen.data.from_arrays(torch.randn(40, 1, 8, 8), kind="real"), **QUICK)


def test_stages_come_layer_by_layer_and_then_all_together():
    m = stacked()
    stages = m.stages()
    assert [stage.name for stage in stages] == ["layer 1", "layer 2", "layer 3", "all layers"]
    assert [player.name for stage in stages for player in stage.players] == ["layer1", "layer2", "layer3", "elbo"]
    assert {id(p) for p in stages[-1].players[0].parameters()} == {id(p) for p in m.parameters()}
    run = fit(m, "digits", **QUICK)
    assert len(run.records) == 4


@pytest.mark.parametrize(
    ("likelihood", "kind", "read"),
    [
        ("Bernoulli", "binary", lambda x: x),
        ("Normal", "binary", lambda x: x),
        ("Categorical", "levels", lambda x: x / 127.5 - 1),
        ("Poisson", "counts", torch.log1p),
        ({"name": "Masked", "likelihood": "Normal"}, "holes", lambda x: x.nan_to_num(0.0)),
    ],
)
def test_a_layers_loss_is_that_of_an_autoencoder_of_the_codes_below(draws, likelihood, kind, read):
    x = draws("unit" if kind == "holes" else kind, 5, 1, 8, 8)
    m, x = stacked(noise=0.0, likelihood=likelihood), torch.where(x < 0.3, torch.nan, x) if kind == "holes" else x
    (first,), (second,), *_ = (stage.players for stage in m.stages())
    (u1, d1), (u2, d2), _ = m.layers
    h = u1(read(x))
    exact = -m.likelihood(d1(h).reshape(5, -1, 8, 8)).log_prob(x).mean()
    assert number(first.loss(Batch(x))["loss"]) == pytest.approx(number(exact), rel=1e-5)
    squares = (h - d2(u2(h))).square().sum(1).mean() / 2 + 8 * math.log(2 * math.pi)
    assert number(second.loss(Batch(x))["loss"]) == pytest.approx(number(squares), rel=1e-5)
    assert torch.equal(m.code(x), m.layers[2][0](u2(h)))


def test_layers_are_denoised_in_training_only(draws):
    m, x = stacked(), draws("binary", 5, 1, 8, 8)
    (player,) = m.stages()[1].players
    losses = [number(player.loss(Batch(x))["loss"]) for _ in range(2)]
    assert losses[0] != losses[1]
    with evaluating(m):
        losses = [number(player.loss(Batch(x))["loss"]) for _ in range(2)]
    assert losses[0] == losses[1]


def contracting(**arguments):
    torch.manual_seed(0)
    return pyrogen.create(
        "autoencoder-stacked-contractive", x_shape=(1, 4, 4), latent_size=3, hidden=(6,), likelihood=NORMAL, **arguments
    )


def test_each_layer_of_a_contractive_stack_pays_for_its_own_jacobian(draws):
    x = draws("binary", 5, 1, 4, 4)
    losses = []
    for weight in (0.0, 0.5):
        m = contracting(weight=weight)
        losses.append([number(stage.players[0].loss(Batch(x))["loss"]) for stage in m.stages()])
    (u1, _), (u2, _) = m.layers
    h = u1(x)
    jacobians = [
        sum(torch.func.jacrev(lambda v, f=f: f(v.unsqueeze(0))[0])(row).square().sum() for row in inputs).item() / 5
        for f, inputs in ((u1, x), (u2, h.detach()), (torch.nn.Sequential(u1, u2), x))
    ]
    charged = [b - a for a, b in zip(*losses, strict=True)]
    assert charged == pytest.approx([0.5 * j for j in jacobians], rel=1e-3, abs=1e-6)


def test_layers_of_a_contractive_stack_are_tied_and_codes_lie_between_0_and_1(draws):
    m, x = contracting(), draws("binary", 5, 1, 4, 4)
    z = m.code(x)
    assert ((z > 0) & (z < 1)).all()
    (u1, d1), (u2, d2) = m.layers
    above = torch.sigmoid(z @ u2[1].weight + d2[0].biases[0])
    torch.testing.assert_close(m.decode(z).mean.flatten(1), above @ u1[1].weight + d1.biases[0])
    with pytest.raises(ValueError, match="one number for each element"):
        pyrogen.create("autoencoder-stacked-contractive", x_shape=(1, 4, 4), likelihood="Normal")


@pytest.mark.parametrize("steps", [3, 12])
def test_a_stack_resumes_in_the_layer_where_it_was(steps, tmp_path, monkeypatch):
    arguments = {**QUICK, "validate": True}
    fit(stacked(), "digits", folder=tmp_path / "whole", **arguments)
    with monkeypatch.context() as patch:
        stop_after(patch, steps)
        with pytest.raises(Stopped):
            fit(stacked(), "digits", folder=tmp_path / "cut", **arguments)
    fit(stacked(), "digits", folder=tmp_path / "cut", resume=True, **arguments)
    for file in ("weights.safetensors", "metrics.jsonl"):
        assert (tmp_path / "cut" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


# -- metrics ---------------------------------------------------------------------------------------------------------


class Known(Model, HasPosterior):
    """A model that reconstructs by a function."""

    def __init__(self, x_shape, function):
        super().__init__()
        self.x_shape, self.latent_shape, self.function = torch.Size(x_shape), torch.Size([1]), function

    def sample(self, n, y=None):
        raise NotImplementedError

    def encode(self, x, y=None):
        raise NotImplementedError

    def decode(self, z, y=None):
        raise NotImplementedError

    def reconstruct(self, x, y=None):
        return self.function(x)


def grey():
    return load("digits", kind="unit", dequantization=False)


def test_decibels_of_what_is_known():
    data = grey()
    copies, halves = (
        Known(data.x_shape, lambda x: x),
        Known(data.x_shape, lambda x: data.test.x + 0.5 * (x - data.test.x)),
    )
    gained = metric("psnr-gain")
    assert gained(copies, data, 0, noise=0.3) == pytest.approx(0, abs=1e-6)
    assert gained(halves, data, 0, noise=0.3) == pytest.approx(20 * math.log10(2), abs=1e-4)
    assert gained(halves, data, 0, noise=0.3, against=copies) == pytest.approx(20 * math.log10(2), abs=1e-4)
    zeros = Known(data.x_shape, torch.zeros_like)
    power = float(data.test.x.square().mean())
    assert gained(zeros, data, 0, noise=0.3) == pytest.approx(10 * math.log10(0.09 / power), abs=0.1)


def test_the_best_denoiser_follows_the_score():
    data, law = load("spiral"), Spiral()
    best = Known((2,), lambda x: (x.double() + 0.1**2 * law.score(x, 0.1)).float())
    assert metric("score-cosine")(best, data, 0, noise=0.1) == pytest.approx(1, abs=1e-5)
    against = Known((2,), lambda x: x - law.score(x, 0.1).float())
    assert metric("score-cosine")(against, data, 0, noise=0.1) == pytest.approx(-1, abs=1e-5)
    turned = Known((2,), lambda x: x + law.score(x, 0.1).float().flip(1) * torch.tensor([-1.0, 1.0]))
    assert metric("score-cosine")(turned, data, 0, noise=0.1) == pytest.approx(0, abs=1e-5)


def linear(data, latent_size):
    return pyrogen.create("autoencoder", x_shape=data.x_shape, latent_size=latent_size, hidden=(), likelihood=NORMAL)


def test_of_linear_codes_shrinkage_and_direction_are_known():
    data = load("spiral")
    m, other = linear(data, 2), linear(data, 2)
    with torch.no_grad():
        m.encoder.net[1].weight.copy_(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        other.encoder.net[1].weight.copy_(torch.tensor([[20.0, 0.0], [0.0, 15.0]]))
    assert metric("jacobian-shrinkage")(m, data, 0, against=other) == pytest.approx(5, rel=1e-5)
    tangents = Spiral().tangents(data.test.x)
    exact = float((tangents @ torch.tensor([0.6, 0.8], dtype=torch.float64)).abs().mean())
    assert metric("tangent-cosine")(m, data, 0) == pytest.approx(exact, rel=1e-5)


def test_a_dictionary_is_found_in_any_order_and_with_any_signs():
    data, law = load("sparse-dictionary"), SparseModel()
    m = pyrogen.create("autoencoder-sparse", x_shape=data.x_shape, latent_size=24, hidden=(), likelihood=NORMAL)
    assert metric("dictionary-cosine")(m, data, 0) < 0.7
    with torch.no_grad():
        m.decoder.net.columns.copy_(law.dictionary[:, torch.randperm(24)] * torch.randn(24))
    assert metric("dictionary-cosine")(m, data, 0) == pytest.approx(1, abs=1e-5)
    with torch.no_grad():
        m.decoder.net.columns.copy_(law.dictionary[:, :1].expand(-1, 24))
    one = (law.dictionary.T @ law.dictionary[:, 0]).abs().mean()
    assert metric("dictionary-cosine")(m, data, 0) == pytest.approx(float(one), abs=1e-5)


def test_mean_activation_is_the_mean_of_codes():
    data = grey()
    m = pyrogen.create("autoencoder-sparse-kl", x_shape=data.x_shape, latent_size=3, likelihood=NORMAL)
    assert metric("mean-activation")(m, data, 0) == pytest.approx(number(m.code(data.test.x).mean()), rel=1e-5)


def test_energy_distances_that_are_known():
    data = load("digits", kind="binary")
    m = pyrogen.create("autoencoder", x_shape=data.x_shape, latent_size=2, hidden=())
    m.sample = lambda n: data.train.x[:n]
    near = metric("energy-distance")(m, data, 0)
    assert abs(near) < 0.02
    m.sample = lambda n: torch.zeros(n, *data.x_shape)
    x = data.test.x.flatten(1).double()
    within = torch.pdist(x).mean()
    assert metric("energy-distance")(m, data, 0) == pytest.approx(float(2 * x.norm(dim=1).mean() - within), rel=1e-6)
    assert metric("energy-distance")(m, data, 0, codes="standard") > near + 0.1


def test_labels_are_not_saved_by_nothing_and_nothing_is_changed():
    data, m = grey(), pyrogen.create("autoencoder", x_shape=(1, 8, 8), latent_size=4, hidden=(16,), likelihood=NORMAL)
    before, generator = copy.deepcopy(m.state_dict()), torch.get_rng_state()
    few = {"labels": 20, "draws": 2, "steps": 30}
    assert metric("labels-saved")(m, data, 0, against=m, more=20, **few) == 0
    assert metric("labels-saved")(m, data, 0, against=m, more=400, **few) < 0
    assert all(torch.equal(v, before[k]) for k, v in m.state_dict().items())
    assert torch.equal(torch.get_rng_state(), generator)


REFUSING = {
    "psnr-gain": ("rbm", "digits", {"noise": 0.1}, "encodes nothing"),
    "score-cosine": ("autoencoder", "digits", {"noise": 0.1}, "known curve, spiral or circle; got 'digits'"),
    "tangent-cosine": ("autoencoder", "digits", {}, "known curve, spiral or circle; got 'digits'"),
    "dictionary-cosine": ("autoencoder", "digits", {}, "atoms of 'sparse-dictionary' only; got 'digits'"),
    "mean-activation": ("made", "digits", {}, "encodes nothing"),
    "energy-distance": ("autoencoder", "digits", {"codes": "other"}, "'prior' or 'standard'; got 'other'"),
}


@pytest.mark.parametrize("name", REFUSING)
def test_metrics_refuse_what_they_cannot_measure(name):
    entry, source, settings, sentence = REFUSING[name]
    data = load(source, kind="binary")
    m = pyrogen.create(entry, x_shape=data.x_shape, **({"hidden": 4} if entry == "rbm" else {}))
    with pytest.raises(ValueError, match=sentence):
        metric(name)(m, data, 0, **settings)


def test_metrics_of_labels_and_dictionaries_refuse_what_has_none():
    data = load("sparse-dictionary")
    m = linear(data, 3)
    with pytest.raises(ValueError, match="has no"):
        metric("labels-saved")(m, data, 0, against=m, labels=10, more=20)
    with pytest.raises(ValueError, match="needs a decoder that is a Dictionary; VAE has 0"):
        metric("dictionary-cosine")(m, data, 0)
    digits = grey()
    with pytest.raises(ValueError, match="a label of each of 10 classes; got 5"):
        metric("labels-saved")(linear(digits, 3), digits, 0, against=linear(digits, 3), labels=5, more=20)


# -- fields ----------------------------------------------------------------------------------------------------------


def test_a_field_is_shown_of_models_of_the_plane():
    data = load("spiral")
    m = linear(data, 2)
    (panel,) = reconstruction_field(m, data, [])
    assert panel.name == "field"
    arrow = next(c for c in panel.figure.axes[0].collections if hasattr(c, "U"))
    at = grid(data.test.x, 24)
    torch.testing.assert_close(torch.tensor(arrow.U).float(), (m.reconstruct(at) - at)[:, 0])
    low, high = data.test.x.amin(0), data.test.x.amax(0)
    assert (at.amin(0) < low).all()
    assert (at.amax(0) > high).all()
    other = load("circle")
    assert list(reconstruction_field(linear(other, 2), other, [])) == []


def test_fields_share_their_points():
    at = torch.rand(9, 2)
    figure = arrows(at, {"a": at, "b": -at})
    assert len(figure.axes[0].collections) == 2


@pytest.mark.parametrize("sizes", [{"hidden": (0,)}, {"hidden": (8, -1)}, {"latent_size": 0}], ids=str)
def test_layers_of_a_pretrained_one_have_units_however_it_is_made(sizes):
    given = {"latent_size": 2, "hidden": (8,), **sizes}
    for made in (partial(pyrogen.create, "autoencoder-pretrained"), PretrainedAutoencoder):
        with pytest.raises(ValueError, match="a size is 1 or more"):
            made(x_shape=(1, 4, 4), **given)
