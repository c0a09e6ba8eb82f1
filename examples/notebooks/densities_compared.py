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
# # A density of every kind, compared
#
# Four families that can say how probable a datum is, and how each says it:
#
# | model | its number | what it is |
# |---|---|---|
# | VAE | importance-weighted bound | below the truth, nearer with more draws |
# | autoregressive (MADE) | product of conditionals | exact |
# | flow | change of variables | exact |
# | diffusion | bound over all steps of noise | below the truth |
#
# The numbers can be put beside each other because data and units are the same, and because each carries its direction.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import torch

import pyrogen
from pyrogen.inference import IWAE, compare_evidence, fit, log_evidence, summarize
from pyrogen.inference.programs.contexts import seeded

SMALL = os.environ.get("PYROGEN_NOTEBOOKS") == "small"  # as tests run it
EPOCHS, DRAWS, SCORED, SHOWN = (1, 20, 20, 50) if SMALL else (60, 1000, 500, 2000)

# %% [markdown]
# ## Binary digits: a VAE, an autoregressive model, and an energy model
#
# All three come with weights. With sixteen hidden units the energy model's normalizer can be summed exactly.

# %%
data = pyrogen.data.load("digits")
digits = data.test.take(SCORED)
scores = {}
for name in ("vae", "made", "rbm"):
    model = pyrogen.create(name, pretrained=True)
    scores[name] = log_evidence(model, digits, IWAE(DRAWS) if name == "vae" else None)
    print(f"{name:5} {scores[name].attrs['bound']:6} {summarize(scores[name]).nats:8.2f} nats")
compare_evidence(scores, baseline="made").to_pandas()[["nats", "bound", "difference", "difference_data_se"]].round(3)

# %% [markdown]
# ## Points of a known law: a VAE, a flow and a diffusion
#
# Eight normals on a ring. The law is known, so the best possible number is known too, and what a model stays below it is
# E log p*(x) − E log p(x), an estimate of KL(p* ‖ p).

# %%
ring = pyrogen.data.load("ring")
points = ring.test.take(SCORED)
with seeded(0):
    vae = pyrogen.create("vae", x_shape=(2,), latent_size=2, hidden=(64, 64), likelihood="Normal(scale='predicted')")
fit(vae, ring, epochs=EPOCHS, batch_size=256, lr=2e-3, device="cpu", progress=False)
models = {
    "vae": vae,
    "flow-spline": pyrogen.create("flow-spline", pretrained=True),
    "vdm": pyrogen.create("vdm", pretrained=True),
}
truth = ring.law.log_prob(points.x).numpy()
print(f"the law itself: {truth.mean():.3f} nats")
for name, model in models.items():
    score = log_evidence(model, points, IWAE(DRAWS) if name == "vae" else None)
    below = truth - score["log_evidence"].values
    error = below.std(ddof=1) / np.sqrt(len(below))
    print(f"{name:12} {score.attrs['bound']:6} {below.mean():6.3f} ± {error:.3f} nats below the law")

# %%
figure, panels = plt.subplots(1, 4, figsize=(12, 3.2), sharex=True, sharey=True)
with torch.no_grad(), seeded(0):
    clouds = {"data": ring.test.x[:SHOWN], **{name: model.sample(SHOWN) for name, model in models.items()}}
for panel, (name, cloud) in zip(panels, clouds.items(), strict=True):
    panel.plot(*cloud.T.numpy(), ".", markersize=1)
    panel.set(title=name, aspect="equal", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))
plt.show()

# %% [markdown]
# A number that is exact is not a better model, and a bound that is loose is not a worse one: where two models differ by less
# than a bound may be off, the comparison says so, or asks for more draws.
