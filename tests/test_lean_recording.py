"""What a recording leaves out changes no bit, and nothing that an owner of its outputs may write to."""

from collections import Counter

import pytest
import torch

from pyrogen.inference.replay import lean
from pyrogen.inference.replay.biases import biases_apart
from pyrogen.inference.replay.recording import trace

X = torch.linspace(-2, 3, 12).reshape(4, 3)


def ops(recording):
    return Counter(node.name.split("_")[0] for node in recording.module.graph.nodes if node.op == "call_function")


def filled(x):
    found = torch.zeros(3)
    found.add_(x[0])
    return [found + 1]


def read_around_a_write(x):
    kept = x * 1.5
    before = kept.exp()
    kept[0] = 0.0
    return [before, kept.exp()]


CASES = {  # a function, and what is left of it
    "twice the same": (lambda x: [x.exp() + x.exp()], {"exp": 1, "add": 1}),
    "by 1 and 1.0 of whole numbers": (
        lambda x: [(x.long() * 1 + 1).sum() + (x.long() * 1.0 + 2).sum()],
        {"mul": 1, "add": 3},
    ),
    "a constant": (lambda x: [x * torch.linspace(0, 1, 3).exp().sum()], {"mul": 1}),
    "of a shape alone": (lambda x: [x * (torch.ones_like(x) + 1).log()], {"mul": 1}),
    "nothing added": (lambda x: [((x - 0.0) / 1.0).expand(4, 3).view(4, 3).exp()], {"exp": 1}),
    "added 0.0, which makes 0.0 of -0.0": (lambda x: [(x + 0.0).exp()], {"add": 1, "exp": 1}),
    "turned twice": (lambda x: [(x.t().t() @ x.t()).exp()], {"t": 1, "mm": 1, "exp": 1}),
    "negated twice": (lambda x: [x.neg().neg().exp()], {"neg": 0, "exp": 1}),
    "a sum and its shape": (
        lambda x: [x.sum(0, keepdim=True).view(3), x.sum(1, True).view(2, 2)],
        {"sum": 2, "view": 1},
    ),
    "drawn twice": (lambda x: [torch.rand(3) - torch.rand(3) + x], {"rand": 2}),
    "filled in place": (filled, {"zeros": 1, "add": 2}),
    "read before and after a write": (read_around_a_write, {"exp": 2}),
    "outputs alike": (lambda x: [x.exp(), x.exp()], {"exp": 2}),
    "a constant output": (lambda x: [torch.zeros(3), x + 1], {"zeros": 1}),
    "an output that is -(-x)": (lambda x: [x.neg().neg()], {"neg": 2}),
    "an output that is nearly x": (lambda x: [x * 1.0], {"mul": 1}),
}


@pytest.mark.parametrize(("function", "left"), CASES.values(), ids=CASES)
def test_each_replay_is_what_the_function_gives(function, left):
    recording = trace(lambda inputs: function(inputs[0]), [X.clone()])
    found = ops(recording)
    assert {name: found[name] for name in left} == left
    for i in range(3):
        x = X * (i + 1)
        torch.manual_seed(i)
        expected = function(x.clone())
        torch.manual_seed(i)
        outputs = recording([x])
        assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(expected, outputs, strict=True))
        for output in outputs:  # as one who clips a gradient would: the next replay, and others, do not see it
            kept = [other.clone() for other in outputs if other is not output]
            output.fill_(7)
            assert all(torch.equal(a, b) for a, b in zip(kept, (o for o in outputs if o is not output), strict=True))
        assert torch.equal(x, X * (i + 1))


def test_a_large_constant_is_made_anew(monkeypatch):
    monkeypatch.setattr(lean, "FOLDED", 11)
    recording = trace(lambda inputs: [inputs[0] * torch.arange(12.0).reshape(4, 3).exp()], [X.clone()])
    assert ops(recording)["arange"] == 1
    assert torch.equal(recording([X])[0], X * torch.arange(12.0).reshape(4, 3).exp())


def test_biases_are_added_apart_where_it_is_compiled():
    """But for what scales them."""
    b, w = torch.linspace(0, 1, 2), torch.linspace(-1, 1, 6).reshape(3, 2)
    recording = trace(
        lambda t: [torch.addmm(t[1], t[0], t[2]).relu(), torch.addmm(t[1], t[0], t[2], beta=0.5)], [X, b, w]
    )
    apart = biases_apart(recording.module)
    kinds = [Counter(node.name.split("_")[0] for node in m.graph.nodes) for m in (recording.module, apart)]
    assert [(k["addmm"], k["mm"], k["add"]) for k in kinds] == [(2, 0, 0), (1, 1, 1)]
    for a, before in zip(apart(X, b, w), recording([X, b, w]), strict=True):
        torch.testing.assert_close(a, before)
