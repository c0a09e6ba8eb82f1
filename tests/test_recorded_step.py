"""Recorded steps: the numbers of eager ones to the bit, fresh draws, and eager where a recording would be wrong."""

import inspect
import logging
import os
import random
import subprocess
import sys
import warnings
from contextlib import nullcontext

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from playing import stop_after
from smallest import small
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import pyrogen
from pyrogen import registry
from pyrogen.base import Batch, Player
from pyrogen.data import load
from pyrogen.inference import ELBO, Adversarial, fit
from pyrogen.inference.adversarial.information import Information
from pyrogen.inference.replay import entry, recorded_step
from pyrogen.inference.replay.recorded_step import Step, said
from pyrogen.inference.training.game import Game, Rules

pytestmark = pytest.mark.usefixtures("steps_pay")

NAMES = pyrogen.list_models()
# whose networks run on the people who are there, others in every batch
EAGER = {"social-gan": "Python reads the value of a tensor (by .item(), int, float, bool or an if)"}


class Unread(TorchDispatchMode):
    """No value of a tensor comes to Python inside, by .item(), float, bool or an if: on a GPU each would wait for it.

    What torch's kernels look at themselves is not seen, nor is .cpu(), which does nothing here.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert torch.Tag.data_dependent_output not in func.tags, f"a training step reads a value of a tensor, by {func}"
        return func(*args, **(kwargs or {}))


def game(model, data, players=None, compile="auto", **rules):
    model.train()
    players = model.stages()[0].players if players is None else players
    return Game(model, players, data.train, Rules(**{"batch_size": 16, "epochs": 4, "compile": compile, **rules}))


def play(model, data, players=None, epochs=4, reads=False, **rules):
    """Moves from a fixed seed: the terms of all of them, the final state, and the game; eager ones may be told to read."""
    torch.manual_seed(1)
    g = game(model, data, players, **rules)
    generator, terms = torch.Generator().manual_seed(0), []
    for epoch in range(epochs):
        g.begin_epoch(generator)
        g.enter(epoch + 1)
        with nullcontext() if reads or g.rules.compile else Unread():
            while g.batch < g.batches:
                g.move()
        terms.append(g.record.clone())
    return torch.cat(terms), {k: v.clone() for k, v in model.state_dict().items()}, g


def agree(model, data, **arguments):
    """Play recorded and eagerly from the same start; the same to the bit. The recorded game."""
    modules = [model, *(m for player in arguments.get("players") or () for m in player.owns)]
    starts = [{k: v.clone() for k, v in m.state_dict().items()} for m in modules]
    terms, state, recorded = play(model, data, **arguments)
    for module, start in zip(modules, starts, strict=True):
        module.load_state_dict(start)
    expected_terms, expected, _ = play(model, data, compile=False, **arguments)
    assert torch.equal(terms, expected_terms)
    assert all(torch.equal(v, state[k]) for k, v in expected.items())
    return recorded


def steps(g):
    return [m.step for m in g.movers]


def recordings(step):
    return [e for e in step.entries.values() if e.traced is not None]


@pytest.mark.rotating
@pytest.mark.parametrize("name", NAMES)
def test_every_entry_records_to_the_bit(name, tiny_data):
    model = small(name)
    g = agree(model, tiny_data(model), batch_size=12, reads=name in EAGER)
    if name in EAGER:
        assert {mover.step.eager_because for mover in g.movers} == {EAGER[name]}
        return
    for mover in g.movers:
        assert mover.step.eager_because == ""
        # what is only now and then charged is a step of another kind
        kinds = 1 if mover.player.every == 1 else 2
        # and so is one of shorter sequences
        kinds *= len({g.loader.length(i) for i in range(g.batches)})
        replays = [e.replays for e in recordings(mover.step)]
        assert (len(replays), sum(replays)) == (kinds, 8 * mover.player.steps)


def test_the_ragged_batch_has_a_recording_of_its_own(tiny_data):
    model = small("vae")
    g = agree(model, tiny_data(model))
    assert {next(iter(key))[0][0]: e.replays for key, e in steps(g)[0].entries.items()} == {16: 4, 8: 4}


CHOICES = {
    "EnumeratedELBO": {"prior": "Bernoulli", "posterior": "Bernoulli"},
    "SparseActivation": {"prior": "RelaxedBernoulli", "posterior": "RelaxedBernoulli"},
}
NOT_OF_A_VAE = (
    *("AdversarialTraining", "Classification", "ContrastiveDivergence", "CycleConsistency", "DenoisingScoreMatching"),
    *("DiffusionELBO", "FlowMatching", "Information", "Orthogonality", "ParallelTempering", "PathLength"),
    *(
        "PersistentContrastiveDivergence",
        "SlicedScoreMatching",
        "Tasks",
        "UpDown",
        "Variety",
        "VectorQuantization",
        "Way",
    ),
)
SETTINGS = {"IWAE": {"k": 4}, "ELBO": {"num_samples": 3, "warmup": 7}}


def objective(name):
    """An objective with few draws, whatever it calls them."""
    accepted = inspect.signature(registry.find("objective", name).load()).parameters
    few = {key: 4 for key in ("k", "num_samples", "steps") if key in accepted}
    made = registry.make("objective", {"name": name, **few, **SETTINGS.get(name, {})})
    return made if made.alone else ELBO() + made


def test_objectives_of_other_models_are_refused_by_a_vae():
    for name in NOT_OF_A_VAE:
        with pytest.raises(ValueError):  # noqa: PT011 - each in its own words, which its own tests read
            print(name, objective(name).players(small("vae")))


@pytest.mark.rotating
@pytest.mark.parametrize("name", sorted({*pyrogen.choices("objective")} - {*NOT_OF_A_VAE}))
def test_objectives_record_to_the_bit(name, tiny_data):
    model = small("vae", **CHOICES.get(name, {}))
    players = objective(name).players(model)
    assert said(steps(agree(model, tiny_data(model), players=players))).startswith("recorded in ")


@pytest.mark.rotating
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
@pytest.mark.parametrize(
    ("name", "goal"),
    [
        ("sngan", Adversarial("RelativisticAverage", reuse=True)),
        ("infogan", Adversarial(critic_steps=2, reuse=True) + 0.5 * Information()),
        ("vae", Adversarial(sites=("x", "z"), reuse=True)),
    ],
    ids=["relativistic", "codes", "an encoder's"],
)
def test_fakes_that_are_reused_record_to_the_bit(name, goal, dtype, tiny_data):
    model = small(name)
    g = agree(model, tiny_data(model), players=goal.players(model), dtype=dtype)
    assert [step.eager_because for step in steps(g)] == ["", ""]


def test_bf16_records_to_the_bit(tiny_data):
    model = small("vae")
    assert steps(agree(model, tiny_data(model), dtype=torch.bfloat16))[0].eager_because == ""


class Loss(nn.Module):
    """A model of one linear layer with whatever loss a test wants."""

    def __init__(self, loss, net=None):
        super().__init__()
        self.net = nn.Linear(3, 2) if net is None else net
        self.loss = loss

    def step(self, uses=1000, compile="auto"):
        return Step(
            "toy",
            lambda batch: self.loss(self, batch),
            [self],
            list(self.parameters()),
            {torch.Size((4, 3)): uses},
            compile,
        )


@pytest.mark.parametrize("read", [torch.Tensor.item, float, bool, lambda t: t == 1 and 0, lambda t: torch.equal(t, t)])
def test_what_reads_a_value_is_noticed(read):
    with pytest.raises(AssertionError, match="reads a value of a tensor"), Unread():
        read(torch.ones(()))


def batch(seed=0, n=4, features=3):
    return Batch(torch.randn(n, features, generator=torch.Generator().manual_seed(seed)))


def plain(model, b):
    return {"loss": model.net(b.x).square().mean()}


def run(step, calls=8, **kind):
    return [float(step(batch(i, **kind))["loss"].detach()) for i in range(calls)]


def test_draws_are_fresh_at_each_replay():
    step = Loss(lambda m, b: {"loss": (m.net(b.x) + torch.randn(4, 2)).square().mean()}).step()
    losses = [float(step(batch())["loss"].detach()) for _ in range(10)]
    assert recordings(step)[0].replays == 10
    assert len(set(losses)) == 10


NETS = {
    "batch norm": lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)),
    "dropout": lambda: nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2)),
    "spectral norm": lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2)),
    "convolution": lambda: nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 2, 2, padding=1), nn.BatchNorm1d(2)),
}


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_networks_with_state_and_noise(net):
    """Running statistics move, masks are drawn, as in the eager step, and evaluation is another recording."""
    outcomes = []
    for compile in ("auto", False):
        torch.manual_seed(0)
        model = Loss(plain, net())
        step = model.step(compile=compile)
        losses = run(step)
        model.eval()
        outcomes.append((losses + run(step), {k: v.clone() for k, v in model.state_dict().items()}))
        if compile:
            assert [e.replays for e in recordings(step)] == [8, 8]
    (losses, state), (expected_losses, expected) = outcomes
    assert losses == expected_losses
    assert all(torch.equal(v, state[k]) for k, v in expected.items())


def test_replayed_kernels_may_lay_gradients_out_otherwise():
    """As those of wide convolutions do for larger batches: torch trains by other kernels than it records."""
    model = small("vqvae", width=16, prior_width=16)
    (step,) = steps(agree(model, load("digits"), players=model.stages()[1].players, batch_size=64, epochs=1))
    assert step.eager_because == ""


def test_lstm():
    """torch's fused one is one operation, and so its recording agrees to the bit."""

    def loss(model, b):
        return {"loss": model.net(b.x.unsqueeze(-1))[0].square().mean()}

    torch.manual_seed(0)
    model = Loss(loss, nn.LSTM(1, 4, batch_first=True))
    recorded, eager = model.step(), model.step(compile=False)
    for i in range(8):
        got, gradients = recorded(batch(i)), [p.grad for p in model.parameters()]
        assert torch.equal(got["loss"], eager(batch(i))["loss"].detach())
        for p, g in zip(model.parameters(), gradients, strict=True):
            assert torch.equal(g, p.grad)
    assert recordings(recorded)[0].replays == 8


