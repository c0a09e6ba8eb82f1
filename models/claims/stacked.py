"""What the entries of :mod:`pyrogen.models.autoencoders.stacked` claim."""

SQUARES = {"name": "Normal", "scale": "fixed"}

CLAIMS = {
    "autoencoder-stacked": [
        {
            "says": "With 50 labels its encoder classifies as well as one from random weights with 70, in error saved.",
            "metric": "labels-saved",
            "with": {"labels": 50, "more": 70},
            "at_least": 0,
            "seeds": 3,
            "data": {"name": "digits", "kind": "unit", "dequantization": False},
            "arguments": {"likelihood": SQUARES},
            "against": {"recipe": {"epochs": 0}},
            "control": {"says": "random weights in both", "recipe": {"epochs": 0}},
        },
    ],
    "autoencoder-stacked-contractive": [
        {
            "says": "At λ = 1 its codes move less with x than those of a stack without the penalty, by this factor.",
            "metric": "jacobian-shrinkage",
            "at_least": 2,
            "seeds": 3,
            "data": {"name": "digits", "kind": "unit", "dequantization": False},
            "arguments": {"weight": 1.0, "likelihood": SQUARES},
            "recipe": {"epochs": 15},
            "against": {"arguments": {"weight": 0.0}},
            "control": {"says": "the stack without, from other seeds", "arguments": {"weight": 0.0}, "seed": 100},
        },
        {
            "says": "At λ = .1 it classifies as well with 50 labels as random weights do with 70, in error saved.",
            "metric": "labels-saved",
            "with": {"labels": 50, "more": 70},
            "at_least": 0,
            "seeds": 3,
            "data": {"name": "digits", "kind": "unit", "dequantization": False},
            "arguments": {"weight": 0.1, "likelihood": SQUARES},
            "recipe": {"epochs": 15},
            "against": {"recipe": {"epochs": 0}},
            "control": {"says": "random weights in both", "recipe": {"epochs": 0}},
        },
    ],
}
