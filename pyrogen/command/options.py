"""Options built from typed constructors: a flag for every argument, help from docstrings, one sentence for every mistake."""

from __future__ import annotations

import copy
import inspect
import itertools
import json
import re
import typing
import warnings
from argparse import SUPPRESS, Action, _HelpAction
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser, DefaultHelpFormatter, Namespace

from pyrogen import plain_yaml, registry
from pyrogen.arguments import NEEDS
from pyrogen.command import inner
from pyrogen.command.inner import axis_class
from pyrogen.command.plain import joined, lacking, unknown_option
from pyrogen.command.speech import understand, unmarked
from pyrogen.files import first_line, sentence


class Help(DefaultHelpFormatter):
    """Help in the words of people: a choice is a name, a type what one writes, and no docstring's marks."""

    def _get_help_string(self, action: Action) -> str:
        text = re.sub(r"(?<!\.)\.$", "", unmarked(str(action.help or "")))
        if not action.option_strings or isinstance(action, _HelpAction):
            return text
        by_name = getattr(action, "chosen_by_name", None)
        told = [] if by_name else _written(getattr(action, "_typehint", None) or action.type)
        if action.default not in (None, SUPPRESS, ()):
            told.append(f"default: {by_name or _as_word(action.default)}")
        return f"{text} ({'; '.join(told)})" if told else text

    def _format_action_invocation(self, action: Action) -> str:
        shown = copy.copy(action)
        shown.option_strings = [flag for flag in action.option_strings if not flag.endswith("+")]
        return str(super()._format_action_invocation(shown))


def _written(hint: Any) -> list[str]:
    """How a value of a type is written, in words; nothing of what says it by itself."""
    words = {
        "int": "a whole number",
        "float": "a number",
        "list[int]": "whole numbers, as 8,4",
        "list[float]": "as 0.5,2",
    }
    parts = typing.get_args(hint) or (hint,)
    names = [name for part in parts if (name := _name_of(part)) in words]
    said = ["a whole number, or several, as 8,4"] if {"int", "list[int]"} <= {*names} else [words[n] for n in names[:1]]
    return [f"{told}, or STAGE=...,STAGE=..." if _is_mapping(hint) else told for told in said]


def _name_of(hint: Any) -> str:
    return str(hint) if typing.get_origin(hint) else getattr(hint, "__name__", "")


def _as_word(value: Any) -> str:
    """A default as one would type it."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def parser(prog: str, description: str, words: str = "[options]") -> ArgumentParser:
    """A parser that raises instead of leaving; words are what may follow the command."""
    said: dict[str, Any] = {"description": unmarked(sentence(description)), "usage": f"{prog} {words}"}
    return ArgumentParser(prog=prog, **said, exit_on_error=False, formatter_class=Help)


def add_function(
    parser: ArgumentParser, function: Callable[..., Any], skip: set[str], defaults: dict[str, Any] | None = None
) -> dict[str, str]:
    """An option for every parameter of a function, helped by its docstring and notes; returns its axes by option."""
    from docstring_parser import parse

    helps = {p.arg_name: (p.description or "").replace("\n", " ") for p in parse(inspect.getdoc(function) or "").params}
    helps |= {name: f"{helps.get(name, '').rstrip('.')}; {note}." for name, note in registry.notes(function).items()}
    hints = typing.get_type_hints(inspect.unwrap(function))
    axes = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in skip:
            continue
        default = (defaults or {}).get(name, parameter.default)
        base = axis_class(hints[name])
        if base is not None:
            axes[name] = base.axes[0]
            add_axis(parser, name, base, default, helps.get(name, ""), base.axes[0])
        else:
            parser.add_argument(f"--{name}", type=_plain(hints[name]), default=default, help=helps.get(name))
    return axes


def unspoken(build: Callable[..., Any]) -> set[str]:
    """The arguments of an entry that are no options: what data decide, the objective, and networks of a user's own."""
    hints = typing.get_type_hints(inspect.unwrap(build))
    networks = {name for name in ("encoder", "decoder") if axis_class(hints.get(name)) is None}
    return {*registry.DECIDED, *networks, "objective"}


