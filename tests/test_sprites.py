"""Sprites: every combination is read back from its picture, and what is no picture of one is said to be none."""

import math
from collections import Counter

import pytest
import torch
from torch.nn.functional import avg_pool2d

from pyrogen.data import load
from pyrogen.data.sprites import BACKGROUNDS, COLOURS, SHAPES, Sprites
from pyrogen.data.sprites_captions import Captions
from pyrogen.data.sprites_reading import SpriteReader
from pyrogen.data.sprites_sets import draw_factors, pair_of, shows_any


def some(drawn, n, seed=0):
    return draw_factors(drawn, n, torch.Generator().manual_seed(seed))


def in_levels(drawn, factors):
    return drawn.pictures(factors).float() / 255


@pytest.fixture(scope="module")
def plain():
    return Sprites()


@pytest.fixture(scope="module")
def reader(plain):
    return SpriteReader(plain)


def test_every_picture_of_32_pixels_is_read_back_exactly(plain, reader):
    every = plain.every()
    assert len(every) == math.prod(plain.counts) == 10_800
    found = reader.read(in_levels(plain, every))
    assert torch.equal(found.factors, every)
    # 8 bits are off by half a level at most
    assert found.distance.max() <= 0.5 / 255


OTHERS = [
    (32, "small", 1, 1000),
    (32, "large", 1, 1000),
    (64, None, 1, 300),
    (64, "small", 1, 300),
    (64, "large", 1, 300),
    (32, None, 4, 30),
    (32, "small", 6, 10),
]


@pytest.mark.parametrize(("size", "tiny", "frames", "n"), OTHERS)
def test_a_sample_of_others_is_read_back_exactly(size, tiny, frames, n):
    drawn = Sprites(size, tiny, frames)
    factors = some(drawn, n)
    for x in (drawn.render(factors), in_levels(drawn, factors)):
        found = SpriteReader(drawn).read(x)
        assert torch.equal(found.factors, factors)
        assert found.distance.max() <= 0.5 / 255


@pytest.mark.parametrize("tiny", ["small", "large"])
def test_no_two_pictures_are_alike(tiny):
    drawn = Sprites(32, tiny)
    every = drawn.every()
    seen = {row.tobytes() for part in every.split(2000) for row in drawn.pictures(part).numpy()}
    assert len(seen) == len(every) == 54_000


def test_the_nearest_is_that_of_all_pictures(plain, reader):
    every = plain.every()
    templates = plain.render(every).flatten(1)
    x = torch.rand(10, *plain.x_shape, generator=torch.Generator().manual_seed(1))
    far = torch.cdist(x.flatten(1).double(), templates.double(), compute_mode="donot_use_mm_for_euclid_dist")
    found = reader.read(x)
    assert torch.equal(found.factors, every[far.argmin(1)])
    expected = far.amin(1) / math.sqrt(plain.x_shape.numel())
    torch.testing.assert_close(found.distance.double(), expected, rtol=1e-5, atol=0)


def test_the_nearest_with_marks_is_that_of_all_pictures():
    drawn = Sprites(32, "large")
    factors = some(drawn, 400)
    noise = torch.randn(400, *drawn.x_shape, generator=torch.Generator().manual_seed(1))
    x = drawn.render(factors) + 0.3 * noise
    found = SpriteReader(drawn).read(x)
    own = (x - drawn.render(factors)).square().flatten(1).mean(1).sqrt()
    # no other is nearer than what is found; and changing one factor of it brings nothing
    assert (found.distance <= own + 1e-6).all()
    for name, count in zip(drawn.names, drawn.counts, strict=True):
        other = found.factors.clone()
        column = drawn.names.index(name)
        other[:, column] = (other[:, column] + 1) % count
        assert ((x - drawn.render(other)).square().flatten(1).mean(1).sqrt() >= found.distance - 1e-6).all()


