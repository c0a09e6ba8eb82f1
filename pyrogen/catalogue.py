"""What the sources say is there: entries and choices, read with :mod:`ast` and without importing any of them."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyrogen.literals import constants, literal

ROOMS = ("pyrogen", "pyrogen.inference", "pyrogen.models")
CLAIMS_ROOM = "pyrogen.models.claims"


@dataclass(frozen=True)
class Registration:
    """What the sources say of one name: where it is, its first docstring line, and the decorator's arguments."""

    axis: str
    name: str
    module: str
    attribute: str
    summary: str
    details: Mapping[str, Any] = field(default_factory=dict)
    thing: Any = field(default=None, repr=False, compare=False)

    def load(self) -> Any:
        """Import the file that defines the name and return the object."""
        if self.thing is not None:
            return self.thing
        return getattr(importlib.import_module(self.module), self.attribute)


@functools.cache
def catalogue() -> dict[tuple[str, str], Registration]:
    """Everything that the sources register, by axis and name.

    Raises:
        ValueError: something is registered twice.
    """
    found: dict[tuple[str, str], Registration] = {}
    for room in ROOMS:
        spec = importlib.util.find_spec(room)
        for folder in spec.submodule_search_locations or () if spec else ():
            for path in sorted(Path(folder).rglob("*.py")):
                module = ".".join([room, *path.relative_to(folder).with_suffix("").parts])
                # a wheel has the other rooms inside the first
                if room == "pyrogen" and module.startswith(ROOMS[1:]):
                    continue
                for record in _scan(path, module):
                    if (record.axis, record.name) in found:
                        raise ValueError(f"the {record.axis} {record.name!r} is defined twice, in {module} too.")
                    found[record.axis, record.name] = record
    return found


@functools.cache
def written_claims() -> dict[str, Sequence[Mapping[str, Any]]]:
    """The claims of the zoo by entry, from the sources: ``CLAIMS = {"vae": [...]}`` in each file of the room.

    Raises:
        ValueError: a file whose claims are no literals, or an entry with claims in two files.
    """
    found: dict[str, Sequence[Mapping[str, Any]]] = {}
    spec = importlib.util.find_spec(CLAIMS_ROOM)
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(folder).glob("*.py")):
            written = constants(ast.parse(path.read_text(encoding="utf-8")))
            if "CLAIMS" not in written and path.stem != "__init__":
                raise ValueError(
                    f"the CLAIMS of {path.name} cannot be read: they are literals, where names may stand for literals "
                    "above them and ** for what is in one, and nothing is computed."
                )
            for name, claims in written.get("CLAIMS", {}).items():
                if name in found:
                    raise ValueError(f"the claims of {name!r} are written twice, in {path.name} too.")
                found[name] = tuple(claims)
    return found


def _scan(path: Path, module: str) -> Iterator[Registration]:
    source = path.read_text(encoding="utf-8")
    if not any(mark in source for mark in ("@entry(", "@choice(", "= variant(")):
        return
    tree = ast.parse(source)
    names = constants(tree)
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            yield from _scan_variant(node.targets[0], node.value, module, names)
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            continue
        for mark in node.decorator_list:
            if not (isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name)):
                continue
            args = [literal(a, names) for a in mark.args]
            details = {k.arg: literal(k.value, names) for k in mark.keywords if k.arg}
            summary = first_line_of(ast.get_docstring(node))
            if mark.func.id == "entry":
                details = {"recipe": {}, "data": "digits", **details}
                yield Registration("entry", args[0], module, node.name, summary, details)
            elif mark.func.id == "choice":
                name = args[1] if len(args) > 1 else details.get("name", node.name)
                yield Registration(args[0], name, module, node.name, summary)


def _scan_variant(target: ast.expr, call: ast.Call, module: str, names: Mapping[str, Any]) -> Iterator[Registration]:
    if not (isinstance(call.func, ast.Name) and call.func.id == "variant"):
        return
    name = literal(call.args[0], names)
    details = {k.arg: literal(k.value, names) for k in call.keywords if k.arg}
    if ast.unparse(target) != attribute(name):
        raise ValueError(
            f"the variant {name!r} in {module} is called {ast.unparse(target)}; call it {attribute(name)}."
        )
    yield Registration(
        "entry", name, module, attribute(name), details["says"], {"recipe": {}, "data": "digits", **details}
    )


def attribute(name: str) -> str:
    """The name of a variant's function: with underscores."""
    return name.replace("-", "_")


def first_line_of(doc: str | None) -> str:
    """The first line of a docstring."""
    return (doc or "").strip().split("\n")[0]
