"""From one picture to another: networks, data, entries, metrics, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.conditions import Condition
from pyrogen.data import from_arrays, load
from pyrogen.inference import AIS, BDMC, ELBO, IWAE, fit, log_evidence
from pyrogen.inference.adversarial.sites import PairGame
from pyrogen.inference.quality.spaces import space_of
from pyrogen.nets import pictures
from pyrogen.nets.features import Features
from pyrogen.registry import find, make

UNET, UP = {"name": "UNet", "width": 4}, {"name": "Upsampling", "width": 4, "blocks": 1}
PATCH = {"name": "Patch", "width": 4, "halvings": 1}


# ------------------------------------------------------------------------------------------------------------ networks


@pytest.mark.parametrize("sides", [(16, 16), (5, 9), (31, 20)], ids=str)
@pytest.mark.parametrize("condition", ["image", "layout"])
def test_a_unet_makes_pictures_of_any_size_and_reads_y_and_z_everywhere(sides, condition):
    told = Condition((2, *sides)) if condition == "image" else Condition(sides, 3)
    net = pictures.UNet(4).build(3, (3, *sides), "unit", told)
    y = torch.randn(4, 2, *sides) if condition == "image" else torch.randint(0, 3, (4, *sides))
    z = torch.randn(4, 3)
    made = net(z, told.read(y))
    assert made.shape == (4, 3, *sides)
    assert 0 < float(made.detach().min()) < float(made.detach().max()) < 1
    assert not torch.allclose(made, net(z, told.read(y.flip(0))))
    assert not torch.allclose(made, net(z.flip(0), told.read(y)))
    made.sum().backward()
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize("times", [2, 4])
@pytest.mark.parametrize("kind", ["unit", "real"])
def test_untrained_upsampling_is_bicubic_interpolation(times, kind):
    condition = Condition((3, 4, 5))
    net = pictures.Upsampling(4, 1).build(2, (3, 4 * times, 5 * times), kind, condition)
    y = 0.1 + 0.8 * torch.rand(2, 3, 4, 5)
    bicubic = nn.functional.interpolate(y, scale_factor=times, mode="bicubic")
    bicubic = bicubic.clamp(pictures.EDGE, 1 - pictures.EDGE) if kind == "unit" else bicubic
    torch.testing.assert_close(net(torch.randn(2, 2), condition.read(y)), bicubic)


def test_a_patch_of_the_critic_is_as_large_as_it_says():
    torch.manual_seed(0)
    for halvings, side in ((1, 4), (2, 10), (3, 22)):
        net = pictures.Patch(2, halvings, "none").scores(torch.Size((1, 64, 64)), 0)
        x = torch.randn(1, 1, 64, 64, requires_grad=True)
        place = 64 // 2**halvings // 2
        net.features[:-1](x)[0, :, place, place].sum().backward()
        rows = x.grad.abs().amax((0, 1, 3)).nonzero()
        assert int(rows.max() - rows.min()) + 1 == side == 3 * 2**halvings - 2


def test_the_score_is_the_mean_of_those_of_patches():
    net = pictures.Patch(2, 1, "none").build((1, 8, 8))
    x = torch.randn(3, 1, 8, 8)
    each = net.head(net.features[:-1](x).movedim(1, -1))
    torch.testing.assert_close(net(x), each.mean((1, 2)))


REFUSED = {
    "few pixels": (
        lambda: pictures.Patch(4).build((1, 16, 16)),
        r"patches of 22 × 22 pixels, and x_shape=\(1, 16, 16\)",
    ),
    "vectors": (lambda: pictures.Patch(4).build((64,)), r"halve less often, or take critic='Convolutional'"),
    "no halving": (lambda: pictures.Patch(halvings=0), "halves once or more often"),
    "no statistic": (lambda: pictures.Patch(minibatch="deviatoin"), "did you mean 'deviation'"),
    "no channel": (lambda: pictures.UNet(0), "a generator has 1 channel or more"),
    "no blocks": (lambda: pictures.Upsampling(blocks=-1), "needs 1 channel and 0 blocks, or more"),
    "told nothing": (lambda: pictures.UNet().build(2, (3, 8, 8)), "is told none; take generator='Convolutional'"),
    "a label": (lambda: pictures.UNet().build(2, (3, 8, 8), "unit", Condition((), 3)), "UNet reads y as a picture"),
    "another size": (
        lambda: pictures.UNet().build(2, (3, 8, 8), "unit", Condition((3, 16, 16))),
        r"of the height and width of y; got y of \(3, 16, 16\) for x_shape=\(3, 8, 8\)",
    ),
    "no power of two": (
        lambda: pictures.Upsampling().build(2, (3, 12, 12), "unit", Condition((3, 4, 4))),
        r"by 2, 4, 8 ...; got y of \(3, 4, 4\) for x_shape=\(3, 12, 12\)",
    ),
    "other channels": (
        lambda: pictures.Upsampling().build(2, (3, 8, 8), "unit", Condition((1, 4, 4))),
        r"a picture of the same channels by 2, 4, 8",
    ),
}


@pytest.mark.parametrize(("build", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()


# ---------------------------------------------------------------------------------------------------------------- data


def test_of_each_outline_there_are_seven_pictures():
    data = load("outlines(n=2000)", kind="unit", dequantization=False)
    assert (data.x_shape, data.y_shape, data.y_kind) == ((3, 32, 32), (1, 32, 32), "image")
    x, y = data.train.x, data.train.y
    brightest = (255 * x.flatten(2).amax(2)).round().unique(dim=0)
    assert len(brightest) == 7
    assert brightest.median(0).values.tolist() == [145, 145, 145]
    inside = x.flatten(2).amax(1) > 0.05
    assert bool(inside[y.flatten(1) > 0].all())
    assert 20 < float(y.flatten(1).sum(1).mean()) < 60


def test_sprites_without_their_colours():
    grey, outline = (load(f"sprites(n=20, y={y!r})", kind="unit", dequantization=False) for y in ("grey", "outline"))
    luma = (grey.train.x * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    torch.testing.assert_close(grey.train.y, luma)
    assert outline.train.y.unique().tolist() == [0, 1]


def test_reduced_pictures():
    data = load("reduced(of='digits', by=2)", kind="unit", dequantization=False)
    assert (data.x_shape, data.y_shape, data.y_kind) == ((1, 8, 8), (1, 4, 4), "image")
    middle = slice(1, -1)
    average = nn.functional.avg_pool2d(data.train.x, 2)[..., middle, middle]
    assert float((data.train.y[..., middle, middle] - average).abs().mean()) < 0.1
    for call, sentence in (
        ("reduced(of='digits', by=3)", r"sides are multiples of it; 'digits' has x of shape \(1, 8, 8\)"),
        ("reduced(of='ring')", r"'ring' has x of shape \(2,\)"),
        ("reduced(of='digits', by=2, n=9000)", r"'digits' has \d+ training data; keep 10 to as many"),
        ("outlines(n=3)", "take 10 outlines or more"),
    ):
        with pytest.raises(ValueError, match=sentence):
            load(call)


def test_fewer_reduced_pictures_are_judged_by_the_labels_of_what_they_are_of():
    data = load("reduced(of='digits', by=2, n=200)", kind="unit", dequantization=False)
    digits = load("digits", kind="unit", dequantization=False)
    assert [len(data.train), len(data.valid), len(data.test)] == [200, 20, len(digits.test)]
    space = space_of(data)
    assert (space.name, space.digest) == ("judge", space_of(digits).digest)
    assert space_of(load("reduced(of='outlines(n=100)')", kind="unit", dequantization=False)).name == "pixels"


def test_pictures_of_ones_own_have_channels_first_on_both_sides(tmp_path):
    x, y = (np.random.default_rng(i).integers(0, 256, (12, 8, 8, 3 - 2 * i), dtype=np.uint8) for i in (0, 1))
    np.savez(tmp_path / "drawings.npz", x_train=x, y_train=y)
    data = load(tmp_path / "drawings.npz", kind="unit", dequantization=False)
    assert (data.x_shape, data.y_shape, data.y_kind) == ((3, 8, 8), (1, 8, 8), "image")
    layout = from_arrays(x, y[..., 0] % 4, kind="unit")
    assert (layout.y_shape, layout.y_kind, layout.classes) == ((8, 8), "layout", 4)


# ------------------------------------------------------------------------------------------------------------- entries


@pytest.fixture(scope="module")
def outlines():
    return load("outlines(n=80)", kind="unit", dequantization=False, size=8)


@pytest.fixture(scope="module")
def small_digits():
    return load("reduced(of='digits', by=2)", kind="unit", dequantization=False)


def pix2pix(data, **choices):
    torch.manual_seed(0)
    shapes = {"x_shape": data.x_shape, "y_shape": data.y_shape}
    return pyrogen.create("pix2pix", **{**shapes, "latent_size": 2, "generator": UNET, "critic": PATCH, **choices})


def test_pix2pix_is_a_game_and_a_laplace_likelihood(outlines):
    m = pix2pix(outlines, weight=10.0, scale=0.2)
    (one, game), (weight, elbo) = m.objective.parts
    assert (one, elbo) == (1, ELBO())
    assert game.means
    x, y = outlines.train.x[:6], outlines.train.y[:6]
    z = m.prior().sample((6,))
    nats = -weight * m.decode(z, y).log_prob(x)
    constant = weight * x[0].numel() * np.log(0.4)
    torch.testing.assert_close(nats, 10 * (x - m.generate(z, y)).abs().flatten(1).mean(1) + constant)


def test_of_several_draws_the_nearest_to_the_datum_is_brought_nearer(outlines):
    m = pix2pix(outlines, draws=3, scale=0.01)
    assert m.objective.parts[1][1] == IWAE(3)
    batch, k = outlines.train.batch(torch.arange(5)), 3
    torch.manual_seed(0)
    loss = IWAE(k).terms(m, batch)["loss"]
    torch.manual_seed(0)
    z = m.prior().sample((k, 5))
    nats = m.decode(z, batch.y).log_prob(batch.x)
    torch.testing.assert_close(loss, -(nats.logsumexp(0) - np.log(k)).mean(), rtol=1e-4, atol=1e-2)


def test_the_critic_of_means_sees_no_noise(outlines):
    m = pix2pix(outlines, scale=1.0)
    batch = outlines.train.batch(torch.arange(8))
    for means in (True, False):
        made = PairGame(m, ("x", "y"), make("critic", PATCH), means).fake(batch)["x"].detach()
        assert (float(made.min()) >= 0 and float(made.max()) <= 1) == means


def test_training_moves_generator_and_critic(outlines):
    m = pix2pix(outlines)
    before = [p.clone() for p in m.parameters()]
    run = fit(m, outlines, epochs=1, batch_size=40, progress=False, seed=0)
    assert all(not torch.equal(a, b) for a, b in zip(before, m.parameters(), strict=True))
    assert {"train/critic/loss", "train/generator/reconstruction"} <= set(run.history.columns)


def test_a_generator_of_pictures_is_scored_by_annealing_between_two_bounds(outlines):
    m = pix2pix(outlines, scale=0.5).eval()
    part = outlines.test.take(2)
    score = log_evidence(m, part, AIS(4, 4, leapfrogs=2))
    gap = log_evidence(m, part, BDMC(4, 4, leapfrogs=2))
    assert np.isfinite(score["log_evidence"]).all()
    assert np.isfinite(gap["upper"] - gap["lower"]).all()


@pytest.mark.parametrize("y", [torch.zeros(8, dtype=torch.long), torch.tensor([0, -1] * 4)], ids=["one", "one known"])
def test_labels_of_one_class_teach_nothing_so_turned_images_do(y):
    torch.manual_seed(0)
    net = Features((1, 8, 8), width=2)
    net.passes, before = 1, {k: v.clone() for k, v in net.state_dict().items()}
    assert net.fit(torch.rand(8, 1, 8, 8), y).out_features == 4
    assert all(not torch.equal(net.state_dict()[k], v) for k, v in before.items())


def test_srgan_learns_to_see_first_and_then_plays(small_digits):
    torch.manual_seed(0)
    shapes = {"x_shape": small_digits.x_shape, "y_shape": small_digits.y_shape}
    m = pyrogen.create(
        "srgan", **shapes, latent_size=2, features=2, generator=UP, critic={"name": "Convolutional", "width": 4}
    )
    m.feature_net.passes, m.alone = 1, 2
    before = {k: v.clone() for k, v in m.state_dict().items() if not k.startswith("reader.")}
    assert [stage.name for stage in m.stages()] == ["the net alone", "training"]
    run = fit(m, small_digits, epochs=1, batch_size=500, progress=False, validate=False, seed=0)
    assert all(not torch.equal(m.state_dict()[k], v) for k, v in before.items())
    assert run.history["train/critic/loss"].notna().tolist() == [False, False, True]
    with pytest.raises(ValueError, match="a density of what a network sees"):
        log_evidence(m, small_digits.test.take(2), AIS(2, 4))


@pytest.mark.parametrize(
    ("entry", "shape", "sentence"),
    [
        ("pix2pix", (3, 16, 16), "the generator UNet makes pictures of the height and width of y"),
        ("srgan", (3, 8, 8), "by 2, 4, 8"),
        ("superresolution", (1, 2, 2), "of the same channels"),
    ],
)
def test_pairs_that_do_not_fit_are_refused_by_their_entries(entry, shape, sentence):
    with pytest.raises(ValueError, match=sentence):
        pyrogen.create(entry, x_shape=(3, 8, 8), y_shape=shape)


# ------------------------------------------------------------------------------------------------------------- metrics


class Answers(pyrogen.base.Model):
    """What is made of the y of pictures, at will."""

    def __init__(self, data, answer):
        super().__init__()
        self.x_shape, self.condition, self.answer = data.x_shape, Condition(data.y_shape, data.classes), answer

    def sample(self, n, y=None):
        return self.answer(n, y)


@pytest.fixture(scope="module")
def coloured():
    return load("outlines(n=4000)", kind="unit", dequantization=False, size=8)


def measured(name, data, answer, **settings):
    return find("metric", name).load()(Answers(data, answer), data, 0, n=100, **settings)


def test_the_truth_measures_as_the_truth(coloured):
    x = coloured.test.x[:100]
    twin = {tuple(y.flatten().tolist()): [] for y in coloured.train.y}
    for row, y in zip(coloured.train.x, coloured.train.y, strict=True):
        twin[tuple(y.flatten().tolist())].append(row)

    def truth(n, y):
        known = [twin.get(tuple(one.flatten().tolist()), [datum]) for one, datum in zip(y, x, strict=True)]
        return torch.stack([rows[int(torch.randint(len(rows), ()))] for rows in known])

    assert measured("answer-diversity", coloured, truth) == pytest.approx(1, abs=0.1)
    assert measured("saturation", coloured, truth) == pytest.approx(1, abs=0.2)
    assert measured("sharpness", coloured, truth) == pytest.approx(1, abs=0.2)
    assert measured("paired-error", coloured, truth, draws=30) < 0.01


def test_what_is_grey_or_blurred_measures_less(coloured):
    x = coloured.test.x[:100]
    assert measured("saturation", coloured, lambda n, y: x.mean(1, keepdim=True).expand(-1, 3, -1, -1)) < 1e-6
    blurred = nn.functional.avg_pool2d(x, 3, 1, 1)
    assert measured("sharpness", coloured, lambda n, y: blurred) < 0.8
    assert measured("answer-diversity", coloured, lambda n, y: x) == 0
    assert measured("paired-error", coloured, lambda n, y: x + 0.25, draws=2) == pytest.approx(0.25)


def test_errors_are_those_of_as_many_other_data(coloured):
    x, again = coloured.test.x[:100], torch.randint(100, (400, 100), generator=torch.Generator().manual_seed(0))
    colour = [(t.amax(1) - t.amin(1)).mean((1, 2)) for t in (x.roll(1, 0), x)]
    bootstrap = (colour[0][again].mean(1) / colour[1][again].mean(1)).std()
    assert measured("saturation", coloured, lambda n, y: x.roll(1, 0)).error == pytest.approx(
        float(bootstrap), rel=0.15
    )
    found = measured("answer-diversity", coloured, lambda n, y: x + 0.1 * torch.randn_like(x))
    assert 0 < found.error < 0.1 * found
    assert 0 < measured("sharpness", coloured, lambda n, y: x.roll(1, 0)).error < 0.1


def test_answers_to_labels_are_as_various_as_data_of_one_label():
    y = torch.arange(600) % 3
    x = (y.view(-1, 1, 1, 1) / 4 + 0.1 * torch.rand(600, 1, 4, 4, generator=torch.Generator().manual_seed(0))).float()
    data = from_arrays(x, y, kind="unit", dequantization=False)

    ask = find("metric", "answer-diversity").load()
    truth = Answers(data, lambda n, y: y.view(-1, 1, 1, 1) / 4 + 0.1 * torch.rand(n, 1, 4, 4))
    assert ask(truth, data, 0) == pytest.approx(1, abs=0.05)
    with pytest.raises(ValueError, match="2 draws or more"):
        ask(truth, data, 0, draws=1)
    still = from_arrays((y.view(-1, 1, 1, 1) / 4).expand(-1, 1, 4, 4).float(), y, kind="unit", dequantization=False)
    with pytest.raises(ValueError, match="are all alike"):
        ask(truth, still, 0)


def test_the_gain_over_bicubic_interpolation(small_digits):
    y = small_digits.test.y[:100]
    bicubic = pictures.enlarged(y, (8, 8)).clamp(0, 1)
    assert measured("gain-over-bicubic", small_digits, lambda n, y: bicubic) == 0
    x = small_digits.test.x[:100]
    nearer = measured("gain-over-bicubic", small_digits, lambda n, y: x + (bicubic - x) / 10)
    assert nearer == pytest.approx(20)
    assert nearer.error == pytest.approx(0, abs=1e-4)
    rival = Answers(small_digits, lambda n, y: x + (bicubic - x) / 10)
    assert measured("gain-over-bicubic", small_digits, lambda n, y: bicubic, against=rival) == pytest.approx(-20)


def test_what_answers_cannot_be_asked_of(coloured, small_digits):
    different = from_arrays(torch.rand(20, 3, 8, 8), torch.rand(20, 3, 8, 8), kind="unit")
    plain = pyrogen.create("vae", x_shape=coloured.x_shape, latent_size=2, hidden=(4,))
    for name, model, data, sentence in (
        ("saturation", plain, coloured, "VAE on 'outlines' is none"),
        (
            "saturation",
            Answers(small_digits, None),
            small_digits,
            r"pictures in colour, and 'reduced' has x_shape=\(1, 8, 8\)",
        ),
        (
            "gain-over-bicubic",
            Answers(coloured, lambda n, y: torch.rand(n, 3, 8, 8)),
            coloured,
            "a y of the channels of x",
        ),
        (
            "answer-diversity",
            Answers(different, lambda n, y: torch.rand(n, 3, 8, 8)),
            different,
            "no two of 'arrays' have it",
        ),
    ):
        with pytest.raises(ValueError, match=sentence):
            find("metric", name).load()(model, data, 0)


# --------------------------------------------------------------------------------------------------------- on a page


def test_a_run_is_reported_and_sampled_by_its_picture(tmp_path, capsys):
    from pyrogen.command.cli import main

    run = tmp_path / "run"
    common = ["--epochs", "1", "--device", "cpu", "--data", "outlines(n=40)", "--size", "8"]
    choices = ["--latent_size", "2", "--generator", "UNet", "--generator.width", "4", "--critic", "Patch"]
    assert (
        main(
            [
                "train",
                "pix2pix",
                *common,
                *choices,
                "--critic.width",
                "4",
                "--critic.halvings",
                "1",
                "--folder",
                str(run),
            ]
        )
        == 0
    )
    assert (run / "figures" / "answers.svg").is_file()
    np.save(tmp_path / "y.npy", np.eye(8, dtype=np.float32)[None])
    assert main(["sample", str(run), "--n", "3", "--y", str(tmp_path / "y.npy")]) == 0
    assert np.load(run / "samples.npz")["mean"].shape == (3, 3, 8, 8)
    np.save(tmp_path / "wide.npy", np.eye(9, dtype=np.float32)[None])
    assert main(["sample", str(run), "--y", str(tmp_path / "wide.npy")]) == 2
    assert "holds 1 × 9 × 9 numbers, and the model takes an image of 1 × 8 × 8; resize it." in capsys.readouterr().err


def test_layouts_are_shown_in_shades():
    from pyrogen.inference.quality.side_by_side import shown

    y, x = torch.tensor([[[0, 1], [2, 2]]]), torch.zeros(1, 3, 4, 4)
    seen = shown(y, Condition((2, 2), 3), x)
    assert seen.shape == x.shape
    assert seen[0, 1, ::2, ::2].tolist() == [[0, 0.5], [1, 1]]


def test_choices_are_known_by_name():
    assert {"UNet", "Upsampling"} <= set(pyrogen.choices("generator"))
    assert make("critic", "Patch") == pictures.Patch()
    assert {"outlines", "reduced"} <= set(pyrogen.choices("data"))


@pytest.mark.parametrize(("name", "more"), [("srgan", {"y_shape": (1, 4, 4)}), ("vae-perceptual", {})])
def test_the_network_that_learns_is_the_one_that_the_likelihood_sees_with(name, more):
    m = pyrogen.create(name, x_shape=(1, 8, 8), **more)
    assert m.feature_net is m.likelihood.network
    before = {k: v.clone() for k, v in m.likelihood.network.state_dict().items()}
    m.before_training(torch.rand(12, 1, 8, 8), torch.rand(12, *more["y_shape"]) if more else None)
    assert all(not torch.equal(v, before[k]) for k, v in m.likelihood.network.state_dict().items())
