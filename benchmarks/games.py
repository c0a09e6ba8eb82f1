"""What a round of a game costs by fit and by hand: a critic's steps and a generator's."""

from __future__ import annotations

import functools
from collections.abc import Callable

import hand
import hand_synthesis
import torch
from measure import Section
from subjects import SHAPE, digits
from torch import Tensor
from training import COMPILED, EAGER, LR, RECORDED, Work, by_function, section, where

import pyrogen
from pyrogen.data import Data, load
from pyrogen.inference import Adversarial

HAND_COMPILED = "by hand, torch.compile"
WIDTH = 32
PICTURES = 3  # the last of these works, whose profiles are told
PLAIN = (EAGER, RECORDED)  # of these: convolutions take their time, and compiling minutes
SPRITE_WIDTH, STYLED_WIDTH = 16, 8


def measure(threads: list[int], quick: bool) -> Section:
    """Games of two players."""
    notes = (
        "A step here is a round: the critic's moves, of which the WGAN-GP has five, and the generator's. In the DCGAN both "
        "players have one fake, as in its authors' code: Adversarial(reuse=True); in the others each move makes its own.",
        f"DCGAN: {WIDTH} and {2 * WIDTH} channels. torch.compile of the hand-written one is of its two networks, before the "
        "clock starts; it cannot compile the WGAN-GP, whose penalty is differentiated twice.",
    )
    works = [make(quick) for make in WORKS]
    torch.set_num_threads(threads[0])
    return section("games", works, threads, (*notes, *map(where, works[-PICTURES:])))


def gan(quick: bool) -> Work:
    data = load("ring")
    return Work(
        "GAN on the ring",
        data,
        256,
        lambda: pyrogen.create("gan-nonsaturating"),
        lambda epochs: lambda: by_function(hand.train_gan, hand.HandGAN(), data.train.x, epochs, 256, LR),
        {RECORDED: 1.10},
        2 if quick else 3,
        3 if quick else 5,
    )


def wgan_gp(quick: bool) -> Work:
    data = load("ring")
    return Work(
        "WGAN-GP on the ring",
        data,
        256,
        lambda: pyrogen.create("wgan-gp"),
        lambda epochs: lambda: by_function(hand.train_wgan_gp, hand.HandGAN(), data.train.x, epochs, 256, LR),
        {RECORDED: 1.05, COMPILED: 0.95},
        1 if quick else 2,
        2 if quick else 5,
        moves=5,
    )


def dcgan(quick: bool) -> Work:
    data = digits(640 if quick else 960, kind="unit")
    epochs = 3
    net = {"name": "Convolutional", "width": WIDTH}
    by_hand = functools.partial(_train_dcgan, data.train.x)
    compiled = functools.cache(lambda: _compiled(data.train.x))
    return Work(
        f"DCGAN, {SHAPE[1]} × {SHAPE[2]}",
        data,
        64,
        lambda: pyrogen.create("dcgan", x_shape=SHAPE, generator=net, critic=net, objective=Adversarial(reuse=True)),
        lambda epochs: lambda: by_function(by_hand, hand.HandDCGAN(WIDTH), epochs),
        {RECORDED: 1.05, COMPILED: 0.95},
        epochs,
        3 if quick else 5,
        {} if quick else {HAND_COMPILED: lambda: by_function(by_hand, compiled(), epochs)},
    )


def cyclegan(quick: bool) -> Work:
    n, width = 320 if quick else 640, 16
    data = load(f"domains(size=32, n={n})", dequantization=False)
    nets = {
        "generator": {"name": "ResidualTranslator", "width": width, "blocks": 1},
        "critic": {"name": "Convolutional", "width": width, "normalization": "none"},
    }
    x, y = data.train.x, data.train.y
    assert y is not None
    return Work(
        "CycleGAN, 32 × 32",
        data,
        16,
        lambda: pyrogen.create("cyclegan", x_shape=data.x_shape, history=0, **nets),
        lambda epochs: lambda: by_function(hand.train_cycle, hand.HandCycle(width), x, y, epochs, 16, LR),
        {RECORDED: 1.05},
        3,
        2 if quick else 5,
        modes=PLAIN,
    )


def sagan(quick: bool) -> Work:
    data = sprites(640 if quick else 960)
    epochs = 3
    nets = [{"name": "Convolutional", "width": SPRITE_WIDTH, "attention": True} for _ in "ab"]
    nets[0]["spectral"], nets[1]["normalization"] = True, "spectral"
    by_hand, made = hand_synthesis.train_sagan, functools.partial(hand_synthesis.HandSAGAN, SPRITE_WIDTH)
    return Work(
        "SAGAN, 32 × 32",
        data,
        64,
        lambda: pyrogen.create("sagan", generator=nets[0], critic=nets[1]),
        lambda epochs: lambda: by_function(by_hand, made(), data.train.x, epochs, 64),
        {RECORDED: 1.05},
        epochs,
        3 if quick else 5,
        modes=PLAIN,
    )


def stylegan(quick: bool) -> Work:
    data = sprites(640)
    epochs = 2
    critic = {"name": "Convolutional", "width": SPRITE_WIDTH, "normalization": "none", "minibatch": "deviation"}
    styled = {"name": "Styled", "width": STYLED_WIDTH}
    by_hand = hand_synthesis.train_stylegan
    made = functools.partial(hand_synthesis.HandStyleGAN, STYLED_WIDTH, SPRITE_WIDTH)
    return Work(
        "StyleGAN, 32 × 32",
        data,
        32,
        lambda: pyrogen.create("stylegan", generator=styled, critic=critic),
        lambda epochs: lambda: by_function(by_hand, made(), data.train.x, epochs, 32),
        {RECORDED: 1.05},
        epochs,
        3 if quick else 5,
        modes=PLAIN,
    )


WORKS: tuple[Callable[[bool], Work], ...] = (gan, wgan_gp, dcgan, sagan, stylegan, cyclegan)


def sprites(n: int) -> Data:
    return load(f"sprites(n={n})", kind="unit", dequantization=False)


def _train_dcgan(data: Tensor, net: hand.HandDCGAN, epochs: int) -> None:
    hand.train_gan(net, data, epochs, 64, LR, reuse=True)


def _compiled(data: Tensor) -> hand.HandDCGAN:
    net = hand.HandDCGAN(WIDTH)
    for part in (net.generator, net.critic):
        part.compile(dynamic=False)
    _train_dcgan(data[:192], net, 1)
    return net
