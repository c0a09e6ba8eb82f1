"""Walks through latents: their ends, their middles, their lengths in closed form, and the three numbers of a latent space."""

import math

import pytest
import torch
from scipy.stats import chi2

import pyrogen
from pyrogen.data import Split
from pyrogen.inference.latents.paths import great_circle, grid, lerp, slerp
from pyrogen.inference.latents.shell import shell
from pyrogen.inference.latents.temperature import sample_at
from pyrogen.inference.latents.walks import (
    choose,
    circle,
    codes_of,
    corners,
    draw_latents,
    interpolate,
    latent_prior,
    reconstruct_by_chance,
    traverse,
    traverse_plane,
)
from pyrogen.inference.programs.contexts import evaluating, seeded

HALF = torch.tensor([0.5], dtype=torch.float64)


@pytest.fixture
def linear():
    """``linear(size, **choices)``: a VAE whose decoded mean is z itself."""

    def build(size, **choices):
        decoder = torch.nn.Linear(size, size)
        with torch.no_grad():
            decoder.weight.copy_(torch.eye(size))
            decoder.bias.zero_()
        settings = {"name": "Normal", "scale": "fixed"}
        return pyrogen.vae(
            x_shape=(size,), latent_size=size, hidden=(4,), decoder=decoder, likelihood=settings, **choices
        )

    return build


@pytest.fixture
def gan():
    return pyrogen.create(
        "gan-nonsaturating",
        x_shape=(1, 4, 4),
        latent_size=3,
        generator="Perceptron(hidden=(8,))",
        critic="Perceptron(hidden=(8,))",
        kind="unit",
    )


# -------------------------------------------------------------------------------------------------------------- paths


def test_an_arc_keeps_an_even_angle_and_an_even_length():
    a, b = torch.tensor([3.0, 0.0], dtype=torch.float64), torch.tensor([0.0, 1.0], dtype=torch.float64)
    t = torch.linspace(0, 1, 7, dtype=torch.float64)
    z = slerp(a, b, t)
    torch.testing.assert_close(z.norm(dim=-1), 3 - 2 * t)
    torch.testing.assert_close(torch.atan2(z[:, 1], z[:, 0]), t * math.pi / 2)


