"""What probes read: errors that hold, rivals, controls, transfer, the verb, and what is kept of it."""

import json
import shutil

import numpy as np
import pytest
import torch

import pyrogen
from pyrogen import registry, storage
from pyrogen.base import HasFeatures
from pyrogen.command.cli import main
from pyrogen.data import from_arrays, load
from pyrogen.inference import Probed, compare_representations, fit, probe_runs
from pyrogen.inference.latents.measured import crossed, mean
from pyrogen.inference.pages.run_report import panels
from pyrogen.inference.representations.comparison import SHUFFLED
from pyrogen.inference.representations.labelled import labelled
from pyrogen.inference.representations.readers import Linear, Neighbours
from pyrogen.inference.representations.representation import PrincipalComponents, RandomFeatures, Untrained
from pyrogen.inference.runs.probes import FACTS, read_probes

SQUARES = {"name": "Normal", "scale": "fixed"}
QUICK = {"labels": [2], "draws": 2, "limit": 150}


@pytest.fixture(scope="module")
def digits():
    return load("digits", kind="unit", dequantization=False)


@pytest.fixture
def encoder():
    return pyrogen.create(
        "autoencoder", x_shape=(1, 8, 8), latent_size=5, hidden=(8,), likelihood="ContinuousBernoulli"
    )


@pytest.fixture(scope="module")
def apart():
    """Two classes that one of four elements tells, and 40 data of each to learn from."""
    rng = np.random.default_rng(0)
    y = np.arange(240) % 2
    x = rng.normal(size=(240, 4)).astype("float32")
    x[:, 0] += 6 * y
    return from_arrays(
        x[:80], y[:80], x_valid=x[80:90], y_valid=y[80:90], x_test=x[90:], y_test=y[90:], standardize=False
    )


# -- errors ----------------------------------------------------------------------------------------------------------


def test_the_error_of_draws_on_data_is_how_far_other_draws_and_data_move_the_mean():
    rng = torch.Generator().manual_seed(0)

    def layout():
        draws, data = 0.5 * torch.randn(6, 1, generator=rng), torch.randn(1, 40, generator=rng)
        return draws + data + 2 * torch.randn(6, 40, generator=rng)

    found = [crossed(layout()) for _ in range(400)]
    truth = torch.tensor([f.value for f in found]).std()
    assert np.sqrt(np.mean([f.error**2 for f in found])) == pytest.approx(float(truth), rel=0.1)


def test_one_draw_has_the_error_of_its_data():
    values = torch.rand(1, 30)
    assert crossed(values) == mean(values[0])


# -- the comparison --------------------------------------------------------------------------------------------------


def test_what_is_told_apart_is_read_and_shuffled_labels_are_not(apart):
    model = pyrogen.create("autoencoder", x_shape=(4,), latent_size=2, hidden=(), likelihood="Normal")
    found = compare_representations(model, apart, ["Pixels", "PrincipalComponents"], draws=4, labels=[1, 20])
    for reader in ("Linear", "Neighbours"):
        assert found.accuracy("pixels", reader, 20).value > 0.95
        chance = found.accuracy(SHUFFLED, reader, 20)
        assert abs(chance.value - 0.5) < 4 * chance.error
        assert found.gain("codes", reader).value == 0
        difference = found.accuracy("codes", reader).value - found.accuracy("pixels", reader).value
        assert found.gain("pixels", reader).value == pytest.approx(difference)
    # where only one direction counts, components of the largest variance have it
    assert found.accuracy("PCA(2)").value > 0.95
    assert found.representations == ["codes", "pixels", "PCA(2)", SHUFFLED]


def test_components_are_called_by_how_many_there_are(apart):
    wide = pyrogen.create("autoencoder", x_shape=(4,), latent_size=9, hidden=(), likelihood="Normal")
    rivals = ["PrincipalComponents", PrincipalComponents(40), PrincipalComponents(3), "RandomFeatures"]
    found = compare_representations(wide, apart, rivals, ["Linear"], [1], draws=2)
    assert found.representations == ["codes", "PCA(4)", "PCA(3)", "random(9)", SHUFFLED]


