"""What the entries of :mod:`pyrogen.models.energy.boltzmann` claim."""

A_TENTH = {"says": "CD-1 of a tenth of the updates", "recipe": {"epochs": 6}}

CLAIMS = {
    "rbm": [
        {
            "says": "CD-1 comes near the log-likelihood of training by the exact gradient, in nats below it.",
            "metric": "gap-to-exact-gradient",
            "with": {"epochs": 60, "lr": 1e-3, "batch_size": 64},
            "at_most": 0.05,
            "seeds": 3,
            "data": {"name": "digits", "pool": 2},
            "arguments": {"hidden": 8},
            "recipe": {"epochs": 60, "lr": 1e-3, "batch_size": 64},
            "control": A_TENTH,
        },
        {
            "says": "With 16 hidden units its exact log p(x) beats independent pixels on digits, in nats.",
            "metric": "gain-over-marginals",
            "at_least": 3.1,
            "seeds": 3,
            "data": "digits",
            "arguments": {"hidden": 16},
            "recipe": {"epochs": 60, "lr": 1e-2, "batch_size": 64},
            "control": A_TENTH,
        },
    ],
}
