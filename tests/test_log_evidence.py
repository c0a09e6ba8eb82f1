"""The ruler itself: log_weights and log_evidence on the zoo's pairs and on anybody's Pyro programs."""

import logging
import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyro import poutine

import pyrogen
from pyrogen.inference import ELBO, IWAE, Exact, Reconstruction, log_evidence, log_weights, summarize
from pyrogen.inference.evidence.weight_stream import WeightStream, log_mean_exp
from pyrogen.inference.replay.recording import Recording


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    return pyrogen.create("vae", x_shape=(1, 4, 4), latent_size=2, hidden=(8,))


@pytest.fixture(scope="module")
def x():
    return torch.bernoulli(torch.full((23, 1, 4, 4), 0.4), generator=torch.Generator().manual_seed(0))


def normal_model(x, name="people"):
    with pyro.plate(name, x.shape[0]):
        z = pyro.sample("z", dist.Normal(torch.zeros((), dtype=x.dtype), 1.0))
        pyro.sample("x", dist.Normal(z, 0.5), obs=x)


def normal_guide(x, name="people"):
    with pyro.plate(name, x.shape[0]):
        pyro.sample("z", dist.Normal(0.7 * x, 0.6))


def normal_truth(x):
    return torch.distributions.Normal(0.0, math.sqrt(1.25)).log_prob(x.double()).numpy()


def test_plain_programs_are_scored_right():
    x = torch.linspace(-2, 2, 17)
    ev = log_evidence((normal_model, normal_guide), x, IWAE(4000))
    z = (ev["log_evidence"].values - normal_truth(x)) / ev["mc_se"].values
    assert np.abs(z).max() < 4
    assert ev.attrs["bound"] == "lower"


def test_inner_plates_and_views_are_summed_per_datum():
    """Three observations a datum in a plate of their own, through code that only knows one batch dimension."""

    def model(x):
        with pyro.plate("rows", x.shape[0], dim=-2):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            with pyro.plate("columns", 3, dim=-1):
                pyro.sample("x", dist.Normal(z.view(x.shape[0], 1).expand(-1, 3), 0.5), obs=x)

    def guide(x):
        with pyro.plate("rows", x.shape[0], dim=-2):
            pyro.sample("z", dist.Normal(0.3 * x.sum(1, keepdim=True), 0.4))

    x = torch.randn(
        3, 3, generator=torch.Generator().manual_seed(0)
    )  # as many rows as columns: sizes alone do not tell
    ev = log_evidence((model, guide), x, IWAE(4000))
    covariance = torch.ones(3, 3) + 0.25 * torch.eye(3)
    truth = torch.distributions.MultivariateNormal(torch.zeros(3), covariance).log_prob(x).numpy()
    assert np.abs((ev["log_evidence"].values - truth) / ev["mc_se"].values).max() < 4


def test_a_pair_as_a_tuple_gets_the_same_score(vae, x):
    whole = log_evidence(vae, x, IWAE(3000))
    apart = log_evidence((vae.model, vae.guide), x, IWAE(3000))
    error = np.hypot(whole["mc_se"], apart["mc_se"])
    assert (np.abs(whole["log_evidence"] - apart["log_evidence"]) < 5 * error).all()


