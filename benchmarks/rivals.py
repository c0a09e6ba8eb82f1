"""Other libraries, where they are at hand: nothing of theirs is needed, or installed, by pyrogen.

pip install --no-deps --target FOLDER blackjax jax jaxlib ml-dtypes opt-einsum optax absl-py
pip install --no-deps --target FOLDER numpyro jax jaxlib ml-dtypes opt-einsum multipledispatch tqdm
pip install --no-deps --target FOLDER pythae cloudpickle imageio pydantic pydantic-core annotated-types typing-inspection
PYROGEN_RIVALS=FOLDER python benchmarks/run.py
"""

from __future__ import annotations

import importlib.util
import os
import sys

FOLDER = os.environ.get("PYROGEN_RIVALS")


def installed(name: str) -> bool:
    """Whether a library can be imported, from PYROGEN_RIVALS too."""
    if FOLDER and FOLDER not in sys.path:
        # last, so that what pyrogen itself needs is its own
        sys.path.append(FOLDER)
    return importlib.util.find_spec(name) is not None
