"""A run's page: what each kind of model brings, what the numbers are said to mean, how to make it again, damaged files."""

import html
import inspect
import json
import math
import random
import re
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
import yaml
from torch import nn

import pyrogen
from pyrogen import registry, storage
from pyrogen.command.cli import main
from pyrogen.data import from_arrays, load
from pyrogen.data.dataset import Wishes, found_again
from pyrogen.figures import report
from pyrogen.inference import ELBO, IWAE, Adversarial, Exact, Reconstruction, fit, log_evidence
from pyrogen.inference.evidence.summary import summarize
from pyrogen.inference.latents.judging import as_decoded
from pyrogen.inference.latents.walks import aggregate, interpolate, traverse
from pyrogen.inference.pages import (
    datum_sections,
    diffusion_sections,
    energy_sections,
    latent_sections,
    reproduction,
    run_report,
    sample_sections,
    training_sections,
)
from pyrogen.inference.pages.panel import ADVICE, COVERAGE, MISSING, SAMPLES, TRAINING, Panel
from pyrogen.inference.pages.reproduction import command
from pyrogen.inference.pages.run_report import write_run_report
from pyrogen.inference.pages.score_sections import shown_scores
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.inference.quality.spaces import grey
from pyrogen.inference.runs.scores import read_scores, save_score
from pyrogen.inference.training.checkpoint import Stopped


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Small data: grey pictures with labels, and real vectors."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    y = rng.integers(0, 3, 60)
    x = (rng.random((60, 1, 6, 6)) * (60 + 90 * y[:, None, None, None])).astype(np.uint8)
    np.savez(folder / "pictures.npz", x_train=x, y_train=y, x_test=x[:30], y_test=y[:30])
    vectors = rng.normal(size=(200, 5)).astype("float32")
    np.savez(folder / "vectors.npz", x_train=vectors)
    np.savez(folder / "holes.npz", x_train=np.where(rng.random(vectors.shape) < 0.2, np.nan, vectors))
    np.savez(folder / "signed.npz", x_train=rng.uniform(-1, 1, (60, 1, 6, 6)).astype("float32"))
    np.savez(folder / "times.npz", x_train=np.exp(3 * vectors))
    np.savez(folder / "waves.npz", x_train=rng.random((60, 2, 6)).astype("float32"))
    rows = "\n".join(f"{a:.3f},{b:.3f},{c:.3f},{k}" for (a, b, c, *_), k in zip(vectors, y, strict=False))
    (folder / "table.csv").write_text(f"left,right,größe,sort\n{rows}\n")
    return {path.stem: str(path) for path in folder.iterdir()}


def shown(folder, model=None):
    return run_report.panels(folder, storage.read_config(folder), storage.load(folder, model))


@pytest.fixture
def train(files, tmp_path, monkeypatch):
    """Train by the command line, without a page, which takes longer."""
    monkeypatch.setattr(run_report, "write_run_report", lambda folder: folder)

    def run(words, name="run"):
        command_line = ["train", *words.format(**files).split(), "--epochs", "1", "--folder", str(tmp_path / name)]
        assert main(command_line) == 0
        return tmp_path / name

    return run


# -- panels ----------------------------------------------------------------------------------------------------------

