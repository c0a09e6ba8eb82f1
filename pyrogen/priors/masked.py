"""A prior that is a masked diffusion: what is hidden of a grid is told from what is seen, in any order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from pyrogen.axes import Distribution
from pyrogen.base import Batch, Player, Stage
from pyrogen.distributions.finite import Bits, one_hots
from pyrogen.nets.causal import Causal, permutation, raster
from pyrogen.nets.denoisers import DenoiserNet
from pyrogen.nets.switch import Switch
from pyrogen.nets.unmasking import OneByOne
from pyrogen.priors.autoregressive import GridPrior
from pyrogen.registry import choice, make


@choice("prior")
class MaskedPrior(GridPrior):
    """A masked diffusion over a grid of latents, fitted in all orders, and scored and drawn in one: p(z) = Π_d p(z_d | z_<d).

    ``fit`` plays two stages: the model under even chances, and then the network alone, by the bound of an order drawn evenly
    from all, of P places of which i are hidden,

        −log p(z) ≤ P E_i 1/i Σ_{d hidden} −log p(z_d | z_seen).

    Of one order the same network has an exact density, at a pass for each place, so that what is scored is what is drawn,
    under every estimator.

    Should not be confused with :class:`~pyrogen.priors.autoregressive.PixelCNNPrior`, which knows one order, in one pass.
    Shapes: event ``(latent_size,)``: the bits, or the one-hot vector, of each place lie together, places row by row.
    References: Austin et al. 2021, arXiv:2107.03006; of codes of images: Bond-Taylor et al. 2022, Unleashing transformers,
    arXiv:2111.12701; Hoogeboom et al. 2022, arXiv:2110.02037.

    Args:
        classes: how many at each place; None: bits.
        grid: (H, W), places in rows; empty: all bits in one row.
        denoiser: the network; None: Perceptron of no octaves.
        order: the numbers of the places, row by row, in the order in which they are scored and drawn; empty: as they are.

    Raises:
        ValueError: classes without a grid.
    """

    def __init__(
        self,
        classes: int | None = None,
        grid: Sequence[int] = (),
        denoiser: DenoiserNet | str | Mapping[str, Any] | None = None,
        order: Sequence[int] = (),
    ) -> None:
        super().__init__(classes, grid)
        usual = {"name": "Perceptron", "octaves": 0}
        self.denoiser: DenoiserNet = make("denoiser", usual if denoiser is None else denoiser)
        self.order = tuple(order)
        self.awake = Switch(True)

    def network(self, shape: torch.Size, told: int) -> Causal:
        """The denoiser, asked place by place."""
        places = raster(shape, split=self.classes is None)
        order = permutation(self.order or None, len(places))
        net = self.denoiser.build((2 * shape[0], *shape[1:]), told, shape[0])
        return OneByOne(net, shape, [places[k] for k in order])

    def forward(self, y: Tensor | None = None) -> Distribution:
        """p(z), or p(z|y); before it is learned, all alike."""
        if self.awake.on:
            return self.law(y)
        c, h, w = self.net.inputs
        even = self.get_buffer("values").new_zeros(c * h * w)
        return Bits(even) if self.classes is None else one_hots(even, h * w)

    def stages(self, coded: Callable[[Batch], Batch]) -> Sequence[Stage]:
        """The stage in which hidden places of codes are told."""

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            with torch.no_grad():
                codes = coded(batch)
            return {"loss": self.bound(codes.x, codes.y).mean()}

        return [Stage([Player("prior", loss, [self])], "prior", enter=lambda: self.wake(True))]

    def bound(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """A draw of a bound on −log p(z) in an order of chance, of codes ``(N, latent_size)``: ``(N,)`` in nats."""
        net, (c, h, w) = self.net.net, self.net.inputs
        assert isinstance(net, OneByOne)
        x = z.unflatten(-1, (h, w, c)).movedim(-1, -3)
        seen, hidden = net.hide(x)
        logits = net.tell(x, seen, self.read(y))
        one, zero = (
            (logits.log_softmax(1), 0.0) if self.classes is not None else (logsigmoid(logits), logsigmoid(-logits))
        )
        lost = -(x * one + (1 - x) * zero) * (1 - seen)
        return len(net.places) / hidden * lost.flatten(1).sum(1)

    def wake(self, awake: bool) -> None:
        """Let the law be what was learned, or even chances."""
        self.awake.turn(awake)
