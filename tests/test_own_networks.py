"""Networks as people write them, data as people have them: they work, or are refused in a sentence."""

import collections
import logging

import numpy as np
import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.inference import ELBO, IWAE, Adversarial, fit, log_evidence
from pyrogen.inference.runs.compare import runs_table
from pyrogen.likelihoods import Normal
from pyrogen.nets.critics import Perceptron
from pyrogen.registry import describe, make

X_SHAPE, D = (1, 4, 4), 3
Pair = collections.namedtuple("Pair", "mu logvar")


class Encoder(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.layer, self.answer = nn.Linear(16, 2 * D), answer

    def forward(self, x):
        h = self.layer(x.flatten(1))
        return self.answer(h[:, :D], h[:, D:])


def own(encoder=None, decoder=None, **choices):
    return pyrogen.vae(X_SHAPE, D, hidden=(8,), encoder=encoder, decoder=decoder, **choices)


HABITS = {
    "tuple": lambda m, s: (m, s),
    "list": lambda m, s: [m, s],
    "names": lambda m, s: {"log_variance": s, "mean": m},
    "pythae": lambda m, s: {"embedding": m, "log_covariance": s},
    "named tuple": lambda m, s: Pair(m, s),
    "maps of one pixel": lambda m, s: (m[..., None, None], s[..., None, None]),
    "scale": lambda m, s: {"loc": m, "scale": (s / 2).exp()},
    "variance": lambda m, s: {"mean": m, "variance": s.exp()},
    "normal": lambda m, s: torch.distributions.Normal(m, (s / 2).exp()),
    "independent": lambda m, s: torch.distributions.Independent(torch.distributions.Normal(m, (s / 2).exp()), 1),
}


@pytest.mark.parametrize("habit", HABITS)
def test_an_encoder_that_returns_mean_and_spread_apart_gives_that_mean_and_variance(habit, draws):
    encoder = Encoder(HABITS[habit])
    x = draws("binary", 5, *X_SHAPE)
    q = own(encoder).encode(x)
    mean, log_variance = encoder.layer(x.flatten(1)).chunk(2, -1)
    assert torch.equal(q.mean, mean)
    assert torch.allclose(q.variance, log_variance.exp(), rtol=1e-5)


REFUSED = {
    "three": (
        lambda m, s: (m, m, s),
        r"tuple of \(2, 3\), \(2, 3\), \(2, 3\).*\(N, 6\), or a pair \(mean, log_variance\)",
    ),
    "unknown names": (lambda m, s: {"a": m, "b": s}, r"a dict of a \(2, 3\), b.*pair \(mean, log_variance\)"),
    "a positive second": (lambda m, s: (m, s.exp()), r'made by exp, .*"scale"'),
    "uneven": (lambda m, s: (m[:, :2], s), r"pair \(mean, log_variance\) of shape \(N, 3\) each"),
    "nothing": (lambda m, s: None, r"returned a NoneType; expected one tensor of shape \(N, 6\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_encoder_that_returns_something_else_is_told_what_to_return(case):
    answer, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        own(Encoder(answer))


def test_a_pair_is_refused_by_a_posterior_that_is_no_mean_and_variance():
    with pytest.raises(ValueError, match=r"expected one tensor of shape \(N, 9\)\.$"):
        own(Encoder(HABITS["tuple"]), posterior="FullRankNormal")


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(D, 16)

    def forward(self, z):
        return torch.sigmoid(self.layer(z)).reshape(-1, *X_SHAPE)


class Channels(nn.Module):
    def forward(self, x):
        return x.permute(0, 3, 1, 2)


class Reconstruction(collections.OrderedDict):
    """As pythae's networks answer."""


class PythaeDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(D, 16), nn.Sigmoid())

    def forward(self, z):
        return Reconstruction(reconstruction=self.layers(z).reshape(-1, *X_SHAPE))


SIGMOIDS = {
    "pythae": PythaeDecoder(),
    "module": nn.Sequential(nn.Linear(D, 16), nn.Sigmoid(), nn.Unflatten(1, X_SHAPE)),
    "functional": Functional(),
}


@pytest.mark.parametrize("name", SIGMOIDS)
def test_a_decoder_that_ends_in_a_sigmoid_is_noticed_where_logits_are_read(name, caplog):
    caplog.set_level(logging.WARNING, "pyrogen")
    assert own(decoder=SIGMOIDS[name], likelihood=Normal(scale="fixed")).sample(2).shape == (2, *X_SHAPE)
    own(decoder=nn.Sequential(nn.Linear(D, 8), nn.Sigmoid(), nn.Linear(8, 16)))
    assert caplog.text == ""
    tanh = nn.Sequential(nn.Linear(D, 16), nn.Unflatten(1, (4, 4, 1)), Channels(), nn.Tanh())
    own(decoder=tanh, likelihood="ContinuousBernoulli")
    assert "the decoder ends in a tanh" in caplog.text
    assert "which it would keep between −1 and 1; leave the tanh out" in caplog.text
    own(decoder=SIGMOIDS[name])
    assert "the decoder ends in a sigmoid, and the likelihood Bernoulli reads its outputs as logits" in caplog.text


def test_lazy_layers_are_initialized_and_keep_no_statistics_of_the_trial():
    encoder = nn.Sequential(nn.Flatten(), nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.LazyLinear(2 * D))
    m = own(encoder, nn.LazyLinear(16))
    assert not any(nn.parameter.is_lazy(p) for p in m.parameters())
    assert encoder[2].num_batches_tracked == 0
    assert encoder[2].running_mean.abs().max() == 0
    assert encoder[2].training
    assert m.sample(2).shape == (2, *X_SHAPE)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.uint8, torch.int64, torch.bool])