PICTURES = {"data", "samples", "neighbours", "distances"}
POINTS = {"samples", "film-samples"}
FILM = {"film-samples", "film-reconstructions"}  # the codes of fewer than ten data are not filmed
SCORED = {"extremes", "classes-scores"}
CODED = (
    {"means", "reconstructions", "interpolations", "traversals", "latents", "aggregated", "marginals"} | FILM | SCORED
)
BRINGS = {
    "vae": (
        "vae --data {pictures} --latent_size 3 --hidden 8",
        PICTURES | CODED | {"latents-tsne", "kl", "pairs", "posteriors"},
        set(),
    ),
    "vae-2d": ("vae-2d --data {pictures} --hidden 8", PICTURES | CODED | {"manifold", "kl", "posteriors"}, set()),
    "autoencoder": (
        "autoencoder --data {pictures} --latent_size 2 --hidden 8",
        # before its codes are known it has nothing to draw samples from
        (PICTURES | CODED | {"manifold"}) - {"film-samples"},
        set(),
    ),
    "conditional": (
        "vae-conditional --data {pictures} --latent_size 2 --hidden 8",
        PICTURES | CODED | {"manifold", "kl", "posteriors", "classes"},
        set(),
    ),
    "semi-supervised": (
        "vae-semi-supervised --data {pictures} --labels 30 --latent_size 2 --hidden 8",
        PICTURES | CODED | {"manifold", "posteriors", "classes", "classified"},
        set(),
    ),
    "vectors": (
        "vae --data {vectors} --likelihood Normal --latent_size 1 --hidden 8",
        {"samples", "distances", "reconstructions", "latents", "kl", "marginals", "extremes", "film-codes"},
        set(),
    ),
    "missing cells": (
        "vae --data {holes} --missing true --likelihood Masked --latent_size 2 --hidden 8",
        {"samples", "reconstructions", "latents", "kl", "aggregated", "marginals", "posteriors"}
        | {"extremes", "film-codes"},
        set(),
    ),
    "ring": (
        "vae --data ring --likelihood Normal --latent_size 2 --hidden 8",
        POINTS
        | SCORED
        | {"reconstructions", "field", "latents", "kl", "aggregated", "marginals", "posteriors"}
        | {"film-reconstructions", "film-codes"},
        set(),
    ),
    "mixture density": ("mdn --hidden 8", {"samples", "log-prob", "conditional-density", "intervals"}, set()),
    "rbm": (
        "rbm --data {pictures} --hidden 4",
        PICTURES | SCORED | {"film-samples", "log-prob", "energies", "chains", "fantasies", "filters-1"},
        set(),
    ),
    "large rbm": (
        "rbm --data {pictures} --hidden 40",
        PICTURES | SCORED | {"film-samples", "energies", "chains", "fantasies", "filters-1"},
        {"Log probs"},
    ),
    "made": (
        "made --data {pictures} --hidden 8",
        PICTURES | SCORED | {"film-samples", "log-prob", "receptive-fields", "bits", "completions"},
        set(),
    ),
    "pixelcnn": (
        "pixelcnn-gated --data {pictures} --width 4 --layers 1",
        PICTURES | SCORED | {"film-samples", "log-prob", "receptive-fields", "bits", "completions"},
        set(),
    ),
    "dbn": (
        "dbn --data {pictures} --hidden 5,4",
        PICTURES | {"film-samples", "fantasies", "filters-1", "filters-2"},
        set(),
    ),
    "energy network": ("ebm --hidden 8", POINTS | SCORED | {"log-prob", "density", "energies"}, set()),
    "gan": ("gan-nonsaturating --generator.hidden 8 --critic.hidden 8", POINTS | {"critic", "critic-plane"}, set()),
    "picture gan": (
        "gan-nonsaturating --data {pictures} --generator.hidden 8 --critic.hidden 8",
        PICTURES | {"film-samples", "walks", "critic"},
        set(),
    ),
    "generator": (
        "generator-random --data {pictures}",
        PICTURES | SCORED | {"film-samples", "walks", "means"},
        set(),
    ),
}


@pytest.mark.rotating
@pytest.mark.parametrize(("words", "names", "missing"), BRINGS.values(), ids=BRINGS)
def test_each_kind_of_model_brings_its_panels(words, names, missing, train):
    found = shown(train(words))
    assert {panel.name for panel in found if panel.figure is not None} == names | {"curves"}
    assert {panel.caption.split(":")[0] for panel in found if panel.section == MISSING} == missing


@pytest.mark.rotating
@pytest.mark.parametrize("name", ["vae", "gan", "large rbm", "missing cells"])
def test_the_page_holds_every_panel(name, train):
    words, names, missing = BRINGS[name]
    folder = train(words)
    page = write_run_report(folder).read_text()
    assert {path.stem for path in (folder / "figures").glob("*.svg")} == names | {"curves"}
    assert page.count("<img") == page.count('alt="') == len(names) + 1
    assert len(page) < 3_000_000
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles[0] == SAMPLES
    assert titles[-3:] == ["What to cite", "How to reproduce it", "Setup"]
    assert (MISSING in titles) == bool(missing)
    assert html.escape(registry.find("entry", words.split()[0]).details["reference"].split(",")[0]) in page


def test_every_table_of_a_section_is_on_the_page(tmp_path):
    found = [
        Panel(SAMPLES, "First.", table=[("a",), ("1",)]),
        Panel(SAMPLES, "Between."),
        Panel(SAMPLES, "Second.", table=[("b",), ("2",)]),
    ]
    section = run_report._section(SAMPLES, found)
    page = report.write_report(tmp_path / "report.html", "", "", [section]).read_text()
    assert re.findall(r"First\.|Between\.|Second\.|>[ab12]<", page) == [
        "First.",
        "Between.",
        ">a<",
        ">1<",
        "Second.",
        ">b<",
        ">2<",
    ]


def test_what_a_page_says_of_log_p_is_of_the_raw_values_as_scores_are():
    x = 3.0 + 50 * np.random.default_rng(0).normal(size=(300, 2))
    data = from_arrays(x)
    torch.manual_seed(0)
    model = pyrogen.create("flow-maf", x_shape=(2,), width=8, layers=2).eval()
    scored = log_evidence(model, data.test, Exact())["log_evidence"].values
    with torch.no_grad():
        found, *_ = datum_sections.judged(model, data.test)
        own = model.log_prob(data.test.x)
    assert found.numpy() == pytest.approx(scored, abs=1e-4)
    assert abs(float(found.mean() - own.mean())) > 5  # the control
    diffusion = pyrogen.create("vdm", x_shape=(2,), steps=5).eval()
    with torch.no_grad():
        *_, (name, total, _) = next(diffusion_sections.costs(diffusion, data, [])).table
    bound = log_evidence(diffusion, data.test, "DiffusionELBO")["log_evidence"].values
    assert name == "−ELBO"
    assert float(total) == pytest.approx(-bound.mean(), rel=0.1)


