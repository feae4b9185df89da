"""Small labelled images that a network of few filters can tell apart."""

from __future__ import annotations

import numpy as np

from app.core.data.image_preprocess import fit_images
from app.core.data.images import LabelledImages
from app.core.data.patches import Source
from app.core.specs import ImageSpec


def stripes(count=400, classes=3, *, seed=0, guessable=True, **settings):
    """Return fitted images (1, 8, 8): stripes along an axis or the diagonal, and noise.

    Without `guessable` the labels have nothing to do with the images.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, count)
    rows, columns = np.mgrid[0:8, 0:8]
    phase = rng.integers(0, 4, count)[:, None, None]
    along = np.stack([rows, columns, rows + columns])[y]
    x = np.where((along + phase) % 4 < 2, 170, 90) + rng.normal(0, 20, (count, 8, 8))
    if not guessable:
        y = rng.integers(0, classes, count)
    pixels = np.clip(x, 0, 255).astype(np.uint8)[:, None]
    source = Source("memory", "", "NCHW", "0..255", count, (1, 8, 8), "uint8", "0" * 64)
    images = LabelledImages(
        pixels, y.astype(np.int64), tuple(f"class {n}" for n in range(classes)), source, 0
    )
    spec = {"train_count": count // 2, "validation_count": count // 4, **settings}
    return fit_images(images, ImageSpec(**{"normalisation": "per_channel", **spec}))
