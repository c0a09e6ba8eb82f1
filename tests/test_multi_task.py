"""Several labels of each datum: what is shared, what is tied, what is learned of each."""

import math

import pytest
import torch

import pyrogen
from pyrogen import registry
from pyrogen.base import Batch
from pyrogen.data import from_arrays
from pyrogen.inference import compare_representations, fit
from pyrogen.inference.objectives.tasks import Tasks


def model(**arguments):
    torch.manual_seed(0)
    return pyrogen.create(
        "multi-task", **{"x_shape": (4,), "y_shape": (2,), "classes": 3, "hidden": (8, 5), "kind": "real", **arguments}
    )


@pytest.fixture(scope="module")
def data():
    """Two labels, each the largest of three places of x."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(400, 6, generator=rng)
    y = torch.stack([x[:, :3].argmax(1), x[:, 3:].argmax(1)], 1)
    return from_arrays(
        x_train=x[:200], y_train=y[:200], x_valid=x[200:220], y_valid=y[200:220], x_test=x[220:], y_test=y[220:],
        standardize=False,
    )  # fmt: skip


def batch(n=6):
    y = torch.arange(2 * n).reshape(n, 2) % 3
    return Batch(torch.randn(n, 4, generator=torch.Generator().manual_seed(1)), y)


def test_its_loss_is_the_cross_entropy_of_all_labels_that_are_known():
    m, one = model(), batch()
    one.y[0, 1] = one.y[3] = -1
    (player,) = Tasks().players(m)
    p = m.classify(one.x).probs.detach()
    known = [(n, a) for n in range(6) for a in range(2) if one.y[n, a] >= 0]
    exact = -sum(p[n, a, one.y[n, a]].log() for n, a in known) / len(known)
    assert player.loss(one)["loss"].item() == pytest.approx(exact.item(), rel=1e-5)


def test_soft_sharing_charges_what_trunks_differ_by():
    m, one = model(sharing="soft", tie=0.5), batch()
    (player,) = m.objective.players(m)
    a, b = ([p.detach() for p in trunk.parameters()] for trunk in m.trunks)
    apart = sum(((u - v) ** 2).sum() / 2 for u, v in zip(a, b, strict=True))
    terms = player.loss(one)
    assert terms["apart"].item() == pytest.approx(apart.item(), rel=1e-5)
    assert terms["loss"].item() == pytest.approx((terms["cross_entropy"] + 0.5 * apart).item(), rel=1e-5)


@pytest.mark.parametrize(("sharing", "trunks", "apart"), [("hard", 1, 0), ("soft", 2, 1), ("none", 2, 1)])
def test_what_is_shared(sharing, trunks, apart):
    m = model(sharing=sharing)
    assert len(m.trunks) == trunks
    (player,) = m.objective.players(m)
    assert (player.loss(batch())["apart"].item() > 0) == apart
    assert m.features(batch().x).shape == (6, 5 * trunks)


def test_a_strong_tie_makes_trunks_alike_and_apart_they_are_learned_alone(data):
    shape = {"x_shape": (6,), "hidden": (8,), "kind": "real"}
    tied, apart = (model(**shape, sharing="soft", tie=tie) for tie in (100.0, 0.0))
    for m in (tied, apart):
        fit(m, data, epochs=30, batch_size=32, lr=1e-2, progress=False, validate=False)
    far = [
        float(m.objective.players(m)[0].loss(Batch(data.test.x, data.test.y))["apart"].detach()) for m in (tied, apart)
    ]
    assert far[0] < 0.05 * far[1]
    # one task's trunk does not move what the other says
    before = apart.classify(data.test.x).logits[:, 0].detach().clone()
    with torch.no_grad():
        for p in apart.trunks[1].parameters():
            p.zero_()
    assert torch.equal(apart.classify(data.test.x).logits[:, 0], before)


def test_it_learns_both_and_makes_data_that_it_is_sure_of(data):
    m = model(x_shape=(6,), hidden=(32,))
    fit(m, data, epochs=40, batch_size=32, lr=1e-2, progress=False, validate=False)
    gain = registry.find("metric", "labels-right").load()
    untrained = model(x_shape=(6,), hidden=(32,))
    assert gain(m, data, 0) > 0.85
    assert gain(m, data, 0, factor="factor 2") > 0.85
    found = gain(m, data, 0, against=untrained)
    assert found > 0.3
    assert 0 < found.error < 0.05
    y = torch.tensor([[0, 2], [2, 1]])
    assert torch.equal(m.classify(m.sample(2, y)).probs.argmax(-1), y)
    probed = compare_representations(m, data, ["Pixels"], ["Linear"], [10], 2, factor="factor 1")
    assert probed.accuracy("codes").value > 0.7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sharing": "firm"}, "'hard', 'soft' or 'none'"),
        ({"y_shape": ()}, "several labels each"),
        ({"hidden": ()}, "a layer at least"),
        ({"kind": "levels"}, "kind='levels'"),
        ({"classes": None}, "no classes.*'regression'"),
        ({"classes": 1}, "fewer than 2 classes"),
        ({"sharing": "soft", "tie": -1.0}, "not below 0"),
        ({"sharing": "soft", "tie": math.inf}, "finite"),
    ],
)
def test_what_cannot_be_shared_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        model(**arguments)


@pytest.mark.parametrize("sharing", ["hard", "none"])
def test_data_of_any_real_type_are_read_and_wrong_shapes_refused(sharing):
    m, x = model(sharing=sharing), torch.arange(8).reshape(2, 4)
    for use in (lambda t: m.classify(t).logits, m.features):
        for given in (x, x.double()):
            assert torch.equal(use(given), use(x.float()))
        with pytest.raises(ValueError, match=r"the trunk takes \(..., 4\); got \(2, 3\)"):
            use(x[:, :3])


def test_a_model_of_one_label_has_no_tasks():
    with pytest.raises(ValueError, match="names no several labels"):
        Tasks().players(pyrogen.create("classifier", x_shape=(4,), classes=3))
