"""Two domains without pairs: what each player moves, what comes back, and data that are no two domains."""

import math

import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.base import Batch
from pyrogen.data import load
from pyrogen.data.sprites import LIGHTER, Sprites
from pyrogen.inference import Adversarial, fit
from pyrogen.inference.adversarial.cycle import CycleConsistency
from pyrogen.inference.adversarial.history import History
from pyrogen.inference.adversarial.penalties import R1
from pyrogen.inference.metrics import translation
from pyrogen.inference.metrics.translation import (
    ANOTHER,
    OWN,
    PARTNER,
    cycle_error,
    nearest,
    pair_error,
    partners_found,
)
from pyrogen.inference.pages import translation_sections
from pyrogen.inference.programs.contexts import remembering_apart
from pyrogen.models.adversarial.cyclegan import CycleGAN
from pyrogen.nets.packs import Packed
from pyrogen.nets.translators import ResidualTranslator

SMALL = {
    "generator": {"name": "ResidualTranslator", "width": 4, "blocks": 1},
    "critic": {"name": "Convolutional", "width": 4},
}
SHAPE = (3, 16, 16)


@pytest.fixture(scope="module")
def data():
    return load("domains(size=16, n=40)", dequantization=False)


def cyclegan(**arguments):
    torch.manual_seed(0)
    return pyrogen.create("cyclegan", x_shape=SHAPE, **{**SMALL, **arguments})


def by_hand(to_y, to_x, shape=(2,), pack=1):
    """A model of given translations, whose critics are linear in a datum, or in packs of them."""
    linear = [nn.Sequential(nn.Flatten(), nn.Linear(2 * pack, 1, bias=False)) for _ in range(2)]
    critics = linear if pack == 1 else [Packed(net, pack) for net in linear]
    return CycleGAN(to_y, to_x, *critics, shape, {"name": "Laplace", "scale": "fixed", "value": 0.5})


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x):
        return self.factor * x


class Plus(nn.Module):
    def __init__(self, shift):
        super().__init__()
        self.shift = shift

    def forward(self, x):
        return x + self.shift


def test_domains_are_unpaired_in_training_and_partners_in_test(data):
    assert not data.paired
    assert data.describe()["paired"] is False
    assert "unpaired" in repr(data)
    changed = data.test.y - data.test.x
    assert torch.allclose(changed.flatten(1).median(1).values, torch.tensor(LIGHTER), atol=0.01)
    assert changed.amin() > -0.01
    assert (data.train.y - data.train.x).amin() < -0.1


@pytest.mark.parametrize("loss", ["RelativisticAverage", "RelativisticLeastSquares", "RelativisticHinge"])
def test_each_critic_s_scores_are_relative_to_its_own(loss):
    """A constant that one critic adds to all of its scores says nothing of data, and changes no loss."""
    torch.manual_seed(0)
    model = by_hand(Times(2.0), Times(0.5))
    players = Adversarial(loss=loss).players(model)
    batch = Batch(torch.randn(6, 2), torch.randn(6, 2))
    before = [player.loss(batch)["loss"] for player in players]
    score_x, score_y = model.critic_x, model.critic_y
    real, fake = model.real(batch), model.fake(batch)
    goal = pyrogen.registry.make("adversarial loss", loss)
    pairs = [(net(real[k]).squeeze(-1), net(fake[k]).squeeze(-1)) for k, net in (("x", score_x), ("y", score_y))]
    torch.testing.assert_close(before[0], sum(goal.critic(*pair) for pair in pairs) / 2)
    torch.testing.assert_close(before[1], sum(goal.generator(*pair) for pair in pairs) / 2)
    likelihood = {"name": "Laplace", "scale": "fixed"}
    shifted = CycleGAN(Times(2.0), Times(0.5), nn.Sequential(score_x.net, Plus(7.0)), score_y.net, (2,), likelihood)
    for player, was in zip(Adversarial(loss=loss).players(shifted), before, strict=True):
        torch.testing.assert_close(player.loss(batch)["loss"], was)
    absolute = [Adversarial(loss="Hinge").players(m)[1].loss(batch)["loss"] for m in (model, shifted)]
    assert abs(absolute[0] - absolute[1]) > 1  # the control


