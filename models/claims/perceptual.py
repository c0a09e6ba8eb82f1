"""What the entries of :mod:`pyrogen.models.vae.perceptual` claim."""

# sprites with a white mark of 2 × 2 pixels near one of four corners, or none
SMALL_MARKS = {"name": "sprites(tiny='small', n=2000)", "kind": "unit", "dequantization": False}

CLAIMS = {
    "vae-perceptual": [
        {
            "says": "Its reconstructions are nearer to the data, to another classifier's eyes, than pixels make them.",
            "metric": "feature-distance",
            "at_most": 0.053,
            "seeds": 3,
            "data": {"name": "digits", "kind": "unit"},
            "arguments": {"latent_size": 8, "hidden": [256]},
            "recipe": {"epochs": 100, "batch_size": 64},
            "control": {
                "says": "a likelihood of pixels",
                "entry": "vae",
                "arguments": {
                    "latent_size": 8,
                    "hidden": [256],
                    "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.15},
                },
            },
        },
        {
            "says": "Its codes cost no more nats than those of these pixels, as a fraction.",
            "metric": "rate-ratio",
            "at_most": 1,
            "seeds": 3,
            "data": {"name": "digits", "kind": "unit"},
            "arguments": {"latent_size": 8, "hidden": [256]},
            "recipe": {"epochs": 100, "batch_size": 64},
            "against": {
                "entry": "vae",
                "arguments": {
                    "latent_size": 8,
                    "hidden": [256],
                    "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.15},
                },
            },
            "control": {"says": "features at half the scale", "arguments": {"scale": 0.5}},
        },
        {
            "says": "Its codes of sprites keep a mark of 4 pixels, which the classifier that sees for it was taught.",
            "metric": "factor-probe",
            "with": {"factor": "mark"},
            "at_least": 0.9,
            "seeds": 3,
            "data": SMALL_MARKS,
            "arguments": {"latent_size": 8, "hidden": [128], "scale": 0.3},
            "recipe": {"epochs": 20, "lr": 1e-3, "batch_size": 64},
            "control": {
                "says": "the VAE of the same networks, which compares pixels",
                "entry": "vae",
                "arguments": {
                    "latent_size": 8,
                    "hidden": [128],
                    "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.3},
                },
            },
        },
    ],
}
