"""The adversarial game between a critic and a generator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pyrogen.base import Batch, HasCritic, Objective, Pair, Player, nothing
from pyrogen.inference.adversarial.history import History
from pyrogen.inference.adversarial.losses import AdversarialLoss
from pyrogen.inference.adversarial.penalties import CriticPenalty, Sites
from pyrogen.inference.adversarial.sites import PairGame, as_read, trial_batch
from pyrogen.inference.programs.contexts import standing_still
from pyrogen.nets.critics import CriticNet
from pyrogen.optim import Adam, Optim
from pyrogen.registry import choice, make

OF_THE_CRITIC = ("sites", "critic", "means")  # what is said of the critic that a pair without one gets
CHOICES = {
    "adversarial loss": ("loss",),
    "penalty": ("penalty",),
    "critic": ("critic",),
    "optimizer": ("critic_optimizer", "generator_optimizer"),
}


@choice("objective")
@dataclass(frozen=True)
class Adversarial(Objective):
    """Two players in turn: the critic learns to tell real sites from generated ones, the generator to prevent it.

    A model with a critic plays with its own. Any other pair gets one, which reads ``sites``: {x} trains the decoder as a
    GAN's generator, {x, z} encoder and decoder as a BiGAN's, {z} the encoder as an adversarial autoencoder's.
    Terms may stand beside it: ``ELBO(beta=0) + 0.1 * Adversarial(sites=("z",))``.

    Reference: Goodfellow et al. 2014, arXiv:1406.2661.

    Args:
        loss: an adversarial loss or its name.
        penalty: what the critic pays for its slopes, an object, a name, or None.
        sites: what the critic of a pair that has none reads; y is added where the pair is conditional.
        critic: what such a critic's network is made of, an object or a name; None: convolutions of images, else a perceptron.
        penalty_every: k, where the penalty is charged in every k-th round only, times k, and in the same step; the critic's
            optimizer is set as StyleGAN2 does, where the penalty has a step of its own, so that the critic learns at
            k / (k + 1) of its rate (Karras et al. 2020, arXiv:1912.04958, appendix B). A rate that ``fit`` or the recipe
            tells all players stays as it is told, and the betas alone are others.
        critic_steps: moves of the critic for each of the generator.
        critic_optimizer: of the critic.
        generator_optimizer: of the generator.
        reuse: whether the generator answers for the very data that the critic's last move read, as in the code of the DCGAN:
            they are made once a round. By default each move has noise of its own, as in algorithm 1 of the reference, and so
            it has in a sum where another objective's player pays for the generator.
        mismatched: whether the critic is also shown real data with the y of others, as generated ones: so it learns that a
            datum must fit its y before the generator makes any that could (Reed et al. 2016, arXiv:1605.05396, section 4.2).
            The reference takes any other y, which the critic soon tells by whatever differs most; here it is the nearest of
            the batch that is another, so that the critic must look at all that y says.
        history: how many generated data of earlier rounds a pool keeps, from which the critic is shown about half of what it
            reads, see :class:`pyrogen.inference.adversarial.history.History`; 0: new ones alone.
        means: whether the critic of a pair sees what is observed as its mean given the latents, which is what one looks at;
            by default it sees draws, with the noise of p(x|z).
    """

    implicit = True

    loss: AdversarialLoss | str = "NonSaturating"
    penalty: CriticPenalty | str | None = None
    sites: Sequence[str] = ("x",)
    critic: CriticNet | str | None = None
    penalty_every: int = 1
    critic_steps: int = 1
    critic_optimizer: Optim = Adam(lr=1e-3, betas=(0.5, 0.999))
    generator_optimizer: Optim = Adam(lr=1e-3, betas=(0.5, 0.999))
    reuse: bool = False
    mismatched: bool = False
    history: int = 0
    means: bool = False

    def __post_init__(self) -> None:
        """Choices may be given by name or description; names that there are not are refused."""
        for axis, names in CHOICES.items():
            for name in names:
                if (value := getattr(self, name)) is not None:
                    object.__setattr__(self, name, make(axis, value))
        object.__setattr__(self, "sites", tuple(self.sites))
        if min(self.critic_steps, self.penalty_every, self.history + 1) < 1 or not self.sites:
            raise ValueError(
                f"Adversarial(sites={self.sites}, critic_steps={self.critic_steps}, penalty_every={self.penalty_every}, "
                f"history={self.history}): the critic reads something, moves at least once a round, pays every round or more "
                "rarely, and remembers 0 data or more."
            )

    def players(self, model: Any) -> Sequence[Player]:
        """The critic, then the generator.

        Raises:
            ValueError: the model has no critic and is no pair, or lacks a site that the critic is to read; it has a critic,
                and another was described; or data are to be shown with the y of others, and no critic could tell.
        """
        game, idle = self._game(model)
        goal, penalty = self.loss, self.penalty
        assert isinstance(goal, AdversarialLoss)
        assert penalty is None or isinstance(penalty, CriticPenalty)
        modules = game.critic_modules()
        if self.mismatched and (why := _matches_nothing(model, game)):
            raise ValueError(
                f"Adversarial(mismatched=True) shows the critic data with the y of others, and that of this "
                f"{type(model).__name__} {why}; leave it out, or take a conditional model."
            )
        pool = _pool(model, game, self.history) if self.history else None

        def made(batch: Batch) -> Mapping[str, Tensor]:
            return game.fake(batch) if batch.shown is None else batch.shown

        def scores(sites: Sites, names: Iterable[str]) -> list[Tensor]:
            # what is compared with a mean of scores is compared with those of the same critic
            parts = [{name: sites[name]} for name in names] if game.apart and goal.relative else [sites]
            return [game.criticize(part) for part in parts]

        def critic(batch: Batch) -> Mapping[str, Tensor]:
            real, fake = game.real(batch), made(batch)
            if pool is not None and batch.step is not None:
                fake = pool(fake)
            r, f = scores(real, real), scores(fake, real)
            told = {"real": _mean(r), "fake": _mean(f)}
            if self.mismatched:
                wrong = scores(_mismatched(model, real, fake), real)
                f = [torch.cat(pair) for pair in zip(f, wrong, strict=True)]
                told |= {"mismatched": _mean(wrong)}
            loss = torch.stack([goal.critic(*pair) for pair in zip(r, f, strict=True)]).mean()
            if penalty is None:
                return {"loss": loss, **told}
            if batch.step is not None and batch.turn is None:
                return {"loss": loss, **told, "penalty": torch.zeros_like(loss)}
            charge = _charged(penalty, game, real, fake)
            # one that is charged every k-th time is charged k times; outside of training there are no turns
            charge = charge if batch.step is None else self.penalty_every * charge
            return {"loss": loss + charge, **told, "penalty": charge.detach()}

        def generator(batch: Batch) -> Mapping[str, Tensor]:
            real = game.real(batch) if goal.relative or game.encodes else {}
            r: Sequence[Tensor | None] = scores(real, real) if real else [None]
            f = scores(made(batch), real)
            loss = torch.stack([goal.generator(*pair) for pair in zip(r, f, strict=True)]).mean()
            return {"loss": loss, "fake": _mean(f)}

        return [
            Player(
                "critic",
                critic,
                modules,
                self.critic_optimizer if penalty is None else self.critic_optimizer.lazily(self.penalty_every),
                steps=self.critic_steps,
                after=nothing if penalty is None else partial(penalty.after, modules),
                every=self.penalty_every,
                state=[] if pool is None else [pool],
            ),
            Player(
                "generator",
                generator,
                game.generator_modules(),
                self.generator_optimizer,
                idle=idle,
                shows=game.fake if self.reuse else None,
            ),
        ]

    def _game(self, model: Any) -> tuple[HasCritic, Sequence[Any]]:
        if isinstance(model, HasCritic):
            if said := [f"{name}=..." for name in OF_THE_CRITIC if getattr(self, name) != getattr(Adversarial, name)]:
                raise ValueError(
                    f"{type(model).__name__} has a critic of its own, which Adversarial({', '.join(said)}) cannot replace; "
                    "give the model another, as create(..., critic=...), and leave it out here."
                )
            return model, ()
        if not isinstance(model, Pair):
            raise ValueError(
                f"{type(model).__name__} has no critic and is no (model, guide) pair that could be given one, so it "
                "cannot be trained by Adversarial; leave objective=None."
            )
        told = model.is_told and "y" not in self.sites
        assert self.critic is None or isinstance(self.critic, CriticNet)
        pair_game = PairGame(model, (*self.sites, "y") if told else self.sites, self.critic, self.means)
        return pair_game, pair_game.unmoved


def _charged(penalty: CriticPenalty, game: HasCritic, real: Sites, fake: Sites) -> Tensor:
    """What the critic pays; where each site has one of its own, each pays for itself, and this is their mean."""
    if not game.apart:
        return penalty(game.criticize, real, fake)
    return torch.stack([penalty(game.criticize, {k: real[k]}, {k: fake[k]}) for k in real]).mean()


def _mean(scores: Sequence[Tensor]) -> Tensor:
    return torch.cat([s.detach() for s in scores]).mean()


def _matches_nothing(model: Any, game: HasCritic) -> str:
    """Why a critic cannot be asked whether a datum fits its y, as the end of a sentence; "" where it can."""
    if model.condition is None or "y" not in game.real(trial_batch(model)):
        return "reads no y"
    if game.apart or not model.paired:
        return "takes data whose x and y were never paired"
    return "reads y with holes, which say who is there" if model.condition.missing else ""


@torch.no_grad()
def of_others(y: Tensor, read: Tensor) -> Tensor:
    """For each y of a batch the nearest that is another, of several one at random; where there is none, itself.

    Args:
        y: ``(B, *shape)``.
        read: as networks read them, ``(B, n)``: there they are near or far.
    """
    # not by products, whose rounding would part what is one, and choose among those equally far
    apart = torch.cdist(read, read, compute_mode="donot_use_mm_for_euclid_dist")
    far = apart.masked_fill(apart == 0, torch.inf).fill_diagonal_(torch.finfo(apart.dtype).max)
    dealt = torch.rand(len(y), device=y.device).argsort()
    return y[dealt[far[:, dealt].argmin(1)]]


def _mismatched(model: Any, real: Sites, fake: Sites) -> Sites:
    """Real data beside the y of others; where no other is, once more what was made."""
    wrong = {**real, "y": of_others(real["y"], as_read(model, real)["y"])}
    none = (wrong["y"] == real["y"]).reshape(len(real["y"]), -1).all(1)
    return {name: torch.where(none.view(-1, *[1] * (v.dim() - 1)), fake[name], v) for name, v in wrong.items()}


def _pool(model: Any, game: HasCritic, size: int) -> History:
    """An empty pool for what a game generates."""
    with torch.no_grad(), standing_still((), model.modules()):  # batch norms do not remember the trial
        return History(game.fake(trial_batch(model)), size)
