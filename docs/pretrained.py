"""Train, judge and pack the small weights that come with the package: `make pretrained`, or some of them by name.

Recipes are those of the proofs, or close to them, on data that need no download; everything else that is said of the weights
is measured here. A run that stands in `runs/pretrained` already is not trained again.
"""

import argparse
import contextlib
from pathlib import Path

import pyrogen
from pyrogen import registry, storage
from pyrogen.base import HasClassifier, HasLogProb, HasPartition, HasPosterior
from pyrogen.inference import fit
from pyrogen.inference.programs.contexts import seeded
from pyrogen.inference.runs.recipe import data_and_model
from pyrogen.inference.sharing.card import LICENSE
from pyrogen.inference.sharing.pack import pack
from pyrogen.pretrained import FOLDER

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "runs" / "pretrained"
GREY = {"name": "digits", "kind": "unit", "dequantization": False}
SHARED = {"name": "Normal", "scale": "shared"}
# arguments of the entry, data, settings of the fit
RECIPES = {
    "vae": ({"latent_size": 8, "hidden": (256,)}, {"name": "digits"}, {"epochs": 150, "batch_size": 64}),
    "autoencoder": (
        {"latent_size": 8, "hidden": (256,), "prior": {"name": "Flat", "ex_post": "flow"}},
        {"name": "digits"},
        {"epochs": 100, "batch_size": 64},
    ),
    "classifier": ({}, {"name": "digits", "kind": "unit"}, {"epochs": 40}),
    "vae-2d": ({"hidden": (256,)}, {"name": "digits"}, {"epochs": 100, "batch_size": 64}),
    "rbm": ({"hidden": 16}, {"name": "digits"}, {"epochs": 150, "lr": 0.01, "batch_size": 64}),
    "vdm": (
        {"steps": 200, "noise": {"name": "Linear", "low": -12.0, "high": 5.0}},
        {"name": "ring"},
        {"epochs": 60, "lr": 0.002, "batch_size": 256, "lr_milestones": (40, 54)},
    ),
    "made": (
        {"hidden": (200,)},
        {"name": "digits"},
        {"epochs": 150, "lr": 0.003, "batch_size": 64, "lr_milestones": (100,)},
    ),
    "vae-conditional": (
        {"latent_size": 8, "hidden": (256,), "likelihood": SHARED},
        GREY,
        {"epochs": 100, "batch_size": 64},
    ),
    "flow-spline": ({}, {"name": "ring"}, {}),
    "vae-text": (
        {"latent_size": 8, "warmup": 600, "dropout": 0.5},
        {"name": "grammar"},
        {"epochs": 20, "lr": 0.005, "lr_milestones": (13, 18)},
    ),
    "vqvae": (
        {"codes": 32, "width": 16, "prior_width": 16},
        {"name": "digits"},
        {"epochs": 40, "lr": 0.003, "lr_milestones": (30,)},
    ),
    "gan-nonsaturating": (
        {"objective": {"name": "Adversarial", "critic_steps": 3}},
        {"name": "ring"},
        {"epochs": 80, "lr": 0.001, "lr_milestones": (41,), "lr_decay": 0.2},
    ),
    "dcgan": (
        {
            "latent_size": 16,
            "generator": {"name": "Convolutional", "width": 32},
            "critic": {"name": "Convolutional", "width": 32},
        },
        GREY,
        {"epochs": 100, "lr": 0.0005, "batch_size": 64, "lr_milestones": (70,), "lr_decay": 0.2},
    ),
    "lstm-lm": ({"dropout": 0.1}, {"name": "grammar"}, {"epochs": 16, "lr": 0.005, "lr_milestones": (10, 14)}),
    "vae-conv": ({"latent_size": 8, "width": 16}, {"name": "digits"}, {"epochs": 100, "lr": 0.002, "batch_size": 64}),
}
# where the default is none, or takes long
ESTIMATORS = {"autoencoder": "Reconstruction", "vae-text": "IWAE(k=100)", "vae-conv": "IWAE(k=1000)"}


def train(name: str, folder: Path) -> None:
    """As `pyrogen train` does, without a report."""
    arguments, wishes, settings = RECIPES[name]
    with seeded(0):
        data, model = data_and_model(wishes, registry.find("entry", name).load(), arguments)
        fit(model, data, folder=folder, device="cpu", overwrite=True, **settings)


def judge(folder: Path) -> None:
    """Its evidence, where it has a density, and the quality of its samples, where it is there to make them."""
    model = pyrogen.load(folder)
    if isinstance(model, (HasPosterior, HasLogProb, HasPartition)) and not any(folder.glob("scores/*.nc")):
        pyrogen.evaluate(folder, ESTIMATORS.get(folder.name))
    if not isinstance(model, HasClassifier) and not (folder / "quality.json").is_file():
        with contextlib.suppress(ValueError):  # of texts
            pyrogen.assess_run(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of entries; by default all")
    options = parser.parse_args()
    for name in options.names or RECIPES:
        folder = RUNS / name
        if not (folder / storage.WEIGHTS).is_file():
            print(f"training {name}", flush=True)
            train(name, folder)
        judge(folder)
        pack(folder, FOLDER / name, f'pyrogen.create("{name}", pretrained=True)', LICENSE)
        print(f"packed {name}", flush=True)


if __name__ == "__main__":
    main()
