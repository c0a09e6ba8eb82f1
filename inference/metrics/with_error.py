"""What a metric measures with an error: a number, of which a proof shows both."""

from __future__ import annotations


class WithError(float):
    """A number with its standard error; None of what has none, as a count.

    Args:
        value: the number.
        error: its standard error.
    """

    error: float | None

    def __new__(cls, value: float, error: float | None = None) -> WithError:
        """The number and its error."""
        found = super().__new__(cls, value)
        found.error = error
        return found
