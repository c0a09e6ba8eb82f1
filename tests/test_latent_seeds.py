"""Whatever judges latents takes the same seeds: negative ones as well, and none that is no whole number of 63 bits."""

import numpy as np
import pytest
import torch

import pyrogen
from pyrogen.data import load
from pyrogen.inference import (
    AIS,
    IWAE,
    calibrate,
    classify,
    complete,
    conformal_p_values,
    disentanglement,
    gaps,
    likelihood_regret,
    log_evidence,
    loo_pit,
    outlier_scores,
    predictive_check,
    sample_posterior,
    surgery,
)
from pyrogen.inference.evidence.annealing import PATH, REVERSE, START
from pyrogen.inference.evidence.latent_space import latent_spaces
from pyrogen.inference.latents.mixing import MixingWarning
from pyrogen.seeds import derived, numpy_generator

SEEN = torch.arange(16).reshape(1, 4, 4) < 8
FEW = AIS(temperatures=5, chains=4, leapfrogs=1, doubling=False)
FACTORS = torch.arange(60).unsqueeze(1) % torch.tensor([2, 3])
CODES = torch.sin(torch.arange(180.0)).reshape(60, 3)

JUDGES = {
    "sample_posterior": lambda m, x, seed: sample_posterior(m, x, draws=4, warm_up=2, seed=seed)[
        "posterior"
    ].to_dataset(),
    "gaps": lambda m, x, seed: gaps(
        m, x, steps=20, num_samples=100, draws=2, estimator=IWAE(5), check=False, seed=seed
    ),
    "calibrate": lambda m, x, seed: calibrate(m, x, simulations=20, num_draws=5, seed=seed),
    "surgery": lambda m, x, seed: surgery(m, x, permutations=9, seed=seed),
    "predictive_check": lambda m, x, seed: predictive_check(m, x, replications=19, seed=seed),
    "complete": lambda m, x, seed: complete(m, x, SEEN, num_draws=5, estimator=FEW, seed=seed),
    "loo_pit": lambda m, x, seed: loo_pit(m, x, num_samples=100, seed=seed),
    "likelihood_regret": lambda m, x, seed: likelihood_regret(m, x, steps=3, seed=seed),
    "outlier_scores": lambda m, x, seed: outlier_scores(m, x, x, estimator=IWAE(5), regret={"steps": 3}, seed=seed),
    "log_evidence": lambda m, x, seed: log_evidence(m, x, IWAE(5), seed),
    "classify": lambda m, x, seed: classify({0: m, 1: m}, x, estimator=IWAE(5), seed=seed),
    "disentanglement": lambda m, x, seed: disentanglement(CODES, FACTORS, ["beta_vae"], repeats=2, seed=seed),
}


@pytest.mark.filterwarnings("ignore::pyrogen.inference.latents.mixing.MixingWarning")
@pytest.mark.parametrize("name", JUDGES)
def test_seeds_are_taken_or_refused_by_all(name, pair):
    assert issubclass(MixingWarning, UserWarning)
    model, x = pair(), torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0)).round()
    ask = JUDGES[name]
    for wrong in (2**63, -(2**63) - 1, 1.5, "a", None):
        with pytest.raises(ValueError, match=r"seed=.*: needs a whole number"):
            ask(model, x, wrong)
    first, again, other = (ask(model, x, seed) for seed in (-1, -1, 2**63 - 1))
    assert first.equals(again)
    assert not first.equals(other)


def test_p_values_too():
    scores = np.zeros(3)
    assert (conformal_p_values(scores, scores, -1) == conformal_p_values(scores, scores, -1)).all()
    with pytest.raises(ValueError, match="needs a whole number"):
        conformal_p_values(scores, scores, None)


def test_derived_seeds_are_numpys_own():
    assert derived(3, 4, 5) == (int(np.random.SeedSequence(3, spawn_key=(4, 5)).generate_state(1)[0]),)
    assert derived(5, count=2) == tuple(np.random.SeedSequence(5).generate_state(2))
    assert numpy_generator(7, 2).random() == np.random.default_rng(np.random.SeedSequence(7, spawn_key=(2,))).random()
    assert len({derived(seed) for seed in (-2, -1, 0, 1, 2, 2**63 - 1)}) == 6


def test_places_within_a_place_have_random_numbers_of_their_own():
    places = [(3,), (3, 0), (3, 0, 0), (3, 4), (3, 4, 0), (3, 4, 0, 0), (0,), (0, 0), (2**32 + 3, 4), (-1, 0)]
    assert len({derived(*place) for place in places}) == len(places)
    assert len({numpy_generator(*place).random() for place in places}) == len(places)


def test_chains_are_not_pushed_the_way_that_they_start():
    model = pyrogen.create("vae", x_shape=(1, 4, 4), latent_size=2, hidden=(4,))
    with latent_spaces(model, torch.zeros(3, 1, 4, 4), None, "prior", 0) as (space,):
        for place in (PATH, REVERSE, START):
            z = space.draw(5, place)
            with space.seeded(place):
                momentum = torch.randn_like(z)
            assert not torch.allclose(momentum, z, atol=0.1)
            assert abs(torch.corrcoef(torch.stack([momentum.flatten(), z.flatten()]))[0, 1]) < 0.5


def test_data_that_are_none_are_not_named():
    model = pyrogen.create("vae-conditional", x_shape=(4,), latent_size=2, hidden=(4,), classes=3)
    for wrong in (None, load("digits")):
        with pytest.raises(ValueError, match="a split or a tensor of them, got"):
            classify(model, wrong)
