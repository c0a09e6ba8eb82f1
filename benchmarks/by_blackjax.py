"""NUTS of blackjax on the posteriors of a VAE with one hidden layer: chains of all data side by side, compiled by JAX."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
from jax import nn, random
from measure import clock_for

Layers = list[tuple[np.ndarray, np.ndarray]]  # weights (in, out) and biases


def posteriors(
    threads: int, decoder: Layers, x: np.ndarray, chains: int, warm_up: int, draws: int
) -> tuple[float, float, np.ndarray]:
    """Seconds of compiling, seconds of all draws, and the draws, ``(chain, draw, datum, latent)``.

    In a process of its own that may run on so many cores: XLA heeds no other word on threads.
    """
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawned, initializer=_confine, initargs=(threads,)) as process:
        return process.submit(_sample, threads, decoder, x, chains, warm_up, draws).result()


def _confine(threads: int) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _sample(
    threads: int, decoder: Layers, x: np.ndarray, chains: int, warm_up: int, draws: int
) -> tuple[float, float, np.ndarray]:
    def log_joint(z: jax.Array, datum: jax.Array) -> jax.Array:
        (w, b), (v, c) = decoder
        logits = nn.relu(z @ w + b) @ v + c
        return (datum * logits - nn.softplus(logits)).sum() - (z**2).sum() / 2

    def chain(key: jax.Array, datum: jax.Array) -> jax.Array:
        start, adapting, sampling = random.split(key, 3)
        goal = lambda z: log_joint(z, datum)  # noqa: E731
        adaptation = blackjax.window_adaptation(blackjax.nuts, goal)
        (state, found), _ = adaptation.run(adapting, random.normal(start, (len(decoder[0][0]),)), warm_up)
        step = blackjax.nuts(goal, **found).step

        def move(state: blackjax.mcmc.hmc.HMCState, key: jax.Array) -> tuple[blackjax.mcmc.hmc.HMCState, jax.Array]:
            state, _ = step(key, state)
            return state, state.position

        return jax.lax.scan(move, state, random.split(sampling, draws))[1]

    keys = random.split(random.PRNGKey(0), (chains, len(x)))
    clock = clock_for(threads)
    started = clock()
    everywhere = jax.jit(jax.vmap(jax.vmap(chain), (0, None))).lower(keys, jnp.asarray(x)).compile()
    compiled = clock()
    found = np.asarray(everywhere(keys, jnp.asarray(x)))
    return compiled - started, clock() - compiled, found.swapaxes(1, 2)