@pytest.mark.parametrize("style", ["outline", "chalk"])
def test_outlines_cover_less_than_what_is_filled_and_nothing_outside(style):
    filled, other = Sprites(16), Sprites(16, style=style)
    assert (other.silhouettes <= filled.silhouettes + 1e-6).all()
    large = filled.silhouettes.sum(1) > 60
    assert (other.silhouettes.sum(1) < 0.9 * filled.silhouettes.sum(1))[large].all()
    assert (other.colours == 1).all() == (style == "chalk")


def test_an_unknown_style_is_refused():
    with pytest.raises(ValueError, match="no style of sprites called 'outlined'; did you mean 'outline'"):
        load("domains(style='outlined')")


def test_models_of_pairs_refuse_domains(data):
    model = pyrogen.create("cgan", x_shape=SHAPE, y_shape=SHAPE, kind="unit")
    with pytest.raises(ValueError, match="in 'domains' x and y were never paired; train 'cyclegan'"):
        fit(model, data, epochs=1, progress=False)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (torch.zeros(5, 1, 16, 16), r"x has \(3, 16, 16\) where y has \(1, 16, 16\); resize one of them"),
        (torch.zeros(5, 3, 8, 8), r"where y has \(3, 8, 8\)"),
        (torch.linspace(0, 3, 5 * 768).reshape(5, *SHAPE), "y goes from 0 to 3; rescale it, or use kind='real'"),
    ],
)
def test_domains_of_unlike_data_are_refused(y, said):
    with pytest.raises(ValueError, match=said):
        fit(cyclegan(), (torch.rand(5, *SHAPE), y), epochs=1, progress=False)


def test_an_entry_for_unlike_domains_is_refused():
    with pytest.raises(ValueError, match=r"x has \(3, 16, 16\) where y has \(\)"):
        cyclegan(y_shape=())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"likelihood": "Laplace"}, "Laplace reads other features than locations"),
        ({"likelihood": "Bernoulli"}, "Bernoulli reads other features than locations"),
    ],
)
def test_parts_that_do_not_fit(arguments, said):
    with pytest.raises(ValueError, match=said):
        cyclegan(**arguments)


@pytest.mark.parametrize(
    "generator",
    [
        {"name": "Convolutional", "width": 4},
        {"name": "Convolutional", "width": 4, "conditioning": "normalization"},
        {"name": "Spade", "width": 4, "hidden": 4},
        {"name": "UNet", "width": 4},
    ],
    ids=str,
)
def test_networks_that_take_noise_translate_without_it(generator):
    x = torch.rand(2, *SHAPE)
    model = cyclegan(generator=generator)
    for p in model.forth.parameters():
        p.data.normal_(0, 0.3)  # a scale of a norm starts at 0 where it would read y
    made = model.to_y(x)
    assert made.shape == (2, *SHAPE)
    assert not torch.allclose(made, model.to_y(x.flip(0)))
    made.sum().backward()
    assert all(p.grad is not None for p in model.forth.parameters())


def test_the_cycle_term_is_the_laplace_likelihood_of_what_comes_back():
    model = by_hand(Times(2.0), Times(0.75))
    x, y = torch.randn(6, 2), torch.randn(6, 2)
    (player,) = CycleConsistency(identity=0.5).players(model)
    terms = player.loss(Batch(x, y))
    # F(G(x)) = 1.5 x and G(F(y)) = 1.5 y; log 2b = 0
    cycle = (0.5 * x.abs().mean() + 0.5 * y.abs().mean()) / 0.5
    kept = (0.25 * x.abs().mean() + y.abs().mean()) / 0.5
    torch.testing.assert_close(terms["cycle"], cycle)
    torch.testing.assert_close(terms["loss"], cycle + 0.5 * kept)


