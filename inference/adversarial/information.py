"""InfoGAN's term: what a generator's data tell of the codes that they were made from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from pyrogen.axes import Distribution
from pyrogen.base import Batch, HasCritic, Objective, Player
from pyrogen.registry import choice


class HasCodes(HasCritic):
    """A model in a game some of whose latents are codes, which it reads back from data.

    Attributes:
        categories: of the categorical code, whose one-hot vector the codes begin with.
    """

    categories: int

    @abstractmethod
    def codes(self, z: Tensor) -> Tensor:
        """c, the coordinates of z that are codes, ``(..., codes)``."""

    @abstractmethod
    def read_codes(self, x: Tensor) -> Distribution:
        """Q(c|x), batch shape ``(B,)``, event shape ``(codes,)``."""

    @abstractmethod
    def reader_modules(self) -> Sequence[nn.Module]:
        """What makes up Q(c|x)."""


@choice("objective")
@dataclass(frozen=True)
class Information(Objective):
    """InfoGAN's term, to be charged as Adversarial() + λ * Information(): −E log Q(c|g(z)), over codes c and other noise.

    The mutual information of codes and data is at least I(c; g(z)) ≥ H(c) + E log Q(c|g(z)), with equality where Q is the
    posterior of the codes: generator and Q raise this bound together. H(c) is fixed.

    Should not be confused with a conditional game, in which labels of the data say what the codes are.

    Reference: Chen et al. 2016, InfoGAN: interpretable representation learning by information maximizing generative
    adversarial nets, arXiv:1606.03657, equation 5.
    """

    alone = False
    implicit = True

    def players(self, model: Any) -> Sequence[Player]:
        """The one who pays, who owns the generator, and Q.

        Raises:
            ValueError: the model has no codes.
        """
        if not isinstance(model, HasCodes):
            raise ValueError(
                f"{type(model).__name__} has no codes to be read back from its data, which Information() charges; take the "
                "entry 'infogan', or leave it out."
            )

        def charge(batch: Batch) -> Mapping[str, Tensor]:
            made = model.fake(batch) if batch.shown is None else batch.shown
            return {"loss": -model.read_codes(made["x"]).log_prob(model.codes(made["z"])).mean()}

        return [Player("information", charge, [*model.generator_modules(), *model.reader_modules()])]
