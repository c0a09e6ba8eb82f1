"""An RBM's epoch of persistent CD beside scikit-learn's and one by hand, and its annealed log Z beside a bare Gibbs loop."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import hand
import torch
import training
from measure import Prepare, Section, Spread, interleave, ratios, verdict
from sklearn.neural_network import BernoulliRBM
from subjects import SHAPE, digits
from torch import Tensor

import pyrogen
from pyrogen.inference import AIS, PersistentContrastiveDivergence
from pyrogen.inference.evidence.annealing import pilot_rungs
from pyrogen.optim import SGD

BATCH, HIDDEN, CHAINS, RATE = 100, 500, 100, 0.05
PLAIN = f"{training.RECORDED}, plain steps"
SKLEARN, PRODUCTS = "scikit-learn's BernoulliRBM", "its products of matrices alone"
BARE, AGAIN, ANNEALED = "Gibbs by hand", "Gibbs by hand again (A/A)", "AIS"
FASTER, HAND_BAR, GIBBS_BAR = 1.15, 1.05, 1.2


def by_sklearn(x: Tensor, epochs: int) -> Callable[[], object]:
    """The same number of persistent chains and updates, in float32."""
    rows = x.numpy()
    machine = BernoulliRBM(HIDDEN, learning_rate=RATE, batch_size=BATCH, n_iter=epochs, random_state=0)

    def go() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            machine.fit(rows)

    return go


def products(x: Tensor, epochs: int) -> Callable[[], object]:
    """The six products of a step: hidden units of chains, their bits, hidden units of data and chains anew, two gradients."""
    weight, rows = torch.randn(HIDDEN, x.shape[1]), x[:CHAINS]

    def go() -> None:
        with torch.no_grad():
            for _ in range(epochs):
                for batch in x.split(BATCH):
                    (rows @ weight.T) @ weight
                    h, g = batch @ weight.T, rows @ weight.T
                    h.T @ batch, g.T @ rows

    return go


def persistent(quick: bool) -> training.Work:
    """Epochs of PCD over the same rows."""

    def plain() -> Callable[[], object]:
        objective = PersistentContrastiveDivergence(chains=CHAINS, optimizer=SGD(RATE))
        model = lambda: pyrogen.create("rbm", x_shape=SHAPE, hidden=HIDDEN, objective=objective)  # noqa: E731
        return training.by_fit(replace(work, model=model, lr=RATE), training.RECORDED)

    data, epochs = digits(5000 if quick else 50_000, binarization="static"), 1
    bits = data.train.x.flatten(1)
    work = training.Work(
        f"RBM 784-{HIDDEN}, PCD",
        data,
        BATCH,
        lambda: pyrogen.create("rbm-persistent", x_shape=SHAPE, hidden=HIDDEN),
        lambda epochs: (
            lambda: training.by_function(
                hand.train_rbm_persistent, hand.HandRBM(), bits, epochs, BATCH, training.LR, CHAINS
            )
        ),
        {training.RECORDED: HAND_BAR},
        epochs,
        3,
        {PLAIN: plain, SKLEARN: lambda: by_sklearn(bits, epochs), PRODUCTS: lambda: products(bits, epochs)},
        (training.RECORDED,),
    )
    return work


def learning(quick: bool, threads: int) -> list[tuple[str, ...]]:
    """ms a step of each, and what it is of the one by hand."""
    work = persistent(quick)
    seconds = interleave(work.contestants(), work.rounds, clock=training.CLOCK)
    found = []
    for name, values in seconds.items():
        ratio = ratios(values, seconds[training.HAND])
        judged = verdict(ratio.median, HAND_BAR) if name == training.RECORDED else ""
        if name == SKLEARN:
            plain, adam = (ratios(values, seconds[name]).median for name in (PLAIN, training.RECORDED))
            judged = (
                f"fit ≥ {FASTER:g} × as fast: {'met' if plain >= FASTER else 'MISSED'} ({plain:.2f}; Adam {adam:.2f})"
            )
        each = Spread.of(1e3 * v / work.steps for v in values)
        found.append((work.name, str(threads), name, each.text(), ratio.text(), judged))
    return found


def annealing(quick: bool, threads: int) -> list[tuple[str, ...]]:
    """µs a chain and temperature; the pilot's transitions count, and are in the loop by hand too."""
    temperatures, rounds = (100, 3) if quick else (1000, 5)
    model = pyrogen.create("rbm", x_shape=SHAPE, hidden=HIDDEN)
    net = hand.HandRBM()
    with torch.no_grad():
        net.weight.copy_(model.weight)
    steps = temperatures + pilot_rungs(temperatures)
    start = model.base_states(CHAINS).flatten(1)
    judge = AIS(temperatures, CHAINS, doubling=False)
    bare: Prepare = lambda: lambda: hand.gibbs(net, start, steps)  # noqa: E731
    contestants: dict[str, Prepare] = {
        BARE: bare,
        AGAIN: bare,
        ANNEALED: lambda: lambda: judge.log_partition(model),
    }
    seconds = interleave(contestants, rounds, clock=training.CLOCK)
    found = []
    for name, values in seconds.items():
        ratio = ratios(values, seconds[BARE])
        judged = verdict(ratio.median, GIBBS_BAR) if name == ANNEALED else ""
        each = Spread.of(1e6 * v / steps / CHAINS for v in values)
        found.append((f"log Z, {CHAINS} chains", str(threads), name, f"{each.text()} µs", ratio.text(), judged))
    return found


def measure(threads: list[int], quick: bool) -> Section:
    """Both tables in one."""
    table = []
    for n in threads:
        torch.set_num_threads(n)
        torch.manual_seed(0)
        table += learning(quick, n) + annealing(quick, n)
    notes = (
        f"PCD: an epoch of MNIST, binarized once for all; batch {BATCH}, {CHAINS} chains, Adam {training.LR:g} by fit and by "
        f"hand, plain steps of {RATE:g} by fit and by scikit-learn, which does not shuffle, and computes no energies where "
        "it is not asked to talk. Six products of matrices are what fit needs; scikit-learn saves one, since its chains draw "
        "hidden units by the weights of the step before, and mix worse by it (1.1 ± .4 nats of an RBM of 14 hidden units).",
        f"AIS of 784-{HIDDEN} with float32 chains and float64 weights; by hand the same number of block Gibbs transitions.",
    )
    columns = ("what", "threads", "", "ms a step, µs a chain and temperature", "ratio to hand", "bar")
    return Section(f"rbm, {training.counted(threads)}", notes, columns, tuple(table))
