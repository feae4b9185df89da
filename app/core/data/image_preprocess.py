"""From images to what a network sees: normalised with numbers measured on the training images.

The set stays as it is in memory, a byte for each value; only the rows that are asked for become
floating point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.core.data.batches import Share
from app.core.data.images import LabelledImages, Split
from app.core.specs import ImageSpec

__all__ = ["FittedImages", "augmentation_rng", "fit_images"]

# Mean and standard deviation of CIFAR-10's training images in 0 … 1, as published (part D).
CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2023, 0.1994, 0.2010)

BLOCK_ROWS = 1024
Batch = TypeVar("Batch", bound=NDArray[Any])


def augmentation_rng(seed: int, epoch: int, step: int) -> np.random.Generator:
    """Return the generator of one step's flips and crops: a training taken up again draws the same."""
    return np.random.default_rng([seed, 7, epoch, step])


@dataclass(frozen=True)
class FittedImages:
    """Images, their split, and a normalisation (x − shift) · factor that is frozen.

    Attributes
    ----------
    shift : ndarray, shape (C, H, W) or (C, 1, 1), float64
        What is subtracted from values 0 … 255.
    factor : ndarray, shape (C, 1, 1), float64
        What is multiplied then.
    """

    images: LabelledImages
    split: Split
    spec: ImageSpec
    shift: NDArray[np.float64] = field(repr=False)
    factor: NDArray[np.float64] = field(repr=False)
    _cast: dict[np.dtype[Any], tuple[NDArray[Any], NDArray[Any] | None]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def classes(self) -> tuple[str, ...]:
        """What each label is called."""
        return self.images.classes

    def rows(
        self, indices: NDArray[np.int64], dtype: Any = np.float32, mirrored: bool = False
    ) -> NDArray[Any]:
        """Return images (n, C, H, W) as the network sees them, a new array of `dtype`.

        With `mirrored`, left for right.
        """
        pixels = self.images.x[indices]
        return self.normalise(
            np.ascontiguousarray(pixels[..., ::-1]) if mirrored else pixels, dtype
        )

    def labels(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return labels (n,)."""
        return self.images.y[indices]

    def batch(
        self,
        indices: NDArray[np.int64],
        rng: np.random.Generator,
        dtype: Any = np.float32,
        share: Share | None = None,
    ) -> NDArray[Any]:
        """Return images (n, C, H, W) to train with: flipped and cropped at random, then normalised.

        `rng` is that of the step, see `augmentation_rng`; `share` says which rows of the step's
        batch `indices` are, where they are not all.
        """
        return self.normalise(self.augment(self.images.x[indices], rng, share), dtype)

    def normalise(self, pixels: NDArray[Any], dtype: Any = np.float32) -> NDArray[Any]:
        """Return (x − shift) · factor of images (n, C, H, W) with values 0 … 255."""
        kind = np.dtype(dtype)
        if kind not in self._cast:
            plain = bool((self.factor == 1).all())
            factor = None if plain else self.factor.astype(kind)
            self._cast[kind] = self.shift.astype(kind), factor
        shift, factor = self._cast[kind]
        values: NDArray[Any] = np.subtract(pixels, shift, dtype=kind)
        if factor is not None:
            values *= factor
        return values

    def to_pixels(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Return images (n, C, H, W) that a network sees as pixels again, to show them."""
        pixels = values / self.factor + self.shift
        return np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)

    def augment(self, batch: Batch, rng: np.random.Generator, share: Share | None = None) -> Batch:
        """Return images (n, C, H, W) flipped and cropped at random as the spec says.

        A crop takes an image's size out of the image continued by `crop` mirrored pixels on each
        side: everything moves by at most so many pixels. Without augmentation the batch itself
        is returned.
        """
        crop, (top, left), flipped = self._draws(len(batch), rng, share)
        if crop > 0:
            around = np.pad(batch, ((0, 0), (0, 0), (crop, crop), (crop, crop)), mode="reflect")
            windows = np.lib.stride_tricks.sliding_window_view(around, batch.shape[2:], axis=(2, 3))
            batch = windows[np.arange(len(batch)), :, top, left]  # type: ignore[assignment]
        if self.spec.flip:
            batch = batch.copy()
            batch[flipped] = batch[flipped][..., ::-1]
        return batch

    def _draws(
        self, count: int, rng: np.random.Generator, share: Share | None
    ) -> tuple[int, NDArray[np.int64], NDArray[np.bool_]]:
        """Return how far images may move, where each is taken from (2, n), and which are mirrored."""
        if share is not None:
            # What the whole batch would draw, so that it is the same however it is shared.
            crop, places, flipped = self._draws(share.whole, rng, None)
            return crop, places[:, share.rows], flipped[share.rows]
        crop = max(0, min(self.spec.crop, min(self.images.shape[1:]) - 1))
        places = np.zeros((2, count), np.int64)
        if crop:
            places = rng.integers(0, 2 * crop + 1, (2, count))
        flipped = rng.random(count) < 0.5 if self.spec.flip else np.zeros(count, bool)
        return crop, places, flipped

    def draw_views(
        self, count: int, rng: np.random.Generator, share: Share | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Return what `augment` does with so many images as rows (n, H) and columns (n, W) to take.

        None without augmentation. For those who gather pixels elsewhere.
        """
        if not (self.spec.crop or self.spec.flip):
            return None
        crop, places, flipped = self._draws(count, rng, share)
        _, height, width = self.images.shape
        down, across = (
            np.abs(place[:, None] + np.arange(size) - crop)
            for place, size in zip(places, (height, width), strict=True)
        )
        # Beyond the far edge the picture goes on mirrored too, without its last pixel twice.
        down, across = (
            np.minimum(down, 2 * height - 2 - down),
            np.minimum(across, 2 * width - 2 - across),
        )
        across[flipped] = across[flipped, ::-1]
        return down, across

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Return what was measured, to be kept with the weights."""
        return {"shift": self.shift, "factor": self.factor}


def fit_images(
    images: LabelledImages, spec: ImageSpec, state: Mapping[str, NDArray[Any]] | None = None
) -> FittedImages:
    """Split the images and measure on the training images what the normalisation needs.

    Parameters
    ----------
    images : LabelledImages
    spec : ImageSpec
    state : mapping, optional
        What `FittedImages.state` returned: taken as it is, nothing is measured.

    Raises
    ------
    FilterscopeError
        No image is left to train with.
    """
    split = images.split(spec)
    channels = images.shape[0]
    shift, factor = np.zeros((channels, 1, 1)), np.ones((channels, 1, 1))
    if state is not None:
        shift, factor = np.asarray(state["shift"], float), np.asarray(state["factor"], float)
        if shift.shape not in (images.shape, (channels, 1, 1)) or factor.shape != (channels, 1, 1):
            raise ValueError("the normalisation is that of images of another shape")
    elif spec.normalisation == "mean_image":
        shift = _moments(images, split.train)[0]
    elif spec.normalisation == "scale":
        factor = factor / 255
    elif spec.normalisation == "per_channel":
        mean, square = (m.mean(axis=(1, 2), keepdims=True) for m in _moments(images, split.train))
        # A channel that is the same everywhere has nothing to be scaled.
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        shift, factor = mean, 1 / np.where(deviation > 1e-6, deviation, 1.0)
    elif spec.normalisation == "cifar10":
        known = np.array([CIFAR10_MEAN, CIFAR10_STD])
        if channels != 3:
            known = known.mean(axis=1, keepdims=True)
        shift, deviation = 255 * known[:, :, None, None]
        factor = 1 / deviation
    return FittedImages(images, split, spec, shift, factor)


def _moments(
    images: LabelledImages, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of x and of x² over `rows`, each (C, H, W)."""
    total, squares = np.zeros(images.shape), np.zeros(images.shape)
    for start in range(0, len(rows), BLOCK_ROWS):
        block = images.x[rows[start : start + BLOCK_ROWS]].astype(np.float64)
        total += block.sum(axis=0)
        squares += np.einsum("nchw,nchw->chw", block, block)
    return total / len(rows), squares / len(rows)
