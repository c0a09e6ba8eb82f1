"""An autoencoder whose weights are chosen by hand: two sigmoid units read four pixels, and sigmoids write them again.

The data are the four frames of opposite pixels that are alike. Unit 1 is to say whether the one diagonal is lit, unit 2
whether the other is: weights of ±10 and a threshold half-way do that, and the same weights turned around draw the frame
again. Nothing is learned, and nothing but the library's own VAE with a point for a posterior is used.
"""

import argparse

import torch
from torch import nn

import pyrogen
from pyrogen.figures import plots
from pyrogen.figures.report import save_figures
from pyrogen.inference import log_evidence
from pyrogen.inference.evidence.estimator import Reconstruction

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
folder = parser.parse_args().folder

frames = torch.tensor([[0.0, 0, 0, 0], [1, 0, 0, 1], [0, 1, 1, 0], [1, 1, 1, 1]])
diagonals = torch.tensor([[1.0, 0, 0, 1], [0, 1, 1, 0]])
read, write = nn.Linear(4, 2), nn.Linear(2, 4)
with torch.no_grad():
    read.weight.copy_(10 * diagonals)  # both pixels lit: 20 - 10 = 10; one of them: 0, undecided; none: -10
    read.bias.fill_(-10.0)
    write.weight.copy_(10 * diagonals.T)
    write.bias.fill_(-5.0)
model = pyrogen.vae(
    encoder=nn.Sequential(read, nn.Sigmoid()),
    decoder=write,  # the Bernoulli likelihood takes logits, and has the last sigmoid in it
    x_shape=(4,),
    latent_size=2,
    prior="Flat",
    posterior="PointMass",
    likelihood="Bernoulli",
)
codes, made = model.code(frames).detach(), model.reconstruct(frames).detach()
for frame, z, pixels in zip(frames.tolist(), codes.tolist(), made.tolist(), strict=True):
    print(
        f"{[round(v) for v in frame]} has the code {[round(v, 3) for v in z]}, drawn as {[round(v, 3) for v in pixels]}"
    )
assert torch.equal(codes.round(), torch.tensor([[0.0, 0], [1, 0], [0, 1], [1, 1]])), "av-weights-by-hand"
assert torch.equal(made.round(), frames), "av-weights-by-hand"
loss = -float(log_evidence(model, frames, Reconstruction())["log_evidence"].mean())
exact = 4 * float(torch.log1p(torch.exp(torch.tensor(-5.0))))
print(f"log-loss {loss:.4f} nats a frame; four pixels at a logit of ±5 cost {exact:.4f}")
assert abs(loss - exact) < 2e-3, "av-weights-by-hand"

undecided = model.code(torch.tensor([[1.0, 0, 0, 0]])).detach()[0]
print(f"half a diagonal: unit 1 says {undecided[0]:.2f}")
assert undecided[0] == 0.5, "av-weights-by-hand"
rows = torch.stack([frames, made]).reshape(2, 4, 1, 2, 2).repeat_interleave(2, -1).repeat_interleave(2, -2)
shown = plots.strips(rows, "unit", ["frames", "drawn again"])
print("the picture:", *save_figures(folder, {"weights_by_hand": shown}))
