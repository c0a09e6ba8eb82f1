"""The course companion: every row of the lectures stands on its page with a command, and its number is asserted."""

import ast
import contextlib
import re
import runpy
import shlex
import sys
import tomllib
from itertools import pairwise

import book
import pytest
from book import ROOT
from matplotlib import pyplot

from pyrogen import registry
from pyrogen.inference.latents.analysis import Finding
from pyrogen.inference.proofs.claims import claims_of
from pyrogen.inference.proofs.records import read_proof

PAGES, SCRIPTS = ROOT / "docs" / "course", ROOT / "examples" / "course"
LISTED = tomllib.loads((PAGES / "rows.toml").read_text(encoding="utf-8"))
ROWS = [(page, name, row) for page, rows in LISTED.items() for name, row in rows.items()]
SHOWN = [(page, name, row) for page, name, row in ROWS if not row.get("in_passing")]
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py"))
IDS = [name for _, name, _ in SHOWN]
# four seconds of a core and more: with those of the others they would be most of the suite
LONG = {
    "autoencoder_against_vae",
    "capacity",
    "film_from_epoch_zero",
    "linear_latents",
    "planes_and_corners",
    "three_forces",
}
LONG |= {"greys_and_bits", "reject_and_classify"}


def sections(page):
    """What stands below the names of each group of rows, up to the next group, by name."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    found = re.split(r"^((?:\([\w-]+\)=\n)+)", text, flags=re.M)[1:]
    return {
        name: body
        for names, body in zip(found[::2], found[1::2], strict=True)
        for name in re.findall(r"\(([\w-]+)\)=", names)
    }


def commands(text):
    """The lines of its shell blocks."""
    return [line for block in re.findall(r"```sh\n(.*?)```", text, flags=re.S) for line in block.splitlines() if line]


def asserted(script):
    """The rows that a script's asserts name in their messages."""
    tree = ast.parse((SCRIPTS / f"{script}.py").read_text(encoding="utf-8"))
    return {
        node.msg.value for node in ast.walk(tree) if isinstance(node, ast.Assert) and isinstance(node.msg, ast.Constant)
    }


def test_pages_and_list_name_the_same_rows():
    for page, rows in LISTED.items():
        assert set(sections(page)) == {name for name, row in rows.items() if not row.get("in_passing")}, page
    assert sorted(LISTED) == sorted(path.stem for path in PAGES.glob("*.md") if path.stem != "index")


def test_scripts_and_list_name_the_same_rows():
    listed = {(row["script"], name) for _, name, row in SHOWN if "script" in row}
    assert {(script, name) for script in NAMES for name in asserted(script)} == listed


@pytest.mark.parametrize(("page", "name", "row"), SHOWN, ids=IDS)
def test_row_has_a_command_and_a_number(page, name, row):
    section = sections(page)[name]
    assert commands(section), "a row needs a command in a block of sh"
    if "script" in row:
        assert f"python examples/course/{row['script']}.py" in section
    assert {"script", "claims", "unproved"} & set(row), "a row needs something that asserts its number"
    for claim in row.get("claims", ()):
        assert verdict(claim), f"{claim}: proofs/ do not say that it holds; list it as unproved, and say so on the page"
    for claim in row.get("unproved", ()):
        assert not verdict(claim), f"{claim}: it holds by now; move it to claims, and say so on the page"
        assert re.search(r"[Mm]issed|does\s+not\s+fail", section), "the page does not say that a claim was missed"
    for claim in [*row.get("claims", ()), *row.get("unproved", ())]:
        assert f"`{claim.split(':')[0]}`" in section, f"the page does not name {claim}"


def verdict(claim):
    """Whether the one claim that begins so was recorded as met on all its seeds, its control as missing the bound."""
    entry, says = claim.split(": ", 1)
    (stated,) = [c for c in claims_of(entry) if c.says.startswith(says)]
    record = read_proof(ROOT / "proofs" / f"{entry}.json")
    (found,) = [c for c in record["claims"] if c["says"] == stated.says]
    return found["verdict"] == "proved"


@pytest.mark.parametrize("page", LISTED)
def test_commands_exist(page):
    """Scripts that are there; verbs, entries, data and options by their names; runs that the page makes before."""
    path = PAGES / f"{page}.md"
    for command in commands(path.read_text(encoding="utf-8")):
        words = shlex.split(command)
        if words[0] == "python":
            assert (ROOT / words[1]).is_file(), command
            continue
        assert words[0] == "pyrogen", command
        assert book.unknown_words(command) == [], command
        for option, value in pairwise(words):
            if option == "--analysis":
                assert value in registry.choices("analysis"), command
    assert book.unmade_runs(path) == []


# commands that take minutes, whose words alone are looked at
LONG_COMMANDS = (
    "pyrogen prove",
    "pyrogen evaluate runs/both --sigma fitted",
    "pyrogen compare --grid objective=ELBO,Adversarial",
)


@pytest.mark.rotating
@pytest.mark.parametrize("page", LISTED)
def test_commands_are_taken(page, tmp_path, monkeypatch, own_names, capsys):
    """One after the other in one folder: models are made of their data and saved, and asked what they can be asked."""
    monkeypatch.chdir(tmp_path)
    book.make_small(monkeypatch)
    book.stop_explorers(monkeypatch)
    for record in registry.registrations("analysis"):  # only whether it can be asked is looked at
        monkeypatch.setattr(record.load(), "run", lambda self, model, data, seed=0: Finding("asked"))
    for command in commands((PAGES / f"{page}.md").read_text(encoding="utf-8")):
        if command.startswith("pyrogen") and not command.startswith(LONG_COMMANDS):
            book.run(command, capsys, epochs=0)


def test_pages_show_the_pictures_that_are_there():
    text = "".join((PAGES / f"{page}.md").read_text(encoding="utf-8") for page in LISTED)
    shown = set(re.findall(r"\(pictures/([\w-]+)\.png\)", text))
    assert shown == {path.stem for path in (PAGES / "pictures").glob("*.png")}, "run: make course"


@pytest.mark.rotating
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in LONG else []) for n in NAMES])
def test_script_runs(name, tmp_path, monkeypatch, own_names):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, "--folder", "pictures"])
    with contextlib.suppress(SystemExit):
        runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
    pyplot.close("all")
    drawn = {path.stem for path in (tmp_path / "pictures").glob("*.png")}
    shown = {path.stem for path in (PAGES / "pictures").glob("*.png")}
    source = (SCRIPTS / f"{name}.py").read_text(encoding="utf-8")
    assert drawn
    assert {picture for picture in shown if f'"{picture}"' in source} <= drawn
