"""What pages of the book hold, and their commands, run at a small size on data that are always there."""

import contextlib
import dataclasses
import re
import shlex
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot

from pyrogen import registry
from pyrogen.command import cli, completion
from pyrogen.data import dataset, image_sets, vision
from pyrogen.data.named import source_named
from pyrogen.data.source import SPLITS, Source
from pyrogen.kinds import IMAGE_KINDS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.M | re.S)
FEW = 120  # data of a split, more than labels of a page
# one datum in the arrays of files that are not on every machine
PICTURES = {
    "images": (64, 64, 3),
    "line": (64, 64, 3),
    "colour": (64, 64, 3),
    "emojitwo": (64, 64, 3),
    "noto": (64, 64, 3),
}


def blocks(page):
    """Language, text and line of each block."""
    text = page.read_text(encoding="utf-8")
    return [(*found.groups(), text.count("\n", 0, found.start(2))) for found in BLOCK.finditer(text)]


def commands(text):
    """The lines of a shell block without comments, those that go on in the next line joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in lines if shlex.split(line, comments=True)]


def words_of(line):
    """The words of a command of pyrogen, without its name; none of another program."""
    program, *words = shlex.split(line, comments=True)
    return words if program == "pyrogen" else []


def unknown_words(line):
    """Verbs, entries, data and options that a command of pyrogen names, and that there are not."""
    verb, *words = words_of(line)
    if verb not in cli.VERBS:
        return [verb]
    named = [re.split("[=.]", word[2:])[0].replace("-", "_") for word in words if word.startswith("--")]
    known = {"help", *(option[2:] for option in completion.candidates([verb, *words, "--"], cli.VERBS))}
    strange = [f"--{option}" for option in named if option not in known]
    if verb in ("train", "prove") and not words[0].startswith("--"):
        strange += {words[0]} - {*registry.list_models()}
    data = [b for a, b in pairwise(words) if a == "--data"]
    return strange + [name for name in data if not re.search(r"[(./]", name) and name not in registry.choices("data")]


def unmade_runs(page):
    """Commands about runs that nothing before them on the page makes."""
    made, lost = [], []
    for language, text, _ in blocks(page):
        if language == "python":
            made += re.findall(r'folder="(runs/[^"]+)"', text)
            continue
        for line in commands(text):
            words = ["", *words_of(line)]
            about = [b for a, b in pairwise(words) if b.startswith("runs/") and a != "--folder"]
            about = [folder.removesuffix("/config.yaml") for folder in about]
            # as they are made, or one of a grid, or of several seeds
            known = [re.compile(rf"{re.escape(one)}(/[^/]+=[^/]+)?(/seed-\d+)?") for one in made]
            lost += [line for folder in about if not any(one.fullmatch(folder) for one in known)]
            made += [b for a, b in pairwise(words) if a == "--folder"]
    return lost


def make_small(patch):
    """Let named data be few, noise of their shapes where a machine may lack them, without reports and checks of guides."""
    patch.setattr(dataset, "source_named", _few)
    patch.setattr(vision, "_source", _digits)
    patch.setattr(image_sets, "_read", _arrays)
    # which have tests of their own, and are most of what a small run and its score cost
    patch.setattr("pyrogen.inference.pages.run_report.write_run_report", lambda folder, *_: f"{folder}/report.html")
    patch.setattr("pyrogen.inference.evidence.guide_check.check_guide", lambda model, part, evidence, **_: evidence)


def stop_explorers(patch):
    """Let Ctrl-C be heard where a page of latents would be served."""

    def interrupted(view, port):
        raise KeyboardInterrupt

    patch.setattr("pyrogen.inference.explorer.server.Explorer", interrupted)


def run(line, printed, epochs=None):
    """Run a command of pyrogen.

    Args:
        line: as a page has it, or smaller.
        printed: pytest's capsys, which hears what it says.
        epochs: of training, whatever the line says of them; None: one, if it says nothing.
    """
    words = words_of(line)
    assert words, f"{line!r} is no command of pyrogen"
    trains = (words[0] == "train" and not {"--help", "--config"} & {*words}) or "--grid" in words
    if trains and (epochs is not None or "--epochs" not in words):
        words += ["--epochs", str(1 if epochs is None else epochs)]
    if "--grid" in words:
        words += ["--jobs", "1"]  # in this process, which has but few data
        words += [] if "--estimator" in words else ["--estimator", "ELBO"]
    if ("--grid" in words or words[0] == "evaluate") and not {"--limit", "--quality"} & {*words}:
        words += ["--limit", "4"]
    printed.readouterr()
    with contextlib.suppress(SystemExit):  # of --help
        status = cli.main(words)
        told = printed.readouterr()
        assert status == (cli.STOPPED if words[0] == "explore" else 0), f"{line}: {told.err}"
        assert "no run has been scored" not in told.out, f"{line}: nothing before it keeps their scores"
    pyplot.close("all")


def _few(name):
    source = source_named(name)
    some = {s: (x[:FEW], None if y is None else y[:FEW]) for s, (x, y) in source.splits.items()}
    return dataclasses.replace(source, splits=some) if source.paired else source


def _digits(name, dataset, reference):
    random = torch.Generator().manual_seed(0)
    x = torch.randint(256, (FEW, 1, 28, 28), generator=random, dtype=torch.uint8)
    return Source(name, reference, IMAGE_KINDS, 256, {split: (x, torch.arange(FEW) % 10) for split in SPLITS})


def _arrays(name, file, keys, original):
    random, n = np.random.default_rng(0), 10 * FEW
    pictures = PICTURES | ({"images": (28, 28)} if name == "omniglot" else {})
    labels = {"identity": np.arange(n) // 2, "character": np.arange(n) // 2 % 20}
    found = {key: labels.get(key, np.arange(n) % 2) for key in keys if key not in pictures}
    return found | {key: random.integers(256, size=(n, *pictures[key]), dtype=np.uint8) for key in {*keys} - {*found}}
