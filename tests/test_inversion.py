"""Inversion, against generators whose inverse is known."""

import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.data import from_arrays
from pyrogen.inference.latents.inversion import invert, learn_encoder
from pyrogen.inference.latents.inversion_analysis import Inverted
from pyrogen.inference.metrics.inversion import inversion_ratio
from pyrogen.models.adversarial.gan import GAN
from pyrogen.models.vae.vae import VAE

MATRIX = torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, -1.0]])


def linear():
    """g(z) = A z + b, whose nearest z is that of least squares."""
    net = nn.Linear(2, 3)
    with torch.no_grad():
        net.weight.copy_(MATRIX)
        net.bias.copy_(torch.tensor([0.5, 0.0, -0.5]))
    return GAN(net, nn.Linear(3, 1), (3,), 2)


def data(n=60):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(3))


def least_squares(x, damping=0.0):
    a = MATRIX.double()
    return torch.linalg.solve(a.T @ a + damping * torch.eye(2), a.T @ (x.double() - torch.tensor([0.5, 0.0, -0.5])).T).T


def test_the_optimum_of_a_linear_generator_is_that_of_least_squares():
    x = data(10)
    found = invert(linear(), x, steps=400, restarts=2)
    z = least_squares(x)
    assert torch.allclose(found.z.double(), z, atol=1e-4)
    error = (x.double() - z @ MATRIX.double().T - torch.tensor([0.5, 0.0, -0.5])).square().sum(1)
    assert torch.allclose(found.error, error, atol=1e-5)
    assert torch.allclose(found.tried.amin(1), found.error)
    assert torch.equal(found.agreed, torch.ones(10, dtype=torch.float64))  # one minimum, whatever the start


def test_noise_makes_it_the_mode_of_the_posterior():
    """argmin ‖x − A z − b‖² / 2σ² + ‖z‖² / 2 is ridge regression with damping σ²."""
    x = data(10)
    found = invert(linear(), x, steps=400, restarts=1, sigma=0.7)
    assert torch.allclose(found.z.double(), least_squares(x, 0.49), atol=1e-4)


def test_an_encoder_learns_a_linear_generator_from_its_samples_and_both_are_as_good_as_either():
    m, x = linear(), data(20)
    encoder = learn_encoder(m, steps=300, hidden=(32,), batch=64, lr=1e-2)
    asked = {"optimize": None, "encoder": encoder, "both": encoder}
    errors = {way: invert(m, x, method=way, steps=5, restarts=2, encoder=e) for way, e in asked.items()}
    own = m.sample(200)
    spread = float((own - own.mean(0)).square().sum(1).mean())
    assert float(invert(m, own, method="encoder", encoder=encoder).error.mean()) < 0.02 * spread
    assert errors["both"].tried.shape == (20, 3)
    for way in ("optimize", "encoder"):
        assert (errors["both"].error <= errors[way].error + 1e-6).all()
    assert errors["encoder"].tried.shape == (20, 1)


def test_one_datum_of_a_class_is_inverted_by_an_encoder_too():
    m = pyrogen.create("cgan", x_shape=(3,), classes=2, latent_size=2)
    encoder = learn_encoder(m, torch.tensor([1]), steps=2, hidden=(4,), batch=8)
    assert encoder(data(1)).shape == (1, 2)
    x, y = data(1), torch.tensor([1])
    assert invert(m, x, y, method="both", encoder=encoder, steps=2, restarts=1).z.shape == (1, 2)


def test_data_are_inverted_alike_whatever_stands_after_them_and_nothing_is_changed():
    m, x = linear().train(), data(60)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second = invert(m, x, steps=3, seed=7), invert(m, x[:50], steps=3, seed=7)
    assert torch.equal(first.z[:50], second.z)
    assert not torch.equal(first.z, invert(m, x, steps=3, seed=8).z)
    assert torch.equal(torch.get_rng_state(), state)
    assert m.training
    assert all(p.grad is None and p.requires_grad for p in m.parameters())


def test_a_path_never_counts_for_more_than_where_it_began():
    m, x = linear(), data(10)
    there = invert(m, x, steps=400, restarts=1).error
    wild = invert(m, x, method="both", encoder=_Exact(), steps=2, restarts=1, lr=1e3)
    assert torch.allclose(wild.error, there, atol=1e-5)


class _Exact(nn.Module):
    def forward(self, x):
        return least_squares(x).float()


