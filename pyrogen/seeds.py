"""Random numbers that a seed repeats: what a seed may be, and one thread at a time among those that draw."""

from __future__ import annotations

import operator
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

ALONE = threading.RLock()
"""Held by whatever seeds, draws from or runs Pyro's handlers over a state that the process has once.

Torch's global generators, Pyro's stack of handlers and its validation switch belong to the process and not to a thread.
What holds this lock gives the same bits beside other threads as alone: ``fit``, ``log_evidence`` and all that is seeded wait
for one another, and so does building or loading a model. A thread of the user's own that draws by itself (``torch.randn``,
``model.sample``) cannot be kept from it, and changes the numbers of what runs beside it; let it hold this lock too.
"""


def check_seed(seed: Any) -> int:
    """A seed as a whole number that generators and files can hold.

    Raises:
        ValueError: it is no whole number, or has more than 63 bits beside its sign.
    """
    try:
        found = operator.index(seed)
    except TypeError as error:
        raise ValueError(f"seed={seed!r}: needs a whole number.") from error
    if not -(2**63) <= found < 2**63:
        raise ValueError(f"seed={found}: needs a whole number of at most 63 bits, as 0 or 1.")
    return found


def derived(*place: Any, count: int = 1) -> tuple[int, ...]:
    """Seeds of 32 bits for a place in the work: the user's seed, and then which block, and what is drawn there.

    No two places share their random numbers, nor does a place with those that lie within it, (3, 4) with (3, 4, 0).

    Raises:
        ValueError: one of these is no seed, see :func:`check_seed`.
    """
    return tuple(map(int, _sequence(place).generate_state(count)))


def numpy_generator(*place: Any) -> np.random.Generator:
    """NumPy's generator for a place in the work, see :func:`derived`.

    Raises:
        ValueError: as there.
    """
    import numpy as np

    return np.random.default_rng(_sequence(place))


def _sequence(place: tuple[Any, ...]) -> np.random.SeedSequence:
    import numpy as np  # only for who draws: the registry, which lists names, imports this file

    first, *rest = (check_seed(number) % 2**64 for number in place)  # negative seeds are seeds too
    # as a list NumPy would fill it up with zeros: (3, 4) and (3, 4, 0) would be one place
    return np.random.SeedSequence(first, spawn_key=rest)
