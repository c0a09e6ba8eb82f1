"""The command line: every verb on real digits, every refusal one sentence and a status."""

import contextlib
import fnmatch
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
import yaml
from playing import stop_after

import pyrogen
from pyrogen import storage
from pyrogen.command import options, plain
from pyrogen.command.cli import VERBS, main
from pyrogen.command.verbs import demo
from pyrogen.inference import compare_evidence
from pyrogen.registry import choices


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "a"
    words = (
        "train vae --data digits --epochs 2 --seed 5 --prior VampPrior --prior.components 5 --hidden 16 --latent_size 3"
    )
    assert main([*words.split(), "--folder", str(folder)]) == 0
    return folder


@pytest.mark.rotating
def test_train_leaves_a_run(run):
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["model"]["arguments"]["prior"] == {"name": "VampPrior", "components": 5}
    assert config["model"]["arguments"]["hidden"] == [16]
    assert config["fit"] | {"epochs": 2, "seed": 5} == config["fit"]
    for name in ("weights.safetensors", "metrics.jsonl", "report.html", "figures/samples.svg"):
        assert (run / name).stat().st_size > 0


def test_evaluate_writes_a_score(run, capsys):
    assert main(["evaluate", str(run), "--estimator", "IWAE", "--estimator.k", "60", "--limit", "20"]) == 0
    printed = capsys.readouterr().out
    assert "± " in printed
    assert "IWAE(k=60), a lower bound" in printed
    with xr.open_dataset(run / "scores" / "iwae-60-test-first-20.nc", engine="h5netcdf") as score:
        assert score.sizes["datum"] == 20
        assert score.attrs["binarization"] == "dynamic"
        assert f"{float(score.log_evidence.mean()):.3f}" in printed
    assert "IWAE(k=60)" in (run / "report.html").read_text()


def test_sample_writes_numbers_and_a_picture(run):
    assert main(["sample", str(run), "--n", "5"]) == 0
    first = np.load(run / "samples.npz")["x"]
    assert first.shape == (5, 1, 8, 8)
    assert set(np.unique(first)) <= {0.0, 1.0}
    assert main(["sample", str(run), "--n", "5"]) == 0
    np.testing.assert_array_equal(np.load(run / "samples.npz")["x"], first)


@pytest.mark.parametrize("name", ["draws-0.7", "draws-0.5.npz", "draws.png"])
def test_samples_lie_where_they_are_said_to(name, run, tmp_path, capsys):
    assert main(["sample", str(run), "--n", "2", "--out", str(tmp_path / name)]) == 0
    stem = name.removesuffix(".npz").removesuffix(".png")
    written = {path.name for path in tmp_path.iterdir()}
    assert {f"{stem}.npz", f"{stem}.png"} <= written
    assert all(path.startswith(stem) for path in written)
    assert str(tmp_path / f"{stem}.npz") in capsys.readouterr().out


@pytest.mark.rotating
def test_demo_reports(tmp_path, capsys):
    assert main(["demo", "--folder", str(tmp_path / "demo"), "--epochs", "2"]) == 0
    assert main(["demo", "--folder", str(tmp_path / "demo"), "--epochs", "1"]) == 0  # again, over itself
    printed = capsys.readouterr().out
    assert "ELBO(num_samples=100)" in printed
    assert "IWAE(k=5000)" in printed
    assert "verdict   " in printed
    assert (tmp_path / "demo" / "report.html").is_file()


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({}, False),
        ({"cooling": 1}, False),  # which another version has
        ({"prior": None}, False),  # and which it lacks
        ({"prior": "VampPrior"}, True),
        ({"hidden": None}, True),
    ],
    ids=str,
)
def test_a_demo_of_another_version_is_replaced(change, refused, tmp_path):
    model = pyrogen.create("vae", x_shape=(1, 8, 8), **demo.OWN)
    config = storage.config_of(model, data={"source": demo.DATA}, fit={"batch_size": demo.BATCH, "seed": 0})
    arguments = {**config["model"]["arguments"], **change}
    config["model"]["arguments"] = {name: value for name, value in arguments.items() if value is not None}
    (tmp_path / storage.CONFIG).write_text(yaml.safe_dump(config))
    with pytest.raises(ValueError, match="no demo; choose another") if refused else contextlib.nullcontext():
        demo._refuse_others(str(tmp_path), model)


