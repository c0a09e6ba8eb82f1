"""A generator's output fits its data, and its collapse is said without an oracle, and not of one that is well."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import pyrogen
from pyrogen import registry
from pyrogen.base import HasGenerator, Model
from pyrogen.command.cli import main
from pyrogen.conditions import Condition
from pyrogen.data import from_arrays
from pyrogen.data.split import Split
from pyrogen.inference import ELBO, Adversarial, fit
from pyrogen.inference.adversarial import collapse
from pyrogen.inference.runs.scores import beware
from pyrogen.models.adversarial.gan import GAN
from pyrogen.optim import Adam

GREY = np.random.default_rng(0).random((600, 1, 4, 4))


def judged(made, x, real):
    return collapse.said_of({f"valid/{k}": m(made, x) / m(real, x) for k, m in collapse.MEASURES.items()})


def ring(n, modes=8):
    angle = torch.randint(modes, (n,)) * torch.pi / 4
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.02 * torch.randn(n, 2)


WELL = {
    "one number": lambda n: torch.randn(n, 1),
    "many numbers": lambda n: torch.randn(n, 200),
    "heavy tails": lambda n: torch.distributions.StudentT(1.5).sample((n, 4)),
    "bits": lambda n: torch.rand(n, 12).round(),
    "ring": ring,
}


@pytest.mark.rotating
@pytest.mark.parametrize("draw", WELL.values(), ids=WELL)
@pytest.mark.parametrize("n", [50, 200])
def test_what_has_the_datas_own_distribution_has_not_collapsed(draw, n):
    torch.manual_seed(1)
    alarms = sum(bool(judged(draw(n), draw(n), draw(n))) for _ in range(60))
    assert alarms <= 1


def test_coverage_of_the_datas_own_distribution_is_known():
    torch.manual_seed(2)
    found = [collapse.coverage(torch.randn(400, 3), torch.randn(400, 3)) for _ in range(20)]
    assert np.mean(found) == pytest.approx(1 - 2**-5, abs=0.01)


def test_the_measures_are_those_of_the_hand():
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert collapse.total_variance(x / 2, x) == pytest.approx(0.25 * 4 / 3)
    assert collapse.effective_rank(x, x) == pytest.approx(2)
    assert collapse.effective_rank(x * torch.tensor([1.0, 0.0]), x) == pytest.approx(1)
    assert collapse.effective_rank(torch.zeros(4, 2), x) == 0
    assert collapse.coverage(x, x) == 1


class Fixed(Model, HasGenerator):
    """A generator of given samples."""

    def __init__(self, made, condition=None):
        super().__init__()
        self.made, self.condition = made, condition
        self.x_shape, self.latent_shape = made.shape[1:], torch.Size([1])

    def sample(self, n, y=None):
        assert (y is None) == (self.condition is None)
        return self.made[:n]

    def latent_prior(self, y=None):
        return torch.distributions.Normal(torch.zeros(1), 1.0)

    def generate(self, z, y=None):
        return self.made[: len(z)]


def test_each_measure_is_relative_to_what_as_many_training_data_have():
    """Half of the training data lie where no validation data are, so that data themselves cover half of these."""
    torch.manual_seed(4)
    sides, noise = torch.tensor([[-9.0, 0.0], [9.0, 0.0]]), 0.1 * torch.randn(3, 400, 2)
    train, held_out = sides[torch.arange(400) % 2] + noise[0], sides[torch.zeros(400, dtype=torch.long)] + noise[1]
    stick = collapse.Yardstick(Split(held_out), Split(train))
    assert stick.floor["sample_variance"] == pytest.approx(81 + 0.02, rel=0.01)
    assert set(stick.spread(Fixed(train)).values()) == {1.0}
    alike = stick.spread(Fixed(sides[torch.arange(400) % 2] + noise[2]))
    assert alike == pytest.approx(dict.fromkeys(collapse.MEASURES, 1.0), rel=0.03)
    one_side = stick.spread(Fixed(held_out))
    assert one_side["sample_variance"] < 0.001
    assert not collapse.said_of({f"valid/{k}": v for k, v in one_side.items()})  # it covers all that there is


def test_data_sorted_by_class_are_compared_in_full():
    x, y = ring(2000), None
    x = x[x[:, 0].argsort()]
    stick = collapse.Yardstick(Split(x, y), Split(x, y))
    assert stick.floor["sample_variance"] == pytest.approx(float(x.var(0).sum()), rel=0.01)


def test_conditional_generators_are_asked_for_the_classes_of_the_data():
    x, y = ring(100), torch.arange(100) % 3
    assert collapse.Yardstick(Split(x, y), Split(x, y)).spread(Fixed(x, Condition((), 3)))["sample_coverage"] == 1


def test_where_nothing_can_be_said_nothing_is():
    x = ring(100)
    for held_out, train in ((x[:49], x), (x, x[:49]), (x.masked_fill(x > 0.9, np.nan), x), (x, 0 * x)):
        assert collapse.Yardstick(Split(held_out), Split(train)).spread(Fixed(x)) == {}


BAD = {
    "a constant": lambda n: torch.zeros(n, 2),
    "one mode": lambda n: ring(n, 1),
    "two modes": lambda n: ring(n, 2),
    "one mode, elsewhere": lambda n: ring(n, 1) + 9,
}


@pytest.mark.parametrize("draw", BAD.values(), ids=BAD)
def test_collapse_is_seen(draw):
    torch.manual_seed(3)
    assert "has collapsed" in judged(draw(300), ring(300), ring(300))


LEARNING = {
    "between the modes": lambda n: torch.randn(n, 2) * 0.7,
    "beside them": lambda n: ring(n) * 1.3,
    "elsewhere": lambda n: ring(n) + 9,
}


@pytest.mark.parametrize("draw", LEARNING.values(), ids=LEARNING)
def test_samples_that_miss_the_data_but_vary_as_they_do_have_not_collapsed(draw):
    torch.manual_seed(5)
    x, real, made = ring(300), ring(300), draw(300)
    assert collapse.coverage(made, x) < 0.3
    assert not judged(made, x, real)


def gan(kind, x_shape=(1, 4, 4)):
    return pyrogen.create(
        "gan-nonsaturating",
        x_shape=x_shape,
        generator="Perceptron(hidden=(16,))",
        critic="Perceptron(hidden=(16,))",
        kind=kind,
    )


@pytest.mark.parametrize("kind", ["unit", "binary"])
def test_a_generator_of_grey_values_makes_grey_values(kind):
    data = from_arrays(GREY, kind=kind)
    torch.manual_seed(0)
    model = pyrogen.create(
        "gan-nonsaturating",
        generator="Perceptron(hidden=(16,))",
        critic="Perceptron(hidden=(16,))",
        **data.decides(registry.find("entry", "gan-nonsaturating").load()),
    )
    fit(model, data, epochs=2, device="cpu", progress=False)
    x = model.sample(500)
    assert 0 <= float(x.min()) <= float(x.max()) <= 1


def test_a_kind_that_the_generator_cannot_make_is_refused_in_a_sentence():
    grey = from_arrays(GREY)
    with pytest.raises(
        ValueError, match=r"makes any real numbers, and these are unit data; create it with kind='unit'\."
    ):
        fit(gan("real"), grey, epochs=1)
    real = from_arrays(GREY * 9)
    with pytest.raises(ValueError, match=r"numbers from 0 to 1, and these are real data; create it with kind='real'\."):
        fit(gan("unit"), real, epochs=1)
    with pytest.raises(ValueError, match="real numbers, or numbers from 0 to 1; load the data with"):
        gan("counts")


def test_own_generators_are_tried():
    critic = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    bare, ended = nn.Linear(2, 16), nn.Sequential(nn.Linear(2, 16), nn.Sigmoid())
    with pytest.raises(
        ValueError, match=r"gives numbers from -.* to .*, and data of kind 'unit' lie in \[0, 1\]; end it"
    ):
        GAN(bare, critic, (1, 4, 4), 2, kind="unit")
    assert GAN(ended, critic, (1, 4, 4), 2, kind="unit").kinds == ("unit", "binary")


def test_the_command_line_gives_the_generator_the_kind_of_the_data(tmp_path):
    words = [
        "--data",
        "digits",
        "--epochs",
        "1",
        "--generator.hidden",
        "8",
        "--critic.hidden",
        "8",
        "--folder",
        str(tmp_path / "gan"),
    ]
    assert main(["train", "gan-nonsaturating", *words]) == 0
    model = pyrogen.load(tmp_path / "gan")
    assert 0 <= float(model.sample(99).min()) <= float(model.sample(99).max()) <= 1


def test_collapse_is_said_while_training_and_beside_scores(caplog, tmp_path):
    x = (np.random.default_rng(1).random((300, 1, 1, 1)) < 0.5) ^ (
        np.random.default_rng(2).random((300, 1, 4, 4)) < 0.1
    )
    torch.manual_seed(0)
    model = pyrogen.create("generator-paired", x_shape=(1, 4, 4), hidden=(16,))
    valid = {"x_train": x.astype(np.uint8), "x_valid": x[:60].astype(np.uint8)}
    with caplog.at_level(logging.WARNING, logger="pyrogen"):
        run = fit(model, valid, epochs=30, batch_size=16, folder=tmp_path, device="cpu", progress=False)
    said = [r.getMessage() for r in caplog.records if "has collapsed" in r.getMessage()]
    assert len(said) == 1
    assert run.history["valid/sample_variance"].iloc[-1] < 0.1
    assert any("the generator has collapsed" in sentence for sentence in beware(tmp_path))


def test_an_encoder_that_rests_is_not_said_to_have_collapsed(caplog):
    torch.manual_seed(0)
    x = ring(800).numpy()
    model = pyrogen.create("vae", x_shape=(2,), latent_size=2, hidden=(8,), likelihood="Normal")
    with torch.no_grad():
        for p in model.encoder.parameters():
            p.zero_()  # q(z|x) = p(z)
    goal = Adversarial(critic_optimizer=Adam(lr=1e-6), generator_optimizer=Adam(lr=1e-6))
    with caplog.at_level(logging.WARNING, logger="pyrogen"):
        run = fit(model, x, goal, epochs=30, batch_size=32, device="cpu", progress=False)
    assert run.records[-1]["valid/active_units"] == 0
    assert run.records[-1]["step"] >= 500
    said = [r.getMessage() for r in caplog.records if "has collapsed" in r.getMessage()]
    assert len(said) == 1
    assert said[0].startswith("the generator has collapsed")


def test_a_gan_made_for_other_data_is_told_how_to_make_it():
    with pytest.raises(ValueError, match=r"these are binary data; create it with kind='binary'\."):
        fit(
            pyrogen.create(
                "gan-nonsaturating",
                x_shape=(1, 8, 8),
                generator="Perceptron(hidden=(8,))",
                critic="Perceptron(hidden=(8,))",
            ),
            "digits",
            epochs=1,
        )


@pytest.mark.rotating
def test_layers_below_an_untrained_one_are_not_said_to_have_collapsed(caplog):
    """Of the first stages of a stack the top says nothing yet."""
    data = pyrogen.data.load("digits")
    model = pyrogen.create("autoencoder-stacked", x_shape=data.x_shape, latent_size=32)
    with caplog.at_level(logging.WARNING, logger="pyrogen"):
        run = fit(model, data, epochs=14, lr=3e-3, batch_size=32, device="cpu", progress=False)
    assert run.records[14]["valid/active_units"] == 0
    assert run.records[-1]["valid/active_units"] == 32
    assert "collapsed" not in caplog.text


def test_codes_that_are_points_are_not_told_of_a_kl(caplog):
    rows = np.random.default_rng(0).normal(size=(300, 4))
    dear = {"name": "Laplace", "scale": 1e-3}  # which is charged a thousand nats for every unit of a code
    model = pyrogen.create("autoencoder-sparse", x_shape=(4,), latent_size=2, prior=dear, likelihood="Normal")
    with caplog.at_level(logging.WARNING, logger="pyrogen"):
        fit(model, rows, epochs=40, batch_size=16, device="cpu", progress=False)
    assert "the codes have collapsed: none of them varies over data, by 0.01 or more" in caplog.text
    assert "KL" not in caplog.text


class Idling(ELBO):
    """Something that is no encoder rests, which is no reason to be silent of the encoder."""

    def players(self, model):
        return [replace(player, idle=[model.spare]) for player in super().players(model)]


def test_a_posterior_is_called_collapsed_only_after_many_steps(caplog):
    rows = np.random.default_rng(0).normal(size=(300, 4))  # nothing that a latent could tell
    model = pyrogen.create("vae", x_shape=(4,), latent_size=2, hidden=(8,), likelihood="Normal")
    model.spare = torch.nn.Linear(1, 1)
    with caplog.at_level(logging.WARNING, logger="pyrogen"):
        fit(model, rows, Idling(), epochs=12, batch_size=64, device="cpu", progress=False)
        assert "collapsed" not in caplog.text
        fit(model, rows, Idling(), epochs=40, batch_size=16, device="cpu", progress=False)
    assert "the posterior has collapsed: no latent is active, at 0.1 nat or more" in caplog.text


@pytest.mark.parametrize(("step", "said"), [(120, False), (500, True), (None, True)])
def test_a_score_and_a_page_wait_for_many_steps_too(step, said, tmp_path):
    from pyrogen.inference.pages.latent_sections import usage

    line = {
        "epoch": 12,
        "valid/active_units": 0,
        "valid/mutual_information": 0.0,
        **({} if step is None else {"step": step}),
    }
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    assert any("has collapsed" in sentence for sentence in beware(tmp_path)) == said
    model = pyrogen.create("vae", x_shape=(4,), latent_size=2, hidden=(3,))
    assert any("has collapsed" in panel.caption for panel in usage(model, None, [line])) == said


def test_an_untrained_generator_is_not_called_collapsed(caplog):
    with caplog.at_level(logging.WARNING, logger="pyrogen"):
        fit(gan("unit"), from_arrays(GREY), epochs=3, device="cpu", progress=False)
    assert not [r for r in caplog.records if "collapsed" in r.getMessage()]


@pytest.mark.parametrize("name", ["sample-rank", "sample-coverage"])
def test_metrics_by_name(name):
    """Of training data as much as they have themselves; of one datum again and again next to nothing."""
    data = from_arrays(GREY)
    measure = registry.find("metric", name).load()
    x = data.train.x[: len(data.test)]
    assert measure(Fixed(x), data, 0) == pytest.approx(1, abs=0.1)
    assert 0 <= measure(Fixed(x[:1].expand_as(x)), data, 0) < 0.2
    with pytest.raises(ValueError, match="compares samples of a generator with 50 whole test data"):
        measure(gan("unit"), from_arrays(GREY[:90]), 0)
