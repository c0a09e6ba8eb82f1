"""What the annealed estimators are compared with in claims: an integral that has settled, computed once."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from pyrogen.data import load
from pyrogen.inference.evidence.noise import Observed
from pyrogen.inference.metrics import annealed
from pyrogen.models.adversarial.gan import GAN


def scaled(scale):
    """A GAN of x = scale · z in the plane."""
    generator = nn.Linear(2, 2, bias=False)
    generator.weight.data.copy_(scale * torch.eye(2))
    return GAN(generator, nn.Linear(2, 1), (2,), 2)


def test_the_integral_is_refined_until_it_has_settled(monkeypatch):
    pair, x = Observed(scaled(2.0), 0.1), torch.randn(5, 2)
    exact = torch.distributions.Normal(0, math.sqrt(4 + 0.1**2)).log_prob(x.double()).sum(1)
    asked = []
    whole = annealed.quadrature
    monkeypatch.setattr(annealed, "quadrature", lambda pair, x, cells: asked.append(cells) or whole(pair, x, cells))
    torch.testing.assert_close(annealed.settled(pair, x, 3200), exact, atol=1e-3, rtol=0)
    assert asked == [200, 400]  # 16 steps of the finest grid at first
    asked.clear()
    torch.testing.assert_close(annealed.settled(pair, x, 1600), exact, atol=1e-3, rtol=0)
    assert asked == [100, 200, 400]
    with pytest.raises(ValueError, match=r"still changes by .* nats from 40 to 80 cells a side; ask for more cells"):
        annealed.settled(pair, x, 80)


def test_a_claim_and_its_control_share_the_answer_of_one_model(monkeypatch):
    gan, data = scaled(0.5), load("ring")
    asked = []
    monkeypatch.setattr(annealed, "observe", lambda model, *_, **k: asked.append(k) or Observed(model, 0.2))
    # the estimate itself costs, and does not matter here
    zero = {"log_evidence": SimpleNamespace(values=np.zeros(4))}
    monkeypatch.setattr(annealed, "log_evidence", lambda *_, **__: zero)

    def measure(seed):
        return annealed.annealed_error(gan, data, seed, num_data=4, cells=640)

    assert measure(0) == measure(0) > 0
    assert len(asked) == 1
    at_one = measure(1)
    assert len(asked) == 2
    with torch.no_grad():
        gan.generator.net.weight.mul_(1.1)  # another model by now
    assert measure(1) != at_one
    assert len(asked) == 3
    data = load("ring", standardize=True)  # of the same name
    measure(1)
    assert len(asked) == 4
