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
# # A Bayesian analysis of latents
#
# The encoder of a VAE gives q(z|x), a normal distribution of independent coordinates. The model itself says what z could be
# given x: p(z|x) ∝ p(z) p(x|z). Here we draw from the second by Hamiltonian Monte Carlo and see how far the first is off.

# %%
import os

import arviz_stats
import matplotlib.pyplot as plt
import numpy as np
import torch

import pyrogen
from pyrogen.inference import IWAE, log_evidence, sample_posterior

SMALL = os.environ.get("PYROGEN_NOTEBOOKS") == "small"  # as tests run it
DRAWS, CHAINS, WARM_UP = (20, 2, 20) if SMALL else (500, 4, 300)

# %% [markdown]
# A VAE with two latents, so that p(z|x) can be looked at. Its weights come with the package; its card says what they are.

# %%
model = pyrogen.create("vae-2d", pretrained=True)
data = pyrogen.data.load("digits")
few = data.test.take(4)
posterior = sample_posterior(model, few, draws=DRAWS, chains=CHAINS, warm_up=WARM_UP)
posterior

# %% [markdown]
# First, whether the chains can be believed: R̂ near 1, enough effective draws, nothing to beware of.

# %%
print(posterior.attrs.get("beware") or "nothing to beware of")
posterior["diagnostics"].to_dataset().to_dataframe()[["r_hat", "ess_bulk", "divergences"]].round(3)

# %%
arviz_stats.summary(posterior, var_names=["z"], round_to=2).head(8)

# %% [markdown]
# Two latents can be put on a grid, so that there is an exact answer: log p(z) + log p(x|z) at each point. The chains' draws
# should lie on the grey, and the circle of the encoder (two standard deviations) should cover it.

# %%
side = np.linspace(-3.5, 3.5, 60, dtype=np.float32)
grid = torch.from_numpy(np.stack(np.meshgrid(side, side), -1).reshape(-1, 2))
figure, panels = plt.subplots(1, 4, figsize=(12, 3.2), sharex=True, sharey=True)
with torch.no_grad():
    encoded = model.encode(few)
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(grid).sum(-1)
    for i, panel in enumerate(panels):
        joint = prior + model.decode(grid).log_prob(few.x[i].expand(len(grid), *few.x[i].shape))
        density = (joint - joint.max()).exp().reshape(len(side), len(side))
        panel.imshow(density, origin="lower", extent=(-3.5, 3.5, -3.5, 3.5), cmap="Greys", aspect="equal")
        z = posterior["posterior"]["z"].isel(datum=i).values.reshape(-1, 2)
        panel.plot(*z[::10].T, ".", markersize=2, alpha=0.4, label="chains")
        turn = np.linspace(0, 2 * np.pi, 100)
        mean, sd = encoded.mean[i].numpy(), encoded.variance[i].sqrt().numpy()
        panel.plot(mean[0] + 2 * sd[0] * np.cos(turn), mean[1] + 2 * sd[1] * np.sin(turn), label="encoder, 2 sd")
        panel.set_title(f"a {int(few.y[i])}")
panels[0].legend(loc="upper left", fontsize=7)
figure.supxlabel("first latent")
panels[0].set_ylabel("second latent")
plt.show()

# %% [markdown]
# What that costs is a number: KL(q ‖ p(z|x)) is the distance between the ELBO and the evidence, datum by datum.

# %%
evidence = log_evidence(model, few, IWAE(100 if SMALL else 5000))
elbo = evidence["k_curve"].sel(k=1)
for i in range(4):
    gap, error = float(evidence["log_evidence"][i] - elbo[i]), float(evidence["mc_se"][i])
    print(f"a {int(few.y[i])}: log p(x) = {float(evidence['log_evidence'][i]):.2f} ± {error:.2f}, gap {gap:.2f} nats")

# %% [markdown]
# `pyrogen fetch vae-2d`, `pyrogen latents runs/vae-2d` asks more: whether all codes together are the prior, which latents are
# at work, whether the posterior is calibrated.
