"""The entries of games: every loss with every penalty and critic, what reads y, who moves, and what is resumed."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

import pyrogen
from pyrogen.base import Batch
from pyrogen.data import from_arrays
from pyrogen.inference import Adversarial, fit
from pyrogen.inference.replay import recorded_step
from pyrogen.nets import critics, generators
from pyrogen.optim import Adam

IMAGE = (1, 8, 8)
SMALL = critics.Perceptron((8,))
CRITICS = {
    "perceptron": SMALL,
    "spectral": critics.Perceptron((8,), spectral=True),
    "packed": critics.Perceptron((8,), pack=2),
    "deviation": critics.Perceptron((8,), minibatch="deviation"),
    "discrimination": critics.Perceptron((8,), minibatch="discrimination"),
    "batch": critics.Convolutional(4),
    "layer": critics.Convolutional(4, normalization="layer"),
    "convolutional spectral": critics.Convolutional(4, normalization="spectral"),
    "attention": critics.Convolutional(4, normalization="none", attention=True),
}
GENERATORS = {
    "perceptron": generators.Perceptron((8,)),
    "strided": generators.Convolutional(4),
    "resize": generators.Convolutional(4, growth="resize", normalization="none"),
}


def quick(model, x, **settings):
    return fit(model, x, **{"epochs": 1, "batch_size": 16, "seed": 0, "device": "cpu", "progress": False, **settings})


def gan(entry="gan-nonsaturating", x_shape=(3,), **arguments):
    torch.manual_seed(0)
    small = {"latent_size": 2, "generator": generators.Perceptron((8,)), "critic": SMALL, "kind": "real"}
    return pyrogen.create(entry, x_shape=x_shape, **{**small, **arguments})


LOSSES = pyrogen.choices("adversarial loss")
PENALTIES = (None, *pyrogen.choices("penalty"))


@pytest.mark.rotating
@pytest.mark.parametrize("turn", range(max(len(PENALTIES), len(CRITICS))))
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_penalties_and_critics_train_in_all_pairs(loss, turn):
    """A Latin square: each loss meets each critic and each penalty, and so do these one another."""
    penalty = PENALTIES[turn % len(PENALTIES)]
    critic = list(CRITICS.values())[(turn + LOSSES.index(loss)) % len(CRITICS)]
    model = gan(x_shape=IMAGE, critic=critic, objective=Adversarial(loss, penalty), kind="unit")
    before = {k: p.detach().clone() for k, p in model.named_parameters()}
    run = quick(model, torch.rand(16, *IMAGE), validate=False, compile=False)
    assert all(math.isfinite(v) for v in run.records[-1].values() if isinstance(v, float))
    assert ("train/critic/penalty" in run.records[-1]) == (penalty is not None)
    moved = {k.split(".")[0] for k, p in model.named_parameters() if not torch.equal(p, before[k])}
    assert moved == {"generator", "critic"}


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("entry", ["gan-minimax", "wgan-gp", "sngan"])
def test_every_generator_trains_in_every_game(entry, generator):
    model = gan(entry, IMAGE, generator=GENERATORS[generator], kind="unit")
    before = {k: p.detach().clone() for k, p in model.generator.named_parameters()}
    quick(model, torch.rand(32, *IMAGE), validate=False, compile=False)
    assert all(not torch.equal(p, before[k]) for k, p in model.generator.named_parameters())


@pytest.mark.parametrize(
    ("entry", "loss", "penalty"),
    [
        ("gan-nonsaturating", "NonSaturating", None),
        ("gan-minimax", "Minimax", None),
        ("lsgan", "LeastSquares", None),
        ("gan-hinge", "Hinge", None),
        ("wgan", "Wasserstein", "Clipping"),
        ("wgan-gp", "Wasserstein", "GradientPenalty"),
    ],
)
def test_an_entry_is_its_loss(entry, loss, penalty):
    """Its players' losses are those of the game that its name says, to the bit."""
    model, x = gan(entry), torch.randn(16, 3)
    plain = Adversarial(loss, penalty if penalty != "Clipping" else {"name": "Clipping", "bound": 0.1})
    for own, named in zip(model.objective.players(model), plain.players(model), strict=True):
        terms = []
        for player in (own, named):
            torch.manual_seed(1)
            terms.append(player.loss(Batch(x))["loss"])
        assert torch.equal(*terms)