def test_noise_is_read_through_and_told(plain, reader):
    factors = some(plain, 500)
    noise = torch.randn(500, *plain.x_shape, generator=torch.Generator().manual_seed(1))
    for sd in (0.02, 0.1, 0.2):
        found = reader.read(plain.render(factors) + sd * noise)
        assert torch.equal(found.factors, factors)
        assert found.distance.mean() == pytest.approx(sd, rel=0.01)
    valid = [reader.place(plain.render(factors) + sd * noise)[1].float().mean() for sd in (0.02, 0.1)]
    assert valid == [1, 0]


def half(drawn, factors, name, by):
    other = factors.clone()
    column = drawn.names.index(name)
    other[:, column] = (other[:, column] + by) % drawn.counts[column]
    return (drawn.render(factors) + drawn.render(other)) / 2


NO_PICTURES = {
    "blank": lambda d, f: d.backgrounds[d.column(f, "background")][:, :, None, None].expand(-1, *d.x_shape),
    "a mean of two": lambda d, f: (d.render(f[::2]) + d.render(f[1::2])) / 2,
    "half here and half there": lambda d, f: half(d, f, "row", 2),
    "grey": lambda d, f: torch.full((len(f), *d.x_shape), 0.5),
}


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_is_invalid(name, size):
    drawn = Sprites(size)
    x = NO_PICTURES[name](drawn, some(drawn, 200))
    assert not SpriteReader(drawn).place(x)[1].any()