def add_axis(parser: ArgumentParser, name: str, base: type, default: Any, text: str, axis: str) -> None:
    """An option that takes the name of a choice on an axis, with the choice's own options below it."""
    listed = ", ".join(registry.choices(axis))
    kind: Any = base if default is not None else base | None
    word = (
        default if isinstance(default, str) else registry.spelled(registry.make(axis, default)) if default else "none"
    )
    if isinstance(default, Mapping):  # as jsonargparse spells {"name": ..., argument: value}
        settings = {k: v for k, v in default.items() if k != "name"}
        # jsonargparse looks for its name among the classes that are loaded
        default = {"class_path": registry.find(axis, default["name"]).load().__name__, "init_args": settings}
    elif isinstance(default, str):
        default = registry.find(axis, default).attribute
    action = parser.add_argument(f"--{name}", type=kind, default=default, help=f"{text.rstrip('.')}. One of: {listed}.")
    action.chosen_by_name = word
    for other in parser._actions:
        if f"--{name}.help" in other.option_strings:
            other.metavar, other.help = "NAME", f"what each {axis} is, or the options of one, and exit"


def parse(parser: ArgumentParser, arguments: Sequence[str], axes: dict[str, str]) -> Namespace:
    """Options with their axis objects built; only registered names are ever looked up.

    Raises:
        ValueError: an option, a choice or a value that is not to be had.
    """
    for word in arguments:
        plain_yaml.refuse_anchors(word)
    lists = {o for a in parser._actions if _is_list(getattr(a, "_typehint", None)) for o in a.option_strings}
    mapped = {o for a in parser._actions if _is_mapping(getattr(a, "_typehint", None)) for o in a.option_strings}
    ones = {o for a in parser._actions if _is_one_too(getattr(a, "_typehint", None)) for o in a.option_strings}
    arguments = _with_lists(lists, _with_mappings(mapped, lists, arguments), ones)
    arguments = _names_first(_called(_with_truth(parser, arguments), axes), axes)
    known = {o for action in parser._actions for o in action.option_strings}
    names = {o.removeprefix("--") for o in known}
    understand(names)
    chosen = {
        option: _of_class(axis, getattr(default, "class_path", default).rpartition(".")[2])
        for option, axis in axes.items()
        if (default := parser.get_default(option))
    }
    for option, axis in axes.items():
        for name in _values(arguments, f"--{option}"):
            chosen[option] = inner.found(option, axis, name)
    inner.explain(arguments, axes, chosen)
    settings = [(p, f"{option}.{p}") for option, r in chosen.items() for p in inspect.signature(r.load()).parameters]
    arguments = _with_lists(_lists_of(chosen), arguments)
    understand({n: n for n in names} | {p: path for p, path in settings if p not in names})
    for argument in arguments:
        flag = argument.split("=", 1)[0]
        option, _, nested = flag.removeprefix("--").partition(".")
        if flag.startswith("--") and nested and option in chosen and nested != "help":
            accepted = list(inspect.signature(chosen[option].load()).parameters)
            if nested not in accepted:
                named = value_of(arguments, flag.rpartition(".")[0])
                if refusal := inner.in_brackets(option, nested, chosen[option], named):
                    raise refusal
                raise _misplaced(option, axes[option], nested, chosen[option].name, accepted)
        elif flag.startswith("--") and nested and option in axes and nested != "help":
            raise _misplaced(option, axes[option], nested, None, [])
        elif flag.startswith("--") and nested and flag not in known and f"--{option}" in known:
            raise _without(option, nested, value_of(arguments, f"--{option}") or parser.get_default(option), known)
        elif flag.startswith("--") and option not in chosen and flag not in known:
            raise unknown_option(f"--{option}", sorted(known))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return parser.instantiate(parser.parse_args(joined(_by_class(arguments, chosen))))
    except (ArgumentError, ValueError) as error:
        said = lacking(parser.prog, str(error)) or _of_a_choice(error, chosen, arguments) or _sentence(error)
        raise ValueError(said) from None


