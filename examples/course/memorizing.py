"""An autoencoder that learns its data by heart: of few data, the wider the net the more.

Of 30 digits a wide network need not learn what digits are: it may number them and write each from its number. Training
error alone says that it is the best of all.
"""

import argparse

import torch

import pyrogen
from pyrogen.figures.figure_style import PALETTE, legend, single
from pyrogen.figures.report import save_figures
from pyrogen.inference import fit

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

data = pyrogen.data.load("digits", kind="unit", dequantization=False)
few, others = data.train.x[:30], data.test.x
rows = pyrogen.data.from_arrays(x_train=few, x_valid=few, x_test=others, kind="unit")
errors = {}
print("width   error on the 30   on others   ratio")
for width in (4, 16, 64, 256):
    torch.manual_seed(options.seed)
    model = pyrogen.create(
        "autoencoder",
        x_shape=data.x_shape,
        latent_size=16,
        hidden=(width,),
        likelihood={"name": "Normal", "scale": "fixed", "value": 0.1},
    )
    fit(model, rows, epochs=110, lr=5e-3, batch_size=30, seed=options.seed, validate=False, progress=False)
    with torch.no_grad():
        errors[width] = [float((model.reconstruct(x) - x).square().mean()) for x in (few, others)]
    print(f"{width:5} {errors[width][0]:14.5f} {errors[width][1]:12.4f} {errors[width][1] / errors[width][0]:8.1f}")
ratios = [other / own for own, other in errors.values()]
assert ratios[0] < 3, "rl-memorizing"
assert ratios[2] > 2 * ratios[0], "rl-memorizing"
assert ratios[3] > 20, "rl-memorizing"
figure, axes = single(2.8, "30 digits learned by heart", "width of the hidden layers", "squared error")
for color, (i, name) in zip(PALETTE, enumerate(("the 30 that it learned", "others")), strict=False):
    axes.loglog(list(errors), [pair[i] for pair in errors.values()], "o-", color=color, label=name)
legend(axes)
print("the picture:", *save_figures(options.folder, {"memorizing": figure}))
