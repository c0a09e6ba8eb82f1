"""Discrete latents, where every number has an exact answer: the sum over all states."""

import itertools
import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import SVI, Trace_ELBO, TraceEnum_ELBO, config_enumerate
from scipy import stats
from torch.distributions import kl_divergence
from torch.utils._python_dispatch import TorchDispatchMode

import pyrogen
from pyrogen.base import Batch, Pair
from pyrogen.distributions.finite import MAX_STATES, Bits, OneHots, is_discrete, product, states
from pyrogen.inference import ELBO, IWAE, Enumerate, EnumeratedELBO, fit, log_evidence
from pyrogen.inference.evidence.weight_stream import WeightStream
from pyrogen.inference.programs.enumeration import joint_states
from pyrogen.models.adversarial.gan import GAN

COMBINATIONS = {
    "bits": {"prior": "Bernoulli", "posterior": "Bernoulli"},
    "learned bits": {"prior": {"name": "Bernoulli", "learned": True}, "posterior": "Bernoulli"},
    "classes": {"prior": "Categorical", "posterior": "Categorical"},
    "learned classes": {"prior": {"name": "Categorical", "learned": True}, "posterior": "Categorical"},
    "vamp of bits": {"prior": {"name": "VampPrior", "components": 3}, "posterior": "Bernoulli"},
    "vamp of classes": {"prior": {"name": "VampPrior", "components": 3}, "posterior": "Categorical"},
}


@pytest.fixture(params=COMBINATIONS)
def vae(request, pair):
    """A VAE of 2×2 binary pixels with three discrete latents, in float64, away from where it started."""
    m = pair(x_shape=(1, 2, 2), latent_size=3, **COMBINATIONS[request.param]).double()
    with torch.no_grad():
        for p in m.parameters():
            p.add_(0.7 * torch.randn_like(p))
    return m


@pytest.fixture
def x(draws):
    return draws("binary", 6, 1, 2, 2).double()


def every(m):
    """All states of z, written down by hand."""
    if is_one_hot(m):
        return torch.eye(3, dtype=torch.float64)
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=3)), dtype=torch.float64)


def is_one_hot(m):
    return type(m.posterior).__name__ == "Categorical"


def table(m, x):
    """log q(z|x), log p(z) and log p(x|z), each ``(states, B)``."""
    z = every(m)
    log_q = torch.stack([m.encode(x).log_prob(one) for one in z])
    log_p = torch.stack([m.prior().log_prob(one) for one in z])[:, None].expand_as(log_q)
    log_x = torch.stack([m.decode(one).log_prob(x) for one in z])
    return log_q, log_p, log_x


def exact_elbo(m, x):
    log_q, log_p, log_x = table(m, x)
    return (log_q.exp() * (log_x + log_p - log_q)).sum(0)


# ------------------------------------------------------------------------------------------------- distributions


def test_bits_are_independent_bernoullis_that_can_be_listed():
    logits = torch.randn(5, 4, dtype=torch.float64)
    p, stock = Bits(logits), dist.Bernoulli(logits=logits).to_event(1)
    z = p.enumerate_support(expand=False)
    assert z.shape == (16, 1, 4)
    assert z.dtype == torch.float64
    assert [tuple(map(int, row)) for row in z[:, 0]] == list(itertools.product([0, 1], repeat=4))
    assert torch.equal(p.log_prob(z), stock.log_prob(z))
    assert torch.allclose(p.log_prob(z).exp().sum(0), torch.ones(5, dtype=torch.float64))
    assert p.enumerate_support().shape == (16, 5, 4)
    wide = p.expand((2, 5))
    assert isinstance(wide, Bits)
    assert (wide.batch_shape, wide.event_shape) == ((2, 5), (4,))
    assert torch.equal(wide.log_prob(z[3]), stock.log_prob(z[3]).expand(2, 5))
    assert torch.equal(Bits(torch.tensor([-1.0, 0.0, 2.0])).mode, torch.tensor([0.0, 0.0, 1.0]))


