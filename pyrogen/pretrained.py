"""Small weights that come with the package: folders as runs leave them, each with its card, read as runs are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyrogen import registry

FOLDER = Path(__file__).parent / "weights"
CARD = "README.md"  # as hubs show it


def has_weights(name: str) -> bool:
    """Whether weights of an entry come with the package."""
    return Path(name).name == name and (FOLDER / name / "weights.safetensors").is_file()


def pretrained_folder(name: str) -> Path:
    """Where the weights of an entry lie, with the config of their run, its scores and its card.

    Raises:
        ValueError: there is no such entry, or it comes without weights.
    """
    registry.find("entry", name)
    if not has_weights(name):
        raise ValueError(
            f"{name!r} comes without weights; {', '.join(filter(has_weights, registry.list_models()))} have some; train "
            f"{name!r} by pyrogen train {name}, and read the run by pyrogen.load(folder)."
        )
    return FOLDER / name


def load_pretrained(name: str, arguments: Mapping[str, Any]) -> Any:
    """The model of an entry with the weights that come with the package, in evaluation mode.

    Args:
        name: of the entry.
        arguments: what is asked of it, which must be what it was trained with; the rest follows.

    Raises:
        ValueError: there is no such entry, it comes without weights, or was trained with other arguments.
    """
    from pyrogen import storage

    folder = pretrained_folder(name)
    registry.check_arguments(name, arguments)
    trained = storage.read_config(folder)["model"]["arguments"]
    for argument, asked in arguments.items():
        if not _same(argument, asked, trained.get(argument)):
            raise ValueError(
                f"the weights of {name!r} were trained with {argument}={_words(trained.get(argument))}, and "
                f"{argument}={_words(asked)} was asked for; leave {argument} out, or leave pretrained out and train."
            )
    return storage.load(folder)


def _same(argument: str, asked: Any, trained: Any) -> bool:
    """Whether two values of an argument are one, though one be an object and the other its description."""
    asked = registry.describe(asked)
    if asked == trained or argument not in registry.axes() or asked is None or trained is None:
        return bool(asked == trained)
    try:
        return bool(
            registry.describe(registry.make(argument, asked)) == registry.describe(registry.make(argument, trained))
        )
    except (ValueError, TypeError):  # no such choice, or a network of one's own
        return False


def _words(value: Any) -> str:
    value = registry.describe(value)
    if isinstance(value, Mapping):
        own = ", ".join(f"{k}={_words(v)}" for k, v in value.items() if k not in ("name", "own"))
        return f"{value.get('name', value.get('own'))}({own})"
    return f"({', '.join(map(_words, value))}{',' * (len(value) == 1)})" if isinstance(value, list) else repr(value)
