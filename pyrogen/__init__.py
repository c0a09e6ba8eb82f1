"""pyrogen: a probabilistic-programming zoo of deep generative models.

Everything here is imported at first use; ``import pyrogen`` itself does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pyrogen.registry import choice, choices, create, entry, list_models, variant

if TYPE_CHECKING:
    from pyrogen import data, inference, likelihoods, models, nets, posteriors, priors
    from pyrogen.inference import fit, grid, log_evidence
    from pyrogen.inference.latents.sampling import sample_posterior
    from pyrogen.inference.pages.run_report import report
    from pyrogen.inference.runs.analyse import analyse
    from pyrogen.inference.runs.evaluate import evaluate
    from pyrogen.inference.runs.quality import assess_run
    from pyrogen.inference.runs.recipe import load_run
    from pyrogen.inference.sharing.hub import fetch, load_from_hub, save_to_hub
    from pyrogen.models.vae.vae import vae
    from pyrogen.storage import load

__version__ = "0.1.0"

__all__ = [
    "analyse",
    "assess_run",
    "choice",
    "choices",
    "create",
    "data",
    "entry",
    "evaluate",
    "fetch",
    "fit",
    "grid",
    "inference",
    "likelihoods",
    "list_models",
    "load",
    "load_from_hub",
    "load_run",
    "log_evidence",
    "models",
    "nets",
    "posteriors",
    "priors",
    "report",
    "sample_posterior",
    "save_to_hub",
    "vae",
    "variant",
]

_LAZY = {
    "analyse": "pyrogen.inference.runs.analyse",
    "assess_run": "pyrogen.inference.runs.quality",
    "evaluate": "pyrogen.inference.runs.evaluate",
    "fetch": "pyrogen.inference.sharing.hub",
    "fit": "pyrogen.inference.training.fit",
    "grid": "pyrogen.inference.runs.grid",
    "load": "pyrogen.storage",
    "load_from_hub": "pyrogen.inference.sharing.hub",
    "load_run": "pyrogen.inference.runs.recipe",
    "log_evidence": "pyrogen.inference.evidence.estimator",
    "report": "pyrogen.inference.pages.run_report",
    "sample_posterior": "pyrogen.inference.latents.sampling",
    "save_to_hub": "pyrogen.inference.sharing.hub",
    "vae": "pyrogen.models.vae.vae",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in __all__:
        return importlib.import_module(f"pyrogen.{name}")
    raise AttributeError(f"module 'pyrogen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
