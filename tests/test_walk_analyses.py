"""The analyses of walks, midpoints and attributes: what they show of digits, and of what they are not asked."""

import json
import re

import numpy as np
import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.data import from_arrays, load
from pyrogen.inference.latents.anatomy import Anatomy
from pyrogen.inference.latents.midpoint_analysis import MidpointAnalysis
from pyrogen.inference.latents.walk_analysis import Walks
from pyrogen.inference.latents.walks import corners, interpolate, reconstruct_by_chance
from pyrogen.inference.representations import attribute_analysis
from pyrogen.inference.representations.attribute_analysis import AttributeAnalysis
from pyrogen.registry import choices, make


@pytest.fixture(scope="module")
def digits():
    return load("digits", kind="unit", dequantization=False)


@pytest.fixture(scope="module")
def components(digits):
    """A VAE whose decoder is that of principal components: fitted without training, and right about where codes are."""

    def build(size):
        x = digits.train.x.flatten(1).double()
        centre = x.mean(0)
        values, vectors = torch.linalg.eigh(torch.cov(x.T))
        w = (vectors[:, -size:] * values[-size:].sqrt()).float()
        encoder, decoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 2 * size)), nn.Linear(size, 64)
        with torch.no_grad():
            decoder.weight.copy_(w)
            decoder.bias.copy_(centre)
            back = torch.linalg.pinv(w)
            encoder[1].weight.copy_(torch.cat([back, torch.zeros_like(back)]))
            encoder[1].bias.copy_(torch.cat([-back @ centre.float(), torch.full((size,), -3.0)]))
        nets = {
            "encoder": encoder,
            "decoder": decoder,
            "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.1},
        }
        return pyrogen.vae(x_shape=(1, 8, 8), latent_size=size, **nets).eval()

    return build


def test_the_analyses_are_known_by_name():
    assert {"walks", "midpoints", "attributes"} <= set(choices("analysis"))
    assert make("analysis", {"name": "walks", "pair": [3, 8]}).pair == (3, 8)


@pytest.mark.parametrize(("size", "drawn"), [(1, 0), (2, 1), (12, 0)])
def test_walks_show_lines_arcs_squares_and_planes(size, drawn, components, digits):
    model = components(size)
    assert Walks().refusal(model, digits) == ""
    found = Walks(pair=(3, 8), steps=4).run(model, digits)
    names = [p.name for p in found.pictures]
    assert names == ["walks", "corners", *["plane"] * (size > 1), "lengths", *["ground"] * drawn]
    assert found.verdict == "well"
    # codes of principal components have variance 1
    assert found.numbers["shell"]["radius"] == pytest.approx(found.numbers["lengths"]["codes"]["value"], rel=0.1)
    json.dumps(found.numbers)


def test_lines_between_latents_of_many_dimensions_lead_astray(digits):
    model = pyrogen.create("generator-random", x_shape=(1, 8, 8), latent_size=100, depth=1, width=8)
    found = Walks().run(model, digits)
    assert found.verdict == "beware"
    assert "slerp" in found.advice
    # (10 − 10/√2) of a width of 1/√2
    assert found.numbers["depth"] == pytest.approx(found.numbers["shell"]["depth"], rel=0.15)
    # nothing encodes, and nothing has a density
    told = " ".join([found.says, *(p.caption for p in found.pictures)])
    assert "draws lie" in told
    assert "g(z) between two draws of the prior" in told
    assert "codes" not in told
    assert "p(x|z)" not in told


def test_points_of_the_plane_leave_trails():
    ring = load("ring")
    model = pyrogen.create("vae", x_shape=(2,), latent_size=2, hidden=(8,), likelihood="Normal")
    found = Walks().run(model.eval(), ring)
    assert [p.name for p in found.pictures] == ["walks", "lengths", "ground"]


@pytest.mark.parametrize("seed", [0, 1])
def test_linear_codes_do_midway_what_pixels_do(seed, components, digits):
    found = MidpointAnalysis().run(components(30), digits, seed)
    over = found.numbers["lerp_less_averaged"]
    # means of 30 components of two digits are nearly those of their pixels: no better, so that the user is warned
    assert abs(over["value"]) < 4 * over["error"]
    assert found.verdict == "beware"
    assert found.numbers["continuity"]["value"] == pytest.approx(1, abs=1e-3)
    assert found.numbers["shares"]["real"]["value"] > 0.9
    assert found.numbers["judge"]["digest"] in found.says
    assert len(found.table) == 7
    json.dumps(found.numbers)


@pytest.mark.parametrize("shown", [0, 1, 2])
def test_one_picture_for_all_codes_is_no_latent_space(shown, components, digits):
    """A decoder that knows one picture alone is recognized everywhere, and yet nothing can be walked in."""
    model = components(12)
    with torch.no_grad():
        model.decoder.net.weight.zero_()
        model.decoder.net.bias.copy_(digits.train.x[digits.train.y == shown][0].flatten())
    found = MidpointAnalysis().run(model, digits)
    shares = found.numbers["shares"]
    assert shares["lerp"]["value"] == shares["prior"]["value"] == 1 > shares["averaged"]["value"] + 0.5
    assert found.numbers["kept"]["value"] < 0.25
    assert (found.verdict, "another class" in found.advice) == ("beware", True)
    whole = MidpointAnalysis().run(components(30), digits)
    assert whole.numbers["kept"]["value"] > 0.9
    assert "another class" not in whole.advice


