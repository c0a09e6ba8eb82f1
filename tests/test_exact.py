"""Is the number right? Every estimate against a closed form, an enumeration, or arithmetic done by hand."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

import pyrogen
from pyrogen.base import Batch
from pyrogen.data.dataset import Data, Split
from pyrogen.inference import ELBO, IWAE, LeastSquares, Minimax, NonSaturating, fit, log_evidence, log_weights
from pyrogen.likelihoods import Bernoulli, Normal
from pyrogen.models.energy.boltzmann import RBM

D, L, SIGMA = 6, 2, 0.5


class PCA:
    """Probabilistic PCA with known parameters: x = Wz + μ + σε."""

    def __init__(self, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.w = torch.randn(D, L, generator=generator).double()
        self.w[:, 1] += 0.5 * self.w[:, 0]  # correlated latents, which mean field misses
        self.mu = torch.randn(D, generator=generator).double()
        self.x = self.draw(500, generator)
        self.m = self.w.T @ self.w + SIGMA**2 * torch.eye(L)  # posterior precision × σ²

    def draw(self, n, generator):
        z = torch.randn(n, L, generator=generator).double()
        noise = torch.randn(n, D, generator=generator).double()
        return (z @ self.w.T + self.mu + SIGMA * noise).float()

    def log_prob(self, x):
        covariance = self.w @ self.w.T + SIGMA**2 * torch.eye(D)
        return torch.distributions.MultivariateNormal(self.mu, covariance).log_prob(x.double()).numpy()

    def mean_field_gap(self):
        precision = self.m / SIGMA**2
        return float(0.5 * (precision.diagonal().log().sum() - torch.logdet(precision)))

    def pair(self, posterior, spread=1.0):
        """The zoo's linear VAE with these parameters and the best posterior of its family, widened by ``spread``."""
        vae = pyrogen.create(
            "vae", x_shape=(D,), latent_size=L, hidden=(), posterior=posterior, likelihood=Normal("fixed", SIGMA)
        )
        linear_in, linear_out = vae.encoder.net[1], vae.decoder.net[1]
        inverse = torch.linalg.inv(self.m)
        to_mean = inverse @ self.w.T
        covariance = SIGMA**2 * inverse
        if posterior == "DiagonalNormal":
            rest = (SIGMA**2 / self.m.diagonal()).log() + 2 * math.log(spread)
        else:
            tril = torch.linalg.cholesky(covariance) * spread
            rest = torch.cat([torch.expm1(tril.diagonal() - 1e-5).log(), tril[1:, 0]])
        with torch.no_grad():
            linear_out.weight.copy_(self.w)
            linear_out.bias.copy_(self.mu)
            linear_in.weight.zero_()
            linear_in.weight[:L] = to_mean
            linear_in.bias[:L] = -to_mean @ self.mu
            linear_in.bias[L:] = rest
        return vae


@pytest.fixture(scope="module")
def pca():
    return PCA()


def test_exact_guide_gives_constant_weights(pca):
    weights = log_weights(pca.pair("FullRankNormal"), pca.x[:50], 200)
    assert weights.std("sample").max() < 1e-4
    np.testing.assert_allclose(weights.mean("sample"), pca.log_prob(pca.x[:50]), atol=1e-4)


def test_exact_guide_makes_every_k_exact_and_says_so(pca):
    ev = log_evidence(pca.pair("FullRankNormal"), pca.x[:20], IWAE(500))
    truth = np.broadcast_to(pca.log_prob(pca.x[:20]), ev["k_curve"].shape)
    np.testing.assert_allclose(ev["k_curve"], truth, atol=1e-4)
    assert (ev["pareto_k"] == -np.inf).all()
    np.testing.assert_allclose(ev["ess"], 500, rtol=1e-3)


def test_mean_field_elbo_misses_by_the_closed_form(pca):
    assert pca.mean_field_gap() > 0.05  # else the next line shows nothing
    ev = log_evidence(pca.pair("DiagonalNormal"), pca.x[:100], ELBO(num_samples=2000))
    gap = pca.log_prob(pca.x[:100]) - ev["log_evidence"].values
    error = float(np.sqrt((ev["mc_se"] ** 2).mean()) / 10)
    assert abs(gap.mean() - pca.mean_field_gap()) < 4 * error


