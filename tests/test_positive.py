"""Numbers above 0 as data: how they come in, what scales them, what zeros are told, and durations whose law is known."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

import pyrogen
from pyrogen.command.cli import main
from pyrogen.data import from_arrays, load
from pyrogen.data.dataset import found_again
from pyrogen.data.durations import Durations
from pyrogen.data.memory import as_split
from pyrogen.inference import Enumerate, log_evidence
from pyrogen.inference.runs.recipe import data_of

RAW = np.random.default_rng(0).lognormal([-9.0, 0.5, 8.0], [0.5, 1.0, 1.5], (400, 3))
SMALL = {"latent_size": 2, "hidden": (4,)}


def test_nothing_is_positive_unless_it_is_said_or_scored():
    assert from_arrays(RAW).kind == "real"
    assert from_arrays(RAW / RAW.max()).kind == "unit"
    assert from_arrays(np.ceil(RAW).astype(int)).kind == "counts"
    assert from_arrays(RAW, kind=("binary", "positive")).kind == "positive"
    run = pyrogen.fit(pyrogen.create("vae", x_shape=(3,), likelihood="Gamma", **SMALL), RAW, epochs=1, progress=False)
    assert run.data.kind == "positive"
    with pytest.raises(
        ValueError, match=r"offers kind 'counts' or 'real', not 'positive'; .*load\(\.\.\., kind='positive'\)"
    ):
        from_arrays(np.ceil(RAW).astype(int), kind=("positive",))
    assert from_arrays(np.ceil(RAW).astype(int), kind="positive", standardize=False).test.x.min() == 1
    # whole numbers that a model of positive ones is to score are themselves
    model = pyrogen.create("vae", x_shape=(2,), likelihood="Gamma", **SMALL)
    assert as_split(np.array([[3, 500]]), None, model).x.tolist() == [[3.0, 500.0]]


def test_a_column_is_in_units_of_its_geometric_mean():
    data = from_arrays(RAW, x_valid=RAW[:40], x_test=RAW[40:80], kind="positive")
    unit = np.exp(np.log(RAW).mean(0))
    assert data.standardize
    np.testing.assert_allclose(data.train.x.numpy(), RAW / unit, rtol=1e-6)
    np.testing.assert_allclose(data.train.x.log().mean(0).numpy(), 0, atol=1e-5)
    np.testing.assert_allclose(data.test.view.scale.restore(data.test.x).numpy(), RAW[40:80], rtol=1e-6)
    assert data.test.log_jacobian == pytest.approx(-np.log(unit).sum())
    assert data.test.attributes()["standardization"] == "geometric mean of train"
    plain = from_arrays(RAW, kind="positive", standardize=False)
    assert (plain.standardize, plain.test.log_jacobian) == (False, 0.0)
    # further data in the same unit, and only such
    np.testing.assert_allclose(data.like(RAW[:5]).x.numpy(), RAW[:5] / unit, rtol=1e-6)
    with pytest.raises(ValueError, match=r"as the others were \(numbers above 0\); got float64 from -1"):
        data.like(-np.ones((2, 3)))


def test_nats_are_those_of_the_raw_values():
    m = pyrogen.create("vae-categorical", x_shape=(3,), latent_size=2, hidden=(), likelihood="LogNormal")
    layer = [part for part in m.decoder.modules() if isinstance(part, torch.nn.Linear)][-1]
    with torch.no_grad():  # no class is read: x are log-normal, with m = ½ and σ = 1
        layer.weight.zero_()
        layer.bias.copy_(torch.tensor([0.5] * 3 + [0.0] * 3))
    data = from_arrays(RAW, kind="positive")
    test = data.test
    found = log_evidence(m, test, Enumerate())["log_evidence"].values
    raw = test.view.scale.restore(test.x).numpy()
    unit = test.view.scale.sd.numpy()
    expected = stats.lognorm(1.0, scale=unit * math.exp(0.5)).logpdf(raw).sum(1)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_pictures_have_a_unit_a_channel_and_sequences_one():
    x = np.random.default_rng(1).gamma(2.0, [[[1.0]], [[10.0]], [[0.1]]], (60, 3, 4, 5))
    scale = from_arrays(x, kind="positive").test.view.scale
    assert scale.sd.shape == (3, 4, 5)
    assert (scale.sd == scale.sd[:, :1, :1]).all()
    waves = from_arrays(x[:, 0], kind="positive", sequence=True)
    assert waves.standardize
    assert len(waves.test.view.scale.sd.unique()) == 1


def test_what_was_not_observed_is_left_out():
    holed = RAW.copy()
    holed[::3, 1] = np.nan
    data = from_arrays(holed, kind="positive", missing=True)
    np.testing.assert_allclose(
        data.test.view.scale.sd[1], np.exp(np.nanmean(np.log(_all_train(data)[:, 1]))), rtol=1e-6
    )
    m = pyrogen.create("vae", x_shape=(3,), likelihood={"name": "Masked", "likelihood": "Gamma"}, **SMALL)
    run = pyrogen.fit(m, data, epochs=1, progress=False)
    assert all(math.isfinite(row["valid/loss"]) for row in run.records)
    assert torch.isfinite(m.reconstruct(data.test.x)).all()


def _all_train(data):
    return data.train.view.scale.restore(data.train.x).numpy()


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_zeros_are_refused_with_what_takes_them(low):
    x = RAW.copy()
    x[3, 1] = low
    said = (
        r"'arrays' offers kind 'real', not 'positive', whose values are numbers above 0; of data with zeros, "
        r"take kind='counts' .*missing=True and likelihood='Masked' .*kind='real' otherwise\.$"
    )
    with pytest.raises(ValueError, match=said):
        from_arrays(x, kind="positive")


def test_a_column_of_one_value_has_no_unit():
    x = RAW.copy()
    x[:, 1] = 2.5
    with pytest.raises(ValueError, match="column 2 has one value only"):
        from_arrays(x, kind="positive")


def test_a_table_of_durations_goes_through_the_command_line(tmp_path, capsys):
    np.savetxt(tmp_path / "t.csv", RAW, delimiter=",", header="a,b,c", comments="")
    assert load(tmp_path / "t.csv").kind == "real"
    words = [
        "--data",
        str(tmp_path / "t.csv"),
        "--epochs",
        "1",
        "--latent_size",
        "2",
        "--hidden",
        "4",
        "--device",
        "cpu",
    ]
    found = {}
    for name, more in {"said": ["--kind", "positive"], "scored": [], "plain": ["--standardize", "false"]}.items():
        folder = tmp_path / name
        assert main(["train", "vae", *words, "--likelihood", "Weibull", *more, "--folder", str(folder)]) == 0
        found[name] = data_of(folder)
        assert (found[name].kind, found[name].standardize) == ("positive", name != "plain")
        assert load(**found_again(found[name].describe())).describe() == found[name].describe()
    assert torch.equal(found["said"].test.x, found["scored"].test.x)
    capsys.readouterr()
    table = RAW.copy()
    table[0, 0] = 0.0
    np.savetxt(tmp_path / "t.csv", table, delimiter=",", header="a,b,c", comments="")
    refused = ["train", "vae", *words, "--likelihood", "Weibull", "--folder", str(tmp_path / "zeros")]
    assert main(refused) == 2
    assert "numbers above 0; of data with zeros, take --kind counts" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------- the durations


@pytest.fixture
def law():
    return Durations()


def test_the_density_of_durations_is_scipys(law):
    data = load("durations")
    assert (data.kind, tuple(data.x_shape), data.classes, data.standardize) == ("positive", (2,), 2, False)
    x = data.test.x.numpy().astype(float)
    steps, means = law.steps.numpy(), law.means.numpy()
    each = np.stack([stats.gamma(k, scale=m / k).logpdf(x).sum(1) for k, m in zip(steps, means, strict=True)], 1)
    np.testing.assert_allclose(law.log_prob(data.test.x).numpy(), np.log(np.exp(each) @ [0.6, 0.4]), rtol=1e-9)
    sorts = data.test.y.numpy()
    np.testing.assert_allclose(law.log_prob(data.test.x, data.test.y).numpy(), each[np.arange(2500), sorts], rtol=1e-9)
    # by quadrature on a grid of logarithms
    t = torch.linspace(-14, 6, 1001, dtype=torch.float64)
    plane = torch.cartesian_prod(t, t)
    mass = (law.log_prob(plane.exp()) + plane.sum(1)).exp().sum() * (t[1] - t[0]) ** 2
    assert float(mass) == pytest.approx(1, abs=1e-5)


def test_exact_durations_are_of_high_quality_and_others_are_not(law):
    x, sort = law.sample(20_000, torch.Generator().manual_seed(1))
    for s in (0, 1):
        for i in (0, 1):
            k, mean = float(law.steps[s, i]), float(law.means[s, i])
            assert stats.kstest(x[sort == s, i].numpy(), stats.gamma(k, scale=mean / k).cdf).pvalue > 1e-3
    found = law.coverage(x)
    assert (found["modes"], found["samples"]) == (2, 20_000)
    assert found["high_quality"] > 0.99
    assert found["kl"] < 1e-3
    one = law.coverage(x[sort == 0])
    assert one["kl"] > 0.3
    assert law.coverage(100 * x)["high_quality"] < 0.05


def test_two_classes_of_gammas_find_the_law(law):
    m = pyrogen.create("vae-categorical", x_shape=(2,), latent_size=2, hidden=(), likelihood="Gamma")
    with torch.no_grad():
        layer = [part for part in m.decoder.modules() if isinstance(part, torch.nn.Linear)][-1]
        layer.bias.zero_()
        layer.weight.copy_(torch.cat([law.means, law.steps], 1).log().T)
        m.prior.logits.copy_(law.weights.log())
    x = load("durations").test.x[:300]
    found = log_evidence(m, x, Enumerate())["log_evidence"].values
    np.testing.assert_allclose(found, law.log_prob(x).numpy(), rtol=1e-4, atol=1e-4)
