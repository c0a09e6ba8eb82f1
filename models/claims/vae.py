"""What the entries of :mod:`pyrogen.models.vae.vae` claim."""

AGAINST_ONE = {
    "seeds": 3,
    "data": "digits",
    "recipe": {"epochs": 100, "batch_size": 64},
    "against": {"arguments": {"beta": 1.0}},
    "control": {"says": "β = 1 from other seeds", "arguments": {"beta": 1.0}, "seed": 100},
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
            "says": "With eight latents its evidence beats independent pixels on digits, in nats.",
            "metric": "gain-over-marginals",
            "with": {"estimator": {"name": "IWAE", "k": 500}},
            "at_least": 4.1,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 8, "hidden": [256]},
            "recipe": {"epochs": 100, "batch_size": 64},
            "control": {"says": "one latent", "arguments": {"latent_size": 1}},
        },
    ],
    "vae-conv": [
        {
            "says": "With eight latents its evidence beats independent pixels on digits, in nats.",
            "metric": "gain-over-marginals",
            "with": {"estimator": {"name": "IWAE", "k": 500}},
            "at_least": 2.8,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 8, "width": 16},
            "recipe": {"epochs": 60, "batch_size": 64},
            "control": {"says": "one latent", "arguments": {"latent_size": 1}},
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
    ],
    "vae-2d": [
        {
            "says": "Nearest neighbours in the plane of codes share their digit, as a fraction.",
            "metric": "neighbour-accuracy",
            "at_least": 0.40,
            "seeds": 3,
            "data": "digits",
            "arguments": {"hidden": [256]},
            "recipe": {"epochs": 100, "batch_size": 64},
            "control": {"says": "untrained", "recipe": {"epochs": 0}},
        },
    ],
}
