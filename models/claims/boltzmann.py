"""What the entries of :mod:`pyrogen.models.energy` claim of Boltzmann machines with one hidden layer."""

A_TENTH = {"says": "CD-1 of a tenth of the updates", "recipe": {"epochs": 6}}
ON_DIGITS = {
    "seeds": 3,
    "data": "digits",
    "arguments": {"hidden": 16},
    "recipe": {"epochs": 60, "lr": 1e-2, "batch_size": 64},
}
# 14 hidden units, so that log Z is enumerated
ON_MNIST = {
    "seeds": 3,
    "data": "mnist",
    "arguments": {"hidden": 14},
    "recipe": {"epochs": 3, "lr": 1e-2, "batch_size": 100, "lr_milestones": [3], "lr_decay": 0.2},
}

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
            **ON_DIGITS,
            "says": "With 16 hidden units its exact log p(x) beats independent pixels on digits, in nats.",
            "metric": "gain-over-marginals",
            "at_least": 3.1,
            "control": A_TENTH,
        },
        {
            **ON_DIGITS,
            "says": "Annealed importance sampling finds log Z as enumeration does, in nats.",
            "metric": "log-partition-error",
            "at_most": 0.05,
            "control": {
                "says": "as many draws of the base as the chains make transitions: importance sampling",
                "with": {"plain": True},
            },
        },
        {
            **ON_DIGITS,
            "says": "Its error bars are what they say: over 20 runs z-scores of log Z spread by one.",
            "metric": "log-partition-calibration",
            "between": [0.65, 1.45],
            "control": {"says": "importance sampling by as many draws of the base", "with": {"plain": True}},
        },
    ],
    "rbm-persistent": [
        {
            **ON_MNIST,
            "says": "Chains that go on beat CD-1 of as many updates in exact log p(x), in paired nats.",
            "metric": "gain",
            "with": {"estimator": "Exact"},
            "at_least": 5.0,
            "against": {"entry": "rbm", "arguments": {"hidden": 14}},
            "control": {"entry": "rbm", "arguments": {"hidden": 14}, "says": "CD-1 from other seeds", "seed": 100},
        },
    ],
    "rbm-gaussian": [
        {
            "says": "Annealed importance sampling finds the log Z of real visible units as enumeration does, in nats.",
            "metric": "log-partition-error",
            "at_most": 0.05,
            "seeds": 3,
            "control": {
                "says": "as many draws of the base as the chains make transitions: importance sampling",
                "with": {"plain": True},
            },
        },
    ],
}
