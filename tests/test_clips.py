"""Clips: how they are made frame by frame, read by an oracle, judged and shown."""

import numpy as np
import pytest
import torch
from PIL import Image
from smallest import NETS, small
from torch.nn.functional import avg_pool2d, conv2d, pad

import pyrogen
from pyrogen import registry
from pyrogen.base import Batch
from pyrogen.conditions import Condition
from pyrogen.data.sprites import Sprites
from pyrogen.data.sprites_reading import SpriteReader
from pyrogen.data.sprites_sets import draw_factors
from pyrogen.figures import plots
from pyrogen.inference import ELBO, Adversarial, fit
from pyrogen.inference.latents.measured import share_error
from pyrogen.inference.objectives.ways import Way
from pyrogen.inference.pages import datum_sections
from pyrogen.nets.clips import Course, Moving, PartsFirst, Stacked
from pyrogen.nets.following import Following, Places
from pyrogen.nets.layered import Layered, shares
from pyrogen.registry import describe, make


@pytest.fixture(scope="module")
def data():
    return pyrogen.data.load("sprites(size=16, frames=4, n=40)", kind="unit")


def metric(name, *given, **settings):
    return registry.find("metric", name).load()(*given, **settings)


class Shows(pyrogen.base.Model):
    """Clips in a model's place."""

    def __init__(self, x):
        super().__init__()
        self.x, self.x_shape, self.condition = x, x.shape[1:], None

    def sample(self, n, y=None):
        return self.x[:n]


def test_frames_differ_by_the_motion_alone():
    torch.manual_seed(0)
    course = Course(3, 2, 4, 5)
    z = torch.randn(6, 2 + 3 * 4)
    h = course(z).unflatten(0, (6, 3))
    assert torch.equal(h[..., :2], z[:, None, :2].expand(-1, 3, -1))
    later = z.clone()
    later[:, 2 + 4 :] += 1  # of the second step and the third
    moved = course(later).unflatten(0, (6, 3))
    assert torch.equal(moved[:, 0], h[:, 0])
    assert (moved[:, 1:, 2:] != h[:, 1:, 2:]).any(-1).all()
    g = Moving(**NETS["Moving"]).build(2 + 3 * 2, (3, 1, 8, 8), "unit").eval()
    still = torch.zeros(2, 8)
    still[1, 0] = 1  # another content
    with torch.no_grad():
        assert (g(still)[0] != g(still)[1]).any()
        assert g(still).shape == (2, 3, 1, 8, 8)


def layered(**settings):
    torch.manual_seed(0)
    return Layered(**{**NETS["Layered"], **settings}).build(3 + 2, (4, 1, 8, 8)).eval()


def test_what_a_clip_of_layers_shows_is_drawn_once():
    net = layered(wraps=True)
    (scene,) = net.layers
    z = torch.randn(6, 5)
    moved = torch.cat([z[:, :3], torch.randn(6, 2)], 1)

    # whole pixels: 0, 1, 3 and 8 downwards, where it is again
    by = (torch.tensor([[0.0, 0], [1, 0], [3, 0], [8, 0]]) / 8).expand(6, 4, 2)
    with torch.no_grad():
        assert (net(z) != net(moved)).any()
        scene.way.forward = lambda motion: by
        x = net(z)
        torch.testing.assert_close(net(moved), x, rtol=0, atol=0)  # whatever is said of the way
    for t, rows in enumerate((0, 1, 3, 8)):
        torch.testing.assert_close(x[:, t], x[:, 0].roll(rows, 1 + 1))
    assert (x[1:, 0] != x[:1, 0]).any()


@pytest.mark.parametrize("entry", ["vae-video", "video-gan"])
@pytest.mark.parametrize("generator", ["Layered", "Moving", "Perceptron"])
def test_the_generator_says_how_large_z_is(entry, generator):
    of = {"name": generator, **NETS[generator]}
    m = small(entry, generator=of)
    assert m.latent_shape == (2 + {"Layered": 2, "Moving": 2 * 3, "Perceptron": 0}[generator],)
    assert m.sample(2).shape == (2, 3, 1, 8, 8)