def _of_class(axis: str, attribute: str) -> registry.Registration:
    """The choice whose class has this name."""
    return next(record for record in registry.registrations(axis) if record.attribute == attribute)


def _by_class(arguments: Sequence[str], chosen: Mapping[str, registry.Registration]) -> list[str]:
    """The arguments, with choices by the names of their classes, the only ones that jsonargparse knows: Words for "word"."""
    named = {f"--{option}": record for option, record in chosen.items()}
    words, before = [], ""
    for word in arguments:
        flag, equals, value = word.partition("=")
        if before in named and word == named[before].name:
            word = named[before].attribute
        elif equals and flag in named and value == named[flag].name:
            word = f"{flag}={named[flag].attribute}"
        words.append(word)
        before = word
    return words


def add_data(parser: ArgumentParser, default: str) -> None:
    """The options of :func:`pyrogen.data.load`, with ``--data`` and ``--data_seed`` for its name and seed."""
    from pyrogen.data import load

    parser.add_argument("--data", default=default, help="a data set, see pyrogen list --axis data, or the path of one")
    add_function(parser, load, skip={"name", "seed"})
    parser.add_argument("--data_seed", type=int, default=0, help="of what is drawn once: binarized test data, say")


def _misplaced(option: str, axis: str, nested: str, chosen: str | None, accepted: Sequence[str]) -> ValueError:
    """The error for an option that the choice does not have, or that no choice was named for."""
    owners = [r.name for r in registry.registrations(axis) if nested in inspect.signature(r.load()).parameters]
    if owners:
        who = f"no {axis} was named" if chosen is None else f"the {axis} here is {chosen}"
        return ValueError(
            f"--{option}.{nested} belongs to {' or '.join(sorted(owners))}, and {who}; name it, as in --{option} "
            f"{min(owners)} --{option}.{nested} ..."
        )
    if chosen is None:
        return ValueError(f"no {axis} has an option called {nested!r}; see --{option}.help.")
    return registry.unknown(f"option of {chosen}", nested, accepted or ["(it has no options)"])


def _without(option: str, nested: str, value: object, known: Collection[str]) -> ValueError:
    """The error for ``--patience.foo``, or ``--data.length``: an option with no others after a point."""
    said = f"--{option} has no option .{nested}"
    if option == "data":
        from pyrogen.data.named import settings_of

        name, accepted = str(value).partition("(")[0], settings_of(str(value))
        if nested in accepted:
            return ValueError(f"the settings of {name} stand in brackets; write --data '{name}({nested}=...)'.")
        said += f", and {name} takes {', '.join(accepted)} in brackets" if accepted else ""
    alone = f"--{nested} is an option by itself" if f"--{nested}" in known else "leave it out"
    return ValueError(f"{said}; {alone}.")


def _names_first(arguments: Sequence[str], axes: Mapping[str, str]) -> list[str]:
    """The arguments with the names of choices before the choices' own options, in whatever order they were typed."""
    names, rest = [], []
    words = iter(arguments)
    for word in words:
        flag, equals, _ = word.partition("=")
        if not flag.startswith("--") or flag.removeprefix("--") not in axes:
            rest.append(word)
        else:
            names += [word] if equals else [word, *itertools.islice(words, 1)]
    return names + rest


def _values(arguments: Sequence[str], flag: str) -> list[str]:
    """What follows a flag, in either spelling."""
    after = [b for a, b in itertools.pairwise(arguments) if a == flag]
    return after + [a.split("=", 1)[1] for a in arguments if a.startswith(f"{flag}=")]


def _lists_of(chosen: Mapping[str, registry.Registration]) -> set[str]:
    """The flags of choices that take lists, ``--critic.hidden``."""
    parameters = {option: inspect.signature(record.load()).parameters for option, record in chosen.items()}
    return {
        f"--{option}.{name}"
        for option, accepted in parameters.items()
        for name, parameter in accepted.items()
        if str(parameter.annotation).startswith("Sequence")
    }


