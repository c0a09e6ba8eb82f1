"""A bidirectional GAN in one function: the pair of a VAE, in a game whose critic reads data and codes together.

Donahue et al. 2017, Adversarial feature learning, arXiv:1605.09782; Dumoulin et al. 2017, arXiv:1606.00704.
"""

import argparse
from collections.abc import Sequence

import torch

import pyrogen
from pyrogen.inference import Adversarial, fit
from pyrogen.likelihoods import Normal
from pyrogen.models.vae.vae import VAE
from pyrogen.registry import entry


@entry("bigan", reference="Donahue et al. 2017, Adversarial feature learning, arXiv:1605.09782", data="ring")
def bigan(x_shape: Sequence[int] = (2,), latent_size: int = 2, hidden: Sequence[int] = (128, 128)) -> VAE:
    """Encoder and generator against a critic that tells (x, E(x)) from (G(z), z)."""
    game = Adversarial(sites=("x", "z"), penalty="R1")
    return pyrogen.create(
        "vae",
        x_shape=x_shape,
        latent_size=latent_size,
        hidden=hidden,
        likelihood=Normal("fixed", 0.02),
        objective=game,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=100)
    options = parser.parse_args()
    torch.manual_seed(0)
    model, data = pyrogen.create("bigan"), pyrogen.data.load("ring")

    def error() -> float:
        return float((model.reconstruct(data.test.x) - data.test.x).norm(dim=1).mean())

    before = error()
    fit(model, data, epochs=options.epochs, batch_size=256)
    # nobody asked for reconstructions: they are what the optimum of the game implies
    print(f"mean distance of x from G(E(x)): {error():.3f}, and {before:.3f} before training")
    print({k: round(v, 3) for k, v in data.oracle.coverage(model.sample(2500)).items()})


if __name__ == "__main__":
    main()
