"""Proofs: claims that are met, missed or ill-formed, controls that do not fail, what is written, and one real claim a day."""

import datetime
import json
import math
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import pyrogen
from pyrogen import registry
from pyrogen.base import Batch, HasLogProb, Model
from pyrogen.command.cli import main
from pyrogen.data import load
from pyrogen.inference.metrics.boltzmann import ExactLikelihood
from pyrogen.inference.metrics.evidence import Nats
from pyrogen.inference.proofs.claims import claims_of
from pyrogen.inference.proofs.prove import Bench, matching, measure, moved, prove
from pyrogen.inference.proofs.records import measured_before, read_proof, write_table
from pyrogen.inference.training.fit import fit

ROOT = Path(__file__).resolve().parents[1]
CLAIM = {
    "says": "It is large | wide.",
    "metric": "size-of-model",
    "at_least": 10,
    "seeds": 2,
    "data": "ring",
    "recipe": {"epochs": 0},
    "control": {"says": "small", "arguments": {"size": 1}},
}


OF_TORCH = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"


def size(model, data, seed, offset=0.0):
    """How large a model is."""
    return model.latent_size + offset + 0.1 * seed


def larger(model, data, seed, against):
    """How much larger than another."""
    return model.latent_size - against.latent_size


def broken(model, data, seed, how):
    """Nothing good."""
    if how == "nan":
        return math.nan
    kinds = {"refuses": ValueError, "diverges": FloatingPointError, "bug": AttributeError, "lacks": MemoryError}
    raise {**kinds, "allocates": RuntimeError}[how](OF_TORCH if how == "allocates" else "it cannot\nbe done")


def fake(x_shape, size=20):
    """A GAN with as many latents as asked for."""
    return pyrogen.create(
        "gan-nonsaturating",
        x_shape=x_shape,
        latent_size=size,
        generator="Perceptron(hidden=(2,))",
        critic="Perceptron(hidden=(2,))",
    )


@pytest.fixture
def zoo(own_names):
    """``zoo(name, *claims)`` registers an entry whose model is as large as it is told; metrics say how large."""
    for name, function in (("size-of-model", size), ("larger", larger), ("broken", broken)):
        registry.choice("metric", name)(function)

    def add(name, *claims):
        registry.entry(name, reference="made up", data="ring", recipe={"batch_size": 64}, claims=claims)(fake)

    return add


def run(pattern, tmp_path, *options):
    return main(["prove", pattern, "--folder", str(tmp_path / "proofs"), *options])


def test_met_with_a_control_that_fails(zoo, tmp_path, capsys):
    zoo("fake", CLAIM)
    assert run("fake", tmp_path) == 0
    assert "1 of 1 claims proved" in capsys.readouterr().out
    proof = json.loads((tmp_path / "proofs" / "fake.json").read_text(encoding="utf-8"))
    (claim,) = proof["claims"]
    assert proof["proved"] is True
    assert (claim["values"], claim["control"]) == ([20.0, 20.1], [1.0, 1.1])
    assert (claim["seeds"], claim["bound"], claim["verdict"]) == ([0, 1], {"at_least": 10}, "proved")
    assert claim["setup"]["recipe"] == [{"batch_size": 64, "epochs": 0}]
    assert proof["date"] == datetime.date.today().isoformat()
    assert {"cpu", "cpus", "threads", "system"} <= set(proof["machine"])
    assert {"torch", "pyro", "python", "pyrogen"} <= set(proof["versions"])
    assert "commit" in proof
    assert proof["minutes"] >= 0
    table = (tmp_path / "PROOFS.md").read_text(encoding="utf-8")
    (row,) = [line for line in table.splitlines() if line.startswith("| `fake`")]
    assert "It is large \\| wide. | `size-of-model` | ≥ 10 | 20 20.1 | small | 1 1.1 |" in row
    assert "| proved |" in row
    assert sorted(p.name for p in (tmp_path / "proofs").iterdir()) == ["fake.json"]


