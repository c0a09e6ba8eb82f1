"""How models are fitted and judged."""

from pyrogen.inference.adversarial.cycle import CycleConsistency
from pyrogen.inference.adversarial.game import Adversarial
from pyrogen.inference.adversarial.information import Information
from pyrogen.inference.adversarial.losses import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    RelativisticHinge,
    RelativisticLeastSquares,
    Wasserstein,
)
from pyrogen.inference.adversarial.moments import MMD
from pyrogen.inference.adversarial.penalties import R1, R2, Clipping, Consistency, GradientPenalty, LipschitzPenalty
from pyrogen.inference.adversarial.regularization import Orthogonality, PathLength
from pyrogen.inference.adversarial.similarity import LearnedSimilarity
from pyrogen.inference.adversarial.variational import AVB
from pyrogen.inference.adversarial.variety import Variety
from pyrogen.inference.attacks.activation import maximize_activation
from pyrogen.inference.attacks.attack import FastGradient, Noise, ProjectedGradient
from pyrogen.inference.attacks.robustness import robustness
from pyrogen.inference.attacks.training import AdversarialTraining
from pyrogen.inference.evidence.ais import AIS
from pyrogen.inference.evidence.bdmc import BDMC
from pyrogen.inference.evidence.comparison import BiasWarning, compare_evidence
from pyrogen.inference.evidence.diagnosis import Diagnosis, diagnose
from pyrogen.inference.evidence.enumerate import Enumerate
from pyrogen.inference.evidence.estimator import Estimator, Exact, Reconstruction, log_evidence
from pyrogen.inference.evidence.guide_check import check_guide
from pyrogen.inference.evidence.noise import Observed, observe
from pyrogen.inference.evidence.ode import ODE
from pyrogen.inference.evidence.particle_filter import ParticleFilter
from pyrogen.inference.evidence.parzen import KDE
from pyrogen.inference.evidence.smc import SMC
from pyrogen.inference.evidence.summary import Summary, summarize
from pyrogen.inference.evidence.weights import log_weights
from pyrogen.inference.latents.attributes import attribute_effect, attribute_vector, picked
from pyrogen.inference.latents.bayes_rule import classify
from pyrogen.inference.latents.calibration import calibrate
from pyrogen.inference.latents.completion import complete, loo_pit
from pyrogen.inference.latents.conformal import Separation, conformal_p_values, separation
from pyrogen.inference.latents.gaps import gaps
from pyrogen.inference.latents.geometry import Surface, geodesic
from pyrogen.inference.latents.imputation import impute
from pyrogen.inference.latents.inversion import invert
from pyrogen.inference.latents.judging import judge_of
from pyrogen.inference.latents.midpoints import midpoints, three_numbers
from pyrogen.inference.latents.outlier_scores import outlier_scores
from pyrogen.inference.latents.predictive import predictive_check
from pyrogen.inference.latents.regret import likelihood_regret
from pyrogen.inference.latents.rejection import Rejection, rejection
from pyrogen.inference.latents.sampling import sample_posterior
from pyrogen.inference.latents.states import filter_states, forecast, smooth_states
from pyrogen.inference.latents.surgery import surgery
from pyrogen.inference.latents.temperature import sample_at
from pyrogen.inference.latents.walks import draw_latents, interpolate, reconstruct_by_chance, traverse, traverse_plane
from pyrogen.inference.objectives.augmentations import Affine, Corrupted
from pyrogen.inference.objectives.betatc import BetaTC
from pyrogen.inference.objectives.classification import Classification
from pyrogen.inference.objectives.contrastive import ContrastiveDivergence
from pyrogen.inference.objectives.diffusion import DiffusionELBO
from pyrogen.inference.objectives.discrete import VIMCO, ReweightedWakeSleep
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.inference.objectives.enumerated import EnumeratedELBO
from pyrogen.inference.objectives.factor import TotalCorrelation
from pyrogen.inference.objectives.importance import IWAE, DReG, StickingTheLanding
from pyrogen.inference.objectives.infonce import InfoNCE
from pyrogen.inference.objectives.matching import DenoisingScoreMatching, FlowMatching, SlicedScoreMatching
from pyrogen.inference.objectives.penalized import Contractive, SparseActivation
from pyrogen.inference.objectives.persistent import PersistentContrastiveDivergence
from pyrogen.inference.objectives.quantization import VectorQuantization
from pyrogen.inference.objectives.renyi import CUBO, Renyi
from pyrogen.inference.objectives.sums import Sum
from pyrogen.inference.objectives.tasks import Tasks
from pyrogen.inference.objectives.tempering import ParallelTempering
from pyrogen.inference.objectives.thermodynamic import Thermodynamic
from pyrogen.inference.objectives.up_down import UpDown
from pyrogen.inference.objectives.ways import Way
from pyrogen.inference.quality.assess import assess
from pyrogen.inference.quality.quality import Quality
from pyrogen.inference.representations.augmenting import augment
from pyrogen.inference.representations.comparison import compare_representations
from pyrogen.inference.representations.debiasing import debias
from pyrogen.inference.representations.factor_scores import disentanglement
from pyrogen.inference.representations.probed import Probed
from pyrogen.inference.representations.probes import probe
from pyrogen.inference.representations.shares import Shares
from pyrogen.inference.representations.word_vectors import WordVectors, word_vectors
from pyrogen.inference.representations.zero_shot import zero_shot
from pyrogen.inference.runs.bottleneck import bend, bottleneck
from pyrogen.inference.runs.grid import grid
from pyrogen.inference.runs.grid_table import Grid
from pyrogen.inference.runs.probes import probe_runs
from pyrogen.inference.runs.recipe import load_run
from pyrogen.inference.training.fit import fit
from pyrogen.inference.training.run import Run

