"""Where noise enters: into the data, as a denoising autoencoder's, or into the code, as a VAE's; and a VAE of no variance.

A denoising autoencoder is shown x + ε and must give x: it learns to take noise off data. A VAE adds noise to its code.
The same amount of noise does different things: judged by noisy data, the one that trained with them wins. And as the
posterior's variance goes to 0 a VAE's reconstruction term becomes an autoencoder's loss, while its KL, −ln σ, grows
without bound: an autoencoder is that limit with the KL left out.
"""

import argparse

import torch

import pyrogen
from pyrogen.figures import plots
from pyrogen.figures.report import save_figures
from pyrogen.inference import fit
from pyrogen.likelihoods import Normal

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
SIGMA = 0.3

data = pyrogen.data.load("digits", kind="unit", dequantization=False)
same = {"x_shape": data.x_shape, "latent_size": 16, "hidden": (128,), "likelihood": Normal("fixed", value=0.1)}
torch.manual_seed(options.seed + 1)
x = data.test.x
noisy = (x + SIGMA * torch.randn_like(x)).clamp(0, 1)
entries = {"in x": ("autoencoder-denoising", {"noise": SIGMA}), "in z": ("vae", {}), "nowhere": ("autoencoder", {})}
rows, errors, models = [x[:10], noisy[:10]], {}, {}
print("noise in training   error on clean data   on noisy data")
for name, (entry, more) in entries.items():
    torch.manual_seed(options.seed)
    models[name] = pyrogen.create(entry, **same, **more)
    fit(models[name], data, epochs=20, lr=2e-3, batch_size=64, seed=options.seed, validate=False, progress=False)
    with torch.no_grad():
        back = models[name].generate(models[name].encode(noisy).mean)
        clean = models[name].generate(models[name].encode(x).mean)
    errors[name] = [float((made - x).square().mean()) for made in (clean, back)]
    rows.append(back[:10])
    print(f"{name:19} {errors[name][0]:10.4f} {errors[name][1]:20.4f}")
assert errors["in x"][1] < 0.92 * min(errors["in z"][1], errors["nowhere"][1]), "pr-where-noise-enters"
assert errors["nowhere"][0] < errors["in x"][0], "pr-where-noise-enters"  # and it pays on clean data

print("σ of q        E log p(x|z)        KL")
vae = models["in z"]
with torch.no_grad():
    mean = vae.encode(x).mean
    limit = float(vae.decode(mean).log_prob(x).mean())
    for sigma in (1.0, 0.1, 0.01, 0.001):
        z = mean + sigma * torch.randn(8, *mean.shape)
        fitted = float(vae.decode(z).log_prob(x).mean())
        kl = 0.5 * float((mean.square() + sigma**2 - 1).sum(1).mean()) - 16 * float(torch.tensor(sigma).log())
        print(f"{sigma:<8} {fitted:17.3f} {kl:9.1f}")
print(f"0        {limit:17.3f}       inf")
assert abs(fitted - limit) < 1e-2, "pr-autoencoder-is-the-limit"
assert kl > 16 * 6, "pr-autoencoder-is-the-limit"  # 16 (−ln 0.001) = 110, and more for every digit of σ
strips = plots.strips(torch.stack(rows), "unit", ["data", "with noise", *(f"noise {name}" for name in entries)])
print("the picture:", *save_figures(options.folder, {"noise_where": strips}))
