"""Every objective's gradient against quadrature or enumeration, its noise written down."""

import itertools
import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.base import Batch, Pair, announce
from pyrogen.inference import (
    CUBO,
    ELBO,
    IWAE,
    VIMCO,
    BetaTC,
    DReG,
    Renyi,
    ReweightedWakeSleep,
    StickingTheLanding,
    Thermodynamic,
)

NODES = 60


class Curve(Pair):
    """z ~ N(0, 1), x ~ N(sin(az) + bz, 0.5²) in double precision, with the guide N(cx + d, exp(s)²)."""

    x_shape = torch.Size([])

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([1.5, 0.7], dtype=torch.float64))
        self.phi = nn.Parameter(torch.tensor([0.5, 0.2, -0.4], dtype=torch.float64))

    def likelihood(self, z):
        return dist.Normal(torch.sin(self.theta[0] * z) + self.theta[1] * z, 0.5)

    def posterior(self, x):
        return dist.Normal(self.phi[0] * x + self.phi[1], self.phi[2].exp())

    def model(self, x, y=None):
        announce(self)
        with pyro.plate("datum", len(x), dim=-1):
            z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
            pyro.sample("x", self.likelihood(z), obs=x)

    def guide(self, x, y=None):
        announce(self)
        with pyro.plate("datum", len(x), dim=-1):
            pyro.sample("z", self.posterior(x))

    def sample(self, n, y=None):
        raise NotImplementedError

    def log_w(self, x, z):
        return self.log_p(x, z) - self.posterior(x).log_prob(z)

    def log_p(self, x, z):
        return dist.Normal(x.new_zeros(()), 1.0).log_prob(z) + self.likelihood(z).log_prob(x)


class Switches(Pair):
    """z ~ Bernoulli(½)³, x ~ N(w·z, 0.7²), with the guide Bernoulli(σ(cx + d)): eight states."""

    x_shape = torch.Size([])

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([1.0, -0.6, 0.3], dtype=torch.float64))
        self.phi = nn.Parameter(torch.tensor([[0.6, -0.4, 0.1], [0.1, 0.3, -0.2]], dtype=torch.float64))

    def posterior(self, x):
        return dist.Bernoulli(logits=x.unsqueeze(-1) * self.phi[0] + self.phi[1]).to_event(1)

    def prior(self, x):
        return dist.Bernoulli(probs=x.new_full((3,), 0.5)).to_event(1)

    def model(self, x, y=None):
        announce(self)
        with pyro.plate("datum", len(x), dim=-1):
            z = pyro.sample("z", self.prior(x))
            pyro.sample("x", dist.Normal(z @ self.theta, 0.7), obs=x)

    def guide(self, x, y=None):
        announce(self)
        with pyro.plate("datum", len(x), dim=-1):
            pyro.sample("z", self.posterior(x))

    def sample(self, n, y=None):
        raise NotImplementedError

    def log_p(self, x, z):
        return self.prior(x).log_prob(z) + dist.Normal(z @ self.theta, 0.7).log_prob(x)

    def states(self):
        return torch.tensor(list(itertools.product([0.0, 1.0], repeat=3)), dtype=torch.float64)


X = torch.tensor(0.8, dtype=torch.float64)


def gradient(pair, value):
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, [pair.theta, pair.phi])])


