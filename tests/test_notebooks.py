"""What a notebook shows, and what it may be handed: small tables and pictures, escaped, and splits in place of tensors."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import pyrogen
from pyrogen import html
from pyrogen.data import Split, from_arrays
from pyrogen.inference import IWAE, diagnose, fit, log_evidence, summarize
from pyrogen.inference.runs.analyse import Analysed

NAME = "<script>alert('x')</script> & co"


class Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(page):
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    return parser.tags


@pytest.fixture(scope="module")
def data():
    x = (np.random.default_rng(0).random((60, 1, 4, 4)) < 0.5).astype(np.uint8)
    return from_arrays(x, np.arange(60) % 2, name=NAME)


@pytest.fixture(scope="module")
def run(data):
    model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=2, hidden=(8,))
    return fit(model, data, epochs=1, device="cpu", progress=False)


def test_everything_has_a_page_of_its_own(data, run):
    evidence = log_evidence(run.model, data.test, IWAE(20))
    for thing, tags, said in (
        (data, {"table", "img"}, "48"),
        (run.model, {"table"}, "latent_size"),
        (run, {"table", "img"}, "train/loss"),
        (summarize(evidence), {"pre"}, "nats per datum"),
        (diagnose(evidence), {"pre"}, ""),
    ):
        page = thing._repr_html_()
        found = read(page)
        assert tags <= set(found), type(thing)
        assert "script" not in found
        assert said in page
        assert len(page) < 400_000
    assert "&lt;script&gt;" in data._repr_html_()


def test_figures_are_shown_without_pyplot(run):
    assert run.plot()._repr_png_().startswith(b"\x89PNG")


def test_text_is_escaped_everywhere():
    page = html.block(NAME, html.table([(NAME, 3)], (NAME,)), html.text(NAME))
    assert read(page).count("td") == 2
    assert "<script" not in page


def test_text_is_escaped_once(data, run):
    found = Analysed(NAME, {}, {}, {}, {})
    assert "&amp; co" in found._repr_html_()
    for thing in (data, run, found):
        assert not re.search("&amp;(amp|lt|gt|#)", thing._repr_html_())


def test_a_model_without_an_entry_is_shown(data):
    model = pyrogen.vae(x_shape=data.x_shape, encoder=torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 40)))
    assert re.search(r"[\d,]+ parameters", model._repr_html_())


@pytest.mark.parametrize("method", ["encode", "code", "reconstruct"])
def test_a_split_is_as_good_as_its_tensor(method, run, data):
    ask = getattr(run.model, method)
    for given in (data.test, TensorDataset(data.test.x)):
        found, expected = ask(given), ask(data.test.x)
        if method == "encode":
            found, expected = found.mean, expected.mean
        assert torch.equal(found, expected)


@pytest.mark.parametrize("entry", ["vae-conditional", "vae-semi-supervised"])
def test_a_split_brings_its_own_y(entry, data):
    model = pyrogen.create(entry, x_shape=data.x_shape, classes=2, latent_size=2, hidden=(8,))
    part = data.test
    assert torch.equal(model.encode(part).mean, model.encode(part.x, part.y).mean)
    assert torch.equal(model.reconstruct(part), model.reconstruct(part.x, part.y))
    other = 1 - part.y
    assert torch.equal(model.code(part, other), model.code(part.x, other))
    assert not torch.equal(model.code(part, other), model.code(part))


def test_a_streamed_split_says_what_to_take(run, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((5, 1, 4, 4), np.uint8))
    streamed = Split(None, raw=np.load(tmp_path / "x.npy", mmap_mode="r"))
    with pytest.raises(ValueError, match="is streamed from disk"):
        run.model.encode(streamed)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.int64, torch.bool, torch.uint8])
@pytest.mark.parametrize("entry", ["vae", "vae-semi-supervised"])
def test_x_of_another_type_is_read_at_every_door(entry, dtype, data):
    arguments = {"classes": 2} if entry == "vae-semi-supervised" else {}
    model = pyrogen.create(entry, x_shape=data.x_shape, latent_size=2, hidden=(8,), **arguments)
    x, y = data.test.x, data.test.y
    for method in ("code", "reconstruct"):
        assert torch.equal(getattr(model, method)(x.to(dtype), y), getattr(model, method)(x, y))
    assert torch.equal(model.encode(x.to(dtype), y).mean, model.encode(x, y).mean)
    if entry == "vae-semi-supervised":
        assert torch.equal(model.classify(x.to(dtype)).logits, model.classify(x).logits)
    with pytest.raises(ValueError, match="takes real numbers"):
        model.reconstruct(x.to(torch.complex64), y)
