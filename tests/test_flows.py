"""Flows: densities by quadrature and by autograd, inverses, samples, and bounds on the probability of grey levels."""

import math

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from pyro.distributions.transforms.spline import _monotonic_rational_spline as pyro_spline
from scipy import stats
from torch import nn
from torch.autograd.functional import jacobian

import pyrogen
from pyrogen.base import Batch, HasLogProb
from pyrogen.dequantization import Cells, Uniform, Variational, cumulative, refuse_levels
from pyrogen.distributions.splines import spline
from pyrogen.inference import AIS, ELBO, IWAE, fit, log_evidence
from pyrogen.inference.pages import density_sections
from pyrogen.models.flows import are_levels
from pyrogen.nets.glow import ActNorm, ChannelMix, ImageCoupling, MultiScale, Steps

VECTORS = ("flow-coupling", "flow-spline", "flow-maf")


def shaken(module, scale=0.1):
    """The same with every parameter somewhere else: many start where they do nothing."""
    with torch.no_grad():
        for p in module.parameters():
            p.add_(scale * torch.randn_like(p))
    return module


def flow(name, x_shape, **arguments):
    m = pyrogen.create(name, x_shape=x_shape, **arguments).eval()
    m.before_training(torch.randn(64, *x_shape) + 0.5)
    with torch.no_grad():
        for p in m.parameters() if name == "flow-spline" else ():
            p.mul_(0.1)  # splines start with cliffs, of which a sum over points misses some
    return m if name == "flow-spline" else shaken(m)


def plane(side=241, reach=8.0):
    axis = torch.linspace(-reach, reach, side, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis), float(axis[1] - axis[0]) ** 2


@pytest.mark.parametrize("shape", [(5, 8), (200, 5, 8)], ids=["one for all", "one for each"])
@pytest.mark.parametrize("inverse", [False, True])
def test_splines_are_those_of_pyro(inverse, shape):
    """Values, slopes and gradients, also at the bounds and outside, where Pyro works by a mask."""
    torch.manual_seed(0)
    widths, heights = (torch.randn(2, *shape).double() * 2).softmax(-1)
    slopes, shares = torch.rand(*shape[:-1], 7).double() * 3, torch.rand(shape).double()
    leaves = [t.requires_grad_() for t in (2 * torch.randn(200, 5).double(), widths, heights, slopes, shares)]
    with torch.no_grad():
        leaves[0][:3] = torch.tensor([-3.0, 3.0, 100.0])[:, None]
    pairs = [f(*leaves, inverse=inverse) for f in (spline, pyro_spline)]
    for mine, theirs in zip(*pairs, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-12)
    mine, theirs = (torch.autograd.grad(y.sum() + slope.sum(), leaves) for y, slope in pairs)
    for a, b in zip(mine, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-9)
    there = spline(*leaves, inverse=not inverse)
    back = spline(there[0], *leaves[1:], inverse=inverse)
    assert torch.allclose(back[0], leaves[0], atol=1e-9)
    # a bound may come back as a number just outside, where the slope is 1
    assert torch.allclose(back[1][3:], -there[1][3:], atol=1e-6)


@pytest.mark.parametrize("name", VECTORS)
def test_a_density_of_the_plane_integrates_to_one(name):
    m = flow(name, (2,), layers=3, width=8).double()
    points, area = plane()
    with torch.no_grad():
        assert float(m.log_prob(points).exp().sum() * area) == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("name", VECTORS)
def test_samples_have_the_density(name):
    """Probabilities of u = F(x₁), F by quadrature of the density, are uniform."""
    m = flow(name, (2,), layers=3, width=8).double()
    points, _ = plane(161)
    axis = points[:161, 1]
    with torch.no_grad():
        p = m.log_prob(points).exp().reshape(161, 161)
    for dimension in (0, 1):
        cumulated = torch.cumsum(p.sum(1 - dimension), 0)
        x = m.sample(1000)[:, dimension].numpy()
        u = np.interp(x, axis.numpy() + float(axis[1] - axis[0]) / 2, (cumulated / cumulated[-1]).numpy())
        assert stats.kstest(u, "uniform").pvalue > 1e-3


