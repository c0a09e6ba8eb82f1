"""How sparse are the codes of every autoencoder, and how selective is each number? All of them in one table.

Each learns the same digits, with as many codes but for the overcomplete one, which has twice as many as x has numbers.
Beside them stand the pixels: Hoyer's measure of a datum, Treves and Rolls' of data and of units, and the selectivity of a
unit for a class, 1 where sparsest; and what few labels read from them.

python examples/how_sparse_are_codes.py [--data digits] [--size 32] [--epochs 30] [--entries autoencoder autoencoder-sparse]
"""

import argparse
import inspect

import pyrogen
from pyrogen import registry
from pyrogen.inference import compare_representations, fit
from pyrogen.tables import aligned

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", default="digits")
parser.add_argument("--size", type=int, default=32)
parser.add_argument("--epochs", type=int, default=30)
parser.add_argument("--entries", nargs="+", default=pyrogen.list_models("autoencoder*"))
options = parser.parse_args()

data = pyrogen.data.load(options.data)
models = {}
for name in options.entries:
    taken = inspect.signature(registry.find("entry", name).load()).parameters
    size = {"latent_size": options.size} if "latent_size" in taken else {}
    try:
        model = pyrogen.create(name, x_shape=data.x_shape, **size)
        fit(model, data, epochs=options.epochs, lr=3e-3, batch_size=64, seed=0, progress=False)
    except ValueError as refusal:  # of other data, as the one of texts
        print(f"{name}: {refusal}")
    else:
        models[name] = model

if models:
    found = compare_representations(models, data, rivals=["Pixels"], readers=["Linear"], labels=[10])
    print(aligned(found.sparsity_table()))
    print()
    print(aligned(found.table()))
