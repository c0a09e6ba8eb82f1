"""Names for everything: entries of the zoo and choices on each axis, found without importing any of them.

Sources are read with :mod:`ast`: a decorator with literal arguments, ``@entry("vae", ...)`` on a function or
``@choice("prior")`` on a class, is the whole registration, and so is ``vae_iaf = variant("vae-iaf", of="vae", ...)`` of an
entry that has only other defaults than another. A file is imported when one of its names is first used.
"""

from __future__ import annotations

import ast
import copy
import difflib
import fnmatch
import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pyrogen.literals import constants, literal, weighed

ROOMS = ("pyrogen", "pyrogen.inference", "pyrogen.models")
CLAIMS_ROOM = "pyrogen.models.claims"
# arguments of an entry that follow from its data
DECIDED = ("x_shape", "y_shape", "classes")

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C")


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


_registered: dict[tuple[str, str], Registration] = {}


def entry(
    name: str,
    *,
    reference: str,
    data: str = "digits",
    recipe: Mapping[str, Any] | None = None,
    claims: Sequence[Mapping[str, Any]] = (),
) -> Callable[[F], F]:
    """Register a function that builds a model as an entry of the zoo; all arguments must be literals, or named literals.

    Args:
        name: lower-case kebab name, as typed in ``pyrogen train NAME``.
        reference: the paper.
        data: name of the data set that ``pyrogen train NAME`` takes by default.
        recipe: default keyword arguments of :func:`pyrogen.inference.fit`.
        claims: what must come out, each a mapping with the metric, the bound, the number of seeds and a control; those of
            the zoo stand in ``pyrogen.models.claims``, as literals.
    """
    details = {"reference": reference, "data": data, "recipe": dict(recipe or {}), "claims": tuple(claims)}

    def register(function: F) -> F:
        return _register(name, function, details)

    return register


