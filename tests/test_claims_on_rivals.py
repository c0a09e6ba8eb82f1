"""Rivals in claims are as large as they are said to be."""

import pytest
from torch import nn

from pyrogen.inference.proofs.claims import claims_of
from pyrogen.inference.proofs.prove import Bench
from pyrogen.nets.masked import MaskedMLP


def models(entry, number=0):
    """The untrained model of a claim, and its rival."""
    claim = claims_of(entry)[number]
    setups = claim.setup, claim.setup.varied(claim.against)
    return [Bench("cpu").model(setup.varied({"recipe": [{"epochs": 0}]}))[0] for setup in setups]


def size(*modules):
    """Numbers that training may move: what a mask holds at zero is none."""
    nets = [m for module in modules for m in module.modules() if isinstance(m, MaskedMLP)]
    masked = {id(layer.weight): int(m.get_buffer(f"mask{n}").sum()) for m in nets for n, layer in enumerate(m.layers)}
    return sum(masked.get(id(p), p.numel()) for module in modules for p in module.parameters())


def test_made_and_the_mixture_have_as_many_parameters():
    made, mixture = models("made")
    # the mixture's encoder is no part of p(x)
    assert size(made) == size(mixture.prior, mixture.decoder) == 13_064
    assert not [m for m in mixture.decoder.modules() if isinstance(m, nn.ReLU | nn.Tanh)]


def test_one_level_has_the_latents_and_the_parameters_of_two():
    ladder, flat = models("vae-ladder")
    assert ladder.latent_size == flat.latent_size
    assert size(ladder) <= size(flat) < 1.01 * size(ladder)


def test_nade_and_the_mixture_have_as_many_parameters():
    nade, mixture = models("nade")
    assert size(nade) <= size(mixture.prior, mixture.decoder) < 1.01 * size(nade)
    assert not [m for m in mixture.decoder.modules() if isinstance(m, nn.ReLU | nn.Tanh)]


@pytest.mark.parametrize(
    ("entry", "number", "share"),
    [("vae-hierarchical", 0, 0.01), ("vae-music", 1, 0.01), ("pixelrnn", 0, 0.01), ("vqvae-masked", 2, 0.02)],
)
def test_rivals_have_about_as_many_parameters(entry, number, share):
    model, rival = models(entry, number)
    assert size(rival) == pytest.approx(size(model), rel=share)


def test_one_level_of_a_path_has_as_many_latents_as_two():
    two, one = models("vae-hierarchical")
    assert (two.prior.levels, one.prior.levels) == (2, 1)
    assert two.latent_size == one.latent_size


def test_the_priors_of_codes_have_as_many_parameters_as_is_said():
    masked, pixelcnn = models("vqvae-masked", 2)
    assert (size(masked.prior), size(pixelcnn.prior)) == (30_992, 31_616)


def test_the_plane_has_as_many_dimensions_as_the_surface_of_the_ball():
    ball, plane = models("vae-spherical")
    assert ball.latent_size - 1 == plane.latent_size == 2


@pytest.mark.parametrize(("entry", "number"), [("vae", 2), ("vae-conv", 1), ("vae-2d", 1)])
def test_linear_vaes_have_as_many_latents_and_no_hidden_layer(entry, number):
    model, linear = models(entry, number)
    assert model.latent_size == linear.latent_size
    assert [type(m) for m in linear.decoder.modules() if not list(m.children())].count(nn.Linear) == 1