def test_a_control_may_measure_otherwise(zoo, tmp_path):
    zoo("fake", {**CLAIM, "with": {"offset": 1.0}, "control": {"says": "less", "with": {"offset": -15.0}}})
    assert run("fake", tmp_path) == 0
    proof = json.loads((tmp_path / "proofs" / "fake.json").read_text(encoding="utf-8"))
    assert (proof["claims"][0]["values"], proof["claims"][0]["control"]) == ([21.0, 21.1], [5.0, 5.1])
    zoo("wrong", {**CLAIM, "control": {"says": "less", "with": {"ofset": 1.0}}})
    with pytest.raises(ValueError, match="did you mean 'offset'"):
        claims_of("wrong")


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"at_least": 20.05}, "missed"),
        ({"at_most": 5, "control": {"says": "larger", "arguments": {"size": 30}}}, "missed"),
        ({"between": [19, 20.05]}, "missed"),
        ({"control": {"says": "a twin", "seed": 7}}, "control does not fail"),
        ({"at_least": 1.05}, "control does not fail"),
        (
            {"at_least": 25, "control": {"says": "larger", "arguments": {"size": 30}}},
            "missed and control does not fail",
        ),
        ({"metric": "broken", "with": {"how": "nan"}}, "error: claim, seed 0: broken is nan"),
        ({"metric": "broken", "with": {"how": "refuses"}}, "error: claim, seed 0: it cannot be done"),
        ({"metric": "broken", "with": {"how": "diverges"}}, "error: claim, seed 0: it cannot be done"),
        (
            {"metric": "broken", "with": {"how": "lacks"}},
            "error: claim, seed 0: there is not enough memory (it cannot); claim it of a smaller model, or of fewer data.",
        ),
        (
            {"metric": "broken", "with": {"how": "allocates"}},
            f"error: claim, seed 0: there is not enough memory ({OF_TORCH}); claim it of a smaller model, or of fewer data.",
        ),
    ],
)
def test_what_is_not_proved(zoo, tmp_path, changes, verdict):
    bound = {k for k in changes if k in ("at_most", "between")}
    zoo("fake", {**{k: v for k, v in CLAIM.items() if k != "at_least" or not bound}, **changes})
    assert run("fake", tmp_path) == 1
    proof = json.loads((tmp_path / "proofs" / "fake.json").read_text(encoding="utf-8"))
    assert proof["proved"] is False
    assert proof["claims"][0]["verdict"] == verdict
    assert f"**{verdict}**" in (tmp_path / "PROOFS.md").read_text(encoding="utf-8")


def test_the_mean_of_seeds_may_be_what_is_claimed(zoo, tmp_path):
    on_average = {**CLAIM, "at_least": 20.05, "over": "mean"}
    zoo("fake", on_average)
    assert run("fake", tmp_path) == 0
    assert "| mean ≥ 20.05 | 20 20.1 (mean 20.05) |" in (tmp_path / "PROOFS.md").read_text(encoding="utf-8")
    zoo("faker", {**on_average, "at_least": 20.06})
    assert measure(claims_of("faker")[0]).verdict == "missed"
    # one seed of the control that keeps the bound is one too many, whatever their mean
    zoo("fakest", {**on_average, "at_least": 1.08})
    assert measure(claims_of("fakest")[0]).verdict == "control does not fail"


def test_a_control_may_have_a_bound_of_its_own(zoo, tmp_path):
    zoo("fake", {**CLAIM, "control": {**CLAIM["control"], "between": [0.9, 1.2]}})
    assert run("fake", tmp_path) == 0
    assert "| small | 1 1.1 (to be 0.9 … 1.2) |" in (tmp_path / "PROOFS.md").read_text(encoding="utf-8")
    zoo("faker", {**CLAIM, "control": {**CLAIM["control"], "at_most": 1.05}})
    assert measure(claims_of("faker")[0]).verdict == "control does not fail"


@pytest.mark.parametrize(
    "change",
    [
        {"at_least": 11},
        {"seeds": 1},
        {"recipe": {"epochs": 0, "lr": 1e-2}},
        {"control": {**CLAIM["control"], "seed": 1}},
        {"over": "mean"},
        {"with": {"offset": 1.0}},
    ],
)
def test_a_measurement_holds_for_no_other_claim(zoo, tmp_path, change):
    zoo("fake", CLAIM, {**CLAIM, "says": "It is the same."})
    run("fake", tmp_path)
    before = (tmp_path / "PROOFS.md").read_text(encoding="utf-8")
    assert before == write_table(tmp_path / "proofs").read_text(encoding="utf-8")
    zoo("fake", {**CLAIM, "says": "It is the same."}, {**CLAIM, **change})
    same, changed = (
        line for line in write_table(tmp_path / "proofs").read_text(encoding="utf-8").splitlines() if "`fake`" in line
    )
    assert same in before  # whatever its place
    assert "| – |" in changed
    assert "**stale: this was not measured; run pyrogen prove fake**" in changed
    assert "20.1" not in changed


def test_a_measurement_is_told_in_the_words_of_now(zoo, tmp_path):
    path = tmp_path / "proofs" / "fake.json"
    zoo("fake", CLAIM)
    run("fake", tmp_path)
    control = {**CLAIM["control"], "says": "a small one"}
    zoo("fake", {**CLAIM, "says": "It is above ten.", "control": control})
    table = write_table(tmp_path / "proofs").read_text(encoding="utf-8")
    assert "It is above ten. | `size-of-model` | ≥ 10 | 20 20.1 | a small one | 1 1.1 |" in table
    run("fake", tmp_path, "--only_stale")
    (row,) = json.loads(path.read_text(encoding="utf-8"))["claims"]
    assert (row["says"], row["control_says"], row["values"]) == ("It is above ten.", "a small one", [20.0, 20.1])


