"""Whether chains of a datum have met, and how much their draws are worth."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import xarray as xr

MET = 1.01  # the largest R̂ of chains that have
APART = 1.1  # above it more draws alone do not help
AWAY = 1.5  # times as far from the middle of all draws as the furthest of them: a place that none of them is near
NAMED = 8


class MixingWarning(UserWarning):
    """The chains of some data are no sample of p(z|x)."""


def diagnose_chains(
    coordinates: np.ndarray,
    energy: np.ndarray,
    diverging: np.ndarray,
    lost: np.ndarray,
    starts: np.ndarray | None = None,
) -> xr.Dataset:
    """The diagnostics of each datum: the worst over its coordinates, of the chains that moved at all.

    R̂ is that of split, rank-normalized and folded chains, and ESS that of the bulk and of the 5 % and 95 % quantiles, of
    Vehtari, Gelman, Simpson, Carpenter & Bürkner 2021, arXiv:1903.08008; E-BFMI of Betancourt 2016, arXiv:1604.00695, the
    least over chains.

    Args:
        coordinates: ``(chain, draw, datum, coordinate)``.
        energy: ``(chain, draw, datum)``.
        diverging: ``(chain, draw, datum)``.
        lost: chains that never moved, ``(chain, datum)``.
        starts: places of p(z|x) where chains started, on the first coordinates, ``(chain, datum, size)``; nan where a chain
            started elsewhere.

    Returns:
        Over ``datum``: ``r_hat``, ``ess_bulk``, ``ess_tail``, ``bfmi``, ``divergences`` (share of transitions), ``lost``
        (number of chains), ``deserted`` (number of starts that no draw is near, as of chains that left a mode in the warm-up
        and did not come back); nan where fewer than two chains are left.
    """
    rows = [_of_one(coordinates[~lost[:, n], :, n], energy[~lost[:, n], :, n]) for n in range(coordinates.shape[2])]
    found = dict(zip(("r_hat", "ess_bulk", "ess_tail", "bfmi"), np.array(rows).T, strict=True))
    found |= {"divergences": diverging.mean((0, 1)), "lost": lost.sum(0)}
    if starts is not None:
        size = starts.shape[-1]
        found["deserted"] = np.array(
            [_deserted(starts[:, n], coordinates[~lost[:, n], :, n, :size]) for n in range(len(rows))]
        )
    return xr.Dataset({k: ("datum", v) for k, v in found.items()}, coords={"datum": np.arange(len(rows))})


def _of_one(z: np.ndarray, energy: np.ndarray) -> tuple[float, float, float, float]:
    # 1.7 s of import that only samplers pay for
    from arviz_stats.base import array_stats

    if len(z) < 2:
        return (np.nan,) * 4
    moving = z[..., z.reshape(-1, z.shape[-1]).std(0) > 0]  # a discrete latent that is certain has nothing to mix
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bfmi = float(np.min(array_stats.bfmi(energy)))
        if not moving.shape[-1]:
            return 1.0, float(z[..., 0].size), float(z[..., 0].size), bfmi
        axes = {"chain_axis": 0, "draw_axis": 1}
        r_hat = array_stats.rhat(moving, **axes)
        bulk = array_stats.ess(moving, method="bulk", **axes)
        tail = array_stats.ess(moving, method="tail", prob=(0.05, 0.95), **axes)
    # chains that all stand still in one coordinate, each elsewhere, have an infinite R̂, which is no number to NumPy's maximum
    return float(np.max(r_hat)), float(np.min(bulk)), float(np.min(tail)), bfmi


def _deserted(starts: np.ndarray, draws: np.ndarray) -> int:
    """How many starts ``(chain, size)`` lie far outside of draws ``(chain, draw, size)``, by the distances of Mahalanobis.

    These know of no coordinates: a mode is missed whichever way it lies.
    """
    size = draws.shape[-1]
    if draws.size <= size**2:  # too few draws for a covariance, or no coordinates
        return 0
    wide = draws.reshape(-1, size).astype(np.float64)
    middle, covariance = wide.mean(0), np.atleast_2d(np.cov(wide.T))
    root = np.linalg.pinv(covariance, hermitian=True)
    furthest, reached = (
        np.einsum("ni,ij,nj->n", away, root, away) for away in (wide - middle, starts.astype(np.float64) - middle)
    )
    return int((reached > AWAY**2 * furthest.max()).sum())


def is_grave(found: xr.Dataset) -> bool:
    """Whether some data's draws are no sample of p(z|x), where at others more draws would help."""
    return bool(((found["lost"] > 0) | (found["r_hat"] > APART)).any())


def in_words(found: xr.Dataset, temperatures: int) -> str:
    """What is wrong with the chains of which data, and what to do; "" where nothing is."""
    r_hat, lost = found["r_hat"].values, found["lost"].values
    gone, some = np.isnan(r_hat), (lost > 0) & ~np.isnan(r_hat)
    apart, slow = r_hat > APART, (r_hat > MET) & (r_hat <= APART)
    total = len(r_hat)
    deserted = found["deserted"].values > 0 if "deserted" in found else np.zeros_like(gone)
    ladder = f"temperatures={2 * temperatures if temperatures > 1 else 8}"
    said = [
        (
            gone,
            "no two chains moved at all: their log density, or its gradient, is no number, and their draws are missing",
        ),
        (some, "some chains never moved, and their draws are missing"),
        (apart, f"the chains have not met, as where modes are separated, so that none weighs the modes; use {ladder}"),
        (
            deserted & ~apart & ~gone,
            f"a chain started at a place of p(z|x) that no draw is near, so that a mode may be missing; use {ladder}",
        ),
        (slow, f"R̂ is above {MET}; take more draws, or a longer warm_up"),
    ]
    return "; ".join(f"of {_listed(np.flatnonzero(which))} among {total} {what}" for which, what in said if which.any())


def _listed(numbers: Sequence[int] | np.ndarray) -> str:
    named = ", ".join(str(n) for n in numbers[:NAMED])
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return f"the data {named}{more}" if len(numbers) > 1 else f"the datum {named}"
