"""Sequences of unequal lengths: what is behind an end was not observed, and costs nothing."""

import numpy as np
import pytest
import torch

import pyrogen
from pyrogen.data import from_arrays
from pyrogen.inference import IWAE, fit, log_evidence

MASKED = {"name": "Masked", "likelihood": "Normal"}


def walks(*lengths):
    g = torch.Generator().manual_seed(0)
    return [torch.randn(2, n, generator=g).cumsum(1) for n in lengths]


def test_they_become_one_array_with_holes_behind_their_ends():
    given = walks(8, 12, 10) * 10
    for x in (given, [w.numpy() for w in given], [w.tolist() for w in given]):
        data = from_arrays(x, missing=True, standardize=False)
        assert tuple(data.x_shape) == (2, 12)
        whole = torch.cat([s.x for s in data.splits.values()])
        assert sorted(whole.isnan().any(1).sum(1).tolist()) == [0] * 10 + [2] * 10 + [4] * 10
    kept = {tuple(row[~row.isnan()].tolist()) for row in whole}
    assert kept == {tuple(w.flatten().tolist()) for w in given}


def test_all_splits_are_as_long_as_the_longest_and_further_data_too():
    data = from_arrays(walks(5, 6) * 4, x_valid=walks(9, 9), x_test=torch.stack(walks(4, 4)), missing=True)
    assert {tuple(s.x.shape[1:]) for s in data.splits.values()} == {(2, 9)}
    further = data.like(walks(3, 7))
    assert tuple(further.x.shape) == (2, 2, 9)
    assert further.x.isnan().any(1).sum(1).tolist() == [6, 2]
    with pytest.raises(ValueError, match=r"expected raw data of shape \(N, 2, 9\)"):
        data.like(walks(3, 10))


@pytest.mark.parametrize(
    "x", [[np.zeros(3), np.zeros(4)], [np.zeros((2, 3)), np.zeros((3, 4))]], ids=["rows", "channels"]
)
def test_columns_and_channels_of_unequal_numbers_are_refused(x):
    with pytest.raises(ValueError, match="expected rows of one shape"):
        from_arrays(x * 10, missing=True)
    table = from_arrays(np.random.default_rng(0).normal(size=(30, 4)), missing=True)
    with pytest.raises(ValueError, match="expected raw data of shape"):
        table.like(np.zeros((2, 3)))


def test_without_missing_the_refusal_says_the_way():
    with pytest.raises(ValueError, match="say missing=True, by which what is behind the ends"):
        from_arrays(walks(3, 4))


def test_the_evidence_of_a_shorter_sequence_is_that_of_the_model_that_ends_there():
    # linear, so that log p is exact: what is behind the end is integrated out
    data = from_arrays(walks(5, 7) * 20, missing=True, standardize=False)
    torch.manual_seed(0)
    arguments = {"latent_size": 2, "transition": "Linear", "hidden": (8,), "emission": MASKED}
    m = pyrogen.create("vae-sequential", x_shape=data.x_shape, **arguments)
    fit(m, data, epochs=20, lr=1e-2, progress=False, validate=False)
    short = pyrogen.create("vae-sequential", x_shape=(2, 5), **arguments)
    short.load_state_dict({k: v for k, v in m.state_dict().items() if k in short.state_dict()}, strict=False)
    x = data.like(walks(5, 5)).x
    assert x[..., 5:].isnan().all()
    whole, ended = (log_evidence(model, given, IWAE(2000), seed=1) for model, given in ((m, x), (short, x[..., :5])))
    error = np.hypot(whole["mc_se"], ended["mc_se"])
    assert float(error.max()) < 0.2
    assert (np.abs(whole["log_evidence"] - ended["log_evidence"]) < 4 * error + 1e-3).all()