@pytest.mark.parametrize(("count", "rows", "bars"), [(10, "", ""), (60, ", the first 20 of 60", "the first 30 of 60 ")])
def test_captions_say_how_many_classes_are_left_out(count, rows, bars):
    y = np.arange(40 * count) % count
    data = from_arrays(np.random.default_rng(0).random((len(y), 1, 6, 6), np.float32), y)
    model = SimpleNamespace(
        condition=SimpleNamespace(classes=count, shape=()),
        x_shape=(1, 6, 6),
        device="cpu",
        sample_mean=lambda n, y: torch.zeros(n, 1, 6, 6),
        classify=lambda x: SimpleNamespace(probs=torch.ones(len(x), count)),
    )
    (panel,) = sample_sections.classes(model, data, [])
    assert panel.caption == f"Each row is given another class{rows}."
    (panel,) = datum_sections.classified(model, SimpleNamespace(test=data.train, class_names=data.class_names), [])
    assert panel.caption.count("the bars are of the first") == bool(bars)
    assert bars in panel.caption


def failing(model, data, history):
    """A section that fails in a way that nobody foresaw."""
    yield Panel(SAMPLES, "Before it failed.")
    raise KeyError("hidden")


def test_a_section_that_fails_leaves_the_others(train, monkeypatch):
    folder = train(BRINGS["vae"][0])
    monkeypatch.setattr(run_report, "PANELS", ((nn.Module, (failing, sample_sections.samples)),))
    captions = [panel.caption for panel in shown(folder)]
    assert "Before it failed." in captions
    assert "Failing: failed, KeyError: 'hidden'" in captions
    assert any("samples of the model" in caption for caption in captions)


def test_a_report_of_a_run_on_a_device_is_made_where_its_data_are(files, tmp_path, monkeypatch):
    model = pyrogen.create("vae", x_shape=(1, 6, 6), latent_size=2, hidden=(8,))
    run = fit(model, files["pictures"], epochs=1, folder=tmp_path, progress=False)
    brought, filled = [], []
    monkeypatch.setattr(nn.Module, "cpu", lambda self: brought.append(self) or self)
    monkeypatch.setattr(run_report, "write_run_report", lambda folder, model, data: filled.append(model))
    run_report.report(run)
    assert brought == filled
    assert filled[0] is not run.model  # which stays where it is


def test_the_ring_is_counted_and_nothing_else(files, train):
    folder = train("gan-nonsaturating --generator.hidden 8 --critic.hidden 8")
    (panel,) = [p for p in shown(folder) if p.section == COVERAGE]
    _, model, exact = panel.table
    assert exact[1] == "8"
    assert float(exact[2]) == pytest.approx(0.989, abs=0.01)
    assert int(model[1]) < 8
    gan = pyrogen.create(
        "gan-nonsaturating", x_shape=(5,), generator="Perceptron(hidden=(8,))", critic="Perceptron(hidden=(8,))"
    )
    assert list(sample_sections.coverage(gan, load(files["vectors"]), [])) == []


def test_interpolations_end_in_reconstructions_and_traversals_move_one_latent(pair, draws):
    model, x = pair(), draws("binary", 4, 1, 4, 4)
    with evaluating(model):
        walked = interpolate(model, x[:2], x[2:], steps=5)
        means = model.reconstruct(x)
        torch.testing.assert_close(walked[:, 0], means[:2])
        torch.testing.assert_close(walked[:, -1], means[2:])
        codes = model.encode(x).mean
        torch.testing.assert_close(walked[:, 2], model.decode((codes[:2] + codes[2:]) / 2).mean)
        values = torch.tensor([[-2.0, 0.0, 2.0]])
        moved = traverse(model, codes[0], [1], values)
        for step, value in enumerate((-2.0, 0.0, 2.0)):
            expected = model.decode(torch.stack([codes[0, 0], torch.tensor(value)])).mean
            torch.testing.assert_close(moved[0, step], expected)
        torch.testing.assert_close(codes, model.encode(x).mean)


def test_bits_are_not_scattered_against_one_another(train):
    names = {panel.name for panel in shown(train("vqvae --data {pictures} --codes 4 --width 4 --prior_width 4"))}
    assert {"latents", "aggregated", "marginals"} <= names
    assert "pairs" not in names


def test_the_aggregate_is_one_draw_a_datum(pair, draws):
    model = pair(posterior="PointMass")
    x = draws("binary", 4, 1, 4, 4)
    torch.testing.assert_close(aggregate(model, x), model.encode(x).mean)


