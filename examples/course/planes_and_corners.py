"""Maps of a latent space: four corners and all between, the plane of two latents, and two latents of many.

A square between four data is bilinear in their codes; the same is drawn of a generator without an encoder, between
draws of the prior. The plane is decoded at quantiles of N(0, 1), so that each cell of the map is as probable as any
other.
"""

import argparse

import torch

import pyrogen
from pyrogen.figures import plots
from pyrogen.figures.report import save_figures
from pyrogen.inference import draw_latents, fit, judge_of, traverse_plane
from pyrogen.inference.latents.paths import grid
from pyrogen.inference.latents.walks import choose, corners

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the pictures go")
parser.add_argument("--coordinates", type=int, nargs=2, default=[0, 1], help="the two latents that vary")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
SIDE = 9

data = pyrogen.data.load("digits")
judge = judge_of(data)
torch.manual_seed(options.seed)
model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=2, hidden=(128, 64))
fit(model, data, epochs=28, lr=2e-3, batch_size=64, seed=options.seed, validate=False, progress=False)

four = data.test.x[choose(data.test, [0, 1, 4, 7])]
with torch.no_grad():
    square, z = corners(model, four, SIDE), model.encode(four).mean
    ends, middle = model.generate(z), model.generate(z.mean(0))
off = max(float((square[r, c] - ends[i]).abs().max()) for i, (r, c) in enumerate([(0, 0), (0, -1), (-1, 0), (-1, -1)]))
print(
    f"the corners of the square are the reconstructions of the four, to {off:.0e}; its centre is the "
    f"mean of their codes"
)
assert off < 1e-5, "ml-four-corners"
assert torch.allclose(square[SIDE // 2, SIDE // 2], middle, atol=1e-5), "ml-four-corners"
assert not torch.allclose(middle, ends.mean(0), atol=0.05), "ml-four-corners"  # and no mean of pictures

without = model.generate(grid(draw_latents(model, 4, seed=options.seed), SIDE)).detach()  # latents, and no encoder
assert without.shape == square.shape, "ml-four-corners"

values = torch.distributions.Normal(0.0, 1.0).icdf(torch.linspace(0.05, 0.95, 2 * SIDE))
plane = traverse_plane(model, torch.zeros(2), tuple(options.coordinates), values, values).detach()
seen = judge.names(plane.flatten(0, 1)).unique()
steps = plane.diff(dim=1).flatten(2).norm(dim=2)
apart = torch.cdist(plane.flatten(0, 1).flatten(1), plane.flatten(0, 1).flatten(1)).mean()
print(
    f"on the map a judge reads {len(seen)} of ten digits; neighbours are {steps.mean() / apart:.2f} "
    f"as far apart as any two cells"
)
assert len(seen) >= 6, "av-latent-map"
assert steps.mean() < 0.3 * apart, "av-latent-map"

wide = pyrogen.create("vae", x_shape=data.x_shape, latent_size=8, hidden=(128,))
fit(wide, data, epochs=12, lr=2e-3, batch_size=64, seed=options.seed, validate=False, progress=False)
code = wide.encode(data.test.x[:1]).mean.detach()[0]
used = wide.encode(data.test.x).mean.std(0).argsort(descending=True)[:2].tolist()
around = torch.linspace(-2, 2, SIDE)
varied = traverse_plane(wide, code, (used[0], used[1]), around, around).detach()
rows, columns = (varied.var(dim).mean() for dim in (1, 0))
print(f"latents {used} of a datum, from -2 to 2: pixels vary by {rows:.3f} along rows, {columns:.3f} along columns")
assert min(rows, columns) > 0.005, "gm-two-dimensions"
at = code.clone()
at[used] = around[SIDE // 2]
assert torch.allclose(varied[SIDE // 2, SIDE // 2], wide.generate(at).detach(), atol=1e-5), "gm-two-dimensions"

pictures = {"four_corners": square, "four_corners_drawn": without, "latent_map": plane, "two_latents": varied}
shown = {name: plots.image_grid(x.flatten(0, 1), "unit", columns=x.shape[1]) for name, x in pictures.items()}
print("the pictures:", *save_figures(options.folder, shown))