def test_what_leaves_comes_back_only_if_it_is_told_to():
    for wraps in (True, False):
        (scene,) = layered(wraps=wraps).layers
        scene.way.forward = lambda motion: torch.full((len(motion), 4, 2), 1.0)  # a side down, and one to the right
        with torch.no_grad():
            x, behind = scene(torch.ones(1, 5)), scene.background(torch.ones(1, 3))
        assert torch.allclose(x[:, 0], behind) is not wraps


def test_a_pixel_is_the_mean_of_what_it_covers():
    at = torch.tensor([0.0, 1 / 32, -3 / 8], requires_grad=True)
    covers = shares(at, 8, 16, wraps=True)  # twice as fine
    torch.testing.assert_close(covers.sum(-1), torch.ones(3, 8))
    assert covers[0, 2, 4:6].tolist() == [0.5, 0.5]
    # a quarter of a pixel further on: a quarter of the cell before comes in
    torch.testing.assert_close(covers[1, 2, 3:6], torch.tensor([0.25, 0.5, 0.25]))
    assert covers[2, 0, 6:8].tolist() == [0.5, 0.5]  # three pixels back
    covers[1, 2, 3].backward()
    assert at.grad[1] == 8
    assert shares(torch.tensor(0.5), 8, 16, wraps=False)[0].sum() == 0


def test_a_thing_begins_as_a_disc_and_its_way_bends_little():
    (scene,) = layered().layers
    mask = torch.sigmoid(scene.thing[-1].log_odds)
    assert mask[8, 8] > 0.9
    assert mask[0, 0] < 0.02
    torch.testing.assert_close(mask, mask.flip(0).T)
    way = scene.way(torch.randn(100, 2)).diff(dim=1)
    assert (way.diff(dim=1).abs().mean() < 0.3 * way.abs().mean()).all()
    wide = layered(cells=3).layers[0].background(torch.ones(2, 3))
    assert wide.shape == (2, 1, 8, 8)
    assert wide[0, 0].unique().numel() > 9


def test_an_encoder_finds_a_thing_wherever_it_is():
    drawn = Sprites(16, None, 4)
    factors = draw_factors(drawn, 40, torch.Generator().manual_seed(0))
    x = drawn.render(factors)
    net = Places((16, 16))
    step = drawn.steps[drawn.column(factors, "direction"), drawn.column(factors, "speed")].flip(1)
    moves = torch.remainder(net(x).diff(dim=1) + 0.5, 1) - 0.5
    assert (moves - step.unsqueeze(1)).abs().max() < 0.2 / 16
    centres = torch.tensor([1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4]) - 0.5
    rows, columns = (centres[drawn.column(factors, name)] for name in ("row", "column"))
    found = net(x)[:, 0] - torch.stack([rows, columns], 1)
    assert found.abs().max() < 1 / 16
    blank = torch.full((2, 4, 3, 16, 16), 0.5, requires_grad=True)
    net(blank).sum().backward()
    assert net(blank).abs().max() < 1e-2
    assert torch.isfinite(blank.grad).all()


def test_and_sees_it_as_if_it_stood_still():
    torch.manual_seed(0)
    x = Sprites(16, None, 4).render(draw_factors(Sprites(16, None, 4), 5, torch.Generator().manual_seed(0)))
    net, seen = Following((4, 3, 16, 16), 6, width=4, hidden=8), []
    net.looks.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    before = net(x)
    rolled = net(torch.stack([x[:, t].roll((t, -2 * t), (2, 3)) for t in range(4)], 1))
    torch.testing.assert_close(*seen, rtol=0, atol=0.02)
    assert seen[0].diff(dim=1).abs().mean() < 0.3 * x.diff(dim=1).abs().mean()
    assert (before - rolled).abs().amax(1).min() > 1e-3


