"""Ways that are compared on the same data: classes nobody showed, exceptions to a bias, samples beside few labels."""

import numpy as np
import pytest
import torch

import pyrogen
from pyrogen import registry
from pyrogen.data import from_arrays, load
from pyrogen.inference import Shares, augment, debias, zero_shot
from pyrogen.inference.latents.measured import paired_shares
from pyrogen.inference.metrics.judge import SupportVectors
from pyrogen.inference.representations import augmenting, debiasing
from pyrogen.inference.representations.debiasing import Debiasing, biased_factors, rarity
from pyrogen.inference.representations.zero_shot import (
    AMONG_ALL,
    ATTRIBUTES,
    MADE,
    NEAREST,
    OTHERS,
    UNSEEN,
    ZeroShot,
    unseen_pairs,
)

SQUARES = {"name": "Normal", "scale": "fixed"}


class Known(pyrogen.base.Model, pyrogen.base.HasFeatures):
    """Codes that are x itself."""

    def __init__(self, x_shape, condition=None):
        super().__init__()
        self.x_shape, self.kinds, self.condition = torch.Size(x_shape), ("real",), condition

    def features(self, x):
        """x."""
        return x.flatten(1)

    def sample(self, n, y=None):
        """The values that it is told, in places of their own, and noise."""
        x = torch.zeros(n, *self.x_shape) if y is None else hot(y.reshape(n, -1), self.x_shape.numel())
        return x + 0.01 * torch.randn_like(x)


def hot(y, size):
    """Each value as a place of its own, three for each factor."""
    x = torch.zeros(len(y), size)
    for k in range(y.shape[1]):
        x[torch.arange(len(y)), 3 * k + y[:, k]] = 1.0
    return x


