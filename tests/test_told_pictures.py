"""Pictures of sentences and of layouts: what their networks read, what the critic is shown, and what is refused."""

import math

import pytest
import torch
from smallest import small
from torch import nn

import pyrogen
from pyrogen.base import Batch
from pyrogen.conditions import Condition
from pyrogen.data import load
from pyrogen.inference import Adversarial, fit
from pyrogen.inference.adversarial.game import _mismatched, of_others
from pyrogen.inference.metrics.sprites import layout_iou, slots_right, style_carried
from pyrogen.inference.pages import told_sections
from pyrogen.models.adversarial.layouts import StyleEncoder
from pyrogen.nets.spade import Spade, SpatialNorm
from pyrogen.nets.words import OfSentences
from pyrogen.registry import describe, find, make

GENERATOR = {"name": "Convolutional", "width": 4}
WORDS = {"name": "LSTM", "width": 8}


@pytest.fixture(scope="module")
def captions():
    return load("sprites(size=16, n=200, y='caption', held_out=['red circle'])", dequantization=False)


@pytest.fixture(scope="module")
def layouts():
    return load("sprites(size=16, n=60, y='layout')", dequantization=False)


def made_for(data, name, **arguments):
    torch.manual_seed(0)
    return pyrogen.create(name, **{**data.decides(find("entry", name).load()), **arguments})


def text_to_image(data, **arguments):
    return made_for(data, "text-to-image", **{"latent_size": 2, "generator": GENERATOR, "words": WORDS, **arguments})


def spade(data, **arguments):
    net = {"name": "Spade", "width": 4, "hidden": 4}
    return made_for(data, "spade", **{"latent_size": 3, "width": 4, "generator": net, **arguments})


