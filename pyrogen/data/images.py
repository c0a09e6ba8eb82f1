"""Image files: opened so that a damaged one is named, and turned into pixels with channels first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

GREY = ("1", "L", "LA", "La")
COLOUR = ("RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "CMYK", "YCbCr", "HSV", "LAB")


def is_colour(path: Path) -> bool:
    """Whether a file says that it is in colour; its pixels are not read.

    Raises:
        ValueError: the file is no image, or not of 8 bits a channel.
    """
    try:
        with Image.open(path) as image:
            mode = image.mode
    except Exception as error:
        raise _unreadable(path, error) from error
    if mode not in GREY + COLOUR:
        raise ValueError(f"{path} has pixels of mode {mode!r}; expected 8 bits a channel, grey or colour.")
    return mode in COLOUR


def read(path: Path, colour: bool) -> Image.Image:
    """An image in mode "RGB" or "L", turned upright as its camera says; what is transparent is put on white.

    Raises:
        ValueError: the file is no image, or damaged.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return image.convert("RGB" if colour else "L")
    # each format's reader raises what it likes on damaged files: SyntaxError, struct.error, IndexError ...
    except Exception as error:
        raise _unreadable(path, error) from error


def pixels(image: Image.Image) -> np.ndarray:
    """``(C, H, W)`` uint8."""
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _unreadable(path: Path, error: Exception) -> ValueError:
    reason = " ".join(str(error).split())
    return ValueError(f"{path} cannot be read as an image ({reason}); repair it, or take it out.")
