"""Laws compared by a kernel: exact where the expectation is known, and what moves whom."""

import math

import pytest
import torch

import pyrogen
from pyrogen.base import Batch
from pyrogen.inference import AVB, ELBO, MMD, Adversarial, Sum, fit
from pyrogen.inference.adversarial.moments import mmd
from pyrogen.inference.adversarial.sites import PairGame, Sides
from pyrogen.registry import make


def small(name="vae", **arguments):
    torch.manual_seed(0)
    return pyrogen.create(name, **{"x_shape": (1, 8, 8), "hidden": (8,), "latent_size": 3, **arguments})


def batch(n=6):
    return Batch(torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(1)).round())


def by_pairs(a, b, kernel):
    """The definition, term by term."""
    n = len(a)
    terms = [
        kernel(a[i], a[j]) + kernel(b[i], b[j]) - kernel(a[i], b[j]) - kernel(a[j], b[i])
        for i in range(n)
        for j in range(n)
        if i != j
    ]
    return torch.stack(terms).mean()


def expected(mean, variance, width):
    """E exp(−(s − t)²/c) of normal s − t."""
    return math.sqrt(width / (width + 2 * variance)) * math.exp(-(mean**2) / (width + 2 * variance))


def test_it_is_the_mean_over_pairs_of_different_rows():
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(5, 3, generator=g).double(), 2 * torch.randn(5, 3, generator=g).double() + 1

    def multiquadric(s, t):
        return sum(c * 4 / (c * 4 + (s - t).square().sum()) for c in (0.5, 2.0)) / 2

    def gaussian(s, t):
        return torch.exp(-(s - t).square().sum() / 4)

    assert torch.isclose(mmd(a, b, scales=(0.5, 2.0), bandwidth=4.0), by_pairs(a, b, multiquadric))
    assert torch.isclose(mmd(a, b, "gaussian", (1.0,), 4.0), by_pairs(a, b, gaussian))
    within = sum((r[i] - r[j]).square().sum() for r in (a, b) for i in range(5) for j in range(5)) / 40
    assert torch.isclose(mmd(a, b), mmd(a, b, bandwidth=float(within)))


@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_small_batches_give_the_expectation_without_a_bias(shift):
    # N(0, 1) against N(shift, 4): biased estimates of four rows would be off by 1/4 and more
    g = torch.Generator().manual_seed(1)
    found = []
    for _ in range(4000):
        a, b = torch.randn(4, 1, generator=g).double(), 2 * torch.randn(4, 1, generator=g).double() + shift
        found.append(mmd(a, b, "gaussian", (1.0, 3.0), 2.0))
    found = torch.stack(found)
    truth = sum(expected(0, 2, c) + expected(0, 8, c) - 2 * expected(shift, 5, c) for c in (2.0, 6.0)) / 2
    error = float(found.std()) / math.sqrt(len(found))
    assert error < 0.01
    assert abs(float(found.mean()) - truth) < 4 * error
    assert truth > 10 * error  # so that the control, the same law twice, would be seen


