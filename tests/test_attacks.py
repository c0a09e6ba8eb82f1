"""Attacks on classifiers against closed forms of linear ones, training against them, and what is said of them."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, softplus

import pyrogen
from pyrogen import registry
from pyrogen.base import Batch
from pyrogen.command.cli import main
from pyrogen.data import from_arrays
from pyrogen.data.split import evenly
from pyrogen.inference import Classification, fit
from pyrogen.inference.attacks.activation import maximize_activation
from pyrogen.inference.attacks.attack import FastGradient, ProjectedGradient, log_odds
from pyrogen.inference.attacks.attack_analysis import Attacks
from pyrogen.inference.attacks.balls import BALLS
from pyrogen.inference.attacks.robustness import labelled, limits_of, robustness
from pyrogen.inference.attacks.training import AdversarialTraining, range_of
from pyrogen.inference.runs.analyse import ask

SIZE = 5
W = torch.tensor([0.7, -1.3, 0.4, 2.0, -0.1])
X = torch.rand(200, SIZE, generator=torch.Generator().manual_seed(1))
MARGIN = X @ W - 0.6  # of class 1
Y = (MARGIN > 0).long()
DUAL = {"inf": W.abs().sum(), "2": W.norm()}
ATTACKS = [FastGradient, ProjectedGradient]


def linear(x, scale=1.0):
    """Two classes whose log odds are wᵀx − 0.6."""
    odds = scale * (x.flatten(1) @ W.to(x) - 0.6)
    return torch.stack([torch.zeros_like(odds), odds], -1)


def own_odds(x):
    return log_odds(linear(x), Y)


def classifier(x_shape=(SIZE,), classes=2, hidden=(), **arguments):
    torch.manual_seed(0)
    return pyrogen.create("classifier", x_shape=x_shape, classes=classes, hidden=hidden, **arguments)


def linear_model():
    """The same as a model of the zoo, of real data."""
    model = classifier(kind="real")
    with torch.no_grad():
        layer = model.net.net[1]
        layer.weight.copy_(torch.stack([torch.zeros(SIZE), W]))
        layer.bias.copy_(torch.tensor([0.0, -0.6]))
    return model


def linear_data(kind="unit"):
    x, y = X.numpy(), Y.numpy()
    return from_arrays(x_train=x, y_train=y, x_valid=x, y_valid=y, x_test=x, y_test=y, kind=kind, standardize=False)


# what lies beside the steepest direction falls to 8/9 with each step of ε/8
FULL = [FastGradient("inf"), FastGradient("2"), ProjectedGradient("inf"), ProjectedGradient("2", steps=80, reach=10)]


@pytest.mark.parametrize("attack", FULL, ids=repr)
def test_the_log_odds_of_a_linear_classifier_fall_by_epsilon_times_the_dual_norm(attack):
    found = attack(linear, X, Y, 0.1)
    fallen = own_odds(X) - own_odds(found.x)
    assert torch.allclose(fallen, 0.1 * DUAL[attack.norm].double(), atol=2e-6)
    assert (found.distance <= 0.1 + 1e-6).all()
    sure = (MARGIN.abs() - 0.1 * DUAL[attack.norm]).abs() > 1e-5
    assert torch.equal(found.success[sure], (MARGIN.abs() < 0.1 * DUAL[attack.norm])[sure])


@pytest.mark.parametrize("attack", ATTACKS)
def test_within_its_range_a_datum_moves_as_far_as_each_element_may(attack):
    best = X - 0.3 * W.sign() * (2 * Y - 1).unsqueeze(1)
    found = attack()(linear, X, Y, 0.3, bounds=(0.0, 1.0))
    assert torch.allclose(found.x, best.clamp(0, 1), atol=1e-6)
    low, high = torch.full((SIZE,), 0.0), torch.tensor([1.0, 1.0, 1.0, 1.0, 2.0])
    each = attack()(linear, X, Y, 0.3, bounds=(low, high))
    assert torch.allclose(each.x, best.maximum(low).minimum(high), atol=1e-6)


def test_a_target_is_climbed_to():
    found = ProjectedGradient("2")(linear, X, 1 - Y, 3.0, targeted=True)
    assert found.success.all()
    assert torch.equal(found.named, 1 - Y)
    assert torch.allclose(found.probability, log_odds(linear(found.x), 1 - Y).sigmoid())


def test_of_a_curved_classifier_many_steps_find_what_one_step_passes_by():
    """Class 1 at the point c alone, which lies well inside the ball."""
    c = torch.tensor([0.03, -0.05])
    x, y = torch.zeros(4, 2), torch.ones(4, dtype=torch.long)

    def logits(x):
        odds = -((x - c) ** 2).sum(1)
        return torch.stack([torch.zeros_like(odds), odds], -1)

    one, many = (a("inf")(logits, x, y, 0.1, targeted=True) for a in ATTACKS)
    assert torch.allclose(one.x, torch.tensor([0.1, -0.1]).expand(4, 2))
    assert ((many.x - c).abs() <= 2.5 * 0.1 / 20).all()
    assert (many.probability > one.probability).all()


def test_log_odds_are_those_of_the_probabilities():
    logits = torch.randn(50, 4, dtype=torch.float64)
    y = torch.arange(50) % 4
    p = logits.softmax(-1)[torch.arange(50), y]
    assert torch.allclose(log_odds(logits, y), (p / (1 - p)).log())
    assert log_odds(torch.tensor([[0.0, 900.0]]), torch.tensor([1])) == 900


@pytest.mark.parametrize("norm", BALLS)
def test_a_slope_of_log_odds_points_where_that_of_the_cross_entropy_does(norm):
    net = nn.Sequential(nn.Linear(SIZE, 16), nn.Tanh(), nn.Linear(16, 3)).double()
    x, y = X.double().requires_grad_(), torch.arange(len(X)) % 3
    (by_odds,) = torch.autograd.grad(-log_odds(net(x), y).sum(), x)
    (by_entropy,) = torch.autograd.grad(cross_entropy(net(x), y, reduction="sum"), x)
    first, second = (BALLS[norm].steepest(s) for s in (by_odds, by_entropy))
    assert torch.allclose(first, second)


@pytest.mark.parametrize("norm", BALLS)
def test_a_classifier_that_is_very_sure_is_not_thereby_safe(norm):
    plain = FastGradient(norm)(linear, X, Y, 0.1)
    sure = FastGradient(norm)(lambda x: linear(x, 1e4), X, Y, 0.1)
    assert torch.allclose(plain.x, sure.x, atol=1e-6)
    assert torch.equal(plain.success, sure.success)


@pytest.mark.parametrize(("norm", "mean"), [("inf", 6 / 7), ("2", 6 / 7)])
def test_starts_are_uniform_in_the_ball_and_noise_on_its_surface(norm, mean):
    """The radius of a uniform point of a ball in D dimensions has the mean D / (D + 1), and here the variance 0.0153."""
    x, generator = torch.zeros(4000, 2, 3), torch.Generator().manual_seed(0)
    radii = BALLS[norm].length(BALLS[norm].inside(x, 1.0, generator))
    assert float(radii.mean()) == pytest.approx(mean, abs=4 * 0.124 / 4000**0.5)
    assert radii.max() <= 1
    assert torch.allclose(BALLS[norm].length(BALLS[norm].surface(x, 0.3, generator)), torch.tensor(0.3))


def test_no_slope_is_no_move():
    flat = FastGradient("2")(lambda x: 0 * linear(x), X, Y, 0.1)
    assert torch.equal(flat.x, X)
    assert (flat.distance == 0).all()


def test_more_searches_deceive_wherever_fewer_do():
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(SIZE, 30), nn.ReLU(), nn.Linear(30, 4))
    net[0].weight.data *= 6
    y = net(X).argmax(-1)
    few, many = (ProjectedGradient(steps=3, restarts=n)(net, X, y, 0.08) for n in (1, 8))
    assert 0 < few.success.sum() < many.success.sum() < len(X)
    assert (many.success | ~few.success).all()


def test_an_attack_depends_on_its_seed_and_on_nothing_else():
    model = classifier(hidden=(8,))
    model.train()
    before, states = torch.get_rng_state(), {k: v.clone() for k, v in model.state_dict().items()}
    attack = ProjectedGradient(steps=2)
    first, again, chunks, other = (
        attack(model, X, Y, 0.1, seed=s, chunk_size=n) for s, n in ((0, 1000), (0, 1000), (0, 7), (1, 1000))
    )
    assert torch.equal(first.x, again.x)
    assert torch.allclose(first.x, chunks.x, atol=1e-6)
    assert not torch.equal(first.x, other.x)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.is_grad_enabled()
    assert model.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert all(torch.equal(v, states[k]) for k, v in model.state_dict().items())
    assert not first.x.requires_grad


WRONG = {
    "epsilon": ({"epsilon": -0.1}, r"epsilon=-0\.1: how far a datum may be moved is a finite number from 0"),
    "labels": ({"y": Y[:3]}, r"one class for each of 1 datum or more; got x of shape \(200, 5\) and y of shape \(3,\)"),
    "unknown": ({"y": Y - 1}, "leave out data whose label is unknown"),
    "missing": ({"x": X.masked_fill(X > 0.9, math.nan)}, "some elements are missing; impute them first"),
    "class": ({"y": Y + 1}, "names the classes 0 to 1, and the ones given go from 1 to 2"),
    "whole": ({"x": (8 * X).byte()}, "x holds torch.uint8; pass"),
    "bounds": ({"bounds": (0.2, 1.0)}, "leave the range that they are to be kept in; pass bounds that hold them"),
    "seed": ({"seed": "one"}, "seed"),
}


@pytest.mark.parametrize(("changed", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_attacked_is_refused_in_a_sentence(changed, said):
    with pytest.raises(ValueError, match=said):
        FastGradient()(linear, **{"x": X, "y": Y, "epsilon": 0.1, **changed})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: FastGradient("1"), "there is no norm called '1'"),
        (lambda: ProjectedGradient(steps=0), "takes one step or more"),
        (lambda: AdversarialTraining(-1.0), r"epsilon=-1\.0\): a distance is a finite number from 0"),
        (lambda: AdversarialTraining(0.1, 0), "takes one step or more"),
        (lambda: AdversarialTraining().players(pyrogen.create("vae", x_shape=(4,))), "names no classes"),
        (lambda: classifier(kind="levels"), "kind='levels': a classifier reads real numbers"),
        (lambda: classifier(classes=None), "needs classes"),
        (lambda: classifier().sample(3, torch.tensor([0, 1, 2])), "numbered 0 to 1"),
        (lambda: maximize_activation(linear, Y, (SIZE,), steps=-1), "steps=-1"),
        (lambda: maximize_activation(linear, Y + 1, (SIZE,)), "the ones given go from 1 to 2"),
    ],
)
def test_what_means_nothing_is_refused_in_a_sentence(make, said):
    with pytest.raises(ValueError, match=said):
        make()


# ------------------------------------------------------------------------------------------------ training


def test_the_worst_loss_of_a_linear_classifier_and_its_slope_are_known():
    """max over ‖δ‖∞ ≤ ε of log (1 + exp −m) is at the margin m − ε ‖w‖₁, also for its gradient (Danskin)."""
    model = linear_model()
    (player,) = AdversarialTraining(0.1).players(model)
    loss = player.loss(Batch(X, Y))["loss"]
    loss.backward()
    odds = model.net.net[1].weight
    w, b = (odds[1] - odds[0]).detach().requires_grad_(), torch.tensor(-0.6)
    known = softplus(0.1 * w.abs().sum() - (2 * Y - 1) * (X @ w + b)).mean()
    (slope,) = torch.autograd.grad(known, w)
    assert torch.allclose(loss, known, atol=1e-6)
    assert torch.allclose(odds.grad[1], slope, atol=1e-6)


def test_labels_that_are_unknown_are_left_out():
    (player,) = AdversarialTraining(0.1).players(linear_model())
    some = torch.where(torch.arange(len(Y)) < 50, Y, -1)
    torch.manual_seed(0)
    left_out, alone = player.loss(Batch(X, some))["loss"], player.loss(Batch(X[:50], Y[:50]))["loss"]
    assert torch.allclose(left_out, alone, atol=1e-6)


def test_without_a_distance_it_is_classification():
    model = linear_model()
    (plain,), (none,) = Classification().players(model), AdversarialTraining(0.0).players(model)
    assert plain.loss(Batch(X, Y))["loss"] == none.loss(Batch(X, Y))["loss"]


def test_the_attack_of_a_step_leaves_no_trace_in_batch_norms():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(SIZE, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    model = type(classifier())(net, (SIZE,), 2)
    (player,) = AdversarialTraining(0.1).players(model)
    model.train()
    player.loss(Batch(X, Y))
    assert int(net[1].num_batches_tracked) == 1
    assert net[1].track_running_stats


def test_data_are_kept_in_a_range_that_all_their_kinds_have():
    assert range_of(("unit", "binary")) == (0.0, 1.0)
    assert range_of(("real",)) is None
    assert range_of(("unit", "levels")) is None


def test_it_adds_up():
    model, data = classifier(hidden=(8,)), linear_data()
    goal = Classification() + 0.5 * AdversarialTraining(0.1, steps=1)
    run = fit(model, data, goal, epochs=1, device="cpu", progress=False)
    assert {"train/loss", "train/adversarial training"} <= run.records[-1].keys()


def test_training_against_attacks_finds_the_weights_that_withstand_them():
    """Element 1 says the class less surely than element 0, and by as much as an attack may take from both."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(800) % 2
    sign = (2.0 * y - 1).unsqueeze(1)
    x = torch.cat([sign + 0.5 * torch.randn(800, 1, generator=generator), 0.2 * sign.expand(-1, 20)], 1)
    x[:, 1:] += 0.1 * torch.randn(800, 20, generator=generator)
    splits = {f"{part}_{split}": v.numpy() for split in ("train", "valid", "test") for part, v in (("x", x), ("y", y))}
    data, found = from_arrays(**splits, kind="real", standardize=False), []
    for epsilon in (0.0, 0.4):
        model = classifier(x_shape=(21,), kind="real")
        fit(model, data, AdversarialTraining(epsilon), epochs=20, lr=0.02, batch_size=80, device="cpu", progress=False)
        found.append(robustness(model, data, [0.0, 0.4])["accuracy"].values)
    plain, robust = found
    assert plain[0] > 0.98
    assert plain[1] < 0.3
    assert robust[1] > 0.8