def test_only_what_is_stale_may_be_measured(zoo, tmp_path):
    path, measured = tmp_path / "proofs" / "fake.json", []
    registry.choice("metric", "told")(lambda model, data, seed, of="": measured.append(of) or size(model, data, seed))
    claims = [{**CLAIM, "metric": "told", "with": {"of": of}} for of in "ab"]
    zoo("fake", *claims)
    run("fake", tmp_path)
    before = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**before, "commit": "0ld", "date": "2020-01-01"}), encoding="utf-8")
    measured.clear()
    zoo("fake", claims[1], {**claims[0], "at_least": 11}, {**CLAIM, "metric": "broken", "with": {"how": "refuses"}})
    assert run("fake", tmp_path, "--only_stale") == 1
    assert measured == ["a"] * 4
    kept, anew, _ = json.loads(path.read_text(encoding="utf-8"))["claims"]
    assert kept == {**before["claims"][1], "commit": "0ld", "date": "2020-01-01"}
    assert (anew["commit"], anew["date"]) == ("", "")
    first, second, third = (line for line in (tmp_path / "PROOFS.md").read_text().splitlines() if "`fake`" in line)
    assert first.endswith("| proved | 0ld | 2020-01-01 |")
    assert second.endswith(f"| {datetime.date.today().isoformat()} |")
    assert "error" in third

    # what is kept twice keeps its date; other seeds, and errors, are measured
    measured.clear()
    run("fake", tmp_path, "--only_stale")
    assert measured == []
    assert json.loads(path.read_text(encoding="utf-8"))["claims"][0] == kept
    run("fake", tmp_path, "--only_stale", "--seeds", "3")
    assert measured == ["b"] * 6 + ["a"] * 6
    measured.clear()
    other = json.loads(path.read_text(encoding="utf-8"))
    other["versions"]["torch"] = "1.0"
    path.write_text(json.dumps(other), encoding="utf-8")
    run("fake", tmp_path, "--only_stale", "--seeds", "3")
    assert measured == ["b"] * 6 + ["a"] * 6


def test_a_measurement_is_bound_to_its_data(zoo, tmp_path, caplog):
    path, measured = tmp_path / "proofs" / "fake.json", []
    registry.choice("metric", "told")(lambda model, data, seed: measured.append(data.law) or size(model, data, seed))
    # calls of one name, of which a claim has one data set each
    of = {which: f"mixed-sources(law={which!r})" for which in ("laplace", "normal")}
    control = {
        "says": "small, on other sources",
        "arguments": {"size": 1},
        "data": {"name": of["normal"], "kind": "real"},
    }
    zoo("fake", {**CLAIM, "metric": "told", "data": of["laplace"], "control": control})
    run("fake", tmp_path)
    proof = json.loads(path.read_text(encoding="utf-8"))
    other = json.dumps({"kind": "real", "name": of["normal"]})
    sets = {of["laplace"]: dict(load(of["laplace"]).sha256), other: dict(load(of["normal"]).sha256)}
    assert sets[of["laplace"]] != sets[other]
    assert proof["claims"][0]["data"] == sets
    measured.clear()
    caplog.clear()
    run("fake", tmp_path, "--only_stale")
    assert measured == []
    assert not caplog.text
    for moved_on in sets:  # the claim's own as well as its control's
        proof["claims"][0]["data"] = {**sets, moved_on: {**sets[moved_on], "test": "0" * 12}}
        path.write_text(json.dumps(proof), encoding="utf-8")
        measured.clear()
        caplog.clear()
        run("fake", tmp_path, "--only_stale")
        assert len(measured) == 4
        assert f"fake: measured again, since {moved_on} holds other data by now: It is large" in caplog.text
        assert json.loads(path.read_text(encoding="utf-8"))["claims"][0]["data"] == sets


def test_what_was_measured_of_data_that_are_gone_is_kept(zoo, tmp_path, caplog, monkeypatch):
    path = tmp_path / "proofs" / "fake.json"
    zoo("fake", CLAIM)
    zoo("faker", {**CLAIM, "data": "grid"})
    run("fake*", tmp_path)
    before = json.loads(path.read_text(encoding="utf-8"))["claims"]

    def gone(wish):
        if wish["name"] == "ring":
            raise ValueError("cannot get the ring\nfrom anywhere")
        return load(**wish)

    monkeypatch.setattr("pyrogen.inference.proofs.prove._data", gone)
    proofs = prove("fake*", folder=path.parent, progress=False, only_stale=True)  # the entries after it are looked at
    assert [proof.entry for proof in proofs] == ["fake", "faker"]
    (kept,) = json.loads(path.read_text(encoding="utf-8"))["claims"]
    assert {k: kept[k] for k in ("values", "data", "verdict")} == {
        k: before[0][k] for k in ("values", "data", "verdict")
    }
    assert "fake: kept, though its data cannot be loaded (cannot get the ring): It is large | wide." in caplog.text
    # without a word of what it holds it is measured, and the record says why there is no answer
    run("fake", tmp_path)
    assert json.loads(path.read_text(encoding="utf-8"))["claims"][0]["error"].startswith("claim, seed 0: cannot get")


def _bound() -> list[tuple[str, str]]:
    """The entries of the checkout whose proofs know the data of a claim."""
    found = ((file.stem, json.loads(file.read_text(encoding="utf-8"))) for file in sorted(ROOT.glob("proofs/*.json")))
    return [name for name, proof in found if any(row.get("data") for row in proof["claims"])]


