"""Stacked digits, and the metric of modes on all data that have an oracle."""

import math

import pytest
import torch

import pyrogen
from pyrogen.base import Model
from pyrogen.conditions import Condition
from pyrogen.data import from_arrays, load, vision
from pyrogen.data.stacked import mode_of
from pyrogen.inference.pages import sample_sections
from pyrogen.inference.quality.modes import oracle_of, raw_values
from pyrogen.registry import find


def metric(*arguments, **settings):
    return find("metric", "mode-coverage").load()(*arguments, **settings)


class Repeats(Model):
    """A model that gives back data."""

    def __init__(self, x):
        super().__init__()
        self.x, self.x_shape = x, x.shape[1:]

    def sample(self, n, y=None):
        return self.x[:n]

    sample_mean = sample


@pytest.fixture(scope="module")
def stacked():
    return load("stacked-digits", dequantization=False)


@pytest.fixture(scope="module")
def taught(stacked):
    return oracle_of(stacked)


def test_channels_are_digits_of_the_same_split(stacked):
    single = load("digits", kind="unit", dequantization=False)
    assert (tuple(stacked.x_shape), stacked.kind, stacked.levels) == ((3, 8, 8), "unit", 17)
    for name in ("train", "valid", "test"):
        whole, part = getattr(single, name), getattr(stacked, name)
        known = {row.tobytes(): int(y) for row, y in zip(whole.x.numpy(), whole.y, strict=True)}
        found = [[known[channel.tobytes()] for channel in picture] for picture in part.x[:300].numpy()]
        assert found == part.y[:300].tolist()
    assert stacked.sha256 == load("stacked-digits", dequantization=False).sha256


def test_channels_are_independent(stacked):
    y = stacked.train.y
    n, shares = len(y), torch.bincount(load("digits").train.y).double() / 1257
    mode = mode_of(y)
    assert torch.equal(mode, 100 * y[:, 0] + 10 * y[:, 1] + y[:, 2])
    expected = n * torch.einsum("i,j,k->ijk", shares, shares, shares).flatten()
    chi = ((torch.bincount(mode, minlength=1000) - expected).square() / expected).sum()
    assert abs(chi - 999) < 4 * math.sqrt(2 * 999)
    torch.testing.assert_close(stacked.oracle.weights, expected / n)


def test_the_judge_names_real_channels(stacked, taught):
    x, y = stacked.test.x[:2000], stacked.test.y[:2000]
    mode, good = taught.place(x)
    # 98 % of single digits named right, three times; of recognized ones nearly all
    assert (mode == mode_of(y)).double().mean() > 0.9
    assert (mode == mode_of(y))[good].double().mean() > 0.98
    assert good.double().mean() > 0.75


def test_dropping_is_told_on_stacked_digits(stacked, taught):
    real = taught.coverage(stacked.test.x)
    assert real["modes"] > 990
    # 2n KL is a χ² of 999 for a judge that never errs
    assert real["kl"] < 0.1
    few = stacked.test.x[(stacked.test.y < 3).all(1)]
    dropped = taught.coverage(few)
    assert dropped["modes"] <= 40
    assert dropped["kl"] == pytest.approx(math.log(1000 / 27), abs=0.4)
    averaged = taught.coverage((stacked.test.x[:1000] + stacked.test.x[1000:2000]) / 2)
    assert averaged["high_quality"] < 0.3 * real["high_quality"]


def test_an_untaught_oracle_says_whom_to_ask(stacked):
    with pytest.raises(ValueError, match=r"named by a classifier of 'digits'; pass one to taught\(\)"):
        stacked.oracle.coverage(stacked.test.x[:2])


@pytest.mark.slow
def test_mnist_stacks(need):
    need("MNIST/raw")
    single = vision.mnist()
    data = load("stacked-mnist", dequantization=False)
    assert data.x_shape == (3, 28, 28)
    known = {
        row.tobytes(): int(y) for row, y in zip(single.splits["test"][0].numpy(), single.splits["test"][1], strict=True)
    }
    raw = (255 * data.test.x[:200]).round().to(torch.uint8).numpy()
    assert [[known[c.tobytes()] for c in picture] for picture in raw] == data.test.y[:200].tolist()


# one metric of all


DATA = {
    "ring": ({}, 8, 0.989),
    "grid": ({}, 25, 0.989),
    "mixture-1d(of='three')": ({}, 3, 0.9973),
    "sprites(n=4000)": ({"dequantization": False}, 432, 1.0),
    "stacked-digits": ({}, 1000, 0.8),
}


