"""Named data sets that say what their values are: :func:`load` one by name, or from a file or folder of one's own."""

from pyrogen.data.dataset import Data, load
from pyrogen.data.split import Split
from pyrogen.data.view import View

__all__ = ["Data", "Split", "View", "load"]
