"""Evidence and error bend at the true dimension of a linear manifold, and nowhere on white noise."""

import math

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.integrate import quad
from sklearn.decomposition import PCA

import pyrogen
from pyrogen import registry
from pyrogen.data import from_arrays, load
from pyrogen.data.procedural import Surface, WhiteNoise
from pyrogen.inference.runs import bottleneck as runs
from pyrogen.inference.runs.bottleneck import bend, bottleneck, bottleneck_bend, gains
from pyrogen.models.vae.vae import VAE

SIZES = range(1, 8)
SIZE, TRUE = 12, 3


def plane(n, seed, noise=0.3):
    """Points of a linear manifold of three dimensions, and noise around it."""
    directions = np.linalg.qr(np.random.default_rng(99).standard_normal((SIZE, TRUE)))[0]
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, TRUE)) * (3.0, 2.0, 1.5) @ directions.T + noise * rng.standard_normal((n, SIZE))


def white(n, seed):
    return np.random.default_rng(seed).standard_normal((n, SIZE))


def closed_form(draw):
    """Log-evidence and squared error of maximum-likelihood probabilistic PCA at each size, on unseen data."""
    train, test = draw(5000, 0), draw(1000, 1)
    fitted = [PCA(k).fit(train) for k in SIZES]
    kept = [p.inverse_transform(p.transform(test)) for p in fitted]
    values = {
        "log_evidence": np.stack([p.score_samples(test) for p in fitted]),
        "squared_error": np.stack([np.square(test - again).sum(1) for again in kept]),
    }
    dims = ("latent_size", "datum")
    return xr.Dataset({k: (dims, v) for k, v in values.items()}, coords={"latent_size": list(SIZES)})


def test_evidence_and_error_bend_at_the_true_dimension():
    found = closed_form(plane)
    assert bend(found["log_evidence"]) == TRUE
    assert bend(-found["squared_error"]) == TRUE


def test_white_noise_has_no_bend():
    found = closed_form(white)
    assert bend(found["log_evidence"]) is None
    assert bend(-found["squared_error"]) is None
    # every component of white noise holds the same variance
    mean, error = gains(-found["squared_error"])
    assert (np.abs(mean - 1) < 0.1).all()
    assert (error < 0.06).all()


def test_what_two_trainings_differ_by_is_no_gain():
    each = np.random.default_rng(0).standard_normal(1000)

    def risen_by(step):  # of all data alike, so that it is many standard errors
        values = np.stack([each, each + step, each + step])
        return xr.DataArray(values, dims=("latent_size", "datum"), coords={"latent_size": [1, 2, 3]})

    assert bend(risen_by(1e-4)) is None
    assert bend(risen_by(0.1)) == 2


def test_the_first_sizes_alone_show_no_bend():
    found = closed_form(plane).isel(latent_size=slice(TRUE))
    assert bend(found["log_evidence"]) is None


def test_a_trained_vae_bends_where_the_closed_form_does():
    x = plane(1400, 2).astype(np.float32)
    data = from_arrays(x[:1000], None, x[1000:1200], None, x[1200:], None, kind="real", standardize=False)
    found = bottleneck(
        data,
        [2, 3, 4],
        estimator="ELBO",
        training={
            "epochs": 24,
            "lr": 2e-2,
            "lr_milestones": [18],
            "batch_size": 100,
            "validate": False,
            "device": "cpu",
        },
        hidden=(),
        likelihood={"name": "Normal", "scale": "shared"},
    )
    assert found["log_evidence"].dims == ("latent_size", "seed", "datum")
    assert bend(found["log_evidence"]) == TRUE
    assert bend(-found["squared_error"]) == TRUE
    # the ELBO of a linear VAE has the maximum of the exact evidence, which the short training comes near to from below
    exact = PCA(TRUE).fit(x[:1000]).score_samples(x[1200:]).mean()
    assert exact - 0.5 < float(found["log_evidence"].sel(latent_size=TRUE).mean()) < exact + 0.05


@pytest.mark.parametrize("sizes", [[], [2, 1], [0, 1], [1, 1]])
def test_sizes_that_do_not_ascend_are_refused(sizes):
    data = from_arrays(plane(60, 0).astype(np.float32), kind="real")
    with pytest.raises(ValueError, match="must ascend from 1"):
        bottleneck(data, sizes)


@pytest.mark.parametrize(
    ("training", "sentence"),
    [
        ({"seed": 3}, "the setting 'seed' of training is each training's own here; there are objective, epochs, lr"),
        ({"epochs": 1, "folder": "runs/b"}, "the setting 'folder' of training is each training's own here"),
        ({"epoch": 1}, "the setting 'epoch' of training is none of fit"),
        ({"epochs": -1}, "epochs"),
    ],
)
def test_settings_that_no_training_takes_are_refused_before_the_first(training, sentence, monkeypatch):
    monkeypatch.setattr(registry, "create", None)
    with pytest.raises(ValueError, match=sentence):
        bottleneck(from_arrays(plane(60, 0).astype(np.float32), kind="real"), [1, 2], training=training)


