"""What a step on sentences costs by fit and by hand, and how long it takes to draw a thousand of them."""

from __future__ import annotations

import time

import hand_sentences as hand
import torch
from measure import Section, verdict
from training import EAGER, LR, RECORDED, Work, by_function, section

import pyrogen
from pyrogen.data import load
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.inference.training.batches import Batches

WIDTH, BATCH = 64, 64
DRAWN, PATIENCE = 1000, 10.0  # sentences, and seconds


def measure(threads: list[int], quick: bool) -> Section:
    """Language models of an LSTM and of a Transformer."""
    works = [_work(name, quick) for name in hand.NETS]
    torch.set_num_threads(threads[0])
    model = works[0].model()
    batches = Batches(works[0].data.train, BATCH, 1, model)
    notes = (
        f"Batches of fit: {batches.said}. Those by hand are cut to their longest sentence, of data that are shuffled as they "
        "are, as one would write it. Both LSTMs are torch's fused one; both Transformers are of the same operations.",
        *(_drawing(work) for work in works),
    )
    return section("sentences", works, threads, notes)


def _work(name: str, quick: bool) -> Work:
    data = load("grammar")
    words = len(data.vocabulary or ())
    x = data.train.x[:, 0].long()
    return Work(
        f"lstm-lm, {name} of {WIDTH}",
        data,
        BATCH,
        lambda: pyrogen.create("lstm-lm", x_shape=data.x_shape, vocabulary=data.vocabulary, net=name),
        lambda epochs: lambda: by_function(hand.train, hand.NETS[name](words, WIDTH, x.shape[1]), x, epochs, BATCH, LR),
        {RECORDED: 1.05},
        3 if quick else 5,
        2 if quick else 5,
        modes=(RECORDED,) if quick else (EAGER, RECORDED),
        before=-(-len(data.train) // BATCH),  # an epoch has batches of all lengths, each of which is recorded
    )


def _drawing(work: Work) -> str:
    model = work.model()
    with evaluating(model), seeded(0):
        started = time.perf_counter()
        model.sample(DRAWN)
        took = time.perf_counter() - started
    said = f"{DRAWN} sentences of up to {work.data.x_shape[-1]} words are drawn in {took:.1f} s"
    return f"{work.name}: {said}, {verdict(took, PATIENCE, ' s')}."
