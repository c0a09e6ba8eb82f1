"""Pictures of layouts, in the style of others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from pyrogen.axes import Posterior, Prior
from pyrogen.base import Objective
from pyrogen.conditions import Condition
from pyrogen.inference.adversarial.game import Adversarial
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.likelihoods import Normal
from pyrogen.models.vae.vae import VAE
from pyrogen.nets.critics import Convolutional, CriticNet
from pyrogen.nets.generators import GeneratorNet
from pyrogen.registry import entry, make, variant


class StyleEncoder(nn.Module):
    """How things of each class look, apart from where they are: features of x, each class's mean over where y has it.

    A Σₖ g(|Rₖ|⁻¹ Σ_{p ∈ Rₖ} f(xₚ), k), over classes k of y, each in the region Rₖ of pixels p. f sees one pixel at a time, so
    that its mean over a region tells of colours, and neither of place nor of outline, and a code says the same on another
    layout; nor does it tell of textures. One f and one g for all classes call the same look of different things the same.

    Shapes: x ``(N, *x_shape)`` and y ``(N, condition.size)`` to ``(N, outputs)``. Regions as in Zhu et al. 2020, SEAN: image
    synthesis with semantic region-adaptive normalization, arXiv:1911.12861, section 3.1, where each has a code of its own.

    Args:
        x_shape: (C, H, W).
        condition: what y is, a layout of classes.
        outputs: number of features.
        width: channels of f; g has twice as many.

    Raises:
        ValueError: y is no layout.
    """

    def __init__(self, x_shape: Sequence[int], condition: Condition, outputs: int, width: int) -> None:
        super().__init__()
        self.condition = condition
        classes = condition.need_picture("an encoder of styles")[0]
        if condition.classes is None:
            raise ValueError(
                f"an encoder of styles looks at each class of a layout; this model takes {condition}, which has no classes: "
                "say how many, classes=..., as data.classes does."
            )
        self.look = nn.Sequential(nn.Conv2d(x_shape[0], width, 1), nn.ReLU())
        self.say = nn.Sequential(nn.Linear(width + classes, 2 * width), nn.ReLU())
        self.out = nn.Linear(2 * width, outputs)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """The features."""
        regions = interpolate(self.condition.as_picture(condition.to(x)), x.shape[-2:], mode="nearest")
        area = regions.sum((2, 3)).unsqueeze(2)
        means = torch.einsum("nchw,nkhw->nkc", self.look(x), regions) / area.clamp(min=1)
        names = torch.eye(regions.shape[1], dtype=x.dtype, device=x.device).expand(len(x), -1, -1)
        said = self.say(torch.cat([means, names], 2)) * (area > 0)
        made: Tensor = self.out(said.sum(1))
        return made


@entry(
    "spade",
    reference="Park et al. 2019, Semantic image synthesis with spatially-adaptive normalization, arXiv:1903.07291",
    fixes={"likelihood": "Normal"},
    settles=("critic", "weight"),
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
    weight: float = 15.0,
    scale: float = 0.1,
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    objective: Objective | str | None = None,
    kind: str = "unit",
) -> VAE:
    """The VAE of pictures given layouts, whose decoder plays a game too: y says where things are, z how they look.

    E_q(z|x,y)[log N(x; μ(z, y), σ²)] − KL(q(z|x, y) ‖ p(z)) − weight · L(μ(z′, y), y), with z′ ~ p(z) and L the generator's
    loss under the critic of pictures beside their layouts.

    z is the style: of another picture it may be combined with this layout, ``decode(code(x′, y′), y)``, and where there is no
    picture it is drawn. In the reference the encoder sees x alone; here it also sees x's layout, in order to leave that out
    of the code, see :class:`StyleEncoder`. There the picture is compared in the eyes of the critic and of a network of
    photographs; here by a likelihood.

    Args:
        x_shape: shape of one picture.
        y_shape: shape of one layout, (H, W) of classes; by default as high and wide as x.
        classes: of the layout.
        latent_size: size of z.
        width: channels of what the style encoder makes of a pixel.
        generator: the decoder.
        critic: the network that tells pictures from real ones of the same layout; by default convolutions that see it beside.
        weight: of the game beside the ELBO's nats.
        scale: σ, of the Normal p(x|z, y).
        prior: p(z).
        posterior: q(z|x, y).
        objective: the default objective of ``fit``: ELBO() + weight * Adversarial(loss="Hinge", means=True).
        kind: of the data; for "unit" and "binary" the decoder ends in a sigmoid.

    Raises:
        ValueError: y is no layout.
    """
    shape, condition = torch.Size(x_shape), Condition(tuple(x_shape[1:] if y_shape is None else y_shape), classes)
    q: Posterior = make("posterior", posterior)
    pz: Prior = make("prior", prior)
    making: GeneratorNet = make("generator", generator)
    encoder = StyleEncoder(shape, condition, q.width(latent_size), width)
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
        Normal("fixed", scale),
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