def test_the_cycle_term_needs_two_domains():
    with pytest.raises(ValueError, match="there and back, as 'cyclegan' does; GAN does not"):
        CycleConsistency().players(pyrogen.create("gan-nonsaturating", x_shape=(2,)))


def test_two_players_move_all_of_it_and_the_game_is_of_both_domains(data):
    model = cyclegan()
    critic, translators = model.objective.players(model)
    assert {id(p) for p in critic.parameters()} == {
        id(p) for c in (model.critic_x, model.critic_y) for p in c.parameters()
    }
    assert {id(p) for p in translators.parameters()} == {
        id(p) for c in (model.forth, model.back) for p in c.parameters()
    }
    before = {k: v.clone() for k, v in model.state_dict().items()}
    run = fit(model, data, epochs=1, batch_size=20, progress=False)
    assert all(not torch.equal(before[k], v) for k, v in model.state_dict().items() if k.endswith("weight"))
    assert {"train/generator/cycle", "train/generator/identity"} <= set(run.history.columns)
    y = data.test.y[:4]
    assert torch.equal(model.sample(4, y), model.to_x(y))
    with pytest.raises(ValueError, match="got no y"):
        model.sample(4)


@pytest.mark.parametrize("pack", [1, 2])
def test_each_critic_is_charged_for_its_own_slopes(pack):
    model = by_hand(Times(2.0), Times(0.5), pack=pack)
    critic, _ = Adversarial(penalty=R1(2.0)).players(model)
    # ½ λ ‖w‖², w the slope of a linear score, of data or of packs of them
    expected = torch.stack([w.detach().square().sum() for w in model.parameters() if w.dim() == 2]).mean()
    charged = critic.loss(Batch(torch.randn(6, 2), torch.randn(6, 2)))["penalty"]
    torch.testing.assert_close(charged, expected)


def test_critics_of_their_own_that_are_not_said_to_be_are_refused():
    model = by_hand(Times(2.0), Times(0.5))
    model.apart = False
    critic, _ = Adversarial(penalty=R1(2.0)).players(model)
    with pytest.raises(ValueError, match=r"12 scores of 6 data; where each site has a critic .* says apart = True"):
        critic.loss(Batch(torch.randn(6, 2), torch.randn(6, 2)))


def test_what_should_change_no_score_is_asked_of_each_critic():
    model = by_hand(Times(2.0), Times(0.5))
    critic, _ = Adversarial(penalty={"name": "Consistency", "weight": 1.0, "noise": 0.5}).players(model)
    charged = critic.loss(Batch(torch.randn(20_000, 2), torch.randn(20_000, 2)))["penalty"]
    # E (wᵀ ε)² = σ² ‖w‖²
    expected = torch.stack([w.detach().square().sum() for w in model.parameters() if w.dim() == 2]).mean()
    assert float(charged) == pytest.approx(0.25 * float(expected), rel=0.05)


def test_recorded_steps_of_norms_passed_twice_are_those_of_eager_ones(monkeypatch):
    monkeypatch.setattr("pyrogen.inference.replay.recorded_step.PAYS", 4)
    x, y = torch.randn(40, 2), torch.randn(40, 2) + 1
    two = pyrogen.data.from_arrays(x, y, standardize=False)
    weights = []
    for compile in (False, "auto"):
        torch.manual_seed(0)
        model = by_hand(*(nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)) for _ in range(2)))
        run = fit(model, two, epochs=3, batch_size=16, compile=compile, validate=False, progress=False)
        weights.append(torch.cat([p.flatten() for p in (*model.parameters(), *model.buffers())]))
    assert run.steps.startswith("recorded")
    torch.testing.assert_close(*weights)


