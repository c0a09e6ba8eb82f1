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
FEW = {
    "says": "importance sampling by as many draws of the base as there are chains, which is a thousandth of the work",
    "with": {"plain": True, "temperatures": 1},
}
ON_RING = {
    "seeds": 3,
    "data": "ring",
    "arguments": {"hidden": [64, 64]},
    "recipe": {"epochs": 4, "lr": 3e-3, "batch_size": 200},
}
BESIDE_NONE = {
    "metric": "error-saved",
    "over": "mean",
    "seeds": 10,
    "data": {"name": "digits", "labels": 50, "kind": "unit", "dequantization": False},
    "against": {"arguments": {"pretraining": False}},
    "control": {"says": "random beginnings from other seeds", "arguments": {"pretraining": False}, "seed": 100},
}
OF_FOUR_LAYERS = {
    "arguments": {"hidden": [128, 128, 128, 128]},
}
RECONSTRUCTED = {
    "metric": "psnr-gain",
    "with": {"noise": 0.0},
    "seeds": 3,
    "data": "digits",
    "arguments": {"hidden": [128, 64]},
    "recipe": {"epochs": 60, "lr": 3e-3, "batch_size": 64},
    "control": {"says": "a random beginning from other seeds", "arguments": {"pretraining": False}, "seed": 100},
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
            "with": {"labels": 200, "draws": 3},
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
            **BESIDE_NONE,
            "says": "With 50 labels pre-training without labels saves test errors of a classifier that begins at random.",
            "at_least": 0.02,
        },
        {
            **BESIDE_NONE,
            "says": "It saves cross-entropy on the labels that it was trained on, in nats: it optimizes.",
            "with": {"split": "train", "nats": True},
            "at_least": 0.02,
        },
        {
            **BESIDE_NONE,
            **OF_FOUR_LAYERS,
            "says": "Of four hidden layers, it saves test errors.",
            "at_least": 0.02,
        },
        {
            **BESIDE_NONE,
            **OF_FOUR_LAYERS,
            "says": "Of four hidden layers, it saves errors on the very labels that were trained on: it optimizes.",
            "with": {"split": "train"},
            "at_least": 0.05,
        },
    ],
    "autoencoder-pretrained": [
        {
            **RECONSTRUCTED,
            "says": "After as many epochs of all layers it reconstructs digits better than from a random beginning, in "
            "decibels.",
            "at_least": 0.5,
            "against": {"arguments": {"pretraining": False}},
        },
        {
            **RECONSTRUCTED,
            "says": "So it does where the random beginning has the epochs of pre-training too.",
            "at_least": 0.0,
            "against": {"arguments": {"pretraining": False}, "recipe": {"epochs": 240}},
            "control": {
                "says": "a random beginning of as many epochs, from other seeds",
                "arguments": {"pretraining": False},
                "recipe": {"epochs": 240},
                "seed": 100,
            },
        },
    ],
    "ebm": [
        {
            **ON_RING,
            "says": "Its log p(x) by quadrature finds the eight modes of the ring, in nats.",
            "metric": "evidence",
            "with": {"estimator": "Exact"},
            "at_least": -1.0,
            "control": {"entry": "rbm-gaussian", "says": "a Gaussian RBM, of 4,096 normals", "recipe": {"epochs": 10}},
        },
        {
            **ON_RING,
            "says": "Annealed importance sampling finds the log Z of a network's energy as quadrature does, in nats.",
            "metric": "log-partition-error",
            "with": {"temperatures": 1000, "runs": 2},
            "at_most": 0.05,
            "control": FEW,
        },
    ],
}