def _with_lists(lists: Collection[str], arguments: Sequence[str], ones: Collection[str] = ()) -> list[str]:
    """The arguments, with lists as people type them (400, or 400,200, or 400 200) put into brackets.

    A single item of the options ``ones``, which take what is no list too, stays one.
    """
    bracketed: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        flag, equals, value = word.partition("=")
        if flag not in lists or value.startswith(("[", "{")):
            bracketed.append(word)
            continue
        items = [value] if equals else []
        while rest and not rest[0].startswith("--") and not equals:
            items.append(rest.pop(0))
        plain = len(items) == 1 and (items[0].startswith(("[", "{")) or (flag in ones and "," not in items[0]))
        bracketed += [flag, items[0] if plain else f"[{','.join(items)}]"] if items else [flag]
    return bracketed


def _with_mappings(mapped: Collection[str], lists: Collection[str], arguments: Sequence[str]) -> list[str]:
    """The arguments, with values by name as people type them put into braces.

    That is ``--epochs codes=60,prior=200``, or ``--epochs.codes 60 --epochs.prior 200``.
    """
    found: dict[str, dict[str, str]] = {}
    rest: list[str] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        option, dot, name = flag.partition(".")
        told = value if equals else words[0] if words and not words[0].startswith("--") else ""
        named = dot or "=" in _unbracketed(told)[0]
        if option not in mapped or not named or told.startswith("{"):
            if option in mapped:
                found.pop(option, None)  # what is said last counts
            rest.append(word)
            continue
        if told and not equals:
            words.pop(0)
        while dot and option in lists and words and not words[0].startswith("--"):
            told += f",{words.pop(0)}"
        values = found.setdefault(option, {})
        for part in [f"{name}={told}"] if dot else _unbracketed(told):
            key, begins, first = part.partition("=")
            key = key.strip() if begins else [*values][-1]
            values[key] = first or "null" if begins else f"{values[key]},{part}"  # of a list
    for option, values in found.items():
        listed = {k: f"[{v}]" if option in lists and not v.startswith("[") else v for k, v in values.items()}
        rest += [option, f"{{{', '.join(f'{json.dumps(k, ensure_ascii=False)}: {v}' for k, v in listed.items())}}}"]
    return rest


def _with_truth(parser: ArgumentParser, arguments: Sequence[str]) -> list[str]:
    """The arguments, with ``true`` after every switch that stands alone."""
    hints = ((action, getattr(action, "_typehint", None) or action.type) for action in parser._actions)
    switches = {o for action, hint in hints if bool in (hint, *typing.get_args(hint)) for o in action.option_strings}
    words: list[str] = []
    for word, after in itertools.zip_longest(arguments, arguments[1:]):
        words.append(word)
        if word in switches and (after is None or after.startswith("--")):
            words.append("true")
    return words


def _called(arguments: Sequence[str], axes: Mapping[str, str]) -> list[str]:
    """The arguments, with choices that are written as in Python, ``ELBO(warmup=5)``, taken apart."""
    found, words = [], iter(arguments)
    for word in words:
        flag, equals, value = word.partition("=")
        option = flag.removeprefix("--")
        if not flag.startswith("--") or option not in axes:
            found.append(word)
        elif equals:
            found += words_of(option, value, axes[option]) if "(" in value else [word]
        else:
            after = next(words, None)
            found += [word] if after is None else words_of(option, after, axes[option])
    return found


def _is_list(hint: Any) -> bool:
    return any(typing.get_origin(part) is list for part in (hint, *typing.get_args(hint)))


def _is_one_too(hint: Any) -> bool:
    return any(one in typing.get_args(hint) for one in (str, int))


def _is_mapping(hint: Any) -> bool:
    return any(typing.get_origin(part) is Mapping for part in typing.get_args(hint))


