"""What the entries of :mod:`pyrogen.models.vae.semi_supervised` claim."""

CLAIMS = {
    "vae-semi-supervised": [
        {
            "says": "With 100 labels it names more test digits right than its classifier on these alone, as a fraction.",
            "metric": "accuracy",
            "at_least": 0.91,
            "seeds": 3,
            "data": {"name": "digits", "labels": 100, "kind": "unit", "dequantization": False},
            "arguments": {"latent_size": 8, "hidden": [256], "likelihood": {"name": "Normal", "scale": "shared"}},
            "recipe": {"epochs": 200, "batch_size": 64},
            "control": {"says": "the classifier alone", "objective": "Classification"},
        },
        {
            "says": "Its samples teach support vectors no more than these labels: as many digits are named without them.",
            "metric": "augmentation",
            "with": {"draws": 3},
            "between": [-0.03, 0.03],
            "seeds": 3,
            "data": {"name": "digits", "labels": 100, "kind": "unit", "dequantization": False},
            "arguments": {"latent_size": 8, "hidden": [256], "likelihood": {"name": "Normal", "scale": "shared"}},
            "recipe": {"epochs": 60, "batch_size": 64},
            "control": {
                "says": "the same samples, their classes dealt out at random",
                "with": {"way": "samples of classes dealt out at random"},
            },
        },
    ],
}
