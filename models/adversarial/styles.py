"""An adversarial network whose generator is told a style in every layer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pyrogen.axes import Prior
from pyrogen.base import Objective
from pyrogen.capabilities import HasStyles
from pyrogen.inference.programs.contexts import seeded
from pyrogen.models.adversarial.gan import GAN, gan_of
from pyrogen.models.adversarial.progressive import ProgressiveGAN
from pyrogen.nets.critics import CriticNet
from pyrogen.nets.generators import GeneratorNet
from pyrogen.nets.styled import StyledNet
from pyrogen.registry import entry, variant

AVERAGED = 4096  # styles in their mean
LEVELS = (0.8, 0.6, 0.4, 0.2)
CRITIC = {"name": "Convolutional", "normalization": "none", "minibatch": "deviation"}
PATHS = {
    "name": "Sum",
    "of": "Adversarial(penalty=R1(weight=10.0), penalty_every=8, critic_optimizer=Adam(lr=2e-3, betas=(0.0, 0.99)), "
    "generator_optimizer=Adam(lr=2e-3, betas=(0.0, 0.99))) + 2 * PathLength(every=8)",
}


class StyleGAN(GAN, HasStyles):
    """A GAN whose generator maps z to a style w, which tells every layer the scale of its features.

    Its arguments are those of :class:`GAN`. Truncation is in w: w̄ + ψ (w − w̄), w̄ the mean style.

    Raises:
        ValueError: the generator is no :class:`pyrogen.nets.styled.StyledNet`.
    """

    def __init__(self, generator: nn.Module, *arguments: Any, **named: Any) -> None:
        super().__init__(generator, *arguments, **named)
        found = [m for m in generator.modules() if isinstance(m, StyledNet)]
        if len(found) != 1:
            raise ValueError(
                "the generator of a StyleGAN is told a style in every layer, and the one given is not; take "
                "generator='Styled', or the entry 'dcgan'."
            )
        self.style_layers = len(found[0].layers)

    @property
    def styled(self) -> StyledNet:
        """The network of the styles."""
        return next(m for m in self.generator.modules() if isinstance(m, StyledNet))

    def style(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """w = f(z), ``(N, style_size)``."""
        return self.styled.style(z, self.read_y(y))

    def synthesize(self, styles: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """g(w₁ … w_L, noise), ``(N, *x_shape)``."""
        x: Tensor = self.generator.net.end(self.styled.synthesize(styles, noise))  # type: ignore[operator]
        return x

    def draw_noise(self, n: int) -> Sequence[Tensor]:
        """Standard normal numbers, ``(n, 1, H_l, W_l)`` for each layer."""
        return [torch.randn(n, 1, side, side, device=self.device) for side in self.styled.sides]

    untruncated = 1.0

    @property
    def truncations(self) -> Sequence[float]:
        """ψ, the share of a style's way from the mean."""
        return LEVELS

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        """g(w) at drawn styles, ``(n, *x_shape)``; truncated, at w̄ + ψ (w − w̄).

        Reference: Karras et al. 2019, arXiv:1812.04948, appendix B.

        Raises:
            ValueError: no y, or a wrong one, where the model is conditional; a negative truncation.
        """
        if truncation is None:
            return super().sample(n, y)
        if not truncation >= 0:
            raise ValueError(
                f"truncation={truncation:g} scales how far a style is from the mean of all; it is 0 or more."
            )
        self.check_draws(n, y)
        w = self.style(self._draw(n, y), y)
        return self.synthesize(self.each(self.mean_style(y).lerp(w, truncation)))

    def mean_style(self, y: Tensor | None = None) -> Tensor:
        """w̄, the mean of f(z) over 4,096 z of a fixed seed, ``(style_size,)``; given y, ``(N, style_size)``."""
        with seeded(0, self.device):
            z = self.prior().sample((AVERAGED,))
        if y is None:
            return self.style(z).mean(0)
        return torch.stack([self.style(z, one.expand(AVERAGED, *one.shape)).mean(0) for one in y])

    def each(self, w: Tensor) -> Tensor:
        """One style for all layers, ``(N, style_size)`` to ``(N, L, style_size)``."""
        return w.unsqueeze(1).expand(-1, self.style_layers, -1)


class GrownStyleGAN(ProgressiveGAN, StyleGAN):
    """A StyleGAN that grows while it is trained: coarse layers learn images of their size before finer ones are there.

    Its arguments are those of :class:`ProgressiveGAN`. Raises: as these two.
    """


@entry(
    "stylegan",
    reference="Karras et al. 2019, A style-based generator architecture for generative adversarial networks, "
    "arXiv:1812.04948; demodulation, paths: Karras et al. 2020, arXiv:1912.04958",
    data="sprites",
    recipe={"epochs": 30, "batch_size": 32},
)
def stylegan(
    x_shape: Sequence[int] = (3, 32, 32),
    latent_size: int = 64,
    generator: GeneratorNet | str = "Styled",
    critic: CriticNet | str = CRITIC,  # type: ignore[assignment]
    fade: int = 0,
    prior: Prior | str = "StandardNormal",
    objective: Objective | str | None = PATHS,  # type: ignore[assignment]
    kind: str = "unit",
) -> StyleGAN:
    """The GAN whose generator maps z to a style, told to every layer: layers of one size decide what is of that size.

    Coarse layers say where things are and what they are, fine ones their colours; noise says what styles do not. Where the
    networks grow, as in the reference of 2019, coarse layers have learned their part before there are finer ones.

    Args:
        x_shape: shape of one datum, (C, side, side), the side 8, 16, 32 ….
        latent_size: size of z.
        generator: the network that makes data of z, a Styled one; its ``styling`` may be that of StyleGAN2.
        critic: the network that tells them from real ones.
        fade: of networks that grow, steps until a new size is wholly in, see the entry 'progan'; the critic is a Growing one
            then. 0: all sizes are trained at once, as in the reference of 2020.
        prior: p(z), a fixed one.
        objective: the default objective of ``fit``, with a term that keeps paths of styles even.
        kind: of the data; for "unit" and "binary" the generator ends in a sigmoid.
    """
    made = partial(GrownStyleGAN, fade=fade) if fade else StyleGAN
    return gan_of(generator, critic, x_shape, latent_size, prior, objective, kind, of=made)


stylegan_paper = variant(
    "stylegan-paper",
    of="stylegan",
    says="The StyleGAN at a GPU's scale: 64 × 64 pixels, a mapping of eight layers, and averaged weights.",
    defaults={
        "x_shape": (3, 64, 64),
        "latent_size": 512,
        "generator": {"name": "Styled", "width": 64, "style": 512, "depth": 8},
    },
    reference="Karras et al. 2019, arXiv:1812.04948, section 3 and appendix C",
    data="sprites(size=64)",
    recipe={"epochs": 500, "batch_size": 32, "ema": 0.999},
)