@pytest.mark.parametrize("name", _bound())
def test_proofs_of_the_checkout_are_of_the_data_of_now(name, need):
    claims = claims_of(name)
    if any("mnist" in claim.setup.data["name"] for claim in claims):
        need("MNIST/raw")
    held, _ = measured_before(ROOT / "proofs" / f"{name}.json", claims)
    changed = {claim.says: before and moved(claim, before) for claim, before in zip(claims, held, strict=True)}
    assert not any(changed.values()), changed


def test_an_interrupted_proof_keeps_what_it_has(zoo, tmp_path):
    path, stop = tmp_path / "proofs" / "fake.json", []

    def told(model, data, seed, of=""):
        if of in stop:
            raise KeyboardInterrupt
        return size(model, data, seed)

    registry.choice("metric", "told")(told)
    claims = [{**CLAIM, "metric": "told", "with": {"of": of}} for of in "abc"]
    zoo("fake", *claims[1:])
    stop.append("c")
    with pytest.raises(KeyboardInterrupt):
        prove("fake", folder=path.parent, progress=False)
    proof = json.loads(path.read_text(encoding="utf-8"))
    assert [c["settings"] for c in proof["claims"]] == [{"of": "b"}]
    # what is not measured yet is not proved
    assert (proof["claims"][0]["verdict"], proof["proved"], len(proof["unmeasured"])) == ("proved", False, 1)
    stop.clear()
    run("fake", tmp_path, "--only_stale")
    stop.append("b")
    zoo("fake", *claims)
    with pytest.raises(KeyboardInterrupt):
        prove("fake", folder=path.parent, progress=False)
    assert [c["settings"]["of"] for c in json.loads(path.read_text(encoding="utf-8"))["claims"]] == ["a", "b", "c"]


def test_what_was_measured_elsewhere_stays_until_it_is_measured_again(zoo, tmp_path, caplog):
    path, stop = tmp_path / "proofs" / "fake.json", []

    def told(model, data, seed, of=""):
        if of in stop:
            raise KeyboardInterrupt
        return size(model, data, seed)

    def held():
        rows = json.loads(path.read_text(encoding="utf-8"))["claims"]
        return {row["settings"]["of"]: (row["machine"].get("cpu"), row["date"], row["seeds"]) for row in rows}

    registry.choice("metric", "told")(told)
    claims = [{**CLAIM, "says": f"It is {of}.", "metric": "told", "with": {"of": of}} for of in "abcd"]
    zoo("fake", *claims[1:])
    run("fake", tmp_path)
    today = datetime.date.today().isoformat()
    proof = json.loads(path.read_text(encoding="utf-8"))
    proof["machine"]["cpu"], proof["date"] = "Abacus", "2020-01-01"
    path.write_text(json.dumps(proof), encoding="utf-8")
    # of four claims one is new, one is measured again, and before the third the run is stopped; the fourth is made no more
    zoo("fake", *claims[:3])
    stop.append("c")
    with pytest.raises(KeyboardInterrupt):
        prove("fake", folder=path.parent, progress=False, only_stale=True)
    assert held() == {"a": (None, "", [0, 1]), "b": (None, "", [0, 1]), "c": ("Abacus", "2020-01-01", [0, 1])}
    assert (
        "0 of 3 claims are kept as they were measured, and 2 measured again that were measured elsewhere (Abacus"
        in caplog.text
    )
    assert "a claim that is made otherwise by now, or no more, is left out: It is d." in caplog.text
    table = (tmp_path / "PROOFS.md").read_text(encoding="utf-8")
    assert "*Abacus, " in table
    assert "stale" not in table
    # so do numbers of other seeds, of which the interrupted run had none yet
    with pytest.raises(KeyboardInterrupt):
        prove("fake", seeds=[7], folder=path.parent, progress=False)
    assert held() == {"a": (None, "", [7]), "b": (None, "", [7]), "c": ("Abacus", "2020-01-01", [0, 1])}
    stop.clear()
    caplog.clear()
    run("fake", tmp_path, "--only_stale", "--seeds", "7,")
    assert held() == {"a": (None, today, [7]), "b": (None, today, [7]), "c": (None, "", [7])}


def test_what_a_gpu_measured_is_not_taken_for_a_processors(zoo, tmp_path, monkeypatch):
    def trained_here(*of, device, **settings):
        return fit(*of, device="cpu", **settings)

    monkeypatch.setattr(sys.modules[prove.__module__], "device_named", torch.device)
    monkeypatch.setattr(sys.modules[prove.__module__], "fit", trained_here)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Abacus 3000")
    path, measured = tmp_path / "proofs" / "fake.json", []

    def counted(model, data, seed):
        measured.append(seed)
        return size(model, data, seed)

    registry.choice("metric", "counted")(counted)
    zoo("fake", {**CLAIM, "metric": "counted"}, {**CLAIM, "metric": "size-of-model"})
    for device, times, named in (
        ("cuda", 4, "Abacus 3000"),
        ("cuda", 4, "Abacus 3000"),
        ("cpu", 8, None),
        ("cpu", 8, None),
    ):
        run("fake", tmp_path, "--only_stale", "--device", device)
        assert len(measured) == times  # two seeds, of the claim and of its control
        assert json.loads(path.read_text(encoding="utf-8"))["machine"].get("device") == named
        assert ("models on Abacus 3000; pyrogen" in (tmp_path / "PROOFS.md").read_text(encoding="utf-8")) == bool(named)
    run("fake", tmp_path, "--device", "cuda", "--seeds", "1")
    # of a proof of both, each number says where it was made
    proof = json.loads(path.read_text(encoding="utf-8"))
    proof["claims"][1]["machine"] = {k: v for k, v in proof["machine"].items() if k != "device"}
    proof["claims"][1]["versions"] = proof["versions"]
    path.write_text(json.dumps(proof), encoding="utf-8")
    table = write_table(path.parent).read_text(encoding="utf-8")
    assert f"(on {proof['machine']['cpu']}, torch" in table


