"""What the entries of :mod:`pyrogen.models.diffusion.absorbing` claim that are told y, or are of sentences."""

ON_GRAMMAR = {"seeds": 3, "data": "grammar"}
# for up to 20 epochs it learns little but how often each word is; a rate that falls before that has passed leaves it there
TEXT = {"epochs": 60, "lr": 3e-3, "batch_size": 64, "lr_milestones": [45, 55], "clip_gradients": 1.0}
SHORT = {"epochs": 10, "lr": 3e-3, "batch_size": 64, "lr_milestones": [7, 9]}
TRIGRAMS = {
    "says": "trigrams by a network",
    "entry": "lstm-lm",
    "arguments": {"net": {"name": "NGram", "order": 3}},
    "recipe": {"epochs": 16, "lr": 5e-3, "batch_size": 64, "lr_milestones": [10, 14]},
}

CLAIMS = {
    "masked-diffusion-conditional": [
        {
            "says": "Guided by 3, its samples are of the class asked for, as often as a classifier knows that of real bits.",
            "metric": "conditional-accuracy",
            # what it is right on of real test data
            "with": {"trust": 0.85},
            "at_least": 0.86,
            "seeds": 3,
            "data": "digits",
            "arguments": {"denoiser": {"name": "Perceptron", "hidden": [128, 128], "octaves": 0}, "guidance": 3.0},
            "recipe": {"epochs": 100, "lr": 3e-3, "batch_size": 128, "lr_milestones": [70, 90]},
            "control": {"says": "the same without guidance", "arguments": {"guidance": 1.0}},
        },
    ],
    "masked-diffusion-text": [
        {
            **ON_GRAMMAR,
            "says": "Its bound, an average over all orders, comes within a nat of the exact log p of a sentence.",
            "metric": "law-gap",
            "at_most": 1.0,
            "recipe": TEXT,
            "control": TRIGRAMS,
        },
        {
            **ON_GRAMMAR,
            "says": "It is at most 0.8 nats a sentence below what an LSTM has in one order, exactly.",
            "metric": "gain",
            "at_least": -0.8,
            "recipe": TEXT,
            "against": {
                "entry": "lstm-lm",
                "arguments": {"dropout": 0.1},
                "recipe": {"epochs": 16, "lr": 5e-3, "batch_size": 64, "lr_milestones": [10, 14]},
            },
            "control": TRIGRAMS,
        },
    ],
    "masked-diffusion-text-conditional": [
        {
            **ON_GRAMMAR,
            "says": "Guided by 2, what it writes is of the topic that was asked for, as word counts tell those of sentences.",
            "metric": "conditional-accuracy",
            "at_least": 0.95,
            "arguments": {"guidance": 2.0, "dropped": 0.3},
            "recipe": SHORT,
            "control": {
                "says": "the same guided by 0, that is by nothing, and right by chance, 1/6",
                "arguments": {"guidance": 0.0, "dropped": 0.3},
                "between": [0.1, 0.25],
            },
        },
    ],
}