def layers():
    return [
        pytest.param(ActNorm(4), id="actnorm"),
        pytest.param(ChannelMix(4), id="mix"),
        pytest.param(ImageCoupling(4, 8), id="coupling"),
        pytest.param(ImageCoupling(5, 8), id="odd-coupling"),
        pytest.param(Steps(4, 2, 8), id="steps"),
    ]


@pytest.mark.parametrize("layer", layers())
def test_a_layer_undoes_itself_and_knows_its_determinant(layer):
    layer = shaken(layer).double()
    channels = 5 if isinstance(layer, ImageCoupling) and layer.kept == 2 and layer.net[-1].out_channels == 6 else 4
    x = torch.randn(3, channels, 2, 2, dtype=torch.float64)
    with torch.no_grad():
        z, log_det = layer.inward(x)
        assert torch.allclose(layer.outward(z), x, atol=1e-10)
    whole = jacobian(lambda one: layer.inward(one.reshape(1, channels, 2, 2))[0].flatten(), x[0].flatten())
    assert float(torch.linalg.slogdet(whole).logabsdet) == pytest.approx(float(log_det[0]), abs=1e-9)


@pytest.mark.parametrize(("x_shape", "scales"), [((1, 4, 4), 2), ((1, 4, 4), 1), ((3, 2, 2), 1)])
def test_the_multi_scale_flow_undoes_itself_and_knows_its_determinant(x_shape, scales):
    net = shaken(MultiScale(x_shape, scales, depth=2, width=4)).double()
    net.start(torch.randn(20, *x_shape, dtype=torch.float64))
    x = torch.randn(2, *x_shape, dtype=torch.float64)
    with torch.no_grad():
        z, log_det = net.inward(x)
        assert z.shape == (2, math.prod(x_shape))
        assert torch.allclose(net.outward(z), x, atol=1e-9)
    whole = jacobian(lambda one: net.inward(one.reshape(1, *x_shape))[0].flatten(), x[0].flatten())
    assert float(torch.linalg.slogdet(whole).logabsdet) == pytest.approx(float(log_det[0]), abs=1e-8)


@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_flow_knows_its_determinant(name):
    """log p(x) is that of the base at f⁻¹(x) plus the determinant that autograd finds."""
    m = flow(name, (3,), layers=3, width=8).double()
    p, x = m.requires_grad_(False).density(), torch.randn(3, dtype=torch.float64)

    def inward(value):
        for transform in reversed(p.transforms):
            value = transform.inv(value)
        return value

    z = inward(x).detach()
    volume = torch.linalg.slogdet(jacobian(inward, x)).logabsdet
    assert float(m.log_prob(x[None])) == pytest.approx(float(p.base_dist.log_prob(z) + volume), abs=1e-8)


