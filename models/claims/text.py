"""What the entries of :mod:`pyrogen.models.sequences.text` claim."""

ON_GRAMMAR = {"seeds": 3, "data": "grammar"}
SHORT = {"epochs": 16, "lr": 5e-3, "batch_size": 64, "lr_milestones": [10, 14]}
LONG = {"epochs": 20, "lr": 5e-3, "batch_size": 64, "lr_milestones": [13, 18]}
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
    "autoencoder-text": [
        {
            **ON_GRAMMAR,
            "says": "Its codes give more test sentences back whole than those of the VAE.",
            "metric": "sentences-kept",
            "at_least": 0.5,
            "recipe": {"epochs": 12, "lr": 5e-3, "batch_size": 64, "lr_milestones": [8, 11]},
            "control": {"says": "the VAE", "entry": "vae-text", "arguments": {}},
        },
    ],
}
