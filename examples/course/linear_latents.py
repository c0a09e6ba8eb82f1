"""One linear pair, three classical models: which prior makes it principal components, which independent ones.

x = A s + noise. Under a normal prior any rotation of the latents is as good: the plane of the principal components is
found, the sources are not. Under a Laplace prior and as many latents as inputs the same pair is independent component
analysis, and finds them up to order and scale: by the Amari distance, which is 0 then. Of sources that are normal no
method finds more than the plane.
"""

import argparse

import torch

import pyrogen
from pyrogen.figures.figure_style import FAINT, PALETTE, blank, scatter, style
from pyrogen.figures.report import save_figures
from pyrogen.inference import fit
from pyrogen.likelihoods import Normal

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
N = 2
MIXING = torch.tensor([[1.0, -1.0], [1.0, 1.0]]) / 2**0.5  # an eighth of a turn, which no covariance shows


def amari(found: torch.Tensor) -> float:
    """0 where ``found`` is the mixing matrix up to order and scale of its columns, at most 1."""
    p = (torch.linalg.inv(found) @ MIXING).abs()
    n = len(p)
    return float(((p / p.amax(1, keepdim=True)).sum() + (p / p.amax(0)).sum() - 2 * n) / (2 * n * (n - 1)))


torch.manual_seed(options.seed)
sources = {
    "Laplace": torch.distributions.Laplace(0.0, 1.0).sample((4000, N)),
    "normal": torch.randn(4000, N),
}
distance, figure = {}, blank(8.4, 2.6)
panels = iter(figure.subplots(1, 3))
for of, prior in (("Laplace", "Laplace"), ("Laplace", "StandardNormal"), ("normal", "Laplace")):
    x = sources[of] @ MIXING.T
    torch.manual_seed(options.seed + 1)
    model = pyrogen.create(
        "vae",
        x_shape=(N,),
        latent_size=N,
        hidden=(),
        prior=prior,
        posterior="FullRankNormal",
        likelihood=Normal("fixed", value=0.7),
    )
    rows = pyrogen.data.from_arrays(x_train=x, standardize=False)
    fit(
        model,
        rows,
        epochs=30,
        lr=3e-2,
        batch_size=200,
        lr_milestones=[22],
        seed=options.seed,
        validate=False,
        progress=False,
    )
    with torch.no_grad():
        columns = (model.generate(torch.eye(N)) - model.generate(torch.zeros(N))).T
    distance[of, prior] = amari(columns)
    print(f"{of:8} sources under the prior {prior:14}: Amari distance {distance[of, prior]:.3f}")
    axes = next(panels)
    style(axes, f"{of} sources, {'N(0, I)' if prior == 'StandardNormal' else prior} prior")
    scatter(axes, x[:1500, :2].numpy(), s=1, color=FAINT)
    for color, matrix, length in ((PALETTE[2], MIXING, 6.0), (PALETTE[1], columns, 6.0)):
        for column in torch.nn.functional.normalize(matrix, dim=0).T[:, :2] * length:
            axes.plot(*torch.stack([-column, column]).T, color=color, linewidth=1.5)
assert distance["Laplace", "Laplace"] < 0.1, "rl-classical"
assert distance["Laplace", "StandardNormal"] > 0.2, "rl-classical"
assert distance["normal", "Laplace"] > 0.1, "rl-classical"
print(
    "the picture (true directions green, found ones orange):", *save_figures(options.folder, {"linear_latents": figure})
)
