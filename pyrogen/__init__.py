"""pyrogen: a probabilistic-programming zoo of deep generative models.

Everything here is imported at first use; ``import pyrogen`` itself does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pyrogen.registry import choice, choices, create, entry, list_models

if TYPE_CHECKING:
    from pyrogen import data, inference, likelihoods, models, nets, posteriors, priors
    from pyrogen.models.vae.vae import vae
    from pyrogen.storage import load

__version__ = "0.1.0"

__all__ = [
    "choice",
    "choices",
    "create",
    "data",
    "entry",
    "inference",
    "likelihoods",
    "list_models",
    "load",
    "models",
    "nets",
    "posteriors",
    "priors",
    "vae",
]

_LAZY = {"load": "pyrogen.storage", "vae": "pyrogen.models.vae.vae"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in __all__:
        return importlib.import_module(f"pyrogen.{name}")
    raise AttributeError(f"module 'pyrogen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
