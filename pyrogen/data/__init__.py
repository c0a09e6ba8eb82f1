"""Named data sets that say what their values are: :func:`load` one by name, from one's own files, or :func:`from_arrays`."""

from pyrogen.data.dataset import Data, load
from pyrogen.data.memory import from_arrays
from pyrogen.data.split import Split
from pyrogen.data.view import View

__all__ = ["Data", "Split", "View", "from_arrays", "load"]