# ------------------------------------------------------------------------------------------------ what is said


def test_the_accuracy_over_epsilon_is_the_distribution_of_margins():
    model, data = linear_model(), linear_data("real")
    epsilons = [0.0, 0.03, 0.1, 0.2]
    wide = (-10 * torch.ones(SIZE), 10 * torch.ones(SIZE))
    found = robustness(model, data, epsilons, "FastGradient")
    exact = []
    for epsilon in epsilons:
        low, high = limits_of(data)
        moved = (X - epsilon * W.sign() * (2 * Y - 1).unsqueeze(1)).maximum(low).minimum(high)
        exact.append(float((linear(moved).argmax(-1) == Y).double().mean()))
    assert found["accuracy"].values.tolist() == exact
    assert exact[0] == 1
    assert exact == sorted(exact, reverse=True)
    assert (found["accuracy_se"] > 0).all()
    assert found["right"].shape == (4, 200)
    free = FastGradient()(model, X, Y, 0.1, bounds=wide)
    assert float((~free.success).double().mean()) == float((MARGIN.abs() > 0.1 * DUAL["inf"]).double().mean())


@pytest.mark.parametrize("kind", ["unit", "real"])
def test_data_on_disk_are_attacked_as_those_in_memory(on_disk, kind):
    model, data = linear_model(), linear_data(kind)
    streamed = on_disk(data)
    spread = evenly(len(X), 9)
    assert all(torch.equal(a, b) for a, b in zip(labelled(model, streamed, 9), (X[spread], Y[spread]), strict=True))
    for epsilons in ([0.1], None):
        assert robustness(model, streamed, epsilons, limit=9).equals(robustness(model, data, epsilons, limit=9))


