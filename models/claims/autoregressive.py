"""What the entries of :mod:`pyrogen.models.autoregressive` claim, but for MADE's own."""

ON_DIGITS = {
    "seeds": 3,
    "data": "digits",
    "recipe": {"epochs": 60, "lr": 5e-3, "batch_size": 64, "lr_milestones": [40]},
}
# 6,564 parameters, beside 6,514 of NADE
MIXTURE = {
    "entry": "vae-categorical",
    "arguments": {"latent_size": 100, "hidden": []},
    "recipe": {"epochs": 100, "lr": 1e-2, "lr_milestones": [66]},
}
ONE_ORDER = {"entry": "made", "arguments": {"hidden": [200]}}
FEW = {
    "seeds": 3,
    "data": "digits",
    "recipe": {"epochs": 6, "lr": 3e-3, "batch_size": 32},
}
# the masks leave 17,614 parameters, beside 17,569 of the PixelRNN
LARGE_MADE = {"entry": "made", "arguments": {"hidden": [270]}}
LOGISTIC_MADE = {"entry": "made", "arguments": {"hidden": [100], "likelihood": "DiscretizedLogisticMixture"}}

CLAIMS = {
    "made-orders": [
        {
            **ON_DIGITS,
            "says": "Four orders on one set of weights beat one order on weights of its own on digits, in nats.",
            "metric": "gain",
            "at_least": 0.19,
            "arguments": {"hidden": [200], "orders": 4},
            "against": ONE_ORDER,
            "control": {**ONE_ORDER, "says": "one order, from other seeds", "seed": 100},
        },
    ],
    "nade": [
        {
            **ON_DIGITS,
            "says": "It beats a mixture of Bernoullis of as many parameters on digits, in nats.",
            "metric": "gain",
            "with": {"estimator": "Enumerate"},
            "at_least": 0.15,
            "over": "mean",
            "arguments": {"width": 50},
            "recipe": {"epochs": 150, "lr": 5e-3, "batch_size": 64, "lr_milestones": [100]},
            "against": MIXTURE,
            "control": {**MIXTURE, "says": "a mixture from other seeds", "seed": 100},
        },
    ],
    "pixelcnn": [
        {
            "says": "After one epoch of MNIST each it beats MADE by no less than what was published of both, 3.42 nats.",
            "metric": "gain",
            "at_least": 3.42,
            "seeds": 3,
            "data": "mnist",
            "arguments": {"width": 12, "layers": 3},
            "recipe": {"epochs": 1, "lr": 5e-3, "batch_size": 64},
            "against": {"entry": "made", "arguments": {"hidden": [500]}},
            "control": {"says": "MADE from other seeds", "entry": "made", "arguments": {"hidden": [500]}, "seed": 100},
        },
    ],
    "pixelcnn-gated": [
        {
            **FEW,
            "says": "Two gated stacks beat plain masked convolutions of the same width and depth on digits, in nats.",
            "metric": "gain",
            "at_least": 0.32,
            "against": {"entry": "pixelcnn"},
            "control": {"says": "plain convolutions from other seeds", "entry": "pixelcnn", "seed": 100},
        },
    ],
    "pixelcnn-conditional": [
        {
            **FEW,
            "says": "Told the class, it beats the same network that is not told, in nats.",
            "metric": "gain",
            "at_least": 2.2,
            "against": {"entry": "pixelcnn-gated"},
            "control": {"says": "one that is not told, from other seeds", "entry": "pixelcnn-gated", "seed": 100},
        },
    ],
    "pixelcnn-logistic": [
        {
            **FEW,
            "says": "After as many epochs it beats MADE with the same mixtures of logistics on grey digits, in nats.",
            "metric": "gain",
            "at_least": 7,
            "data": {"name": "digits", "kind": "levels"},
            "against": LOGISTIC_MADE,
            "control": {**LOGISTIC_MADE, "says": "MADE from other seeds", "seed": 100},
        },
    ],
    "pixelrnn": [
        {
            **FEW,
            "says": "After as many epochs it beats MADE of about as many parameters on digits, in nats.",
            "metric": "gain",
            "at_least": 0.5,
            "against": LARGE_MADE,
            "control": {**LARGE_MADE, "says": "MADE from other seeds", "seed": 100},
        },
    ],
}
