"""Variational autoencoders, and the autoencoders that are the same pair with other choices."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyro
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from pyrogen.arguments import check_sizes
from pyrogen.axes import Blueprint, Distribution, Likelihood, Posterior, Prior
from pyrogen.base import Batch, HasGenerator, HasPosterior, Objective, Pair, Stage, announce, told
from pyrogen.conditions import Condition, Reader
from pyrogen.distributions.shaped import in_shape, shape_of, shaped, vectors, vectors_of
from pyrogen.files import first_line
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.nets import BatchDims, ConvDecoder, ConvEncoder, mlp
from pyrogen.nets.outputs import bounded_by
from pyrogen.registry import entry, make

log = logging.getLogger("pyrogen")
USUAL = {"posterior": "DiagonalNormal", "prior": "StandardNormal"}


class VAE(Pair, HasPosterior, HasGenerator):
    """One layer of latents: z ~ p(z), x ~ p(x|decoder(z)), with the guide z ~ q(z|encoder(x)).

    log p(x) ≥ E_q[log p(x|z)] − KL(q(z|x) ‖ p(z))

    The axes decide what it is: with a point-mass posterior and a Flat prior it is the plain autoencoder, with a Laplace
    prior the sparse one. With a condition y it is p(z|y) where the prior looks at y, p(x|z, y) and q(z|x, y).

    Args:
        encoder: ``(N, *x_shape)`` to ``(N, posterior.width(n))`` for z of n numbers in any shape, or, under posteriors of a
            mean and a log variance, to a pair of them, ``(N, *latent_shape)`` each, in this order or by name ("mean",
            "log_variance", "mu", "logvar", "scale", ...). With a condition it takes ``(N, condition.size)`` as a second
            argument, and so does the decoder.
        decoder: ``(N, *latent_shape)`` (under a prior of levels: what it says that data depend on, ``prior.bottom``, as a
            vector) to ``(N, likelihood.channels(x_shape), *x_shape[1:])`` in any shape: the parameters that the likelihood
            reads, such as the logits of a Bernoulli, with no sigmoid after them.
        x_shape: shape of one datum, channels first.
        latent_size: size of z, or its shape; the axes see the numbers of a grid as a vector, in order of memory.
        prior: an object or a name.
        posterior: an object or a name.
        likelihood: an object or a name.
        objective: what :func:`pyrogen.inference.fit` optimizes unless told otherwise.
        condition: what y is, where the model is to look at it.

    Raises:
        ValueError: choices that do not fit together, or networks of the wrong size.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        x_shape: Sequence[int],
        latent_size: int | Sequence[int],
        prior: Prior | str = "StandardNormal",
        posterior: Posterior | str = "DiagonalNormal",
        likelihood: Likelihood | str = "Bernoulli",
        objective: Objective | str | None = None,
        condition: Condition | None = None,
    ) -> None:
        super().__init__()
        check_sizes({"x_shape": x_shape, "latent_size": latent_size})
        self.x_shape, self.latent_shape, self.condition = torch.Size(x_shape), shape_of(latent_size), condition
        size = self.latent_size
        self.objective: Objective = ELBO() if objective is None else make("objective", objective)
        self.prior: Prior = make("prior", prior)
        self.posterior: Posterior = make("posterior", posterior)
        self.likelihood: Likelihood = make("likelihood", likelihood)
        self.kinds, self.missing = self.likelihood.kinds, self.likelihood.missing
        features = torch.Size([self.likelihood.channels(self.x_shape), *self.x_shape[1:]])
        width = torch.Size([self.posterior.width(size)])
        self.encoder = BatchDims(encoder, self.x_shape, width, "encoder", self.posterior.reads_pair)
        self.bottom_size = self.prior.bottom_size(size)
        bottom = self.latent_shape if self.bottom_size == size else torch.Size([self.bottom_size])
        self.decoder = BatchDims(decoder, bottom, features, "decoder")
        axes = self.prior, self.posterior, self.likelihood
        self.reader = None if condition is None else Reader(condition)
        read = None if self.reader is None else self.reader.forward
        plan = Blueprint(self.x_shape, size, *axes, self._infer, condition, read)
        for axis in (self.posterior, self.likelihood, self.prior):
            axis.build(plan)
        self._try_networks()

    def stages(self) -> Sequence[Stage]:
        """That of the objective, and then those of a prior that is fitted to the codes, which rests until then."""
        return self.prior.stages_after(super().stages(), self.coded)

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(z) p(x|z)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            z = pyro.sample("z", shaped(self.prior(y), self.latent_shape))
            pyro.sample("x", self.decode(z, y), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """q(z|x)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1, device=str(x.device)):
            pyro.sample("z", self.infer(x, y))

    def encode(self, x: Tensor | TensorDataset, y: Tensor | None = None) -> Distribution:
        """q(z|x), batch shape ``(B,)``, event shape ``latent_shape``.

        Raises:
            ValueError: x has the wrong shape, or y is not what the model is conditioned on.
        """
        x, y = told(self, x, y)
        x = self.read(x)
        self.check(x, y)
        return self.infer(x, y)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Distribution:
        """p(x|z) for z of shape ``(..., *latent_shape)``: batch shape ``(...)``, event shape ``x_shape``.

        Raises:
            ValueError: z has another shape.
        """
        bottom = in_shape(self.prior.bottom(vectors(z, self.latent_shape)), self.decoder.inputs)
        return self.likelihood(self.decoder(bottom, self.read_y(y)))

    def latent_prior(self, y: Tensor | None = None) -> Distribution:
        """p(z), or p(z|y); of an improper prior what was fitted to the codes.

        Raises:
            ValueError: nothing has been fitted to them.
        """
        return shaped(self.prior.generator(y), self.latent_shape)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The mean of p(x|z), ``(..., *x_shape)``."""
        x: Tensor = self.decode(z, y).mean
        return x

    def code(self, x: Tensor | TensorDataset, y: Tensor | None = None) -> Tensor:
        """The z that the posterior names for each datum, ``(B, *latent_shape)``."""
        return in_shape(self.posterior.code(vectors_of(self.encode(x, y))), self.latent_shape)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw ``n`` data, z from the prior and x from p(x|z), ``(n, *x_shape)``.

        Raises:
            ValueError: the prior is improper and nothing has been fitted to the codes; no y, or a wrong one, where the
                model is conditional.
        """
        return self._generated(n, y).sample()

    @torch.no_grad()
    def sample_mean(self, n: int, y: Tensor | None = None) -> Tensor:
        """The means of p(x|z) at ``n`` drawn z."""
        return self._generated(n, y).mean

    def check(self, x: Tensor, y: Tensor | None = None) -> None:
        """Refuse data of the wrong shape, or outside what the likelihood scores."""
        super().check(x, y)
        self.likelihood.check(x)

    @property
    def any_length(self) -> bool:
        """Whether what reads x does, the encoder and the likelihood."""
        return self.encoder.any_length and self.likelihood.any_length

    @torch.no_grad()
    def after_training(self, x: Tensor, y: Tensor | None = None) -> None:
        """Let an improper prior see the codes of the training data."""
        if self.prior.proper:
            return
        parts = [slice(start, start + 1000) for start in range(0, len(x), 1000)]
        codes = torch.cat([self.code(x[part], None if y is None else y[part]) for part in parts])
        self.prior.after_training(codes.flatten(1), y)

    def infer(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        """q(z|x) as the guide has it: :meth:`encode` without a look at the values, which would hold up every step."""
        return shaped(self._infer(x, y), self.latent_shape)

    def _infer(self, x: Tensor, y: Tensor | None = None) -> Distribution:
        """q(z|x) of the numbers of z as a vector, as the axes see them."""

        def log_joint(z: Tensor) -> Tensor:
            return self.prior(y).log_prob(z) + self.decode(in_shape(z, self.latent_shape), y).log_prob(x)

        return self.posterior(self.encoder(self.likelihood.rescale(x), self.read_y(y)), log_joint)

    def coded(self, batch: Batch) -> Batch:
        """A draw of the codes of data, as vectors in their place, as a prior is fitted to them."""
        return replace(batch, x=self._infer(batch.x, batch.y).sample())

    def _generated(self, n: int, y: Tensor | None) -> Distribution:
        self.check_draws(n, y)
        prior = self.latent_prior(y)
        return self.decode(prior.sample(() if prior.batch_shape else (n,)), y)

    def _try_networks(self) -> None:
        self._initialize_lazy_layers()
        # two data, so that batch norm in a user's network can work; its statistics and mode are put back
        state = {k: v.clone() for k, v in self.state_dict().items()}
        # with gradients, which tell by what an output was made
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            device = self.device
            read = None if self.condition is None else torch.zeros(2, self.condition.size, device=device)
            for net, inputs in ((self.encoder, self.x_shape), (self.decoder, self.decoder.inputs)):
                given = torch.zeros(2, *inputs, device=device, requires_grad=True)
                outputs = _tried(net, given, read)
        self.load_state_dict(state)
        layer, bounds = bounded_by(outputs)
        if self.likelihood.reads_logits and layer:
            log.warning(
                "the decoder ends in a %s, and the likelihood %s reads its outputs as logits, which it would keep between "
                "%s; leave the %s out.",
                layer,
                type(self.likelihood).__name__,
                bounds,
                layer,
            )

    @torch.no_grad()
    def _initialize_lazy_layers(self) -> None:
        lazy = [net for net in (self.encoder, self.decoder) if any(map(nn.parameter.is_lazy, net.parameters()))]
        read = None if self.condition is None else torch.zeros(2, self.condition.size, device=self.device)
        for net in lazy:
            modes = [(module, module.training) for module in net.modules()]
            net.eval()  # batch norm is to keep no statistics of these data
            _tried(net, torch.zeros(2, *net.inputs, device=self.device), read)
            for module, training in modes:
                module.training = training


def _tried(net: BatchDims, inputs: Tensor, read: Tensor | None) -> Tensor:
    try:
        outputs: Tensor = net(inputs, read)
    except (RuntimeError, TypeError) as error:
        first = first_line(error)
        shape = ", ".join(map(str, net.inputs))
        raise ValueError(f"the {net.role} cannot read data of shape (N, {shape}): {first}.") from error
    return outputs


@entry(
    "vae",
    reference="Kingma & Welling 2014, Auto-encoding variational Bayes, arXiv:1312.6114",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 20,
    hidden: Sequence[int] = (400,),
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    likelihood: Likelihood | str = "Bernoulli",
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    objective: Objective | str | None = None,
) -> VAE:
    """The fully connected VAE, or one with networks of your own.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of z, or its shape.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them. Empty: a linear model.
        prior: p(z).
        posterior: q(z|x).
        likelihood: p(x|z).
        encoder: your own network, ``(N, *x_shape)`` to ``(N, posterior.width(n))`` for z of n numbers, or to a mean and a log
            variance apart: see :class:`VAE`.
        decoder: your own network, z of ``(N, latent_size)``, or of ``(N, *latent_size)`` where that is a shape, to
            ``(N, likelihood.channels(x_shape), *x_shape[1:])``, the parameters that the likelihood reads: of a Bernoulli
            logits, with no sigmoid after them.
        objective: the default objective of ``fit``: ELBO().
    """
    x_shape = torch.Size(x_shape)
    q: Posterior = make("posterior", posterior)
    p: Likelihood = make("likelihood", likelihood)
    pz: Prior = make("prior", prior)
    widths, size = list(hidden), shape_of(latent_size).numel()
    encoder = encoder if encoder is not None else mlp(x_shape, widths, (q.width(size),))
    bottom = (pz.bottom_size(size),)
    decoder = decoder if decoder is not None else mlp(bottom, widths[::-1], (p.channels(x_shape), *x_shape[1:]))
    return VAE(encoder, decoder, x_shape, latent_size, pz, q, p, objective)


@entry(
    "vae-conv",
    reference="Kingma & Welling 2014, arXiv:1312.6114; strided convolutions: Radford et al. 2016, arXiv:1511.06434; grids of "
    "latents: Rombach et al. 2022, arXiv:2112.10752",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_conv(
    x_shape: Sequence[int],
    latent_size: int | Sequence[int] = 20,
    width: int = 32,
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The convolutional VAE, for images of any size, whose latents may be a vector or a grid.

    With latent_size=(c, h, w) z is c channels of h × w places, and no layer is dense, as in the autoencoder of latent
    diffusion: what z says of a place comes from around it. Its sides are those of x, halved once or more often.

    Args:
        x_shape: (C, H, W), at least 4 pixels on the longer side.
        latent_size: size of z, or its shape, (c, h, w).
        width: channels of the first layer.
        prior: p(z).
        posterior: q(z|x).
        likelihood: p(x|z).
        objective: the default objective of ``fit``: ELBO().

    Raises:
        ValueError: a grid of other sides, or a posterior or a prior whose numbers do not lie on it.
    """
    q: Posterior = make("posterior", posterior)
    p: Likelihood = make("likelihood", likelihood)
    pz: Prior = make("prior", prior)
    shape = shape_of(latent_size)
    size = shape.numel()
    features, bottom = q.width(size), pz.bottom_size(size)
    grid = None if len(shape) == 1 else shape[1:]
    if grid is not None:
        _refuse_off_grid(shape, {"posterior": (q, features, features % size), "prior": (pz, bottom, bottom - size)})
    encoder = ConvEncoder(x_shape, features, width, grid)
    decoder = ConvDecoder(bottom, x_shape, p.channels(torch.Size(x_shape)), width, grid)
    return VAE(encoder, decoder, x_shape, latent_size, pz, q, p, objective)


def _refuse_off_grid(shape: torch.Size, told: Mapping[str, tuple[Posterior | Prior, int, int]]) -> None:
    if len(shape) != 3:
        raise ValueError(
            f"latents of convolutions are a vector, or a grid (c, h, w); got latent_size={tuple(shape)}; use "
            f"latent_size={shape.numel()}, or 'vae', whose layers are dense."
        )
    for axis, (choice, numbers, over) in told.items():
        if over:
            raise ValueError(
                f"the {axis} {type(choice).__name__} has {numbers} numbers for the network, and convolutions deal in whole "
                f"grids of latent_size={tuple(shape)}, {shape.numel()} numbers each; use latent_size={shape.numel()}, or "
                f"{axis}={USUAL[axis]!r}."
            )


@entry(
    "beta-vae",
    reference="Higgins et al. 2017, β-VAE: learning basic visual concepts with a constrained variational framework",
    settles=("beta",),
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def beta_vae(
    x_shape: Sequence[int],
    beta: float = 4.0,
    latent_size: int | Sequence[int] = 20,
    hidden: Sequence[int] = (400,),
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE trained with a weight on the KL.

    Args:
        x_shape: shape of one datum, channels first.
        beta: weight of the KL.
        latent_size: size of z, or its shape.
        hidden: widths of the hidden layers.
        prior: p(z).
        posterior: q(z|x).
        likelihood: p(x|z).
        objective: instead of ELBO(beta).
    """
    goal = ELBO(beta=beta) if objective is None else objective
    return vae(x_shape, latent_size, hidden, prior, posterior, likelihood, objective=goal)


@entry(
    "vae-2d",
    reference="Kingma & Welling 2014, arXiv:1312.6114, figure 4",
    data="mnist",
    recipe={"epochs": 20, "lr": 1e-3, "batch_size": 128},
)
def vae_2d(
    x_shape: Sequence[int],
    hidden: Sequence[int] = (400,),
    prior: Prior | str = "StandardNormal",
    posterior: Posterior | str = "DiagonalNormal",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> VAE:
    """The VAE with two latents, whose plane can be looked at.

    Args:
        x_shape: shape of one datum, channels first.
        hidden: widths of the hidden layers.
        prior: p(z).
        posterior: q(z|x).
        likelihood: p(x|z).
        objective: the default objective of ``fit``: ELBO().
    """
    return vae(x_shape, 2, hidden, prior, posterior, likelihood, objective=objective)
