"""CIFAR-10 and CelebA as torchvision reads them: unpacked, packed, on a read-only disk, or not there yet."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from PIL import Image
from torchvision.datasets import CIFAR10, CelebA
from torchvision.datasets.utils import check_integrity, extract_archive

from pyrogen.data import images, store
from pyrogen.data.source import PHOTO_KINDS, SPLITS, Source
from pyrogen.registry import choice

CIFAR_SIZES = (45_000, 5_000, 10_000)
PACKED_FACES = "img_align_celeba.zip"
FACES = "img_align_celeba"
CROP, SIZE = 148, 64


@choice("data", "cifar10")
def cifar10() -> Source:
    """CIFAR-10: 60,000 colour photographs of 32 × 32 pixels in ten classes."""
    root = _cifar_root()
    try:
        train, test = CIFAR10(root, train=True), CIFAR10(root, train=False)
    except RuntimeError as error:
        _name_damaged(root / CIFAR10.base_folder, _cifar_files(), error)
    x, y = (np.concatenate(parts) for parts in ((train.data, test.data), (train.targets, test.targets)))
    pixels = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous().split(CIFAR_SIZES)
    labels = torch.from_numpy(y).long().split(CIFAR_SIZES)
    return Source(
        name="cifar10",
        reference="Krizhevsky 2009, Learning multiple layers of features from tiny images",
        kinds=PHOTO_KINDS,
        levels=256,
        splits=dict(zip(SPLITS, zip(pixels, labels, strict=True), strict=True)),
        class_names=tuple(train.classes),
    )


@choice("data", "celeba")
def celeba() -> Source:
    """CelebA: 202,599 faces, the central 148 × 148 pixels reduced to 64 × 64, with 40 attributes each."""
    prepared = store.cache() / f"celeba-{SIZE}.npy"
    labels = prepared.with_suffix(".npz")
    if not (prepared.exists() and labels.exists()):
        with ExitStack() as stack:
            _prepare_faces(_faces_root(stack), prepared, labels)
    x = store.read(prepared)
    with np.load(labels) as file:
        sizes, attributes, names = file["sizes"], torch.from_numpy(file["attributes"]).long(), file["names"]
    ends = np.cumsum([0, *sizes]).tolist()
    return Source(
        name="celeba",
        reference="Liu, Luo, Wang and Tang 2015, Deep learning face attributes in the wild",
        kinds=PHOTO_KINDS,
        levels=256,
        splits={
            split: (x[start:end], attributes[start:end])
            for split, start, end in zip(SPLITS, ends, ends[1:], strict=False)
        },
        class_names=tuple(names.tolist()),
    )


def _cifar_files() -> list[tuple[str, str]]:
    meta = (CIFAR10.meta["filename"], CIFAR10.meta["md5"])
    return [*((file, md5) for file, md5 in [*CIFAR10.train_list, *CIFAR10.test_list]), meta]


def _cifar_root() -> Path:
    """A folder in which torchvision finds the unpacked files, which are unpacked into the cache if need be."""
    for root in store.roots():
        if (root / CIFAR10.base_folder).is_dir():
            return root
    given, own = store.roots()
    packed = given / CIFAR10.filename
    if packed.exists():
        _check_packed(packed, CIFAR10.tgz_md5)
    try:
        own.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=own) as folder:
            if packed.exists():
                extract_archive(packed, folder)
            else:
                CIFAR10(folder, download=True)
            _move(Path(folder) / CIFAR10.base_folder, own / CIFAR10.base_folder)
    except (OSError, RuntimeError, HTTPException) as error:
        _refuse("CIFAR10", CIFAR10.base_folder, CIFAR10.filename, error)
    return own


def _faces_root(stack: ExitStack) -> Path:
    """A folder in which torchvision finds lists and images; images from an archive stay only as long as the stack."""
    given, own = store.roots()
    for root in (given, own):
        if (root / CelebA.base_folder / FACES).is_dir():
            return root
    for root in (given, own):
        packed = root / CelebA.base_folder / PACKED_FACES
        if packed.exists():
            return _unpacked_faces(packed, stack)
    try:
        # not into a temporary folder: of an interrupted download, the files that are whole are kept
        CelebA(own, download=True)
    # gdown, which downloads for torchvision, has errors of its own
    except Exception as error:
        files = ", ".join(file for _, _, file in CelebA.file_list)
        _refuse("CelebA", f"{CelebA.base_folder}/{FACES}", f"files {files} in {CelebA.base_folder}", error)
    return own


def _unpacked_faces(packed: Path, stack: ExitStack) -> Path:
    _check_packed(packed, next(md5 for _, md5, file in CelebA.file_list if file == PACKED_FACES))
    try:
        store.cache().mkdir(parents=True, exist_ok=True)
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=store.cache())))
        (root / CelebA.base_folder).mkdir()
        for file in packed.parent.glob("*.txt"):
            shutil.copyfile(file, root / CelebA.base_folder / file.name)
        extract_archive(packed, root / CelebA.base_folder)
    except OSError as error:
        raise ValueError(f"cannot unpack {packed} into {store.cache()} ({error}); it takes 1.5 GB of room.") from error
    return root


def _prepare_faces(root: Path, prepared: Path, labels: Path) -> None:
    folder = root / CelebA.base_folder
    try:
        parts = [CelebA(root, split=split) for split in SPLITS]
    except (OSError, RuntimeError, ValueError) as error:
        _name_damaged(folder, [(f, md5) for _, md5, f in CelebA.file_list if f != PACKED_FACES], error)
    paths = [folder / FACES / file for part in parts for file in part.filename]
    with store.appearing(labels) as temporary:
        np.savez(
            temporary,
            sizes=[len(part) for part in parts],
            attributes=torch.cat([part.attr for part in parts]).to(torch.uint8).numpy(),
            names=[name for name in parts[0].attr_names if name],
        )
    store.write(prepared, (images.pixels(_face(path)) for path in paths), len(paths), (3, SIZE, SIZE))


def _face(path: Path) -> Image.Image:
    image = images.read(path, colour=True)
    if min(image.size) < CROP:
        raise ValueError(f"{path} has {image.width} × {image.height} pixels; expected 178 × 218, the aligned image.")
    left, top = ((side - CROP) // 2 for side in image.size)
    # not resize(box=...), which lets pixels from outside the box leak in
    return image.crop((left, top, left + CROP, top + CROP)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)


def _check_packed(packed: Path, md5: str | None) -> None:
    if not check_integrity(packed, md5):
        raise ValueError(
            f"{packed} is damaged: expected the MD5 sum {md5}; replace the file, or remove it to download."
        )


def _move(folder: Path, target: Path) -> None:
    """Rename a folder, unless another process was faster."""
    try:
        os.replace(folder, target)
    except OSError:
        if not target.is_dir():
            raise


def _name_damaged(folder: Path, files: Sequence[tuple[str, str]], error: Exception) -> NoReturn:
    for file, md5 in files:
        if not check_integrity(folder / file, md5):
            state = "damaged" if (folder / file).exists() else "missing"
            raise ValueError(
                f"{folder / file} is {state}: expected the MD5 sum {md5}; put the original file there, or remove the "
                f"folder {folder} to unpack or download it again."
            ) from error
    raise ValueError(
        f"the files in {folder} are damaged ({error}); remove them to unpack or download again."
    ) from error


def _refuse(name: str, unpacked: str, packed: str, error: Exception) -> NoReturn:
    given, own = store.roots()
    where = str(given) if given == own else f"{given} and {own}"
    raise ValueError(
        f"cannot get {name} ({' '.join(str(error).split())}): looked for the folder {unpacked} in {where}, and for the "
        f"packed {packed} under {given}; put one of them there, or set PYROGEN_DATA to the folder that holds it."
    ) from error
