"""The game of a pair: data joined with its guide against its model, before a critic that reads named sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pyro.poutine.messenger import Messenger
from torch import Size, Tensor, nn

from pyrogen.base import Batch, HasCritic, Model, Pair
from pyrogen.conditions import Condition
from pyrogen.inference.adversarial.penalties import Sites
from pyrogen.inference.programs.contexts import reached, standing_still
from pyrogen.inference.programs.record import latents, record
from pyrogen.kinds import is_picture
from pyrogen.nets.batch_dims import BatchDims
from pyrogen.nets.critics import Convolutional, CriticNet, Perceptron, Scores


class SiteCritic(nn.Module):
    """A critic of some sites together: its network reads x, or the first where x is none, and the others as its condition.

    Args:
        shapes: of the sites.
        condition: what y is, where it is one of them.
        net: what the network is made of; None: convolutions of images, else a perceptron.
    """

    def __init__(self, shapes: Mapping[str, Size], condition: Condition | None, net: CriticNet | None) -> None:
        super().__init__()
        self.first = "x" if "x" in shapes else next(iter(shapes))
        self.others, self.condition = tuple(name for name in shapes if name != self.first), condition
        x_shape = Size(shapes[self.first])
        size = sum(condition.size if n == "y" and condition else shapes[n].numel() for n in self.others)
        told = condition if self.others == ("y",) else Condition((size,)) if size else None
        if net is None:
            net = Convolutional(width=32, normalization="spectral") if is_picture(x_shape) else Perceptron()
        self.net = BatchDims(net.build(x_shape, told), x_shape, Size([1]), "critic")

    def forward(self, sites: Sites) -> Tensor:
        """The scores, ``(B,)``; of packs of data fewer."""
        x = sites[self.first]
        read = [self.condition.read(sites[n]) if n == "y" and self.condition else sites[n] for n in self.others]
        told = torch.cat([v.flatten(1).to(x) for v in read], 1) if read else None
        return self.net(x, told).squeeze(-1)

    def see(self, x: Tensor) -> Tensor:
        """What a critic of x alone sees before it scores, its last hidden layer, ``(B, F)``.

        Raises:
            ValueError: it reads other sites beside it, or its network is none of features that a last layer scores.
        """
        if self.others or not isinstance(self.net.net, Scores):
            raise ValueError(
                f"what a critic sees in x alone is asked of one that scores features of each datum, and this one reads "
                f"{', '.join((self.first, *self.others))} by a {type(self.net.net).__name__}; take Perceptron() or "
                "Convolutional(), without packs."
            )
        return self.net.net.see(x)


class PairGame(HasCritic):
    """A pair in a game: "real" is data with latents from the guide, "fake" is drawn from the model, latents and all.

    A critic of {x} makes the pair's decoder a GAN's generator; of {x, z}, its encoder and decoder a BiGAN; of {z}, its
    encoder that of an adversarial autoencoder. What is observed is drawn by rsample, and where a distribution has none, as
    that of bits, its mean stands for it. What no gradient reaches, as the parameters of a mixture behind its draws, is left
    as it is.

    Reference: Donahue et al. 2017, arXiv:1605.09782; Dumoulin et al. 2017, arXiv:1606.00704; Makhzani et al. 2016,
    arXiv:1511.05644.

    Args:
        pair: the pair.
        names: of the sites that the critic reads.
        critic: what the critic's network is made of; None: what suits the sites.
        means: whether what is observed is its mean, and no draw.

    Raises:
        ValueError: there is no such site, or nothing of the pair moves them.
    """

    def __init__(self, pair: Pair, names: Sequence[str], critic: CriticNet | None = None, means: bool = False) -> None:
        self.pair, self.names, self.means = pair, tuple(names), means
        trial = trial_batch(pair)
        with standing_still((), pair.modules()):  # batch norms do not remember the trial
            sides = [self.real(trial), self.fake(trial)]
            parameters = list(pair.parameters())
            of_data, of_model = (
                reached(sum((v.sum() for v in side.values()), torch.zeros(())), parameters) for side in sides
            )
        self.encodes = bool(of_data)
        moved = of_data | of_model
        self.unmoved = [p for p in parameters if id(p) not in moved]
        if not moved:
            raise ValueError(
                f"no gradient reaches {type(pair).__name__} from its sites {', '.join(self.names)}, as none passes through "
                "draws that are not reparameterized; let the critic read others, or train it by ELBO()."
            )
        shapes = {name: value.shape[1:] for name, value in sides[0].items()}
        self.critic = SiteCritic(shapes, pair.condition, critic).to(pair.device)

    def real(self, batch: Batch) -> Sites:
        """The data, y, and the guide's latents."""
        given = {"x": batch.x} | ({} if batch.y is None else {"y": batch.y})
        asked = set(self.names) - given.keys()
        drawn = latents(record(self.pair.guide, batch.x, batch.y)) if asked else {}
        return self._named({**drawn, **given}, "the guide and the data")

    def fake(self, batch: Batch) -> Sites:
        """As many data and latents of the model, given the same y."""
        with Unobserved(self.means):
            sites = record(self.pair.model, batch.x, batch.y)
        given = {} if batch.y is None else {"y": batch.y}
        return self._named({**{k: s["value"] for k, s in sites.items()}, **given}, "the model")

    def criticize(self, sites: Sites) -> Tensor:
        """The critic's scores."""
        scores: Tensor = self.critic(sites)
        return scores

    def generator_modules(self) -> Sequence[nn.Module]:
        """The pair."""
        return [self.pair]

    def critic_modules(self) -> Sequence[nn.Module]:
        """The critic."""
        return [self.critic]

    def _named(self, found: Sites, where: str) -> Sites:
        for name in self.names:
            if name not in found:
                raise ValueError(
                    f"{where} have no site {name!r} for the critic; there are: {', '.join(sorted(found))}."
                )
        return {name: found[name] for name in self.names}


def trial_batch(model: Model) -> Batch:
    """Two data, all zeros, of the shapes that a model takes: to see of what shapes its sites are.

    Raises:
        ValueError: it has to be told y, and does not say what y is, as plain functions do not.
    """
    condition, device = model.condition, model.device
    if condition is None and model.is_told:
        raise ValueError(
            f"{type(model).__name__} is told y, and does not say of what shape it is, which a game has to know; train it by "
            "ELBO()."
        )
    x = torch.zeros(2, *model.x_shape, device=device)
    if condition is None or condition.optional:
        return Batch(x)
    kind = torch.long if condition.classes else None
    return Batch(x, torch.zeros(2, *condition.shape, dtype=kind, device=device))


class Unobserved(Messenger):
    """Draws what a program observes, so that gradients pass; where a distribution has no rsample its mean stands for it.

    Args:
        means: whether it does so everywhere.
    """

    def __init__(self, means: bool = False) -> None:
        super().__init__()
        self.means = means

    def _pyro_sample(self, msg: Any) -> None:
        if msg["is_observed"]:
            msg["is_observed"], msg["value"] = False, None
            if self.means or not msg["fn"].has_rsample:
                msg["value"], msg["done"] = _mean(msg["name"], msg["fn"]), True


def _mean(site: str, fn: Any) -> Tensor:
    try:
        mean: Tensor = fn.mean
    except NotImplementedError:
        raise ValueError(
            f"the site {site!r} is drawn from {type(fn).__name__}, which has no mean and no draws that gradients pass "
            "through, so that a game cannot show it to a critic; train the model by its own objective, leave objective=None."
        ) from None
    return mean