def test_a_paired_difference_is_known_better_than_either_side(digits, encoder):
    models = {"a": encoder, "b": encoder}
    found = compare_representations(models, digits, ["Untrained", "PrincipalComponents"], ["Linear"], [10], 4, 400)
    # alike as they are, they began alike
    assert found.representations == ["a", "b", "untrained", "PCA(5)", SHUFFLED]
    # that two agree on all data of a sample does not say that they do on others; one is surely as good as itself
    assert found.gain("b") == (0, pytest.approx(1 / 362), 360)
    assert found.gain("a") == (0, 0, 360)
    # codes of as many numbers as pixels that the encoder only turns are wrong on the same data as these are
    turned = pyrogen.create(
        "autoencoder", x_shape=(1, 8, 8), latent_size=64, hidden=(), likelihood="ContinuousBernoulli"
    )
    rival = compare_representations(turned, digits, ["Pixels"], ["Linear"], [10], 4, 400)
    gained = rival.gain("pixels")
    assert gained.error < 0.8 * np.hypot(rival.accuracy("codes").error, rival.accuracy("pixels").error)


def test_all_that_describes_data_is_read(digits):
    models = {
        "rbm": pyrogen.create("rbm", x_shape=(1, 8, 8), hidden=6),
        "classifier": pyrogen.create("classifier", x_shape=(1, 8, 8), classes=10, hidden=(8, 7)),
        "vae": pyrogen.create("vae", x_shape=(1, 8, 8), latent_size=3, hidden=(8,), likelihood="ContinuousBernoulli"),
    }
    assert all(isinstance(m, HasFeatures) for m in models.values())
    x = digits.test.x[:4]
    assert [tuple(m.features(x).shape) for m in models.values()] == [(4, 6), (4, 7), (4, 3)]
    hidden = models["classifier"].net.net[:-2](x)
    assert torch.equal(models["classifier"].features(x), hidden)
    del models["rbm"]  # whose data are bits
    found = compare_representations(models, digits, ["Untrained", "RandomFeatures"], ["Linear"], **QUICK)
    assert found.representations == [
        "classifier", "vae", "untrained, classifier", "untrained, vae", "random(7)", "random(3)", SHUFFLED
    ]  # fmt: skip


def test_the_same_seed_gives_the_same_numbers_whatever_else_is_asked(digits, encoder):
    alone = compare_representations(encoder, digits, ["Pixels"], ["Linear"], **QUICK)
    readers = ["Neighbours", Neighbours(1), "Linear"]
    beside = compare_representations(encoder, digits, ["Untrained", "Pixels"], readers, **QUICK)
    assert beside.readers == ["Neighbours", "Neighbours(k=1)", "Linear"]
    assert alone.accuracy("pixels") == beside.accuracy("pixels")
    other = compare_representations(encoder, digits, ["Pixels"], ["Linear"], **QUICK, seed=1)
    assert other.accuracy("pixels") != alone.accuracy("pixels")


def test_an_untrained_model_is_another_than_the_trained_and_the_same_again(digits, encoder):
    rows = [Untrained().of(encoder, digits, seed)(digits.test.take(5)) for seed in (0, 0, 1)]
    own = encoder.features(digits.test.x[:5]).detach().numpy()
    assert np.array_equal(rows[0], rows[1])
    assert not np.allclose(rows[0], rows[2])
    assert not np.allclose(rows[0], own)


def test_random_features_approach_the_kernel(digits, encoder):
    part = digits.test.take(20)
    rows = RandomFeatures(20_000).of(encoder, digits, 0)(part)
    x = part.x.flatten(1).double()
    gamma = 1 / (64 * float(digits.train.x.double().var(correction=0)))
    kernel = torch.exp(-gamma * torch.cdist(x, x) ** 2).numpy()
    assert np.abs(rows @ rows.T - kernel).max() < 0.05


def test_few_labels_are_read_from_the_nearest_alone():
    rows, y = np.array([[0.0], [1.0], [10.0], [11.0]]), np.array([0, 0, 1, 1])
    assert Neighbours(3).named(rows, y, np.array([[9.0]]), 2) == [1]
    assert Neighbours(3).classifier(2).n_neighbors == 1
    assert Neighbours(3).classifier(4).n_neighbors == 3
    assert Linear().named(rows, y, np.array([[9.0], [2.0]]), 2).tolist() == [1, 0]