def dots(n):
    """A bright square of 2 pixels that moves by whole pixels."""
    generator = torch.Generator().manual_seed(0)
    x = torch.zeros(n, 3, 1, 8, 8)
    x[..., 3:5, 3:5] = 1
    steps = torch.randint(-1, 2, (n, 2), generator=generator)
    starts = torch.randint(-2, 3, (n, 2), generator=generator)
    for clip, start, step in zip(x, starts, steps, strict=True):
        for t in range(3):
            clip[t] = clip[t].roll((start + t * step).tolist(), (1, 2))
    return x


def test_where_a_thing_is_drawn_is_kept_to_where_it_is_seen():
    x, of = dots(128), {"name": "Layered", **NETS["Layered"], "motion": 4, "hidden": 16}
    m = small("vae-video", generator=of, likelihood={"name": "Normal", "scale": "shared"})
    assert m.objective == ELBO() + Way()
    seen = 8 * m.way_seen(x)
    torch.testing.assert_close(seen, seen.round(), rtol=0, atol=0.05)
    charged, only = Way().players(m)[0], ELBO().players(m)[0]
    gradients = torch.autograd.grad(charged.loss(Batch(x))["loss"], charged.parameters(), allow_unused=True)
    assert all(g is not None for g in gradients)
    owned = {id(p) for p in charged.parameters()}
    others = [k for k, p in only.owns[0].named_parameters() if id(p) not in owned]
    assert all(".thing." in k or ".background." in k or ".looks." in k or "likelihood" in k for k in others)
    start = float(charged.loss(Batch(x))["loss"].detach())
    fit(m, x, epochs=12, batch_size=32, lr=1e-2, validate=False, progress=False)
    assert float(charged.loss(Batch(x))["loss"].detach()) < 0.1 * start
    assert "__init__" not in vars(type(m))  # it is built as any VAE: the entry says what it is trained by
    anew = small("vae-video", generator="Moving")
    assert anew.objective == ELBO()
    with pytest.raises(ValueError, match="VideoVAE says nowhere where a thing is"):
        Way().players(anew)
    with pytest.raises(ValueError, match=r"Way\(sd=0\): the error of a place"):
        Way(sd=0)


def test_parameters_come_before_frames():
    h = torch.arange(2 * 3 * 2 * 1 * 4).reshape(2, 3, 2, 2, 2).float()  # (N, T, k C, H, W), k = 2
    made = PartsFirst(2)(h)
    assert made.shape == (2, 6, 1, 2, 2)
    assert torch.equal(made[:, :3, 0], h[:, :, 0])
    assert torch.equal(made[:, 3:, 0], h[:, :, 1])
    vae = small("vae-video", likelihood={"name": "Normal", "scale": "predicted"})
    assert vae.decode(torch.zeros(2, vae.latent_size)).mean.shape == (2, 3, 1, 8, 8)


def test_the_two_critics_see_clips_and_a_frame_of_each():
    m = small("video-gan")
    x = torch.arange(3.0).view(1, 3, 1, 1, 1).expand(500, 3, 1, 8, 8) / 2
    sites = m.real(Batch(x))
    shares = torch.stack([(sites["frame"] == v).flatten(1).all(1).double().mean() for v in (0, 0.5, 1)])
    assert float(shares.sum()) == 1
    assert (shares - 1 / 3).abs().max() < 0.1
    scores = m.criticize(sites)
    assert scores.shape == (1000,)
    torch.testing.assert_close(scores[:500], m.critic(x).squeeze(-1))
    torch.testing.assert_close(scores[500:], m.frame_critic(sites["frame"]).squeeze(-1))
    assert set(m.fake(Batch(x))) == {"z", "x", "frame"}


