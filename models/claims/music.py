"""What the entry of :mod:`pyrogen.models.sequences.music` claims."""

ON_TUNES = {"seeds": 3, "data": "tunes"}
LEARNED = {"epochs": 10, "lr": 8e-3, "batch_size": 64, "lr_milestones": [8]}
TOLD = {"latent_size": 16, "warmup": 0, "free_bits": 14.0}
# as many parameters as the hierarchical one has
FLAT = {"decoder": "Flat", "net": {"name": "LSTM", "width": 78}}
RIVAL = {"says": "the flat decoder, with as many parameters", "arguments": FLAT}

CLAIMS = {
    "vae-music": [
        {
            **ON_TUNES,
            "says": "Of the notes of test tunes, 64 steps long, 45 of 100 or more come back from their codes.",
            "metric": "notes-kept",
            "at_least": 0.45,
            "arguments": TOLD,
            "recipe": LEARNED,
            "control": RIVAL,
        },
        {
            **ON_TUNES,
            "says": "They are a tenth more of all notes than come back by the flat decoder, tune by tune.",
            "metric": "notes-gained",
            "at_least": 0.1,
            "arguments": TOLD,
            "recipe": LEARNED,
            "against": {"arguments": FLAT},
            "control": {"says": "the flat decoder itself, which gains nothing over itself", "arguments": FLAT},
        },
        {
            **ON_TUNES,
            "says": "Half-way between the codes of two tunes stands one of the form A A' B A, in 15 of 100 cases or more.",
            "metric": "form-kept",
            "at_least": 0.15,
            "arguments": TOLD,
            "recipe": LEARNED,
            "control": RIVAL,
        },
        {
            **ON_TUNES,
            "says": "Mixtures of the notes of two tunes do not have it.",
            "metric": "form-kept",
            "at_least": 0.15,
            "arguments": TOLD,
            "recipe": LEARNED,
            "control": {"says": "each step's note that of either tune by chance", "with": {"between": "notes"}},
        },
        {
            **ON_TUNES,
            "says": "A step along the direction of note density goes more than half of the way that is asked for.",
            "metric": "density-moved",
            "at_least": 0.5,
            "arguments": TOLD,
            "recipe": LEARNED,
            "control": {"says": "steps as long in random directions", "with": {"by_chance": True}},
        },
    ],
}