@pytest.mark.parametrize("attack", ["FastGradient", "ProjectedGradient"])
def test_real_data_beyond_those_of_training_may_be_attacked(attack):
    """Of a table drawn from normals some test datum always lies beyond all of training, and moves no farther out."""
    model, x, y = linear_model(), X.numpy(), Y.numpy()
    far = np.concatenate([[[3.0, -3.0, 0.5, 0.5, 0.5]], x[1:]]).astype(np.float32)
    data = from_arrays(x_train=x, y_train=y, x_valid=x, y_valid=y, x_test=far, y_test=y, kind="real", standardize=False)
    low, high = limits_of(data, data.test.x)
    assert (low[1], high[0]) == (-3, 3)
    assert torch.equal(low[2:], data.train.x.amin(0)[2:])
    found = robustness(model, data, [0.0, 0.1], attack)
    assert found["accuracy"].values[0] == (model.classify(data.test.x).logits.argmax(-1) == data.test.y).double().mean()
    assert found["distance"].values[1, 0] == pytest.approx(0.1, abs=1e-6)
    assert limits_of(linear_data("unit"), data.test.x) == (0.0, 1.0)


def test_noise_is_climbed_to_certainty():
    target = torch.arange(20) % 2
    found = maximize_activation(lambda x: 20 * linear(x), target, (SIZE,), bounds=(0.0, 1.0))
    assert (found.probability >= 0.99).all()
    assert 0 <= float(found.x.min()) <= float(found.x.max()) <= 1
    noise = maximize_activation(linear, target, (SIZE,), steps=0, bounds=(0.0, 1.0))
    assert (noise.distance == 0).all()


