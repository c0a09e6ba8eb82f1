"""People who walk: their paths as data, what forecasts are worth, and a game in which all of a scene are drawn together."""

import math

import pyro.poutine as poutine
import pytest
import torch
from torch import nn

import pyrogen
from pyrogen.base import Batch
from pyrogen.command import cli
from pyrogen.conditions import Condition
from pyrogen.data import from_arrays, load
from pyrogen.data.crossings import Crossing
from pyrogen.data.trajectory_sets import OF_SCENE
from pyrogen.figures import path_plots, plots
from pyrogen.inference import Adversarial, fit
from pyrogen.inference.adversarial.variety import Variety, misfits
from pyrogen.inference.quality import forecasts as by
from pyrogen.kinds import kind_named
from pyrogen.nets.people import Crowd, PeopleCritic, PeopleNet, Pooling
from pyrogen.nets.recurrent import LSTM
from pyrogen.registry import find

SMALL = {"net": {"name": "LSTM", "width": 4}, "draws": 3, "latent_size": 2}


@pytest.fixture(scope="module")
def crossings():
    return load("crossings(n=120)")


def small(data, **arguments):
    torch.manual_seed(0)
    return pyrogen.create("social-gan", x_shape=data.x_shape, y_shape=data.y_shape, **{**SMALL, **arguments})


def moving(past, future, pooling):
    """A network that adds something to going straight on."""
    net = PeopleNet(LSTM(6), past, future, 2, pooling)
    nn.init.normal_(net.step.weight, std=0.3)
    return net


def metric(name, *arguments, **settings):
    return find("metric", name).load()(*arguments, **settings)


# ---------------------------------------------------------------------------------------------------------------- data


def test_crossings_are_scenes_of_two_to_four_of_whom_nobody_touches_anybody(crossings):
    assert (crossings.kind, tuple(crossings.x_shape), tuple(crossings.y_shape)) == ("paths", (4, 12, 2), (4, 8, 2))
    assert [len(s) for s in (crossings.train, crossings.valid, crossings.test)] == [84, 12, 24]
    people = (~crossings.train.y[..., 0, 0].isnan()).sum(1)
    assert {2, 3, 4} == set(people.tolist())
    part = crossings.train
    assert float(by.collided(part.x[None], part.y, 0.4).sum()) == 0
    straight = by.straight_on(part.y, 12)[None]
    assert float(by.collided(straight, part.y, 0.4).sum()) > 40


def test_a_crossing_has_two_futures_of_one_past():
    """Who would meet exactly: which of the two passes first is the side of the scene, and that alone."""
    law = Crossing(gait=0.0)
    place = torch.tensor([[[-2.5], [0.0]], [[0.0], [-2.5]]])  # (2, people, 1)
    velocity = torch.tensor([[[1.2], [0.0]], [[0.0], [1.2]]])
    pairs = ~torch.eye(2, dtype=torch.bool).unsqueeze(2)
    one, other = (law._pushes(place, velocity, pairs, torch.tensor([side])) for side in (1.0, -1.0))
    torch.testing.assert_close(one, -other)
    torch.testing.assert_close(one[:, 0], -one[:, 1])
    assert float(one.norm(dim=0).min()) == pytest.approx(law.push)


def test_pasts_of_crossings_are_straight(crossings):
    past = crossings.train.y
    bend = past.diff(dim=2).diff(dim=2).norm(dim=-1)
    assert float(bend[~bend.isnan()].max()) < 0.15  # four normal numbers of .01 m


