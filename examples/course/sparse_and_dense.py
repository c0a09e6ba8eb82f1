"""Local, dense and sparse codes of the same digits: how many units a datum has, and what a unit answers to.

Hoyer's measure of a code is 0 where all units are equally active and 1 where one is; Treves and Rolls' of a unit is the
same question over data. A local code of n units names n things, a distributed one up to 2^n. Sparse ones lie between,
and their units choose: some answer to one class far more than to others.
"""

import argparse

import torch

import pyrogen
from pyrogen.figures.figure_style import PALETTE, legend, single
from pyrogen.figures.report import save_figures
from pyrogen.inference import fit
from pyrogen.priors import Laplace

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

data = pyrogen.data.load("digits", kind="unit", dequantization=False)
normal = {"name": "Normal", "scale": "fixed", "value": 0.2}
systems = {
    "dense": ("autoencoder", {"latent_size": 20, "hidden": (128,)}),
    "sparse, L1": ("autoencoder-sparse", {"latent_size": 64, "hidden": (128,), "prior": Laplace(scale=0.1)}),
    "sparse, KL": ("autoencoder-sparse-kl", {"latent_size": 64, "hidden": (128,)}),
}


def hoyer(a: torch.Tensor) -> torch.Tensor:
    """(√n − ‖a‖₁ / ‖a‖₂) / (√n − 1) of each row."""
    n = a.shape[1] ** 0.5
    return (n - a.abs().sum(1) / a.norm(dim=1).clamp_min(1e-9)) / (n - 1)


def treves_rolls(a: torch.Tensor) -> torch.Tensor:
    """1 − (mean |a|)² / mean a² of each unit over data."""
    return 1 - a.abs().mean(0).square() / a.square().mean(0).clamp_min(1e-12)


codes = {"local": torch.nn.functional.one_hot(data.test.y, 10).float()}  # one unit a class, as the labels have it
for name, (entry, more) in systems.items():
    torch.manual_seed(options.seed)
    model = pyrogen.create(entry, x_shape=data.x_shape, likelihood=normal, **more)
    fit(model, data, epochs=16, lr=2e-3, batch_size=64, seed=options.seed, validate=False, progress=False)
    codes[name] = model.code(data.test.x).detach()
found, figure = {}, single(2.8, "how selective units are", "selectivity of a unit", "density of units")
print(f"{'code':12} sparsity of a datum   of a unit   selectivity   patterns of on and off")
for color, (name, z) in zip(PALETTE, codes.items(), strict=False):
    by_class = torch.stack([z[data.test.y == k].abs().mean(0) for k in range(10)])
    top, rest = by_class.amax(0), (by_class.sum(0) - by_class.amax(0)) / 9
    selectivity = ((top - rest) / (top + rest).clamp_min(1e-9))[by_class.sum(0) > 1e-6]
    patterns = len((z[:, :10] > z[:, :10].mean(0)).unique(dim=0))
    found[name] = float(hoyer(z).mean()), float(treves_rolls(z).mean()), float(selectivity.mean()), patterns
    print(f"{name:12} {found[name][0]:12.2f} {found[name][1]:15.2f} {found[name][2]:12.2f} {patterns:12} of ten units")
    figure[1].hist(selectivity, 15, density=True, histtype="step", color=color, label=name)
assert found["local"][0] == 1.0, "rl-distributed"
assert found["local"][3] == 10, "rl-distributed"
assert 10 < found["dense"][3] <= 2**10, "rl-distributed"  # more than units, at most 2^10
assert found["dense"][0] + 0.1 < found["sparse, L1"][0] < 1, "rl-distributed"
assert found["dense"][1] < found["sparse, L1"][1], "rl-distributed"
assert found["sparse, L1"][2] > found["dense"][2] + 0.1, "rl-selective"
legend(figure[1])
print("the picture:", *save_figures(options.folder, {"sparse_and_dense": figure[0]}))