def test_settings_of_a_stacked_critic_are_those_of_what_it_shows_clips_to():
    of = {"name": "Convolutional", "width": 4, "normalization": "none"}
    critic = Stacked(of | {"minibatch": "deviation", "pack": 2, "conditioning": "projection"})
    assert (critic.minibatch, critic.pack, critic.conditioning) == ("deviation", 2, "projection")
    assert critic.build((3, 1, 8, 8))(torch.rand(6, 3, 1, 8, 8)).shape == (3, 1)
    assert make("critic", describe(critic)) == critic
    with pytest.raises((TypeError, ValueError), match="minibatch"):
        make("critic", {"name": "Stacked", "of": of, "minibatch": "deviation"})


@pytest.mark.parametrize("loss", ["Hinge", "RelativisticAverage"])
@pytest.mark.parametrize("penalty", [None, "R1", "GradientPenalty"])
def test_it_trains_by_losses_and_penalties_of_either_site(loss, penalty):
    x = torch.rand(24, 3, 1, 8, 8)
    game = Adversarial(loss=loss, penalty=penalty, reuse=True)
    m = small(
        "video-gan", critic={"name": "Stacked", "of": {"name": "Convolutional", "width": 4, "normalization": "none"}}
    )
    before = {k: v.clone() for k, v in m.named_parameters()}
    fit(m, x, objective=game, epochs=1, batch_size=12, validate=False, progress=False)
    moved = {k.split(".")[0] for k, v in m.named_parameters() if not torch.equal(v, before[k])}
    assert moved == {"generator", "critic", "frame_critic"}


def test_an_oracle_reads_every_frame_and_its_motion(data):
    drawn = Sprites(16, None, 4)
    factors = draw_factors(drawn, 30, torch.Generator().manual_seed(1))
    reader = SpriteReader(drawn)
    x = drawn.render(factors)
    found = reader.read_frames(x)
    assert (found.modes == reader.mode_of(factors).unsqueeze(1)).all()
    step = drawn.steps[drawn.column(factors, "direction"), drawn.column(factors, "speed")]
    moves = torch.remainder(found.centres.diff(dim=1) + 0.5, 1) - 0.5
    torch.testing.assert_close(moves, step.unsqueeze(1).expand(-1, 3, -1), rtol=0, atol=1e-6)
    # what stays itself and goes anywhere: a quarter of a pixel to the right and an eighth down at each frame
    kind = [drawn.column(factors, name) for name in ("shape", "size")]
    centres = torch.rand(30, 1, 2) + torch.arange(4).view(1, 4, 1) / 16 * torch.tensor([1 / 4, 1 / 8])
    covered = drawn.covering(*kind, centres).unsqueeze(2)
    colour, behind = (
        of[drawn.column(factors, name)].view(30, 1, 3, 1, 1)
        for name, of in (("colour", drawn.colours), ("background", drawn.backgrounds))
    )
    found = reader.read_frames(behind + covered * (colour - behind))
    assert (found.modes == reader.mode_of(factors).unsqueeze(1)).double().mean() > 0.98
    off = torch.remainder(found.centres - centres + 0.5, 1) - 0.5
    assert off.abs().max() < 1 / 32
    with pytest.raises(ValueError, match="clips of them are read frame by frame"):
        SpriteReader(Sprites(16)).read_frames(x[:, 0])


