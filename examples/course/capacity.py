"""How many bubbles fit: what a code tells of its datum against the number of latents, and against what it is charged.

With more latents a code tells more, until data have no more to tell: then further latents stay idle. At one size, β
sets the price of a nat: rate falls and distortion rises along one curve, the two fighting against each other.
"""

import argparse

import torch

import pyrogen
from pyrogen.figures.figure_style import BLUE, PALETTE, blank, legend, style
from pyrogen.figures.report import save_figures
from pyrogen.inference import ELBO, fit
from pyrogen.inference.latents.activity import activity

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
data = pyrogen.data.load("digits")


def trained(latents: int, beta: float) -> tuple[float, float, int]:
    """Rate and distortion in nats a datum, and how many latents are in use."""
    torch.manual_seed(options.seed)
    model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=latents, hidden=(64,))
    objective = ELBO(beta=beta)
    fit(model, data, objective, epochs=14, lr=4e-3, batch_size=64, seed=options.seed, validate=False, progress=False)
    with torch.no_grad():
        q = model.encode(data.test.x)
        each = 0.5 * (q.mean.square() + q.variance - q.variance.log() - 1)
        distortion = -model.decode(q.sample((8,))).log_prob(data.test.x).mean()
        active = int(activity(model, data.test)["active_units"])
    return float(each.sum(1).mean()), float(distortion), active


print("latents   nats that a code tells, at most   in use")
sizes = {}
for latents in (1, 2, 4, 8, 24):
    rate, distortion, active = trained(latents, 1.0)
    sizes[latents] = rate, active
    print(f"{latents:7} {rate:20.2f} {active:20}")
rates = [rate for rate, _ in sizes.values()]
assert rates[:3] == sorted(rates[:3]), "pr-capacity"
assert sizes[24][0] < 1.25 * sizes[8][0], "pr-capacity"  # three times as many latents, and hardly more to tell
assert sizes[24][1] < 24, "pr-capacity"  # some are idle

print("β         rate   distortion   their sum")
curve = {}
for beta in (0.1, 0.3, 0.6, 1.0, 2.0, 6.0):
    curve[beta] = trained(8, beta)[:2]
    rate, distortion = curve[beta]
    print(f"{beta:<6} {rate:7.2f} {distortion:12.2f} {rate + distortion:11.2f}")
rate, distortion = zip(*curve.values(), strict=True)
assert list(rate) == sorted(rate, reverse=True), "gm-rate-against-distortion"
assert list(distortion) == sorted(distortion), "gm-rate-against-distortion"
total = {beta: sum(pair) for beta, pair in curve.items()}
assert min(total, key=total.get) in (0.6, 1.0, 2.0), "gm-rate-against-distortion"  # the ELBO is best where β is about 1
assert curve[0.1][0] > 3 * curve[2.0][0], "pr-beta"
assert curve[6.0][0] < 0.5 * curve[1.0][0], "pr-beta"

figure = blank(7.4, 2.6)
left, right = figure.subplots(1, 2)
style(left, "what a code tells", "latents", "nats a datum")
left.plot(list(sizes), rates, "o-", color=BLUE, label="rate")
left.plot(list(sizes), [active for _, active in sizes.values()], "s-", color=PALETTE[1], label="latents in use")
legend(left)
style(right, "six β, one curve", "rate, nats", "distortion, nats")
right.plot(rate, distortion, "o-", color=BLUE)
for beta, (r, d) in curve.items():
    right.annotate(f"β = {beta}", (r, d), fontsize=7, xytext=(4, 3), textcoords="offset points")
print("the picture:", *save_figures(options.folder, {"capacity": figure}))