def test_chains_start_at_data_and_filters_are_the_weights(files):
    data = load(files["pictures"], kind="binary")
    model = pyrogen.create("rbm", x_shape=data.x_shape, hidden=4)
    with torch.no_grad():
        model.weight[2] = 3.0  # the strongest
    with evaluating(model):
        (chains,) = energy_sections.chains(model, data, [])
        (filters,) = energy_sections.filters(model, data, [])
    canvas = chains.figure.axes[0].images[0].get_array()
    first = canvas[: 6 * 11, : 6 * 11][5::11, 5::11]
    assert first.tolist() == data.test.x[0, 0].tolist()
    assert filters.name == "filters-1"
    canvas = filters.figure.axes[0].images[0].get_array()
    assert canvas[5, 5] == 1.0  # the largest weight is white
    assert "4 strongest of 4" in filters.caption


def test_a_critic_that_knows_scores_every_datum_higher(files):
    data = load(files["vectors"])
    model = pyrogen.create(
        "gan-nonsaturating", x_shape=(5,), generator="Perceptron(hidden=(8,))", critic="Perceptron(hidden=(8,))"
    )
    model.criticize = lambda sites: sites["x"].sum(1)
    model.fake = lambda batch: {"x": batch.x - 100}
    with evaluating(model):
        said = [p.caption for p in energy_sections.criticism(model, data, []) if p.section == ADVICE]
    assert "in 100% of all pairs" in said[0]


# -- advice ----------------------------------------------------------------------------------------------------------


def history(losses, **more):
    return [{"epoch": i + 1, "valid/loss": loss, **more} for i, loss in enumerate(losses)]


FALLING = [10 / (i + 1) for i in range(40)]
VALIDATION = {
    "overfits": (
        [*FALLING, *(0.25 + 0.05 * i for i in range(1, 41))],
        ["lowest in epoch 40 of 80", "overfitted since"],
    ),
    "falls": (FALLING, ["lowest in epoch 40 of 40", "more epochs may lower it"]),
    "flat": (
        [*FALLING, *(0.26 + 0.02 * (i % 2) for i in range(40))],
        ["lowest in epoch 40 of 80", "within its jitter"],
    ),
    "short": (FALLING[:3], []),
    "not a number": ([math.nan] * 20, []),
}


@pytest.mark.parametrize(("losses", "parts"), VALIDATION.values(), ids=VALIDATION)
def test_validation_losses_are_read(losses, parts):
    said = [panel.caption for panel in training_sections.validation(None, None, history(losses))]
    assert len(said) == bool(parts)
    for part in parts:
        assert part in said[0]


USAGE = {
    "collapsed": ({"valid/active_units": 0, "valid/mutual_information": 0.0}, 0, "has collapsed: no latent is active"),
    "points": (
        {"valid/active_units": 0},
        0,
        "The codes have collapsed: none of them varies over data, by 0.01 or more.",
    ),
    "one": ({"valid/active_units": 1, "valid/mutual_information": 1.234}, 0, "1 of 2 latents are active"),
    "kl": ({"valid/kl_per_dim": [1.5, 0.25]}, 1, "1.75 nats together"),
    "strange": ({"valid/kl_per_dim": [1.0], "valid/active_units": "many"}, 0, None),
    "infinite": ({"valid/kl_per_dim": [1.0, math.inf]}, 0, None),
}


@pytest.mark.parametrize(("terms", "figures", "said"), USAGE.values(), ids=USAGE)
def test_the_use_of_latents_is_said(terms, figures, said, pair):
    found = list(latent_sections.usage(pair(), None, history([1.0], **terms)))
    assert sum(panel.figure is not None for panel in found) == figures
    assert (said in found[0].caption) if said else not found


def score(**variables):
    """An IWAE estimate of four data from 100 draws, with what is given in place of quiet diagnostics."""
    curve = np.array([[-3.0], [-2.0], [-1.5], [-1.499]]) + np.zeros((4, 4))
    given = {
        "log_evidence": ("datum", curve[-1]),
        "mc_se": ("datum", np.full(4, 1e-4)),
        "ess": ("datum", np.array([50.0, 60, 70, 2])),
        "pareto_k": ("datum", np.full(4, 0.3)),
        "k_curve": (("k", "datum"), curve),
        **variables,
    }
    attributes = {"estimator": "IWAE", "bound": "lower", "averages_weights": 1, "num_samples": 100, "dimensions": 16}
    attributes["split"] = "test"
    return xr.Dataset(given, coords={"k": [1, 5, 50, 100]}, attrs={**attributes, "kind": "binary"})


