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
# # Swap a prior and read the evidence
#
# A VAE is three assumptions: a prior p(z), a likelihood p(x|z), and the family of q(z|x) that stands in for the posterior.
# Here the prior alone changes. Everything else, data, networks, seed, training, stays as it is, so that what is left of the
# difference is the prior's, and it has an error.

# %%
import os

import pyrogen
from pyrogen.figures import plots
from pyrogen.inference import ELBO, IWAE, compare_evidence, fit, log_evidence, summarize
from pyrogen.inference.programs.contexts import seeded
from pyrogen.priors import MixtureOfGaussians, StandardNormal, VampPrior

SMALL = os.environ.get("PYROGEN_NOTEBOOKS") == "small"  # as tests run it
EPOCHS, DRAWS = (2, 50) if SMALL else (100, 1000)

# %% [markdown]
# The data: 8 × 8 pictures of digits that come with scikit-learn, drawn as black or white anew in each epoch, each pixel with
# its grey value as probability. `data.kind` says so, and the likelihood is Bernoulli.

# %%
data = pyrogen.data.load("digits")
data

# %%
models, evidence = {}, {}
for prior in (StandardNormal(), MixtureOfGaussians(components=10), VampPrior(components=50)):
    name = type(prior).__name__
    with seeded(0):
        models[name] = pyrogen.create("vae", x_shape=data.x_shape, latent_size=8, hidden=(256,), prior=prior)
    fit(models[name], data, epochs=EPOCHS, batch_size=64, device="cpu", progress=False)
    evidence[name] = log_evidence(models[name], data.test, IWAE(DRAWS))

# %% [markdown]
# One of them in full: the mean over test data, the error of the draws, the error of having so few data, the direction of the
# bound, and what its own diagnostics say against it.

# %%
summarize(evidence["VampPrior"])

# %% [markdown]
# The differences are paired: each test datum is scored by both models, so that easy and difficult data cancel. An unpaired
# comparison would have an error many times as large.

# %%
compare_evidence(evidence, baseline="StandardNormal").to_pandas()[["nats", "difference", "difference_data_se"]].round(3)

# %% [markdown]
# The ELBO is a looser bound. Its distance to the evidence is the gap that q(z|x) leaves, and that gap is another one under
# another prior: this is why the comparison above is not made by ELBOs.

# %%
for name, model in models.items():
    bound, better = summarize(log_evidence(model, data.test, ELBO())).nats, summarize(evidence[name]).nats
    print(f"{name:20} ELBO {bound:8.3f}   evidence {better:8.3f}   gap {better - bound:.3f} nats")

# %% [markdown]
# What the prior is for: draw z from it, and look at E[x|z]. The scored prior is the sampled prior.

# %%
with seeded(0):
    picture = plots.image_grid(models["VampPrior"].sample_mean(32), data.kind, columns=8)
picture

# %% [markdown]
# On the command line the same is `pyrogen compare --grid prior=StandardNormal,MixtureOfGaussians,VampPrior --data digits
# --latent_size 8 --folder runs/priors`.
