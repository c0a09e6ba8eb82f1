"""What the entries of :mod:`pyrogen.models.energy` claim of Boltzmann machines with one hidden layer."""

A_TENTH = {"says": "CD-1 of a tenth of the updates", "recipe": {"epochs": 6}}
ON_DIGITS = {
    "seeds": 3,
    "data": "digits",
    "arguments": {"hidden": 16},
    "recipe": {"epochs": 60, "lr": 1e-2, "batch_size": 64},
}
ENUMERABLE = {
    "seeds": 3,
    "data": "digits",
    "arguments": {"hidden": 16},
    "recipe": {"epochs": 150, "lr": 1e-2, "batch_size": 64},
}
PLAIN = {
    "says": "importance sampling by as many draws of the base as the chains make transitions",
    "with": {"plain": True},
}
# 14 hidden units, so that log Z is enumerated
ON_MNIST = {
    "seeds": 3,
    "data": "mnist",
    "arguments": {"hidden": 14},
    "recipe": {"epochs": 3, "lr": 3e-3, "batch_size": 100, "lr_milestones": [3], "lr_decay": 0.1},
}
BY_AIS = {
    "metric": "evidence",
    "with": {"estimator": {"name": "AIS", "temperatures": 5000, "chains": 100, "doubling": False}},
    "seeds": 3,
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
            **ENUMERABLE,
            "says": "Annealed importance sampling finds log Z as enumeration does, in nats.",
            "metric": "log-partition-error",
            "at_most": 0.05,
            "control": PLAIN,
        },
        {
            **ENUMERABLE,
            "says": "Its error bars are what they say: over 40 runs z-scores of log Z spread by one.",
            "metric": "log-partition-calibration",
            "with": {"runs": 40, "temperatures": 50},
            "between": [0.65, 1.45],
            "control": PLAIN,
        },
    ],
    "rbm-persistent": [
        {
            **ON_MNIST,
            "says": "Chains that go on beat CD-1 of as many updates in exact log p(x) on MNIST, in paired nats.",
            "metric": "gain",
            "with": {"estimator": "Exact"},
            "at_least": 4.9,
            "against": {"entry": "rbm", "arguments": {"hidden": 14}},
            "control": {"entry": "rbm", "arguments": {"hidden": 14}, "says": "CD-1 from other seeds", "seed": 100},
        },
    ],
    "rbm-500": [
        {
            **BY_AIS,
            "says": "Minutes of training bring log p(x) by AIS within 23.7 nats of the published −86.34 of CD-25.",
            "at_least": -110.0,
            "control": {"entry": "rbm", "arguments": {"hidden": 500}, "says": "CD-1 of as many updates"},
        },
    ],
    "rbm-500-paper": [
        {
            **BY_AIS,
            "says": "Its log p(x) on MNIST by AIS is the published −86.34, in nats.",
            "at_least": -87.0,
            "control": {"says": "CD-1 of as many updates", "arguments": {"k": 1}},
        },
    ],
    "rbm-gaussian": [
        {
            "says": "Its mixture of 4,096 normals beats probabilistic PCA of 4 components on curves, in nats below it.",
            "metric": "gap-to-ppca",
            "with": {"components": 4, "estimator": "Exact"},
            "at_most": -0.8,
            "seeds": 3,
            "control": {"says": "CD-5 of a tenth of the updates", "recipe": {"epochs": 10}},
        },
        {
            "says": "Annealed importance sampling finds the log Z of real visible units as enumeration does, in nats.",
            "metric": "log-partition-error",
            "with": {"temperatures": 5000, "runs": 3},
            "at_most": 0.1,
            "seeds": 3,
            "control": PLAIN,
        },
    ],
    "rbm-categorical": [
        {
            "says": "With a value for each of 17 grey levels its exact log p(x) beats independent pixels, in nats.",
            "metric": "gain-over-base",
            "at_least": 4.8,
            "seeds": 3,
            "data": {"name": "digits", "kind": "levels"},
            "arguments": {"hidden": 14},
            "recipe": {"epochs": 20, "lr": 3e-3, "batch_size": 64},
            "control": {"says": "CD-1 of a tenth of the updates", "recipe": {"epochs": 2}},
        },
    ],
}