RISING = np.array([[-3.0], [-2.0], [-1.5], [-1.25]]) + np.zeros((4, 4))
HALF = {"half": ("datum", np.full(4, -1.5)), "half_se": ("datum", np.full(4, 0.1))}
BRACKET = {
    k: ("datum", np.full(4, v)) for k, v in (("lower", -2.0), ("lower_se", 0.1), ("upper", -1.9), ("upper_se", 0.1))
}
QUIET = {"k-curve-it", "pareto-it"}
JUDGED = {
    "quiet": (
        {},
        QUIET,
        ["No datum has k̂ > 0.5", "55 of 100 draws are effective for the median datum, 2 for the worst"],
    ),
    "unreliable": ({"pareto_k": ("datum", np.array([0.8, 0.9, 0.1, -np.inf]))}, QUIET, ["2 of 4 data have k̂ > 0.5"]),
    "few draws": ({"pareto_k": ("datum", np.full(4, np.nan))}, QUIET, ["4 of 4 data have no fit"]),
    "rising": (
        {"k_curve": (("k", "datum"), RISING), "log_evidence": ("datum", RISING[-1])},
        QUIET,
        ["still rises, by 0.25 ± 0 nats from k = 50 to 100"],
    ),
    "spread": (
        {"log_evidence": ("datum", np.array([-1.0, -2, -1, -2]))},
        QUIET,
        ["over 4 data", "the split has 30"],
    ),
    "jackknife": ({"jackknife": ("datum", np.full(4, -1.4))}, QUIET, ["The jackknife lies +0.099"]),
    "acceptance": (
        {"acceptance": ("datum", np.full(4, 0.2))},
        QUIET | {"acceptance-it"},
        ["4 of 4 data have it outside"],
    ),
    "doubling": (HALF, QUIET | {"doubling-it"}, ["Doubling the temperatures changed the mean by +0.001"]),
    "bracket": (BRACKET, QUIET | {"bracket-it"}, ["0.1 ± 0 nats apart"]),
}


@pytest.mark.parametrize(("variables", "figures", "parts"), JUDGED.values(), ids=JUDGED)
def test_a_score_is_shown_by_what_it_carries(variables, figures, parts, files):
    found = list(shown_scores("runs/a", {"it": score(**variables)}, load(files["pictures"])))
    assert {panel.name for panel in found if panel.figure is not None} == figures
    said = " ".join(panel.caption for panel in found if panel.section == ADVICE)
    for part in parts:
        assert part in said


def test_scores_of_the_same_data_stand_side_by_side(files):
    same, other = score(), score(pareto_k=("datum", np.full(4, 0.9))).isel(datum=slice(3))
    found = list(shown_scores("runs/a", {"a": same, "b": other, "c": same}, load(files["pictures"])))
    (panel,) = [panel for panel in found if panel.name.startswith("estimates")]
    assert "2 estimates of the same 4 data" in panel.caption
    (table,) = [panel.table for panel in found if panel.table]
    assert len(table) == 4
    commands = [panel.code for panel in found if panel.code]
    assert any("pyrogen evaluate runs/a --estimator IWAE --estimator.k 5000" in code for code in commands)


def test_scores_stand_on_the_page(files, tmp_path):
    data = load(files["pictures"], kind="binary")
    model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=2, hidden=(8,))
    fit(model, data, epochs=1, folder=tmp_path)
    assert "Not scored yet" in write_run_report(tmp_path).read_text()
    evidence = {e: log_evidence(model, data.test, e) for e in (IWAE(60), ELBO(), Reconstruction(2))}
    evidence["best"] = evidence[IWAE(60)].assign_attrs(weights="best")
    paths = [save_score(tmp_path, estimate) for estimate in evidence.values()]
    again = read_scores(tmp_path)
    assert len(again) == 4
    for path, estimate in zip(paths, evidence.values(), strict=True):
        judged = storage.fingerprint(tmp_path, estimate.attrs.get("weights", "last"))
        xr.testing.assert_identical(again[path.stem], estimate.assign_attrs(judged))
    page = write_run_report(tmp_path).read_text()
    assert "Not scored yet" not in page
    for estimate in evidence.values():
        assert f"{summarize(estimate).nats:.3f}" in page
    for part in (
        "IWAE(k=60) on test: ",
        "of 60 draws are effective",
        "IWAE(k=60), best weights",
        "averaged inside the logarithm",
        "--estimator.k 5000",
        "bounds nothing, and can be compared with its like only",
    ):
        assert part in page


def test_an_exact_score_has_data_errors_only(files):
    data = load(files["pictures"], kind="binary")
    model = pyrogen.create("made", x_shape=data.x_shape, hidden=(8,))
    evidence = log_evidence(model, data.test, Exact())
    found = list(shown_scores("runs/a", {"exact": evidence}, data))
    (said,) = [panel.caption for panel in found if panel.section == ADVICE]
    assert "It is exact." in said
    assert "over 30 data." in said
    assert [panel.name for panel in found if panel.figure is not None] == []


# -- how to make it again --------------------------------------------------------------------------------------------

