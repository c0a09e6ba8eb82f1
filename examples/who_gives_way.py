"""Who gives way: people who meet at a crossing, forecast together, by networks that see the others and by some that do not.

    python examples/who_gives_way.py --data walks.csv

After Gupta et al. 2018, arXiv:1803.10892. A file of your own has lines of frame, agent, x and y.
"""

import argparse

import torch

import pyrogen
from pyrogen.inference import fit
from pyrogen.inference.quality.forecasts import forecasts, head

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", default="crossings(n=1500)", help="registered paths, or the path of a file of them")
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--touching", type=float, default=0.4, help="metres between two who touch")
options = parser.parse_args()

data = pyrogen.data.load(options.data, kind="paths")
table = []
for pooling in (True, False):
    torch.manual_seed(0)
    shapes = {"x_shape": data.x_shape, "y_shape": data.y_shape}
    model = pyrogen.create("social-gan", **shapes, net={"name": "LSTM", "width": 24}, draws=8, pooling=pooling)
    fit(model, data, epochs=options.epochs)
    # going straight on is told beside every model: it is hard to beat
    own, *others = forecasts(model, data, touching=options.touching)
    table.append((f"told of {'others' if pooling else 'nobody'}", *own.cells()[1:]))
table += [row.cells() for row in others]

for row in (head(options.touching), *table):
    print("".join(cell.ljust(30 if k == 0 else 18) for k, cell in enumerate(row)).rstrip())
