"""What the entries of :mod:`pyrogen.models.adversarial.infogan` claim."""

CLAIMS = {
    "infogan": [
        {
            "says": "Its data tell at least 2 of the ln 10 = 2.30 nats of their code, to eyes that learned real labels.",
            "metric": "code-information",
            "at_least": 2.0,
            "seeds": 3,
            "data": {"name": "digits", "kind": "unit", "dequantization": False},
            "arguments": {"hidden": [128, 128]},
            "recipe": {"epochs": 100, "batch_size": 64},
            "control": {
                "says": "the same game with λ = 0, in which nobody is paid for telling the code",
                "arguments": {"weight": 0.0},
            },
        },
    ],
}
