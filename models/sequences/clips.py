"""Models of clips: a game of a critic of frames and one of clips, and a VAE with the same generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pyrogen.axes import Likelihood, Posterior, Prior
from pyrogen.base import Batch, Objective
from pyrogen.capabilities import HasWay
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.inference.objectives.ways import Way
from pyrogen.models.adversarial.gan import GAN
from pyrogen.models.vae.vae import VAE
from pyrogen.nets import BatchDims
from pyrogen.nets.clips import PartsFirst
from pyrogen.nets.critics import CriticNet
from pyrogen.nets.following import Following
from pyrogen.nets.generators import GeneratorNet
from pyrogen.nets.layered import SaysWay
from pyrogen.registry import entry, make

CLIPS = "sprites(size=16, frames=8, n=4000)"
# batch norm would make p(x|z) of a clip depend on the others of its batch
LONELY = {"name": "Layered", "frame": {"name": "Convolutional", "width": 32, "normalization": "none"}}
SHARP = {"name": "Normal", "scale": "shared"}


class VideoGAN(GAN):
    """A GAN of clips with two critics: one of whole clips, and one of a frame of each, which is drawn anew at every look.

    Args:
        generator: ``(N, latent_size)`` to ``(N, T, C, H, W)``.
        critic: of clips, ``(N, T, C, H, W)`` to ``(N, 1)``.
        frame_critic: of frames, ``(N, C, H, W)`` to ``(N, 1)``.
        x_shape: (T, C, H, W).
        latent_size: size of z.
        prior: a fixed prior.
        objective: the game; by default non-saturating.
        kind: of the data: "real", "unit" or "binary".
    """

    apart = True

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        frame_critic: nn.Module,
        x_shape: Sequence[int],
        latent_size: int,
        prior: Prior | str = "StandardNormal",
        objective: Objective | str | None = None,
        kind: str = "real",
    ) -> None:
        super().__init__(generator, critic, x_shape, latent_size, prior, objective, kind)
        self.frame_critic = BatchDims(frame_critic, self.x_shape[1:], torch.Size([1]), "critic of frames")

    def real(self, batch: Batch) -> Mapping[str, Tensor]:
        """Clips, and a frame of each."""
        return {"x": batch.x, "frame": _one_frame(batch.x)}

    def fake(self, batch: Batch) -> Mapping[str, Tensor]:
        """As many generated clips, and a frame of each."""
        made = super().fake(batch)
        return {**made, "frame": _one_frame(made["x"])}

    def criticize(self, sites: Mapping[str, Tensor]) -> Tensor:
        """The scores of clips, and after them those of frames, ``(2 B,)``; of one, its own."""
        critics = {"x": self.critic, "frame": self.frame_critic}
        return torch.cat([critic(sites[name]) for name, critic in critics.items() if name in sites]).squeeze(-1)

    def critic_modules(self) -> Sequence[nn.Module]:
        """Both critics."""
        return [self.critic, self.frame_critic]


def _one_frame(x: Tensor) -> Tensor:
    """A frame of each clip, ``(N, T, ...)`` to ``(N, ...)``, each as likely."""
    which = torch.randint(x.shape[1], (len(x),), device=x.device)
    return x[torch.arange(len(x), device=x.device), which]


@entry(
    "video-gan",
    reference="Tulyakov et al. 2018, MoCoGAN: decomposing motion and content for video generation, arXiv:1707.04993",
    data=CLIPS,
    recipe={"epochs": 60, "lr": 5e-4, "batch_size": 64},
)
def video_gan(
    x_shape: Sequence[int],
    content: int = 24,
    generator: GeneratorNet | str | Mapping[str, Any] = "Moving",
    critic: CriticNet | str = "Stacked",
    frame_critic: CriticNet | str = "Convolutional",
    prior: Prior | str = "StandardNormal",
    objective: Objective | str | None = None,
    kind: str = "unit",
) -> VideoGAN:
    """The GAN of clips that show one thing which moves: c for what it is, a step for every frame, and two critics.

    Args:
        x_shape: (T, C, H, W).
        content: numbers of z for what a clip shows; the generator adds its own for how that moves.
        generator: of clips.
        critic: of clips.
        frame_critic: of single frames.
        prior: a fixed prior p(z).
        objective: the game; by default non-saturating.
        kind: of the data: "unit" or "binary" for numbers in [0, 1], "real" for any.
    """
    shape, made, size = _sizes("video-gan", x_shape, content, generator)
    of_clips: CriticNet = make("critic", critic)
    of_frames: CriticNet = make("critic", frame_critic)
    nets = made.build(size, shape, kind), of_clips.build(shape), of_frames.build(shape[1:])
    return VideoGAN(*nets, shape, size, prior, objective, kind)


class VideoVAE(VAE, HasWay):
    """A VAE of clips, ``(T, C, H, W)``, whose encoder is a :class:`pyrogen.nets.following.Following`: it follows a thing."""

    def way_seen(self, x: Tensor) -> Tensor:
        """What the encoder follows."""
        return self._encoder().way(x).detach()

    def way_told(self, x: Tensor) -> Tensor:
        """What the decoder says of a draw."""
        q = self.infer(x)
        z = self.prior.bottom(q.rsample() if q.has_rsample else q.sample())
        return says_way(self.decoder)[0].way_of(z)

    def way_modules(self) -> Sequence[nn.Module]:
        """Those of the encoder, and of the decoder that say the way."""
        return [self._encoder().reads, *says[0].way_modules()] if (says := says_way(self.decoder)) else []

    def _encoder(self) -> Following:
        assert isinstance(self.encoder.net, Following)
        return self.encoder.net


def says_way(decoder: nn.Module) -> list[SaysWay]:
    """The parts of a decoder that say where a thing is."""
    return [part for part in decoder.modules() if isinstance(part, SaysWay)]


@entry(
    "vae-video",
    reference="Kingma & Welling 2014, arXiv:1312.6114; layers: Wang & Adelson 1994; Vondrick et al. 2016, arXiv:1609.02612",
    data=CLIPS,
    recipe={"epochs": 24, "lr": 2e-3, "batch_size": 32, "lr_milestones": [16, 21], "lr_decay": 0.25},
)
def vae_video(
    x_shape: Sequence[int],
    content: int = 8,
    width: int = 32,
    generator: GeneratorNet | str = LONELY,  # type: ignore[assignment]
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    likelihood: Likelihood | str = SHARP,  # type: ignore[assignment]
    objective: Objective | str | None = None,
) -> VideoVAE:
    """The VAE of clips: one thing that moves before a background as its decoder, and an encoder that follows the thing.

    Args:
        x_shape: (T, C, H, W).
        content: numbers of z for what a clip shows; the generator adds its own for how that moves.
        width: channels of the first layer by which the encoder looks at it.
        generator: of clips.
        prior: p(z).
        posterior: q(z|x).
        likelihood: p(x|z).
        objective: the default objective of ``fit``: ELBO() + Way(); ELBO() where the generator says no way.
    """
    shape, made, size = _sizes("vae-video", x_shape, content, generator)
    q: Posterior = make("posterior", posterior)
    p: Likelihood = make("likelihood", likelihood)
    pz: Prior = make("prior", prior)
    parts = p.channels(shape) // shape[0]
    decoder = nn.Sequential(
        made.build(pz.bottom_size(size), torch.Size((shape[0], parts * shape[1], *shape[2:])), "real"),
        PartsFirst(parts),
    )
    encoder = Following(shape, q.width(size), width)
    usual = ELBO() + Way() if says_way(decoder) else ELBO()
    return VideoVAE(encoder, decoder, shape, size, pz, q, p, usual if objective is None else objective)


def _sizes(who: str, x_shape: Sequence[int], content: int, generator: Any) -> tuple[torch.Size, GeneratorNet, int]:
    """The shape of clips, their generator, and the size of z."""
    if len(x_shape) != 4 or x_shape[0] < 2:
        raise ValueError(
            f"{who!r} makes clips of 2 frames or more, x_shape=(T, C, H, W); got x_shape={tuple(x_shape)}; load clips, a "
            "folder of folders of frames by sequence=True, or sprites(frames=8)."
        )
    if content < 1:
        raise ValueError(f"content={content}: what a clip shows is said by 1 number or more.")
    made: GeneratorNet = make("generator", generator)
    return torch.Size(x_shape), made, made.latents(content, x_shape)
