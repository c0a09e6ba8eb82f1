"""What the entries of :mod:`pyrogen.models.energy` claim of machines with several layers, and of what they are good for."""

GREEDY = {
    "metric": "gain",
    "with": {"estimator": {"name": "AIS", "temperatures": 1000, "chains": 100, "doubling": False}},
    "seeds": 3,
    "data": "digits",
    "recipe": {"epochs": 60, "lr": 1e-2, "batch_size": 64},
}
TWO_LAYERS = {
    "seeds": 3,
    "data": "digits",
    "arguments": {"hidden": [12, 8]},
    "recipe": {"epochs": 100, "lr": 1e-2, "batch_size": 64},
}
PLAIN = {
    "says": "importance sampling by as many draws of the base as the chains make transitions",
    "with": {"plain": True},
}

CLAIMS = {
    "dbn": [
        {
            **GREEDY,
            "says": "A second layer raises the bound on log p(x) above the score of a machine of one, in paired nats by AIS.",
            "at_least": 0.05,
            "arguments": {"hidden": [64, 64], "tuning": False},
            "against": {"entry": "rbm", "arguments": {"hidden": 64}},
            "control": {
                "entry": "rbm",
                "arguments": {"hidden": 64},
                "says": "a machine of one layer from other seeds",
                "seed": 100,
            },
        },
        {
            **GREEDY,
            "says": "A third layer raises it above that of two, in paired nats by AIS.",
            "at_least": 0.0,
            "arguments": {"hidden": [64, 64, 64], "tuning": False},
            "against": {"arguments": {"hidden": [64, 64], "tuning": False}},
            "control": {"entry": "rbm", "arguments": {"hidden": 64}, "says": "a machine of one layer"},
        },
        {
            "says": "A linear probe of 2,000 labels reads more from its topmost units than from the pixels of MNIST.",
            "metric": "probe-gain",
            "with": {"labels": 2000},
            "at_least": 0.04,
            "seeds": 3,
            "data": {"name": "mnist", "binarization": "static"},
            "arguments": {"hidden": [300, 300], "tuning": False},
            "recipe": {"epochs": 2, "lr": 2e-3, "batch_size": 100},
            "control": {"says": "layers of random weights", "recipe": {"epochs": 0}},
        },
    ],
    "dbm": [
        {
            **TWO_LAYERS,
            "says": "Annealed importance sampling finds its log Z as enumeration does, in nats.",
            "metric": "log-partition-error",
            "at_most": 0.05,
            "control": PLAIN,
        },
    ],
    "classifier-pretrained": [
        {
            "says": "With 50 labels pre-training without labels saves test errors of a classifier that begins at random.",
            "metric": "error-saved",
            "at_least": 0.02,
            "over": "mean",
            "seeds": 10,
            "data": {"name": "digits", "labels": 50, "kind": "unit", "dequantization": False},
            "against": {"arguments": {"pretraining": False}},
            "control": {
                "says": "random beginnings from other seeds",
                "arguments": {"pretraining": False},
                "seed": 100,
            },
        },
    ],
    "ebm": [
        {
            "says": "Annealed importance sampling finds the log Z of a network's energy as quadrature does, in nats.",
            "metric": "log-partition-error",
            "with": {"temperatures": 1000, "chains": 200},
            "at_most": 0.05,
            "seeds": 3,
            "recipe": {"epochs": 10},
            "control": {
                "says": "one transition a chain",
                "with": {"temperatures": 2},
            },
        },
    ],
}
