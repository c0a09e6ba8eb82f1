"""Scores of outliers against closed forms, p-values that are exactly uniform, and the known failure of log p(x)."""

import itertools
import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from torch import nn

import pyrogen
from pyrogen import registry
from pyrogen.base import HasLogProb, Model
from pyrogen.data import Split, from_arrays, load
from pyrogen.data.dataset import alike
from pyrogen.inference import conformal_p_values, fit, gaps, likelihood_regret, outlier_scores, separation
from pyrogen.inference.latents.conformal import conformal_bounds
from pyrogen.inference.latents.outlier_scores import Scorer
from pyrogen.inference.latents.outliers import Outliers, crowds, shuffled_columns
from pyrogen.inference.programs.plain import Program
from pyrogen.inference.runs.probes import like_the_data_of


class Ball(Model, HasLogProb):
    """N(0, I) in many dimensions, whose mode is like none of its data."""

    def __init__(self, size=50):
        super().__init__()
        self.x_shape, self.kinds = torch.Size([size]), ("real",)

    def sample(self, n, y=None):
        return torch.randn(n, *self.x_shape)

    def log_prob(self, x, y=None):
        return dist.Normal(0.0, 1.0).expand(self.x_shape).to_event(1).log_prob(x)


def draws(n, seed, size=50):
    return torch.randn(n, size, generator=torch.Generator().manual_seed(seed))


# -- p-values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scores", [[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0], [1.0, 1.0, 2.0, 5.0, 5.0, 5.0]])
def test_p_values_are_exactly_uniform_whatever_ties_there_are(scores):
    # each of n + 1 exchangeable data is the new one with equal probability: the density of p is then the mean of those
    # intervals' densities, and it is 1 everywhere
    n = len(scores)
    bounds = [conformal_bounds(scores[:i] + scores[i + 1 :], np.array([scores[i]])) for i in range(n)]
    for p in (np.arange(n) + 0.5) / n:
        density = [float(((low < p) & (p < high)) / (high - low)) for (low,), (high,) in bounds]
        assert np.mean(density) == pytest.approx(1.0)


def test_the_upper_bound_is_a_valid_p_value():
    scores = [1.0, 1.0, 2.0, 5.0, 5.0, 5.0]
    upper = [conformal_bounds(scores[:i] + scores[i + 1 :], np.array([scores[i]]))[1].item() for i in range(6)]
    for level in (1 / 6, 0.5, 2 / 3):
        assert np.mean(np.array(upper) <= level + 1e-12) <= level + 1e-12


def test_the_rate_of_false_alarms_is_binomial():
    rng = np.random.default_rng(0)
    n, repeats, level = 19, 5_000, 0.1
    # many ties on purpose; one new datum for each calibration set, so that alarms are independent
    scores = rng.poisson(2.0, (repeats, n + 1)).astype(float)
    p = np.array([conformal_p_values(row[:-1], row[-1:], seed)[0] for seed, row in enumerate(scores)])
    error = math.sqrt(level * (1 - level) / repeats)
    assert abs(float((p <= level).mean()) - level) < 4 * error
    # without randomized ties it is not
    plain = np.array([conformal_bounds(row[:-1], row[-1:])[1][0] for row in scores])
    assert float((plain <= level).mean()) < level - 4 * error


def test_p_values_depend_on_the_seed_alone_and_refuse_what_is_none():
    known, asked = np.zeros(5), np.zeros(3)
    assert (conformal_p_values(known, asked, 1) == conformal_p_values(known, asked, 1)).all()
    assert (conformal_p_values(known, asked, 1) != conformal_p_values(known, asked, 2)).any()
    for known, asked in (([], [1.0]), ([1.0], [math.nan]), ([math.nan], [1.0])):
        with pytest.raises(ValueError, match="at least one calibration score and no NaN"):
            conformal_p_values(np.array(known), np.array(asked))


# -- ROC --------------------------------------------------------------------------------------------------------------


def test_the_area_is_that_of_scikit_learn_and_its_error_that_of_delong():
    rng = np.random.default_rng(0)
    a, b = rng.poisson(3.0, 30).astype(float), rng.poisson(2.0, 40).astype(float)
    found = separation(a, b)
    assert found.auc == pytest.approx(roc_auc_score([1] * 30 + [0] * 40, np.concatenate([a, b])))
    wins = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    assert found.error == pytest.approx(math.sqrt(wins.mean(1).var(ddof=1) / 30 + wins.mean(0).var(ddof=1) / 40))


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_the_interval_covers_the_known_area(shift):
    # two normals a distance apart: Φ(shift / √2)
    truth, rng, repeats = norm.cdf(shift / math.sqrt(2)), np.random.default_rng(1), 400
    found = [separation(shift + rng.standard_normal(25), rng.standard_normal(30)) for _ in range(repeats)]
    covered = np.mean([low <= truth <= high for low, high in (f.interval() for f in found)])
    assert abs(covered - 0.95) < 4 * math.sqrt(0.95 * 0.05 / repeats)
    spread = np.std([f.auc for f in found], ddof=1)
    assert np.mean([f.error for f in found]) == pytest.approx(spread, rel=0.15)


