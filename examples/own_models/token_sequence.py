"""A VAE of sentences of unlike lengths: a kind of data of its own, a recurrent decoder, and lengths that are scored too.

A sentence is a row of word numbers, −1 after its end. The end is a word like any other, so that Σₓ p(x) over all sentences of
at most T words is 1, which the last line checks by enumeration. After Bowman et al. 2016, arXiv:1511.06349.
"""

import argparse
import itertools
from collections.abc import Sequence
from typing import ClassVar

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor, nn
from torch.distributions import constraints

import pyrogen
from pyrogen.base import HasPosterior, Pair, announce
from pyrogen.inference import ELBO, IWAE, fit, log_evidence, summarize
from pyrogen.kinds import Kind
from pyrogen.registry import choice, entry

END = -1


@choice("kind", "tokens")
class Tokens(Kind):
    """Numbers of words, −1 after the end of the sentence."""

    words = "whole numbers from 0, and −1 after the end"
    support = constraints.integer_interval(END, 2**24)
    countable = True


class Sentence(TorchDistribution):
    """p(x) = Πₜ p(xₜ | x_{<t}) up to and with the end, given logits ``(..., T, words + 1)`` that teacher forcing made."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    support = constraints.integer_interval(END, 2**24)

    def __init__(self, decoder: nn.Module, z: Tensor, length: int) -> None:
        self.decoder, self.z = decoder, z
        super().__init__(z.shape[:-1], torch.Size([length]), validate_args=False)

    def expand(self, batch_shape, _instance=None):
        return Sentence(self.decoder, self.z.expand(*batch_shape, self.z.shape[-1]), *self.event_shape)

    def log_prob(self, x: Tensor) -> Tensor:
        """In nats, ``batch_shape``."""
        shape = torch.broadcast_shapes(x.shape[:-1], self.batch_shape)
        x = x.long().expand(*shape, -1)
        logits = self.decoder(x, self.z.expand(*shape, -1))
        words = torch.where(x == END, logits.shape[-1] - 1, x)
        told = logits.log_softmax(-1).gather(-1, words.unsqueeze(-1)).squeeze(-1)
        # the end is told once; a sentence that fills the row needs no end
        first_end = (x == END).cumsum(-1) == 1
        return (told * ((x != END) | first_end)).sum(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        z = self.z.expand(*sample_shape, *self.z.shape)
        x = torch.full((*z.shape[:-1], *self.event_shape), END, device=z.device)
        going = torch.ones(z.shape[:-1], dtype=torch.bool, device=z.device)
        for t in range(x.shape[-1]):
            logits = self.decoder(x, z)[..., t, :]
            word = dist.Categorical(logits=logits).sample()
            going = going & (word < logits.shape[-1] - 1)
            x[..., t] = torch.where(going, word, END)
        return x.float()


class Reader(nn.Module):
    """Words so far, and z, to logits of the next word or the end: a GRU."""

    def __init__(self, words: int, latent_size: int, width: int) -> None:
        super().__init__()
        self.words = words
        self.embedding = nn.Embedding(words + 2, width)
        self.start = nn.Linear(latent_size, width)
        self.gru, self.out = nn.GRU(width, width, batch_first=True), nn.Linear(width, words + 1)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """``(..., T)`` and ``(..., latent_size)`` to ``(..., T, words + 1)``."""
        flat = torch.where(x == END, self.words, x).reshape(-1, x.shape[-1])
        begun = torch.cat([torch.full_like(flat[:, :1], self.words + 1), flat[:, :-1]], 1)
        state = self.start(z).reshape(1, len(flat), -1).tanh().contiguous()
        found, _ = self.gru(self.embedding(begun), state)
        return self.out(found).reshape(*x.shape, self.words + 1)


class SentenceVAE(Pair, HasPosterior):
    """z ~ N(0, I), x ~ a recurrent network started from z; q(z|x) from the last state of another."""

    kinds = ("tokens",)

    def __init__(self, x_shape: Sequence[int], words: int, latent_size: int, width: int) -> None:
        super().__init__()
        self.x_shape, self.latent_shape = torch.Size(x_shape), torch.Size([latent_size])
        self.objective = ELBO(warmup=500)
        self.decoder = Reader(words, latent_size, width)
        self.embedding = nn.Embedding(words + 1, width, padding_idx=words)
        self.gru, self.posterior = nn.GRU(width, width, batch_first=True), nn.Linear(width, 2 * latent_size)

    def model(self, x: Tensor, y: Tensor | None = None) -> None:
        """p(z) p(x|z)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1):
            z = pyro.sample("z", dist.Normal(x.new_zeros(self.latent_shape), 1.0).to_event(1))
            pyro.sample("x", self.decode(z), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """q(z|x)."""
        announce(self)
        with pyro.plate("datum", x.shape[0], dim=-1):
            pyro.sample("z", self.encode(x))

    def encode(self, x: Tensor, y: Tensor | None = None) -> dist.Distribution:
        """q(z|x)."""
        lengths = (x != END).sum(-1)
        tokens = torch.where(x == END, self.decoder.words, x).long()
        states, _ = self.gru(self.embedding(tokens))
        # the state after the last word
        last = states[torch.arange(len(x)), (lengths - 1).clamp(min=0)]
        mean, log_variance = self.posterior(last).chunk(2, -1)
        return dist.Normal(mean, (log_variance / 2).exp()).to_event(1)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Sentence:
        """p(x|z)."""
        return Sentence(self.decoder, z, *self.x_shape)

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """z from the prior, x from p(x|z)."""
        return self.decode(torch.randn(n, *self.latent_shape, device=self.device)).sample()


@entry("vae-tokens", reference="Bowman et al. 2016, arXiv:1511.06349", data="digits")
def vae_tokens(x_shape: Sequence[int], words: int = 4, latent_size: int = 2, width: int = 32) -> SentenceVAE:
    """A VAE of sequences of words of unlike lengths."""
    return SentenceVAE(x_shape, words, latent_size, width)


def corpus(n: int, longest: int, words: int) -> Tensor:
    """Sentences that repeat one word, of any length from 1."""
    word, length = torch.randint(words, (n, 1)), torch.randint(1, longest + 1, (n, 1))
    return torch.where(torch.arange(longest) < length, word, END)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    torch.manual_seed(0)
    data = pyrogen.data.from_arrays(corpus(2000, 3, 4), kind="tokens", name="one word")
    model = pyrogen.create("vae-tokens", x_shape=data.x_shape)
    fit(model, data, epochs=options.epochs, batch_size=64, lr=3e-3)
    print(summarize(log_evidence(model, data.test.take(100), IWAE(500))))
    # every sentence of at most 3 of 4 words
    all_sentences = [s + (END,) * (3 - n) for n in range(4) for s in itertools.product(range(4), repeat=n)]
    with torch.no_grad():
        z = torch.randn(2)
        total = model.decode(z.expand(len(all_sentences), 2)).log_prob(torch.tensor(all_sentences)).exp().sum()
    print(f"Σ p(x|z) over all {len(all_sentences)} sentences: {total:.6f}")


if __name__ == "__main__":
    main()
