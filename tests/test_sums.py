"""Objectives that add up: who pays, how much, and that the text of a sum is the sum."""

import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.base import Batch, Objective, Player
from pyrogen.inference import ELBO, IWAE, Adversarial, Classification, EnumeratedELBO, Sum, fit
from pyrogen.inference.objectives.penalized import Contractive, SparseActivation
from pyrogen.optim import Adam
from pyrogen.registry import describe, make


class Charge(Objective):
    """The squares of some modules' parameters, or of a network of its own."""

    def __init__(self, name, modules, optimizer=None):
        self.name, self.modules = name, modules

    def players(self, model):
        def loss(batch):
            squares = sum(p.square().sum() for module in self.modules(model) for p in module.parameters())
            return {"loss": squares, "kl": squares.detach()}

        return [Player(self.name, loss, self.modules(model))]


def gradients(objective, model, x):
    (player, *_) = objective.players(model)
    model.zero_grad()
    torch.manual_seed(5)
    player.loss(Batch(x))["loss"].backward()
    return {k: p.grad.clone() for k, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    "text",
    [
        "ELBO(warmup=1000) + 10 * Contractive()",
        "IWAE(k=3)",
        "0.25 * ELBO() + 2 * SparseActivation(target=0.1) + Contractive()",
        "EnumeratedELBO() + 10 * Classification()",
        "ELBO() + 0.1 * Adversarial(loss=LeastSquares(), critic_optimizer=Adam(lr=0.0002, betas=(0.5, 0.9)))",
    ],
)
def test_a_sum_is_written_as_it_is_read(text):
    found = make("objective", text)
    again = make("objective", describe(found))
    assert type(again) is type(found)
    assert describe(again) == describe(found)
    if isinstance(found, Sum):
        assert found.of == repr(found) == text
        assert found == again == Sum(text)


def test_sums_of_sums_are_flat_and_weights_multiply():
    total = 2 * (ELBO() + 3 * Contractive()) + SparseActivation(0.1) * 0.5
    assert repr(total) == "2 * ELBO() + 6 * Contractive() + 0.5 * SparseActivation(target=0.1)"


def test_the_gradient_of_a_sum_is_the_sum_of_gradients(pair, draws):
    m, x = pair(), draws("binary", 5, 1, 4, 4)
    elbo, penalty = gradients(ELBO(), m, x), gradients(Contractive(), m, x)
    both = gradients(0.5 * ELBO() + 3 * Contractive(), m, x)
    assert both.keys() == elbo.keys() > penalty.keys()
    for name, gradient in both.items():
        expected = 0.5 * elbo[name] + 3 * penalty.get(name, torch.zeros(()))
        torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-7)


def test_who_owns_less_is_paid_by_who_owns_more_and_moves_no_more_than_it_owns(pair, draws):
    m, x = pair(), draws("binary", 5, 1, 4, 4)
    everything = Charge("squares", lambda m: [m])
    of_encoder = Charge("little", lambda m: [m.encoder])

    class Reads(Charge):
        def players(self, model):
            def loss(batch):
                return {"loss": sum(p.square().sum() for p in model.parameters())}

            return [Player("little", loss, [model.encoder])]

    (player,) = (everything + 2 * of_encoder).players(m)
    terms = player.loss(Batch(x))
    assert {"loss", "kl", "little", "little_kl"} == terms.keys()
    found = gradients(everything + 2 * Reads("little", None), m, x)
    for name, p in m.named_parameters():
        torch.testing.assert_close(found[name], (6 if name.startswith("encoder") else 2) * p.detach())


def test_a_network_of_a_later_objective_plays_for_itself_and_is_kept(pair):
    critic = nn.Linear(2, 2)
    (first, second) = (ELBO() + 5 * Charge("critic", lambda m: [critic])).players(pair())
    assert (first.name, second.name) == ("elbo", "critic")
    assert float(second.loss(Batch(torch.zeros(1)))["kl"]) == pytest.approx(
        sum(float(p.detach().square().sum()) for p in critic.parameters())
    )


def test_a_payer_takes_over_what_nobody_owned(pair):
    head = nn.Linear(2, 2)
    (player,) = (ELBO() + Charge("head", lambda m: [m.encoder, head])).players(pair())
    assert {id(p) for p in head.parameters()} <= {id(p) for p in player.parameters()}