def test_proofs_of_entries_that_are_not_known_here_stand(zoo, tmp_path):
    zoo("fake", CLAIM)
    run("fake", tmp_path)
    file = tmp_path / "proofs" / "fake.json"
    file.rename(file.with_name("fake-elsewhere.json"))
    table = write_table(tmp_path / "proofs").read_text(encoding="utf-8")
    assert "20 20.1" in table
    assert "**proved, of an entry not known here**" in table


def test_the_table_of_the_checkout_is_what_its_records_say(tmp_path):
    if not (ROOT / "proofs").is_dir():
        pytest.skip("no proofs are recorded here")
    written = write_table(ROOT / "proofs", tmp_path / "PROOFS.md").read_text(encoding="utf-8")
    assert written == (ROOT / "PROOFS.md").read_text(encoding="utf-8")


def test_one_claim_missed_of_two_is_not_proved(zoo, tmp_path, capsys):
    zoo("fake", CLAIM, {**CLAIM, "at_least": 100})
    assert run("fake", tmp_path) == 1
    assert "1 of 2 claims proved" in capsys.readouterr().out


def test_a_bug_is_not_a_verdict(zoo, tmp_path):
    zoo("fake", {**CLAIM, "metric": "broken", "with": {"how": "bug"}})
    with pytest.raises(AttributeError):
        run("fake", tmp_path)


def test_comparing_metrics_take_a_second_model(zoo):
    zoo("fake", {**CLAIM, "metric": "larger", "against": {"arguments": {"size": 8}}})
    result = measure(claims_of("fake")[0])
    assert (result.values, result.control, result.proved) == ([12.0, 12.0], [-7.0, -7.0], True)


def test_another_entry_starts_with_its_own_arguments(zoo):
    control = {
        "says": "a GAN",
        "entry": "gan-nonsaturating",
        "arguments": {"latent_size": 3, "generator": "Perceptron(hidden=(2,))"},
    }
    zoo("fake", {**CLAIM, "arguments": {"size": 30}, "control": control})
    assert measure(claims_of("fake")[0]).control == [3.0, 3.1]


def test_fewer_seeds_are_said(zoo, tmp_path):
    zoo("fake", CLAIM)
    assert run("fake", tmp_path, "--seeds", "1") == 1
    proof = json.loads((tmp_path / "proofs" / "fake.json").read_text(encoding="utf-8"))
    assert (proof["proved"], proof["claims"][0]["verdict"]) == (False, "1 of 2 seeds")
    assert "**1 of 2 seeds**" in (tmp_path / "PROOFS.md").read_text(encoding="utf-8")
    zoo("faker", {**CLAIM, "at_least": 21})
    assert measure(claims_of("faker")[0], seeds=1).verdict == "missed, 1 of 2 seeds"


def test_nothing_matches(zoo, tmp_path, capsys):
    zoo("fake")
    assert run("no-such-*", tmp_path) == 2
    assert run("fake", tmp_path) == 2
    assert list(tmp_path.iterdir()) == []
    first, second = capsys.readouterr().err.splitlines()
    assert first == "pyrogen: no model matches 'no-such-*'; pyrogen list shows all."
    assert second == "pyrogen: fake claims nothing."


def test_paper_scale_runs_only_by_its_exact_name(zoo, tmp_path):
    zoo("fake-paper", CLAIM)
    assert matching("fake*") == []
    assert run("fake-*", tmp_path) == 2
    assert matching("fake-paper") == ["fake-paper"]
    assert run("fake-paper", tmp_path) == 0


