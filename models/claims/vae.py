"""What the entries of :mod:`pyrogen.models.vae.vae` claim."""

AGAINST_ONE = {
    "seeds": 3,
    "data": "digits",
    "recipe": {"epochs": 100, "batch_size": 64},
    "against": {"arguments": {"beta": 1.0}},
    "control": {"says": "β = 1 from other seeds", "arguments": {"beta": 1.0}, "seed": 100},
}

# sprites with a white mark near one of four corners, or none, 2 or 6 pixels wide
SMALL_MARKS = {"name": "sprites(tiny='small', n=2000)", "kind": "unit", "dequantization": False}
LARGE_MARKS = {**SMALL_MARKS, "name": "sprites(tiny='large', n=2000)"}

# what a user would take who does not want networks: latents of equal number, linearly decoded, trained until it has settled
SETTLED = {"lr": 1e-2, "epochs": 150, "batch_size": 64, "lr_milestones": [100]}
LINEAR_8 = {"entry": "vae", "arguments": {"latent_size": 8, "hidden": []}, "recipe": SETTLED}
LINEAR_2 = {"entry": "vae", "arguments": {"latent_size": 2, "hidden": []}, "recipe": SETTLED}
IWAE_500 = {"estimator": {"name": "IWAE", "k": 500}}
EIGHT = {
    "seeds": 3,
    "data": "digits",
    "arguments": {"latent_size": 8, "hidden": [256]},
    "recipe": {"epochs": 100, "batch_size": 64},
}
CONVOLVED = {
    "seeds": 3,
    "data": "digits",
    "arguments": {"latent_size": 8, "width": 16},
    "recipe": {"epochs": 150, "lr": 2e-3, "batch_size": 64},
}
PLANE = {"seeds": 3, "data": "digits", "arguments": {"hidden": [256]}, "recipe": {"epochs": 100, "batch_size": 64}}

# how many latents data need, by training it with one to five
NEEDS = {
    "metric": "bottleneck-bend",
    "between": [2, 2],
    "seeds": 3,
    "data": "surface",
    "arguments": {"hidden": [64, 64], "likelihood": {"name": "Normal", "scale": "shared"}},
    "recipe": {"epochs": 0},
}
FIVE = {
    "sizes": [1, 2, 3, 4, 5],
    "estimator": {"name": "IWAE", "k": 50},
    "training": {"epochs": 20, "lr": 1e-2, "batch_size": 200, "lr_milestones": [14]},
}

# one decoder in a game, and under likelihoods: what blurs is that pixels are compared; examples/blur_has_a_cause.py
PLAYED = {
    "metric": "quality",
    "with": {"measure": "edges"},
    "at_least": 0.7,
    "seeds": 3,
    "data": {"name": "digits", "kind": "unit", "dequantization": False},
    "arguments": {
        "latent_size": 8,
        "hidden": [128],
        "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.02},
    },
    "objective": {
        "name": "Adversarial",
        "penalty": "R1",
        "critic": {"name": "Perceptron", "hidden": [128, 128]},
    },
    "recipe": {"epochs": 40, "batch_size": 64},
}
SCORED = {"recipe": [{"epochs": 20, "lr": 2e-3, "batch_size": 64}], "objective": "ELBO"}
# nineteen of twenty small sprites are red in training, and as many large ones green; in test half of each
BIASED = {
    "name": "sprites(size=16, n=2000, tests=800, only=['small', 'large', 'red', 'green'], "
    "biased=['red small', 'green large'])",
    "kind": "unit",
    "dequantization": False,
}

