"""Kinds of data are registered objects: what each admits, how it is drawn, and that a new one is one class."""

import math
from contextlib import nullcontext

import pytest
import torch
from torch.distributions import constraints

import pyrogen
from pyrogen import registry
from pyrogen.base import Model
from pyrogen.data import from_arrays
from pyrogen.figures import plots
from pyrogen.inference import assess
from pyrogen.inference.adversarial.sites import SiteCritic
from pyrogen.kinds import PLAIN, Kind, is_picture, kind_named, kind_of
from pyrogen.registry import choice

VALUES = {
    "binary": (torch.tensor([0.0, 1.0]), torch.tensor([0.5])),
    "unit": (torch.tensor([0.0, 0.25, 1.0]), torch.tensor([1.5])),
    "levels": (torch.tensor([0.0, 255.0]), torch.tensor([256.0])),
    "real": (torch.tensor([-3.5, 1e9]), torch.tensor([math.nan])),
    "counts": (torch.tensor([0.0, 300.0]), torch.tensor([-1.0])),
    "positive": (torch.tensor([1e-30, 1e30]), torch.tensor([0.0])),
    "angle": (torch.tensor([-3.0, 3.0]), torch.tensor([4.0])),
    "tokens": (torch.tensor([3.0, 0.0, -1.0, -1.0]), torch.tensor([3.0, -1.0, 0.0])),
    "paths": (
        torch.tensor([[[0.5, 1e3], [-2.0, 3.0]], [[math.nan] * 2] * 2]),
        torch.tensor([[[0.5, 1.0], [math.nan, math.nan]]]),
    ),
}


@pytest.fixture
def notes(monkeypatch):
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    kind_named.cache_clear()

    @choice("kind", "notes")
    class Notes(Kind):
        """Pitches, −1 for silence."""

        words = "whole numbers up to 127, and −1 for silence"
        support = constraints.integer_interval(-1, 127)
        countable = True

    yield Notes
    kind_named.cache_clear()


def test_the_plain_kinds_are_those_that_a_network_of_numbers_takes():
    assert {*PLAIN, "tokens", "paths"} == set(pyrogen.choices("kind")) == set(VALUES)
    assert Model.kinds == PLAIN


@pytest.mark.parametrize("name", VALUES)
def test_a_kind_checks_its_values(name):
    inside, outside = VALUES[name]
    assert kind_named(name).check(inside)
    assert not kind_named(name).check(outside)


@pytest.mark.parametrize("name", ["binary", "unit", "levels", "counts", "real"])
def test_the_narrowest_kind_is_found(name):
    assert kind_of(VALUES[name][0]) == name


@pytest.mark.parametrize(
    ("name", "levels", "raw", "expected"),
    [
        ("unit", 17, [0, 8, 16], [0.0, 0.5, 1.0]),
        ("levels", 17, [0, 8, 16], [0.0, 128.0, 255.0]),
        ("counts", None, [0, 8, 16], [0.0, 8.0, 16.0]),
        ("real", None, [-1.5, 2.0], [-1.5, 2.0]),
        ("positive", None, [1, 2500], [1.0, 2500.0]),
        ("angle", None, [0.0, 3 * math.pi / 2], [0.0, -math.pi / 2]),
    ],
)
def test_raw_values_become_what_the_kind_says(name, levels, raw, expected):
    found = kind_named(name).draw(torch.tensor(raw), levels, False, None)
    torch.testing.assert_close(found, torch.tensor(expected))


def test_random_views_are_decided_by_the_noise():
    raw, noise = torch.tensor([0, 8, 16]), torch.tensor([0.3, 0.49, 0.99])
    assert kind_named("binary").draw(raw, 17, True, noise).tolist() == [0.0, 1.0, 1.0]
    torch.testing.assert_close(kind_named("unit").draw(raw, 17, True, noise), (raw + noise) / 17)


def test_a_new_kind_is_one_class(notes):
    x = torch.tensor([[3, 1, -1], [2, -1, -1], [0, 4, 9]] * 5)
    data = pyrogen.data.from_arrays(x, kind="notes")
    assert data.kind == "notes"
    assert set(data.train.x.flatten().tolist()) <= {float(v) for v in x.flatten()}
    assert data.train.x.dtype == torch.float32
    assert "notes" in pyrogen.choices("kind")


def test_values_that_are_none_of_a_new_kind_are_refused_in_its_words(notes):
    with pytest.raises(ValueError, match="not 'notes', whose values are whole numbers up to 127, and −1 for silence"):
        pyrogen.data.from_arrays(torch.rand(9, 4) * 3, kind="notes")
    with pytest.raises(ValueError, match="no kind of data called 'note'; did you mean 'notes'"):
        pyrogen.data.from_arrays(torch.rand(9, 4), kind="note")


def test_a_model_of_another_kind_says_what_it_takes(notes):
    model = pyrogen.create("vae", x_shape=(3,), latent_size=2, hidden=(4,))
    data = pyrogen.data.from_arrays(torch.tensor([[3, 1, -1]] * 9), kind="notes")
    with pytest.raises(
        ValueError, match=r"scores binary data .* these are notes data .whole numbers up to 127, and −1 for"
    ):
        pyrogen.fit(model, data, epochs=1)


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (None, None),
        (torch.arange(9) % 3, "label"),
        (torch.linspace(-2, 2, 18).reshape(9, 2), "numbers"),
        (torch.linspace(-2, 2, 36).reshape(9, 2, 2), "numbers"),
        ((torch.arange(144) % 256).reshape(9, 1, 4, 4).to(torch.uint8), "image"),
        ((torch.arange(144) % 5).reshape(9, 4, 4), "layout"),
        ((torch.arange(144) % 5).reshape(9, 4, 4, 1), "layout"),
        ((torch.arange(18) % 5).reshape(9, 2), "labels"),
    ],
)
def test_y_has_a_kind_too(y, expected):
    data = pyrogen.data.from_arrays(torch.rand(9, 4), y)
    assert data.y_kind == expected
    if expected == "image":
        assert data.y_shape == (1, 4, 4)
        assert float(data.train.y.max()) <= 1


@pytest.mark.parametrize(
    ("shape", "shown"),
    [
        ((1, 4, 4), True),
        ((3, 28, 40), True),
        ((1, 3, 8), False),
        ((2, 8, 8), False),
        ((64,), False),
    ],
    ids=str,
)
def test_what_a_picture_is_is_one_question(shape, shown):
    """It is drawn as one, measured as one, and judged by convolutions, or none of these."""
    assert is_picture(shape) == shown
    critic = SiteCritic({"x": torch.Size(shape)}, None, None)
    assert any(isinstance(layer, torch.nn.Conv2d) for layer in critic.modules()) == shown
    x = torch.rand(80, *shape)
    data = from_arrays(x, x_valid=x, x_test=x, kind="unit")
    asked = {lambda: plots.image_grid(x, "unit"): "pictures are", lambda: assess(x, data, ["sharpness"]): "of pictures"}
    for ask, said in asked.items():
        with nullcontext() if shown else pytest.raises(ValueError, match=said):
            ask()
