"""An adversarial network that grows while it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from pyrogen.axes import Prior
from pyrogen.base import Batch, Objective, Player, Stage
from pyrogen.capabilities import HasGrowth
from pyrogen.models.adversarial.gan import GAN, gan_of
from pyrogen.nets.critics import CriticNet
from pyrogen.nets.generators import GeneratorNet
from pyrogen.nets.growing import Growing, grown_to, pooled, repeated
from pyrogen.registry import entry, variant

SLOPES = {
    "name": "Adversarial",
    "loss": "Wasserstein",
    "penalty": "GradientPenalty",
    "critic_optimizer": {"name": "Adam", "lr": 1e-3, "betas": [0.0, 0.99]},
    "generator_optimizer": {"name": "Adam", "lr": 1e-3, "betas": [0.0, 0.99]},
}


class ProgressiveGAN(GAN, HasGrowth):
    """A GAN of networks that grow: a stage for each level, in whose first steps it fades in beside the one before.

    Level l is of 4 · 2ˡ pixels. In stage l > 0, α = min(1, step / fade): generated data are (1 − α) up(x_{l−1}) + α x_l,
    before what keeps numbers in their range, and data are blended likewise with what is left of them at half the size. α
    comes from the step, so that a run resumes to the bit.

    Args:
        generator: as of :class:`GAN`, with a :class:`pyrogen.nets.growing.Growing` network of as many levels as the critic's.
        critic: likewise.
        arguments: the others of :class:`GAN`, in order.
        fade: steps until a level is wholly in.
        named: the others of :class:`GAN`, by name.

    Raises:
        ValueError: networks that do not grow, or not alike, or no step to fade in.
    """

    def __init__(
        self, generator: nn.Module, critic: nn.Module, *arguments: Any, fade: int = 1000, **named: Any
    ) -> None:
        super().__init__(generator, critic, *arguments, **named)
        tops = [[m.top for m in net.modules() if isinstance(m, Growing)] for net in (generator, critic)]
        if len(tops[0]) != 1 or tops[0] != tops[1] or fade < 1:
            raise ValueError(
                f"a {type(self).__name__} has one generator that grows, Growing or Styled, and one Growing critic of as many "
                f"levels, and fades in 1 step or more; got networks of levels {tops[0]} and {tops[1]}, and fade={fade}. Take "
                "such networks, or the entry 'dcgan'."
            )
        self.growths, self.fade = tops[0][0] + 1, fade

    @property
    def growing(self) -> list[Growing]:
        """The network of the generator, and that of the critic."""
        return [m for m in self.modules() if isinstance(m, Growing)]

    def generate_at(self, level: int, z: Tensor, y: Tensor | None = None) -> Tensor:
        """What the net would make if it had grown to this level only."""
        with grown_to(level):
            return self.generate(z, y)

    def stages(self) -> Sequence[Stage]:
        """One for each level, from the smallest image."""
        return [self._stage(level) for level in range(self.growths)]

    def _stage(self, level: int) -> Stage:
        side = self.x_shape[-1] >> (self.growths - 1 - level)
        above = [layer for net in self.growing for layer in net.above(level)]
        players = [_at(player, level, self.fade, above) for player in self.objective.players(self)]
        return Stage(players, f"{side} × {side} pixels", enter=partial(self._grow, level))

    def _grow(self, level: int) -> None:
        for net in self.growing:
            net.level.fill_(level)

    def real(self, batch: Batch) -> Mapping[str, Tensor]:
        """The data, as the level that fades in shows them, and y."""
        net = self.growing[0]
        level, share = net.now(batch.x)
        x = pooled(batch.x, net.top - level)
        if level:
            x = (1 - share) * repeated(pooled(x, 1), 1) + share * x
        return {"x": repeated(x, net.top - level), **self._given(batch)}


def _at(player: Player, level: int, fade: int, above: Sequence[nn.Module]) -> Player:
    """The player, at a level."""

    def of(terms: Callable[[Batch], Mapping[str, Tensor]]) -> Callable[[Batch], Mapping[str, Tensor]]:
        def computed(batch: Batch) -> Mapping[str, Tensor]:
            # a tensor, so that a recorded step goes on fading; outside of training all of the level is in
            share = None if batch.step is None else (batch.step.to(batch.x) / fade).clamp(max=1)
            with grown_to(level, share):
                return terms(batch)

        return computed

    return replace(
        player,
        loss=of(player.loss),
        validation=None if player.validation is None else of(player.validation),
        shows=None if player.shows is None else of(player.shows),
        idle=[*player.idle, *above],
    )


@entry(
    "progan",
    reference="Karras et al. 2018, Progressive growing of GANs for improved quality, stability, and variation, "
    "arXiv:1710.10196",
    data="sprites",
    recipe={"epochs": 10, "batch_size": 32},
)
def progan(
    x_shape: Sequence[int] = (3, 32, 32),
    latent_size: int = 64,
    generator: GeneratorNet | str = "Growing",
    critic: CriticNet | str = "Growing",
    fade: int = 1000,
    prior: Prior | str = "StandardNormal",
    objective: Objective | str | None = SLOPES,  # type: ignore[assignment]
    kind: str = "unit",
) -> ProgressiveGAN:
    """The GAN that learns small images first: both networks grow, each doubling fading in beside the image doubled before.

    ``fit`` trains as many stages as there are sizes, each of as many epochs as it is told.

    Args:
        x_shape: shape of one datum, (C, side, side), the side 8, 16, 32 ….
        latent_size: size of z.
        generator: the network that makes data of z, a Growing one.
        critic: the network that tells them from real ones, a Growing one.
        fade: steps until a new size is wholly in.
        prior: p(z), a fixed one.
        objective: the default objective of every stage.
        kind: of the data; for "unit" and "binary" the generator ends in a sigmoid.
    """
    grown = partial(ProgressiveGAN, fade=fade)
    return gan_of(generator, critic, x_shape, latent_size, prior, objective, kind, of=grown)


progan_paper = variant(
    "progan-paper",
    of="progan",
    says="The GAN that grows at a GPU's scale: 64 × 64 pixels, 512 channels, and averaged weights.",
    defaults={
        "x_shape": (3, 64, 64),
        "latent_size": 512,
        "generator": {"name": "Growing", "width": 64},
        "critic": {"name": "Growing", "width": 64},
        "fade": 5000,
    },
    reference="Karras et al. 2018, arXiv:1710.10196, appendix A",
    data="sprites(size=64)",
    recipe={"epochs": 100, "batch_size": 16, "ema": 0.999},
)