LISTS = {
    "categorical": (dist.Categorical(torch.ones(2, 3)), [[0], [1], [2]]),
    "one hot": (dist.OneHotCategorical(torch.ones(2)), [[1, 0], [0, 1]]),
    "bits": (dist.Bernoulli(torch.tensor([0.2, 0.3])).to_event(1), [[0, 0], [0, 1], [1, 0], [1, 1]]),
    "masked": (dist.Bernoulli(0.2).mask(torch.tensor(False)), [[0], [1]]),
    "mixture": (dist.MixtureSameFamily(dist.Categorical(torch.ones(2)), Bits(torch.zeros(2, 1))), [[0], [1]]),
    "binomial": (dist.Binomial(3, torch.tensor(0.5)), [[0], [1], [2], [3]]),
}


@pytest.mark.parametrize(("distribution", "expected"), LISTS.values(), ids=LISTS)
def test_states_are_listed(distribution, expected):
    assert is_discrete(distribution)
    assert states(distribution).reshape(len(expected), -1).tolist() == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: states(dist.Poisson(1.0)), r"values of Poisson cannot be listed; draw them"),
        (lambda: Bits(torch.zeros(17)).enumerate_support(), r"131,072 states, and at most 65,536 .*draw them"),
        (lambda: states(dist.Bernoulli(torch.full((17,), 0.5)).to_event(1)), r"131,072 states"),
    ],
)
def test_what_cannot_be_listed_is_refused(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_the_most_states_that_are_listed():
    assert len(product(torch.arange(2), 16)) == MAX_STATES


def test_nothing_else_is_discrete():
    assert not is_discrete(dist.Normal(0.0, 1.0).expand((2,)).to_event(1))
    assert not is_discrete(dist.Delta(torch.tensor(1.0)))
    assert is_discrete(dist.Poisson(1.0))


def test_priors_and_posteriors_sample_what_they_score(vae, x):
    z = every(vae)
    weights = 2 ** torch.arange(3.0, dtype=torch.float64)
    told = 0
    for p in (vae.prior(), vae.encode(x[:1]).expand((1,))):
        p = p if not p.batch_shape else vae.posterior(vae.encoder(x[0]))
        probability = p.log_prob(z).exp().detach()
        assert float(probability.sum()) == pytest.approx(1, abs=1e-12)
        drawn = p.sample((4000,))
        assert drawn.shape == (4000, 3)
        where = ((drawn @ weights)[:, None] == z @ weights).double()
        assert torch.equal(where.sum(1), torch.ones(4000, dtype=torch.float64))  # nothing but states
        counts, expected = where.sum(0), 4000 * probability
        assert stats.chisquare(counts.numpy(), expected.numpy()).pvalue > 1e-3
        shifted = expected.roll(1)
        if not torch.allclose(expected, shifted):  # of a uniform law every state is as good as its neighbour
            assert stats.chisquare(counts.numpy(), shifted.numpy()).pvalue < 1e-3
            told += 1
    assert told


def test_the_closed_kl_is_the_sum_over_states(vae, x):
    q, p = vae.encode(x), vae.prior()
    if isinstance(p, dist.MixtureSameFamily):
        with pytest.raises(NotImplementedError):
            kl_divergence(q, p)
        return
    log_q, log_p, _ = table(vae, x)
    assert torch.allclose(kl_divergence(q, p), (log_q.exp() * (log_q - log_p)).sum(0), atol=1e-12)


def test_a_reconstruction_comes_from_a_code_that_exists(vae, x):
    log_q, _, _ = table(vae, x)
    code = every(vae)[log_q.argmax(0)]
    assert torch.allclose(vae.reconstruct(x), vae.decode(code).mean)
    assert torch.allclose(vae.encode(x).mean, (log_q.exp()[..., None] * every(vae)[:, None]).sum(0))


def test_a_gan_takes_fixed_bits(draws):
    generator, critic = torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)
    m = GAN(generator, critic, (2,), 3, prior="Bernoulli")
    found = m.fake(Batch(draws("real", 50, 2)))
    assert set(found["z"].unique().tolist()) == {0.0, 1.0}
    assert m.sample(4).shape == (4, 2)
    with pytest.raises(ValueError, match=r"fixed prior such as StandardNormal; got Bernoulli"):
        GAN(generator, critic, (2,), 3, prior=pyrogen.priors.Bernoulli(learned=True))


@pytest.mark.parametrize("prior", ["Categorical", "VampPrior"])
def test_one_class_is_none(pair, prior):
    with pytest.raises(ValueError, match=r"latent_size=1 .*one class.*'Bernoulli'"):
        pair(prior=prior, posterior="Categorical", latent_size=1)


