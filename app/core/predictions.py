"""What a network says of labelled images: how often it is right, what it confuses, its mistakes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Predictions", "softmax"]


def softmax(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return exp(s) / Σ exp(s) along the last axis, in float64 and without overflow."""
    wide = np.asarray(scores, np.float64)
    e = np.exp(wide - wide.max(axis=-1, keepdims=True))
    shares: NDArray[np.float64] = e / e.sum(axis=-1, keepdims=True)
    return shares


@dataclass(frozen=True)
class Predictions:
    """A network's answers for some images.

    Attributes
    ----------
    rows : ndarray, shape (n,), int64
        Which images of the set were asked about.
    labels : ndarray, shape (n,), int64
        What they are.
    probabilities : ndarray, shape (n, C)
        How sure the network is of each class; rows sum to 1.
    """

    rows: NDArray[np.int64] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    probabilities: NDArray[np.float64] = field(repr=False)

    @classmethod
    def of_scores(
        cls, rows: NDArray[np.int64], labels: NDArray[np.int64], scores: NDArray[np.floating]
    ) -> Predictions:
        """Return the predictions that class scores (n, C) mean under a softmax."""
        return cls(rows, labels, softmax(scores))

    @property
    def said(self) -> NDArray[np.int64]:
        """(n,) The class of the largest probability."""
        said: NDArray[np.int64] = self.probabilities.argmax(axis=1).astype(np.int64)
        return said

    @property
    def accuracy(self) -> float:
        """Share of images that were named right; 0 of no image."""
        return float((self.said == self.labels).mean()) if len(self.labels) else 0.0

    @property
    def loss(self) -> float:
        """Mean −ln p(true class); 0 of no image."""
        if not len(self.labels):
            return 0.0
        true = self.probabilities[np.arange(len(self.labels)), self.labels]
        return float(-np.log(np.maximum(true, np.finfo(np.float64).tiny)).mean())

    def confusion(self) -> NDArray[np.int64]:
        """Return counts (C, C): row is the true class, column what was said."""
        classes = self.probabilities.shape[1]
        pairs = self.labels * classes + self.said
        return np.bincount(pairs, minlength=classes**2).reshape(classes, classes).astype(np.int64)

    def cell(self, true: int, said: int) -> NDArray[np.intp]:
        """Return places in `rows` of images of class `true` called `said`, the surest first."""
        inside = np.flatnonzero((self.labels == true) & (self.said == said))
        return inside[np.argsort(-self.probabilities[inside, said], kind="stable")]

    def mistakes(self) -> NDArray[np.intp]:
        """Return places in `rows` of images named wrong, the most confident mistakes first.

        The measure is p(said) − p(true): 1 for a mistake without any doubt.
        """
        said = self.said
        wrong = np.flatnonzero(said != self.labels)
        sure = (
            self.probabilities[wrong, said[wrong]] - self.probabilities[wrong, self.labels[wrong]]
        )
        return wrong[np.argsort(-sure, kind="stable")]
