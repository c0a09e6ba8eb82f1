"""Latents in levels: the joint distribution, its sampling, and the ladder that infers it."""

import math

import pytest
import torch

import pyrogen
from pyrogen.base import Batch
from pyrogen.inference import ELBO, IWAE, log_evidence
from pyrogen.posteriors import Ladder
from pyrogen.priors import Hierarchical

X = torch.bernoulli(torch.full((12, 1, 3, 3), 0.4), generator=torch.Generator().manual_seed(0))


def vae(upper=(2,), latent_size=3, posterior="Ladder"):
    torch.manual_seed(0)
    prior = Hierarchical(upper=upper, hidden=8)
    return pyrogen.create(
        "vae", x_shape=(1, 3, 3), latent_size=latent_size, hidden=(8,), prior=prior, posterior=posterior
    )


def test_the_joint_density_is_the_product_of_its_levels():
    prior = vae(upper=(1, 2), latent_size=4).prior
    z = torch.randn(5, 4)
    by_hand = torch.distributions.Normal(0.0, 1.0).log_prob(z[:, 0])
    for number, (above, here) in enumerate(((slice(0, 1), slice(1, 3)), (slice(1, 3), slice(3, 4)))):
        loc, log_variance = prior.between[number](z[:, above]).chunk(2, -1)
        by_hand = by_hand + torch.distributions.Normal(loc, (log_variance / 2).exp()).log_prob(z[:, here]).sum(-1)
    torch.testing.assert_close(prior().log_prob(z), by_hand)


def test_the_density_integrates_to_one():
    prior = vae(upper=(1,), latent_size=2).prior
    with torch.no_grad():
        prior.between[0][-2].weight.mul_(3)  # strong ties
        line = torch.linspace(-9, 9, 600)
        grid = torch.cartesian_prod(line, line)
        total = prior().log_prob(grid).exp().sum() * (line[1] - line[0]) ** 2
    assert total.item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("which", ["prior", "posterior"])
def test_what_is_drawn_is_what_is_scored(which):
    """E_p[r(z)] = E_N[r(z) p(z)/N(z)] for a wide normal N: moments of draws against moments by the density."""
    model = vae(upper=(1,), latent_size=2)
    p = model.prior() if which == "prior" else model.encode(X[:1])
    torch.manual_seed(1)
    with torch.no_grad():
        drawn = p.sample((100_000,)).reshape(-1, 2)
        wide = torch.distributions.Normal(torch.zeros(2), 2.0)
        other = wide.sample((200_000,))
        log_p = p.log_prob(other.unsqueeze(1) if which == "posterior" else other).reshape(-1)
        weights = (log_p - wide.log_prob(other).sum(-1)).softmax(0)
    for moment in (lambda z: z, lambda z: z.square(), lambda z: z[:, :1] * z[:, 1:]):
        torch.testing.assert_close(moment(drawn).mean(0), (weights[:, None] * moment(other)).sum(0), atol=0.03, rtol=0)


def test_without_data_the_ladder_is_the_prior_below_its_top():
    model = vae()
    features = torch.cat([torch.zeros(1, 3), torch.full((1, 3), 60.0)], -1)  # variances beyond measure
    with torch.no_grad():
        q, p = model.posterior(features), model.prior()
        z = p.sample((50, 1))
        torch.testing.assert_close(q.log_probs(z)[1], p.log_probs(z)[1], atol=1e-4, rtol=1e-4)


def test_with_sharp_data_the_ladder_follows_them():
    model = vae()
    features = torch.tensor([[1.0, 2.0, 3.0, -20.0, -20.0, -20.0]])
    torch.testing.assert_close(model.posterior(features).sample()[0], torch.tensor([1.0, 2.0, 3.0]), atol=1e-2, rtol=0)


def test_the_data_see_the_last_level_only():
    model = vae()
    z = torch.randn(4, 3)
    moved = z + torch.tensor([5.0, 5.0, 0.0])
    torch.testing.assert_close(model.decode(z).mean, model.decode(moved).mean)
    assert not torch.allclose(model.decode(z).mean, model.decode(z + 1).mean)


@pytest.mark.parametrize("posterior", ["Ladder", "DiagonalNormal", "FullRankNormal"])
def test_both_posteriors_reach_the_same_evidence(posterior):
    """By quadrature over the plane of two levels."""
    model = vae(upper=(1,), latent_size=2, posterior=posterior)
    line = torch.linspace(-7, 7, 300)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        log_prior = model.prior().log_prob(grid).double() + 2 * math.log(line[1] - line[0])
        log_x = model.decode(grid.unsqueeze(1)).log_prob(X).double()
        truth = (log_prior.unsqueeze(1) + log_x).logsumexp(0).numpy()
    score = log_evidence(model, X, IWAE(4000))
    assert abs((score["log_evidence"].values - truth) / score["mc_se"].values).max() < 4.5


def test_every_parameter_feels_the_elbo():
    model = vae(upper=(1, 1), latent_size=4)
    ELBO().terms(model, Batch(X))["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


REFUSED = {
    "a ladder without levels": (
        {"prior": "StandardNormal", "posterior": "Ladder"},
        "StandardNormal.*Ladder.*Hierarchical",
    ),
    "nothing left": (
        {"prior": Hierarchical(upper=(2, 2)), "latent_size": 4},
        r"Hierarchical.*latent_size=4.*at least 5",
    ),
    "a point mass": ({"prior": "Hierarchical", "posterior": "PointMass"}, "Hierarchical.*PointMass"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_cannot_work_is_refused(case):
    arguments, message = case
    with pytest.raises(ValueError, match=message):
        pyrogen.create("vae", **{"x_shape": (1, 3, 3), "latent_size": 6, **arguments})


def test_an_empty_level_is_refused():
    with pytest.raises(ValueError, match="at least one latent"):
        Hierarchical(upper=(2, 0))


def test_a_saved_ladder_is_read_again(tmp_path):
    model = vae()
    model.save(tmp_path)
    again = pyrogen.load(tmp_path)
    assert isinstance(again.posterior, Ladder)
    z = torch.randn(3, 3)
    torch.testing.assert_close(again.prior().log_prob(z), model.prior().log_prob(z))
