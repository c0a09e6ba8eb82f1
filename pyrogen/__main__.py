"""``python -m pyrogen``."""

import sys

from pyrogen.command.cli import main

sys.exit(main())
