"""Cycle consistency: what is translated there and back is to be what it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pyrogen.base import Batch, HasTranslation, Objective, Player
from pyrogen.optim import Adam, Optim
from pyrogen.registry import choice, make


@choice("objective")
@dataclass(frozen=True)
class CycleConsistency(Objective):
    """−E log p(x | F(G(x))) − E log p(y | G(F(y))), and ι times −E log p(x | F(x)) − E log p(y | G(y)), in nats an element.

    G translates x to y and F back; p are the model's likelihoods. A Laplace with a fixed scale b makes of it the L1 loss of
    the reference, whose λ is 1/b. The second part keeps what is in the target's domain already as it is, colours above all.
    By elements it is divided so that the weight of a game beside it does not hang on the size of pictures.

    It is a term beside a game, of which it says nothing: G = F = identity has no cycle error.

    Reference: Zhu et al. 2017, Unpaired image-to-image translation using cycle-consistent adversarial networks,
    arXiv:1703.10593; the identity term: section 5.2, after Taigman et al. 2017, arXiv:1611.02200.

    Args:
        identity: ι.
        optimizer: of the translating networks, where no other objective's player moves them.
    """

    alone = False

    identity: float = 0.5
    optimizer: Optim = Adam(lr=2e-4, betas=(0.5, 0.999))

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        object.__setattr__(self, "optimizer", make("optimizer", self.optimizer))
        if self.identity < 0:
            raise ValueError(f"CycleConsistency(identity={self.identity}): a weight is not below 0.")

    def players(self, model: Any) -> Sequence[Player]:
        """One, who moves both translations.

        Raises:
            ValueError: the model does not translate between two domains.
        """
        if not isinstance(model, HasTranslation):
            raise ValueError(
                f"CycleConsistency is of models that translate between two domains, there and back, as 'cyclegan' does; "
                f"{type(model).__name__} does not."
            )

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            x, y = batch.x, batch.y
            assert y is not None
            made = {"x": model.to_x(y), "y": model.to_y(x)} if batch.shown is None else batch.shown
            there_and_back = _misfit(model, x, y, model.to_x(made["y"]), model.to_y(made["x"]))
            if not self.identity:
                return {"loss": there_and_back, "cycle": there_and_back.detach()}
            kept = _misfit(model, x, y, model.to_x(x), model.to_y(y))
            told = {"cycle": there_and_back.detach(), "identity": kept.detach()}
            return {"loss": there_and_back + self.identity * kept, **told}

        return [Player("translation", loss, model.translating_modules(), self.optimizer)]


def _misfit(model: HasTranslation, x: Tensor, y: Tensor, as_x: Tensor, as_y: Tensor) -> Tensor:
    """−E log p(x|·) − E log p(y|·), in nats an element."""
    of_x, of_y = model.x_given(as_x).log_prob(x), model.y_given(as_y).log_prob(y)
    return -of_x.mean() / x[0].numel() - of_y.mean() / y[0].numel()
