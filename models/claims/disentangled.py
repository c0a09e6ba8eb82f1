"""What the entries of :mod:`pyrogen.models.vae.disentangled` claim."""

# four factors of equal weight, whose directions no covariance knows: what finds them has found their independence
FOUND = {
    "metric": "disentanglement",
    "seeds": 3,
    "data": "independent-factors",
    "recipe": {"epochs": 40, "lr": 3e-3, "batch_size": 128},
}
SMALL = {"latent_size": 6, "hidden": [64], "likelihood": {"name": "Normal", "scale": "shared"}}
PLAIN = {"says": "the plain VAE", "entry": "vae", "arguments": SMALL}
INFORMED = {
    "says": "β-VAE of the same weight, which pays for all that codes know",
    "entry": "beta-vae",
    "arguments": {**SMALL, "beta": 6.0},
}

CLAIMS = {
    "beta-tc-vae": [
        {
            **FOUND,
            "at_least": 0.61,
            "says": "Its latents are independent factors of known data, each by itself (MIG).",
            "arguments": {**SMALL, "beta": 6.0},
            "control": PLAIN,
        },
        {
            **FOUND,
            "at_least": 0.61,
            "says": "It is the total correlation that finds them, not a heavier KL (MIG).",
            "arguments": {**SMALL, "beta": 6.0},
            "control": INFORMED,
        },
    ],
    "factor-vae": [
        {
            **FOUND,
            "at_least": 0.52,
            "says": "Its latents are independent factors of known data, each by itself (MIG).",
            "arguments": {**SMALL, "gamma": 10.0},
            "control": PLAIN,
        },
        {
            **FOUND,
            "at_least": 0.52,
            "says": "It is the total correlation that finds them, not a heavier KL (MIG).",
            "arguments": {**SMALL, "gamma": 10.0},
            "control": INFORMED,
        },
    ],
}