def without(*keys):
    return {k: v for k, v in CLAIM.items() if k not in keys}


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ("large", "it is a mapping with says, metric"),
        ({**CLAIM, "at_lest": 3}, "no key called 'at_lest'; did you mean 'at_least'"),
        (without("at_least"), "exactly one of at_least, at_most, between; got none"),
        ({**CLAIM, "at_most": 30}, "exactly one of at_least, at_most, between; got at_least, at_most"),
        ({**CLAIM, "at_least": "3"}, "at_least is a finite number; got '3'"),
        ({**CLAIM, "at_least": math.nan}, "at_least is a finite number; got nan"),
        ({**without("at_least"), "between": [3, 2]}, "between is two numbers, the smaller first; got"),
        ({**CLAIM, "over": "all"}, "over is 'each' or 'mean'; got 'all'"),
        ({**CLAIM, "control": {"says": "x", "seed": 1, "at_most": "1"}}, "at_most is a finite number; got '1'"),
        (
            {**CLAIM, "control": {"says": "x", "seed": 1, "at_most": 1, "at_least": 0}},
            "its control has at most one of at_least, at_most, between; got at_least, at_most",
        ),
        ({**CLAIM, "control": {"says": "x", "at_most": 1}}, "its control says what it is, and differs in something"),
        ({**CLAIM, "seeds": 0}, "seeds is a whole number from 1; got 0"),
        ({**CLAIM, "says": ""}, "says is a sentence; got ''"),
        (without("says"), "it lacks 'says'"),
        (without("control"), "it lacks 'control'"),
        ({**CLAIM, "control": {"says": "the same"}}, "its control says what it is, and differs in something"),
        ({**CLAIM, "control": {"arguments": {"size": 1}}}, "its control says what it is, and differs in something"),
        ({**CLAIM, "control": {"says": "x", "prior": "Flat"}}, "no key of control called 'prior'"),
        ({**CLAIM, "control": {"says": "x", "entry": "vea"}}, "no model called 'vea'; did you mean 'vae'"),
        ({**CLAIM, "control": {"says": "x", "arguments": {"sise": 1}}}, "no argument of 'fake' called 'sise'"),
        ({**CLAIM, "control": {"says": "x", "recipe": []}}, "control.recipe is an empty list"),
        ({**CLAIM, "metric": "size-of-modl"}, "no metric called 'size-of-modl'; did you mean 'size-of-model'"),
        ({**CLAIM, "with": {"ofset": 1}}, "no setting of 'size-of-model' called 'ofset'; did you mean 'offset'"),
        ({**CLAIM, "with": 3}, "with is a mapping; got 3"),
        ({**CLAIM, "metric": "larger"}, "the metric 'larger' needs 'against'"),
        ({**CLAIM, "against": {"seed": 1}}, "the metric 'size-of-model' compares with nothing; leave 'against' out"),
        ({**CLAIM, "arguments": {"sise": 1}}, "no argument of 'fake' called 'sise'; did you mean 'size'"),
        ({**CLAIM, "recipe": {"epoch": 1}}, "no setting of fit called 'epoch'; did you mean 'epochs'"),
        ({**CLAIM, "recipe": {"seed": 1}}, "no setting of fit called 'seed'"),
        ({**CLAIM, "data": {"kind": "unit"}}, "data lacks 'name'"),
        ({**CLAIM, "data": {"name": "ring", "knd": 1}}, "no key of data called 'knd'"),
        ({**CLAIM, "objective": "Adverserial"}, "no objective called 'Adverserial'; did you mean 'Adversarial'"),
    ],
)
def test_claims_that_are_not_well_formed(zoo, tmp_path, claim, sentence):
    zoo("fake", CLAIM, claim)
    with pytest.raises(ValueError, match="claim 2 of 'fake': ") as error:
        prove("fake", folder=tmp_path / "proofs")
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []  # nothing was run


def test_no_seeds_are_refused(zoo, tmp_path):
    zoo("fake", CLAIM)
    with pytest.raises(ValueError, match="seeds=0, threads=1: a proof needs at least 1 of each"):
        prove("fake", seeds=0, folder=tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"claims": [{}]}'])