def test_samples_of_a_classifier_are_data_that_it_is_sure_of():
    model = linear_model()
    y = torch.arange(12) % 2
    with torch.no_grad():
        x = model.sample(12, y)
    assert torch.equal(model.classify(x).probs.argmax(-1), y)
    assert model.sample(5).shape == (5, SIZE)
    bits = classifier(x_shape=(1, 8, 8), classes=3, width=4, kind="binary")
    assert 0 <= float(bits.sample(4).min()) <= float(bits.sample(4).max()) <= 1


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attacks") / "run"
    words = ["train", "adversarial-examples", "--data", "digits", "--epochs", "3", "--hidden", "32"]
    assert main([*words, "--steps", "1", "--folder", str(folder)]) == 0
    return folder


def test_the_command_line_asks_it_of_a_run(run, capsys):
    assert main(["latents", str(run), "--analysis", "attacks(limit=60)"]) == 0
    said = capsys.readouterr().out
    assert "by many steps and" in said
    page = (run / "latents.html").read_text()
    assert "How little does it take to deceive the classifier?" in page
    assert {p.stem for p in (run / "latents").glob("*.svg")} == {
        "attacks-accuracy",
        "attacks-examples",
        "attacks-activation",
    }


def test_a_finding_has_numbers_with_errors_and_says_what_to_do():
    found = Attacks(at=0.2, shares=(0.1,)).run(linear_model(), linear_data())
    assert found.verdict == "beware"
    assert "AdversarialTraining(0.2)" in found.advice
    assert found.numbers["curves"]["many steps"]["epsilon"] == [0.0, 0.1, 0.2]
    attacked = found.numbers["attacked"]
    assert attacked["many steps"]["value"] <= attacked["one step"]["value"] < attacked["at random"]["value"]
    assert all(0 < part["error"] < 0.1 for part in attacked.values())
    assert [p.name for p in found.pictures] == ["accuracy"]
    assert Attacks(at=0.001, shares=(), norm="2").run(linear_model(), linear_data()).verdict == "well"