def test_blur_is_told(plain, reader):
    x = plain.render(some(plain, 300))
    far = [reader.read(avg_pool2d(x, k, 1, k // 2, count_include_pad=False)).distance for k in (1, 3, 5, 7)]
    assert far[0].mean() < 1e-6 < far[1].mean() < far[2].mean() < far[3].mean()
    assert (far[-1] > reader.tolerance).all()


def test_reading_by_parts_is_reading_at_once(plain, reader):
    x = in_levels(plain, some(plain, 1000))
    whole = reader.read(x)
    for i in (0, 500, 999):
        one = reader.read(x[i : i + 1])
        assert torch.equal(one.factors[0], whole.factors[i])
    assert len(reader.read(x[:0]).factors) == 0


# what is drawn


def test_the_silhouettes_have_the_areas_of_their_shapes():
    areas = {
        "circle": math.pi,
        "square": (2 * 0.85) ** 2,
        "triangle": 3 * math.sqrt(3) / 4,
        "diamond": 2,
        "cross": 2 * 2 * (2 / 3) - (2 / 3) ** 2,
        "ring": math.pi * (1 - 0.25),
    }
    drawn = Sprites(64)
    number = drawn.silhouette_of(torch.tensor([[k, 0, 2, 2, 2, 0] for k in range(len(SHAPES))]))
    found = drawn.silhouettes[number].sum(1) / 16**2
    # corners are cut by a fraction of a pixel
    torch.testing.assert_close(found, torch.tensor([areas[name] for name in SHAPES]), rtol=0.015, atol=0)


def test_where_and_in_which_colours(plain):
    factors = some(plain, 200)
    x, covered = plain.render(factors), plain.silhouettes[plain.silhouette_of(factors)].view(-1, 32, 32)
    middles = (torch.arange(32) + 0.5) / 32
    corner = x[:, :, 0, 0]
    for row, picture, shape, ground in zip(factors.tolist(), x, covered, corner, strict=True):
        kind, colour, size, up, left, background = row
        assert ground.tolist() == pytest.approx([v / 255 for v in list(BACKGROUNDS.values())[background]])
        inside = picture[:, shape == 1].T
        expected = [v / 255 for v in list(COLOURS.values())[colour]]
        torch.testing.assert_close(inside, torch.tensor(expected).expand_as(inside))
        wide = (shape.amax(0) > 0.5).sum() / 32
        radius = [1 / 8, 3 / 16, 1 / 4][size]
        assert wide == pytest.approx(2 * radius * {1: 0.85, 2: math.sqrt(3) / 2}.get(kind, 1), abs=2 / 32)
        middle = float((shape.sum(0) * middles).sum() / shape.sum())
        assert middle == pytest.approx((2 + left) / 8, abs=1e-5)
        if kind != list(SHAPES).index("triangle"):  # its centre of mass is on no pixel's edge
            assert float((shape.sum(1) * middles).sum() / shape.sum()) == pytest.approx((2 + up) / 8, abs=1e-5)


def test_the_mark_changes_its_own_pixels_alone():
    for size in (32, 64):
        for tiny, wide in (("small", 2), ("large", 3 * size // 16)):
            drawn = Sprites(size, tiny)
            factors = some(drawn, 50)
            column = drawn.names.index("mark")
            shown = [drawn.render(torch.cat([factors[:, :column], torch.full((50, 1), k)], 1)) for k in range(5)]
            for k in range(1, 5):
                white = (shown[k] == 1).all(1)
                assert torch.equal(white.sum((1, 2)), torch.full((50,), wide**2))
                same = (shown[k] == shown[0]).all(1)
                assert (same | white).all()
                down, right = white[0].nonzero().float().mean(0) > size / 2
                assert drawn.values["mark"][k] == f"{'bottom' if down else 'top'} {'right' if right else 'left'}"


def test_clips_move_and_come_back():
    drawn = Sprites(32, frames=17)
    step = {"right": (0, 1), "left": (0, -1), "up": (-1, 0), "down": (1, 0)}
    every = torch.tensor([[2, 0, 1, 1, 3, 0, d, s] for d in range(4) for s in range(2)])
    x = drawn.render(every)
    still = Sprites(32).render(every[:, :6])
    torch.testing.assert_close(x[:, 0], still)
    for clip, (*_, d, s) in zip(x, every.tolist(), strict=True):
        pixels = (1, 2)[s]
        down, right = step[drawn.values["direction"][d]]
        for t in range(17):
            expected = torch.roll(clip[0], (t * pixels * down, t * pixels * right), (1, 2))
            torch.testing.assert_close(clip[t], expected, atol=1e-5, rtol=0)
    # fast, half the side in 8 frames
    torch.testing.assert_close(x[1, 16], x[1, 0], atol=1e-5, rtol=0)


def test_the_layout_is_what_is_drawn():
    drawn = Sprites(32, "small")
    factors = some(drawn, 100)
    layout, covered = drawn.layout(factors), drawn.silhouettes[drawn.silhouette_of(factors)].view(-1, 32, 32)
    marked = layout == 7
    assert torch.equal(marked.any((1, 2)), drawn.column(factors, "mark") > 0)
    shown = (layout > 0) & ~marked
    assert torch.equal(shown | marked, (covered > 0.5) | marked)
    assert torch.equal(layout.where(shown, torch.zeros(())).amax((1, 2)).long(), drawn.column(factors, "shape") + 1)
    assert Sprites(32, frames=3).layout(some(Sprites(32, frames=3), 2)).shape == (2, 3, 32, 32)


# words


def test_a_caption():
    says = Captions(Sprites(32, "small", 4)).say(
        torch.tensor([[0, 0, 0, 1, 1, 2, 2, 2, 1], [5, 5, 2, 4, 0, 3, 0, 0, 0]])
    )
    assert says == [
        "a small red circle at the upper left of navy with a mark at the top right moving up fast",
        "a large cyan ring at the bottom leftmost of forest moving right slow",
    ]


@pytest.mark.parametrize(("tiny", "frames"), [(None, 1), ("small", 1), ("large", 4)])
def test_captions_tell_all_factors(tiny, frames):
    drawn = Sprites(32, tiny, frames)
    captions, factors = Captions(drawn), some(drawn, 500)
    assert torch.equal(captions.understand(captions.say(factors)), factors)
    tokens = captions.tokens(factors)
    assert tokens.shape == (500, captions.length)
    assert captions.spell(tokens) == captions.say(factors)
    assert int(tokens.max()) < len(captions.vocabulary) < 50
    assert set(" ".join(captions.say(factors)).split()) == set(captions.vocabulary[1:])


NO_CAPTIONS = [
    "",
    "a red circle",
    "a small red circle at the upper left of pink",
    "a small red circle at the upper left of navy now",
    "a small red circle at the upper left of navy with a mark at the top left",
]


@pytest.mark.parametrize("sentence", NO_CAPTIONS)
def test_what_is_no_caption(sentence):
    with pytest.raises(ValueError, match="is no caption of these sprites"):
        Captions(Sprites()).understand([sentence])


# as data


def test_sprites_are_data():
    data = load("sprites(n=200)")
    assert [len(s) for s in (data.train, data.valid, data.test)] == [200, 20, 50]
    assert (data.kind, tuple(data.x_shape), data.levels) == ("unit", (3, 32, 32), 256)
    assert data.class_names == ("shape", "colour", "size", "row", "column", "background")
    assert torch.equal(data.oracle.read(data.test.x).factors, data.test.y)
    assert data.sha256 == load("sprites(n=200, seed=0)").sha256
    assert data.sha256 != load("sprites(n=200, seed=1)").sha256
    assert load(data.source).sha256 == data.sha256


def test_what_y_may_be():
    factors = load("sprites(n=40)").train.y
    label = load("sprites(n=40, y='label')")
    assert torch.equal(label.train.y, factors[:, 0])
    assert (label.classes, label.class_names) == (6, tuple(SHAPES))
    caption = load("sprites(n=40, y='caption')")
    assert torch.equal(caption.train.y, Captions(Sprites()).tokens(factors))
    assert caption.class_names[0] == "<blank>"
    layout = load("sprites(n=40, y='layout')")
    assert layout.train.y.shape == (40, 32, 32)
    assert torch.equal(layout.train.y, Sprites().layout(factors))
    assert layout.class_names == ("background", *SHAPES)
    assert (layout.y_kind, layout.classes, caption.y_kind) == ("layout", 7, "tokens")
    assert load("sprites(n=40, frames=3)").x_shape == (3, 3, 32, 32)


def test_all_values_are_as_frequent_and_independent():
    drawn = Sprites(32, "small")
    n = 40_000
    factors = some(drawn, n)
    for name, count in zip(drawn.names, drawn.counts, strict=True):
        share = torch.bincount(drawn.column(factors, name), minlength=count) / n
        assert (share - 1 / count).abs().max() < 4 * math.sqrt(1 / count / n)
    for i in range(len(drawn.counts) - 1):
        pairs = Counter(map(tuple, factors[:, [i, -1]].tolist()))
        cells = drawn.counts[i] * drawn.counts[-1]
        chi = sum((pairs[a, b] - n / cells) ** 2 for a in range(drawn.counts[i]) for b in range(5)) * cells / n
        assert chi < cells - 1 + 4 * math.sqrt(2 * (cells - 1))


def test_held_out_pairs_are_in_the_test_split_alone():
    data, drawn = load("sprites(n=2000, held_out=('red circle', 'large cross'))"), Sprites()
    pairs = [pair_of(drawn, words) for words in ("red circle", "large cross")]
    assert pairs == [{"colour": 0, "shape": 0}, {"size": 2, "shape": 4}]
    seen = [int(shows_any(drawn, s.y, pairs).sum()) for s in (data.train, data.valid, data.test)]
    assert seen[:2] == [0, 0]
    # 1/36 and 1/18, both at once never
    assert seen[2] == pytest.approx(500 / 12, abs=4 * math.sqrt(500 / 12))
    # each word of a pair is still seen alone
    assert all((drawn.column(data.train.y, name) == value).any() for p in pairs for name, value in p.items())


def test_of_some_factors_only_some_values_are_drawn():
    data = load("sprites(n=400, only=('large', 'red', 'blue'), held_out=('red circle',))")
    assert [sorted({*column.tolist()}) for column in data.test.y.T] == [
        [*range(6)],
        [0, 2],
        [2],
        [*range(5)],
        [*range(5)],
        [*range(4)],
    ]
    assert not shows_any(Sprites(), data.train.y, [{"colour": 0, "shape": 0}]).any()


@pytest.mark.parametrize(
    ("source", "modes"),
    [
        ("sprites(size=16, n=8000, only=('large', 'red', 'blue'), held_out=('red circle',))", 6 * 2 * 4),
        ("sprites(size=16, n=8000, only=('left',))", 6 * 6 * 3 * 4),
        ("domains(size=16, n=8000)", 6 * 6 * 3 * 3),
        ("domains(size=16, n=8000, ambiguous=True)", 6 * 6 * 3 * 4),
    ],
)
def test_modes_are_those_that_data_have(source, modes):
    """A count of n among K modes raises the KL by (K − 1)/2n; shares of modes that are never drawn would add to it."""
    data = load(source)
    found = data.oracle.coverage(data.test.x)
    assert data.oracle.weights.tolist() == [1 / modes] * modes
    assert found["modes"] == pytest.approx(modes, abs=0.05 * modes)
    assert found["high_quality"] == 1
    # 2n times it is χ² of K − 1
    assert found["kl"] == pytest.approx((modes - 1) / 4000, abs=4 * math.sqrt(2 * (modes - 1)) / 4000)


def test_a_picture_of_what_data_never_have_is_in_no_mode():
    reader, factors = load("sprites(size=16, n=20, only=('red', 'blue', 'large'))").oracle, Sprites(16).every()
    shown = (drawn := Sprites(16)).render(factors[::7])
    mode, good = reader.place(shown)
    had = torch.isin(drawn.column(factors[::7], "colour"), torch.tensor([0, 2])) & (
        drawn.column(factors[::7], "size") == 2
    )
    assert torch.equal(good, had)
    assert int(mode.max()) < len(reader.weights) == 48
    assert torch.equal(reader.read(shown).factors, factors[::7])


def test_left_and_right_of_clips_are_of_the_column_first():
    drawn = Sprites(16, frames=3)
    assert pair_of(drawn, "red left") == {"colour": 0, "column": 1}
    assert pair_of(drawn, "left right") == {"column": 1, "direction": 0}
    data = load("sprites(size=16, n=400, frames=3, only=('left',), held_out=('red left',))")
    assert set(drawn.column(data.train.y, "column").tolist()) == {1}
    assert set(drawn.column(data.train.y, "direction").tolist()) == {0, 1, 2, 3}
    assert 0 not in drawn.column(data.train.y, "colour")


@pytest.mark.parametrize(("held", "biased"), [("red large", "red circle"), ("red circle", "red circle")])
def test_what_is_held_out_is_not_made_by_a_bias(held, biased):
    with pytest.raises(ValueError, match=f"biased='{biased}' would make '{held}'"):
        load(f"sprites(n=20, held_out=['{held}'], biased=['{biased}'])")
    data = load("sprites(size=16, n=200, held_out=['red square'], biased=['red circle'])")
    assert not shows_any(Sprites(16), data.train.y, [{"colour": 0, "shape": 1}]).any()


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ("sprites(only=('larg',))", "no value of sprites called 'larg'; did you mean 'large'"),
        ("sprites(size=48)", "size=48: sprites are drawn in 16, 32 or 64 pixels"),
        ("sprites(tiny='smal')", "no mark of sprites called 'smal'; did you mean 'small'"),
        ("sprites(frames=0)", "frames=0"),
        ("sprites(y='words')", "no y of sprites called 'words'"),
        ("sprites(n=3)", "n=3: take 10"),
        ("sprites(held_out=('red pink',))", "'red pink' names no values of two factors"),
        ("sprites(held_out=('red blue',))", "'red blue' names no values of two factors"),
    ],
)
def test_refusals(wrong, match):
    with pytest.raises(ValueError, match=match):
        load(wrong)


def test_nothing_left_to_train_on():
    words = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)
    with pytest.raises(ValueError, match="leave no combination to train on"):
        load(f"sprites(n=10, held_out={words!r})")


def test_pictures_of_another_size_are_refused(reader):
    with pytest.raises(ValueError, match=r"x_shape=\(3, 32, 32\); got pictures of \(3, 64, 64\)"):
        reader.read(torch.zeros(1, 3, 64, 64))
    assert load("sprites(n=20)", size=16).oracle is None