def test_a_file_that_is_no_proof_is_named(tmp_path, text):
    (tmp_path / "odd.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"odd\.json is no proof"):
        write_table(tmp_path)


def test_what_cannot_be_written_is_refused_before_anything_runs(zoo, tmp_path):
    zoo("fake", {**CLAIM, "metric": "broken", "with": {"how": "bug"}})
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "odd.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"odd\.json is no proof"):
        prove("fake", folder=tmp_path / "odd")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(FileExistsError):
        prove("fake", folder=tmp_path / "file")


def test_a_commit_is_that_of_the_sources(zoo, tmp_path):
    zoo("fake", CLAIM)
    (proof,) = prove("fake", folder=tmp_path / "p", seeds=1)
    assert proof.commit == "" or len(proof.commit.rstrip("+")) >= 7


# metrics against answers known by other ways


def metric(name):
    return registry.find("metric", name).load()


def test_gain_over_marginals_is_the_difference_of_two_known_scores():
    data = pyrogen.data.load("digits", kind="binary")

    class Coin(Model, HasLogProb):
        def __init__(self):
            super().__init__()
            self.x_shape = data.x_shape

        def sample(self, n, y=None):
            return torch.bernoulli(torch.full((n, *self.x_shape), 0.5))

        def log_prob(self, x, y=None):
            return torch.full((len(x),), -64 * math.log(2))

    rate = (data.train.x.flatten(1).sum(0) + 0.5) / (len(data.train) + 1)
    independent = torch.distributions.Bernoulli(rate).log_prob(data.test.x.flatten(1)).sum(1).mean()
    gained = metric("gain-over-marginals")(Coin(), data, 0)
    assert gained == pytest.approx(-64 * math.log(2) - float(independent), abs=1e-3)
    assert gained < -10


def test_pca_has_no_angle_to_itself_and_no_error_over_itself():
    data = pyrogen.data.load("digits", kind="unit", dequantization=False)
    vae = pyrogen.create(
        "autoencoder", x_shape=data.x_shape, latent_size=3, hidden=(), likelihood={"name": "Normal", "scale": "fixed"}
    )
    x = data.train.x.flatten(1).double()
    basis = torch.linalg.svd(x - x.mean(0), full_matrices=False).Vh[:3].float()
    assert metric("angle-to-pca")(vae, data, 0) > 30
    with torch.no_grad():
        vae.encoder.net[1].weight.copy_(basis)
        vae.encoder.net[1].bias.copy_(-basis @ x.mean(0).float())
        vae.decoder.net[1].weight.copy_(basis.T @ torch.tensor([[2.0, 1, 0], [0, 1, 0], [0, 0, 1]]))
        vae.decoder.net[1].bias.copy_(x.mean(0).float())
    assert metric("angle-to-pca")(vae, data, 0) < 0.1
    with torch.no_grad():
        vae.decoder.net[1].weight.copy_(basis.T)
    assert metric("error-over-pca")(vae, data, 0) == pytest.approx(1, abs=1e-4)


def test_the_ring_covers_itself():
    ring = pyrogen.data.load("ring")
    gan = pyrogen.create("gan-nonsaturating", x_shape=(2,))
    gan.sample = lambda n, y=None: ring.train.x[:n]
    assert metric("mode-coverage")(gan, ring, 0, statistic="modes") == 8
    assert metric("mode-coverage")(gan, ring, 0, statistic="high_quality") == pytest.approx(0.989, abs=0.01)
    assert metric("mode-coverage")(gan, ring, 0, statistic="kl") < 0.01


def test_the_exact_gradient_is_that_of_the_exact_log_likelihood():
    rbm = pyrogen.create("rbm", x_shape=(5,), hidden=3)
    x = torch.bernoulli(torch.full((7, 5), 0.5))
    (player,) = ExactLikelihood().players(rbm)
    loss = player.loss(Batch(x))["loss"]
    assert float(loss.detach()) == pytest.approx(-float(rbm.log_prob(x).detach().mean()), abs=1e-5)
    (gradient,) = torch.autograd.grad(loss, rbm.visible.bias)
    states = (torch.arange(32)[:, None] >> torch.arange(5) & 1).float()
    expected = (rbm.log_prob(states).exp()[:, None] * states).sum(0) - x.mean(0)
    torch.testing.assert_close(gradient, expected.detach(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "entry", "data", "settings", "sentence"),
    [
        ("rate", "rbm", "digits", {}, "no .model, guide. pair"),
        ("neighbour-accuracy", "rbm", "digits", {}, "encodes nothing"),
        ("angle-to-pca", "rbm", "digits", {}, "encodes nothing"),
        ("angle-to-pca", "vae", "digits", {}, "linear decoder"),
        ("error-over-pca", "made", "digits", {}, "encodes nothing"),
        ("gap-to-exact-gradient", "made", "digits", {"epochs": 1}, "no free energy"),
        ("gap-to-exact-gradient", "rbm", "digits", {"epochs": 1}, "64 elements .* cannot be enumerated"),
        ("mode-coverage", "made", "digits", {"statistic": "modes"}, "nobody knows the modes of 'digits'"),
        ("mode-coverage", "gan-nonsaturating", "ring", {"statistic": "mods"}, "did you mean 'modes'"),
        ("gain-over-marginals", "gan-nonsaturating", "ring", {}, "compares models of binary data"),
        ("gap-to-ppca", "gan-nonsaturating", "ring", {"components": 2}, "must lie between 0 and the 2 dimensions"),
        ("gap-to-ppca", "vae", "digits", {"components": 2}, "data that stand still"),
        ("evidence", "gan-nonsaturating", "ring", {}, "has no guide"),
    ],
)
def test_metrics_refuse_what_they_cannot_measure(name, entry, data, settings, sentence):
    data = pyrogen.data.load(data)
    model = pyrogen.create(entry, x_shape=data.x_shape)
    with pytest.raises(ValueError, match=sentence):
        metric(name)(model, data, 0, **settings)


# the zoo's own claims


@pytest.mark.parametrize("name", pyrogen.list_models())
def test_every_entry_claims_something_on_three_seeds_with_a_control(name):
    claims = claims_of(name)
    assert claims
    assert all(claim.seeds >= 3 and claim.control for claim in claims)


def clear_of(values, bound):
    """Whether a bound stands four standard deviations of the seeds from all of them: another machine's seeds are others."""
    ((kind, limit),) = bound.items()
    ends = limit if kind == "between" else [limit]
    nearest = min(abs(value - end) for value in values for end in ends)
    return len(values) > 2 and nearest >= 4 * np.std(values, ddof=1)


def affordable(seconds=20):
    """Proved claims, clear of their bound, of entries that took no longer for one seed of all, whose models are shared."""
    found = []
    for file in sorted((ROOT / "proofs").glob("*.json")):
        if file.stem not in pyrogen.list_models():
            continue
        claimed = read_proof(file)["claims"]
        measured = [row for row in claimed if row.get("seeds")]
        if sum(60 * row["minutes"] / len(row["seeds"]) for row in measured) > seconds:
            continue
        rows = {row["says"]: row for row in measured if row["verdict"] == "proved"}
        for i, claim in enumerate(claims_of(file.stem)):
            row = rows.get(claim.says)
            if row is not None and clear_of(row["values"], claim.bound) and clear_of(row["control"], claim.bound):
                found.append((file.stem, i))
    return found


def test_one_real_claim_a_day():
    """Another one every day; ``PYROGEN_CLAIM=vae:0`` chooses."""
    possible = affordable()
    if not possible:
        pytest.skip("no proofs are recorded here")
    today = int(os.environ["PYROGEN_DAY"])
    name, number = (os.environ.get("PYROGEN_CLAIM") or "{}:{}".format(*possible[today % len(possible)])).split(":")
    result = measure(claims_of(name)[int(number)], seeds=1)
    told = f"{name}: {result.says} {result.bound}: {result.values}, control {result.control}"
    assert (result.met, result.control_fails) == (True, True), told


def test_a_classifier_is_trained_alone_as_the_control_of_semi_supervision_is():
    claim, *_ = claims_of("vae-semi-supervised")
    setup = claim.setup.varied(claim.control)
    untrained, _ = Bench("cpu").model(replace(setup, recipe=[{"epochs": 0}]))
    model, _ = Bench("cpu").model(replace(setup, recipe=[{"epochs": 1, "batch_size": 64}]))
    before = dict(untrained.named_parameters())
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {f"classifier.{name}" for name, _ in model.classifier.named_parameters()}


# seeds by name, and errors beside values


def test_fresh_seeds_are_named(zoo, tmp_path):
    zoo("fake", CLAIM)
    assert run("fake", tmp_path, "--seeds", "10,11,12") == 0
    (claim,) = json.loads((tmp_path / "proofs" / "fake.json").read_text(encoding="utf-8"))["claims"]
    assert (claim["seeds"], claim["values"]) == ([10, 11, 12], pytest.approx([21.0, 21.1, 21.2]))
    assert "21 21.1 21.2 (seeds 10, 11, 12)" in (tmp_path / "PROOFS.md").read_text(encoding="utf-8")
    assert run("fake", tmp_path, "--seeds", "10,") == 1
    assert "21 (seeds 10)" in (tmp_path / "PROOFS.md").read_text(encoding="utf-8")
    assert run("fake", tmp_path, "--seeds", "3") == 0
    assert "20 20.1 20.2 |" in (tmp_path / "PROOFS.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["10,x", ",", "1,1", "-1", "1.5"])
def test_seeds_that_are_none(zoo, tmp_path, capsys, text):
    zoo("fake", CLAIM)
    assert run("fake", tmp_path, f"--seeds={text}") == 2
    assert f"a number of seeds, or different seeds as 10,11,12; got {text!r}" in capsys.readouterr().err


def unsure(model, data, seed):
    """Twenty, and how well it is known."""
    return Nats(np.array([19.0, 20.0, 21.0]) if model.latent_size > 1 else np.array([1.0]))


def test_errors_stand_beside_values(zoo, tmp_path):
    registry.choice("metric", "unsure")(unsure)
    zoo("fake", {**CLAIM, "metric": "unsure", "control": {"says": "small", "arguments": {"size": 2}, "seed": 0}})
    run("fake", tmp_path)
    path = tmp_path / "proofs" / "fake.json"
    proof = json.loads(path.read_text(encoding="utf-8"))
    (claim,) = proof["claims"]
    assert claim["errors"] == claim["control_errors"] == pytest.approx([1 / math.sqrt(3)] * 2)
    assert "| 20±0.58 20±0.58 |" in (tmp_path / "PROOFS.md").read_text(encoding="utf-8")
    # records of before have no errors
    del claim["errors"], claim["control_errors"]
    path.write_text(json.dumps(proof), encoding="utf-8")
    assert "| 20 20 |" in write_table(tmp_path / "proofs").read_text(encoding="utf-8")


def test_a_gain_has_the_error_of_the_paired_difference():
    data = pyrogen.data.load("digits", kind="binary")

    class Coin(Model, HasLogProb):
        def __init__(self, rate):
            super().__init__()
            self.x_shape, self.rate = data.x_shape, rate

        def sample(self, n, y=None):
            return torch.bernoulli(torch.full((n, *self.x_shape), self.rate))

        def log_prob(self, x, y=None):
            return torch.distributions.Bernoulli(self.rate).log_prob(x).flatten(1).sum(1)

    ours, fair = Coin(0.4), Coin(0.5)
    gained = metric("gain")(ours, data, 0, fair)
    each = (ours.log_prob(data.test.x) - fair.log_prob(data.test.x)).double().numpy()
    assert (gained, gained.error) == pytest.approx((each.mean(), each.std(ddof=1) / math.sqrt(len(each))), rel=1e-4)
    # a model beats itself by nothing, surely; its own evidence has the spread of the data
    same = metric("gain")(ours, data, 0, ours)
    assert (same, same.error) == (0, 0)
    assert metric("evidence")(ours, data, 0).error > 0
    assert metric("gain-over-marginals")(ours, data, 0).error > 0
