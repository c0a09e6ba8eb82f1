"""What untrained networks make of noise: 100,000 points through random nets 2 - k × 100 - 2, their picture and their moments.

python examples/random_generators.py [--n 100000] [--depths 2 4 8 12] [--out random_generators.png]
"""

import argparse

import torch

import pyrogen
from pyrogen.figures.density_plots import clouds

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--n", type=int, default=100_000)
parser.add_argument("--depths", type=int, nargs="+", default=[2, 4, 8, 12])
parser.add_argument("--out", default="random_generators.png")
options = parser.parse_args()

made = {}
print(f"{'hidden layers':>13} {'sd of x1':>9} {'sd of x2':>9} {'correlation':>11} {'kurtosis of x1':>14} {'of x2':>6}")
for depth in options.depths:
    torch.manual_seed(depth)
    x = pyrogen.create("generator-random", depth=depth).sample_mean(options.n)
    (one, two), deviation = x.std(0), x - x.mean(0)
    kurtosis = deviation.pow(4).mean(0) / deviation.square().mean(0).square()
    correlation = float(x.T.corrcoef()[0, 1])
    print(f"{depth:13} {one:9.3f} {two:9.3f} {correlation:11.3f} {kurtosis[0]:14.3f} {kurtosis[1]:6.3f}")
    made[f"{depth} hidden layers"] = x

clouds(made).savefig(options.out, dpi=150)
print(f"the points are in {options.out}; normal noise has a kurtosis of 3")
