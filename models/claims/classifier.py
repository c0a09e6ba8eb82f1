"""What the entries of :mod:`pyrogen.models.heads.classifier` claim."""

DIGITS = {"seeds": 3, "data": {"name": "digits", "kind": "unit"}}
PLAIN = {"entry": "classifier", "says": "one that was trained plainly, from other seeds", "seed": 100}

CLAIMS = {
    "classifier": [
        {
            "says": "The farther data are moved against it, the fewer it knows: standard errors that each .05 costs.",
            "metric": "attack-slope",
            "at_least": 7.2,
            **DIGITS,
            "control": {"says": "moves as far in random directions", "with": {"attack": "Noise"}},
        },
        {
            "says": "Data are taken for any other class well before they come to a datum of it: p after 4/5 of the way.",
            "metric": "targeted-attack",
            "with": {"way": 0.8},
            "at_least": 0.99,
            **DIGITS,
            "control": {"says": "the same way straight to that datum", "with": {"straight": True}},
        },
        {
            "says": "Noise can be climbed until it is sure of any class, by the least p of a hundred.",
            "metric": "activation",
            "at_least": 0.99,
            **DIGITS,
            "control": {"says": "the noise before it was climbed", "with": {"steps": 0}},
        },
    ],
    "adversarial-examples": [
        {
            "says": "Under attacks of ε = .1 it knows a larger fraction of test data than one that was trained plainly.",
            "metric": "robust-accuracy",
            "at_least": 0.38,
            **DIGITS,
            "against": {"entry": "classifier"},
            "control": PLAIN,
        },
        {
            "says": "That is so many standard errors of the difference, paired datum by datum.",
            "metric": "robust-accuracy",
            "with": {"in_errors": True},
            "at_least": 14,
            **DIGITS,
            "against": {"entry": "classifier"},
            "control": PLAIN,
        },
        {
            "says": "Projected gradients deceive it more often than one step does, ε = .2: standard errors, paired.",
            "metric": "attack-advantage",
            "with": {"epsilon": 0.2, "in_errors": True},
            "at_least": 4.6,
            **DIGITS,
            "control": {"says": "moves as far in random directions", "with": {"attack": "Noise"}},
        },
        {
            "says": "What it is sure of looks like the class: the fraction that a support vector machine knows.",
            "metric": "activation",
            "with": {"recognized": True},
            "at_least": 0.93,
            **DIGITS,
            "control": PLAIN,
        },
    ],
}
