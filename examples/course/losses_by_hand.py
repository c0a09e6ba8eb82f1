"""Three losses by pencil, and by the library: squared error, log-loss, and a relative entropy that a slide has wrong.

Four pixels and a histogram of five bars. A network that has learned gives pixels near the data, one of random weights
does not; both losses see it. Of the histograms one must be careful: Σ p ln(p / q) is a sum of signed terms, and p
weighs each.
"""

import argparse

import torch
from torch.distributions import Categorical, kl_divergence

from pyrogen.figures.figure_style import MUTED, PALETTE, blank, legend, style
from pyrogen.figures.report import save_figures
from pyrogen.likelihoods import Bernoulli

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
folder = parser.parse_args().folder

x = torch.tensor([0.6, 0.4, 0.4, 0.6])
good, bad = torch.tensor([0.65, 0.42, 0.36, 0.59]), torch.tensor([0.1, 0.9, 0.85, 0.2])
squares = [float((x - made).square().sum()) for made in (good, bad)]
print(f"squared error      {squares[0]:.4f} after training, {squares[1]:.4f} before")
assert [round(s, 4) for s in squares] == [0.0046, 0.8625], "av-worked-numbers"

# where pixels are bits, a decoder gives each bit a probability: the log-loss is -log p(x|z) of the Bernoulli likelihood
bits = torch.tensor([1.0, 0.0, 0.0, 1.0])
likelihood = Bernoulli()
likelihood.size(bits.shape)
logs = [-float(likelihood(torch.logit(torch.where(bits > 0, p, 1 - p))).log_prob(bits)) for p in (0.9, 0.2)]
print(f"log-loss in nats   {logs[0]:.4f} = -4 ln 0.9,      {logs[1]:.4f} = -4 ln 0.2")
assert [round(v, 3) for v in logs] == [0.421, 6.438], "av-worked-numbers"

p = torch.tensor([0.1, 0.2, 0.4, 0.2, 0.1])
near, far = torch.tensor([0.15, 0.15, 0.4, 0.2, 0.1]), torch.tensor([0.4, 0.1, 0.1, 0.1, 0.3])
nats = [float(kl_divergence(Categorical(p), Categorical(q))) for q in (near, far)]
print(f"relative entropy   {nats[0]:.4f} to the near one (printed in the lecture: 0.132), {nats[1]:.4f} to the far one")
assert round(nats[0], 4) == 0.0170, "av-worked-numbers"
assert round(nats[1], 3) == 0.583, "av-worked-numbers"

figure = blank(7.0, 2.4)
for axes, q, kl in zip(figure.subplots(1, 2), (near, far), nats, strict=True):
    style(axes, f"KL(p ‖ q) = {kl:.4f} nats", "bar", "probability")
    axes.bar([k - 0.2 for k in range(5)], p.tolist(), 0.38, color=PALETTE[0], label="p")
    axes.bar([k + 0.2 for k in range(5)], q.tolist(), 0.38, color=PALETTE[1], label="q")
    for bar, term in enumerate((p * (p / q).log()).tolist()):
        axes.text(bar, 0.42, f"{term:+.3f}", ha="center", fontsize=7.5, color=MUTED)
    axes.set_ylim(0, 0.46)
    legend(axes, loc="upper left", bbox_to_anchor=(1.0, 1.0))
print("the picture:", *save_figures(folder, {"losses_by_hand": figure}))
