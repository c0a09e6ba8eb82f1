"""What is compiled has its pictures with channels side by side, and computes the same."""

import pytest
import torch
from playing import played
from smallest import small
from torch import nn
from torch.fx import Interpreter
from torch.nn.functional import conv2d, relu
from torch.utils._python_dispatch import TorchDispatchMode

from pyrogen.inference.replay.channels_last import READS, channels_last
from pyrogen.inference.replay.recording import trace


def gradients(net):
    """Of a loss of the net's outputs by its parameters and by x."""
    parameters = list(net.parameters())

    def function(inputs):
        with torch.enable_grad():
            x = inputs[-1].detach().requires_grad_()
            loss = net(x).flatten(1).tanh().sum()
            return [loss.detach(), *torch.autograd.grad(loss, [*parameters, x])]

    return function, parameters


NETS = {
    "halving": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(4, 2)
    ),
    "in place": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True), nn.Conv2d(8, 4, 3)),
    "of one channel": lambda: nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 1, 3)),
    "doubling": lambda: nn.Sequential(
        nn.ConvTranspose2d(3, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Conv2d(8, 3, 3)
    ),
}


class Turned(nn.Module):
    def forward(self, x):
        return x.mT


class First(nn.Module):
    """One of several channels, of which it is a slice."""

    def forward(self, h):
        return h[:, :1]


NETS["transposed, of one channel"] = lambda: nn.Sequential(nn.Conv2d(1, 1, 3), Turned(), nn.Conv2d(1, 4, 3))
NETS["of a slice"] = lambda: nn.Sequential(nn.Conv2d(1, 4, 3), First(), nn.Conv2d(1, 4, 3))


class Seen(Interpreter):
    """Keeps how the inputs of convolutions lie."""

    def __init__(self, module):
        super().__init__(module)
        self.lie = []

    def run_node(self, node):
        if node.target in READS:
            tensors = [self.env[given] for given in node.args[: READS[node.target]]]
            self.lie += [t.stride(1) == 1 for t in tensors]
        return super().run_node(node)


class Read(TorchDispatchMode):
    """Keeps how the inputs of convolutions lie where they are called."""

    def __init__(self):
        super().__init__()
        self.lie = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.lie += [t.stride(1) == 1 for t in args[: READS.get(func, 0)]]
        return func(*args, **(kwargs or {}))


@pytest.mark.compiles
@pytest.mark.rotating
@pytest.mark.parametrize(("name", "size"), [(name, n) for name in NETS if "of" in name for n in (1, 5)])
def test_inductor_keeps_the_layout_of_one_channel_too(name, size):
    """Or a gradient would be taken across two layouts, in four times the time."""
    function, parameters = gradients(NETS[name]())
    inputs = [*parameters, torch.randn(size, 1, 12, 12)]
    compiled = trace(function, inputs).compiled(inputs)
    with Read() as read:
        found = compiled([t.detach() for t in inputs])
    assert len(read.lie) >= 2 * 2 + 2 * 3
    assert all(read.lie)
    for value, right in zip(found, function([t.detach() for t in inputs]), strict=True):
        torch.testing.assert_close(value, right)


@pytest.mark.parametrize("make", NETS.values(), ids=NETS)
def test_convolutions_read_channels_side_by_side_and_give_the_same(make):
    torch.manual_seed(0)
    net = make().double()
    function, parameters = gradients(net)
    x = torch.randn(5, net[0].in_channels, 6, 6, dtype=torch.double)
    recording = trace(function, [*parameters, x])
    turned = channels_last(recording.module)
    inputs = [[*parameters, x][i].detach() for i in recording.reads]
    before, after = Seen(recording.module), Seen(turned)
    for value, again in zip(before.run(*inputs), after.run(*inputs), strict=True):
        torch.testing.assert_close(value, again)
    assert all(after.lie)
    assert not all(before.lie)  # the control


def test_what_is_written_between_two_readings_is_read_as_it_is():
    weight = torch.randn(2, 2, 3, 3)

    def function(inputs):
        weight, x = inputs
        first = conv2d(x, weight)
        weight.mul_(2.0)
        return [first, conv2d(relu(x), weight)]

    given = [weight, torch.randn(1, 2, 4, 4)]
    module = channels_last(trace(function, [t.clone() for t in given]).module)
    found = module(*(t.clone() for t in given))
    for value, right in zip(found, function([t.clone() for t in given]), strict=True):
        torch.testing.assert_close(value, right)


@pytest.mark.parametrize("function", [lambda inputs: [inputs[0] @ inputs[0]], lambda inputs: [places(inputs[0])]])
def test_what_has_no_convolution_or_counts_on_its_layout_is_left(function):
    module = trace(function, [torch.randn(2, 2)]).module
    assert channels_last(module) is module


def places(x):
    pictures = conv2d(x.view(1, 1, 2, 2), torch.ones(2, 1, 1, 1))
    return pictures.as_strided((4,), (1,))


@pytest.mark.usefixtures("steps_pay")
@pytest.mark.parametrize("name", ["vae-conv", "dcgan"])
def test_whole_steps_agree(name, tiny_data, monkeypatch):
    """A compiler that runs what it is given: the check of its first steps compares them with the eager ones."""
    seen = []

    def compiler(module, inputs, **how):
        seen.append(sum(node.kwargs.get("memory_format") == torch.channels_last for node in module.graph.nodes))
        return module

    monkeypatch.setattr("torch._inductor.standalone_compile", compiler)
    model = small(name)
    game = played(model, tiny_data(model), True)
    assert all(seen)
    assert all(e.compiled for m in game.movers for e in m.step.entries.values() if e.traced)
