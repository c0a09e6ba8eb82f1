"""Draws of p(z|x): chains of all data in one program, beside Pyro's NUTS one datum after the other."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pyro
import torch
from arviz_stats.base import array_stats
from measure import Section
from pyro.infer import MCMC, NUTS
from subjects import SHAPE, digits
from torch import Tensor

import pyrogen
from pyrogen.base import Pair
from pyrogen.inference import fit
from pyrogen.inference.latents.mixing import MET
from pyrogen.inference.latents.sampling import sample_posterior
from pyrogen.inference.programs.contexts import standing_still

DATA, CHAINS, BAR = 16, 8, 10.0
AXES = {"chain_axis": 0, "draw_axis": 1}


class Posteriors:
    """A trained VAE, and the same number of draws of the same data's posteriors by either sampler."""

    def __init__(self, quick: bool) -> None:
        train, epochs = (6400, 2) if quick else (20_000, 6)
        self.draws, self.warm_up = (100, 100) if quick else (400, 200)
        # all sixteen would take NUTS an hour and more: its seconds are those of two, eight times
        self.nuts_data, self.nuts_chains = 2, 2
        torch.manual_seed(0)
        self.model: Pair = pyrogen.create("vae", x_shape=SHAPE, latent_size=20, hidden=(400,))
        data = digits(train, DATA)
        fit(self.model, data, epochs=epochs, batch_size=128, device="cpu", validate=False, progress=False)
        self.x = data.test.x

    def batched(self) -> tuple[float, np.ndarray]:
        """Wall seconds, and draws ``(chain, draw, datum, latent)``: diagnosed, decoded and named, as a user has them."""
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # R̂ is in the table
            found = sample_posterior(self.model, self.x, draws=self.draws, chains=CHAINS, warm_up=self.warm_up)
        return time.perf_counter() - started, found["posterior"]["z"].values

    def nuts(self) -> tuple[float, np.ndarray]:
        """The same of Pyro, without validation; where not all data were sampled, the seconds of all, extrapolated."""
        started = time.perf_counter()
        with standing_still(self.model.parameters()), pyro.validation_enabled(False):
            draws = [
                np.stack([self.chain(self.x[n : n + 1], 100 * n + c) for c in range(self.nuts_chains)])
                for n in range(self.nuts_data)
            ]
        seconds = (time.perf_counter() - started) * DATA / self.nuts_data
        return seconds, np.stack(draws, 2)

    def chain(self, x: Tensor, seed: int) -> np.ndarray:
        pyro.set_rng_seed(seed)
        kernel = NUTS(self.model.model, jit_compile=False)
        chain = MCMC(kernel, self.draws, self.warm_up, disable_progbar=True, disable_validation=True)
        chain.run(x)
        return chain.get_samples()["z"].reshape(self.draws, -1).numpy()


def measure(threads: list[int], quick: bool) -> Section:
    """One run of each; wall time, since a second thread is worth having."""
    posteriors, rows = Posteriors(quick), []
    for n in threads:
        torch.set_num_threads(n)
        speeds = []
        for name, (seconds, z) in {"Pyro's NUTS": posteriors.nuts(), "sample_posterior": posteriors.batched()}.items():
            worst = float(np.min(array_stats.ess(z, method="bulk", **AXES)))
            r_hat = float(np.max(array_stats.rhat(z, **AXES)))
            speeds.append(worst / seconds)
            ratio = speeds[-1] / speeds[0]
            judged = f"≥ {BAR:g}: {'met' if ratio >= BAR and r_hat <= MET else 'MISSED'}" if len(speeds) > 1 else ""
            cells = f"{seconds:.0f}", f"{worst:.0f}", f"{r_hat:.3f}", f"{speeds[-1]:.3g}", f"{ratio:.1f}", judged
            rows.append((str(n), name, *cells))
    measured = (
        "all of them" if posteriors.nuts_data == DATA else f"{posteriors.nuts_data} of them, and its seconds scaled"
    )
    notes = (
        f"Posteriors of {DATA} test images under a VAE 784-400-20 (Bernoulli), {posteriors.draws} draws a chain after "
        f"{posteriors.warm_up} of warm-up, which is counted: {CHAINS} chains a datum side by side; NUTS "
        f"{posteriors.nuts_chains} chains a datum one after the other, of {measured}; no validation, no jit.",
        "ESS is the least of the bulk over all data and latents, of all chains; R̂ the largest, rank-normalized and split.",
    )
    columns = ("threads", "", "s for all data", "least ESS", "R̂", "ESS / s", "to NUTS", "bar")
    return Section("posterior", notes, columns, tuple(rows))
