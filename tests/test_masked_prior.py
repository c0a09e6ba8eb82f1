"""A masked diffusion as a prior of a grid: its density by enumeration, what it is fitted by, and its stage in a VQ-VAE."""

import itertools
import math

import pytest
import torch

import pyrogen
from pyrogen.base import Batch
from pyrogen.inference import IWAE, fit, log_evidence
from pyrogen.priors import MaskedPrior

NET = {"name": "Perceptron", "hidden": (8, 8), "octaves": 0}
KINDS = {
    "classes": ((3, (1, 3)), 9),
    "bits of a place": ((None, (1, 2)), 4),
    "bits in a row": ((None, ()), 4),
}


def made(kind, order=(), noise=0.5):
    (classes, grid), size = KINDS[kind]
    torch.manual_seed(0)
    prior = MaskedPrior(classes, grid, NET, order)
    prior.size(size)
    with torch.no_grad():
        for p in prior.parameters():
            p.add_(noise * torch.randn_like(p))
    return prior


def states_of(prior):
    return prior().enumerate_support(expand=False)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_its_density_sums_to_one_in_any_order_and_is_that_of_its_draws(kind):
    prior = made(kind)
    z = states_of(prior)
    many = len(prior.net.net.places)
    turned = made(kind, order=range(many - 1, -1, -1))
    for one in (prior, turned):
        log_p = one().log_prob(z)
        assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-5)
        drawn = one().sample((6000,))
        counts = (drawn.unsqueeze(1) == z).all(-1).double().sum(0)
        expected = 6000 * log_p.double().exp()
        assert float(((counts - expected).square() / expected).sum()) < len(z) + 6 * math.sqrt(2 * len(z))
    assert float((prior().log_prob(z) - turned().log_prob(z)).abs().max()) > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_its_bound_is_the_mean_over_orders(kind):
    prior = made(kind)
    z, many = states_of(prior)[:2], len(prior.net.net.places)
    orders = itertools.permutations(range(many))
    expected = torch.stack([made(kind, order)().log_prob(z) for order in orders]).mean(0)
    found = -prior.bound(z.repeat(10_000, 1)).unflatten(0, (-1, 2))
    assert ((found.mean(0) - expected) / found.std(0) * 100).abs().max() < 4.5


@torch.no_grad()
def test_asleep_it_is_even():
    for kind, states in (("classes", 27), ("bits of a place", 16)):
        prior = made(kind)
        z = states_of(prior)
        prior.wake(False)
        torch.testing.assert_close(prior().log_prob(z), torch.full((states,), -math.log(states)))


def test_of_a_vae_of_bits_evidence_is_that_of_enumeration_and_fit_trains_it_last():
    torch.manual_seed(0)
    prior = MaskedPrior(denoiser=NET)
    model = pyrogen.create("vae", x_shape=(1, 3, 3), latent_size=3, hidden=(6,), prior=prior, posterior="Bernoulli")
    x = torch.bernoulli(torch.full((16, 1, 3, 3), 0.4))
    assert [stage.name for stage in model.stages()][-1] == "prior"
    model.eval()
    with torch.no_grad():
        z = states_of(model.prior)
        truth = (model.prior().log_prob(z).unsqueeze(1) + model.decode(z.unsqueeze(1)).log_prob(x[:3])).logsumexp(0)
    found = log_evidence(model, x[:3], IWAE(400))
    assert abs((found["log_evidence"].values - truth.numpy()) / found["mc_se"].values).max() < 4.5
    fit(model, {"x_train": x.numpy()}, epochs=1, batch_size=8, progress=False, device="cpu", validate=False)
    assert model.prior.awake.on


def test_a_vqvae_fits_it_to_its_codes_by_the_bound():
    torch.manual_seed(0)
    model = pyrogen.create("vqvae-masked", x_shape=(1, 4, 4), codes=3, code_size=2, width=4, denoiser=NET)
    codes, prior = model.stages()
    assert (codes.name, prior.name) == ("codes", "prior")
    x = torch.bernoulli(torch.full((32, 1, 4, 4), 0.4))
    optimizer = torch.optim.Adam(model.prior.parameters(), 0.02)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = prior.players[0].loss(Batch(x))["loss"]
        loss.backward()
        losses.append(float(loss.detach()))
        optimizer.step()
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
    assert model.sample(2).shape == (2, 1, 4, 4)
    assert log_evidence(model, x[:3])["log_evidence"].shape == (3,)


def test_nonsense_is_refused_in_a_sentence():
    for build, sentence in (
        (lambda: MaskedPrior(3), r"MaskedPrior\(classes=3\) needs grid"),
        (lambda: MaskedPrior(grid=(2, 2)).size(6), "MaskedPrior has a grid of 2 × 2 places"),
        (lambda: MaskedPrior(3, (1, 2), order=(0, 0)).size(6), "names each of the 2 elements"),
        (lambda: MaskedPrior(3, (1, 2), "SequenceTransformer").size(6), "reads sequences"),
    ):
        with pytest.raises(ValueError, match=sentence) as caught:
            build()
        assert "\n" not in str(caught.value)
