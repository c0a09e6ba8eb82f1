"""What the entries of :mod:`pyrogen.models.vae.posteriors` claim."""

KNOWN = {
    "latent_size": 2,
    "hidden": [],
    "known": [[1.0, 0.9], [0.9, 1.0]],
    "likelihood": {"name": "Normal", "scale": "fixed", "value": 0.5},
}
CLOSES = {
    "metric": "posterior-gap",
    "at_most": 0.05,
    "seeds": 3,
    "data": "ring",
    "control": {"says": "independent coordinates", "arguments": {"posterior": "DiagonalNormal"}},
}

CLAIMS = {
    "vae-fullrank": [
        {
            **CLOSES,
            "says": "On a correlated posterior a full covariance closes the gap of independent coordinates, in nats left.",
            "arguments": KNOWN,
            "recipe": {"epochs": 16, "lr": 1e-2, "batch_size": 100, "lr_milestones": [12]},
        },
        {
            "says": "Independent coordinates leave the closed form, ½ (Σ log P_ii − log det P), as a multiple of it.",
            "metric": "posterior-gap",
            "with": {"relative": True},
            "between": [0.95, 1.05],
            "seeds": 3,
            "data": "ring",
            "arguments": {**KNOWN, "posterior": "DiagonalNormal"},
            "recipe": {"epochs": 16, "lr": 1e-2, "batch_size": 100, "lr_milestones": [12]},
            "control": {"says": "every correlation", "arguments": {"posterior": "FullRankNormal"}},
        },
        {
            "says": "Gaps found without closed forms agree: so many nats independent coordinates cost, within 0.02 of it.",
            "metric": "inference-gap",
            "between": [0.7009, 0.7409],
            "seeds": 3,
            "data": "ring",
            "arguments": {**KNOWN, "posterior": "DiagonalNormal"},
            "recipe": {"epochs": 16, "lr": 1e-2, "batch_size": 100, "lr_milestones": [12]},
            "control": {
                "says": "every correlation",
                "arguments": {"posterior": "FullRankNormal"},
                "between": [-0.02, 0.02],
            },
        },
        {
            "says": "Exact draws of p(z|x) rank among its own as they must, by the least p-value times their number.",
            "metric": "smallest-p",
            "at_least": 0.001,
            "seeds": 3,
            "data": "ring",
            "arguments": KNOWN,
            "recipe": {"epochs": 24, "lr": 1e-2, "batch_size": 100, "lr_milestones": [12, 16, 20]},
            "control": {
                "says": "the best independent coordinates",
                "arguments": {"posterior": "DiagonalNormal"},
                "at_most": 1e-6,
            },
        },
    ],
    "vae-lowrank": [
        {
            **CLOSES,
            "says": "On a correlated posterior one direction closes the gap of independent coordinates, in nats left.",
            "arguments": {
                **KNOWN,
                "hidden": [32],
                "posterior": {"name": "LowRankNormal", "rank": 1},
            },
            "recipe": {"epochs": 16, "lr": 1e-2, "batch_size": 100, "lr_milestones": [12]},
        },
    ],
    "vae-planar": [
        {
            **CLOSES,
            "says": "On a correlated posterior planar layers close the gap of independent coordinates, in nats left.",
            "arguments": KNOWN,
            "recipe": {"epochs": 12, "lr": 1e-2, "batch_size": 100, "lr_milestones": [9]},
        },
    ],
    "vae-iaf": [
        {
            **CLOSES,
            "says": "On a correlated posterior it closes the gap of independent coordinates, in nats left.",
            "arguments": KNOWN,
            "recipe": {"epochs": 8, "lr": 1e-2, "batch_size": 100, "lr_milestones": [6]},
        },
        {
            **CLOSES,
            "says": "On a correlated posterior a flow of splines closes the gap of independent coordinates, in nats left.",
            "arguments": {**KNOWN, "posterior": {"name": "FlowPosterior", "transform": "spline_autoregressive"}},
            "recipe": {"epochs": 16, "lr": 1e-2, "batch_size": 100, "lr_milestones": [10, 14]},
        },
    ],
    "vae-mixture-posterior": [
        {
            "says": "On a correlated posterior eight normals in a row close nine tenths of the gap of one, in nats left.",
            "metric": "posterior-gap",
            "at_most": 0.072,
            "seeds": 3,
            "data": "ring",
            "arguments": {**KNOWN, "posterior": {"name": "MixtureOfGaussians", "components": 8}},
            "recipe": {"epochs": 30, "lr": 3e-2, "batch_size": 100, "lr_milestones": [24]},
            "control": {"says": "independent coordinates", "arguments": {"posterior": "DiagonalNormal"}},
        },
    ],
    "vae-laplace-posterior": [
        {
            "says": "Laplace coordinates leave the closed form, ½ (Σ log P_ii − log det P) + d/2 (log π − 1), in nats.",
            "metric": "posterior-gap",
            "between": [0.85, 0.88],
            "seeds": 3,
            "data": "ring",
            "arguments": KNOWN,
            "recipe": {"epochs": 16, "lr": 1e-2, "batch_size": 100, "lr_milestones": [12]},
            "control": {"says": "independent coordinates", "arguments": {"posterior": "DiagonalNormal"}},
        },
    ],
    "vae-semi-amortized": [
        {
            "says": "From an untrained encoder steps of its own reach the best independent coordinates, over their gap.",
            "metric": "posterior-gap",
            "with": {"relative": True},
            "between": [0.95, 1.05],
            "seeds": 3,
            "data": "ring",
            "arguments": {**KNOWN, "posterior": {"name": "SemiAmortized", "steps": 80}},
            "recipe": {"epochs": 0},
            "control": {"says": "the untrained encoder without them", "arguments": {"posterior": "DiagonalNormal"}},
        },
    ],
}
