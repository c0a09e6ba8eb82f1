"""People who walk: where all of a scene go, given where they have been, drawn together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from pyrogen.axes import Prior
from pyrogen.base import Batch, Objective
from pyrogen.conditions import Condition
from pyrogen.inference.adversarial.game import Adversarial
from pyrogen.inference.adversarial.variety import Variety
from pyrogen.kinds import kind_named
from pyrogen.models.adversarial.gan import GameModel, fixed_prior
from pyrogen.nets.people import PeopleCritic, PeopleNet
from pyrogen.nets.sequences import SequenceNet
from pyrogen.registry import entry, make

PATHS = "paths"


class SocialGAN(GameModel):
    """Where the people of a scene go, x = g(z, y) with one z ~ p(z) for all of them, and a critic of whole paths.

    Data are of kind "paths": NaN in x and y stands for people of whom a scene has none, and so it does in what is made.

    Args:
        generator: z ``(K, N, latent_size)`` and pasts ``(N, *y_shape)`` to ``(K, N, *x_shape)``.
        critic: x ``(N, *x_shape)`` and pasts to ``(N,)``.
        x_shape: (people, steps, 2).
        y_shape: (people, steps, 2).
        latent_size: size of z.
        prior: a fixed prior.
        objective: the game.

    Raises:
        ValueError: shapes that are none of the paths of the same people, or a learned or improper prior.
    """

    missing = True
    kinds = (PATHS,)

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        x_shape: Sequence[int],
        y_shape: Sequence[int],
        latent_size: int,
        prior: Prior | str,
        objective: Objective,
    ) -> None:
        super().__init__()
        shapes_of(x_shape, y_shape)
        self.x_shape, self.latent_shape = torch.Size(x_shape), torch.Size([latent_size])
        self.condition = Condition(tuple(y_shape), missing=True)
        self.objective = objective
        self.prior = fixed_prior(prior, latent_size, "a GAN")
        self.generator, self.critic = generator, critic

    def _given(self, batch: Batch) -> Mapping[str, Tensor]:
        return {"y": self._told(batch.y)}

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """g(z, y), ``(..., *x_shape)`` for z of shape ``(..., latent_size)``; y is broadcast against it."""
        past = self.read(self._told(y))
        lead = torch.broadcast_shapes(z.shape[:-1], past.shape[:-3])
        n = past.shape[:-3].numel()
        if past.dim() == 4 and lead[-1] == n:  # many draws for each y, which is read once
            z = z.expand(*lead, -1).reshape(lead[:-1].numel(), n, z.shape[-1])
        else:
            past = past.expand(*lead, *past.shape[-3:]).flatten(0, len(lead) - 1)
            z = z.expand(*lead, -1).reshape(1, -1, z.shape[-1])
        made: Tensor = self.generator(z, past)
        return made.reshape(*lead, *self.x_shape)

    def criticize(self, sites: Mapping[str, Tensor]) -> Tensor:
        """The critic's logits of x, given y: of a scene the mean over its people."""
        scores: Tensor = self.critic(sites["x"], sites["y"])
        return scores

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse data that the model cannot take.

        Raises:
            ValueError: as of every model, or people who are there in parts: at some steps, or in x and not in y.
        """
        super().check(x, y)
        assert y is not None
        whole = torch.cat([y, x], -2)
        if not kind_named(PATHS).check(whole):
            gone = whole.isnan().flatten(-2)
            row = int((gone.any(-1) & ~gone.all(-1)).any(-1).nonzero()[0])
            raise ValueError(
                f"datum {row} has somebody who is there at some steps of x and y only; leave out, as NaN at all steps, "
                "whoever is not there all the time."
            )

    def refusal(self, kind: str) -> str:
        """The sentence for data of another kind."""
        return (
            f"a {type(self).__name__} takes paths, places (people, steps, 2) of x after those of y, and these are {kind} "
            "data; load 'crossings', or a file of frame, agent, x and y by kind='paths'."
        )

    def _told(self, y: Tensor | None) -> Tensor:
        if y is None:
            raise ValueError(f"a {type(self).__name__} says where people go given where they have been; pass y.")
        return y


def shapes_of(x_shape: Sequence[int], y_shape: Sequence[int]) -> tuple[int, int]:
    """How many steps y and x have.

    Raises:
        ValueError: they are not those of the paths of the same people.
    """
    x, y = tuple(x_shape), tuple(y_shape)
    if len(x) != 3 or len(y) != 3 or x[2] != 2 or (y[0], y[2]) != (x[0], 2) or y[1] < 2:
        raise ValueError(
            f"a SocialGAN takes paths, x_shape=(people, steps, 2) and y_shape=(people, 2 steps or more, 2) of the same "
            f"people; got x_shape={x} and y_shape={y}; load 'crossings', or a file of frame, agent, x and y by kind='paths'."
        )
    return y[1], x[1]


@entry(
    "social-gan",
    reference="Gupta et al. 2018, Social GAN: socially acceptable trajectories with generative adversarial networks, "
    "arXiv:1803.10892",
    settles=("draws", "weight"),
    data="crossings",
    recipe={"epochs": 15, "lr": 3e-3, "batch_size": 32, "lr_milestones": [12], "lr_decay": 0.3},
)
def social_gan(
    x_shape: Sequence[int],
    y_shape: Sequence[int],
    latent_size: int = 8,
    net: SequenceNet | str = "LSTM",
    pooling: bool = True,
    draws: int = 10,
    weight: float = 50.0,
    prior: Prior | str = "StandardNormal",
    objective: Objective | str | None = None,
) -> SocialGAN:
    """Where all people of a scene go next: a game on whole paths, and of several futures the nearest is brought nearer.

    min_g max_c game(c; x, g(z, y) | y) + λ E min_k ‖x − g(z_k, y)‖² / D

    Everybody is read in a frame of their own, so that turned and moved scenes are the same, and told of the others by pooling
    over the paths of them all. What a network adds is added to going straight on.

    Args:
        x_shape: (people, steps to come, 2).
        y_shape: (people, steps observed, 2).
        latent_size: size of z, which is one of a scene.
        net: of pasts, futures, and the critic.
        pooling: whether anybody is told of others; without, each is alone.
        draws: k of the variety loss; 0: the game alone.
        weight: λ.
        prior: p(z), a fixed one.
        objective: the default objective of ``fit``: Adversarial() + λ * Variety(k).
    """
    past, future = shapes_of(x_shape, y_shape)
    made: SequenceNet = make("sequence", net)
    generator = PeopleNet(made, past, future, latent_size, pooling)
    critic = PeopleCritic(made, past + future, pooling)
    game = Adversarial()
    goal: Objective = game + weight * Variety(draws) if draws else game
    return SocialGAN(
        generator,
        critic,
        x_shape,
        y_shape,
        latent_size,
        prior,
        goal if objective is None else make("objective", objective),
    )
