"""The book's code runs: the Python blocks of a page one after the other, and the commands between them, at a small size.

Blocks marked ``python`` and ``sh`` are run, in the order of the page, in one folder. Data are cut to a few, training to an
epoch, and estimators to a few draws, but for pages that begin with ``% as it is``: what these assert holds as it
stands there.
"""

import contextlib
import dataclasses
import importlib.util
import re
import shlex
import sys
import types
from pathlib import Path

import pytest
from matplotlib import pyplot

from pyrogen.command import cli
from pyrogen.data import dataset
from pyrogen.data.named import source_named

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
# commands of the course are checked by test_course
APART = {"generated", "course"}
PAGES = [ROOT / "README.md", *sorted(p for p in DOCS.rglob("*.md") if not APART & {*p.parts})]
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.M | re.S)
AS_IT_IS = "% as it is"

# commands that cannot run here, and why
NOT_RUN = {
    "make": "of the checkout, not of a page",
    "source .venv/bin/activate": "sets a shell up",
    "eval": "sets a shell up; pyrogen completion is tested by itself",
    "pre-commit": "of the checkout",
    "pyrogen prove": "takes minutes; tested by itself",
    "pyrogen compare --grid objective=": "scores by long chains; tested by test_implicit",
    "pyrogen evaluate runs/a --sigma": "scores by long chains; tested by test_implicit",
    'pyrogen compare --grid "prior=': "as the grid before it; tested by test_grid",
    "pyrogen compare --grid prior.components=": "as the grid before it; tested by test_grid",
    "pyrogen latents runs/a  ": "asks all questions there are; tested by test_analyse",
    "pyrogen probe runs/a --data": "of data that a test cannot download; tested by test_probe_command",
    "pyrogen explore": "waits for a browser; tested by itself",
}
# networks too large for a page's test: their options are read, and they are trained in tests of their own
LARGE = {"pix2pix", "superresolution", "stylegan", "vae-music", "video-gan", "social-gan"}
SMALLER = {
    r"\bepochs=\d+": "epochs=1",
    r"\bIWAE\((k=)?\d+\)": "IWAE(10)",
    r"\btemperatures=\d+": "temperatures=4",
    r"--epochs \d+": "--epochs 1",
    r"\bcodes=\d+,prior=\d+": "codes=1,prior=1",
    r"--seeds \d+": "--seeds 2",
    r'evaluate\("IWAE"\)': 'evaluate({"name": "IWAE", "k": 10})',
    r"\[:16\]": "[:2]",
    r"gaps\(model, x\)": "gaps(model, x, num_samples=100, steps=20, check=False)",
    r"calibrate\(model, x\)": "calibrate(model, x, simulations=20, num_draws=9)",
    r'"surgery", "outliers"': '"surgery"',
    r"draws=500, chains=4": "draws=100, chains=4, warm_up=10, leapfrogs=2",
    "gaps,calibration": "surgery,predictive",
    ",MixtureOfGaussians,VampPrior --grid latent_size=2,8": ",VampPrior",
    r"--steps \d+": "--steps 4",
    r"--labels \d+": "--labels 12",
    r"--limit \d+": "--limit 4",
    r"(--\w+\.k) \d+": r"\1 10",
    r"(--estimator\.temperatures) \d+": r"\1 4",
    r" --jobs \d+| --backend \w+": "",
    # not on every machine
    r"(--data|of=')(\s*)mnist": r"\1\2digits",
}


def blocks(page):
    """Language, text and line of each block."""
    text = page.read_text(encoding="utf-8")
    return [(*found.groups(), text.count("\n", 0, found.start(2))) for found in BLOCK.finditer(text)]


def few(name, n=96):
    """A named data set's first data."""
    source = source_named(name)
    some = {s: (x[:n], None if y is None else y[:n]) for s, (x, y) in source.splits.items()}
    return dataclasses.replace(source, splits=some) if source.paired else source


