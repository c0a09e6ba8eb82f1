"""Levels along a residual path: their joint law, the posterior that changes what they expect, and the entry made of both."""

import math

import pytest
import torch

import pyrogen
from pyrogen.inference import ELBO, IWAE, fit, log_evidence
from pyrogen.posteriors import ResidualNormal
from pyrogen.priors import TopDown

X = torch.bernoulli(torch.full((6, 1, 3, 3), 0.4), generator=torch.Generator().manual_seed(0))


def model(levels=2, latent_size=2, posterior="ResidualNormal", noise=0.3, **more):
    torch.manual_seed(0)
    made = pyrogen.create(
        "vae-hierarchical",
        x_shape=(1, 3, 3),
        latent_size=latent_size,
        levels=levels,
        width=6,
        posterior=posterior,
        **more,
    )
    with torch.no_grad():
        for p in made.parameters():  # where a posterior is no prior any more
            p.add_(noise * torch.randn_like(p))
    return made


def test_the_joint_density_is_the_product_of_its_levels_by_hand():
    prior = model(levels=3, latent_size=5).prior
    assert prior.sizes == (1, 2, 2)
    z, h, log_p = torch.randn(4, 5), prior.first.expand(4, -1), 0.0
    for number, part in enumerate(z.split(prior.sizes, -1)):
        if number:
            loc, log_variance = prior.expect[number - 1](torch.nn.functional.silu(h)).chunk(2, -1)
            log_p = log_p + torch.distributions.Normal(loc, (log_variance / 2).exp()).log_prob(part).sum(-1)
        else:
            log_p = torch.distributions.Normal(0.0, 1.0).log_prob(part).sum(-1)
        h, step = h + prior.beside[number](part), prior.path[number]
        h = h + step.outer(torch.nn.functional.silu(step.inner(torch.nn.functional.silu(h))))
    torch.testing.assert_close(prior().log_prob(z), log_p)
    torch.testing.assert_close(prior.bottom(z), h)
    assert prior.bottom(z.expand(7, 4, 5)).shape == (7, 4, 6)


@pytest.mark.parametrize("which", ["prior", "posterior"])
def test_densities_integrate_to_one_and_are_those_of_their_draws(which):
    made = model(noise=0.15)
    p = made.prior() if which == "prior" else made.encode(X[:1]).expand(torch.Size([1]))
    line = torch.linspace(-9, 9, 400)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        mass = p.log_prob(grid.unsqueeze(1)).exp().reshape(400, 400) * (line[1] - line[0]) ** 2
        drawn = p.sample((40_000,)).reshape(-1, 2)
    assert float(mass.sum()) == pytest.approx(1, abs=2e-3)
    means = torch.stack([(mass.sum(1) * line).sum(), (mass.sum(0) * line).sum()])
    torch.testing.assert_close(drawn.mean(0), means, atol=0.04, rtol=0)
    torch.testing.assert_close((drawn[:, 0] * drawn[:, 1]).mean(), (mass * line.outer(line)).sum(), atol=0.06, rtol=0)


def test_a_level_that_says_nothing_is_the_prior_s_and_none_is_told_what_comes_after_it():
    silent = model(levels=4, latent_size=4)
    with torch.no_grad():
        for p in silent.posterior.net[-2].parameters():
            p.zero_()
    z = silent.encode(X).sample()
    torch.testing.assert_close(silent.encode(X).log_prob(z), silent.prior().log_prob(z))
    q = model(levels=4, latent_size=4).encode(X)
    first, second = torch.randn(6, 4), torch.randn(6, 4)
    second[:, :2] = first[:, :2]
    a, b = q.log_probs(first), q.log_probs(second)
    torch.testing.assert_close(a[:2], b[:2])
    assert not torch.allclose(a[2], b[2])


@pytest.mark.parametrize("posterior", ["ResidualNormal", "Ladder", "DiagonalNormal"])
def test_its_evidence_is_that_of_quadrature(posterior):
    made = model(posterior=posterior, noise=0.1)
    line = torch.linspace(-7, 7, 250)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        log_joint = made.prior().log_prob(grid).unsqueeze(1) + made.decode(grid.unsqueeze(1)).log_prob(X)
        truth = (log_joint.double().logsumexp(0) + 2 * math.log(14 / 249)).numpy()
    found = log_evidence(made, X, IWAE(2000))
    assert abs((found["log_evidence"].values - truth) / (found["mc_se"].values + 1e-3)).max() < 5
    assert (log_evidence(made, X, ELBO(num_samples=500))["log_evidence"].values < truth + 0.1).all()


def test_the_data_hang_on_every_level_and_any_vae_takes_the_prior():
    made = pyrogen.create(
        "vae", x_shape=(1, 3, 3), latent_size=4, hidden=(5,), prior=TopDown(4, 7), posterior="ResidualNormal"
    )
    assert made.bottom_size == 7
    z = torch.randn(2, 4, requires_grad=True)
    (moved,) = torch.autograd.grad(made.generate(z).sum(), z)
    assert (moved.abs() > 0).all()
    fit(made, {"x_train": X.repeat(4, 1, 1, 1).numpy()}, epochs=1, batch_size=8, progress=False, device="cpu")
    assert made.sample(3).shape == (3, 1, 3, 3)
    levels = pyrogen.create("vae", x_shape=(1, 3, 3), latent_size=4, prior="Hierarchical", posterior=ResidualNormal(3))
    assert levels.encode(X).sample().shape == (6, 4)


def test_nonsense_is_refused_in_a_sentence():
    for build, sentence in (
        (lambda: TopDown(levels=0), r"TopDown\(levels=0, width=64\): needs 1 level"),
        (lambda: ResidualNormal(hidden=0), r"ResidualNormal\(hidden=0\): needs 1 hidden unit"),
        (lambda: model(levels=4, latent_size=3), r"latent_size=3 is fewer; use latent_size >= 4"),
        (lambda: model(levels=-1), "needs 1 level or more"),
        (
            lambda: pyrogen.create("vae", x_shape=(4,), posterior="ResidualNormal"),
            "the prior StandardNormal has no levels for the posterior ResidualNormal to follow",
        ),
    ):
        with pytest.raises(ValueError, match=sentence) as caught:
            build()
        assert "\n" not in str(caught.value)
