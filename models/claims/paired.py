"""What the entries of :mod:`pyrogen.models.adversarial.paired` claim, on pictures of which every answer is known."""

# shapes to be coloured: of each outline there are seven pictures, and the one of least absolute error is grey
COLOURS = {"name": "outlines(size=16, n=2000)", "kind": "unit", "dequantization": False}
NETS = {
    "latent_size": 4,
    "generator": {"name": "UNet", "width": 8},
    "critic": {"name": "Patch", "width": 8, "halvings": 2},
}
PLAYED = {
    "seeds": 3,
    "data": COLOURS,
    "arguments": {**NETS, "weight": 10.0, "draws": 4},
    "recipe": [{"epochs": 12, "lr": 2e-3, "batch_size": 32}, {"epochs": 4, "lr": 5e-4, "batch_size": 32}],
}
# what one would take who does not want games: the same network and likelihood, and twice as many steps
LEAST_ABSOLUTE = {
    "says": "the same generator by least absolute error alone",
    "objective": "ELBO",
    "recipe": [{"epochs": 24, "lr": 2e-3, "batch_size": 32}, {"epochs": 12, "lr": 2e-4, "batch_size": 32}],
}
# the same shapes, whose edges and corners are lost in a sixteenth of the pixels
SMALL = {"name": "reduced(of='outlines(size=16, n=1500)', by=4)", "kind": "unit", "dequantization": False}
ENLARGED = {"latent_size": 4, "generator": {"name": "Upsampling", "width": 16, "blocks": 1}}
ALONE = {
    "seeds": 3,
    "data": SMALL,
    "arguments": ENLARGED,
    "recipe": [{"epochs": 12, "lr": 3e-3, "batch_size": 64}],
}
# of digits a sixteenth of the pixels leaves open how strokes go, where of those shapes it tells nearly all
SMALL_DIGITS = {"name": "reduced(of='mnist', by=4, n=2500)", "kind": "unit", "dequantization": False}
# as many passes over the data as pixels alone and the game have together
ALIKE = [{"epochs": 18, "lr": 3e-3, "batch_size": 64}, {"epochs": 12, "lr": 5e-4, "batch_size": 64}]
THE_NET = {"entry": "superresolution", "arguments": ENLARGED, "recipe": ALIKE}
ANOTHER_NET = {**THE_NET, "says": "the net alone, from the next seed", "seed": 1}
GAME = {
    "seeds": 3,
    "data": SMALL_DIGITS,
    "arguments": {
        **ENLARGED,
        "critic": {"name": "Convolutional", "width": 16, "normalization": "spectral", "conditioning": "picture"},
        "features": 8,
        "weight": 4.0,
        "alone": 18,
    },
    "recipe": {"epochs": 12, "lr": 2e-3, "batch_size": 32, "lr_milestones": [6, 11], "lr_decay": 0.5},
}

CLAIMS = {
    "pix2pix": [
        {
            **PLAYED,
            "says": "Of sixteen answers one is near the truth, in mean absolute difference.",
            "metric": "paired-error",
            "at_most": 0.026,
            "control": LEAST_ABSOLUTE,
        },
        {
            **PLAYED,
            "says": "Its pictures are no blurrier than data, by the steps between neighbouring pixels as a fraction.",
            "metric": "sharpness",
            "at_least": 0.95,
            "control": LEAST_ABSOLUTE,
        },
        {
            **PLAYED,
            "says": "Answers to one y differ by at least half of the deviation that the truth has given y.",
            "metric": "answer-diversity",
            "at_least": 0.5,
            "control": {**LEAST_ABSOLUTE, "at_most": 0.02},
        },
    ],
    "colorize": [
        {
            **PLAYED,
            "says": "What it colours is as coloured as data, by the mean saturation as a fraction.",
            "metric": "saturation",
            "between": [0.8, 1.2],
            "control": {**LEAST_ABSOLUTE, "at_most": 0.5},
        },
    ],
    "superresolution": [
        {
            **ALONE,
            "says": "It is nearer to the large picture than bicubic interpolation, by so many dB.",
            "metric": "gain-over-bicubic",
            "at_least": 1,
            "control": {
                "says": "bicubic interpolation itself, which is the network before it learns",
                "recipe": [{"epochs": 0}],
            },
        },
    ],
    "srgan": [
        {
            **GAME,
            "says": "What it makes of small pictures is nearer to other data than what the net alone makes of them, by the "
            "Fréchet distance over the floor, to the eyes of a classifier of digits, as a fraction.",
            "metric": "quality-ratio",
            "with": {"statistic": "over_floor", "features": "judge", "num": 2000},
            "at_most": 0.95,
            "against": THE_NET,
            "control": ANOTHER_NET,
        },
        {
            **GAME,
            "says": "It pays with accuracy: the net alone is nearer to the true picture, here by so many dB below 0.",
            "metric": "gain-over-bicubic",
            "at_most": -0.3,
            "against": THE_NET,
            "control": ANOTHER_NET,
        },
        {
            **GAME,
            "says": "It stays nearer to it than bicubic interpolation, by so many dB.",
            "metric": "gain-over-bicubic",
            "at_least": 1,
            "control": {
                "says": "bicubic interpolation itself, which is the network before it learns",
                "arguments": {"alone": 0},
                "recipe": [{"epochs": 0}],
            },
        },
    ],
    "pix2pix-paper": [
        {
            "says": "Line drawings that it colours are as coloured as the artist's, as a fraction.",
            "metric": "saturation",
            "between": [0.8, 1.2],
            "seeds": 3,
            "data": {"name": "emoji-line-colour", "kind": "unit", "dequantization": False},
            "control": {
                "says": "the same generator by least absolute error alone",
                "objective": "ELBO",
                "at_most": 0.8,
            },
        },
    ],
    "srgan-paper": [
        {
            "says": "Its photographs are nearer to data than those of the net alone, by the Fréchet distance as a fraction.",
            "metric": "quality-ratio",
            "at_most": 1,
            "seeds": 3,
            "data": {"name": "reduced(of='cifar10', by=4)", "kind": "unit", "dequantization": False},
            "against": {
                "entry": "superresolution",
                "arguments": {"generator": {"name": "Upsampling", "width": 64, "blocks": 16}},
            },
            "control": {
                "says": "the net alone, from another seed",
                "entry": "superresolution",
                "arguments": {"generator": {"name": "Upsampling", "width": 64, "blocks": 16}},
                "seed": 100,
            },
        },
    ],
}
