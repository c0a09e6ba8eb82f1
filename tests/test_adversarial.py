"""Adversarial losses, penalties, and the game of any pair: each against a number known by hand."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import logsigmoid

import pyrogen
from pyrogen.base import Batch
from pyrogen.data import from_arrays
from pyrogen.inference import ELBO, Adversarial, fit
from pyrogen.inference.adversarial.penalties import (
    R1,
    R2,
    Clipping,
    Consistency,
    GradientPenalty,
    LipschitzPenalty,
    between,
    slopes,
)
from pyrogen.inference.adversarial.sites import PairGame
from pyrogen.inference.replay import recorded_step
from pyrogen.inference.training.game import Game, Rules
from pyrogen.nets.critics import Perceptron
from pyrogen.optim import SGD
from pyrogen.registry import make

REAL, FAKE = torch.tensor([0.5, -1.0, 2.0]), torch.tensor([-0.3, 1.5, 0.2])
D = [torch.sigmoid(s) for s in (REAL, FAKE)]
# the critic's loss of relativistic ones; the generator's is the same with the sides exchanged
RELATIVE = {
    "RelativisticAverage": lambda a, b: -logsigmoid(a - b.mean()).mean() - logsigmoid(a.mean() - b).mean(),
    "RelativisticLeastSquares": lambda a, b: ((a - b.mean() - 1) ** 2).mean() + ((b - a.mean() + 1) ** 2).mean(),
    "RelativisticHinge": lambda a, b: (1 - a + b.mean()).clamp(0).mean() + (1 + b - a.mean()).clamp(0).mean(),
}
# critic's loss, generator's of what it made, and what data add where they depend on it
EQUATIONS = {
    "NonSaturating": (-(D[0].log() + (1 - D[1]).log()).mean(), -D[1].log().mean(), -(1 - D[0]).log().mean()),
    "Minimax": (-(D[0].log() + (1 - D[1]).log()).mean(), (1 - D[1]).log().mean(), D[0].log().mean()),
    "LeastSquares": (
        ((REAL - 1) ** 2 + FAKE**2).mean() / 2,
        ((FAKE - 1) ** 2).mean() / 2,
        (REAL**2).mean() / 2,
    ),
    "Hinge": ((1 - REAL).clamp(0).mean() + (1 + FAKE).clamp(0).mean(), -FAKE.mean(), REAL.mean()),
    "Wasserstein": (FAKE.mean() - REAL.mean(), -FAKE.mean(), REAL.mean()),
}


@pytest.mark.parametrize("name", pyrogen.choices("adversarial loss"))
def test_losses_are_their_equations(name):
    loss = make("adversarial loss", name)
    if loss.relative:
        torch.testing.assert_close(loss.critic(REAL, FAKE), RELATIVE[name](REAL, FAKE))
        torch.testing.assert_close(loss.generator(REAL, FAKE), RELATIVE[name](FAKE, REAL))
        with pytest.raises(ValueError, match="got none"):
            loss.generator(None, FAKE)
        return
    critic, fake, real = EQUATIONS[name]
    torch.testing.assert_close(loss.critic(REAL, FAKE), critic)
    torch.testing.assert_close(loss.generator(None, FAKE), fake)
    torch.testing.assert_close(loss.generator(REAL, FAKE), fake + real)


def quadratic(sites):
    return (sites["x"] ** 2).flatten(1).sum(1) / 2 + 3 * sites["z"].sum(1)


def sides(n=5):
    torch.manual_seed(0)
    return [{"x": torch.randn(n, 2, 3), "z": torch.randn(n, 4), "y": torch.arange(n)} for _ in range(2)]


def test_slopes_are_over_all_sites_of_real_numbers():
    real, _ = sides()
    exact = (real["x"].flatten(1).square().sum(1) + 4 * 9).sqrt()
    torch.testing.assert_close(slopes(quadratic, real), exact)


@pytest.mark.parametrize(("penalty", "side"), [(R1(3.0), 0), (R2(3.0), 1)])
def test_zero_centred_penalties_are_half_the_squared_slope(penalty, side):
    both = sides()
    exact = 1.5 * (both[side]["x"].flatten(1).square().sum(1) + 36).mean()
    torch.testing.assert_close(penalty(quadratic, *both), exact)


def test_of_a_linear_critic_the_gradient_penalty_is_known_everywhere():
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    both = [{"x": torch.randn(6, 2)} for _ in range(2)]
    penalty = GradientPenalty(weight=10.0, target=2.0)(lambda s: s["x"] @ weight, *both)
    assert float(penalty.detach()) == pytest.approx(10 * (5 - 2) ** 2)
    (gradient,) = torch.autograd.grad(penalty, weight)
    torch.testing.assert_close(gradient, 10 * 2 * 3 * torch.tensor([0.6, 0.8]))
    with torch.no_grad():  # as validation computes it
        assert float(GradientPenalty(10.0, 2.0)(lambda s: s["x"] @ weight, *both)) == pytest.approx(90)


def test_points_between_lie_on_the_line_of_their_own_pair_at_the_same_share():
    real, fake = sides(50)
    middle = between(real, fake)
    shares = ((middle["z"] - fake["z"]) / (real["z"] - fake["z"])).mean(1)
    assert 0 <= float(shares.min()) < 0.2 < 0.8 < float(shares.max()) <= 1
    torch.testing.assert_close(middle["x"], fake["x"] + shares[:, None, None] * (real["x"] - fake["x"]))
    assert torch.equal(middle["y"], real["y"])


@pytest.mark.parametrize(("bound", "charge"), [(2.0, 10 * 9), (5.0, 0), (7.0, 0)])
def test_of_a_linear_critic_only_slopes_that_are_too_steep_pay(bound, charge):
    weight, both = torch.tensor([3.0, 4.0]), [{"x": torch.randn(6, 2)} for _ in range(2)]
    penalty = LipschitzPenalty(10.0, bound)(lambda s: s["x"] @ weight, *both)
    assert float(penalty) == pytest.approx(charge, abs=1e-4)


def test_r1_pulls_a_flat_critic_too():
    weight = torch.zeros(2, requires_grad=True)
    both = [{"x": torch.zeros(6, 2)} for _ in range(2)]
    (gradient,) = torch.autograd.grad(R1(3.0)(lambda s: s["x"] @ weight, *both), weight, create_graph=True)
    (bend,) = torch.autograd.grad(gradient[0], weight)
    torch.testing.assert_close(bend, torch.tensor([3.0, 0.0]))


def test_clipping_costs_nothing_and_clamps_after_each_step():
    net, both = nn.Linear(3, 1), [{"x": torch.randn(4, 3)}] * 2
    assert float(Clipping(0.1)(lambda s: net(s["x"]).squeeze(-1), *both)) == 0
    net.weight.data = torch.tensor([[0.05, 3.0, -3.0]])
    Clipping(0.1).after([net])
    torch.testing.assert_close(net.weight.data, torch.tensor([[0.05, 0.1, -0.1]]))
    model = pyrogen.create("gan-nonsaturating", generator="Perceptron(hidden=(8,))", critic="Perceptron(hidden=(8,))")
    fit(model, torch.randn(64, 2), Adversarial("Wasserstein", Clipping(0.02)), epochs=2, batch_size=16, validate=False)
    assert max(float(p.detach().abs().max()) for p in model.critic.parameters()) <= 0.02


def test_consistency_is_the_squared_change_of_the_score():
    x = torch.arange(20.0).reshape(1, 1, 4, 5).repeat(200, 1, 1, 1)
    found = Consistency(shift=1).changed(x)
    exact = set()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            rows, columns = (torch.arange(4) + dy).clamp(0, 3), (torch.arange(5) + dx).clamp(0, 4)
            exact.add(tuple(x[0, 0][rows][:, columns].flatten().tolist()))
    assert {tuple(image.flatten().tolist()) for image in found} == exact
    mirrored = Consistency(shift=0, mirror=True).changed(x)
    same = (mirrored == x).flatten(1).all(1)
    assert 60 < int(same.sum()) < 140
    assert torch.equal(mirrored[~same], x[~same].flip(3))
    for shape in ((3, 4, 2), (2, 8, 8), (1, 2, 2)):  # paths of people, maps, and what is too small to be seen
        x = torch.zeros(5, *shape)
        assert Consistency(shift=0, noise=0.1).changed(x).ne(0).all()
    real, fake = sides(4000)
    vectors = [{**s, "x": s["x"].flatten(1)} for s in (real, fake)]
    weight = torch.tensor([1.0, 2.0, 0.0, 0.0, 0.0, 2.0])
    penalty = Consistency(5.0, 2.0, noise=0.3)(lambda s: s["x"] @ weight + s["z"].sum(1), *vectors)
    # the noise moves the score by N(0, 0.09 · 9)
    assert float(penalty) == pytest.approx((5 + 2) * 0.81, rel=5 * (2 / 4000) ** 0.5)
    alone = Consistency(5.0, 2.0, noise=0.3)(lambda s: s["z"] @ weight, *({"z": s["x"]} for s in vectors))
    assert float(alone) == pytest.approx((5 + 2) * 0.81, rel=5 * (2 / 4000) ** 0.5)
    with pytest.raises(ValueError, match="changes x, and the critic reads u, z"):
        Consistency()(lambda s: s["z"], *({"u": s["z"], "z": s["z"]} for s in (real, fake)))


# ------------------------------------------------------------------------------------------------------ lazy penalties


def lazy(every):
    return Adversarial("Hinge", R1(4.0), critic=Perceptron((8,)), penalty_every=every)


def test_a_lazy_penalty_is_charged_in_its_turn_and_times_its_rarity():
    (critic, _) = lazy(4).players(vae())
    x, step = torch.randn(16, 3), torch.tensor(8)
    found = {}
    for name, turn in {"in turn": step, "out of turn": None}.items():
        torch.manual_seed(0)
        found[name] = critic.loss(Batch(x, step=step, turn=turn))
    torch.manual_seed(0)
    outside = critic.loss(Batch(x))
    charge = outside["penalty"]
    assert float(charge) > 0
    torch.testing.assert_close(found["in turn"]["penalty"], 4 * charge)
    assert float(found["out of turn"]["penalty"]) == 0
    torch.testing.assert_close(found["in turn"]["loss"] - found["out of turn"]["loss"], 4 * charge)
    torch.testing.assert_close(outside["loss"] - found["out of turn"]["loss"], charge)


def test_the_critics_optimizer_of_a_lazy_penalty_is_set_as_in_the_paper():
    adam = Adversarial().critic_optimizer
    (critic, generator), (eager, _) = (lazy(16).players(vae()), lazy(1).players(vae()))
    c = 16 / 17
    assert critic.optimizer.lr == pytest.approx(adam.lr * c)
    assert critic.optimizer.betas == pytest.approx((adam.betas[0] ** c, adam.betas[1] ** c))
    assert generator.optimizer == eager.optimizer == adam
    # k + 1 steps, one of them the penalty's, forget what k would, and go as far
    assert [beta**17 for beta in critic.optimizer.betas] == pytest.approx([beta**16 for beta in adam.betas])
    assert 17 * critic.optimizer.lr == pytest.approx(16 * adam.lr)
    assert SGD(0.5, momentum=0.9).lazily(3) == SGD(0.375, momentum=0.9)


def test_a_rate_told_to_all_players_is_that_of_a_lazy_critic_too():
    m = vae()
    rates = Rules(batch_size=16, epochs=1, lr=0.25)
    game = Game(m, lazy(16).players(m), from_arrays(torch.randn(64, 3)).train, rates)
    assert [mover.settings.lr for mover in game.movers] == [0.25, 0.25]
    assert game.movers[0].settings.betas == lazy(16).players(m)[0].optimizer.betas


@pytest.mark.parametrize("compile", ["auto", False])
def test_lazy_penalties_skip_their_work_recorded_or_not(compile, monkeypatch):
    monkeypatch.setattr(recorded_step, "PAYS", 1)
    called = []
    own = R1.charge
    monkeypatch.setattr(R1, "charge", lambda *args: called.append(1) or own(*args))
    # 4 batches an epoch: steps 0, 3, 6, 9, …, whatever the epoch
    run = fit(vae(), torch.randn(64, 3), lazy(3), epochs=6, batch_size=16, validate=False, compile=compile)
    assert run.steps.startswith("eager" if compile is False else "recorded"), run.steps
    assert compile == "auto" or len(called) == 8
    charged = [record["train/critic/penalty"] > 0 for record in run.records]
    assert all(charged)


def test_a_run_with_a_lazy_penalty_is_resumed_to_the_bit(tmp_path):
    data, settings = torch.randn(60, 3), {"batch_size": 16, "progress": False}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    fit(vae(), data, lazy(3), epochs=3, folder=whole, **settings)
    fit(vae(), data, lazy(3), epochs=2, folder=cut, **settings)
    fit(vae(), data, lazy(3), epochs=3, folder=cut, resume=True, **settings)
    assert (whole / "weights.safetensors").read_bytes() == (cut / "weights.safetensors").read_bytes()
    assert (whole / "metrics.jsonl").read_text() == (cut / "metrics.jsonl").read_text()


def test_rhythms_that_differ_cannot_be_added():
    model = pyrogen.create("gan-nonsaturating", generator="Perceptron(hidden=(8,))", critic="Perceptron(hidden=(8,))")
    rare, rarer = (Adversarial("Hinge", "R1", penalty_every=every) for every in (3, 4))
    assert [p.every for p in (rare + Adversarial()).players(model)] == [3, 1]
    with pytest.raises(ValueError, match="every 3 and every 4 steps; let both have the same"):
        (rare + rarer).players(model)


def vae(**arguments):
    torch.manual_seed(0)
    choices = {"likelihood": pyrogen.likelihoods.Normal("fixed", 0.1), **arguments}
    return pyrogen.create("vae", x_shape=(3,), latent_size=2, hidden=(8,), **choices)


@pytest.mark.parametrize(
    ("sites", "moves"), [(("x",), {"decoder"}), (("x", "z"), {"encoder", "decoder"}), (("z",), {"encoder"})]
)
def test_who_is_the_generator_is_said_by_what_the_critic_reads(sites, moves):
    model = vae()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    run = fit(model, torch.randn(64, 3), Adversarial(sites=sites), epochs=2, batch_size=16, validate=False)
    assert {k.split(".")[0] for k, v in model.state_dict().items() if not torch.equal(v, before[k])} == moves
    assert {"train/critic/loss", "train/generator/loss"} <= run.records[-1].keys()


def test_a_learned_prior_belongs_to_the_generator():
    model = vae(prior="FlowPrior")
    unmoved = {id(p) for p in PairGame(model, ("z",), Perceptron((4,))).unmoved}
    names = {k for k, p in model.named_parameters() if id(p) not in unmoved}
    assert {k.split(".")[0] for k in names} == {"encoder", "prior"}


def test_fakes_are_drawn_from_the_model_and_reals_joined_with_the_guide():
    model = vae()
    game = PairGame(model, ("x", "z"), Perceptron((4,)))
    x = torch.randn(2000, 3)
    torch.manual_seed(1)
    fake, real = game.fake(Batch(x)), game.real(Batch(x))
    assert torch.equal(real["x"], x)
    residual = (fake["x"] - model.decode(fake["z"]).mean).detach() / 0.1
    assert float(residual.mean().abs()) < 0.05
    assert float(residual.std()) == pytest.approx(1, abs=0.05)
    q = model.encode(x)
    standard = ((real["z"] - q.mean) / q.stddev).detach()
    assert float(standard.std()) == pytest.approx(1, abs=0.05)


def test_bits_enter_by_their_mean_so_that_gradients_pass():
    model = vae(likelihood="Bernoulli")
    fake = PairGame(model, ("x", "z"), Perceptron((4,))).fake(Batch(torch.zeros(5, 3)))
    torch.testing.assert_close(fake["x"], model.decode(fake["z"]).mean)
    assert fake["x"].requires_grad


def test_the_critic_of_a_conditional_pair_reads_y():
    torch.manual_seed(0)
    model = pyrogen.create("vae-conditional", x_shape=(3,), classes=4, latent_size=2, hidden=(8,))
    (critic, _) = Adversarial().players(model)
    assert next(critic.owns[0].parameters()).shape[1] == 3 + 4
    y = torch.arange(64) % 4
    fit(model, (torch.rand(64, 3).round(), y), Adversarial(), epochs=1, batch_size=16, validate=False)


@pytest.mark.rotating
@pytest.mark.parametrize("penalty", [None, *pyrogen.choices("penalty")])
@pytest.mark.parametrize("loss", pyrogen.choices("adversarial loss"))
def test_every_loss_goes_with_every_penalty(loss, penalty):
    objective = Adversarial(loss, penalty, ("x", "z"), Perceptron((8,)))
    run = fit(vae(), torch.randn(40, 3), objective, epochs=1, batch_size=16)
    assert all(math.isfinite(v) for v in run.records[-1].values() if isinstance(v, float))
    assert ("train/critic/penalty" in run.records[-1]) == (penalty is not None)


@pytest.mark.parametrize(
    ("objective", "players"),
    [
        (Adversarial(penalty="R1", sites=("x", "z"), critic=Perceptron((8,))), {"critic", "generator"}),
        (ELBO() + 0.1 * Adversarial(critic=Perceptron((8,))), {"elbo", "critic"}),
    ],
)
def test_a_critic_of_the_objective_is_resumed_to_the_bit(objective, players, tmp_path):
    data, settings = torch.randn(60, 3), {"batch_size": 16, "progress": False}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run = fit(vae(), data, objective, epochs=3, folder=whole, **settings)
    assert {k.split("/")[1] for k in run.records[-1] if k.startswith("train/")} == players
    fit(vae(), data, objective, epochs=2, folder=cut, **settings)
    fit(vae(), data, objective, epochs=3, folder=cut, resume=True, **settings)
    assert (whole / "weights.safetensors").read_bytes() == (cut / "weights.safetensors").read_bytes()
    assert (whole / "metrics.jsonl").read_text() == (cut / "metrics.jsonl").read_text()


@pytest.mark.parametrize(
    ("objective", "build", "sentence"),
    [
        (Adversarial(), lambda: pyrogen.create("rbm", x_shape=(3,), hidden=2), "RBM has no critic and is no .* pair"),
        (Adversarial(sites=("w",)), vae, "have no site .w. to be compared; there are: x, z"),
        (
            Adversarial(sites=("x", "z"), means=True),
            lambda: pyrogen.create("gan-nonsaturating", x_shape=(3,)),
            r"GAN has a critic of its own, which Adversarial\(sites=..., means=...\) cannot replace",
        ),
        (
            Adversarial(sites=("z",)),
            lambda: vae(prior="Bernoulli", posterior="Bernoulli"),
            "no gradient reaches VAE from its sites z",
        ),
        (
            Adversarial(),
            lambda: pyrogen.create("made-orders", x_shape=(3,), hidden=(4,)),
            "the site 'x' is drawn from .*, which has no mean and no draws that gradients pass through",
        ),
    ],
)
def test_what_cannot_play_is_refused(objective, build, sentence):
    with pytest.raises(ValueError, match=sentence):
        objective.players(build())


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: Adversarial(penalty_every=0), "pays every round or more rarely"),
        (lambda: Adversarial(critic_steps=0), "moves at least once a round"),
        (lambda: Adversarial("Hing"), "did you mean 'Hinge'"),
        (lambda: Adversarial(penalty="R3"), "no penalty called 'R3'"),
        (lambda: GradientPenalty(weight=-1.0), "weight must be finite and not below 0"),
        (lambda: R1(weight=math.nan), "weight=nan: needs a finite number"),
    ],
)
def test_settings_that_mean_nothing_are_refused(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()


def test_penalties_are_computed_in_full_precision():
    seen = []

    def critic(sites):
        net = pyrogen.nets.BatchDims(nn.Linear(3, 1), torch.Size([3]), torch.Size([1]), "critic")
        out = net(sites["x"])
        seen.append(torch.is_autocast_enabled("cpu"))
        return out.squeeze(-1)

    from pyrogen.nets.batch_dims import computing_in

    with computing_in(torch.bfloat16):
        penalty = R1()(critic, {"x": torch.randn(4, 3)}, {"x": torch.randn(4, 3)})
    assert penalty.dtype == torch.float32
    assert seen == [False]
