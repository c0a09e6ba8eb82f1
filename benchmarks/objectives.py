"""One generator of MNIST, trained on the ELBO and in a game, on the same footing: the README's comparison, kept as a table.

The grid lies in ``build/objectives``, so that an interrupted measurement goes on where it was.
"""

from __future__ import annotations

from measure import ROOT, Section

from pyrogen.inference import grid


def measure(threads: list[int], quick: bool) -> Section:
    """The two cells of the grid: what each scores, and what its samples are like."""
    found = grid(
        {"objective": ["ELBO", "Adversarial"]},
        "vae",
        folder=ROOT / "build" / ("objectives-quick" if quick else "objectives"),
        data="mnist",
        likelihood={"name": "Normal", "scale": "shared"},
        limit=4 if quick else 32,
        jobs=1,
        **({"epochs": 1} if quick else {}),
    )
    (header, *cells), (_, *measures) = found.tables()
    scores = [(name, "", *(cell[i] for cell in cells)) for i, name in enumerate(header) if i]
    return Section(
        "objectives",
        (
            "`pyrogen compare --grid objective=ELBO,Adversarial --data mnist --likelihood Normal --likelihood.scale shared "
            "--limit 32`, seed 0; scores in nats per datum of 32 test images, as x ~ N(g(z), noise²), noise fitted on "
            "validation images; seconds are of training.",
            "Samples are measured against test images, and those against as many others (data); ± is one standard error.",
        ),
        ("", "data", *(cell[0] for cell in cells)),
        (*scores, *((f"{name} ({better})", *values) for name, better, *values in measures)),
    )