def python_number(model, b):
    model.calls = getattr(model, "calls", 0) + 1
    return {"loss": plain(model, b)["loss"] * (1 + 0.01 * model.calls)}


def slow_number(model, b):
    return {"loss": plain(model, b)["loss"] * model.weight}


def replaced_tensor(model, b):
    model.baseline = 0.9 * getattr(model, "baseline", torch.zeros(())) + plain(model, b)["loss"].detach()
    return {"loss": plain(model, b)["loss"] * model.baseline}


DIFFERS = {"a Python number": python_number, "a tensor outside of modules": replaced_tensor}


@pytest.mark.parametrize("loss", DIFFERS.values(), ids=DIFFERS)
def test_what_python_changes_is_caught(loss, caplog):
    model = Loss(loss)
    step = model.step()
    with caplog.at_level(logging.WARNING, "pyrogen"):
        run(step)
    assert len(caplog.messages) == 1
    assert "'toy' differs from the eager one in its" in caplog.messages[0]
    assert "compute it from batch.step" in caplog.messages[0]
    assert "differs from the eager step" in said([step])


def test_a_number_that_changes_between_epochs_is_caught_in_the_next(caplog):
    model = Loss(slow_number)
    model.weight, step = 1.0, model.step()
    run(step, entry.EARLY + entry.CHECKED)
    assert not step.eager_because
    model.weight, step.epoch = 1.0 + 1e-6, 1
    with caplog.at_level(logging.WARNING, "pyrogen"):
        assert float(step(batch())["loss"].detach()) == float(slow_number(model, batch())["loss"].detach())
    assert len(caplog.messages) == 1


