"""What the entries of :mod:`pyrogen.models.moments` claim."""

SMALL = {"latent_size": 4, "hidden": [256]}
DIGITS = {
    "seeds": 3,
    "data": "digits",
    "arguments": SMALL,
    "recipe": {"epochs": 150, "lr_milestones": [100, 130], "batch_size": 128},
}

CLAIMS = {
    "wae-mmd": [
        {
            **DIGITS,
            "says": "All codes together pass for draws of the prior, by the p-value of an energy test.",
            "metric": "aggregate-p-value",
            "at_least": 0.01,
            "control": {"says": "the autoencoder without the discrepancy", "objective": {"name": "ELBO", "beta": 0.0}},
        },
        {
            **DIGITS,
            "says": "It still reconstructs: data are nearer to their reconstructions than to those of others, as a ratio.",
            "metric": "reconstruction-ratio",
            # no rival: a VAE of the same networks, which knows the widths of its beliefs, has .35, and the aae .33
            "at_most": 0.5,
            "control": {"says": "the discrepancy alone, without a reconstruction", "objective": "MMD"},
        },
    ],
    "gmmn": [
        {
            # a GAN of the same networks has .012 .043 .000 on seeds 3 to 5: it may lose modes, and finds sharper ones
            "says": "Without a critic its samples of the ring are distributed as data are, by their energy distance.",
            "metric": "energy-distance",
            "at_most": 0.02,
            "seeds": 3,
            "control": {
                "says": "the same network, by least squares of data that are paired with noise at random",
                "entry": "generator-paired",
                "arguments": {
                    "latent_size": 8,
                    "hidden": [128, 128],
                    "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.02},
                },
            },
        },
    ],
}
