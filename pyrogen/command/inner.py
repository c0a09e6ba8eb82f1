"""Choices and their settings: what help says of them, and of choices within choices, as the penalty of an objective."""

from __future__ import annotations

import inspect
import itertools
import typing
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyrogen import registry
from pyrogen.command.plain import listed
from pyrogen.command.speech import unmarked


def axis_class(hint: Any) -> Any:
    """The axis class in an annotation such as ``Prior | str | None``, or None."""
    for part in typing.get_args(hint) or (hint,):
        if isinstance(part, type) and hasattr(part, "axes"):
            return part
    return None


def axes_within(record: registry.Registration) -> dict[str, str]:
    """The arguments of a choice that are choices themselves, with their axes: of Adversarial, "penalty" among others."""
    hints = typing.get_type_hints(_constructor(record))
    return {name: base.axes[0] for name, hint in hints.items() if (base := axis_class(hint)) is not None}


def explain(arguments: Sequence[str], axes: Mapping[str, str], chosen: Mapping[str, registry.Registration]) -> None:
    """Where ``--option.help`` or ``--option.inner.help`` is among the arguments, print what it asks for and leave.

    Args:
        arguments: as typed; a name after the flag asks for the settings of one choice, none for all choices in a line each.
        axes: by option.
        chosen: by option, for what is within.

    Raises:
        ValueError: there is no choice of that name.
    """
    for flag, after in itertools.zip_longest(arguments, arguments[1:]):
        if not flag.startswith("--") or not flag.endswith(".help"):
            continue
        option = flag.removeprefix("--").removesuffix(".help")
        outer, _, inner = option.partition(".")
        axis = axes.get(option)
        if inner and outer in axes:
            holders = [chosen[outer]] if outer in chosen else registry.registrations(axes[outer])
            axis = next((found[inner] for record in holders if inner in (found := axes_within(record))), None)
        if axis is not None:
            print(_all_of(option, axis) if after is None or after.startswith("-") else _settings(option, axis, after))
            raise SystemExit(0)


def found(option: str, axis: str, name: str) -> registry.Registration:
    """The choice of that name.

    Raises:
        ValueError: there is none; of one that stands within choices of this axis, how it is written.
    """
    others = [other for other in registry.axes() if other not in (axis, "entry") and name in registry.choices(other)]
    if name not in registry.choices(axis) and others:
        for record in registry.registrations(axis):
            for argument, inner in axes_within(record).items():
                if inner in others:
                    what = f"{'an' if inner[0] in 'aeio' else 'a'} {inner}"
                    raise ValueError(
                        f"{name} is no {axis} but {what}; write --{option} '{record.name}({argument}={name})'."
                    )
    return registry.find(axis, name)


def in_brackets(option: str, nested: str, record: registry.Registration, named: str | None) -> ValueError | None:
    """The error for ``--objective.penalty.weight``, a setting of what stands within a choice; None where nothing does.

    Args:
        option: of the outer choice.
        nested: what follows it.
        record: the outer choice.
        named: which inner one was named, if any.
    """
    inner, _, setting = nested.partition(".")
    axis = axes_within(record).get(inner)
    if axis is None or not setting:
        return None
    owners = [r.name for r in registry.registrations(axis) if setting in inspect.signature(r.load()).parameters]
    if named in registry.choices(axis) and named not in owners:
        accepted = inspect.signature(registry.find(axis, named).load()).parameters
        return registry.unknown(f"setting of {named}", setting, accepted)
    name = named or min(owners, default="NAME")
    return ValueError(
        f"the settings of a choice within {record.name} stand in brackets; write --{option}.{inner} '{name}({setting}=...)'."
    )


def _all_of(option: str, axis: str) -> str:
    records = sorted(registry.registrations(axis), key=lambda record: record.name)
    names = listed((record.name, record.summary) for record in records)
    return "\n".join([f"--{option} takes one of:", names, f"--{option}.help NAME lists the options of one."])


def _settings(option: str, axis: str, name: str) -> str:
    """The help of a choice's settings, from its docstring."""
    from docstring_parser import parse

    record = registry.find(axis, name)
    told, within = parse(inspect.getdoc(record.load()) or ""), axes_within(record)
    helps = {p.arg_name: " ".join((p.description or "").split()) for p in told.params}
    shown = ArgumentParser(usage=SUPPRESS, description=unmarked(f"{name}: {record.summary}"), add_help=False)
    deep = "." in option  # the settings of what stands within a choice are written in brackets
    group = shown.add_argument_group(f"in brackets, as --{option} '{name}(...)'" if deep else "options")
    for key, parameter in inspect.signature(record.load()).parameters.items():
        text = helps.get(key, "").rstrip(".")
        if key in within:
            text += f". One of: {', '.join(registry.choices(within[key]))}"
            text += "" if deep else f"; see --{option}.{key}.help"
        if parameter.default is not parameter.empty:
            default = parameter.default
            text += f" (default: {default if isinstance(default, str) else registry.spelled(default)})"
        flag = key if deep else f"--{option}.{key}"
        group.add_argument(flag, metavar=None if deep else key.upper(), help=unmarked(text).replace("%", "%%"))
    return shown.format_help().strip()


def _constructor(record: registry.Registration) -> Callable[..., Any]:
    """The function with the annotations of a choice's arguments."""
    made = record.load()
    builds: Callable[..., Any] = inspect.getattr_static(made, "__init__") if isinstance(made, type) else made
    return inspect.unwrap(builds)