def test_elbo_below_iwae_below_exact(pca):
    ev = log_evidence(pca.pair("FullRankNormal", spread=1.5), pca.x[:100], IWAE(5000))
    curve = ev["k_curve"].mean("datum").values
    truth = pca.log_prob(pca.x[:100]).mean()
    assert (np.diff(curve) > 0).all()
    assert curve[0] < truth - 0.1
    assert abs(curve[-1] - truth) < 0.01


def test_error_bar_of_iwae_is_honest(pca):
    """z-scores against the exact value have unit variance, where k̂ says that they may be believed."""
    pair = pca.pair("FullRankNormal", spread=1.3)
    ev = log_evidence(pair, pca.x, IWAE(200), seed=3)
    z = (ev["log_evidence"].values - pca.log_prob(pca.x)) / ev["mc_se"].values
    assert (ev["pareto_k"] < 0.7).mean() > 0.99
    assert 0.85 < z.std() < 1.15
    assert abs(z.mean()) < 0.3


@pytest.mark.rotating
def test_trained_linear_vae_reaches_the_maximum_likelihood(pca):
    x = pca.draw(2000, torch.Generator().manual_seed(1))
    covariance = torch.cov(x.T.double())
    values = torch.linalg.eigvalsh(covariance).flip(0)
    noise = values[L:].mean()
    best = -0.5 * (D * math.log(2 * math.pi) + values[:L].log().sum() + (D - L) * noise.log() + D)
    splits = [Split(part, name=name) for part, name in ((x, "train"), (x[:200], "valid"), (x[:200], "test"))]
    data = Data("pca", *splits, "real", torch.Size([D]), "none", False, None, 0, "made here", "made here")
    torch.manual_seed(0)
    vae = pyrogen.create("vae", x_shape=(D,), latent_size=L, hidden=(), likelihood=Normal("shared"))
    before = log_evidence(vae, x[:200], IWAE(100))["log_evidence"].mean()
    fit(vae, data, epochs=150, lr=1e-2, batch_size=200, validate=False)
    fit(vae, data, epochs=50, lr=1e-3, batch_size=200, validate=False)
    after = log_evidence(vae, x, IWAE(200))["log_evidence"].mean()
    assert abs(after - float(best)) < 0.05
    assert before < float(best) - 1  # the control: untrained it is far


def all_states(n):
    return (torch.arange(2**n)[:, None] >> torch.arange(n) & 1).float()


@pytest.mark.parametrize(("visible", "hidden"), [(8, 6), (6, 8)])
def test_rbm_partition_function_is_enumerated(visible, hidden):
    torch.manual_seed(0)
    rbm = RBM((visible,), hidden)
    for p in rbm.parameters():
        torch.nn.init.normal_(p, std=0.7)
    x, h = all_states(visible).double(), all_states(hidden).double()
    w, b, c = (p.detach().double() for p in (rbm.weight, rbm.visible.bias, rbm.hidden_bias))
    energy = (x @ w.T @ h.T) + (x @ b)[:, None] + (h @ c)[None, :]
    assert float(rbm.log_partition().detach()) == pytest.approx(float(energy.flatten().logsumexp(0)), abs=1e-9)
    assert float(rbm.log_prob(x.float()).detach().exp().sum()) == pytest.approx(1, abs=1e-5)


def test_rbm_samples_as_it_scores():
    torch.manual_seed(1)
    rbm = RBM((4,), 3, burn_in=200)
    for p in rbm.parameters():
        torch.nn.init.normal_(p)
    n = 20_000
    index = (rbm.sample(n) @ (2.0 ** torch.arange(4))).long()
    seen = torch.bincount(index, minlength=16) / n
    expected = rbm.log_prob(all_states(4)).exp()
    assert ((seen - expected).abs() < 5 * (expected / n).sqrt() + 1e-4).all()