# -- which data ------------------------------------------------------------------------------------------------------


def test_classes_that_training_lacks_are_taught_by_halves_of_the_test_data():
    x = np.random.default_rng(0).normal(size=(60, 3))
    y = np.arange(60) % 3
    data = from_arrays(x, y, x_valid=x[:5], y_valid=y[:5], x_test=x, y_test=y + 3)
    found = labelled(data)
    assert set(found.y) == set(found.truth) == {3, 4, 5}
    assert (len(found.y), len(found.truth)) == (30, 30)
    rows = {tuple(r) for r in found.pool.x.tolist()} & {tuple(r) for r in found.judged.x.tolist()}
    assert not rows
    assert "half of test" in found.said


def test_data_whose_label_is_hidden_teach_nothing():
    data = load("digits", labels=100)
    found = labelled(data)
    assert (len(found.y), found.most) == (100, 10)
    assert found.numbers(None) == [1, 3, 10]


def test_one_of_several_factors_is_asked_for():
    data = load("sprites(tiny='large', n=300)", kind="unit", dequantization=False)
    assert len(np.unique(labelled(data, factor="mark").y)) > 1
    with pytest.raises(ValueError, match=r"there is no factor of .* called None"):
        labelled(data)


def test_a_shift_of_the_domain_is_judged_on_the_other_data(apart):
    model = pyrogen.create("autoencoder", x_shape=(4,), latent_size=2, hidden=(), likelihood="Normal")
    x = apart.test.x.numpy().copy()
    x[:, 0] = 6 - x[:, 0]  # what told the classes tells the opposite
    turned = from_arrays(x, apart.test.y.numpy(), standardize=False, seed=0)
    kept = compare_representations(model, apart, ["Pixels"], ["Linear"], [20], 2)
    moved = compare_representations(model, apart, ["Pixels"], ["Linear"], [20], 2, judged_on=turned)
    assert kept.accuracy("pixels").value > 0.95
    assert moved.accuracy("pixels").value < 0.1


def test_other_data_are_read_as_a_models_own_were_loaded():
    data = load("digits", kind="unit", dequantization=False, size=4)
    model = pyrogen.create("autoencoder", x_shape=data.x_shape, latent_size=3, hidden=(8,), likelihood=SQUARES)
    gain = registry.find("metric", "probe-gain").load()
    quick = {"labels": 2, "draws": 2, "limit": 100}
    assert gain(model, data, 0, of_data="digits", **quick) == gain(model, data, 0, **quick)


REFUSED = {
    "a shape": (lambda m, d: compare_representations(m, load("ring")), "reads x of shape"),
    "no labels": (lambda m, d: compare_representations(m, from_arrays(d.test.x.numpy())), "has none"),
    "too many labels": (lambda m, d: compare_representations(m, d, labels=[1000]), "from 1 to 118"),
    "none of them": (lambda m, d: compare_representations({}, d), "at least 1 of each"),
    "a rival": (lambda m, d: compare_representations(m, d, ["Pixel"]), "did you mean 'Pixels'"),
    "one label that is named": (lambda m, d: compare_representations(m, d, factor="shape"), "has one; leave it out"),
    "a condition": (
        lambda m, d: compare_representations(
            pyrogen.create("vae-conditional", x_shape=(1, 8, 8), classes=10, likelihood="ContinuousBernoulli"), d
        ),
        "would only read it back",
    ),
    "own networks": (
        lambda m, d: compare_representations(
            pyrogen.vae(
                encoder=torch.nn.Linear(4, 2), decoder=torch.nn.Linear(2, 4), x_shape=(4,), latent_size=2,
                posterior="PointMass", prior="Flat", likelihood={"name": "Normal", "scale": "fixed"},
            ),
            from_arrays(np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 2),
            ["Untrained"],
        ),
        "cannot be made anew",
    ),
    "a strength": (lambda m, d: Linear(0.0), "above 0"),
    "neighbours": (lambda m, d: Neighbours(0), "1 neighbour or more"),
}  # fmt: skip