def test_labels_reach_programs_that_take_them():
    def model(x, y):
        with pyro.plate("n", x.shape[0]):
            z = pyro.sample("z", dist.Normal(y, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    def guide(x, y):
        with pyro.plate("n", x.shape[0]):
            pyro.sample("z", dist.Normal((x + y) / 2, math.sqrt(0.5)))

    x, y = torch.tensor([0.3, 1.0]), torch.tensor([2.0, -1.0])
    weights = log_weights((model, guide), x, 50, y=y)
    truth = torch.distributions.Normal(y, math.sqrt(2)).log_prob(x).numpy()
    np.testing.assert_allclose(weights, np.broadcast_to(truth, (50, 2)), atol=1e-5)


def test_dtype_is_kept():
    seen = []

    def model(x):
        seen.append(x.dtype)
        normal_model(x)

    log_weights((model, normal_guide), torch.linspace(-1, 1, 4, dtype=torch.float64), 10)
    assert set(seen) == {torch.float64}


@settings(max_examples=15)
@given(chunk=st.integers(1, 350), tuple_=st.booleans())
def test_chunks_do_not_change_the_answer(chunk, tuple_):
    torch.manual_seed(0)
    vae = pyrogen.create("vae", x_shape=(1, 2, 2), latent_size=2, hidden=(8,))
    x = torch.ones(13, 1, 2, 2)
    pair = (vae.model, vae.guide) if tuple_ else vae
    torch.testing.assert_close(
        torch.from_numpy(log_weights(pair, x, 230, chunk_size=chunk).values),
        torch.from_numpy(log_weights(pair, x, 230).values),
        atol=1e-4,
        rtol=0,
    )


def masking(x):
    with pyro.plate("people", x.shape[0]):
        z = pyro.sample("z", dist.Normal(torch.zeros(()), 1.0))
        pyro.sample("x", dist.Normal(z, 0.5), obs=x, obs_mask=torch.arange(x.shape[0]) % 3 > 0)


def branching(x):
    with pyro.plate("people", x.shape[0]):
        z = pyro.sample("z", dist.Normal(torch.zeros(()), 1.0))
        pyro.sample("x", dist.Normal(z if z.mean() > 0 else -z, 0.5), obs=x)


def labelled(x, y):
    normal_model(x - y)


OFTEN = {
    "plain": (normal_model, normal_guide, None, True),
    "with y": (labelled, lambda x, y: normal_guide(x - y), torch.linspace(0, 1, 23), True),
    "drawing": (masking, normal_guide, None, False),
    "branching": (branching, normal_guide, None, False),
}


@pytest.mark.parametrize("case", OFTEN.values(), ids=OFTEN)
def test_what_is_weighed_often_is_recorded_and_changes_no_bit(case, monkeypatch):
    """But for programs that draw, or whose course depends on values."""
    model, guide, y, recorded = case
    x, calls = torch.linspace(-2, 2, 23), []

    def counted(*arguments):
        calls.append(1)
        model(*arguments)

    found, ran = [], []
    for habit in (10**9, 5):
        monkeypatch.setattr("pyrogen.inference.replay.often.HABIT", habit)
        del calls[:]
        found.append(log_weights((counted, guide), x, 3000, y=y))
        ran.append(len(calls))
    assert np.array_equal(*(f.values for f in found))
    assert (ran[1] < ran[0] / 4) == recorded, ran


def test_a_vae_that_is_weighed_often_is_recorded(vae, x, monkeypatch):
    found, calls = [], []
    hook = vae.decoder.register_forward_hook(lambda *_: calls.append(1))
    for habit in (10**9, 5):
        monkeypatch.setattr("pyrogen.inference.replay.often.HABIT", habit)
        found.append(log_weights(vae, x, 2000))
        calls.append(0)
    hook.remove()
    assert found[0].equals(found[1])
    assert len(calls) - 1 - calls.index(0) < calls.index(0) / 2


@pytest.mark.parametrize("compiler", ["one that works", "none"])
def test_what_is_weighed_very_often_is_compiled_for_the_shapes_of_the_first(compiler, vae, x, monkeypatch, caplog):
    """And not for the few data of the last block; a machine without a compiler says so and goes on."""
    made = []

    def compile(module, inputs, **how):
        made.append(inputs)
        if compiler == "none":
            raise RuntimeError("InvalidCxxCompiler")
        return module

    monkeypatch.setattr("torch._inductor.standalone_compile", compile)
    found = [log_weights(vae, x, 2000)]
    monkeypatch.setattr("pyrogen.inference.replay.often.COMPILED", 5)
    monkeypatch.setattr("pyrogen.inference.replay.often.HABIT", 4)
    with caplog.at_level(logging.WARNING, "pyrogen"):
        found.append(log_weights(vae, x, 2000))
    assert len(made) == 1
    np.testing.assert_allclose(*(f.values for f in found), atol=1e-5)
    why = "a function that is called often is replayed without Inductor: there is no C++ compiler on this machine"
    assert [m.split(" (")[0] for m in caplog.messages] == ([why] if compiler == "none" else [])


@pytest.mark.compiles
@pytest.mark.rotating(3)
def test_compiled_weights_are_those_of_the_programs(vae, x, monkeypatch):
    found = [log_weights(vae, x, 2000)]
    monkeypatch.setattr("pyrogen.inference.replay.often.COMPILED", 5)
    monkeypatch.setattr("pyrogen.inference.replay.often.HABIT", 4)
    made, compiled = [], Recording.compiled
    monkeypatch.setattr(Recording, "compiled", lambda *given: made.append(compiled(*given)) or made[-1])
    found.append(log_weights(vae, x, 2000))
    assert len(made) == 1
    assert not found[0].equals(found[1])  # other kernels did it
    np.testing.assert_allclose(*(f.values for f in found), rtol=1e-6, atol=1e-4)


def test_more_draws_begin_with_the_fewer(vae, x):
    few, many = log_weights(vae, x, 130), log_weights(vae, x, 260)
    np.testing.assert_allclose(few, many[:130], atol=1e-4)


def test_seeds_differ_and_repeat(vae, x):
    a, b, c = (log_weights(vae, x, 20, seed=s) for s in (0, 0, 1))
    assert a.equals(b)
    assert float(abs(a - c).max()) > 1e-3


def test_order_of_the_batch_changes_results_within_the_error(vae, x):
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    a, b = log_evidence(vae, x, IWAE(2000)), log_evidence(vae, x[order], IWAE(2000))
    difference = a["log_evidence"].values[order] - b["log_evidence"].values
    assert (np.abs(difference) < 5 * np.hypot(a["mc_se"].values[order], b["mc_se"].values)).all()


@pytest.mark.parametrize("scale", [1.0, 64.0])
def test_scales_stay_outside(scale):
    x = torch.linspace(-1, 1, 5)
    model, guide = poutine.scale(normal_model, scale), poutine.scale(normal_guide, scale)
    assert log_weights((model, guide), x, 50).equals(log_weights((normal_model, normal_guide), x, 50))


def test_masks_count():
    """A masked datum has no likelihood: its evidence is 1."""

    def model(x):
        with pyro.plate("n", x.shape[0]):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            with poutine.mask(mask=torch.arange(x.shape[0]) % 2 == 0):
                pyro.sample("x", dist.Normal(z, 0.5), obs=x)

    def guide(x):
        with pyro.plate("n", x.shape[0]):
            pyro.sample("z", dist.Normal(torch.zeros_like(x), 1.0))

    weights = log_weights((model, guide), torch.tensor([1.0, 1.0]), 30)
    np.testing.assert_allclose(weights[:, 1], 0, atol=1e-6)
    assert float(abs(weights[:, 0]).min()) > 1e-4


def test_nothing_else_changes(vae, x):
    vae.train()
    state, parameters = torch.get_rng_state(), {k: v.clone() for k, v in vae.state_dict().items()}
    log_evidence(vae, x, IWAE(50))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(v, vae.state_dict()[k]) for k, v in parameters.items())
    assert vae.training
    assert all(p.grad is None for p in vae.parameters())


def test_dropout_is_off_while_scoring(x):
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 4), torch.nn.Dropout(0.9))
    decoder = torch.nn.Sequential(torch.nn.Dropout(0.9), torch.nn.Linear(2, 16))
    noisy = pyrogen.vae(encoder=encoder, decoder=decoder, x_shape=(1, 4, 4), latent_size=2)
    noisy.train()
    for pair in (noisy, (noisy.model, noisy.guide)):
        few, many = log_weights(pair, x, 100, chunk_size=10), log_weights(pair, x, 100, chunk_size=100)
        np.testing.assert_allclose(few, many, atol=1e-4)


