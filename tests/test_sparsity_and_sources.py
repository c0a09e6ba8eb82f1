"""How sparse and how selective numbers are, from known ones; and independent sources that were mixed."""

import json
import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

import pyrogen
from pyrogen.data import load
from pyrogen.data.mixed_sources import MixedSources
from pyrogen.inference import compare_representations
from pyrogen.inference.metrics.independence import amari_distance_of
from pyrogen.inference.metrics.representations import sparsity_of
from pyrogen.inference.representations.independence import amari_distance
from pyrogen.inference.representations.sparsity import hoyer, selectivity, sparsity, treves_rolls
from pyrogen.inference.runs.fresh import keep


def test_one_number_alone_is_sparse_and_equal_ones_are_not():
    rows = np.array([[0.0, -3.0, 0.0, 0.0], [2.0, 2.0, -2.0, 2.0]])
    assert hoyer(rows) == pytest.approx([1, 0])
    assert treves_rolls(rows) == pytest.approx([1, 0])


def test_two_of_four_lie_between():
    rows = np.array([[1.0, 1.0, 0.0, 0.0]])
    assert hoyer(rows) == pytest.approx(2 - math.sqrt(2))
    assert treves_rolls(rows) == pytest.approx((1 - 1 / 2) / (1 - 1 / 4))


def test_normal_numbers_have_the_sparseness_of_their_moments():
    rows = np.random.default_rng(0).normal(size=(1, 200_000))
    assert treves_rolls(rows)[0] == pytest.approx(1 - 2 / math.pi, abs=0.005)
    assert hoyer(rows)[0] == pytest.approx(1 - math.sqrt(2 / math.pi), abs=0.005)


def test_units_answer_to_one_class_or_to_all():
    y = np.repeat(np.arange(3), 4)
    rows = np.column_stack([5.0 * (y == 1), np.ones(12), np.where(y == 2, 3.0, 1.0)])
    assert selectivity(rows, y) == pytest.approx([1, 0, 0.5])


def test_silent_data_and_units_are_left_out():
    y = np.arange(6) % 2
    rows = np.zeros((6, 3))
    rows[1:, 0] = 1.0
    found = sparsity(rows, y)
    assert found["hoyer"].value == 1
    assert found["hoyer"].n == 5
    assert math.isnan(found["lifetime"].value)  # of one unit that answers there is no error


def test_the_table_has_the_sparseness_of_what_was_read(tmp_path):
    data = load("digits", kind="unit", dequantization=False)
    m = pyrogen.create("autoencoder-sparse-kl", x_shape=(1, 8, 8), latent_size=6, likelihood="ContinuousBernoulli")
    found = compare_representations(m, data, ["Pixels"], ["Linear"], [2], 2, 200)
    table = found.sparsity_table()
    assert [row[0] for row in table] == ["sparseness", "codes", "pixels"]
    assert table[0][1:] == ("Hoyer", "population", "lifetime", "selectivity")
    # codes of a sigmoid that has not learned are near ½, and pixels often 0
    assert found.sparsity("codes", "hoyer").value < 0.3 < found.sparsity("pixels", "hoyer").value
    found.results["error"].values[:] = math.nan  # as where one datum judges
    keep(tmp_path / "probes.json", found)
    again = type(found).from_dict(json.loads((tmp_path / "probes.json").read_text()))
    assert again.results.equals(found.results)
    assert again.text() == found.text()
    with pytest.raises(ValueError, match="did you mean 'hoyer'"):
        sparsity_of(m, data, 0, "Hoyer ")
    assert 0 < sparsity_of(m, data, 0, "lifetime") < 0.3


# -- sources ---------------------------------------------------------------------------------------------------------


def test_the_amari_distance_knows_no_order_signs_and_scales():
    found = torch.tensor([[0.0, -2.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.0, 7.0]])
    assert amari_distance(found) == 0
    assert amari_distance(torch.ones(3, 3)) == pytest.approx(1)
    assert amari_distance(torch.tensor([[1.0, 0.5], [0.0, 1.0]])) == pytest.approx((0.5 + 0.5) / 4)


@pytest.mark.parametrize("mixed", [torch.ones(2, 3), torch.ones(1, 1), torch.tensor([[1.0, 0.0], [1.0, 0.0]])])
def test_what_has_no_amari_distance_is_refused(mixed):
    with pytest.raises(ValueError, match=r"square matrices|source is lost"):
        amari_distance(mixed)


@pytest.mark.parametrize("law", ["laplace", "normal"])
def test_mixed_sources_have_the_law_that_they_tell(law):
    known = MixedSources(law, 2)
    x, s = known.sample(20_000, torch.Generator().manual_seed(0))
    assert torch.allclose(s @ known.mixing.T, x)
    assert s.var(0).tolist() == pytest.approx([1, 1], rel=0.05)
    kurtosis = float((s**4).mean() / (s**2).mean() ** 2)
    assert kurtosis == pytest.approx(6 if law == "laplace" else 3, rel=0.1)
    one = MixedSources(law, 2)
    one.mixing = torch.eye(2)
    total = quad(
        lambda a: math.exp(float(one.log_prob(torch.tensor([a, 0.0])) - one.log_prob(torch.zeros(2)) / 2)), -9, 9
    )
    assert total[0] == pytest.approx(1, abs=1e-3)
    moved = one.log_prob(s[:5]) - torch.linalg.det(known.mixing.double()).abs().log()
    assert torch.allclose(known.log_prob(x[:5]), moved, atol=1e-4)


def test_a_decoder_that_is_the_mixture_is_known_to_be():
    data = load("mixed-sources")
    m = pyrogen.create("ica", x_shape=data.x_shape)
    assert amari_distance_of(m, data, 0) > 0.2
    linear = next(layer for layer in m.decoder.modules() if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        linear.weight.copy_(data.law.mixing[:, [2, 0, 3, 1]] * torch.tensor([1.0, -2.0, 0.5, 3.0]))
    assert amari_distance_of(m, data, 0) == pytest.approx(0, abs=1e-5)


REFUSED = {
    "other data": (
        lambda: amari_distance_of(pyrogen.create("ica", x_shape=(2,)), load("ring"), 0),
        "'mixed-sources' only",
    ),
    "fewer latents": (
        lambda: amari_distance_of(pyrogen.create("ica", x_shape=(4,), latent_size=3), load("mixed-sources"), 0),
        "make them equal",
    ),
    "a law": (lambda: load("mixed-sources(law='cauchy')"), "'laplace' or 'normal'"),
    "one source": (lambda: load("mixed-sources(sources=1)"), "2 or more"),
}


@pytest.mark.parametrize(("act", "match"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_unmixed_is_refused(act, match):
    with pytest.raises(ValueError, match=match):
        act()