CLAIMS = {
    "vae": [
        {
            "says": "A linear VAE's ELBO reaches the maximum likelihood of probabilistic PCA, in nats below it.",
            "metric": "gap-to-ppca",
            "with": {"components": 3},
            "at_most": 0.05,
            "seeds": 3,
            "data": {"name": "digits", "kind": "unit", "dequantization": False},
            "arguments": {"latent_size": 3, "hidden": [], "likelihood": {"name": "Normal", "scale": "shared"}},
            "recipe": [{"epochs": 100, "lr": 1e-2, "batch_size": 64}, {"epochs": 100, "lr": 1e-3, "batch_size": 64}],
            "control": {"says": "two latents", "arguments": {"latent_size": 2}},
        },
        {
            **EIGHT,
            "says": "With eight latents its evidence beats independent pixels on digits, in nats.",
            "metric": "gain-over-marginals",
            "with": IWAE_500,
            "at_least": 4.1,
            "control": {**LINEAR_8, "says": "a linear VAE of as many latents"},
        },
        {
            **EIGHT,
            "says": "It beats a linear VAE of as many latents there, in nats.",
            "metric": "gain",
            "with": IWAE_500,
            "at_least": 0.8,
            "against": LINEAR_8,
            "control": {**LINEAR_8, "says": "a linear VAE from other seeds", "seed": 100},
        },
        {
            **NEEDS,
            "says": "Evidence against the number of latents bends at the two dimensions of a curved surface in 16.",
            "with": FIVE,
            "control": {
                "says": "white noise of equal variance: no latent gains",
                "data": "white-noise",
                "between": [0, 0],
            },
        },
        {
            **NEEDS,
            "says": "So does the error of reconstructions.",
            "with": {**FIVE, "score": "squared_error"},
            "control": {
                "says": "linear networks, which need the four dimensions that it spans",
                "arguments": {"hidden": []},
                "between": [4, 4],
            },
        },
        {
            **PLAYED,
            "says": "In a game its means keep edges: the variance of their Laplacian, over the data's.",
            "control": {
                **SCORED,
                "says": "the same networks under the ELBO of a Normal of fixed scale, which blurs",
                "arguments": {"likelihood": {"name": "Normal", "scale": "fixed", "value": 0.15}},
            },
        },
        {
            **PLAYED,
            "says": "It keeps more of them than a mixture of logistics does.",
            "control": {
                **SCORED,
                "says": "the same networks under the ELBO of a mixture of logistics",
                "data": {"name": "digits", "kind": "levels"},
                "arguments": {"likelihood": {"name": "DiscretizedLogisticMixture", "components": 5}},
            },
        },
        {
            **PLAYED,
            "says": "And more than squared errors of features do.",
            "control": {
                **SCORED,
                "says": "the same networks under the ELBO of a perceptual likelihood",
                "entry": "vae-perceptual",
                "arguments": {"latent_size": 8, "hidden": [128]},
            },
        },
        {
            "says": "Where latents cannot tell all of a sprite, its codes keep a mark of 36 pixels, by a probe's accuracy.",
            "metric": "factor-probe",
            "with": {"factor": "mark"},
            "at_least": 0.9,
            "seeds": 3,
            "data": LARGE_MARKS,
            "arguments": {
                "latent_size": 8,
                "hidden": [128],
                "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.3},
            },
            "recipe": {"epochs": 20, "lr": 1e-3, "batch_size": 64},
            "control": {"says": "a mark of 4 pixels", "data": SMALL_MARKS},
        },
    ],
    "vae-conv": [
        {
            **CONVOLVED,
            "says": "With eight latents its evidence beats independent pixels on digits, in nats.",
            "metric": "gain-over-marginals",
            "with": IWAE_500,
            "at_least": 3.9,
            "control": {**LINEAR_8, "says": "a linear VAE of as many latents"},
        },
        {
            **CONVOLVED,
            "says": "It beats a linear VAE of as many latents there, in nats.",
            "metric": "gain",
            "with": IWAE_500,
            "at_least": 0.6,
            "against": LINEAR_8,
            "control": {**LINEAR_8, "says": "a linear VAE from other seeds", "seed": 100},
        },
    ],
    "beta-vae": [
        {
            "says": "β = 2 lowers the rate, as a fraction of the rate at β = 1.",
            "metric": "rate-ratio",
            "at_most": 0.39,
            "arguments": {"beta": 2.0, "latent_size": 8, "hidden": [256]},
            **AGAINST_ONE,
        },
        {
            "says": "β = 2 costs reconstruction, in nats gained over β = 1.",
            "metric": "gain",
            "with": {"estimator": "Reconstruction"},
            "at_most": -3.8,
            "arguments": {"beta": 2.0, "latent_size": 8, "hidden": [256]},
            **AGAINST_ONE,
        },
        {
            "says": "β = ¼ raises the rate, as a multiple of the rate at β = 1.",
            "metric": "rate-ratio",
            "at_least": 2.2,
            "arguments": {"beta": 0.25, "latent_size": 8, "hidden": [256]},
            **AGAINST_ONE,
        },
        {
            "says": "β = ¼ improves reconstruction, in nats gained over β = 1.",
            "metric": "gain",
            "with": {"estimator": "Reconstruction"},
            "at_least": 3.7,
            "arguments": {"beta": 0.25, "latent_size": 8, "hidden": [256]},
            **AGAINST_ONE,
        },
        {
            "says": "Sizes that go with a colour are learned from data resampled by its codes: more exceptions are named.",
            "metric": "debiasing",
            "with": {"factor": "size", "bias": "colour", "representation": {"name": "PrincipalComponents", "size": 32}},
            "at_least": 0.12,
            "seeds": 3,
            "data": BIASED,
            "arguments": {
                "beta": 1.0,
                "latent_size": 8,
                "hidden": [256],
                "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.1},
            },
            "recipe": {"epochs": 15, "batch_size": 64},
            "control": {
                "says": "the same weights, dealt out at random",
                "with": {"way": "the same weights dealt out at random"},
            },
        },
    ],
    "vae-2d": [
        {
            **PLANE,
            "says": "Nearest neighbours in the plane of codes share their digit, as a fraction.",
            "metric": "neighbour-accuracy",
            "at_least": 0.40,
            "control": {**LINEAR_2, "says": "the plane of a linear VAE"},
        },
        {
            **PLANE,
            "says": "Its plane is worth more than a linear VAE's in evidence on digits, in nats.",
            "metric": "gain",
            "with": IWAE_500,
            "at_least": 0.8,
            "against": LINEAR_2,
            "control": {**LINEAR_2, "says": "a linear VAE's from other seeds", "seed": 100},
        },
        {
            **PLANE,
            "says": "Neighbours come to share their digit by training, as a fraction.",
            "metric": "neighbour-accuracy",
            "at_least": 0.40,
            "control": {"says": "its codes before the first step", "recipe": {"epochs": 0}},
        },
    ],
}
