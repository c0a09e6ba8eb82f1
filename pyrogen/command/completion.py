"""Completion for the shell: verbs, models, options, choices, from the sources alone, without importing torch."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from pyrogen import registry

BASH = """_pyrogen() {
  local IFS=$'\\n'
  COMPREPLY=($(pyrogen completion --words "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o filenames -F _pyrogen pyrogen"""

# arguments of `grid` and of `fit` that `pyrogen compare --grid` says itself
NOT_OF_A_GRID = {"over", "resume", "overwrite"}
# fields of a dataclass that its constructor does not take
UNASKED = re.compile(r"\bClassVar\b|\binit=False\b")
SCRIPTS = {"bash": BASH, "zsh": f"autoload -U +X bashcompinit && bashcompinit\n{BASH}"}


def candidates(words: Sequence[str], verbs: Iterable[str]) -> list[str]:
    """What the last of the words may become; nothing where a file name is due."""
    if len(words) <= 1:
        found: Iterable[str] = verbs
    elif words[0] in ("train", "prove") and len(words) == 2 and not words[1].startswith("-"):
        found = registry.list_models()
    elif words[0] == "fetch" and len(words) == 2 and not words[1].startswith("-"):
        found = registry.list_models(pretrained=True)
    elif words[-1].startswith("--"):
        found = _flags(words)
    else:
        found = _values(words)
    return sorted(f for f in found if f.startswith(words[-1] if words else ""))


def _values(words: Sequence[str]) -> list[str]:
    option = words[-2].removeprefix("--")
    axis = {"axis": None}.get(option, option)
    if axis is None:
        return registry.axes()
    return registry.choices(axis) if axis in registry.axes() else []


def _flags(words: Sequence[str]) -> list[str]:
    option = words[-1].removeprefix("--").split(".", 1)[0]
    if "." in words[-1]:
        chosen = [b for a, b in pairwise(words) if a == f"--{option}"]
        names = _parameters(registry.find(option, chosen[-1])) if chosen and option in registry.axes() else []
        return [f"--{option}.{name}" for name in names]
    if words[0] == "train":
        added = _training([words[1]] if words[1] in registry.list_models() else [])
    else:
        added = _of_a_grid(words) if words[0] == "compare" and any(w.startswith("--grid") for w in words[:-1]) else []
    return [f"--{name}" for name in dict.fromkeys([*_added(words[0]), *added])]


def _added(verb: str) -> list[str]:
    """The options that the source of a verb adds to its parser one by one, without dashes."""
    path, found = Path(__file__).parent / "verbs" / f"{verb}.py", []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if path.is_file() else ():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "add_argument":
                found += [word for word in map(ast.literal_eval, node.args[:1]) if word.startswith("--")]
            elif node.func.attr == "add_axis":
                found.append(ast.literal_eval(node.args[1]))
    return [word.removeprefix("--") for word in found]


def _of_a_grid(words: Sequence[str]) -> list[str]:
    """The options that ``--grid`` brings along: its own, and those of the cells of one entry."""
    named = [b for a, b in pairwise(words) if a == "--entry" and b in registry.list_models()]
    own = _parameters(registry.Registration("", "grid", "pyrogen.inference.runs.grid", "grid", ""))
    return [name for name in (*own, *_training(named or ["vae"])) if name not in NOT_OF_A_GRID]


@functools.cache
def training_options() -> frozenset[str]:
    """The options that ``pyrogen train`` has for most entries, without dashes."""
    return frozenset(_training(["vae"]))


def _training(entries: Iterable[str]) -> list[str]:
    asked = [name for entry in entries for name in _parameters(registry.find("entry", entry))]
    own = [name for name in asked if name not in registry.DECIDED]
    fit = _parameters(registry.Registration("", "fit", "pyrogen.inference.training.fit", "fit", ""))
    data = _parameters(registry.Registration("", "load", "pyrogen.data.dataset", "load", ""))
    hidden = {"model", "name", "progress"}
    return [name for name in dict.fromkeys([*own, *fit, *data, "data_seed", "seeds"]) if name not in hidden]


def _parameters(record: registry.Registration) -> list[str]:
    """Argument names of a function, or of a class's constructor or dataclass fields, from its source."""
    while "of" in record.details:
        record = registry.find("entry", record.details["of"])
    package, _, stem = record.module.rpartition(".")
    spec = importlib.util.find_spec("pyrogen.inference" if package.startswith("pyrogen.inference") else package)
    folders = spec.submodule_search_locations or [] if spec else []
    inside = package.removeprefix("pyrogen.inference").replace(".", "/").lstrip("/") if "inference" in package else ""
    for folder in folders:
        path = Path(folder) / inside / f"{stem}.py"
        if path.is_file():
            tree = ast.parse(path.read_text(encoding="utf-8"))
            return _arguments(
                {n.name: n for n in tree.body if isinstance(n, (ast.ClassDef, ast.FunctionDef))}, record.attribute
            )
    return []


def _arguments(defined: Mapping[str, ast.ClassDef | ast.FunctionDef], name: str) -> list[str]:
    """Argument names of what a file defines, a constructor's from a base class in the same file if need be."""
    node = defined.get(name)
    if isinstance(node, ast.FunctionDef):
        asked = (*node.args.args, *node.args.kwonlyargs)
        # no command line gives a network of one's own
        return [a.arg for a in asked if a.arg != "self" and "Module" not in ast.unparse(a.annotation or ast.Pass())]
    if node is None:
        return []
    made = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef)}
    if "__init__" in made:
        return _arguments(dict(made), "__init__")
    fields = [n for n in node.body if isinstance(n, ast.AnnAssign) and not UNASKED.search(ast.unparse(n))]
    if any(isinstance(d, ast.Call) and ast.unparse(d.func) == "dataclass" for d in node.decorator_list):
        return [n.target.id for n in fields if isinstance(n.target, ast.Name)]
    return next((found for b in node.bases if (found := _arguments(defined, ast.unparse(b)))), [])
