"""What the entries of :mod:`pyrogen.models.sequences.clips` claim."""

CLIPS = {"seeds": 3, "data": {"name": "sprites(size=16, frames=8, n=1000)", "kind": "unit"}}
SPECTRAL = {"name": "Convolutional", "width": 32, "normalization": "spectral"}
RATE = {"name": "Adam", "lr": 5e-4, "betas": [0.5, 0.99]}
HINGE = {
    "name": "Adversarial",
    "loss": "Hinge",
    "reuse": True,
    "critic_optimizer": RATE,
    "generator_optimizer": RATE,
}
GAME = {
    "content": 16,
    "generator": {"name": "Moving", "frame": {"name": "Convolutional", "width": 32}},
    "critic": {"name": "Stacked", "of": SPECTRAL},
    "frame_critic": SPECTRAL,
    "objective": HINGE,
}
PLAYED = {"epochs": 60, "lr": None, "batch_size": 32}

LONELY = {"name": "Convolutional", "width": 32, "normalization": "none"}
LAYERED = {"name": "Layered", "frame": LONELY, "window": 0.625, "wraps": True}
IN_LAYERS = {
    "arguments": {"generator": LAYERED},
    "data": {"name": "sprites(size=16, frames=8, n=4000)", "kind": "unit"},
}

CLAIMS = {
    "video-gan": [
        {
            **CLIPS,
            "says": "Its critic of clips tells real ones from the same with their frames in another order.",
            "metric": "shuffled-frames-caught",
            "at_least": 0.9,
            "arguments": GAME,
            "recipe": PLAYED,
            "control": {"says": "the same critic before it is trained", "recipe": {"epochs": 0}},
        },
        {
            **CLIPS,
            "says": "What its clips show stays what it is from frame to frame.",
            "metric": "identity-drift",
            "at_most": 0.05,
            "arguments": GAME,
            "recipe": PLAYED,
            "control": {
                "says": "a GAN of clips as vectors",
                "entry": "gan-nonsaturating",
                "arguments": {"latent_size": 48, "kind": "unit"},
            },
        },
    ],
    "vae-video": [
        {
            **CLIPS,
            **IN_LAYERS,
            "says": "What its clips show stays what it is from frame to frame.",
            "metric": "identity-drift",
            "at_most": 0.05,
            "control": {
                "says": "the generator that draws each frame anew, from what moves too",
                "arguments": {"generator": {"name": "Moving", "frame": LONELY}},
            },
        },
        {
            **CLIPS,
            **IN_LAYERS,
            "says": "So does what clips show that come back from their codes.",
            "metric": "identity-drift",
            "with": {"of": "reconstructions"},
            "at_most": 0.05,
            "control": {
                "says": "the generator that draws each frame anew, from what moves too",
                "arguments": {"generator": {"name": "Moving", "frame": LONELY}},
            },
        },
        {
            **CLIPS,
            **IN_LAYERS,
            "says": "And a thing is seen that moves: clips come back from their codes twenty times as near as others do.",
            "metric": "reconstruction-ratio",
            "at_most": 0.05,
            "control": {"says": "under the ELBO alone, the thing vanishes", "objective": "ELBO"},
        },
    ],
}
