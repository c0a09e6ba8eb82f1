"""Deep Boltzmann machines, belief networks and energy networks against enumeration and quadrature."""

import itertools
import math

import numpy as np
import pytest
import torch

import pyrogen
from pyrogen.base import Batch, HasPartition
from pyrogen.inference import AIS, PersistentContrastiveDivergence, fit, log_evidence, summarize
from pyrogen.inference.objectives.up_down import UpDown
from pyrogen.models.energy.belief import DBN
from pyrogen.models.energy.deep import DBM
from pyrogen.models.energy.network import EnergyNetwork
from pyrogen.models.energy.visible import states_of
from pyrogen.nets import mlp


def states(n):
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=n)))


def shaken(m, size=0.7, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        for p in m.parameters():
            p.copy_(size * torch.randn_like(p))
        for layer in getattr(m, "layers", ()):
            if hasattr(layer, "tie"):
                layer.tie()
    return m


def bits(n, units, seed=0):
    return torch.rand(n, units, generator=torch.Generator().manual_seed(seed)).round()


# -- deep Boltzmann machines ------------------------------------------------------------------------------------------


def joint(m, x):
    """log of the unnormalized p(x, h₁, h₂, …) for every h, ``(n, all h)``, written out."""
    h = states(sum(m.hidden)).split(list(m.hidden), 1)
    total = (x @ m.visible.bias)[:, None] + x @ m.layers[0].weight.T @ h[0].T
    total = total + sum(h[n] @ layer.bias for n, layer in enumerate(m.layers))
    return total + sum(((h[n - 1] @ m.layers[n].weight.T) * h[n]).sum(1) for n in range(1, len(h)))


@pytest.mark.parametrize("hidden", [(3, 2), (3, 2, 2)], ids=str)
def test_a_dbm_is_the_sum_over_all_its_units(hidden):
    m = shaken(DBM((4,), hidden))
    every = states(4)
    with torch.no_grad():
        log_f = joint(m, every).logsumexp(1)
        log_z = float(log_f.logsumexp(0))
        assert float(m.log_partition()) == pytest.approx(log_z, abs=1e-4)
        assert torch.allclose(m.log_prob(every), log_f - log_z, atol=1e-4)
        bound = m.log_unnormalized(every)[0]
    gap = log_f - bound
    assert (gap > -1e-4).all()
    assert gap.mean() < 0.5


@pytest.mark.parametrize(
    ("visible", "spread"), [("Bernoulli", 0.01), ("Gaussian", 0.1), ("Gaussian(scale='learned')", 0.1)]
)
def test_the_first_layer_of_a_dbm_begins_as_its_units_should(visible, spread):
    torch.manual_seed(0)
    m = DBM((50,), (60, 40), visible=visible)
    assert [float(layer.weight.detach().std()) for layer in m.layers] == pytest.approx([spread, 0.01], rel=0.1)


def test_mean_field_is_where_the_bound_is_stationary():
    m = shaken(DBM((4,), (3, 2)))
    x = bits(5, 4)
    means = [mu.clone().requires_grad_() for mu in m.mean_field(x)]
    below, total = x, torch.zeros(5)
    for layer, mu in zip(m.layers, means, strict=True):
        total = total + (mu * (below @ layer.weight.T + layer.bias)).sum(1)
        total = total - torch.xlogy(mu, mu).sum(1) - torch.xlogy(1 - mu, 1 - mu).sum(1)
        below = mu
    for slope in torch.autograd.grad(total.sum(), means):
        assert float(slope.abs().max()) < 1e-3


def test_the_base_and_the_path_of_a_dbm_are_normalized_sums():
    m = shaken(DBM((4,), (3, 2, 2)))
    m.visible.before_training(bits(30, 4))
    odd = states(5)
    with torch.no_grad():
        assert float(m.log_density(odd, 0.0).logsumexp(0)) == pytest.approx(float(m.base_log_partition()), abs=1e-4)
        lift, _ = m.climb(odd, 0.2, 0.6)
        assert torch.allclose(lift, m.log_density(odd, 0.6) - m.log_density(odd, 0.2), atol=1e-5)
        each = m.log_density(odd, torch.full((len(odd),), 0.6))
        assert torch.allclose(each, m.log_density(odd, 0.6), atol=1e-5)


@pytest.mark.parametrize("beta", [0.3, 1.0])
def test_moves_of_a_dbm_leave_its_density_unchanged(beta):
    m = shaken(DBM((3,), (2, 2)))
    odd, n = states(2), 20_000
    with torch.no_grad():
        p = m.log_density(odd, beta).softmax(0)
        start = odd[torch.multinomial(p, n, replacement=True)]
        moved = m.move(start, beta)
    shares = torch.bincount((moved @ torch.tensor([2.0, 1.0])).long(), minlength=4) / n
    assert ((shares - p).abs() < 4.5 * (p * (1 - p) / n).sqrt()).all()


def test_long_chains_have_the_gradient_of_the_bound():
    m = shaken(DBM((4,), (3, 2)), 0.5)
    x, parameters = bits(6, 4), [*m.parameters()]
    bound = m.log_partition() - m.log_unnormalized(x)[0].mean()
    exact = torch.autograd.grad(bound, parameters)
    (player,) = PersistentContrastiveDivergence(k=200, chains=4000).players(m)
    found = torch.autograd.grad(player.loss(Batch(x))["loss"], parameters)
    for a, b in zip(exact, found, strict=True):
        assert float((a - b).abs().max()) < 5 * 0.5 / 4000**0.5


def test_ais_of_a_dbm_meets_enumeration():
    m = shaken(DBM((4,), (4, 3)))
    found = log_evidence(m, bits(5, 4), AIS(200, 100))
    assert found.attrs["bound"] == "none"
    gap = float(found["log_partition"]) - float(m.log_partition().detach())
    assert abs(gap) < 5 * float(found["log_partition_se"]) + 1e-3
    assert "log f(x) is a lower bound" in summarize(found).text()
    assert log_evidence(m, bits(5, 4)).attrs["estimator"] == "Exact"


# -- deep belief networks ---------------------------------------------------------------------------------------------


def exact_belief(m, every):
    """log p(x) of all x of a DBN with hidden (h₁, h₂), written out."""
    h = states(m.layers[0].weight.shape[0])
    log_top = m.machine.log_density(h) - m.machine.log_density(h).logsumexp(0)
    given = torch.stack([m.layers[0].log_prob(x.expand(len(h), -1), h) for x in every])
    return (given + log_top).logsumexp(1)


def test_the_bound_of_a_dbn_reaches_enumeration_with_many_samples():
    m, every = shaken(DBN((4,), (3, 2), num_samples=4000)), states(4)
    with torch.no_grad():
        truth = exact_belief(m, every)
        assert float(truth.logsumexp(0)) == pytest.approx(0, abs=1e-4)
        found, error = m.log_unnormalized(every)
        z = (found - m.log_partition() - truth) / error
    assert float(z.abs().max()) < 4.5
    assert 0.5 < float(z.std()) < 1.6
    m.num_samples = 1
    with torch.no_grad():
        single = torch.stack([m.log_unnormalized(every)[0] for _ in range(300)]).mean(0) - m.log_partition()
    assert float((single - truth).mean()) < 0


def test_a_dbn_samples_as_it_scores():
    m, every = shaken(DBN((3,), (3, 2), burn_in=50)), states(3)
    with torch.no_grad():
        p = exact_belief(m, every).exp()
    shares = torch.bincount((m.sample(8000) @ torch.tensor([4.0, 2.0, 1.0])).long(), minlength=8) / 8000
    assert ((shares - p).abs() < 4.5 * (p * (1 - p) / 8000).sqrt()).all()


def test_each_stage_of_a_dbn_moves_its_own_layer():
    m = DBN((6,), (4, 3, 2))
    stages = m.stages()
    assert [stage.name for stage in stages] == ["layer 1", "layer 2", "layer 3", "up and down"]
    owned = [{id(p) for player in stage.players for p in player.parameters()} for stage in stages]
    assert not owned[0] & owned[1]
    assert id(m.layers[0].weight) in owned[0]
    assert id(m.layers[1].weight) in owned[1]
    assert id(m.machine.weight) in owned[2]
    assert owned[3] >= {id(p) for p in m.parameters()}
    with torch.no_grad():
        m.layers[0].weight.add_(1.0)
    stages[1].enter()
    assert torch.equal(m.layers[0].up.weight, m.layers[0].weight)


def test_a_tied_layer_does_as_well_as_the_machine_that_it_was():
    """With W₂ = W₁ᵀ and biases to match, the network is the machine: Hinton et al. 2006, section 4."""
    machine = shaken(pyrogen.create("rbm", x_shape=(4,), hidden=3))
    m = DBN((4,), (3, 4), num_samples=4000)
    with torch.no_grad():
        m.layers[0].weight.copy_(machine.weight)
        m.layers[0].visible.bias.copy_(machine.visible.bias)
        m.machine.weight.copy_(machine.weight.T)
        m.machine.visible.bias.copy_(machine.hidden_bias)
        m.machine.hidden_bias.copy_(machine.visible.bias)
        every = states(4)
        assert torch.allclose(exact_belief(m, every), machine.log_prob(every), atol=1e-4)


def test_wake_and_sleep_have_the_gradients_of_what_they_explain():
    m = shaken(DBN((4,), (3, 2)))
    (player,) = UpDown(k=1).players(m)
    terms = player.loss(Batch(bits(500, 4)))
    assert set(terms) == {"loss", "awake", "asleep"}
    terms["asleep"].backward(retain_graph=True)
    moved = {name for name, p in m.named_parameters() if p.grad is not None}
    assert moved == {"layers.0.up.weight", "layers.0.up.bias"}
    m.zero_grad()
    terms["awake"].backward()
    moved = {name for name, p in m.named_parameters() if p.grad is not None}
    assert moved == {"layers.0.weight", "layers.0.visible.bias"}


# -- energy networks --------------------------------------------------------------------------------------------------


def network(size=2, seed=0):
    torch.manual_seed(seed)
    m = EnergyNetwork(mlp((size,), (16,), (1,), torch.nn.SiLU), (size,))
    m.before_training(torch.randn(50, size) * 1.5 + 1)
    with torch.no_grad():
        for p in m.parameters():
            p.mul_(1.5)
    return m.eval()


def test_quadrature_of_an_energy_is_that_of_scipy():
    from scipy.integrate import quad

    m = network(1)

    def density(x):
        with torch.no_grad():
            return math.exp(float(m.log_density(torch.tensor([[x]]))))

    truth, _ = quad(density, -8, 10, epsabs=1e-6, epsrel=1e-6)
    assert float(m.log_partition().detach()) == pytest.approx(math.log(truth), abs=1e-3)


def test_ais_of_an_energy_meets_quadrature():
    m = network()
    found = AIS(100, 200, doubling=False).log_partition(m)
    assert abs(found.value - float(m.log_partition().detach())) < 5 * found.error + 2e-3
    assert found.error < 0.05


def test_mass_beyond_the_grid_is_no_exact_draw_and_no_bracket():
    class Spread(torch.nn.Module):
        def forward(self, x):
            return -0.45 * x.square()

    m = EnergyNetwork(Spread(), (1,)).eval()  # log f = -x² / 20, of standard deviation √10
    for ask in (m.log_partition, lambda: m.exact_states(10)):
        with pytest.raises(ValueError, match="of the model's mass lies at the edge of the grid"):
            ask()
    found = AIS(100, 400, doubling=False).log_partition(m)
    assert found.upper is None
    assert abs(found.value - math.log(10) / 2) < 5 * found.error
    scored = log_evidence(m, torch.zeros(3, 1), AIS(20, 20, doubling=False))
    assert not {"upper", "lower"} & set(scored)


@pytest.mark.parametrize("beta", [0.4, 1.0])
def test_moves_of_an_energy_leave_its_density_unchanged(beta):
    m = network(1)
    m.step.fill_(0.8)
    x = torch.linspace(-7, 9, 4000)[:, None]
    with torch.no_grad():
        p = m.log_density(x, beta).softmax(0)
    start = x[torch.multinomial(p, 10_000, replacement=True)]
    moved = m.move(start, beta)
    mean = (p * x[:, 0]).sum()
    spread = (p * (x[:, 0] - mean).square()).sum().sqrt()
    assert abs(float(moved.mean() - mean)) < 4.5 * float(spread) / 100 + 0.01
    assert float(moved.std()) == pytest.approx(float(spread), rel=0.05)
    assert 0.05 < float((moved != start).float().mean()) < 1
    assert float(m.step) == pytest.approx(0.8)  # it stands still but in training


def test_the_step_follows_acceptance_in_training():
    m = network(1).train()
    m.step.fill_(8.0)
    x = m.base_states(100)
    for _ in range(200):
        x = m.move(x)
    assert float(m.step) < 4


def test_large_energies_have_no_quadrature():
    with pytest.raises(ValueError, match=r"energy of 3 dimensions cannot be enumerated.*AIS"):
        network(3).log_partition()
    assert log_evidence(network(3), torch.zeros(2, 3), AIS(10, 8)).attrs["bound"] == "upper"


# -- all --------------------------------------------------------------------------------------------------------------

SMALL = {
    "dbn": ((1, 8, 8), {"hidden": (6, 5)}),
    "dbm": ((1, 8, 8), {"hidden": (22, 5)}),
    "ebm": ((2,), {"hidden": (8,)}),
}


@pytest.mark.parametrize("name", SMALL)
def test_every_energy_model_is_scored_from_its_defaults(name):
    shape, arguments = SMALL[name]
    m = pyrogen.create(name, x_shape=shape, **arguments)
    assert isinstance(m, HasPartition)
    data = pyrogen.data.load("digits" if len(shape) == 3 else "ring")
    fit(m, data, epochs=1, batch_size=2000, validate=False, progress=False)
    found = log_evidence(m, data.test.take(20))
    assert np.isfinite(found["log_evidence"]).all()
    assert found.attrs["estimator"] == ("Exact" if name == "ebm" else "AIS")
    assert m.sample(2).shape == (2, *shape)


@pytest.mark.parametrize(
    ("name", "arguments"), [("rbm", {"hidden": 5}), ("dbm", {"hidden": (4, 3)}), ("ebm", {"hidden": (8,)})]
)
def test_exact_scores_find_log_z_once(name, arguments, monkeypatch):
    torch.manual_seed(0)
    m = pyrogen.create(name, x_shape=(2,), **arguments)
    x = torch.randn(2500, 2) if name == "ebm" else bits(2500, 2)
    m.before_training(x)
    with torch.no_grad():
        exact, log_z = m.log_prob(x), m.log_partition()
        torch.testing.assert_close(m.log_mass(x) - log_z, exact, check_dtype=False)
    asked = []
    monkeypatch.setattr(m, "log_partition", lambda: asked.append(1) or log_z)
    found = log_evidence(m, x, "Exact")
    np.testing.assert_allclose(found["log_evidence"].values, exact.double().numpy(), atol=1e-5)
    assert len(asked) == 1


@pytest.mark.parametrize("visible", ["Bernoulli", "Gaussian", "Categorical(classes=3)"])
@pytest.mark.parametrize(("name", "hidden"), [("rbm", 1024), ("dbn", (1024, 1024)), ("dbm", (1024, 8))])
def test_more_units_than_a_float_has_states_for(name, hidden, visible):
    m = pyrogen.create(name, x_shape=(1, 32, 32), hidden=hidden, visible=visible)
    assert not m.enumerable
    with pytest.raises(ValueError, match=r"cannot be enumerated.*AIS"):
        m.log_partition()


def test_states_are_counted_exactly_or_not_at_all():
    assert states_of(2, 20) == 2**20
    assert states_of(3, 12) == 3**12
    assert math.isinf(states_of(2, 1024))
    assert math.isinf(states_of(256, 1024))


REFUSED = {
    "a DBN of one layer": (lambda: DBN((3,), (2,)), "2 hidden layers or more; take 'rbm'"),
    "a DBM of one layer": (lambda: DBM((3,), (2,)), "2 hidden layers or more; take 'rbm'"),
    "a large DBM": (lambda: DBM((3,), (30, 2)).log_partition(), r"hidden=\(30, 2\) cannot be enumerated.*AIS"),
    "grey pixels in a DBM": (lambda: log_evidence(DBM((3,), (2, 2)), torch.rand(2, 3)), "take binary data"),
    "grey pixels in a DBN": (lambda: log_evidence(DBN((3,), (2, 2)), torch.rand(2, 3)), "take binary data"),
    "up and down of an RBM": (lambda: UpDown().players(pyrogen.create("rbm", x_shape=(3,))), "RBM has no recognition"),
    "no leapfrogs": (lambda: pyrogen.create("ebm", x_shape=(2,), leapfrogs=0), "at least 1"),
    "exact scores of a DBN": (lambda: log_evidence(DBN((3,), (2, 2)), bits(2, 3), "Exact"), "no log_prob.*AIS"),
}


@pytest.mark.parametrize(("act", "match"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_work_is_refused(act, match):
    with pytest.raises(ValueError, match=match):
        act()
