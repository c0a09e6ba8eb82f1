"""YAML as plain data: what is written out, and nothing that a reader would have to expand."""

from __future__ import annotations

from typing import Any

import yaml


class _Plain(yaml.SafeLoader):
    """Refuses a node with an anchor when it is met, before anything repeats it."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if getattr(event, "anchor", None) is not None and not isinstance(event, yaml.AliasEvent):
            raise ValueError(
                f"the YAML anchor &{event.anchor:.20} is not expanded; write the value out where it is meant."
            )
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def read(text: str) -> Any:
    """Numbers, strings, lists and mappings.

    Raises:
        ValueError: it is no YAML, is nested too deep to read, or holds an anchor (``&a``), which few characters can make
            stand for more than a memory holds.
    """
    try:
        return yaml.load(text, _Plain)
    except RecursionError as error:
        raise ValueError("it is nested too deep to be read.") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def refuse_anchors(word: str) -> None:
    """Refuse an argument that is YAML with anchors, or too deep; whatever else it is, is for its option to judge.

    Raises:
        ValueError: see :func:`read`.
    """
    if not set("&[{") & set(word):
        return
    try:
        yaml.load(word, _Plain)
    except RecursionError as error:
        raise ValueError(f"{word[:40]!r}… is nested too deep to be read.") from error
    except yaml.YAMLError:
        return
    except ValueError as error:
        if "anchor" in str(error):
            raise