def test_a_model_that_encodes_is_asked_by_its_own_encoder():
    torch.manual_seed(0)
    m = pyrogen.create("vae", x_shape=(1, 4, 4), latent_size=2, hidden=(8,))
    x = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(0)).round()
    found = invert(m, x, method="encoder")
    assert isinstance(m, VAE)
    assert torch.allclose(found.reconstruction, m.reconstruct(x))


def test_latents_stay_where_the_prior_has_them():
    """On the sphere, where the nearest point of x is x / ‖x‖."""
    net = nn.Linear(3, 3)
    with torch.no_grad():
        net.weight.copy_(torch.eye(3))
        net.bias.zero_()
    m = GAN(net, nn.Linear(3, 1), (3,), 3, prior="Dirichlet")
    found = invert(m, torch.tensor([[0.2, 0.3, 0.5], [2.0, 0.0, 0.0]]), steps=400, restarts=2)
    assert torch.allclose(found.z.sum(1), torch.ones(2))
    assert torch.allclose(found.z, torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]), atol=0.02)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "guess"}, "choose 'optimize', 'encoder', 'both'"),
        ({"steps": 0}, "takes a step"),
        ({"sigma": 0.0}, "noise is positive"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        invert(linear(), data(2), **settings)


def test_what_cannot_be_inverted_is_refused_in_a_sentence():
    made = pyrogen.create("made", x_shape=(4,), hidden=(8,))
    with pytest.raises(ValueError, match="makes no data from latents"):
        invert(made, torch.zeros(2, 4))
    codes = pyrogen.create("infogan", x_shape=(1, 4, 4), hidden=(8,))
    with pytest.raises(ValueError, match="no smooth map"):
        invert(codes, torch.zeros(2, 1, 4, 4))


def of_the_plane(x):
    return from_arrays(x, None, x[:5], None, x, kind="real", standardize=False)


def test_data_on_disk_are_asked_as_those_in_memory(on_disk):
    whole, asked = of_the_plane(data(40)), Inverted(limit=5, steps=5, restarts=2)
    assert asked.refusal(linear(), on_disk(whole)) == asked.refusal(linear(), whole) == ""
    assert asked.run(linear(), on_disk(whole)).numbers == asked.run(linear(), whole).numbers
    holes = data(40)
    holes[::2, 0] = torch.nan
    missing = from_arrays(holes, None, holes, None, holes, kind="real", standardize=False, missing=True)
    assert asked.refusal(linear(), on_disk(missing)) == "some elements of the data are missing."


def test_the_analysis_tells_data_that_are_made_from_those_that_are_not():
    m = linear()
    torch.manual_seed(1)
    made = Inverted(limit=20, restarts=2).run(m, of_the_plane(m.sample(40)))
    assert made.verdict == "well"
    assert made.numbers["real"]["value"] < 0.01
    foreign = Inverted(limit=20, restarts=2).run(m, of_the_plane(data(40)))
    assert foreign.verdict == "beware"
    # exactly: what a plane in three dimensions leaves of normal data, along the one direction that it lacks
    assert foreign.numbers["real"]["value"] > 0.1 > foreign.numbers["own"]["value"]
    lost = Inverted(limit=20, steps=1, restarts=1).run(m, of_the_plane(m.sample(40)))
    assert lost.verdict == "open"
    assert len(made.pictures) == 1


def test_the_analysis_is_for_generators_without_an_encoder():
    x = of_the_plane(data(10))
    assert Inverted().refusal(linear(), x) == ""
    vae = pyrogen.create("vae", x_shape=(3,), latent_size=2, hidden=(4,), likelihood="Normal")
    assert "has an encoder" in Inverted().refusal(vae, x)


def test_the_metric_is_a_ratio_of_errors():
    torch.manual_seed(0)
    m, x = pyrogen.create("vae", x_shape=(3,), latent_size=2, hidden=(4,), likelihood="Normal"), of_the_plane(data(20))
    assert inversion_ratio(m, x, 0, "optimize", "optimize", steps=3) == 1
    errors = [invert(m, x.test.x, method=way, steps=50, seed=0).error.sum() for way in ("optimize", "encoder")]
    found = inversion_ratio(m, x, 0, "optimize", "encoder", steps=50)
    assert found == pytest.approx(float(errors[0] / errors[1]))
    assert 0 < found.error < found
    assert errors[0] < errors[1]  # an encoder that nobody trained
