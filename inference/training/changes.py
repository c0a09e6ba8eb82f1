"""What may change when a run goes on, and what did."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHANGEABLE = tuple(("fit", key) for key in ("epochs", "lr", "patience", "lr_milestones", "lr_decay"))


def changes(config: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The settings that changed, of those that may, as ``{name: {"was": ..., "now": ...}}``.

    Args:
        config: what the run was begun with.
        now: the same of the run that would go on.
        folder: of the run.

    Raises:
        ValueError: others changed too; the sentence names them.
    """
    changed = [
        f"{section}.{key} was {_value(config, section, key)}, now {_value(now, section, key)}"
        for section in ("model", "data", "fit")
        for key in _keys(config, now, section)
        if _value(config, section, key) != _value(now, section, key) and (section, key) not in CHANGEABLE
    ]
    if changed:
        raise ValueError(
            f"the run in {folder} was begun with other settings ({'; '.join(changed)}); resume with the same, or "
            "choose another folder; only epochs, lr, lr_milestones, lr_decay and patience may change."
        )
    pairs = {key: (_value(config, *where), _value(now, *where)) for where in CHANGEABLE for key in where[1:]}
    return {key: {"was": was, "now": is_now} for key, (was, is_now) in pairs.items() if was != is_now}


def _keys(config: Mapping[str, Any], now: Mapping[str, Any], section: str) -> list[str]:
    both = [c[section] for c in (config, now) if isinstance(c.get(section), dict)]
    return sorted({str(k) for c in both for k in c})


def _value(config: Mapping[str, Any], section: str, key: str) -> Any:
    part = config.get(section)
    return part.get(key) if isinstance(part, dict) else None
