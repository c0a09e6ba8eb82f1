"""Named data sets that say what their values are: :func:`load` one by name, or from a ``.npz`` file."""

from pyrogen.data.dataset import Data, Split, View, load

__all__ = ["Data", "Split", "View", "load"]
