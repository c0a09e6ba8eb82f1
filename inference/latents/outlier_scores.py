"""How strange a datum is to a model, by several scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from pyrogen.base import HasLogProb, HasPosterior, Model, Pair
from pyrogen.data import Split
from pyrogen.inference.evidence.estimator import Estimator, log_evidence
from pyrogen.inference.evidence.weights import check_weighable
from pyrogen.inference.latents.analysis import by_trying
from pyrogen.inference.latents.joint import placed
from pyrogen.inference.latents.regret import likelihood_regret
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.inference.programs.door import verb
from pyrogen.registry import unknown
from pyrogen.seeds import check_seed

SCORES = ("low evidence", "typicality", "likelihood regret", "code distance")


@verb
def outlier_scores(
    model: Model,
    x: Split | Tensor,
    reference: Split | Tensor,
    scores: Sequence[str] | None = None,
    estimator: Estimator | str | Mapping[str, Any] | None = None,
    regret: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """How strange each datum is to a model, by several scores, of which larger ones are stranger.

    =====================  =============================================================================================
    ``low evidence``       −log p(x). Known to fail: data that are simpler than those of the training get more density
                           than any of these (Nalisnick et al. 2019, arXiv:1810.09136)
    ``typicality``         |log p(x) − mean log p|, both-sided: what is too probable is strange too (Nalisnick et al. 2019,
                           arXiv:1906.02994, for single data); its error leaves out that of the mean, which all share
    ``likelihood regret``  max_q ELBO(x; q) − ELBO(x; q(·|x)), see :func:`likelihood_regret`
    ``code distance``      (z − m)ᵀ S⁻¹ (z − m), z the code of x, m and S the mean and covariance of the reference's codes
                           (Lee et al. 2018, arXiv:1807.03888, without its classes)
    =====================  =============================================================================================

    log p(x) is of x as the model reads it, without the Jacobian of standardized data, which is a constant. None
    of the scores is a probability: :func:`conformal_p_values` makes one of any score, given the scores of data that took no
    part in training nor in ``reference``.

    Args:
        model: trained.
        x: data to judge; those of a conditional model as a split with their y.
        reference: data as the model knows them, which give mean log p, m and S: those of the training, or, where it knows
            these better than new ones, a part that was kept.
        scores: which ones; by default all that the model has the means for.
        estimator: of log p(x); by default exact where the model has a log_prob, else IWAE(100).
        regret: settings of :func:`likelihood_regret`.
        seed: of all draws.

    Returns:
        ``score`` and its Monte-Carlo error ``mc_se``, over ``score_name`` and ``datum``; the attribute ``left_out`` says
        which scores the model has not the means for, and why.

    Raises:
        ValueError: data that do not fit, no seed, or a score that was asked for and that the model has not the means for.
    """
    return Scorer(model, reference, estimator, regret, seed)(x, scores)


class Scorer:
    """The scores of one model and reference, of any data: what the reference is asked, it is asked once.

    Arguments as of :func:`outlier_scores`.

    Raises:
        ValueError: a reference that does not fit, or no seed.
    """

    def __init__(
        self,
        model: Model,
        reference: Split | Tensor,
        estimator: Estimator | str | Mapping[str, Any] | None = None,
        regret: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        check_seed(seed)  # or each score would be left out for it
        usual: Any = None if isinstance(model, HasLogProb) else {"name": "IWAE", "k": 100}
        self.model, self.seed, self.regret = model, seed, regret or {}
        self.estimator = usual if estimator is None else estimator
        self.reference = placed(model, reference)

    def __call__(self, x: Split | Tensor, scores: Sequence[str] | None = None) -> xr.Dataset:
        """The scores of data, as :func:`outlier_scores` returns them.

        Raises:
            ValueError: as there.
        """
        for name in scores or ():
            if name not in SCORES:
                raise unknown("score", name, SCORES)
        data, y = placed(self.model, x)
        evidence = cache(lambda: self._log_p(data, y))
        found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        left_out: dict[str, list[str]] = {}  # by reason: that there is no log p(x) leaves out two
        for name in scores or SCORES:
            try:
                found[name] = self._score(name, data, y, evidence)
            except ValueError as error:
                if scores is not None:
                    raise
                left_out.setdefault(str(error), []).append(name)
        reasons = " ".join(f"{' and '.join(names)}: {why}" for why, names in left_out.items())
        if not found:
            raise ValueError(f"{type(self.model).__name__} has no score of outliers: {reasons}")
        values, errors = (np.stack(parts) for parts in zip(*found.values(), strict=True))
        return xr.Dataset(
            {"score": (("score_name", "datum"), values), "mc_se": (("score_name", "datum"), errors)},
            coords={"score_name": list(found)},
            attrs={"left_out": reasons, "seed": self.seed},
        )

    def _score(
        self, name: str, x: Tensor, y: Tensor | None, evidence: Callable[[], tuple[np.ndarray, np.ndarray]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores of data and their errors, each ``(N,)``."""
        if name == "likelihood regret":
            if not isinstance(self.model, Pair):
                raise ValueError(f"{type(self.model).__name__} is no pair, so that it has no q(z|x) to optimize.")
            regret = likelihood_regret(self.model, x, y, **{"seed": self.seed, **self.regret})
            return regret["regret"].values, regret["mc_se"].values
        if name == "code distance":
            distance = self._distance(x, y)
            return distance, np.zeros_like(distance)
        log_p, error = evidence()
        return (-log_p if name == "low evidence" else np.abs(log_p - self._typical)), error

    def _log_p(self, x: Tensor, y: Tensor | None) -> tuple[np.ndarray, np.ndarray]:
        found = log_evidence(self.model, x, self.estimator, seed=self.seed, y=y)
        return found["log_evidence"].values, found["mc_se"].values

    @cached_property
    def _typical(self) -> float:
        """Mean log p of the reference."""
        return float(self._log_p(*self.reference)[0].mean())

    @cached_property
    def _codes(self) -> tuple[Tensor, Tensor]:
        """Mean and covariance of the reference's codes."""
        own = self._encoded(*self.reference)
        covariance = torch.atleast_2d(torch.cov(own.T))
        # codes of no variance at all, as idle point masses have, are a distance of their own units
        ridge = 1e-6 * covariance.diagonal().mean().clamp_min(1e-12)
        return own.mean(0), covariance + ridge * torch.eye(len(covariance))

    def _encoded(self, x: Tensor, y: Tensor | None) -> Tensor:
        if not isinstance(self.model, HasPosterior):
            raise ValueError(
                f"{type(self.model).__name__} encodes nothing, so that there are no codes to be far apart."
            )
        with evaluating(self.model):
            return self.model.code(x, y).flatten(1).double().cpu()

    def _distance(self, x: Tensor, y: Tensor | None) -> np.ndarray:
        codes = self._encoded(x, y)
        centre, covariance = self._codes
        away = codes - centre
        distance: np.ndarray = (away * torch.linalg.solve(covariance, away.T).T).sum(1).numpy()
        return distance


@by_trying
def unweighable(model: Model, split: Split) -> str:
    """Why there is no log p(x) to estimate for a model, in a sentence; "" where there is."""
    if not isinstance(model, Pair):
        return ""
    some = split.take(min(2, len(split)))
    check_weighable(model, *placed(model, some))
    return ""
