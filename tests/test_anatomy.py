"""How the terms of an ELBO pull at a belief, and how beliefs overlap, against closed forms."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.data import load
from pyrogen.inference import fit
from pyrogen.inference.latents.anatomy import Anatomy, overlap, pulls
from pyrogen.inference.programs.contexts import seeded
from pyrogen.inference.theory import one_latent


def linear(mean, log_variance, weight):
    """x ~ N(W z, 1) in three dimensions, z of two, and one belief for all data."""

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.belief = nn.Parameter(torch.tensor([*mean, *log_variance]))

        def forward(self, x):
            return self.belief.expand(len(x), 4)

    decoder = nn.Linear(2, 3, bias=False)
    decoder.weight.data = torch.tensor(weight)
    return pyrogen.vae(
        encoder=Encoder(),
        decoder=decoder,
        x_shape=(3,),
        latent_size=2,
        likelihood={"name": "Normal", "scale": "fixed", "value": 1.0},
    )


W = [[1.0, 0.5], [0.0, 1.0], [-0.5, 0.3]]


def test_the_terms_are_those_of_the_moved_belief():
    model, x = linear((0.3, -0.2), (0.0, 0.0), W), torch.tensor([[1.0, -0.5, 0.4]])
    q = model.encode(x)
    mean, sd = q.mean[0].detach().numpy(), q.variance[0].sqrt().detach().numpy()
    found, w = pulls(model, x, latent=1, draws=40_000), np.array(W)

    def exact(a, b):
        m, s2 = mean + np.array([0, a]), sd**2 * np.array([1, math.exp(b)])
        squares = ((x[0].numpy() - w @ m) ** 2).sum() + (w**2 @ s2).sum()
        return -1.5 * math.log(2 * math.pi) - squares / 2, 0.5 * (m**2 + s2 - 1 - np.log(s2)).sum()

    wanted = np.array([[exact(a, 0) for a in found.place], [exact(0, b) for b in found.width]])
    assert np.abs(found.reconstruction - wanted[..., 0]).max() < 0.15
    assert np.abs(found.kl - wanted[..., 1]).max() < 0.15
    elbo = found.reconstruction - found.kl
    assert (np.abs(elbo - (wanted[..., 0] - wanted[..., 1])) < 5 * found.error + 0.01).all()
    fit_slope, kl_slope = found.slopes()
    # d/da of −(|x − Wm|²)/2 and of −m²/2
    place = (w[:, 1] * (x[0].numpy()[:, None] - w @ (mean[:, None] + np.outer([0, 1], found.place))).T).sum(1)
    assert fit_slope[0, 1:-1] == pytest.approx(place[1:-1], abs=0.1)
    assert kl_slope[0, 1:-1] == pytest.approx(-(mean[1] + found.place)[1:-1], abs=0.1)
    # d/db of −½ Σ w² σ² e^b and of −½ (σ² e^b − b)
    grown = sd[1] ** 2 * np.exp(found.width)
    inner = slice(8, -8)
    assert fit_slope[1, inner] == pytest.approx((-0.5 * (w[:, 1] ** 2).sum() * grown)[inner], abs=0.1)
    assert kl_slope[1, inner] == pytest.approx((-0.5 * (grown - 1))[inner], abs=0.1)


def test_overlap_is_that_of_the_quadrature():
    class Encoder(nn.Module):
        def forward(self, x):
            return torch.cat([x, x.abs().add(0.1).log()], -1)  # the raw second half is the posterior's own business

    model = pyrogen.vae(
        encoder=Encoder(), decoder=nn.Linear(1, 1), x_shape=(1,), latent_size=1, likelihood="Normal(scale='fixed')"
    )
    x = torch.tensor([[-1.0], [-0.4], [0.1], [0.9]])
    q = model.encode(x)
    exact = one_latent.overlap(
        q.mean[:, 0].detach().double().numpy(), q.variance[:, 0].sqrt().detach().double().numpy()
    )
    found, error = overlap(model, x, draws=20_000)
    assert found == pytest.approx(exact, abs=0.01)
    assert error > 0


def test_the_error_of_an_overlap_leaves_each_datum_out_as_a_code_and_of_all_sums():
    class Encoder(nn.Module):
        def forward(self, x):
            return torch.cat([x, x.abs().add(0.1).log()], -1)

    model = pyrogen.vae(
        encoder=Encoder(), decoder=nn.Linear(1, 1), x_shape=(1,), latent_size=1, likelihood="Normal(scale='fixed')"
    )
    x = torch.tensor([[-9.0], [-0.4], [0.1], [0.9], [1.0]])  # the first belief is wide, and overlaps with all
    n, q = len(x), model.encode(x)
    with seeded(0), torch.no_grad():
        each = q.log_prob(q.sample((32,)).unsqueeze(2)).double()

    def missed(rows):
        own = each[:, rows][:, :, rows].softmax(-1).diagonal(dim1=1, dim2=2).mean()
        return float(1 - own) / (1 - 1 / len(rows))

    left = np.array([missed([m for m in range(n) if m != k]) for k in range(n)])
    found, error = overlap(model, x)
    assert found == pytest.approx(missed([*range(n)]))
    assert error == pytest.approx(math.sqrt((n - 1) / n * ((left - left.mean()) ** 2).sum()))
    assert math.isnan(overlap(model, x[:2])[1])


def test_equal_beliefs_overlap_wholly_and_narrow_ones_not():
    same = linear((0.3, -0.2), (0.0, 0.0), W)
    x = torch.randn(6, 3)
    assert overlap(same, x)[0] == pytest.approx(1, abs=1e-5)
    with pytest.raises(ValueError, match="there is 1; give 2 data or more"):
        overlap(same, x[:1])


@pytest.mark.parametrize("wish", [{"latent": 2}, {"latent": -1}])
def test_what_is_not_there(wish):
    with pytest.raises(ValueError, match="expected one datum and a latent of 0 to 1"):
        pulls(linear((0.0, 0.0), (0.0, 0.0), W), torch.zeros(1, 3), **wish)
    with pytest.raises(ValueError, match="got 2 and 0"):
        pulls(linear((0.0, 0.0), (0.0, 0.0), W), torch.zeros(2, 3), 0)


def test_the_analysis_says_it():
    model = pyrogen.create("vae", x_shape=(1, 8, 8), latent_size=3, hidden=(32,))
    data = load("digits")
    untrained = Anatomy(limit=60, draws=50).run(model.eval(), data)
    assert (untrained.verdict, "warm-up" in untrained.advice) == ("beware", True)
    trained = Anatomy(limit=60, draws=50).run(fit(model, data, epochs=15, progress=False).model, data)
    assert trained.numbers["overlap"] < untrained.numbers["overlap"]
    assert trained.numbers["overlap_se"] > 0
    assert len(trained.pictures[0].figure.axes) == 2


@pytest.mark.parametrize(
    ("name", "wish", "why"),
    [
        ("autoencoder", {}, "a point mass"),
        ("rbm", {"hidden": 4}, "RBM has no beliefs"),
        ("vae-bernoulli", {}, "not real vectors"),
        ("vae-spherical", {}, "not real vectors"),
        ("vae", {}, ""),
        ("vae-iaf", {}, ""),
    ],
)
def test_where_it_applies(name, wish, why):
    model = pyrogen.create(name, x_shape=(1, 8, 8), **wish)
    said = Anatomy().refusal(model, load("digits"))
    assert (why in said, bool(said)) == (True, bool(why))