def test_data_of_another_type_are_read_in_the_models_own(dtype, draws):
    x = draws("binary", 3, *X_SHAPE)
    m = own()
    assert torch.equal(m.encode(x.to(dtype)).mean, m.encode(x).mean)
    assert torch.equal(m.code(x.to(dtype)), m.code(x))
    assert torch.equal(m.reconstruct(x.to(dtype)), m.reconstruct(x))
    z = torch.ones(2, D)
    assert torch.equal(m.decode(z.to(dtype)).mean, m.decode(z).mean)
    rbm = pyrogen.create("rbm", x_shape=X_SHAPE, hidden=4)
    assert rbm.gibbs(x.to(dtype)).shape == x.shape
    for name in ("made", "rbm"):
        exact = pyrogen.create(name, x_shape=(16,), hidden=4 if name == "rbm" else (8,))
        assert torch.equal(exact.log_prob(x.flatten(1).to(dtype)), exact.log_prob(x.flatten(1)))


def test_complex_data_are_refused():
    with pytest.raises(ValueError, match=r"real numbers, and x holds torch.complex64"):
        own().encode(torch.zeros(2, *X_SHAPE, dtype=torch.complex64))


@pytest.mark.parametrize(
    "posterior", ["DiagonalNormal", "Laplace", "LowRankNormal", "MixtureOfGaussians", "FlowPosterior"]
)
def test_features_far_out_leave_a_posterior_finite_and_with_a_gradient(posterior):
    q = make("posterior", posterior)
    m = own(posterior=q)
    for far in (-1e4, 1e4):
        features = torch.full((2, q.width(D)), far, requires_grad=True)
        bound = m.posterior(features)
        assert torch.isfinite(bound.rsample()).all()
        bound.rsample().square().sum().backward()
        assert torch.isfinite(features.grad).all()
        assert features.grad.abs().sum() > 0


@pytest.mark.parametrize("likelihood", ["Normal", Normal(scale="shared"), Normal(positive="exp")])
def test_data_far_from_one_train_with_the_defaults(likelihood, tmp_path):
    x = 300 * torch.rand(64, 1, 131, 2)
    np.savez(tmp_path / "far.npz", x_train=x.numpy())
    m = pyrogen.vae((1, 131, 2), hidden=(32,), likelihood=likelihood)
    fit(m, pyrogen.data.load(tmp_path / "far.npz"), epochs=3)
    assert all(torch.isfinite(p).all() for p in m.parameters())


