"""Why a network answers with the mean of two modes: under the squared error its loss is *lower* there than at either.

One input, two answers, −a and a, equally often. Squared error: the middle costs a², a mode ½ (2a)² = 2a². A lecture
says the two cost the same; under the absolute error that is so, a for both, and any point between does as well. Then
two words for two failures, where a lecture has one: samples between modes are *mode averaging*, modes without samples
*mode dropping*, and a measure that sees the one is blind to the other.
"""

import argparse

import torch

import pyrogen
from pyrogen.figures import plots
from pyrogen.figures.figure_style import PALETTE, legend, single
from pyrogen.figures.report import save_figures
from pyrogen.inference import assess
from pyrogen.likelihoods import Laplace, Normal

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the pictures go")
folder = parser.parse_args().folder

A = 1.5
answers, guess = torch.tensor([[-A], [A]]), torch.linspace(-2.5, 2.5, 501)
losses = {}
for name, likelihood in {"squared": Normal("fixed", value=1.0), "absolute": Laplace("fixed", value=1.0)}.items():
    likelihood.size(torch.Size([1]))
    nats = -likelihood(guess[:, None, None]).log_prob(answers).mean(1)  # (guesses, answers) to guesses
    losses[name] = nats + likelihood(torch.zeros(1, 1)).log_prob(torch.zeros(1))  # 0 where the answer is right
at = {where: (guess - where).abs().argmin() for where in (0.0, A)}
for name, loss in losses.items():
    print(f"{name:9} error: {loss[at[0.0]]:.4f} in the middle, {loss[at[A]]:.4f} at a mode")
assert abs(losses["squared"][at[0.0]] - A**2 / 2) < 1e-4, "ml-same-loss"  # ½ of the square, as -log N has it
assert abs(losses["squared"][at[A]] / losses["squared"][at[0.0]] - 2) < 1e-3, "ml-same-loss"
assert abs(losses["absolute"][at[A]] - losses["absolute"][at[0.0]]) < 1e-4, "ml-same-loss"

data = pyrogen.data.load("ring")
torch.manual_seed(0)
one_normal = data.train.x.mean(0) + data.train.x.std(0) * torch.randn(1000, 2)  # the best normal distribution
kept = data.train.x[data.train.y < 3][:1000]  # three of eight modes, perfectly
MEASURES = ("high-quality", "mode-averaging", "modes")
measured = {}
print("                 share within a mode   distance to data   modes of 8")
for name, made in {"one normal": one_normal, "three modes": kept}.items():
    found = assess(made, data, MEASURES, num=500)
    measured[name] = [found.measured(m).value for m in MEASURES]
    print(f"{name:11} {measured[name][0]:24.3f} {measured[name][1]:18.1f} {measured[name][2]:12.0f}")
assert measured["one normal"][0] < 0.05, "ml-one-normal"  # nearly all of its mass is where no data are
assert measured["one normal"][1] > 20, "ml-averaging-or-dropping"
assert measured["three modes"][0] > 0.95, "ml-averaging-or-dropping"
assert measured["three modes"][1] < 1.5, "ml-averaging-or-dropping"
assert measured["three modes"][2] == 3, "ml-averaging-or-dropping"

figure, axes = single(2.8, "one input, two answers at ±1.5", "what the network says", "loss")
for color, (name, loss) in zip(PALETTE, losses.items(), strict=False):
    axes.plot(guess, loss, color=color, label=f"{name} error")
legend(axes)
shown = {
    "middle_point": figure,
    "one_normal": plots.points(one_normal, data.test.x),
    "dropped": plots.points(kept, data.test.x),
}
print("the pictures:", *save_figures(folder, shown))
