"""Autoencoders of layers that are trained one after the other, on noise or contracting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from pyrogen.axes import Likelihood
from pyrogen.base import Batch, Objective, Player, Stage
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.inference.objectives.penalized import Contractive
from pyrogen.models.autoencoders.shallow import need_single, one_player
from pyrogen.models.vae.vae import VAE
from pyrogen.nets import Noisy, Transposed
from pyrogen.nets.noisy import Corruption
from pyrogen.registry import entry, make

SQUARES = {"name": "Normal", "scale": "fixed"}


Layers = Sequence[tuple[nn.Module, nn.Module]]
"""Of each layer, from the data upwards, what encodes and what decodes."""


class StackedAutoencoder(VAE):
    """An autoencoder whose layers are trained one after the other, each on the codes of those below; then as one.

    Stage l = 1 … L moves the layer f_l and its mirror image alone, by the objective, as an autoencoder of the codes below,
    h_{l−1} = f_{l−1}(… f₁(x)): max E[log p(h_{l−1} | f_l(h_{l−1} + ε))], where h₀ = x, read as the likelihood rescales it,
    has the model's own likelihood and other h are normal with variance 1. The last stage is that of all layers, with noise
    on x alone.

    Args:
        layers: networks up and down, of each layer.
        widths: of x, and of what each layer makes of it.
        x_shape: shape of one datum, channels first.
        likelihood: p(x|z).
        objective: of every stage.
        noise: on what each layer reads while it trains, see :class:`pyrogen.nets.Noisy`.
        corruption: its kind.
    """

    def __init__(
        self,
        layers: Layers,
        widths: Sequence[int],
        x_shape: torch.Size,
        likelihood: Likelihood,
        objective: Objective | str | None = None,
        noise: float = 0.0,
        corruption: Corruption = "normal",
    ) -> None:
        encoder = Noisy(nn.Sequential(*(up for up, _ in layers)), noise, corruption)
        decoder = nn.Sequential(*(down for _, down in reversed(layers)))
        super().__init__(encoder, decoder, x_shape, widths[-1], "Flat", "PointMass", likelihood, objective)
        self.widths, self.layers = widths, tuple(layers)
        self.noise, self.corruption = noise, corruption

    def stages(self) -> Sequence[Stage]:
        """One for each layer, from the data upwards, and one for all together."""
        layers = [Stage([self._player(number)], f"layer {number + 1}") for number in range(len(self.layers))]
        return [*layers, Stage(self.objective.players(self), "all layers")]

    def _player(self, number: int) -> Player:
        up, down = self.layers[number]
        below = nn.Sequential(*(net for net, _ in self.layers[:number]))
        shape = [self.widths[number]] if number else self.x_shape
        noisy = Noisy(up, self.noise, self.corruption)
        # a pair like any other, though not a child of this one, whose weights it shares
        likelihood: Likelihood = make("likelihood", SQUARES) if number else self.likelihood
        layer = VAE(noisy, down, shape, self.widths[number + 1], "Flat", "PointMass", likelihood).to(self.device)
        if number == 0:
            layer.likelihood = self.likelihood  # itself, not the copy that a model takes
        player = one_player(self.objective, layer)

        def loss(batch: Batch) -> Mapping[str, Tensor]:
            noisy.train(self.training)
            with torch.no_grad():
                h = below(self.likelihood.rescale(batch.x)) if number else batch.x
            return player.loss(replace(batch, x=h))

        return Player(f"layer{number + 1}", loss, [up, down])


@entry(
    "autoencoder-stacked",
    reference="Bengio et al. 2007, Greedy layer-wise training of deep networks; Vincent et al. 2010, Stacked denoising "
    "autoencoders",
    fixes={"prior": "Flat", "posterior": "PointMass"},
    data="digits",
    recipe={"epochs": 120, "lr": 1e-3, "batch_size": 64},
)
def autoencoder_stacked(
    x_shape: Sequence[int],
    latent_size: int = 10,
    hidden: Sequence[int] = (256, 128, 64),
    noise: float = 0.5,
    corruption: Corruption = "normal",
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> StackedAutoencoder:
    """The stacked autoencoder: layers trained greedily, one a stage, each to denoise the codes of those below; then as one.

    max E[log p(h | f_l(h + ε))] over layer l alone, h the codes of the layers below; at last max E[log p(x | f(x + ε))].

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of the code.
        hidden: widths of the layers before.
        noise: on what each layer reads: its standard deviation, or the probability that an element is corrupted.
        corruption: "normal", "mask" (elements become 0) or "salt" (0 or 1).
        likelihood: p(x|z), whose −log is the reconstruction loss.
        objective: of every stage: ELBO().
    """
    x_shape = torch.Size(x_shape)
    p: Likelihood = make("likelihood", likelihood)
    widths = [x_shape.numel(), *hidden, latent_size]
    outputs = [p.channels(x_shape) * x_shape[1:].numel(), *hidden]
    ups = [nn.Sequential(nn.Flatten(), nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(widths)]
    downs = [nn.Sequential(nn.Linear(b, a), nn.ReLU()) for a, b in zip(outputs, widths[1:], strict=True)]
    # codes, and features of the likelihood, are any real numbers
    ups[-1], downs[0] = ups[-1][:-1], downs[0][:-1]
    layers = list(zip(ups, downs, strict=True))
    return StackedAutoencoder(layers, widths, x_shape, p, objective, noise, corruption)


@entry(
    "autoencoder-stacked-contractive",
    reference="Rifai et al. 2011, Contractive auto-encoders: explicit invariance during feature extraction, section 5.2",
    fixes={"prior": "Flat", "posterior": "PointMass"},
    settles=("weight",),
    data="digits",
    recipe={"epochs": 60, "lr": 3e-3, "batch_size": 64},
)
def autoencoder_stacked_contractive(
    x_shape: Sequence[int],
    latent_size: int = 32,
    hidden: Sequence[int] = (64,),
    weight: float = 0.1,
    likelihood: Likelihood | str = "Bernoulli",
    objective: Objective | str | None = None,
) -> StackedAutoencoder:
    """The stacked contractive autoencoder: layers trained greedily, each with a Jacobian factor and tied weights; then all.

    max E[log p(h | f_l(h)) − λ ‖∂f_l(h)/∂h‖²_F] over layer l alone, h the codes of the layers below; at last the same of all
    layers at once. Codes lie in (0, 1), and each layer decodes by its own weights transposed, so that no layer escapes the
    penalty by small codes.

    Args:
        x_shape: shape of one datum, channels first.
        latent_size: size of the code.
        hidden: widths of the layers before.
        weight: λ, in nats.
        likelihood: p(x|z) of one number an element, whose −log is the reconstruction loss.
        objective: of every stage, instead of ELBO() + λ Contractive().
    """
    x_shape = torch.Size(x_shape)
    p: Likelihood = make("likelihood", likelihood)
    need_single(p, x_shape)
    widths = [x_shape.numel(), *hidden, latent_size]
    ups = [nn.Sequential(nn.Flatten(), nn.Linear(a, b), nn.Sigmoid()) for a, b in pairwise(widths)]
    # what upper layers decode are codes too
    downs = [nn.Sequential(Transposed(up), nn.Sigmoid()) if number else Transposed(up) for number, up in enumerate(ups)]
    goal = ELBO() + weight * Contractive() if objective is None else objective
    return StackedAutoencoder(list(zip(ups, downs, strict=True)), widths, x_shape, p, goal)
