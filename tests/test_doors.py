"""What the doors refuse, over the whole zoo: sizes, numbers that are none, and conditions that were not told."""

import inspect
import math

import pytest
import torch
from smallest import sizes, small

import pyrogen
from pyrogen import registry
from pyrogen.capabilities import HasGuidance

ENTRIES = pyrogen.list_models()
# of the axes whose choices are described by name and arguments
AXES = [axis for axis in pyrogen.registry.axes() if axis not in ("data", "metric", "analysis")]


def whole_numbers(name):
    """The arguments of an entry that are whole numbers, or several."""
    parameters = inspect.signature(registry.find("entry", name).load()).parameters.values()
    return {p.name: p.annotation for p in parameters if "int" in str(p.annotation).replace("Mapping[", "")}


@pytest.mark.parametrize("name", ENTRIES)
def test_what_has_a_size_has_one_of_1_or_more(name):
    given = sizes(name)
    for argument, annotation in whole_numbers(name).items():
        if annotation.startswith("Sequence[Sequence"):
            continue
        wrong = (-1,) if annotation.startswith("Sequence") else -1
        with pytest.raises(ValueError, match=r"\S+ \S+"):
            pyrogen.create(name, **{**given, argument: wrong})
    with pytest.raises(ValueError, match="x_shape"):
        pyrogen.create(name, **{**given, "x_shape": ()})


def numbers(axis, name):
    """The arguments of a choice that are real numbers."""
    parameters = inspect.signature(registry.find(axis, name).load()).parameters.values()
    return [p.name for p in parameters if p.annotation in ("float", "float | None")]


CHOICES = [(axis, name) for axis in AXES for name in pyrogen.choices(axis) if numbers(axis, name)]


@pytest.mark.parametrize(("axis", "name"), CHOICES)
def test_a_number_is_finite(axis, name):
    for argument in numbers(axis, name):
        for wrong in (math.nan, math.inf):
            with pytest.raises(ValueError, match=f"{argument}=|finite"):
                registry.make(axis, {"name": name, argument: wrong})


# whose decoder looks at codes alone: it is their prior that looks at y
UNASKED = {(method, "vqvae-conditional") for method in ("decode", "generate")}
TOLD = [name for name in ENTRIES if {"classes", "y_shape"} & set(sizes(name))]


@pytest.mark.parametrize("name", TOLD)
def test_what_has_to_be_told_y_says_so(name):
    model = small(name)
    if not model.is_told or isinstance(model, HasGuidance):
        pytest.skip("it infers y, or knows data without one too")
    asked = {
        "decode": lambda: model.decode(torch.zeros(3, *model.latent_shape)),
        "generate": lambda: model.generate(torch.zeros(3, *model.latent_shape)),
        "log_prob": lambda: model.log_prob(torch.zeros(3, *model.x_shape)),
        "sample": lambda: model.sample(3),
    }
    for method, ask in asked.items():
        if hasattr(model, method) and (method, name) not in UNASKED:
            with pytest.raises(ValueError, match="y"):
                ask()
