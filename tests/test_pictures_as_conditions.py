"""Conditions that are pictures, layouts and words: how networks read them, and how people say them."""

import numpy as np
import pytest
import torch
from PIL import Image

from pyrogen.conditions import Condition
from pyrogen.data import from_arrays, load
from pyrogen.data.label import BLANK
from pyrogen.data.said import as_said
from pyrogen.nets import critics

GREY, COLOUR, LAYOUT, WORDS = Condition((4, 6)), Condition((3, 4, 6)), Condition((4, 6), 5), Condition((7,), 9)


@pytest.mark.parametrize(("condition", "shape"), [(GREY, (1, 4, 6)), (COLOUR, (3, 4, 6))], ids=["grey", "colour"])
def test_an_image_is_read_as_it_is(condition, shape):
    y = torch.randn(2, 3, *condition.shape)
    assert torch.equal(condition.as_picture(condition.read(y)), y.reshape(2, 3, *shape))


def test_a_layout_has_a_channel_for_each_class():
    y = torch.randint(0, 5, (2, 3, 4, 6))
    picture = LAYOUT.as_picture(LAYOUT.read(y))
    assert picture.shape == (2, 3, *LAYOUT.picture) == (2, 3, 5, 4, 6)
    assert torch.equal(picture.argmax(2), y)
    assert torch.equal(picture.sum(2), torch.ones(2, 3, 4, 6))


def test_words_times_a_matrix_are_an_embedding():
    y, vectors = torch.randint(0, 9, (2, 7)), torch.randn(9, 4)
    assert torch.equal(WORDS.as_words(WORDS.read(y)) @ vectors, vectors[y])
    assert Condition((), 9).words == (1, 9)


@pytest.mark.parametrize("condition", [Condition((3,)), Condition((), 4), WORDS], ids=str)
def test_what_is_no_picture_is_read_as_none(condition):
    assert condition.picture is None
    with pytest.raises(
        ValueError, match=r"^the net reads y as a picture, .*; this model takes .*, which other networks"
    ):
        condition.need_picture("the net")


def test_numbers_are_no_words():
    with pytest.raises(
        ValueError, match=r"reads y as words takes \(L,\) of V classes; this model takes 3 real numbers"
    ):
        Condition((3,)).as_words(torch.zeros(2, 3))


@pytest.mark.parametrize("pack", [1, 2])
@pytest.mark.parametrize("condition", [Condition((3, 16, 16)), Condition((8, 8), 5), Condition((32, 32))], ids=str)
def test_a_critic_reads_a_picture_where_it_is(condition, pack):
    """What changes in y at one place changes the scores of the packs that hold it, and of no others."""
    torch.manual_seed(0)
    net = critics.Convolutional(4, "none", pack=pack, conditioning="picture").build((3, 16, 16), condition)
    x, y = torch.randn(4, 3, 16, 16), torch.zeros(4, *condition.shape, dtype=torch.long if condition.classes else None)
    other = y.clone()
    other[1, ..., 3, 5] = 1
    moved = (net(x, condition.read(y)) != net(x, condition.read(other))).flatten()
    assert moved.tolist() == [[False, True, False, False], [False, True]][pack - 1]


@pytest.mark.parametrize(
    ("condition", "shape", "sentence"),
    [
        (
            Condition((3, 16, 16)),
            (3, 24, 24),
            r"whole multiples of them; got y of \(3, 16, 16\) for x_shape=\(3, 24, 24\)",
        ),
        (Condition((16, 16), 3), (3,), r"beside x, \(C, H, W\); got x_shape=\(3,\)"),
        (Condition((), 3), (3, 16, 16), "the critic Convolutional reads y as a picture, .* takes one of 3 classes"),
    ],
    ids=["sizes", "vectors", "labels"],
)
def test_pictures_that_do_not_fit_are_refused(condition, shape, sentence):
    with pytest.raises(ValueError, match=sentence):
        critics.Convolutional(4, conditioning="picture").build(shape, condition)


# ---------------------------------------------------------------------------------------------------- as people say them


@pytest.fixture(scope="module")
def captions():
    return load("sprites(n=20, y='caption')")


@pytest.fixture
def pictures(tmp_path):
    """Files of an image of 4 × 6 pixels in colour, of another size, and of a layout."""
    pixels = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    Image.fromarray(pixels).save(tmp_path / "colour.png")
    Image.fromarray(pixels[:2]).save(tmp_path / "small.png")
    classes = (np.arange(24) % 5).reshape(4, 6)
    Image.fromarray(classes.astype(np.uint8)).save(tmp_path / "layout.png")
    np.save(tmp_path / "layout.npy", classes)
    np.save(tmp_path / "unknown.npy", classes + 1)
    return tmp_path


