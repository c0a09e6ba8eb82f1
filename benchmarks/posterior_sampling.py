"""Draws of p(z|x): chains of all data in one program, beside NUTS of Pyro, datum by datum, and of blackjax, all at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pyro
import rivals
import torch
from arviz_stats.base import array_stats
from measure import Section, clock_for
from pyro.infer import MCMC, NUTS
from subjects import SHAPE, digits
from torch import Tensor, nn

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
        self.compiling = 0.0
        torch.manual_seed(0)
        self.model: Pair = pyrogen.create("vae", x_shape=SHAPE, latent_size=20, hidden=(400,))
        data = digits(train, DATA)
        fit(self.model, data, epochs=epochs, batch_size=128, device="cpu", validate=False, progress=False)
        self.x = data.test.x

    def batched(self, threads: int) -> tuple[float, np.ndarray]:
        """Seconds, and draws ``(chain, draw, datum, latent)``: diagnosed, decoded and named, as a user has them."""
        clock = clock_for(threads)
        started = clock()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # R̂ is in the table
            found = sample_posterior(self.model, self.x, draws=self.draws, chains=CHAINS, warm_up=self.warm_up)
        return clock() - started, found["posterior"]["z"].values

    def nuts(self, threads: int) -> tuple[float, np.ndarray]:
        """The same of Pyro, without validation; where not all data were sampled, the seconds of all, extrapolated."""
        clock = clock_for(threads)
        started = clock()
        with standing_still(self.model.parameters()), pyro.validation_enabled(False):
            draws = [
                np.stack([self.chain(self.x[n : n + 1], 100 * n + c) for c in range(self.nuts_chains)])
                for n in range(self.nuts_data)
            ]
        seconds = (clock() - started) * DATA / self.nuts_data
        return seconds, np.stack(draws, 2)

    def blackjax(self, threads: int) -> tuple[float, np.ndarray]:
        """The same of blackjax, as it is made for: compiled before the clock starts, chains and data side by side."""
        import by_blackjax

        layers = [m for m in self.model.decoder.modules() if isinstance(m, nn.Linear)]
        decoder = [(m.weight.detach().T.numpy(), m.bias.detach().numpy()) for m in layers]
        x = self.x.flatten(1).numpy()
        self.compiling, seconds, z = by_blackjax.posteriors(threads, decoder, x, CHAINS, self.warm_up, self.draws)
        return seconds, z

    def chain(self, x: Tensor, seed: int) -> np.ndarray:
        pyro.set_rng_seed(seed)
        kernel = NUTS(self.model.model, jit_compile=False)
        chain = MCMC(kernel, self.draws, self.warm_up, disable_progbar=True, disable_validation=True)
        chain.run(x)
        return chain.get_samples()["z"].reshape(self.draws, -1).numpy()


def measure(threads: list[int], quick: bool) -> Section:
    """One run of each; of several threads wall time, since a second one is worth having."""
    posteriors, rows = Posteriors(quick), []
    samplers: dict[str, Callable[[int], tuple[float, np.ndarray]]] = {"Pyro's NUTS": posteriors.nuts}
    if rivals.installed("blackjax"):
        samplers["blackjax's NUTS"] = posteriors.blackjax
    samplers["sample_posterior"] = posteriors.batched
    for n in threads:
        torch.set_num_threads(n)
        speeds = []
        for name, sample in samplers.items():
            seconds, z = sample(n)
            worst = float(np.min(array_stats.ess(z, method="bulk", **AXES)))
            r_hat = float(np.max(array_stats.rhat(z, **AXES)))
            speeds.append(worst / seconds)
            ratio = speeds[-1] / speeds[0]
            met = "met" if ratio >= BAR and r_hat <= MET else "MISSED"
            judged = f"≥ {BAR:g}: {met}" if name == "sample_posterior" else ""
            cells = f"{seconds:.0f}", f"{worst:.0f}", f"{r_hat:.3f}", f"{speeds[-1]:.3g}", f"{ratio:.1f}", judged
            rows.append((str(n), name, *cells))
    measured = (
        "all of them" if posteriors.nuts_data == DATA else f"{posteriors.nuts_data} of them, and its seconds scaled"
    )
    notes: tuple[str, ...] = (
        f"Posteriors of {DATA} test images under a VAE 784-400-20 (Bernoulli), {posteriors.draws} draws a chain after "
        f"{posteriors.warm_up} of warm-up, which is counted: {CHAINS} chains a datum side by side; NUTS "
        f"{posteriors.nuts_chains} chains a datum one after the other, of {measured}; no validation, no jit.",
        "ESS is the least of the bulk over all data and latents, of all chains; R̂ the largest, rank-normalized and split.",
    )
    if posteriors.compiling:
        notes += (
            "blackjax: NUTS with its window adaptation, as many chains as sample_posterior, data and chains in one vmapped "
            f"program, which took another {posteriors.compiling:.0f} s to compile.",
        )
    columns = ("threads", "", "s for all data", "least ESS", "R̂", "ESS / s", "to NUTS", "bar")
    return Section("posterior", notes, columns, tuple(rows))
