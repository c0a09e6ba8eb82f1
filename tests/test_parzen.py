"""Kernel density estimates: against closed forms, and not to be mistaken for a bound."""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy.stats import norm

import pyrogen
from pyrogen.inference import IWAE, BiasWarning, compare_evidence, log_evidence, summarize
from pyrogen.inference.evidence import parzen
from pyrogen.inference.evidence.comparison import error_of_mean, in_common
from pyrogen.inference.evidence.noise import Observed
from pyrogen.inference.evidence.parzen import KDE
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.models.adversarial.gan import GAN
from pyrogen.seeds import derived


def affine(scale=2.0, shift=1.0):
    """x = shift + scale z of a standard normal z: seen through noise h it is N(shift, scale² + h²)."""
    generator, critic = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    with torch.no_grad():
        generator.weight.fill_(scale), generator.bias.fill_(shift)
    return GAN(generator, critic, (1,), 1)


X = torch.tensor([[-2.0], [0.0], [1.0], [3.5]])


def test_estimate_is_of_the_generator_seen_through_the_kernel():
    exact = norm.logpdf(X[:, 0].double().numpy(), 1, math.sqrt(4 + 0.09))
    found = log_evidence(affine(), X, KDE(bandwidth=0.3, samples=20_000))
    assert np.all(np.abs(found["log_evidence"] - exact) < 4 * found["mc_se"])
    assert float(found["mc_se"].max()) < 0.03
    assert (found.attrs["bound"], found.attrs["quantity"]) == ("none", "log p(x) under a kernel")


def test_another_bandwidth_is_another_density():
    exact = norm.logpdf(X[:, 0].double().numpy(), 1, 2)
    found = log_evidence(affine(), X, KDE(bandwidth=3.0, samples=20_000))
    wide = norm.logpdf(X[:, 0].double().numpy(), 1, math.sqrt(13))
    assert np.all(np.abs(found["log_evidence"] - wide) < 4 * found["mc_se"])
    assert np.all(np.abs(found["log_evidence"] - exact) > 4 * found["mc_se"])


@pytest.mark.rotating
def test_error_is_that_of_repetitions():
    runs = [log_evidence(affine(), X, KDE(0.3, 1000), seed=seed) for seed in range(60)]
    values, errors = (np.stack([run[name].values for run in runs]) for name in ("log_evidence", "mc_se"))
    # a standard deviation of 60 is known to 9 %
    assert values.std(0, ddof=1) == pytest.approx(errors.mean(0), rel=0.3)


@pytest.mark.rotating
def test_data_share_the_error_of_their_samples():
    """Of a datum that is there 100 times the mean errs as each does; and of others as over other samples."""
    model, rng = affine(), np.random.default_rng(0)
    again = log_evidence(model, X[1:2].expand(100, 1), KDE(0.3, 900))
    assert summarize(again).mc_se == pytest.approx(float(again["mc_se"][0]), rel=1e-6)
    x = torch.tensor(rng.normal(1, 0.3, (60, 1)), dtype=torch.float32)
    runs = [log_evidence(model, x, KDE(0.3, 300), seed=seed) for seed in range(60)]
    means, told = np.array([(float(run["log_evidence"].mean()), summarize(run).mc_se) for run in runs]).T
    assert means.std(ddof=1) == pytest.approx(told.mean(), rel=0.3)
    apart = float((runs[0]["mc_se"] ** 2).sum()) ** 0.5 / len(x)
    assert told[0] > 5 * apart
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiasWarning)
        table = compare_evidence({"a": runs[0], "b": runs[1]})
    assert table["mc_se"].values == pytest.approx(told[:2])
    assert float(table["difference_mc_se"][1]) == pytest.approx(np.hypot(*told[:2]))


def test_the_error_of_a_mean_is_what_leaving_out_each_sample_tells():
    model, samples = affine(), 7
    found = log_evidence(model, X, KDE(1.5, samples))
    with evaluating(model), seeded(derived(0, 0)[0]):
        made = model.sample_mean(1000).double()[:samples, 0].numpy()
    windows = norm.pdf(X[:, 0].double().numpy(), made[:, None], 1.5)
    without = np.array([np.log(np.delete(windows, i, 0).mean(0)).mean() for i in range(samples)])
    variance = (samples - 1) / samples * ((without - without.mean()) ** 2).sum() * (samples - 1) / (samples - 3)
    assert summarize(found).mc_se == pytest.approx(math.sqrt(variance), rel=1e-9)
    assert math.isnan(summarize(log_evidence(model, X, KDE(1.5, 3))).mc_se)