@pytest.mark.parametrize(
    ("scene", "windows", "displacement", "final"),
    # of Gupta et al. and of Schöller et al.: one guess, straight on
    [("eth", 70, 1.00, 2.23), ("hotel", 301, 0.32, 0.62), ("zara1", 602, 0.43, 0.96), ("zara2", 921, 0.33, 0.73)],
)
def test_filmed_scenes_are_those_of_the_literature(scene, windows, displacement, final, need):
    need(f"trajectories/eth_ucy/{scene}")
    part = load(f"eth-ucy(scene={scene!r})").test
    assert len(part) == windows
    straight = by.straight_on(part.y, 12)[None]
    assert by.displacement(straight, part.x).value == pytest.approx(displacement, abs=0.0051)
    last = by.displacement(straight[..., -1:, :], part.x[..., -1:, :])
    assert last.value == pytest.approx(final, abs=0.0051)


def walk(agent, frames, start=(0.0, 0.0), step=(0.4, 0.1)):
    return [(f, agent, start[0] + i * step[0], start[1] + i * step[1]) for i, f in enumerate(frames)]


def written(path, rows, separator=",", header=""):
    lines = [separator.join(map(str, row)) for row in rows]
    path.write_text("\n".join([*([header] if header else []), *lines]) + "\n")
    return path


LONG = [*walk("ann", range(300)), *walk("bob", range(300), (3.0, 0.0)), *walk("eve", range(100, 130), (9.0, 9.0))]


