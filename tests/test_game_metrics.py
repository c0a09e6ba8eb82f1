"""Metrics of games, on generators that look data up, so that what a judge sees is known."""

import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.data import from_arrays, load
from pyrogen.inference.latents.judging import judge_of
from pyrogen.inference.latents.walks import draw_latents
from pyrogen.inference.metrics.games import classes_recognized, midpoint_gain, steepest_layer
from pyrogen.inference.metrics.quality import quality_ratio
from pyrogen.inference.quality.assess import assess
from pyrogen.models.adversarial.gan import GAN
from pyrogen.nets.critics import Perceptron
from pyrogen.seeds import derived


@pytest.fixture(scope="module")
def digits():
    return load("digits", kind="unit", dequantization=False)


class Lookup(nn.Module):
    """Row ⌊N Φ(z)⌋ of N rows: those of a standard normal z are equally frequent."""

    def __init__(self, rows):
        super().__init__()
        self.rows = nn.Parameter(rows)

    def forward(self, z):
        place = torch.special.ndtr(z[:, 0]) * len(self.rows)
        return self.rows[place.long().clamp(0, len(self.rows) - 1)]


def looking_up(rows):
    return GAN(Lookup(rows), Perceptron((4,)).build((1, 8, 8)), (1, 8, 8), 1, kind="unit")


@pytest.mark.parametrize("classes", [1, 4, 10])
def test_the_classes_of_copied_data_are_counted(classes, digits):
    kept = digits.test.x[digits.test.y < classes]
    assert classes_recognized(looking_up(kept), digits, 0, n=1000) == classes


def test_pictures_of_nothing_are_of_no_class(digits):
    assert classes_recognized(looking_up(torch.zeros(1, 1, 8, 8)), digits, 0, n=50) == 0


def test_a_generator_of_two_pictures_is_recognized_midway_where_their_mean_is_not(digits):
    judge = judge_of(digits)
    sure = digits.test.x[judge.recognizes(digits.test.x)]
    named = judge.names(sure)
    first = sure[0]
    # another class, and a mean that is nobody's
    other = next(
        x for x, c in zip(sure, named, strict=True) if c != named[0] and not judge.recognizes((first + x)[None] / 2)
    )
    model, n, seed = looking_up(torch.stack([first, other])), 400, 3
    a, b = (draw_latents(model, n, None, s) for s in derived(seed, count=2))
    apart = int(((a > 0) != (b > 0)).sum())
    assert 100 < apart < 300
    found = midpoint_gain(model, digits, seed, n=n)
    # all of one and none of the other, half a datum in each cell
    assert found == pytest.approx(apart / (apart + 2))
    assert found.error > 0


def test_of_one_picture_there_is_no_midway(digits):
    with pytest.raises(ValueError, match="no two of 20 samples are recognized as different classes"):
        midpoint_gain(looking_up(digits.test.x[:1]), digits, 0, n=20)


def test_the_steepest_layer_is_the_largest_singular_value():
    critic = nn.Sequential(nn.Linear(2, 2), nn.LeakyReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        critic[0].weight.copy_(torch.tensor([[0.0, -3.0], [2.0, 0.0]]))
        critic[2].weight.copy_(torch.tensor([[0.3, 0.4]]))
    model = GAN(nn.Linear(1, 2), critic, (2,), 1)
    assert steepest_layer(model, None, 0) == pytest.approx(3)
    with pytest.raises(ValueError, match="VAE has no critic of its own"):
        steepest_layer(pyrogen.create("vae", x_shape=(2,), hidden=(2,)), None, 0)


def test_the_ratio_of_a_measure_is_that_of_two_models(digits):
    few, many = looking_up(digits.test.x[:3]), looking_up(digits.test.x)
    assert quality_ratio(few, digits, 0, against=few) == 1
    there, back = quality_ratio(few, digits, 0, against=many), quality_ratio(many, digits, 0, against=few)
    assert there * back == pytest.approx(1)
    assert there > 10
    # the logarithms of a ratio and of its inverse have one error
    assert there.error / there == pytest.approx(back.error / back)
    assert there.error > 0
    over = quality_ratio(few, digits, 0, against=many, statistic="over_floor")
    worse, better = (assess(m, digits, ["frechet"]).excess("frechet").value for m in (few, many))
    assert over == pytest.approx(worse / better)
    with pytest.raises(ValueError, match=r"no statistic of quality-ratio called 'errors'; .*'over_floor'"):
        quality_ratio(few, digits, 0, against=many, statistic="errors")


@pytest.mark.parametrize("metric", [classes_recognized, midpoint_gain])
def test_data_without_classes_are_refused(metric):
    with pytest.raises(ValueError, match="a judge recognizes classes, and 'arrays' has none; take labelled data"):
        metric(pyrogen.create("gan-nonsaturating"), from_arrays(torch.randn(40, 2)), 0)
