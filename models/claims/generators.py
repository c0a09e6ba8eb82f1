"""What the entries of :mod:`pyrogen.models.adversarial.generators` claim."""

L2 = {"name": "Normal", "scale": "fixed", "value": 0.2}
L1 = {"name": "Laplace", "scale": "fixed", "value": 0.2}
SMALL = {"latent_size": 8, "hidden": [256]}
# the same generator as a GAN's, before a critic of as many units
PLAYING = {
    "latent_size": 8,
    "generator": {"name": "Perceptron", "hidden": [256]},
    "critic": {"name": "Perceptron", "hidden": [256]},
}
PAIRED = {
    "metric": "output-variance",
    "at_most": 0.1,
    "seeds": 3,
    "data": {"name": "digits", "kind": "unit", "dequantization": False},
    "recipe": {"epochs": 60, "batch_size": 64},
}
AS_A_VAE = {"says": "the same generator, trained as a VAE", "entry": "vae"}

CLAIMS = {
    "generator-random": [
        {
            "says": "Its samples have the density that quadrature over z says, by total variation on 1,024 cells.",
            "metric": "density-error",
            "at_most": 0.019,
            "seeds": 3,
            "against": {},
            "control": {"says": "samples with noise of 0.07 instead of 0.05", "arguments": {"noise": 0.07}},
        },
        {
            "says": "So do those of a net of twelve hidden layers.",
            "metric": "density-error",
            "at_most": 0.02,
            "seeds": 3,
            "arguments": {"depth": 12},
            "against": {},
            "control": {"says": "samples of another network", "seed": 100},
        },
    ],
    "generator-paired": [
        {
            **PAIRED,
            "says": "Under the L2 loss it collapses: its output varies by less than a tenth of the variance of data.",
            "arguments": {**SMALL, "likelihood": L2},
            "control": {**AS_A_VAE, "arguments": {**SMALL, "likelihood": L2}, "at_least": 0.6},
        },
        {
            **PAIRED,
            "says": "It is the pairing, not the network: a game makes the same one vary as data do.",
            "arguments": {**SMALL, "likelihood": L2},
            "control": {
                "says": "the same generator, trained as a GAN",
                "entry": "gan-nonsaturating",
                "arguments": PLAYING,
                "at_least": 0.6,
            },
        },
        {
            **PAIRED,
            "says": "Under the L1 loss it collapses as well.",
            "arguments": {**SMALL, "likelihood": L1},
            "control": {**AS_A_VAE, "arguments": {**SMALL, "likelihood": L1}, "at_least": 0.6},
        },
        {
            # no bound of its own for the control: probabilities of black pixels vary less than black and white ones
            **PAIRED,
            "says": "Under cross-entropy it collapses as well.",
            "data": "digits",
            "arguments": {**SMALL, "likelihood": "Bernoulli"},
            "control": {**AS_A_VAE, "arguments": {**SMALL, "likelihood": "Bernoulli"}},
        },
    ],
}
