"""What the entries of :mod:`pyrogen.models.autoregressive.made` claim."""

CLAIMS = {
    "made": [
        {
            "says": "Its exact log p(x) beats independent pixels on digits, in nats.",
            "metric": "gain-over-marginals",
            "at_least": 3.1,
            "seeds": 3,
            "data": "digits",
            "recipe": {"epochs": 40, "lr": 1e-3, "batch_size": 64},
            "control": {"says": "one hidden unit", "arguments": {"hidden": [1]}},
        },
    ],
}
