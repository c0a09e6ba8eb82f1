"""What to do where memory does not suffice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from pyrogen.files import first_line

# how torch's allocators say so where they raise a plain RuntimeError
SAID = ("not enough memory", "out of memory", "DefaultCPUAllocator", "Storage size calculation overflowed")


class NotEnoughMemory(MemoryError):
    """There was not enough memory, and a sentence says what to lower."""


@contextmanager
def enough_memory(advice: str, stands: Callable[[], str] = str) -> Iterator[None]:
    """Turn any lack of memory inside, of this machine or of its accelerator, into one sentence.

    Args:
        advice: what to lower, as "lower --chunk_size".
        stands: says what is left of the work, where that depends on how far it came.

    Raises:
        NotEnoughMemory: there was not enough memory.
    """
    try:
        yield
    except NotEnoughMemory:  # said already
        raise
    except (MemoryError, RuntimeError) as error:
        if not is_lack(error):
            raise
        raise NotEnoughMemory(f"there is not enough memory ({first_line(error)}); {advice}{stands()}.") from error


def is_lack(error: Exception) -> bool:
    """Whether an error says that there was not enough memory."""
    lacking = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    return lacking or (isinstance(error, RuntimeError) and any(said in str(error) for said in SAID))
