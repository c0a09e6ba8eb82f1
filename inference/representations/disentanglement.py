"""Whether each latent is one factor of the data: five scores, beside those of encoders that have learned nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from pyrogen.arguments import at_least
from pyrogen.base import HasPosterior, Model
from pyrogen.data import Data
from pyrogen.figures import outlier_plots
from pyrogen.inference.latents.analysis import Analysis, Finding, Picture
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.representations.factor_scores import (
    FEWEST,
    SCORES,
    disentanglement,
    mutual_informations,
    varying,
)
from pyrogen.nets import mlp
from pyrogen.registry import choice

CONTROL = (128,)


def random_codes(x: Tensor, latent_size: int, seed: int) -> Tensor:
    """Codes of a network that has learned nothing, ``(N, latent_size)``: the control, which any training must beat."""
    with seeded(seed), torch.no_grad():
        codes: Tensor = mlp(x.shape[1:], CONTROL, (latent_size,)).to(x)(x)
    return codes


def known_factors(data: Data) -> Sequence[str]:
    """The names of the factors of each datum, where y is several labels; none where it is not."""
    y = data.test.y
    if y is None or y.is_floating_point() or y.dim() != 2 or y.shape[1] < 2:
        return ()
    count = y.shape[1]
    return data.class_names if len(data.class_names) == count else [f"factor {i + 1}" for i in range(count)]


@choice("analysis", "disentanglement")
class Disentangled(Analysis):
    """Five scores of how far each latent is one known factor, beside those of encoders that have learned nothing.

    Args:
        limit: test data that are looked at.
        repeats: halvings of them, and random encoders, 2 at least, by which they differ.

    Raises:
        ValueError: fewer repeats.
    """

    title = "Is each latent one factor of the data?"
    order = 65

    def __init__(self, limit: int = 2000, repeats: int = 3) -> None:
        at_least(2, repeats=repeats)
        self.limit, self.repeats = limit, repeats

    def refusal(self, model: Model, data: Data) -> str:
        """Why it cannot be asked."""
        if not isinstance(model, HasPosterior):
            return f"{type(model).__name__} encodes nothing, and factors are looked for in codes."
        if not known_factors(data):
            return (
                f"the factors of {data.name!r} are not known: it needs several labels a datum, y of shape (N, factors)."
            )
        part = data.test.spread(self.limit)
        assert part.y is not None
        if len(part) < FEWEST:
            return f"{len(part)} test data of {data.name!r} are fewer than {FEWEST}, of which one half learns and one judges."
        if varying(part.y.cpu().numpy()).sum() < 2:
            return f"fewer than two factors of {data.name!r} have several values, and which of them a latent holds is asked."
        if model.latent_size < 2:
            return (
                f"latent_size={model.latent_size} is one latent, and which of several holds a factor is what is asked."
            )
        return ""

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Ask it."""
        assert isinstance(model, HasPosterior)
        part = data.test.spread(self.limit).to(model.device)
        assert part.y is not None
        truth, names = part.y.cpu().numpy(), np.array(known_factors(data))
        several = varying(truth)
        with evaluating(model):
            codes = model.code(part.x, model.condition_for(part.y)).flatten(1).cpu()
        known = disentanglement(codes, part.y, repeats=self.repeats, seed=seed)
        controls = xr.concat(
            [
                disentanglement(random_codes(part.x.cpu(), codes.shape[1], seed + i), part.y, repeats=1, seed=seed + i)
                for i in range(self.repeats)
            ],
            "repeat",
        )
        table, own, rival = [["score", "these codes", "random encoders"]], {}, {}
        for name, (title, _) in SCORES.items():
            own[name], rival[name] = _mean_and_error(known[name]), _mean_and_error(controls[name])
            table.append([title, *(f"{m:.3f} ± {e:.3f}" for m, e in (own[name], rival[name]))])
        (mig, error), (chance, spread) = own["mig"], rival["mig"]
        better = mig - chance > 3 * float(np.hypot(error, spread)) and mig > 0.1
        figure = outlier_plots.shares(
            mutual_informations(codes.double().numpy(), truth[:, several]), names[several].tolist()
        )
        left_out = "" if several.all() else f" Left out, for all data have one value: {', '.join(names[~several])}."
        return Finding(
            says=(
                f"The latent that knows most of a factor knows more of it than the next by {mig:.2f} ± {error:.2f} of its "
                f"entropy (MIG; random encoders: {chance:.2f} ± {spread:.2f}).{left_out}"
            ),
            verdict="well" if better else "open",
            advice=""
            if better
            else "To ask for independent latents, train `beta-tc-vae` or `factor-vae`, with several seeds.",
            numbers={
                "scores": {k: {"mean": m, "error": e} for k, (m, e) in own.items()},
                "random_encoders": {k: {"mean": m, "error": e} for k, (m, e) in rival.items()},
                "data": len(part),
            },
            pictures=[
                Picture(
                    "factors",
                    "What each latent knows of each factor, as a fraction of the factor's entropy; one dark cell in every "
                    "row, each in another column, is a latent for each factor.",
                    figure,
                )
            ],
            table=table,
        )


def _mean_and_error(values: xr.DataArray) -> tuple[float, float]:
    """The mean, and the spread over halvings or encoders, which is what another one would differ by."""
    return float(values.mean()), float(values.std(ddof=1)) if values.size > 1 else float("nan")
