"""What diffusions share that are told y, and may be told it more loudly."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pyrogen.conditions import Condition, Reader


class Guided(nn.Module):
    """A network that is told y and, as it is hidden now and then in training, knows what there is without it too.

    Samples may be guided then, by what it says without y plus w times what y adds: at w = 1 they are of the model, above it
    they agree with y more than that, and vary less. Whatever samples are told, it is the pair that is scored. Reference: Ho &
    Salimans 2021, Classifier-free diffusion guidance, arXiv:2207.12598, whose weight is w − 1.

    Attributes:
        condition: what y is; None: there is none.
        dropped: the share of data whose y is hidden in training.
        guidance: w of samples.
    """

    condition: Condition | None
    dropped: float
    guidance: float
    reader: Reader | None
    told_by: str = "vdm-conditional"

    def be_told(self, condition: Condition | None, dropped: float, guidance: float) -> None:
        """Take y, and what is made of it.

        Raises:
            ValueError: a share that is none, or a guidance by what the network does not know.
        """
        if not 0 <= dropped < 1:
            raise ValueError(
                f"dropped={dropped:g}: it is the share of data whose y is hidden in training, from 0 to below 1."
            )
        self.condition, self.dropped = condition, dropped
        self.reader = None if condition is None else Reader(condition)
        self.guidance = self.can_be_guided(guidance)

    def read_y(self, y: Tensor | None) -> Tensor | None:
        """What the network is told of y, and that it is told: in training nothing of some.

        Raises:
            ValueError: it has to be told y, and was told none.
        """
        if self.reader is None:
            return None
        told = self.reader(y)
        said = torch.cat([told, torch.ones_like(told[..., :1])], -1)
        if self.training and self.dropped:
            said = said * (torch.rand_like(said[..., :1]) >= self.dropped)
        return said

    def hidden_y(self) -> Tensor | None:
        """What the network is told of a y that it is not to know, ``(condition.size + 1,)``."""
        return None if self.condition is None else next(self.parameters()).new_zeros(self.condition.size + 1)

    def can_be_guided(self, weight: float | None) -> float:
        """The weight of guidance, where it means something; None: that of the model.

        Raises:
            ValueError: it does not.
        """
        if weight is None:
            return self.guidance
        if not 0 <= weight < float("inf"):
            raise ValueError(f"guidance={weight:g}: it is a finite weight, 0 or more; at 1 samples are of the model.")
        if weight != 1 and self.condition is None:
            raise ValueError(
                f"guidance={weight:g} weighs what samples are told against what they are not, and this model is told no y; "
                f"take {self.told_by!r}, or leave guidance=1."
            )
        if weight != 1 and not self.dropped:
            raise ValueError(
                f"guidance={weight:g} needs a network that knows data without their y too, and with dropped=0 it never sees "
                "them; train with dropped=0.1, or leave guidance=1."
            )
        return weight
