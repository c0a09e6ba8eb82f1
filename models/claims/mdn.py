"""What the entries of :mod:`pyrogen.models.heads.mdn` claim."""

CLAIMS = {
    "regression": [
        {
            "says": "Its 90 % intervals hold 90 ± 3 % of test data in each third of y, however wide they must be there.",
            "metric": "interval-error",
            "with": {"level": 0.9},
            "at_most": 0.03,
            "seeds": 3,
            "control": {
                "says": "one learned standard deviation for all y",
                "arguments": {"likelihood": {"name": "Normal", "scale": "shared"}},
            },
        },
        {
            "says": "So do those of a head whose standard deviation is an exponential instead of a softplus.",
            "metric": "interval-error",
            "with": {"level": 0.9},
            "at_most": 0.03,
            "seeds": 3,
            "arguments": {"likelihood": {"name": "Normal", "positive": "exp"}},
            "control": {
                "says": "a standard deviation that is fixed at the best one for all y",
                "arguments": {"likelihood": {"name": "Normal", "scale": "fixed", "value": 0.27}},
            },
        },
        {
            "says": "It recovers the standard deviation as a function of y, by its relative error.",
            "metric": "scale-error",
            "at_most": 0.033,
            "seeds": 3,
            "control": {
                "says": "one learned standard deviation for all y",
                "arguments": {"likelihood": {"name": "Normal", "scale": "shared"}},
            },
        },
        {
            "says": "It is as near to the law of the data, in nats per datum.",
            "metric": "law-gap",
            "at_most": 0.0051,
            "seeds": 3,
            "control": {
                "says": "one learned standard deviation for all y",
                "arguments": {"likelihood": {"name": "Normal", "scale": "shared"}},
            },
        },
    ],
    "mdn": [
        {
            "says": "It is as near to the exact p(x|y) of the inverted sine, in nats per datum.",
            "metric": "law-gap",
            "at_most": 0.036,
            "seeds": 3,
            "control": {"says": "a single normal", "arguments": {"components": 1}},
        },
        {
            "says": "It beats a single normal there, in nats per datum.",
            "metric": "gain",
            "at_least": 0.64,
            "seeds": 3,
            "against": {"arguments": {"components": 1}},
            "control": {"says": "a single normal from other seeds", "arguments": {"components": 1}, "seed": 100},
        },
        {
            "says": "Angles of a two-joint arm that it draws miss the hand by less than a fifth of a single normal's error.",
            "metric": "forward-error",
            "at_most": 0.2,
            "seeds": 3,
            "data": "arm",
            "against": {"arguments": {"components": 1}},
            "control": {
                "says": "a single normal from other seeds, which lies between the elbows",
                "arguments": {"components": 1},
                "seed": 100,
            },
        },
        {
            "says": "So do they with full covariances, where a single normal reaches from elbow to elbow.",
            "metric": "forward-error",
            "at_most": 0.2,
            "seeds": 3,
            "data": "arm",
            "arguments": {"component": "MultivariateNormal"},
            "against": {"arguments": {"components": 1}},
            "control": {
                "says": "a single normal from other seeds, which lies between the elbows",
                "arguments": {"components": 1},
                "seed": 100,
            },
        },
        {
            "says": "It finds both elbows, as a fraction of hands.",
            "metric": "solutions-found",
            "at_least": 0.99,
            "seeds": 3,
            "data": "arm",
            "control": {
                "says": "a single normal with a full covariance",
                "arguments": {"components": 1, "component": "MultivariateNormal"},
            },
        },
        {
            "says": "Full covariances of the arm's joints beat diagonal ones, in nats (0.83 by closed form).",
            "metric": "gain",
            "at_least": 0.65,
            "seeds": 3,
            "data": "arm",
            "arguments": {"components": 2, "component": "MultivariateNormal"},
            "against": {"arguments": {"component": "Normal"}},
            "control": {"says": "diagonal ones from other seeds", "arguments": {"component": "Normal"}, "seed": 100},
        },
    ],
}
