"""How strange a datum is to a model, by several scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from pyrogen.base import HasLogProb, HasPosterior, Model, Pair
from pyrogen.data import Split
from pyrogen.inference.evidence.estimator import Estimator, log_evidence
from pyrogen.inference.evidence.weights import check_weighable
from pyrogen.inference.latents.joint import placed
from pyrogen.inference.latents.regret import likelihood_regret
from pyrogen.inference.programs.contexts import evaluating
from pyrogen.registry import unknown
from pyrogen.seeds import check_seed

SCORES = ("low evidence", "typicality", "likelihood regret", "code distance")


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
    check_seed(seed)  # or each score would be left out for it
    for name in scores or ():
        if name not in SCORES:
            raise unknown("score", name, SCORES)
    (x, y), (known, told_y) = (placed(model, data) for data in (x, reference))
    asker = _Asker(model, known, told_y, estimator, regret or {}, seed)
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    left_out: list[str] = []
    for name in scores or SCORES:
        try:
            found[name] = asker.score(name, x, y)
        except ValueError as error:
            if scores is not None:
                raise
            left_out.append(f"{name}: {error}")
    if not found:
        raise ValueError(f"{type(model).__name__} has no score of outliers: {' '.join(left_out)}")
    values, errors = (np.stack(parts) for parts in zip(*found.values(), strict=True))
    return xr.Dataset(
        {"score": (("score_name", "datum"), values), "mc_se": (("score_name", "datum"), errors)},
        coords={"score_name": list(found)},
        attrs={"left_out": "; ".join(left_out), "seed": seed},
    )


class _Asker:
    """What the scores of all data share: the reference, and what was asked of it."""

    def __init__(
        self,
        model: Model,
        x: Tensor,
        y: Tensor | None,
        estimator: Estimator | str | Mapping[str, Any] | None,
        regret: Mapping[str, Any],
        seed: int,
    ) -> None:
        usual: Any = None if isinstance(model, HasLogProb) else {"name": "IWAE", "k": 100}
        self.model, self.x, self.y, self.seed = model, x, y, seed
        self.estimator, self.regret = usual if estimator is None else estimator, regret
        self._evidence: tuple[np.ndarray, np.ndarray] | None = None

    def score(self, name: str, x: Tensor, y: Tensor | None) -> tuple[np.ndarray, np.ndarray]:
        """Scores of data and their errors, each ``(N,)``."""
        if name == "likelihood regret":
            if not isinstance(self.model, Pair):
                raise ValueError(f"{type(self.model).__name__} is no pair, so that it has no q(z|x) to optimize.")
            regret = likelihood_regret(self.model, x, y, **{"seed": self.seed, **self.regret})
            return regret["regret"].values, regret["mc_se"].values
        if name == "code distance":
            distance = self._distance(x, y)
            return distance, np.zeros_like(distance)
        if self._evidence is None:
            self._evidence = self._log_p(x, y)
        log_p, error = self._evidence
        if name == "low evidence":
            return -log_p, error
        return np.abs(log_p - self._log_p(self.x, self.y)[0].mean()), error

    def _log_p(self, x: Tensor, y: Tensor | None) -> tuple[np.ndarray, np.ndarray]:
        found = log_evidence(self.model, x, self.estimator, seed=self.seed, y=y)
        return found["log_evidence"].values, found["mc_se"].values

    def _distance(self, x: Tensor, y: Tensor | None) -> np.ndarray:
        if not isinstance(self.model, HasPosterior):
            raise ValueError(
                f"{type(self.model).__name__} encodes nothing, so that there are no codes to be far apart."
            )
        with evaluating(self.model):
            codes, own = (self.model.code(*data).flatten(1).double().cpu() for data in ((x, y), (self.x, self.y)))
        centre, covariance = own.mean(0), torch.atleast_2d(torch.cov(own.T))
        # codes of no variance at all, as idle point masses have, are a distance of their own units
        covariance += 1e-6 * covariance.diagonal().mean().clamp_min(1e-12) * torch.eye(len(centre))
        away = codes - centre
        distance: np.ndarray = (away * torch.linalg.solve(covariance, away.T).T).sum(1).numpy()
        return distance


def unweighable(model: Model, split: Split) -> str:
    """Why there is no log p(x) to estimate for a model, in a sentence; "" where there is."""
    if not isinstance(model, Pair):
        return ""
    some = split.take(min(2, len(split)))
    try:
        check_weighable(model, *placed(model, some))
    except ValueError as error:
        return str(error)
    return ""
