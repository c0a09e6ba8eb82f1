"""The losses of vector quantization: what a codebook is trained by, and then a prior over its codes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from pyrogen.axes import Distribution, Prior
from pyrogen.base import Batch, Objective, Player
from pyrogen.nets.codebook import Codebook, perplexity
from pyrogen.nets.quantizing import through
from pyrogen.registry import choice


class HasCodebooks(ABC):
    """A model whose latents are grids of entries of codebooks, the top level first.

    Attributes:
        prior: p(z), over the one-hot vectors of all places.
        grids: (H, W) of each level.
    """

    prior: Prior
    grids: Sequence[tuple[int, int]]

    @property
    @abstractmethod
    def books(self) -> Sequence[Codebook]:
        """The codebook of each level."""

    @abstractmethod
    def quantize(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """What is encoded at each place, ``(B, H, W, size)``, and its code as a one-hot vector ``(B, H, W, K)``, by level."""

    @abstractmethod
    def decode_vectors(self, vectors: Sequence[Tensor]) -> Distribution:
        """p(x|·) of vectors at each place, ``(B, H, W, size)`` of each level."""

    @abstractmethod
    def autoencoder_modules(self) -> Sequence[nn.Module]:
        """What encodes and decodes."""


@choice("objective")
@dataclass(frozen=True)
class VectorQuantization(Objective):
    """Reconstruction through the nearest codes, with what keeps encoder and codebook together; and a prior of the codes.

    −log p(x|v) + β Σ ‖e − sg v‖², and Σ ‖sg e − v‖² where the codebook is no running mean; e what the encoder says, v the
    nearest vector, sg a stop to the gradient, which passes from v to e unchanged. A second player minimizes −log p(z) of the
    codes z, or what a prior with a stage of its own is fitted to codes by. A model that is trained by it lets the two play
    one after the other; −log p(x|v) and −log p(z) add up to minus the evidence bound, since q(z|x) is certain.

    Reference: van den Oord et al. 2017, Neural discrete representation learning, arXiv:1711.00937.

    Args:
        commitment: β.
    """

    commitment: float = 0.25

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.commitment < 0:
            raise ValueError(f"VectorQuantization(commitment={self.commitment}): needs commitment >= 0.")

    def players(self, model: Any) -> Sequence[Player]:
        """The autoencoder with its codebooks, and the prior, where it has something to learn.

        Raises:
            ValueError: the model has no codebooks.
        """
        if not isinstance(model, HasCodebooks):
            raise ValueError(
                f"{type(model).__name__} has no codebooks, which VectorQuantization trains; take 'vqvae', or leave "
                "objective=None."
            )

        def codes(batch: Batch) -> Mapping[str, Tensor]:
            return self._codes(model, batch)

        def prior(batch: Batch) -> Mapping[str, Tensor]:
            return {"loss": -log_prior(model, batch).mean()}

        def coded(batch: Batch) -> Batch:
            return replace(batch, x=codes_of(model, batch))

        def update() -> None:
            for book in model.books:
                book.update()

        played = [Player("codes", codes, model.autoencoder_modules(), after=update)]
        if own := [player for stage in model.prior.stages(coded) for player in stage.players]:
            return [*played, *own]
        learned = any(p.requires_grad for p in model.prior.parameters())
        return [*played, Player("prior", prior, [model.prior])] if learned else played

    def _codes(self, model: HasCodebooks, batch: Batch) -> dict[str, Tensor]:
        found = model.quantize(batch.x)
        pulls, passed, terms = [], [], {}
        for number, (book, (e, hot)) in enumerate(zip(model.books, found, strict=True), start=1):
            if torch.is_grad_enabled():
                book.observe(e, hot)
            v = hot @ book.vectors
            pull = self.commitment * (e - v.detach()).square()
            pulls.append(pull if book.ema else pull + (e.detach() - v).square())
            passed.append(through(e, v))
            level = "perplexity" if len(found) == 1 else f"perplexity_{number}"
            terms[level] = perplexity(hot.flatten(0, -2).sum(0))
        reconstruction = model.decode_vectors(passed).log_prob(batch.x).mean()
        pulled = torch.stack([pull.flatten(1).sum(1).mean() for pull in pulls]).sum()
        parts = {"reconstruction": reconstruction.detach(), "commitment": pulled.detach()}
        return {"loss": pulled - reconstruction, **parts, **terms}


def log_prior(model: HasCodebooks, batch: Batch) -> Tensor:
    """log p(z), or log p(z|y), of the codes of data in nats, ``(B,)``."""
    log_p: Tensor = model.prior(batch.y).log_prob(codes_of(model, batch))
    return log_p


@torch.no_grad()
def codes_of(model: HasCodebooks, batch: Batch) -> Tensor:
    """The codes of data as one-hot vectors, ``(B, latent_size)``."""
    return torch.cat([hot.flatten(1) for _, hot in model.quantize(batch.x)], 1)
