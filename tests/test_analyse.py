"""A run's latents are asked, the answers told worst first, kept beside the run, and gone with the weights they judged."""

import json
import math

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

import pyrogen
from pyrogen import registry, storage
from pyrogen.command.cli import main
from pyrogen.data import Split, from_arrays
from pyrogen.inference import fit
from pyrogen.inference.latents.activity import activity
from pyrogen.inference.latents.analysis import Analysis, Finding, Picture
from pyrogen.inference.latents.anatomy import Anatomy
from pyrogen.inference.latents.calibration import Calibration
from pyrogen.inference.latents.gaps import Gaps
from pyrogen.inference.latents.inversion_analysis import Inverted
from pyrogen.inference.latents.predictive import Predictive
from pyrogen.inference.latents.single_data import SingleData
from pyrogen.inference.latents.surgery import Surgery
from pyrogen.inference.pages.run_report import write_run_report
from pyrogen.inference.runs.analyse import analyse
from pyrogen.inference.runs.kept_findings import read_findings
from pyrogen.memory import NotEnoughMemory


class Size(Analysis):
    """How many latents there are.

    Args:
        limit: from which on they are too many.
    """

    title = "How many latents are there?"
    order = 2

    def __init__(self, limit: int = 3) -> None:
        self.limit = limit

    def refusal(self, model, data):
        return "" if data.classes else "it needs labels."

    def run(self, model, data, seed=0):
        n = model.latent_size
        assert not model.training
        return Finding(
            f"There are {n} latents.",
            "beware" if n > self.limit else "well",
            f"Choose latent_size={self.limit}." if n > self.limit else "",
            {"size": np.int64(n), "seed": seed, "far": math.inf, "each": np.arange(2)},
            [Picture("nothing", "An empty sheet.", Figure((2, 1)))],
            [("latents", "limit"), (str(n), str(self.limit))],
        )


class Silent(Analysis):
    """What nobody can tell."""

    title = "Is there an answer?"
    order = 1

    def run(self, model, data, seed=0):
        raise ValueError("there is none, whatever the data are.")


class Broken(Analysis):
    """What fails in a way that nobody foresaw."""

    title = "Does it break?"
    order = 3

    def __init__(self, error: str = "KeyError") -> None:
        self.error = error

    def run(self, model, data, seed=0):
        raise {"KeyError": KeyError, "MemoryError": MemoryError, "KeyboardInterrupt": KeyboardInterrupt}[self.error](
            "hidden"
        )


class Depth(Size):
    """How deep they are."""

    title = "How deep are the latents?"
    order = 1


@pytest.fixture
def asked(own_names, monkeypatch):
    """A world in which these two are all analyses."""
    registry.choice("analysis", "size")(Size)
    registry.choice("analysis", "silent")(Silent)
    registry.choice("analysis", "depth")(Depth)
    registry.choice("analysis", "broken")(Broken)
    everything, names = list(registry._everything()), ["size", "silent"]
    monkeypatch.setattr(
        registry, "_everything", lambda: [r for r in everything if r.axis != "analysis" or r.name in names]
    )
    return names


@pytest.fixture
def run(tmp_path):
    model = pyrogen.create("vae", x_shape=(1, 8, 8), latent_size=4, hidden=(8,))
    return fit(model, "digits", epochs=1, folder=tmp_path / "run", progress=False)


def test_all_that_apply_are_asked_in_order_and_kept(asked, run):
    found = run.analyse(seed=5)
    assert (list(found.findings), found.refused) == (["size"], {"silent": "there is none, whatever the data are."})
    assert found.text().splitlines() == [
        "size            beware  There are 4 latents.",
        "silent          –       there is none, whatever the data are.",
        "next                    Choose latent_size=3.",
    ]
    kept = json.loads((run.folder / "latents.json").read_text(encoding="utf-8"))
    assert kept["findings"]["size"]["numbers"] == {"size": 4, "seed": 5, "far": "inf", "each": [0, 1]}
    assert kept["attributes"]["analyses"]["size"] == {"name": "size", "limit": 3}
    assert [p.name for p in (run.folder / "latents").iterdir()] == ["size-nothing.svg"]
    page = (run.folder / "latents.html").read_text(encoding="utf-8")
    for words in ("The latents of vae on digits", "How many latents are there?", "An empty sheet.", "1 beware"):
        assert words in page
    assert "There are 4 latents." in write_run_report(run.folder).read_text(encoding="utf-8")
    assert "There are 4 latents." in found._repr_html_()


def kept_in(folder):
    return json.loads((folder / "latents.json").read_text(encoding="utf-8"))


