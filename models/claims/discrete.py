"""What the entries of :mod:`pyrogen.models.vae.discrete` claim."""

CLAIMS = {
    "vae-bernoulli": [
        {
            "says": "Eight bits beat independent pixels on digits, in exact nats of evidence.",
            "metric": "gain-over-marginals",
            "with": {"estimator": "Enumerate"},
            "at_least": 4.2,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 8, "hidden": [256]},
            "recipe": {"epochs": 100, "lr": 2e-3, "batch_size": 64, "lr_milestones": [70]},
            "control": {"says": "one bit", "arguments": {"latent_size": 1}},
        },
        {
            "says": "5,000 weighted draws find the sum over all 256 states, in nats below it.",
            "metric": "bound-gap",
            "with": {"above": "Enumerate", "estimator": {"name": "IWAE", "k": 5000}},
            "at_most": 0.003,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 8, "hidden": [256]},
            "recipe": {"epochs": 100, "lr": 2e-3, "batch_size": 64, "lr_milestones": [70]},
            "control": {"says": "the ELBO", "with": {"estimator": "ELBO"}},
        },
    ],
    "vae-categorical": [
        {
            "says": "Of a mixture of independent pixels, its linear networks, inference is exact, in nats missed.",
            "metric": "bound-gap",
            "with": {"above": "Enumerate"},
            "at_most": 0.0038,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 10, "hidden": []},
            "recipe": {"epochs": 150, "lr": 1e-2, "batch_size": 64, "lr_milestones": [100]},
            "control": {"says": "untrained", "recipe": {"epochs": 0}},
        },
        {
            "says": "Twenty classes beat independent pixels on digits, in exact nats of evidence.",
            "metric": "gain-over-marginals",
            "with": {"estimator": "Enumerate"},
            "at_least": 3.6,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 20, "hidden": []},
            "recipe": {"epochs": 150, "lr": 1e-2, "batch_size": 64, "lr_milestones": [100]},
            "control": {"says": "two classes", "arguments": {"latent_size": 2}},
        },
    ],
    "vae-relaxed": [
        {
            "says": "Bits relaxed at a temperature that falls are worth more as bits, in exact nats of evidence on digits.",
            "metric": "evidence-of-bits",
            "at_least": -23.65,
            "seeds": 3,
            "data": "digits",
            "arguments": {"latent_size": 8, "hidden": [256], "cooling": 1000},
            "recipe": {"epochs": 100, "lr": 2e-3, "batch_size": 64, "lr_milestones": [70]},
            "control": {"says": "at the same one from the start", "arguments": {"start": None, "cooling": 0}},
        },
    ],
}
