"""Small labelled images and networks for the tests of what is made of them."""

from __future__ import annotations

import numpy as np

from app.core.data.image_preprocess import fit_images
from app.core.data.images import LabelledImages
from app.core.data.patches import Source
from app.core.specs import ConvNetSpec, ImageSpec

CLASSES = ("down", "across", "dots", "flat")


def images(count=120, side=8, seed=0):
    """Return uint8 images (count, 3, side, side) of four classes that a small network can tell apart."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, len(CLASSES), count)
    down, across = np.mgrid[0:side, 0:side]
    phase = rng.integers(0, 4, (count, 1, 1))
    patterns = np.stack(
        [
            (down + phase) // 2 % 2,
            (across + phase) // 2 % 2,
            (down + across + phase) % 2,
            0 * down + 0 * phase,
        ]
    )[y, np.arange(count)]
    x = 60 + 120 * patterns[:, None] + rng.integers(0, 60, (count, 3, side, side))
    source = Source("drawn", "", "NCHW", "0..255", count, (3, side, side), "uint8", "0" * 64)
    return LabelledImages(x.astype(np.uint8), y.astype(np.int64), CLASSES, source, 20)


def data(count=120, side=8, **values):
    """Return them split and normalised: 80 train, 20 validate, 20 test."""
    settings = {"train_count": 80, "validation_count": 20, "normalisation": "per_channel"}
    return fit_images(images(count, side), ImageSpec(**{**settings, **values}))


def spec(**values):
    """Return the settings of a network that trains in no time."""
    settings = {
        "layers": "conv 4 3x3, batchnorm, relu, pool 2, affine 8, relu",
        "batch_size": 16,
        "epochs": 3,
        "initialisation": "he",
        "reg": 1e-3,
    }
    return ConvNetSpec(**{**settings, **values})
