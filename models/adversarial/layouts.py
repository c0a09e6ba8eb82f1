"""Pictures of layouts, in the style of others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pyrogen.axes import Posterior, Prior
from pyrogen.base import Objective
from pyrogen.conditions import Condition
from pyrogen.inference.adversarial.game import Adversarial
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.likelihoods import Laplace
from pyrogen.models.vae.vae import VAE
from pyrogen.nets import ConvEncoder
from pyrogen.nets.critics import Convolutional, CriticNet
from pyrogen.nets.generators import GeneratorNet
from pyrogen.registry import entry, make, variant


class StyleEncoder(nn.Module):
    """An encoder that looks at x alone, though it could be told y: where things are, the layout says anyway.

    Args:
        net: of ``(N, *x_shape)``.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """What the network makes of x."""
        made: Tensor = self.net(x)
        return made


@entry(
    "spade",
    reference="Park et al. 2019, Semantic image synthesis with spatially-adaptive normalization, arXiv:1903.07291",
    fixes={"likelihood": "Laplace"},
    data="sprites(y='layout')",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 64},
)
def spade(
    x_shape: Sequence[int],
    y_shape: Sequence[int] | None = None,
    classes: int | None = None,
    latent_size: int = 16,
    width: int = 32,
    generator: GeneratorNet | str = "Spade",
    critic: CriticNet | str | None = None,
    weight: float = 25.0,
    scale: float = 0.02,
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    objective: Objective | str | None = None,
    kind: str = "unit",
) -> VAE:
    """The VAE of pictures given layouts, whose decoder plays a game too: y says where things are, z how they look.

    z is the style: of another picture it may be combined with this layout, ``decode(code(x′), y)``, and where there is no
    picture it is drawn. In the reference the picture is compared in the eyes of the critic and of a network of photographs;
    here by a likelihood.

    Args:
        x_shape: shape of one picture.
        y_shape: shape of one layout, (H, W) of classes; by default as high and wide as x.
        classes: of the layout.
        latent_size: size of z.
        width: channels of the first layer of the style encoder.
        generator: the decoder.
        critic: the network that tells pictures from real ones of the same layout; by default convolutions that see it beside.
        weight: of the game beside the ELBO's nats.
        scale: b, of the Laplace p(x|z, y).
        prior: p(z).
        posterior: q(z|x).
        objective: the default objective of ``fit``: ELBO() + weight * Adversarial(loss="Hinge", means=True).
        kind: of the data; for "unit" and "binary" the decoder ends in a sigmoid.

    Raises:
        ValueError: y is no picture.
    """
    shape, condition = torch.Size(x_shape), Condition(tuple(x_shape[1:] if y_shape is None else y_shape), classes)
    q: Posterior = make("posterior", posterior)
    pz: Prior = make("prior", prior)
    making: GeneratorNet = make("generator", generator)
    encoder = StyleEncoder(ConvEncoder(shape, q.width(latent_size), width))
    decoder = making.build(pz.bottom_size(latent_size), shape, kind, condition)
    judge = critic or Convolutional(width=32, normalization="spectral", conditioning="picture")
    game = ELBO() + weight * Adversarial(loss="Hinge", critic=judge, means=True)
    return VAE(
        encoder,
        decoder,
        shape,
        latent_size,
        pz,
        q,
        Laplace("fixed", scale),
        game if objective is None else objective,
        condition,
    )


spade_paper = variant(
    "spade-paper",
    of="spade",
    says="Pictures of layouts at the scale of the paper, for a GPU: 64 channels at the last size, 128 that read the layout.",
    defaults={
        "x_shape": (3, 64, 64),
        "latent_size": 256,
        "width": 64,
        "generator": {"name": "Spade", "width": 64, "hidden": 128},
        "critic": {"name": "Convolutional", "width": 64, "normalization": "spectral", "conditioning": "picture"},
    },
    reference="Park et al. 2019, arXiv:1903.07291, section 4: 200 epochs in batches of 32",
    data="sprites(size=64, y='layout')",
    recipe={"epochs": 200, "lr": 2e-4, "batch_size": 32},
)