def test_what_is_not_asked_again_stays_while_it_is_fresh(asked, run):
    asked.append("depth")
    run.analyse(["size"], seed=1)
    before, page = kept_in(run.folder), run.folder / "latents.html"
    picture = (run.folder / "latents" / "size-nothing.svg").read_bytes()
    run.analyse([Depth(limit=9)], seed=1)
    after = kept_in(run.folder)
    assert set(after["findings"]) == {"size", "depth"}
    assert after["findings"]["size"] == before["findings"]["size"]
    assert {name: how["limit"] for name, how in after["attributes"]["analyses"].items()} == {"size": 3, "depth": 9}
    assert (run.folder / "latents" / "size-nothing.svg").read_bytes() == picture
    text = page.read_text(encoding="utf-8")
    assert text.count("An empty sheet.") == 4  # both pictures, each with its words for those who see none
    assert "1 beware · 1 well" in text
    run.analyse(["size(limit=9)"], seed=1)
    assert kept_in(run.folder)["findings"]["size"]["verdict"] == "well"  # an answer to the same question is replaced
    run.analyse([Depth()], seed=2)
    assert list(kept_in(run.folder)["findings"]) == ["depth"]  # the control: of another seed nothing is kept
    for weights in run.folder.glob("weights.safetensors"):
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    run.analyse(["size"], seed=2)
    assert list(kept_in(run.folder)["findings"]) == ["size"]  # nor of other weights


def test_an_analysis_that_fails_leaves_the_others(asked, run):
    asked[:] = ["size", "broken"]
    found = run.analyse()
    assert (list(found.findings), found.refused) == (["size"], {"broken": "failed, KeyError: 'hidden'"})


@pytest.mark.parametrize("error", ["KeyError", "MemoryError", "KeyboardInterrupt"])
def test_what_was_found_before_it_broke_off_is_kept(error, asked, run):
    asked[:] = ["size", "broken", "depth"]
    run.analyse(["depth(limit=9)"], seed=1)
    with pytest.raises(
        {"KeyError": KeyError, "MemoryError": NotEnoughMemory, "KeyboardInterrupt": KeyboardInterrupt}[error]
    ):
        run.analyse(["size", f"broken(error={error})", "depth"], seed=1)
    kept = kept_in(run.folder)
    assert set(kept["findings"]) == {"size", "depth"}
    assert kept["attributes"]["analyses"]["depth"]["limit"] == 9  # the earlier answer stands, as it was asked


def test_what_is_damaged_is_renewed(asked, run):
    (run.folder / "latents.json").write_text("[", encoding="utf-8")
    run.analyse(["size"])
    assert list(kept_in(run.folder)["findings"]) == ["size"]


def test_a_question_of_ones_own_settings(asked, run):
    assert run.analyse([Size(limit=4)]).findings["size"].verdict == "well"
    assert run.analyse(["size(limit=9)"]).findings["size"].table[1] == ("4", "9")


def test_findings_of_other_weights_are_not_shown(asked, run):
    analyse(run.folder)
    kept, stale = read_findings(run.folder)
    assert {name: (kept.titles[name], f.verdict, f.says, f.advice) for name, f in kept.findings.items()} == {
        "size": ("How many latents are there?", "beware", "There are 4 latents.", "Choose latent_size=3.")
    }
    assert stale == ""
    weights = run.folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    kept, stale = read_findings(run.folder)
    assert kept is None
    assert "latents.json is stale and is left out, for the weights changed since; ask again by pyrogen latents" in stale
    assert stale[1:] in write_run_report(run.folder).read_text(encoding="utf-8")
    (run.folder / "probes.json").write_text("{}", encoding="utf-8")
    next(run.model.parameters()).data.add_(1.0)
    storage.save(run.model, run.folder, data={}, fit={}, made={})  # as a longer training would
    assert not [*run.folder.glob("latents*"), *run.folder.glob("probes.json")]


def test_findings_of_other_weights_are_said_to_be(asked, run):
    weights = run.folder / "weights.safetensors"
    (run.folder / "best.safetensors").write_bytes(weights.read_bytes())
    for which, said in {"best": True, "last": False}.items():
        analyse(run.folder, weights=which)
        assert ("1 beware · of the best weights" in (run.folder / "latents.html").read_text(encoding="utf-8")) is said
        page = write_run_report(run.folder).read_text(encoding="utf-8")
        assert ("What pyrogen latents found of the best weights" in page) is said


@pytest.mark.parametrize("text", ["", "[]", '{"attributes": 3}', '{"attributes": {}, "findings": [1]}', "[" * 10_000])
def test_a_damaged_file_is_one_sentence(text, run):
    (run.folder / "latents.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"latents\.json is damaged: .*; renew it by pyrogen latents"):
        read_findings(run.folder)


def test_a_run_without_a_folder(asked):
    model = pyrogen.create("vae", x_shape=(1, 8, 8), latent_size=2, hidden=(8,))
    found = fit(model, "digits", epochs=1, progress=False).analyse()
    assert found.findings["size"].verdict == "well"
    assert found.attributes["seed"] == 0


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (["siz"], "did you mean 'size'"),
        ([], r"expected a list of names, such as \['silent'\]"),
        ("size", r"expected a list of names, such as \['silent'\]"),
        (["silent"], "there is none, whatever the data are"),
        ([3], r"analysis= takes an object of this axis or its name"),
    ],
)
def test_wishes_that_cannot_be_had(asked, run, wish, sentence):
    with pytest.raises(ValueError, match=sentence):
        run.analyse(wish)
    assert not (run.folder / "latents.json").exists()


