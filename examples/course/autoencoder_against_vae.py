"""An autoencoder and a VAE of the same networks and 32 latents: both give data back, and the spaces between them differ.

The autoencoder's reconstructions are the better ones. At codes drawn from N(0, I), and half-way between the codes of
two data, the VAE decodes to digits that a judge recognizes, the autoencoder more often to something else. With 2 or 8
latents midpoints of either are recognized about as often, from seed to seed: there an autoencoder has little room for
holes. One path between two data is drawn.
"""

import argparse

import torch

import pyrogen
from pyrogen.figures import plots
from pyrogen.figures.report import save_figures
from pyrogen.inference import assess, fit, interpolate, judge_of, midpoints, three_numbers
from pyrogen.inference.latents.walks import choose

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="runs/course", help="where the picture goes")
parser.add_argument("--pair", type=int, nargs=2, default=[5, 4], help="the digits of two data to walk between")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
LATENTS = 32

data = pyrogen.data.load("digits")
judge = judge_of(data)
first, second = choose(data.test, options.pair)
ends = data.test.x[first : first + 1], data.test.x[second : second + 1]
shares, errors, quality, valid, paths = {}, {}, {}, {}, {}
for name, entry in {"VAE": "vae", "autoencoder": "autoencoder"}.items():
    torch.manual_seed(options.seed)
    model = pyrogen.create(entry, x_shape=data.x_shape, latent_size=LATENTS, hidden=(128,))
    fit(model, data, epochs=40, lr=2e-3, batch_size=64, seed=options.seed, validate=False, progress=False)
    with torch.no_grad():
        errors[name] = float((model.reconstruct(data.test.x) - data.test.x).square().mean())
        drawn = model.generate(torch.randn(500, LATENTS))  # codes from N(0, I)
        valid[name] = float(judge.recognizes(drawn).float().mean())
    shares[name] = midpoints(model, data.test, judge, seed=0)
    if name == "VAE":
        three = three_numbers(model, data.test, judge, n=150)
    quality[name] = assess(drawn, data, ("frechet",), draws="means").measured("frechet").value
    paths[name] = interpolate(model, *ends, steps=10).detach()
    found = shares[name].shares()
    print(
        f"{name:12} squared error {errors[name]:.3f}, Fréchet distance of draws {quality[name]:.2f}; "
        f"recognized: N(0, I) {valid[name]:.2f}, ",
        end="",
    )
    print(", ".join(f"{where} {found[where].value:.2f}" for where in ("reconstructed", "lerp", "slerp", "averaged")))
gained = shares["VAE"].less(shares["autoencoder"])
print(
    "midpoints of the VAE are recognized more often by",
    {p: f"{gained[p].value:.2f} ± {gained[p].error:.2f}" for p in ("lerp", "slerp")},
)
assert errors["autoencoder"] < errors["VAE"] < 0.8 * data.test.x.var(0).mean(), "ml-autoencoder-against-vae"
assert quality["VAE"] < 0.5 * quality["autoencoder"], "ml-autoencoder-against-vae"  # samples are not
assert valid["VAE"] > valid["autoencoder"] + 0.2, "ml-autoencoder-against-vae"
assert gained["slerp"].value > 2 * gained["slerp"].error, "ml-points-between"
assert gained["slerp"].value > 0, "pr-never-with-an-autoencoder"
assert shares["autoencoder"].shares()["lerp"].value > 0.15, "pr-never-with-an-autoencoder"  # it does work at times
over = shares["VAE"].over_pixels()
assert over.value > 2 * over.error, "ml-points-between"  # more than the mean of two pictures

print(
    f"VAE: regularity {three.regularity.value:.2f}, continuity {three.continuity.value:.2f}, "
    f"completeness {three.completeness.value:.2f}"
)
assert three.regularity.value > 0.5, "rl-three-numbers"
assert three.continuity.value > 0.4, "rl-three-numbers"
assert abs(three.completeness.value - valid["VAE"]) < 0.15, "rl-three-numbers"

blend = torch.lerp(*ends, torch.linspace(0, 1, 10).view(-1, 1, 1, 1)).unsqueeze(0)
sure = {name: judge.probabilities(path[0]).amax(1) for name, path in {**paths, "pixels": blend}.items()}
print("how sure the judge is along the path:", {name: [round(v, 2) for v in p.tolist()] for name, p in sure.items()})
assert sure["VAE"][[0, -1]].min() > 0.4, "pr-chosen-pair"  # the ends are seen for what they are
assert sure["VAE"].min() < 0.8 * sure["VAE"][[0, -1]].max(), (
    "pr-chosen-pair"
)  # and somewhere between them it looks like nothing
strips = plots.strips(torch.cat([*paths.values(), blend]), "unit", [*paths, "mean of pixels"])
print("the picture:", *save_figures(options.folder, {"autoencoder_against_vae": strips}))