def spread(m):
    return float(m.decode(torch.zeros(1, D)).variance.sqrt().flatten()[0].detach())


def test_a_shared_scale_without_a_value_starts_at_the_spread_of_the_data():
    x = 300 * torch.rand(200, *X_SHAPE)
    for likelihood in (Normal(scale="shared"), Normal(scale="shared", positive="exp")):
        m = own(likelihood=likelihood)
        assert m.needs_training_data
        m.before_training(x)
        assert spread(m) == pytest.approx(float(x.std()), rel=1e-3)
    for dtype in (torch.float64, torch.bfloat16):
        cast = own(likelihood=Normal(scale="shared")).to(dtype)
        for times in (1, 2):  # one that has moved stays
            cast.before_training(times * x)
            assert spread(cast.float()) == pytest.approx(float(x.std()), rel=1e-2)
            cast.to(dtype)
    given = own(likelihood=Normal(scale="shared", value=0.5))
    assert not given.needs_training_data
    given.before_training(x)
    assert spread(given) == pytest.approx(0.5)


@pytest.mark.parametrize("sides", [(28, 20), (112, 92), (31, 31), (1, 5), (4, 4)])
def test_convolutions_take_images_of_any_size(sides):
    m = pyrogen.create("vae-conv", x_shape=(2, *sides), width=4, latent_size=3)
    assert m.sample(2).shape == (2, 2, *sides)
    assert m.reconstruct(torch.ones(2, 2, *sides)).shape == (2, 2, *sides)


@pytest.mark.parametrize("name", ["beta-vae", "vae-2d", "vae-conv"])
def test_every_axis_of_a_named_vae_can_be_swapped(name):
    m = pyrogen.create(name, x_shape=(1, 8, 8), prior="Laplace", posterior="FullRankNormal", likelihood="Normal")
    assert [describe(axis)["name"] for axis in (m.prior, m.posterior, m.likelihood)] == [
        "Laplace",
        "FullRankNormal",
        "Normal",
    ]


def test_iwae_without_k_draws_few_to_train_and_many_to_score(draws):
    assert (IWAE().training_draws, IWAE().scoring_draws, IWAE(7).training_draws, IWAE(7).scoring_draws) == (
        50,
        5000,
        7,
        7,
    )
    assert log_evidence(own(), draws("binary", 2, *X_SHAPE), "IWAE").attrs["num_samples"] == 5000


def test_runs_of_own_networks_are_compared_by_their_scores(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = torch.rand(60, *X_SHAPE, generator=torch.Generator().manual_seed(0)).round()
    for name in ("a", "b"):
        fit(own(Encoder(HABITS["tuple"])), x, epochs=0, folder=name, progress=False).evaluate(ELBO(), check_guide=False)
    table = runs_table(["a", "b"])
    assert table.count("│ elbo-100-test") == 2
    assert table.count("│ vae   │ –") == 2  # parameters that only the maker can count


class OwnCritic(Perceptron):
    pass


@pytest.mark.parametrize(
    "objective",
    [Adversarial(critic=OwnCritic((4,))), ELBO(beta=0) + 0.5 * Adversarial(sites=("z",), critic=OwnCritic((4,)))],
    ids=["a choice", "a term of a sum"],
)
def test_networks_of_ones_own_may_stand_inside_a_choice(objective, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = torch.rand(60, 3, generator=torch.Generator().manual_seed(0))
    for name in ("a", "b"):
        made = pyrogen.create("vae", x_shape=(3,), latent_size=2, hidden=(4,), likelihood="Normal", objective=objective)
        fit(made, x, ELBO(), epochs=0, folder=name, progress=False).evaluate(ELBO(), check_guide=False)
    assert runs_table(["a", "b"]).count("│ vae   │ –") == 2
    with pytest.raises(
        ValueError, match=r"networks of its maker's own \(objective\); build an equal one and call load"
    ):
        pyrogen.load("a")
    assert pyrogen.load("a", model=made) is made
