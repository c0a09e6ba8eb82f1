"""Binary cross-entropy of grey pixels is no log-probability: what the practicum's loss is, and three losses that are.

−x ln p − (1 − x) ln(1 − p) is the −log of a Bernoulli where x is 0 or 1. Of grey x it is never below the entropy of x
itself, and e^(−loss) does not integrate to 1: as a density it lacks the constant that the continuous Bernoulli has.
Bits may be drawn from greys anew for each epoch; then it is a probability again, and of bits. Reconstructions look
alike under all of them.
"""

import argparse

import torch
from torch.nn.functional import binary_cross_entropy

import pyrogen
from pyrogen.figures import plots
from pyrogen.figures.report import save_figures
from pyrogen.inference import fit
from pyrogen.likelihoods import ContinuousBernoulli

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

p = torch.linspace(0.005, 0.995, 100)
x = torch.linspace(0, 1, 2001)[:, None]
loss = -(x * p.log() + (1 - x) * (1 - p).log())
masses = torch.trapezoid((-loss).exp(), x, dim=0)
proper = ContinuousBernoulli()
proper.size(torch.Size([1]))
whole = torch.stack([torch.trapezoid(proper(torch.logit(q)[None]).log_prob(x).exp(), x[:, 0]) for q in p[[9, 49, 89]]])
print(
    f"exp(−cross-entropy) integrates over grey x to {masses.min():.3f} … {masses.max():.3f}, the "
    f"continuous Bernoulli to {whole.numpy()}"
)
assert masses.max() < 0.999, "pr-bce-of-greys"
assert torch.allclose(whole, torch.ones(3), atol=1e-3), "pr-bce-of-greys"

grey = pyrogen.data.load("digits", kind="unit", dequantization=False)
try:
    pyrogen.create("vae", x_shape=grey.x_shape, latent_size=8).check(grey.test.x)
    refused = False
except ValueError as why:
    refused, sentence = True, str(why)
    print("the library refuses greys under a Bernoulli:", sentence)
assert refused, "pr-bce-of-greys"
floor = binary_cross_entropy(grey.test.x, grey.test.x, reduction="none").flatten(1).sum(1).mean()
print(
    f"a perfect reconstruction of greys has a cross-entropy of {floor:.2f} nats, not 0: the entropy "
    f"of pixels taken for coins"
)
assert floor > 5, "pr-bce-of-greys"

systems = {
    "Bernoulli, bits drawn anew": ("Bernoulli", pyrogen.data.load("digits")),
    "continuous Bernoulli": ("ContinuousBernoulli", grey),
    "Normal (½ squared error)": ({"name": "Normal", "scale": "fixed", "value": 0.2}, grey),
}
rows, errors = [grey.test.x[:10]], {}
for name, (likelihood, data) in systems.items():
    torch.manual_seed(options.seed)
    model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=8, hidden=(128,), likelihood=likelihood)
    fit(model, data, epochs=16, lr=2e-3, batch_size=64, seed=options.seed, validate=False, progress=False)
    with torch.no_grad():
        made = model.decode(model.encode(data.test.x).mean).mean
    rows.append(made[:10])
    errors[name] = float((made - grey.test.x).square().mean())
    print(
        f"{name:28} squared error of reconstructions {errors[name]:.4f}, of the mean digit "
        f"{grey.test.x.var(0).mean():.4f}"
    )
assert max(errors.values()) < 0.6 * float(grey.test.x.var(0).mean()), "pr-swap-the-loss"
assert max(errors.values()) < 2.5 * min(errors.values()), "pr-swap-the-loss"
strips = plots.strips(torch.stack(rows), "unit", ["data", *systems])
print("the picture:", *save_figures(options.folder, {"greys_and_bits": strips}))
