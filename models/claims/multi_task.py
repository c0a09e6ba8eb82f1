"""What the entry of :mod:`pyrogen.models.heads.multi_task` claims."""

# six labels that tell nothing of one another
SPRITES = {
    "metric": "labels-right",
    "at_least": 0.07,
    "seeds": 3,
    "data": {"name": "sprites(size=16, n=200, tests=800)", "kind": "unit", "dequantization": False},
    "recipe": {"epochs": 30, "batch_size": 25},
    "against": {"arguments": {"sharing": "hard"}},
    "control": {"says": "another trunk that all share", "arguments": {"sharing": "hard"}, "seed": 100},
}

CLAIMS = {
    "multi-task": [
        {
            **SPRITES,
            "says": "Tasks that have nothing in common share to their cost: networks apart name more labels than one trunk.",
            "arguments": {"hidden": [128, 64], "sharing": "none"},
        },
        {
            **SPRITES,
            "says": "Loosely tied networks name more of their labels than one trunk too.",
            "arguments": {"hidden": [128, 64], "sharing": "soft", "tie": 0.001},
        },
        {
            **SPRITES,
            "says": "And tied as loosely they lose next to nothing against networks apart, as a share.",
            "at_least": -0.03,
            "arguments": {"hidden": [128, 64], "sharing": "soft", "tie": 0.001},
            "against": {"arguments": {"sharing": "none"}},
            "control": {"says": "one trunk that all share", "arguments": {"sharing": "hard"}},
        },
    ],
}