def test_a_kept_graph_holds_on_to_its_own_statistics():
    norm = nn.BatchNorm1d(2)
    x, mean = torch.randn(8, 2) + 3, norm.running_mean
    with remembering_apart([norm]):
        first = norm(x).square().sum()
    assert norm.running_mean is mean
    torch.testing.assert_close(mean, 0.1 * x.mean(0))
    with torch.no_grad():
        mean.add_(1.0)  # as a recorded step does
    first.backward()
    assert norm.weight.grad is not None


def test_a_history_shows_old_data_once_it_is_full():
    torch.manual_seed(0)
    history = History({"x": torch.zeros(1, 1)}, 6)
    parts = [torch.arange(4.0 * k, 4 * k + 4).unsqueeze(1) for k in range(60)]
    shown = [history({"x": part})["x"] for part in parts]
    assert torch.equal(torch.cat(shown[:2]), torch.cat(parts[:2]))
    later = list(zip(shown[2:], parts[2:], strict=True))
    assert all((s <= p.max()).all() for s, p in later)  # nothing that was not made yet
    old = torch.cat([s != p for s, p in later]).double().mean()
    assert 0.4 < old < 0.6
    # once exchanged it is gone: only what had filled the pool, shown at once, is shown a second time
    seen = torch.cat(shown).flatten()
    assert len(seen) - len(seen.unique()) <= 6
    assert len(history.pool_x.unique()) == 6


def test_metrics_of_the_true_translation_of_nothing_and_of_draws(data):
    class Lighter(nn.Module):
        def __init__(self, by):
            super().__init__()
            self.by = nn.Parameter(torch.tensor(by))

        def forward(self, x):
            return x + self.by * (x.amax(1, keepdim=True) < (0.4 if self.by > 0 else 0.96)).to(x)

    class Elsewhere(nn.Module):
        """The partner of the datum before."""

        def __init__(self, partners):
            super().__init__()
            self.partners = partners

        def forward(self, x):
            return self.partners.roll(1, 0)

    critics = [nn.Sequential(nn.Flatten(), nn.Linear(768, 1)) for _ in range(2)]
    likelihood = {"name": "Laplace", "scale": "fixed", "value": 0.1}
    nothing = CycleGAN(nn.Identity(), nn.Identity(), *critics, SHAPE, likelihood, kind="unit")
    assert (partners_found(nothing, data, 0), pair_error(nothing, data, 0), cycle_error(nothing, data, 0)) == (0, 1, 0)
    assert cycle_error(nothing, data, 0, noise=0.1) > 0.2
    near = CycleGAN(Lighter(LIGHTER), Lighter(-LIGHTER), *critics, SHAPE, likelihood, kind="unit")
    assert pair_error(near, data, 0) < 0.7
    assert partners_found(near, data, 0) > 0.4
    assert set(nearest(nothing, data).tolist()) == {OWN}
    lost = CycleGAN(Elsewhere(data.test.y), Elsewhere(data.test.x), *critics, SHAPE, likelihood, kind="unit")
    assert set(nearest(lost, data).tolist()) == {ANOTHER}


def test_both_ways_of_a_pair_are_one_datum_of_the_share(monkeypatch):
    one_way = torch.arange(400) % 5 < 2
    for other, spread in ((one_way, 0.4 * 0.6), (one_way.roll(1), None)):
        told = torch.where(torch.cat([one_way, other]), PARTNER, OWN)
        monkeypatch.setattr(translation, "nearest", lambda *_, told=told: told)
        found = partners_found(None, None, 0)
        assert found == pytest.approx(0.4)
        pairs = (one_way.double() + other.double()) / 2
        spread = float(pairs.var()) if spread is None else spread
        assert found.error == pytest.approx(max(math.sqrt(spread / 400), math.sqrt(0.24 / 800)), rel=0.01)


