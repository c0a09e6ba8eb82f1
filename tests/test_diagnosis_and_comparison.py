"""Judging estimates: what is flagged and what is tried next, paired differences against hand computation, and refusals."""

import json
import math
import shutil
import warnings

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.special import logsumexp

import pyrogen
from pyrogen.command.cli import main
from pyrogen.data import load
from pyrogen.inference import (
    ELBO,
    IWAE,
    BiasWarning,
    Exact,
    Reconstruction,
    compare_evidence,
    diagnose,
    log_evidence,
    summarize,
)
from pyrogen.inference.evidence import request
from pyrogen.inference.evidence.comparison import groups_alike
from pyrogen.inference.evidence.importance import diagnostics, log_mean_weight
from pyrogen.inference.evidence.rules import LARGEST_ERROR, RULES, bias, largest_k, left
from pyrogen.inference.evidence.weight_stream import WeightStream
from pyrogen.inference.pages import run_report
from pyrogen.inference.runs.compare import runs_table
from pyrogen.inference.runs.scores import read_scores, save_score

N = 40
ATTRIBUTES = {
    "bound": "lower",
    "split": "test",
    "dimensions": 16,
    "data": "made up",
    "kind": "binary",
    "averages_weights": 0,
}


def dataset(variables, **attributes):
    named = {
        k: v if isinstance(v, tuple) else ("datum", np.broadcast_to(np.asarray(v, float), N))
        for k, v in variables.items()
    }
    n = len(named["log_evidence"][1])
    return xr.Dataset(named, coords={"datum": np.arange(n)}, attrs={**ATTRIBUTES, **attributes})


def iwae(log_weights, **attributes):
    """What IWAE gives for these weights, ``(draw, datum)``."""
    stream = WeightStream.of(log_weights)
    found = {**log_mean_weight(stream), **diagnostics(stream)}
    variables, k = {name: v for name, v in found.items() if name != "k"}, found["k"][1]
    draws, n = log_weights.shape
    settings = {"num_samples": draws, "k": draws, "settings": json.dumps({"k": draws}), "averages_weights": 1}
    return xr.Dataset(
        variables,
        coords={"datum": np.arange(n), "k": k},
        attrs={**ATTRIBUTES, "estimator": "IWAE", **settings, **attributes},
    )


def ais(**changes):
    given = {"log_evidence": -90.0, "mc_se": 0.05, "half": -90.005, "half_se": 0.05, "ess": 15.0, "acceptance": 0.65}
    settings = {"temperatures": 1000, "chains": 16, "settings": json.dumps({"temperatures": 1000})}
    return dataset({**given, **changes}, estimator="AIS", **settings)


def bdmc(lower, upper, se=0.05):
    variables = {"log_evidence": lower, "mc_se": se, "lower": lower, "lower_se": se, "upper": upper, "upper_se": se}
    settings = {"temperatures": 500, "chains": 16, "settings": json.dumps({"temperatures": 500})}
    return dataset(variables, estimator="BDMC", valid_for="simulated data", **settings)


# -- diagnosis -------------------------------------------------------------------------------------------------------


def heavy(rng, draws, shapes):
    """Weights of mean 1 with generalized Pareto tails of these shapes, ``(draw, datum)`` logs."""
    u, shapes = rng.random((draws, len(shapes))), np.asarray(shapes)
    return np.log(((1 - u) ** -shapes - 1) / shapes * (1 - shapes).clip(1e-3))


def test_exactly_the_planted_heavy_tails_are_flagged():
    rng, planted = np.random.default_rng(0), [3, 17, 30]
    shapes = np.full(N, 0.05)
    shapes[planted] = 1.3
    found = diagnose(iwae(heavy(rng, 5000, shapes)))
    assert found.flagged.tolist() == planted
    assert found.reasons["pareto_k"].data.tolist() == planted
    assert not found.trusted
    assert found.verdict == "not to be believed for 3 of 40 data"
    assert torch.arange(N)[found.flagged].tolist() == planted  # as one indexes data by it
    assert found.advice.python == "log_evidence(pair, x[diagnosis.flagged], AIS(temperatures=1000, init='guide'))"
    command = (
        "pyrogen evaluate runs/a --estimator AIS --estimator.temperatures 1000 --estimator.init guide --flagged_by mine"
    )
    assert found.advice.command("runs/a", "mine") == command
    assert command in found.text("runs/a", "mine")


