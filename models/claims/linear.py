"""What the entries of :mod:`pyrogen.models.vae.linear` claim."""

UNMIXED = {"metric": "amari-distance", "seeds": 3, "at_most": 0.1}

CLAIMS = {
    "ica": [
        {
            **UNMIXED,
            "says": "Its decoder is what mixed four Laplace sources, by the Amari distance.",
            "data": "mixed-sources",
            "control": {"says": "normal sources, which every rotation fits", "data": "mixed-sources(law='normal')"},
        },
        {
            **UNMIXED,
            "says": "It is the prior that finds them.",
            "data": "mixed-sources",
            "control": {"says": "a normal prior", "arguments": {"prior": "StandardNormal"}},
        },
    ],
}
