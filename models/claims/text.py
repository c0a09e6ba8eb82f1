"""What the entries of :mod:`pyrogen.models.sequences.text` claim."""

ON_GRAMMAR = {"seeds": 3, "data": "grammar"}
SHORT = {"epochs": 16, "lr": 5e-3, "batch_size": 64, "lr_milestones": [10, 14]}
LONG = {"epochs": 20, "lr": 5e-3, "batch_size": 64, "lr_milestones": [13, 18]}
PLAIN = {"epochs": 12, "lr": 5e-3, "batch_size": 64, "lr_milestones": [8, 11]}
TOLD = {"latent_size": 8, "warmup": 600, "dropout": 0.5}

CLAIMS = {
    "lstm-lm": [
        {
            **ON_GRAMMAR,
            "says": "It comes within half a nat of the exact log p of a sentence of the grammar, of 11.6 nats.",
            "metric": "law-gap",
            "at_most": 0.5,
            "arguments": {"dropout": 0.1},
            "recipe": SHORT,
            "control": {
                "says": "trigrams by a network",
                "arguments": {"net": {"name": "NGram", "order": 3}, "dropout": 0.0},
            },
        },
    ],
    "vae-text": [
        {
            **ON_GRAMMAR,
            "says": "With word dropout and a KL that is charged slowly its code keeps more than a nat of a sentence.",
            "metric": "rate",
            "at_least": 1.0,
            "arguments": TOLD,
            "recipe": LONG,
            "control": {"says": "without either", "arguments": {"warmup": 0, "dropout": 0.0}},
        },
        {
            **ON_GRAMMAR,
            "says": "Its IWAE bound of 100 draws is at most half a nat a sentence below the same network without a latent.",
            "metric": "gain",
            "with": {"estimator": {"name": "IWAE", "k": 100}},
            "at_least": -0.5,
            "arguments": TOLD,
            "recipe": LONG,
            "against": {"entry": "lstm-lm", "arguments": {"dropout": 0.1}, "recipe": SHORT},
            "control": {
                "says": "trigrams by a network, in the place of the VAE",
                "entry": "lstm-lm",
                "arguments": {"net": {"name": "NGram", "order": 3}},
            },
        },
        {
            **ON_GRAMMAR,
            "says": "Half-way between the codes of two sentences stands one that the grammar can write.",
            "metric": "sentences-possible",
            "with": {"between": True},
            "at_least": 0.9,
            "arguments": TOLD,
            "recipe": LONG,
            "control": {"says": "the plain autoencoder", "entry": "autoencoder-text", "arguments": {}, "recipe": PLAIN},
        },
        {
            **ON_GRAMMAR,
            "says": "It has more words of both than of two other sentences, more often than not.",
            "metric": "sentences-between",
            "at_least": 0.6,
            "arguments": TOLD,
            "recipe": LONG,
            "control": {"says": "without word dropout and a slow KL", "arguments": {"warmup": 0, "dropout": 0.0}},
        },
        {
            **ON_GRAMMAR,
            "says": "Its IWAE bound of 20 draws comes within 0.8 nats of the exact log p of a sentence of the grammar.",
            "metric": "law-gap",
            "with": {"estimator": {"name": "IWAE", "k": 20}},
            "at_most": 0.8,
            "arguments": TOLD,
            "recipe": LONG,
            "control": {
                "says": "trigrams by a network",
                "entry": "lstm-lm",
                "arguments": {"net": {"name": "NGram", "order": 3}},
                "with": {"estimator": "Exact"},
            },
        },
    ],
    "vae-text-conditional": [
        {
            **ON_GRAMMAR,
            "says": "What it writes when it is told a topic is of that topic, as word counts tell those of real sentences.",
            "metric": "conditional-accuracy",
            "at_least": 0.95,
            "arguments": TOLD,
            "recipe": LONG,
            "control": {
                "says": "trained on shuffled labels, of which chance would be 1/6",
                "data": "shuffled-labels(of='grammar')",
                "with": {"taught_on": "grammar"},
            },
        },
    ],
    "autoencoder-text": [
        {
            **ON_GRAMMAR,
            "says": "Its codes give more test sentences back whole than those of the VAE.",
            "metric": "sentences-kept",
            "at_least": 0.5,
            "recipe": PLAIN,
            "control": {"says": "the VAE", "entry": "vae-text", "arguments": {}},
        },
    ],
}