def variant(
    name: str,
    *,
    of: str,
    says: str,
    defaults: Mapping[str, Any],
    reference: str,
    data: str = "digits",
    recipe: Mapping[str, Any] | None = None,
    claims: Sequence[Mapping[str, Any]] = (),
) -> Callable[..., Any]:
    """Register an entry that is another with other defaults, and return the function that builds it.

    In a source of the zoo it is assigned to the name with underscores, ``vae_iaf = variant("vae-iaf", of="vae", ...)``.

    Args:
        name: lower-case kebab name, as typed in ``pyrogen train NAME``.
        of: the entry whose arguments it takes.
        says: one sentence, what the model is.
        defaults: the arguments that differ, as literals.
        reference: as of :func:`entry`; so are ``data``, ``recipe`` and ``claims``.

    Raises:
        ValueError: there is no entry ``of``, it has no such argument, or the name is taken.
    """
    base = find("entry", of).load()
    parameters = inspect.signature(base).parameters
    for argument in defaults:
        if argument not in parameters:
            raise unknown(f"argument of {of!r}", argument, parameters)
    changed = [p.replace(default=defaults[k]) if k in defaults else p for k, p in parameters.items()]
    signature = inspect.signature(base).replace(parameters=changed)

    @functools.wraps(base)
    def build(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return base(*bound.args, **bound.kwargs)

    build.__signature__ = signature  # type: ignore[attr-defined]
    build.__name__ = build.__qualname__ = _attribute(name)
    build.__module__ = sys._getframe(1).f_globals.get("__name__", "__main__")
    _, heading, arguments = inspect.cleandoc(base.__doc__ or "").partition("Args:")
    build.__doc__ = f"{says}\n\n{heading}{arguments}".rstrip()
    details = {"reference": reference, "data": data, "recipe": dict(recipe or {}), "claims": tuple(claims)}
    return _register(name, build, {**details, "of": of, "says": says, "defaults": dict(defaults)})


def choice(axis: str, name: str | None = None) -> Callable[[C], C]:
    """Register a class (or function) as a choice on an axis, under its own name unless another is given."""

    def register(thing: C) -> C:
        label = name or thing.__name__  # type: ignore[attr-defined]
        _remember(Registration(axis, label, thing.__module__, thing.__name__, _first_line(thing.__doc__), thing=thing))  # type: ignore[attr-defined]
        return thing

    return register


def list_models(pattern: str = "*") -> list[str]:
    """Names of the zoo's entries that match a glob pattern, sorted."""
    return sorted(fnmatch.filter((r.name for r in registrations("entry")), pattern))


def choices(axis: str) -> list[str]:
    """Names that may be chosen on an axis: "prior", "likelihood", "posterior", "objective", "estimator", "data" ...

    Raises:
        ValueError: there is no such axis.
    """
    found = sorted(r.name for r in registrations(axis))
    if not found:
        raise unknown("axis", axis, axes())
    return found


def axes() -> list[str]:
    """Everything that :func:`choices` knows the choices of."""
    return sorted({r.axis for r in _everything()} - {"entry"})


def registrations(axis: str) -> list[Registration]:
    """All records of an axis (``"entry"`` for models), those of the sources and those registered by the user."""
    return [r for r in _everything() if r.axis == axis]


def find(axis: str, name: str) -> Registration:
    """The record of a name.

    Raises:
        ValueError: no such name; the message suggests near ones.
    """
    for record in registrations(axis):
        if record.name == name:
            return record
    raise unknown("model" if axis == "entry" else axis, name, [r.name for r in registrations(axis)])


def unknown(kind: str, name: object, names: Iterable[str]) -> ValueError:
    """The error for a name that does not exist: what was asked, what is near, what there is."""
    names = sorted(names)
    folded = {n.lower(): n for n in names}
    near = [folded[n] for n in difflib.get_close_matches(str(name).lower(), folded, n=3, cutoff=0.5)]
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are: {', '.join(names)}."
    return ValueError(f"there is no {kind} called {name!r}; {hint}")


def create(name: str, **arguments: Any) -> Any:
    """Build a model of the zoo by its name.

    Args:
        name: an entry, see :func:`list_models`.
        arguments: the entry's own: ``x_shape``, ``latent_size``, and for each axis an object or a name for its defaults.

    Raises:
        ValueError: unknown entry, argument or choice, or choices that do not fit together.
    """
    build = find("entry", name).load()
    accepted = inspect.signature(build).parameters
    for argument in arguments:
        if argument not in accepted:
            raise unknown(f"argument of {name!r}", argument, accepted)
    needed = [k for k, p in accepted.items() if p.default is p.empty and k not in arguments]
    if needed:
        raise ValueError(f"{name!r} needs {', '.join(needed)}, as in create({name!r}, {needed[0]}=...).")
    return build(**arguments)


def make(axis: str, spec: Any) -> Any:
    """An unbuilt axis object from an object, a name, a call as text, or a mapping ``{"name": ..., argument: value}``.

    An object is copied: it is a description, and each model builds its own from it.

    Raises:
        ValueError: the name is unknown, its arguments are wrong, or the object belongs on another axis.
    """
    if isinstance(spec, str):
        return make(axis, _written(axis, spec)) if set(spec) & set("(+*") else _construct(find(axis, spec), {})
    if isinstance(spec, Mapping):
        if "name" not in spec:
            raise ValueError(f"{axis}= as a mapping needs a 'name', one of {', '.join(choices(axis))}.")
        arguments = {k: _revive(v) for k, v in spec.items() if k != "name"}
        return _construct(find(axis, str(spec.get("name"))), arguments)
    if isinstance(spec, type):
        raise ValueError(
            f"{axis}= takes an object or a name; got the class {spec.__name__}, write {spec.__name__}(...)."
        )
    axes = getattr(spec, "axes", ())
    if axis not in axes:
        got = f"the {' and '.join(axes)} {type(spec).__name__}" if axes else f"an object of type {type(spec).__name__}"
        raise ValueError(f"{axis}= takes a {axis} or its name ({', '.join(choices(axis))}); got {got}.")
    return copy.deepcopy(spec)


def describe(value: Any) -> Any:
    """A value as plain data (numbers, strings, lists, mappings), from which :func:`make` builds an equal one.

    Registered objects keep each constructor argument as an attribute of the same name. A network of the user's own has
    no description; it becomes ``{"own": type}``.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(k): describe(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(v) for v in value]
    names = [r.name for r in _everything() if (r.module, r.attribute) == (type(value).__module__, type(value).__name__)]
    if names:
        arguments = inspect.signature(type(value).__init__).parameters
        return {"name": names[0], **{k: describe(getattr(value, k)) for k in arguments if k != "self"}}
    return {"own": f"{type(value).__module__}.{type(value).__qualname__}"}


def spelled(value: Any) -> str:
    """A registered object as one writes it in Python, with the arguments that are not the defaults."""
    if isinstance(value, (list, tuple)):
        return f"({', '.join(map(spelled, value))}{',' * (len(value) == 1)})"
    if value is None or isinstance(value, (bool, int, float, str, Mapping)):
        return repr(value)
    arguments = inspect.signature(type(value).__init__).parameters.values() if "name" in describe(value) else ()
    given = [p.name for p in arguments if p.name != "self" and describe(getattr(value, p.name)) != describe(p.default)]
    name = describe(value).get("name", type(value).__name__)
    return f"{name}({', '.join(f'{k}={spelled(getattr(value, k))}' for k in given)})"


def claims(name: str) -> Sequence[Mapping[str, Any]]:
    """What an entry claims, as literal data: given when it was registered, or read from ``pyrogen.models.claims``.

    Raises:
        ValueError: there is no such entry.
    """
    given = find("entry", name).details.get("claims")
    found: Sequence[Mapping[str, Any]] = given or _written_claims().get(name, ())
    return found


def exports(package: str) -> dict[str, Registration]:
    """What a package of choices offers by attribute access: class name to record, for lazy ``__getattr__``."""
    return {r.attribute: r for r in _catalogue().values() if r.module.startswith(f"{package}.")}


def _register(name: str, function: F, details: Mapping[str, Any]) -> F:
    signature = inspect.signature(function)

    @functools.wraps(function)
    def build(*args: Any, **kwargs: Any) -> Any:
        model = function(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        # entries are written in terms of one another: the outermost call, which returns last, is the one remembered
        model.origin = {"entry": name, "arguments": {k: describe(v) for k, v in bound.arguments.items()}}
        return model

    summary = _first_line(function.__doc__)
    _remember(Registration("entry", name, function.__module__, function.__name__, summary, details, build))
    return build  # type: ignore[return-value]


def _written(axis: str, text: str) -> Mapping[str, Any]:
    """A choice that is written as a call, or a sum of them where the axis has sums."""
    terms = weighed(text)
    if len(terms) == 1 and terms[0][0] == 1:
        return terms[0][1]
    if "Sum" not in choices(axis):
        raise ValueError(f"{axis}= takes one {axis}, which do not add up as objectives do; got {text!r}.")
    return {"name": "Sum", "of": text}


def _construct(record: Registration, arguments: Mapping[str, Any]) -> Any:
    cls = record.load()
    accepted = [k for k in inspect.signature(cls.__init__).parameters if k != "self"]
    for argument in arguments:
        if argument not in accepted:
            raise unknown(f"argument of {record.name}", argument, accepted)
    return cls(**arguments)


def _revive(value: Any) -> Any:
    return tuple(_revive(v) for v in value) if isinstance(value, list) else value


def _remember(record: Registration) -> None:
    known = _registered.get((record.axis, record.name)) or _catalogue().get((record.axis, record.name))
    if known and (known.module, known.attribute) != (record.module, record.attribute):
        raise ValueError(
            f"the {record.axis} {record.name!r} is already defined in {known.module}; choose another name."
        )
    _registered[record.axis, record.name] = record


def _everything() -> Iterator[Registration]:
    yield from {**_catalogue(), **_registered}.values()


@functools.cache
def _catalogue() -> dict[tuple[str, str], Registration]:
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
def _written_claims() -> dict[str, Sequence[Mapping[str, Any]]]:
    """The claims of the zoo by entry, from the sources: ``CLAIMS = {"vae": [...]}`` in each file of the room."""
    found: dict[str, Sequence[Mapping[str, Any]]] = {}
    spec = importlib.util.find_spec(CLAIMS_ROOM)
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(folder).glob("*.py")):
            written = constants(ast.parse(path.read_text(encoding="utf-8")))
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
            summary = _first_line(ast.get_docstring(node))
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
    if ast.unparse(target) != _attribute(name):
        raise ValueError(
            f"the variant {name!r} in {module} is called {ast.unparse(target)}; call it {_attribute(name)}."
        )
    yield Registration(
        "entry", name, module, _attribute(name), details["says"], {"recipe": {}, "data": "digits", **details}
    )


def _attribute(name: str) -> str:
    return name.replace("-", "_")


def _first_line(doc: str | None) -> str:
    return (doc or "").strip().split("\n")[0]
