"""What a fit may be asked for, whatever the data are."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from pyrogen.inference.training.stages import each
from pyrogen.inference.training.trainer import PRECISIONS
from pyrogen.seeds import check_seed


def refuse_meaningless(given: Mapping[str, Any]) -> None:
    """Refuse settings of :func:`~pyrogen.inference.fit` that mean nothing; None, or left out, is a default.

    Raises:
        ValueError: the sentence names the setting, and what it may be.
    """
    said = {k: v for k, v in given.items() if v is not None}
    validate, folder, patience = said.get("validate", True), said.get("folder"), said.get("patience")
    resume, overwrite, tensorboard = (said.get(k, False) for k in ("resume", "overwrite", "tensorboard"))
    check_seed(said.get("seed", 0))
    if not (clip := said.get("clip_gradients", 1)) > 0:
        raise ValueError(f"clip_gradients={clip}: the largest norm must be positive, or None.")
    epochs, batch_size, lr = (said.get(k, 1) for k in ("epochs", "batch_size", "lr"))
    if min(each(epochs)) < 0:
        raise ValueError(f"epochs={epochs}: needs epochs >= 0.")
    if min(each(batch_size)) < 1:
        raise ValueError(f"batch_size={batch_size}: needs batch_size >= 1.")
    if min(each(lr)) <= 0:
        raise ValueError(f"lr={lr}: needs lr > 0.")
    if (precision := said.get("precision", "32")) not in PRECISIONS:
        raise ValueError(f"precision={precision!r}: choose '32' or 'bf16'.")
    if not 0 < (ema := said.get("ema", 0.5)) < 1:
        raise ValueError(f"ema={ema}: the decay must lie between 0 and 1, as 0.999 does.")
    if patience is not None and (patience < 1 or not validate):
        raise ValueError(f"patience={patience}, validate={validate}: patience counts epochs of validation, 1 or more.")
    if not (seconds := said.get("checkpoint_seconds", 30)) >= 0:
        raise ValueError(f"checkpoint_seconds={seconds}: needs 0 or more.")
    for milestones in each(said.get("lr_milestones", ())):
        _refuse_schedule(milestones, said.get("lr_decay", 0.1))
    if (recorded := said.get("compile", "auto")) not in ("auto", True, False):
        raise ValueError(f"compile={recorded!r}: choose 'auto', True or False.")
    if resume and overwrite:
        raise ValueError("resume=True goes on with a run and overwrite=True replaces it; choose one.")
    if folder is None and (resume or tensorboard):
        raise ValueError(
            f"{'resume' if resume else 'tensorboard'}=True needs the folder of a run; name one by folder=..."
        )
    if folder is not None and Path(folder).exists() and not Path(folder).is_dir():
        raise ValueError(f"{folder} is a file; name a folder for the run.")
    if tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ValueError("tensorboard=True needs the package tensorboard: pip install tensorboard.")


def _refuse_schedule(milestones: Sequence[int], decay: float) -> None:
    if not all(a < b for a, b in pairwise((1, *milestones))):
        raise ValueError(f"lr_milestones={list(milestones)}: needs epochs from 2 on, each later than the one before.")
    if not 0 < decay <= 1:
        raise ValueError(f"lr_decay={decay}: the factor must lie between 0 and 1, as 0.1 does.")