def quadrature(k):
    """Nodes and log weights of standard normal draws, ``(k, NODES^k)`` and ``(NODES^k,)``."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    nodes, weights = torch.from_numpy(nodes), torch.from_numpy(weights / weights.sum())
    return torch.cartesian_prod(*[nodes] * k).reshape(-1, k).T, torch.cartesian_prod(*[weights] * k).reshape(
        -1, k
    ).prod(1)


def over_draws(pair, k, function):
    """E[function(log w)] over ``k`` reparameterized draws, differentiable."""
    eps, weights = quadrature(k)
    q = pair.posterior(X)
    return (weights * function(pair.log_w(X, q.loc + q.scale * eps))).sum()


def over_states(pair, k, function):
    """E[function(log w)] over ``k`` draws of eight states, differentiable."""
    z = pair.states()
    log_q, log_p = pair.posterior(X).log_prob(z), pair.log_p(X, z)
    sets = torch.tensor(list(itertools.product(range(8), repeat=k))).T
    return (log_q[sets].sum(0).exp() * function((log_p - log_q)[sets])).sum()


def log_mean_exp(log_w):
    return torch.logsumexp(log_w, 0) - math.log(len(log_w))


def measured(pair, objective, n=20_000, groups=100, seed=0):
    """Mean gradient of the loss for one datum, its standard error, and the estimator's own standard deviation."""
    torch.manual_seed(seed)
    rows = []
    for _ in range(groups):
        loss = objective.terms(pair, Batch(X.expand(n // groups)))["loss"]
        rows.append(gradient(pair, loss))
    rows = torch.stack(rows)
    return rows.mean(0), rows.std(0) / groups**0.5, rows.std(0) * (n / groups) ** 0.5


def agree(pair, objective, exact, **kwargs):
    mean, error, _ = measured(pair, objective, **kwargs)
    z = (mean - exact) / error.clamp(min=1e-12)
    assert z.abs().max() < 4.5, z
    # a sign or a factor of two would be seen
    assert (error < 0.2 * exact.abs().max()).all()


THROUGH = {
    "ELBO": (ELBO(), 1, lambda w: w.mean(0)),
    "ELBO of two draws": (ELBO(num_samples=2), 2, lambda w: w.mean(0)),
    "StickingTheLanding": (StickingTheLanding(), 1, lambda w: w.mean(0)),
    "IWAE": (IWAE(2), 2, log_mean_exp),
    "DReG": (DReG(2), 2, log_mean_exp),
    "Renyi(0.5)": (Renyi(0.5, k=2), 2, lambda w: log_mean_exp(0.5 * w) / 0.5),
    "Renyi(-1)": (Renyi(-1.0, k=2), 2, lambda w: log_mean_exp(2 * w) / 2),
    "Renyi(2)": (Renyi(2.0, k=2), 2, lambda w: -log_mean_exp(-w)),
}


@pytest.mark.parametrize("case", THROUGH.values(), ids=THROUGH)
def test_reparameterized_gradients_equal_quadrature(case):
    objective, k, function = case
    pair = Curve()
    agree(pair, objective, -gradient(pair, over_draws(pair, k, function)))


DISCRETE = {
    "ELBO by its score": (ELBO(), 1, lambda w: w.mean(0)),
    "ELBO of three compared draws": (ELBO(num_samples=3), 1, lambda w: w.mean(0)),
    "VIMCO": (VIMCO(2), 2, log_mean_exp),
    "VIMCO of three": (VIMCO(3), 3, log_mean_exp),
}


@pytest.mark.parametrize("case", DISCRETE.values(), ids=DISCRETE)
def test_gradients_for_discrete_latents_equal_enumeration(case):
    objective, k, function = case
    pair = Switches()
    agree(pair, objective, -gradient(pair, over_states(pair, k, function)))


def test_values_for_discrete_latents_are_the_bounds():
    pair = Switches()
    for objective, k in ((VIMCO(2), 2), (ReweightedWakeSleep(2), 2)):
        torch.manual_seed(0)
        loss = objective.terms(pair, Batch(X.expand(100_000)))["loss"]
        assert -loss.item() == pytest.approx(over_states(pair, k, log_mean_exp).item(), abs=0.004)


def test_comparing_draws_takes_noise_away():
    pair = Switches()
    alone = measured(pair, ELBO(), n=5_000)[2] / 3**0.5  # as noisy as three draws apart
    compared = measured(pair, ELBO(num_samples=3), n=5_000)[2]
    assert (compared[3:] < 0.6 * alone[3:]).all()


def _wake(pair, grid):
    """KL(p(z|x) ‖ q) up to what q does not change, and log p(x), on a grid or all states."""
    z, log_measure = grid
    log_p = pair.log_p(X, z) + log_measure
    posterior = (log_p - log_p.logsumexp(0)).exp().detach()
    return -(posterior * pair.posterior(X).log_prob(z)).sum(), log_p.logsumexp(0)


def states(pair):
    return pair.states(), torch.zeros(8, dtype=torch.float64)


def line(pair):
    z = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    return z, torch.full_like(z, math.log(z[1] - z[0]))


@pytest.mark.parametrize(("pair", "grid"), [(Switches(), states), (Curve(), line)], ids=["discrete", "continuous"])
def test_wake_sleep_follows_the_posterior(pair, grid):
    wake, log_evidence = _wake(pair, grid(pair))
    exact = gradient(pair, wake - log_evidence)
    mean, error, _ = measured(pair, ReweightedWakeSleep(1000), n=2_000)
    torch.testing.assert_close(mean, exact, atol=float(5 * error.max()) + 0.005, rtol=0)


@pytest.mark.parametrize(("pair", "grid"), [(Switches(), states), (Curve(), line)], ids=["discrete", "continuous"])
@pytest.mark.parametrize("partitions", [1, 4])
def test_thermodynamic_objective_is_the_riemann_sum(pair, grid, partitions):
    objective = Thermodynamic(k=1000, partitions=partitions)
    z, log_measure = grid(pair)
    log_q = pair.posterior(X).log_prob(z)
    log_w = pair.log_p(X, z) - log_q
    edges = objective.betas(X)
    assert float(edges[0]) == 0
    assert float(edges[-1]) == 1
    assert len(edges) == partitions + 1
    exact = 0
    for low, high in itertools.pairwise(edges):
        density = (log_q + low * log_w + log_measure).softmax(0)
        exact = exact + (high - low) * (density * log_w).sum()
    torch.manual_seed(0)
    loss = objective.terms(pair, Batch(X.expand(2000)))["loss"]
    assert -loss.item() == pytest.approx(exact.item(), abs=0.004)
    mean, error, _ = measured(pair, objective, n=2_000)
    torch.testing.assert_close(mean, -gradient(pair, exact), atol=float(5 * error.max()) + 0.005, rtol=0)


def test_cubo_moves_the_guide_down_the_upper_bound_and_the_model_up_the_lower():
    pair = Curve()
    z, log_measure = line(pair)
    log_q = pair.posterior(X).log_prob(z)
    log_p = pair.log_p(X, z)
    cubo = 0.5 * (2 * (log_p - log_q) + log_q + log_measure).logsumexp(0)
    log_evidence = (log_p + log_measure).logsumexp(0)
    assert cubo > log_evidence
    up, down = torch.autograd.grad(log_evidence, pair.theta, retain_graph=True)[0], gradient(pair, cubo)
    mean, error, _ = measured(pair, CUBO(k=2000), n=2_000)
    torch.testing.assert_close(mean[:2], -up, atol=float(5 * error.max()) + 0.005, rtol=0)
    torch.testing.assert_close(mean[2:], down[2:], atol=float(5 * error.max()) + 0.01, rtol=0)


class Conjugate(Curve):
    """A linear model whose guide is its exact posterior."""

    def __init__(self):
        super().__init__()
        variance = 1 / (1 + 1 / 0.25)
        self.phi.data = torch.tensor([variance / 0.25, 0.0, 0.5 * math.log(variance)], dtype=torch.float64)

    def likelihood(self, z):
        return dist.Normal(z, 0.5)


def guide_gradient(pair, objective, n=200):
    torch.manual_seed(0)
    return torch.autograd.grad(objective.terms(pair, Batch(X.expand(n)))["loss"], pair.phi)[0]


@pytest.mark.parametrize("objective", [StickingTheLanding(), DReG(5), CUBO(k=5)])
def test_at_the_exact_posterior_the_gradient_has_no_noise(objective):
    assert guide_gradient(Conjugate(), objective).abs().max() < 1e-12


@pytest.mark.parametrize("objective", [IWAE(5), ELBO(num_samples=5), Renyi(k=5)])
def test_where_the_score_remains_so_does_the_noise(objective):
    assert guide_gradient(Conjugate(), objective).abs().max() > 1e-3


def signal_to_noise(objective):
    """|mean| / standard deviation of the gradient for the guide's scale, for one datum."""
    mean, _, spread = measured(Curve(), objective, n=8_000)
    return float(mean[-1].abs() / spread[-1])


def test_signal_to_noise_grows_with_k_for_dreg_and_falls_for_iwae():
    assert signal_to_noise(DReG(400)) > 2 * signal_to_noise(DReG(50))  # √8 in the limit
    assert signal_to_noise(IWAE(50)) < 0.5 * signal_to_noise(IWAE(2))


class Chain(Curve):
    """Two latents, the second drawn given the first: z₂ ~ N(0, 1), z₁ ~ N(tanh z₂, 1), x ~ N(z₁, 0.5²)."""

    def model(self, x, y=None):
        with pyro.plate("datum", len(x), dim=-1):
            above = pyro.sample("above", dist.Normal(x.new_zeros(()), 1.0))
            z = pyro.sample("z", dist.Normal(torch.tanh(self.theta[0] * above), 1.0))
            pyro.sample("x", dist.Normal(self.theta[1] * z, 0.5), obs=x)

    def guide(self, x, y=None):
        with pyro.plate("datum", len(x), dim=-1):
            above = pyro.sample("above", dist.Normal(self.phi[1] * x, 0.8))
            pyro.sample("z", dist.Normal(self.phi[0] * (x + torch.sin(above)), self.phi[2].exp()))


@pytest.mark.parametrize("pairs", [(IWAE(3), DReG(3)), (ELBO(), StickingTheLanding())], ids=["DReG", "STL"])
def test_latents_that_depend_on_one_another_have_the_same_mean_gradient(pairs):
    with_score, without = (measured(Chain(), o, n=40_000) for o in pairs)
    z = (with_score[0] - without[0]) / torch.hypot(with_score[1], without[1])
    assert z.abs().max() < 4.5, z
    assert float(without[2][2:].mean()) < float(with_score[2][2:].mean())


def vae(**arguments):
    torch.manual_seed(0)
    return pyrogen.create("vae", x_shape=(1, 3, 3), latent_size=3, hidden=(8,), **arguments)


BINARY = torch.bernoulli(torch.full((40, 1, 3, 3), 0.4), generator=torch.Generator().manual_seed(0))


def test_beta_tc_at_one_is_the_elbo():
    pair = vae()
    torch.manual_seed(1)
    terms = BetaTC(beta=1.0).terms(pair, Batch(BINARY))
    parts = sum(terms[k] for k in ("mutual_information", "total_correlation", "dimension_wise_kl"))
    torch.testing.assert_close(parts, terms["kl"])
    torch.manual_seed(1)
    many = -StickingTheLanding().terms(pair, Batch(BINARY))["loss"]
    torch.testing.assert_close(-terms["loss"], many)


def test_beta_tc_charges_each_part_apart():
    pair = vae()
    losses = []
    for weights in ({}, {"alpha": 3.0}, {"beta": 4.0}, {"gamma": 5.0}):
        torch.manual_seed(1)
        losses.append(BetaTC(**{"alpha": 1.0, "beta": 1.0, "gamma": 1.0, **weights}).terms(pair, Batch(BINARY)))
    base, *others = losses
    named = (("mutual_information", 2), ("total_correlation", 3), ("dimension_wise_kl", 4))
    for terms, (part, extra) in zip(others, named, strict=True):
        torch.testing.assert_close(terms["loss"] - base["loss"], extra * base[part])


def test_total_correlation_is_zero_for_a_product_and_right_for_a_copy():
    """One coordinate copied into another: TC = the entropy that they share, here by a large batch against quadrature."""

    class Copies(Pair):
        x_shape = torch.Size([])

        def __init__(self, copies):
            super().__init__()
            self.gain = nn.Parameter(torch.tensor([1.0, 1.0 if copies else 0.0]))

        def model(self, x, y=None):
            with pyro.plate("datum", len(x), dim=-1):
                pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
                pyro.sample("x", dist.Normal(0.0, 1.0), obs=x)

        def guide(self, x, y=None):
            with pyro.plate("datum", len(x), dim=-1):
                pyro.sample("z", dist.Normal(x.unsqueeze(-1) * self.gain, 0.5).to_event(1))

        def sample(self, n, y=None):
            raise NotImplementedError

    torch.manual_seed(0)
    x = torch.randn(3000)
    covariance = torch.tensor([[1.25, 1.0], [1.0, 1.25]])
    exact = 0.5 * (2 * math.log(1.25) - torch.logdet(covariance))
    found = BetaTC().terms(Copies(True), Batch(x))["total_correlation"]
    assert found.item() == pytest.approx(exact.item(), abs=0.06)
    assert BetaTC().terms(Copies(False), Batch(x))["total_correlation"].item() == pytest.approx(0, abs=0.03)


def test_free_bits_charge_no_less_than_their_floor():
    pair = vae()
    torch.manual_seed(1)
    plain = ELBO().terms(pair, Batch(BINARY))
    torch.manual_seed(1)
    high = ELBO(free_bits=7.0).terms(pair, Batch(BINARY))
    torch.testing.assert_close(high["loss"], 7 - plain["reconstruction"])
    torch.manual_seed(1)
    low = ELBO(free_bits=1e-6).terms(pair, Batch(BINARY))
    torch.testing.assert_close(low["loss"], plain["loss"])
    assert all(p.grad is None or not p.grad.any() for p in pair.prior.parameters())


def test_below_the_floor_the_guide_feels_no_kl():
    pair = vae()
    torch.manual_seed(1)
    floor = torch.autograd.grad(ELBO(free_bits=7.0).terms(pair, Batch(BINARY))["loss"], list(pair.encoder.parameters()))
    torch.manual_seed(1)
    none = torch.autograd.grad(ELBO(beta=0.0).terms(pair, Batch(BINARY))["loss"], list(pair.encoder.parameters()))
    torch.testing.assert_close(floor, none)


SCHEDULES = {
    "constant": (ELBO(beta=2.0), [2, 2, 2, 2, 2, 2]),
    "warm-up": (ELBO(beta=2.0, warmup=4), [0.5, 1, 1.5, 2, 2, 2]),
    "cycles": (ELBO(beta=2.0, warmup=2, cycle=3), [1, 2, 2, 1, 2, 2]),
}


@pytest.mark.parametrize("case", SCHEDULES.values(), ids=SCHEDULES)
def test_schedules_of_the_kl(case):
    objective, expected = case
    pair = vae()
    (player,) = objective.players(pair)
    for step, weight in enumerate(expected):
        torch.manual_seed(1)
        terms = player.loss(Batch(BINARY, step=torch.tensor(step)))
        torch.testing.assert_close(terms["loss"], weight * terms["kl"] - terms["reconstruction"])
    torch.manual_seed(1)
    terms = player.validation(Batch(BINARY, step=torch.tensor(0)))
    torch.testing.assert_close(terms["loss"], 2 * terms["kl"] - terms["reconstruction"])


@pytest.mark.parametrize("objective", [IWAE(3), DReG(3), StickingTheLanding(), Renyi(k=3), CUBO(k=3)])
def test_draws_without_a_gradient_are_refused_where_one_is_needed(objective):
    with pytest.raises(ValueError, match=f"{type(objective).__name__} .*not reparameterized.*VIMCO"):
        objective.terms(Switches(), Batch(X.expand(3)))


def test_free_bits_refuse_a_score():
    with pytest.raises(ValueError, match="free bits"):
        ELBO(free_bits=1.0).terms(Switches(), Batch(X.expand(3)))


@pytest.mark.parametrize("objective", [DReG(3), StickingTheLanding(), CUBO(k=3)])
def test_a_guide_with_dropout_is_refused_where_it_is_scored_twice(objective):
    encoder = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(9, 4))
    pair = pyrogen.vae(encoder=encoder, decoder=nn.Linear(2, 9), x_shape=(1, 3, 3), latent_size=2)
    with pytest.raises(ValueError, match="dropout"):
        objective.terms(pair, Batch(BINARY))
    # a measurement, in which dropout rests, says nothing of training
    data = pyrogen.data.from_arrays(x_train=BINARY, x_valid=BINARY)
    with pytest.raises(ValueError, match="dropout"):
        pyrogen.fit(pair, data, objective, epochs=1, batch_size=4, compile=False)


def test_scoring_twice_moves_no_statistics_twice():
    encoder = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(9), nn.Linear(9, 4))
    pair = pyrogen.vae(encoder=encoder, decoder=nn.Linear(2, 9), x_shape=(1, 3, 3), latent_size=2)
    DReG(3).terms(pair, Batch(BINARY))
    assert int(encoder[1].num_batches_tracked) == 1


@pytest.mark.parametrize(
    "objective",
    [IWAE(3), DReG(3), StickingTheLanding(), Renyi(), CUBO(), VIMCO(), ReweightedWakeSleep(), Thermodynamic()],
)
def test_a_point_mass_is_refused(objective):
    pair = vae(prior="Flat", posterior="PointMass")
    with pytest.raises(ValueError, match="point mass"):
        objective.terms(pair, Batch(BINARY))


def test_beta_tc_refuses_dependent_coordinates():
    with pytest.raises(ValueError, match="coordinates"):
        BetaTC().terms(vae(posterior="FullRankNormal"), Batch(BINARY))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Renyi(1.0), "ELBO"),
        (lambda: CUBO(n=1.0), "more than 1"),
        (lambda: VIMCO(1), "at least 2"),
        (lambda: ReweightedWakeSleep(1), "k >= 2"),
        (lambda: Thermodynamic(first=1.0), "first between 0 and 1"),
        (lambda: DReG(0), "k >= 1"),
        (lambda: ELBO(cycle=3), "warmup between 1 and 3"),
        (lambda: ELBO(free_bits=-1.0), "nothing below 0"),
        (lambda: BetaTC(beta=-1.0), "negative"),
    ],
)
def test_settings_that_mean_nothing_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
