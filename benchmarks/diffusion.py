"""What a step of a diffusion costs by fit and by hand, and how long 64 digits take by DDIM."""

from __future__ import annotations

import hand_diffusion as hand
import torch
import training
from measure import Section, verdict
from training import EAGER, LR, RECORDED, Work, by_function, section

import pyrogen
from pyrogen.data import load
from pyrogen.inference.programs.contexts import evaluating, seeded
from pyrogen.samplers import DDIM

BATCH, STEPS = 256, 50
DRAWN, PATIENCE = 64, 10.0  # digits, and seconds


def measure(threads: list[int], quick: bool) -> Section:
    """``vdm`` on the ring, with its defaults."""
    torch.set_num_threads(threads[0])
    work = _ring(quick)
    notes = (
        f"By hand the same bound over {STEPS} steps with the same net, one step a datum. Stock SVI, which walks all of them, "
        "does not run.",
        _drawing(),
    )
    return section("diffusion", [work], threads, notes)


def _ring(quick: bool) -> Work:
    data = load("ring")
    x = data.train.x
    return Work(
        "vdm, Perceptron of 128",
        data,
        BATCH,
        lambda: pyrogen.create("vdm", x_shape=data.x_shape, steps=STEPS),
        lambda epochs: lambda: by_function(hand.train, hand.Denoiser(x.shape[1]), x, epochs, BATCH, LR, STEPS),
        {RECORDED: 1.05},
        5 if quick else 20,
        2 if quick else 7,
        modes=(RECORDED,) if quick else (EAGER, RECORDED),
        stock=False,
    )


def _drawing() -> str:
    model = pyrogen.create("vdm", x_shape=(1, 28, 28), denoiser="UNet", kind="unit")
    with evaluating(model), seeded(0):
        started = training.CLOCK()
        model.sample(DRAWN, sampler=DDIM(20))
        took = training.CLOCK() - started
    said = f"{DRAWN} pictures of 28 × 28 are drawn by DDIM in 20 steps of a UNet in {took:.1f} s"
    return f"{said}, {verdict(took, PATIENCE, ' s')}."
