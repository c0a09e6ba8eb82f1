"""How models are fitted and judged."""

from pyrogen.inference.adversarial.game import Adversarial
from pyrogen.inference.adversarial.losses import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    Wasserstein,
)
from pyrogen.inference.adversarial.penalties import R1, R2, GradientPenalty
from pyrogen.inference.evidence.ais import AIS
from pyrogen.inference.evidence.bdmc import BDMC
from pyrogen.inference.evidence.comparison import BiasWarning, compare_evidence
from pyrogen.inference.evidence.diagnosis import Diagnosis, diagnose
from pyrogen.inference.evidence.enumerate import Enumerate
from pyrogen.inference.evidence.estimator import Estimator, Exact, Reconstruction, log_evidence
from pyrogen.inference.evidence.guide_check import check_guide
from pyrogen.inference.evidence.noise import Observed, observe
from pyrogen.inference.evidence.smc import SMC
from pyrogen.inference.evidence.summary import Summary, summarize
from pyrogen.inference.evidence.weights import log_weights
from pyrogen.inference.latents.sampling import sample_posterior
from pyrogen.inference.objectives.betatc import BetaTC
from pyrogen.inference.objectives.classification import Classification
from pyrogen.inference.objectives.contrastive import ContrastiveDivergence
from pyrogen.inference.objectives.discrete import VIMCO, ReweightedWakeSleep
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.inference.objectives.enumerated import EnumeratedELBO
from pyrogen.inference.objectives.importance import IWAE, DReG, StickingTheLanding
from pyrogen.inference.objectives.renyi import CUBO, Renyi
from pyrogen.inference.objectives.sums import Sum
from pyrogen.inference.objectives.thermodynamic import Thermodynamic
from pyrogen.inference.runs.grid import grid
from pyrogen.inference.runs.grid_table import Grid
from pyrogen.inference.runs.recipe import load_run
from pyrogen.inference.training.fit import fit
from pyrogen.inference.training.run import Run

__all__ = [
    "AIS",
    "BDMC",
    "CUBO",
    "ELBO",
    "IWAE",
    "R1",
    "R2",
    "SMC",
    "VIMCO",
    "Adversarial",
    "BetaTC",
    "BiasWarning",
    "Classification",
    "ContrastiveDivergence",
    "DReG",
    "Diagnosis",
    "Enumerate",
    "EnumeratedELBO",
    "Estimator",
    "Exact",
    "GradientPenalty",
    "Grid",
    "Hinge",
    "LeastSquares",
    "Minimax",
    "NonSaturating",
    "Observed",
    "Reconstruction",
    "RelativisticAverage",
    "Renyi",
    "ReweightedWakeSleep",
    "Run",
    "StickingTheLanding",
    "Sum",
    "Summary",
    "Thermodynamic",
    "Wasserstein",
    "check_guide",
    "compare_evidence",
    "diagnose",
    "fit",
    "grid",
    "load_run",
    "log_evidence",
    "log_weights",
    "observe",
    "sample_posterior",
    "summarize",
]