def test_labels_are_those_of_the_data():
    shapes = np.full(N, 0.05)
    shapes[30] = 1.3
    part = iwae(heavy(np.random.default_rng(0), 5000, shapes)).isel(datum=slice(25, 35))
    assert diagnose(part).flagged.tolist() == [30]


def test_quiet_weights_are_trusted():
    found = diagnose(iwae(0.05 * np.random.default_rng(0).standard_normal((5000, N))))
    assert found.trusted
    assert found.flagged.size == 0
    assert found.advice is None
    assert set(found.findings) == {"pareto_k", "error", "k_curve", "jackknife"}
    assert "nothing speaks against it" in str(found)


def test_draws_that_are_one_and_the_same_are_not_taken_for_many():
    model = pyrogen.create("vqvae", x_shape=(1, 4, 4), codes=3, width=4)
    x = torch.rand(5, 1, 4, 4).round()
    evidence = log_evidence(model, x, IWAE(50))
    found = diagnose(evidence)
    assert set(found.findings) == {"nature"}
    assert "the bound counts one state of the latents alone" in str(found)
    assert "different_draws" not in log_evidence(pyrogen.create("vae", x_shape=(1, 4, 4), hidden=(4,)), x, IWAE(50))


@pytest.mark.parametrize(("draws", "most"), [(5000, 0.7), (1000, 2 / 3), (100, 0.5), (10_000, 0.7), (5, 0.0)])
def test_the_threshold_of_k_hat_falls_with_few_draws(draws, most):
    assert largest_k(draws) == pytest.approx(most)
    if draws > 25:
        khat = np.where(np.arange(N) < 2, most + 0.01, most - 0.01)
        score = iwae(np.zeros((draws, N))).assign(pareto_k=("datum", khat))
        assert diagnose(score).flagged.tolist() == [0, 1]


def test_too_few_draws_to_fit_a_tail_flag_everything():
    assert len(diagnose(iwae(np.random.default_rng(0).standard_normal((10, N)))).flagged) == N


def test_large_errors_are_flagged():
    score = iwae(np.zeros((5000, N)))
    score["mc_se"][7] = 0.21
    assert diagnose(score).reasons["error"].data.tolist() == [7]


@pytest.mark.parametrize("alpha", [0.25, 0.5, 1.0])
def test_a_power_law_is_extrapolated_to_its_limit(alpha):
    for k in ([5, 50, 500], [1, 5, 50, 100]):
        assert left(np.array(k), -3.0 - np.array(k, float) ** -alpha) == pytest.approx(k[-1] ** -alpha)
    assert left(np.array([50, 100]), np.array([-2.02, -2.01])) == pytest.approx(0.01)
    assert left(np.array([50, 100]), np.array([-2.0, -2.01])) == 0


def test_a_rising_curve_is_found_and_its_bias_is_about_right():
    rng = np.random.default_rng(0)
    rises = iwae(1.5 * rng.standard_normal((100, 2000)))
    found = diagnose(rises)
    assert "still rises" in found.reasons["k_curve"].says
    assert found.reasons["k_curve"].data.size == 0  # it is about the mean
    truth = 1.5**2 / 2
    off = float(rises["log_evidence"].mean()) - truth
    assert off < -0.02
    assert 0.5 < found.bias / off < 2
    assert found.bias == bias(rises)
    within = rises.assign(k_curve=rises["k_curve"] + 5 * rng.standard_normal(rises["k_curve"].shape))
    assert "levelled off" in diagnose(within).findings["k_curve"].says


def test_zero_weights_leave_a_curve():
    weights = np.zeros((5000, N))
    weights[:4999] = -np.inf
    weights[:, 1:] = 0.0
    found = diagnose(iwae(weights))
    assert 0 in found.flagged.tolist()
    assert math.isfinite(found.bias)


def test_no_finite_estimate_is_flagged():
    score = iwae(np.zeros((5000, N)))
    score["log_evidence"][5] = -np.inf
    found = diagnose(score)
    assert found.reasons["finite"].data.tolist() == [5]
    score["log_evidence"][:] = np.nan
    assert len(diagnose(score).flagged) == N


JACKKNIFE = {"near": (0.005, False), "far": (0.05, True), "below": (-0.05, True)}


