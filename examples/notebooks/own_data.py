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
# # From your own data to a number you can trust
#
# A table of your own, here one that comes with scikit-learn: thirty measurements of cell nuclei in 569 biopsies. The
# question: does a model with latent variables and a network say more of them than a linear one, and by how much?

# %%
import os

import numpy as np
from sklearn.datasets import load_breast_cancer

import pyrogen
from pyrogen.inference import AIS, IWAE, compare_evidence, diagnose, summarize
from pyrogen.inference.programs.contexts import seeded

SMALL = os.environ.get("PYROGEN_NOTEBOOKS") == "small"  # as tests run it
EPOCHS, DRAWS, TEMPERATURES = (2, 20, 4) if SMALL else (150, 5000, 500)

# %%
x = load_breast_cancer().data.astype(np.float32)
x.shape, x.min(0)[:4], x.max(0)[:4]

# %% [markdown]
# Arrays are data as they are. A part is kept for validation and test, columns are standardized by what the training part
# says, and both are written down. Nothing has to be configured, and everything that was guessed is shown.

# %%
data = pyrogen.data.from_arrays(x, name="nuclei")
data

# %%
runs = {}
for name, hidden in (("linear", ()), ("network", (64,))):
    with seeded(0):
        model = pyrogen.create("vae", x_shape=(30,), latent_size=4, hidden=hidden, likelihood="Normal(scale='shared')")
    where = {"folder": f"runs/{name}", "overwrite": True, "progress": False, "device": "cpu"}
    runs[name] = pyrogen.fit(model, data, epochs=EPOCHS, batch_size=32, lr=3e-3, **where)
runs["network"].plot()

# %% [markdown]
# The score of the test part. The line that counts is the verdict: an estimate that cannot be believed says for how many data,
# why, and what to try next.

# %%
scores = {name: run.evaluate(IWAE(DRAWS)) for name, run in runs.items()}
print(summarize(scores["network"]))

# %% [markdown]
# What the verdict flags is scored again, by annealed chains, which are slower and need no good encoder. Every score lies in
# the run's folder under a name, by which the next one finds the data that it flagged.

# %%
flagged = diagnose(scores["network"]).flagged
print(f"{len(flagged)} of {len(data.test)} test data are flagged")
if len(flagged):
    chains = AIS(temperatures=TEMPERATURES, chains=4, init="guide")
    again = runs["network"].evaluate(chains, flagged_by=f"iwae-{DRAWS}-test", check_guide=False)
    both = scores["network"].sel(datum=again["datum"])["log_evidence"].values, again["log_evidence"].values
    print("by weights ", both[0][:5].round(2))
    print("by chains  ", both[1][:5].round(2))
    print(f"on all of them chains find {(both[1] - both[0]).mean():+.3f} nats more")

# %% [markdown]
# And the answer, paired by datum. If the difference is within two of its errors, or is doubted, there is none.

# %%
table = compare_evidence(scores, baseline="linear").to_pandas()
table[["nats", "bias", "flagged", "difference", "difference_data_se", "doubt"]].round(3)

# %% [markdown]
# Data that no model expects are worth a look: the lowest scores.

# %%
worst = scores["network"]["log_evidence"].values.argsort()[:3]
print("rows of the test part with the least evidence:", worst, scores["network"]["log_evidence"].values[worst].round(1))
