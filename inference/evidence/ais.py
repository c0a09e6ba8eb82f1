"""Annealed importance sampling."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from pyrogen.base import HasPartition, Model
from pyrogen.inference.evidence.annealing import (
    FEWEST_CHAINS,
    HALF_PATH,
    PATH,
    Advance,
    AnnealedEstimator,
    Schedule,
    pilot_transitions,
    weighed,
)
from pyrogen.inference.evidence.estimator import Estimates
from pyrogen.inference.evidence.latent_space import Init, LatentSpace
from pyrogen.inference.evidence.partition import Ladder, LogPartition, scored
from pyrogen.inference.evidence.progress import track
from pyrogen.registry import choice

HALF = "log_evidence with half the temperatures; they are too few where the two differ by more than their errors"


@choice("estimator")
@dataclass(frozen=True)
class AIS(AnnealedEstimator):
    """Annealed importance sampling: chains led from the prior, or the guide, to p(x, z) by Hamiltonian Monte Carlo.

    log p(x) ≥ E[log 1/C Σ_c w_c], log w = Σ_t (β_t − β_{t−1}) log (f₁/f₀)(z_{t−1}); z_t from z_{t−1} by a transition that
    leaves f₀^(1 − β_t) f₁^(β_t) unchanged, f₁ = p(x, z), f₀ = p(z) or q(z|x).

    Of an energy model p(x) = f(x) / Z the chains climb from its base to f, once for all data, by its own transitions:
    log Z ≥ E[log Z₀ + log 1/C Σ_c w_c], so that log p(x) = log f(x) − log Z is at most what is told in expectation: an upper
    bound, whose Monte-Carlo error all data share. Where the model is small enough for exact draws, chains also go back from
    them, and ``lower`` and ``upper`` hold it on both sides.

    It needs no good guide: from the prior it scores decoders that were trained by any objective. Beside ``log_evidence`` and
    ``mc_se`` it gives the chains' ``ess``, their mean ``acceptance`` and ``step_size``, and ``half`` with ``half_se``: the
    same by half the temperatures, a check that there are enough of them.

    Should not be confused with :class:`IWAE`, whose draws stay where the guide put them.

    Reference: Neal 2001; for decoders Wu et al. 2017, arXiv:1611.04273; for energies Salakhutdinov & Murray 2008, On the
    quantitative analysis of deep belief networks; backwards Burda, Grosse & Salakhutdinov 2015, arXiv:1412.8566.

    Args:
        temperatures: T; from a good guide a tenth may do, of an energy model ten times as many may be cheap.
        chains: C a datum; of an energy model, C for all.
        init: where chains start, "prior" or "guide"; those of an energy model start at its base.
        schedule: of the temperatures: "even", in strides over which the weights vary alike, as a pilot run finds them;
            "sigmoid", as Wu et al.; or "geometric" for narrow likelihoods, such as a generator's small noise.
        leapfrogs: steps of a trajectory, each with one gradient.
        acceptance: what each datum's step size aims at, in a pilot run of its own.
        doubling: also run with half the temperatures, for half as much again.
    """

    temperatures: int = 1000
    chains: int = 16
    init: Init = "prior"
    schedule: Schedule = "even"
    leapfrogs: int = 10
    acceptance: float = 0.65
    doubling: bool = True

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        self.check(chains=FEWEST_CHAINS, temperatures=2 if self.doubling else 1)

    def bound_of(self, model: Model) -> str | None:
        """Lower; of an energy model upper, and no bound where its log f(x) is a lower one."""
        if isinstance(model, HasPartition):
            return "upper" if model.tight else None
        return self.bound

    def estimate(self, model: Model, x: Tensor, y: Tensor | None, *, chunk_size: int, seed: int) -> Estimates:
        """Of a pair block by block; of an energy model by one log Z for all data.

        Raises:
            ValueError: the model is neither, or chains of an energy model shall start from a guide.
        """
        if not isinstance(model, HasPartition):
            return super().estimate(model, x, y, chunk_size=chunk_size, seed=seed)
        return scored(model, x, self.log_partition(model, seed), seed)

    def log_partition(self, model: HasPartition, seed: int = 0) -> LogPartition:
        """log Z of an energy model.

        Raises:
            ValueError: chains shall start from a guide.
        """
        if self.init != "prior":
            raise ValueError(f"AIS(init={self.init!r}): {type(model).__name__} has no guide; leave init='prior'.")
        ladder = Ladder(model, self.temperatures, self.chains, self.schedule, seed)
        with track(ladder.transitions(self.doubling), type(self).__name__) as advance:
            return ladder.log_partition(self.doubling, advance)

    def transitions(self) -> int:
        """Pilot, path, and the path of half the temperatures."""
        half = self.temperatures // 2 - 1 if self.doubling else 0
        return pilot_transitions(self.temperatures) + self.temperatures - 1 + half

    def block(self, space: LatentSpace, advance: Advance) -> Estimates:
        """The log of the mean weight of the chains, by the whole path and by half of its temperatures."""
        path = self.path(space, advance)
        run = path.from_base(self.chains, PATH)
        found = {**weighed(run.log_weights), **path.dynamics(run)}
        variables: Estimates = {name: (("datum",), value) for name, value in found.items()}
        if self.doubling:
            half = weighed(path.coarser().from_base(self.chains, HALF_PATH).log_weights)
            variables["half"] = ("datum",), half["log_evidence"], {"description": HALF}
            variables["half_se"] = ("datum",), half["mc_se"]
        return variables