def test_sets_that_do_not_overlap_have_an_interval_all_the_same():
    apart = separation(np.arange(10, 20.0), np.arange(10.0))
    assert (apart.auc, apart.error) == (1.0, 0.0)
    low, high = apart.interval()
    assert 0.6 < low < 0.95
    assert high == 1.0
    turned = separation(np.arange(10.0), np.arange(10, 20.0)).interval()
    assert turned == pytest.approx((0.0, 1 - low))
    with pytest.raises(ValueError, match="at least two scores of outliers"):
        separation(np.zeros(1), np.zeros(5))


# -- scores -----------------------------------------------------------------------------------------------------------


def test_the_mode_of_a_ball_fools_its_density_and_not_typicality():
    model, data = Ball(), draws(200, 0)
    middle = 0.1 * draws(200, 1)
    own, strange = (outlier_scores(model, x, draws(500, 2)) for x in (data, middle))
    assert list(own["score_name"].values) == ["low evidence", "typicality"]
    assert "code distance" in own.attrs["left_out"]
    areas = {
        n: separation(strange["score"].sel(score_name=n), own["score"].sel(score_name=n))
        for n in own["score_name"].values
    }
    assert areas["low evidence"].auc == 0.0
    assert areas["typicality"].auc > 0.99
    assert (own["mc_se"] == 0).all()


def test_typicality_is_the_distance_from_the_mean_of_the_reference():
    model, x, reference = Ball(3), draws(7, 0, 3), draws(11, 1, 3)
    found = outlier_scores(model, x, reference, ["typicality"])["score"].values[0]
    expected = (model.log_prob(x) - model.log_prob(reference).mean()).abs()
    assert found == pytest.approx(expected.numpy(), abs=1e-5)


class Linear(nn.Module):
    """q(z|x) of a linear VAE with x = Wz + σε, off its best by a shift and a factor of the scale."""

    def __init__(self, decoder, sigma, shift=0.0, factor=1.0):
        super().__init__()
        self.precision = torch.eye(decoder.shape[1]) + decoder.T @ decoder / sigma**2
        self.best = torch.linalg.solve(self.precision, decoder.T / sigma**2)
        self.shift, self.factor = shift, factor

    def forward(self, x):
        mean = x.flatten(1) @ self.best.T + self.shift
        # the best independent coordinates have the precisions of the diagonal
        variance = (self.factor**2 / self.precision.diagonal()).expand_as(mean)
        return {"mean": mean, "variance": variance}


def linear(shift=0.0, factor=1.0, sigma=0.5):
    generator = torch.Generator().manual_seed(5)
    decoder = nn.Linear(2, 6, bias=False)
    decoder.weight.data = torch.randn(6, 2, generator=generator)
    encoder = Linear(decoder.weight.detach(), sigma, shift, factor)
    likelihood = {"name": "Normal", "scale": "fixed", "value": sigma}
    return pyrogen.vae(encoder=encoder, decoder=decoder, x_shape=(6,), latent_size=2, likelihood=likelihood), encoder


def test_regret_is_the_closed_form_of_a_linear_vae():
    shift, factor = torch.tensor([0.3, -0.2]), 1.5
    model, encoder = linear(shift, factor)
    x = model.sample(60)
    found = likelihood_regret(model, x, steps=150, num_samples=32)
    # KL(q ‖ p(z|x)) of the encoder less that of the best independent coordinates
    quadratic = 0.5 * shift @ encoder.precision @ shift
    expected = float(quadratic) + 2 * 0.5 * (factor**2 - 1 - math.log(factor**2))
    z = (found["regret"] - expected) / found["mc_se"]
    assert abs(float(found["regret"].mean()) - expected) < 0.02
    # what the climb does not reach is below the Monte-Carlo error of a datum
    assert float(np.sqrt((z**2).mean())) < 1.5


def test_an_encoder_at_its_best_has_no_regret():
    model, _ = linear()
    x = model.sample(60)
    found = likelihood_regret(model, x, steps=1000)
    assert abs(float(found["regret"].mean())) < 0.002
    assert (found["mc_se"] < 0.05).all()


