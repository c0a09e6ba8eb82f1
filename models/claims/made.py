"""What the entries of :mod:`pyrogen.models.autoregressive.made` claim."""

ON_DIGITS = {
    "seeds": 3,
    "data": "digits",
    "arguments": {"hidden": [200]},
    "recipe": {"epochs": 150, "lr": 3e-3, "batch_size": 64, "lr_milestones": [100]},
}
# 13,064 parameters, as many as the masks leave of the network
MIXTURE = {
    "entry": "vae-categorical",
    "arguments": {"latent_size": 200, "hidden": []},
    "recipe": {"epochs": 100, "lr": 1e-2, "lr_milestones": [66]},
}

CLAIMS = {
    "made": [
        {
            **ON_DIGITS,
            "says": "Its exact log p(x) beats a mixture of Bernoullis of as many parameters on digits, in nats.",
            "metric": "gain",
            "with": {"estimator": "Enumerate"},
            "at_least": 0.2,
            "against": MIXTURE,
            "control": {**MIXTURE, "says": "a mixture from other seeds", "seed": 100},
        },
        {
            **ON_DIGITS,
            "says": "It beats independent pixels there, in nats.",
            "metric": "gain-over-marginals",
            "at_least": 4.45,
            "control": {**MIXTURE, "says": "the mixture", "with": {"estimator": "Enumerate"}},
        },
    ],
}