__all__ = [
    "AIS",
    "AVB",
    "BDMC",
    "CUBO",
    "ELBO",
    "IWAE",
    "KDE",
    "MMD",
    "ODE",
    "R1",
    "R2",
    "SMC",
    "VIMCO",
    "Adversarial",
    "AdversarialTraining",
    "Affine",
    "BetaTC",
    "BiasWarning",
    "Classification",
    "Clipping",
    "Consistency",
    "Contractive",
    "ContrastiveDivergence",
    "Corrupted",
    "CycleConsistency",
    "DReG",
    "DenoisingScoreMatching",
    "Diagnosis",
    "DiffusionELBO",
    "Enumerate",
    "EnumeratedELBO",
    "Estimator",
    "Exact",
    "FastGradient",
    "FlowMatching",
    "GradientPenalty",
    "Grid",
    "Hinge",
    "InfoNCE",
    "Information",
    "LearnedSimilarity",
    "LeastSquares",
    "LipschitzPenalty",
    "Minimax",
    "Noise",
    "NonSaturating",
    "Observed",
    "Orthogonality",
    "ParallelTempering",
    "ParticleFilter",
    "PathLength",
    "PersistentContrastiveDivergence",
    "Probed",
    "ProjectedGradient",
    "Quality",
    "Reconstruction",
    "Rejection",
    "RelativisticAverage",
    "RelativisticHinge",
    "RelativisticLeastSquares",
    "Renyi",
    "ReweightedWakeSleep",
    "Run",
    "Separation",
    "Shares",
    "SlicedScoreMatching",
    "SparseActivation",
    "StickingTheLanding",
    "Sum",
    "Summary",
    "Surface",
    "Tasks",
    "Thermodynamic",
    "TotalCorrelation",
    "UpDown",
    "Variety",
    "VectorQuantization",
    "Wasserstein",
    "Way",
    "WordVectors",
    "assess",
    "attribute_effect",
    "attribute_vector",
    "augment",
    "bend",
    "bottleneck",
    "calibrate",
    "check_guide",
    "classify",
    "compare_evidence",
    "compare_representations",
    "complete",
    "conformal_p_values",
    "debias",
    "diagnose",
    "disentanglement",
    "draw_latents",
    "filter_states",
    "fit",
    "forecast",
    "gaps",
    "geodesic",
    "grid",
    "impute",
    "interpolate",
    "invert",
    "judge_of",
    "likelihood_regret",
    "load_run",
    "log_evidence",
    "log_weights",
    "loo_pit",
    "maximize_activation",
    "midpoints",
    "observe",
    "outlier_scores",
    "picked",
    "predictive_check",
    "probe",
    "probe_runs",
    "reconstruct_by_chance",
    "rejection",
    "robustness",
    "sample_at",
    "sample_posterior",
    "separation",
    "smooth_states",
    "summarize",
    "surgery",
    "three_numbers",
    "traverse",
    "traverse_plane",
    "word_vectors",
    "zero_shot",
]
