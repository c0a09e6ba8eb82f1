"""Models of the data can refuse what is unreasonable, models of the label cannot; and where density fails to refuse.

A classifier is sure of anything. A model of x given y knows p(x) as well as p(y|x), by Bayes' rule: it names digits,
and it gives noise no probability. But log p(x) trusts what is simpler than data: medians of many digits, which are no
digit at all, are *more* probable than real ones. Two-sided scores find them.
"""

import argparse

import numpy as np
import torch

import pyrogen
from pyrogen.figures.figure_style import PALETTE, legend, single
from pyrogen.figures.report import save_figures
from pyrogen.inference import classify, fit, outlier_scores, separation
from pyrogen.inference.latents.outliers import crowds, shuffled_columns

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
N = 180

data = pyrogen.data.load("digits", binarization="static")
known = data.test.x[:N]
strange = {"shuffled pixels": shuffled_columns(known, seed=0), "medians of 25": crowds(data.test.x, N, seed=0)}

torch.manual_seed(options.seed)
network = pyrogen.create("classifier", x_shape=data.x_shape, classes=10, hidden=(128,))
fit(network, data, epochs=20, lr=2e-3, batch_size=64, seed=options.seed, validate=False, progress=False)
torch.manual_seed(options.seed)
density = pyrogen.create("made", x_shape=data.x_shape, hidden=(128,))  # an exact log p(x)
fit(density, data, epochs=25, lr=3e-3, batch_size=64, seed=options.seed, validate=False, progress=False)


def scores(x: torch.Tensor) -> dict[str, np.ndarray]:
    with torch.no_grad():
        unsure = 1 - network.classify(x).probs.amax(1).numpy()
    found = outlier_scores(density, x, data.train.x, ["low evidence", "typicality"])["score"].values
    return {"1 − max p(y|x)": unsure, "−log p(x)": found[0], "|log p(x) − mean|": found[1]}


own = scores(known)
area = {what: {s: separation(v, own[s]).auc for s, v in scores(x).items()} for what, x in strange.items()}
for what, by in area.items():
    print(f"{what:16} area under the ROC curve: " + ", ".join(f"{s} {a:.2f}" for s, a in by.items()))
assert area["shuffled pixels"]["−log p(x)"] > 0.8, "gm-reject"
assert area["shuffled pixels"]["−log p(x)"] > area["shuffled pixels"]["1 − max p(y|x)"], "gm-reject"
assert area["medians of 25"]["−log p(x)"] < 0.4, "gm-reject"  # worse than a coin: its known failure
assert area["medians of 25"]["|log p(x) − mean|"] > area["medians of 25"]["−log p(x)"] + 0.1, "rl-outliers"

torch.manual_seed(options.seed)
given = pyrogen.create("vae-conditional", x_shape=data.x_shape, classes=10, latent_size=4, hidden=(128,))
fit(given, data, epochs=25, lr=3e-3, batch_size=64, seed=options.seed, validate=False, progress=False)
found = classify(given, data.test.x[:N], estimator={"name": "IWAE", "k": 20})
right = found["named"].values == data.test.y[:N].numpy()
error = right.std() / N**0.5
print(
    f"argmax of log p(x|y) + log p(y) names {right.mean():.3f} ± {error:.3f} of the digits, and "
    f"never saw a loss of labels"
)
assert right.mean() - 3 * error > 0.6, "gm-bayes-rule"

figure, axes = single(2.8, "log p(x): lower for noise, higher for what is no digit", "log p(x), nats", "data")
for color, (name, values) in zip(
    PALETTE,
    {"digits": own["−log p(x)"], **{k: scores(x)["−log p(x)"] for k, x in strange.items()}}.items(),
    strict=False,
):
    axes.hist(-values, 30, color=color, alpha=0.6, label=name)
legend(axes)
print("the picture:", *save_figures(options.folder, {"reject": figure}))
