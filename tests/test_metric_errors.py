"""The errors that metrics carry: they are what other data, and other draws, would move the number by."""

import math
from dataclasses import replace

import pytest
import torch

import pyrogen
from pyrogen import registry
from pyrogen.base import Batch, HasClassifier, Model
from pyrogen.data import Split, load
from pyrogen.inference.latents.measured import Measured, mean, paired, paired_shares, share, share_error, spread
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.inference.programs.contexts import evaluating, seeded

ROWS, AGAIN = 150, 250


def metric(name, *arguments, **settings):
    return registry.find("metric", name).load()(*arguments, **settings)


def small(entry, seed=0):
    torch.manual_seed(seed)
    return pyrogen.create(entry, x_shape=(2,), latent_size=1, hidden=(8,), likelihood="Normal")


@pytest.mark.parametrize(
    ("name", "entry", "settings"),
    [
        ("psnr-gain", "autoencoder", {"noise": 0.1}),
        ("score-cosine", "autoencoder", {"noise": 0.1}),
        ("jacobian-shrinkage", "autoencoder", {"against": small("vae")}),
        ("tangent-cosine", "autoencoder", {}),
        ("mean-activation", "autoencoder", {}),
        ("error-over-pca", "autoencoder", {}),
        ("rate", "vae", {}),
        ("rate-ratio", "vae", {"against": small("vae", 1)}),
    ],
)
def test_an_error_is_the_spread_over_resampled_data(name, entry, settings):
    model, data = small(entry), load("spiral")
    generator = torch.Generator().manual_seed(0)
    x = data.test.x[:ROWS]
    found = []
    for seed in range(AGAIN):
        rows = torch.randint(ROWS, (ROWS,), generator=generator)
        found.append(
            metric(name, model, replace(data, test=Split(x[rows], None, "test", data.test.view)), seed, **settings)
        )
    told = math.sqrt(sum(value.error**2 for value in found) / AGAIN)
    # a standard deviation of so many is known to 4.5 %
    assert told == pytest.approx(float(torch.tensor(found).double().std()), rel=0.2)


def test_the_rate_is_that_of_the_elbo_and_its_least_level_is_one_of_the_ladder():
    data = load("digits", kind="binary")
    part = replace(data, test=data.test.take(40))
    model = pyrogen.create("vae-ladder", x_shape=data.x_shape)
    with evaluating(model), seeded(3):
        kl = float(ELBO(20).terms(model, Batch(part.test.x))["kl"])
    assert metric("rate", model, part, 3) == pytest.approx(kl, rel=1e-5)
    least = metric("least-level-rate", model, part, 3)
    assert least < metric("rate", model, part, 3)
    assert 0 < least.error < 1


class Right(Model, HasClassifier):
    """A classifier that is right, but for every so many data."""

    def __init__(self, data, errs=0):
        super().__init__()
        self.x_shape, self.data, self.errs = data.x_shape, data, errs

    def sample(self, n, y=None):
        return self.data.test.x[:n]

    def classify(self, x):
        same = (x.flatten(1)[:, None] == self.data.test.x.flatten(1)).all(-1).double().argmax(1)
        y = self.data.test.y[same]
        if self.errs:
            y = torch.where(same % self.errs == 0, (y + 1) % self.data.classes, y)
        return torch.distributions.Categorical(torch.nn.functional.one_hot(y, self.data.classes).double())

    def classifier_modules(self):
        return []


@pytest.fixture(scope="module")
def digits():
    data = load("digits", kind="unit", dequantization=False)
    return replace(data, test=data.test.take(90))


def test_shares_have_an_error_where_all_data_agree(digits):
    sure, errs = Right(digits), Right(digits, 3)
    for name in ("accuracy", "labels-right"):
        assert (metric(name, sure, digits, 0), metric(name, sure, digits, 0).error) == (1, share_error(90, 90))
    assert (metric("accuracy", errs, digits, 0), metric("accuracy", errs, digits, 0).error) == (
        pytest.approx(2 / 3),
        share_error(60, 90),
    )
    for name, settings in (("labels-right", {}), ("error-saved", {})):
        same = metric(name, sure, digits, 0, against=sure, **settings)
        assert (same, same.error) == (0, pytest.approx(paired_shares(torch.ones(90), torch.ones(90)).error))
        more = metric(name, sure, digits, 0, against=errs, **settings)
        apart = (torch.arange(90) % 3 == 0).double()
        assert (more, more.error) == pytest.approx((1 / 3, mean(apart).error))
    saved = metric("error-saved", errs, digits, 0, against=sure, nats=True)
    assert saved < 0 < saved.error


def test_one_label_is_named_by_classifiers_and_several_by_models_of_tasks(digits):
    tasks = pyrogen.create("multi-task", x_shape=digits.x_shape, y_shape=(2,), classes=4)
    with pytest.raises(ValueError, match="a model that names one, or several, as the data have; got MultiTask"):
        metric("labels-right", tasks, digits, 0)
    with pytest.raises(ValueError, match="factor of 'digits'"):
        metric("labels-right", Right(digits), digits, 0, factor="colour")
    hidden = replace(digits, test=Split(digits.test.x, torch.where(torch.arange(90) < 40, -1, digits.test.y), "test"))
    assert metric("labels-right", Right(digits), hidden, 0).error == share_error(50, 50)


@pytest.mark.parametrize("name", ["neighbour-accuracy", "output-variance"])
def test_metrics_of_codes_and_pictures_carry_an_error(name, digits):
    found = metric(
        name, pyrogen.create("vae", x_shape=digits.x_shape, latent_size=4, hidden=(8,), likelihood="Normal"), digits, 0
    )
    assert 0 < found.error < 1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_errors_of_spreads_and_roots_cover_them(seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2000, 300, 2, generator=generator) * torch.tensor([1.0, 2.0])
    z = torch.tensor([(m.value - 5) / m.error for m in map(spread, x)])
    assert float(z.mean()) == pytest.approx(0, abs=0.2)  # a variance and its error are large together
    assert float(z.std()) == pytest.approx(1, abs=0.08)
    assert spread(x[0]).value == pytest.approx(float(x[0].double().var(0).sum()))
    z = torch.tensor([(m.value - math.sqrt(5)) / m.error for m in (spread(one).root() for one in x)])
    assert float(z.std()) == pytest.approx(1, abs=0.08)
    assert math.isnan(Measured(0.0, 0.0, 3).root().error)


def test_a_gain_has_an_error_where_no_datum_tells_two_models_apart():
    for first, second in ((1, 1), (1, 0), (0, 1), (0, 0)):
        a, b = (torch.full((50,), float(value)) for value in (first, second))
        assert paired(a, b).of_gain() == Measured(first - second, pytest.approx(paired_shares(a, b).error), 50)
    some = Measured(0.1, 0.02, 50)
    assert some.of_gain() == some
    assert mean(torch.ones(50)).of_share() == share(torch.ones(50))