@pytest.mark.parametrize("words", ["LSTM", "Transformer", "NGram"])
def test_a_sentence_is_told_by_whatever_reads_sequences(captions, words):
    model = text_to_image(captions, words={"name": words, "width": 8})
    y = captions.test.y[[0, 1, 0]]
    y[2, :2] = y[0, :2].flip(0)  # two words change places
    first, second, swapped = model.net.net.reader(y.unsqueeze(1))
    assert first.shape == (8,)
    assert not torch.allclose(first, second)
    # a mean over words cannot tell which word stood where
    assert torch.allclose(first, swapped, atol=1e-6) == (words == "NGram")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Spade(0), "networks have 1 channel or more"),
        (lambda: Spade().build(2, (3, 16, 16)), "makes pictures of layouts, and is told none"),
        (lambda: Spade().build(2, (3, 16, 16), "unit", Condition((4,))), "this model takes 4 real numbers"),
    ],
)
def test_settings_that_mean_nothing(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_text_to_image_trains_both_readers_and_is_asked_in_words(captions):
    model = text_to_image(captions)
    table = "net.net.reader.reading.table.weight"
    before = model.state_dict()[table].clone()
    run = fit(model, captions, epochs=1, batch_size=50, progress=False)
    assert not torch.equal(before, model.state_dict()[table])
    assert {"train/critic/mismatched", "train/generator/reconstruction"} <= set(run.history.columns)
    assert model.sample(3, captions.test.y[:3]).shape == (3, 3, 16, 16)
    critic, _ = model.objective.players(model)
    critic.loss(Batch(captions.train.x[:4], captions.train.y[:4]))["loss"].backward()
    (site_critic,) = critic.owns
    assert float(site_critic.net.net.reader.reading.table.weight.grad.abs().sum()) > 0


def test_text_to_image_is_held_to_the_datum_by_the_mean_squared_difference(captions):
    model = text_to_image(captions, weight=7.0, scale=0.3).eval()
    x, y = captions.train.x[:4], captions.train.y[:4]
    (_, generator), ((_, game), (weight, _)) = model.objective.players(model), model.objective.parts
    with torch.no_grad():
        model.net.net.net.layers[1].weight[:, :2] = 0  # z says nothing
        terms = generator.loss(Batch(x, y))
        apart = (model.generate(torch.zeros(4, 2), y) - x).square().mean()
    assert isinstance(game, Adversarial)
    # D log √(2π) s is the same for all pictures
    constant = 768 * math.log(0.3 * math.sqrt(2 * math.pi))
    torch.testing.assert_close(weight * (terms["elbo"] - constant), 7 * apart)


def test_a_critic_of_sentences_reads_packs_and_refuses_what_is_none(captions):
    told = Condition(captions.y_shape, captions.classes)
    of = {"name": "Convolutional", "width": 4, "normalization": "none", "pack": 2}
    critic = OfSentences(of, WORDS)
    x, y = captions.train.x[:6], told.read(captions.train.y[:6])
    assert critic.build((3, 16, 16), told)(x, y).shape == (3, 1)
    assert make("critic", describe(critic)) == critic
    for condition, said in ((None, "and is told none"), (Condition((4,)), r"reads words, .* y is 4 real numbers")):
        with pytest.raises(ValueError, match=said):
            critic.build((3, 16, 16), condition)


def test_text_to_image_needs_words(layouts):
    with pytest.raises(
        ValueError, match=r"reads words, \(L,\) of so many in a vocabulary; these data have y of a layout"
    ):
        text_to_image(layouts)


def test_the_nearest_y_that_is_another_is_called_false():
    words, label = Condition((3,), 9), Condition((), 3)
    y = torch.tensor([[1, 2, 3], [4, 5, 6], [1, 2, 3], [1, 2, 8], [7, 7, 6]])
    assert of_others(y, words.read(y)).tolist() == [[1, 2, 8], [7, 7, 6], [1, 2, 8], [1, 2, 3], [4, 5, 6]]
    labels = torch.tensor([0, 1, 2, 0])
    found = {int(of_others(labels, label.read(labels))[0]) for _ in range(100)}
    assert found == {1, 2}  # as near as one another, and never its own
    assert of_others(labels[[0, 3]], label.read(labels[[0, 3]])).tolist() == [0, 0]  # there is no other
    # real numbers near one another, and far from 0; and many, whose squares rounding moves: five y, each twice
    for y in (torch.tensor([[0.0], [0.1], [0.3], [0.1]]), torch.arange(1990.0, 1998.0).unsqueeze(1)):
        for _ in range(20):
            others = of_others(y, y)
            apart = torch.where(y == y.T, torch.inf, (y - y.T).abs())
            torch.testing.assert_close((others - y).abs().squeeze(1), apart.amin(1))
    far = torch.randn(5, 48, generator=torch.Generator().manual_seed(0)).mul(30).repeat(2, 1)
    assert not (of_others(far, far) == far).all(1).any()


OF_ALL_KINDS = [  # the rows of the table in pyrogen.conditions
    Condition((), 3),
    Condition((2,), 3),
    Condition((4, 4), 3),
    Condition((1, 4, 4)),
    Condition((4, 4)),
    Condition((2,)),
]


@pytest.mark.parametrize("told", OF_ALL_KINDS, ids=str)
def test_a_critic_is_shown_the_y_of_others_whatever_y_is(told):
    torch.manual_seed(0)
    model = pyrogen.create("cgan", x_shape=(2,), y_shape=told.shape, classes=told.classes, latent_size=2, kind="real")
    labels = torch.tensor([0, 1, 1]).view(3, *[1] * len(told.shape)).expand(3, *told.shape)
    batch = Batch(torch.randn(3, 2), labels.clone() if told.classes else labels.double().float())
    found = _mismatched(model, model.real(batch), {"x": torch.zeros(3, 2), "y": batch.y})
    assert torch.equal(found["y"], batch.y[[1, 0, 0]])
    assert torch.equal(found["x"], batch.x)
    alone = _mismatched(model, model.real(batch), {"x": torch.zeros(3, 2), "y": batch.y[[1, 1, 1]]})
    assert torch.equal(alone["x"], batch.x)
    same = Batch(batch.x, batch.y[[1, 1, 1]])
    assert not _mismatched(model, model.real(same), {"x": torch.zeros(3, 2), "y": same.y})["x"].any()
    many = (torch.randn(30, 2), batch.y.repeat(10, *[1] * len(told.shape)))
    fit(model, many, Adversarial(mismatched=True), epochs=1, validate=False, progress=False)


def test_the_critic_is_shown_true_pictures_with_the_captions_of_others(captions):
    critic = {"name": "Convolutional", "width": 4, "normalization": "none", "conditioning": "projection"}
    model = made_for(captions, "cgan", latent_size=2, generator=GENERATOR, critic=critic)
    loss = {"loss": "LeastSquares"}
    plain, matching = (Adversarial(**loss, mismatched=m).players(model)[0] for m in (False, True))
    model.eval()
    batch = Batch(captions.train.x[:2], captions.train.y[:2])  # of two y each is the other's nearest
    with torch.random.fork_rng():
        torch.manual_seed(1)
        terms = plain.loss(batch)
    torch.manual_seed(1)
    more = matching.loss(batch)
    wrong = model.criticize({"x": batch.x, "y": batch.y.roll(1, 0)})
    torch.testing.assert_close(more["mismatched"], wrong.mean())
    real = model.criticize({"x": batch.x, "y": batch.y})
    fake = 2 * (terms["loss"] - 0.5 * (real - 1).square().mean())
    expected = 0.5 * (real - 1).square().mean() + 0.25 * fake + 0.25 * wrong.square().mean()
    torch.testing.assert_close(more["loss"], expected)
    # among data of one y none is false for its y: the critic sees what was made twice
    alone = Batch(batch.x, batch.y[:1].expand_as(batch.y))
    found = []
    for player in (plain, matching):
        torch.manual_seed(1)
        found.append(player.loss(alone))
    torch.testing.assert_close(found[1]["mismatched"], found[0]["fake"])
    torch.testing.assert_close(found[1]["loss"], found[0]["loss"])


def test_a_critic_that_reads_no_y_cannot_be_shown_another(captions):
    matched = Adversarial(mismatched=True)
    with pytest.raises(ValueError, match="and that of this GAN reads no y"):
        matched.players(pyrogen.create("gan-nonsaturating", x_shape=(2,)))
    with pytest.raises(ValueError, match="of this CycleGAN takes data whose x and y were never paired"):
        matched.players(small("cyclegan"))
    with pytest.raises(ValueError, match="of this SocialGAN reads y with holes"):
        matched.players(small("social-gan"))


def test_a_flat_region_keeps_its_class_through_a_spatial_norm():
    torch.manual_seed(0)
    told = Condition((4, 4), 3)
    norm = SpatialNorm(5, told, 6)
    nn.init.normal_(norm.say.weight)
    y = torch.zeros(2, 4, 4, dtype=torch.long)
    y[1] = 2
    h = torch.ones(2, 5, 8, 8)  # what a norm that sees h alone makes 0 of, whatever the class
    first, second = norm(h, told.read(y))
    assert not torch.allclose(first, second)
    assert torch.allclose(first[:, 3:5, 3:5], first[:, 3:4, 3:4], atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 9, 6), (3, 32, 32)])
