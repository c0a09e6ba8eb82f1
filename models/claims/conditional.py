"""What the entries of :mod:`pyrogen.models.vae.conditional` claim."""

# data that a classifier can judge, and a model that is trained on them in seconds
GREY = {"name": "digits", "kind": "unit", "dequantization": False}
SMALL = {"latent_size": 8, "hidden": [256], "likelihood": {"name": "Normal", "scale": "shared"}}
# four pairs of a colour and a size, a quarter of the test data, that training lacks; each value is there in other pairs
UNSEEN = {
    "name": "sprites(size=16, n=2000, tests=800, only=['circle', 'square', 'red', 'green', 'blue', 'yellow'], "
    "held_out=['red small', 'red large', 'green small', 'green large'])",
    "kind": "unit",
    "dequantization": False,
}

CLAIMS = {
    "vae-conditional": [
        {
            "says": "A classifier of real digits finds the class that was asked for, as a fraction of samples.",
            "metric": "conditional-accuracy",
            "at_least": 0.95,
            "seeds": 3,
            "data": GREY,
            "arguments": SMALL,
            "recipe": {"epochs": 100, "batch_size": 64},
            "control": {"says": "a VAE that is not told the class", "entry": "vae", "arguments": SMALL},
        },
        {
            "says": "So it does where z is drawn from p(z|y) instead of N(0, I).",
            "metric": "conditional-accuracy",
            "at_least": 0.95,
            "seeds": 3,
            "data": GREY,
            "arguments": {**SMALL, "prior": "ConditionalNormal"},
            "recipe": {"epochs": 100, "batch_size": 64},
            "control": {
                "says": "a VAE with a learned prior that is not told the class",
                "entry": "vae",
                "arguments": {**SMALL, "prior": "MixtureOfGaussians"},
            },
        },
        {
            "says": "Pictures that it makes of unseen pairs teach them: more are named than by the nearest seen pair.",
            "metric": "zero-shot",
            "with": {"over": "the nearest seen class"},
            "at_least": 0.3,
            "seeds": 3,
            "data": UNSEEN,
            "arguments": {**SMALL, "latent_size": 2},
            "recipe": {"epochs": 25, "lr": 2e-3, "batch_size": 64},
            "control": {"says": "told the attributes of another pair", "with": {"way": "attributes of another class"}},
        },
    ],
}
