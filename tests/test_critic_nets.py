"""Networks of critics and generators: shapes, what each layer computes, and what is refused."""

import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.conditions import Condition
from pyrogen.inference import Adversarial, fit
from pyrogen.inference.adversarial.penalties import GradientPenalty, squared_slopes
from pyrogen.inference.programs.contexts import standing_still
from pyrogen.inference.replay import recorded_step
from pyrogen.models.adversarial.gan import GAN
from pyrogen.nets import BatchDims, critics, generators, mlp
from pyrogen.nets.attention import SelfAttention
from pyrogen.nets.generators import ConditionalBatchNorm
from pyrogen.nets.minibatch import MinibatchDeviation, MinibatchDiscrimination
from pyrogen.nets.packs import Packed
from pyrogen.nets.spectral import largest_singular_values, spectral
from pyrogen.registry import make

FOUR = Condition((4,))
SHAPES = [(1, 28, 28), (3, 32, 32), (3, 64, 64), (2, 5, 9)]
CRITICS = [
    critics.Perceptron((8,)),
    critics.Perceptron((8,), spectral=True, minibatch="discrimination", pack=2, conditioning="projection"),
    critics.Convolutional(4),
    critics.Convolutional(4, "spectral", attention=True, minibatch="deviation"),
    critics.Convolutional(4, "layer", minibatch="discrimination", pack=3, conditioning="projection"),
]
GENERATORS = [
    generators.Perceptron((8,)),
    generators.Convolutional(4),
    generators.Convolutional(4, "resize", attention=True),
    generators.Convolutional(4, conditioning="normalization"),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("critic", CRITICS, ids=str)
def test_critics_score_data_of_any_shape_with_and_without_a_condition(critic, shape):
    x, y = torch.randn(6, *shape), torch.eye(6)[:, :4]
    assert critic.build(shape)(x).shape == (6 // critic.pack, 1)
    net = critic.build(shape, FOUR)
    first, other = net(x, y), net(x, y.flip(0))
    assert first.shape == (6 // critic.pack, 1)
    assert not torch.allclose(first, other)
    first.sum().backward()
    attention = ("key", "query", "value", "back")  # γ = 0 hides them at first
    for name, p in net.named_parameters():
        assert p.grad is not None
        assert bool(p.grad.abs().sum() > 0) or any(part in name for part in attention), name


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("generator", GENERATORS, ids=str)
def test_generators_make_data_of_any_shape_with_and_without_a_condition(generator, shape):
    z, y = torch.randn(6, 3), torch.eye(6)[:, :4]
    assert generator.build(3, shape)(z).shape == (6, *shape)
    net = generator.build(3, shape, "unit", FOUR)
    for p in net.parameters():
        nn.init.normal_(p, std=0.1)
    x = net(z, y).detach()
    assert x.shape == (6, *shape)
    assert 0 < float(x.min()) < float(x.max()) < 1
    assert not torch.allclose(x, net(z, y.flip(0)))


def test_choices_begin_as_the_networks_that_they_name():
    x, z = torch.randn(5, 2), torch.randn(5, 3)
    for built, plain, read in (
        (
            lambda: critics.Perceptron((8, 4)).build((2,)),
            lambda: mlp((2,), (8, 4), (1,), lambda: nn.LeakyReLU(0.2)),
            x,
        ),
        (lambda: generators.Perceptron((8, 4)).build(3, (2,)), lambda: mlp((3,), (8, 4), (2,)), z),
    ):
        torch.manual_seed(0)
        ours = built()(read)
        torch.manual_seed(0)
        assert torch.equal(ours, plain()(read))


def test_weights_of_convolutional_networks_start_small():
    torch.manual_seed(0)
    for net in (
        critics.Convolutional(32, "none").build((1, 28, 28)),
        generators.Convolutional(32).build(10, (1, 28, 28)),
    ):
        weights = [m.weight for m in net.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))]
        assert float(torch.cat([w.detach().flatten() for w in weights]).std()) == pytest.approx(0.02, rel=0.03)


@pytest.mark.parametrize(("side", "looks_at"), [(28, 14), (32, 16), (64, 16)])
def test_attention_looks_at_the_middle_of_critic_and_generator(side, looks_at):
    seen = []
    nets = [
        critics.Convolutional(4, attention=True).build((1, side, side)),
        generators.Convolutional(4, attention=True).build(3, (1, side, side)),
    ]
    for net, read in zip(nets, (torch.randn(2, 1, side, side), torch.randn(2, 3)), strict=True):
        (layer,) = [m for m in net.modules() if isinstance(m, SelfAttention)]
        layer.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[-1]))
        net(read)
    assert seen == [looks_at, looks_at]