def test_the_critic_of_a_pacgan_scores_pairs():
    """Which are told apart where no single one is: of equal ones, and of different ones."""
    model = pyrogen.create("pacgan")
    x = torch.randn(4, 2)
    assert model.criticize({"x": x}).shape == (2,)
    assert not torch.equal(model.criticize({"x": x}).sort()[0], model.criticize({"x": x[[0, 1, 3, 2]]}).sort()[0])


@pytest.mark.parametrize("side", [28, 32, 64])
@pytest.mark.parametrize("growth", generators.GROWTHS)
def test_dcgans_are_of_three_sizes(side, growth):
    net = generators.Convolutional(4, growth=growth)
    model = gan("dcgan", (3, side, side), generator=net, critic=critics.Convolutional(4), kind="unit")
    x = model.sample(2)
    assert x.shape == (2, 3, side, side)
    assert 0 <= float(x.min()) <= float(x.max()) <= 1
    layers = {type(layer) for layer in model.generator.modules()}
    assert (nn.ConvTranspose2d in layers, nn.Upsample in layers) == (growth == "strided", growth == "resize")


CONDITIONED = {
    "concatenation": (generators.Perceptron((8,)), SMALL),
    "projection": (generators.Perceptron((8,)), critics.Perceptron((8,), conditioning="projection")),
    "batch norm": (generators.Convolutional(4, conditioning="normalization"), critics.Convolutional(4)),
    "both": (
        generators.Convolutional(4, conditioning="normalization"),
        critics.Convolutional(4, normalization="spectral", conditioning="projection"),
    ),
}


@pytest.mark.parametrize("way", CONDITIONED)
def test_a_conditional_gan_reads_y_on_both_sides(way):
    generator, critic = CONDITIONED[way]
    model = gan("cgan", IMAGE, classes=3, generator=generator, critic=critic, kind="unit")
    x, y = torch.rand(48, *IMAGE), torch.arange(48) % 3
    quick(model, (x, y), validate=False)
    model.eval()
    z = torch.randn(1, 2)
    made = torch.cat([model.generate(z, torch.tensor([k])) for k in range(3)]).detach()
    scores = torch.cat([model.criticize({"x": x[:1], "y": torch.tensor([k])}) for k in range(3)]).detach()
    for found in (made.flatten(1), scores.unsqueeze(1)):
        assert len(found.unique(dim=0)) == 3
    with pytest.raises(ValueError, match="the model is conditional, and got no y"):
        model.sample(3)


def test_a_conditional_gan_reads_real_numbers_too():
    model = gan("cgan", y_shape=(2,))
    x = torch.randn(32, 3)
    quick(model, (x, x[:, :2]), validate=False)
    assert model.sample(5, torch.randn(5, 2)).shape == (5, 3)


def statistics(model):
    """Buffers and parameters by their player, before and after."""
    return {k: v.clone() for k, v in model.state_dict().items()}


