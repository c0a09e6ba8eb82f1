"""What the entries of :mod:`pyrogen.models.vae.priors` claim."""

SMALL = {"latent_size": 8, "hidden": [256]}
LONG = {
    "seeds": 3,
    "data": "digits",
    "recipe": [{"epochs": 200, "lr": 1e-3, "batch_size": 64}, {"epochs": 50, "lr": 1e-4, "batch_size": 64}],
}
GAIN = {
    **LONG,
    "metric": "gain",
    "with": {"estimator": {"name": "IWAE", "k": 500}},
    "against": {"entry": "vae", "arguments": SMALL},
    "control": {"says": "N(0, I) from other seeds", "entry": "vae", "arguments": SMALL, "seed": 100},
}
DRAWN = {
    **LONG,
    "says": "Latents are drawn from the density that scores them, by the p-value of a two-sample test.",
    "metric": "prior-two-sample",
    "at_least": 0.001,
    "control": {"says": "latents drawn from N(0, I)", "with": {"drawn": "StandardNormal"}},
}
# as many intrinsic dimensions as the surface of a ball has
PLANE = {
    "entry": "vae",
    "arguments": {"latent_size": 2, "hidden": [256], "objective": {"name": "ELBO", "warmup": 500}},
}

CLAIMS = {
    "vae-mixture": [
        {
            **GAIN,
            "says": "A mixture of 50 as prior beats N(0, I) in evidence on digits, in nats.",
            "at_least": 0.19,
            "arguments": {"components": 50, **SMALL},
        },
        {**DRAWN, "arguments": {"components": 50, **SMALL}},
    ],
    "vae-vamp": [
        {
            **GAIN,
            "says": "A VampPrior of 100 pseudo-data beats N(0, I) in evidence on digits, in nats.",
            "at_least": 0.26,
            "arguments": {"components": 100, **SMALL},
        },
        {**DRAWN, "arguments": {"components": 100, **SMALL}},
    ],
    "vae-exemplar": [
        {
            **GAIN,
            "says": "A prior around the codes of 100 training data beats N(0, I) in evidence on digits, in nats.",
            "at_least": 0.23,
            "arguments": {"components": 100, **SMALL},
        },
        {**DRAWN, "arguments": {"components": 100, **SMALL}},
    ],
    "vae-flow-prior": [
        {
            **GAIN,
            "says": "A flow of coupling layers as prior beats N(0, I) in evidence on digits, in nats.",
            "at_least": 0.19,
            "arguments": SMALL,
        },
        {**DRAWN, "arguments": SMALL},
    ],
    "vae-autoregressive-prior": [
        {
            **GAIN,
            "says": "An autoregressive prior beats N(0, I) in evidence on digits, in nats.",
            "at_least": 0.10,
            "arguments": SMALL,
        },
        {**DRAWN, "arguments": SMALL},
    ],
    "vae-heavy-tailed": [
        {
            "says": "Linear networks under Student's prior beat every linear Gaussian model of sparse causes, in nats.",
            "metric": "gap-to-ppca",
            "with": {"components": 15, "estimator": {"name": "IWAE", "k": 100}},
            "at_most": 0,
            "seeds": 3,
            "data": "sparse-dictionary",
            "arguments": {
                "latent_size": 16,
                "hidden": [],
                "prior": {"name": "StudentT", "df": 2.5},
                "likelihood": {"name": "Normal", "scale": "shared"},
            },
            "recipe": {"epochs": 60, "lr": 1e-2, "batch_size": 100, "lr_milestones": [36, 51], "lr_decay": 0.2},
            "control": {"says": "N(0, I), which cannot", "arguments": {"prior": "StandardNormal"}},
        },
        {
            "says": "Linear networks under Laplace's prior beat every linear Gaussian model of sparse causes, in nats.",
            "metric": "gap-to-ppca",
            "with": {"components": 15, "estimator": {"name": "IWAE", "k": 100}},
            "at_most": -0.78,
            "seeds": 3,
            "data": "sparse-dictionary",
            "arguments": {
                "latent_size": 16,
                "hidden": [],
                "prior": "Laplace",
                "likelihood": {"name": "Normal", "scale": "shared"},
            },
            "recipe": {"epochs": 60, "lr": 1e-2, "batch_size": 100, "lr_milestones": [36, 51], "lr_decay": 0.2},
            "control": {"says": "N(0, I), which cannot", "arguments": {"prior": "StandardNormal"}},
        },
        {
            "says": "Latents are drawn from the density that scores them, by the p-value of a two-sample test.",
            "metric": "prior-two-sample",
            "at_least": 0.001,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 8},
            "recipe": {"epochs": 0},
            "control": {"says": "latents drawn from N(0, I)", "with": {"drawn": "StandardNormal"}},
        },
    ],
    "vae-spherical": [
        {
            "says": "On the surface of a ball latents do better than N(0, I) of as many dimensions, two, in nats on digits.",
            "metric": "gain",
            "with": {"estimator": {"name": "IWAE", "k": 500}},
            "at_least": 0.10,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 3, "hidden": [256], "warmup": 500},
            "recipe": {"epochs": 100, "lr": 1e-3, "batch_size": 64, "lr_milestones": [80]},
            "against": PLANE,
            "control": {**PLANE, "says": "N(0, I) in two dimensions from other seeds", "seed": 100},
        },
    ],
}