def test_regret_leaves_model_and_generator_as_they_were_and_knows_no_data_outside_its_block():
    model, _ = linear(0.2)
    model.train()
    x, before = model.sample(66), torch.get_rng_state()
    found = likelihood_regret(model, x, steps=3)["regret"].values
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert found == pytest.approx(likelihood_regret(model, x, steps=3)["regret"].values, abs=0)
    assert found[:64] == pytest.approx(likelihood_regret(model, x[:64], steps=3)["regret"].values, abs=1e-5)


def test_regret_is_the_amortization_gap(pair):
    """One mechanism: of the same encoder both are the same within their errors, of a family with correlations too."""
    for posterior in ("DiagonalNormal", "FullRankNormal"):
        torch.manual_seed(0)
        model = pair(posterior=posterior)
        x = torch.bernoulli(torch.full((20, 1, 4, 4), 0.4))
        found = likelihood_regret(model, x, steps=150, num_samples=32)
        gap = gaps(model, x, estimator={"name": "IWAE", "k": 100}, num_samples=500, check=False)
        z = (found["regret"] - gap["amortization"]) / np.hypot(found["mc_se"], gap["amortization_se"])
        assert float(np.sqrt((z**2).mean())) < 1.5
        assert float(found["regret"].mean()) > 5 * float(np.sqrt((found["mc_se"] ** 2).sum())) / len(x)


def test_regret_refuses_guides_without_a_posterior_that_reads_features():
    model = pyrogen.create("vae-semi-supervised", x_shape=(1, 4, 4), classes=3, hidden=(8,))
    with pytest.raises(ValueError, match="these latents are discrete"):
        likelihood_regret(model, torch.zeros(3, 1, 4, 4))

    def program(x):
        with pyro.plate("n", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(len(x)), 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    def guide(x):
        with pyro.plate("n", len(x)):
            pyro.sample("z", dist.Normal(x / 2, 1.0))

    with pytest.raises(ValueError, match=r"the features that an encoder gives.*gaps\(model, x\)"):
        likelihood_regret(Program(program, guide), torch.zeros(3))


def test_regret_of_a_point_mass_is_refused(pair):
    with pytest.raises(ValueError, match="point mass"):
        likelihood_regret(pair(posterior="PointMass"), torch.zeros(3, 1, 4, 4))


def test_code_distance_is_that_of_mahalanobis():
    model, encoder = linear()
    x, reference = model.sample(9), model.sample(400)
    found = outlier_scores(model, x, reference, ["code distance"])["score"].values[0]
    codes, own = (t.double() @ encoder.best.T.double() for t in (x, reference))
    away, covariance = codes - own.mean(0), torch.cov(own.T)
    assert found == pytest.approx((away @ torch.linalg.inv(covariance) * away).sum(1).numpy(), rel=1e-4)


class Counted(Ball):
    """It tells how many data it was asked for."""

    def __init__(self, size):
        super().__init__(size)
        self.asked = []

    def log_prob(self, x, y=None):
        self.asked.append(len(x))
        return super().log_prob(x, y)


def test_the_reference_is_asked_once_for_all():
    model, reference = Counted(3), draws(11, 1, 3)
    scorer = Scorer(model, reference)
    found = [scorer(draws(n, n, 3)) for n in (5, 6, 7)]
    assert sorted(model.asked) == [5, 6, 7, 11]
    alone = outlier_scores(model, draws(6, 6, 3), reference)
    assert found[1].equals(alone)
    data = from_arrays(torch.randn(120, 3, generator=torch.Generator().manual_seed(0)).numpy())
    model.asked.clear()
    Outliers(limit=12).run(model, data)
    assert len(model.asked) == 5  # the reference, those that calibrate, the test data, and strangers of two sorts


def test_unknown_scores_and_those_without_means_are_refused():
    with pytest.raises(ValueError, match="score"):
        outlier_scores(Ball(), draws(3, 0), draws(3, 1), ["strangeness"])
    with pytest.raises(ValueError, match="encodes nothing"):
        outlier_scores(Ball(), draws(3, 0), draws(3, 1), ["code distance"])


# -- strangers, and the analysis --------------------------------------------------------------------------------------


def test_strangers_keep_marginals_and_kinds():
    x = torch.arange(24.0).reshape(6, 1, 2, 2).remainder(5).round()
    shuffled = shuffled_columns(x)
    assert shuffled.shape == x.shape
    assert torch.equal(shuffled.sort(0).values, x.sort(0).values)
    assert not torch.equal(shuffled, x)
    middle = crowds(x, 40)
    assert middle.shape == (40, 1, 2, 2)
    for i, j in itertools.product(range(2), range(2)):
        assert set(middle[:, 0, i, j].tolist()) <= set(x[:, 0, i, j].tolist())


@pytest.fixture(scope="module")
def digits():
    data = load("digits", kind="unit")
    torch.manual_seed(0)
    model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=4, hidden=(64,), likelihood="Normal")
    fit(model, data, epochs=8, batch_size=64, lr=3e-3, progress=False, validate=False, device="cpu")
    return model, data