def test_labels_and_numbers():
    data = from_arrays(torch.rand(6, 4), np.array(["cat", "dog", "cat", "emu", "dog", "emu"]))
    assert as_said("emu", Condition((), 3), data).tolist() == 2
    assert as_said("1", Condition((), 3), data).tolist() == 1
    assert as_said("0,2,1", Condition((3,), 3)).tolist() == [0, 2, 1]
    assert as_said("0.5,-1", Condition((2,))).tolist() == [0.5, -1]


def test_captions(captions):
    condition = Condition(captions.y_shape, captions.classes)
    words = " ".join(captions.class_names[i] for i in captions.test.y[0].tolist() if i)
    assert torch.equal(as_said(words, condition, captions), captions.test.y[0])
    assert captions.class_names[0] == BLANK


def test_pictures_in_files(pictures):
    colour = as_said(str(pictures / "colour.png"), COLOUR)
    assert torch.equal((colour * 255).round().long(), torch.arange(72).reshape(4, 6, 3).movedim(-1, 0))
    assert as_said(str(pictures / "colour.png"), GREY).shape == (4, 6)
    np.save(pictures / "last.npy", (colour.movedim(0, -1) * 255).round().numpy() / 255)
    torch.testing.assert_close(as_said(str(pictures / "last.npy"), COLOUR), colour)
    for name in ("layout.png", "layout.npy"):
        assert torch.equal(as_said(str(pictures / name), LAYOUT), (torch.arange(24) % 5).reshape(4, 6))


def test_whole_numbers_in_a_file_are_what_they_were_in_the_data(tmp_path):
    levels, file = np.random.default_rng(0).integers(0, 256, (6, 4, 6), dtype=np.uint8), tmp_path / "y.npy"
    x = torch.rand(6, 4)
    for dtype in (np.uint8, np.int64, np.float64):
        for y, own in (
            (levels, 255),  # grey levels
            (levels / 255, 255),
            (300 * (levels / 255), 1),  # a field of real numbers
            (levels.reshape(6, 12, 2), 255),
            (levels[:, 0] / 3, 1),
        ):
            data = from_arrays(x, y)
            np.save(file, levels[0].reshape(-1)[: y[0].size].reshape(y.shape[1:]).astype(dtype))
            told = as_said(str(file), Condition(data.y_shape), data)
            assert torch.equal(told, torch.from_numpy(np.load(file)).float() / (own if dtype != np.float64 else 1))
    np.save(file, np.array(3))
    assert as_said(str(file), Condition((), 3), from_arrays(x, np.array([1, 2, 3, 3, 2, 1]))) == 2
    assert as_said(str(file), Condition((), 4)) == 3
    np.save(file, np.array([1, 2, 3]))
    assert as_said(str(file), Condition((3,))).tolist() == [1, 2, 3]
    Image.fromarray(np.full((2, 2), 51, np.uint8)).save(tmp_path / "small.png")
    assert as_said(str(tmp_path / "small.png"), Condition((1, 2, 2))).unique().tolist() == [pytest.approx(0.2)]


def test_what_says_no_y(pictures, captions):
    data = from_arrays(torch.rand(6, 4), np.array(["cat", "dog", "cat", "emu", "dog", "emu"]))
    tokens, label = Condition(captions.y_shape, captions.classes), Condition((), 3)
    for said, condition, known, sentence in (
        ("eum", label, data, "no class called 'eum'; did you mean 'emu'"),
        ("a small rde circle", tokens, captions, "no word called 'rde'; did you mean 'red'"),
        ("a " * 40, tokens, captions, r"has 40 words, and the model takes captions of up to \d+"),
        ("1,2", Condition((3,), 3), None, "takes 3 of 3 classes, and these are 2 instead of 3"),
        ("one", Condition((3,), 3), None, "takes 3 of 3 classes; write them with commas between"),
        ("3", COLOUR, None, "takes an image of 3 × 4 × 6; name an image file"),
        (str(pictures / "small.png"), COLOUR, None, r"holds 3 × 2 × 6 numbers, .* an image of 3 × 4 × 6"),
        (str(pictures / "colour.png"), LAYOUT, None, "is no layout .its pixels are colours"),
        (str(pictures / "unknown.npy"), LAYOUT, None, "numbered 0 to 4; y holds int64 from 1 to 5"),
        (str(pictures / "colour.png"), label, None, "is a picture, and the model takes one of 3 classes"),
        (str(pictures / "colour.png"), Condition((2, 4, 6)), None, "has 1 or 3 channels, .* give it as a .npy file"),
        ("missing.npy", LAYOUT, None, "there is no such file: missing.npy"),
    ):
        with pytest.raises(ValueError, match=sentence):
            as_said(said, condition, known)


def test_a_layout_is_resized_with_its_picture():
    whole, half = load("sprites(n=20, y='layout')"), load("sprites(n=20, y='layout')", size=16)
    assert torch.equal(half.train.y, whole.train.y[:, 1::2, 1::2])
    assert half.x_shape == (3, 16, 16)