def factors(n=240, held_out=((0, 0), (1, 1)), bias=None):
    """Two factors of three values, written into x; of test all pairs, and in train some never."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, (2 * n, 2))
    if bias is not None:
        y[: n + n // 10, 1] = np.where(rng.random(n + n // 10) < bias, y[: n + n // 10, 0], y[: n + n // 10, 1])
    x = hot(torch.from_numpy(y), 6).numpy() + 0.1 * rng.normal(size=(2 * n, 6)).astype("float32")
    lacking = np.array([tuple(pair) in {*held_out} for pair in y.tolist()])
    train, valid, test = slice(0, n), slice(n, n + n // 10), slice(n + n // 10, None)
    kept = ~lacking[train]
    return from_arrays(
        x_train=x[train][kept], y_train=y[train][kept], x_valid=x[valid][~lacking[valid]],
        y_valid=y[valid][~lacking[valid]], x_test=x[test], y_test=y[test], standardize=False,
    )  # fmt: skip


# -- shares ----------------------------------------------------------------------------------------------------------


def test_a_gain_is_paired_and_no_error_is_0():
    a, b = torch.tensor([[True, True, True, False]]), torch.tensor([[True, False, True, False]])
    found = Shares({"data": {"a": a, "b": b, "c": a.clone()}}, "Of four.")
    assert found.gain("b") == paired_shares(a[0], b[0])
    assert found.gain("a", way="b").value == -found.gain("b").value
    assert found.gain("c").error > 0
    assert found.gain("a").value == found.gain("a").error == 0
    sure = Shares({"data": {"a": torch.ones(1, 9).bool()}}, "").accuracy()
    assert sure.value == 1
    assert sure.error > 0


def test_it_says_what_its_table_holds():
    a, b = torch.rand(3, 200) < 0.9, torch.rand(3, 200) < 0.4
    found = Shares({"these": {"a": a, "b": b}, "those": {"a": b, "b": a}}, "About.")
    assert found.better
    assert not Shares({"these": {"a": b, "b": a}}, "").better
    head, first, second = found.rows()
    assert head == ("by", "these", "those", "a gains, these")
    assert first[1] == str(found.accuracy("a")) == str(found.accuracy())
    assert second[2] == str(found.accuracy("b", "those"))
    assert str(found.gain("b")) in found.says
    told = found.finding("name", "do this")
    assert (told.verdict, told.advice, told.pictures[0].name) == ("well", "", "name")
    assert told.numbers["those"]["b"]["right"]["value"] == found.accuracy("b", "those").value
    assert "About." in repr(found)


# -- classes that nobody has shown -----------------------------------------------------------------------------------


def test_values_that_codes_keep_apart_name_pairs_that_were_never_seen():
    data = factors()
    found = zero_shot(Known((6,)), data)
    assert found.ways == [ATTRIBUTES, NEAREST, OTHERS]
    assert found.accuracy().value > 0.95
    assert found.accuracy(column=AMONG_ALL).value > 0.9
    assert found.accuracy(OTHERS).value < 0.05
    assert found.accuracy(NEAREST, AMONG_ALL).value == 0
    assert found.accuracy(NEAREST).value < found.accuracy().value
    assert "2 are in test alone" in found.about


def test_pictures_made_of_unseen_classes_teach_them():
    told = pyrogen.conditions.Condition((2,), 3)
    found = zero_shot(Known((6,), told), factors(), made=20)
    assert found.ways[0] == MADE
    assert found.accuracy().value > 0.95
    assert found.accuracy(column=AMONG_ALL).value > 0.9


def test_a_value_that_training_lacks_is_never_named():
    """The last value of the first factor is in test alone, with two others."""
    data = factors(held_out=((2, 0), (2, 1), (2, 2)))
    assert int(data.train.y[:, 0].max()) == 1 < int(data.test.y[:, 0].max()) == 2
    found = zero_shot(Known((6,)), data)
    assert "3 are in test alone" in found.about
    assert found.accuracy(column=AMONG_ALL).value == 0


def test_the_pairs_that_training_lacks_are_found():
    data = factors(held_out=((0, 2), (2, 1)))
    assert unseen_pairs(data).unseen.tolist() == [[0, 2], [2, 1]]
    assert len(unseen_pairs(data, ["factor 2", "factor 1"]).seen) == 7
    sprites = load(
        "sprites(size=16, n=600, held_out=['red circle', 'large cross', 'small cross'])",
        kind="unit",
        dequantization=False,
    )
    assert unseen_pairs(sprites).names == ("shape", "size")
    assert ZeroShot().refusal(Known((3, 16, 16)), sprites) == ""


REFUSED = {
    "all pairs are seen": (lambda: zero_shot(Known((6,)), factors(held_out=())), "hold some out"),
    "one label": (lambda: zero_shot(Known((1, 8, 8)), load("digits", kind="unit")), "several labels a datum"),
    "one factor": (lambda: zero_shot(Known((6,)), factors(), ["factor 1"]), "name two of them"),
    "another factor": (lambda: zero_shot(Known((6,)), factors(), ["factor 1", "size"]), "did you mean|there are"),
    "no encoder": (lambda: zero_shot(pyrogen.create("gan-nonsaturating", x_shape=(6,)), factors()), "neither encodes"),
    "told less": (
        lambda: zero_shot(Known((6,), pyrogen.conditions.Condition((), 3)), factors()), "not the factors of"
    ),
    "a bias of itself": (lambda: debias(Known((6,)), factors(), "factor 1", "factor 1"), "two factors"),
    "a bias of no factor": (lambda: debias(Known((6,)), factors(), "factor 1", "hue"), "no factor of"),
    "smoothing": (lambda: rarity(np.zeros((4, 1)), np.zeros(4), smoothing=0.0), "above 0"),
    "not told a class": (lambda: augment(Known((6,)), factors()), "of a given class"),
    "no draws": (
        lambda: augment(Known((1, 8, 8), pyrogen.conditions.Condition((), 10)), load("digits"), draws=0), "1 draw or more"
    ),
    "no such way": (lambda: zero_shot(Known((6,)), factors()).accuracy("its attributes"), "did you mean 'their"),
    "no such column": (lambda: zero_shot(Known((6,)), factors()).accuracy(column="unseen"), "did you mean 'unseen"),
    "nobody to judge": (lambda: Shares({"exceptions": {"a": torch.ones(1, 0)}}, ""), "no test data"),
}  # fmt: skip


@pytest.mark.parametrize(("act", "match"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_asked_is_refused(act, match):
    with pytest.raises(ValueError, match=match):
        act()


# -- exceptions to a bias --------------------------------------------------------------------------------------------


def test_what_is_rare_in_its_class_weighs_more():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 500)
    codes = np.where((np.arange(1000) % 500 < 10), 5.0, 0.0) * np.where(y == 0, 1, -1)
    weights = rarity(np.stack([codes + 0.1 * rng.normal(size=1000), rng.normal(size=1000)], 1), y)
    rare = np.arange(1000) % 500 < 10
    assert weights[rare].mean() > 5 * weights[~rare].mean()
    for k in (0, 1):
        assert weights[y == k].mean() == pytest.approx(1)
    # a large smoothing makes all alike
    assert rarity(codes[:, None], y, smoothing=1e6) == pytest.approx(1, abs=1e-4)


def test_exceptions_are_those_that_a_class_seldom_has():
    data = factors(600, held_out=(), bias=0.97)
    found = debias(Known((6,)), data, "factor 1", "factor 2", draws=3)
    assert found.columns == [debiasing.MINORITY, debiasing.MAJORITY]
    of = (
        found.hits[debiasing.MINORITY][debiasing.PLAIN].shape[1],
        found.hits[debiasing.MAJORITY][debiasing.PLAIN].shape[1],
    )
    assert of[0] == int((data.test.y[:, 0] != data.test.y[:, 1]).sum())
    assert sum(of) == len(data.test)
    assert biased_factors(data) == ("factor 1", "factor 2")
    assert Debiasing().refusal(Known((6,)), data) == ""
    assert "go together" in Debiasing().refusal(Known((6,)), factors(600, held_out=()))


def test_a_bias_is_planted_in_training_alone():
    data = load(
        "sprites(size=16, n=1000, tests=900, only=['circle', 'square', 'red', 'green'], share=0.9, "
        "biased=['red circle', 'green square'])",
        kind="unit", dequantization=False,
    )  # fmt: skip
    together = [(s.y[:, 0] == s.y[:, 1]).double().mean().item() for s in (data.train, data.test)]
    assert together == pytest.approx([0.9, 0.5], abs=0.05)
    assert len(data.test) == 900
    with pytest.raises(ValueError, match="a share lies in"):
        load("sprites(share=2.0)")


# -- samples beside few labels ---------------------------------------------------------------------------------------


def test_samples_of_the_classes_teach_and_dealt_out_ones_do_not():
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    x = hot(torch.from_numpy(y)[:, None], 6).numpy() + 0.6 * rng.normal(size=(300, 6)).astype("float32")
    data = from_arrays(
        x_train=x[:9], y_train=y[:9], x_valid=x[9:30], y_valid=y[9:30], x_test=x[30:], y_test=y[30:], standardize=False
    )
    found = augment(Known((6,), pyrogen.conditions.Condition((), 3)), data, made=20, draws=3)
    assert found.gain(augmenting.PLAIN).value > 0
    assert found.gain(augmenting.DEALT).value > 3 * found.gain(augmenting.DEALT).error
    assert "9 labels" in found.about
    # of the same samples, and the same data, at the same seed
    again = augment(Known((6,), pyrogen.conditions.Condition((), 3)), data, made=20, draws=3)
    assert again.numbers() == found.numbers()


def test_data_make_room_for_samples_and_all_ways_learn_from_the_same():
    """The judge would thin data and samples together: of the one by half, of the others not at all."""
    seen = []

    class Watched(SupportVectors):
        def learn(self, x, y):
            seen.append((len(y), torch.bincount(y).tolist()))
            return super().learn(x, y)

    y = np.arange(300) // 100
    x = hot(torch.from_numpy(y)[:, None], 6).numpy() + 0.6 * np.random.default_rng(0).normal(size=(300, 6))
    data = from_arrays(x, y, x[::10], y[::10], x[::5], y[::5], standardize=False, kind="real")
    model = Known((6,), pyrogen.conditions.Condition((), 3))
    augment(model, data, made=20, draws=1, judge=Watched(limit=120))
    assert seen == [(60, [20, 20, 20]), (120, [40, 40, 40]), (120, [40, 40, 40]), (120, [40, 40, 40])]
    with pytest.raises(ValueError, match="made=40 samples of each of 3 classes leave no room"):
        augment(model, data, made=40, judge=SupportVectors(limit=120))


# -- as analyses and metrics -----------------------------------------------------------------------------------------


def test_metrics_take_a_way_and_what_it_is_compared_with():
    data, model = factors(), Known((6,))
    metric = registry.find("metric", "zero-shot").load()
    found = zero_shot(model, data)
    assert metric(model, data, 0) == found.accuracy().value
    assert metric(model, data, 0, over=NEAREST, column=UNSEEN) == found.gain(NEAREST).value
    assert metric(model, data, 0, way=NEAREST, over=NEAREST) == 0
    told = ZeroShot().run(model, data)
    assert told.says == found.says
