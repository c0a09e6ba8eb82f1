"""Weights that pass by: every statistic against its formula on the whole array, and the likelihood that makes them fast."""

import itertools
import math
import tracemalloc
import warnings

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from arviz_stats.base import array_stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

import pyrogen
from pyrogen.inference import ELBO, IWAE, compare_evidence, log_evidence, log_weights, summarize
from pyrogen.inference.evidence import weights as core
from pyrogen.inference.evidence.weight_stream import KEPT, WeightStream
from pyrogen.inference.programs.contexts import seeded
from pyrogen.inference.programs.record import latents, log_prob, particles, record
from pyrogen.likelihoods.pixels import IndependentBernoulli

# ------------------------------------------------------------------------------------------------- naive formulas


def naive_curve(log_weights):
    total = len(log_weights)
    ks = [k for k in (1, 5, 50, 500, 5000) if k < total]
    groups = [log_weights[: total // k * k].reshape(total // k, k, -1) for k in ks]
    bounds = [logsumexp(g, 1) - math.log(g.shape[1]) for g in groups]
    return [*ks, total], [*(b.mean(0) for b in bounds), logsumexp(log_weights, 0) - math.log(total)], bounds


def naive_jackknife(log_weights):
    k = len(log_weights)
    whole = logsumexp(log_weights, 0) - math.log(k)
    without = [logsumexp(np.delete(log_weights, i, 0), 0) - math.log(k - 1) for i in range(k)]
    return k * whole - (k - 1) * np.mean(without, 0)


def naive_error(log_weights):
    """The jackknife's, from the log-mean-exps without one weight each, as wide as a Student t is."""
    k = len(log_weights)
    if k < 4:
        return np.full(log_weights.shape[1], np.nan)
    without = np.stack([logsumexp(np.delete(log_weights, i, 0), 0) for i in range(k)]) - logsumexp(log_weights, 0)
    left = np.maximum(without, np.log(np.finfo(float).eps))
    return left.std(0) * np.sqrt((k - 1) * (k - 1) / (k - 3))


def naive_psis(column):
    """psislw on the whole array, its normalization undone: what lies below the tail is not smoothed."""
    normalized, shape = array_stats.psislw(-column)
    lowest = column.argmin()
    return logsumexp(normalized - normalized[lowest] + column[lowest]) - math.log(len(column)), shape


def in_parts(log_weights, sizes):
    stream, turns = WeightStream(*log_weights.shape), itertools.cycle(sizes)
    while len(log_weights):
        size = next(turns)
        stream.add(log_weights[:size])
        log_weights = log_weights[size:]
    return stream


KINDS = {
    "light": lambda g, shape: g.normal(size=shape),
    "heavy": lambda g, shape: 1.5 * g.exponential(size=shape),
    "wide": lambda g, shape: 60 * g.normal(size=shape),
    "one alone": lambda g, shape: np.where(np.arange(shape[0])[:, None] == shape[0] // 2, 40.0, g.normal(size=shape)),
    "rising": lambda g, shape: np.linspace(-900, 0, shape[0])[:, None] + g.normal(size=shape),
}


@pytest.mark.rotating
@settings(max_examples=25)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    total=st.one_of(st.integers(1, 130), st.integers(KEPT - 2, 7000)),
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=3).filter(lambda s: sum(s) > 100),
    center=st.sampled_from([0.0, -90.0, -27_000.0, 800.0]),
    seed=st.integers(0, 99),
)
def test_every_statistic_is_that_of_all_weights_at_once(kind, total, sizes, center, seed):
    log_weights = center + KINDS[kind](np.random.default_rng(seed), (total, 3))
    stream = in_parts(log_weights, sizes)
    close = {"rtol": 1e-12, "atol": 1e-9}
    ks, curve, bounds = naive_curve(log_weights)
    found_ks, found, errors = stream.k_curve()
    assert found_ks.tolist() == ks
    np.testing.assert_allclose(found, curve, **close)
    assert np.isnan(errors[-1]).all()
    for error, bound in zip(errors, bounds, strict=False):
        if len(bound) > 1:
            np.testing.assert_allclose(error, bound.std(0, ddof=1) / len(bound) ** 0.5, rtol=1e-8)
        else:
            assert np.isnan(error).all()
    np.testing.assert_allclose(stream.log_mean(), curve[-1], **close)
    scaled = np.exp(log_weights - log_weights.max(0))
    ess = scaled.sum(0) ** 2 / (scaled**2).sum(0)
    np.testing.assert_allclose(stream.effective_sample_size(), ess, rtol=1e-10)
    np.testing.assert_allclose(stream.standard_error(), naive_error(log_weights), rtol=1e-3, atol=1e-6)
    mean, error = stream.mean()
    np.testing.assert_allclose(mean, log_weights.mean(0), **close)
    if total > 1:
        np.testing.assert_allclose(error, log_weights.std(0, ddof=1) / total**0.5, rtol=1e-8)


@pytest.mark.parametrize("total", [2, 3, 26, 400, KEPT + 1, 1600])
@pytest.mark.parametrize("kind", ["light", "heavy", "one alone"])
def test_jackknife_is_the_naive_one(kind, total):
    log_weights = -90 + KINDS[kind](np.random.default_rng(0), (total, 2))
    np.testing.assert_allclose(in_parts(log_weights, [700]).jackknife(), naive_jackknife(log_weights), atol=1e-9)


def test_jackknife_removes_the_bias_of_first_order():
    """E log of a mean of k log-normal weights lies σ²/2k below; JVI-1 lies nearer."""
    log_weights = 0.8 * np.random.default_rng(0).normal(size=(20, 20_000)) - 0.32
    stream = WeightStream.of(log_weights)
    assert stream.log_mean().mean() < -0.015
    assert abs(stream.jackknife().mean()) < 0.005


def test_jackknife_of_one_weight_is_not_there():
    assert np.isnan(WeightStream.of(np.zeros((1, 2))).jackknife()).all()


@pytest.mark.parametrize("total", [25, 26, 100, 224, 226, 1000, 5000, 20_000])
@pytest.mark.parametrize("kind", ["light", "heavy", "wide"])
def test_smoothed_weights_are_those_of_psislw_on_the_whole_array(kind, total):
    log_weights = -27_000 + KINDS[kind](np.random.default_rng(1), (total, 2))
    shapes, smoothed = in_parts(log_weights, [700]).pareto()
    for i, column in enumerate(log_weights.T):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of arviz, that k̂ is high
            expected, shape = naive_psis(column)
        assert shapes[i] == pytest.approx(shape, abs=1e-9)
        assert smoothed[i] == pytest.approx(expected, abs=1e-9)
    if kind == "heavy" and total >= 1000:
        assert (smoothed != in_parts(log_weights, [700]).log_mean()).all()


def test_smoothing_tames_the_largest_weight():
    """E w = 2 for Pareto weights with shape ½, whose largest of 500 make the plain mean jump."""
    log_weights = 0.5 * np.random.default_rng(0).exponential(size=(500, 2000))
    plain, smoothed = WeightStream.of(log_weights).log_mean(), WeightStream.of(log_weights).pareto()[1]
    assert ((smoothed - math.log(2)) ** 2).mean() < ((plain - math.log(2)) ** 2).mean()


NO_FIT = {
    "equal weights": (np.full((100, 2), -90.0), -np.inf),
    "equal but for rounding": (-90.0 + 1e-5 * np.random.default_rng(0).uniform(size=(100, 2)), -np.inf),
    "a largest value that many have": (np.minimum(np.random.default_rng(0).normal(size=(100, 2)), 0.0), -np.inf),
    "few": (np.random.default_rng(0).normal(size=(24, 2)), np.nan),
    "one": (np.zeros((1, 2)), np.nan),
    "no weight at all": (np.full((100, 2), -np.inf), np.nan),
}


@pytest.mark.parametrize(("log_weights", "shape"), NO_FIT.values(), ids=NO_FIT)
def test_without_a_tail_nothing_is_smoothed(log_weights, shape):
    stream = WeightStream.of(log_weights)
    shapes, smoothed = stream.pareto()
    np.testing.assert_array_equal(shapes, shape)
    np.testing.assert_allclose(smoothed, stream.log_mean())


@pytest.mark.parametrize("scale", [1e4, 1e17, 1e100, 1e300])
def test_an_extreme_datum_leaves_the_others_their_diagnostics(scale):
    log_weights = np.random.default_rng(0).normal(size=(1000, 3))
    alone = WeightStream.of(log_weights[:, ::2])
    log_weights[:, 1] *= scale
    stream = WeightStream.of(log_weights)
    assert np.isnan(stream.pareto()[0]).tolist() == [False, True, False]
    for name in ("log_mean", "standard_error", "effective_sample_size", "jackknife"):
        np.testing.assert_array_equal(getattr(stream, name)()[::2], getattr(alone, name)())
    np.testing.assert_array_equal(np.stack(stream.pareto())[:, ::2], np.stack(alone.pareto()))
    np.testing.assert_allclose(stream.log_mean()[1], log_weights[:, 1].max() - math.log(1000))


@pytest.mark.parametrize("spread", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("total", [1, 2, 3, 4, 5, 6, 8, 10, 16, 30])
def test_the_error_is_the_spread_of_the_estimate_or_none(total, spread):
    """50,000 estimates of log 1 from lognormal weights; the delta method's error was 1.5 to 2 times too small at 4 to 6."""
    draws = np.random.default_rng(total).normal(-(spread**2) / 2, spread, (total, 50_000))
    stream = WeightStream.of(draws)
    error = stream.standard_error()
    if total < 4:
        assert np.isnan(error).all()
        return
    z = stream.log_mean() / error
    assert np.abs(z).max() < np.inf
    # a t of 3 or 4 degrees of freedom has no fourth moment, and so its spread an error of its own
    assert z.std() == pytest.approx(1, abs=0.08 if total > 5 else 0.15)
    assert (np.abs(z) < 2).mean() == pytest.approx(0.95, abs=0.02)


def test_weights_of_zero_count_as_such():
    log_weights = np.random.default_rng(0).normal(size=(3000, 2))
    log_weights[::2] = -np.inf
    stream = in_parts(log_weights, [400])
    np.testing.assert_allclose(stream.log_mean(), logsumexp(log_weights, 0) - math.log(3000))
    np.testing.assert_array_equal(stream.mean()[0], -np.inf)
    assert np.isfinite(stream.k_curve()[1][-1]).all()
    assert np.isfinite(stream.pareto()[1]).all()


def test_a_weight_that_is_no_number_spoils_its_datum_only():
    log_weights = np.random.default_rng(0).normal(size=(2000, 2))
    log_weights[3, 0] = np.nan
    stream = in_parts(log_weights, [300])
    assert np.isnan(stream.log_mean()).tolist() == [True, False]
    assert np.isnan(stream.pareto()[0]).tolist() == [True, False]


# ------------------------------------------------------------------------------------------------------- in memory


def peak_of_a_stream(total):
    stream, part = WeightStream(total, 10), np.random.default_rng(0).normal(size=(5000, 10))
    tracemalloc.start()
    for _ in range(total // len(part)):
        stream.add(part)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_of_a_stream_does_not_grow():
    assert peak_of_a_stream(1_000_000) < 1.5 * peak_of_a_stream(20_000) < 15e6


class Largest(TorchDispatchMode):
    """How many numbers the largest tensor has that is made inside."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for t in made if isinstance(made, (tuple, list)) else [made]:
            # bytes are the block that is freed untouched, for the allocator to see
            if isinstance(t, torch.Tensor) and t.dtype != torch.uint8:
                self.numbers = max(self.numbers, t.untyped_storage().nbytes() // t.element_size())
        return made


@pytest.mark.parametrize("estimator", [IWAE(20_000), ELBO(num_samples=20_000)], ids=["IWAE", "ELBO"])
def test_no_tensor_is_larger_than_what_is_decoded_at_once(pair, draws, estimator):
    vae, x = pair(), draws("binary", 13, 1, 4, 4)
    with Largest() as seen:
        log_evidence(vae, x, estimator)
    assert seen.numbers <= max(1000 * 16, core.TOGETHER * 10)
    with Largest() as seen:
        log_weights(vae, x[:10], 10_000)
    assert seen.numbers >= 100_000


def test_weights_of_a_guide_that_is_certain_are_repeated_in_large_parts():
    row = torch.arange(10.0).unsqueeze(0)
    for rows, times, parts in ((1, 5000, 1), (1, 12_001, 3), (700, 10, 2)):
        found = list(core._gather(iter([row.expand(rows, -1)]), times))
        assert len(found) == parts
        assert torch.equal(torch.cat(found), row.expand(rows * times, -1))


# ---------------------------------------------------------------------------------------------- the draws, by place


def by_place(pair, x, num_samples, seed):
    """Weights by the definition: in blocks of 100 draws and 10 data the guide is run anew under the seed of its place."""
    columns = []
    for block, some in enumerate(x.split(10)):
        rows = []
        for b in range(-(-num_samples // 100)):
            with torch.no_grad(), particles(100):
                with seeded(int(np.random.SeedSequence(seed, spawn_key=(block, b)).generate_state(1)[0])):
                    drawn = record(pair.guide, some, None)
                scored = record(pair.model, some, None, latents(drawn))
            log_p = sum(log_prob(s).double() for s in scored.values())
            rows.append(log_p - sum(log_prob(s).double() for s in drawn.values()))
        columns.append(torch.cat(rows)[:num_samples])
    return torch.cat(columns, 1).numpy()


@pytest.mark.parametrize("posterior", ["DiagonalNormal", "FullRankNormal"])
@pytest.mark.parametrize("chunk_size", [1, 7, 100, 130, 1000])
def test_draws_are_those_of_their_place(pair, draws, posterior, chunk_size):
    vae, x = pair(posterior=posterior), draws("binary", 12, 1, 4, 4)
    found = log_weights(vae, x, 230, chunk_size=chunk_size, seed=5)
    np.testing.assert_allclose(found, by_place(vae, x, 230, 5), atol=1e-4)


def test_data_are_encoded_once_a_block(pair, draws):
    vae, x, calls = pair(), draws("binary", 10, 1, 4, 4), []
    vae.encoder.register_forward_hook(lambda *_: calls.append(1))
    log_weights(vae, x, 100)
    once, calls[:] = len(calls), []
    log_weights(vae, x, 1000)
    assert len(calls) == once


def test_latents_that_follow_others_are_drawn_anew():
    """A guide of two latents, the second of which depends on the first: E w is p(x) only if its densities are fresh."""

    def model(x):
        with pyro.plate("n", x.shape[0]):
            a = pyro.sample("a", dist.Normal(torch.zeros_like(x), 1.0))
            b = pyro.sample("b", dist.Normal(a, 1.0))
            pyro.sample("x", dist.Normal(b, 1.0), obs=x)

    def guide(x):
        with pyro.plate("n", x.shape[0]):
            a = pyro.sample("a", dist.Normal(x / 3, math.sqrt(2 / 3)))
            pyro.sample("b", dist.Normal((a + x) / 2, math.sqrt(0.5)))

    x = torch.tensor([0.3, 1.0, -2.0])
    truth = torch.distributions.Normal(0.0, math.sqrt(3)).log_prob(x).numpy()
    np.testing.assert_allclose(log_weights((model, guide), x, 350), np.broadcast_to(truth, (350, 3)), atol=1e-5)


@pytest.mark.parametrize("plain", [False, True], ids=["pair", "tuple"])
@pytest.mark.parametrize("chunk_size", [30, 100, 6000])
def test_estimates_are_those_of_the_weights(pair, draws, chunk_size, plain):
    vae, x = pair(), draws("binary", 11, 1, 4, 4)
    scored = (vae.model, vae.guide) if plain else vae
    weights = log_weights(scored, x, 5600, seed=2).values
    ev = log_evidence(scored, x, IWAE(5600), seed=2, chunk_size=chunk_size)
    np.testing.assert_allclose(ev["log_evidence"], logsumexp(weights, 0) - math.log(5600), atol=1e-5)
    assert ev["k"].values.tolist() == [1, 5, 50, 500, 5000, 5600]
    np.testing.assert_allclose(ev["k_curve"], naive_curve(weights)[1], atol=1e-4)
    np.testing.assert_allclose(ev["jackknife"], WeightStream.of(weights).jackknife(), atol=1e-4)
    np.testing.assert_allclose(ev["psis"], [naive_psis(column)[0] for column in weights.T], atol=1e-4)
    np.testing.assert_allclose(ev["pareto_k"], [naive_psis(column)[1] for column in weights.T], atol=0.02)
    for name in ("jackknife", "psis"):
        assert ev[name].attrs["bound"] == "none"
        assert ev[name].attrs["long_name"]
    elbo = log_evidence(scored, x, ELBO(num_samples=5600), seed=2, chunk_size=chunk_size)
    np.testing.assert_allclose(elbo["log_evidence"], weights.mean(0), atol=1e-5)
    np.testing.assert_allclose(elbo["mc_se"], weights.std(0, ddof=1) / 5600**0.5, rtol=1e-4)


def test_standardized_data_shift_every_estimate(pair):
    """A variable in nats of the data as they were, and its neighbours too."""
    data = pyrogen.data.load("ring")
    vae = pair(x_shape=data.x_shape, likelihood="Normal")
    split = data.test.take(5)
    raw = log_evidence(vae, split.x, IWAE(50))
    shifted = log_evidence(vae, split, IWAE(50))
    for name in ("log_evidence", "jackknife", "psis", "k_curve"):
        np.testing.assert_allclose(shifted[name] - raw[name], split.log_jacobian, atol=1e-5)
    np.testing.assert_allclose(shifted["k_curve_se"], raw["k_curve_se"])


def test_a_tensor_of_standardized_numbers_is_not_taken_for_raw_values(pair):
    """Tens of nats lie between the two densities, and a tensor does not know how many."""
    data = pyrogen.data.load("ring")
    vae = pair(x_shape=data.x_shape, likelihood="Normal")
    vae.standardized = True  # as fit leaves it
    split = data.test.take(5)
    raw, own = log_evidence(vae, split, IWAE(50)), log_evidence(vae, split.x, IWAE(50))
    assert "nats per datum  " in str(summarize(raw))
    assert "nats per datum of standardized numbers" in str(summarize(own))
    with pytest.raises(ValueError, match="unit nats per datum of standardized numbers and nats per datum"):
        compare_evidence({"raw": raw, "own": own})


# ----------------------------------------------------------------------------------------------- Bernoulli, in one go


def by_torch(logits, value, rank):
    return torch.distributions.Bernoulli(logits=logits, validate_args=False).log_prob(value).flatten(-rank).sum(-1)


def bits(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).round()


@settings(max_examples=40)
@given(
    event=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    scale=st.sampled_from([0.0, 1.0, 100.0, 1e4]),
    seed=st.integers(0, 99),
)
def test_bernoulli_is_torchs_in_double_precision(event, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(4, 3, *event, generator=generator, dtype=torch.float64)
    x = bits(3, *event, seed=seed).double()
    found = IndependentBernoulli(logits, len(event)).log_prob(x)
    torch.testing.assert_close(found, by_torch(logits, x.expand_as(logits), len(event)), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("margin", [0.5, 6.0, 17.0, 100.0, 1e4])
def test_bernoulli_loses_nothing_in_single_precision(margin):
    """Where the pixels agree with their logits the sum is small, and what cancels must not cost its digits."""
    x = bits(50, 784)
    logits = margin * (2 * x - 1) * (1 + torch.rand(50, 784) / 10)
    found = IndependentBernoulli(logits, 1).log_prob(x)
    exact = by_torch(logits.double(), x.double(), 1)
    torch.testing.assert_close(found.double(), exact, rtol=3e-7, atol=784 * 6e-8)


def test_bernoulli_sums_to_one():
    states = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6).reshape(64, 2, 3)
    for scale in (0.0, 1.0, 5.0, 50.0):
        p = IndependentBernoulli(scale * torch.randn(2, 3, dtype=torch.float64), 2)
        assert float(p.log_prob(states.double()).exp().sum()) == pytest.approx(1, abs=1e-12)


BROADCAST = {
    "many logits, one datum each": ((5, 4, 2, 3), (4, 2, 3)),
    "many data, one logit each": ((4, 2, 3), (5, 4, 2, 3)),
    "both": ((5, 1, 2, 3), (1, 4, 2, 3)),
    "one pixel wide": ((4, 1), (4, 1)),
}


@pytest.mark.parametrize(("logits", "value"), BROADCAST.values(), ids=BROADCAST)
def test_bernoulli_broadcasts_with_its_gradients(logits, value):
    rank = 1 if len(value) == 2 else 2
    tensors = [torch.randn(*logits).double().requires_grad_(), torch.rand(*value).double().requires_grad_()]
    found = IndependentBernoulli(tensors[0], rank, validate_args=False).log_prob(tensors[1])  # of grey values too
    expected = by_torch(*torch.broadcast_tensors(*tensors), rank)
    torch.testing.assert_close(found, expected)
    weight = torch.rand_like(expected)
    for a, b in zip(
        torch.autograd.grad((found * weight).sum(), tensors),
        torch.autograd.grad((expected * weight).sum(), tensors),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_bernoulli_gradients_of_both_orders():
    logits = (3 * torch.randn(3, 4, 5, dtype=torch.float64)).requires_grad_()
    x = torch.rand(4, 5, dtype=torch.float64).requires_grad_()

    def score(logits, x):
        return IndependentBernoulli(logits, 1, validate_args=False).log_prob(x)

    assert torch.autograd.gradcheck(score, (logits, x))
    assert torch.autograd.gradgradcheck(score, (logits, x))


@pytest.mark.parametrize("extreme", [-1e4, -100.0, 100.0, 1e4])
def test_bernoulli_gradient_at_the_ends(extreme):
    logits = torch.full((2, 40), extreme, requires_grad=True)
    x = bits(2, 40)
    (gradient,) = torch.autograd.grad(IndependentBernoulli(logits, 1).log_prob(x).sum(), logits)
    torch.testing.assert_close(gradient, x - float(extreme > 0))


def test_bernoulli_in_half_precision_is_summed_in_single():
    logits, x = (3 * torch.randn(6, 784)).bfloat16().requires_grad_(), bits(6, 784)
    for value in (x, x.bfloat16()):
        found = IndependentBernoulli(logits, 1).log_prob(value)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), by_torch(logits.double(), x.double(), 1), rtol=1e-6, atol=1e-4)
        (gradient,) = torch.autograd.grad(found.sum(), logits)
        assert gradient.dtype == torch.bfloat16


def test_bernoulli_step_can_be_recorded():
    """Loss and gradient in one graph, replayed on other numbers."""

    def step(logits, x):
        logits = logits.detach().requires_grad_()
        loss = IndependentBernoulli(logits, 1).log_prob(x).sum()
        return loss, torch.autograd.grad(loss, logits)[0]

    with pyro.validation_enabled(False):
        graph = make_fx(step)(torch.randn(3, 7), bits(3, 7))
        for _ in range(2):
            inputs = torch.randn(3, 7), bits(3, 7, seed=1)
            for found, expected in zip(graph(*inputs), step(*inputs), strict=True):
                torch.testing.assert_close(found, expected)


def test_bernoulli_under_vmap():
    logits, x = torch.randn(4, 3, 5), bits(3, 5)
    with pyro.validation_enabled(False):
        found = torch.func.vmap(lambda one: IndependentBernoulli(one, 1).log_prob(x))(logits)
    torch.testing.assert_close(found, by_torch(logits, x.expand_as(logits), 1))


def test_bernoulli_keeps_a_distributions_manners():
    logits = torch.randn(3, 2, 4)
    p = IndependentBernoulli(logits, 2)
    assert (p.batch_shape, p.event_shape, p.has_rsample) == ((3,), (2, 4), False)
    assert p.expand((5, 3)).log_prob(bits(2, 4)).shape == (5, 3)
    torch.testing.assert_close(p.mean, torch.sigmoid(logits))
    torch.testing.assert_close(p.variance, torch.distributions.Bernoulli(logits=logits).variance)
    torch.manual_seed(0)
    sample = p.sample((2,))
    torch.manual_seed(0)
    assert torch.equal(sample, torch.distributions.Bernoulli(logits=logits).sample((2,)))
    masked = p.mask(torch.tensor([True, False, True])).log_prob(bits(3, 2, 4))
    assert (masked == 0).tolist() == [False, True, False]
    with pyro.validation_enabled(True):
        with pytest.raises(ValueError, match="within the support"):
            IndependentBernoulli(logits, 2).log_prob(torch.full((3, 2, 4), 0.5))
        with pytest.raises(ValueError, match="parameter logits"):
            IndependentBernoulli(logits * math.nan, 2)


def test_bernoulli_copies_no_data_for_each_draw():
    """One datum under many draws: nothing of the size of all is made but the sizes of the logits and what is summed."""
    logits, x = torch.randn(50, 4, 64), bits(4, 64)
    made = []

    class Count(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor) and not func._schema.name.endswith("_"):
                made.append(out.numel() if out._base is None else 0)
            return out

    with pyro.validation_enabled(False), torch.no_grad(), Count():
        IndependentBernoulli(logits, 1).log_prob(x)
    assert sum(n >= logits.numel() for n in made) == 2
