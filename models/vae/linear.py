"""Linear pairs whose prior makes their latents known."""

from __future__ import annotations

from pyrogen.registry import variant

ica = variant(
    "ica",
    of="vae",
    says="Independent component analysis: a linear pair with a Laplace prior, whose latents are the sources that were mixed.",
    defaults={
        "latent_size": 4,
        "hidden": (),
        "prior": {"name": "Laplace", "scale": 0.7071},
        "posterior": "FullRankNormal",
        "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.3},
    },
    reference="Comon 1994; as a latent-variable model with noise: Attias 1999, Independent factor analysis",
    data="mixed-sources",
    recipe={"epochs": 60, "lr": 1e-1, "batch_size": 250, "lr_milestones": [36, 51]},
)
