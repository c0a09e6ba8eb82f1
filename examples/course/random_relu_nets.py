"""What twelve untrained ReLU layers do to a cloud of points: strands, a shrunken variance, a mean that has drifted.

Under Glorot's initialization, Var W = 2 / (inputs + outputs), a layer of equal widths keeps E h² of a linear unit and a
ReLU halves it. For wide layers the recursion is exact: with q the mean square of a layer's input over its units, pre-
activations are N(0, q) over draws of the weights, and the next q is q/2; of two inputs their mean product follows the
arc-cosine kernel, so that all points come to share a direction: the mean of the output is no longer 0 while its
variance over points falls faster than q. Reference: Cho & Saul 2009, Kernel methods for deep learning; Poole et al.
2016, arXiv:1606.05340.
"""

import argparse

import torch
from torch import nn

from pyrogen.figures.density_plots import clouds
from pyrogen.figures.report import save_figures
from pyrogen.nets import mlp

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--n", type=int, default=100_000, help="points of the picture")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
WIDTH, DEPTH, NETS, PAIRS = 100, 12, 60, 400


def glorot(depth: int) -> nn.Sequential:
    net = mlp((2,), (WIDTH,) * depth, (2,))
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return net


def recursion(q: torch.Tensor, c: torch.Tensor, variance: float, inputs: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Of a layer and its ReLU, E h² and E h h′ from those of its inputs, per unit."""
    q, c = inputs * variance * q, inputs * variance * c
    angle = (c / q).clamp(-1, 1).acos()
    return q / 2, q * (angle.sin() + (torch.pi - angle) * angle.cos()) / (2 * torch.pi)


torch.manual_seed(options.seed)
x = torch.randn(2 * PAIRS, 2, dtype=torch.float64)
x = x / x.norm(dim=1, keepdim=True) * 2**0.5  # on a circle, so that one q is that of all
q, c = torch.ones(PAIRS, dtype=torch.float64), (x[:PAIRS] * x[PAIRS:]).mean(1)
seen = {layer: [] for layer in range(1, DEPTH + 1)}
with torch.no_grad():
    for _ in range(NETS):
        h, layer = x, 0
        for part in glorot(DEPTH).double():
            h = part(h)
            if isinstance(part, nn.ReLU):
                layer += 1
                a, b = h[:PAIRS], h[PAIRS:]
                seen[layer].append([h.square().mean(), (a * b).mean()])
print("layer   E h²: theory   measured      share of it that all points have in common: theory   measured")
for layer in range(1, DEPTH + 1):
    q, c = recursion(q, c, 2 / (WIDTH + (2 if layer == 1 else WIDTH)), 2 if layer == 1 else WIDTH)
    square, product = torch.tensor(seen[layer]).T
    error = square.std() / NETS**0.5
    if layer in (1, 2, 4, 8, 12):
        print(
            f"{layer:5} {q[0]:14.2e} {square.mean():10.2e} {c.mean() / q[0]:50.3f} "
            f"{product.mean() / square.mean():10.3f}"
        )
    # the recursion is that of endless width; of 100 units what is left is of the order of layers over width
    assert abs(square.mean() - q[0]) < 4 * error + layer / WIDTH * q[0], "ml-random-relu"
    assert abs(product.mean() / square.mean() - c.mean() / q[0]) < 0.05, "ml-random-relu"
assert q[0] < 1e-4, "ml-random-relu"  # halved layer by layer: the variance has shrunk
assert c.mean() / q[0] > 0.9, "ml-random-relu"  # and nearly all that is left is a mean that has drifted

torch.manual_seed(options.seed + 3)
noise, made = torch.randn(options.n, 2), {}
with torch.no_grad():
    for depth in (1, 12):
        out = glorot(depth)(noise)
        made[f"{depth} hidden: mean {out.mean(0).norm():.1e}, sd {out.std(0).norm():.1e}"] = out / out.std()
print("the picture:", *save_figures(options.folder, {"random_relu_nets": clouds(made)}))
