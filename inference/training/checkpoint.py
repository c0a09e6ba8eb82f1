"""What makes a run unbreakable: checkpoints that are whole, one process a folder, and stops that lose nothing."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import filelock
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from pyrogen import storage
from pyrogen.files import first_line, message, write

CHECKPOINT = storage.CHECKPOINT
LOCK = ".lock"
FACTS = "facts"  # what is no tensor, as bytes of JSON


class Stopped(KeyboardInterrupt):
    """A run was stopped by a signal, after its checkpoint was written."""


def save(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and plain facts as one file, whole at any moment."""
    flat = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    # as a tensor, for the history grows, and a file of safetensors has 100 MB for all that is no tensor
    flat[FACTS] = torch.frombuffer(bytearray(json.dumps(facts).encode()), dtype=torch.uint8)
    write(path, safetensors.torch.save(flat))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of a checkpoint.

    Raises:
        ValueError: it is damaged, or an older pyrogen wrote it.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
        facts = json.loads(tensors.pop(FACTS).numpy().tobytes()) if FACTS in tensors else None
    except (OSError, safetensors.SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        reason = first_line(error)
        raise ValueError(f"{path} is damaged ({reason}); start anew with overwrite=True.") from error
    if not isinstance(facts, dict) or not isinstance(facts.get("history"), list):
        raise ValueError(
            f"{path} is of another version of pyrogen, or damaged: it does not say where the run stands; start anew with "
            "overwrite=True."
        )
    return tensors, facts


def stands(folder: Path | None) -> str:
    """What a run that broke off can still be used for, as the end of a sentence; "" where nothing is left of it."""
    if folder is None or not (folder / CHECKPOINT).exists():
        return ""
    return (
        f", in a folder of its own; what was trained stands in {folder}, where it can be evaluated, and goes on by "
        "resume=True where there is more memory"
    )


@contextmanager
def owned(folder: Path | None) -> Iterator[None]:
    """Hold a run's folder: no other process may train into it. The lock falls with the process that holds it.

    Raises:
        ValueError: another process is training into the folder, or it cannot be made, or not written to.
    """
    if folder is None:
        yield
        return
    lock = filelock.FileLock(folder / LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout as error:
        raise ValueError(
            f"another process is training into {folder}; wait for it, or choose another folder."
        ) from error
    except OSError as error:
        raise ValueError(f"a run's folder cannot be made here ({message(error)}); choose another.") from error
    try:
        for leftover in folder.glob(".*.part"):  # of writes that a kill cut off
            leftover.unlink()
        yield
    finally:
        lock.release()  # the file stays: to delete it would let two newcomers hold two files of that name


class Stops:
    """Ctrl-C and SIGTERM as a wish that the loop hears at the end of a step; a second one stops at once."""

    def __init__(self) -> None:
        self.wished = False

    @contextmanager
    def heard(self) -> Iterator[Stops]:
        """Listen inside; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        # None is the handler of a program around this Python, which could not be put back
        ours = [s for s in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(s) is not None]
        before = {s: signal.signal(s, self._wish) for s in ours}
        try:
            yield self
        finally:
            for s, handler in before.items():
                signal.signal(s, handler)

    def _wish(self, number: int, frame: FrameType | None) -> None:
        if self.wished:
            raise KeyboardInterrupt
        self.wished = True
