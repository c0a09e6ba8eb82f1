"""Do codes of one kind of pictures serve for another? An encoder for each data set, and probes of few labels on all of them.

In a column all encoders read the same data, of which each class has so many labels: the diagonal is the data's own encoder,
beside it stand those of other data, and below what none of them has seen: the same network untrained, pixels, and as many
principal components of that data. Differences are paired, and to the own encoder. Alphabets of Omniglot were held out from
its training, so that their own drawings are all that teaches a probe.

python examples/where_codes_travel.py [--data mnist fashion-mnist omniglot] [--size 8] [--model contrastive]

Three sets of 8 × 8 pixels take some five minutes of one core. Omniglot lies in the folder that PYROGEN_DATA names.
"""

import argparse

import torch

import pyrogen
from pyrogen.inference import compare_representations, fit

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--data", nargs="+", default=["mnist", "fashion-mnist", "omniglot"])
parser.add_argument("--model", default="contrastive")
parser.add_argument("--size", type=int, default=8)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--labels", type=int, default=3)
parser.add_argument("--draws", type=int, default=10)
parser.add_argument("--limit", type=int, default=1000)
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

try:
    sets = {
        name: pyrogen.data.load(name, kind="unit", dequantization=False, size=options.size) for name in options.data
    }
except ValueError as absent:
    raise SystemExit(str(absent)) from None

encoders = {}
for name, data in sets.items():
    torch.manual_seed(options.seed)
    likelihood = {"name": "Normal", "scale": "fixed"}
    encoders[name] = pyrogen.create(options.model, x_shape=data.x_shape, latent_size=32, likelihood=likelihood)
    fit(encoders[name], data, epochs=options.epochs, batch_size=128, seed=options.seed)

for name, data in sets.items():
    # the own encoder first, so that differences are to it
    models = {name: encoders[name], **encoders}
    found = compare_representations(
        models,
        data,
        ["Untrained", "Pixels", "PrincipalComponents"],
        ["Linear"],
        [options.labels],
        options.draws,
        options.limit,
        seed=options.seed,
    )
    print(f"\nprobes of {options.labels} labels a class, {found.compared()}")
    for row in found.representations:
        print(f"  {row:36}{found.accuracy(row)!s:18}{name} gains {found.gain(row)}")
