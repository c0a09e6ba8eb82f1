"""Why are the pictures of a VAE blurred? One decoder under five likelihoods, and as the generator of a GAN.

"edges" is the variance of the Laplacian and "sharpness" the share of high frequencies, both in units of the data's: 1 is as
sharp as data, less is blurred. Means of p(x|z) are what one looks at; draws of p(x|z) have its noise, which is sharp too
where it knows no neighbours, and no picture. The control is what blurs by construction, averages of eight data.
Specks count as edges too: look at the pictures before calling a number sharp.

What to find: at this size the head of a VAE matters less than that it is one. Normal of a fixed scale, of low rank, mixtures
of logistics and a perceptual likelihood stand close to one another, a predicted scale above them and apart from seed to seed;
the same decoder in a game has the most edges on every seed, which the entry `vae` claims of three of these rivals. Look
before you carry it over: means of a convolutional VAE at draws of the prior came out with more edges than data have.

python examples/blur_has_a_cause.py [--epochs 20] [--seeds 0 1 2] [--out blur.png]
"""

import argparse
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import pyrogen
from pyrogen.data import Data, from_arrays
from pyrogen.figures import plots
from pyrogen.inference import Adversarial, Quality, assess, fit
from pyrogen.nets.critics import Perceptron

NETS: Mapping[str, Any] = {"latent_size": 8, "hidden": (128,)}
FLOOR = 0.02  # of a learned scale: a third of a grey level
NORMAL = {"name": "Normal", "scale": "fixed", "value": 0.15}
VAES: Mapping[str, Mapping[str, Any]] = {
    "Normal, fixed": NORMAL,
    "Normal, predicted": {"name": "Normal", "scale": "predicted", "floor": FLOOR},
    "low rank": {"name": "LowRankMultivariateNormal", "rank": 4, "floor": FLOOR},
    "logistic mixture": {"name": "DiscretizedLogisticMixture", "components": 5},
    "perceptual": {},
}
MEASURES, MADE, AVERAGED = ("edges", "sharpness"), 500, 8

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=20, help="of a VAE; the game plays twice as many")
parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
parser.add_argument("--out", default="blur.png")
options = parser.parse_args()

data = pyrogen.data.load("digits", kind="unit", dequantization=False)


def made(name: str, seed: int) -> tuple[Tensor, Tensor]:
    """Means and draws of p(x|z) at z of the prior, ``(N, 1, 8, 8)`` in [0, 1], of a freshly trained system."""
    torch.manual_seed(seed)
    if name == "GAN":
        model = pyrogen.create("vae", x_shape=data.x_shape, likelihood={**NORMAL, "value": FLOOR}, **NETS)
        game = Adversarial(penalty="R1", critic=Perceptron((128, 128)))
        fit(model, data, game, epochs=2 * options.epochs, batch_size=64, seed=seed, validate=False, progress=False)
    else:
        known = seen_by(name)
        entry, more = ("vae", {"likelihood": VAES[name]}) if VAES[name] else ("vae-perceptual", {})
        model = pyrogen.create(entry, x_shape=known.x_shape, **more, **NETS)
        fit(model, known, epochs=options.epochs, batch_size=64, lr=2e-3, seed=seed, validate=False, progress=False)
    unit = 255 if name == "logistic mixture" else 1
    means, draws = (draw(MADE).reshape(-1, *data.x_shape) / unit for draw in (model.sample_mean, model.sample))
    return means, draws


def seen_by(name: str) -> Data:
    """The same pictures as a likelihood takes them: as vectors, as whole numbers, or as they are."""
    if name == "low rank":
        rows = {f"x_{s}": getattr(data, s).x.flatten(1) for s in ("train", "valid", "test")}
        return from_arrays(**rows, kind="unit")
    return pyrogen.data.load("digits", kind="levels") if name == "logistic mixture" else data


def averages(seed: int) -> tuple[Tensor, Tensor]:
    """Pictures that are each the mean of several data."""
    torch.manual_seed(seed)
    x = data.train.x
    means = torch.stack([x[torch.randperm(len(x))[:AVERAGED]].mean(0) for _ in range(MADE)])
    return means, means


def over_seeds(found: list[Quality], measure: str) -> str:
    """The mean over seeds and its standard error."""
    values = torch.tensor([q.measured(measure).value for q in found])
    error = values.std() / len(values) ** 0.5
    return f"{values.mean():.2f} ± {error:.2f}"


systems = [*VAES, "GAN"]
shown = [data.test.x[:8]]
print(f"{'':22}{'edges, each seed':24}{'edges':14}{'sharpness':14}{'edges of draws':14}")
for name in [*systems, f"mean of {AVERAGED} data"]:
    pairs = [made(name, seed) if name in systems else averages(seed) for seed in options.seeds]
    of_means, of_draws = ([assess(pair[i], data, MEASURES) for pair in pairs] for i in (0, 1))
    each = " ".join(f"{q.measured('edges').value:.3f}" for q in of_means)
    numbers = [over_seeds(of_means, m) for m in MEASURES] + [over_seeds(of_draws, "edges")]
    print(f"{name:22}{each:24}" + "".join(f"{number:14}" for number in numbers), flush=True)
    shown.append(pairs[0][0][:8].clamp(0, 1))
floor = of_means[0]
print(f"{'data':22}{'':24}{floor.floor('edges')!s:14}   {floor.floor('sharpness')}")
print("± over seeds one standard error; over data, that of the data")
rows = ["data", *systems, f"mean of {AVERAGED} data"]
plots.strips(torch.stack(shown), data.kind, rows).savefig(options.out, dpi=150)
print(f"pictures of seed {options.seeds[0]} are in {options.out}")