def test_one_that_changes_late_is_caught_within_some_hundred_steps(caplog):
    model = Loss(slow_number)
    model.weight, step = 1.0, model.step()
    run(step, entry.EARLY + entry.CHECKED)
    step.epoch = 1
    run(step, 1)
    model.weight = 1.0 + 1e-6
    for epoch in range(2, 2 + entry.APART // 20 + 1):
        step.epoch = epoch
        assert not step.eager_because
        with caplog.at_level(logging.WARNING, "pyrogen"):
            run(step, 20)
    assert step.eager_because
    assert len(caplog.messages) == 1


def item(model, b):
    return {"loss": plain(model, b)["loss"] * b.x.sum().item()}


def branch(model, b):
    return plain(model, b) if b.x.sum() > 0 else {"loss": model.net(b.x).abs().mean()}


def selected(model, b):
    out = model.net(b.x)
    return {"loss": out[out > 0].sum()}


def from_python(model, b):
    return {"loss": plain(model, b)["loss"] * random.random()}


def from_numpy(model, b):
    return {"loss": plain(model, b)["loss"] * float(np.random.rand())}  # noqa: NPY002


def own_generator(model, b):
    model.chance = getattr(model, "chance", random.Random(0))
    return {"loss": plain(model, b)["loss"] * model.chance.random()}


def read_parameter(model, b):
    return {"loss": plain(model, b)["loss"] * float(model.net.bias.detach()[0])}


FALLS_BACK = {
    "item": (item, "Python reads the value of a tensor"),
    "an if": (branch, "Python reads the value of a tensor"),
    "the value of a parameter": (read_parameter, "Python reads the value of a tensor"),
    "a mask as index": (selected, "a shape depends on the data"),
    "Python's generator": (from_python, "Python's or NumPy's random numbers"),
    "NumPy's generator": (from_numpy, "Python's or NumPy's random numbers"),
    "a generator of its own": (own_generator, "differs from the eager step"),
}


@pytest.mark.parametrize("case", FALLS_BACK.values(), ids=FALLS_BACK)
def test_falls_back_and_says_why(case, caplog):
    loss, reason = case
    outcomes, gradients = [], []
    for compile in ("auto", False):
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        model = Loss(loss)
        step = model.step(compile=compile)
        outcomes.append(run(step))
        assert (reason in said([step])) == (compile == "auto")
        gradients.append(model.net.weight.grad)
    if loss is not own_generator:  # which every check draws from once more
        assert outcomes[0] == outcomes[1]
        assert torch.equal(*gradients)
    warned = [r for r in caplog.records if r.name == "pyrogen" and r.levelno >= logging.WARNING]
    assert len(warned) == ("differs" in reason)  # the rest is no fault, and only said


def test_other_shapes_modes_and_parameters_are_other_recordings():
    model = Loss(plain)
    step = Step(
        "toy",
        lambda b: plain(model, b),
        [model],
        list(model.parameters()),
        {torch.Size((n, 3)): 9 for n in (4, 2)},
        "auto",
    )
    run(step), run(step, n=2)
    assert len(recordings(step)) == 2
    step.parameters[0].requires_grad_(False)
    step(batch())
    assert step.parameters[0].grad is None
    assert len(recordings(step)) == 3
    model.net = nn.Linear(3, 2)
    torch.testing.assert_close(step(batch())["loss"], plain(model, batch())["loss"].detach(), atol=0, rtol=0)
    assert len(recordings(step)) == 1


def test_anomaly_detection_stays_eager():
    step = Loss(plain).step()
    run(step)
    with warnings.catch_warnings(action="ignore"), torch.autograd.set_detect_anomaly(True, check_nan=False):
        assert step(batch())["loss"].requires_grad


HOOKS = {
    "forward": lambda net: net.register_forward_hook,
    "before forward": lambda net: net.register_forward_pre_hook,
    "backward": lambda net: net.register_full_backward_hook,
    "before backward": lambda net: net.register_full_backward_pre_hook,
    "of a gradient": lambda net: net.weight.register_hook,
    "after a gradient": lambda net: net.weight.register_post_accumulate_grad_hook,
    "of all modules": lambda net: nn.modules.module.register_module_forward_pre_hook,
}


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_hooks_stay_eager(hook):
    model, seen = Loss(plain), []
    step = model.step()
    run(step)
    other = nn.Linear(2, 2)
    other.register_forward_hook(lambda *a: None)  # somebody else's
    run(step)
    assert recordings(step)[0].replays == 16
    handle = hook(model.net)(lambda *a: seen.append(a))
    try:
        run(step, 3)
        assert len(seen) == 3
    finally:
        handle.remove()
    assert said([step]) == "eager, because a module or a parameter has a hook, which a recording would not call"
    assert run(Loss(plain, model.net).step()) == run(step)


class TwoBiases(nn.Module):
    """Wx + a + b, and a view of a third: their gradients are one tensor, to autograd."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=False)
        self.a, self.b, self.c = (nn.Parameter(torch.randn(shape)) for shape in (outputs, outputs, (1, outputs)))

    def forward(self, x):
        return self.linear(x) + (self.a + self.b + self.c.view(-1))


class LastState(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 4, batch_first=True)

    def forward(self, x):
        return self.lstm(x.unsqueeze(-1))[0][:, -1]


SHARING = {"two biases": lambda: TwoBiases(16, 4), "an LSTM": LastState}


@pytest.mark.parametrize("net", SHARING.values(), ids=SHARING)
def test_a_gradient_of_two_parameters_is_clipped_once(net, tiny_data):
    torch.manual_seed(0)
    encoder, decoder = nn.Sequential(nn.Flatten(), net()), nn.Linear(2, 16)
    model = pyrogen.vae(encoder=encoder, decoder=decoder, x_shape=(1, 4, 4), latent_size=2)
    g = agree(model, tiny_data(model), clip=0.05)
    assert recordings(steps(g)[0])
    gradients = [p.grad for p in model.parameters()]
    assert float(nn.utils.get_total_norm(gradients)) == pytest.approx(0.05, rel=1e-3)
    assert len({gradient.untyped_storage().data_ptr() for gradient in gradients}) == len(gradients)


class Given(torch.autograd.Function):
    """x·p, whose gradient is handed over as it came: x itself."""

    @staticmethod
    def forward(ctx, p, x):
        ctx.save_for_backward(x)
        return (p * x).sum()

    @staticmethod
    def backward(ctx, gradient):
        return ctx.saved_tensors[0], None


def test_a_gradient_that_is_a_part_of_the_batch_leaves_the_batch_alone():
    model = Loss(lambda m, b: {"loss": Given.apply(m.net.weight, b.x[:2])}, nn.Linear(3, 2, bias=False))
    step, one = model.step(), batch()
    for _ in range(8):
        step(one)
        assert torch.equal(model.net.weight.grad, one.x[:2])
        model.net.weight.grad.mul_(0.5)
    assert recordings(step)[0].replays == 8
    assert torch.equal(one.x, batch().x)


def with_more(when, name="late"):
    """A loss with one term more in some of its calls."""
    calls = []

    def loss(model, b):
        calls.append(b)
        terms = {**plain(model, b), "size": b.x.square().mean()}
        return {**terms, name: b.x.sum()} if when(len(calls), b) else terms

    return loss


ODD = {
    "in turns": lambda calls, b: b.turn is not None,
    "now and then": lambda calls, b: calls % 3 == 1,
    "at first": lambda calls, b: calls == 1,
    "late": lambda calls, b: calls > 5,
}


@pytest.mark.parametrize("compile", ["auto", False])
@pytest.mark.parametrize("when", ODD.values(), ids=ODD)
def test_a_term_of_some_steps_alone_is_refused_by_its_name(when, compile):
    step, b = Loss(with_more(when)).step(compile=compile), batch()
    batches = [b if i % 2 else Batch(b.x, turn=torch.zeros(())) for i in range(12)]
    with pytest.raises(
        ValueError, match="'toy' has the term 'late' in some steps and in others not; let its loss give it"
    ):
        _ = [step(one) for one in batches]


@pytest.mark.parametrize("compile", ["auto", False])
def test_terms_in_another_order_keep_their_names(compile):
    model, calls = Loss(None), []

    def loss(model, b):
        calls.append(b)
        terms = {**plain(model, b), "sum": b.x.sum(), "mean": b.x.mean()}
        return dict(reversed(terms.items())) if len(calls) % 2 else terms

    model.loss = loss
    step = model.step(compile=compile)
    for i in range(6):
        terms, x = step(batch(i)), batch(i).x
        assert list(terms) == ["mean", "sum", "loss"]
        assert (terms["mean"], terms["sum"]) == (x.mean(), x.sum())


def test_two_players_share_a_module(tiny_data):
    model = small("vae")

    def half(sign):
        return lambda b: {
            "loss": sign * model.encoder(b.x).sum() + model.decoder(torch.randn(len(b.x), 2)).square().mean()
        }

    players = [Player("a", half(1.0), [model.encoder]), Player("b", half(-1.0), [model.encoder, model.decoder])]
    g = agree(model, tiny_data(model), players=players)
    assert [len(recordings(s)) for s in steps(g)] == [2, 2]
    assert all(p.requires_grad for p in model.parameters())


def test_pyro_losses_record():
    net = pyro.nn.PyroModule[nn.Module]()
    net.scale = pyro.nn.PyroParam(torch.ones(3), dist.constraints.positive)
    net.logits = nn.Parameter(torch.zeros(4, 2))

    def model(x):
        with pyro.plate("datum", 4, subsample_size=2) as index:
            z = pyro.sample("z", dist.Categorical(logits=torch.zeros(2)))
            pyro.sample("x", dist.Normal(z.unsqueeze(-1).float(), net.scale).to_event(1), obs=x[index])

    def guide(x):
        with pyro.plate("datum", 4, subsample_size=2) as index:
            pyro.sample("z", dist.Categorical(logits=net.logits[index]))

    def loss(_, b):
        return {"loss": pyro.infer.Trace_ELBO().differentiable_loss(model, guide, b.x)}

    outcomes = []
    for compile in ("auto", False):
        torch.manual_seed(0)
        toy = Loss(loss, net)
        step = toy.step(compile=compile)
        outcomes.append((run(step), [p.grad.clone() for p in toy.parameters()]))
    assert outcomes[0][0] == outcomes[1][0]
    assert all(torch.equal(a, b) for a, b in zip(outcomes[0][1], outcomes[1][1], strict=True))


def test_without_a_compiler_it_is_replayed_without_inductor(monkeypatch, caplog):
    def missing(*args, **kwargs):
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found")

    monkeypatch.setattr("torch._inductor.standalone_compile", missing)
    step = Loss(plain).step(compile=True)
    with caplog.at_level(logging.WARNING, "pyrogen"):
        run(step)
    assert recordings(step)[0].replays == 8
    assert caplog.messages == [
        "the recorded step of the player 'toy' is replayed without Inductor: there is no C++ compiler on this machine "
        "(Inductor looks for g++; CXX may name another)."
    ]
    assert "compiled" not in said([step])


def _drawing(module, inputs, **how):
    """A compiler that draws anew what the step drew."""
    return lambda *now: module(*now[:-1], torch.randn_like(now[-1]))


def test_what_is_compiled_wrongly_is_replayed_without_inductor(monkeypatch, caplog):
    monkeypatch.setattr("torch._inductor.standalone_compile", _drawing)
    step = Loss(plain).step(compile=True)
    with caplog.at_level(logging.WARNING, "pyrogen"):
        losses = run(step)
    assert "is replayed without Inductor: it differs in its" in caplog.messages[0]
    eager = Loss(plain, step.reads.roots[0].net).step(compile=False)
    assert losses == run(eager)


@pytest.mark.parametrize(
    ("uses", "width", "compile", "compiled"),
    [
        (recorded_step.COMPILING_PAYS, 2, "auto", True),
        (recorded_step.COMPILING_PAYS - 1, 2, "auto", False),
        (recorded_step.COMPILING_PAYS, recorded_step.COMPILED_SIZE, "auto", False),
        (8, 2, True, True),
        (recorded_step.COMPILING_PAYS, 2, False, False),
    ],
    ids=["long", "shorter", "large", "asked for", "refused"],
)
def test_what_is_compiled_is_known_before_the_first_step(uses, width, compile, compiled, monkeypatch):
    """By the number of steps and of parameters, never by the clock."""
    monkeypatch.setattr("torch._inductor.standalone_compile", lambda module, inputs, **how: module)
    step = Loss(plain, nn.Linear(3, width)).step(uses=uses, compile=compile)
    assert step.inductor == compiled
    run(step)
    assert ("compiled in" in said([step])) == compiled


def test_few_steps_stay_eager_and_it_is_said(monkeypatch):
    monkeypatch.setattr(recorded_step, "PAYS", 500)
    step = Loss(plain).step(uses=499)
    run(step)
    assert said([step]) == "eager, because recording does not pay for 499 steps"
    assert Loss(plain).step(uses=500).eager_because == ""


def test_fit_says_it_once(tiny_data, caplog):
    model = small("vae")
    with caplog.at_level(logging.INFO, "pyrogen"):
        run = fit(model, tiny_data(model), epochs=6, batch_size=16)
    assert len([m for m in caplog.messages if m.startswith("steps: recorded in ")]) == 1
    assert run.steps.startswith("recorded in")
    assert fit(model, tiny_data(model), epochs=1, compile=False).steps == "eager, because compile=False"


def test_validation_is_recorded_too(tiny_data):
    states = []
    for compile in ("auto", False):
        model = small("vae")
        states.append(fit(model, tiny_data(model), epochs=6, batch_size=16, compile=compile).records)
    assert states[0] == states[1]


@pytest.mark.rotating
@pytest.mark.parametrize("name", ["vae", "gan-nonsaturating", "rbm", "made"])
def test_a_resumed_run_records_anew_and_changes_no_bit(name, tiny_data, tmp_path, monkeypatch):
    """In the middle of an epoch, of which the rest is replayed from another recording."""
    arguments = {"epochs": 12, "batch_size": 4, "progress": False}
    data = tiny_data(small(name))
    whole = fit(small(name), data, folder=tmp_path / "whole", **arguments)
    with monkeypatch.context() as patch:
        stop_after(patch, 20)
        with pytest.raises(KeyboardInterrupt):
            fit(small(name), data, folder=tmp_path / "cut", **arguments)
    resumed = fit(small(name), data, folder=tmp_path / "cut", resume=True, **arguments)
    assert resumed.steps.startswith("recorded in ")
    assert resumed.records == whole.records
    state = resumed.model.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in whole.model.state_dict().items())


def test_what_was_decided_at_the_start_holds_when_a_run_goes_on(tiny_data, tmp_path, monkeypatch):
    """More epochs would have it compiled, had it been so from the start."""
    monkeypatch.setattr(recorded_step, "COMPILING_PAYS", 9)
    monkeypatch.setattr("torch._inductor.standalone_compile", lambda module, inputs, **how: module)
    data, arguments = tiny_data(small("vae")), {"batch_size": 24, "folder": tmp_path, "validate": False}
    assert "compiled" not in fit(small("vae"), data, epochs=8, **arguments).steps
    longer = fit(small("vae"), data, epochs=16, resume=True, **arguments)
    assert (longer.records[-1]["epoch"], "compiled" in longer.steps) == (16, False)
    assert "compiled in" in fit(small("vae"), data, epochs=16, overwrite=True, **arguments).steps


class Counting(ELBO):
    """A loss by a number of Python's that changes with its first calls alone."""

    calls = 0

    def _terms(self, pair, batch, weight):
        Counting.calls += 1
        terms = super()._terms(pair, batch, weight)
        return {**terms, "loss": terms["loss"] * (1 + 0.1 * min(Counting.calls, 5))}


@pytest.mark.parametrize("cut", [5, 6], ids=["within an epoch", "after it"])
def test_what_was_given_up_stays_so_when_a_run_goes_on(cut, tiny_data, tmp_path, monkeypatch):
    """By then a recording would agree, with a step that is no more than that."""
    games, begin, few = [], Game.__init__, {"epochs": 4, "batch_size": 12, "folder": tmp_path, "progress": False}
    monkeypatch.setattr(Game, "__init__", lambda game, *given: (begin(game, *given), games.append(game))[0])
    monkeypatch.setattr(Counting, "calls", 0)
    data = tiny_data(small("vae"))
    with monkeypatch.context() as patch:
        stop_after(patch, cut)
        with pytest.raises(KeyboardInterrupt):
            fit(small("vae"), data, Counting(), **few)
    run = fit(small("vae"), data, Counting(), resume=True, **few)
    assert run.steps.startswith("eager, because its recording differs from the eager step in its ")
    for step in [*steps(games[-1]), *games[-1].measures]:
        assert step.recordings == 0
        assert "differs from the eager step" in step.given_up == step.eager_because


@pytest.mark.compiles
@pytest.mark.rotating(0)
def test_inductor_computes_the_same(tiny_data):
    outcomes = []
    for compile in (True, False):
        model = small("vae", hidden=(16,))
        outcomes.append(fit(model, tiny_data(model), epochs=20, batch_size=24, validate=False, compile=compile))
    assert " and compiled in " in outcomes[0].steps
    losses = [[line["train/loss"] for line in run.records] for run in outcomes]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


WARM = """
import sys, torch
from torch._dynamo.utils import counters
import pyrogen
from pyrogen.inference import fit
torch.manual_seed(0)
model = pyrogen.create("vae", x_shape=(1, 8, 8), latent_size=2, hidden=(16,))
run = fit(model, "digits", epochs=2, batch_size=419, validate=False, compile=True, progress=False)
assert " and compiled in " in run.steps, run.steps
found = counters["inductor"]
print(found["fxgraph_cache_hit"], found["fxgraph_cache_miss"], found["fxgraph_cache_bypass"], run.records[-1])
"""


@pytest.mark.compiles
@pytest.mark.rotating(1)
def test_a_second_process_compiles_nothing(tmp_path):
    where = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    said = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", WARM], env=where, capture_output=True, text=True, check=True)
        said.append(done.stdout.splitlines()[-1].split(" ", 3))
    assert [counted[:3] for counted in said] == [["0", "1", "0"], ["1", "0", "0"]]
    assert said[0][3] == said[1][3]  # the same kernels, the same numbers
