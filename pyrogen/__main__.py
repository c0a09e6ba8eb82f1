"""``python -m pyrogen``."""

import sys

from pyrogen.cli import main

sys.exit(main())
