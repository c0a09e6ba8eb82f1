"""Evidence and error bend at the true dimension of a linear manifold, and nowhere on white noise."""

import numpy as np
import pytest
import xarray as xr
from sklearn.decomposition import PCA

from pyrogen.data import from_arrays
from pyrogen.inference.runs.bottleneck import bend, bottleneck, gains

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


def test_two_sizes_have_no_bend():
    with pytest.raises(ValueError, match="at least three sizes"):
        bend(closed_form(plane)["log_evidence"].isel(latent_size=slice(2)))
