"""Judges: trained on real data, hashed, calibrated, and asked only where they can be trusted; numbers with their errors."""

import math

import numpy as np
import pytest
import torch

import pyrogen
from pyrogen import registry
from pyrogen.data import from_arrays, load
from pyrogen.data.split import evenly
from pyrogen.inference.latents import judging
from pyrogen.inference.latents.judging import judge_of, unjudged
from pyrogen.inference.latents.measured import Measured, mean, paired, paired_shares, ratio, share
from pyrogen.inference.metrics.judge import Network, SupportVectors


def clouds(n=300, apart=8.0, seed=0, classes=3):
    """Normal clouds in a row, of which a classifier can be right as often as they do not touch."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    x = torch.randn(n, 2, generator=generator)
    x[:, 0] += apart * y
    return from_arrays(x.numpy(), y.numpy(), standardize=False)


@pytest.fixture(scope="module")
def grey():
    return load("digits", kind="unit", dequantization=False)


# ------------------------------------------------------------------------------------------------------------- judges


def test_a_judge_knows_clouds_that_lie_apart_and_says_who_it_is():
    judge = judge_of(clouds())
    assert judge.accuracy.value > 0.98
    assert judge.digest in judge.says()
    assert judge.numbers()["digest"] == judge.digest
    # far from all clouds, and midway between two, it is sure of nothing
    assert judge.recognizes(torch.tensor([[0.0, 0.0], [8.0, 0.0], [16.0, 0.0]])).all()
    assert not judge.recognizes(torch.tensor([[4.0, 0.0]])).any()
    torch.testing.assert_close(judge.probabilities(torch.randn(5, 2)).sum(1), torch.ones(5, dtype=torch.float64))


def test_two_classes_are_named_as_the_machine_names_them():
    data = clouds(classes=2)
    judge = judge_of(data)
    assert judge.accuracy.value > 0.98
    assert float((judge.names(data.test.x) == data.test.y).double().mean()) == judge.accuracy.value


def test_the_least_margin_is_highest_of_the_class_that_machines_vote_for(grey):
    from sklearn.svm import SVC

    machine = SVC(C=10.0).fit(grey.train.x.flatten(1).numpy(), grey.train.y.numpy())
    named = torch.from_numpy(machine.predict(grey.test.x.flatten(1).numpy()))
    judge = SupportVectors().of(grey)
    assert torch.equal(judge.names(grey.test.x), named)
    assert int((judge.probabilities(grey.test.x).argmax(1) != named).sum()) <= 1


def test_probabilities_are_calibrated_where_clouds_touch():
    # p(y = 1|x) = 1 / (1 + exp(a²/2 − a x)) of two clouds at 0 and a
    data = clouds(n=6000, apart=2.0, classes=2)
    judge = SupportVectors(trust=0.5, cost=1.0).of(data)
    p = judge.probabilities(data.test.x)[:, 1]
    exact = torch.sigmoid(2 * data.test.x[:, 0].double() - 2)
    # the brier score of a judge is its squared error from the truth beyond that of the truth itself
    assert float((p - exact).square().mean()) < 0.01
    assert judge.accuracy.value == pytest.approx(0.841, abs=4 * judge.accuracy.error)


def test_one_judge_is_trained_once_and_another_has_another_hash():
    first, again = judge_of(clouds()), judge_of(clouds())
    assert first is again
    assert judge_of(clouds(seed=1)).digest != first.digest
    assert judge_of(clouds(), {"name": "SupportVectors", "cost": 1.0}).digest != first.digest


def test_training_a_judge_leaves_numpys_generator_alone():
    data = clouds(seed=77)
    before = np.random.get_state()  # noqa: NPY002  (what is not to be touched)
    judge_of(data, "SupportVectors")
    after = np.random.get_state()  # noqa: NPY002
    assert before[2] == after[2]
    assert (before[1] == after[1]).all()


def test_few_judges_are_remembered():
    for seed in range(judging.REMEMBERED + 2):
        judge_of(clouds(n=40, seed=seed))
    assert len(judging._known) <= judging.REMEMBERED


def test_a_judge_that_errs_is_not_asked():
    with pytest.raises(ValueError, match=r"right on [3-6]\d% of the real test data.*90% are needed") as refused:
        judge_of(clouds(apart=0.5))
    assert "grey" not in str(refused.value)  # a table has none
    assert "judge='SupportVectors(trust=0.5)'" in str(refused.value)
    assert judge_of(clouds(apart=0.5), "SupportVectors(trust=0.3)").accuracy.value < 0.7  # what was advised works


def test_images_that_hold_noise_are_to_be_loaded_without():
    generator = torch.Generator().manual_seed(0)
    bits = torch.bernoulli(torch.full((200, 1, 4, 4), 0.5), generator=generator)
    data = from_arrays(bits.numpy(), (torch.arange(200) % 4).numpy(), kind="binary")
    with pytest.raises(ValueError, match="load images as grey values, by kind='unit', dequantization=False"):
        judge_of(data)


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: judge_of(load("ring"), "Network"), "has none; take labelled data|looks at images"),
        (lambda: judge_of(from_arrays(torch.rand(30, 4).numpy())), "has none; take labelled data"),
        (lambda: judge_of(clouds(), "Network"), r"looks at images.*judge='SupportVectors'"),
        (lambda: judge_of(clouds(), "Netwrk"), "no judge called 'Netwrk'; did you mean 'Network'"),
        (lambda: judge_of(clouds(classes=1)), "all .* labels are alike"),
    ],
)
def test_what_cannot_be_judged_is_refused(build, match):
    with pytest.raises(ValueError, match=match):
        build()


def test_a_network_sees_images():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(240) % 2
    x = 0.1 * torch.rand(240, 1, 6, 6, generator=generator)
    x[y == 1, :, :, 3:] += 0.6  # bright on the right
    data = from_arrays(x.numpy(), y.numpy(), kind="unit", dequantization=False)
    judge = Network(width=4).of(data)
    assert judge.accuracy.value == 1
    assert judge.features(data.test.x).shape == (len(data.test), 16)
    assert judge.names(x[:4]).tolist() == [0, 1, 0, 1]
    assert Network(width=4, seed=1).of(data).digest != judge.digest


def test_machines_learn_from_some_of_many_data_and_say_so():
    data = clouds(n=600)
    judge = SupportVectors(limit=90).of(data)
    few = data.train.x[evenly(len(data.train), 90)]
    assert judge.learned.seen == len(few) == 90
    assert "which has learned from 90 of 480 data, names" in judge.says()
    assert judge.numbers()["learned_from"] == 90
    assert "learned from" not in SupportVectors(limit=480).of(data).says()
    # equal distances: the first and the last tenth are there alike, however the data are sorted
    assert evenly(1000, 10).tolist() == [*range(0, 1000, 100)]
    assert evenly(3, 10).tolist() == [0, 1, 2]
    assert evenly(0, 10).tolist() == []


def test_a_judge_is_tried_on_no_more_data_than_it_needs(monkeypatch):
    monkeypatch.setattr(judging, "READ", {"train": 100, "valid": 30, "test": 20})
    judge = SupportVectors(cost=3.0).of(clouds())
    assert (judge.given, judge.learned.seen, judge.accuracy.n, judge.recognized.n) == (100, 100, 20, 20)


def test_data_on_disk_are_judged_as_those_in_memory(on_disk, monkeypatch):
    data = clouds()
    judge = judge_of(data)
    monkeypatch.setattr(judging, "_known", {})
    assert judge_of(on_disk(data)).numbers() == judge.numbers()


def test_binarized_data_are_judged_as_the_grey_ones_that_are_decoded():
    bits = load("digits", kind="binary")
    judge = judge_of(bits)
    assert judge.accuracy.value > 0.97
    assert judge.digest == judge_of(load("digits", kind="unit", dequantization=False)).digest
    assert judge.digest == judge_of(load("digits", kind="binary", labels=100)).digest


def test_what_has_no_labels_says_so():
    assert "has none" in unjudged(from_arrays(torch.rand(30, 4).numpy()))
    assert unjudged(clouds()) == ""
    assert set(pyrogen.choices("judge")) == {"Network", "SupportVectors", "WordCounts"}
    assert registry.describe(SupportVectors(cost=2.0)) == {
        "name": "SupportVectors",
        "cost": 2.0,
        "trust": 0.9,
        "limit": 5000,
    }


# ------------------------------------------------------------------------------------------------------------ numbers


def test_a_share_has_an_error_where_all_agree():
    # the standard deviation of Beta(n + ½, ½)
    a, b = 10.5, 0.5
    assert share(torch.ones(10)) == Measured(1.0, pytest.approx(math.sqrt(a * b / (121 * 12))), 10)
    assert share(torch.tensor([1, 0, 0, 0])).value == 0.25
    with pytest.raises(ValueError, match="0 data"):
        share(torch.ones(0))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_errors_of_paired_shares_cover_the_difference(seed):
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(2000, 200, generator=generator)
    first, second = u < 0.7, (u > 0.4) | (torch.rand(u.shape, generator=generator) < 0.3)
    exact = 0.7 - (1 - 0.4 * 0.7)
    z = torch.tensor([(m.value - exact) / m.error for m in map(paired_shares, first, second)])
    # the error of a standard deviation of 2000 is .016; half a datum in each cell shrinks by a hundredth
    assert float(z.mean()) == pytest.approx(0, abs=0.09)
    assert float(z.std()) == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_errors_of_ratios_cover_the_ratio(seed):
    generator = torch.Generator().manual_seed(seed)
    under = 1 + torch.rand(2000, 200, generator=generator)
    over = 2 * under + torch.rand(under.shape, generator=generator) - 0.5
    z = torch.tensor([(m.value - 2) / m.error for m in map(ratio, over, under)])
    assert float(z.mean()) == pytest.approx(0, abs=0.09)
    assert float(z.std()) == pytest.approx(1, abs=0.06)


def test_numbers_of_independent_draws_are_subtracted_and_divided():
    a, b = Measured(3.0, 0.3, 50), Measured(2.0, 0.4, 40)
    assert a.less(b) == (1.0, pytest.approx(0.5), 40)
    assert a.over(b) == (1.5, pytest.approx(math.hypot(0.3 / 2, 3 * 0.4 / 4)), 40)


def test_a_share_over_draws_has_an_error_where_all_agree():
    assert Measured(1.0, 0.0, 10).of_share() == share(torch.ones(10))
    assert Measured(0.5, 0.1, 10).of_share() == Measured(0.5, 0.1, 10)


def test_pairing_counts():
    a = torch.tensor([True] * 50 + [False] * 50)
    assert paired_shares(a, a) == Measured(0.0, pytest.approx(1 / 102), 100)
    assert paired_shares(a, ~a).error > 5 * paired_shares(a, a).error
    assert paired(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 1.0, 2.0])) == Measured(1.0, 0.0, 3)
    with pytest.raises(ValueError, match="judge both on the same ones"):
        paired_shares(a, a[:10])


def test_numbers_are_said_with_as_many_digits_as_they_have():
    assert str(Measured(0.12345, 0.0123, 9)) == "0.123 ± 0.012"
    assert str(Measured(-12.345, 3.2, 9)) == "−12.3 ± 3.2"
    assert str(mean(torch.tensor([1.0]))) == "1.000 ± nan"
