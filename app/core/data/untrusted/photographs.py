"""Photographs: decoded from bytes by Pillow, cut into patches, and forgotten."""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.core.data.untrusted.guard import Refused

__all__ = ["cut"]

MOST_PIXELS = 120_000_000
# The formats a photograph comes in; the many others that Pillow knows are not tried.
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "PPM")


def cut(data: bytes, size: int, count: int, seed: list[int]) -> NDArray[np.uint8]:
    """Return `count` patches (count, 3, size, size) from random places of an encoded photograph.

    Raises
    ------
    Refused
        It cannot be decoded, is too large, or smaller than a patch.
    """
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise Refused(f"it has more than {MOST_PIXELS // 10**6} million pixels")
                if min(image.size) < size:
                    raise Refused(f"it is smaller than a patch of {size}×{size}")
                pixels = np.asarray(image.convert("RGB"))
        except Refused:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise Refused(f"it has more than {MOST_PIXELS // 10**6} million pixels") from None
        except MemoryError:
            raise Refused("there is not enough memory to decode it") from None
        except Exception:
            raise Refused("it cannot be decoded") from None
    rng = np.random.default_rng(seed)
    tops = rng.integers(0, pixels.shape[0] - size + 1, count)
    lefts = rng.integers(0, pixels.shape[1] - size + 1, count)
    rows = tops[:, None, None] + np.arange(size)[None, :, None]
    columns = lefts[:, None, None] + np.arange(size)[None, None, :]
    return np.ascontiguousarray(pixels[rows, columns].transpose(0, 3, 1, 2))