def test_contrastive_divergence_with_long_chains_is_the_likelihood_gradient():
    torch.manual_seed(2)
    rbm = RBM((5,), 4, k=200)
    for p in rbm.parameters():
        torch.nn.init.normal_(p, std=0.5)
    x = all_states(5)[[3, 7, 21]]
    negative = rbm.free_energy(x).mean() + torch.logsumexp(-rbm.free_energy(all_states(5)), 0)
    exact = torch.autograd.grad(negative, list(rbm.parameters()))
    (player,) = rbm.objective.players(rbm)
    many = Batch(x.repeat(4000, 1))
    sampled = torch.autograd.grad(player.loss(many)["loss"], list(rbm.parameters()))
    for a, b in zip(exact, sampled, strict=True):
        assert (a - b).abs().max() < 0.03


@pytest.mark.parametrize("hidden", [(32,), (32, 24)])
def test_made_sums_to_one_and_looks_back_only(hidden):
    torch.manual_seed(0)
    made = pyrogen.create("made", x_shape=(8,), hidden=hidden)
    for p in made.parameters():
        torch.nn.init.normal_(p, std=0.5)
    assert float(made.log_prob(all_states(8)).detach().exp().sum()) == pytest.approx(1, abs=1e-4)
    x = torch.randn(200, 8, requires_grad=True)
    for d in range(8):
        (grad,) = torch.autograd.grad(made.net(x)[:, d].sum(), x)
        assert (grad[:, d:] == 0).all()
        assert (grad[:, :d] != 0).any(0).all()


def test_made_samples_as_it_scores():
    torch.manual_seed(0)
    made = pyrogen.create("made", x_shape=(4,), hidden=(16,))
    for p in made.parameters():
        torch.nn.init.normal_(p)
    n = 20_000
    index = (made.sample(n) @ (2.0 ** torch.arange(4))).long()
    seen = torch.bincount(index, minlength=16) / n
    expected = made.log_prob(all_states(4)).exp()
    assert ((seen - expected).abs() < 5 * (expected / n).sqrt() + 1e-4).all()


def test_made_as_a_pair_has_constant_weights():
    made = pyrogen.create("made", x_shape=(8,), hidden=(16,))
    x = all_states(8)[:30]
    weights = log_weights(made, x, 20)
    np.testing.assert_allclose(weights, np.broadcast_to(made.log_prob(x).detach(), (20, 30)), rtol=1e-5)


@pytest.mark.parametrize(
    ("target", "expected"), [((0.65, 0.42, 0.36, 0.59), 0.0046), ((0.1, 0.9, 0.85, 0.2), 0.8625)], ids=["near", "far"]
)
def test_squared_error_by_hand(target, expected):
    head = Normal("fixed", 1.0)
    head.size(torch.Size([4]))
    center, x = torch.tensor([0.6, 0.4, 0.4, 0.6]), torch.tensor(target)
    squared = 2 * (head(center).log_prob(center) - head(center).log_prob(x))
    assert float(squared) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("probability", "expected"), [(0.9, 0.421), (0.2, 6.438)])
def test_cross_entropy_by_hand(probability, expected):
    head = Bernoulli()
    head.size(torch.Size([4]))
    logits = torch.logit(torch.full((4,), probability))
    assert float(-head(logits).log_prob(torch.ones(4))) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(
    ("q", "expected"), [((0.15, 0.15, 0.4, 0.2, 0.1), 0.0170), ((0.4, 0.1, 0.1, 0.1, 0.3), 0.583)], ids=["near", "far"]
)
def test_kullback_leibler_by_hand(q, expected):
    p = torch.distributions.Categorical(torch.tensor([0.1, 0.2, 0.4, 0.2, 0.1]))
    kl = torch.distributions.kl_divergence(p, torch.distributions.Categorical(torch.tensor(q)))
    assert float(kl) == pytest.approx(expected, abs=5e-4)