def test_a_classifier_that_knows_nothing_has_nothing_to_be_robust():
    model = linear_model()
    with torch.no_grad():
        model.net.net[1].weight.zero_()
    found = Attacks(at=0.2, shares=()).run(model, linear_data())
    assert found.numbers["accuracy"]["value"] == found.numbers["attacked"]["many steps"]["value"]
    assert found.numbers["most_frequent"] == float(Y.double().mean().maximum(1 - Y.double().mean()))
    assert found.verdict == "open"
    assert "how frequent classes are" in found.advice


def test_a_model_reads_whole_numbers_and_few_data_are_of_all_classes():
    found = FastGradient()(linear_model(), (8 * X).byte(), Y, 1.0)
    assert torch.allclose((found.x - (8 * X).byte()).abs(), torch.ones_like(X))
    order = Y.argsort(stable=True)
    x, y = X[order].numpy(), Y[order].numpy()
    data = from_arrays(x_train=x, y_train=y, x_valid=x, y_valid=y, x_test=x, y_test=y, standardize=False)
    rows = torch.arange(20) * 10
    expected = (MARGIN[order][rows] > 0).long() == Y[order][rows]
    assert 0 < int(Y[order][rows].sum()) < 20
    right = robustness(linear_model(), data, [0.05], FastGradient(), limit=20)["right"].values[0]
    sides = MARGIN[order][rows].abs() > 0.05 * DUAL["inf"]
    assert right.tolist() == (expected & sides).tolist()


