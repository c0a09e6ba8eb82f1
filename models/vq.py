"""Vector-quantized autoencoders: z a grid of entries of a codebook, with a prior that draws it place by place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyro
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from pyrogen.axes import Blueprint, Distribution, Likelihood, Prior
from pyrogen.base import HasGenerator, HasPosterior, Objective, Pair, Player, Stage, announce, told
from pyrogen.conditions import Condition, Reader
from pyrogen.distributions.certain import Certain
from pyrogen.distributions.finite import grid_of
from pyrogen.inference.objectives.quantization import HasCodebooks, VectorQuantization
from pyrogen.nets.codebook import DEAD, Codebook
from pyrogen.nets.denoisers import DenoiserNet
from pyrogen.nets.quantizing import OneLevel, Quantizer, TwoLevels, halvings_of
from pyrogen.posteriors import PointMass
from pyrogen.priors.autoregressive import PixelCNNPrior
from pyrogen.priors.code_levels import PixelCNNLevels
from pyrogen.priors.masked import MaskedPrior
from pyrogen.registry import entry, make


class VQVAE(Pair, HasPosterior, HasGenerator, HasCodebooks):
    """Codes on a grid, z ~ p(z), x ~ p(x|decoder(z V)), with a guide that is certain: q(z|x) = 1 at the nearest codes.

    log p(x) ≥ log p(x|z(x)) + log p(z(x)): what the decoder costs, and what the code does. Places that p(z) has no learned
    prior for cost log K nats each.

    It is trained in two stages, the autoencoder first and then the prior, see
    :class:`~pyrogen.inference.objectives.quantization.VectorQuantization`. z holds the one-hot vectors of all places, row by
    row, the top level first. A condition y is looked at by the prior alone, p(z|y).

    Args:
        net: encoder, codebooks and decoder, whose output the likelihood reads.
        x_shape: (C, H, W).
        prior: p(z), over one-hot vectors.
        likelihood: p(x|·), an object.
        condition: what y is, where the prior is to look at it.
        objective: what :func:`pyrogen.inference.fit` optimizes unless told otherwise: the codebooks move by
            VectorQuantization alone.

    Raises:
        ValueError: a prior of other values.
    """

    certain = True

    def __init__(
        self,
        net: Quantizer,
        x_shape: Sequence[int],
        prior: Prior | str,
        likelihood: Likelihood,
        condition: Condition | None = None,
        objective: Objective | str | None = None,
    ) -> None:
        super().__init__()
        self.net, self.x_shape, self.condition, self.likelihood = net, torch.Size(x_shape), condition, likelihood
        self.grids, self.kinds, self.missing = net.grids, likelihood.kinds, likelihood.missing
        self.objective: Objective = VectorQuantization() if objective is None else make("objective", objective)
        self.prior: Prior = make("prior", prior)
        self.sizes = [h * w * book.codes for (h, w), book in zip(net.grids, self.books, strict=True)]
        self.latent_shape, self.support = torch.Size([sum(self.sizes)]), grid_of(sum(h * w for h, w in net.grids))
        self.reader = None if condition is None else Reader(condition)
        if repr(self.prior.support) != repr(self.support):
            raise ValueError(
                f"the prior {type(self.prior).__name__} is over {self.prior.support}, and codes are {self.support}; use "
                "a Categorical of so many variables, or leave the prior to the entry."
            )
        read = None if self.reader is None else self.reader.forward
        axes = self.prior, PointMass(), likelihood
        self.prior.build(Blueprint(self.x_shape, self.latent_size, *axes, self.encode, condition, read))

    @property
    def books(self) -> Sequence[Codebook]:
        """The codebook of each level, the top one first."""
        return [self.net.book(number) for number in range(len(self.net.books))]

    def stages(self) -> Sequence[Stage]:
        """The game of those who move the autoencoder, and then whoever moves the prior alone."""
        of_prior = {id(p) for p in self.prior.parameters()}
        first, later = list[Player](), list[Player]()
        for player in self.objective.players(self):
            (later if of_prior >= {id(p) for p in player.parameters()} else first).append(player)
        return [Stage(game, game[0].name) for game in (first, *([player] for player in later)) if game]

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(z) p(x|z)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            z = pyro.sample("z", self.prior(y))
            pyro.sample("x", self.decode(z), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """q(z|x): the nearest codes."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            pyro.sample("z", self._certain(x))

    def encode(self, x: Tensor | TensorDataset, y: Tensor | None = None) -> Distribution:
        """q(z|x), batch shape ``(B,)``, event shape ``(latent_size,)``.

        Raises:
            ValueError: x has the wrong shape, or values that the likelihood does not score.
        """
        x, y = told(self, x, y)
        x = self.read(x)
        self.check(x, y)
        return self._certain(x)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Distribution:
        """p(x|z) for z of shape ``(..., latent_size)``: batch shape ``(...)``, event shape ``x_shape``."""
        lead, vectors = z.shape[:-1], []
        parts = z.reshape(-1, self.latent_size).split(self.sizes, 1)
        for part, (h, w), book in zip(parts, self.grids, self.books, strict=True):
            vectors.append(part.reshape(-1, h, w, book.codes) @ book.vectors)
        features = self.net.decode(vectors)
        return self.likelihood(features.reshape(*lead, *features.shape[1:]))

    def quantize(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """What is encoded at each place, and its code as a one-hot vector, by level."""
        found: list[tuple[Tensor, Tensor]] = self.net(self.likelihood.rescale(x))
        return found

    def decode_vectors(self, vectors: Sequence[Tensor]) -> Distribution:
        """p(x|·) of vectors ``(B, H, W, size)`` of each level."""
        return self.likelihood(self.net.decode(vectors))

    def autoencoder_modules(self) -> Sequence[nn.Module]:
        """The networks with their codebooks, and the likelihood."""
        return [self.net, self.likelihood]

    def latent_prior(self, y: Tensor | None = None) -> Distribution:
        """p(z), or p(z|y)."""
        return self.prior.generator(y)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The mean of p(x|z), ``(..., *x_shape)``."""
        x: Tensor = self.decode(z).mean
        return x

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw ``n`` data: codes from the prior, x from p(x|z), ``(n, *x_shape)``.

        Raises:
            ValueError: no y, or a wrong one, where the model is conditional.
        """
        x: Tensor = self._generated(n, y).sample()
        return x

    @torch.no_grad()
    def sample_mean(self, n: int, y: Tensor | None = None) -> Tensor:
        """The means of p(x|z) at ``n`` drawn z."""
        x: Tensor = self._generated(n, y).mean
        return x

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse data of the wrong shape, or outside what the likelihood scores."""
        super().check(x, y)
        self.likelihood.check(x)

    def _certain(self, x: Tensor) -> Certain:
        found = self.quantize(x)
        passed = [book.passing(e, hot).flatten(1) for book, (e, hot) in zip(self.books, found, strict=True)]
        return Certain(torch.cat(passed, 1), self.support)

    def _generated(self, n: int, y: Tensor | None) -> Distribution:
        self.check_draws(n, y)
        prior = self.prior.generator(y)
        return self.decode(prior.sample(() if prior.batch_shape else (n,)))


def _book(codes: int, size: int, moved: Literal["ema", "loss"], revive: float) -> Codebook:
    if moved not in ("ema", "loss"):
        raise ValueError(f"codebook={moved!r}: choose 'ema' or 'loss'.")
    return Codebook(codes, size, moved == "ema", revive=revive)


@entry(
    "vqvae",
    reference="van den Oord et al. 2017, Neural discrete representation learning, arXiv:1711.00937",
    data="digits",
    recipe={"epochs": 60, "lr": 2e-3, "batch_size": 64, "lr_milestones": [45]},
)
def vqvae(
    x_shape: Sequence[int],
    codes: int = 64,
    code_size: int = 16,
    factor: int = 2,
    width: int = 32,
    prior_width: int = 32,
    codebook: Literal["ema", "loss"] = "ema",
    revive: float = DEAD,
    prior: Prior | str | None = None,
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VQVAE:
    """The autoencoder whose code is a grid of entries of a codebook, and then a gated PixelCNN that draws such grids.

    Args:
        x_shape: (C, H, W), sides multiples of ``factor``.
        codes: entries of the codebook, K.
        code_size: numbers of each.
        factor: pixels a side that a code stands for, a power of 2.
        width: channels of encoder and decoder.
        prior_width: hidden channels of the prior's network.
        codebook: what moves it: running means of what its entries stand for, "ema", or a "loss" of its own.
        revive: the fraction of an even share below which a code is put elsewhere; 0: never.
        prior: p(z) over one-hot vectors; None: PixelCNNPrior on the grid.
        likelihood: p(x|z).
        objective: instead of VectorQuantization().
    """
    shape, p = _told(x_shape, likelihood)
    times = halvings_of(shape, factor, 1)
    net = OneLevel(shape, p.channels(shape), times, width, _book(codes, code_size, codebook, revive))
    drawn = PixelCNNPrior(codes, net.grids[0], prior_width) if prior is None else prior
    return VQVAE(net, shape, drawn, p, None, objective)


@entry(
    "vqvae-conditional",
    reference="van den Oord et al. 2017, arXiv:1711.00937; a prior that is told the class: van den Oord et al. 2016, "
    "arXiv:1606.05328",
    fixes={"prior": "PixelCNNPrior"},
    data="digits",
    recipe={"epochs": 60, "lr": 2e-3, "batch_size": 64, "lr_milestones": [45]},
)
def vqvae_conditional(
    x_shape: Sequence[int],
    y_shape: Sequence[int] = (),
    classes: int | None = None,
    codes: int = 64,
    code_size: int = 16,
    factor: int = 2,
    width: int = 32,
    prior_width: int = 32,
    codebook: Literal["ema", "loss"] = "ema",
    revive: float = DEAD,
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VQVAE:
    """The VQ-VAE whose prior is told labels or real numbers y, p(z|y); encoder and decoder are not.

    Args:
        x_shape: (C, H, W), sides multiples of ``factor``.
        y_shape: shape of one y; () for one label.
        classes: how many there are, or None where y is real numbers.
        codes: entries of the codebook, K.
        code_size: numbers of each.
        factor: pixels a side that a code stands for, a power of 2.
        width: channels of encoder and decoder.
        prior_width: hidden channels of the prior's network.
        codebook: what moves it: running means of what its entries stand for, "ema", or a "loss" of its own.
        revive: the fraction of an even share below which a code is put elsewhere; 0: never.
        likelihood: p(x|z).
        objective: instead of VectorQuantization().
    """
    shape, p = _told(x_shape, likelihood)
    times = halvings_of(shape, factor, 1)
    net = OneLevel(shape, p.channels(shape), times, width, _book(codes, code_size, codebook, revive))
    condition = Condition(tuple(y_shape), classes)
    return VQVAE(net, shape, PixelCNNPrior(codes, net.grids[0], prior_width), p, condition, objective)


@entry(
    "vqvae-masked",
    reference="Bond-Taylor et al. 2022, Unleashing transformers: parallel token prediction with discrete absorbing "
    "diffusion, arXiv:2111.12701",
    fixes={"prior": "MaskedPrior"},
    data="digits",
    recipe={
        "epochs": {"codes": 60, "prior": 300},
        "lr": 2e-3,
        "batch_size": 64,
        "lr_milestones": {"codes": [45], "prior": [225]},
    },
)
def vqvae_masked(
    x_shape: Sequence[int],
    codes: int = 64,
    code_size: int = 16,
    factor: int = 2,
    width: int = 32,
    denoiser: DenoiserNet | str | Mapping[str, Any] | None = None,
    codebook: Literal["ema", "loss"] = "ema",
    revive: float = DEAD,
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VQVAE:
    """The VQ-VAE whose prior is a masked diffusion of the grid of codes.

    Args:
        x_shape: (C, H, W), sides multiples of ``factor``.
        codes: entries of the codebook, K.
        code_size: numbers of each.
        factor: pixels a side that a code stands for, a power of 2.
        width: channels of encoder and decoder.
        denoiser: the prior's network; None: Perceptron of no octaves.
        codebook: what moves it: running means of what its entries stand for, "ema", or a "loss" of its own.
        revive: the fraction of an even share below which a code is put elsewhere; 0: never.
        likelihood: p(x|z).
        objective: instead of VectorQuantization().
    """
    shape, p = _told(x_shape, likelihood)
    times = halvings_of(shape, factor, 1)
    net = OneLevel(shape, p.channels(shape), times, width, _book(codes, code_size, codebook, revive))
    return VQVAE(net, shape, MaskedPrior(codes, net.grids[0], denoiser), p, None, objective)


@entry(
    "vqvae-2",
    reference="Razavi et al. 2019, Generating diverse high-fidelity images with VQ-VAE-2, arXiv:1906.00446",
    fixes={"prior": "PixelCNNLevels"},
    data="digits",
    recipe={"epochs": 60, "lr": 2e-3, "batch_size": 64, "lr_milestones": [45]},
)
def vqvae_2(
    x_shape: Sequence[int],
    codes: int = 64,
    code_size: int = 16,
    factor: int = 2,
    width: int = 32,
    prior_width: int = 32,
    codebook: Literal["ema", "loss"] = "ema",
    revive: float = DEAD,
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VQVAE:
    """Codes on two grids, the finer one read beside the coarser, and a prior that draws it given that.

    Args:
        x_shape: (C, H, W), sides multiples of twice ``factor``.
        codes: entries of each of the two codebooks, K.
        code_size: numbers of each entry.
        factor: pixels a side that a code of the finer grid stands for, a power of 2.
        width: channels of encoder and decoder.
        prior_width: hidden channels of the prior's network.
        codebook: what moves both: running means of what their entries stand for, "ema", or a "loss" of their own.
        revive: the fraction of an even share below which a code is put elsewhere; 0: never.
        likelihood: p(x|z).
        objective: instead of VectorQuantization().
    """
    shape, p = _told(x_shape, likelihood)
    times = halvings_of(shape, factor, 2)
    books = _book(codes, code_size, codebook, revive), _book(codes, code_size, codebook, revive)
    net = TwoLevels(shape, p.channels(shape), times, width, books)
    return VQVAE(net, shape, PixelCNNLevels(codes, net.grids[0], prior_width), p, None, objective)


def _told(x_shape: Sequence[int], likelihood: Likelihood | str) -> tuple[torch.Size, Likelihood]:
    shape, p = torch.Size(x_shape), make("likelihood", likelihood)
    p.size(shape)
    return shape, p