def test_attributes_of_linear_codes_are_told_and_changed(components, digits):
    analysis = AttributeAnalysis(labels=(2, 100), draws=40)
    assert analysis.refusal(components(12), digits) == ""
    found = analysis.run(components(12), digits)
    probed = found.numbers["probe"]
    assert probed["score"]["value"] > 0.85 > 0.15 > probed["shuffled"]["value"]
    few, many = (found.numbers["labels"][n] for n in ("2", "100"))
    # more labels, less doubt, and more than what random steps do
    assert few["cosine"]["low"] < many["cosine"]["low"]
    assert many["gain"]["value"] > 5 * many["gain"]["error"]
    assert {p.name for p in found.pictures} == {"attribute-labels", "attribute-effects", "attribute-walk"}
    json.dumps(found.numbers)


def test_attributes_are_asked_of_all_labels_that_are_known(components, monkeypatch):
    few = load("digits", kind="unit", dequantization=False, labels=200)
    monkeypatch.setattr(attribute_analysis, "MOST", 100)
    found = AttributeAnalysis(labels=(2,), draws=5).run(components(12), few)
    assert found.numbers["probe"]["score"]["n"] == 100


def test_bits_are_shown_as_the_judge_knows_them():
    bits = load("digits", kind="binary")
    model = pyrogen.create("vae", x_shape=(1, 8, 8), latent_size=2, hidden=(8,)).eval()
    found = MidpointAnalysis(n=50).run(model, bits)
    assert found.numbers["shares"]["real"]["value"] > 0.9


@pytest.fixture(scope="module")
def inferring(digits):
    """A model that has labels among its latents: untrained, of which classes it thinks is arbitrary, and not all one."""
    torch.manual_seed(0)
    settings = {"x_shape": (1, 8, 8), "classes": 10, "latent_size": 2, "hidden": (16,)}
    model = pyrogen.create("vae-semi-supervised", likelihood="Normal", **settings).eval()
    assert len(model.condition_for(None, digits.test.x).unique()) > 2
    return model


def test_where_labels_are_latents_walks_are_decoded_at_what_the_model_infers(inferring, digits):
    x, known = digits.test.x[:6], digits.test.y[:6]
    classes = inferring.classify(x).logits.argmax(-1)
    assert torch.equal(inferring.condition_for(known, x), classes)
    assert inferring.condition_for(known) is None
    assert (classes != known).any()
    walked = interpolate(inferring, x[:3], x[3:], steps=5)
    with torch.no_grad():
        start = inferring.vae.encode(x[:3], classes[:3]).mean
        end = inferring.vae.encode(x[3:], classes[3:]).mean
        torch.testing.assert_close(walked[:, 0], inferring.vae.decode(start, classes[:3]).mean)
        torch.testing.assert_close(walked[:, -1], inferring.vae.decode(end, classes[:3]).mean)  # the first one's stays
        other = inferring.vae.decode(start, known[:3]).mean
    assert not torch.allclose(walked[:, 0], other)  # the control: the known labels are another's opinion
    assert corners(inferring, x[:4], 3).shape == (3, 3, 1, 8, 8)
    assert reconstruct_by_chance(inferring, x, 2).shape == (6, 2, 1, 8, 8)


@pytest.mark.parametrize("analysis", [Walks(steps=4), MidpointAnalysis(n=40), Anatomy(limit=20, draws=40)])
def test_where_labels_are_latents_the_analyses_answer(analysis, inferring, digits):
    assert analysis.refusal(inferring, digits) == ""
    found = analysis.run(inferring, digits)
    assert found.says
    assert found.pictures


UNLABELLED = from_arrays(np.random.default_rng(0).random((60, 2), dtype=np.float32))


@pytest.mark.parametrize(
    ("analysis", "entry", "data", "match"),
    [
        (Walks(), "made", "digits", "has no latents to walk through"),
        (Walks(), "vae", "long", "shown as pictures or in the plane"),
        (MidpointAnalysis(), "generator-random", "digits", "encodes nothing"),
        (MidpointAnalysis(), "vae", "plain", "has none; take labelled data"),
        (AttributeAnalysis(), "generator-random", "digits", r"attribute_vector.*picked"),
        (AttributeAnalysis(), "vae-conditional", "digits", "is told the labels"),
        (
            AttributeAnalysis(),
            "vae-semi-supervised",
            "digits",
            "infers the labels, so that its codes need not know them",
        ),
        (AttributeAnalysis(), "vae", "plain", "has none; take labelled data"),
    ],
)
def test_what_cannot_be_asked_says_why(analysis, entry, data, match, digits):
    known = {"digits": digits, "plain": UNLABELLED, "long": from_arrays(torch.rand(60, 5).numpy())}[data]
    settings = {"classes": 10} if entry in ("vae-conditional", "vae-semi-supervised") else {}
    settings |= {} if entry in ("made", "generator-random") or data == "digits" else {"likelihood": "Normal"}
    model = pyrogen.create(entry, x_shape=known.x_shape, **settings)
    assert re.search(match, analysis.refusal(model, known))


def test_generators_that_are_told_a_class_walk_given_that_of_data(digits):
    torch.manual_seed(0)
    model = pyrogen.create(
        "cgan", x_shape=(1, 8, 8), classes=10, latent_size=4, generator={"name": "Perceptron", "hidden": [8]}
    )
    found = Walks(steps=4).run(model, digits)
    assert [p.name for p in found.pictures] == ["walks", "corners", "plane", "lengths"]
    assert "with the y of the first end" in found.pictures[0].caption
    x, y = Walks(pair=(3, 8))._ends(model, digits, 0)
    assert (x.shape, y.tolist()) == ((6, 4), [3, 3, 3, 8, 8, 8])