def test_normalizations_start_where_data_are():
    net = ActNorm(3)
    x = 5 * torch.randn(200, 3, 4, 4) + torch.tensor([1.0, -2.0, 7.0]).reshape(3, 1, 1)
    net.start(x)
    z, _ = net.inward(x)
    assert torch.allclose(z.mean((0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(z.std((0, 2, 3)), torch.ones(3), atol=1e-3)


def test_what_was_trained_is_not_started_again():
    m = flow("flow-coupling", (2,))
    before = m.density.loc.clone()
    m.before_training(100 + torch.randn(50, 2))
    assert torch.equal(before, m.density.loc)


@pytest.mark.parametrize("name", [*VECTORS, "flow-glow"])
def test_particles_and_data_are_scored_alike(name):
    m = flow(name, (1, 4, 4), dequantizer=None).double()
    x = torch.randn(3, 2, 1, 4, 4, dtype=torch.float64)
    assert isinstance(m, HasLogProb)
    assert torch.allclose(m.log_prob(x), torch.stack([m.log_prob(row) for row in x]))


# --------------------------------------------------------------------------------------------------- grey levels


def grey(n, x_shape, levels, seed=0):
    r = torch.randint(levels, (n, *x_shape), generator=torch.Generator().manual_seed(seed))
    return (r * (255 / (levels - 1))).round()


def of_levels(x_shape, levels, name="flow-glow", dequantizer="Uniform", **arguments):
    m = pyrogen.create(name, x_shape=x_shape, dequantizer=dequantizer, **arguments).eval()
    m.before_training(grey(200, x_shape, levels))
    return shaken(m)


def every(levels, x_shape):
    r = torch.cartesian_prod(*[torch.arange(float(levels))] * math.prod(x_shape)).reshape(-1, *x_shape)
    return (r * (255 / (levels - 1))).round()


@pytest.mark.parametrize("dequantizer", ["Uniform", "Variational"])
def test_bounds_of_all_images_never_sum_to_more_than_one_and_nearly_to_it(dequantizer):
    m = of_levels((1, 2, 2), 2, dequantizer=dequantizer, depth=1, width=4)
    images = every(2, (1, 2, 2))
    assert len(images) == 16
    tight, loose = (log_evidence(m, images, e)["log_evidence"].values for e in (IWAE(500), ELBO(100)))
    assert np.exp(tight).sum() == pytest.approx(1, abs=0.05)
    assert np.exp(loose).sum() < np.exp(tight).sum()


def test_the_bound_is_the_probability_of_a_cell():
    """P(x) of two elements, by quadrature over its cell."""
    m = of_levels((2,), 4, "flow-coupling", layers=2, width=8)
    x = torch.tensor([[85.0, 170.0]])
    u = (torch.arange(100) + 0.5) / 100
    z = (torch.tensor([1.0, 2.0]) + torch.cartesian_prod(u, u)) / 4
    with torch.no_grad():
        exact = float(torch.logsumexp(m._cube().log_prob(z), 0)) - math.log(100**2 * 4**2)
    found = log_evidence(m, x, IWAE(5000))
    assert float(found["log_evidence"][0]) == pytest.approx(exact, abs=4 * float(found["mc_se"][0]) + 1e-3)
    assert found.attrs["bound"] == "lower"


def test_samples_are_levels_with_the_probabilities_of_their_cells():
    m = of_levels((1, 2, 2), 2, depth=1, width=4)
    images = every(2, (1, 2, 2))
    p = np.exp(log_evidence(m, images, IWAE(2000))["log_evidence"].values)
    drawn = m.sample(4000)
    counts = np.array([int((drawn == image).flatten(1).all(1).sum()) for image in images])
    assert counts.sum() == 4000
    assert stats.chisquare(counts, 4000 * p / p.sum()).pvalue > 1e-3


@pytest.mark.parametrize("levels", [2, 17, 64])
def test_few_levels_are_counted(levels):
    m = of_levels((1, 4, 4), levels, depth=1, width=4)
    assert int(m.levels) == levels
    m.check(grey(5, (1, 4, 4), levels, seed=1))
    assert m._level_of((torch.arange(levels) + 0.5) / levels).tolist() == [
        round(255 / (levels - 1) * r + 1e-9) if levels != 2 else 255.0 * r for r in range(levels)
    ]


@pytest.mark.parametrize("levels", [*range(2, 65), 256])
def test_levels_are_told_by_arithmetic(levels):
    own = (torch.arange(float(levels)) * (255 / (levels - 1))).round()
    every = torch.cat([torch.arange(-300.0, 600.0), torch.tensor([0.5, 254.5, torch.nan, torch.inf])])
    assert [are_levels(v, levels) for v in every] == torch.isin(every, own).tolist()
    assert are_levels(own.to(torch.uint8), levels)


def test_what_is_no_level_is_refused():
    m = of_levels((1, 4, 4), 17, depth=1, width=4)
    with pytest.raises(ValueError, match=r"17 grey levels takes .* multiples of 15\.94, rounded.*dequantizer=None"):
        m.check(torch.ones(2, 1, 4, 4))


@pytest.mark.parametrize("range_of", [lambda x: x, lambda x: 255 * x, lambda x: (x - 0.5) / 0.3], ids=["1", "255", "z"])
@pytest.mark.parametrize("name", [*VECTORS, "flow-glow", "ebm", "vdm", "rbm-gaussian"])
def test_densities_of_real_numbers_refuse_levels(name, range_of):
    x = grey(100, (1, 4, 4), 17) / 255
    more = {"flow-glow": {"dequantizer": None}, "rbm-gaussian": {"visible": "Gaussian(scale='learned')"}}
    m = pyrogen.create(name, x_shape=(1, 4, 4), **more.get(name, {}))
    with pytest.raises(ValueError, match=r"density of real numbers, and x has 17 levels alone.*dequantization=True"):
        m.before_training(range_of(x))
    assert m.needs_training_data
    m.before_training(range_of((x + torch.rand_like(x) / 17) * 16 / 17))


def columns(*each):
    return torch.stack(each, 1)


REAL = torch.linspace(-2, 2, 1000)
LEVELS = {
    "bits beside real numbers": (columns(REAL, (REAL > 0).float()), r"x\[:, 1\] has 2 levels alone in 1,000 numbers"),
    "a constant": (columns(REAL, 0 * REAL), r"x\[:, 1\] has 1 level alone"),
    "50 whole numbers": (columns(REAL, torch.arange(1000.0) % 50), r"x\[:, 1\] has 50 levels"),
    "rounded measurements": (columns(REAL, torch.arange(1000.0) % 51 / 10), None),
    "vectors of 256 levels": ((torch.arange(8000.0) % 256).reshape(1000, 8) / torch.arange(1.0, 9.0), "x"),
    "as many of which each comes seldom": ((torch.arange(4000.0) % 256).reshape(1000, 4), None),
    "few rows": (columns(REAL, (REAL > 0).float())[:999], None),
    "few rows of bits": (((torch.arange(300.0) % 2 - 0.5) * torch.arange(1.0, 9.0)[:, None]).T, "x has 16 levels"),
    "three channels": (
        torch.arange(3840).reshape(20, 3, 8, 8) % 256 / torch.tensor([251.0, 241.0, 239.0])[:, None, None],
        r"x\[:, [012]\] has 256 levels alone in 1,280 numbers",
    ),
}


@pytest.mark.parametrize(("x", "said"), LEVELS.values(), ids=LEVELS)
def test_levels_are_told_by_channel_and_by_column(x, said):
    if said is None:
        refuse_levels(nn.Identity(), x)
        return
    with pytest.raises(ValueError, match=f"Identity is a density of real numbers, and {said}"):
        refuse_levels(nn.Identity(), x)


def test_a_noise_flow_starts_near_uniform_noise_and_integrates_to_one():
    guide = Variational(width=4)
    guide.size(torch.Size([1, 2, 2]))
    q = guide(torch.zeros(1, 1, 2, 2))
    u = Uniform()
    u.size(torch.Size([1, 2, 2]))
    points = u(torch.zeros(20_000, 1, 2, 2)).sample()
    with torch.no_grad():
        assert float(q.log_prob(points).exp().mean()) == pytest.approx(1, abs=0.05)
        assert float(q.log_prob(points).mean()) > -0.2


def test_gradients_reach_the_guide():
    m = of_levels((1, 4, 4), 5, dequantizer="Variational", depth=1, width=4)
    (player,) = m.objective.players(m)
    loss = player.loss(Batch(grey(8, (1, 4, 4), 5)))["loss"]
    loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in m.parameters())
    assert sum(float(p.grad.abs().sum()) for p in m.dequantizer.parameters()) > 0


def test_draws_never_leave_their_cell(draws):
    m = of_levels((1, 4, 4), 256, depth=1, width=4)
    x = draws("levels", 500, 1, 4, 4)
    with torch.no_grad():
        q = m._cells(x, m.dequantizer)
        z = q.sample((20,))
        assert torch.equal(m._level_of(z), x.expand(20, *x.shape))
        assert torch.isfinite(q.log_prob(z)).all()
        assert q.log_prob(z + 1 / 256).max() == -math.inf


def test_a_flow_learns_two_moments():
    """The exact log p(x) of a trained flow is near the entropy of correlated normal data."""
    torch.manual_seed(0)
    tril = torch.tensor([[3.0, 0.0], [2.0, 0.5]])
    x = torch.randn(1000, 2) @ tril.T + torch.tensor([5.0, -1.0])
    m = pyrogen.create("flow-coupling", x_shape=(2,), layers=2, width=16)
    data = pyrogen.data.from_arrays(x_train=x, standardize=False)
    fit(m, data, epochs=15, lr=5e-3, batch_size=100, device="cpu", progress=False, validate=False)
    truth = torch.distributions.MultivariateNormal(torch.tensor([5.0, -1.0]), scale_tril=tril).log_prob(x).mean()
    with torch.no_grad():
        assert float(m.log_prob(x).mean()) == pytest.approx(float(truth), abs=0.03)


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("flow-glow", {"x_shape": (1, 7, 8)}, r"x_shape=\(1, 7, 8\) can be halved 0 times"),
        ("flow-glow", {"x_shape": (1, 8, 8), "scales": 4}, "halved 3 times, not 4"),
        ("flow-glow", {"x_shape": (5,)}, "halved 0 times"),
        ("flow-coupling", {"x_shape": (1,)}, "moves elements of x by others"),
        ("flow-coupling", {"x_shape": (4,), "dequantizer": "Variational"}, "use dequantizer='Uniform'"),
        ("flow-coupling", {"x_shape": (2,), "layers": 1}, "use 2 or more"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(name, arguments, says):
    with pytest.raises(ValueError, match=says) as refusal:
        pyrogen.create(name, **arguments)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("dequantizer", [None, "Uniform"])
def test_samples_that_overflow_are_said(dequantizer, caplog):
    flow = pyrogen.create("flow-glow", x_shape=(1, 4, 4), scales=1, depth=1, dequantizer=dequantizer)
    assert flow.sample(5).isfinite().all()
    assert "samples are not finite" not in caplog.text
    # the coupling's scale σ(s + 2) is at most 1, and what the inverse divides by as small as s makes it
    coupling = next(part for part in flow.modules() if isinstance(part, ImageCoupling))
    with torch.no_grad():
        coupling.net[-1].bias[2:] = -300.0
    flow.sample(5)
    assert "5 of 5 samples are not finite" in caplog.text
    assert "train at a smaller lr" in caplog.text


def test_the_page_shows_the_density_of_the_plane():
    data = pyrogen.data.from_arrays(x_train=torch.randn(50, 2), x_test=torch.randn(50, 2), standardize=False)
    with torch.no_grad():
        (panel,) = density_sections.plane(flow("flow-coupling", (2,)), data, [])
        assert not list(density_sections.plane(flow("flow-coupling", (3,)), data, []))
    assert panel.name == "density"
    assert "500 of its samples" in panel.caption


def test_chains_are_refused_where_levels_leave_no_slope():
    model = pyrogen.create("flow-glow", x_shape=(1, 4, 4), depth=1, width=4)
    x = (255 * torch.rand(3, 1, 4, 4).round()).float()
    model.before_training(x)
    with pytest.raises(ValueError, match="'x' is a point mass, a function of the latents that leaves chains no slope"):
        log_evidence(model, x, AIS(4, 4))


def test_noise_is_scored_as_it_was_drawn_near_the_edges_of_its_cell():
    g = torch.linspace(-6, 6, 25)
    noise = dist.TransformedDistribution(dist.Normal(g, 1e-3), [cumulative(g)]).to_event(1)
    cells = Cells(noise, torch.full((25,), 15.0), torch.tensor(17.0))
    z = cells.rsample()
    assert z.dtype == torch.float64
    # the normal at what was drawn, less the slope of Φ there, and the volume of the cells
    drawn = torch.special.ndtri(z * 17 - 15)
    exact = dist.Normal(g.double(), 1e-3).log_prob(drawn) - dist.Normal(0.0, 1.0).log_prob(drawn) + math.log(17)
    torch.testing.assert_close(cells.log_prob(z), exact.sum().float(), rtol=0, atol=0.2)
    torch.testing.assert_close(cells.log_prob(z.clone()), cells.log_prob(z), rtol=0, atol=0)
