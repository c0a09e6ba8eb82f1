"""VAE-GAN: a likelihood in the eyes of the critic of a game."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyro.poutine.messenger import Messenger
from torch import Tensor, nn

from pyrogen.base import Batch, HasCritic, Objective, Pair, Player
from pyrogen.inference.adversarial.game import Adversarial
from pyrogen.inference.adversarial.sites import SiteCritic
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.inference.programs.contexts import standing_still
from pyrogen.likelihoods.perceptual import Seen
from pyrogen.optim import Adam, Optim
from pyrogen.registry import choice, make


@choice("objective")
@dataclass(frozen=True)
class LearnedSimilarity(Objective):
    """The ELBO of what a critic sees in data, beside the game that this critic plays with the decoder.

    E_q log N(φ(x); φ(m(z)), s² I) − KL(q(z|x) ‖ p(z)),  φ the critic's last hidden layer, m(z) the mean of p(x|z)

    Pixels are compared nowhere. The pair pays for this, the decoder for the game as well, with a weight, and the critic plays
    for itself: it is not moved to make data look alike. In the paper reconstructions are shown to the critic beside samples;
    here samples alone.

    Should not be confused with the likelihood ``Perceptual``, whose network is given and stands still, and of which
    "vae-perceptual" is made.

    Reference: Larsen et al. 2016, Autoencoding beyond pixels using a learned similarity metric, arXiv:1512.09300.

    Args:
        game: an ``Adversarial``, or how it is called, whose critic reads x alone.
        weight: of the game in what the decoder pays.
        scale: s.
        beta: weight of the KL.
        optimizer: of the pair.
    """

    game: Objective | str = "Adversarial"
    weight: float = 1.0
    scale: float = 1.0
    beta: float = 1.0
    optimizer: Optim = Adam()

    def __post_init__(self) -> None:
        """Parts may be given by name or description."""
        object.__setattr__(self, "game", make("objective", self.game))
        object.__setattr__(self, "optimizer", make("optimizer", self.optimizer))
        if not isinstance(self.game, Adversarial) or self.game.sites != ("x",):
            raise ValueError(
                f"LearnedSimilarity(game={self.game!r}): data are compared in the eyes of a critic that reads x; take "
                'Adversarial(sites=("x",)).'
            )
        if not self.scale > 0 or min(self.weight, self.beta) < 0:
            raise ValueError(
                f"LearnedSimilarity(weight={self.weight}, scale={self.scale}, beta={self.beta}): needs scale > 0 and nothing "
                "below 0."
            )

    def players(self, model: Any) -> Sequence[Player]:
        """The pair, and the critic.

        Raises:
            ValueError: the model is no pair, has a critic of its own, or takes a condition.
        """
        if not isinstance(model, Pair) or isinstance(model, HasCritic) or model.condition is not None:
            raise ValueError(
                f"LearnedSimilarity compares the data and the reconstructions of a (model, guide) pair without a critic and "
                f"without a condition, and this {type(model).__name__} is none; train it by its own objective."
            )
        assert isinstance(self.game, Adversarial)
        critic, generator = self.game.players(model)
        (eyes,) = critic.owns
        assert isinstance(eyes, SiteCritic)
        elbo, rests = ELBO(beta=self.beta), generator.resting()
        still = [p for p in generator.parameters() if id(p) in rests]

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            with SeenBy(eyes, self.scale):
                terms = elbo.terms(model, batch)
            with standing_still(still):
                played = generator.loss(batch)
            return {
                **terms,
                "fake": played["fake"],
                "generator": played["loss"].detach(),
                "loss": terms["loss"] + self.weight * played["loss"],
            }

        return [Player("similarity", loss, [model], self.optimizer), critic]


class SeenBy(Messenger):
    """Data are observed by what a critic sees in them, φ(x) ~ N(φ(m), s² I) with m the mean that the program gives x.

    Args:
        eyes: the critic.
        scale: s.
    """

    def __init__(self, eyes: SiteCritic, scale: float) -> None:
        super().__init__()
        self.look, self.scale = Look(eyes), scale

    def _pyro_sample(self, msg: Any) -> None:
        if msg["is_observed"]:
            fn = msg["fn"]
            msg["fn"] = Seen(fn.mean, fn.event_dim, self.look, "Normal", self.scale)


class Look(nn.Module):
    """φ, ``(N, *x_shape)`` to ``(N, F)``: a critic up to its last hidden layer."""

    def __init__(self, eyes: SiteCritic) -> None:
        super().__init__()
        self.eyes = eyes

    def forward(self, x: Tensor) -> Tensor:
        """What it sees."""
        return self.eyes.see(x)