def test_minimax_gradient_against_non_saturating():
    """Where the critic believes D, the generator's gradients are as D : 1 − D."""
    score = torch.linspace(-4, 4, 9, dtype=torch.float64, requires_grad=True)
    gradients = [torch.autograd.grad(loss.generator(None, score), score)[0] for loss in (Minimax(), NonSaturating())]
    belief = torch.sigmoid(score)
    torch.testing.assert_close(gradients[0] / gradients[1], belief / (1 - belief))


def test_logistic_critic_is_best_at_the_density_ratio():
    """On two points with masses p and q the loss is least at D = p / (p + q), where it is 2 ln 2 − 2 JSD."""
    p, q = torch.tensor([0.8, 0.2]), torch.tensor([0.3, 0.7])
    m = (p + q) / 2
    score = torch.logit(p / (p + q)).requires_grad_()

    def loss(s):
        return (p * softplus(-s)).sum() + (q * softplus(s)).sum()

    jsd = 0.5 * ((p * (p / m).log()).sum() + (q * (q / m).log()).sum())
    assert float(loss(score).detach()) == pytest.approx(float(2 * math.log(2) - 2 * jsd), abs=1e-6)
    assert torch.autograd.grad(loss(score), score)[0].abs().max() < 1e-6
    real, fake = score[[0] * 8 + [1] * 2], score[[0] * 3 + [1] * 7]
    torch.testing.assert_close(NonSaturating().critic(real, fake), loss(score))


def test_least_squares_critic_is_best_between_its_targets():
    scores = torch.tensor([0.0, 1.0])
    assert float(LeastSquares().critic(scores[1:], scores[:1])) == 0
    assert float(LeastSquares().generator(None, scores[:1])) == 0.5


def mixture_batch():
    return Batch(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))


def test_elbo_objective_equals_the_evaluators_mean():
    torch.manual_seed(0)
    vae = pyrogen.create("vae", x_shape=(2,), latent_size=1, hidden=(4,))
    batch = mixture_batch()
    with torch.no_grad():
        trained = torch.stack([ELBO(num_samples=500).terms(vae, batch)["loss"] for _ in range(10)])
    ev = log_evidence(vae, batch.x, ELBO(num_samples=5000))
    error = math.hypot(float(np.sqrt((ev["mc_se"] ** 2).sum()) / 3), float(trained.std() / math.sqrt(10)))
    assert abs(float(-trained.mean()) - float(ev["log_evidence"].mean())) < 4 * error + 1e-4


def test_iwae_objective_equals_the_evaluators_curve():
    torch.manual_seed(0)
    vae = pyrogen.create("vae", x_shape=(2,), latent_size=1, hidden=(4,))
    many = Batch(mixture_batch().x.repeat(40, 1))
    with torch.no_grad():
        trained = torch.stack([IWAE(5).terms(vae, many)["loss"] for _ in range(50)])
    ev = log_evidence(vae, mixture_batch().x, IWAE(5000))
    error = float(trained.std()) * math.sqrt(1 / 50 + 1 / 25)  # the curve is of 1,000 times 5 weights
    assert abs(float(-trained.mean()) - float(ev["k_curve"].sel(k=5).mean())) < 4 * error


def test_error_bar_is_flagged_where_it_lies(pca):
    """The control: a guide too narrow by half has heavy weights, its z-scores are too wide, and k̂ says so."""
    ev = log_evidence(pca.pair("FullRankNormal", spread=0.4), pca.x[:100], IWAE(1000))
    z = (ev["log_evidence"].values - pca.log_prob(pca.x[:100])) / ev["mc_se"].values
    assert z.std() > 1.5
    assert (ev["pareto_k"] > 0.7).mean() > 0.5


def test_rbm_log_prob_has_the_whole_gradient():
    torch.manual_seed(0)
    rbm = RBM((5,), 4)
    for p in rbm.parameters():
        torch.nn.init.normal_(p, std=0.5)
    x = all_states(5)[[3, 7, 21]]
    whole = torch.logsumexp(-rbm.free_energy(all_states(5)), 0)
    expected = torch.autograd.grad((-rbm.free_energy(x) - whole).mean(), list(rbm.parameters()))
    found = torch.autograd.grad(rbm.log_prob(x).mean(), list(rbm.parameters()))
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