def test_the_known_failure_of_log_p_is_shown(digits):
    found = Outliers(limit=80, draws=20, steps=10).run(*digits)
    areas = found.numbers["areas"]
    # smooth images in the midst of digits are more probable than digits: significantly below ½
    assert areas["crowd medians"]["low evidence"]["interval"][1] < 0.5
    assert areas["crowd medians"]["typicality"]["auc"] > areas["crowd medians"]["low evidence"]["auc"]
    assert areas["shuffled elements"]["low evidence"]["interval"][0] > 0.5
    assert found.verdict == "beware"
    assert "prefers crowd medians" in found.says
    assert [p.name for p in found.pictures] == ["outlier-scores", "evidence-of-strangers"]
    assert len({len(row) for row in found.table}) == 1


def test_the_analysis_says_where_it_does_not_apply(digits, pair):
    model, data = digits
    assert Outliers().refusal(model, data) == ""
    point = pair(x_shape=(1, 8, 8), posterior="PointMass", likelihood="Normal")
    assert "point mass" in Outliers().refusal(point, data)
    gan = pyrogen.create("gan-nonsaturating", x_shape=(2,))
    assert "neither an encoder nor a log p(x)" in Outliers().refusal(gan, data)
    few = from_arrays(np.random.default_rng(0).random((30, 1, 8, 8), np.float32), kind="unit")
    assert "fewer than 20" in Outliers().refusal(model, few)
    plane = pyrogen.create("vae", x_shape=(2,), latent_size=2, hidden=(), likelihood="Normal")
    with pytest.raises(ValueError, match=r"against='circle' has data of shape \(16,\), and 'spiral' of \(2,\)"):
        Outliers(against="circle").run(plane, load("spiral"))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("digits", {"kind": "unit"}),
        ("digits", {"kind": "unit", "dequantization": False}),
        ("digits", {"kind": "binary", "binarization": "static", "seed": 3}),
        ("digits", {"kind": "levels", "size": 4}),
        ("table", {}),
        ("table", {"standardize": False}),
    ],
)
def test_data_that_are_their_own_strangers_are_not_told_by_how_they_were_loaded(name, settings, tmp_path):
    values = np.random.default_rng(0).normal(5, 2, (60, 3))
    named = {"digits": "digits"}
    for table, shift in (("table", 0), ("shifted", 8)):
        np.savetxt(tmp_path / f"{table}.csv", values + shift, delimiter=",", header="a,b,c", comments="")
        named[table] = str(tmp_path / f"{table}.csv")
    data = load(named[name], **settings)
    strangers = Outliers(against=named[name])._strangers(data, data.test, 0)[named[name]]
    assert torch.allclose(strangers.x, data.test.x, atol=1e-6)
    if name == "table":
        sd = data.test.view.scale.sd if data.standardize else torch.ones(3, dtype=torch.float64)
        shifted = Outliers(against=named["shifted"])._strangers(data, data.test, 0)[named["shifted"]]
        assert torch.allclose(shifted.x.double() - data.test.x.double(), 8 / sd, atol=1e-5)
        assert shifted.log_jacobian == data.test.log_jacobian


@pytest.mark.parametrize(
    ("own", "settings", "strangers", "drawn"),
    [
        ("grey", {"kind": "unit"}, "floats", ("none", False)),
        ("grey", {"kind": "binary", "binarization": "static"}, "bits", ("none", False)),
        ("grey", {"kind": "binary", "binarization": "static"}, "grey", ("static", False)),
        ("bits", {"kind": "binary"}, "grey", ("dynamic", False)),
        ("floats", {"kind": "unit"}, "grey", ("none", False)),
        ("grey", {"kind": "unit"}, "grey", ("none", True)),
    ],
)
def test_strangers_are_drawn_as_the_data_were_where_they_have_something_to_draw(
    own, settings, strangers, drawn, tmp_path
):
    rng = np.random.default_rng(0)
    grey, y = rng.integers(0, 17, (60, 4, 4)).astype(np.uint8), rng.integers(0, 2, 60)
    grey[0, 0, :2] = 0, 16
    for name, x in (("grey", grey), ("bits", (grey > 8).astype(np.uint8)), ("floats", rng.random((60, 4, 4)))):
        np.savez(tmp_path / f"{name}.npz", x_train=x, y_train=y)
    files = {name: str(tmp_path / f"{name}.npz") for name in ("grey", "bits", "floats")}
    data = load(files[own], **settings)
    found = Outliers(against=files[strangers])._strangers(data, data.test, 0)[files[strangers]]
    assert (found.kind, found.binarization, found.dequantization) == (data.kind, *drawn)
    assert alike(files[strangers], vars(data)).describe() == alike(files[strangers], data.describe()).describe()


