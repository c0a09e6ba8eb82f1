"""Samples are told from data by what is wrong with them; what was found is kept with the run, and gone with its weights."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import pyrogen
from pyrogen import storage
from pyrogen.command.cli import main
from pyrogen.data import from_arrays, load
from pyrogen.inference import ELBO, assess, fit
from pyrogen.inference.metrics.quality import quality
from pyrogen.inference.pages.quality_sections import quality as shown
from pyrogen.inference.quality import spaces
from pyrogen.inference.quality.assess import draw, usual_draws
from pyrogen.inference.quality.quality import Quality
from pyrogen.inference.quality.side_by_side import by_the_same_draws
from pyrogen.inference.runs.quality import assess_run, read_quality

SEEDS = [0, 1, 2]
CENTRES = 3.0 * torch.eye(6)[:5]


def clusters(n, seed, among=range(5)):
    """Points in six dimensions about five centres, or about some of them."""
    generator = torch.Generator().manual_seed(seed)
    which = torch.tensor(list(among))[torch.randint(len(among), (n,), generator=generator)]
    return CENTRES[which] + 0.5 * torch.randn(n, 6, generator=generator)


def points(seed):
    parts = [clusters(n, 1000 * seed + i).numpy() for i, n in enumerate((900, 300, 600))]
    return from_arrays(x_train=parts[0], x_valid=parts[1], x_test=parts[2], standardize=False)


def told(samples, data, seed=0):
    """The measures by which samples are worse than data."""
    found = assess(samples, data, seed=seed)
    return {name for name in found.names if found.is_worse(name)}


FIDELITY, DIVERSITY = {"precision", "density"}, {"recall", "coverage", "mode-dropping"}


@pytest.mark.rotating
@pytest.mark.parametrize("seed", SEEDS)
def test_each_measure_goes_its_way(seed):
    data, fresh = points(seed), clusters(300, 77 + seed)
    assert told(fresh, data) == set()

    dropped = told(clusters(300, 78 + seed, among=(0, 1)), data)
    assert {"coverage", "mode-dropping"} <= dropped
    assert not dropped & (FIDELITY | {"mode-averaging", "memorization"})

    averaged = told((clusters(300, 79 + seed, [0, 1]) + clusters(300, 80 + seed, [2, 3])) / 2, data)
    assert {*FIDELITY, "mode-averaging"} <= averaged
    assert "memorization" not in averaged

    assert told(data.train.x[:300], data) == {"memorization"}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_more_noise_the_worse(seed):
    data, noise = points(seed), torch.randn(300, 6, generator=torch.Generator().manual_seed(seed))
    signs = {"frechet": 1, "kernel": 1, "precision": -1, "density": -1, "mode-averaging": 1}
    found = [assess(clusters(300, 90 + seed) + s * noise, data, list(signs)) for s in (0.0, 0.5, 1.0, 2.0)]
    for name, sign in signs.items():
        values = [sign * q.measured(name).value for q in found]
        assert values == sorted(values), name
        assert not found[0].is_worse(name)
        assert found[-1].is_worse(name)


@pytest.mark.parametrize("seed", SEEDS)
def test_pictures_that_are_blurred_or_bear_a_pattern(seed):
    digits = load("digits", kind="unit", dequantization=False)
    x = digits.valid.x
    soft = torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    pattern = torch.tensor([[1.0, -1], [-1, 1]]).repeat(4, 4)
    sharpness, edges, checkers = ("sharpness", "edges", "checkerboard")
    of = lambda made: assess(made, digits, [sharpness, edges, checkers], seed=seed)  # noqa: E731
    data, half, full, striped = of(x), of((x + soft) / 2), of(soft), of(x + 0.2 * pattern)
    for name in (sharpness, edges):
        assert data.measured(name).value > half.measured(name).value > full.measured(name).value
        assert not data.is_worse(name)
        assert full.finding(name) == "pictures are blurred"
    assert not data.is_worse(checkers)
    assert striped.finding(checkers) == "a pattern that alternates from pixel to pixel lies upon pictures"


def test_the_classifiers_features_tell_a_missing_class():
    digits = load("digits", kind="unit", dequantization=False)
    some = digits.valid.x[digits.valid.y < 5]
    whole = assess(digits.valid.x[: len(some)], digits, ["recall", "coverage", "precision"])
    half = assess(some, digits, ["recall", "coverage", "precision"])
    assert half.is_worse("coverage")
    assert not half.is_worse("precision")
    assert not any(map(whole.is_worse, whole.names))
    assert "names 0.98" in half.compared()
    assert half.results.attrs["features"] == "judge"


# -- models ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    return fit(pyrogen.create("vae", x_shape=(1, 8, 8), latent_size=4, hidden=(8,)), "digits", epochs=1, progress=False)


@pytest.fixture(scope="module")
def gan():
    torch.manual_seed(0)
    data = load("digits")
    model = pyrogen.create(
        "gan-nonsaturating",
        x_shape=(1, 8, 8),
        generator="Perceptron(hidden=(8,))",
        critic="Perceptron(hidden=(8,))",
        kind=data.kind,
    )
    return fit(model, data, epochs=1, progress=False)


def test_both_kinds_of_model_are_seen_by_the_same_eyes(vae, gan):
    first, second = (run.assess(["frechet"]) for run in (vae, gan))
    assert first.results.attrs["features_sha256"] == second.results.attrs["features_sha256"] != ""
    assert (first.results.attrs["draws"], second.results.attrs["draws"]) == ("means", "samples")
    assert usual_draws(vae.model, from_arrays(np.random.default_rng(0).normal(size=(99, 3)))) == "samples"


def test_a_seed_repeats_it_and_nothing_else_is_moved(vae):
    vae.model.train()
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (assess(vae.model, vae.data, num=60, seed=s) for s in (3, 3, 4))
    assert first.results.identical(again.results)
    assert not first.results.equals(other.results)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    assert vae.model.training
    assert torch.is_grad_enabled()


def test_the_first_samples_are_the_same_of_however_many(vae):
    many, few = (draw(vae.model, n, None, 5, "samples") for n in (230, 120))
    assert torch.equal(many[:120], few)
    assert not torch.equal(many[:100], many[100:200])


def test_a_conditional_model_is_given_the_y_of_data():
    data = load("digits", kind="unit", dequantization=False)
    torch.manual_seed(0)
    model = pyrogen.create(
        "vae-conditional", x_shape=(1, 8, 8), classes=10, latent_size=2, hidden=(8,), likelihood="Normal"
    )
    assert np.isfinite(assess(model, data, ["kernel"], num=50).measured("kernel").value)


def test_what_was_found_is_told():
    data = points(0)
    found = assess(clusters(300, 5, among=(0, 1)), data, ["coverage", "precision", "mode-dropping"])
    head, *rows = found.table()
    assert head == ("measure", "samples", "data", "better", "so")
    assert [row[0] for row in rows] == found.names == ["coverage", "precision", "mode-dropping"]
    assert found.verdict.startswith(
        "There are data where no samples are (coverage, mode-dropping): by more than 4 errors"
    )
    assert found.verdict in found.text()
    assert "300 samples against as many test data" in found.compared()
    assert found.verdict in found._repr_html_()
    assert repr(found).startswith("Quality(coverage: 0.")
    assert found.excess("coverage").value == pytest.approx(
        found.measured("coverage").value - found.floor("coverage").value
    )
    again = Quality.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.results.equals(found.results)
    fine = assess(clusters(300, 6), data, ["kernel"])
    assert fine.verdict == "No measure tells 300 samples from data by more than 4 errors."


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"measures": []}, r"expected a list of names, such as \['frechet', 'coverage'\]"),
        ({"measures": ["frechet", "sharpness"]}, "sharpness is a measure of pictures, .*; leave it out"),
        ({"measures": ["fid"]}, "there is no measure called 'fid'"),
        ({"measures": [{"name": "precision", "k": 0}]}, "the nearest neighbour is k=1"),
        ({"features": "clip"}, "there is no space of features called 'clip'"),
        ({"features": "Inception"}, "reads pictures of one or three channels"),
        ({"features": "judge"}, "a judge learns one class a datum from labels"),
        ({"num": 39}, "there are 39; take more of them"),
        ({"split": "tests"}, "there is no split called 'tests'"),
        ({"draws": "modes"}, "there is no kind of draws called 'modes'"),
        ({"samples": torch.zeros(300, 5)}, r"of shape \(5,\) each, and the data .* of \(6,\)"),
        ({"samples": torch.full((300, 6), torch.nan)}, "300 of 300 samples hold NaN or infinite values"),
    ],
)
def test_refusals(wish, sentence):
    settings = {k: v for k, v in wish.items() if k != "samples"}
    with pytest.raises(ValueError, match=sentence):
        assess(wish.get("samples", clusters(300, 0)), points(0), **settings)


def test_pictures_without_labels_are_compared_in_their_principal_axes():
    grey = from_arrays(np.random.default_rng(0).random((800, 1, 4, 4)), dequantization=False)
    made = torch.rand(80, 1, 4, 4)
    found = assess(made, grey)
    assert "16 principal axes of raw x, 100% of the variance, for there are no labels" in found.compared()
    assert found.results.attrs["features_sha256"] != assess(made, points_of(1)).results.attrs["features_sha256"]


def points_of(seed):
    return from_arrays(np.random.default_rng(seed).random((800, 1, 4, 4)), dequantization=False)


def test_angles_that_are_a_turn_apart_are_the_same():
    angles = np.random.default_rng(0).uniform(-np.pi, np.pi, (400, 2)).astype(np.float32)
    space = spaces.space_of(from_arrays(angles, kind="angle"))
    near, far = space(torch.tensor([[np.pi - 1e-4, 0.0], [-np.pi + 1e-4, 0.0], [0.0, 0.0]])).split([2, 1])
    assert torch.dist(near[0], near[1]) < 1e-3 < torch.dist(near[0], far[0])


def test_inception_is_read_from_where_it_lies_and_is_never_fetched(tmp_path, monkeypatch):
    digits = load("digits", kind="unit", dequantization=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(
        ValueError, match=r"needs the weights .*inception_v3.*, which are not there, and downloads nothing"
    ):
        spaces.space_of(digits, "Inception")
    from torchvision.models import inception_v3

    torch.manual_seed(0)
    network = inception_v3(weights=None, init_weights=False)
    (tmp_path / "checkpoints").mkdir()
    torch.save(network.state_dict(), tmp_path / "checkpoints" / spaces.INCEPTION)
    space = spaces.space_of(digits, "Inception")
    assert (space(digits.test.x[:2]).shape, len(space.digest)) == ((2, 2048), 12)
    # torchvision's own way to give colours to these weights: of ImageNet's mean and deviation, brought to [−1, 1] inside
    theirs = inception_v3(weights=None, init_weights=False, transform_input=True).eval()
    theirs.load_state_dict(network.state_dict())
    theirs.fc = torch.nn.Identity()
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    x = torch.nn.functional.interpolate(digits.test.x[:2].expand(-1, 3, -1, -1), 299, mode="bilinear")
    with torch.no_grad():
        torch.testing.assert_close(
            space(digits.test.x[:2]).float(), theirs((x - mean) / deviation), rtol=1e-3, atol=1e-4
        )


def test_words_are_seen_by_a_judge_or_not_at_all():
    text = load("grammar")
    found = assess(text.train.x[:200], text)
    assert found.results.attrs["features"] == "judge"
    assert "memorization" not in found.names
    assert not any(map(found.is_worse, found.names))
    assert assess(text.train.x[text.train.y == 0][:200], text, ["coverage"]).is_worse("coverage")
    with pytest.raises(ValueError, match="memorization compares vectors of numbers, and 'grammar' is of kind 'tokens'"):
        assess(text.test.x[:60], text, ["memorization"])
    for name in ("x", "pixels"):
        with pytest.raises(ValueError, match="features='judge'"):
            spaces.space_of(text, name)
    untold = from_arrays(text.train.x[:900].numpy(), kind="tokens")
    with pytest.raises(ValueError, match="is of kind 'tokens', whose numbers are no vectors"):
        assess(untold.train.x[:60], untold)


def test_copies_of_training_data_are_not_told_among_these():
    data = points(0)
    assert "memorization" not in assess(clusters(100, 1), data, split="train").names
    assert "memorization" in assess(clusters(100, 1), data).names
    with pytest.raises(ValueError, match=r"memorization asks whether .* split='train' is the training; leave it out"):
        assess(clusters(100, 1), data, ["memorization"], split="train")


def test_a_space_is_fitted_to_data_that_are_spread():
    """Of sorted data the first ones have another mean."""
    x = np.sort(np.random.default_rng(0).normal(size=(8000, 3)), 0).astype(np.float32)
    data = from_arrays(x, x_valid=x[::20], x_test=x[::20], standardize=False)
    seen = spaces.space_of(data, "x")(data.test.x)
    assert seen.mean(0).abs().max() < 0.02
    assert (seen.std(0) - 1).abs().max() < 0.02


# -- runs ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    torch.manual_seed(0)
    model = pyrogen.create("vae", x_shape=(1, 8, 8), latent_size=2, hidden=(8,))
    return fit(model, "digits", epochs=1, folder=tmp_path / "run", progress=False)


def test_the_command_line_measures_and_keeps(run, capsys):
    folder = str(run.folder)
    assert main(["evaluate", folder, "--quality", "--measure", "frechet", "coverage", "--limit", "60"]) == 0
    out = capsys.readouterr().out
    assert "measure   samples" in out
    assert "60 means of p(x|z) against as many test data of 'digits'" in out
    found, why = read_quality(folder)
    assert (found.names, found.results.attrs["num"], why) == (["frechet", "coverage"], 60, "")
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "How good its samples are" in page
    assert found.verdict in page
    panels = list(shown(folder, run.model, run.data))
    assert [panel.name for panel in panels] == ["", "quality", "quality-samples"]
    assert not list((run.folder / "scores").glob("*"))


def test_options_of_the_other_way_to_evaluate_are_refused(run, capsys):
    assert main(["evaluate", str(run.folder), "--quality", "--sigma", "1"]) != 0
    assert "--sigma belongs to scores of log p(x), which --quality leaves out" in capsys.readouterr().err
    assert main(["evaluate", str(run.folder), "--measure", "frechet"]) != 0
    assert "--measure belongs to --quality; add --quality." in capsys.readouterr().err


def test_what_judged_other_weights_is_left_out_and_then_gone(run):
    assess_run(run, ["kernel"], num=50)
    assert read_quality(run.folder)[0].names == ["kernel"]
    weights = run.folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    found, why = read_quality(run.folder)
    assert found is None
    assert "is stale and is left out, for the weights changed since; measure again by pyrogen evaluate" in why
    assert [panel.section for panel in shown(run.folder, run.model, run.data)] == ["What the diagnostics say"]
    next(run.model.parameters()).data.add_(1.0)
    storage.save(run.model, run.folder, data={}, fit={}, made={})  # as a longer training would
    assert read_quality(run.folder) == (None, "")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"attributes": 3}', '{"attributes": {}, "measures": {"a": 1}}', "[" * 10_000]
)
def test_a_damaged_file_is_one_sentence(text, run):
    (run.folder / "quality.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"quality\.json is damaged: .*; renew it by pyrogen evaluate .* --quality"):
        read_quality(run.folder)


def test_a_run_without_a_folder_is_assessed_by_the_weights_that_it_keeps(vae):
    assert vae.assess(["kernel"], num=50).names == ["kernel"]
    kept = {k: v + 1 if v.is_floating_point() else v for k, v in vae.model.state_dict().items()}
    run = replace(vae, kept={"ema": kept})
    with pytest.raises(ValueError, match="keeps no weights 'best', only last, ema; fit"):
        run.assess(["kernel"], weights="best")
    for ask in (
        lambda run, **how: run.assess(["kernel"], num=50, **how).results,
        lambda run, **how: run.evaluate(ELBO(num_samples=2), check_guide=False, limit=20, **how),
    ):
        found, last = ask(run, weights="ema"), ask(run)
        model = copy.deepcopy(vae.model)
        model.load_state_dict(kept)
        assert found.equals(ask(replace(vae, model=model, kept={})))
        assert not found.equals(last)
        assert (found.attrs["weights"], last.attrs["weights"]) == ("ema", "last")


def test_the_metric_of_claims(vae):
    found = assess(vae.model, vae.data, ["frechet"], num=60, seed=1)
    value, floor = found.measured("frechet").value, found.floor("frechet").value
    of = lambda statistic: quality(vae.model, vae.data, 1, statistic=statistic, num=60)  # noqa: E731
    assert [of("value"), of("over_floor"), of("in_floors")] == pytest.approx([value, value - floor, value / floor])
    a, b, apart = (t.error for t in (found.measured("frechet"), found.floor("frechet"), found.excess("frechet")))
    times = value / floor  # Var a + R² Var b - 2 R Cov, 2 Cov = Var a + Var b - Var (a - b)
    variance = a**2 + (times * b) ** 2 - times * (a**2 + b**2 - apart**2)
    assert of("in_floors").error == pytest.approx(math.sqrt(max(variance, 0.0)) / floor)
    assert of("errors") == pytest.approx(found.errors_from_floor("frechet"))
    with pytest.raises(ValueError, match="there is no statistic of quality called 'mean'"):
        of("mean")


def test_samples_are_told_from_their_means_though_some_are_missing():
    holes, device = torch.tensor([math.nan, 1.0]), torch.device("cpu")
    x, mean = by_the_same_draws(lambda: holes, holes.clone, 0, device)
    assert mean is None
    x, mean = by_the_same_draws(lambda: torch.randn(3), lambda: torch.randn(3) + 1, 0, device)
    torch.testing.assert_close(mean, x + 1)
