"""What the entries of :mod:`pyrogen.models.vq` claim."""

PLACES = 16
SMALL = {"codes": 32, "width": 16, "prior_width": 16}
ON_DIGITS = {
    "seeds": 3,
    "data": "digits",
    "arguments": SMALL,
    "recipe": {"epochs": 40, "lr": 3e-3, "batch_size": 64, "lr_milestones": [30]},
}
# the same autoencoder, and codes that are all alike: what one has before a prior is trained
UNIFORM = {"arguments": {"prior": {"name": "Categorical", "variables": PLACES}}}
ALIKE = {**UNIFORM, "says": "codes drawn alike, of other seeds", "seed": 100}

CLAIMS = {
    "vqvae": [
        {
            **ON_DIGITS,
            "says": "More than half of the codebook is in use, by the perplexity of the test data's codes over its size.",
            "metric": "codebook-use",
            "at_least": 0.5,
            "control": {
                "says": "a codebook moved by its loss, of which none is revived",
                "arguments": {"codebook": "loss", "revive": 0.0},
            },
        },
        {
            **ON_DIGITS,
            "says": "Codes drawn from the prior beat codes drawn alike, by the Fréchet distance as a fraction of theirs.",
            "metric": "quality-ratio",
            "at_most": 0.6,
            "against": UNIFORM,
            "control": ALIKE,
        },
        {
            **ON_DIGITS,
            "says": "Of the data a share lies where samples are, by recall.",
            "metric": "quality",
            "with": {"measure": "recall"},
            "at_least": 0.15,
            "control": ALIKE,
        },
        {
            **ON_DIGITS,
            "says": "More samples lie where data are than of codes drawn alike, by precision.",
            "metric": "quality",
            "with": {"measure": "precision"},
            "at_least": 0.55,
            "control": ALIKE,
        },
        {
            **ON_DIGITS,
            "says": "The prior is worth nats over codes that are all alike, in the bound of code plus decoder.",
            "metric": "gain",
            "with": {"estimator": "ELBO"},
            "at_least": 20,
            "against": UNIFORM,
            "control": ALIKE,
        },
    ],
}
