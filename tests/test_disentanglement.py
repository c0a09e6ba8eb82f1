"""Scores of disentanglement: 1 for perfect codes, 0 for shuffled factors; and the critic that tells total correlation."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.base import Batch
from pyrogen.data import from_arrays, load
from pyrogen.data.factors import IndependentFactors
from pyrogen.inference import ELBO, TotalCorrelation, disentanglement, fit
from pyrogen.inference.metrics.disentanglement import disentanglement_of, factor_probe
from pyrogen.inference.objectives.factor import shuffled, told_apart
from pyrogen.inference.representations import factor_scores
from pyrogen.inference.representations.disentanglement import Disentangled, known_factors, random_codes
from pyrogen.inference.representations.factor_scores import SCORES

# every combination of three factors of four values, eight times
GRID = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3).repeat(8, 0)
RULES = sorted({rule for _, rule in SCORES.values()}, key=lambda rule: rule.__name__)
QUARTER_TURN = np.array([[1, 1, 0], [1, -1, 0], [0, 0, 2**0.5]]) / 2**0.5


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_perfect_codes_score_one(rule):
    # in another order, each turned about and bent
    codes = np.column_stack([-(GRID[:, 2] ** 3), np.exp(GRID[:, 0]), 5.0 * GRID[:, 1]]).astype(float)
    whole = codes, GRID
    assert rule(whole, whole, np.random.default_rng(0)) == pytest.approx(
        dict.fromkeys(rule(whole, whole, np.random.default_rng(0)), 1.0)
    )


@pytest.mark.parametrize("name", SCORES)
def test_perfect_codes_score_one_beside_a_factor_that_never_varies(name):
    factors, codes = np.column_stack([np.full(len(GRID), 2), GRID]), np.column_stack([GRID, GRID[:, 0] * 0])
    found = disentanglement(codes.astype(float), factors, [name], repeats=1)
    assert float(found[name].mean()) == pytest.approx(1, abs=1e-6)
    assert (found.attrs["factors"], found.attrs["left_out"]) == (3, 1)
    with pytest.raises(ValueError, match="1 of 2 factors have several values"):
        disentanglement(codes.astype(float), factors[:, :2], [name])


@pytest.mark.parametrize("name", SCORES)
def test_shuffled_factors_score_nothing(name):
    rng = np.random.default_rng(0)
    factors = np.column_stack([rng.permutation(column) for column in GRID.T])
    codes = GRID + 0.1 * rng.standard_normal(GRID.shape)
    found = disentanglement(codes, factors, [name], repeats=4)[name]
    # votes of 500, or some 250 data: what guesses is right within that
    assert abs(float(found.mean())) < 0.08


def test_factors_that_are_independent_of_the_codes_have_no_information_at_all():
    # every code beside every value of the factor equally often: information 0, and its estimate not above what chance gives
    code, factor = np.divmod(np.arange(400), 20)
    known = factor_scores.mutual_informations(np.column_stack([code, code]), np.column_stack([factor % 4, factor % 5]))
    assert (known <= 0).all()


def test_information_is_that_of_a_noisy_channel():
    # a binary symmetric channel with errors of one in ten: I / H = 1 − H(0.1) / log 2
    rng = np.random.default_rng(0)
    f = rng.integers(2, size=(200_000, 2))
    codes = np.where(rng.random(f.shape) < 0.1, 1 - f, f).astype(float)
    known = factor_scores.mutual_informations(codes, f)
    exact = 1 + (0.1 * math.log(0.1) + 0.9 * math.log(0.9)) / math.log(2)
    assert known == pytest.approx(exact * np.eye(2), abs=0.01)


def test_turned_codes_are_not_disentangled_and_are_as_informative():
    rng = np.random.default_rng(0)
    codes = GRID + 0.01 * rng.standard_normal(GRID.shape)
    own, turned = (disentanglement(z, GRID).mean() for z in (codes, (codes - 1.5) @ QUARTER_TURN))
    for name in ("mig", "sap", "disentangled", "complete"):
        assert float(own[name] - turned[name]) > 0.3
    assert float(turned["informative"]) > 0.9


def test_a_score_does_not_depend_on_which_others_are_asked_for():
    codes = GRID + 0.5 * np.random.default_rng(0).standard_normal(GRID.shape)
    every, one = disentanglement(codes, GRID, seed=3), disentanglement(codes, GRID, ["complete"], seed=3)
    assert list(one) == ["complete"]
    assert (every["complete"] == one["complete"]).all()
    assert not every.equals(disentanglement(codes, GRID, seed=4))


def test_codes_that_hardly_vary_do_not_vote():
    idle = np.column_stack([GRID.astype(float), 1e-4 * np.random.default_rng(0).standard_normal(len(GRID))])
    assert float(disentanglement(idle, GRID, ["factor_vae"])["factor_vae"].mean()) == 1.0
    still = np.zeros((len(GRID), 2))
    found = disentanglement(still, GRID, ["factor_vae", "mig", "disentangled"])
    assert all(float(value) == 0 for value in found.mean().data_vars.values())


def test_the_classifier_of_pairs_converges_on_entangled_codes():
    # mean distances lie far from 0 beside their spread; a classifier that has not converged warns, which is an error here
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 6, (400, 5))
    codes = sum((j + 1) * rng.standard_normal((6, 10))[factors[:, j]] for j in range(5))
    codes += rng.standard_normal(codes.shape)
    found = disentanglement(codes, factors, ["beta_vae"], repeats=2)["beta_vae"]
    assert 0.2 < float(found.mean()) < 0.9


@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (np.zeros((50, 3)), np.zeros((50, 1), int), r"with F >= 2; got \(50, 3\) and int64 \(50, 1\)"),
        (np.zeros((50, 3)), np.zeros((50, 2)), r"factors whole numbers .*; got .* and float64 \(50, 2\)"),
        (np.zeros((50, 1)), np.zeros((50, 2), int), r"codes of at least 2 numbers; got \(50, 1\)"),
        (np.full((50, 3), math.nan), np.zeros((50, 2), int), "finite codes .*, not finite: 150"),
        (np.zeros((9, 3)), np.zeros((9, 2), int), r"at least 20 .*; got \(9, 3\)"),
        (np.zeros((50, 3)), np.zeros((49, 2), int), r"got \(50, 3\) and int64 \(49, 2\)"),
    ],
    ids=["one factor", "real factors", "one number", "not finite", "few data", "other data"],
)
def test_what_cannot_be_scored_is_refused(codes, factors, message):
    with pytest.raises(ValueError, match=message):
        disentanglement(codes, factors)


def test_unknown_scores_are_refused():
    with pytest.raises(ValueError, match="mgi"):
        disentanglement(GRID.astype(float), GRID, ["mgi"])


# -- data -------------------------------------------------------------------------------------------------------------


def test_no_covariance_knows_the_factors():
    law = IndependentFactors()
    x, f = law.sample(100_000, torch.Generator().manual_seed(1))
    values = torch.linalg.eigvalsh(torch.cov(x.T)).flip(0)
    exact = torch.tensor([4.0 + law.sigma**2] * 4 + [law.sigma**2] * 12)
    assert torch.allclose(values, exact, rtol=0.03)
    assert torch.corrcoef(f.T.double()).fill_diagonal_(0).abs().max() < 0.02
    # the mixing gives them back
    found = x @ law.mixing / 4
    assert torch.allclose(found, law.scores(f), atol=1.0)


def test_the_named_data_know_their_factors():
    data = load("independent-factors")
    assert known_factors(data) == ("factor 1", "factor 2", "factor 3", "factor 4")
    assert known_factors(load("digits")) == ()
    assert known_factors(load("ring")) == ()


# -- the critic -------------------------------------------------------------------------------------------------------


def test_shuffling_keeps_marginals_and_breaks_dependence():
    z = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0)).expand(-1, 3).contiguous()
    apart = shuffled(z)
    assert torch.equal(apart.sort(0).values, z.sort(0).values)
    assert torch.corrcoef(apart.T).fill_diagonal_(0).abs().max() < 0.06


class Ratio(nn.Module):
    """The best critic of two normals of correlation r: its log odds are the log ratio of both densities."""

    def __init__(self, r):
        super().__init__()
        self.joint = torch.distributions.MultivariateNormal(torch.zeros(2), torch.tensor([[1.0, r], [r, 1.0]]))
        self.product = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))

    def forward(self, z):
        return torch.stack([self.joint.log_prob(z), self.product.log_prob(z)], -1)


def test_the_best_critic_tells_total_correlation():
    # −½ log (1 − r²), and no critic has a smaller cross entropy
    r, best = 0.8, Ratio(0.8)
    z = best.joint.sample((100_000,))
    joint, product = best(z).unbind(-1)
    assert float((joint - product).mean()) == pytest.approx(-0.5 * math.log(1 - r**2), abs=0.01)
    other = shuffled(z)
    least = told_apart(best, z, other)
    assert least < min(told_apart(Ratio(0.6), z, other), told_apart(Ratio(0.9), z, other), math.log(2))


def test_the_term_charges_the_encoder_alone_and_the_critic_plays_for_itself(pair):
    model = pair()
    payer, critic = (ELBO() + 10 * TotalCorrelation()).players(model)
    batch = Batch(torch.rand(16, 1, 4, 4).round())
    terms = payer.loss(batch)
    assert "total_correlation" in terms
    alone, _ = TotalCorrelation().players(model)
    alone.loss(batch)["loss"].backward()
    moved = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved == {"encoder"}
    model.zero_grad()
    critic.loss(batch)["loss"].backward()
    assert all(p.grad is None for p in model.parameters())
    assert all(p.grad is not None for p in critic.parameters())


def test_it_makes_codes_independent():
    # two latents of one number: the ELBO alone leaves them correlated where its decoder needs their sum only
    law = IndependentFactors(factors=2, size=4)
    x, f = law.sample(900, torch.Generator().manual_seed(0))
    data = from_arrays(x.numpy(), f.numpy(), kind="real", standardize=False)
    found = {}
    for name in ("vae", "factor-vae"):
        torch.manual_seed(0)
        likelihood = {"name": "Normal", "scale": "shared"}
        model = pyrogen.create(name, x_shape=(4,), latent_size=2, hidden=(32,), likelihood=likelihood)
        fit(model, data, epochs=40, lr=5e-3, batch_size=128, validate=False, progress=False, device="cpu")
        found[name] = disentanglement_of(model, data, 0)
    assert found["factor-vae"] > found["vae"] + 0.15


def test_the_term_refuses_what_has_no_codes(pair):
    with pytest.raises(ValueError, match="no pair that encodes"):
        TotalCorrelation().players(pyrogen.create("rbm", x_shape=(4,)))
    with pytest.raises(ValueError, match="latent_size=1 is one"):
        TotalCorrelation().players(pair(latent_size=1))
    flips = pair(prior="Bernoulli", posterior="Bernoulli")
    with pytest.raises(ValueError, match="not reparameterized"):
        TotalCorrelation().players(flips)[0].loss(Batch(torch.zeros(4, 1, 4, 4)))


# -- the analysis -----------------------------------------------------------------------------------------------------


class Seeing(nn.Module):
    """An encoder that knows the mixing."""

    def forward(self, x):
        mean = x @ IndependentFactors().mixing / 4
        return {"mean": mean, "variance": torch.full_like(mean, 0.01)}


def test_an_encoder_that_sees_the_factors_does_well_and_random_ones_do_not():
    data = load("independent-factors")
    seeing = pyrogen.vae(encoder=Seeing(), decoder=nn.Linear(4, 32), x_shape=(16,), latent_size=4, likelihood="Normal")
    analysis = Disentangled(limit=400, repeats=2)
    assert analysis.refusal(seeing, data) == ""
    found = analysis.run(seeing, data)
    assert found.verdict == "well"
    assert found.numbers["scores"]["mig"]["mean"] > 0.7
    assert found.numbers["random_encoders"]["mig"]["mean"] < 0.2
    assert [p.name for p in found.pictures] == ["factors"]
    assert "Left out" not in found.says
    for split in (data.train, data.valid, data.test):
        split.y[:, 1] = 0
    assert "all data have one value: factor 2" in analysis.run(seeing, data).says
    data.test.y[:, 2:] = 0
    assert "fewer than two factors" in analysis.refusal(seeing, data)
    assert random_codes(data.test.x, 4, 0).shape == (1000, 4)


def test_it_is_asked_only_of_what_it_can_score():
    data = load("independent-factors")
    seeing = pyrogen.vae(encoder=Seeing(), decoder=nn.Linear(4, 32), x_shape=(16,), latent_size=4, likelihood="Normal")
    assert "10 test data" in Disentangled().refusal(seeing, replace(data, test=data.test.take(10)))
    data.test.y[:, 1:] = 0
    data.test.y[1, 1:] = 1  # which is none of 20 at equal distances
    assert Disentangled().refusal(seeing, data) == ""
    assert "fewer than two factors" in Disentangled(limit=20).refusal(seeing, data)
    with pytest.raises(ValueError, match="repeats=1: needs 2 or more"):
        Disentangled(repeats=1)
    with pytest.raises(ValueError, match="repeats=0: needs 1 or more"):
        disentanglement(GRID.astype(float), GRID, repeats=0)


def test_it_is_asked_only_where_factors_are_known(pair):
    analysis = Disentangled()
    assert "not known" in analysis.refusal(pair(), load("digits"))
    assert "one latent" in analysis.refusal(pair(latent_size=1, x_shape=(16,)), load("independent-factors"))
    assert "encodes nothing" in analysis.refusal(pyrogen.create("rbm", x_shape=(16,)), load("independent-factors"))
    with pytest.raises(ValueError, match="several labels each"):
        disentanglement_of(pair(), load("digits"), 0)
    with pytest.raises(ValueError, match="factor-probe needs data with several labels each"):
        factor_probe(pair(), load("digits"), 0, "mark")


def test_a_probe_of_codes_tells_the_factor_that_they_keep_and_guesses_the_other(pair):
    # the codes are x, and x says the first factor and nothing of the second
    factors = torch.stack([torch.arange(400) % 4, torch.arange(400) // 4 % 5], 1)
    x = torch.nn.functional.one_hot(factors[:, 0], 4).float() + 0.1 * torch.randn(400, 4)
    data = from_arrays(x, factors, None, None, x, factors, kind="real", standardize=False)
    model = pair(x_shape=(4,), latent_size=4)
    model.code = lambda x, y=None: x
    kept, lost = (factor_probe(model, data, 0, name) for name in known_factors(data))
    assert kept == 1
    assert lost < 0.45
    assert lost.error > 0
    with pytest.raises(ValueError, match="did you mean"):
        factor_probe(model, data, 0, "factor 3")