def test_metrics_need_two_domains(data):
    gan = pyrogen.create("gan-nonsaturating", x_shape=SHAPE, kind="unit")
    with pytest.raises(ValueError, match="GAN does not translate between two domains"):
        partners_found(gan, data, 0)


def test_its_page_shows_both_ways_and_warns_of_what_is_hidden(data):
    class Faint(nn.Module):
        """y shows next to nothing of x, and all of it comes back."""

        def __init__(self, factor):
            super().__init__()
            self.factor = nn.Parameter(torch.tensor(factor))

        def forward(self, x):
            return self.factor * x

    critics = [nn.Sequential(nn.Flatten(), nn.Linear(768, 1)) for _ in range(2)]
    model = CycleGAN(Faint(0.01), Faint(100.0), *critics, SHAPE, {"name": "Laplace", "scale": "fixed", "value": 0.1})
    model.eval()
    with torch.no_grad():
        shown = [*translation_sections.translations(model, data, []), *translation_sections.cycles(model, data, [])]
    assert [p.name for p in shown if p.figure is not None] == ["to_y", "to_x"]  # and of ten test data all are shown
    assert "hidden in them rather than translated" in shown[-1].caption


def test_its_page_shows_the_worst_translations_of_many():
    many = load("domains(size=16, n=60)", dequantization=False)
    critics = [nn.Sequential(nn.Flatten(), nn.Linear(768, 1)) for _ in range(2)]
    model = CycleGAN(Times(1.0), Times(1.0), *critics, SHAPE, {"name": "Laplace", "scale": "fixed", "value": 0.1})
    model.eval()
    with torch.no_grad():
        assert [p.name for p in translation_sections.translations(model, many, [])] == ["to_y", "to_x", "farthest"]
        x, _, y, _ = translation_sections.farthest(model, many)
        said = [p.caption for p in translation_sections.cycles(model, many, [])]
    assert any("100% of the translations are nearer to data of the domain that they came from" in s for s in said)
    apart = (many.test.x - many.test.y).abs().flatten(1).mean(1)
    torch.testing.assert_close((x - y).abs().flatten(1).mean(1), apart.sort(descending=True).values[: len(x)])


@pytest.mark.parametrize("normalization", ["none", "batch", "instance", "layer"])
def test_translators_keep_the_size_and_start_at_nothing_with_a_shortcut(normalization):
    from pyrogen.conditions import Condition

    told = Condition(SHAPE)
    net = ResidualTranslator(4, 2, 1, normalization, shortcut=True).build(0, SHAPE, "unit", told)
    x = torch.rand(3, *SHAPE) * 0.9 + 0.05
    nn.init.zeros_(net.layers[-2].weight)
    torch.testing.assert_close(net(x.new_zeros(3, 0), x.flatten(1)), x)
    noisy = ResidualTranslator(4, 1, 0, normalization).build(2, SHAPE, "real", told)
    first, second = (noisy(torch.randn(3, 2), x.flatten(1)) for _ in range(2))
    assert first.shape == (3, *SHAPE)
    assert not torch.allclose(first, second)


@pytest.mark.parametrize(
    ("settings", "shape", "told", "said"),
    [
        ({}, SHAPE, None, "makes pictures of pictures, and is told none"),
        ({"halvings": 3}, (3, 12, 12), (3, 12, 12), "multiples of 8"),
        ({}, (3, 4, 4), (3, 4, 4), r"leaves 1 pixel of x_shape=\(3, 4, 4\).*take fewer halvings"),
        ({}, SHAPE, (3, 8, 8), "as large as those it is told"),
        ({"shortcut": True}, SHAPE, (1, 16, 16), "adds the picture it is told"),
    ],
)
def test_what_a_translator_cannot_read(settings, shape, told, said):
    from pyrogen.conditions import Condition

    with pytest.raises(ValueError, match=said):
        ResidualTranslator(4, **settings).build(0, shape, "unit", None if told is None else Condition(told))
