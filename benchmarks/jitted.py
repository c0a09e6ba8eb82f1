"""The VAE 784-400-20 in NumPyro: one jitted step a batch, or an epoch in one scan; by as many threads as cores."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import lax, nn, random
from numpyro.infer import SVI, Trace_ELBO

SIZES = ((784, 400, 40), (20, 400, 784))
Weights = list[tuple[jax.Array, jax.Array]]


def weights(key: jax.Array, sizes: tuple[int, ...]) -> Weights:
    """Of linear layers, by torch's defaults."""
    made = []
    for a, b in pairwise(sizes):
        key, one = random.split(key)
        bound = a**-0.5
        made.append((random.uniform(one, (a, b), minval=-bound, maxval=bound), jnp.zeros(b)))
    return made


def network(layers: Weights, x: jax.Array) -> jax.Array:
    (w, b), (v, c) = layers
    return nn.relu(x @ w + b) @ v + c


def model(x: jax.Array) -> None:
    decoder = numpyro.param("decoder", weights(random.PRNGKey(0), SIZES[1]))
    with numpyro.plate("datum", len(x)):
        z = numpyro.sample("z", dist.Normal(jnp.zeros((len(x), 20)), 1.0).to_event(1))
        numpyro.sample("x", dist.Bernoulli(logits=network(decoder, z)).to_event(1), obs=x)


def guide(x: jax.Array) -> None:
    encoder = numpyro.param("encoder", weights(random.PRNGKey(1), SIZES[0]))
    mean, log_variance = jnp.split(network(encoder, x), 2, -1)
    with numpyro.plate("datum", len(x)):
        numpyro.sample("z", dist.Normal(mean, jnp.exp(log_variance / 2)).to_event(1))


def trainer(raw: np.ndarray, epochs: int, batch_size: int, lr: float, *, scan: bool) -> Callable[[], object]:
    """Epochs over grey values of 0 to 255, binarized anew in every batch; compiled before it is returned."""
    svi = SVI(model, guide, numpyro.optim.Adam(lr), Trace_ELBO())
    pixels = jnp.asarray(raw)
    batches = len(pixels) // batch_size

    def move(state: tuple[object, jax.Array], index: jax.Array) -> tuple[tuple[object, jax.Array], jax.Array]:
        svi_state, key = state
        key, draw = random.split(key)
        x = random.bernoulli(draw, pixels[index] / 255).astype(jnp.float32)
        svi_state, loss = svi.update(svi_state, x)
        return (svi_state, key), loss / batch_size

    step, epoch = jax.jit(move), jax.jit(lambda state, order: lax.scan(move, state, order))
    start = (svi.init(random.PRNGKey(2), jnp.zeros((batch_size, 784))), random.PRNGKey(3))

    def go(epochs: int = epochs) -> float:
        state, generator = start, np.random.default_rng(0)
        for _ in range(epochs):
            order = jnp.asarray(generator.permutation(len(pixels))[: batches * batch_size].reshape(batches, -1))
            if scan:
                state, losses = epoch(state, order)
                loss = losses.mean()
            else:
                for index in order:
                    state, loss = step(state, index)
        return float(loss)

    go(1)
    return go
