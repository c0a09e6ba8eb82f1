"""State space models: sequences of numbers of which each step is seen of a state that moves on by itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pyrogen.axes import Distribution, Likelihood, Posterior
from pyrogen.base import Objective
from pyrogen.capabilities import HasStates
from pyrogen.distributions.markov import MarkovChain, states_of
from pyrogen.inference.objectives.elbo import ELBO
from pyrogen.likelihoods.stepwise import Stepwise
from pyrogen.models.vae.vae import VAE
from pyrogen.nets.mlp import mlp
from pyrogen.nets.sequences import SequenceNet
from pyrogen.nets.states import Looks, StepDecoder, StepEncoder
from pyrogen.priors.markov import Markov, Transition
from pyrogen.registry import entry, make


class StateSpaceVAE(VAE, HasStates):
    """A VAE whose latents are a state for each step, p(x, z) = p(z₁) Π_t p(z_t | z_{t−1}) Π_t p(x_t | z_t).

    The states are one site, a vector of them side by side, whose prior is one distribution, a
    :class:`~pyrogen.distributions.markov.MarkovChain` with a density and reparameterized draws: whatever judges a VAE judges
    this one too. What looks at one step after the other asks :class:`~pyrogen.capabilities.HasStates`.

    Args:
        encoder: ``(N, C, T)`` to ``(N, posterior.width(T states))`` in any shape.
        emitter: ``(N, states)`` to ``(N, channels)``, the parameters that the likelihood of a step reads.
        x_shape: (C, T).
        states: numbers of a state.
        prior: the chain.
        posterior: an object or a name.
        likelihood: of a step.
        objective: what :func:`pyrogen.inference.fit` optimizes unless told otherwise.

    Raises:
        ValueError: the data are no sequences, choices that do not fit together, or networks of the wrong size.
    """

    prior: Markov
    likelihood: Stepwise

    def __init__(
        self,
        encoder: nn.Module,
        emitter: nn.Module,
        x_shape: Sequence[int],
        states: int,
        prior: Markov,
        posterior: Posterior | str,
        likelihood: Stepwise,
        objective: Objective | str | None = None,
    ) -> None:
        shape = torch.Size(x_shape)
        decoder = StepDecoder(emitter, states, likelihood.channels(shape), shape[1])
        super().__init__(encoder, decoder, shape, states * shape[1], prior, posterior, likelihood, objective)

    def chain(self) -> MarkovChain:
        """The prior."""
        return self.prior()

    def emission(self, states: Tensor) -> Distribution:
        """p(x_t | z_t)."""
        decoder = self.decoder.net
        assert isinstance(decoder, StepDecoder)
        return self.likelihood.step(decoder.step(states))

    def guided(self, x: Tensor) -> MarkovChain:
        """q(z|x).

        Raises:
            ValueError: the posterior is no chain of states.
        """
        q = self.infer(x)
        if not isinstance(q, MarkovChain):
            name = type(self.posterior).__name__
            raise ValueError(
                f"the posterior {name} does not say how a state follows from the one before; use posterior='Smoother', "
                "or proposal='prior'."
            )
        return q


@entry(
    "vae-sequential",
    reference="Krishnan, Shalit & Sontag 2017, Structured inference networks for state space models, arXiv:1609.09869",
    fixes={"prior": "Markov", "likelihood": "Stepwise"},
    data="pendulum",
    recipe={"epochs": 40, "lr": 3e-3, "batch_size": 64},
)
def vae_sequential(
    x_shape: Sequence[int],
    latent_size: int = 4,
    transition: Transition | str = "Gated",
    emission: Likelihood | str = "Normal",
    hidden: Sequence[int] = (32,),
    net: SequenceNet | str = "LSTM",
    looks: Looks = "ahead",
    posterior: Posterior | str = "Smoother",
    objective: Objective | str | None = None,
) -> StateSpaceVAE:
    """The state space VAE, or deep Markov model: states that move on by themselves, of which each step is seen.

    With the posterior Smoother and an encoder that looks ahead, q(z_t | z_{t−1}, x_t, …, x_T) has the form of the true
    one; DiagonalNormal ties no states.

    Args:
        x_shape: (channels, T).
        latent_size: numbers of the state at each step.
        transition: p(z_t | z_{t−1}), "Linear" or "Gated".
        emission: p(x_t | z_t), any likelihood of the numbers at a step.
        hidden: widths of the hidden layers between a state and its step. Empty: a linear map.
        net: what the encoder reads the sequence by.
        looks: what its features of a step see: "ahead", the step and all after it; "back", those up to it; or "both".
        posterior: q(z|x).
        objective: the default objective of ``fit``: ELBO().
    """
    shape = torch.Size(x_shape)
    if latent_size < 1:
        raise ValueError(f"latent_size={latent_size}: a state has 1 number or more.")
    length, _ = states_of("'vae-sequential'", shape, latent_size * (shape[1] if len(shape) > 1 else 1))
    likelihood: Stepwise = make("likelihood", {"name": "Stepwise", "of": emission})
    q: Posterior = make("posterior", posterior)
    prior: Markov = make("prior", {"name": "Markov", "transition": transition})
    made: SequenceNet = make("sequence", net)
    encoder = StepEncoder(shape, made, _features(q, latent_size, length), latent_size, looks)
    emitter = mlp((latent_size,), hidden, (likelihood.channels(shape),))
    return StateSpaceVAE(encoder, emitter, shape, latent_size, prior, q, likelihood, objective or ELBO())


def _features(posterior: Posterior, states: int, length: int) -> int:
    """How many features a step needs for each number of its state.

    Raises:
        ValueError: the posterior's are not so many for each.
    """
    size = states * length
    each, rest = divmod(posterior.width(size), size)
    if rest:
        raise ValueError(
            f"the posterior {type(posterior).__name__} needs {posterior.width(size)} features of {size} latents, which an "
            f"encoder of steps cannot share out among their {length}; use posterior='Smoother', 'Ladder' or "
            "'DiagonalNormal'."
        )
    return each
