"""Every example runs, at a small size; one that is not listed here fails."""

import contextlib
import runpy
import sys
from pathlib import Path

import pytest
from matplotlib import pyplot

EXAMPLES = Path(__file__).parent.parent / "examples"
RUNS = {
    "what_the_latents_mean.py": (["--epochs", "1", "--few", "4"], "What one learns"),
    "anatomy_of_the_elbo.py": ([], "exactly 21.75"),
    "anatomy_of_a_game.py": ([], "V(D*) = 2 JSD - 2 ln 2 = -1.0433"),
    "blur_has_a_cause.py": (["--epochs", "1", "--seeds", "0", "1"], "mean of 8 data"),
    "small_salient_factor.py": (
        ["--epochs", "1", "--seeds", "0", "1", "--n", "200", "--systems", "autoencoder", "BiGAN"],
        "(chance 0.",
    ),
    "swap_the_prior.py": (["--epochs", "1"], "VampPrior"),
    "score_your_own_program.py": ([], "a lower bound"),
    "train_your_own_program.py": (["--epochs", "2"], "stored.noise"),
    "own_networks.py": (["--epochs", "1"], "bits per dimension"),
    "judge_an_estimate.py": ([], "not to be believed for 2 of 21 data"),
    "analyse_a_posterior.py": ([], "exact -2.69"),
    "denoising_field.py": (["--epochs", "2"], "cosine with the exact score"),
    "resume_after_a_crash.py": (["--epochs", "4"], "the same bytes: True"),
    "random_generators.py": (["--n", "500", "--depths", "2", "12"], "the points are in random_generators.png"),
    "independent_factors.py": (["--epochs", "1"], "knows of each factor is in factors.png"),
    "own_models/image_latent.py": (["--epochs", "1"], "codes of shape (5, 4, 2, 2)"),
    "what_a_cycle_hides.py": (["--epochs", "1", "--n", "20"], "white outlines"),
    "between_two_sentences.py": (["--epochs", "1"], "of 6 are sentences of the grammar"),
    "who_gives_way.py": (["--data", "crossings(n=60)", "--epochs", "1"], "constant velocity with noise  20"),
    "follow_a_hidden_state.py": (["--epochs", "1"], "nats below Kalman by its guide"),
    "between_two_tunes.py": (["--epochs", "0"], "all four: runs/between-two-tunes/tunes.png"),
    "how_tight_is_a_bound.py": (["--data", "5", "--steps", "3"], "nats below the exact log p(x) of the model"),
    "where_codes_travel.py": (
        ["--data", "digits", "shuffled-labels", "--epochs", "1", "--draws", "2", "--limit", "100"],
        "digits gains",
    ),
    "words_that_stand_together.py": (["--data", "grammar", "--size", "12", "--least", "1"], "one and many, 1"),
    "how_sparse_are_codes.py": (
        ["--epochs", "1", "--entries", "autoencoder-sparse", "autoencoder-text"],
        "autoencoder-text: 'autoencoder-text' needs vocabulary",
    ),
    "find_both_elbows.py": (["--epochs", "1"], "its two exact answers: (-0.25, +1.77) (+0.97, -1.77)"),
}


def test_every_example_is_listed():
    # stories and scripts of the course have tests of their own: test_stories, test_course
    found = {str(p.relative_to(EXAMPLES)) for p in EXAMPLES.rglob("*.py")}
    assert {name for name in found if not name.startswith(("course/", "notebooks/"))} == set(RUNS)


@pytest.mark.rotating
@pytest.mark.parametrize("name", RUNS)
def test_example_runs(name, tmp_path, monkeypatch, capsys, own_names):
    arguments, expected = RUNS[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    # in this process, whose warnings are errors: another would import torch for most of its time
    with contextlib.suppress(SystemExit):  # what it printed says how it went
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    pyplot.close("all")
    assert expected in capsys.readouterr().out
