"""WGAN-GP in one function: a loss, a penalty and five moves of the critic for each of the generator.

Gulrajani et al. 2017, Improved training of Wasserstein GANs, arXiv:1704.00028.
"""

import argparse
from collections.abc import Sequence

import torch

import pyrogen
from pyrogen.inference import Adversarial, fit
from pyrogen.models.adversarial.gan import GAN
from pyrogen.nets import mlp
from pyrogen.optim import Adam
from pyrogen.registry import entry


@entry("wgan-gp-points", reference="Gulrajani et al. 2017, arXiv:1704.00028", data="ring")
def wgan_gp_points(x_shape: Sequence[int] = (2,), latent_size: int = 2, hidden: Sequence[int] = (128, 128)) -> GAN:
    """A critic whose slopes are pulled to 1, so that its loss is minus a Wasserstein distance."""
    slow = Adam(lr=1e-3, betas=(0.0, 0.9))
    game = Adversarial(
        "Wasserstein", penalty="GradientPenalty", critic_steps=5, critic_optimizer=slow, generator_optimizer=slow
    )
    generator, critic = mlp((latent_size,), hidden, x_shape), mlp(x_shape, hidden, (1,))
    return GAN(generator, critic, x_shape, latent_size, objective=game)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args()
    torch.manual_seed(0)
    model = pyrogen.create("wgan-gp-points")
    data = pyrogen.data.load("ring")
    run = fit(model, data, epochs=options.epochs, batch_size=256)
    last = run.history.iloc[-1]
    distance = last["train/critic/real"] - last["train/critic/fake"]
    print(
        f"the critic's estimate of the Wasserstein distance: {distance:.3f}, penalty {last['train/critic/penalty']:.3f}"
    )
    print({k: round(v, 3) for k, v in data.oracle.coverage(model.sample(2500)).items()})


if __name__ == "__main__":
    main()