def _of_a_choice(error: Exception, chosen: Mapping[str, registry.Registration], arguments: Sequence[str]) -> str:
    """What is wrong with the value of a choice's own option; nothing where something else is."""
    nested = re.search(r"NestedArg\(key='(\w+)'", str(error))
    for option, record in chosen.items():
        parameter = nested and inspect.signature(record.load()).parameters.get(nested[1])
        if nested and parameter and (given := _values(arguments, f"--{option}.{nested[1]}")):
            annotation = getattr(parameter.annotation, "__name__", str(parameter.annotation))
            needs = NEEDS.get(annotation, f"another value, as --{option}.help {record.name} says")
            return f"--{option}.{nested[1]} takes {needs}; got {given[-1]!r}."
    return ""


def _sentence(error: Exception) -> str:
    """jsonargparse's message as one sentence."""
    inner = [line.strip()[2:] for line in str(error).splitlines() if line.strip().startswith("- ")]
    own = [line for line in inner if not line.startswith(("Expected a", "Not a", "Problem with"))]
    if extra := re.match(r"[Uu]nrecognized arguments: (.*)", str(error).strip()):
        return f"it takes no further words; got {extra[1]!r}, and every option has a name, as --data digits."
    if own:
        return own[0]  # what the constructor itself said
    if nested := re.search(r"NestedArg\(key='([\w.]+)'", str(error)):
        return f"the option '.{nested[1]}' belongs to a choice that was not named; name the choice before it."
    text = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    if literal := re.search(r"Expected a typing\.Literal\[(.*?)\]\. Got value: (.*)$", text):
        keys = ".".join(re.findall(r'Parser key "([^"]+)"', text))
        return f"--{keys} takes {literal[1].replace(', ', ' or ')}; got {literal[2]!r}."
    key, value = re.search(r'Parser key "([^"]+)"', text), re.search(r".*(?:Given value|Got value): (.*)$", text)
    wanted = list(dict.fromkeys(re.findall(r"(?<=<class ')[\w.]+(?='>)|abc\.Mapping", text.split("Given value")[0])))
    if key and value and wanted:
        # an option that may be left out is given something where it is named
        words = {
            **NEEDS,
            "list": "several, as 8,4",
            "float": "a finite number",
            "abc.Mapping": "one for each stage, as NAME=60,NAME=200",
        }
        names = " or ".join(words.get(w, w) for w in wanted if w not in ("NoneType", "collections.abc.Mapping"))
        return f"--{key[1]} takes {names}; got {value[1]!r}."
    return text


def _plain(hint: Any) -> Any:
    """An annotation as the command line reads it."""
    for part in (hint, *typing.get_args(hint)):
        if typing.get_origin(part) is Sequence:
            items: Any = list[typing.get_args(part)[0]]  # type: ignore[misc]
            accepted = items | Mapping[str, items] if _is_mapping(hint) else items
            for one in (str, int):
                accepted = accepted | one if one in typing.get_args(hint) else accepted
            return accepted | None if type(None) in typing.get_args(hint) else accepted
    if {Path, str} & set(typing.get_args(hint)) and bool not in typing.get_args(hint):
        return str | None if type(None) in typing.get_args(hint) else str
    return hint


def spoken(arguments: Sequence[str]) -> set[str]:
    """The names of the options that were given, ``prior`` for ``--prior.components`` too."""
    return {a.removeprefix("--").split("=", 1)[0].split(".", 1)[0] for a in arguments if a.startswith("--")}


