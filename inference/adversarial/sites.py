"""The two sides of a pair, data joined with its guide against its model, and the game before a critic that reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from pyro.distributions import ImproperUniform
from pyro.poutine.messenger import Messenger
from torch import Size, Tensor, nn

from pyrogen.base import Batch, HasCritic, Model, Pair
from pyrogen.conditions import Condition
from pyrogen.inference.adversarial.penalties import Sites
from pyrogen.inference.programs.contexts import reached, seeded, standing_still
from pyrogen.inference.programs.record import latents, record
from pyrogen.inference.programs.supports import unwrap
from pyrogen.kinds import is_picture
from pyrogen.nets.batch_dims import BatchDims
from pyrogen.nets.critics import Convolutional, CriticNet, Perceptron, Scores


class SiteCritic(nn.Module):
    """A critic of some sites together: its network reads x, or the first where x is none, and the others as its condition.

    Of y it is given what :func:`as_read` makes of it.

    Args:
        shapes: of the sites, as they are.
        condition: what y is, where it is one of them.
        net: what the network is made of; None: convolutions of images, else a perceptron.
    """

    def __init__(self, shapes: Mapping[str, Size], condition: Condition | None, net: CriticNet | None) -> None:
        super().__init__()
        self.first = "x" if "x" in shapes else next(iter(shapes))
        self.others = tuple(name for name in shapes if name != self.first)
        x_shape = Size(shapes[self.first])
        size = sum(condition.size if n == "y" and condition else shapes[n].numel() for n in self.others)
        told = condition if self.others == ("y",) else Condition((size,)) if size else None
        if net is None:
            net = Convolutional(width=32, normalization="spectral") if is_picture(x_shape) else Perceptron()
        self.net = BatchDims(net.build(x_shape, told), x_shape, Size([1]), "critic")

    def forward(self, sites: Sites) -> Tensor:
        """The scores, ``(B,)``; of packs of data fewer."""
        x = sites[self.first]
        told = torch.cat([sites[name].flatten(1).to(x) for name in self.others], 1) if self.others else None
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


class Sides:
    """The two sides on which a pair has named sites: "real" is data with latents of the guide, "fake" what its model draws.

    What is observed is drawn by rsample, and where a distribution has none, as that of bits, its mean stands for it.

    Args:
        pair: the pair.
        names: of the sites.
        means: whether what is observed is its mean, and no draw.

    Attributes:
        encodes: whether the side of the data depends on the pair's parameters, as codes of an encoder do.
        unmoved: parameters that no gradient reaches from either side, as those of a mixture behind its draws.
        shapes: of the sites, of one datum.

    Raises:
        ValueError: there is no such site, nothing of the pair moves them, or they are latents of an improper prior.
    """

    def __init__(self, pair: Pair, names: Sequence[str], means: bool = False) -> None:
        self.pair, self.names, self.means = pair, tuple(names), means
        trial = trial_batch(pair)
        with standing_still((), pair.modules()):  # batch norms do not remember the trial
            if set(self.names) - {"x", "y"}:
                need_proper(pair, trial)
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
                "draws that are not reparameterized; compare others, or train it by ELBO()."
            )
        self.shapes = {name: value.shape[1:] for name, value in sides[0].items()}

    def real(self, batch: Batch) -> Sites:
        """The data, y, and the guide's latents."""
        given = {"x": batch.x} | ({} if batch.y is None else {"y": batch.y})
        asked = set(self.names) - given.keys()
        drawn = latents(record(self.pair.guide, batch.x, batch.y)) if asked else {}
        return self._named({**drawn, **given}, "the guide and the data")

    def fake(self, batch: Batch) -> Sites:
        """As many data and latents of the model, given the same y."""
        given = {} if batch.y is None else {"y": batch.y}
        with Unobserved(self.means):
            sites = record(self.pair.model, batch.x, batch.y, until=set(self.names) - given.keys())
        return self._named({**{k: s["value"] for k, s in sites.items()}, **given}, "the model")

    def _named(self, found: Sites, where: str) -> Sites:
        for name in self.names:
            if name not in found:
                raise ValueError(
                    f"{where} have no site {name!r} to be compared; there are: {', '.join(sorted(found))}."
                )
        return {name: found[name] for name in self.names}


class PairGame(HasCritic):
    """A pair in a game, its :class:`Sides` before a critic.

    A critic of {x} makes the pair's decoder a GAN's generator; of {x, z}, its encoder and decoder a BiGAN; of {z}, its
    encoder that of an adversarial autoencoder. What no gradient reaches is left as it is.

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
        self.sides = Sides(pair, names, means)
        self.encodes, self.unmoved = self.sides.encodes, self.sides.unmoved
        self.critic = SiteCritic(self.sides.shapes, pair.condition, critic).to(pair.device)

    def real(self, batch: Batch) -> Sites:
        """The data, y, and the guide's latents."""
        return self.sides.real(batch)

    def fake(self, batch: Batch) -> Sites:
        """As many data and latents of the model, given the same y."""
        return self.sides.fake(batch)

    def criticize(self, sites: Sites) -> Tensor:
        """The critic's scores."""
        scores: Tensor = self.critic(as_read(self.sides.pair, sites))
        return scores

    def generator_modules(self) -> Sequence[nn.Module]:
        """The pair."""
        return [self.sides.pair]

    def critic_modules(self) -> Sequence[nn.Module]:
        """The critic."""
        return [self.critic]


def as_read(model: Model, sites: Sites) -> Sites:
    """The sites, with y as the model's networks read it, ``(B, condition.size)``: real numbers at a scale of order one."""
    if "y" not in sites or model.condition is None:
        return sites
    read: Callable[[Tensor], Tensor] = model.condition.read if model.reader is None else model.reader
    return {**sites, "y": read(sites["y"])}


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


@torch.no_grad()
def need_proper(pair: Pair, batch: Batch) -> None:
    """Refuse latents that cannot be drawn from the prior.

    Raises:
        ValueError: the prior of one of them is improper.
    """
    with seeded(0, batch.x.device):  # what is drawn to look at moves no stream of training
        scored = record(pair.model, batch.x, batch.y, latents(record(pair.guide, batch.x, batch.y)))
    for name, site in scored.items():
        if isinstance(unwrap(site["fn"]), ImproperUniform):
            raise ValueError(
                f"codes are compared with draws of the prior, and that of {name!r} is improper; take prior='StandardNormal'."
            )


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