@pytest.mark.parametrize("mover", [0, 1])
def test_only_the_mover_changes_its_parameters_its_batch_norms_and_its_power_iterations(mover):
    from dataclasses import replace

    from pyrogen.base import Objective

    class Alone(Objective):
        def players(self, model):
            player, other = Adversarial().players(model)[mover], Adversarial().players(model)[1 - mover]
            return [replace(player, idle=other.owns)]

    critic = critics.Convolutional(4, normalization="spectral")
    model = gan("sngan", IMAGE, generator=generators.Convolutional(4), critic=critic, kind="unit")
    before = statistics(model)
    quick(model, torch.rand(32, *IMAGE), objective=Alone(), validate=False)
    changed = {k for k, v in statistics(model).items() if not torch.equal(v, before[k])}
    assert {k.split(".")[0] for k in changed} == {("critic", "generator")[mover]}
    # u and v of the power iteration, or mean and variance of the batch norms
    kept = ("_u", "_v") if mover == 0 else ("running_mean", "running_var")
    assert all(any(k.endswith(suffix) for k in changed) for suffix in kept)


def test_five_steps_of_a_critic_with_a_lazy_penalty_and_a_moving_average_are_resumed_to_the_bit(tmp_path):
    game = Adversarial("Hinge", "R1", penalty_every=4, critic_steps=5)

    def model():
        critic = critics.Convolutional(4, normalization="spectral")
        return gan("sngan", IMAGE, generator=generators.Convolutional(4), critic=critic, kind="unit", objective=game)

    x, settings = torch.rand(60, *IMAGE), {"ema": 0.9, "validate": True}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    quick(model(), x, epochs=3, folder=whole, **settings)
    quick(model(), x, epochs=2, folder=cut, **settings)
    quick(model(), x, epochs=3, folder=cut, resume=True, **settings)
    for file in ("weights.safetensors", "metrics.jsonl"):
        assert (whole / file).read_bytes() == (cut / file).read_bytes(), file
    averages = [pyrogen.load(folder, weights="ema").state_dict() for folder in (whole, cut)]
    assert all(torch.equal(averages[0][k], averages[1][k]) for k in averages[0])


def whole(x):
    """Data of which none are held out of training."""
    return from_arrays(x_train=x, x_valid=x, x_test=x)


def by_hand(model, x, epochs):
    """The code of the DCGAN: one fake a round, of which the critic sees a copy without a gradient."""
    adams = [Adam(lr=1e-3, betas=(0.5, 0.999)).build(list(m.parameters())) for m in (model.critic, model.generator)]
    order = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    for _ in range(epochs):
        real = x[torch.randperm(len(x), generator=order)]
        fake = model.generator(model.prior().sample((len(x),)))
        losses = (
            lambda real=real, fake=fake: (
                softplus(-model.critic(real)).mean() + softplus(model.critic(fake.detach())).mean()
            ),
            lambda fake=fake: softplus(-model.critic(fake)).mean(),
        )
        for adam, loss in zip(adams, losses, strict=True):
            adam.zero_grad()
            loss().backward()
            adam.step()
    return model


@pytest.mark.parametrize("recorded", [False, True])
def test_a_fake_that_is_reused_trains_as_by_hand(recorded, monkeypatch):
    monkeypatch.setattr(recorded_step, "PAYS", 1)
    data, net = whole(torch.rand(16, *IMAGE)), generators.Convolutional(4)
    models = [gan(x_shape=IMAGE, generator=net, kind="unit", objective=Adversarial(reuse=True)) for _ in range(2)]
    run = quick(models[0], data, epochs=6, validate=False, compile="auto" if recorded else False)
    assert ("recorded" in run.steps, "eager" in run.steps) == (recorded, not recorded)
    hand = by_hand(models[1], data.train.x, epochs=6).state_dict()
    for name, value in models[0].state_dict().items():
        torch.testing.assert_close(value, hand[name], rtol=1e-4, atol=1e-5)  # batch norms' statistics among them


@pytest.mark.parametrize(("reuse", "made"), [(False, 4), (True, 3)])
def test_a_reused_fake_is_made_once(reuse, made, monkeypatch):
    model = gan(objective=Adversarial("Wasserstein", "GradientPenalty", critic_steps=3, reuse=reuse))
    fake, calls = model.fake, []
    monkeypatch.setattr(model, "fake", lambda batch: calls.append(len(batch.x)) or fake(batch))
    quick(model, whole(torch.randn(48, 3)), validate=False, compile=False)
    assert calls == [16] * 3 * made