def outside_latent(x):
    w = pyro.sample("z", dist.Normal(0.0, 1.0))
    with pyro.plate("n", x.shape[0]):
        pyro.sample("x", dist.Normal(w, 1.0), obs=x)


def outside_guide(x):
    pyro.sample("z", dist.Normal(0.0, 1.0))


def fixed_plate(x):
    with pyro.plate("n", 100, subsample_size=x.shape[0]):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def fixed_guide(x):
    with pyro.plate("n", 100, subsample_size=x.shape[0]):
        pyro.sample("z", dist.Normal(x, 1.0))


def other_guide(x):
    with pyro.plate("people", x.shape[0]):
        pyro.sample("w", dist.Normal(x, 1.0))


def delta_guide(x):
    with pyro.plate("people", x.shape[0]):
        pyro.sample("z", dist.Delta(x))


def blind_model(x):
    with pyro.plate("people", x.shape[0]):
        pyro.sample("z", dist.Normal(0.0, 1.0))


def stuck_model(x):
    with pyro.plate("people", 5):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 0.5), obs=x)


def narrow_guide(x):
    with pyro.plate("people", x.shape[0]):
        pyro.sample("z", dist.Uniform(torch.zeros_like(x), 3.0))


def noisy_model(x):
    with pyro.plate("people", x.shape[0]):
        z = pyro.sample("z", dist.Normal(torch.zeros_like(x), 1.0))
        pyro.sample("x", dist.Normal(torch.dropout(z + 3, 0.5, True), 0.5), obs=x)


