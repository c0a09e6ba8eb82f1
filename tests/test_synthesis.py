"""Generators of whole pictures: attention, residual blocks, styles, growth; their terms, truncation, and what is refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.base import Batch
from pyrogen.capabilities import HasAttention, HasGrowth, HasStyles, HasTruncation
from pyrogen.command.cli import main
from pyrogen.conditions import Condition
from pyrogen.data import from_arrays, load
from pyrogen.data.sprites_sets import draw_factors
from pyrogen.inference import Adversarial, fit
from pyrogen.inference.adversarial.regularization import (
    WEIGHED,
    Orthogonality,
    PathLength,
    overlap,
    path_lengths,
)
from pyrogen.inference.latents.judging import Judge, Learned
from pyrogen.inference.metrics.styles import noise_moves, path_ratio, style_ratio
from pyrogen.inference.metrics.synthesis import distant_agreement, truncation_trade
from pyrogen.inference.pages import synthesis_sections
from pyrogen.inference.pages.run_report import PANELS
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.inference.replay import recorded_step
from pyrogen.models.adversarial.gan import GAN
from pyrogen.models.adversarial.styles import StyleGAN
from pyrogen.nets import critics, generators
from pyrogen.nets.attention import SelfAttention
from pyrogen.nets.equalized import PixelNorm, equalized
from pyrogen.nets.growing import Growing, GrowingCritic, GrowingGenerator, grown_to, pooled, repeated
from pyrogen.nets.residual import HierarchicalNet, ResidualCritic, ResidualGenerator
from pyrogen.nets.spectral import largest_singular_values
from pyrogen.nets.styled import Styled, StyledLayer, StyledNet
from pyrogen.registry import make

SMALL = {
    "sagan": {
        "generator": generators.Convolutional(4, spectral=True, attention=True),
        "critic": critics.Convolutional(4, "spectral", attention=True),
    },
    "biggan": {"classes": 3, "generator": ResidualGenerator(4, embedding=2), "critic": ResidualCritic(4)},
    "stylegan": {"generator": Styled(4, style=6, depth=2), "critic": critics.Convolutional(4, "none")},
    "progan": {"generator": {"name": "Growing", "width": 4}, "critic": GrowingCritic(4), "fade": 3},
}


def small(name, side=16, seed=0, **arguments):
    torch.manual_seed(seed)
    return pyrogen.create(name, **{"x_shape": (1, side, side), "latent_size": 6, **SMALL[name], **arguments})


def quick(model, x, **settings):
    return fit(model, x, **{"epochs": 1, "batch_size": 8, "seed": 0, "device": "cpu", "progress": False, **settings})


NETS = [
    (ResidualGenerator(4), ResidualCritic(4)),
    (ResidualGenerator(4, attention=True), ResidualCritic(4, attention=True, conditioning="concatenation")),
    (generators.Convolutional(4, spectral=True), ResidualCritic(4, pack=2, minibatch="deviation")),
]
SQUARE = [
    (Styled(4), GrowingCritic(4)),
    (Styled(4, styling="demodulation", depth=0), GrowingCritic(4, conditioning="projection", pack=2)),
    (make("generator", "Growing(width=4)"), GrowingCritic(4, minibatch="none")),
]


@pytest.mark.parametrize(
    ("nets", "shape"),
    [(n, s) for n in NETS for s in ((1, 28, 28), (2, 5, 9))]
    + [(n, s) for n in SQUARE for s in ((3, 8, 8), (1, 32, 32))],
    ids=str,
)
def test_networks_of_any_shape_with_and_without_a_condition(nets, shape):
    torch.manual_seed(0)
    (generator, critic), z, y = nets, torch.randn(4, 5), torch.eye(4)[:, :3]
    assert generator.build(5, shape)(z).shape == (4, *shape)
    told = Condition((3,))
    made, judging = generator.build(5, shape, "unit", told), critic.build(shape, told)
    x = made(z, y)
    assert x.shape == (4, *shape)
    assert 0 < float(x.detach().min()) < float(x.detach().max()) < 1
    assert critic.build(shape)(x).shape == judging(x, y).shape == (4 // critic.pack, 1)
    judging(x, y).sum().backward()
    assert all(p.grad is not None for net in (made, judging) for p in net.parameters())


# ------------------------------------------------------------------------------------------------------------- attention


def test_both_networks_of_a_sagan_are_spectral_and_attend():
    model = small("sagan", 8)
    assert isinstance(model, HasAttention)
    quick(model, torch.rand(16, 1, 8, 8), validate=False)
    for net in (model.generator, model.critic):
        assert max(largest_singular_values(net).values()) < 1.15
        assert any(isinstance(m, SelfAttention) for m in net.modules())
    weights = model.attention(torch.randn(3, 6))
    assert weights.shape == (3, 4, 4, 4, 4)
    torch.testing.assert_close(weights.sum((3, 4)), torch.ones(3, 4, 4))


def test_the_players_of_a_sagan_have_rates_of_their_own():
    critic, generator = small("sagan").objective.players(small("sagan"))
    assert critic.optimizer.lr == 4 * generator.optimizer.lr


# -------------------------------------------------------------------------------------------------------- residual blocks


def test_each_block_reads_its_part_of_z_and_one_embedding_of_y():
    torch.manual_seed(0)
    (net,) = ResidualGenerator(4, embedding=2).layers(9, torch.Size((1, 28, 28)), Condition((3,)))
    net.eval()
    assert isinstance(net, HierarchicalNet)
    assert net.parts == (3, 3, 3)
    for block in net.blocks:
        for norm in block.norms:
            nn.init.normal_(norm.affine)
    seen = []
    for block in net.blocks:
        block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    z, y = torch.randn(2, 9), torch.eye(3)[:2]
    net(z, y)
    shared = net.embedding(y)
    for told, part in zip(seen, z.split(3, 1)[1:], strict=True):
        torch.testing.assert_close(told, torch.cat([shared, part], 1))
    moved = [float((net(z, y) - net(z + torch.eye(9)[i], y)).abs().sum().detach()) for i in range(9)]
    assert min(moved) > 0


def test_orthogonality_is_the_overlap_of_rows_and_is_paid_by_the_generator():
    weight = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    assert float(overlap(weight)) == 2 * (1 + 0 + 4)
    assert float(overlap(torch.eye(3) * 5)) == 0
    model = small("biggan", objective=Adversarial() + 2 * Orthogonality())
    (term,) = Orthogonality().players(model)
    start = float(term.loss(Batch(torch.rand(4, 1, 16, 16)))["loss"].detach())
    with (
        torch.no_grad()
    ):  # from orthogonal weights there is nothing to be paid but for layers of more rows than columns
        model.generator.net.layers[0].start.parametrizations.weight.original.add_(1)
    assert float(term.loss(Batch(torch.rand(4, 1, 16, 16)))["loss"].detach()) > start + 1
    names = [p.name for p in model.objective.players(model)]
    assert names == ["critic", "generator"]
    with pytest.raises(ValueError, match="VAE plays no game"):
        Orthogonality().players(pyrogen.create("vae", x_shape=(4,)))
    for layer in model.generator.modules():
        if isinstance(layer, WEIGHED):
            layer.bias = None
    with pytest.raises(ValueError, match="leaves out layers without a bias, and this generator has no others"):
        Orthogonality().players(model)


# ------------------------------------------------------------------------------------------------------------- truncation


def test_truncated_latents_are_normal_ones_that_lie_within():
    model = small("sagan")
    torch.manual_seed(0)
    z = model._draw_within(20_000, 1.0)
    assert float(z.abs().max()) <= 1
    # the variance of N(0, 1) given |z| ≤ 1: 1 − 2 φ(1) / (2 Φ(1) − 1)
    expected = 1 - 2 * math.exp(-0.5) / math.sqrt(2 * math.pi) / math.erf(1 / math.sqrt(2))
    assert float(z.var()) == pytest.approx(expected, rel=0.01)
    torch.manual_seed(0)
    wide = model._draw_within(20_000, model.untruncated)
    assert wide.isfinite().all()
    assert float(wide.std()) == pytest.approx(1, rel=0.01)
    # the same draws, pushed together
    assert ((z > 0) == (wide > 0)).all()
    assert (z.abs() <= wide.abs()).all()


def test_truncation_to_nothing_is_the_mean_style():
    model = small("stylegan").eval()
    assert isinstance(model, HasTruncation)
    for layer in model.modules():
        if isinstance(layer, StyledLayer):
            nn.init.zeros_(layer.strength)
    still, free = model.sample(3, truncation=0.0), model.sample(3)
    torch.testing.assert_close(still[0], still[1])
    assert not torch.allclose(free[0], free[1])
    torch.manual_seed(1)
    whole = model.sample(3, truncation=1.0)
    torch.manual_seed(1)
    torch.testing.assert_close(whole, model.sample(3))


@pytest.mark.parametrize(
    ("make_model", "level", "sentence"),
    [
        (lambda: small("sagan"), 0.0, "truncation=0 draws z of a prior that has a centre, .* must be above 0"),
        (
            lambda: small("stylegan"),
            -1.0,
            "truncation=-1 scales how far a style is from the mean of all; it is 0 or more",
        ),
        (lambda: small("sagan", prior="Laplace"), 1.0, "the prior of this AttentiveGAN is Laplace"),
    ],
)
def test_truncations_that_mean_nothing(make_model, level, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        make_model().sample(2, truncation=level)
    assert "\n" not in str(caught.value)


# ----------------------------------------------------------------------------------------------------------------- styles


def test_a_demodulated_layer_is_a_convolution_of_modulated_weights():
    torch.manual_seed(0)
    layer, h, w = StyledLayer(3, 5, 4, "demodulation", False), torch.randn(2, 3, 8, 8), torch.randn(2, 4)
    found = layer(h, w, torch.zeros(2, 1, 8, 8))
    for n in range(2):
        weight = layer.conv.weight * (1 + layer.affine(w[n])).reshape(1, 3, 1, 1)
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        plain = nn.functional.conv2d(h[n : n + 1], weight, padding=1)
        torch.testing.assert_close(found[n : n + 1], nn.functional.leaky_relu(plain, 0.2), rtol=1e-4, atol=1e-5)


def test_an_instance_layer_gives_features_the_scale_and_shift_of_the_style():
    torch.manual_seed(0)
    layer, w = StyledLayer(3, 5, 4, "instance", True), torch.randn(2, 4)
    y = layer(torch.randn(2, 3, 4, 4), w, None)
    scale, shift = layer.affine(w).chunk(2, 1)
    assert y.shape == (2, 5, 8, 8)
    torch.testing.assert_close(y.mean((2, 3)), shift, atol=1e-5, rtol=0)
    torch.testing.assert_close(y.std((2, 3), correction=0), (1 + scale).abs(), rtol=1e-3, atol=1e-4)


def test_styles_are_mixed_in_training_only_and_from_a_random_layer_on():
    torch.manual_seed(0)
    net = Styled(4, style=3, depth=0, mixing=0.5).build(3, (1, 16, 16)).layers[0]
    assert isinstance(net, StyledNet)
    seen = []
    for layer in net.layers:
        layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    z = torch.randn(400, 3)
    net.train()(z, None)
    styles, own, other = torch.stack(seen, 1), net.style(z), net.style(z.roll(1, 0))
    foreign = (styles == other[:, None]).all(2)
    assert ((styles == own[:, None]).all(2) ^ foreign).all()
    assert not foreign[:, 0].any()
    assert (foreign[:, 1:] >= foreign[:, :-1]).all()  # once another, always
    assert float(foreign[:, -1].double().mean()) == pytest.approx(0.5, abs=0.08)
    assert set(foreign.sum(1).tolist()) == set(range(len(net.layers)))
    seen.clear()
    net.eval()(z, None)
    assert all(torch.equal(style, own) for style in seen)


def test_synthesis_of_one_style_is_generation_and_noise_is_what_is_left():
    model = small("stylegan").eval()
    assert isinstance(model, HasStyles)
    for layer in model.modules():
        if isinstance(layer, StyledLayer):
            nn.init.ones_(layer.strength)
    z = torch.randn(3, 6)
    styles, noise = model.each(model.style(z)), model.draw_noise(3)
    torch.testing.assert_close(model.synthesize(styles, noise), model.synthesize(styles, noise))
    assert not torch.allclose(model.synthesize(styles), model.synthesize(styles))
    torch.manual_seed(2)
    x = model.generate(z)
    torch.manual_seed(2)
    torch.testing.assert_close(x, model.synthesize(styles))


def test_lengths_of_paths_are_norms_of_jacobians():
    model = small("stylegan", side=8).eval()
    for layer in model.styled.layers:
        for p in layer.parameters():
            nn.init.normal_(p, std=0.5)
    n = 200
    torch.manual_seed(0)
    lengths = path_lengths(model, n, Batch(torch.zeros(n, 1, 8, 8))).detach()
    # E over noise of the squares is the mean over layers of ‖J‖² / (H W), here by finite differences
    torch.manual_seed(0)
    w = model.style(torch.randn(n, 6))
    noise = model.draw_noise(n)
    total, step = 0.0, 1e-2
    for layer in range(model.style_layers):
        for k in range(6):
            moved = torch.zeros(model.style_layers, 6)
            moved[layer, k] = step
            ends = [model.synthesize(model.each(w) + s * moved, noise) for s in (-0.5, 0.5)]
            total += float(((ends[1] - ends[0]) / step).square().sum((1, 2, 3)).mean().detach())
    expected = total / model.style_layers / 64
    assert float(lengths.square().mean()) == pytest.approx(expected, rel=0.15)


def test_the_mean_length_of_paths_is_remembered_where_it_is_charged():
    model = small("stylegan", objective=Adversarial() + PathLength(every=4, decay=0.5))
    players = model.objective.players(model)
    (mean,) = players[1].state
    assert players[1].every == 4
    batch = Batch(torch.rand(4, 1, 16, 16), step=torch.tensor(1))
    assert float(players[1].loss(batch)["paths"]) == 0
    players[1].loss(Batch(batch.x))
    assert float(mean.length) == 0
    players[1].loss(Batch(batch.x, step=torch.tensor(4), turn=torch.tensor(4)))
    assert float(mean.length) > 0
    with pytest.raises(ValueError, match="told no styles whose paths"):
        PathLength().players(small("sagan"))


# ----------------------------------------------------------------------------------------------------------------- growth


def grown(model):
    return [m for m in model.modules() if isinstance(m, Growing)]


# a StyleGAN may grow as the progressive GAN does
GROWING = {"progan": {}, "stylegan": {"critic": GrowingCritic(4), "fade": 3}}


@pytest.mark.parametrize("name", GROWING)
def test_before_it_fades_in_a_grown_net_is_the_old_one_doubled(name):
    model = small(name, 32, **GROWING[name]).eval()
    assert isinstance(model, HasGrowth)
    z = torch.randn(4, 6)
    for level in (1, 2, 3):
        old = model.generate_at(level - 1, z)
        with grown_to(level, torch.zeros(())):
            new = model.generate(z)
            judged = model.criticize({"x": old})
        with grown_to(level - 1):
            before = model.criticize({"x": old})
        assert torch.equal(new, old)
        torch.testing.assert_close(judged, before)
        with grown_to(level, torch.ones(())):
            assert torch.equal(model.generate(z), model.generate_at(level, z))
        small_image = pooled(old, 4 - level)
        torch.testing.assert_close(repeated(small_image, 4 - level), old)


def test_data_fade_as_generated_ones_do():
    model, x = small("progan", 16), torch.rand(2, 1, 16, 16)
    with grown_to(1, torch.tensor(0.25)):
        seen = model.real(Batch(x))["x"]
    at_8, at_4 = (repeated(pooled(x, k), k) for k in (1, 2))
    torch.testing.assert_close(seen, 0.75 * at_4 + 0.25 * at_8)
    assert torch.equal(model.real(Batch(x))["x"], x)


def test_stages_grow_and_levels_above_rest():
    model = small("progan", 16)
    assert [stage.name for stage in model.stages()] == ["4 × 4 pixels", "8 × 8 pixels", "16 × 16 pixels"]
    before = {k: p.detach().clone() for k, p in model.named_parameters()}
    first, *_ = model.stages()
    first.enter()
    assert [int(net.level) for net in grown(model)] == [0, 0]
    terms = first.players[1].loss(Batch(torch.rand(4, 1, 16, 16), step=torch.tensor(5)))
    terms["loss"].backward()
    reached = {k.split(".", 3)[3] for k, p in model.generator.named_parameters() if p.grad is not None}
    assert {k.split(".")[0] for k in reached} == {"start", "colours"}
    assert not any(k.startswith(("blocks", "colours.1")) for k in reached)
    model.zero_grad()
    run = quick(model, torch.rand(24, 1, 16, 16), validate=False)
    assert len(run.records) == 3
    assert [int(net.level) for net in grown(model)] == [2, 2]
    assert all(not torch.equal(p, before[k]) for k, p in model.named_parameters() if "blocks" in k)


def test_a_stylegan_grows_and_mixes_the_styles_of_layers_that_are_there():
    model = small("stylegan", **GROWING["stylegan"])
    assert isinstance(model, HasGrowth)
    assert isinstance(model, HasStyles)
    before = {k: p.detach().clone() for k, p in model.named_parameters()}
    seen = []
    for layer in model.styled.layers:
        layer.register_forward_pre_hook(lambda layer, inputs: seen.append((layer, inputs[1])))
    with grown_to(0):
        model.train().generate(torch.randn(40, 6))
    (first, own), (second, other) = seen
    assert [first, second] == model.styled.layers[:2]
    assert not (own == other).all(1).all()
    run = quick(model, torch.rand(24, 1, 16, 16), validate=False)
    assert len(run.records) == 3
    assert all(not torch.equal(p, before[k]) for k, p in model.named_parameters() if "strength" not in k)


def test_a_net_that_settles_makes_the_same_image_and_no_other():
    torch.manual_seed(0)
    net = Styled(4, style=3).build(3, (1, 16, 16)).layers[0].eval()
    z = torch.randn(2, 3)
    before = net(z, None)
    net.settle()
    assert torch.equal(net(z, None), before)
    assert len(net.colours) == len(small("stylegan").styled.colours) == 1
    assert len(small("stylegan", **GROWING["stylegan"]).styled.colours) == 3


@pytest.mark.parametrize("generator", ["Styled(width=4)", "Growing(width=4)"])
def test_networks_that_nobody_grows_are_grown_and_their_steps_recorded(generator, monkeypatch):
    monkeypatch.setattr(recorded_step, "PAYS", 1)
    m = pyrogen.create("dcgan", x_shape=(1, 8, 8), generator=generator, critic=GrowingCritic(4))
    run = quick(m, torch.rand(24, 1, 8, 8), compile="auto")
    assert "recorded" in run.steps
    assert "eager" not in run.steps


def test_a_recorded_step_goes_on_fading(monkeypatch):
    monkeypatch.setattr(recorded_step, "PAYS", 1)
    finals = []
    for compiled in (False, "auto"):
        model = small("progan", 8, objective=Adversarial(), critic=GrowingCritic(4, "none"))
        run = quick(model, torch.rand(40, 1, 8, 8), validate=False, compile=compiled)
        finals.append({k: v.clone() for k, v in model.state_dict().items()})
    assert "recorded" in run.steps
    for key, value in finals[0].items():
        torch.testing.assert_close(finals[1][key], value, rtol=1e-4, atol=1e-5, msg=key)


def test_a_run_that_is_cut_while_a_level_fades_in_resumes_to_the_bit(tmp_path):
    x = torch.rand(32, 1, 8, 8)

    def made():
        return small("progan", 8, fade=6, objective=Adversarial())

    whole, cut, again = made(), made(), made()
    first, second = cut.stages()
    critic, generator = second.players
    moves = []

    def failing(batch):
        moves.append(batch.step)
        if len(moves) == 3:
            raise KeyboardInterrupt
        return generator.loss(batch)

    cut.stages = lambda: [first, replace(second, players=[critic, replace(generator, loss=failing)])]
    settings = {"validate": False, "compile": False}
    with pytest.raises(KeyboardInterrupt):
        quick(cut, x, folder=tmp_path, checkpoint_seconds=0.0, **settings)
    quick(whole, x, **settings)
    quick(again, x, folder=tmp_path, resume=True, **settings)
    assert [int(net.level) for net in grown(again)] == [1, 1]
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in whole.state_dict().items())


@torch.no_grad()
def test_equalized_weights_have_the_scale_of_their_inputs():
    torch.manual_seed(0)
    layer = equalized(nn.Linear(400, 300), rate=0.1)
    assert float(layer.parametrizations.weight.original.std()) == pytest.approx(10, rel=0.02)
    assert float(layer.weight.std()) == pytest.approx(math.sqrt(2 / 400), rel=0.02)
    assert float(layer(torch.randn(500, 400)).square().mean()) == pytest.approx(2, rel=0.05)
    h = PixelNorm()(torch.randn(2, 7, 3, 3))
    torch.testing.assert_close(h.square().mean(1), torch.ones(2, 3, 3), rtol=1e-4, atol=1e-5)


# ------------------------------------------------------------------------------------------------------ what is measured


@pytest.fixture(scope="module")
def sprites():
    return load("sprites(size=16, n=200)", kind="unit", dequantization=False)


class Painter(StyleGAN):
    """Draws sprites: coarse styles say the shape, fine ones the colour, and noise changes this rarely."""

    def __init__(self, drawn):
        nn.Module.__init__(self)
        self.prior, self.drawn, self.style_layers = make("prior", "StandardNormal"), drawn, 2
        self.prior.size(3)
        self.latent_shape = torch.Size([3])

    def style(self, z, y=None):
        return z

    def draw_noise(self, n):
        return [torch.randn(n)]

    def synthesize(self, styles, noise=None):
        factors = torch.zeros(len(styles), 6, dtype=torch.long)
        factors[:, 2:5] = 2
        factors[:, 0] = 3 * (styles[:, 0, 0] > 0)
        factors[:, 1] = 2 * (styles[:, 1, 1] > 0) + (noise[0] > 2.5)
        return self.drawn.render(factors)


def test_ratios_of_styles_are_those_of_a_generator_that_is_known(sprites):
    painter = Painter(sprites.oracle.sprites)
    n = 400
    for factor, of in (("shape", "coarse"), ("colour", "fine")):
        # half of the pictures change by the layers that decide, and none by the others
        found = style_ratio(painter, sprites, 0, factor, of, n=n)
        assert float(found) == pytest.approx((n / 2 + 0.5) / 0.5, rel=0.15)
        assert float(style_ratio(painter, sprites, 0, factor, {"coarse": "fine", "fine": "coarse"}[of], n=n)) < 0.01
    assert float(noise_moves(painter, sprites, 0, "shape", n=n)) == 0
    assert 0 < float(noise_moves(painter, sprites, 0, "colour", n=n)) < 0.05
    assert float(noise_moves(painter, sprites, 0, "colour", "style", n=n)) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("together", [True, False])
def test_errors_of_ratios_know_what_changes_together(sprites, together):
    """A picture that coarse styles change is one that fine ones change too, or else one that they leave."""

    class Either(Painter):
        def synthesize(self, styles, noise=None):
            coarse, fine = styles[:, 0, 0], styles[:, 1, 0]
            factors = torch.zeros(len(styles), 6, dtype=torch.long)
            factors[:, 2:5] = 2
            factors[:, 0] = 3 * ((coarse > 0) ^ (fine > 0) if together else coarse > fine)
            return self.drawn.render(factors)

    n = 400
    found = style_ratio(Either(sprites.oracle.sprites), sprites, 0, "shape", n=n)
    assert float(found) == pytest.approx(1, abs=0.0 if together else 0.3)
    # of half the pictures each: Var log = 1/nP + 1/nQ where no picture is in both
    assert found.error == pytest.approx(0 if together else float(found) * math.sqrt(4 / n), abs=0.01)


def test_paths_straight_in_a_style_that_is_z_are_as_short_as_chords(sprites):
    class Linear(Painter):
        def synthesize(self, styles, noise=None):
            return styles[:, 0]

    # ‖a − b‖² against the square of an arc between two draws, whose lengths differ little and whose angle is near π/2
    ratio = float(path_ratio(Linear(sprites.oracle.sprites), sprites, 0))
    assert 0.5 < ratio < 0.8


class Contrasts(Judge):
    """Sees colours and how they change to the right and downwards, and names nothing right."""

    trust = 0.0

    def learn(self, x, y):
        def scores(images):
            return images.new_zeros(len(images), 6)

        def maps(images):
            edges = [(images - images.roll(1, axis)).sum(1, keepdim=True) for axis in (2, 3)]
            return torch.cat([images, *edges], 1)

        return Learned(scores, lambda images: scores(images).argmax(1), scores, "contrasts", len(x), maps)


class Drawn(GAN):
    """Large sprites, as they are, blurred, or with right halves that are those of others."""

    def __init__(self, drawn, how=""):
        nn.Module.__init__(self)
        self.drawn, self.how = drawn, how

    def sample(self, n, y=None, truncation=None):
        factors = draw_factors(self.drawn, n, torch.Generator().manual_seed(0))
        factors[:, 2] = 2
        x = self.drawn.render(factors)
        if self.how == "blurred":
            x = nn.functional.avg_pool2d(x, 7, 1, 3, count_include_pad=False)
        if self.how == "halves":
            x[..., 16:] = x[..., 16:].roll(1, 0)
        return x


def test_distant_parts_agree_as_those_of_real_objects_and_of_halves_and_blurred_ones_they_do_not():
    data = load("sprites(y='label', n=200)", kind="unit", dequantization=False)
    judge = Contrasts()

    def found(model, against=None):
        return float(distant_agreement(model, data, 0, against, n=60, judge=judge))

    whole, halves, blurred = (Drawn(data.oracle.sprites, how) for how in ("", "halves", "blurred"))
    assert found(whole) < 0.001  # of rounding to 256 levels
    assert min(found(halves), found(blurred)) > 0.05
    for other in (halves, blurred):
        assert found(whole, other) > 3
        assert found(other, whole) < -3
    with pytest.raises(
        ValueError, match="of 60 pictures 0 have an object with parts 30 cells apart; take a smaller apart="
    ):
        distant_agreement(whole, data, 0, n=60, apart=30, judge=judge)


@pytest.mark.parametrize(("scale", "kept"), [(1.0, 1.0), (0.0, 0.0)])
def test_truncation_that_narrows_to_the_middle_trades(scale, kept):
    class Normal(GAN):
        """N(0, I), narrowed by truncation, or not."""

        truncations, untruncated = (0.7, 0.4), 1.0

        def __init__(self):
            nn.Module.__init__(self)
            self.prior = make("prior", "StandardNormal")

        def sample(self, n, y=None, truncation=None):
            return torch.randn(n, 2) * (1 if truncation is None else truncation**scale)

    torch.manual_seed(0)
    data = from_arrays(x_train=torch.randn(300, 2), x_test=torch.randn(200, 2))
    found = truncation_trade(Normal(), data, 0, features="x")
    assert found == kept
    assert 0.1 < found.error < 0.5  # a share of two steps


def test_latents_without_a_centre_trade_nothing(sprites):
    with pytest.raises(ValueError, match="are not truncated, so that nothing is traded"):
        truncation_trade(small("sagan", prior="Laplace"), sprites, 0)


METRICS = {
    "no styles": (lambda m, d: style_ratio(m, d, 0, "shape"), "sagan", "is told no styles, which this metric mixes"),
    "no factor": (lambda m, d: style_ratio(m, d, 0, "shap"), "stylegan", "no factor of sprites called 'shap'"),
    "no split": (
        lambda m, d: style_ratio(m, d, 0, "shape", split=9),
        "stylegan",
        "split=9: some of 6 layers are coarse",
    ),
    "no such styles": (lambda m, d: style_ratio(m, d, 0, "shape", "fin"), "stylegan", "did you mean 'fine'"),
    "nothing anew": (lambda m, d: noise_moves(m, d, 0, "shape", "noises"), "stylegan", "did you mean 'noise'"),
    "no labels": (lambda m, d: distant_agreement(m, d, 0), "sagan", "a judge learns one class a datum"),
}


@pytest.mark.parametrize(("measure", "name", "sentence"), METRICS.values(), ids=METRICS)
def test_metrics_refuse_what_they_cannot_measure(measure, name, sentence, sprites):
    with pytest.raises(ValueError, match=sentence) as caught:
        measure(small(name, x_shape=(3, 16, 16)), sprites)
    assert "\n" not in str(caught.value)


# --------------------------------------------------------------------------------------------------------- what is shown

SHOWN = {
    "sagan": {"truncation", "truncated", "attention"},
    "stylegan": {"truncation", "truncated", "styles-coarse", "styles-middle", "styles-fine", "noise", "ways"},
    "progan": {"truncation", "truncated", "growth"},
}


@pytest.mark.parametrize("name", SHOWN)
def test_each_capability_brings_its_panels(name, sprites):
    model, found = small(name, x_shape=(3, 16, 16)), {}
    for capability, sections in PANELS:
        for section in sections if isinstance(model, capability) else ():
            if section.__module__ == synthesis_sections.__name__:
                with evaluating(model):
                    found |= {panel.name: panel for panel in section(model, sprites, [])}
    assert set(found) == SHOWN[name]
    assert all(panel.caption.endswith(".") and panel.figure is not None for panel in found.values())


def test_samples_are_truncated_by_the_command(tmp_path, capsys, sprites):
    model = small("sagan", x_shape=(3, 16, 16))
    for folder, made in (
        ("gan", model),
        ("vae", pyrogen.create("vae", x_shape=(3, 16, 16), latent_size=2, hidden=(4,))),
    ):
        quick(made, "sprites(size=16, n=20)", validate=False, folder=tmp_path / folder)
    drawn = []
    for level, out in (("2", tmp_path / "loose"), ("0.001", tmp_path / "tight")):
        words = ["sample", str(tmp_path / "gan"), "--n", "6", "--truncation", level, "--out", str(out)]
        assert main(words) == 0
        drawn.append(np.load(out.with_suffix(".npz"))["x"])
    assert drawn[0].std(0).mean() > 20 * drawn[1].std(0).mean()
    for words, why in (
        (["gan", "--temperature", "1"], "without --temperature; leave one of the two out"),
        (["vae"], "and this is a VAE, which is none; leave --truncation out"),
    ):
        assert main(["sample", str(tmp_path / words[0]), *words[1:], "--truncation", "1"]) == 2
        assert f"--truncation 1: the latents of a GAN are truncated, {why}" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------------------- refusals

WRONG = {
    "odd size for growth": (lambda: small("progan", 28), r"a Growing generator doubles 4 × 4 .*\(1, 28, 28\) is not"),
    "no square": (lambda: small("stylegan", x_shape=(1, 16, 32)), r"a Styled generator doubles .*\(1, 16, 32\) is not"),
    "too small": (lambda: small("stylegan", 4), r"\(1, 4, 4\) is not \(C, side, side\) of such a side"),
    "nothing grows": (
        lambda: small("progan", generator="Convolutional"),
        r"a ProgressiveGAN has one generator that grows.*got networks of levels \[\] and \[2\]",
    ),
    "one grows alone": (
        lambda: small("stylegan", fade=3),
        r"a GrownStyleGAN has one generator .* and one Growing critic .*got networks of levels \[2\] and \[\]",
    ),
    "no step to fade": (lambda: small("progan", fade=0), "fades in 1 step or more; .*fade=0"),
    "no styles": (lambda: small("stylegan", generator="Convolutional"), "the generator of a StyleGAN is told a style"),
    "no attention": (
        lambda: small("sagan", generator="Convolutional"),
        "has a layer of attention, and the one given has none",
    ),
    "too few latents": (
        lambda: small("biggan", 28, latent_size=2),
        r"latent_size=2: a Residual generator .*latent_size=3",
    ),
    "mixing": (lambda: Styled(mixing=2.0), r"Styled\(.*mixing=2.0\): .* a share lies between 0 and 1"),
    "styling": (lambda: Styled(styling="demod"), "no styling called 'demod'; did you mean 'demodulation'"),
    "embedding": (lambda: ResidualGenerator(embedding=0), r"Residual\(width=64, embedding=0\)"),
    "path rhythm": (lambda: PathLength(every=0), r"PathLength\(every=0"),
    "two rhythms": (
        lambda: (lambda m: m.objective.players(m))(small("stylegan", objective="PathLength() + PathLength(every=2)")),
        "compute parts of their losses every 2 and every 8 steps",
    ),
    "critic width": (lambda: ResidualCritic(0), r"Residual\(width=0\): a critic has 1 channel or more"),
    "growing width": (lambda: GrowingCritic(0), r"Growing\(width=0\): a critic has 1 channel or more"),
}


@pytest.mark.parametrize(("build", "sentence"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_built_is_one_sentence(build, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_levels_are_those_of_the_networks():
    assert isinstance(small("progan").generator.net.layers[0], GrowingGenerator)
    assert [net.top for net in grown(small("progan", 32))] == [3, 3]
