"""What the model believes of single data, and whether its encoder says the same."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass

import numpy as np
import xarray as xr

from pyrogen.base import Model, Pair
from pyrogen.data import Data
from pyrogen.figures.posterior_plots import beliefs
from pyrogen.inference.evidence.latent_space import latent_spaces
from pyrogen.inference.evidence.weights import DATA_BLOCK
from pyrogen.inference.latents.analysis import Analysis, Finding, Picture, Verdict, by_trying
from pyrogen.inference.latents.mixing import MET, MixingWarning
from pyrogen.inference.latents.sampling import sample_posterior
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.programs.record import has_density, record
from pyrogen.registry import choice

FAR, NARROW, WIDE = 1.0, 0.7, 1.4  # encoder sds of shift, and ratios of its sds to the exact ones, that mislead


def disagreement(tree: xr.DataTree) -> xr.Dataset:
    """How far the encoder's draws are from the exact ones, in every latent of every datum.

    Args:
        tree: of :func:`sample_posterior`.

    Returns:
        Over ``(datum, latent)``: ``shift``, the encoder's mean less the exact one in sds of the encoder, and ``ratio`` of the
        encoder's sd to the exact one, each with its Monte-Carlo error ``shift_se``, ``ratio_se`` from the effective sample
        size of that datum; of latents with several sites, all of them side by side. Draws of lost chains are left out.
    """
    exact, encoder = _beside(tree)
    chains = tree["diagnostics"].to_dataset()
    ess, tail = chains["ess_bulk"].values[:, None], chains["ess_tail"].values[:, None]
    independent = encoder.shape[0]
    kept = np.ma.masked_invalid(exact)
    middle, width = (moment.filled(np.nan) for moment in (kept.mean(0), kept.std(0)))
    own = encoder.std(0)
    ratio = own / width
    found = {
        "shift": (encoder.mean(0) - middle) / own,
        "shift_se": np.sqrt(1 / (ratio**2 * ess) + 1 / independent),
        "ratio": ratio,
        "ratio_se": ratio * np.sqrt(0.5 / np.minimum(ess, tail) + 0.5 / independent),
    }
    return xr.Dataset({k: (("datum", "latent"), v) for k, v in found.items()})


def _beside(tree: xr.DataTree) -> tuple[np.ndarray, np.ndarray]:
    """The continuous latents of all sites, exact and of the encoder, ``(draw, datum, latent)``."""
    groups = tree["posterior"].to_dataset(), tree["posterior_q"].to_dataset()
    names = [name for name in groups[0].data_vars if name not in json.loads(tree.attrs["discrete"])]
    exact, encoder = (np.concatenate([_flat(draws[name].values) for name in names], 2) for draws in groups)
    return exact, encoder


def _flat(draws: np.ndarray) -> np.ndarray:
    """``(chain, draw, datum, ...)`` as ``(draw, datum, latent)`` in float64."""
    return draws.reshape(-1, draws.shape[2], int(np.prod(draws.shape[3:]))).astype(np.float64)


@choice("analysis", "posterior")
@dataclass
class SingleData(Analysis):
    """The exact posteriors of some test data, beside the encoder's.

    Args:
        count: test data.
        draws: of each of four chains.
        warm_up: transitions before them.
    """

    title = "What the model believes of single data"
    order = 20

    count: int = 6
    draws: int = 400
    warm_up: int = 200

    @by_trying
    def refusal(self, model: Model, data: Data) -> str:
        """No latents, or none that can be sampled, or an encoder that is a point."""
        some = data.test.take(min(DATA_BLOCK, len(data.test)))
        x, y = some.x.to(model.device), model.condition_for(some.y)
        y = None if y is None else y.to(model.device)
        with latent_spaces(model, x, y, "prior", 0, guided=True, summed=True) as spaces:
            moving = spaces[0].size
        if not moving or not isinstance(model, Pair):
            return "all latents are discrete: their posterior is summed exactly by sample_posterior, without chains to judge."
        with evaluating(model), seeded(0, x.device):
            if not has_density(record(model.guide, x, y)):
                return "the encoder is a point mass, or known by its draws alone, without a density to be compared."
        return ""

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Sample, compare, and judge."""
        some = data.test.spread(self.count)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MixingWarning)  # it is in the finding
            tree = sample_posterior(model, some, draws=self.draws, warm_up=self.warm_up, seed=seed)
        found, chains = disagreement(tree), tree["diagnostics"].to_dataset()
        shift, ratio = np.abs(found["shift"].values), found["ratio"].values
        cells = [
            # each number with the error of the latent that it is of
            [f"{values[n, k]:.2f} ± {float(error[n, k]):.2f}" for n, k in enumerate(place(values, axis=1))]
            for values, error, place in (
                (shift, found["shift_se"].values, np.argmax),
                (ratio, found["ratio_se"].values, np.argmin),
                (ratio, found["ratio_se"].values, np.argmax),
            )
        ]
        r_hat = chains["r_hat"].values
        heads = ("datum", "largest shift (sds)", "least sd ratio", "largest sd ratio", "R̂", "bulk ESS", "tail ESS")
        rows = [
            (
                str(n),
                *(column[n] for column in cells),
                f"{r_hat[n]:.3f}",
                f"{float(chains['ess_bulk'][n]):.0f}",
                f"{float(chains['ess_tail'][n]):.0f}",
            )
            for n in range(len(r_hat))
        ]
        verdict, says, advice = self._judge(tree, found)
        numbers = {str(k): v.values.tolist() for k, v in {**found.data_vars, **chains.data_vars}.items()}
        return Finding(says, verdict, advice, numbers, self._pictures(tree), [heads, *rows])

    def _judge(self, tree: xr.DataTree, found: xr.Dataset) -> tuple[Verdict, str, str]:
        chains = tree["diagnostics"].to_dataset()
        # a datum with a lost chain is judged by those that moved
        joined: np.ndarray = chains["r_hat"].values <= MET
        shift, ratio = found["shift"].values[joined], found["ratio"].values[joined]
        if not joined.any():
            return "open", f"The chains of none of {len(joined)} data have met: {tree.attrs['beware']}.", SLOWER
        off = (abs(shift) - 3 * found["shift_se"].values[joined] > FAR) | (
            (ratio + 3 * found["ratio_se"].values[joined] < NARROW)
            | (ratio - 3 * found["ratio_se"].values[joined] > WIDE)
        )
        error = float(np.sqrt((found["shift_se"].values[joined] ** 2).mean()))
        says = (
            f"Of {len(joined)} test data the chains of {joined.sum()} have met (R̂ ≤ {MET}). There the encoder's means are "
            f"{np.sqrt((shift**2).mean()):.2f} ± {error:.2f} of its sds from the exact ones (root mean square), and its sds "
            f"{np.median(ratio):.2f} times the exact ones ({ratio.min():.2f} to {ratio.max():.2f})."
        )
        if off.any():
            worst = int(off.any(1).sum())
            more = f" {worst} of {joined.sum()} data have a latent that is off by more than {FAR:g} sd, or an sd off by 30 %."
            return "beware", says + more, "take draws of `sample_posterior(run, x)` where a single datum matters"
        beware = tree.attrs["beware"]
        return ("open", f"{says} But {beware}.", SLOWER) if beware else ("well", says, "")

    def _pictures(self, tree: xr.DataTree) -> list[Picture]:
        exact, encoder = (draws.swapaxes(0, 1) for draws in _beside(tree))
        met = [n for n in range(len(exact)) if np.isfinite(exact[n]).all()][:6]
        if not met:
            return []
        caption = (
            "Draws of the exact posterior and of the encoder for each test datum, in the two directions in which they vary "
            "most, in units of the exact sds; ellipses hold two sds. A good encoder's lies on the exact one."
        )
        figure = beliefs(exact[met], encoder[met], [f"datum {n}" for n in met])
        return [Picture("single-data", caption, figure)]


SLOWER = "ask `sample_posterior` for more draws, or for temperatures=8"