# ---------------------------------------------------------------------------------------------------- stock Pyro

STOCK = {
    "Trace_ELBO": lambda m: (m.guide, Trace_ELBO()),
    "Trace_ELBO, 3 particles": lambda m: (
        m.guide,
        Trace_ELBO(num_particles=3, vectorize_particles=True, max_plate_nesting=1),
    ),
    "TraceEnum_ELBO": lambda m: (config_enumerate(m.guide), TraceEnum_ELBO(max_plate_nesting=1)),
    "TraceEnum_ELBO, expanded": lambda m: (config_enumerate(m.guide, expand=True), TraceEnum_ELBO(max_plate_nesting=1)),
}


@pytest.mark.usefixtures("empty_store")
@pytest.mark.parametrize("stock", STOCK)
def test_stock_pyro_moves_every_parameter(vae, x, stock):
    before = {k: p.detach().clone() for k, p in vae.named_parameters()}
    guide, loss = STOCK[stock](vae)
    svi = SVI(vae.model, guide, pyro.optim.Adam({"lr": 1e-2}), loss)
    assert all(math.isfinite(svi.step(x)) for _ in range(3))
    assert [k for k, p in vae.named_parameters() if torch.equal(p, before[k])] == []


@pytest.mark.rotating
def test_stock_pyro_finds_the_exact_number(vae, x):
    exact = -float(exact_elbo(vae, x).detach().sum())
    enumerated = TraceEnum_ELBO(max_plate_nesting=1).loss(vae.model, config_enumerate(vae.guide), x)
    assert enumerated == pytest.approx(exact, rel=1e-9)
    drawn = np.array([Trace_ELBO().loss(vae.model, vae.guide, x) for _ in range(300)])
    assert abs(drawn.mean() - exact) < 4 * drawn.std() / len(drawn) ** 0.5


# ----------------------------------------------------------------------------------------------------- objective


def gradients(loss, m):
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(m.parameters()))])


def test_the_enumerated_elbo_and_its_gradient_are_exact(vae, x):
    terms = EnumeratedELBO().terms(vae, Batch(x))
    exact = -exact_elbo(vae, x).mean()
    assert torch.allclose(terms["loss"], exact)
    assert torch.allclose(terms["kl"] - terms["reconstruction"], exact)
    log_q, log_p, _ = table(vae, x)
    assert torch.allclose(terms["kl"], (log_q.exp() * (log_q - log_p)).sum(0).mean())
    found = gradients(terms["loss"], vae)
    assert torch.allclose(found, gradients(exact, vae), atol=1e-12)
    theirs = TraceEnum_ELBO(max_plate_nesting=1).differentiable_loss(vae.model, config_enumerate(vae.guide), x)
    assert torch.allclose(found, gradients(theirs, vae) / len(x), atol=1e-9)
    assert found.abs().max() > 1e-3