def test_spade_makes_pictures_of_any_size_and_starts_blind_to_the_layout(shape):
    told = Condition(shape[1:], 3)
    net = Spade(4, 3).build(2, shape, "unit", told)
    z = torch.randn(2, 2)
    y = [told.read(torch.randint(3, (2, *shape[1:]))) for _ in range(2)]
    first, second = (net(z, some) for some in y)
    assert first.shape == (2, *shape)
    torch.testing.assert_close(first, second)


def test_spade_is_a_conditional_pair_with_a_game_beside(layouts):
    model = spade(layouts)
    run = fit(model, layouts, epochs=1, batch_size=30, progress=False)
    assert {"train/elbo/reconstruction", "train/critic/fake"} <= set(run.history.columns)
    x, y = layouts.test.x[:3], layouts.test.y[:3]
    model.eval()
    assert model.decode(model.code(x, y), y.roll(1, 0)).mean.shape == x.shape
    with pytest.raises(ValueError, match="numbered 0 to 6; y holds int64 from 7 to 7"):
        model.check(x, 0 * y + 7)


def test_a_style_says_how_things_look_and_not_where_they_are():
    told = Condition((16, 16), 3)
    torch.manual_seed(0)
    encoder = StyleEncoder((3, 16, 16), told, 5, 4)

    def code(top, left, size, shape=2, colours=((0.1, 0.1, 0.4), (0.9, 0.9, 0.1))):
        y = torch.zeros(1, 16, 16, dtype=torch.long)
        y[:, top : top + size, left : left + size] = shape
        return encoder(torch.tensor(colours)[y.clamp(max=1)].movedim(-1, 1), told.read(y))

    here = code(2, 3, 4)
    assert here.shape == (1, 5)
    torch.testing.assert_close(here, code(9, 8, 6))
    for other in (code(2, 3, 4, shape=1), code(2, 3, 4, colours=((0.9, 0.9, 0.1), (0.1, 0.1, 0.4)))):
        assert not torch.allclose(here, other, atol=1e-3)