def test_what_names_no_classes_is_not_asked(pair):
    unlabelled = from_arrays(np.random.default_rng(0).random((60, 1, 4, 4)))
    assert "names no classes that an attack could change" in Attacks().refusal(pair(), unlabelled)
    own = classifier(x_shape=(1, 4, 4))
    assert "has no labels to be right about" in Attacks().refusal(own, unlabelled)
    with pytest.raises(ValueError, match="has no labels to be right about"):
        robustness(own, unlabelled)
    with pytest.raises(ValueError, match="epsilons is empty"):
        robustness(linear_model(), linear_data(), [])


def test_it_is_asked_of_every_model_that_names_classes(tiny_data):
    model = pyrogen.create("vae-semi-supervised", x_shape=(1, 4, 4), classes=3, latent_size=2, hidden=(8,))
    run = fit(model, tiny_data(model), epochs=1, device="cpu", progress=False)
    assert "Moved against it" in ask(run, [Attacks(limit=6)]).findings["attacks"].says


@pytest.mark.parametrize(
    ("name", "settings", "low", "high"),
    [
        ("robust-accuracy", {"epsilon": 0.0}, 1.0, 1.0),
        ("attack-advantage", {"over": "Noise"}, 0.1, 1.0),
        ("attack-advantage", {"over": "ProjectedGradient", "in_errors": True}, -1e-6, 1e-6),
        ("attack-slope", {"epsilons": [0.0, 0.1, 0.2]}, 2.0, 50.0),
        ("activation", {"each": 2}, 0.7, 1.0),
        ("targeted-attack", {"way": 2.0}, 0.5, 1.0),
        ("targeted-attack", {"way": 1.0, "straight": True}, 0.5, 1.0),
    ],
)
def test_metrics_by_name(name, settings, low, high):
    measure = registry.find("metric", name).load()
    assert low <= measure(linear_model(), linear_data(), 0, **settings) <= high


def test_a_gain_over_another_model_is_paired():
    measure = registry.find("metric", "robust-accuracy").load()
    data = linear_data()
    assert measure(linear_model(), data, 0, against=linear_model()) == 0
    with pytest.raises(ValueError, match="in_errors=True the model to compare, against"):
        measure(linear_model(), data, 0, in_errors=True)
    assert measure(linear_model(), data, 0, epsilon=0.0, against=classifier(), in_errors=True) > 3