def test_metrics_of_clips_know_right_from_wrong(data):
    x = data.train.x
    assert metric("identity-drift", Shows(x), data, 0, n=20) == 0
    assert metric("motion-possible", Shows(x), data, 0, n=20) == 1
    # where all agree the error is none of 0
    for name in ("identity-drift", "motion-possible"):
        assert metric(name, Shows(x), data, 0, n=20).error == share_error(20, 20)
    # the second half of another clip: what is shown changes in one of three steps, seldom to the same
    cut = torch.cat([x[:, :2], x.roll(1, 0)[:, 2:]], 1)
    assert 0.2 < metric("identity-drift", Shows(cut), data, 0, n=20) <= 1 / 3
    assert metric("motion-possible", Shows(cut), data, 0, n=20) < 0.3
    assert metric("identity-drift", Shows(cut), data, 0, of="data") == 0  # whatever the model shows
    with pytest.raises(ValueError, match="Shows has no codes of clips to remake them by; take of='samples'"):
        metric("identity-drift", Shows(cut), data, 0, of="reconstructions")
    with pytest.raises(ValueError, match="'dta'"):
        metric("identity-drift", Shows(cut), data, 0, of="dta")
    # frames that stand still move by no step of the data, and are what they were
    still = x[:, :1].expand_as(x)
    assert metric("identity-drift", Shows(still), data, 0, n=20) == 0
    assert metric("motion-possible", Shows(still), data, 0, n=20) == 0
    assert metric("motion-possible", Shows(x.flip(1)), data, 0, n=20) == 1  # the other way
    assert metric("motion-possible", Shows(x[:, [1, 0, 3, 2]]), data, 0, n=20) == 0

    class Judge(Shows, pyrogen.base.HasCritic):
        real = fake = generator_modules = critic_modules = None

        def criticize(self, sites):
            smooth = -sites["x"].diff(dim=1).square().flatten(1).sum(1)
            return torch.cat([torch.zeros(len(smooth)), smooth]) if "frame" in sites else smooth

    assert metric("shuffled-frames-caught", Judge(x), data, 0) > 0.9
    with pytest.raises(ValueError, match="asks a critic, and Shows has none"):
        metric("shuffled-frames-caught", Shows(x), data, 0)


def test_what_is_not_there_is_not_what_it_was(data):
    x, reader = data.train.x[:12], data.oracle
    colours = reader.sprites.backgrounds[reader.sprites.column(data.train.y[:12], "background")]
    behind = colours.view(-1, 1, 3, 1, 1)
    assert (reader.read_frames(x).visible - 1).abs().max() < 0.01
    fading = behind + torch.tensor([1, 0.8, 0.4, 0]).view(4, 1, 1, 1) * (x - behind)
    assert 2 / 3 <= metric("identity-drift", Shows(fading), data, 0, n=12) < 0.75
    assert metric("motion-possible", Shows(fading), data, 0, n=12) == 0
    for nothing in (behind.expand_as(x), behind + 0.15 * (x - behind), torch.full_like(x, 0.5), torch.rand_like(x)):
        assert metric("identity-drift", Shows(nothing), data, 0, n=4) > 0.9
    # what is there and blurred a little is what it is; blurred by far it is lost
    shares = torch.tensor([1, 6, 1]) / 8
    around = pad(x.flatten(0, 2).unsqueeze(1), (1, 1, 1, 1), "circular")
    blurred = conv2d(around, torch.outer(shares, shares).view(1, 1, 3, 3)).view_as(x)
    assert metric("identity-drift", Shows(blurred), data, 0, n=12) < 0.06
    assert metric("identity-drift", Shows(avg_pool2d(x.flatten(0, 1), 9, 1, 4).view_as(x)), data, 0, n=12) > 0.3


def test_clips_are_shown_frame_beside_frame(data):
    x = data.test.x[:3]
    shown = plots.to_image(x, "unit")
    assert shown.shape == (3, 16, 4 * 17 - 1, 3)
    np.testing.assert_allclose(shown[:, :, 17:33], x[:, 1].permute(0, 2, 3, 1), atol=1e-6)
    assert (shown[:, :, 16] == 1).all()
    for figure in (plots.samples(x, "unit"), plots.reconstructions(x, x, "unit")):
        assert figure.axes[0].images


def write_clips(folder, frames):
    for k, count in enumerate(frames):
        (folder / f"clip{k}").mkdir(parents=True)
        for t in range(count):
            Image.fromarray(np.full((8, 8, 3), 16 * k + t, np.uint8)).save(folder / f"clip{k}" / f"{t:02}.png")
    return folder