@pytest.mark.parametrize(("act", "match"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_probed_is_refused(act, match, digits, encoder):
    with pytest.raises(ValueError, match=match):
        act(encoder, digits)


# -- runs ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "a"
    data = load("digits", kind="unit", dequantization=False)
    torch.manual_seed(0)
    m = pyrogen.create("autoencoder", x_shape=(1, 8, 8), latent_size=4, hidden=(8,), likelihood="ContinuousBernoulli")
    fit(m, data, epochs=1, folder=folder)
    return folder


def test_the_verb_prints_keeps_and_shows(run, capsys, monkeypatch):
    monkeypatch.setattr("pyrogen.inference.pages.run_report.write_run_report", lambda folder: "report.html")
    words = ["--labels", "2,5", "--draws", "2", "--limit", "150", "--readers", "Neighbours(k=1)", "--rivals", "Pixels"]
    assert main(["probe", str(run), *words]) == 0
    told = capsys.readouterr().out
    assert "5 a class" in told
    assert "report.html" in told
    found, stale = read_probes(run)
    assert (found.representations, found.readers, found.labels, stale) == (
        ["codes", "pixels", SHUFFLED], ["Neighbours(k=1)"], [2, 5], ""
    )  # fmt: skip
    again = Probed.from_dict(json.loads((run / FACTS).read_text()))
    assert again.text() in told
    shown = [p for p in panels(run, storage.read_config(run), pyrogen.load(run)) if "codes are good" in p.section]
    assert [p.name for p in shown] == ["", "probes", ""]
    # what the terminal says of sparsity, the page does too, and a notebook
    assert shown[-1].table == found.sparsity_table()
    assert all(cell in found._repr_html_() for row in found.sparsity_table() for cell in row)


def test_probes_of_other_weights_are_stale(run, tmp_path):
    probe_runs([run], rivals=["Pixels"], readers=["Linear"], **QUICK)
    said = json.loads((run / FACTS).read_text())
    before = (run / FACTS).read_text()
    said["attributes"]["weights_sha256"] = "0" * 12
    (run / FACTS).write_text(json.dumps(said))
    found, stale = read_probes(run)
    assert found is None
    assert "for the weights changed since" in stale
    (run / FACTS).write_text("{}")
    with pytest.raises(ValueError, match=r"damaged.*pyrogen probe"):
        read_probes(run)
    (run / FACTS).write_text(before)


def test_probes_are_printed_where_they_cannot_be_kept(run, tmp_path, capsys):
    folder = shutil.copytree(run, tmp_path / "a b")
    (folder / FACTS).unlink(missing_ok=True)
    (folder / FACTS).mkdir()  # where no file can be written
    words = ["--labels", "2", "--draws", "1", "--limit", "100", "--readers", "Neighbours(k=1)", "--rivals", "Pixels"]
    assert main(["probe", str(folder), *words]) == 1
    printed = capsys.readouterr()
    assert "pixels" in printed.out
    assert "the probes above were not saved: " in printed.err
    (folder / FACTS).rmdir()
    (folder / FACTS).write_text("{}")
    with pytest.raises(ValueError, match=r"renew it by pyrogen probe '.*/a b'"):  # to be pasted
        read_probes(folder)


def test_other_data_are_cut_to_what_the_model_reads_and_kept_nowhere(run, tmp_path):
    (run / FACTS).unlink(missing_ok=True)
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    x = np.zeros((80, 1, 16, 16), np.uint8)
    x[y == 1, :, :8] = 200
    x += rng.integers(0, 20, x.shape, dtype=np.uint8)
    np.savez(tmp_path / "other.npz", x_train=x, y_train=y, x_test=x[:30], y_test=y[:30])
    found = probe_runs([run], str(tmp_path / "other.npz"), rivals=["Pixels"], readers=["Linear"], **QUICK)
    assert found.accuracy("pixels").value > 0.9
    assert not (run / FACTS).exists()


@pytest.mark.parametrize(
    ("words", "match"),
    [(["--labels", "a"], "--labels a"), (["--labels", "900"], "--labels 900"), (["--data", "ring"], "ring")],
)
def test_wrong_words_are_refused(run, words, match, capsys):
    assert main(["probe", str(run), *words]) == 2
    assert match in capsys.readouterr().err
