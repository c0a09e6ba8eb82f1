"""What the entries of :mod:`pyrogen.models.vae.importance` claim."""

CLAIMS = {
    "iwae": [
        {
            "says": "Draws inside the logarithm beat as many outside it in evidence on digits, in nats.",
            "metric": "gain",
            "with": {"estimator": {"name": "IWAE", "k": 500}},
            "at_least": 0.2,
            "seeds": 3,
            "data": "digits",
            "arguments": {"k": 50, "latent_size": 8, "hidden": [64, 64]},
            "recipe": {"epochs": 100, "lr": 1e-3, "batch_size": 64},
            "against": {"objective": {"name": "ELBO", "num_samples": 50}},
            "control": {
                "says": "the ELBO of 50 draws by another gradient",
                "objective": {"name": "StickingTheLanding", "num_samples": 50},
            },
        },
        {
            "says": "The doubly reparameterized gradient does not fall behind that of IWAE(50), in nats gained.",
            "metric": "gain",
            "with": {"estimator": {"name": "IWAE", "k": 500}},
            "at_least": 0,
            "seeds": 3,
            "data": "digits",
            "objective": {"name": "DReG", "k": 50},
            "arguments": {"k": 50, "latent_size": 8, "hidden": [64, 64]},
            "recipe": {"epochs": 100, "lr": 1e-3, "batch_size": 64},
            "against": {"objective": {"name": "IWAE", "k": 50}},
            "control": {"says": "the ELBO of 50 draws", "objective": {"name": "ELBO", "num_samples": 50}},
        },
    ],
    "iwae-paper": [
        {
            "says": "Its evidence on MNIST is the published one, in nats.",
            "metric": "evidence",
            "with": {"estimator": {"name": "IWAE", "k": 5000}},
            "at_least": -85.0,
            "seeds": 3,
            "data": "mnist",
            "control": {"says": "trained by the ELBO", "objective": {"name": "ELBO", "num_samples": 50}},
        },
    ],
}
