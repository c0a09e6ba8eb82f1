"""The geometry of decoders, on surfaces whose metric and geodesics are known in closed form."""

import math

import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.inference.latents.geometry import Surface, geodesic, length_of, magnification, metric

FIXED = {"name": "Normal", "scale": "fixed"}


class Decoder(nn.Module):
    """A function of latents as a network."""

    def __init__(self, function):
        super().__init__()
        self.function, self.unused = function, nn.Parameter(torch.zeros(1))

    def forward(self, z):
        return self.function(z) + 0 * self.unused


def sphere(z):
    theta, phi = z.unbind(-1)
    return torch.stack([theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()], -1)


def cylinder(z):
    return torch.stack([z[..., 0].cos(), z[..., 0].sin(), z[..., 1]], -1)


def surface_of(function, size=2, out=3, likelihood=FIXED, **where):
    model = pyrogen.vae(x_shape=(out,), latent_size=size, hidden=(4,), decoder=Decoder(function), likelihood=likelihood)
    return Surface(model.double(), **where)


def wide(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_the_metric_of_a_sphere():
    z = wide(0.3, 1.2, 2.5).unsqueeze(1) * wide(1.0, 0.4)
    found = metric(surface_of(sphere), z)
    expected = torch.diag_embed(torch.stack([torch.ones(3, dtype=torch.float64), z[:, 0].sin() ** 2], -1))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(magnification(surface_of(sphere), z), z[:, 0].sin())


@pytest.mark.parametrize("shape", [(2,), (5, 2), (3, 4, 2)])
def test_the_metric_of_a_linear_decoder_is_the_same_everywhere(shape):
    weight = torch.randn(3, 2, dtype=torch.float64)
    found = metric(surface_of(lambda z: z @ weight.to(z.dtype).T), torch.randn(shape, dtype=torch.float64))
    torch.testing.assert_close(found, (weight.T @ weight).expand(*shape[:-1], 2, 2))


def test_predicted_scales_count():
    # mean z, scale floor + softplus(a z) of a = (1, 2): G = I + Σ over both of (a σ′)²
    def decode(z):
        return torch.cat([z, z * torch.tensor([1.0, 2.0], dtype=z.dtype)], -1)

    z = wide(0.3, -0.7)
    slopes = torch.sigmoid(z * wide(1.0, 2.0)) * wide(1.0, 2.0)
    predicted = surface_of(decode, out=2, likelihood="Normal")
    torch.testing.assert_close(metric(predicted, z), torch.eye(2, dtype=torch.float64) + torch.diag(slopes**2))
    # the deviation of a bit is a function of its mean, which is all that counts
    bits = surface_of(lambda z: z, out=2, likelihood="Bernoulli")
    p = torch.sigmoid(z)
    torch.testing.assert_close(metric(bits, z), torch.diag((p * (1 - p)) ** 2))


def test_a_generator_has_a_metric():
    gan = pyrogen.create(
        "gan-nonsaturating",
        x_shape=(4,),
        latent_size=2,
        generator="Perceptron(hidden=(8,))",
        critic="Perceptron(hidden=(8,))",
    ).double()
    z = torch.randn(3, 2, dtype=torch.float64)
    jacobian = torch.stack([torch.autograd.functional.jacobian(gan.generate, one) for one in z])
    torch.testing.assert_close(metric(Surface(gan), z), jacobian.mT @ jacobian)
    assert all(p.requires_grad for p in gan.parameters())


@pytest.mark.parametrize(("a", "b"), [((0.4, 0.0), (1.8, 1.5)), ((0.8, -1.0), (0.8, 1.4)), ((1.0, 0.2), (2.2, 2.4))])
def test_shortest_ways_on_a_sphere_are_great_circles(a, b):
    a, b, surface = wide(*a), wide(*b), surface_of(sphere)
    way = geodesic(surface, a, b)
    angle = float(torch.arccos(sphere(a) @ sphere(b)))
    assert way.length.value == pytest.approx(angle, rel=1e-4)
    assert abs(way.length.value - angle) < way.length.error
    assert way.straight.value > angle * 1.005
    torch.testing.assert_close(way.z[[0, -1]], torch.stack([a, b]))
    # it stays in the plane of its ends and the centre, and goes evenly
    normal = torch.linalg.cross(sphere(a), sphere(b))
    assert float((sphere(way.z) @ normal).abs().max()) < 1e-3
    steps = sphere(way.z).diff(dim=0).norm(dim=-1)
    assert float(steps.max() / steps.min()) < 1.01


@pytest.mark.parametrize("function", [cylinder, lambda z: torch.cat([z, z[..., :1] + z[..., 1:]], -1)])
def test_shortest_ways_on_what_is_flat_are_straight(function):
    a, b, surface = wide(-1.0, 0.5), wide(1.2, 2.0), surface_of(function)
    way = geodesic(surface, a, b)
    t = torch.linspace(0, 1, len(way.z), dtype=torch.float64).unsqueeze(1)
    torch.testing.assert_close(way.z, torch.lerp(a, b, t), atol=1e-4, rtol=0)
    assert way.length.value == pytest.approx(way.straight.value, rel=1e-6)


def test_lengths_are_those_of_the_curve():
    # a quarter of the equator, and a parallel, which is longer than it looks
    equator = torch.stack([wide(*[math.pi / 2] * 9), torch.linspace(0, math.pi / 2, 9, dtype=torch.float64)], 1)
    found = length_of(surface_of(sphere), equator)
    assert found.value == pytest.approx(math.pi / 2, rel=1e-5)
    assert abs(found.value - math.pi / 2) < found.error < 0.01
    with pytest.raises(ValueError, match="an even number of segments, 2 or more, and these are 3"):
        length_of(surface_of(sphere), equator[:4])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_shortest_ways_go_around_a_hole(seed):
    generator = torch.Generator().manual_seed(seed)
    turn = 2 * math.pi * torch.rand(300, 1, generator=generator, dtype=torch.float64)
    ring = torch.cat([turn.cos(), turn.sin()], 1) * (
        1 + 0.05 * torch.randn(300, 1, generator=generator, dtype=torch.float64)
    )
    a, b = wide(1.0, 0.0), wide(math.cos(2.5), math.sin(2.5))
    around = geodesic(surface_of(lambda z: z, out=2, codes=ring), a, b)
    assert float(around.z.norm(dim=1).min()) > 0.75
    assert around.length.value < around.straight.value
    # by the shorter side
    assert float(around.z[:, 1].min()) > -0.1
    # the decoder itself, which is linear, knows of no hole
    through = geodesic(surface_of(lambda z: z, out=2), a, b)
    assert float(through.z.norm(dim=1).min()) < 0.4


def test_few_codes_show_no_holes():
    with pytest.raises(ValueError, match=r"3 codes \(N, L\) or more; got \(2, 2\)"):
        surface_of(sphere, codes=torch.zeros(2, 2))
    with pytest.raises(ValueError, match="lie upon each other"):
        surface_of(sphere, codes=torch.zeros(5, 2, dtype=torch.float64))
    with pytest.raises(ValueError, match="has no latents"):
        Surface(pyrogen.create("made", x_shape=(4,), hidden=(8,)))
