"""What the entries of :mod:`pyrogen.models.vq` claim."""

SMALL = {"codes": 32, "width": 16, "prior_width": 16}
ON_DIGITS = {
    "seeds": 3,
    "data": "digits",
    "arguments": SMALL,
    "recipe": {"epochs": 25, "lr": 3e-3, "batch_size": 64, "lr_milestones": [18]},
}
LONGER = {**ON_DIGITS, "recipe": {"epochs": 40, "lr": 3e-3, "batch_size": 64, "lr_milestones": [30]}}
# the same autoencoder, and codes that are all alike: what one has before a prior is trained
UNIFORM = {"prior": {"name": "Categorical", "variables": 16}}
ALIKE = {"says": "codes drawn alike, of other seeds", "arguments": UNIFORM, "seed": 100}
ONE_LEVEL = {"entry": "vqvae", "arguments": {**SMALL, **UNIFORM}}
# a prior of 30,992 parameters, beside 31,616 of the PixelCNN
MASKED = {"codes": 32, "width": 16, "denoiser": {"name": "UNet", "width": 12}}
# which is told of every place in one pass, where a pass of this one tells of those that are hidden
PATIENT = {
    **LONGER,
    "recipe": {
        "epochs": {"codes": 40, "prior": 200},
        "lr": 3e-3,
        "batch_size": 64,
        "lr_milestones": {"codes": [30], "prior": [150]},
    },
}
BRIEF = {"epochs": 40, "lr_milestones": [30]}
AT_ONCE = {**ONE_LEVEL, "recipe": BRIEF}
IN_USE = {"metric": "codebook-use", "at_least": 0.5}
NOT_REVIVED = {"says": "a codebook moved by its loss, of which none is revived"}

CLAIMS = {
    "vqvae": [
        {
            **LONGER,
            **IN_USE,
            "says": "More than half of the codebook is in use, by the perplexity of the test data's codes over its size.",
            # in which the prior has no part
            "arguments": {**SMALL, **UNIFORM},
            "control": {**NOT_REVIVED, "arguments": {"codebook": "loss", "revive": 0.0}},
        },
        {
            **LONGER,
            "says": "Codes drawn from the prior beat codes drawn alike, by the Fréchet distance as a fraction of theirs.",
            "metric": "quality-ratio",
            "at_most": 0.6,
            "against": {"arguments": UNIFORM},
            "control": ALIKE,
        },
        {
            **LONGER,
            "says": "The prior reaches a share of the data, by recall.",
            "metric": "quality",
            "with": {"measure": "recall"},
            "at_least": 0.15,
            "control": ALIKE,
        },
        {
            **LONGER,
            "says": "A share of what it draws lies where data are, by precision.",
            "metric": "quality",
            "with": {"measure": "precision"},
            "at_least": 0.56,
            "control": ALIKE,
        },
        {
            **LONGER,
            "says": "It is worth nats over codes that are all alike, in the bound of code plus decoder.",
            "metric": "gain",
            "with": {"estimator": "ELBO"},
            "at_least": 12,
            "against": {"arguments": UNIFORM},
            "control": ALIKE,
        },
    ],
    "vqvae-conditional": [
        {
            **ON_DIGITS,
            "says": "A prior that is told the class is worth nats over one that is not, in the bound of code plus decoder.",
            "metric": "gain",
            "with": {"estimator": "ELBO"},
            "at_least": 0.8,
            "against": {"entry": "vqvae", "arguments": SMALL},
            "control": {
                "says": "one that is not told, of other seeds",
                "entry": "vqvae",
                "arguments": SMALL,
                "seed": 100,
            },
        },
    ],
    "vqvae-2": [
        {
            **ON_DIGITS,
            **IN_USE,
            "says": "More than half of either codebook is in use, by the perplexity of the test data's codes over its size.",
            "control": {**NOT_REVIVED, "arguments": {"codebook": "loss", "revive": 0.0}},
        },
        {
            **ON_DIGITS,
            "says": "Codes drawn level by level beat those of one level drawn alike, by the Fréchet distance as a fraction.",
            "metric": "quality-ratio",
            "at_most": 0.6,
            "against": ONE_LEVEL,
            "control": {**ONE_LEVEL, "says": "codes of one level drawn alike, of other seeds", "seed": 100},
        },
    ],
    "vqvae-masked": [
        {
            **PATIENT,
            "says": "Codes drawn from the prior beat codes drawn alike, by the Fréchet distance as a fraction of theirs.",
            "metric": "quality-ratio",
            "arguments": MASKED,
            "at_most": 0.6,
            "against": AT_ONCE,
            "control": {**AT_ONCE, "says": "codes drawn alike, of other seeds", "seed": 100},
        },
        {
            **PATIENT,
            "says": "It is worth nats over codes that are all alike, in the bound of code plus decoder.",
            "metric": "gain",
            "with": {"estimator": "ELBO"},
            "arguments": MASKED,
            "at_least": 12,
            "against": AT_ONCE,
            "control": {**AT_ONCE, "says": "codes drawn alike, of other seeds", "seed": 100},
        },
        {
            **PATIENT,
            "says": "Fitted in all orders five times as long, and scored in one, it loses at most 2 nats to a PixelCNN "
            "of that order.",
            "metric": "gain",
            "with": {"estimator": "ELBO"},
            "arguments": MASKED,
            "at_least": -2,
            "against": {"entry": "vqvae", "arguments": SMALL, "recipe": BRIEF},
            "control": {**AT_ONCE, "says": "codes drawn alike"},
        },
    ],
}
