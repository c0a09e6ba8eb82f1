"""What the entries of :mod:`pyrogen.models.sequences.states` claim: where all is known exactly, and of what swings over."""

LINEAR = {
    "latent_size": 2,
    "transition": "Linear",
    "hidden": [],
    "emission": {"name": "Normal", "scale": "shared"},
    "net": {"name": "LSTM", "width": 32},
}
ON_STATES = {
    "seeds": 3,
    "data": "linear-gaussian",
    "arguments": LINEAR,
    "recipe": {"epochs": 20, "lr": 1e-2, "batch_size": 64, "lr_milestones": [12, 17]},
}
APART = {"says": "a guide without ties between states", "arguments": {"posterior": "DiagonalNormal"}}
SWINGING = {"latent_size": 4, "net": {"name": "LSTM", "width": 32}}
STRAIGHT = {**SWINGING, "transition": "Linear"}

CLAIMS = {
    "vae-sequential": [
        {
            **ON_STATES,
            "says": "Learned with a guide that follows the transition it comes within 0.2 nats of Kalman's log p.",
            "metric": "law-gap",
            "with": {"estimator": "ParticleFilter"},
            "at_most": 0.2,
            "control": APART,
        },
        {
            **ON_STATES,
            "says": "What the guide leaves below log p, as a part of what the best independent coordinates would leave.",
            "metric": "posterior-gap",
            "with": {"relative": True},
            "at_most": 0.05,
            "control": APART,
        },
        {
            **ON_STATES,
            "says": "Sixteen hundred particles that resample over time end within 0.1 nats of the exact log p.",
            "metric": "posterior-gap",
            "with": {"estimator": "ParticleFilter"},
            "between": [-0.1, 0.1],
            "control": {
                "says": "as many that never resample, importance sampling from the prior",
                "with": {"estimator": {"name": "ParticleFilter", "threshold": 0.0}},
            },
        },
        {
            "seeds": 3,
            "data": "pendulum",
            "says": "Gates beat a linear transition on a pendulum that turns over, in nats a sequence by as many particles.",
            "metric": "gain",
            "with": {"estimator": {"name": "ParticleFilter", "proposal": "guide", "particles": 50, "populations": 8}},
            "at_least": 5.0,
            "arguments": SWINGING,
            "recipe": {"epochs": 30, "lr": 5e-3, "batch_size": 64, "lr_milestones": [20, 26], "clip_gradients": 10.0},
            "against": {"arguments": STRAIGHT},
            "control": {"says": "the linear transition from other seeds", "arguments": STRAIGHT, "seed": 100},
        },
    ],
}