RUNS = {
    "prior": "vae --data {pictures} --prior VampPrior --prior.components 5 --latent_size 3 --hidden 8",
    "likelihood": "vae --data {vectors} --likelihood Normal --likelihood.scale shared --hidden 8,4 --latent_size 2",
    "raw vectors": "vae --data {vectors} --likelihood Laplace --standardize false --hidden 4 --latent_size 2",
    "linear": "autoencoder --data {pictures} --hidden [] --prior Laplace --prior.scale 2.5 --latent_size 3",
    "objective": "vae --data {pictures} --objective IWAE --objective.k 3 --hidden 4 --lr 0.01 --batch_size 16",
    "beta": "beta-vae --data {pictures} --beta 2 --hidden 4",
    "static": "vae --data {pictures} --binarization static --hidden 4 --seed 3 --data_seed 2",
    "grey": "vae --data {pictures} --likelihood ContinuousBernoulli --dequantization false --kind unit --hidden 4",
    "noisy": "vae --data {pictures} --likelihood Normal --kind unit --hidden 4 --seed 2",
    "fit": "vae --data {pictures} --hidden 4 --patience 3 --ema 0.9 --precision bf16 --deterministic true",
    "blind": "rbm --data {pictures} --hidden 5 --k 2 --validate false",
    "made": "made --data {pictures} --hidden 6",
    "gan": "gan-nonsaturating --generator.hidden 4 --critic.hidden 4 --latent_size 3",
    "labels": "vae-semi-supervised --data {pictures} --labels 30 --hidden 4 --latent_size 2",
    "missing": "vae --data {holes} --missing true --likelihood Masked --hidden 4 --latent_size 2",
    "sequence": "vae --data {waves} --sequence true --likelihood Normal --hidden 4 --latent_size 2",
    "standardized pictures": "vae --data {signed} --likelihood Normal --standardize true --hidden 4 --latent_size 2",
    "pictures as they are": "vae --data {signed} --likelihood Normal --hidden 4 --latent_size 2",
    "numbers of pictures": "vae --data {pictures} --kind real --likelihood Normal --hidden 4 --latent_size 2",
    "counts": "vae --data {pictures} --kind counts --likelihood Poisson --hidden 4 --latent_size 2",
    "positive": "vae --data {times} --likelihood Gamma --hidden 4 --latent_size 2",
    "positive as they are": "vae --data {times} --likelihood Gamma --standardize false --hidden 4 --latent_size 2",
    "columns": "vae --data {table} --columns left,größe --label sort --likelihood Normal --hidden 4 --latent_size 1",
}


@pytest.mark.parametrize("words", RUNS.values(), ids=RUNS)
def test_the_command_makes_the_run_again(words, files, tmp_path, monkeypatch):
    monkeypatch.setattr(run_report, "write_run_report", lambda folder: folder)
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["train", *words.format(**files).split(), "--epochs", "1", "--folder", str(first)]) == 0
    config = storage.read_config(first)
    again = command(config, storage.load(first))
    assert again[:2] == ["pyrogen", "train"]
    assert main([*again[1:], "--folder", str(second)]) == 0
    found = storage.read_config(second)
    # what was guessed of the data at first, the command says
    for said in (config, found):
        said["data"].pop("guessed")
    assert found == config
    assert (second / "weights.safetensors").read_bytes() == (first / "weights.safetensors").read_bytes()


def test_data_are_found_again_by_all_that_load_takes(files):
    """A later setting must be a wish, and be written down, or runs on such data cannot be read again."""
    parameters = {*inspect.signature(load).parameters} - {"name"}
    assert parameters == {*Wishes._fields}
    data = load(files["waves"], kind="unit", sequence=True, seed=4)
    assert parameters <= {*data.describe()}
    assert found_again(data.describe()) == found_again(vars(data))
    again = load(**found_again(data.describe()))
    assert again.describe() == {**data.describe(), "guessed": again.guessed}


def test_what_a_judge_sees_of_data_is_read_as_they_were(files):
    """Sequences stay sequences, and pictures without noise do not get any."""
    waves = load(files["waves"], kind="binary", sequence=True)
    assert (as_decoded(waves).kind, as_decoded(waves).x_shape) == ("unit", (2, 6))
    assert (grey(waves).kind, grey(waves).x_shape) == ("unit", (2, 6))
    plain = load(files["pictures"], kind="unit", dequantization=False, labels=9)
    seen = as_decoded(plain)
    assert (seen.dequantization, seen.labels) == (False, None)
    assert torch.equal(seen.train.x, plain.train.x)


def test_no_command_finds_arrays_that_were_in_memory(files):
    x = np.random.default_rng(0).normal(size=(60, 3))
    model = pyrogen.create("vae", x_shape=(3,), latent_size=1, hidden=(4,), likelihood="Normal")
    run = fit(model, x, epochs=0)
    section = reproduction.recipe_section(storage.config_of(model, data=run.data.describe(), fit=run.settings), model)
    assert section.code == ""
    assert "No command line can train this model again: its data were arrays in memory." in section.text


