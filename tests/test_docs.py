"""The book's code runs: the Python blocks of a page one after the other, and the commands between them, at a small size.

Blocks marked ``python`` and ``sh`` are run, in the order of the page, in one folder. Data are cut to a few, training to an
epoch, and estimators to a few draws, but for pages that begin with ``% as it is``: what these assert holds as it
stands there.
"""

import ast
import builtins
import importlib.util
import re
import sys
import types

import book
import pytest
from book import DOCS, ROOT, blocks, commands
from matplotlib import pyplot

# commands of the course are checked by test_course
APART = {"generated", "course"}
PAGES = [ROOT / "README.md", *sorted(p for p in DOCS.rglob("*.md") if not APART & {*p.parts})]
NAMES = [str(p.relative_to(ROOT)) for p in PAGES]
AS_IT_IS = "% as it is"
# a block that is a file says so in its first line
FILE = re.compile(r"# [\w/]+\.py\n")

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
    "pyrogen sample runs/coloured --n 8 --y outline.png": "of a picture of one's own; tested by test_pictures_as_conditions",
}
# networks too large for a page's test: they are made, and are trained in tests of their own
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
}


# of estimates as poor as those of so few draws, and of chains as short
@pytest.mark.rotating
@pytest.mark.filterwarnings("ignore::pyrogen.inference.latents.mixing.MixingWarning")
@pytest.mark.filterwarnings("ignore::pyrogen.inference.BiasWarning")
@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_code_of_a_page_runs(page, tmp_path, monkeypatch, own_names, capsys):
    found = blocks(page)
    if not found:
        pytest.skip("no code")
    monkeypatch.chdir(tmp_path)
    small = AS_IT_IS not in page.read_text(encoding="utf-8").split("\n", 3)[:3]
    if small:
        book.make_small(monkeypatch)
    book.stop_explorers(monkeypatch)
    module = types.ModuleType("page_of_the_book")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for language, text, line in found:
        for pattern, less in SMALLER.items() if small else ():
            text = re.sub(pattern, less, text)
        if language == "python":
            exec(compile("\n" * line + text, str(page), "exec"), vars(module))
        else:
            for command in commands(text):
                if not command.startswith(tuple(NOT_RUN)):
                    book.run(command, capsys, epochs=0 if LARGE & {*book.words_of(command)} else None)
    pyplot.close("all")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_name_what_there_is(page):
    """Those that are not run, too."""
    lines = [line for language, text, _ in blocks(page) if language == "sh" for line in commands(text)]
    for line in lines:
        if book.words_of(line):
            assert book.unknown_words(line) == [], line
    assert book.unmade_runs(page) == []


FILES = [
    (name, line, text)
    for name, page in zip(NAMES, PAGES, strict=True)
    for language, text, line in blocks(page)
    if language == "python" and FILE.match(text)
]


@pytest.mark.parametrize(("name", "line", "text"), FILES, ids=[f"{name}:{line}" for name, line, _ in FILES])
def test_a_block_that_is_a_file_runs_alone(name, line, text, monkeypatch, own_names):
    """It finds all its names in itself, and when it is imported it does nothing but define others."""
    module = types.ModuleType("file_of_the_book")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    tree = ast.parse(text)
    exec(compile(tree, f"{name}:{line}", "exec"), vars(module))
    done = [node for node in tree.body[1:] if isinstance(node, ast.Expr)]
    assert done == [], "what is done with it stands in a block of its own"
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    bound |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert used <= bound | {*vars(module), *dir(builtins)}


def test_what_can_be_added_is_shown_as_a_file():
    pages = {path.stem for path in (DOCS / "contributing").glob("*.md")} - {"index", "model"}
    assert {f"docs/contributing/{page}.md" for page in pages} <= {name for name, _, _ in FILES}


def test_what_is_not_run_is_somewhere():
    lines = [
        line for page in PAGES for language, text, _ in blocks(page) if language == "sh" for line in commands(text)
    ]
    unused = [start for start in NOT_RUN if not any(line.startswith(start) for line in lines)]
    assert not unused


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
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