class LabelAndCode(Pair):
    """y of three classes, z|y normal, x normal: the graph of Kingma's M2, linear, so that its ELBO is known."""

    x_shape = torch.Size([2])

    def __init__(self, mask=None):
        super().__init__()
        self.classify = torch.nn.Linear(2, 3)
        self.locate = torch.nn.Linear(5, 1)
        self.emit = torch.nn.Linear(4, 2)
        self.log_scale = torch.nn.Parameter(torch.tensor(-0.3))
        self.mask = mask
        self.runs = 0

    def sample(self, n, y=None):
        raise NotImplementedError

    def masked(self):
        return poutine.mask(mask=torch.tensor(True) if self.mask is None else self.mask)

    def emission(self, y, z):
        wide = torch.broadcast_shapes(y.shape[:-1], z.shape[:-1])
        return self.emit(torch.cat([y.expand(*wide, 3), z.expand(*wide, 1)], -1))

    def location(self, x, y):
        wide = torch.broadcast_shapes(x.shape[:-1], y.shape[:-1])
        return self.locate(torch.cat([x.expand(*wide, 2), y.expand(*wide, 3)], -1))

    def model(self, x, y=None):
        with pyro.plate("datum", len(x), dim=-1), self.masked():
            label = pyro.sample("y", dist.OneHotCategorical(x.new_tensor([0.5, 0.3, 0.2])), obs=y)
            z = pyro.sample("z", dist.Normal(x.new_zeros(1), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(self.emission(label, z), 0.7).to_event(1), obs=x)

    def guide(self, x, y=None):
        with pyro.plate("datum", len(x), dim=-1), self.masked():
            label = pyro.sample("y", dist.OneHotCategorical(logits=self.classify(x)), obs=y)
            pyro.sample("z", dist.Normal(self.location(x, label), self.log_scale.exp()).to_event(1))

    def exact(self, x):
        """E log p(x|y,z) − KL(q(z|x,y)‖p(z)) in closed form, summed over y, ``(B,)``."""
        log_q = self.classify(x).log_softmax(-1)
        scale, total = self.log_scale.exp(), 0
        slope = self.emit.weight[:, 3]
        for k, label in enumerate(torch.eye(3, dtype=x.dtype)):
            mean = self.location(x, label)
            log_x = dist.Normal(self.emission(label, mean), 0.7).log_prob(x).sum(-1)
            log_x = log_x - (slope.square().sum() * scale.square()) / (2 * 0.7**2)
            kl = kl_divergence(dist.Normal(mean[..., 0], scale), dist.Normal(0.0, 1.0))
            prior = math.log((0.5, 0.3, 0.2)[k])
            total = total + log_q[:, k].exp() * (log_x - kl + prior - log_q[:, k])
        return total


def test_continuous_latents_are_drawn_for_each_state():
    m = LabelAndCode().double()
    x = torch.randn(3, 2, dtype=torch.float64)
    exact = -m.exact(x).mean()
    expected = gradients(exact, m)
    many = range(30)
    losses = [EnumeratedELBO(num_samples=200).terms(m, Batch(x))["loss"] for _ in many]
    found = torch.stack([gradients(loss, m) for loss in losses])
    values = torch.stack([loss.detach() for loss in losses])
    error = values.std() / len(many) ** 0.5
    assert abs(values.mean() - exact.detach()) < 4 * error
    assert error < 0.01
    errors = found.std(0) / len(many) ** 0.5
    assert ((found.mean(0) - expected).abs() < 4.5 * errors + 1e-9).all()
    assert (expected.abs() > 10 * errors).any()
    theirs = TraceEnum_ELBO(max_plate_nesting=1, num_particles=200, vectorize_particles=True)
    other = theirs.loss(m.model, config_enumerate(m.guide), x) / len(x)
    assert abs(other - float(exact.detach())) < 5 * float(values.std())


def test_masked_data_cost_nothing():
    mask = torch.tensor([True, False, True])
    m = LabelAndCode(mask).double()
    x = torch.randn(3, 2, dtype=torch.float64)
    with torch.no_grad():
        loss = EnumeratedELBO(num_samples=20_000).terms(m, Batch(x))["loss"]
        exact = -(m.exact(x) * mask).mean()
        assert float(loss) == pytest.approx(float(exact), abs=0.05)
        assert abs(float(exact + m.exact(x).mean())) > 0.2  # the control: it is not what all three cost


def test_a_label_that_is_known_is_not_summed():
    with pytest.raises(ValueError, match=r"sums over discrete latents, and the guide draws none; train it by ELBO"):
        EnumeratedELBO().terms(LabelAndCode(), Batch(torch.randn(3, 2), torch.eye(3)))


class NoHost(TorchDispatchMode):
    """Refuses to wait for a number."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func not in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default), func
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", COMBINATIONS)
def test_no_step_waits_for_the_device(pair, draws, name):
    m = pair(latent_size=3, **COMBINATIONS[name])
    x = draws("binary", 4, 1, 4, 4)
    with pyro.validation_enabled(False), NoHost():
        EnumeratedELBO().terms(m, Batch(x))["loss"].backward()


def test_batch_norm_sees_each_batch_once(draws):
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2), torch.nn.BatchNorm1d(2))
    m = pyrogen.vae(
        encoder=encoder,
        decoder=torch.nn.Linear(2, 16),
        x_shape=(1, 4, 4),
        latent_size=2,
        prior="Bernoulli",
        posterior="Bernoulli",
    )
    m.train()
    EnumeratedELBO().terms(m, Batch(draws("binary", 5, 1, 4, 4)))
    assert int(encoder[2].num_batches_tracked) == 1
    assert encoder[2].training


class Stuck(LabelAndCode):
    """Its continuous latent has no reparameterization."""

    def guide(self, x, y=None):
        with pyro.plate("datum", len(x), dim=-1):
            pyro.sample("y", dist.OneHotCategorical(logits=self.classify(x)))
            pyro.sample("z", dist.VonMises(x[:, :1], 1.0).to_event(1))


REFUSED = {
    "nothing discrete": (lambda pair: pair(), EnumeratedELBO(), r"guide draws none; train it by ELBO"),
    "too many at once": (
        lambda pair: pair(latent_size=11, prior="Bernoulli", posterior="Bernoulli"),
        EnumeratedELBO(),
        r"2,048 states, and EnumeratedELBO\(max_states=1024\).*raise max_states.*VIMCO",
    ),
    "too many": (
        lambda pair: pair(latent_size=20, prior="Bernoulli", posterior="Bernoulli"),
        EnumeratedELBO(max_states=10**7),
        r"1,048,576 states, and at most 65,536",
    ),
}


@pytest.mark.parametrize(("build", "objective", "message"), REFUSED.values(), ids=REFUSED)
def test_the_objective_refuses(pair, draws, build, objective, message):
    with pytest.raises(ValueError, match=message) as caught:
        objective.terms(build(pair), Batch(draws("binary", 4, 1, 4, 4)))
    assert "\n" not in str(caught.value)


def test_the_objective_refuses_draws_without_a_gradient():
    with pytest.raises(ValueError, match=r"guide's 'z' is not reparameterized; train it by ELBO"):
        EnumeratedELBO().terms(Stuck(), Batch(torch.randn(3, 2)))
    with pytest.raises(ValueError, match=r"EnumeratedELBO\(max_states=0\): needs max_states >= 1"):
        EnumeratedELBO(max_states=0)
    with pytest.raises(ValueError, match=r"GAN is no \(model, guide\) pair, which EnumeratedELBO needs"):
        EnumeratedELBO().players(GAN(torch.nn.Linear(1, 2), torch.nn.Linear(2, 1), (2,), 1))


def test_it_trains_by_fit(pair, tiny_data):
    m = pair(latent_size=3, prior="Bernoulli", posterior="Bernoulli")
    data = tiny_data(m)
    settings = {"epochs": 20, "batch_size": 8, "lr": 3e-2, "seed": 0, "device": "cpu", "progress": False}
    run = fit(m, data, objective=EnumeratedELBO(), **settings)
    losses = run.history["train/loss"].dropna().tolist()
    assert losses[-1] < losses[0] - 0.5
    x = data.train.x
    with torch.no_grad():
        bound = -EnumeratedELBO().terms(m, Batch(x))["loss"]
    truth = log_evidence(m, x, Enumerate())["log_evidence"].values
    assert truth.mean() > float(bound)


# ----------------------------------------------------------------------------------------------------- estimator


def test_probabilities_of_all_images_sum_to_one(vae):
    images = torch.cartesian_prod(*[torch.arange(2.0, dtype=torch.float64)] * 4).reshape(16, 1, 2, 2)
    ev = log_evidence(vae, images, Enumerate())
    assert float(np.exp(ev["log_evidence"].values).sum()) == pytest.approx(1, abs=1e-12)
    assert ev.attrs["bound"] == "exact"
    assert (ev["mc_se"] == 0).all()
    assert set(ev.data_vars) == {"log_evidence", "mc_se"}


def test_the_evidence_is_the_sum_and_the_gap_is_the_kl_to_the_posterior(vae, x):
    log_q, log_p, log_x = table(vae, x)
    truth = (log_p + log_x).logsumexp(0)
    found = torch.from_numpy(log_evidence(vae, x, Enumerate())["log_evidence"].values)
    assert torch.allclose(found, truth.detach())
    posterior = log_p + log_x - truth
    gap = (log_q.exp() * (log_q - posterior)).sum(0)
    assert torch.allclose(found - exact_elbo(vae, x), gap)
    assert gap.min() > 0


def test_estimates_by_draws_agree(vae, x):
    truth = log_evidence(vae, x, Enumerate())["log_evidence"].values
    weighed = log_evidence(vae, x, IWAE(5000))
    assert np.abs((weighed["log_evidence"] - truth) / weighed["mc_se"]).max() < 4.5
    assert not (weighed["pareto_k"] > 0.7).any()
    bound = log_evidence(vae, x, ELBO(num_samples=2000))
    exact = exact_elbo(vae, x).detach().numpy()
    assert np.abs((bound["log_evidence"] - exact) / bound["mc_se"]).max() < 4.5


def test_few_values_have_no_tail():
    random = np.random.default_rng(0)
    states = [0.002, 0.004, 0.008, 0.015, 0.05, 0.1, 0.3, 0.521]  # of three bits
    for shares in ([0.5, 0.3, 0.2], [0.03, 0.03, 0.94], [0.001, 0.01, 0.02, 0.969], [0.04, 0.96], states):
        weights = random.choice(random.normal(size=len(shares)), p=shares, size=(5000, 1))
        for noise in (0, 1e-7):  # the rounding of float32
            assert np.isneginf(
                WeightStream.of(weights + noise * random.normal(size=weights.shape)).pareto()[0]
            ).all(), shares
    heavy = random.standard_exponential((5000, 1)) * 1.5  # the control: exp of it is Pareto with k = 1.5
    assert 1.2 < WeightStream.of(heavy).pareto()[0][0] < 1.8


@pytest.mark.parametrize("chunk_size", [1, 3, 7, 1000])
def test_the_chunk_size_changes_nothing(pair, draws, chunk_size):
    m = pair(latent_size=5, prior="Bernoulli", posterior="Bernoulli")
    x = draws("binary", 53, 1, 4, 4)
    expected = log_evidence(m, x, Enumerate())["log_evidence"].values
    found = log_evidence(m, x.flip(0), Enumerate(), chunk_size=chunk_size)["log_evidence"].values[::-1]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


WEIGHTS = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
MEANS = torch.tensor([-2.0, 0.5, 3.0], dtype=torch.float64)
MOVES = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]], dtype=torch.float64)


def mixture(x):
    with pyro.plate("points", len(x)):
        k = pyro.sample("k", dist.Categorical(WEIGHTS))
        pyro.sample("x", dist.Normal(MEANS[k], 0.5), obs=x)


def nothing(x):
    pass


def test_a_mixture_written_in_pyro():
    x = torch.linspace(-4, 5, 61, dtype=torch.float64)
    truth = (WEIGHTS.log()[:, None] + dist.Normal(MEANS[:, None], 0.5).log_prob(x)).logsumexp(0)
    ev = log_evidence((mixture, nothing), x, Enumerate())
    np.testing.assert_allclose(ev["log_evidence"], truth, rtol=1e-12)


def hidden_markov(x):
    with pyro.plate("series", len(x)):
        for t in range(x.shape[1]):
            z = pyro.sample(f"z_{t}", dist.Categorical(WEIGHTS if t == 0 else MOVES[z]))  # noqa: F821
            pyro.sample(f"x_{t}", dist.Normal(MEANS[z], 0.8), obs=x[:, t])


def forward_algorithm(x):
    alpha = WEIGHTS.log() + dist.Normal(MEANS, 0.8).log_prob(x[:, :1])
    for t in range(1, x.shape[1]):
        moved = (alpha[:, :, None] + MOVES.log()).logsumexp(1)
        alpha = moved + dist.Normal(MEANS, 0.8).log_prob(x[:, t : t + 1])
    return alpha.logsumexp(1)


def test_a_hidden_markov_model_written_in_pyro():
    x = 3 * torch.randn(7, 6, dtype=torch.float64)
    truth = forward_algorithm(x)
    for chunk_size in (100, 1000):
        ev = log_evidence((hidden_markov, nothing), x, Enumerate(), chunk_size=chunk_size)
        np.testing.assert_allclose(ev["log_evidence"], truth, rtol=1e-12)
    brute = [
        sum(
            float(dist.Normal(MEANS[k], 0.8).log_prob(x[0, t]))
            + math.log(WEIGHTS[k] if t == 0 else MOVES[path[t - 1], k])
            for t, k in enumerate(path)
        )
        for path in itertools.product(range(3), repeat=6)
    ]
    assert float(truth[0]) == pytest.approx(float(torch.tensor(brute).double().logsumexp(0)), rel=1e-6)


def test_latents_in_an_inner_plate_of_either_side():
    """Three coins a row, whose bias is a fourth; the plate over the data is the outer or the inner one."""

    def model(data, coins):
        def program(x):
            rows = pyro.plate("rows", x.shape[0], dim=data)
            with rows:
                a = pyro.sample("a", dist.Bernoulli(x.new_tensor(0.3)))
                with pyro.plate("coins", 3, dim=coins):
                    b = pyro.sample("b", dist.Bernoulli(0.2 + 0.5 * a))
                    seen = x if data == -2 else x.T
                    pyro.sample("x", dist.Normal(2 * b, 0.6), obs=seen)

        return program

    x = torch.randn(5, 3, dtype=torch.float64)
    on, off = (dist.Normal(v, 0.6).log_prob(x).exp() for v in (2.0, 0.0))
    truth = (0.3 * (0.7 * on + 0.3 * off).prod(1) + 0.7 * (0.2 * on + 0.8 * off).prod(1)).log()
    for data, coins in ((-2, -1), (-1, -2)):
        for chunk_size in (5, 100):
            ev = log_evidence((model(data, coins), nothing), x, Enumerate(), chunk_size=chunk_size)
            np.testing.assert_allclose(ev["log_evidence"], truth, rtol=1e-6)


def test_without_latents_it_is_the_models_own_number(draws):
    m, x = pyrogen.create("made", x_shape=(1, 4, 4)), draws("binary", 5, 1, 4, 4)
    own = log_evidence(m, x, "Exact")["log_evidence"]
    np.testing.assert_allclose(log_evidence(m, x, Enumerate())["log_evidence"], own, rtol=1e-6)


def test_stock_vectors_of_bits_conditions_and_functions_of_latents():
    probs = torch.tensor([0.2, 0.6, 0.7])

    def model(x, y):
        with pyro.plate("rows", x.shape[0]):
            z = pyro.sample("z", dist.Bernoulli(probs).to_event(1))
            total = pyro.sample("total", dist.Delta(z.sum(-1) + y))
            pyro.sample("x", dist.Poisson(0.5 + total), obs=x)

    x, y = torch.tensor([0.0, 1.0, 4.0]), torch.tensor([0.0, 1.0, 2.0])
    terms = []
    for z in itertools.product([0.0, 1.0], repeat=3):
        z = torch.tensor(z)
        terms.append(dist.Bernoulli(probs).log_prob(z).sum() + dist.Poisson(0.5 + z.sum() + y).log_prob(x))
    ev = log_evidence((model, lambda x, y: None), x, Enumerate(), y=y)
    np.testing.assert_allclose(ev["log_evidence"], torch.stack(terms).logsumexp(0), rtol=1e-5)


def test_a_pair_as_a_tuple_gets_the_same_number(vae, x):
    whole = log_evidence(vae, x, Enumerate())
    apart = log_evidence((vae.model, vae.guide), x, Enumerate())
    np.testing.assert_allclose(whole["log_evidence"], apart["log_evidence"], rtol=1e-12)


def counts(x):
    with pyro.plate("rows", len(x)):
        n = pyro.sample("n", dist.Poisson(2.0))
        pyro.sample("x", dist.Normal(n, 1.0), obs=x)


UNSCORED = {
    "continuous": (lambda pair: pair(), r"model's 'z' is continuous; use estimator=IWAE\(5000\) or AIS"),
    "mixed": (lambda pair: LabelAndCode(), r"model's 'z' is continuous"),
    "infinite": (lambda pair: (counts, counts), r"values of Poisson cannot be listed.*IWAE\(5000\)"),
    "too many": (
        lambda pair: pair(latent_size=17, prior="Bernoulli", posterior="Bernoulli"),
        r"131,072 states.*IWAE\(5000\)",
    ),
    "no pair": (
        lambda pair: pyrogen.create("rbm", x_shape=(1, 4, 4)),
        r"has no latents, which Enumerate\(\) sums over",
    ),
}


@pytest.mark.parametrize(("build", "message"), UNSCORED.values(), ids=UNSCORED)
def test_the_estimator_refuses(pair, draws, build, message):
    m = build(pair)
    x = torch.rand(4) if isinstance(m, tuple) else draws("binary", 4, *m.x_shape)
    with pytest.raises(ValueError, match=message) as caught:
        log_evidence(m, x, Enumerate())
    assert "\n" not in str(caught.value)


def test_joint_states_count_and_begin_again():
    found = joint_states(LabelAndCode().guide, LabelAndCode(), torch.zeros(2, 2))
    assert (found.count, found.others) == (3, ("z",))
    assert found.values(0, 6)["y"].argmax(-1).flatten().tolist() == [0, 1, 2, 0, 1, 2]
    assert found.values(0, 6)["y"].shape == (6, 1, 3)


def test_a_latent_outside_the_plate_is_refused():
    def loose(x, y=None):
        pyro.sample("coin", dist.Bernoulli(0.5))

    with pytest.raises(ValueError, match=r"'coin' has batch shape \(\) for one datum.*put it there"):
        joint_states(loose, LabelAndCode(), torch.zeros(2, 2))


# ------------------------------------------------------------------------------------------------- grids of classes


def grid(variables=3, latent_size=6, **more):
    torch.manual_seed(0)
    choice = {"name": "Categorical", "variables": variables}
    return pyrogen.create(
        "vae", x_shape=(5,), latent_size=latent_size, hidden=(8,), prior=choice, posterior=choice, **more
    )


def test_a_grid_of_classes_is_classes_side_by_side():
    logits = torch.randn(4, 3, 2)
    whole, parts = OneHots(logits), torch.distributions.OneHotCategorical(logits=logits)
    z = whole.sample((500,))
    assert z.shape == (500, 4, 6)
    assert whole.support.check(z).all()
    assert not whole.support.check(torch.tensor([1.0, 1, 0, 0, 0, 1]))
    torch.testing.assert_close(whole.log_prob(z), parts.log_prob(z.unflatten(-1, (3, 2))).sum(-1))
    torch.testing.assert_close(whole.mean, parts.probs.flatten(-2))
    assert (abs(z.mean(0) - whole.mean) < 5 * (0.25 / 500) ** 0.5).all()
    every = whole.enumerate_support()
    assert every.shape == (8, 4, 6)
    torch.testing.assert_close(whole.log_prob(every).exp().sum(0), torch.ones(4))
    other = OneHots(torch.randn(3, 2))
    exact = (whole.log_prob(every).exp() * (whole.log_prob(every) - other.log_prob(every))).sum(0)
    torch.testing.assert_close(torch.distributions.kl_divergence(whole, other.expand((4,))), exact)
    assert torch.equal(whole.mode, every[whole.log_prob(every).argmax(0), torch.arange(4)])


@pytest.mark.parametrize("learned", [False, True])
def test_the_evidence_of_a_grid_is_a_sum_over_its_states(learned):
    m = grid()
    if learned:
        m = pyrogen.create(
            "vae",
            x_shape=(5,),
            latent_size=6,
            hidden=(8,),
            prior={"name": "Categorical", "learned": True, "variables": 3},
            posterior={"name": "Categorical", "variables": 3},
        )
        torch.nn.init.normal_(m.prior.logits)
    x = torch.rand(4, 5, generator=torch.Generator().manual_seed(0)).round()
    every = torch.stack([torch.eye(2)[list(k)].flatten() for k in itertools.product(range(2), repeat=3)])
    with torch.no_grad():
        joint = m.decode(every.unsqueeze(1)).log_prob(x) + m.prior().log_prob(every).unsqueeze(1)
    exact = log_evidence(m, x, "Enumerate")["log_evidence"].values
    np.testing.assert_allclose(exact, joint.logsumexp(0).numpy(), rtol=1e-5)
    with torch.no_grad():
        bound = -EnumeratedELBO().terms(m, Batch(x))["loss"]
        q = m.encode(x).log_prob(every.unsqueeze(1))
        by_hand = (q.exp() * (joint - q)).sum(0).mean()
    torch.testing.assert_close(bound, by_hand, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("variables", "latent_size", "message"),
    [(3, 7, "cuts latent_size=7 into 3"), (4, 4, "at least 2 classes"), (0, 4, "at least one")],
)
def test_a_grid_that_does_not_fit_is_refused(variables, latent_size, message):
    with pytest.raises(ValueError, match=message):
        grid(variables, latent_size)


def test_grids_of_other_shapes_do_not_fit_together():
    one, three = "Categorical", {"name": "Categorical", "variables": 3}
    for prior, posterior in ((one, three), (three, one), ("StandardNormal", three)):
        with pytest.raises(ValueError, match=r"grids of 3 one-hot vectors.*; use posterior="):
            pyrogen.create("vae", x_shape=(5,), latent_size=6, prior=prior, posterior=posterior)
