"""What the entries of :mod:`pyrogen.models.autoencoders.shallow` claim."""

GREY = {"name": "digits", "kind": "unit", "dequantization": False}
SQUARES = {"name": "Normal", "scale": "fixed"}
GENERATED = {
    "metric": "energy-distance",
    "seeds": 3,
    "data": "digits",
    "recipe": {"epochs": 100, "batch_size": 64},
    "control": {"says": "codes from N(0, I)", "with": {"codes": "standard"}},
}
# sprites with a white mark near one of four corners, or none, 2 or 6 pixels wide: of seed 3 a probe tells .23 and .998
SMALL_MARKS = {"name": "sprites(tiny='small', n=2000)", "kind": "unit", "dequantization": False}
LARGE_MARKS = {**SMALL_MARKS, "name": "sprites(tiny='large', n=2000)"}
# as of conditional.py: literals are read file by file
UNSEEN = {
    "name": "sprites(size=16, n=2000, tests=800, only=['circle', 'square', 'red', 'green', 'blue', 'yellow'], "
    "held_out=['red small', 'red large', 'green small', 'green large'])",
    "kind": "unit",
    "dequantization": False,
}

CLAIMS = {
    "autoencoder": [
        {
            "says": "A linear autoencoder spans the plane of the principal components, in degrees off.",
            "metric": "angle-to-pca",
            "at_most": 5,
            "seeds": 3,
            "data": GREY,
            "arguments": {"latent_size": 3, "hidden": [], "likelihood": SQUARES},
            "recipe": [{"epochs": 100, "lr": 3e-2, "batch_size": 128}, {"epochs": 60, "lr": 3e-3, "batch_size": 128}],
            "control": {
                "says": "absolute instead of squared error",
                "arguments": {"likelihood": {"name": "Laplace", "scale": "fixed"}},
            },
        },
        {
            "says": "A deep autoencoder's squared error is below that of as many principal components, as a fraction.",
            "metric": "error-over-pca",
            "at_most": 0.53,
            "seeds": 3,
            "data": GREY,
            "arguments": {"latent_size": 5, "hidden": [256, 64], "likelihood": SQUARES},
            "recipe": {"epochs": 150, "batch_size": 64},
            "control": {"says": "linear networks", "arguments": {"hidden": []}},
        },
        {
            "says": "With a normal fitted to its codes it generates digits nearer to test data than from N(0, I) codes.",
            "at_most": 0.017,
            "arguments": {"latent_size": 8, "hidden": [256]},
            **GENERATED,
        },
        {
            "says": "So it does with a mixture of ten normals fitted to its codes.",
            "at_most": 0.013,
            "arguments": {"latent_size": 8, "hidden": [256], "prior": {"name": "Flat", "ex_post": "mixture"}},
            **GENERATED,
        },
        {
            "says": "So it does with a flow fitted to its codes.",
            "at_most": 0.010,
            "arguments": {"latent_size": 8, "hidden": [256], "prior": {"name": "Flat", "ex_post": "flow"}},
            **GENERATED,
        },
        {
            "says": "Where latents cannot tell all of a sprite, codes keep a mark of 36 pixels, by a probe's accuracy.",
            "metric": "factor-probe",
            "with": {"factor": "mark"},
            "at_least": 0.9,
            "seeds": 3,
            "data": LARGE_MARKS,
            "arguments": {"latent_size": 8, "hidden": [128], "likelihood": SQUARES},
            "recipe": {"epochs": 20, "lr": 1e-3, "batch_size": 64},
            "control": {
                "says": "a mark of 4 pixels, which is seen as well, but which squared error hardly counts",
                "data": SMALL_MARKS,
            },
        },
        {
            "says": "By colour and size, read from its codes, it names unseen pairs, more of them than by the nearest seen.",
            "metric": "zero-shot",
            "with": {"over": "the nearest seen class"},
            "at_least": 0.1,
            "seeds": 3,
            "data": UNSEEN,
            "arguments": {"latent_size": 32, "hidden": [256], "likelihood": SQUARES},
            "recipe": {"epochs": 15, "batch_size": 64},
            "control": {"says": "told the attributes of another pair", "with": {"way": "attributes of another class"}},
        },
    ],
    "autoencoder-overcomplete": [
        {
            "says": "Its penalty makes it reconstruct noisy digits better than the one without, in decibels.",
            "metric": "psnr-gain",
            "with": {"noise": 0.3},
            "at_least": 3.5,
            "seeds": 3,
            "data": GREY,
            "arguments": {
                "hidden": [256],
                "prior": {"name": "Laplace", "scale": 5.0},
                "likelihood": SQUARES,
            },
            "recipe": {"epochs": 100, "batch_size": 64},
            "against": {"arguments": {"prior": "Flat"}},
            "control": {"says": "no penalty, from other seeds", "arguments": {"prior": "Flat"}, "seed": 100},
        },
    ],
    "autoencoder-sparse": [
        {
            "says": "Its decoder's columns hold the atoms of a sparse linear model, as mean cosine of the best match.",
            "metric": "dictionary-cosine",
            "at_least": 0.9,
            "seeds": 3,
            "data": "sparse-dictionary",
            "arguments": {
                "latent_size": 32,
                "hidden": [512],
                "prior": {"name": "Laplace", "scale": 10.0},
                "likelihood": SQUARES,
            },
            "recipe": {"epochs": 60, "lr": 2e-3},
            "control": {"says": "no penalty", "arguments": {"prior": "Flat"}},
        },
        {
            "says": "Few of its codes tell a digit: their sparseness by Hoyer, of which 1 is a single one.",
            "metric": "sparsity",
            "at_least": 0.7,
            "seeds": 3,
            "data": GREY,
            "arguments": {
                "latent_size": 64,
                "hidden": [128],
                "prior": {"name": "Laplace", "scale": 2.0},
                "likelihood": SQUARES,
            },
            "recipe": {"epochs": 40, "batch_size": 64},
            "control": {"says": "no penalty", "arguments": {"prior": "Flat"}},
        },
    ],
    "autoencoder-sparse-kl": [
        {
            "says": "Its codes are on average the target of 0.1, within 0.02.",
            "metric": "mean-activation",
            "between": [0.08, 0.12],
            "seeds": 3,
            "data": GREY,
            "arguments": {"latent_size": 64, "target": 0.1, "likelihood": SQUARES},
            "recipe": {"epochs": 100, "lr": 3e-3, "batch_size": 64},
            "control": {"says": "no penalty", "arguments": {"weight": 0.0}},
        },
    ],
    "autoencoder-denoising": [
        {
            "says": "It raises the signal-to-noise ratio of noisy digits, in decibels.",
            "metric": "psnr-gain",
            "with": {"noise": 0.5},
            "at_least": 5,
            "seeds": 3,
            "data": GREY,
            "arguments": {"hidden": [256], "noise": 0.5, "likelihood": SQUARES},
            "recipe": {"epochs": 100, "batch_size": 64},
            "control": {"says": "the plain autoencoder", "arguments": {"noise": 0.0}},
        },
        {
            "says": "Around a spiral, what it adds to x is the known score of noisy data times their variance, as a cosine.",
            "metric": "score-cosine",
            "with": {"noise": 0.1},
            "at_least": 0.9,
            "seeds": 3,
            "data": "spiral",
            "arguments": {
                "latent_size": 16,
                "hidden": [128, 128],
                "noise": 0.1,
                "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.1},
            },
            "recipe": {"epochs": 75, "lr_milestones": [51]},
            "control": {"says": "the plain autoencoder", "arguments": {"noise": 0.0}},
        },
    ],
    "autoencoder-contractive": [
        {
            "says": "Its codes of digits move less with x than those of the plain autoencoder, by this factor.",
            "metric": "jacobian-shrinkage",
            "at_least": 5,
            "seeds": 3,
            "data": GREY,
            "arguments": {"latent_size": 64, "weight": 2.0, "likelihood": SQUARES},
            "recipe": {"epochs": 50, "lr": 1e-2, "batch_size": 64, "lr_milestones": [41]},
            "against": {"arguments": {"weight": 0.0}},
            "control": {"says": "the plain autoencoder, from other seeds", "arguments": {"weight": 0.0}, "seed": 100},
        },
        {
            "says": "On a noisy circle in 16 dimensions its codes move along the tangent, as mean cosine.",
            "metric": "tangent-cosine",
            "at_least": 0.99,
            "seeds": 3,
            "data": "circle",
            "arguments": {"latent_size": 32, "weight": 1.0, "likelihood": SQUARES},
            "recipe": {"epochs": 30, "lr": 1e-2, "lr_milestones": [21]},
            "control": {"says": "the plain autoencoder", "arguments": {"weight": 0.0}},
        },
    ],
}
