"""A few tiny labelled images, made here."""

from __future__ import annotations

import numpy as np

from app.core.data.image_preprocess import FittedImages, fit_images
from app.core.data.images import LabelledImages
from app.core.data.patches import Source
from app.core.specs import ImageSpec

CLASSES = ("dark", "bright", "striped")


def small_images(count: int = 90, side: int = 8, channels: int = 3) -> LabelledImages:
    """Return images (count, channels, side, side) of three classes that are easy to tell apart."""
    rng = np.random.default_rng(5)
    y = (np.arange(count) % 3).astype(np.int64)
    level = np.where(y == 1, 190, 60)[:, None, None, None]
    x = level + rng.integers(-20, 20, (count, channels, side, side))
    x[y == 2, :, ::2] += 120
    pixels = np.clip(x, 0, 255).astype(np.uint8)
    source = Source("made", "x", "NCHW", "0..255", count, (channels, side, side), "uint8", "0" * 64)
    return LabelledImages(pixels, y, CLASSES, source, test_count=15)


def small_fitted(**spec: object) -> FittedImages:
    """Return them divided: 45 train, 30 validate, 15 test."""
    values = {"train_count": 45, "validation_count": 30, "normalisation": "per_channel", **spec}
    return fit_images(small_images(), ImageSpec.build(values))