def test_what_failed_is_in_every_mean_and_is_named():
    """Three data whose weights are all 0: no bias is told without them, and rules that read the others say so."""
    weights = np.random.default_rng(0).normal(0, 0.3, (1000, N))
    whole = iwae(weights)
    weights[:, [4, 7, 30]] = -np.inf
    failing = iwae(weights)
    assert math.isfinite(bias(whole))
    assert math.isnan(bias(failing))
    judged = diagnose(failing)
    assert judged.flagged.tolist() == [4, 7, 30]
    assert judged.reasons["finite"].says == "3 of 40 data have no finite estimate, and their mean has none"
    assert judged.findings["k_curve"].says.endswith("(of the 37 data that have one)")
    assert "failed    3 of 40 data have no finite estimate: 4, 7, 30" in str(summarize(failing))
    assert "no error (data)" in str(summarize(failing))
    with pytest.warns(BiasWarning, match="3 of 40 data have no finite estimate by b or a, .*: 4, 7, 30"):
        table = compare_evidence({"a": whole, "b": failing})
    assert table["difference"].sel(estimate="b").item() == -math.inf
    assert math.isnan(table["difference_data_se"].sel(estimate="b").item())


def test_an_extreme_datum_is_named_and_the_others_are_judged():
    weights = np.random.default_rng(0).normal(0, 0.3, (1000, N))
    weights[:, 5] *= 1e20
    judged = diagnose(iwae(weights))
    assert judged.flagged.tolist() == [5]
    assert judged.reasons["pareto_k"].says.startswith("1 of 40 data have no fit")


def test_too_few_draws_have_no_error_and_say_so():
    found = iwae(np.random.default_rng(0).normal(0, 0.3, (3, N)))
    assert "40 of 40 data have no error, which takes 4 weights at least" in diagnose(found).reasons["error"].says
    assert "no error (Monte Carlo)" in str(summarize(found))


