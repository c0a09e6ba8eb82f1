"""How much latents are used is said in nats, and those of almost none are not called active."""

import math

import pyro.distributions as dist
import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.base import HasPosterior, Model
from pyrogen.data import Split
from pyrogen.inference.latents.activity import ACTIVE, activity, in_words
from pyrogen.inference.programs.contexts import evaluating, seeded


class Channel(nn.Module):
    """An encoder of N(0, 1) data: each latent is a normal channel whose rate is given, q(z|x) = N(ax, 1 − a²)."""

    def __init__(self, rates):
        super().__init__()
        # ½ log 1 / (1 − a²) = rate
        self.noise = torch.tensor(rates).mul(-2).exp()

    def forward(self, x):
        mean = x.flatten(1) * (1 - self.noise).sqrt()
        return {"mean": mean, "variance": self.noise.expand_as(mean)}


def channel(rates, **axes):
    size = len(rates)
    decoder = nn.Linear(size, 2 * size)
    return pyrogen.vae(
        encoder=Channel(rates), decoder=decoder, x_shape=(size,), latent_size=size, likelihood="Normal", **axes
    )


def measured(model, n=500, seed=0):
    x = torch.randn(n, *model.x_shape, generator=torch.Generator().manual_seed(seed))
    with evaluating(model), seeded(0):
        return activity(model, Split(x, name="valid"))


def test_the_rates_are_those_of_the_channel():
    rates = [2.0, 1.0, 0.3, 0.01]
    found = measured(channel(rates))
    assert found["kl_per_dim"] == pytest.approx(rates, rel=0.15)
    assert found["active_units"] == 3


def test_latents_of_a_hundredth_of_a_nat_are_not_active():
    found = measured(channel([0.011] * 20))
    assert found["active_units"] == 0
    assert all(0.005 < rate < 0.03 for rate in found["kl_per_dim"])


def test_without_a_closed_kl_the_information_counts():
    rates = [2.0, 1.0, 0.3, 0.01]
    found = measured(channel(rates, prior="MixtureOfGaussians"))
    assert "kl_per_dim" not in found
    assert found["information_per_dim"] == pytest.approx(rates, abs=0.05)
    assert found["active_units"] == 3


@pytest.mark.parametrize("posterior", ["FullRankNormal", "FlowPosterior", "PointMass", "VonMisesFisher"])
def test_every_posterior_is_measured(posterior, pair):
    prior = {"VonMisesFisher": "HypersphericalUniform"}.get(posterior, "StandardNormal")
    model = pair(posterior=posterior, prior=prior)
    with evaluating(model), seeded(0):
        found = activity(model, Split(torch.rand(40, *model.x_shape).round(), name="valid"))
    assert 0 <= found["active_units"] <= model.latent_size
    rates = found.get("information_per_dim", found.get("kl_per_dim", []))
    assert all(map(math.isfinite, rates))
    assert len(rates) == (0 if posterior == "PointMass" else model.latent_size)


def test_one_datum_is_no_warning(pair):
    model = pair(prior="VampPrior")
    with evaluating(model), seeded(0):
        assert activity(model, Split(torch.zeros(1, 1, 4, 4), name="valid"))["active_units"] == 0


def test_the_words_name_the_threshold_and_every_rate_sorted():
    said = in_words({"active_units": 2, "kl_per_dim": [0.02, 3.25, 0.5]}, 3)
    assert said == ("2 of 3 latents are active, at 0.1 nat or more; KL(q(z|x) ‖ p(z)) of each in nats: 3.2, 0.5, 0.02")
    assert f"{ACTIVE} nat or more" in said
    many = in_words({"active_units": 0, "information_per_dim": [0.01] * 20}, 20)
    assert many.endswith("and 10 more of 0.1 together")
    assert "information, as of normal channels" in many
    assert in_words({"active_units": 1}, 2).startswith(
        "1 of 2 latents are active: their codes have a variance above 0.01"
    )


class ImageLatents(Model, HasPosterior):
    """Latents (2, 1, 3) of known rates, in front of a prior N(0, I)."""

    def __init__(self):
        super().__init__()
        self.x_shape, self.latent_shape = torch.Size([6]), torch.Size([2, 1, 3])

    def sample(self, n, y=None):
        return torch.zeros(n, 6)

    def encode(self, x, y=None):
        loc = x.reshape(-1, 2, 1, 3) * (1 - math.exp(-2)) ** 0.5
        return dist.Normal(loc, math.exp(-1) * torch.ones(())).to_event(3)

    def decode(self, z, y=None):
        return dist.Normal(z.flatten(1), 1.0).to_event(1)


def test_latents_of_any_shape_are_counted_one_by_one():
    found = measured(ImageLatents())
    rates = found.get("kl_per_dim", found.get("information_per_dim"))
    assert rates == pytest.approx([1.0] * 6, rel=0.15)
    assert found["active_units"] == 6
    assert in_words(found, 6).startswith("6 of 6 latents are active")


def test_nobody_need_switch_gradients_off():
    model = pyrogen.create("vae", x_shape=(1, 2, 2), latent_size=2, hidden=(4,))
    # no warning of a tensor that is taken for a number while it requires a gradient
    assert activity(model, Split(torch.rand(8, 1, 2, 2).round(), name="valid"))["active_units"] in (0, 1, 2)
