"""What the entries of attention, of many classes, of styles and of growth claim, on pictures small enough for minutes."""

DIGITS = {"name": "digits", "kind": "unit", "dequantization": False}
# small objects have no two parts a quarter of the picture apart
FAR_ACROSS = {"name": "sprites(size=16, y='label', only=['large'], n=6000)", "kind": "unit", "dequantization": False}

# ------------------------------------------------------------------------------------------------------ many classes
BIG = {
    "seeds": 3,
    "data": DIGITS,
    "arguments": {
        "latent_size": 16,
        "generator": {"name": "Residual", "width": 32},
        "critic": {"name": "Residual", "width": 32},
    },
    "recipe": [
        {"epochs": 40, "lr": 1e-3, "batch_size": 64},
        {"epochs": 10, "lr": 5e-4, "batch_size": 64},
        {"epochs": 10, "lr": 2.5e-4, "batch_size": 64},
    ],
}
ACCURATE = {
    "says": "A classifier of real digits finds the class that was asked for, as a fraction of samples.",
    "metric": "conditional-accuracy",
    "at_least": 0.95,
}
TRADED = {
    "says": "The tighter its latents are truncated, the denser lie its samples among data and the fewer data they cover, at "
    "every step from all of them to those within 1, 1/2 and 1/4.",
    "metric": "truncation-trade",
    # of each number of z 95 % lie within 2: what that costs in coverage is less than can be told
    "with": {"truncations": [1.0, 0.5, 0.25]},
    "at_least": 1.0,
}
DEALT_OUT = {
    "says": "the same, told labels that were dealt out at random, and right by chance",
    "data": {**DIGITS, "name": "shuffled-labels(of='digits')"},
    "recipe": {"epochs": 5},
    "with": {"taught_on": "digits"},
    "between": [0.05, 0.15],
}

# ---------------------------------------------------------------------------------------------------------- attention
RATES = {
    "name": "Adversarial",
    "loss": "Hinge",
    "critic_optimizer": {"name": "Adam", "lr": 2e-3, "betas": [0.0, 0.9]},
    "generator_optimizer": {"name": "Adam", "lr": 5e-4, "betas": [0.0, 0.9]},
}
GENERATOR = {"name": "Convolutional", "width": 16, "spectral": True}
CRITIC = {"name": "Convolutional", "width": 16, "normalization": "spectral"}
# the same but for what it is named after
LOCAL = {
    "entry": "gan-hinge",
    "arguments": {"latent_size": 32, "generator": GENERATOR, "critic": CRITIC, "objective": RATES},
}
WIDE = {
    "latent_size": 128,
    "generator": {"name": "Convolutional", "spectral": True},
    "critic": {"name": "Convolutional", "normalization": "spectral"},
    "objective": {
        "name": "Adversarial",
        "loss": "Hinge",
        "critic_optimizer": {"name": "Adam", "lr": 4e-4, "betas": [0.0, 0.9]},
        "generator_optimizer": {"name": "Adam", "lr": 1e-4, "betas": [0.0, 0.9]},
    },
}
AGREES = {
    "says": "Parts of one object that lie a quarter of the picture or more apart agree for a frozen judge as those of the "
    "sprite that it shows, more nearly than in an equal convolutional net, in paired errors.",
    "metric": "distant-agreement",
    "with": {"apart": 4},
    "at_least": 3.0,
    "seeds": 3,
    "data": FAR_ACROSS,
    "arguments": {
        "latent_size": 32,
        "generator": {**GENERATOR, "attention": True},
        "critic": {**CRITIC, "attention": True},
        "objective": RATES,
    },
    "recipe": {"epochs": 12, "batch_size": 32},
    "against": LOCAL,
    "control": {"says": "an equal convolutional net, of the next seed", **LOCAL, "seed": 1},
}

# -------------------------------------------------------------------------------------------------------------- growth
SLOPES = {
    "name": "Adversarial",
    "loss": "Wasserstein",
    "penalty": "GradientPenalty",
    "critic_optimizer": {"name": "Adam", "lr": 1e-3, "betas": [0.0, 0.99]},
    "generator_optimizer": {"name": "Adam", "lr": 1e-3, "betas": [0.0, 0.99]},
}
GROWN = {"latent_size": 16, "generator": {"name": "Growing", "width": 16}, "critic": {"name": "Growing", "width": 16}}
WHOLE = {
    "entry": "gan-nonsaturating",
    "arguments": {
        **GROWN,
        "objective": SLOPES,
    },
}
GROWN_LARGE = {
    "objective": SLOPES,
    "latent_size": 512,
    "generator": {"name": "Growing", "width": 64},
    "critic": {"name": "Growing", "width": 64},
}
SOONER = {
    "says": "Its Fréchet distance, after 40 passes at 4 × 4 pixels and 40 at 8 × 8, is at most that of the same net after "
    "52 at 8 × 8, which read more pixels, as a fraction of it.",
    "metric": "quality-ratio",
    "at_most": 1.0,
    "seeds": 3,
    "data": DIGITS,
    "arguments": {**GROWN, "fade": 300},
    "recipe": {"epochs": 40, "batch_size": 64},
    "against": {**WHOLE, "recipe": {"epochs": 52}},
    "control": {"says": "the same net after 40 passes at 8 × 8 alone", **WHOLE},
}

