"""What the entries of :mod:`pyrogen.models.adversarial.generators` claim."""

CLAIMS = {
    "generator-random": [
        {
            "says": "Its samples have the density that quadrature over z says, by total variation on 1,024 cells.",
            "metric": "density-error",
            "at_most": 0.019,
            "seeds": 3,
            "against": {},
            "control": {"says": "samples with noise of 0.07 instead of 0.05", "arguments": {"noise": 0.07}},
        },
        {
            "says": "So do those of a net of twelve hidden layers.",
            "metric": "density-error",
            "at_most": 0.02,
            "seeds": 3,
            "arguments": {"depth": 12},
            "against": {},
            "control": {"says": "samples of another network", "seed": 100},
        },
    ],
    "generator-paired": [
        {
            "says": "Under the L2 loss it collapses: its output varies by less than a tenth of the variance of data.",
            "metric": "output-variance",
            "at_most": 0.1,
            "seeds": 3,
            "data": {"name": "digits", "kind": "unit", "dequantization": False},
            "arguments": {
                "latent_size": 8,
                "hidden": [256],
                "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.2},
            },
            "recipe": {"epochs": 60, "batch_size": 64},
            "control": {
                "says": "the same generator, trained as a VAE",
                "entry": "vae",
                "arguments": {
                    "latent_size": 8,
                    "hidden": [256],
                    "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.2},
                },
            },
        },
        {
            "says": "Under the L1 loss it collapses as well.",
            "metric": "output-variance",
            "at_most": 0.1,
            "seeds": 3,
            "data": {"name": "digits", "kind": "unit", "dequantization": False},
            "arguments": {
                "latent_size": 8,
                "hidden": [256],
                "likelihood": {"name": "Laplace", "scale": "fixed", "value": 0.2},
            },
            "recipe": {"epochs": 60, "batch_size": 64},
            "control": {
                "says": "the same generator, trained as a VAE",
                "entry": "vae",
                "arguments": {
                    "latent_size": 8,
                    "hidden": [256],
                    "likelihood": {"name": "Laplace", "scale": "fixed", "value": 0.2},
                },
            },
        },
        {
            "says": "Under cross-entropy it collapses as well.",
            "metric": "output-variance",
            "at_most": 0.1,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 8, "hidden": [256], "likelihood": "Bernoulli"},
            "recipe": {"epochs": 60, "batch_size": 64},
            "control": {
                "says": "the same generator, trained as a VAE",
                "entry": "vae",
                "arguments": {"latent_size": 8, "hidden": [256], "likelihood": "Bernoulli"},
            },
        },
    ],
}