def test_two_sizes_have_no_bend():
    with pytest.raises(ValueError, match="at least three sizes"):
        bend(closed_form(plane)["log_evidence"].isel(latent_size=slice(2)))


# -- the metric of claims --------------------------------------------------------------------------------------------


def a_model(**arguments):
    return pyrogen.create("vae", x_shape=(SIZE,), latent_size=5, hidden=(), **arguments)


@pytest.mark.parametrize("score", ["log_evidence", "squared_error"])
def test_the_metric_counts_up_to_the_bend(monkeypatch, score):
    for draw, count in ((plane, TRUE), (white, 0)):
        monkeypatch.setattr(runs, "bottleneck", lambda *_, draw=draw, **__: closed_form(draw))
        assert bottleneck_bend(a_model(), from_arrays(plane(60, 0), kind="real"), 0, SIZES, score) == count


def test_the_metric_trains_models_made_as_the_one_it_is_given(monkeypatch):
    asked = {}

    def kept(data, sizes, entry, seeds, estimator, training, **arguments):
        asked.update(arguments, sizes=sizes, entry=entry, seeds=seeds, estimator=estimator, training=training)
        return closed_form(plane)

    monkeypatch.setattr(runs, "bottleneck", kept)
    model = a_model(likelihood={"name": "Normal", "scale": "shared"})
    bottleneck_bend(
        model, from_arrays(plane(60, 0), kind="real"), 7, [1, 2, 3], estimator="ELBO", training={"epochs": 2}
    )
    assert asked["hidden"] == []
    assert (asked["likelihood"]["name"], asked["likelihood"]["scale"]) == ("Normal", "shared")
    assert not {"x_shape", "latent_size"} & set(asked)
    assert (asked["entry"], asked["sizes"], asked["seeds"], asked["estimator"]) == ("vae", [1, 2, 3], [7], "ELBO")
    assert asked["training"] == {"device": "cpu", "validate": False, "epochs": 2}


def test_the_metric_refuses_a_model_that_no_entry_made():
    model = VAE(torch.nn.Linear(SIZE, 4), torch.nn.Linear(2, SIZE), (SIZE,), 2)
    with pytest.raises(ValueError, match=r"VAE was not made by create\(\.\.\.\)"):
        bottleneck_bend(model, from_arrays(plane(60, 0), kind="real"), 0, SIZES)


# -- its data --------------------------------------------------------------------------------------------------------


def test_the_surface_has_two_dimensions_and_spans_four():
    law = Surface()
    angles = math.pi / 2 * (2 * torch.rand(200, 2, dtype=torch.float64) - 1)
    jacobians = torch.func.vmap(torch.func.jacrev(law.points))(angles)
    # both angles are lengths of arcs, up to the radius, and their directions orthogonal
    torch.testing.assert_close(
        jacobians.mT @ jacobians, (4 * torch.eye(2).double()).expand(200, 2, 2), rtol=1e-5, atol=1e-5
    )
    values = torch.linalg.svdvals(law.points(angles))
    assert int((values > 1e-4 * values[0]).sum()) == 4


def test_the_variances_of_the_surface_are_those_of_its_integrals():
    law, half = Surface(), math.pi / 2

    def mean(function):
        return quad(function, -half, half)[0] / math.pi

    exact = 4 * (mean(lambda t: math.cos(t) ** 2) - mean(math.cos) ** 2), 4 * mean(lambda t: math.sin(t) ** 2)
    assert law.variances == pytest.approx(exact, rel=1e-9)
    x = law.sample(100_000, torch.Generator().manual_seed(1)).double()
    values = torch.linalg.eigvalsh(torch.cov(x.T)).flip(0)
    expected = torch.tensor([exact[1], exact[1], exact[0], exact[0], *[0.0] * 12], dtype=torch.float64) + 0.1**2
    torch.testing.assert_close(values, expected, rtol=0.03, atol=0)  # 6 standard errors of the largest, √(2/n) at most


def test_white_noise_has_the_variance_of_the_surface_and_no_structure():
    surface, law = Surface(), WhiteNoise()
    x = surface.sample(100_000, torch.Generator().manual_seed(2)).double()
    assert law.variance == pytest.approx(float(x.var(0).mean()), rel=0.02)
    noise = law.sample(100_000, torch.Generator().manual_seed(3)).double()
    exact = law.variance * torch.eye(16, dtype=torch.float64)
    # 6 standard errors of a variance, √(2/n) v
    torch.testing.assert_close(torch.cov(noise.T), exact, rtol=0, atol=6 * law.variance * (2 / 100_000) ** 0.5)


@pytest.mark.parametrize("name", ["surface", "white-noise"])
def test_the_data_are_the_same_at_every_load(name):
    first, second = load(name), load(name)
    assert first.sha256 == second.sha256
    assert [len(s) for s in (first.train, first.valid, first.test)] == [5000, 500, 1000]
    assert (first.kind, first.x_shape) == ("real", (16,))
