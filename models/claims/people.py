"""What the entry of :mod:`pyrogen.models.sequences.people` claims, on scenes in which nobody touches anybody."""

MEETING = {
    "seeds": 3,
    "data": "crossings(n=1500)",
    "arguments": {"net": {"name": "LSTM", "width": 24}, "draws": 8},
    "recipe": {"epochs": 12, "lr": 3e-3, "batch_size": 32, "lr_milestones": [10], "lr_decay": 0.3},
}
ALONE = {"says": "the same networks, each told of nobody else", "arguments": {"pooling": False}}
ALIKE = {"says": "the same game without the variety loss", "arguments": {"draws": 0}}

CLAIMS = {
    "social-gan": [
        {
            **MEETING,
            "says": "Where it draws all of a scene together fewer of them touch, to a fraction of those who go straight on, "
            "turned by noise.",
            "metric": "collisions-ratio",
            "with": {"touching": 0.4},
            "at_most": 0.45,
            "control": ALONE,
        },
        {
            **MEETING,
            "says": "Of twenty draws the best of a scene is nearer to what people did than that of going straight on, turned "
            "by noise, by the distance as a fraction.",
            "metric": "displacement-ratio",
            "at_most": 0.9,
            "control": ALIKE,
        },
    ],
}