def test_what_two_data_have_in_common_is_what_the_error_of_their_mean_leaves():
    variances = np.array([0.3, 0.1, 0.2])
    for error in (0.1, 0.3, 0.4):
        assert error_of_mean(variances, in_common(error, variances)) == pytest.approx(error)
    independent = math.sqrt(0.6) / 3
    assert in_common(independent, variances) == pytest.approx(0, abs=1e-15)
    assert in_common(0.1, variances) < 0  # errors that cancel
    assert in_common(0.3, variances[:1]) == pytest.approx(0.09)


def test_estimate_is_that_of_importance_sampling_from_the_prior():
    model = affine()
    kde = log_evidence(model, X, KDE(0.3, 20_000))
    iwae = log_evidence(Observed(model, 0.3), X, IWAE(20_000))
    error = np.hypot(kde["mc_se"], iwae["mc_se"])
    assert np.all(np.abs(kde["log_evidence"] - iwae["log_evidence"]) < 4 * error)


def test_fitted_bandwidth_makes_validation_data_likeliest():
    model = affine()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = 1 + 2 * torch.randn(400, 1) + 0.8 * torch.randn(400, 1)
    best = KDE.fitted(model, x, samples=4000)
    mean = {h: float(log_evidence(model, x, KDE(h, 4000))["log_evidence"].mean()) for h in (0.1, best.bandwidth, 4.0)}
    assert mean[best.bandwidth] == max(mean.values())
    # 400 data tell the variance 4.64 to ± .33, of which the noise is 0.64
    assert 0.25 < best.bandwidth < 1.3


def test_bandwidths_are_tried_on_few_data_at_once(monkeypatch):
    sizes, squares = [], parzen._squares
    monkeypatch.setattr(parzen, "_squares", lambda x, made: sizes.append(len(x)) or squares(x, made))
    x = 1 + 2 * torch.randn(350, 1, generator=torch.Generator().manual_seed(0))
    fitted = KDE.fitted(affine(), x, samples=500)
    assert sizes == [100, 100, 100, 50]
    monkeypatch.setattr(parzen, "BLOCK", 1000)
    assert KDE.fitted(affine(), x, samples=500) == fitted


def test_answer_and_generator_do_not_depend_on_how_many_data_are_asked_for():
    model = affine()
    torch.manual_seed(3)
    state = torch.get_rng_state()
    x = torch.linspace(-3, 5, 150).unsqueeze(1)
    whole = log_evidence(model, x, KDE(0.3, 1500), seed=4)["log_evidence"].values
    assert torch.equal(torch.get_rng_state(), state)
    assert whole[120:] == pytest.approx(log_evidence(model, x[120:], KDE(0.3, 1500), seed=4)["log_evidence"].values)


def test_few_windows_far_away_are_not_believed():
    found = log_evidence(affine(), torch.tensor([[1.0], [7.0]]), KDE(0.05, 2000))
    assert float(found["ess"][1]) < 10 < float(found["ess"][0])
    assert float(found["mc_se"][1]) > 1
    # no more windows of the same kind are advised, and no guide is asked for
    diagnosis = summarize(found.isel(datum=[1])).diagnosis
    assert diagnosis.advice is None
    assert not diagnosis.trusted


def test_refusals():
    with pytest.raises(ValueError, match="positive, finite bandwidth"):
        KDE(bandwidth=0)
    conditional = pyrogen.create("vae-conditional", x_shape=(2,), classes=3)
    with pytest.raises(ValueError, match="is conditional, and KDE compares"):
        log_evidence(conditional, torch.zeros(2, 2), KDE(), y=torch.zeros(2, dtype=torch.long))
    with pytest.raises(ValueError, match="still likelier at bandwidth"):
        KDE.fitted(affine(scale=0.0, shift=50.0), X)