def test_a_folder_of_clips_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = write_clips(tmp_path / "own", [3, 3, 3, 3, 3, 5])
    with pytest.raises(
        ValueError, match=r"clip5 has 5 frames, and .*clip0 3; load with length=3, and of all clips the"
    ):
        pyrogen.data.load(folder, sequence=True)
    with pytest.raises(ValueError, match=r"length=4: .*clip0 has 3 frames; take length=3 or fewer"):
        pyrogen.data.load(folder, sequence=True, length=4)
    data = pyrogen.data.load(folder, sequence=True, length=2, kind="unit", dequantization=False)
    assert data.x_shape == (2, 3, 8, 8)
    shown = torch.cat([s.x for s in (data.train, data.valid, data.test)]).mul(255).round()[:, :, 0, 0, 0].tolist()
    assert sorted(shown) == [[16 * k, 16 * k + 1] for k in range(6)]
    assert pyrogen.data.load(folder, kind="unit").classes == 6  # images of six classes, unless told
    with pytest.raises(ValueError, match=r"holds 2 folders of images .*; expected at least 3"):
        pyrogen.data.load(write_clips(tmp_path / "few", [2, 2]), sequence=True)
    with pytest.raises(ValueError, match="or the folders of images in a folder, and 'digits' is none"):
        pyrogen.data.load("digits", sequence=True)


def test_frame_2_comes_before_frame_10(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = write_clips(tmp_path / "own", [12] * 3)
    for path in folder.glob("*/*.png"):
        path.rename(path.with_name(f"frame_{int(path.stem)}.png"))
    data = pyrogen.data.load(folder, sequence=True, kind="unit", dequantization=False)
    shown = torch.cat([s.x for s in (data.train, data.valid, data.test)]).mul(255).round()[:, :, 0, 0, 0].tolist()
    assert sorted(shown) == [list(range(16 * k, 16 * k + 12)) for k in range(3)]


def test_what_makes_no_clips_is_refused_in_a_sentence():
    for wrong, sentence in (
        ({"x_shape": (1, 8, 8)}, r"'video-gan' makes clips of 2 frames or more, .*got x_shape=\(1, 8, 8\)"),
        (
            {"generator": "Convolutional"},
            r"clips, \(T, C, H, W\), are made of pictures by generator='Layered' or 'Moving'",
        ),
        ({"content": 0}, "content=0: what a clip shows is said by 1 number or more"),
    ):
        with pytest.raises(ValueError, match=sentence):
            small("video-gan", **wrong)
    with pytest.raises(ValueError, match="nothing is left for what they show; take 13 or more"):
        Moving(motion=4).build(12, (3, 1, 8, 8))
    with pytest.raises(ValueError, match="reads no y"):
        Moving().build(20, (3, 1, 8, 8), condition=Condition((), 3))
    with pytest.raises(ValueError, match="reads clips, x_shape="):
        Stacked().build((1, 8, 8))
    for of in (Moving(frame="Moving"), Layered(frame="Layered")):
        with pytest.raises(ValueError, match=r"makes clips of 2 frames or more, .*got x_shape=\(., "):
            of.build(40, (3, 1, 8, 8))
    with pytest.raises(ValueError, match=r"window=0.*: needs numbers of 1 or more, and a window in \(0, 1\]"):
        Layered(window=0)


def test_clips_that_are_found_best_and_worst_are_shown_as_clips(monkeypatch):
    """One below the other, since they are long, and not as the heights of their thousand numbers."""
    model = small("vae-video")
    x = torch.rand(20, *model.x_shape)
    data = pyrogen.data.from_arrays(x, x_test=x)
    seen = []
    monkeypatch.setattr(plots, "strips", lambda x, *rest, **named: seen.append((x.shape, named)) or "a figure")
    (panel,) = datum_sections.extremes(model, data, [])
    assert panel.figure == "a figure"
    assert seen == [((8, 2, *model.x_shape), {"columns": ["best", "worst"], "within": (0.0, 1.0)})]
