"""A direction in latents that adds an attribute: from few labels, with an encoder, and without one.

Digits have no smiles; their attribute here is "is a 0", against all others of the data, or of what a generator drew and
somebody picked. The direction is the difference of two means of codes. Added to codes of other digits it makes zeros of
them, and a random direction of the same length does not. Few labels are enough, for a direction has few numbers.
"""

import argparse

import torch

import pyrogen
from pyrogen.figures import plots
from pyrogen.figures.report import save_figures
from pyrogen.inference import attribute_vector, fit, judge_of, picked

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--digit", type=int, default=0, help="which one is the attribute")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

data = pyrogen.data.load("digits")
judge = judge_of(data)
torch.manual_seed(options.seed)
model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=8, hidden=(128,))
fit(model, data, epochs=25, lr=2e-3, batch_size=64, seed=options.seed, validate=False, progress=False)

q, shows = model.encode(data.train.x), data.train.y == options.digit
many, few = (attribute_vector(q, shows, labels=labels, seed=options.seed) for labels in (None, 40))
alike = few.cosine(many.mean)
print(
    f"the direction from 40 labels and from all {len(shows)}: cosine {alike.mean:.2f}, 94 % "
    f"{alike.low:.2f} to {alike.high:.2f}"
)
assert alike.mean > 0.85, "ml-attribute-vector"

others = data.test.x[data.test.y != options.digit][:200]
with torch.no_grad():
    z = model.encode(others).mean
    random = torch.nn.functional.normalize(torch.randn(8), dim=0) * many.mean.norm()


def become(direction: torch.Tensor, by: float) -> float:
    """The share that a judge reads as the digit."""
    with torch.no_grad():
        return float((judge.names(model.generate(z + by * direction.float())) == options.digit).float().mean())


by, chance = {s: become(few.mean, s) for s in (0.0, 1.0, 2.0)}, become(random, 2.0)
print(
    f"read as {options.digit} after 0, 1, 2 times the direction: {list(by.values())}; after 2 of a random one: {chance}"
)
assert by[0.0] < 0.05, "ml-attribute-vector"
assert by[2.0] > 0.5, "ml-attribute-vector"
assert chance < 0.3, "ml-attribute-vector"
assert by[0.0] < by[1.0] < by[2.0], "rl-vector-arithmetic"

drawn = picked(model, judge, options.digit, n=1500, seed=options.seed)
without = attribute_vector(drawn.z, drawn.shows)
alike = without.cosine(many.mean)
print(
    f"from {len(drawn.shows)} samples that were picked, no encoder asked: cosine {alike.mean:.2f}, "
    f"read as it {become(without.mean, 2.0)}"
)
assert alike.mean > 0.7, "gm-arithmetic-without-encoder"
assert become(without.mean, 2.0) > 0.5, "gm-arithmetic-without-encoder"

steps = torch.linspace(-1, 2.5, 8)
with torch.no_grad():
    rows = model.generate(z[:6, None] + steps[:, None] * few.mean.float())
names = [f"a {k}" for k in data.test.y[data.test.y != options.digit][:6].tolist()]
strips = plots.strips(rows, "unit", names, [f"{s:+.1f}" for s in steps.tolist()])
print("the picture:", *save_figures(options.folder, {"attributes": strips}))