@pytest.mark.parametrize("name", DATA)
def test_real_data_cover_their_modes(name):
    wishes, count, good = DATA[name]
    data = load(name, **wishes)
    model = Repeats(data.test.x)
    n = min(2500, len(data.test))
    modes, share, kl = (metric(model, data, 0, statistic=s, n=n) for s in ("modes", "high_quality", "kl"))
    # of K equal modes, K (1 − e^(−n good / K)) are seen
    if count < 1000:
        seen = count * (1 - math.exp(-n * good / count))
        assert modes == pytest.approx(seen, abs=4 * math.sqrt(count * math.exp(-n / count)) + 1e-9)
        assert kl < (count - 1 + 4 * math.sqrt(2 * count)) / 2 / n
        assert share == pytest.approx(good, abs=4 * max(share.error, 1e-3))
    else:
        assert modes > 700
        assert share > 0.75
    assert modes.error is None
    assert 0 < share.error < 0.01
    assert 0 < kl.error < 0.05


def test_the_errors_are_those_of_repetitions():
    data = load("ring")
    law = data.oracle
    each = {"high_quality": [], "kl": []}
    told = {"high_quality": [], "kl": []}
    uneven = torch.tensor([0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05])
    for seed in range(200):
        generator = torch.Generator().manual_seed(seed)
        mode = torch.multinomial(uneven, 500, replacement=True, generator=generator)
        x = law.modes[mode] + 0.02 * torch.randn(500, 2, generator=generator)
        for statistic, values in each.items():
            found = metric(Repeats(x), data, 0, statistic=statistic, n=500)
            values.append(float(found))
            told[statistic].append(found.error)
    for statistic, values in each.items():
        spread = float(torch.tensor(values).std())
        # an sd of 200 draws is known to 5 %
        assert spread == pytest.approx(sum(told[statistic]) / 200, rel=0.2)


def test_samples_of_models_in_levels_are_read_as_grey():
    for kind in ("levels", "unit"):
        data = load("sprites(n=100)", kind=kind, **({"dequantization": False} if kind == "unit" else {}))
        found = data.oracle.read(raw_values(data.test.x, data))
        assert torch.equal(found.factors, data.test.y)


def test_standardized_data_are_restored():
    data = load("grid", standardize=True)
    assert data.oracle.coverage(data.test.x)["modes"] < 25
    assert data.oracle.coverage(raw_values(data.test.x, data))["modes"] == 25


def test_samples_are_reproducible_and_leave_the_generator():
    data = load("grid")
    gan = pyrogen.create("gan-nonsaturating", generator="Perceptron(hidden=(8,))", critic="Perceptron(hidden=(8,))")
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, again, other = (metric(gan, data, seed, statistic="kl", n=300) for seed in (0, 0, 1))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), before)
    assert gan.training


def test_means_are_counted_where_they_are_asked_for():
    data = load("grid")

    class Noisy(Repeats):
        """Its samples are its means and noise."""

        def sample(self, n, y=None):
            return self.x[:n] + torch.randn(n, 2)

    model = Noisy(data.test.x)
    assert metric(model, data, 0, statistic="high_quality", means=True) > 0.98
    assert metric(model, data, 0, statistic="high_quality") < 0.1


def test_a_report_counts_the_modes_of_pictures():
    data = load("sprites(n=400)", dequantization=False)
    (panel,) = sample_sections.coverage(Repeats(data.train.x), data, [])
    heads, model, held = panel.table
    assert heads[1] == "modes covered of 432"
    assert model[2] == held[2] == "1.000"
    assert int(held[1]) == len(data.oracle.mode_of(data.test.y).unique())
    stacked = load("stacked-digits")
    assert list(sample_sections.coverage(Repeats(stacked.train.x), stacked, [])) == []


def test_data_without_an_oracle_are_refused():
    gan = pyrogen.create("gan-nonsaturating", generator="Perceptron(hidden=(8,))", critic="Perceptron(hidden=(8,))")
    mine = from_arrays(torch.randn(30, 2))
    with pytest.raises(ValueError, match="nobody knows the modes of 'arrays'"):
        metric(gan, mine, 0, statistic="modes")
    with pytest.raises(ValueError, match="no statistic of mode-coverage called 'mode'; did you mean 'modes'"):
        metric(gan, load("ring"), 0, statistic="mode")


def test_as_many_samples_as_are_asked_for_are_drawn_of_models_that_are_told_labels():
    class Told(Model):
        def __init__(self):
            super().__init__()
            self.x_shape, self.condition, self.asked = torch.Size([2]), Condition(classes=8), []

        def sample(self, n, y=None):
            self.asked.append((n, len(y)))
            return torch.zeros(n, 2)

    told = Told()
    metric(told, load("ring"), 0, statistic="high_quality", n=3000)
    assert told.asked == [(3000, 3000)]
