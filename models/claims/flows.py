"""What the entries of :mod:`pyrogen.models.flows` claim."""

ON_A_SPIRAL = {
    "seeds": 3,
    "data": "spiral",
    "recipe": {"epochs": 8, "lr": 2e-3, "batch_size": 256, "lr_milestones": [6], "clip_gradients": 1.0},
}
# what one would take who wants a density of the plane without a flow, by as many steps as bring it to rest
MIXTURE = {
    "entry": "vae-categorical",
    "arguments": {"latent_size": 20, "hidden": [], "likelihood": "Normal"},
    "recipe": {"epochs": 30, "lr": 3e-2, "lr_milestones": [20]},
}
OVER_A_MIXTURE = {
    **ON_A_SPIRAL,
    "says": "Its exact log p(x) beats a mixture of twenty normal distributions on a spiral, in nats.",
    "metric": "gain",
    "with": {"estimator": "Enumerate"},
    "against": MIXTURE,
    "control": {**MIXTURE, "says": "the mixture from other seeds", "seed": 100},
}
# narrow and short, so that nine trainings take minutes
NARROW = {"depth": 2, "width": 16}

CLAIMS = {
    "flow-coupling": [{**OVER_A_MIXTURE, "at_least": 0.3}],
    "flow-maf": [{**OVER_A_MIXTURE, "at_least": 0.1}],
    "flow-spline": [{**OVER_A_MIXTURE, "at_least": 0.15}],
    "flow-glow": [
        {
            "says": "Noise between grey levels that a flow learned beats uniform noise in the ELBO of digits, in nats.",
            "metric": "gain",
            "with": {"estimator": "ELBO"},
            "at_least": 3,
            "seeds": 3,
            "data": {"name": "digits", "kind": "levels"},
            "arguments": {**NARROW, "dequantizer": "Variational"},
            "recipe": {"epochs": 20, "lr": 3e-3, "batch_size": 64, "lr_milestones": [14]},
            "against": {"arguments": {"dequantizer": "Uniform"}},
            "control": {"says": "uniform noise from other seeds", "arguments": {"dequantizer": "Uniform"}, "seed": 100},
        },
    ],
}
