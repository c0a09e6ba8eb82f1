"""A case study: can the codes of a VAE of digits be read as beliefs, and if not, what is at fault and what mends it?

    python examples/what_the_latents_mean.py                       # the bundled digits
    python examples/what_the_latents_mean.py --data mnist          # MNIST, which torchvision downloads

Question. An encoder says of each picture: its code is here, with this uncertainty. Whoever reads attributes, outliers or
distances off these codes relies on it. Is it so?
"""

import argparse

import pyrogen
from pyrogen.inference import calibrate, gaps, outlier_scores, sample_posterior, separation, surgery
from pyrogen.inference.latents.outliers import crowds

parser = argparse.ArgumentParser()
parser.add_argument("--data", default="digits")
parser.add_argument("--epochs", type=int, default=60)
parser.add_argument("--few", type=int, default=24, help="data of the costly analyses")
options = parser.parse_args()

data = pyrogen.data.load(options.data, binarization="static")
few = data.test.take(options.few)


def trained(posterior):
    model = pyrogen.create("vae", x_shape=data.x_shape, latent_size=8, hidden=(128,), posterior=posterior)
    pyrogen.fit(model, data, epochs=options.epochs, progress=False)
    return model


def asked(model):
    """What is lost between log p(x) and the ELBO, and whether the encoder's draws rank as exact ones would."""
    lost = gaps(model, few).mean("datum")
    ranks = calibrate(model, data.test, simulations=400)
    return float(lost["amortization"]), float(lost["approximation"]), ranks.attrs["smallest_p"], ranks.attrs["worst"]


print("1. A diagonal normal posterior, the usual one")
plain = trained("DiagonalNormal")
network, family, p, worst = asked(plain)
print(f"   lost for want of a better network {network:.2f} nats a datum, for want of a better family {family:.2f}")
print(f"   exact draws rank among the encoder's with p = {p:.1g} (the worst: {worst})")

print("2. What the model itself believes of single data")
posterior = sample_posterior(plain, data.test.take(4), draws=200)
exact, believed = (posterior[group]["z"].std(("chain", "draw")) for group in ("posterior", "posterior_q"))
ratio = float((believed / exact).mean())
r_hat = float(posterior["diagnostics"]["r_hat"].max())
print(f"   standard deviations, the encoder's over the exact ones: {ratio:.2f} (R-hat at most {r_hat:.3f})")

print("3. The same model with a posterior that may be correlated")
rich = trained("FullRankNormal")
network, family, p, worst = asked(rich)
print(f"   lost for want of a better network {network:.2f} nats a datum, for want of a better family {family:.2f}")
print(f"   exact draws rank among the encoder's with p = {p:.1g} (the worst: {worst})")

print("4. What the codes say, whatever their shape")
cut = surgery(rich, data.test.take(200))
low, high = (float(v) for v in cut["mutual_information"])
print(f"   of {float(cut['kl']):.2f} nats of KL, {low:.2f} to {high:.2f} tell which datum it is")

print("5. And whether strangers are noticed: medians of 25 pictures, smoother than any of them")
own = data.test.x[: 4 * options.few]
strangers = crowds(data.test.x, len(own), seed=0)
names = ["low evidence", "typicality", "likelihood regret"]
known, strange = (outlier_scores(plain, x, data.valid, scores=names)["score"].values for x in (own, strangers))
found = {name: separation(*scores) for name, *scores in zip(names, strange, known, strict=True)}
for name, area in found.items():
    print(
        f"   by {name:18} area under the ROC curve {area.auc:.2f}, 95 % {area.interval()[0]:.2f} to {area.interval()[1]:.2f}"
    )

best = max(found, key=lambda name: found[name].auc)
likely = "more" if found["low evidence"].auc < 0.5 else "less"
print(
    "What one learns: where a decision hangs on a belief, read p(z|x) itself. A family that may be correlated mends its\n"
    f"own share of the loss ({family:.2f} nats are left of it), and not the network's. Smooth strangers are {likely}\n"
    f"probable than digits; of the scores it is {best!r} that tells them best."
)