ENTRIES = {
    "likelihood": "vae --likelihood Normal --likelihood.scale shared --hidden 8",
    "posterior": "vae --posterior FullRankNormal --latent_size 2 --hidden 8",
    "levels": "vae --likelihood Categorical --hidden 8",
    "objective": "vae --objective IWAE --objective.k 3 --hidden 8",
    "two layers": "vae --hidden 16,8",
    "two words": "vae --hidden 16 8 --latent-size 2",
    "own data": "vae --data {npz} --likelihood Normal --hidden 8 --latent_size 2",
    "rbm": "rbm --hidden 8",
    "made": "made --hidden 16",
    "ring": "gan-nonsaturating --generator.hidden 8 --critic.hidden 8",
}


@pytest.mark.rotating
@pytest.mark.parametrize("words", ENTRIES.values(), ids=ENTRIES)
def test_every_axis_swaps(words, tmp_path):
    npz = tmp_path / "mine.npz"
    np.savez(npz, x_train=np.random.default_rng(0).normal(size=(60, 3)).astype("float32"))
    data = [] if "--data" in words or "gan" in words else ["--data", "digits"]
    words = words.format(npz=npz).split()
    assert main(["train", *words, *data, "--epochs", "1", "--folder", str(tmp_path / "run")]) == 0


