"""What the entries of :mod:`pyrogen.models.diffusion` claim."""

ON_RING = {"seeds": 3, "data": "ring"}
NOISE = {"name": "Linear", "low": -12.0, "high": 5.0}
LONG = {"epochs": 60, "lr": 2e-3, "batch_size": 256, "lr_milestones": [40, 54]}

SMALL = {
    "seeds": 3,
    "data": {"name": "digits", "pool": 2},
    "recipe": {"epochs": 100, "lr": 3e-3, "batch_size": 128, "lr_milestones": [70, 90]},
}
HIDING = {"denoiser": {"name": "Perceptron", "hidden": [64, 64], "octaves": 0}}
# 16,516 parameters, beside 15,696
MADE = {"entry": "made", "arguments": {"hidden": [500]}}

CLAIMS = {
    "vdm": [
        {
            **ON_RING,
            "says": "With 200 steps its bound comes within half a nat of the law of the ring.",
            "metric": "law-gap",
            "at_most": 0.5,
            "arguments": {"steps": 200, "noise": NOISE},
            "recipe": LONG,
            "control": {"says": "the same net with 20 steps", "arguments": {"steps": 20}},
        },
        {
            **ON_RING,
            "says": "Its samples lie in the modes of the ring.",
            "metric": "mode-coverage",
            "with": {"statistic": "high_quality"},
            "at_least": 0.9,
            "arguments": {"steps": 200, "noise": NOISE},
            "recipe": LONG,
            "control": {
                "says": "couplings of splines by their exact likelihood",
                "entry": "flow-spline",
                "arguments": {},
                "recipe": {"epochs": 30, "lr": 1e-3, "batch_size": 128, "lr_milestones": [20], "clip_gradients": 1.0},
            },
        },
    ],
    "masked-diffusion": [
        {
            **SMALL,
            "says": "Its bound beats the exact log p of MADE of as many parameters on digits of 4 × 4 bits, in nats.",
            "metric": "gain",
            "at_least": 0.0,
            "arguments": HIDING,
            "against": MADE,
            "control": {**MADE, "says": "MADE from other seeds", "seed": 100},
        },
    ],
    "flow-matching": [
        {
            **ON_RING,
            "says": "Never followed in training, its exact log p comes nearer to the law of the ring than that of splines.",
            "metric": "law-gap",
            "at_most": 0.8,
            "recipe": LONG,
            "control": {
                "says": "couplings of splines by their exact likelihood",
                "entry": "flow-spline",
                "arguments": {},
                "recipe": {"epochs": 30, "lr": 1e-3, "batch_size": 128, "lr_milestones": [20], "clip_gradients": 1.0},
            },
        },
    ],
}
