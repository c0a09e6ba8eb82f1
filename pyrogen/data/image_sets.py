"""Small sets of images that are prepared as ``.npz`` files beside torchvision's, in the folder PYROGEN_DATA names."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pyrogen.data import store
from pyrogen.data.source import PHOTO_KINDS, SPLITS, Source, tenths
from pyrogen.kinds import IMAGE_KINDS
from pyrogen.registry import choice

TWO_STYLES = "Emojitwo and Noto Emoji"


@choice("data", "faces")
def faces() -> Source:
    """204 faces of 64 × 64 pixels in colour: 102 people, neutral and smiling; no person is in two splits."""
    where = "the Face Research Lab London Set (figshare 5047666; github.com/debruine/webmorphR.stim)"
    found = _read("faces", "faces/faces_london_64.npz", ("images", "smiling", "identity"), where)
    _, person = np.unique(found["identity"], return_inverse=True)
    return _source(
        "faces",
        "DeBruine and Jones 2017, Face Research Lab London Set",
        _pixels(found["images"]),
        torch.from_numpy(found["smiling"]).long(),
        _together(person),
        names=("neutral", "smiling"),
    )


@choice("data", "lpc-sprites")
def lpc_sprites() -> Source:
    """3,888 characters of 64 × 64 pixels in colour: every combination of five factors."""
    where = "github.com/YingzhenLi/Sprites, composed from its sheets"
    found = _read("lpc-sprites", "sprites/lpc_sprites_static.npz", ("images", "factors", "factor_names"), where)
    return _source(
        "lpc-sprites",
        "Li and Mandt 2018, Disentangled sequential autoencoder; art of the Liberated Pixel Cup",
        _pixels(found["images"]),
        torch.from_numpy(found["factors"]).long(),
        tenths(len(found["images"])),
        names=tuple(found["factor_names"].tolist()),
    )


@choice("data", "emoji-line-colour")
def emoji_line_colour() -> Source:
    """1,404 emoji of 64 × 64 pixels in colour, each with its line drawing as condition y, in [0, 1]."""
    where = "github.com/EmojiTwo/emojitwo"
    found = _read("emoji-line-colour", "emoji/emojitwo_line_colour_64.npz", ("line", "colour"), where)
    return _source(
        "emoji-line-colour",
        "Emojitwo, line art and colour",
        _pixels(found["colour"]),
        _pixels(found["line"]).float() / 255,
        tenths(len(found["colour"])),
    )


@choice("data", "emoji-styles")
def emoji_styles() -> Source:
    """1,091 emoji of 64 × 64 pixels in colour in two styles, which are the labels; no emoji is in two splits."""
    styles = _two_styles("emoji-styles")
    n = len(styles[0])
    return _source(
        "emoji-styles",
        TWO_STYLES,
        torch.cat(styles),
        torch.arange(2).repeat_interleave(n),
        {split: torch.cat([rows, rows + n]) for split, rows in tenths(n).items()},
        names=("emojitwo", "noto"),
    )


@choice("data", "emoji-domains")
def emoji_domains() -> Source:
    """1,091 emoji of 64 × 64 pixels in colour by Emojitwo as x, and by Noto as y: unpaired, hidden partners in test.

    y is in [0, 1]. In train and valid y is in an order of its own; in test it is the same emoji as x.
    """
    x, y = _two_styles("emoji-domains")
    rows = tenths(len(x))
    generator = torch.Generator().manual_seed(0)
    others = {s: r if s == "test" else r[torch.randperm(len(r), generator=generator)] for s, r in rows.items()}
    splits = {s: (x[rows[s]], y[others[s]].float() / 255) for s in SPLITS}
    return Source("emoji-domains", TWO_STYLES, PHOTO_KINDS, 256, splits, wished=("real",), paired=False)


@choice("data", "omniglot")
def omniglot() -> Source:
    """32,460 characters of 50 alphabets, 28 × 28 pixels in grey; test is the official evaluation set, of other alphabets."""
    where = "github.com/brendenlake/omniglot, reduced to 28 × 28"
    found = _read("omniglot", "omniglot/omniglot_28.npz", ("images", "character", "evaluation"), where)
    background = torch.from_numpy(found["evaluation"] == 0)
    inner = background.nonzero().flatten()
    parts = tenths(len(inner))
    rows = {
        "train": inner[torch.cat([parts["train"], parts["test"]])],
        "valid": inner[parts["valid"]],
        "test": (~background).nonzero().flatten(),
    }
    return _source(
        "omniglot",
        "Lake, Salakhutdinov and Tenenbaum 2015, Human-level concept learning",
        _pixels(found["images"]),
        torch.from_numpy(found["character"].astype(np.int64)),
        rows,
        kinds=IMAGE_KINDS,
    )


@choice("data", "cifar10-subset")
def cifar10_subset() -> Source:
    """The first 4,000 training images of CIFAR-10, 32 × 32 pixels in colour, in ten classes."""
    where = "www.cs.toronto.edu/~kriz/cifar.html, the first training batch"
    found = _read("cifar10-subset", "cifar10_subset/cifar10_first4000.npz", ("images", "labels", "class_names"), where)
    return _source(
        "cifar10-subset",
        "Krizhevsky 2009, Learning multiple layers of features from tiny images",
        _pixels(found["images"]),
        torch.from_numpy(found["labels"]).long(),
        tenths(len(found["images"])),
        names=tuple(found["class_names"].tolist()),
    )


def _two_styles(name: str) -> tuple[Tensor, Tensor]:
    """The same emoji by Emojitwo and by Noto, ``(N, 3, 64, 64)`` each."""
    where = "github.com/EmojiTwo/emojitwo and github.com/googlefonts/noto-emoji"
    found = _read(name, "emoji/emoji_two_styles_64.npz", ("emojitwo", "noto"), where)
    return _pixels(found["emojitwo"]), _pixels(found["noto"])


def _read(name: str, file: str, keys: tuple[str, ...], original: str) -> dict[str, np.ndarray]:
    """Arrays of a file below one of the folders where files are looked for."""
    path = store.find(name, file, original, f"its arrays {', '.join(keys)}")
    try:
        with np.load(path, allow_pickle=False) as found:
            return {key: found[key] for key in keys}
    except Exception as error:
        raise ValueError(
            f"{path} is damaged ({' '.join(str(error).split())}): expected the arrays {', '.join(keys)}; replace it."
        ) from error


def _source(
    name: str,
    reference: str,
    x: Tensor,
    y: Tensor,
    rows: dict[str, Tensor],
    names: tuple[str, ...] = (),
    kinds: tuple[str, ...] = PHOTO_KINDS,
) -> Source:
    splits = {s: (x[rows[s]], y[rows[s]]) for s in SPLITS}
    return Source(name, reference, kinds, 256, splits, class_names=names, wished=("real",))


def _pixels(images: np.ndarray) -> Tensor:
    x = torch.from_numpy(images)
    return x.unsqueeze(1) if x.dim() == 3 else x.movedim(-1, 1).contiguous()


def _together(group: np.ndarray) -> dict[str, Tensor]:
    """Rows of train, valid and test such that every group is in one of them."""
    whole = torch.from_numpy(group.astype(np.int64))
    return {
        split: torch.isin(whole, chosen).nonzero().flatten() for split, chosen in tenths(int(whole.max()) + 1).items()
    }
