"""Photographs: decoded from bytes by Pillow, cut into patches, and forgotten."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

import numpy as np

# By name: numpy loads it when it is first used, and then no file can be opened any more.
from numpy.random import default_rng
from numpy.typing import NDArray
from PIL import Image

from app.core.data.untrusted.guard import Refused

__all__ = ["cut", "load_decoders", "whole"]

MOST_PIXELS = 120_000_000
# Of images that are used whole.
MOST_SIDE = 512
# The formats a photograph comes in; the many others that Pillow knows are not tried.
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "PPM")


def load_decoders() -> None:
    """Let Pillow load what it would otherwise load when it is first needed."""
    Image.init()


def cut(data: bytes, size: int, count: int, seed: list[int]) -> NDArray[np.uint8]:
    """Return `count` patches (count, 3, size, size) from random places of an encoded photograph.

    Raises
    ------
    Refused
        It cannot be decoded, is too large, or smaller than a patch.
    """
    pixels = _decode(data, lambda image: image, size)
    rng = default_rng(seed)
    tops = rng.integers(0, pixels.shape[0] - size + 1, count)
    lefts = rng.integers(0, pixels.shape[1] - size + 1, count)
    rows = tops[:, None, None] + np.arange(size)[None, :, None]
    columns = lefts[:, None, None] + np.arange(size)[None, None, :]
    return np.ascontiguousarray(pixels[rows, columns].transpose(0, 3, 1, 2))


def whole(data: bytes, side: int) -> NDArray[np.uint8]:
    """Return an encoded image (3, H, W), or where `side` is not 0 its middle (3, side, side).

    The middle is the largest square, made smaller or larger.

    Raises
    ------
    Refused
        It cannot be decoded, or is too large to train on as it is.
    """

    def plain(image: Image.Image) -> Image.Image:
        if max(image.size) > MOST_SIDE:
            raise Refused(
                f"it has {image.height}×{image.width} pixels, more than {MOST_SIDE}×{MOST_SIDE}"
            )
        return image

    def fit(image: Image.Image) -> Image.Image:
        least = min(image.size)
        left, top = (image.width - least) // 2, (image.height - least) // 2
        # Cut first: resampling would otherwise look beyond the edge of what is taken.
        middle = image.crop((left, top, left + least, top + least))
        return middle.resize((side, side), Image.Resampling.LANCZOS)

    pixels = _decode(data, fit if side else plain, 1)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _decode(
    data: bytes, fit: Callable[[Image.Image], Image.Image], least: int
) -> NDArray[np.uint8]:
    """Return an encoded image (H, W, 3) after `fit`; the sides of the original are `least` or more."""
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise Refused(f"it has more than {MOST_PIXELS // 10**6} million pixels")
                if min(image.size) < least:
                    raise Refused(f"it is smaller than a patch of {least}×{least}")
                return np.asarray(fit(image.convert("RGB")))
        except Refused:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise Refused(f"it has more than {MOST_PIXELS // 10**6} million pixels") from None
        except MemoryError:
            raise Refused("there is not enough memory to decode it") from None
        except Exception:
            raise Refused("it cannot be decoded") from None