def test_gradients_are_those_of_the_definition():
    g = torch.Generator().manual_seed(2)
    a, b = (torch.randn(4, 2, generator=g).double().requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(lambda s, t: mmd(s, t, bandwidth=3.0), (a, b))
    assert torch.autograd.gradcheck(lambda s, t: mmd(s, t, "gaussian", (1.0,), 3.0), (a, b))


def test_what_says_nothing_is_finite_and_moves_nothing():
    for rows in (torch.ones(1, 3), torch.ones(4, 3)):
        a = rows.clone().requires_grad_()
        found = mmd(a, rows)
        found.backward()
        assert found.item() == 0
        assert not a.grad.any()


def test_laws_far_from_0_are_compared_as_near_ones():
    g = torch.Generator().manual_seed(3)
    a, b = torch.randn(50, 3, generator=g), torch.randn(50, 3, generator=g) + 0.5
    near = mmd(a, b)
    assert torch.isclose(mmd((a + 4096).round(decimals=2), (b + 4096).round(decimals=2)), near, rtol=0.01, atol=1e-3)
    assert mmd(a.bfloat16(), b.bfloat16()).dtype == torch.float32


def test_a_discrepancy_of_codes_moves_the_encoder_and_one_of_data_the_decoder():
    for sites, moved in ((("z",), {"encoder"}), (("x",), {"decoder"}), (("x", "z"), {"encoder", "decoder"})):
        m = small(posterior="PointMass", likelihood="Normal")
        (player,) = MMD(sites=sites).players(m)
        player.loss(batch())["loss"].backward()
        assert {name.split(".")[0] for name, p in m.named_parameters() if p.grad is not None and p.grad.any()} == moved
        rests = {name.split(".")[0] for name, p in m.named_parameters() if any(p is q for q in player.idle)}
        assert {"encoder", "decoder"} - moved <= rests


def test_it_is_charged_to_who_pays_for_the_elbo():
    objective = ELBO(warmup=10) + 10 * MMD()
    assert isinstance(objective, Sum)
    assert make("objective", repr(objective)) == objective
    m = small()
    (player,) = objective.players(m)
    torch.manual_seed(5)
    terms = player.validation(batch())
    (alone,) = ELBO().players(m)
    torch.manual_seed(5)
    elbo = alone.loss(batch())["loss"]
    assert torch.isclose(terms["loss"], elbo + 10 * terms["mmd"])
    run = fit(m, torch.rand(32, 1, 8, 8).round(), objective=objective, epochs=1, batch_size=15, progress=False)
    assert math.isfinite(run.records[-1]["train/mmd"])  # a last batch of two


@pytest.mark.parametrize(
    "player",
    [
        lambda m: MMD().players(m)[0],
        lambda m: Adversarial(sites=("z",)).players(m)[0],
        lambda m: AVB().players(m)[1],
    ],
)
def test_who_reads_codes_alone_decodes_none(player):
    m = small(posterior="DiagonalNormal")
    found = player(m)
    decoded = []
    m.decoder.register_forward_hook(lambda *_: decoded.append(1))
    found.loss(batch())
    assert not decoded
    PairGame(m, ("x", "z")).fake(batch())
    assert decoded


def test_of_conditional_models_y_is_compared_too():
    m = small("vae-conditional", classes=2)
    y = torch.tensor([0, 1, 1] * 2)
    (player,) = MMD(bandwidth=1.0).players(m)
    sides = Sides(m, ("z",))
    one_hot = torch.nn.functional.one_hot(y, 2).float()
    with torch.no_grad():
        torch.manual_seed(0)
        found = player.loss(Batch(batch().x, y))["loss"]
        torch.manual_seed(0)
        real, fake = (side(Batch(batch().x, y))["z"] for side in (sides.real, sides.fake))
    beside = mmd(torch.cat([real, one_hot], 1), torch.cat([fake, one_hot], 1), bandwidth=1.0)
    assert torch.isclose(found, beside)
    assert not torch.isclose(found, mmd(real, fake, bandwidth=1.0))


@pytest.mark.parametrize(
    ("make_it", "sentence"),
    [
        (lambda: MMD(kernel="linear"), r"kernel='linear'\): there is no such kernel; there are .*gaussian"),
        (lambda: MMD(scales=()), "at least one scale"),
        (lambda: MMD(scales=(1.0, -1.0)), "above 0 and finite"),
        (lambda: MMD(bandwidth=0.0), "above 0 and finite"),
        (lambda: MMD(sites=()), "name what is to be compared"),
        (lambda: mmd(torch.zeros(3, 2), torch.zeros(4, 2)), "as many rows of one size"),
        (lambda: MMD().players(pyrogen.create("rbm", x_shape=(3,), hidden=2)), "RBM is no .* pair"),
        (lambda: MMD(sites=("w",)).players(small()), "no site 'w' to be compared; there are: x, z"),
        (
            lambda: MMD().players(small("autoencoder")),
            "prior, and that of 'z' is improper; take prior='StandardNormal'",
        ),
        (lambda: MMD().players(small(prior="Bernoulli", posterior="Bernoulli")), "no gradient reaches VAE"),
    ],
)
def test_what_means_nothing_is_refused(make_it, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_it()


def test_a_generator_learns_a_law_by_its_moments_alone():
    g = torch.Generator().manual_seed(4)
    x = torch.where(torch.rand(512, 1, generator=g) < 0.25, -2.0, 1.0) + 0.1 * torch.randn(512, 1, generator=g)
    x = (x - x.mean()) / x.std()
    torch.manual_seed(0)
    m = pyrogen.create("gmmn", x_shape=(1,), latent_size=2, hidden=(32,))
    before = mmd(m.sample(512), x)
    fit(m, x, epochs=60, batch_size=128, lr=3e-3, progress=False, validate=False)
    after = mmd(m.sample(512), x)
    assert after < 0.1 * before
