"""Two ways to make an image larger, untrained: transposed convolutions leave a checkerboard, resizing does not.

A kernel of 3 moved by steps of 2 overlaps itself unevenly: every second pixel of the output is a sum of more terms. It
is in the architecture, and so it is seen with random weights: as energy at frequencies that alternate from pixel to
pixel, of which pictures of digits have little.
"""

import argparse

import torch
from torch import nn

import pyrogen
from pyrogen.figures import plots
from pyrogen.figures.report import save_figures
from pyrogen.inference import assess

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
N, CHANNELS = 360, 16
data = pyrogen.data.load("digits", kind="unit", dequantization=False)
ways = {
    "transposed, kernel 3": lambda a, b: [nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, output_padding=1)],
    "transposed, kernel 4": lambda a, b: [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1)],
    "nearest + convolution": lambda a, b: [nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 3, padding=1)],
    "bilinear + convolution": lambda a, b: [
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Conv2d(a, b, 3, padding=1),
    ],
}
energies, rows = {}, [data.test.x[:10]]
for name, doubled in ways.items():
    made = []
    for net in range(12):  # networks, not only noise: a checkerboard is of the weights
        torch.manual_seed(options.seed * 100 + net)
        seed = [nn.Linear(20, CHANNELS * 4), nn.Unflatten(1, (CHANNELS, 2, 2)), nn.ReLU()]
        net_of = nn.Sequential(*seed, *doubled(CHANNELS, CHANNELS), nn.ReLU(), *doubled(CHANNELS, 1))
        with torch.no_grad():
            x = net_of(torch.randn(N // 12, 20))
        x = (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True)
        made.append((0.5 + 0.2 * x).clamp(0, 1))
    pictures = torch.cat(made)
    found = assess(pictures, data, ("checkerboard",)).measured("checkerboard")
    energies[name] = found.value
    rows.append(pictures[:: N // 10][:10])
    print(f"{name:23} checkerboard {found.value:6.2f} of that of digits")
assert energies["transposed, kernel 3"] > 1.5 * energies["nearest + convolution"], "ml-untrained-generators"
assert energies["nearest + convolution"] > energies["bilinear + convolution"], "ml-untrained-generators"
strips = plots.strips(torch.stack(rows), "unit", ["digits", *ways])
print("the picture:", *save_figures(options.folder, {"untrained_generators": strips}))
