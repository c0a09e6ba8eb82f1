"""Images of 2 × 2 pixels that lie on a plane: four numbers a picture, and two that make it.

Windows whose opposite pixels are alike, (a, b, b, a): all of them lie on a plane in four dimensions, and (a, b) is
where. A linear autoencoder of two codes finds the plane from pictures alone. Taking noise away is to go back to the
plane: the best linear denoiser is near the orthogonal projector, and is it where noise is small.
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


def shown(row: torch.Tensor) -> list[float]:
    return [round(value, 3) for value in row.tolist()]


torch.manual_seed(options.seed)
plane = torch.tensor([[1.0, 0, 0, 1], [0, 1, 1, 0]])
code = torch.tensor([0.8, 0.65])
print(f"the code {shown(code)} is the picture {shown(code @ plane)}")
assert torch.equal(code @ plane, torch.tensor([0.8, 0.65, 0.65, 0.8])), "av-two-by-two"

x = torch.rand(1000, 2) @ plane
assert torch.linalg.matrix_rank(x, rtol=1e-4) == 2, "av-two-by-two"  # 4-dimensional data of dimension 2
model = pyrogen.create("autoencoder", x_shape=(4,), latent_size=2, hidden=(), likelihood=Normal("fixed", value=0.1))
fit(
    model,
    pyrogen.data.from_arrays(x, standardize=False),
    epochs=40,
    lr=1e-2,
    batch_size=100,
    seed=options.seed,
    progress=False,
)
projector = plane.T @ torch.linalg.inv(plane @ plane.T) @ plane  # each pair of pixels becomes its mean
with torch.no_grad():
    back = model.reconstruct(x)
    linear = torch.linalg.lstsq(x - x.mean(0), back - back.mean(0)).solution
print(f"the autoencoder's error: {(back - x).square().mean():.1e}; of the data's variance {x.var():.1e}")
assert (back - x).square().mean() < 1e-3 * x.var(), "av-two-by-two"

print("noise   the best linear denoiser is this far from the projector")
covariance, far = x.T.cov(), []
for sd in (0.3, 0.1, 0.03):
    best = torch.linalg.solve(
        covariance + sd**2 * torch.eye(4), covariance
    )  # argmin E‖x − (x + ε) B‖², means taken off
    far.append(float((best - projector).norm()))
    print(f"{sd:5} {far[-1]:10.4f}")
assert far[-1] < 0.01, "av-denoise-four-pixels"
assert 8 < far[1] / far[2] < 13, "av-denoise-four-pixels"  # it falls as σ²
noisy = torch.tensor([0.9, 0.6, 0.7, 0.7])
print(f"{shown(noisy)} becomes {shown(noisy @ projector)}")
assert torch.allclose(noisy @ projector, code @ plane), "av-denoise-four-pixels"

noisy = (x[:8] + 0.15 * torch.randn(8, 4)).clamp(0, 1)
rows = (
    torch.stack([x[:8], noisy, noisy @ projector, model.reconstruct(noisy).detach()])
    .reshape(4, 8, 1, 2, 2)
    .repeat_interleave(2, -1)
    .repeat_interleave(2, -2)
)
picture = plots.strips(rows, "unit", ["data", "with noise", "projected", "autoencoder"])
print("the picture:", *save_figures(options.folder, {"two_by_two": picture}))
