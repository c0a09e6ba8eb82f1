"""What the entries of :mod:`pyrogen.models.adversarial.encoders` claim."""

GREY = {"name": "digits", "kind": "unit", "dequantization": False}
# what squared error hardly counts: a white mark of 4 pixels of 1,024, near one of four corners or absent. On seed 3 a probe
# tells it of .29 of the codes, where chance is .2; of .24 at a scale of 0.04, and of .27 before a convolutional critic
MARKED = {"name": "sprites(tiny='small', n=2000)", "kind": "unit", "dequantization": False}
MARKED_LARGE = {**MARKED, "name": "sprites(tiny='large', n=2000)"}

CLAIMS = {
    "bigan": [
        {
            "says": "Its reconstructions, which nobody asked for, are nearer to their data than those of others, as a ratio.",
            "metric": "reconstruction-ratio",
            "at_most": 0.65,
            "seeds": 3,
            "data": GREY,
            "arguments": {"latent_size": 8, "hidden": [256]},
            "control": {
                "says": "the same game, its critic reading x alone: a GAN with an encoder that nobody trains",
                "objective": {"name": "Adversarial", "sites": ["x"], "critic": "Perceptron", "penalty": "R1"},
            },
        },
        {
            "says": "Latents found by optimization make nearer data than those of its encoder, by the ratio of errors.",
            "metric": "inversion-ratio",
            "at_most": 0.9,
            "seeds": 3,
            "data": GREY,
            "arguments": {"latent_size": 8, "hidden": [256]},
            "control": {
                "says": "the nearest of four samples, hardly moved",
                "with": {"steps": 1},
            },
        },
        {
            "says": "Optimization that starts from the encoder too finds them as near as the better of the two does.",
            "metric": "inversion-ratio",
            "with": {"method": "both", "over": "optimize"},
            "at_most": 1.0001,
            "seeds": 3,
            "data": GREY,
            "arguments": {"latent_size": 8, "hidden": [256]},
            "control": {
                "says": "the encoder alone",
                "with": {"method": "encoder", "over": "optimize"},
            },
        },
        {
            "says": "Where latents cannot tell all of a sprite, its codes keep a mark of 36 pixels, by a probe's accuracy.",
            "metric": "factor-probe",
            "with": {"factor": "mark"},
            "at_least": 0.9,
            "seeds": 3,
            "data": MARKED_LARGE,
            "arguments": {"latent_size": 8, "hidden": [128]},
            "recipe": {"epochs": 40, "batch_size": 64},
            "control": {"says": "a mark of 4 pixels", "data": MARKED},
        },
    ],
    "aae": [
        {
            "says": "All codes together pass for draws of the prior, by the p-value of an energy test.",
            "metric": "aggregate-p-value",
            "at_least": 0.01,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 4, "hidden": [256]},
            "recipe": {"epochs": 60, "batch_size": 64},
            "control": {
                "says": "the autoencoder without the game",
                "objective": {"name": "ELBO", "beta": 0.0},
            },
        },
        {
            "says": "It still reconstructs: data are nearer to their reconstructions than to those of others, as a ratio.",
            "metric": "reconstruction-ratio",
            "at_most": 0.5,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 4, "hidden": [256]},
            "recipe": {"epochs": 60, "batch_size": 64},
            "control": {
                "says": "the game alone, without a reconstruction",
                "objective": {"name": "Adversarial", "sites": ["z"]},
            },
        },
    ],
    "avb": [
        {
            "says": "Of four data that differ, log p(x) by AIS, in nats per datum, the mean over seeds: -log 4 at best.",
            "metric": "evidence",
            "with": {"estimator": {"name": "AIS", "temperatures": 100, "chains": 32}},
            "at_least": -1.5,
            "over": "mean",
            "seeds": 3,
            "data": "one-hot",
            "arguments": {"latent_size": 2, "hidden": [64, 64], "features": 32, "push": [64]},
            "objective": {"name": "AVB", "critic_steps": 2},
            "recipe": {"epochs": 400, "batch_size": 100},
            "control": {
                "says": "a VAE of the same networks, whose beliefs are normal: -1.568 as published, where AVB reached -1.403",
                "entry": "vae",
                "arguments": {"latent_size": 2, "hidden": [64, 64]},
                "objective": "ELBO",
            },
        },
    ],
    "vae-gan": [
        {
            "says": "Where two latents cannot tell all, samples keep edges: the variance of their Laplacian over the data's.",
            "metric": "quality",
            "with": {"measure": "edges"},
            "at_least": 0.45,
            "seeds": 3,
            "data": GREY,
            "arguments": {"latent_size": 2, "hidden": [256]},
            "recipe": {"epochs": 40, "batch_size": 64},
            "control": {
                "says": "the VAE of the same networks, which compares pixels and blurs",
                "entry": "vae",
                "arguments": {
                    "latent_size": 2,
                    "hidden": [256],
                    "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.15},
                },
            },
        },
        {
            "says": "Its codes of sprites keep a mark of 4 pixels, which squared error neglects, by a probe's accuracy.",
            "metric": "factor-probe",
            "with": {"factor": "mark"},
            "at_least": 0.5,
            "seeds": 3,
            "data": MARKED,
            "arguments": {"latent_size": 8, "hidden": [128]},
            "recipe": {"epochs": 20, "batch_size": 64},
            "control": {
                "says": "the VAE of the same networks, which compares pixels",
                "entry": "vae",
                "arguments": {
                    "latent_size": 8,
                    "hidden": [128],
                    "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.3},
                },
                "recipe": {"epochs": 20, "lr": 1e-3, "batch_size": 64},
            },
        },
    ],
}
