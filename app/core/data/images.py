"""Images with labels, and which of them train, validate and test."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.core.data.patches import Source
from app.core.errors import FilterscopeError
from app.core.specs import ImageSpec

__all__ = ["LabelledImages", "Split"]


@dataclass(frozen=True)
class Split:
    """Rows that train, that choose the best model, and that are kept for the end; none twice.

    Attributes
    ----------
    train, validation, test : ndarray of int64
        Rows of `LabelledImages.x`. Validation and test may be empty.
    """

    train: NDArray[np.int64] = field(repr=False)
    validation: NDArray[np.int64] = field(repr=False)
    test: NDArray[np.int64] = field(repr=False)

    @property
    def sentence(self) -> str:
        """One line for people."""
        return (
            f"{len(self.train):,} train, {len(self.validation):,} validate, {len(self.test):,} test"
        )


@dataclass(frozen=True)
class LabelledImages:
    """Images with labels as a file has them, axes put in order.

    Attributes
    ----------
    x : ndarray, shape (N, C, H, W), uint8 or float32
        Values 0 … 255, read-only, in memory or a memory map.
    y : ndarray, shape (N,), int64
        0 ≤ y < len(classes), read-only.
    classes : tuple of str
        What each label is called.
    source : Source
        Where they came from.
    test_count : int
        The last rows are the file's own test set; 0 where it has none.
    validation_count : int
        The rows before those are the file's own validation set; 0 where it has none.
    notes : tuple of str
        What a person should know of how they were read, such as images left out.
    """

    x: NDArray[np.uint8] | NDArray[np.float32] = field(repr=False)
    y: NDArray[np.int64] = field(repr=False)
    classes: tuple[str, ...]
    source: Source
    test_count: int
    validation_count: int = 0
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of images, N."""
        return len(self.x)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        channels, height, width = self.x.shape[1:]
        return channels, height, width

    def counts(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return how many images each class has, among `rows` or in all."""
        labels = self.y if rows is None else self.y[rows]
        return np.bincount(labels, minlength=len(self.classes)).astype(np.int64)

    def split(self, spec: ImageSpec) -> Split:
        """Divide the images as CS231n does CIFAR-10: the first train, the next validate.

        The file's own validation and test sets are kept. Where it has no test set, the rest is
        one. A set that is too small for what `spec` asks gives a tenth of its training images to
        validation, and another tenth to the test if it has none.

        Parameters
        ----------
        spec : ImageSpec
            `train_count` and `validation_count` are the most that is taken; `split_seed` mixes
            the images that the file does not keep for its own validation and test first.

        Raises
        ------
        FilterscopeError
            No image is left to train with.
        """
        own_test, own_validation = self.test_count, self.validation_count
        free = self.count - own_test - own_validation
        validation = 0 if own_validation else spec.validation_count
        train = spec.train_count
        test = 0
        if train + validation > free:
            validation = min(validation, free // 10)
            test = 0 if own_test else free // 10
            train = min(train, free - validation - test)
        elif not own_test:
            test = free - train - validation
        if train < 1:
            raise FilterscopeError(
                f"{self.count} images are too few to divide.", "Open a set with more images."
            )
        order = np.arange(free, dtype=np.int64)
        if spec.split_seed:
            order = np.random.default_rng([spec.split_seed, 6]).permutation(free)
        kept = np.arange(free, self.count, dtype=np.int64)
        rest = order[train + validation : train + validation + test]
        return Split(
            order[:train],
            kept[:own_validation] if own_validation else order[train : train + validation],
            kept[own_validation:] if own_test else rest,
        )
