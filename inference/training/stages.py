"""What a run is told of its stages: one value for all of them, or one for each by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyrogen.base import Stage

BY_STAGE = ("epochs", "lr", "batch_size", "lr_milestones")


def each(told: Any) -> list[Any]:
    """The values of a setting, whatever stages they are for."""
    return list(told.values()) if isinstance(told, Mapping) else [told]


def shared(told: Any) -> Any:
    """The one value that all stages share; of several, what was told."""
    first, *others = each(told)
    return first if all(value == first for value in others) else told


def by_stage(setting: str, told: Any, stages: Sequence[Stage], usual: bool = False) -> dict[str, Any]:
    """The value of a setting in each stage: what is said of the stage, or else its own, or else what is said of all.

    No epochs at all leave those of its own to no stage either.

    Args:
        setting: one of ``BY_STAGE``.
        told: one value, or a mapping of names of stages.
        stages: of the run.
        usual: whether the recipe says it, which knows the stages of the entry as it comes; with a prior or an objective of
            other ones, those that it does not know take what it says of its first.

    Raises:
        ValueError: it names a stage that there is not, or leaves one out; or two stages have one name.
    """
    names = [stage.name for stage in stages]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"two stages of this model are called {twice[0]!r}; give each a name of its own.")
    own = {stage.name: value for stage in stages if (value := getattr(stage, setting, None)) is not None}
    if not isinstance(told, Mapping):
        return dict.fromkeys(names, told) | ({} if setting == "epochs" and told == 0 else own)
    if usual:
        return dict.fromkeys(names, next(iter(told.values()))) | own | {k: v for k, v in told.items() if k in names}
    there = f"this model is trained in the stages {', '.join(map(repr, names))}"
    if foreign := [name for name in told if name not in names]:
        raise ValueError(f"{setting}={dict(told)}: there is no stage {foreign[0]!r}; {there}.")
    said = {**(dict.fromkeys(names) if setting == "lr" else {}), **own, **told}
    if missing := [name for name in names if name not in said]:
        raise ValueError(
            f"{setting}={dict(told)} says nothing of the stage {missing[0]!r}; {there}: name each of them, or say one value "
            "for all."
        )
    return {name: said[name] for name in names}


def written(setting: str, values: Mapping[str, Any]) -> Any:
    """The values of a setting as a run writes them down: one where all stages share it, but epochs are counted by stage."""
    if setting == "epochs" and len(values) > 1:
        return dict(values)
    # a stage without a learning rate has those of its players
    return told if not isinstance(told := shared(values), Mapping) else {k: v for k, v in told.items() if v is not None}


def of_stage(told: Any, name: str) -> Any:
    """What such a setting is in a stage."""
    return told.get(name) if isinstance(told, Mapping) else told