def read_sections(path: str | Path) -> dict[str, dict[str, Any]]:
    """A config file: the sections ``model`` (entry, arguments), ``data`` and ``fit``, as every run writes them.

    Raises:
        ValueError: it is missing, no YAML, has unknown sections, or is of a run that went on from the weights of another.
    """
    try:
        config = plain_yaml.read(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"the config {path} cannot be read: {first_line(error)}") from error
    if not isinstance(config, Mapping):
        raise ValueError(
            f"the config {path} holds no sections; expected model, data and fit, as in a run's config.yaml."
        )
    known = ("model", "data", "fit")
    for name, section in config.items():
        if name not in (*known, "pyrogen", "changes", "made"):
            raise registry.unknown(f"section of {path}", name, known)
        if name in known and not isinstance(section, Mapping):
            raise ValueError(f"the section {name!r} of {path} must be a mapping of names to values.")
    made = config.get("made")
    if isinstance(made, Mapping) and made.get("from_weights"):
        raise ValueError(
            f"{path} is of a run that went on from the saved weights {made['from_weights']}, which no config holds: go on "
            "from them in Python, or take from_weights out of its section 'made' to begin without them."
        )
    return {name: dict(config.get(name) or {}) for name in known}


def value_of(arguments: Sequence[str], flag: str) -> str | None:
    """The last value that a flag was given, in either spelling."""
    values = _values(arguments, flag)
    return values[-1] if values else None


def taken(arguments: Sequence[str], flag: str) -> tuple[list[str], list[str]]:
    """The values of a flag that may be repeated, and the other arguments."""
    values, rest, words = [], [], list(arguments)
    while words:
        word = words.pop(0)
        if word.startswith(f"{flag}="):
            values.append(word.split("=", 1)[1])
        elif word != flag:
            rest.append(word)
        elif words and not words[0].startswith("-"):
            values.append(words.pop(0))
    return values, rest


def axis_values(wish: str) -> tuple[str, list[str]]:
    """``prior=StandardNormal,VampPrior(components=500)`` as an option and its values.

    Raises:
        ValueError: it is written otherwise.
    """
    option, equals, text = wish.partition("=")
    values = [value.strip() for value in _unbracketed(text)]
    if not (equals and option and all(values)):
        raise ValueError(f"--grid takes AXIS=VALUE,VALUE as in --grid prior=StandardNormal,VampPrior; got {wish!r}.")
    return option.replace("-", "_"), values


def words_of(option: str, value: str, axis: str | None) -> list[str]:
    """The arguments that say a value: for ``VampPrior(components=500)`` also ``--prior.components 500``.

    Args:
        option: without dashes.
        value: as typed.
        axis: whose choices these are, which say what ``IWAE(5000)`` calls its number; None of any other value, which stands
            as it is: in brackets data have settings, and in names of files a + adds up nothing.
    """
    if axis is None:
        return [f"--{option}", value]
    outside = _outside(value)
    if set(outside) & set("+*") or outside.count(")") > 1:
        registry.written(axis, value)  # refuses what is no sum, or cannot be added up
        return [f"--{option}", "Sum", f"--{option}.of", value]
    if not (called := re.fullmatch(r"([\w-]+)\((.*)\)", value)):
        return [f"--{option}", value]
    parts = [part.strip() for part in _unbracketed(called[2]) if part.strip()]
    names: list[str] = []
    if not all(re.match(r"\w+\s*=", part) for part in parts):
        names = list(inspect.signature(registry.find(axis, called[1]).load()).parameters)
    words = [f"--{option}", called[1]]
    for part, name in itertools.zip_longest(parts, names[: len(parts)]):
        key, equals, given = part.partition("=")
        words += [f"--{option}.{key.strip()}", given] if equals else [f"--{option}.{name or 'argument'}", part]
    return [word.strip(" '\"") for word in words]


def _unbracketed(text: str) -> list[str]:
    """The parts between the commas that stand in no bracket."""
    ends = [i for i, outside in enumerate(_depths(text)) if outside == 0 and text[i] == ","]
    return [text[a + 1 : b] for a, b in itertools.pairwise([-1, *ends, len(text)])]


def _outside(text: str) -> str:
    """What stands in no bracket."""
    return "".join(character for character, depth in zip(text, _depths(text), strict=True) if depth == 0)


def _depths(text: str) -> list[int]:
    """In how many brackets each character stands."""
    return list(itertools.accumulate((c in "([{") - (c in ")]}") for c in text))
