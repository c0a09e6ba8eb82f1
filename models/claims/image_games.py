"""What the entries of :mod:`pyrogen.models.adversarial.convolutional` and ``conditional`` claim, on bundled pictures."""

# data that a classifier can judge
GREY = {"name": "digits", "kind": "unit", "dequantization": False}
NARROW = {"latent_size": 16, "generator": {"name": "Convolutional", "width": 32}}
DCGAN = {
    "seeds": 3,
    "data": GREY,
    "arguments": {**NARROW, "critic": {"name": "Convolutional", "width": 32}},
    "recipe": [{"epochs": 100, "lr": 5e-4, "batch_size": 64}, {"epochs": 50, "lr": 1e-4, "batch_size": 64}],
}
# the same of 50,000 pictures of 28 x 28 pixels, as many steps as minutes allow
OF_MNIST = {
    "seeds": 3,
    "data": {"name": "mnist", "kind": "unit", "dequantization": False},
    "arguments": {
        "latent_size": 32,
        "generator": {"name": "Convolutional", "width": 16},
        "critic": {"name": "Convolutional", "width": 16},
    },
    "recipe": [{"epochs": 3, "lr": 5e-4, "batch_size": 128}, {"epochs": 1, "lr": 1e-4, "batch_size": 128}],
}
# what one would take who does not want networks: as many latents, and pictures that are linear in them
LINEAR = {
    "says": "a linear VAE of as many latents",
    "entry": "vae",
    "arguments": {"latent_size": 16, "hidden": [], "likelihood": {"name": "Normal", "scale": "shared"}},
    "recipe": [{"epochs": 60, "lr": 1e-3, "batch_size": 64}],
}
# what one would take who does not want games
PAIRED = {
    "says": "a generator fitted to random pairs",
    "entry": "generator-paired",
    "arguments": {"latent_size": 16, "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.2}},
    "recipe": [{"epochs": 20, "lr": 1e-3, "batch_size": 64}],
}
# what repeats its training data: codes of an autoencoder, drawn from a mixture that has a component for each of them
COPIES = {
    "says": "an autoencoder whose codes are drawn from 1,257 components, one for each training datum",
    "entry": "autoencoder",
    "arguments": {
        "latent_size": 16,
        "hidden": [256],
        "prior": {"name": "Flat", "ex_post": "mixture", "components": 1257},
        "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.1},
    },
    "recipe": [{"epochs": 60, "lr": 1e-3, "batch_size": 64}],
}
FEW_PASSES = {"recipe": [{"epochs": 2, "lr": 1e-3, "batch_size": 128}]}
# that all classes are there, and how far samples are from data
ALL_CLASSES = {"metric": "classes-recognized", "at_least": 10}
QUARTER = {"metric": "quality-ratio", "at_most": 0.25, "against": {"recipe": {"epochs": 0}}}
WIDE = {"name": "Perceptron", "hidden": [256, 256]}
STEEP = {
    "seeds": 3,
    "metric": "steepest-layer",
    "at_most": 1.05,
    "data": GREY,
    "recipe": {"epochs": 30, "lr": 5e-4, "batch_size": 64},
}

CLAIMS = {
    "dcgan": [
        {
            **DCGAN,
            **ALL_CLASSES,
            "says": "A judge is confident to see all ten digits among 2,000 samples.",
            "control": PAIRED,
        },
        {
            **DCGAN,
            **QUARTER,
            "says": "The Fréchet distance is at most a quarter of the untrained net's, as a fraction of it.",
            "control": PAIRED,
        },
        {
            **DCGAN,
            "says": "It is at most five times that of real data to other real data.",
            "metric": "quality",
            "with": {"statistic": "in_floors"},
            "at_most": 5,
            "control": PAIRED,
        },
        {
            **DCGAN,
            "says": "Midway between two digits a judge recognizes more than in the mean of the two, as a share of pairs.",
            "metric": "midpoint-gain",
            "at_least": 0.1,
            "control": LINEAR,
        },
        {
            **DCGAN,
            "says": "By nearest neighbours less than half of its samples copy training data, as a share of samples.",
            "metric": "quality",
            "with": {"measure": "memorization"},
            "at_most": 0.5,
            "control": COPIES,
        },
        {
            **OF_MNIST,
            **ALL_CLASSES,
            "says": "So it is of MNIST: all ten digits.",
            "control": {**PAIRED, **FEW_PASSES},
        },
        {
            **OF_MNIST,
            **QUARTER,
            "says": "And the Fréchet distance is at most a quarter of the untrained net's.",
            "control": {**PAIRED, **FEW_PASSES},
        },
        {
            **OF_MNIST,
            "says": "And at most five times that of real data to other real data.",
            "metric": "quality",
            "with": {"statistic": "in_floors"},
            "at_most": 5,
            "control": {**PAIRED, **FEW_PASSES},
        },
        {
            **OF_MNIST,
            "says": "And midpoints are recognized where means of pixels are not.",
            "metric": "midpoint-gain",
            "at_least": 0.1,
            "control": {**LINEAR, **FEW_PASSES},
        },
    ],
    "sngan": [
        {
            **STEEP,
            "says": "No layer of its critic is steeper than 1.05, by the largest singular value.",
            "arguments": {
                **NARROW,
                "critic": {"name": "Convolutional", "width": 32, "normalization": "spectral"},
            },
            "control": {
                "says": "a DCGAN",
                "entry": "dcgan",
                "arguments": {**NARROW, "critic": {"name": "Convolutional", "width": 32}},
            },
        },
    ],
    "cgan": [
        {
            "says": "A classifier of real digits finds the class that was asked for, as a fraction of samples.",
            "metric": "conditional-accuracy",
            "at_least": 0.95,
            "seeds": 3,
            "data": GREY,
            "arguments": {"latent_size": 16, "generator": WIDE, "critic": WIDE},
            "objective": {"name": "Adversarial", "penalty": {"name": "R1", "weight": 10.0}, "penalty_every": 4},
            "recipe": [
                {"epochs": 80, "lr": 1e-3, "batch_size": 64},
                {"epochs": 80, "lr": 5e-4, "batch_size": 64},
                {"epochs": 80, "lr": 2e-4, "batch_size": 64},
                {"epochs": 80, "lr": 5e-5, "batch_size": 64},
            ],
            "control": {
                "says": "the same, told labels that were dealt out at random, and right by chance",
                "data": {**GREY, "name": "shuffled-labels(of='digits')"},
                "with": {"taught_on": "digits"},
                "between": [0.05, 0.15],
            },
        },
    ],
}