def test_what_is_named_must_apply(asked, run, tmp_path):
    model = pyrogen.create("vae", x_shape=(2,), latent_size=2, hidden=(8,), likelihood="Normal")
    plain = fit(model, np.random.default_rng(0).normal(size=(60, 2)), epochs=1, progress=False)
    assert plain.analyse().refused["size"] == "it needs labels."
    with pytest.raises(ValueError, match="the analysis 'size' cannot be asked here: it needs labels"):
        plain.analyse(["size"])


def test_the_command_tells_and_writes(asked, run, capsys):
    assert main(["latents", str(run.folder), "--analysis", "size"]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == "size            beware  There are 4 latents."
    assert last == f"with pictures: {run.folder}/latents.html; in short: {run.folder}/report.html"
    assert main(["latents", str(run.folder), "--analysis", "size,sice"]) == 2
    assert "did you mean 'size'" in capsys.readouterr().err
    assert main(["latents", "nowhere"]) == 2
    assert "not a run's folder" in capsys.readouterr().err


def test_a_walk_between_two_classes_is_the_one_asked_for(run, capsys):
    assert main(["latents", str(run.folder), "--pair", "3,8"]) == 0
    kept = json.loads((run.folder / "latents.json").read_text(encoding="utf-8"))
    assert kept["attributes"]["analyses"] == {"walks": {"name": "walks", "pair": [3, 8], "steps": 8}}
    assert main(["latents", str(run.folder), "--pair", "3,8", "--analysis", "surgery(draws=2),walks"]) == 0
    kept = json.loads((run.folder / "latents.json").read_text(encoding="utf-8"))
    assert list(kept["findings"]) == ["surgery", "walks"]
    assert kept["attributes"]["analyses"]["surgery"]["draws"] == 2
    assert main(["latents", str(run.folder), "--pair", "3,8", "--analysis", "walks(steps=3)"]) == 0
    kept = json.loads((run.folder / "latents.json").read_text(encoding="utf-8"))
    assert kept["attributes"]["analyses"]["walks"] == {"name": "walks", "pair": [3, 8], "steps": 3}


class Seen(Exception):
    """What an analysis looks at."""


BY_CLASS = np.arange(40, dtype="float32").repeat(4).reshape(40, 4) / 40, np.arange(40) // 10
SORTED = from_arrays(
    *BY_CLASS, x_valid=BY_CLASS[0], y_valid=BY_CLASS[1], x_test=BY_CLASS[0], y_test=BY_CLASS[1], kind="unit"
)


@pytest.mark.parametrize(
    ("verb", "analysis", "entry"),
    [
        ("gaps.gaps", Gaps(num_data=8), "vae"),
        ("surgery.surgery", Surgery(num_data=8), "vae"),
        ("predictive.predictive_check", Predictive(num_data=8), "vae"),
        ("calibration.calibrate", Calibration(simulations=8), "vae"),
        ("anatomy.overlap", Anatomy(limit=8), "vae"),
        ("single_data.sample_posterior", SingleData(count=8), "vae"),
        ("inversion_analysis.invert", Inverted(limit=8), "gan-nonsaturating"),
    ],
)
def test_of_data_in_the_order_of_their_classes_an_analysis_looks_at_all_classes(verb, analysis, entry, monkeypatch):
    def look(model, x, *asked, **settings):
        raise Seen(getattr(x, "x", x))

    monkeypatch.setattr(f"pyrogen.inference.latents.{verb}", look)
    with pytest.raises(Seen) as seen:
        analysis.run(pyrogen.create(entry, x_shape=(4,)), SORTED)
    (x,) = seen.value.args
    assert sorted({int(40 * v + 0.5) // 10 for v in x[:, 0].tolist()}) == [0, 1, 2, 3]


def test_activity_is_of_all_classes():
    class Looking(nn.Module):
        def forward(self, x):
            if len(x) > 2:
                raise Seen(x)
            return x.new_zeros(len(x), 4)

    model = pyrogen.vae(encoder=Looking(), decoder=nn.Linear(2, 2), x_shape=(1,), latent_size=2, likelihood="Laplace")
    with pytest.raises(Seen) as seen:
        activity(model, Split(torch.arange(1000.0).unsqueeze(1) / 1000))
    assert seen.value.args[0].flatten().tolist() == pytest.approx([k / 500 for k in range(500)])