def noisy_guide(x):
    with pyro.plate("people", x.shape[0]):
        pyro.sample("z", dist.Normal(torch.dropout(x.expand(64, -1) + 3, 0.5, True).mean(0), 0.6))


def crowd_model(x):
    with pyro.plate("people", x.shape[0]):
        z = pyro.sample("z", dist.Normal(torch.zeros_like(x), 1.0))
        pyro.sample("x", dist.Normal(z - z.mean(), 0.5), obs=x)


def crowd_guide(x):
    with pyro.plate("people", x.shape[0]):
        norm = torch.nn.BatchNorm1d(1)  # in training mode
        pyro.sample("z", dist.Normal(norm(x.unsqueeze(-1)).squeeze(-1), 0.6))


REFUSED = {
    "a guide that cannot reach": (normal_model, narrow_guide, "guide's 'z' stays within .*support of the model"),
    "dropout in the model": (noisy_model, normal_guide, "density of 'x' is another at every run.*eval"),
    "dropout in the guide": (normal_model, noisy_guide, "density of 'z' is another at every run.*eval"),
    "a model that mixes data": (crowd_model, normal_guide, "density of 'x' for one datum depends on the others"),
    "batch norm in the guide": (normal_model, crowd_guide, "density of 'z' for one datum depends on the others"),
    "latent outside the plate": (outside_latent, outside_guide, "'z' is one for all data"),
    "subsampled plate": (fixed_plate, fixed_guide, "is subsampled"),
    "another latent": (normal_model, other_guide, "the guide draws 'w'"),
    "no latent in the guide": (normal_model, lambda x: None, "the model draws 'z'"),
    "a point mass": (normal_model, delta_guide, "point mass"),
    "nothing observed": (blind_model, normal_guide, "observes nothing"),
    "a plate of a fixed size": (stuck_model, normal_guide, "not on the same twice.*fixed size"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_programs_without_weights_per_datum_are_refused(case):
    model, guide, message = case
    with pytest.raises(ValueError, match=message):
        log_weights((model, guide), torch.linspace(-1, 1, 5), 10)


class Overflowing(dist.Uniform):
    """Draws of which half are no number, as of a flow whose inverse overflows, and a density as always."""

    def sample(self, sample_shape=()):
        draws = super().sample(sample_shape)
        return torch.where(draws < 0.5, torch.nan, draws)


def overflowing_model(x):
    with pyro.plate("people", x.shape[0]):
        z = pyro.sample("z", Overflowing(torch.zeros_like(x), 1.0))
        pyro.sample("x", dist.Normal(z, 0.5), obs=x)


def unit_guide(x):
    with pyro.plate("people", x.shape[0]):
        pyro.sample("z", dist.Uniform(torch.zeros_like(x), 1.0))


def test_draws_that_overflow_are_not_taken_for_another_support():
    x = torch.linspace(-1, 1, 5)
    found = log_weights((overflowing_model, unit_guide), x, 20)
    assert bool(np.isfinite(found.values).all())


BAD_DATA = {
    "grey": (torch.full((3, 1, 4, 4), 0.5), "ContinuousBernoulli.*DiscretizedLogisticMixture"),
    "shape": (torch.zeros(3, 16), r"x of shape \(B, 1, 4, 4\); got \(3, 16\)"),
    "one datum": (torch.zeros(1, 4, 4), r"x of shape"),
    "empty": (torch.zeros(0, 1, 4, 4), "0 rows"),
    "nan": (torch.full((3, 1, 4, 4), math.nan), "3 of 3 data hold NaN"),
}


@pytest.mark.parametrize("case", BAD_DATA.values(), ids=BAD_DATA)
def test_bad_data_are_refused(vae, case):
    data, message = case
    for score in (log_weights, log_evidence):
        with pytest.raises(ValueError, match=message):
            score(vae, data)


def test_what_cannot_be_scored_is_refused(vae, x):
    with pytest.raises(ValueError, match="ELBO\\(beta=4"):
        log_evidence(vae, x, ELBO(beta=4.0))
    with pytest.raises(ValueError, match="no log_prob"):
        log_evidence(vae, x, Exact())
    with pytest.raises(ValueError, match="did you mean 'IWAE'"):
        log_evidence(vae, x, "IWEA")
    with pytest.raises(ValueError, match="tuple"):
        log_weights("vae", x)
    with pytest.raises(ValueError, match="no guide"):
        log_evidence(pyrogen.create("gan-nonsaturating"), torch.zeros(3, 2), IWAE(10))


def test_reconstruction_is_the_mean_log_likelihood():
    x = torch.linspace(-1, 1, 5)
    ev = log_evidence((normal_model, normal_guide), x, Reconstruction(4000))
    mean, variance = 0.7 * x.double(), 0.36
    truth = -0.5 * math.log(2 * math.pi * 0.25) - ((x - mean) ** 2 + variance) / (2 * 0.25)
    assert np.abs((ev["log_evidence"].values - truth.numpy()) / ev["mc_se"].values).max() < 4
    assert ev.attrs["bound"] == "none"


def test_statistics_of_weights_by_hand():
    weights = np.log([[1.0, 1.0], [3.0, 1.0]])
    np.testing.assert_allclose(log_mean_exp(weights), np.log([2, 1]))
    np.testing.assert_allclose(WeightStream.of(weights).effective_sample_size(), [16 / 10, 2])
    assert np.isnan(WeightStream.of(weights).standard_error()).all()  # of two weights there is none
    four = np.log([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [3.0, 1.0]])
    left = np.log([5 / 6, 5 / 6, 5 / 6, 3 / 6])  # of the sum, without one weight each
    np.testing.assert_allclose(WeightStream.of(four).standard_error(), [left.std() * 3, 0], atol=1e-9)


@pytest.mark.parametrize("true_k", [0.3, 1.2])
def test_pareto_shape_is_recovered_and_not_its_mirror(true_k):
    generator = np.random.default_rng(0)
    weights = true_k * generator.exponential(size=(20_000, 3))  # w = exp(lw) is Pareto with shape true_k
    np.testing.assert_allclose(WeightStream.of(weights).pareto()[0], true_k, atol=0.2)


def test_pareto_shape_says_when_it_cannot():
    assert np.isneginf(WeightStream.of(np.zeros((100, 1))).pareto()[0]).all()
    assert np.isnan(WeightStream.of(np.random.default_rng(0).normal(size=(20, 1))).pareto()[0]).all()


def evidence(nats, **attributes):
    import xarray as xr

    values = {"log_evidence": ("datum", np.array(nats)), "mc_se": ("datum", np.full(len(nats), 0.2))}
    common = {"estimator": "Exact", "bound": "exact", "dimensions": 10}
    return xr.Dataset(values, attrs={**common, **attributes})


BITS = {
    "binary": ({"kind": "binary"}, 1.0),
    "levels": ({"kind": "levels"}, 1.0),
    "dequantized 256": ({"kind": "unit", "dequantization": "uniform", "levels": 256}, 9.0),
    "dequantized 17": ({"kind": "unit", "dequantization": "uniform", "levels": 17}, 1 + math.log2(17)),
    "grey, not dequantized": ({"kind": "unit", "dequantization": "none", "levels": 256}, None),
    "real": ({"kind": "real"}, None),
}


@pytest.mark.parametrize("case", BITS.values(), ids=BITS)
def test_bits_per_dimension(case):
    attributes, expected = case
    summary = summarize(evidence([-10 * math.log(2)] * 4, **attributes))
    assert summary.bits_per_dim == (None if expected is None else pytest.approx(expected))


def test_summary_has_both_errors():
    summary = summarize(evidence([-1.0, -3.0, -1.0, -3.0], kind="binary"))
    assert summary.nats == -2
    assert summary.mc_se == pytest.approx(0.2 / 2)
    assert summary.data_se == pytest.approx(math.sqrt(4 / 3) / 2)
    assert "± 0.100 (Monte Carlo)" in str(summary)
    assert "± 0.577 (data)" in str(summary)


def test_evidence_carries_its_meaning():
    data = pyrogen.data.load("digits")
    torch.manual_seed(0)
    vae = pyrogen.create("vae", x_shape=data.x_shape, latent_size=2, hidden=(8,))
    ev = log_evidence(vae, data.test.take(12), IWAE(60), seed=4)
    expected = {
        "estimator": "IWAE",
        "bound": "lower",
        "num_samples": 60,
        "unit": "nats per datum",
        "dimensions": 64,
        "seed": 4,
        "data": "digits",
        "split": "test",
        "kind": "binary",
        "binarization": "dynamic",
    }
    assert expected.items() <= ev.attrs.items()
    assert ev.sizes == {"datum": 12, "k": 4}
    assert ev["log_evidence"].dtype == np.float64
    diagnostics = {"ess", "pareto_k", "k_curve", "k_curve_se"}
    assert set(ev.data_vars) == {"log_evidence", "mc_se", "jackknife", "psis", *diagnostics}