def test_the_command_says_only_what_differs(files, tmp_path):
    data = load("digits", kind="binary")
    model = pyrogen.create("rbm", x_shape=data.x_shape, hidden=64)
    run = fit(model, data, epochs=1)
    config = storage.config_of(model, data=data.describe(), fit=run.settings)
    assert command(config, model) == ["pyrogen", "train", "rbm", "--epochs", "1"]
    config["fit"]["epochs"] = 100  # as in its recipe
    assert command(config, model) == ["pyrogen", "train", "rbm"]
    assert "pyrogen train rbm" in reproduction.recipe_section(config, model).code


def test_the_command_keeps_apart_the_objectives_of_model_and_fit(files):
    data = load(files["pictures"], kind="binary", seed=4)
    model = pyrogen.create("vae", x_shape=data.x_shape, hidden=(4,), objective=IWAE(3))
    config = storage.config_of(model, data=data.describe(), fit=fit(model, data, ELBO(), epochs=0).settings)
    words = " ".join(command(config, model))
    assert "--objective ELBO" in words
    assert "--data_seed 4" in words
    assert "IWAE" not in words


def test_settings_that_no_command_has_are_said(files):
    data = load(files["vectors"])
    model = pyrogen.create(
        "gan-nonsaturating", x_shape=(5,), generator="Perceptron(hidden=(4,))", critic="Perceptron(hidden=(4,))"
    )
    run = fit(
        model, data, Adversarial(critic_optimizer=registry.make("optimizer", {"name": "Adam", "lr": 0.5})), epochs=0
    )
    config = storage.config_of(model, data=data.describe(), fit=run.settings)
    section = reproduction.recipe_section(config, model)
    assert "its objective.critic_optimizer is Adam with settings of its own" in section.text
    assert section.code == ""


def test_a_model_of_own_networks_has_a_page_but_no_command(files, tmp_path):
    data = load(files["pictures"], kind="binary")

    def build():
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(36, 4))
        return pyrogen.create("vae", x_shape=data.x_shape, latent_size=2, encoder=encoder, hidden=(4,))

    fit(build(), data, epochs=1, folder=tmp_path)
    with pytest.raises(ValueError, match="networks of its maker's own"):
        write_run_report(tmp_path)
    page = write_run_report(tmp_path, build()).read_text()
    assert "No command line can train this model again: its encoder is torch.nn" in page


# -- damaged files ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scored(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored")
    data = load(files["pictures"], kind="binary")
    model = pyrogen.create("made", x_shape=data.x_shape, hidden=(4,))
    fit(model, data, epochs=2, folder=folder)
    save_score(folder, log_evidence(model, data.test))
    return folder


def netcdf(dataset):
    def write(path):
        dataset.to_netcdf(path, engine="h5netcdf")

    return write


def text(content):
    def write(path):
        path.write_text(content)

    return write


def without(name):
    return netcdf(score().drop_vars(name))


def config(section, value):
    def write(path):
        whole = yaml.safe_load(path.read_text())
        target = whole
        *parents, last = section.split(".")
        for parent in parents:
            target = target[parent]
        target[last] = value
        path.write_text(yaml.safe_dump(whole))

    return write


METRICS, SCORE, CONFIG = "metrics.jsonl", "scores/exact-test.nc", "config.yaml"
DAMAGE = {
    "no json": (METRICS, text('{"epoch": 1}\n{"epo')),
    "no record": (METRICS, text("[1]")),
    "epoch": (METRICS, text('{"epoch": "one", "train/loss": 1.0}')),
    "truth": (METRICS, text('{"epoch": true}')),
    "far epoch": (METRICS, text('{"epoch": 1e300, "train/loss": 1.0}')),
    "huge": (METRICS, text('{"epoch": 1, "train/loss": 1' + "0" * 400 + "}")),
    "deep": (METRICS, text('{"a":' * 100_000)),
    "bytes": (SCORE, text("CDF\x01 no")),
    "cut": (SCORE, lambda path: path.write_bytes(path.read_bytes()[:1000])),
    "other data": (SCORE, netcdf(xr.Dataset({"a": ("b", [1.0])}))),
    "no error": (SCORE, without("mc_se")),
    "no k": (SCORE, without("k")),
    "no data": (SCORE, netcdf(score().isel(datum=slice(0)))),
    "words": (SCORE, netcdf(score(mc_se=("datum", ["a", "b", "c", "d"])))),
    "no estimator": (SCORE, netcdf(score().assign_attrs(estimator=3))),
    "no dimensions": (SCORE, netcdf(score().assign_attrs(dimensions=0))),
    "no film": ("film.safetensors", text("no film")),
}
GONE = {
    "data": config("data.source", 5),
    "seed": config("data.seed", "zero"),
    "file": config("data.source", "/nowhere/own.npz"),
    "arrays": config("data.source", "<arrays>"),
    "changed": config("data.sha256_test", "0" * 12),
}