def test_a_runs_config_makes_the_same_run(run, tmp_path, capsys):
    again = tmp_path / "again"
    assert main(["train", "--config", str(run / "config.yaml"), "--folder", str(again)]) == 0
    for name in ("weights.safetensors", "config.yaml"):
        assert (again / name).read_bytes() == (run / name).read_bytes()
    capsys.readouterr()
    words = [
        "train",
        "--config",
        str(run / "config.yaml"),
        "--prior.components",
        "6",
        "--prior",
        "VampPrior",
        "--print_config",
    ]
    assert main(words) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["model"]["arguments"]["prior"] == {"name": "VampPrior", "components": 6}  # flags go before the file
    assert printed["model"]["arguments"]["hidden"] == [16]
    (tmp_path / "printed.yaml").write_text(yaml.safe_dump(printed))
    assert main(["train", "--config", str(tmp_path / "printed.yaml"), "--print_config"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == printed


@pytest.mark.rotating
def test_seeds_make_one_table_and_compare_pairs_them(tmp_path, capsys):
    words = f"train vae --data digits --epochs 1 --hidden 8 --seeds 3 --seed 4 --folder {tmp_path / 'runs'}"
    assert main(words.split()) == 0
    printed = capsys.readouterr().out
    assert all(f"seed {seed}" in printed for seed in (4, 5, 6))
    folders = [str(tmp_path / "runs" / f"seed-{seed}") for seed in (4, 5)]
    configs = [yaml.safe_load((tmp_path / "runs" / f"seed-{s}" / "config.yaml").read_text()) for s in (4, 5)]
    assert [c["fit"]["seed"] for c in configs] == [4, 5]
    assert configs[0]["data"] == configs[1]["data"]  # all are judged on the same draws
    assert main(["compare", *folders]) == 0
    printed = capsys.readouterr().out
    assert "no run has been scored" in printed
    assert all(f"pyrogen evaluate {folder}" in printed for folder in folders)
    assert main(["evaluate", folders[1], "--estimator.num_samples", "200", "--estimator", "ELBO", "--seed", "3"]) == 0
    capsys.readouterr()
    assert main(["compare", *folders]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"{folders[0]} lacks elbo-200-test-seed-3:" in printed
    assert f"pyrogen evaluate {folders[0]} --estimator ELBO --estimator.num_samples 200 --seed 3" in printed
    assert f"pyrogen evaluate {folders[1]}" not in printed  # which has it
    for folder in folders:
        assert main(["evaluate", folder, "--estimator.k", "40", "--estimator", "IWAE"]) == 0
    capsys.readouterr()
    assert main(["compare", *folders]) == 0
    table = capsys.readouterr().out
    scores = [xr.load_dataset(f"{folder}/scores/iwae-40-test.nc", engine="h5netcdf") for folder in folders]
    gain = float((scores[1]["log_evidence"] - scores[0]["log_evidence"]).mean())
    assert f"{gain:+.3f} ± " in table
    assert "last valid/loss" in table
    doubted = f"beware: by iwae-40-test, the difference of {gain:+.3g} nats between {folders[1]} and {folders[0]}"
    paired = compare_evidence(dict(zip(folders, scores, strict=True)))
    assert (doubted in table) == bool(paired["doubt"].values[1])
    assert main(["report", folders[0]]) == 0


@pytest.mark.rotating
def test_runs_on_other_data_are_not_compared(run, tmp_path, capsys):
    other = tmp_path / "other"
    words = f"train vae --data digits --data_seed 7 --epochs 1 --hidden 8 --folder {other}"
    assert main(words.split()) == 0
    for folder in (run, other):
        assert main(["evaluate", str(folder), "--estimator", "ELBO"]) == 0
    assert main(["compare", str(run), str(other)]) == 2
    assert "are not estimates of the same thing: binarization_seed 7 and 0" in capsys.readouterr().err
    for score in (other / "scores").glob("*"):
        score.unlink()
    assert main(["compare", str(run), str(other)]) == 0
    printed = capsys.readouterr().out
    assert "valid/loss" not in printed
    assert "validation losses are left out" in printed


def test_ctrl_c_and_resume(tmp_path, capsys, monkeypatch):

    words = f"train vae --data digits --epochs 3 --hidden 8 --folder {tmp_path / 'run'}".split()
    stop_after(monkeypatch, 12)
    assert main(words) == 130
    assert "stopped in epoch 2 of 3; the same again with --resume true goes on in" in capsys.readouterr().err
    assert main([*words, "--resume", "true"]) == 0
    (tmp_path / "run" / "report.html").unlink()
    assert main([*words, "--resume", "true"]) == 0
    assert (tmp_path / "run" / "report.html").is_file()
    assert "has ended already; nothing was changed" in capsys.readouterr().out
    assert main([*words[:-1], str(tmp_path / "run"), "--batch_size", "9", "--resume", "true"]) == 2
    assert "fit.batch_size was 128, now 9" in capsys.readouterr().err


COMPLETED = {
    "tra": ["train"],
    "train vae-vam": ["vae-vamp"],
    "train vae --late": ["--latent_size"],
    "train vae --prior Vam": ["VampPrior"],
    "train vae --prior VampPrior --prior.": ["--prior.components"],
    "train vae --likelihood Normal --likelihood.f": ["--likelihood.floor"],
    "train vae --objective ELBO --objective.w": ["--objective.warmup"],
    "train vae --check": ["--checkpoint_seconds"],
    "train vae --dec": [],
    "train vae-music --dec": ["--decoder"],
    "list --axis post": ["posterior"],
    "evaluate runs/a --qual": ["--quality"],
    "evaluate runs/a --estimator IWAE --estimator.": ["--estimator.k"],
    "sample runs/a --tem": ["--temperature"],
    "prove vae-vam": ["vae-vamp"],
    "report runs/a --": [],
    "what --": [],
    "train vae --data dig": ["digits"],
}


@pytest.mark.parametrize("words", COMPLETED)
def test_completion(words, capsys):
    assert main(["completion", "--words", *words.split(" ")]) == 0
    assert capsys.readouterr().out.split() == COMPLETED[words]


@pytest.mark.parametrize("verb", VERBS)
def test_completion_knows_the_options_of_each_parser(verb, monkeypatch, capsys):
    class Seen(Exception):
        pass

    parsers = []

    def seen(parser, *_):
        parsers.append(parser)
        raise Seen

    monkeypatch.setattr(plain.Parser, "parse_args", seen)
    monkeypatch.setattr(options, "parse", seen)
    words = {"train": ["train", "vae-iaf"], "compare": ["compare", "--grid", "prior=Laplace"]}.get(verb, [verb])
    with pytest.raises(Seen):
        main(words)
    flags = {flag for action in parsers[0]._actions for flag in action.option_strings if flag.startswith("--")}
    known = {flag for flag in flags - {"--help"} if not re.search(r"[.+]", flag)}
    assert main(["completion", "--words", *words, "--"]) == 0
    assert {*capsys.readouterr().out.split()} == known


def test_completion_works_in_bash():
    script = subprocess.run(
        [sys.executable, "-m", "pyrogen", "completion", "bash"], capture_output=True, text=True, check=True
    )
    probe = "COMP_WORDS=(pyrogen train vae-va); COMP_CWORD=2; _pyrogen; echo ${COMPREPLY[@]}"
    path = {**os.environ, "PATH": f"{sys.prefix}/bin:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", f"{script.stdout}\n{probe}"], capture_output=True, text=True, env=path)
    assert done.stdout.strip() == "vae-vamp"


REFUSED = {
    "": "",
    "trian": "did you mean 'train'",
    "train": "",
    "train vea": "did you mean 'vae'",
    "train vae --prior Vamp": "did you mean 'VampPrior'",
    "train vae --prior os.path.join": r"there is no prior called 'os\.path\.join'",
    "train vae --prior VampPrior --prior.comp 3": "did you mean 'components'",
    "train vae --prior.components 3": "belongs to .* or VampPrior, and the prior here is StandardNormal",
    "train vae --objective.nothing 3": "no objective has an option called 'nothing'",
    "train vae --likelihood Normal --likelihood.scale foo": "--likelihood.scale takes 'fixed' or 'shared' or",
    "train vae --likelihood.help Nrmal": "did you mean 'Normal'",
    "train vae-video --data.frames 2": "settings of sprites stand in brackets; write --data 'sprites\\(frames=...\\)'",
    "train vae-video --data.length 2": "--data has no option .length, and sprites takes size, .* in brackets; --length is",
    "train vae-video --length 2": "'sprites.*' is none; leave them out: in its brackets it takes size=, tiny=, frames=",
    "train vae --data digits --data.frames 2": "--data has no option .frames; leave it out",
    "train vae --patience.many 2": "--patience has no option .many; leave it out",
    "train vae --data digits --epochs.many 2": "there is no stage 'many'; this model is trained in the stages 'training'",
    "train vae --epochs 5,training=2": "--epochs takes a whole number",
    "train vae --epoch 3": "did you mean '--epochs'",
    "train vae --epochs many": "--epochs takes a whole number",
    "train vae --data digits --prior Flat": "PointMass",
    "train vae --data digits --kind unit": "ContinuousBernoulli",
    "train vae --data no.npz": "no such file",
    "evaluate": "needs RUN",
    "evaluate nowhere": "not a run's folder",
    "evaluate {run} --estimator IWEA": "did you mean 'IWAE'",
    "evaluate {run} --split tset": "did you mean 'test'",
    "evaluate {run} --estimator Exact": "no log_prob",
    "sample {run} --n 0": "at least 1",
    "sample {run} --temperature -1": "scales the spread of what is drawn, and is 0 or more",
    "latents {run} --pair 3": "name two classes, or two places in the split, as 3,8",
    "latents {run} --pair 30,8": "has no datum of class 30",
    "latents {run} --analysis surgary": "did you mean 'surgery'",
    "latents nowhere": "not a run's folder",
    "list zzz": "no model matches",
    "list --axis priors": "did you mean 'prior'",
    "train vae --data digits --folder {run}": "already holds a run",
    "train --config nowhere.yaml": "cannot be read",
    "train --config {run}/metrics.jsonl": "cannot be read|holds no sections|section of",
    "compare nowhere nowhere": "was named twice",
    "compare nowhere": "two runs or more",
    "compare {run} nowhere": "not a run's folder",
    "report nowhere": "not a run's folder",
    "prove zzz": "zzz",
    "prove vae --seeds many": "--seeds: a number of seeds, or different seeds as 10,11,12; got 'many'",
    "prove": "needs PATTERN",
    "prove vae --sead 3": "did you mean '--seeds'",
    "--foo": "no option called '--foo'",
    "list --axs prior": "did you mean '--axis'",
    "list a b": "takes no further words; got 'b'",
    "report": "needs RUN",
    "report nowhere --foo": "no option called '--foo'",
    "demo --epochs many": "--epochs: invalid int value",
    "completion fish": "invalid choice: 'fish'",
    "sample {run} --y 3": "--y 3: the model in .* is not conditional; leave --y out",
    "sample {run} --seed 18446744073709551616": "^pyrogen: --seed 18446744073709551616: needs a whole number",
    "evaluate {run} --seed 18446744073709551616": "^pyrogen: --seed 18446744073709551616: needs a whole number",
    "evaluate {run} --estimator IWAE --estimator.k 0": "k",
    "evaluate {run} --estimator IWAE(many)": "--estimator.k takes .*; got 'many'",
    "train vae digits": "takes no further words; got 'digits'",
    "evaluate {run} --limit 0": "--limit 0: needs 1 or more",
    "evaluate {run} --chunk_size 0": "--chunk_size 0: needs 1 or more",
    "evaluate {run} --sigma -1": "must be positive and finite",
    "train vae --seed 18446744073709551616": "^pyrogen: --seed 18446744073709551616: needs a whole number",
    "train vae --epochs 1.5": "--epochs takes a whole number",
    "train vae --device meta": "--device meta cannot be used here",
    "train vae --precision 16": "--precision 16: choose",
    "train vae --patience 3 --validate false": "--patience 3, --validate false: patience counts",
    "train vae --data minst": "did you mean 'mnist'",
    "compare --grid": "--grid",
    "compare --grid prior": "--grid takes AXIS=VALUE",
    "compare --grid prior=Foo": "did you mean 'FlowPrior'",
    "compare --grid prior=StandardNormal --epoch 3": "did you mean '--epochs'",
    "train vae --data digits --hidden many": "--hidden takes",
    "train vae --seeds 0": "at least 1",
    "train vae --resume true --overwrite true": "choose one",
    "train --folder here vae": "MODEL comes first, as in pyrogen train vae",
    "list --axis prior zzz": "no prior matches 'zzz'; pyrogen list --axis prior shows all",
    "list --axis prior --pretrained": "--pretrained lists models, and --axis prior its choices",
    "sample {run} --y -0.5,1": "--y -0.5,1: the model in .* is not conditional; leave --y out",
    "sample {run} --temperature -.5": "scales the spread of what is drawn, and is 0 or more",
    "latents {run} --pair -1,3": "has no datum of class -1",
    "latents {run} --analysis gaps --pair 3,8": "--pair 3,8 is of the analysis walks, which --analysis leaves out",
    "train vae --data digits --folder null": "^pyrogen: --folder null: what this command trains lies in a folder",
    "compare {run} {run}/": "/a was named twice; compare different runs",
    "probe {run} {run}/../a": "/a was named twice; probe different runs",
    "demo --folder {run}": "/a holds a run that is no demo; choose another --folder",
}


@pytest.mark.parametrize("words", REFUSED)
def test_refusals_are_one_sentence(words, run, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = REFUSED[words]
    try:
        status = main(words.format(run=run).split())
    except SystemExit as left:
        status = left.code
    assert status == 2
    printed = capsys.readouterr().err
    assert re.search(message, printed)
    assert "Traceback" not in printed
    assert not message or printed.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


NOT_WHOLE = {
    "a model": (lambda c: c.update(model={"class": "Own"}), "names no entry of the zoo: its model was made in Python"),
    "a network": (
        lambda c: c["model"]["arguments"].update(encoder={"own": "mine.Net"}),
        "networks of its maker's own (encoder), which no config holds",
    ),
    "weights": (
        lambda c: c["made"].update(from_weights="abc"),
        "went on from the saved weights abc, which no config holds",
    ),
    "arrays": (lambda c: c["data"].update(source="<arrays>"), "these are arrays that were in memory"),
}


@pytest.mark.parametrize(("change", "said"), NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_a_config_that_does_not_hold_all_of_its_run_is_refused(change, said, run, tmp_path, capsys):
    config = yaml.safe_load((run / "config.yaml").read_text())
    change(config)
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(config))
    assert main(["train", "--config", str(tmp_path / "own.yaml"), "--folder", str(tmp_path / "run")]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_what_was_measured_is_printed_where_it_cannot_be_kept(run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "quality.json").mkdir()  # where no file can be written
    assert main(["evaluate", str(tmp_path / "run"), "--quality", "--measure", "kernel", "--limit", "50"]) == 1
    printed = capsys.readouterr()
    assert "kernel" in printed.out
    assert "the measures above were not saved: " in printed.err


QUICK = ["--help", "list", "list --axis prior", "--version"]
QUICK += [f"completion --words {verb} --" for verb in ("train vae", "sample", "compare --grid prior=Laplace")]


ASKED = f"""
import contextlib, sys
from pyrogen.command.cli import main
for words in {QUICK!r}:
    with contextlib.suppress(SystemExit):
        main(words.split())
    assert "torch" not in sys.modules, words
"""


def test_what_must_be_quick_does_not_import_torch():
    check = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True)
    assert check.returncode == 0, check.stderr


def test_help_is_made_from_docstrings(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "vae", "--help"])
    assert stop.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "widths of the encoder's hidden layers" in printed
    assert (
        "by default no more than x has numbers, which the data decide (a whole number, or several, as 8,4; default: 20)"
        in printed
    )
    assert "VampPrior" in printed
    assert "known subclasses" not in printed
    assert "class '" not in printed
    with pytest.raises(SystemExit) as stop:
        main(["train", "vae", "--likelihood.help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith("--likelihood takes one of:")
    assert all(name in printed for name in choices("likelihood"))
    with pytest.raises(SystemExit):
        main(["train", "vae", "--likelihood.help", "Normal"])
    assert "--likelihood.floor" in capsys.readouterr().out


def test_module_runs():
    listed = subprocess.run(
        [sys.executable, "-m", "pyrogen", "list", "*vamp*"], capture_output=True, text=True, check=True
    )
    assert "vae-vamp" in listed.stdout


def test_a_reader_who_has_seen_enough_is_no_error():
    command = f"set -o pipefail; {sys.executable} -m pyrogen list | head -1"
    listed = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (listed.returncode, listed.stderr, listed.stdout.count("\n")) == (0, "", 1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--objective", "ELBO() - Contractive()"], "is no sum of choices with arguments by name"),
        (["--objective", "Contractive"], "Contractive() is a term beside others; train by a sum, as 'ELBO() + 0.1"),
        (["--prior", "Laplace() + StandardNormal()"], "takes one prior, which do not add up as objectives do"),
    ],
)
def test_what_does_not_add_up_is_said_to(words, sentence, tmp_path, capsys):
    assert main(["train", "vae", "--data", "digits", "--folder", str(tmp_path / "run"), "--epochs", "1", *words]) == 2
    printed = capsys.readouterr().err
    assert sentence in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_switches_alone_are_true_and_choices_may_be_written_as_in_python(capsys):
    words = "train vae --data digits --resume --objective ELBO(warmup=5) --prior=VampPrior(components=7) --tensorboard"
    assert main([*words.split(), "--print_config"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["fit"]["resume"] is True
    assert printed["fit"]["tensorboard"] is True
    assert printed["model"]["arguments"]["objective"]["warmup"] == 5
    assert printed["model"]["arguments"]["prior"] == {"name": "VampPrior", "components": 7}


def test_a_folder_may_be_called_like_an_option(capsys):
    for words in (["--folder", "prior", "--epochs", "7"], ["--folder=prior", "--epochs=7"]):
        assert main(["train", "vae", "--data", "digits", *words, "--print_config"]) == 0
        settings = yaml.safe_load(capsys.readouterr().out)["fit"]
        assert (settings["folder"], settings["epochs"]) == ("prior", 7)


def test_folders_named_like_markup_are_compared(tmp_path, capsys):
    folders = [str(tmp_path / name) for name in ("x[b]", "y[/b]")]
    for folder in folders:
        assert main(["train", "vae", "--data", "digits", "--epochs", "0", "--hidden", "8", "--folder", folder]) == 0
    capsys.readouterr()
    assert main(["compare", *folders]) == 0
    printed = capsys.readouterr().out
    assert "y[/b]" in "".join(printed.split())


@pytest.mark.parametrize("verb", [*VERBS, "train vae-video", "compare --grid entry=vae", "train vae --prior.help"])
def test_help_fits_the_terminal_and_speaks_no_python(verb, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with contextlib.suppress(SystemExit):
        main([*verb.split(), *(["--help"] if ".help" not in verb else [])])
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if len(line) > 80] == []
    for mark in ("``", ":func:", ":mod:", ":class:", "Union[", "null)", "class_path", "type: ", "--kind+"):
        assert mark not in printed, mark


def test_a_list_is_folded_for_those_who_read_and_whole_for_those_who_search(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    main(["list", "biggan-paper"])
    whole = capsys.readouterr().out.splitlines()
    assert whole[0].startswith("biggan-paper  The GAN of many classes")
    assert whole[0].endswith(".")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    main(["list", "biggan-paper"])
    folded = capsys.readouterr().out.splitlines()
    assert max(map(len, folded[:-1])) <= 60
    assert " ".join(" ".join(folded).split()) == " ".join(" ".join(whole).split())


def test_choices_on_an_axis_are_listed_by_a_pattern(capsys):
    assert main(["list", "--axis", "prior", "*Flow*"]) == 0
    named = re.findall(r"^  ?(\w+)  ", f"  {capsys.readouterr().out}", re.MULTILINE)
    assert named == fnmatch.filter(choices("prior"), "*Flow*")


def test_what_is_refused_does_not_steer_the_terminal(capsys):
    assert main(["train", "v\x1b[31mae"]) == 2
    printed = capsys.readouterr().err
    assert "\x1b" not in printed
    assert r"\x1b[31m" in printed


LISTED = """
import contextlib, io, sys
from pyrogen.command.cli import VERBS, main

# of the first the default is a likelihood that nothing has loaded before
for name in sys.argv[1:]:
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
        main(["train", name, "--help"])
    if told.getvalue().split()[:4] != ["usage:", "pyrogen", "train", name]:
        sys.exit(name)
"""


@pytest.mark.rotating
@pytest.mark.parametrize("part", range(8))
def test_what_can_be_said_to_train_an_entry_is_listed(part):
    """In a process where no choice is loaded yet, as on a command line."""
    names = ["vae-video", *pyrogen.list_models()[part::8]]
    ran = subprocess.run([sys.executable, "-c", LISTED, *names], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
