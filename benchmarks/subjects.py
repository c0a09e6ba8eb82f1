"""What is measured: the VAE 784-400-20, on MNIST where it is at hand, else on noise of the same shape."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from measure import ROOT
from torch import Tensor

import pyrogen
from pyrogen.data import Data, load

SHAPE = torch.Size([1, 28, 28])
SHARED = ROOT.parent / "shared" / "data" / "torchvision"

Splits = dict[str, tuple[Tensor, Tensor]]


def digits(train: int, test: int = 1000, side: int = 28, kind: str = "binary", binarization: str = "dynamic") -> Data:
    """Images: the first rows of each split, with a black frame up to ``side`` pixels."""
    if SHARED.is_dir():
        os.environ.setdefault("PYROGEN_DATA", str(SHARED))
    name, splits = ("mnist", _mnist()) if "PYROGEN_DATA" in os.environ else ("noise", _noise(train, test))
    arrays = {}
    for split, rows in {"train": train, "valid": 128, "test": test}.items():
        x, y = splits[split]
        x = torch.nn.functional.pad(x[:rows], [(side - x.shape[-1]) // 2] * 4)
        arrays |= {f"x_{split}": x.numpy(), f"y_{split}": y[:rows].numpy()}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.npz"
        np.savez(file, **arrays)
        if kind == "binary":
            return load(file, kind=kind, binarization=binarization)
        return load(file, kind=kind, dequantization=False)


def vae() -> pyrogen.base.Pair:
    return pyrogen.create("vae", x_shape=SHAPE)


def _mnist() -> Splits:
    from pyrogen.data.vision import mnist

    return mnist().splits


def _noise(train: int, test: int) -> Splits:
    def images(n: int) -> tuple[Tensor, Tensor]:
        ink = torch.rand(n, *SHAPE) < 0.19
        return (torch.randint(0, 256, (n, *SHAPE)) * ink).to(torch.uint8), torch.randint(0, 10, (n,))

    return {"train": images(train), "valid": images(128), "test": images(test)}
