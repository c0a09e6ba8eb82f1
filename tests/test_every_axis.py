"""Every entry that is a VAE takes every axis, or says that the choice on it is what it is."""

import inspect
import typing

import pytest
import torch
from smallest import sizes

import pyrogen
from pyrogen import registry
from pyrogen.command.cli import main
from pyrogen.inference import IWAE
from pyrogen.models.vae.semi_supervised import SemiSupervisedVAE
from pyrogen.models.vae.vae import VAE

AXES = ("prior", "posterior", "likelihood", "objective")


def build(name, **axes):
    idle = registry.settled(name) if "objective" in axes else ()
    known = {key: value for key, value in sizes(name).items() if key not in idle}
    least = {"latent_size": 4} if "latent_size" in known else {}
    return pyrogen.create(name, **{**known, **least, **axes})


def tried(name, **axes):
    try:
        return build(name, **axes), ""
    except ValueError as error:
        return None, str(error)


def is_vae(name):
    returned = typing.get_type_hints(inspect.unwrap(registry.find("entry", name).load()))["return"]
    return issubclass(returned, (VAE, SemiSupervisedVAE))


def parts(model):
    return model.vae if isinstance(model, SemiSupervisedVAE) else model


CANDIDATES = ("StandardNormal", "Laplace", "DiagonalNormal", "FullRankNormal", "ContinuousBernoulli", "Poisson")
VAES = [name for name in pyrogen.list_models() if is_vae(name)]
OPEN = [(name, axis) for name in VAES for axis in AXES if axis not in registry.fixed(name)]
FIXED = [(name, axis, choice) for name in VAES for axis, choice in registry.fixed(name).items()]


def test_the_vaes_are_found():
    assert {"vae", "vae-vamp", "vae-iaf", "autoencoder-stacked", "vae-semi-supervised", "iwae-paper"} <= set(VAES)
    assert {"made", "rbm", "gan-nonsaturating", "mdn", "generator-paired"}.isdisjoint(VAES)


@pytest.mark.rotating
@pytest.mark.parametrize(("name", "axis"), OPEN, ids=["-".join(pair) for pair in OPEN])
def test_an_axis_is_swapped(name, axis):
    if axis == "objective":
        swapped = build(name, objective=IWAE(7))
        assert swapped.objective == IWAE(7)
        return
    usual = type(getattr(parts(build(name)), axis)).__name__
    for choice in CANDIDATES:
        if choice == usual or choice not in pyrogen.choices(axis):
            continue
        swapped, said = tried(name, **{axis: choice})
        if swapped is None:  # it does not fit what the entry fixes, and both sides are named
            assert choice in said
            continue
        assert type(getattr(parts(swapped), axis)).__name__ == choice
        assert swapped.origin["arguments"][axis] == choice
        return
    pytest.fail(f"{name} takes no other {axis}")


@pytest.mark.parametrize(("name", "axis", "choice"), FIXED, ids=["-".join(three[:2]) for three in FIXED])
def test_an_axis_that_makes_the_entry_what_it_is_is_refused_in_a_sentence(name, axis, choice):
    assert type(getattr(build(name), axis)).__name__ == choice
    assert choice in pyrogen.choices(axis)
    with pytest.raises(ValueError, match=rf"'{name}' has the {axis} {choice} by its nature.*take 'vae'") as refusal:
        build(name, **{axis: choice})
    assert "\n" not in str(refusal.value)
    accepted = inspect.signature(registry.find("entry", name).load()).parameters
    assert axis not in accepted


def test_what_a_prior_fixes_leaves_the_rest_to_be_trained():
    model = build("vae-vamp", likelihood="Normal", posterior="FullRankNormal", objective="IWAE")
    x = torch.randn(6, 1, 8, 8)
    model.before_training(x)
    run = pyrogen.fit(model, {"x_train": torch.randn(60, 1, 8, 8).numpy()}, epochs=1, device="cpu", progress=False)
    assert type(run.model.likelihood).__name__ == "Normal"


@pytest.mark.parametrize("words", [["--prior", "Laplace"], ["--prior=Laplace"], ["--prior.scale", "2"]], ids=" ".join)
def test_the_command_line_says_it_too(words, capsys):
    assert main(["train", "vae-vamp", *words]) == 2
    assert "'vae-vamp' has the prior VampPrior by its nature" in capsys.readouterr().err
