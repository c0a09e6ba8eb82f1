"""What the entry of :mod:`pyrogen.models.heads.multi_task` claims."""

FEW = {"name": "sprites(size=16, n=300, tests=800)", "kind": "unit", "dequantization": False}

CLAIMS = {
    "multi-task": [
        {
            "says": "Of 300 labelled sprites one trunk names more labels than a network for each, as a share, paired.",
            "metric": "labels-right",
            "at_least": 0.0,
            "seeds": 3,
            "data": FEW,
            "arguments": {"hidden": [64], "width": 8},
            "recipe": {"epochs": 40, "lr": 2e-3, "batch_size": 32},
            "against": {"arguments": {"sharing": "none"}},
            "control": {"says": "a network for each, from other seeds", "arguments": {"sharing": "none"}, "seed": 100},
        },
    ],
}
