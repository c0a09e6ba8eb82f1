"""The noise of objectives' gradients, as claims measure it, against what is known of it."""

from types import SimpleNamespace

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.base import Pair, announce
from pyrogen.inference.metrics.gradients import encoder_gradient_variance
from pyrogen.inference.objectives.elbo import ELBO


class Conjugate(Pair):
    """z ~ N(t, 1), x ~ N(z, 1), whose posterior N((x + t) / 2, ½) the guide holds at first."""

    x_shape = torch.Size([])

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(()))
        self.phi = nn.Parameter(torch.tensor([0.5, 0.0, 0.5**0.5]))
        self.objective = ELBO()

    def model(self, x, y=None):
        announce(self)
        with pyro.plate("datum", len(x), dim=-1):
            z = pyro.sample("z", dist.Normal(self.theta, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    def guide(self, x, y=None):
        announce(self)
        with pyro.plate("datum", len(x), dim=-1):
            pyro.sample("z", dist.Normal(self.phi[0] * x + self.phi[1], self.phi[2]))

    def sample(self, n, y=None):
        raise NotImplementedError


def measure(pair, x, *objectives, **settings):
    data = SimpleNamespace(train=SimpleNamespace(x=x, y=None))
    return encoder_gradient_variance(pair, data, 0, *objectives, **settings)


X = torch.linspace(-2, 2, 11)


def test_a_gradient_is_as_noisy_as_itself_and_draws_average_it():
    assert measure(Conjugate(), X, "ELBO", "ELBO", repeats=400) == pytest.approx(1, abs=0.3)
    four = measure(Conjugate(), X, {"name": "ELBO", "num_samples": 4}, "ELBO", repeats=400)
    assert four == pytest.approx(0.25, abs=0.08)


def test_at_the_exact_posterior_the_path_gradient_has_no_noise():
    assert measure(Conjugate(), X, "StickingTheLanding", "ELBO") < 1e-9
    # the model's own parameter, whose gradient is noisy there too, is left out
    off = Conjugate()
    with torch.no_grad():
        off.phi[1] = 0.3
    assert measure(off, X, "StickingTheLanding", "ELBO") > 1e-3


def test_refusals():
    data = pyrogen.data.load("digits")
    with pytest.raises(ValueError, match="the guide of AutoregressiveModel has no parameters of its own"):
        encoder_gradient_variance(pyrogen.create("made", x_shape=data.x_shape), data, 0, "ELBO", "ELBO")
    with pytest.raises(ValueError, match=r"needs a \(model, guide\) pair; got RBM"):
        encoder_gradient_variance(pyrogen.create("rbm", x_shape=data.x_shape), data, 0, "ELBO", "ELBO")
    with pytest.raises(ValueError, match="needs objectives of pairs; got ContrastiveDivergence"):
        measure(Conjugate(), X, "ContrastiveDivergence", "ELBO")