@pytest.mark.parametrize("path", [lerp, slerp])
def test_paths_end_where_they_should(path):
    a, b = torch.randn(2, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(path(a, b, torch.zeros(5, dtype=torch.float64)), a)
    torch.testing.assert_close(path(a, b, torch.ones(5, dtype=torch.float64)), b)


def test_an_arc_between_equal_directions_is_the_line():
    a = torch.tensor([[1.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    b = torch.tensor([[3.0, 3.0], [2.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(slerp(a, b, HALF), (a + b) / 2)


def test_opposite_latents_have_no_arc():
    a = torch.tensor([1.0, 2.0])
    with pytest.raises(ValueError, match=r"opposite directions.*path='lerp'"):
        slerp(a, -2 * a, torch.tensor(0.5))


def test_a_great_circle_comes_back_and_keeps_its_length():
    a, b = torch.randn(2, 4, 6, dtype=torch.float64)
    t = torch.linspace(0, 1, 9, dtype=torch.float64)
    z = great_circle(a.unsqueeze(1), b.unsqueeze(1), t)
    torch.testing.assert_close(z.norm(dim=-1), a.norm(dim=-1, keepdim=True).expand(4, 9))
    torch.testing.assert_close(z[:, 0], z[:, -1])
    torch.testing.assert_close(z[:, 4], -a)
    # the second latent's direction is met on the way
    angle = torch.arccos((a * b).sum(-1) / a.norm(dim=-1) / b.norm(dim=-1))
    met = great_circle(a, b, angle / (2 * math.pi))
    torch.testing.assert_close(met / met.norm(dim=-1, keepdim=True), b / b.norm(dim=-1, keepdim=True))
    with pytest.raises(ValueError, match="spanned by two directions"):
        great_circle(a, 2 * a, torch.zeros(4, dtype=torch.float64))


def test_a_grid_is_bilinear_between_its_corners():
    four = torch.randn(4, 3, dtype=torch.float64)
    square = grid(four, 5)
    torch.testing.assert_close(square[[0, 0, -1, -1], [0, -1, 0, -1]], four)
    torch.testing.assert_close(square[2, 2], four.mean(0))
    with pytest.raises(ValueError, match="4 corners"):
        grid(four[:3], 5)


# -------------------------------------------------------------------------------------------------------------- shell


@pytest.mark.parametrize("d", [1, 2, 20, 100])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_shell_is_where_draws_lie(d, seed):
    n, found = 20_000, shell(d)
    a, b = torch.randn(2, n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    lengths = {
        found.radius: a,
        found.lerp: lerp(a, b, HALF),
        **({} if d == 1 else {found.slerp + 1e-12: slerp(a, b, HALF)}),
    }
    for expected, z in lengths.items():
        norms = z.norm(dim=-1)
        assert float(norms.mean()) == pytest.approx(expected, abs=5 * float(norms.std()) / math.sqrt(n))
    assert found.width == pytest.approx(float(a.norm(dim=-1).std()), rel=0.05)


def test_lines_leave_the_shell_in_many_dimensions_and_not_in_the_plane():
    # of two latents, a third of all draws lie as near to the origin as a line's middle; of a hundred, none
    assert shell(2).inside == pytest.approx(1 - math.exp(-math.pi / 8))
    assert shell(2).radius == pytest.approx(math.sqrt(math.pi / 2))
    assert shell(2).depth < 1 < shell(20).depth < 3 < shell(100).depth
    assert shell(20).inside == pytest.approx(chi2.cdf(shell(20).lerp ** 2, 20))
    assert shell(100).inside < 1e-4
    assert shell(10_000).radius == pytest.approx(100, rel=1e-4)
    with pytest.raises(ValueError, match="at least 1 dimension"):
        shell(0)


# -------------------------------------------------------------------------------------------------------------- walks


def test_an_arc_between_data_decodes_the_arc_between_their_codes(linear):
    model = linear(3)
    x = torch.randn(4, 3)
    codes = model.code(x).detach()
    walked = interpolate(model, x[:2], x[2:], steps=5, path="slerp")
    expected = slerp(codes[:2].unsqueeze(1), codes[2:].unsqueeze(1), torch.linspace(0, 1, 5))
    torch.testing.assert_close(walked, expected)
    assert not torch.allclose(walked, interpolate(model, x[:2], x[2:], steps=5))
    with pytest.raises(ValueError, match="no path called 'slurp'; did you mean 'slerp'"):
        interpolate(model, x[:2], x[2:], path="slurp")


def test_walks_leave_modes_and_gradients_as_they_were(linear):
    model = linear(3).train()
    interpolate(model, torch.randn(1, 3), torch.randn(1, 3))
    assert model.training
    assert torch.is_grad_enabled()
    assert all(p.requires_grad for p in model.parameters())


def test_generators_walk_between_latents(gan):
    z = draw_latents(gan, 6)
    walked = interpolate(gan, z[:3], z[3:], steps=4)
    assert walked.shape == (3, 4, 1, 4, 4)
    torch.testing.assert_close(walked[:, 0], gan.generate(z[:3]).detach())
    torch.testing.assert_close(walked[:, -1], gan.generate(z[3:]).detach())
    moved = traverse(gan, z[0], [2], torch.tensor([[0.5]]))
    changed = torch.cat([z[0, :2], torch.tensor([0.5])])
    torch.testing.assert_close(moved[0, 0], gan.generate(changed).detach())
    assert corners(gan, z[:4], side=3, path="slerp").shape == (3, 3, 1, 4, 4)
    assert circle(gan, z[:2], z[2:4], steps=5).shape == (2, 5, 1, 4, 4)
    with pytest.raises(ValueError, match=r"encodes no data.*\(B, 3\).*draw_latents"):
        interpolate(gan, torch.rand(2, 1, 4, 4), torch.rand(2, 1, 4, 4))


def test_what_has_no_latents_cannot_be_walked_through():
    made = pyrogen.create("made", x_shape=(1, 4, 4), hidden=(8,))
    with pytest.raises(ValueError, match="no latents to walk through"):
        interpolate(made, torch.rand(1, 2), torch.rand(1, 2))
    with pytest.raises(ValueError, match="has 0; pass latents"):
        draw_latents(made, 2)


def test_two_latents_move_on_a_plane_and_the_others_stay(linear):
    model, z = linear(4), torch.randn(4)
    across, down = torch.tensor([-1.0, 0.0, 1.0]), torch.tensor([5.0, 6.0])
    x = traverse_plane(model, z, (3, 1), across, down)
    assert x.shape == (2, 3, 4)
    torch.testing.assert_close(x[..., 3], across.expand(2, 3))
    torch.testing.assert_close(x[..., 1], down.unsqueeze(1).expand(2, 3))
    torch.testing.assert_close(x[..., [0, 2]], z[[0, 2]].expand(2, 3, 2))


def test_conditions_go_along():
    model = pyrogen.create("vae-conditional", x_shape=(1, 4, 4), classes=3, latent_size=2, hidden=(8,))
    x, y = torch.rand(4, 1, 4, 4).round(), torch.tensor([0, 1, 2, 2])
    walked = interpolate(model, x[:2], x[2:], steps=3, y=(y[:2], y[2:]))
    with evaluating(model):
        ends = model.decode(model.code(x[2:], y[2:]), y[:2]).mean
    torch.testing.assert_close(walked[:, -1], ends)
    assert sample_at(model, 4, 0.5, y).shape == (4, 1, 4, 4)


def test_chance_reconstructions_spread_as_the_posterior_does(linear):
    model, x = linear(3), torch.randn(2, 3)
    many = reconstruct_by_chance(model, x, 4000, seed=1)
    q = model.encode(x)
    torch.testing.assert_close(many.mean(1), q.mean.detach(), atol=0.1, rtol=0)
    torch.testing.assert_close(many.var(1), q.variance.detach(), atol=0, rtol=0.15)
    assert torch.equal(many, reconstruct_by_chance(model, x, 4000, seed=1))
    with pytest.raises(ValueError, match="is a point"):
        reconstruct_by_chance(linear(3, posterior="PointMass"), x, 2)


def test_data_are_chosen_by_class_or_by_place():
    split = Split(torch.zeros(5, 2), torch.tensor([3, 8, 3, 1, 8]), "test")
    assert choose(split, (8, 3)) == [1, 0]
    assert choose(split, (3, 3, 3)) == [0, 2, 0]
    assert choose(split, (4, 0), labels=False) == [4, 0]
    assert choose(Split(torch.zeros(5, 2)), (4, 0)) == [4, 0]
    with pytest.raises(ValueError, match=r"no datum of class 7; its classes are \[1, 3, 8\]"):
        choose(split, (7, 3))
    with pytest.raises(ValueError, match="has 5 data, and 5 is asked for"):
        choose(split, (5, 3), labels=False)


# -------------------------------------------------------------------------------------------------------- temperature

PRIORS = ["StandardNormal", "Laplace", "StudentT", "MixtureOfGaussians", "VampPrior", "FlowPrior", "SpikeAndSlab"]


@pytest.mark.parametrize("prior", PRIORS)
def test_a_temperature_of_1_is_the_model_and_of_0_its_centres(prior, linear):
    model = linear(3, prior=prior)
    with seeded(5):
        expected = model.sample_mean(50)
    torch.testing.assert_close(sample_at(model, 50, 1.0, seed=5), expected)
    distinct = len(sample_at(model, 50, 0.0).unique(dim=0))
    assert distinct <= {"MixtureOfGaussians": 10, "VampPrior": 50}.get(prior, 1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_temperature_is_the_tempered_normal(seed, linear):
    x = sample_at(linear(2), 20_000, 0.5, seed=seed)
    assert float(x.std()) == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(2 * x.numel()))


def test_temperatures_need_centres(pair):
    with pytest.raises(ValueError, match="Bit has none; take a prior such as"):
        sample_at(pair(prior="Bernoulli", posterior="Bernoulli"), 2, 0.5)
    with pytest.raises(ValueError, match="temperature=-1"):
        sample_at(pair(), 2, -1.0)


@pytest.mark.parametrize("name", ["vqvae", "vqvae-2", "pixelcnn"])
def test_what_is_drawn_place_by_place_is_so_at_a_temperature(name):
    shape, small = ((1, 2, 2), {}) if name == "pixelcnn" else ((1, 4, 4), {"codes": 3, "prior_width": 4})
    torch.manual_seed(0)
    model = pyrogen.create(name, x_shape=shape, width=4, **small)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    with seeded(5):
        expected = model.sample_mean(20)
    torch.testing.assert_close(sample_at(model, 20, 1.0, seed=5), expected)
    assert len(sample_at(model, 20, 0.0).unique(dim=0)) == 1


@pytest.mark.parametrize(
    ("name", "x_shape", "more"),
    [
        ("made-orders", (4,), {"hidden": [8], "orders": 2}),
        ("flow-spline", (3,), {"width": 4}),
        ("flow-glow", (1, 4, 4), {"width": 4, "depth": 1}),
    ],
)
def test_orders_and_flows_are_drawn_at_a_temperature(name, x_shape, more):
    torch.manual_seed(0)
    model = pyrogen.create(name, x_shape=x_shape, **more).eval()
    with seeded(5), torch.no_grad():
        expected = model.sample(40)
    torch.testing.assert_close(sample_at(model, 40, 1.0, seed=5), expected)
    few, some = (len(sample_at(model, 40, t, seed=5).unique(dim=0)) for t in (0.0, 1.0))
    assert few <= (2 if name == "made-orders" else 1) < some


def test_models_without_latents_or_places_have_no_temperature():
    with pytest.raises(ValueError, match="RBM is none of these; leave the temperature out"):
        sample_at(pyrogen.create("rbm", x_shape=(4,)), 2, 0.5)


def test_latents_are_those_of_samples(gan):
    with seeded(3):
        expected = gan.sample(4)
    torch.testing.assert_close(gan.generate(draw_latents(gan, 4, seed=3)).detach(), expected)
    assert latent_prior(gan).event_shape == (3,)
    assert torch.equal(codes_of(gan, torch.ones(2, 3)), torch.ones(2, 3))