def test_agents_with_underscores_are_told_apart(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("".join(f"{t},{a},{t},{k}\n" for t in range(200) for k, a in enumerate(("1_2", "12"))))
    assert load(path, kind="paths").x_shape == (2, 12, 2)


def test_numbers_of_agents_are_told_apart_to_the_last_digit(tmp_path):
    rows = [
        row
        for name in ("1000001", "1000002", "12345678901234567891", "12345678901234567892")
        for row in walk(name, range(300))
    ]
    rows += [*walk("7", range(150)), *walk("7.0", range(150, 300))]
    data = load(written(tmp_path / "w.csv", rows), kind="paths")
    assert tuple(data.x_shape) == (5, 12, 2)
    assert not data.train.x.isnan().any()


@pytest.mark.parametrize(
    ("name", "separator", "header"), [("w.csv", ",", "frame,agent,x,y"), ("w.txt", "\t", ""), ("w.txt", "  ", "")]
)
def test_a_file_of_ones_own(tmp_path, name, separator, header):
    path = written(tmp_path / name, LONG, separator, header)
    data = load(path, kind="paths")
    assert tuple(data.x_shape) == (3, 12, 2)
    # windows begin a frame apart, and none reaches over the end of its split
    assert [len(s) for s in (data.train, data.valid, data.test)] == [221, 11, 11]
    people = (~data.train.y[..., 0, 0].isnan()).sum(1)
    assert int((people == 3).sum()) == 11
    row = data.train.y[0]
    torch.testing.assert_close(row[0, :2], torch.tensor([[0.0, 0.0], [0.4, 0.1]]))
    torch.testing.assert_close(data.train.x[0, 0, 0], torch.tensor([3.2, 0.8]))
    assert row[2].isnan().all()
    again = load(path, kind=("paths",) if not header else None)
    assert again.sha256 == data.sha256


BAD = {
    "seen once": ([*LONG, (7, "zoe", 1, 1)], r"line 631 is all there is of agent 'zoe'; a path has two places or more"),
    "ragged": ([*LONG[:4], (5, "ann", 1), *LONG[5:]], r"line 5 has 3 columns; expected frame, agent, x, y"),
    "no number": ([*LONG[:4], (5, "ann", "left", 1), *LONG[5:]], r"line 5 holds x 'left'; expected a finite number"),
    "not finite": ([*LONG[:4], (5, "ann", 1, "inf"), *LONG[5:]], r"line 5 holds y 'inf'; expected a finite number"),
    "half a frame": ([*LONG, (7.5, "ann", 1, 1)], r"line 631 holds frame '7.5'; expected a whole number"),
    "twice": ([*LONG, LONG[2]], r"line 631 has agent 'ann' in frame 2 again, after line 3"),
    "too short": (walk("ann", range(60)), r"the valid part, frames 48 to 53, has nobody who is there for 20 frames"),
    "empty": ([], r"holds no paths; expected lines of frame, agent, x, y"),
}


@pytest.mark.parametrize(("rows", "message"), BAD.values(), ids=BAD)
def test_bad_files_are_refused_by_line(tmp_path, rows, message):
    path = written(tmp_path / "bad.csv", rows)
    with pytest.raises(ValueError, match=message) as caught:
        load(path, kind="paths")
    assert "\n" not in str(caught.value)
    assert "bad.csv" in str(caught.value)


def test_arrays_with_nan_of_whoever_is_not_there(crossings):
    parts = {f"{k}_{s.name}": getattr(s, k) for s in (crossings.train, crossings.valid, crossings.test) for k in "xy"}
    data = from_arrays(**parts, kind="paths", missing=True)
    assert (data.kind, data.y_kind) == ("paths", "numbers")
    assert torch.equal(data.test.y.isnan(), crossings.test.y.isnan())
    with pytest.raises(ValueError, match="x_train holds NaN"):
        from_arrays(**parts, kind="paths")
    broken = parts["x_train"].clone()
    broken[0, 0, 3] = math.nan
    with pytest.raises(ValueError, match="not 'paths', whose values are places in the plane"):
        from_arrays(**{**parts, "x_train": broken}, kind="paths", missing=True)


def test_another_encoding_and_other_wishes_are_refused(tmp_path):
    path = tmp_path / "w.txt"
    path.write_bytes(b"1 ann 0 0\n2 \xe9ve 1 1\n")
    with pytest.raises(ValueError, match="line 2 is not in UTF-8"):
        load(path, kind="paths")
    with pytest.raises(ValueError, match="read as paths, which take no missing="):
        load(written(tmp_path / "x.csv", LONG), kind="paths", label="agent")
    with pytest.raises(ValueError, match=r"eth-ucy leaves out one of eth, hotel, univ, zara1, zara2|scene"):
        load("eth-ucy(scene='park')")
    with pytest.raises(ValueError, match="takes 10 scenes or more"):
        load("crossings(n=3)")


def test_a_path_is_there_at_all_steps_or_at_none(crossings):
    model, x, y = small(crossings), crossings.test.x.clone(), crossings.test.y.clone()
    model.check(x, y)
    some = x.clone()
    some[0, 0, 3] = math.nan
    with pytest.raises(ValueError, match="datum 0 has somebody who is there at some steps of x and y only"):
        model.check(some, y)
    gone = x.clone()
    gone[2, 0] = math.nan
    with pytest.raises(ValueError, match="datum 2 has somebody"):
        model.check(gone, y)
    with pytest.raises(ValueError, match="infinite"):
        model.check(x / 0, y)
    assert not kind_named("paths").check(torch.zeros(3, 4))
    with pytest.raises(ValueError, match="y holds"):
        Condition((4, 8, 2)).check(y, len(y))


# ------------------------------------------------------------------------------------------------------------ networks


def test_an_untrained_network_goes_straight_on(crossings):
    model, y = small(crossings), crossings.test.y
    torch.testing.assert_close(model.sample(len(y), y), by.straight_on(y, 12), atol=1e-4, rtol=1e-4, equal_nan=True)


def test_whoever_is_not_there_takes_no_part_and_the_order_of_people_says_nothing(crossings):
    torch.manual_seed(0)
    net, critic = moving(8, 12, True), PeopleCritic(LSTM(6), 20, True)
    y, x, z = crossings.test.y[:6], crossings.test.x[:6], torch.randn(1, 6, 2)
    order = torch.randperm(4)
    made = net(z, y)
    assert torch.equal(made[0].isnan(), x.isnan())
    torch.testing.assert_close(made[:, :, order], net(z, y[:, order]), equal_nan=True)
    torch.testing.assert_close(critic(x, y), critic(x[:, order], y[:, order]))
    padded = torch.cat([y, torch.full_like(y, math.nan)], 1)
    torch.testing.assert_close(net(z, padded)[:, :, :4], made, equal_nan=True)


def test_a_scene_that_is_turned_and_moved_is_the_same_scene(crossings):
    torch.manual_seed(0)
    net, critic = moving(8, 12, True), PeopleCritic(LSTM(6), 20, True)
    y, x, z = crossings.test.y[:6], crossings.test.x[:6], torch.randn(1, 6, 2)
    turn = torch.linalg.qr(torch.randn(2, 2)).Q
    turn[:, 0] *= torch.linalg.det(turn).sign()
    there = [t @ turn + 5 for t in (x, y)]
    torch.testing.assert_close(net(z, y) @ turn + 5, net(z, there[1]), atol=1e-4, rtol=1e-4, equal_nan=True)
    torch.testing.assert_close(critic(x, y), critic(*there), atol=1e-4, rtol=1e-4)


def test_pooling_tells_of_the_others_of_the_same_scene_alone(crossings):
    torch.manual_seed(0)
    y, z = crossings.test.y[:2].clone(), torch.zeros(1, 2, 2)
    nearer = y.clone()
    nearer[0, 1] += 1.0  # another of the first scene
    for pooling, moved in ((True, True), (False, False)):
        net = moving(8, 12, pooling)
        before, after = net(z, y), net(z, nearer)
        assert torch.equal(before[0, 0, 0], after[0, 0, 0]) is not moved
        assert torch.equal(before[0, 1].nan_to_num(), after[0, 1].nan_to_num())
    alone = Crowd.of(torch.randn(3, 1, 8, 2))
    assert not Pooling(8, 5)(alone, alone.past).any()


def test_who_stood_still_is_no_reason_for_nan():
    y = torch.zeros(1, 2, 8, 2, requires_grad=True)
    net = moving(8, 12, True)
    made = net(torch.randn(3, 1, 2), y)
    made.sum().backward()
    assert made.isfinite().all()
    assert y.grad.isfinite().all()


# ------------------------------------------------------------------------------------------------- the game, and the term


def test_one_z_of_a_scene_and_any_leading_dimensions(crossings):
    model = small(crossings).eval()
    nn.init.normal_(model.generator.step.weight)
    y, z = crossings.test.y[:5], torch.randn(3, 5, 2)
    many = model.generate(z, y)
    assert many.shape == (3, 5, 4, 12, 2)
    torch.testing.assert_close(many[1], model.generate(z[1], y), equal_nan=True)
    torch.testing.assert_close(many, model.generate(z, y.expand(3, *y.shape)), equal_nan=True)
    trace = poutine.trace(model.model).get_trace(crossings.test.x[:5], y)
    assert trace.nodes["z"]["value"].shape == (5, 2)
    x = trace.nodes["x"]["value"]
    torch.testing.assert_close(x, model.generate(trace.nodes["z"]["value"], y), equal_nan=True)
    assert model.generate(z[0, :0], y[:0]).shape == (0, 4, 12, 2)
    with pytest.raises(ValueError, match="given where they have been; pass y"):
        model.generate(z[0])
    with pytest.raises(ValueError, match="got no y"):
        model.sample(3)


def test_of_several_answers_the_nearest_counts_and_what_is_missing_does_not():
    x = torch.tensor([[[1.0, math.nan], [2.0, math.nan]]])
    made = torch.tensor([[[[1.0, 9.0], [4.0, 9.0]]], [[[2.0, 7.0], [2.0, 7.0]]]], requires_grad=True)
    found = misfits(made, x)
    torch.testing.assert_close(found, torch.tensor([[2.0], [0.5]]))
    found.amin(0).sum().backward()
    assert made.grad.isfinite().all()
    assert not made.grad[0].any()
    assert not made.grad[..., 1].any()
    assert made.grad[1].any()


def test_variety_is_charged_to_the_generator_of_any_game(crossings):
    model = small(crossings, draws=0)
    assert [p.name for p in model.objective.players(model)] == ["critic", "generator"]
    objective = Adversarial() + 5 * Variety(4)
    players = objective.players(model)
    assert [p.name for p in players] == ["critic", "generator"]
    part = crossings.train.take(8)
    terms = players[1].loss(Batch(part.x, part.y))
    assert 0 < float(terms["variety"]) < float(terms["loss"].detach())
    digits = pyrogen.create("cgan", x_shape=(1, 4, 4), classes=3, generator={"name": "Perceptron", "hidden": (8,)})
    assert "variety" in objective.players(digits)[1].loss(Batch(torch.rand(4, 1, 4, 4), torch.tensor([0, 1, 2, 0])))
    for wrong, message in (("vae", "take IWAE"), ("gan-nonsaturating", "is told none")):
        with pytest.raises(ValueError, match=message):
            Variety().players(pyrogen.create(wrong, x_shape=(1, 4, 4), latent_size=2))
    with pytest.raises(ValueError, match="one draw or more"):
        Variety(0)


def test_other_data_and_shapes_are_refused(crossings):
    with pytest.raises(ValueError, match=r"takes paths, x_shape=\(people, steps, 2\)"):
        pyrogen.create("social-gan", x_shape=(1, 8, 8), y_shape=(2,))
    with pytest.raises(ValueError, match="takes paths, places"):
        fit(small(crossings), "digits", epochs=1)
    with pytest.raises(ValueError, match="fixed prior"):
        small(crossings, prior="MixtureOfGaussians")


# ------------------------------------------------------------------------------------------------ what forecasts are worth


def test_the_best_draw_is_best_for_a_whole_scene():
    """Two people, two draws, each right for one of them: per person there would be no error at all."""
    x = torch.zeros(1, 2, 1, 2)
    made = torch.tensor([[[[[0.0, 0.0]], [[3.0, 4.0]]]], [[[[0.0, 2.0]], [[0.0, 0.0]]]]])
    assert by.displacement(made, x).value == pytest.approx(1.0)
    x[0, 1] = made[:, 0, 1] = math.nan
    assert by.displacement(made, x).value == 0


def test_people_who_pass_through_one_another_between_two_steps_touch():
    past = torch.tensor([[[[-2.0, 0.0], [-1.0, 0.0]], [[2.0, 0.05], [1.0, 0.05]], [[9.0, 9.0], [9.0, 9.0]]]])
    made = by.straight_on(past, 2)[None]
    assert (made[0, 0, 0] == torch.tensor([[0.0, 0.0], [1.0, 0.0]])).all()
    assert by.collided(made, past, 0.1).tolist() == [[1.0]]
    assert by.collided(made, past, 0.04).tolist() == [[0.0]]
    past[0, 1] = made[0, 0, 1] = math.nan
    assert by.collided(made, past, 0.1).tolist() == [[0.0]]


def test_noise_is_fitted_where_validation_turns():
    torch.manual_seed(0)
    past = torch.stack([torch.arange(8.0), torch.zeros(8)], -1).expand(400, 1, 8, 2).contiguous()
    turned = by.straight_on(past, 12, math.radians(15) * torch.randn(400, 1))
    data = from_arrays(
        x_train=turned, y_train=past, x_valid=turned, y_valid=past, x_test=turned, y_test=past, kind="paths"
    )
    assert 12 <= math.degrees(by.fitted_angle(data.valid, 20)) <= 27
    straight, noisy = by.rivals(data, data.test, 20)
    assert by.displacement(noisy, data.test.x).value < 0.3 * by.displacement(straight, data.test.x).value


def test_metrics_and_rows_agree_and_always_tell_of_going_straight_on(crossings):
    model = small(crossings)
    rows = by.forecasts(model, crossings, touching=0.4, draws=5)
    assert [row.name for row in rows] == ["SocialGAN", by.STRAIGHT, by.SPREAD, by.TRUTH]
    own, straight, spread, truth = rows
    assert truth.displacement.value == truth.collisions.value == 0
    assert spread.displacement.value < straight.displacement.value
    assert float(metric("displacement", model, crossings, 0, draws=5)) == own.displacement.value
    assert float(metric("displacement", model, crossings, 0, draws=5, final=True)) == own.final.value
    assert float(metric("collisions", model, crossings, 0, draws=5, touching=0.4)) == own.collisions.value
    ratio = metric("displacement-ratio", model, crossings, 0, draws=5)
    assert float(ratio) == pytest.approx(own.displacement.value / spread.displacement.value)
    assert ratio.error > 0
    fewer = metric("collisions-ratio", model, crossings, 0, draws=5, touching=0.4)
    assert float(fewer) == pytest.approx(own.collisions.value / spread.collisions.value)
    assert float(metric("collisions-ratio", model, crossings, 0, against=model, touching=0.4)) == 1
    assert float(metric("displacement-ratio", model, crossings, 0, against=model)) == 1
    with pytest.raises(ValueError, match="nobody comes nearer than 1e-09"):
        metric("collisions-ratio", model, crossings, 0, touching=1e-9)
    digits = load("digits")
    with pytest.raises(ValueError, match="forecasts are of people's paths"):
        metric("displacement", pyrogen.create("vae", x_shape=digits.x_shape), digits, 0)


# ---------------------------------------------------------------------------------------------------- the command line


def test_trained_evaluated_and_reported_from_the_command_line(tmp_path, capsys):
    folder = tmp_path / "run"
    small_net = ["--net", "LSTM", "--net.width", "4", "--draws", "2"]
    told = ["train", "social-gan", "--data", "crossings(n=100)", *small_net, "--epochs", "1", "--folder", str(folder)]
    assert cli.main(told) == 0
    assert cli.main(["evaluate", str(folder), "--limit", "10"]) == 0
    said = capsys.readouterr().out
    for words in (by.STRAIGHT, by.SPREAD, by.TRUTH, "Distances of 10 test scenes", "pairs within 0.2"):
        assert words in said
    assert cli.main(["sample", str(folder), "--n", "5"]) == 0
    assert "5 samples (x): " in capsys.readouterr().out
    page = (folder / "report.html").read_text()
    for words in ("20 draws of where they might have gone", by.SPREAD, "Scores of the critic"):
        assert words in page
    assert "could not be shown" not in page
    assert cli.main(["evaluate", str(folder), "--estimator", "AIS"]) != 0
    assert "judged as forecasts" in capsys.readouterr().err


def test_fans_are_drawn(crossings):
    part = crossings.test.take(4)
    figure = path_plots.scenes(part.y, part.x, by.straight_on(part.y, 12, 0.2 * torch.randn(5, 4, 4)))
    shown = [axes for axes in figure.axes if axes.lines]
    assert len(shown) == 4
    people = int((~part.y[0, :, 0, 0].isnan()).sum())
    assert len(shown[0].lines) == people * (5 + 3)
    assert len(plots.samples(part.x, "paths").axes) == 6  # four of them, and room for two


def test_a_forecast_of_nan_is_no_good_one(crossings):
    model = small(crossings)
    with torch.no_grad():
        model.generator.step.bias.fill_(math.nan)
    with pytest.raises(ValueError, match="forecasts NaN for people who are there"):
        metric("displacement", model, crossings, 0, draws=2)
    x = crossings.test.x
    assert math.isnan(by.displacement(torch.full_like(x, math.nan)[None], x).value)


def test_the_scenes_are_those_that_the_folder_holds(need):
    root = need("trajectories/eth_ucy")
    assert {p.name for p in root.iterdir()} == set(OF_SCENE)
