# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The same generator trained both ways
#
# A generator is x = g(z) with z ~ N(0, I). Trained by the ELBO it is a VAE's decoder; trained in a game it is a GAN's
# generator. The network is one and the same object here, so the two objectives can be compared by the same rulers: the
# evidence of x ~ N(g(z), σ²) with σ fitted on validation data, and measures of samples beside what data give against other
# data.

# %%
import os

import pyrogen
from pyrogen.figures import plots
from pyrogen.inference import AIS, ELBO, Adversarial, fit, summarize
from pyrogen.inference.programs.contexts import seeded

SMALL = os.environ.get("PYROGEN_NOTEBOOKS") == "small"  # as tests run it
EPOCHS, TEMPERATURES, SCORED, NOISE = (1, 4, 4, 0.2) if SMALL else (60, 300, 60, "fitted")
MEASURES = ["sharpness"] if SMALL else ["sharpness", "precision", "recall"]

# %%
data = pyrogen.data.load("digits", kind="unit", dequantization=False)
runs = {}
for name, objective in (("ELBO", ELBO()), ("game", Adversarial(penalty="R1"))):
    with seeded(0):
        model = pyrogen.create(
            "vae", x_shape=data.x_shape, latent_size=8, hidden=(128,), likelihood="Normal(scale='shared')"
        )
    runs[name] = fit(model, data, objective, epochs=EPOCHS, batch_size=64, device="cpu", progress=False)

# %% [markdown]
# Eyes first. The game makes edges; the ELBO makes means.

# %%
with seeded(0):
    means = {name: run.model.sample_mean(24) for name, run in runs.items()}
plots.image_grid(means["ELBO"], data.kind, columns=8, title="by the ELBO")

# %%
plots.image_grid(means["game"], data.kind, columns=8, title="in a game")

# %% [markdown]
# Now numbers. The evidence needs no encoder: annealed importance sampling climbs from the prior to p(z|x) by chains, so what
# the game left untrained does not matter. It is a lower bound on log p(x) of the model with its fitted noise.

# %%
for name, run in runs.items():
    score = run.evaluate(AIS(temperatures=TEMPERATURES, chains=4), sigma=NOISE, limit=SCORED)
    print(f"{name}: sigma {score.attrs['sigma']:.3f}\n{summarize(score)}\n")

# %% [markdown]
# The other ruler: samples against data. Every measure stands beside its floor, what data give against other data.

# %%
for name, run in runs.items():
    found = run.assess(MEASURES, num=360, draws="means")
    print(f"{name}\n{found.text()}\n")

# %% [markdown]
# Neither ruler is the right one. Evidence asks whether every datum could have come from the model; sharpness and precision
# ask whether what comes from the model could be a datum. Which of the two you need is a matter of what the generator is for,
# and a table that shows one of them only hides the price.