def copied(folder, target):
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".svg":
            (target / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(folder)).write_bytes(path.read_bytes())
    return target


@pytest.mark.parametrize(("name", "write"), DAMAGE.values(), ids=DAMAGE)
def test_damaged_files_are_one_sentence(name, write, scored, tmp_path):
    folder = copied(scored, tmp_path)
    write(folder / name)
    with pytest.raises(ValueError, match=r".") as refused:
        write_run_report(folder)
    assert type(refused.value) is ValueError
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert str(folder / name) in sentence
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("what", GONE)
def test_a_run_without_its_data_shows_what_it_has(what, scored, tmp_path):
    folder = copied(scored, tmp_path)
    GONE[what](folder / CONFIG)
    page = write_run_report(folder).read_text()
    assert "Everything that is drawn from the data: " in page
    assert {path.stem for path in (folder / "figures").glob("*.svg")} == {"samples", "film-samples", "curves"}
    # of other data than those that were scored
    assert ("the data changed since" if what in ("seed", "changed") else "Exact() on test") in page


def test_a_stopped_run_shows_its_last_checkpoint(files, tmp_path, monkeypatch):
    from pyrogen.inference.training.game import Game

    move = Game.move

    def stopped(game):
        move(game)
        if int(game.step) == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Game, "move", stopped)
    data = load(files["pictures"], kind="binary")
    model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=2, hidden=(4,))
    with pytest.raises(Stopped):
        fit(model, data, epochs=4, folder=tmp_path, progress=False)
    page = write_run_report(tmp_path).read_text()
    assert "Training has not ended" in page
    assert "of 4 epochs" in page
    assert "Not scored yet" in page
    assert {"samples", "reconstructions", "film-samples"} < {path.stem for path in (tmp_path / "figures").glob("*.svg")}


@pytest.mark.parametrize("name", [METRICS, SCORE])
def test_mutated_files_never_raise_anything_else(name, scored, tmp_path):
    path = copied(scored, tmp_path) / name
    whole, rng = path.read_bytes(), random.Random(0)
    said = []
    for _ in range(60):
        broken = bytearray(whole)
        for _ in range(rng.randint(1, 20)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        path.write_bytes(broken[: rng.choice([len(broken), rng.randrange(len(broken))])])
        try:
            run_report._history(tmp_path) if name == METRICS else read_scores(tmp_path)
        except ValueError as error:
            said.append(str(error))
    assert len(said) > 20
    assert all(str(path) in sentence and "\n" not in sentence for sentence in said)


@pytest.mark.parametrize("fit_section", [None, [], {"objective": 3}, {"objective": {"name": "no"}}, {"epochs": [1]}])
def test_strange_settings_leave_a_page(fit_section, scored, tmp_path):
    folder = copied(scored, tmp_path)
    config("fit", fit_section)(folder / CONFIG)
    page = write_run_report(folder).read_text()
    assert "<h2>How to reproduce it</h2>" in page


def test_metrics_that_are_not_finite_are_drawn(scored, tmp_path):
    folder = copied(scored, tmp_path)
    rows = [{"epoch": 1, "valid/loss": math.nan, "valid/kl_per_dim": [1, "a"]}, {"epoch": 2, "valid/loss": math.inf}]
    (folder / METRICS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert f"<h2>{TRAINING}</h2>" in write_run_report(folder).read_text()


def test_a_model_without_latents_shows_no_terms_of_latents(scored):
    (_, first, *_) = run_report._history(scored)
    assert {term for term in first if "kl" in term or "reconstruction" in term} == set()
    assert {"train/loss", "valid/loss"} <= set(first)


def noisy(epochs, correlation, runs=100):
    """Curves that fall at first, under noise of standard deviation 1 whose neighbours are correlated."""
    rng = np.random.default_rng(epochs)
    found = rng.normal(size=(runs, epochs))
    found[:, 1:] *= math.sqrt(1 - correlation**2)
    for i in range(1, epochs):
        found[:, i] += correlation * found[:, i - 1]
    return found + 20 * np.exp(-np.arange(epochs) / (epochs / 20))


@pytest.mark.parametrize("correlation", [0.0, 0.5])
@pytest.mark.parametrize("epochs", [50, 200, 1000])
def test_noise_is_no_overfitting_and_a_rise_of_a_few_jitters_is(epochs, correlation):
    curves = noisy(epochs, correlation)
    rise = 5 * np.clip(np.arange(epochs) / epochs - 0.4, 0, None) / 0.6
    assert np.mean([training_sections.risen(curve) > 0 for curve in curves]) <= 0.05
    assert np.mean([training_sections.risen(curve + rise) > 0 for curve in curves]) >= 0.85
