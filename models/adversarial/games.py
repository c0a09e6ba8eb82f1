"""Games that differ in their losses and penalties, of any networks."""

from __future__ import annotations

from collections.abc import Sequence

from pyrogen.axes import Prior
from pyrogen.base import Objective
from pyrogen.models.adversarial.gan import GAN, gan_of
from pyrogen.nets.critics import CriticNet
from pyrogen.nets.generators import GeneratorNet
from pyrogen.registry import entry, variant


@entry(
    "gan-nonsaturating",
    reference="Goodfellow et al. 2014, Generative adversarial nets, arXiv:1406.2661; ring: Srivastava et al. 2017",
    data="ring",
    recipe={"epochs": 100, "batch_size": 256},
)
def gan_nonsaturating(
    x_shape: Sequence[int] = (2,),
    latent_size: int = 2,
    generator: GeneratorNet | str = "Perceptron",
    critic: CriticNet | str = "Perceptron",
    prior: Prior | str = "StandardNormal",
    objective: Objective | str | None = None,
    kind: str = "real",
) -> GAN:
    """The first GAN with the non-saturating loss; the ring of eight Gaussians shows whether it drops modes.

    Args:
        x_shape: shape of one datum.
        latent_size: size of z.
        generator: the network that makes data of z.
        critic: the network that tells them from real ones.
        prior: p(z), a fixed one.
        objective: the default objective of ``fit``, an Adversarial with another loss, penalty or rhythm if you like.
        kind: of the data; for "unit" and "binary" the generator ends in a sigmoid.
    """
    return gan_of(generator, critic, x_shape, latent_size, prior, objective, kind)


gan_minimax = variant(
    "gan-minimax",
    of="gan-nonsaturating",
    says="The first GAN as a zero-sum game: its generator stands still where the critic wins.",
    defaults={"objective": {"name": "Adversarial", "loss": "Minimax"}},
    reference="Goodfellow et al. 2014, Generative adversarial nets, arXiv:1406.2661, eq. 1",
    data="ring",
    recipe={"epochs": 100, "batch_size": 256},
)

pacgan = variant(
    "pacgan",
    of="gan-nonsaturating",
    says="The first GAN before a critic that reads two data at once, and so sees in them that modes are missing.",
    defaults={"critic": {"name": "Perceptron", "pack": 2}},
    reference="Lin et al. 2018, PacGAN: the power of two samples in generative adversarial networks, arXiv:1712.04086",
    data="grid",
    recipe={"epochs": 100, "batch_size": 256},
)

lsgan = variant(
    "lsgan",
    of="gan-nonsaturating",
    says="A GAN whose critic fits 1 to real and 0 to generated data by least squares.",
    defaults={"objective": {"name": "Adversarial", "loss": "LeastSquares"}},
    reference="Mao et al. 2017, Least squares generative adversarial networks, arXiv:1611.04076",
    data="ring",
    recipe={"epochs": 100, "batch_size": 256},
)

gan_hinge = variant(
    "gan-hinge",
    of="gan-nonsaturating",
    says="A GAN whose critic looks only at data that it does not yet tell by a margin.",
    defaults={"objective": {"name": "Adversarial", "loss": "Hinge"}},
    reference="Lim & Ye 2017, Geometric GAN, arXiv:1705.02894",
    data="ring",
    recipe={"epochs": 100, "batch_size": 256},
)

gan_relativistic = variant(
    "gan-relativistic",
    of="gan-nonsaturating",
    says="A GAN whose critic says how much more real data are than generated ones on average, its slopes at data penalized.",
    defaults={
        "objective": {"name": "Adversarial", "loss": "RelativisticAverage", "penalty": {"name": "R1", "weight": 0.1}}
    },
    reference=(
        "Jolicoeur-Martineau 2019, The relativistic discriminator, arXiv:1807.00734; with R1: Huang et al. 2024, The GAN is "
        "dead; long live the GAN!, arXiv:2501.05441"
    ),
    data="ring",
    recipe={"epochs": 100, "batch_size": 256},
)

wgan = variant(
    "wgan",
    of="gan-nonsaturating",
    says="A GAN whose critic bounds a Wasserstein distance from below, its weights clipped.",
    defaults={
        "objective": {
            "name": "Adversarial",
            "loss": "Wasserstein",
            "penalty": {"name": "Clipping", "bound": 0.1},
            "critic_steps": 5,
            "critic_optimizer": {"name": "Adam", "betas": [0.0, 0.9]},
            "generator_optimizer": {"name": "Adam", "betas": [0.0, 0.9]},
        }
    },
    reference="Arjovsky et al. 2017, Wasserstein GAN, arXiv:1701.07875",
    data="ring",
    recipe={"epochs": 100, "batch_size": 256},
)

wgan_gp = variant(
    "wgan-gp",
    of="gan-nonsaturating",
    says="A GAN whose critic bounds a Wasserstein distance from below, its slopes pulled to 1 by a penalty.",
    defaults={
        "objective": {
            "name": "Adversarial",
            "loss": "Wasserstein",
            "penalty": "GradientPenalty",
            "critic_steps": 5,
            "critic_optimizer": {"name": "Adam", "betas": [0.0, 0.9]},
            "generator_optimizer": {"name": "Adam", "betas": [0.0, 0.9]},
        }
    },
    reference="Gulrajani et al. 2017, Improved training of Wasserstein GANs, arXiv:1704.00028",
    data="ring",
    recipe={"epochs": 100, "batch_size": 256},
)