def commands(text):
    """The lines of a shell block without comments, those that go on in the next line joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in lines if shlex.split(line, comments=True)]


def command_runs(line, untrained):
    """Run a command of a page; ``untrained`` are the folders of runs that only had their options read."""
    program, *words = shlex.split(line, comments=True)
    if line.startswith(tuple(NOT_RUN)) or untrained & set(words):
        return
    assert program == "pyrogen", f"{line!r}: neither a command of pyrogen, nor in NOT_RUN"
    if words[0] == "train" and words[1] in LARGE:
        untrained.add(words[words.index("--folder") + 1])
        words.append("--print_config")
    if words[:1] == ["train"] and not {"--epochs", "--help", "--config"} & set(words):
        words += ["--epochs", "1"]
    if "--grid" in words:
        words += ["--jobs", "1"]  # in this process, which has but few data
    if ("--grid" in words or words[0] == "evaluate") and not {"--limit", "--quality"} & set(words):
        words += ["--limit", "4"]
    with contextlib.suppress(SystemExit):  # of --help
        assert cli.main(words) == 0, line
    pyplot.close("all")


# of estimates as poor as those of so few draws, and of chains as short
@pytest.mark.rotating
@pytest.mark.filterwarnings("ignore::pyrogen.inference.latents.mixing.MixingWarning")
@pytest.mark.filterwarnings("ignore::pyrogen.inference.BiasWarning")
@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_code_of_a_page_runs(page, tmp_path, monkeypatch, own_names):
    found = blocks(page)
    if not found:
        pytest.skip("no code")
    monkeypatch.chdir(tmp_path)
    small = AS_IT_IS not in page.read_text(encoding="utf-8").split("\n", 3)[:3]
    if small:
        monkeypatch.setattr(dataset, "source_named", few)
        # which has tests of its own, and is most of what a small run costs
        monkeypatch.setattr(
            "pyrogen.inference.pages.run_report.write_run_report", lambda folder, *_: f"{folder}/report.html"
        )
    module = types.ModuleType("page_of_the_book")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    untrained = set()
    for language, text, line in found:
        for pattern, less in SMALLER.items() if small else ():
            text = re.sub(pattern, less, text)
        if language == "python":
            exec(compile("\n" * line + text, str(page), "exec"), vars(module))
        else:
            for command in commands(text):
                command_runs(command, untrained)
    pyplot.close("all")


def test_what_is_not_run_is_somewhere():
    lines = [
        line for page in PAGES for language, text, _ in blocks(page) if language == "sh" for line in commands(text)
    ]
    unused = [start for start in NOT_RUN if not any(line.startswith(start) for line in lines)]
    assert not unused


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_make_targets_that_a_page_names_are_there(page):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    named = set(re.findall(r"`make ([\w-]+)`", page.read_text(encoding="utf-8")))
    assert named <= targets


@pytest.fixture(scope="module")
def docstrings():
    spec = importlib.util.spec_from_file_location("docstrings", DOCS / "docstrings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("doc", "rst"),
    [
        ("x_<t, |z| and *x_shape.", [r"x\_<t, \|z\| and \*x_shape.", ""]),
        ("See :func:`fit_` of ``a_``.", ["See :func:`fit_` of ``a_``.", ""]),
        ("T. Of many.", [r"T\. Of many.", ""]),
        ("Args:\n    n: how many,\n        at least 1.\n    *rest: others.", [
            ":param n: how many,", "    at least 1.", r":param \*rest: others.", ""]),
        ("Raises:\n    ValueError: too few.", [":raises ValueError: too few.", ""]),
        ("Returns:\n    A name: and more,\n    of it.", [":returns: A name: and more,", "    of it.", ""]),
        ("Of them:\n    - one\n      more\n    - two", ["Of them:", "", "    - one", "      more", "    - two", ""]),
        ("=====  ==\n``a``  |a| is\n=====  ==", ["=====  ==", r"``a``  \|a\| is", "=====  ==", ""]),
        ("As::\n\n    a * b_\n\nand *.", ["As::", "", "    a * b_", "", r"and \*.", ""]),
    ],
)  # fmt: skip
def test_docstrings_are_plain_text(docstrings, doc, rst):
    assert docstrings.to_rst(doc.splitlines()) == rst
