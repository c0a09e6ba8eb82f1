"""An inverse problem under three heads: the mean of two answers, a wide normal over both, and a mixture that gives each.

x = y + 0.3 sin 2πy turned around: one input has up to three outputs. Squared error answers with their mean, between the
data; a predicted variance admits it; a mixture density network knows the answers.
"""

import argparse

import torch

import pyrogen
from pyrogen.data.regression import InverseSine
from pyrogen.figures.figure_style import FAINT, PALETTE, blank, scatter, style
from pyrogen.figures.report import save_figures
from pyrogen.inference import fit
from pyrogen.likelihoods import MixtureDensity, Normal

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

data, law = pyrogen.data.load("inverse-sine"), InverseSine()
x, y = data.test.x, data.test.y
torch.manual_seed(options.seed)
exact = law.sample(len(x), torch.Generator().manual_seed(options.seed))[0]
heads = {
    "squared error": Normal("fixed", value=0.1),
    "mean and variance": Normal("predicted"),
    "mixture of five": MixtureDensity(5),
}
between = ((y - 0.5).abs() < 0.2)[:, 0]  # inputs that three outputs explain


def missed(made: torch.Tensor) -> float:
    """The share of answers that do not explain their input to two standard deviations of its noise."""
    return float(((law.forward(made) - y)[between].abs() > 2 * law.sigma).float().mean())


nats, misses, figure = {}, {}, blank(7.4, 2.6)
print(f"{'':18} log p(x|y)   answers that explain no such input")
for axes, (name, head) in zip(figure.subplots(1, 3), heads.items(), strict=True):
    torch.manual_seed(options.seed)
    model = pyrogen.create("regression", x_shape=(1,), y_shape=(1,), hidden=(64, 64), likelihood=head)
    fit(
        model,
        data,
        epochs=18,
        lr=5e-3,
        batch_size=256,
        lr_milestones=[13],
        seed=options.seed,
        validate=False,
        progress=False,
    )
    with torch.no_grad():
        nats[name] = float(model.log_prob(x, y).mean())
        drawn = model.predict(y).mean if name == "squared error" else model.sample(len(y), y)
    misses[name] = missed(drawn)
    print(f"{name:18} {nats[name]:10.3f} {misses[name]:18.3f}")
    style(axes, name, "input y", "output x" if len(nats) == 1 else "")
    scatter(axes, torch.cat([y, x], 1).numpy(), s=1, color=FAINT)
    scatter(axes, torch.cat([y, drawn], 1).numpy(), s=1, color=PALETTE[len(nats) - 1])
true = float(law.log_prob(x, y).mean())
right = missed(x)
print(f"{'the law itself':18} {true:10.3f} {right:18.3f}")
assert misses["mixture of five"] < right + 0.08, "ml-mean-between-clusters"
assert misses["squared error"] > 1.5 * misses["mixture of five"], "ml-mean-between-clusters"
assert misses["mean and variance"] > 1.5 * misses["mixture of five"], "ml-mean-between-clusters"
assert nats["mixture of five"] > nats["mean and variance"] + 0.3, "ml-mixture-density"
assert nats["mixture of five"] > true - 0.2, "ml-mixture-density"
print("the picture:", *save_figures(options.folder, {"three_heads": figure}))