def test_other_data_are_put_in_the_units_of_those_that_were_standardized(tmp_path):
    rng = np.random.default_rng(0)
    for name, shift in (("own", 0.0), ("other", 8.0)):
        np.savez(tmp_path / f"{name}.npz", x_train=rng.normal(5 + shift, 2, (90, 3)), y_train=np.arange(90) % 3)
    np.savez(tmp_path / "wide.npz", x_train=rng.normal(5, 2, (90, 4)), y_train=np.arange(90) % 3)
    data = load(tmp_path / "own.npz")
    scale = data.train.view.scale
    assert scale is not None
    other = alike(str(tmp_path / "other.npz"), vars(data), scale)
    raw = load(tmp_path / "other.npz", standardize=False)
    torch.testing.assert_close(other.test.x, scale(raw.test.x))
    assert other.standardize
    model = pyrogen.create("vae", x_shape=(3,), latent_size=1, hidden=(), likelihood="Normal")
    fit(model, data, epochs=1, folder=tmp_path / "run", progress=False, device="cpu")
    assert torch.equal(like_the_data_of(tmp_path / "run", model, str(tmp_path / "other.npz")).test.x, other.test.x)
    with pytest.raises(ValueError, match=r"shape \(4,\), which cannot be standardized as others of shape \(3,\)"):
        alike(str(tmp_path / "wide.npz"), vars(data), scale)


def test_a_split_and_its_tensor_are_the_same_data(digits):
    model, data = digits
    part = data.test.take(5)
    a, b = (outlier_scores(model, x, data.valid.take(20), regret={"steps": 2}) for x in (part, part.x))
    assert a.equals(b)
    assert isinstance(part, Split)


def test_a_conditional_model_and_one_of_discrete_latents_are_scored_as_far_as_they_can_be():
    data = load("digits", kind="binary")
    told = pyrogen.create("vae-conditional", x_shape=(1, 8, 8), classes=10, latent_size=2, hidden=(8,))
    part = data.test.take(6)
    settings = {"reference": data.valid.take(12), "estimator": {"name": "IWAE", "k": 5}, "regret": {"steps": 2}}
    found = outlier_scores(told, part, **settings)
    assert found["score"].shape == (4, 6)
    assert found.attrs["left_out"] == ""
    flips = pyrogen.create(
        "vae", x_shape=(1, 8, 8), latent_size=3, hidden=(8,), prior="Bernoulli", posterior="Bernoulli"
    )
    found = outlier_scores(flips, part, **settings)
    assert list(found["score_name"].values) == ["low evidence", "typicality", "code distance"]
    assert found.attrs["left_out"].startswith("likelihood regret")


def test_a_head_without_latents_has_no_regret_and_its_evidence_all_the_same():
    data = load(registry.find("entry", "regression").details["data"])
    model = pyrogen.create("regression", **data.decides(registry.find("entry", "regression").load()), hidden=(4,))
    with pytest.raises(ValueError, match="draws no latents"):
        likelihood_regret(model, data.test)
    found = outlier_scores(model, data.test, data.valid)
    assert list(found["score_name"].values) == ["low evidence", "typicality"]
    assert "draws no latents" in found.attrs["left_out"]


def test_a_reason_is_given_once_for_all_scores_that_it_leaves_out():
    gan = pyrogen.create("gan-nonsaturating", x_shape=(40,))
    with pytest.raises(ValueError, match="no score of outliers: low evidence and typicality: ") as error:
        outlier_scores(gan, torch.zeros(4, 40), torch.ones(5, 40))
    assert str(error.value).count("typicality") == 1


def test_crowds_are_of_data_that_have_the_element():
    x = torch.tensor([[0.0, torch.nan], [2.0, 5.0], [2.0, torch.nan]]).repeat(20, 1)
    found = crowds(x, seed=0)
    assert torch.isfinite(found).all()
    assert (found[:, 1] == 5).all()
