"""Attribute vectors against directions that are known, their intervals against closed forms, and what they decode to."""

import math

import pyro.distributions as dist
import pytest
import torch

import pyrogen
from pyrogen.data import Split, from_arrays
from pyrogen.inference.latents.attributes import attribute_effect, attribute_vector, interval, picked
from pyrogen.inference.latents.judging import judge_of
from pyrogen.inference.latents.midpoints import continuity, disjoint_pairs, midpoints, regularity, three_numbers
from pyrogen.inference.representations.probes import probe

APART = torch.tensor([6.0, 0.0, 0.0])


def labelled(n, seed, apart=APART):
    """z = ε without an attribute, z = apart + ε with it."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 2 == 1
    return torch.randn(n, len(apart), generator=generator) + y.unsqueeze(1) * apart, y


def identity(size, **choices):
    """A VAE whose codes and decoded means are both x itself."""
    encoder, decoder = torch.nn.Linear(size, 2 * size), torch.nn.Linear(size, size)
    with torch.no_grad():
        encoder.weight.copy_(torch.cat([torch.eye(size), torch.zeros(size, size)]))
        encoder.bias.copy_(torch.cat([torch.zeros(size), torch.full((size,), -20.0)]))
        decoder.weight.copy_(torch.eye(size))
        decoder.bias.zero_()
    nets = {"encoder": encoder, "decoder": decoder, "likelihood": {"name": "Normal", "scale": "fixed"}}
    return pyrogen.vae(x_shape=(size,), latent_size=size, hidden=(4,), **nets, **choices)


@pytest.fixture(scope="module")
def clouds():
    """Two clouds, at 0 and at ``APART``, whose classes a judge knows."""
    z, y = labelled(600, seed=0)
    return from_arrays(z.numpy(), y.long().numpy(), standardize=False)


# -------------------------------------------------------------------------------------------------------- directions


@pytest.mark.parametrize("labels", [2, 8, 50, 200])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_spread_of_a_difference_of_means_is_that_of_so_many_labels(labels, seed):
    z, y = labelled(4000, seed)
    found = attribute_vector(z, y, labels=labels, draws=800, seed=seed)
    # Var = σ² (1/n₊ + 1/n₋), with the data's own σ, of 2000 each: 4 % at most, and 800 draws: 2.5 %
    expected = math.sqrt(4 / labels)
    assert found.draws.std(0).mean() == pytest.approx(expected, rel=0.08)
    torch.testing.assert_close(found.mean, APART.double(), atol=4 * expected / math.sqrt(800) + 0.15, rtol=0)
    low, high = found.intervals(0.94).T
    torch.testing.assert_close(
        high - low, torch.full((3,), 2 * 1.8808 * expected, dtype=torch.float64), rtol=0.2, atol=0
    )


def test_doubt_of_codes_is_added_to_that_of_labels():
    z, y = labelled(400, seed=1)
    sharp = attribute_vector(z, y, labels=4, draws=600)
    vague = attribute_vector(dist.Normal(z, 2.0).to_event(1), y, labels=4, draws=600)
    # variances 1 and 1 + 2² of each code
    assert float((vague.draws.std(0) / sharp.draws.std(0)).mean()) == pytest.approx(math.sqrt(5), rel=0.1)


@pytest.mark.parametrize("method", ["means", "logistic", "linear"])
def test_all_methods_point_along_the_attribute_where_noise_is_round(method):
    z, y = labelled(2000, seed=2)
    found = attribute_vector(z, y, method, draws=20).cosine(APART)
    assert found.low > 0.98
    assert found.low <= found.mean <= found.high <= 1


def test_a_plane_sees_what_means_do_not():
    # noise along z₂ is shared: means differ along z₁ + z₂, the plane that tells both apart is another
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(4000) % 2 == 1
    noise = torch.randn(4000, 2, generator=generator) @ torch.tensor([[0.3, 0.0], [1.0, 1.0]])
    z = noise + y.unsqueeze(1) * torch.tensor([1.0, 1.0])
    covariance = torch.tensor([[0.09 + 1.0, 1.0], [1.0, 1.0]])
    fisher = torch.linalg.solve(covariance, torch.tensor([1.0, 1.0]))
    plane, means = (attribute_vector(z, y, method, draws=50).cosine(fisher) for method in ("logistic", "means"))
    assert plane.mean > 0.99
    assert plane.low > means.high
    # the means lie apart by (1, 1), half a right angle away
    assert means.mean == pytest.approx(math.sqrt(0.5), abs=0.05)


def test_a_regression_moves_its_prediction_by_1():
    z = torch.randn(3000, 4, dtype=torch.float64)
    w = torch.tensor([2.0, -1.0, 0.0, 0.5], dtype=torch.float64)
    found = attribute_vector(z, z @ w, "linear", draws=5)
    torch.testing.assert_close(found.mean @ w, torch.tensor(1.0, dtype=torch.float64), atol=1e-4, rtol=0)
    assert found.cosine(w).low > 0.9999


def test_directions_repeat_and_leave_the_generator_alone():
    z, y = labelled(50, seed=0)
    before = torch.get_rng_state()
    first, again = (attribute_vector(z, y, labels=4, draws=3, seed=7) for _ in range(2))
    assert torch.equal(first.draws, again.draws)
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.equal(first.draws, attribute_vector(z, y, labels=4, draws=3, seed=8).draws)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"y": torch.ones(6)}, "too few or all alike"),
        ({"labels": 1}, "1 labels of 6 data are too few"),
        ({"method": "mean"}, "no method called 'mean'; did you mean 'means'"),
        ({"method": "linear", "y": torch.ones(6)}, "all alike"),
    ],
)
def test_what_shows_no_direction_is_refused(arguments, match):
    y = torch.tensor([0, 1, 0, 1, 0, 1])
    with pytest.raises(ValueError, match=match):
        attribute_vector(torch.randn(6, 2), **{"y": y, **arguments})


def test_an_interval_is_the_shortest():
    u = torch.linspace(0, 1, 10_001, dtype=torch.float64)
    exponential = -torch.log1p(-u[:-1])
    found = interval(exponential, 0.9)
    assert found.low == pytest.approx(0, abs=0.01)
    assert found.high == pytest.approx(math.log(10), rel=0.02)


# ------------------------------------------------------------------------------------------------------------ effects


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_arithmetic_turns_one_cloud_into_the_other_and_random_steps_do_not(seed, clouds):
    model, judge = identity(3), judge_of(clouds)
    x, y = clouds.train.x, clouds.train.y
    vector = attribute_vector(model.encode(x), y == 1, labels=50, draws=50, seed=seed)
    without = clouds.test.x[clouds.test.y == 0]
    found = attribute_effect(model, model.code(without).detach(), vector, judge, target=1, seed=seed)
    assert found.before.value < 0.05
    assert found.after.value > 0.95
    assert found.change.value > 0.8
    assert found.gain.value > 10 * found.gain.error
    assert found.gain.value == pytest.approx(found.change.value - found.control.value)
    assert found.digest == judge.digest
    still = attribute_effect(model, model.code(without).detach(), vector, judge, target=1, strength=0.0)
    assert still.change.value == 0


def test_latents_of_generators_are_picked_by_a_judge(clouds):
    class Shifted(torch.nn.Module):
        def forward(self, z):
            return 3 * z + APART / 2

    gan = pyrogen.create(
        "gan-nonsaturating",
        x_shape=(3,),
        latent_size=3,
        generator="Perceptron(hidden=(8,))",
        critic="Perceptron(hidden=(8,))",
    )
    gan.generator.net = Shifted()
    judge = judge_of(clouds)
    z, shows = picked(gan, judge, target=1, n=2000)
    assert 0.3 < float(shows.double().mean()) < 0.7
    assert float(z[shows, 0].mean()) > 0.3 > -0.3 > float(z[~shows, 0].mean())
    vector = attribute_vector(z, shows, draws=50)
    assert vector.cosine(APART).low > 0.9
    with pytest.raises(ValueError, match=r"of 5 draws .* of class 7"):
        picked(gan, _Blind(judge), target=7, n=5)


class _Blind:
    """A judge that is sure of nothing."""

    def __init__(self, judge):
        self.digest = judge.digest

    def probabilities(self, x):
        return torch.full((len(x), 8), 1 / 8)


# ------------------------------------------------------------------------------------------------------------- probes


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_probe_of_two_clouds_is_as_right_as_can_be(seed):
    z, y = labelled(3000, seed, apart=torch.tensor([2.0, 0.0, 0.0]))
    found = probe(z, y.long(), seed)
    assert found.measure == "accuracy"
    assert found.score.value == pytest.approx(0.8413, abs=4 * found.score.error)
    assert found.shuffled.value == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_probe_of_numbers_explains_what_can_be(seed):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(2000, 3, generator=generator)
    y = z[:, 0] + torch.randn(2000, generator=generator)  # half of the variance is noise
    found = probe(z, y, seed)
    assert found.measure == "R²"
    assert found.score.value == pytest.approx(0.5, abs=4 * found.score.error)
    assert found.score.error < 0.03
    assert abs(found.shuffled.value) < 0.02


def test_probes_need_classes_to_be_tested_on():
    with pytest.raises(ValueError, match="leave rare classes out"):
        probe(torch.randn(10, 2), torch.tensor([0] * 9 + [1]))
    with pytest.raises(ValueError, match="numbers that differ"):
        probe(torch.randn(10, 2), torch.ones(10))


# ---------------------------------------------------------------------------------------------------------- midpoints


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_regularity_is_how_little_two_laws_can_be_told_apart(seed, scale):
    generator = torch.Generator().manual_seed(seed)
    q = scale * torch.randn(4000, 1, generator=generator, dtype=torch.float64)
    found = regularity(q, torch.randn(4000, 1, generator=generator, dtype=torch.float64), seed)
    # N(0, 4) against N(0, 1) cross at ±c, c² = (8/3) ln 2: 1 − TV = 1 − 2 (Φ(c) − Φ(c/2))
    c = math.sqrt(8 / 3 * math.log(2))
    normal = torch.distributions.Normal(0.0, 1.0)
    exact = 1.0 if scale == 1 else float(1 - 2 * (normal.cdf(torch.tensor(c)) - normal.cdf(torch.tensor(c / 2))))
    assert found.value == pytest.approx(exact, abs=4 * found.error)


def test_continuity_of_even_walks_is_1_and_of_jumps_one_step():
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    even = torch.stack([t, 5 * t]).unsqueeze(-1) * torch.ones(3, dtype=torch.float64)
    assert continuity(even).value == pytest.approx(1)
    jump = (t > 0.5).double().expand(4, 11).unsqueeze(-1)
    assert continuity(jump) == (pytest.approx(0.1), pytest.approx(0, abs=1e-9), 4)
    assert continuity(torch.ones(2, 11, 3)).value == 1


def test_pairs_are_disjoint_and_of_two_classes(clouds):
    first, second = disjoint_pairs(clouds.train, 1000, seed=3)
    both = torch.cat([first, second])
    assert len(both.unique()) == len(both)
    assert (clouds.train.y[first] != clouds.train.y[second]).all()
    assert torch.equal(first, disjoint_pairs(clouds.train, 1000, seed=3)[0])
    with pytest.raises(ValueError, match="no two data of different classes"):
        disjoint_pairs(Split(torch.randn(6, 2), torch.zeros(6, dtype=torch.int64)), 3)


def test_midpoints_of_a_linear_model_are_means_of_data(clouds):
    model, judge = identity(3), judge_of(clouds)
    found = midpoints(model, clouds.test, judge)
    shares = found.shares()
    assert torch.equal(found.lerp, found.averaged)
    assert found.over_pixels().value == 0
    assert found.arcs_over_lines().value == pytest.approx(
        (int(found.slerp.sum()) - int(found.lerp.sum())) / (len(found.lerp) + 2)
    )
    assert shares["real"].value > 0.9 > 0.5 > shares["lerp"].value
    assert shares["reconstructed"] == shares["real"]
    apart = found.less(midpoints(identity(3), clouds.test, judge))
    assert apart["lerp"].value == 0 < apart["lerp"].error
    with pytest.raises(ValueError, match="same data by the same judge"):
        found.less(midpoints(model, clouds.test, judge, seed=1))


def test_three_numbers_of_a_linear_model(clouds):
    found = three_numbers(identity(3), clouds.test, judge_of(clouds))
    assert found.continuity.value == pytest.approx(1, abs=1e-4)
    # codes at 0 and 6, a prior at 0
    assert 0.2 < found.regularity.value < 0.7
    assert found.completeness.value > 0.8


def test_few_data_in_the_order_of_their_classes_are_walked_between_all(clouds):
    order = clouds.test.y.argsort(stable=True)
    found = three_numbers(identity(3), Split(clouds.test.x[order], clouds.test.y[order]), judge_of(clouds), n=10)
    assert found.continuity.n > 0


def test_generators_have_no_midpoints_of_data(clouds):
    gan = pyrogen.create(
        "gan-nonsaturating",
        x_shape=(3,),
        latent_size=3,
        generator="Perceptron(hidden=(8,))",
        critic="Perceptron(hidden=(8,))",
    )
    with pytest.raises(ValueError, match="encodes nothing"):
        midpoints(gan, clouds.test, judge_of(clouds))