def test_each_move_has_noise_of_its_own_unless_a_fake_is_reused():
    seen = {}
    for reuse in (False, True):
        model = gan(objective=Adversarial(reuse=reuse))
        criticize, seen[reuse] = model.criticize, []
        model.criticize = lambda sites, criticize=criticize, into=seen[reuse]: (
            into.append(sites["x"].detach().clone()) or criticize(sites)
        )
        quick(model, whole(torch.randn(16, 3)), validate=False, compile=False)
    # real, the critic's fake, the generator's
    assert not torch.equal(*seen[False][1:])
    assert torch.equal(*seen[True][1:])


@pytest.mark.parametrize("reuse", [False, True])
def test_no_gradient_is_computed_for_an_opponent_at_rest(reuse):
    model = gan(objective=Adversarial(reuse=reuse))
    criticize, seen = model.criticize, []

    def heard(sites):
        owned = (model.critic, model.generator)
        seen.append((sites["x"].requires_grad, *(next(m.parameters()).requires_grad for m in owned)))
        return criticize(sites)

    model.criticize = heard
    quick(model, whole(torch.randn(16, 3)), validate=False, compile=False)
    # of data, of the critic's fake, of the generator's
    assert seen == [(False, True, False), (False, True, False), (True, False, True)]


class Exploding(nn.Module):
    """A critic whose scores of data above 2 are infinite."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 1)

    def forward(self, x):
        return self.net(x) + torch.where(x.amax(1, keepdim=True) > 2, torch.inf, 0.0)


def test_a_critic_that_is_not_finite_is_named_with_its_term():
    from pyrogen.models.adversarial.gan import GAN

    model = GAN(nn.Linear(2, 3), Exploding(), (3,), 2)
    x = torch.rand(16, 3)
    x[3] = 50.0  # above 2 after standardization too
    with pytest.raises(FloatingPointError, match="the term 'real' of the player 'critic' became inf at step 1"):
        quick(model, x, validate=False)


def test_a_penalty_that_is_not_finite_is_named():
    from pyrogen.models.adversarial.gan import GAN

    class Steep(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(3, 1)

        def forward(self, x):
            return self.net(x).abs().sqrt() * 0 + self.net(x * 1e30)

    model = GAN(nn.Linear(2, 3), Steep(), (3,), 2, objective=Adversarial("Wasserstein", "R1"))
    with pytest.raises(FloatingPointError, match="the term 'penalty' of the player 'critic' became inf"):
        quick(model, torch.randn(16, 3) * 1e-30, validate=False)


def test_the_command_line_changes_one_setting_of_a_network_that_is_an_entrys_own(tmp_path):
    from pyrogen.command.cli import main

    words = ["sngan", "--data", "digits", "--epochs", "0", "--critic.width", "4", "--generator.width", "4"]
    assert main(["train", *words, "--folder", str(tmp_path / "run")]) == 0
    model = pyrogen.load(tmp_path / "run")
    critic = model.origin["arguments"]["critic"]
    assert (critic["normalization"], critic["width"]) == ("spectral", 4)
    assert type(model.objective.loss).__name__ == "Hinge"


@pytest.mark.parametrize("written", [["8", "4"], ["8,4"], ["[8,4]"]])
def test_the_command_line_takes_the_widths_of_a_network_as_people_write_them(written, tmp_path):
    from pyrogen.command.cli import main

    words = ["gan-hinge", "--epochs", "0", "--critic.hidden", *written, "--generator.hidden", "6"]
    assert main(["train", *words, "--folder", str(tmp_path / "run")]) == 0
    arguments = pyrogen.load(tmp_path / "run").origin["arguments"]
    assert (list(arguments["critic"]["hidden"]), list(arguments["generator"]["hidden"])) == ([8, 4], [6])
