"""Models that only generate: as Pyro programs, and scored through noise on the footing of those with a likelihood."""

import math
from pathlib import Path

import pytest
import torch
from pyro import poutine
from pyro.infer import Predictive
from torch import nn

import pyrogen
from pyrogen import evaluate
from pyrogen.conditions import Condition
from pyrogen.inference import AIS, ELBO, Adversarial, assess, fit, log_evidence
from pyrogen.inference.adversarial.penalties import CriticPenalty
from pyrogen.inference.evidence.noise import Observed
from pyrogen.inference.runs import quality
from pyrogen.inference.runs.density import FILE
from pyrogen.inference.runs.quality import FACTS
from pyrogen.inference.runs.scores import beware
from pyrogen.models.adversarial.gan import GAN
from pyrogen.nets.beside import Beside
from pyrogen.nets.critics import Perceptron


def conditional():
    generator = Beside(nn.Linear(2 + 3, 4))
    return GAN(generator, Beside(nn.Linear(4 + 3, 1)), (4,), 2, condition=Condition((), 3))


def test_a_gan_is_a_program_that_pyro_runs_conditions_and_predicts_with():
    gan = pyrogen.create("gan-nonsaturating")
    drawn = Predictive(gan.model, num_samples=5)(torch.zeros(3, 2))
    assert drawn["z"].shape == drawn["x"].shape == (5, 3, 2)
    torch.testing.assert_close(drawn["x"], gan.generate(drawn["z"]))
    z = torch.randn(3, 2)
    trace = poutine.trace(poutine.condition(gan.model, data={"z": z})).get_trace(torch.zeros(3, 2))
    torch.testing.assert_close(trace.nodes["x"]["value"], gan.generate(z))
    assert trace.nodes["x"]["fn"].log_prob(gan.generate(z)).eq(0).all()


def test_what_the_program_draws_is_what_the_game_is_played_with():
    gan = pyrogen.create("gan-nonsaturating")
    torch.manual_seed(3)
    fake = gan.fake(pyrogen.base.Batch(torch.zeros(6, 2)))
    torch.manual_seed(3)
    trace = poutine.trace(gan.model).get_trace(torch.zeros(6, 2))
    for name in ("z", "x"):
        torch.testing.assert_close(trace.nodes[name]["value"], fake[name])


def test_a_conditional_gan_makes_and_judges_data_given_y():
    gan, y = conditional(), torch.tensor([0, 1, 2, 1])
    z = torch.zeros(4, 2)
    x = gan.generate(z, y)
    assert torch.equal(x[1], x[3])
    assert not torch.equal(x[0], x[1])
    assert gan.sample(4, y).shape == (4, 4)
    batch = pyrogen.base.Batch(x, y)
    assert gan.criticize(gan.real(batch)).shape == gan.criticize(gan.fake(batch)).shape == (4,)
    other = {**gan.real(batch), "y": y.flip(0)}
    assert not torch.equal(gan.criticize(gan.real(batch)), gan.criticize(other))
    with pytest.raises(ValueError, match="conditional"):
        gan.sample(4)
    seen = observe_at(gan, 0.5)
    score = log_evidence(seen, x, AIS(4, 16), y=y)
    assert score["log_evidence"].shape == (4,)


def observe_at(model, sigma):
    return Observed(model, sigma)


def linear_vae(scale=0.3):
    torch.manual_seed(0)
    likelihood = pyrogen.likelihoods.Normal("fixed", scale)
    return pyrogen.create("vae", x_shape=(6,), latent_size=2, hidden=(), likelihood=likelihood)


def test_a_vae_seen_through_noise_has_the_evidence_of_its_mean():
    """With σ that of the likelihood it is the model's own, exactly log N(x; b, WWᵀ + σ²I)."""
    vae, x = linear_vae(), torch.randn(5, 6)
    layer = next(m for m in vae.decoder.modules() if isinstance(m, nn.Linear))
    covariance = layer.weight @ layer.weight.T + 0.3**2 * torch.eye(6)
    exact = torch.distributions.MultivariateNormal(layer.bias, covariance).log_prob(x).detach()
    found = log_evidence(observe_at(vae, 0.3), x, AIS(100, 32))
    # the weights of 32 chains, whose mean errs by its own error
    assert (abs(found["log_evidence"].values - exact.numpy()) < 5 * found["mc_se"].values + 0.01).all()


@pytest.fixture
def quickly(monkeypatch):
    """Noise that is not fitted, another each time; for how many data it was asked."""
    seen = []

    def fitted(model, split, num_data, seed):
        seen.append(num_data)
        return Observed(model, 0.5 + 0.01 * len(seen))

    monkeypatch.setattr("pyrogen.inference.runs.density.observe", fitted)
    return seen


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """One pair, trained by the ELBO and by a game."""
    runs = {}
    for objective in (ELBO(), Adversarial(critic=Perceptron((16,)))):
        folder = tmp_path_factory.mktemp("run")
        data = pyrogen.data.from_arrays(x_train=torch.randn(200, 6), x_test=torch.randn(20, 6))
        runs[objective.implicit] = fit(linear_vae(), data, objective=objective, epochs=1, folder=folder, validate=False)
    return runs


def test_a_game_leaves_the_likelihood_unfitted_so_that_noise_is_what_is_scored(both, quickly):
    own = evaluate(both[False], "ELBO", limit=4)
    assert "sigma" not in own.attrs
    game = evaluate(both[True], AIS(4, 16), limit=4)
    assert game.attrs["sigma_from"].startswith("fitted on")
    given = evaluate(both[False], AIS(4, 16), limit=4, sigma=0.7)
    assert (given.attrs["sigma"], given.attrs["sigma_from"]) == (0.7, "given")


