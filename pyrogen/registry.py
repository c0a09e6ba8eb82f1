"""Names for everything: entries of the zoo and choices on each axis, found without importing any of them.

Sources are read with :mod:`ast`: a decorator with literal arguments, ``@entry("vae", ...)`` on a function or
``@choice("prior")`` on a class, is the whole registration, and so is ``vae_iaf = variant("vae-iaf", of="vae", ...)`` of an
entry that has only other defaults than another. A file is imported when one of its names is first used.
"""

from __future__ import annotations

import copy
import difflib
import fnmatch
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pyrogen.arguments import check_sizes, conform, conforming
from pyrogen.catalogue import Registration, attribute, catalogue, first_line_of, written_claims
from pyrogen.literals import weighed
from pyrogen.seeds import ALONE

# parts that a description may have, lists inside lists counted
PARTS = 100_000
# arguments of an entry that follow from its data
DECIDED = ("x_shape", "y_shape", "classes", "kind", "vocabulary")

SMALL_X = "by default no more than x has numbers, which the data decide"

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C")


_registered: dict[tuple[str, str], Registration] = {}


def entry(
    name: str,
    *,
    reference: str,
    data: str = "digits",
    recipe: Mapping[str, Any] | None = None,
    claims: Sequence[Mapping[str, Any]] = (),
    fixes: Mapping[str, str] | None = None,
    settles: Sequence[str] = (),
    implicit: bool = False,
) -> Callable[[F], F]:
    """Register a function that builds a model as an entry of the zoo; all arguments must be literals, or named literals.

    Args:
        name: lower-case kebab name, as typed in ``pyrogen train NAME``.
        reference: the paper.
        data: name of the data set that ``pyrogen train NAME`` takes by default.
        recipe: default keyword arguments of :func:`pyrogen.inference.fit`.
        claims: what must come out, each a mapping with the metric, the bound, the number of seeds and a control; those of
            the zoo stand in ``pyrogen.models.claims``, as literals.
        fixes: axes that the entry does not leave open, because their choice is what it is, with the choice.
        settles: arguments that say what the default objective is and nothing else: beside another they are refused.
        implicit: whether the default objective is one that fits what a model makes alone, as a game does, though the model
            is one with a density.
    """
    details: dict[str, Any] = {
        "reference": reference,
        "data": data,
        "recipe": dict(recipe or {}),
        "claims": tuple(claims),
    }
    details |= {"fixes": dict(fixes or {}), "settles": tuple(settles), "implicit": implicit}

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
    plain = base.__wrapped__  # what arguments may be beside one another is asked of the variant, by its own defaults

    @functools.wraps(base)
    def build(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return plain(*bound.args, **bound.kwargs)

    build.__signature__ = signature  # type: ignore[attr-defined]
    build.__name__ = build.__qualname__ = attribute(name)
    build.__module__ = sys._getframe(1).f_globals.get("__name__", "__main__")
    _, heading, arguments = inspect.cleandoc(base.__doc__ or "").partition("Args:")
    build.__doc__ = f"{says}\n\n{heading}{arguments}".rstrip()
    details = {"reference": reference, "data": data, "recipe": dict(recipe or {}), "claims": tuple(claims)}
    return _register(name, build, {**details, "of": of, "says": says, "defaults": dict(defaults)})


def choice(axis: str, name: str | None = None) -> Callable[[C], C]:
    """Register a class (or function) as a choice on an axis, under its own name unless another is given."""

    def register(thing: C) -> C:
        own = str(thing.__name__)  # type: ignore[attr-defined]
        if isinstance(thing, type):
            thing.__init__ = conforming(thing.__init__)  # type: ignore[misc]
        summary = first_line_of(thing.__doc__)
        _remember(Registration(axis, name or own, thing.__module__, own, summary, thing=thing))
        return thing

    return register


def list_models(pattern: str = "*", pretrained: bool = False) -> list[str]:
    """Names of the zoo's entries that match a glob pattern, sorted.

    >>> list_models("flow-*")
    ['flow-coupling', 'flow-glow', 'flow-maf', 'flow-matching', 'flow-spline']

    Args:
        pattern: of names.
        pretrained: only those that ``create(name, pretrained=True)`` gives with weights.
    """
    names = sorted(fnmatch.filter((r.name for r in registrations("entry")), pattern))
    if not pretrained:
        return names
    from pyrogen.pretrained import has_weights

    return list(filter(has_weights, names))


def choices(axis: str) -> list[str]:
    """Names that may be chosen on an axis: "prior", "likelihood", "posterior", "objective", "estimator", "data" ...

    >>> choices("sampler")
    ['Ancestral', 'DDIM', 'ProbabilityFlow']

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
    folded = {n.lower().lstrip("-"): n for n in names}
    near = [folded[n] for n in difflib.get_close_matches(str(name).lower().lstrip("-"), folded, n=3, cutoff=0.5)]
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are: {', '.join(names)}."
    return ValueError(f"there is no {kind} called {name!r}; {hint}")


def create(name: str, *, pretrained: bool = False, **arguments: Any) -> Any:
    """Build a model of the zoo by its name.

    >>> create("vae", x_shape=(4,), latent_size=2, prior="Laplace").sample(3).shape
    torch.Size([3, 4])

    Args:
        name: an entry, see :func:`list_models`.
        pretrained: with weights that come with the package, in evaluation mode; ``list_models(pretrained=True)`` names the
            entries that have some, and their cards say of which data.
        arguments: the entry's own: ``x_shape``, ``latent_size``, and for each axis an object or a name for its defaults.
            With pretrained weights none is needed, and none may differ from those that these were trained with.

    Raises:
        ValueError: unknown entry, argument or choice, or choices that do not fit together; no weights, or weights that were
            trained with other arguments.
    """
    if not isinstance(pretrained, bool):
        raise ValueError(
            f"pretrained={pretrained!r}: it is True or False; other weights are those of a run, pyrogen.load(folder), or "
            "on a hub, pyrogen.load_from_hub(name)."
        )
    if pretrained:
        from pyrogen.pretrained import load_pretrained

        return load_pretrained(name, arguments)
    build = find("entry", name).load()
    check_arguments(name, arguments)
    accepted = inspect.signature(build).parameters
    needed = [k for k, p in accepted.items() if p.default is p.empty and k not in arguments]
    if needed:
        raise ValueError(f"{name!r} needs {', '.join(needed)}, as in create({name!r}, {needed[0]}=...).")
    return build(**arguments)


def check_arguments(name: str, arguments: Iterable[str]) -> None:
    """Refuse arguments that an entry does not take.

    Raises:
        ValueError: there is one, or no such entry; what the entry has by its nature is said to be.
    """
    refuse_fixed(name, arguments)
    accepted = inspect.signature(find("entry", name).load()).parameters
    for argument in arguments:
        if argument not in accepted:
            raise unknown(f"argument of {name!r}", argument, accepted)


def refuse_fixed(name: str, arguments: Iterable[str]) -> None:
    """Refuse arguments that would swap an axis which an entry has by its nature.

    Raises:
        ValueError: there is one, or no such entry.
    """
    by_nature = fixed(name)
    for axis in arguments:
        if axis in by_nature:
            raise ValueError(
                f"{name!r} has the {axis} {by_nature[axis]} by its nature, so {axis} cannot be swapped; leave it out, or "
                f"take 'vae', which takes any {axis}."
            )


def fixed(name: str) -> Mapping[str, str]:
    """The axes that an entry does not leave open, with the choice on each.

    Raises:
        ValueError: there is no such entry.
    """
    details = find("entry", name).details
    return dict(details.get("fixes") or (fixed(details["of"]) if "of" in details else {}))


def make(axis: str, spec: Any) -> Any:
    """An unbuilt axis object from an object, a name, a call as text, or a mapping ``{"name": ..., argument: value}``.

    An object is copied: it is a description, and each model builds its own from it.

    Raises:
        ValueError: the name is unknown, its arguments are wrong, or the object belongs on another axis.
    """
    if isinstance(spec, str):
        return make(axis, written(axis, spec)) if set(spec) & set("(+*") else _construct(find(axis, spec), {})
    if isinstance(spec, Mapping):
        if "name" not in spec:
            raise ValueError(f"{axis}= as a mapping needs a 'name', one of {', '.join(choices(axis))}.")
        arguments = {k: _revive(v) for k, v in spec.items() if k != "name"}
        return _construct(find(axis, str(spec.get("name"))), arguments)
    if isinstance(spec, type) and axis in getattr(spec, "axes", ()):
        raise ValueError(
            f"{axis}= takes an object or a name; got the class {spec.__name__}, write {spec.__name__}(...)."
        )
    axes = getattr(spec, "axes", ())
    if axis not in axes:
        one, what = (spec, "the class") if isinstance(spec, type) else (type(spec), "an object of type")
        got = f"the {' and '.join(axes)} {one.__name__}" if axes else f"{what} {one.__name__}"
        raise ValueError(f"{axis}= takes an object of this axis or its name ({', '.join(choices(axis))}); got {got}.")
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
        return {"name": names[0], **{k: describe(getattr(value, k)) for k in inspect.signature(type(value)).parameters}}
    return {"own": f"{type(value).__module__}.{type(value).__qualname__}"}


def holds_own(described: Any) -> bool:
    """Whether what :func:`describe` made is of a network of the user's own, or holds one at any depth."""
    if isinstance(described, Mapping):
        return {*described} == {"own"} or any(map(holds_own, described.values()))
    return isinstance(described, (list, tuple)) and any(map(holds_own, described))


def spelled(value: Any) -> str:
    """A registered object as one writes it in Python, with the arguments that are not the defaults."""
    if isinstance(value, (list, tuple)):
        return f"({', '.join(map(spelled, value))}{',' * (len(value) == 1)})"
    if value is None or isinstance(value, (bool, int, float, str, Mapping)):
        return repr(value)
    arguments = inspect.signature(type(value)).parameters.values() if "name" in describe(value) else ()
    given = [p.name for p in arguments if not _as_usual(getattr(value, p.name), p.default)]
    name = describe(value).get("name", type(value).__name__)
    return f"{name}({', '.join(f'{k}={spelled(getattr(value, k))}' for k in given)})"


def _as_usual(value: Any, default: Any) -> bool:
    """Whether a value is the default, or what the default only names."""
    return describe(value) == describe(default) or (
        isinstance(default, str) and not isinstance(value, str) and spelled(value) == f"{default}()"
    )


def claims(name: str) -> Sequence[Mapping[str, Any]]:
    """What an entry claims, as literal data: given when it was registered, or read from ``pyrogen.models.claims``.

    Raises:
        ValueError: there is no such entry.
    """
    given = find("entry", name).details.get("claims")
    found: Sequence[Mapping[str, Any]] = given or written_claims().get(name, ())
    return found


def exports(package: str) -> dict[str, Registration]:
    """What a package of choices offers by attribute access: class name to record, for lazy ``__getattr__``."""
    return {r.attribute: r for r in catalogue().values() if r.module.startswith(f"{package}.")}


def _register(name: str, function: F, details: Mapping[str, Any]) -> F:
    signature = inspect.signature(function)

    @functools.wraps(function)
    def build(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        bound.arguments.update(conform(function, bound.arguments))
        check_sizes(bound.arguments)
        _refuse_idle(name, signature, bound.arguments)
        with ALONE:  # initial weights are drawn
            model = function(*bound.args, **bound.kwargs)
        # entries are written in terms of one another: the outermost call, which returns last, is the one remembered
        model.origin = {"entry": name, "arguments": {k: describe(v) for k, v in bound.arguments.items()}}
        return model

    summary = first_line_of(function.__doc__)
    _remember(Registration("entry", name, function.__module__, function.__name__, summary, details, build))
    return build  # type: ignore[return-value]


def _refuse_idle(name: str, signature: inspect.Signature, given: Mapping[str, Any]) -> None:
    """Refuse arguments that say what the default objective is beside an objective that takes its place.

    Raises:
        ValueError: there is one.
    """
    if given.get("objective") is None:
        return
    idle = [k for k in settled(name) if not _as_usual(given[k], signature.parameters[k].default)]
    if idle:
        objective = given["objective"]
        raise ValueError(
            f"{name!r} makes its objective of {', '.join(idle)} where it is given none, and has "
            f"objective={objective if isinstance(objective, str) else spelled(objective)}; leave one of the two out."
        )


def settled(name: str) -> Sequence[str]:
    """The arguments of an entry that say what its default objective is and nothing else.

    Raises:
        ValueError: there is no such entry.
    """
    details = find("entry", name).details
    found: Sequence[str] = settled(details["of"]) if "of" in details else details.get("settles", ())
    return found


def written(axis: str, text: str) -> Mapping[str, Any]:
    """The description of a choice that is written as a call, or of a sum of them where the axis has sums.

    Raises:
        ValueError: it is neither, or a sum on an axis without.
    """
    terms = weighed(text)
    if len(terms) == 1 and terms[0][0] == 1:
        return terms[0][1]
    if "Sum" not in choices(axis):
        raise ValueError(f"{axis}= takes one {axis}, which do not add up as objectives do; got {text!r}.")
    return {"name": "Sum", "of": text}


def _construct(record: Registration, arguments: Mapping[str, Any]) -> Any:
    cls = record.load()
    accepted = list(inspect.signature(cls).parameters)
    for argument in arguments:
        if argument not in accepted:
            raise unknown(f"argument of {record.name}", argument, accepted)
    return cls(**arguments)


def _revive(value: Any, budget: list[int] | None = None) -> Any:
    """Lists as tuples; a value whose parts hold one another may be larger than a memory, and is refused."""
    budget = [PARTS] if budget is None else budget
    budget[0] -= 1
    if budget[0] < 0:
        raise ValueError(f"an argument of a choice has more than {PARTS} parts; give it as plain numbers or names.")
    return tuple(_revive(v, budget) for v in value) if isinstance(value, list) else value


def _remember(record: Registration) -> None:
    known = _registered.get((record.axis, record.name)) or catalogue().get((record.axis, record.name))
    if known and (known.module, known.attribute) != (record.module, record.attribute):
        raise ValueError(
            f"the {record.axis} {record.name!r} is already defined in {known.module}; choose another name."
        )
    _registered[record.axis, record.name] = record


def _everything() -> Iterator[Registration]:
    yield from {**catalogue(), **_registered}.values()


def notes(build: Callable[..., Any]) -> dict[str, str]:
    """What else help says of an entry's arguments: more latents than x has numbers only cost a KL, where there is one."""
    return (
        {"latent_size": SMALL_X} if {"latent_size", "posterior"} <= inspect.signature(build).parameters.keys() else {}
    )