@pytest.mark.parametrize("known", [{}, {"data": "a tensor"}])
def test_other_labels_are_other_data(known):
    labelled = dataset({"log_evidence": -90.0, "mc_se": 0.1}, **known).assign_coords(
        fingerprint=("datum", np.arange(N)), fingerprint_y=("datum", np.arange(N))
    )
    other = labelled.assign_coords(fingerprint_y=("datum", np.arange(N) // 2))
    compare_evidence({"a": labelled, "b": labelled})
    with pytest.raises(ValueError, match="b and a are not estimates of the same thing: 39 of 40 data have another y"):
        compare_evidence({"a": labelled, "b": other})


@pytest.mark.parametrize(("gap", "broken"), JACKKNIFE.values(), ids=JACKKNIFE)
def test_the_jackknife_is_read(gap, broken):
    score = iwae(np.zeros((5000, N)))
    score = score.assign(jackknife=score["log_evidence"] + gap)
    assert ("jackknife" in diagnose(score).reasons) == broken
    assert bias(score) == pytest.approx(-gap)


PLANTED = np.where(np.isin(np.arange(N), [2, 9]), 1.0, 0.0)
ANNEALED = {
    "quiet": ({}, None, []),
    "doubling": ({"half": -90.005 - PLANTED}, "doubling", [2, 9]),
    "doubling of the mean": ({"half": -90.08}, "doubling", []),
    "no more than errors": ({"half": -90.0 - 0.2 * PLANTED * np.where(np.arange(N) == 2, 1, -1)}, None, []),
    "accepted rarely": ({"acceptance": 0.65 - 0.4 * PLANTED}, "acceptance", [2, 9]),
    "accepted always": ({"acceptance": 0.65 + 0.34 * PLANTED}, "acceptance", [2, 9]),
    "few effective": ({"mc_se": 0.05 + 0.2 * PLANTED, "ess": 15 - 10 * PLANTED}, "error", [2, 9]),
}


@pytest.mark.parametrize(("changes", "rule", "flagged"), ANNEALED.values(), ids=ANNEALED)
def test_annealed_estimates_are_judged(changes, rule, flagged):
    found = diagnose(ais(**changes))
    assert list(found.reasons) == ([rule] if rule else [])
    assert found.flagged.tolist() == flagged
    if rule is None:
        assert found.advice.estimator == "BDMC"
        assert found.advice.arguments == {"temperatures": 1000}
    else:
        assert found.advice.estimator == "AIS"
        assert found.advice.arguments == {"temperatures": 4000}
        assert found.advice.only_flagged == bool(flagged)


def test_doubling_tells_the_bias_that_is_left():
    """A bias inverse to the number of temperatures: what doubling gained is what is left."""
    truth, constant = -90.0, 40.0
    score = ais(log_evidence=truth - constant / 1000, half=truth - constant / 500)
    assert bias(score) == pytest.approx(-constant / 1000)


def test_populations_are_judged_by_their_increments():
    score = ais(incremental_ess=16 - 12 * PLANTED).drop_vars(["half", "half_se"]).assign_attrs(particles=16)
    assert list(diagnose(score).reasons) == ["increments"]
    assert diagnose(score).flagged.tolist() == [2, 9]


BRACKETS = {
    "narrow": (0.3, None, []),
    "wide": (0.3 + 2 * PLANTED, "bracket", [2, 9]),
    "crossing": (-0.5, "bracket", []),
}


@pytest.mark.parametrize(("gap", "rule", "flagged"), BRACKETS.values(), ids=BRACKETS)
def test_brackets_are_judged(gap, rule, flagged):
    found = diagnose(bdmc(np.full(N, -90.0), -90.0 + gap))
    assert list(found.reasons) == ([rule] if rule else [])
    assert found.flagged.tolist() == flagged
    assert (found.advice is None) == (rule is None)
    if rule:
        assert found.advice.arguments == {"temperatures": 2000}
        assert not found.advice.only_flagged  # the next run simulates other data


def test_the_chain_of_advice():
    rng = np.random.default_rng(0)
    shapes = np.where(np.arange(N) < 3, 1.3, 0.05)
    elbo = iwae(heavy(rng, 100, shapes), averages_weights=0, estimator="ELBO", split="valid", weights="best", seed=3)
    elbo["log_evidence"] = elbo["k_curve"].isel(k=0)
    assert diagnose(elbo).advice.python == "log_evidence(pair, x, IWAE(k=5000))"
    asked_for = "pyrogen evaluate RUN --estimator IWAE --estimator.k 5000 --split valid --weights best --seed 3"
    assert diagnose(elbo).advice.command() == asked_for
    assert diagnose(iwae(heavy(rng, 100, shapes))).advice.arguments == {"k": 5000}
    assert diagnose(iwae(heavy(rng, 5000, shapes))).advice.estimator == "AIS"
    assert diagnose(ais()).advice.estimator == "BDMC"
    assert diagnose(bdmc(-90.0 * np.ones(N), -89.9 * np.ones(N))).advice is None


def test_no_chains_are_advised_where_none_can_move_and_a_bracket_is_of_the_same_path():
    stuck = iwae(heavy(np.random.default_rng(0), 5000, np.where(np.arange(N) < 3, 1.3, 0.05)))
    said = diagnose(
        stuck.assign_attrs(
            guide_unchecked="the latent 'k' is discrete; estimator=Enumerate() sums over it", chains_stand=1
        )
    )
    assert (said.advice, said.trusted) == (None, False)
    assert "estimator=Enumerate() sums over it" in str(said)
    # where the check could not be made for another reason, chains are what is left
    other = diagnose(stuck.assign_attrs(guide_unchecked="the guide of a diffusion is fixed")).advice
    assert (other.estimator, other.arguments["init"], other.only_flagged) == ("AIS", "guide", True)
    nowhere = stuck.assign(log_evidence=stuck["log_evidence"] * 0 - np.inf)
    for said in (nowhere, nowhere.assign_attrs(guide_unchecked="no datum has a finite estimate")):
        assert (diagnose(said).advice.estimator, "init" in diagnose(said).advice.arguments) == ("AIS", False)
    settings = {"temperatures": 1000, "schedule": "geometric", "acceptance": 0.8, "doubling": True}
    asked = ais().assign_attrs(settings=json.dumps(settings))
    assert diagnose(asked).advice.arguments == {"temperatures": 1000, "schedule": "geometric", "acceptance": 0.8}


def test_the_gap_of_an_elbo_is_its_bias():
    score = iwae(np.random.default_rng(0).standard_normal((5000, N)), averages_weights=0, estimator="ELBO")
    score = score.drop_vars(["jackknife", "psis"]).assign(log_evidence=score["k_curve"].isel(k=0))
    found = diagnose(score)
    assert list(found.reasons) == ["k_curve"]
    assert found.flagged.size == 0
    assert found.bias == pytest.approx(-0.5, abs=0.02)


def test_what_has_nothing_to_judge_it_by_says_so():
    exact = dataset({"log_evidence": -90.0, "mc_se": 0.0}, estimator="Exact", bound="exact")
    assert diagnose(exact).trusted
    assert "it is exact" in str(diagnose(exact))
    assert bias(exact) == 0
    bare = dataset({"log_evidence": -90.0, "mc_se": 0.1}, estimator="Own")
    assert "nothing to judge it by" in diagnose(bare).verdict
    remembered = dataset({"log_evidence": -9.0, "mc_se": 0.1}, estimator="R", bound="none", quantity="E log p(x|z)")
    assert "bounds nothing" in str(diagnose(remembered))


def test_every_rule_is_silent_where_its_variables_are_missing():
    bare = dataset({"log_evidence": -90.0, "mc_se": 0.1}, estimator="Own")
    assert [rule for rule, judge in RULES.items() if judge(bare) is not None] == []


# -- comparison ------------------------------------------------------------------------------------------------------


def plain(values, se, **attributes):
    values = np.asarray(values, float)
    variables = {"log_evidence": ("datum", values), "mc_se": ("datum", np.broadcast_to(se, values.shape).astype(float))}
    return dataset(variables, estimator="Own", **attributes)


def test_differences_are_those_of_the_hand():
    a, b = plain([-1.0, -2.0, -4.0], [0.1, 0.2, 0.2]), plain([-0.5, -1.0, -3.5], [0.2, 0.1, 0.1])
    table = compare_evidence({"a": a, "b": b})
    row = table.sel(estimate="b")
    assert float(row["difference"]) == pytest.approx(2 / 3)
    assert float(row["difference_mc_se"]) == pytest.approx(math.sqrt(0.05 * 3) / 3)
    assert float(row["difference_data_se"]) == pytest.approx(math.sqrt(1 / 12) / math.sqrt(3))
    assert float(row["nats"]) == pytest.approx(-5 / 3)
    assert float(row["mc_se"]) == pytest.approx(math.sqrt(0.06) / 3)
    assert table.attrs["baseline"] == "a"
    assert float(table["difference"].sel(estimate="a")) == 0
    turned = compare_evidence({"a": a, "b": b}, baseline="b")
    assert float(turned["difference"].sel(estimate="a")) == pytest.approx(-2 / 3)
    assert table.to_pandas().shape[0] == 2


def test_both_errors_cover():
    """Two models whose true difference varies over data: z-scores of both errors have standard deviation 1."""
    rng, z_draws, z_data = np.random.default_rng(0), [], []
    for _ in range(150):
        base, gain = rng.normal(-90, 10, 50), rng.normal(0.3, 0.5, 50)
        a, b = (plain(v + 0.2 * rng.standard_normal(50), 0.2) for v in (base, base + gain))
        row = compare_evidence({"a": a, "b": b}).sel(estimate="b")
        z_draws.append((float(row["difference"]) - gain.mean()) / float(row["difference_mc_se"]))
        z_data.append((float(row["difference"]) - 0.3) / float(row["difference_data_se"]))
    for z in (z_draws, z_data):
        assert np.std(z) == pytest.approx(1, abs=0.24)  # 4 errors of a standard deviation from 150
        assert abs(np.mean(z)) < 0.33


@pytest.mark.parametrize(("gain", "warned"), [(0.01, True), (-0.01, True), (0.5, False), (-0.5, False)])
def test_a_difference_below_the_bias_is_doubted_and_no_other(gain, warned):
    weights = 1.5 * np.random.default_rng(0).standard_normal((100, 200))
    a, b = iwae(weights), iwae(weights + gain)
    expected = abs(bias(a)) + abs(bias(b))
    assert 0.03 < expected < 0.4
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        table = compare_evidence({"a": a, "b": b})
    assert [w.category for w in seen] == ([BiasWarning] if warned else [])
    doubt = str(table["doubt"].sel(estimate="b").item())
    assert ("smaller than the bias" in doubt) == warned
    assert table["doubt"].sel(estimate="a").item() == ""


def test_bounds_of_different_directions_are_said():
    low, exact = plain(np.full(9, -3.0), 0.01), plain(np.full(9, -2.0), 0.0, bound="exact")
    with pytest.warns(BiasWarning, match="b is exact and a is a lower bound"):
        compare_evidence({"a": low, "b": exact})


LIKE = {"data": "mnist", "split": "test", "binarization": "dynamic", "binarization_seed": 0, "kind": "binary"}
UNLIKE = {
    "split": ({"split": "valid"}, "split valid and test"),
    "seed": ({"binarization_seed": 1}, "binarization_seed 1 and 0"),
    "kind": ({"kind": "unit"}, "kind unit and binary"),
    "data": ({"data": "digits"}, "data digits and mnist"),
    "quantity": ({"quantity": "E log p(x|z)"}, r"quantity E log p\(x\|z\) and log p\(x\)"),
    "simulated": ({"valid_for": "simulated data"}, "valid_for simulated data and any data"),
    "scale": ({"log_jacobian": 2.0}, "log_jacobian 2.0 and 0.0"),
}


@pytest.mark.parametrize(("attributes", "said"), UNLIKE.values(), ids=UNLIKE)
def test_unlike_estimates_are_refused(attributes, said):
    a = plain([-1.0, -2.0], 0.1, **LIKE)
    with pytest.raises(ValueError, match=f"b and a are not estimates of the same thing: {said}"):
        compare_evidence({"a": a, "b": a.assign_attrs(attributes)})


def test_estimates_of_the_same_data_are_grouped():
    a, b = plain([-1.0, -2.0], 0.1, **LIKE), plain([-1.5, -2.5], 0.2, **LIKE)
    assert groups_alike({1: a, 2: a.assign_attrs(split="valid"), 3: b, 4: b.assign_attrs(split="valid")}) == [
        [1, 3],
        [2, 4],
    ]
    assert groups_alike({}) == []


def test_other_numbers_rows_and_values_are_refused():
    a = plain([-1.0, -2.0, -3.0], 0.1, **LIKE).assign_coords(fingerprint=("datum", [1, 2, 3]))
    with pytest.raises(ValueError, match="2 and 3 data"):
        compare_evidence({"a": a, "b": a.isel(datum=slice(2))})
    with pytest.raises(ValueError, match="3 of 3 data are other rows"):
        compare_evidence({"a": a, "b": a.assign_coords(datum=[4, 5, 6])})
    with pytest.raises(ValueError, match="1 of 3 data are not the same values"):
        compare_evidence({"a": a, "b": a.assign_coords(fingerprint=("datum", [1, 2, 4]))})
    with pytest.raises(ValueError, match="at least two"):
        compare_evidence({"a": a})
    with pytest.raises(ValueError, match="no estimate called 'c'"):
        compare_evidence({"a": a, "b": a}, baseline="c")


def test_an_estimate_differs_from_itself_by_nothing(pair, draws):
    model, x = pair(), draws("binary", 6, 1, 4, 4)
    a, twin, other = (log_evidence(model, x, IWAE(30), seed=seed) for seed in (0, 0, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiasWarning)
        table = compare_evidence({"a": a, "twin": twin, "other": other})
    assert float(table["difference"].sel(estimate="twin")) == 0
    assert float(table["difference_mc_se"].sel(estimate="twin")) == 0
    assert table["doubt"].sel(estimate="twin").item() == ""
    both = math.sqrt(float((a["mc_se"] ** 2 + other["mc_se"] ** 2).sum())) / len(x)
    assert float(table["difference_mc_se"].sel(estimate="other")) == pytest.approx(both)


def test_a_joint_density_is_not_subtracted_from_a_marginal_one():
    a = plain([-1.0, -2.0], 0.1, quantity="log p(x)")
    joint = a.assign_attrs(quantity="log p(x, y)")
    said = r"joint and a are not estimates of the same thing: quantity log p\(x, y\) and log p\(x\)"
    with pytest.raises(ValueError, match=said):
        compare_evidence({"a": a, "joint": joint})


def test_brackets_of_two_models_have_nothing_in_common():
    a, b = (bdmc(np.full(N, -90.0), np.full(N, -89.9)).assign(simulated=("datum", np.full(N, v))) for v in (0.0, 1.0))
    with pytest.raises(ValueError, match="each model simulated by itself"):
        compare_evidence({"a": a, "b": b})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compare_evidence({"a": a, "b": a})


def test_tensors_are_known_by_their_values(pair, draws):
    model, x = pair(), draws("binary", 6, 1, 4, 4)
    a, b = log_evidence(model, x, IWAE(30)), log_evidence(model, x, IWAE(30), seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiasWarning)
        compare_evidence({"a": a, "b": b})
        some = log_evidence(model, x[[1, 4]], IWAE(30))  # the flagged ones, scored again
        compare_evidence({"some": some, "a": a.isel(datum=[1, 4])})
    with pytest.raises(ValueError, match="of 6 data are not the same values"):
        compare_evidence({"a": a, "b": log_evidence(model, 1 - x, IWAE(30))})


# -- what a result says of itself --------------------------------------------------------------------------------------

ASKED = {
    "iwae": (IWAE(60), "IWAE(k=60)", "iwae-60-unknown"),
    "elbo": (ELBO(num_samples=200), "ELBO(num_samples=200)", "elbo-200-unknown"),
    "default": (ELBO(), "ELBO(num_samples=100)", "elbo-100-unknown"),
    "reconstruction": (Reconstruction(3), "Reconstruction(num_samples=3)", "reconstruction-3-unknown"),
}


@pytest.mark.parametrize(("estimator", "title", "name"), ASKED.values(), ids=ASKED)
def test_estimators_are_named_as_they_were_asked_for(estimator, title, name, pair, draws):
    evidence = log_evidence(pair(), draws("binary", 3, 1, 4, 4), estimator)
    assert request.title(evidence.attrs) == title
    assert request.file_name(evidence.attrs) == name
    assert f"by        {title}, " in str(summarize(evidence))


def test_names_of_files_tell_settings_apart():
    base = {"estimator": "AIS", "split": "test", "settings": json.dumps({"temperatures": 100})}
    variants = [
        {},
        {"settings": json.dumps({"temperatures": 100, "init": "guide"})},
        {"settings": json.dumps({"temperatures": 100, "chains": 4})},
        {"settings": json.dumps({"temperatures": 100, "leapfrogs": 4})},
        {"split": "valid"},
        {"seed": 1},
        {"weights": "ema"},
        {"limit": 5},
        {"flagged_by": "iwae-5000-test"},
        {"sigma": 0.1, "sigma_from": "given"},
    ]
    names = [request.file_name({**base, **v}) for v in variants]
    assert len(set(names)) == len(names)
    assert names[:2] == ["ais-100-test", "ais-100-init-guide-test"]
    assert not any("/" in n for n in [request.file_name({**base, "split": "../x"})])


REFUSED = {
    "data": (lambda data: data, "got the whole data set 'digits': pass data.test"),
    "nothing": (lambda data: None, "expected data, got NoneType: pass an array"),
}


@pytest.mark.parametrize(("what", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_data_is_refused_in_one_sentence(what, said):
    import pyrogen

    data = load("digits", kind="binary")
    model = pyrogen.create("made", x_shape=data.x_shape, hidden=(4,))
    with pytest.raises(ValueError, match=said):
        log_evidence(model, what(data), Exact())


# -- the command line ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged") / "a"
    words = f"train vae --data digits --epochs 1 --hidden 16 --latent-size 2 --folder {folder}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_report, "write_run_report", lambda folder: folder)
        assert main(words.split()) == 0
    return folder


@pytest.fixture
def _no_page(monkeypatch):
    """The page of a run takes seconds; most of what evaluate does is not about it."""
    monkeypatch.setattr(run_report, "write_run_report", lambda folder: folder)


def test_evaluate_says_the_verdict_and_its_advice_runs(run, capsys):
    """The command that the diagnosis prints scores what it says, and the score joins the first one's rows."""
    weights = heavy(np.random.default_rng(0), 5000, np.where(np.isin(np.arange(20), [3, 11]), 1.3, 0.05))
    data = load("digits", kind="binary")
    score = iwae(weights, **data.test.attributes(), limit=20, dimensions=64)
    stem = save_score(run, score).stem
    assert stem == "iwae-5000-test-first-20"
    words = diagnose(score).advice.command(str(run), stem).split()
    words[words.index("AIS") :] = ["ELBO", "--estimator.num_samples", "100", *words[words.index("--flagged_by") :]]
    capsys.readouterr()
    assert main(words[1:]) == 0
    printed = capsys.readouterr().out
    assert "on        2 data of digits, those that iwae-5000-test-first-20 flags of test" in printed
    found = read_scores(run)["elbo-100-test-flagged-by-iwae-5000-test-first-20"]
    assert found["datum"].values.tolist() == [3, 11]
    whole = log_evidence(torch_load(run), data.test.take(20), ELBO())
    assert found["fingerprint"].values.tolist() == whole["fingerprint"].values[[3, 11]].tolist()
    page = (run / "report.html").read_text()
    assert "--estimator AIS --estimator.temperatures 1000" in page


def torch_load(folder):
    import pyrogen

    return pyrogen.load(folder)


@pytest.mark.usefixtures("_no_page")
def test_evaluate_prints_the_next_command(run, capsys):
    assert main(["evaluate", str(run), "--estimator", "ELBO", "--limit", "10", "--seed", "2"]) == 0
    printed = capsys.readouterr().out
    assert "verdict   " in printed
    assert f"pyrogen evaluate {run} --estimator IWAE --estimator.k 5000 --seed 2 --limit 10" in printed
    assert (run / "scores" / "elbo-100-test-first-10-seed-2.nc").is_file()


@pytest.mark.usefixtures("_no_page")
def test_a_collapsed_run_is_said_again(run, capsys):
    metrics = run / "metrics.jsonl"
    before = metrics.read_text()
    last = json.loads(before.splitlines()[-1])
    try:
        for active, said in ((0, True), (2, False)):
            metrics.write_text(json.dumps({**last, "step": 500, "valid/active_units": active}) + "\n")
            main(["evaluate", str(run), "--estimator", "ELBO", "--limit", "3"])
            assert ("the posterior has collapsed" in capsys.readouterr().out) == said
    finally:
        metrics.write_text(before)


PARTS = {
    "--flagged_by nothing": "there is no score",
    "--flagged_by iwae-5000-test": "flags no data",
    "--flagged_by iwae-5000-test --limit 3": "give one of them",
    "--flagged_by iwae-5000-test --split valid": "is of the split test",
    "--sigma -1": "must be positive and finite",
    "--estimator.k 3": "--estimator.k belongs to IWAE, and no estimator was named",
}


@pytest.mark.parametrize("words", PARTS)
def test_parts_that_are_not_there_are_refused(words, run, capsys):
    save_score(run, iwae(0.05 * np.random.default_rng(0).standard_normal((5000, 10))))
    assert main(["evaluate", str(run), *words.split()]) == 2
    assert PARTS[words] in capsys.readouterr().err


def test_runs_are_not_compared_on_data_of_their_own(run, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(run, other)
    quiet = iwae(0.05 * np.random.default_rng(0).standard_normal((5000, N)))
    for folder, value in ((run, 0.0), (other, 1.0)):
        save_score(folder, bdmc(np.full(N, -90.0), np.full(N, -89.9)).assign(simulated=("datum", np.full(N, value))))
        save_score(folder, quiet.assign_attrs(flagged_by="x", seed=int(value)))
        save_score(folder, quiet.assign_attrs(seed=9))
    table = runs_table([run, other])
    assert "iwae-5000-test-seed-9" in table
    assert "bdmc" not in table
    assert "flagged-by" not in table


def test_runs_on_arrays_are_scored_in_python(tmp_path):
    """No command finds their data, and what is said instead does what it says."""
    x = np.random.default_rng(0).normal(size=(40, 3))
    folders = [str(tmp_path / name) for name in "ab"]
    for folder in folders:
        model = pyrogen.create("vae", x_shape=(3,), latent_size=1, hidden=(4,), likelihood="Normal")
        pyrogen.fit(model, x, epochs=0, folder=folder)
    table = runs_table(folders)
    assert all(f"  pyrogen.load_run({folder!r}, data=...).evaluate()\n" in table for folder in folders)
    assert "pyrogen evaluate" not in table
    pyrogen.load_run(folders[0], data=x).evaluate(IWAE(20), split="valid", limit=3, seed=2)
    call = f"pyrogen.load_run({folders[1]!r}, data=...).evaluate(IWAE(k=20), split='valid', seed=2, limit=3)"
    assert f"  {call}\n" in runs_table(folders)
    eval(call.replace("data=...", "data=x"), {"pyrogen": pyrogen, "IWAE": IWAE, "x": x})
    assert "iwae-20-valid-first-3-seed-2" in runs_table(folders)


def test_the_largest_error_is_where_errors_stop_to_cover():
    """±2 errors cover where the error is small, and cover less where it is larger than the rule allows."""
    rng = np.random.default_rng(0)
    spreads = np.repeat(np.linspace(0.2, 2.4, 12), 400)
    weights = spreads * rng.standard_normal((100, len(spreads)))
    off, se = logsumexp(weights, axis=0) - math.log(100) - spreads**2 / 2, WeightStream.of(weights).standard_error()
    covered = np.abs(off) < 2 * se
    assert covered[se < 0.05].mean() > 0.9
    assert covered[(se > LARGEST_ERROR) & (se < 0.3)].mean() < 0.85
