"""What a metric measures with an error: a number, of which a proof shows both."""

from __future__ import annotations

from pyrogen.inference.latents.measured import Measured


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

    @classmethod
    def of(cls, measured: Measured) -> WithError:
        """The number and the error of what was measured."""
        return cls(measured.value, measured.error)