def test_nobody_guesses_who_of_two_pays(pair):
    apart = Charge("a", lambda m: [m.encoder]) + Charge("b", lambda m: [m.decoder])
    with pytest.raises(ValueError, match="'all' of Charge\\(\\) moves what belongs to 'a' and 'b', so it is open who"):
        (apart + Charge("all", lambda m: [m])).players(pair())


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("ELBO() - Contractive()", "no sum of choices with arguments by name"),
        ("ELBO() + 10 * (", "no sum of choices"),
        ("ELBO(5)", "no sum of choices with arguments by name"),
        ("ELBO() + Contractiv()", "no objective called 'Contractiv'; did you mean 'Contractive'"),
        ("ELBO(beat=2) + Contractive()", "no argument of ELBO called 'beat'; did you mean 'beta'"),
        ("-1 * ELBO()", "no sum of choices"),
        ("ELBO() + __import__('os').system('true')", "no sum of choices"),
    ],
)
def test_what_is_no_sum_is_refused_in_a_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        make("objective", wrong)


@pytest.mark.parametrize("objective", [Contractive(), 2 * Contractive() + SparseActivation(0.1)])
def test_terms_without_an_objective_train_nothing(pair, tiny_data, objective):
    m = pair()
    with pytest.raises(ValueError, match="is a term beside others; train by a sum, as 'ELBO"):
        fit(m, tiny_data(m), objective, epochs=1)


def test_priors_do_not_add_up():
    with pytest.raises(ValueError, match="prior= takes one prior, which do not add up as objectives do"):
        pyrogen.create("vae", x_shape=(4,), prior="StandardNormal + 2 * Laplace")
    with pytest.raises(TypeError):
        ELBO() + 3


def test_a_sum_trains_is_written_down_and_resumes(tmp_path):
    settings = {"batch_size": 256, "progress": False}
    objective = ELBO(warmup=10) + 0.1 * Contractive()

    def model():
        torch.manual_seed(0)
        return pyrogen.create("vae", x_shape=(1, 8, 8), latent_size=2, hidden=(8,))

    whole = fit(model(), "digits", objective, epochs=2, folder=tmp_path / "whole", **settings)
    assert {"train/loss", "train/kl", "train/contractive"} <= whole.records[-1].keys()
    fit(model(), "digits", objective, epochs=1, folder=tmp_path / "run", **settings)
    fit(model(), "digits", str(objective), epochs=2, folder=tmp_path / "run", resume=True, **settings)
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "run")]
    assert weights[0] == weights[1]
    assert "ELBO(warmup=10) + 0.1 * Contractive()" in (tmp_path / "run" / "config.yaml").read_text()


def test_the_semi_supervised_objective_is_a_sum():
    model = pyrogen.create("vae-semi-supervised", x_shape=(4,), classes=3, latent_size=2, hidden=(8,), weight=4.0)
    assert model.objective == EnumeratedELBO() + 4 * Classification()
    batch = Batch(torch.rand(6, 4).round(), torch.tensor([0, -1, 2, 1, -1, 0]))
    (player,) = model.objective.players(model)
    torch.manual_seed(0)
    terms = player.loss(batch)
    torch.manual_seed(0)
    bound = EnumeratedELBO().terms(model, batch)["loss"]
    assert float(terms["loss"].detach()) == pytest.approx(float(bound.detach() + 4 * terms["classification"]))


def test_iwae_adds_up_too(pair, draws):
    m, x = pair(), draws("binary", 5, 1, 4, 4)
    found = gradients(IWAE(3) + Contractive(), m, x)
    assert found.keys() == {k for k, _ in m.named_parameters()}


def test_a_part_that_weighs_nothing_does_not_count_in_what_a_model_is_trained_by():
    with_rates = Adversarial(generator_optimizer=Adam(lr=1e-4))
    assert (Adversarial() + 0 * ELBO()).implicit
    assert not (0 * Adversarial() + ELBO()).implicit
    assert not (Adversarial() + ELBO()).implicit
    assert not (0 * ELBO()).implicit
    assert (ELBO() + 2 * with_rates).has_rates
    assert not (ELBO() + 0 * with_rates).has_rates
    assert (0 * with_rates).has_rates