# ---------------------------------------------------------------------------------------------------------------- packs


def test_packs_join_data_as_channels():
    seen = []

    def net(x, y):
        seen.append((x, y))
        return x.flatten(1).sum(1, keepdim=True)

    x, y = torch.arange(7.0)[:, None, None, None] * torch.ones(7, 2, 1, 1), torch.arange(7.0)[:, None]
    scores = Packed(net, 3)(x, y)  # 7 // 3 = 2 packs: 0, 2, 4 and 1, 3, 5; 6 is left out
    assert seen[0][0].flatten(1).tolist() == [[0, 0, 2, 2, 4, 4], [1, 1, 3, 3, 5, 5]]
    assert seen[0][1].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert scores.flatten().tolist() == [12, 18]
    Packed(net, 3)(x[:2], y[:2])
    assert seen[1][1].tolist() == [[0, 1, 0]]


@pytest.mark.parametrize("n", [6, 7, 8, 2])
def test_slopes_of_packs_are_over_their_data_together(n):
    weight = torch.randn(6)
    net = Packed(lambda x: (x.square() * weight).sum(1, keepdim=True), 3)
    x = torch.randn(n, 2)
    packs = [
        [x[i % n] for i in (p, p + n // 3, p + 2 * (n // 3))] if n >= 3 else [x[0], x[1], x[0]]
        for p in range(max(n // 3, 1))
    ]
    gradients = [2 * weight * torch.cat(pack) for pack in packs]
    if n < 3:  # one datum stands twice in the pack, and its two gradients add up
        g = gradients[0]
        gradients = [torch.cat([g[:2] + g[4:], g[2:4]])]
    found = squared_slopes(lambda sites: net(sites["x"]).squeeze(-1), {"x": x})
    torch.testing.assert_close(found, torch.stack([g.square().sum() for g in gradients]))


def test_packs_are_of_one_batch():
    net = BatchDims(critics.Perceptron((4,), pack=2).build((3,)), torch.Size([3]), torch.Size([1]), "critic")
    assert net(torch.randn(6, 3)).shape == (3, 1)
    with pytest.raises(ValueError, match=r"reads packs of 2 data out of one batch, \(N, 3\); got \(5, 6, 3\)"):
        net(torch.randn(5, 6, 3))


# ------------------------------------------------------------------------------------------------- statistics of batches


def test_minibatch_deviation_is_the_mean_of_standard_deviations():
    h = torch.tensor([[0.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    found = MinibatchDeviation()(h)
    assert torch.equal(found[:, :2], h)
    torch.testing.assert_close(found[:, 2], torch.full((3,), (8 / 3) ** 0.5 / 2), rtol=1e-4, atol=1e-4)


def test_minibatch_discrimination_is_its_equation():
    layer, h = MinibatchDiscrimination(3, kernels=2, size=4), torch.randn(5, 3)
    m = layer.project(h).detach().reshape(5, 2, 4)
    exact = [[sum((-(m[i, b] - m[j, b]).abs().sum()).exp() for j in range(5)) for b in range(2)] for i in range(5)]
    torch.testing.assert_close(layer(h)[:, 3:], torch.tensor(exact))
    same = layer(h[:1].expand(5, 3))[:, 3:].detach()
    torch.testing.assert_close(same, torch.full((5, 2), 5.0))  # of one thing made five times


# ------------------------------------------------------------------------------------------------------------- attention


def test_attention_is_its_equation_and_begins_as_none():
    layer, x = SelfAttention(16), torch.randn(2, 16, 3, 4)
    assert torch.equal(layer(x), x)
    layer.strength.data.fill_(0.7)
    f, g, h, v = (c.weight.flatten(1) for c in (layer.key, layer.query, layer.value, layer.back))
    flat = x.flatten(2)
    for n in range(2):
        for j in range(12):
            scores = torch.stack([(f @ flat[n, :, i]) @ (g @ flat[n, :, j]) for i in range(12)])
            beta = scores.softmax(0)
            torch.testing.assert_close(layer.weights(x)[n, j], beta)
            found = sum(beta[i] * (h @ flat[n, :, i]) for i in range(12))
            torch.testing.assert_close(layer(x).flatten(2)[n, :, j], flat[n, :, j] + 0.7 * v @ found)


# ---------------------------------------------------------------------------------------------------------- spectral norm


def test_largest_singular_values_are_of_the_matrices_of_the_papers():
    net = nn.Sequential(nn.Conv2d(3, 5, 4), nn.ConvTranspose2d(5, 2, 3), nn.Linear(7, 2))
    expected = [net[0].weight.reshape(5, 48), net[1].weight.transpose(0, 1).reshape(2, 45), net[2].weight]
    found = largest_singular_values(net)
    assert list(found) == ["0", "1", "2"]
    for value, matrix in zip(found.values(), expected, strict=True):
        assert value == pytest.approx(float(torch.linalg.svdvals(matrix.detach())[0]), rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_spectral_norm_holds_while_weights_move(seed):
    torch.manual_seed(seed)
    net, plain = (critics.Convolutional(8, n).build((1, 16, 16)) for n in ("spectral", "none"))
    x = torch.randn(16, 1, 16, 16)
    for moved in (net, plain):
        optimizer = torch.optim.Adam(moved.parameters(), 2e-4)
        for _ in range(60):
            optimizer.zero_grad()
            (moved(-x).mean() - moved(x).mean()).backward()
            optimizer.step()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    found = largest_singular_values(net)
    assert len(found) == 3
    assert 0.95 < min(found.values()) <= max(found.values()) <= 1.05
    assert max(largest_singular_values(plain).values()) < 0.9
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert net.training


def test_an_opponent_that_stands_still_does_not_iterate():
    net = spectral(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)))
    net[0].parametrizations.weight.original.data.mul_(torch.rand(4, 3))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with standing_still(net.parameters(), net.modules()):
        net(torch.randn(2, 3))
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    net(torch.randn(2, 3))
    assert not torch.equal(net.state_dict()["0.parametrizations.weight.0._u"], before["0.parametrizations.weight.0._u"])


# ------------------------------------------------------------------------------------------------------------- conditions


def test_conditional_batch_norm_scales_and_shifts_by_class():
    layer, h = ConditionalBatchNorm(2, 3), torch.randn(50, 2, 4, 4) * 3 + 1
    y = torch.eye(3)[torch.arange(50) % 3]
    plain = layer(h, y)
    torch.testing.assert_close(plain, nn.functional.batch_norm(h, None, None, training=True))
    layer.affine.data = torch.tensor([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 7.0]])
    found = layer(h, y)
    torch.testing.assert_close(found[1, 0], 2 * plain[1, 0] + 5)
    torch.testing.assert_close(found[2, 0], 3 * plain[2, 0])
    torch.testing.assert_close(found[2, 1], plain[2, 1] + 7)
    with pytest.raises(ValueError, match="was told none"):
        layer(h, None)


def test_projection_adds_the_inner_product_of_features_and_condition():
    net = critics.Perceptron((4,), conditioning="projection").build((3,), Condition((2,)))
    x, y = torch.randn(5, 3), torch.eye(2)[torch.tensor([0, 1, 1, 0, 1])]
    exact = net.head(net.features(x)) + (net.features(x) @ net.projection.weight * y).sum(1, keepdim=True)
    torch.testing.assert_close(net(x, y), exact)


# ------------------------------------------------------------------------------------------------------ names and games


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: critics.Convolutional(normalization="spectrl"), "no normalization called 'spectrl'; did you mean"),
        (lambda: critics.Perceptron(minibatch="variance"), "no minibatch statistic called 'variance'"),
        (lambda: critics.Perceptron(conditioning="product"), "no way of conditioning called 'product'"),
        (lambda: critics.Perceptron(pack=0), r"Perceptron\(pack=0\): a critic reads 1 datum or more"),
        (lambda: critics.Perceptron(()), "a critic has hidden layers"),
        (lambda: critics.Convolutional(width=0), "a critic has 1 channel or more"),
        (lambda: critics.Convolutional().build((2,)), "take images of 4 pixels or more"),
        (lambda: generators.Convolutional(growth="stride"), "no growth called 'stride'; did you mean 'strided'"),
        (
            lambda: generators.Convolutional(normalization="none", conditioning="normalization"),
            "leaves it none; take normalization='batch'",
        ),
        (lambda: generators.Perceptron((0,)), "each hidden layer has 1 unit or more"),
        (lambda: generators.Perceptron().build(2, (2,), "levels"), "no kind that a generator makes called 'levels'"),
        (lambda: make("critic", "Convolutionl"), "did you mean 'Convolutional'"),
        (lambda: Packed(nn.Identity(), 0), "pack=0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()


def test_they_are_made_from_names_and_descriptions():
    wish = {"name": "Convolutional", "width": 8, "normalization": "spectral"}
    assert make("critic", wish) == critics.Convolutional(8, "spectral")
    assert make("generator", "Convolutional") == generators.Convolutional()
    assert {"Perceptron", "Convolutional"} <= set(pyrogen.choices("critic")) & set(pyrogen.choices("generator"))


GAMES = {
    "spectral": (critics.Perceptron((8,), spectral=True), None),
    "packs": (critics.Perceptron((8,), pack=3, minibatch="discrimination"), GradientPenalty()),
    "deviation": (critics.Perceptron((8,), minibatch="deviation"), "R1"),
}


def gan(critic, penalty):
    torch.manual_seed(0)
    nets = generators.Perceptron((8,)).build(2, (2,)), critic.build((2,))
    return GAN(*nets, (2,), 2, objective=Adversarial("Hinge", penalty))


@pytest.mark.rotating
@pytest.mark.parametrize("name", GAMES)
def test_games_with_them_are_recorded_and_equal_the_eager_ones(name, monkeypatch):
    monkeypatch.setattr(recorded_step, "PAYS", 1)
    x = torch.randn(50, 2)  # batches of 16, 16, 18: of which the last does not fill its packs
    nets = []
    for compile in ("auto", False):
        model = gan(*GAMES[name])
        run = fit(model, x, epochs=4, batch_size=16, validate=False, compile=compile, progress=False)
        assert run.steps.startswith("recorded" if compile else "eager")
        nets.append(model.state_dict())
    for key, value in nets[0].items():
        torch.testing.assert_close(value, nets[1][key], rtol=1e-5, atol=1e-6)


def test_the_generators_move_leaves_the_critics_statistics_alone():
    model = gan(*GAMES["spectral"])
    _, generator = model.objective.players(model)
    batch = pyrogen.base.Batch(torch.randn(8, 2))
    with standing_still(model.critic.parameters(), model.critic.modules()):
        before = {k: v.clone() for k, v in model.critic.state_dict().items()}
        generator.loss(batch)["loss"].backward()
    assert all(torch.equal(v, before[k]) for k, v in model.critic.state_dict().items())
    assert all(p.grad is None for p in model.critic.parameters())
