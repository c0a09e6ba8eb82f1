"""MNIST and Fashion-MNIST as torchvision reads them: unpacked, packed, on a read-only disk, or not there yet."""

from __future__ import annotations

import os
import shutil
import tempfile
from http.client import HTTPException
from pathlib import Path

from torchvision.datasets import MNIST, FashionMNIST
from torchvision.datasets.utils import check_integrity

from pyrogen.data.source import Source
from pyrogen.data.store import cache, roots
from pyrogen.kinds import IMAGE_KINDS
from pyrogen.registry import choice


@choice("data", "mnist")
def mnist() -> Source:
    """MNIST: 70,000 handwritten digits of 28 × 28 pixels with 256 grey levels."""
    return _source("mnist", MNIST, "LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning")


@choice("data", "fashion-mnist")
def fashion_mnist() -> Source:
    """Fashion-MNIST: 70,000 articles of clothing of 28 × 28 pixels with 256 grey levels."""
    return _source("fashion-mnist", FashionMNIST, "Xiao, Rasul and Vollgraf 2017, Fashion-MNIST")


def _source(name: str, dataset: type[MNIST], reference: str) -> Source:
    root = _root(dataset)
    try:
        train, test = dataset(root, train=True), dataset(root, train=False)
        shapes = [tuple(d.data.shape) for d in (train, test)] + [len(d.targets) for d in (train, test)]
        if shapes != [(60_000, 28, 28), (10_000, 28, 28), 60_000, 10_000]:
            raise ValueError(f"they hold {shapes}")
    except (OSError, RuntimeError, ValueError, KeyError, IndexError, AssertionError) as error:
        raise ValueError(
            f"the idx files in {_raw(dataset, root)} are damaged ({error}): expected 60,000 and 10,000 images of "
            "28 × 28 and their labels; delete the files, and they are unpacked or downloaded again."
        ) from error
    x, y = train.data.unsqueeze(1), train.targets
    splits = {
        "train": (x[:50_000], y[:50_000]),
        "valid": (x[50_000:], y[50_000:]),
        "test": (test.data.unsqueeze(1), test.targets),
    }
    return Source(name=name, reference=reference, kinds=IMAGE_KINDS, levels=256, splits=splits)


def _root(dataset: type[MNIST]) -> Path:
    """A folder in which torchvision finds the unpacked files, which are unpacked into the cache if need be."""
    given = roots()[0]
    for root in roots():
        if all((_raw(dataset, root) / _unpacked(file)).is_file() for file, _ in dataset.resources):
            return root
    _unpack(dataset, given)
    return cache()


def _unpack(dataset: type[MNIST], given: Path) -> None:
    """Put the unpacked files into the cache, from the packed ones under ``given`` or else from the network."""
    try:
        for file, md5 in dataset.resources:
            packed = _raw(dataset, given) / file
            if packed.exists() and not check_integrity(packed, md5):
                raise ValueError(
                    f"{packed} is damaged: expected the MD5 sum {md5}; replace the file, or remove it to download."
                )
        target = _raw(dataset, cache())
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache()) as folder:
            raw = _raw(dataset, Path(folder))
            raw.mkdir(parents=True)
            for file, _ in dataset.resources:
                if (_raw(dataset, given) / file).exists():
                    shutil.copyfile(_raw(dataset, given) / file, raw / file)
            dataset(folder, download=True)
            # each file appears whole, so processes that unpack at the same time cannot harm one another
            for file, _ in dataset.resources:
                os.replace(raw / _unpacked(file), target / _unpacked(file))
    except (OSError, RuntimeError, HTTPException) as error:
        missing = [f for f, _ in dataset.resources if not (_raw(dataset, given) / f).exists()]
        raise ValueError(
            f"cannot get {dataset.__name__} ({' '.join(str(error).split())}): expected "
            f"{', '.join(missing or [f for f, _ in dataset.resources])} in {_raw(dataset, given)}, and room to unpack "
            f"in {cache()}; put the files there, or set PYROGEN_DATA to a folder that holds {dataset.__name__}/raw."
        ) from error


def _raw(dataset: type[MNIST], root: Path) -> Path:
    return root / dataset.__name__ / "raw"


def _unpacked(file: str) -> str:
    return file.removesuffix(".gz")