def test_a_style_is_of_classes(layouts):
    with pytest.raises(ValueError, match="this model takes an image of 16 × 16, which has no classes"):
        spade(layouts, classes=None)


def test_metrics_know_who_draws_what_was_asked(captions, layouts):
    with pytest.raises(ValueError, match="reads captions of sprites"):
        slots_right(spade(layouts), layouts, 0)
    with pytest.raises(ValueError, match="this needs layouts"):
        layout_iou(text_to_image(captions), captions, 0)
    blind = text_to_image(captions)
    assert 0.05 < slots_right(blind, captions, 0) < 0.5
    kept = layout_iou(spade(layouts), layouts, 0, style="other")
    assert kept < 0.4
    assert 0 < kept.error < 0.1
    assert style_carried(spade(layouts), layouts, 0, style="prior") < 0.5


class TrueDrawer(nn.Module):
    """g(z, y) of sprites that are drawn as their captions say."""

    def __init__(self, data):
        super().__init__()
        from pyrogen.data.sprites_captions import Captions

        self.sprites = data.oracle.sprites
        self.captions = Captions(self.sprites)
        self.idle = nn.Parameter(torch.zeros(()))

    def forward(self, z, told):
        words = told.reshape(len(told), self.captions.length, -1).argmax(-1)
        if not words.any():
            return torch.zeros(len(told), *self.sprites.x_shape) + 0 * self.idle
        return self.sprites.render(self.captions.understand(self.captions.spell(words))) + 0 * self.idle


def test_all_slots_are_right_of_who_draws_as_told(captions):
    from pyrogen.models.adversarial.gan import GAN

    y_shape, classes = captions.y_shape, captions.classes
    critic = nn.Sequential(nn.Flatten(), nn.Linear(768, 1))
    model = GAN(TrueDrawer(captions), critic, (3, 16, 16), 1, kind="unit", condition=Condition(y_shape, classes))
    assert slots_right(model, captions, 0) == 1
    unseen = slots_right(model, captions, 0, unseen=True)
    assert unseen == 1
    assert unseen.error > 0  # although all agree


def test_without_held_out_pairs_there_are_no_unseen_ones():
    data = load("sprites(size=16, n=2000, y='caption')", dequantization=False)
    with pytest.raises(ValueError, match="all pairs of values occur in training; hold some out"):
        slots_right(text_to_image(data), data, 0, unseen=True)


def test_pages_show_sentences_and_layouts_in_the_styles_of_others(captions, layouts):
    with torch.no_grad():
        (panel,) = told_sections.sentences(text_to_image(captions).eval(), captions, [])
        (other,) = told_sections.styles(spade(layouts).eval(), layouts, [])
    rows = [label.get_text() for label in panel.figure.axes[0].get_yticklabels()]
    assert len(rows) == 6
    assert rows[0].replace("\n", " ").startswith("a ")
    assert other.figure is not None
    assert not list(told_sections.styles(text_to_image(captions), captions, []))
    assert not list(told_sections.sentences(spade(layouts), layouts, []))