# -------------------------------------------------------------------------------------------------------------- styles
# large things, of which there is something to see at 8 pixels
STYLED = {
    "seeds": 3,
    "data": {"name": "sprites(size=16, only=['large'], n=6000)", "kind": "unit", "dequantization": False},
    "arguments": {
        "latent_size": 32,
        "generator": {"name": "Styled", "width": 16, "style": 32},
        "critic": {"name": "Growing", "width": 12},
        "fade": 300,
    },
    "recipe": {"epochs": 5, "batch_size": 32},
}
# layers of 4 and 8 pixels are coarse, those of 16 fine
BY_SIZE = {
    **STYLED,
    "metric": "style-ratio",
    "at_least": 3.0,
    "control": {
        "says": "the same, trained at all sizes at once on as many pixels",
        "arguments": {"fade": 0},
        "recipe": {"epochs": 7},
    },
}
STILL = {
    "metric": "noise-moves",
    "at_most": 0.05,
    "control": {"says": "another style, the noise held", "with": {"anew": "style"}},
}
STYLES = [
    {
        **BY_SIZE,
        "says": "Other styles in its coarse layers move what is shown to another row three times as often as others in its "
        "fine layers.",
        "with": {"factor": "row", "of": "coarse", "split": 4},
    },
    {
        **BY_SIZE,
        "says": "And to another column.",
        "with": {"factor": "column", "of": "coarse", "split": 4},
    },
    {
        **BY_SIZE,
        "says": "Other styles in its coarse layers change the shape that an oracle reads three times as often as others in "
        "its fine layers.",
        "with": {"factor": "shape", "of": "coarse", "split": 4},
    },
    {
        **BY_SIZE,
        "says": "Other styles in its fine layers change the colour three times as often as others in its coarse ones.",
        "with": {"factor": "colour", "of": "fine", "split": 4},
    },
    {**STYLED, **STILL, "says": "Other noise changes the shape of few pictures.", "with": {"factor": "shape"}},
    {**STYLED, **STILL, "says": "And it changes the colour of few.", "with": {"factor": "colour"}},
    {
        **STYLED,
        "says": "Paths between styles are shorter than those between the z that they are of, as a fraction of these.",
        "metric": "path-ratio",
        "at_most": 1.0,
        "control": {"says": "the same before its training", "recipe": {"epochs": 0}},
    },
]
# at a GPU's scale
LARGE_SPRITES = {"name": "sprites(size=64)", "kind": "unit", "dequantization": False}

CLAIMS = {
    "sagan": [AGREES],
    "sagan-paper": [
        {
            **AGREES,
            "arguments": {},
            "recipe": {},
            "data": {**FAR_ACROSS, "name": "sprites(size=64, y='label')"},
            "with": {"apart": 16},
            "against": {**LOCAL, "arguments": WIDE},
            "control": {
                "says": "an equal convolutional net, from other weights",
                **LOCAL,
                "arguments": WIDE,
                "seed": 10,
            },
        },
    ],
    "biggan": [
        {**BIG, **ACCURATE, "control": DEALT_OUT},
        {**BIG, **TRADED, "control": {"says": "the same before its training", "recipe": {"epochs": 0}}},
    ],
    "biggan-paper": [
        {
            **TRADED,
            "seeds": 3,
            "data": {"name": "cifar10", "kind": "unit", "dequantization": False},
            "control": {"says": "the same before its training", "recipe": {"epochs": 0}},
        },
    ],
    "progan": [SOONER],
    "progan-paper": [
        {
            **SOONER,
            "arguments": {},
            "recipe": {},
            "says": "Its Fréchet distance, after 500 passes of five sizes, is at most that of the same net after 140 at "
            "64 × 64, which read more pixels, as a fraction of it.",
            "data": LARGE_SPRITES,
            "against": {**WHOLE, "arguments": GROWN_LARGE, "recipe": {"epochs": 140}},
            "control": {
                "says": "the same net after 100 passes at 64 × 64 alone",
                **WHOLE,
                "arguments": GROWN_LARGE,
                "recipe": {"epochs": 100},
            },
        },
    ],
    "stylegan": STYLES,
    "stylegan-paper": [
        {
            **STYLED,
            "arguments": {},
            "recipe": {},
            "says": "Other styles in its coarse layers change the shape three times as often as others in its fine layers.",
            "data": LARGE_SPRITES,
            "metric": "style-ratio",
            "with": {"factor": "shape", "of": "coarse"},
            "at_least": 3.0,
            "control": {
                "says": "the same, whose styles were not mixed while it was trained",
                "arguments": {"generator": {"name": "Styled", "width": 64, "style": 512, "depth": 8, "mixing": 0.0}},
            },
        },
    ],
}