def test_a_posterior_that_a_game_leaves_at_rest_is_not_said_to_have_collapsed(both, monkeypatch):
    last = {"epoch": 9, "step": 5000, "valid/active_units": 0, "valid/mutual_information": 0.0}
    monkeypatch.setattr("pyrogen.inference.runs.scores.read_history", lambda folder: [last])
    assert "the posterior has collapsed" in " ".join(beware(both[False].folder))
    assert list(beware(both[True].folder)) == []


def test_what_noise_is_put_on_is_annealed_by_default(both, quickly, monkeypatch):
    class Asked(Exception):
        pass

    def asked(model, x, estimator, **settings):
        raise Asked(estimator)

    monkeypatch.setattr("pyrogen.inference.runs.evaluate.log_evidence", asked)
    with pytest.raises(Asked, match="AIS"):
        evaluate(both[True], limit=1)
    with pytest.raises(Asked, match="None"):
        evaluate(both[False], limit=1)


def test_fitted_noise_is_kept_with_the_run_and_fitted_anew_when_weights_change(both, quickly):
    run = both[True]
    first = evaluate(run, AIS(4, 16), limit=4).attrs["sigma"]
    path = run.folder / FILE
    written = path.read_bytes()
    assert evaluate(run, AIS(5, 16), limit=4).attrs["sigma"] == first
    assert path.read_bytes() == written
    for other in (written.decode().replace("weights: last", "weights: best"), "sigma: ["):
        path.write_text(other)
        assert evaluate(run, AIS(4, 16), limit=4).attrs["sigma"] > first
    assert len(quickly) == 3


def test_noise_that_cannot_be_kept_is_used_all_the_same(both, quickly, caplog):
    path = both[True].folder / FILE
    path.unlink(missing_ok=True)
    path.mkdir()  # where no file can be written
    with caplog.at_level("WARNING", "pyrogen"):
        assert evaluate(both[True], AIS(4, 16), limit=4).attrs["sigma"] > 0
    path.rmdir()
    assert "was not kept, and will be fitted again" in caplog.text


def test_noise_for_few_data_is_fitted_on_few(both, quickly):
    (both[True].folder / FILE).unlink(missing_ok=True)
    evaluate(both[True], AIS(2, 16), limit=7)
    assert quickly == [7]


class Broken(CriticPenalty):
    def charge(self, critic, real, fake):
        return (next(iter(real.values())).sum() * 0 - 1).log()


def test_a_penalty_that_is_not_finite_is_named_with_its_player():
    gan = pyrogen.create("gan-nonsaturating")
    data = pyrogen.data.from_arrays(x_train=torch.randn(100, 2))
    with pytest.raises(FloatingPointError, match=r"term 'penalty' of the player 'critic' became nan at step 1\b"):
        fit(gan, data, objective=Adversarial(penalty=Broken()), epochs=1, validate=False)


def test_data_of_few_numbers_get_as_many_latents():
    data = pyrogen.data.load("ring")
    build = pyrogen.registry.find("entry", "vae").load()
    assert data.decides(build)["latent_size"] == 2
    assert "latent_size" not in pyrogen.data.load("digits").decides(build)
    overcomplete = pyrogen.registry.find("entry", "autoencoder-sparse").load()
    assert "latent_size" not in data.decides(overcomplete)
    assert math.prod(data.x_shape) == 2


def both_ways(folder):
    """One generator, two trainings, twice."""
    over = {"objective": ["ELBO", Adversarial(critic=Perceptron((8,)))]}
    common = {"data": "ring", "likelihood": "Normal", "hidden": (8,), "epochs": 1, "limit": 4, "compile": False}
    judged = {"estimator": AIS(4, 16), "seeds": 2, "jobs": 1, "progress": False}
    return pyrogen.grid(over, folder=folder, **judged, **common)


@pytest.mark.rotating
def test_one_generator_is_trained_both_ways_and_judged_by_the_same_rulers(tmp_path, quickly, monkeypatch):
    # few samples: what they are is not asked here
    monkeypatch.setattr(quality, "assess", lambda *given: assess(*given[:4], 60, *given[5:]))
    compared = both_ways(tmp_path)
    numbers = compared.numbers
    assert (numbers["status"].values == "ended").all()
    assert numbers["objective"].values.tolist() == ["ELBO", "Adversarial(critic=Perceptron(hidden=(8,)))"]
    for key in ("nats", "gap", "sigma", "difference_seed_se", "quality"):
        assert numbers[key].isel(objective=1).notnull().all(), key
    assert {"modes", "high-quality", "frechet", "precision", "recall", "memorization"} <= {*numbers["measure"].values}
    # the same latents, as many as a point of the plane has numbers, and the same first weights
    folders = numbers["runs"].values
    first = [pyrogen.load(folder) for folder in folders[:, 0]]
    assert [m.latent_size for m in first] == [2, 2]
    cells, measured = compared.tables()
    assert cells[0][:2] == ["objective", "AIS(temperatures=4) ± MC ± data"]
    assert [row[0] for row in measured[1:]] == [str(name) for name in numbers["measure"].values]
    page = (compared.folder / "grid.html").read_text()
    assert "Samples side by side" in page
    assert page.count("<figure") == 2
    # what was measured is measured again where it is lost
    (lost,) = {Path(f) for f in folders[1, :1]}
    (lost / FACTS).unlink()
    again = both_ways(compared.folder)
    assert "has lost what was measured of its samples" in again.text()
    assert again.numbers["quality"].equals(compared.numbers["quality"])
