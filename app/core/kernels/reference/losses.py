"""What training makes small: softmax and SVM losses of scores, and L2 of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.errors import ShapeError
from app.core.kernels.geometry import floating

__all__ = ["l2_loss", "softmax_loss", "svm_loss"]


def softmax_loss(x: NDArray[Any], y: NDArray[Any]) -> tuple[float, NDArray[Any]]:
    """Return the mean cross-entropy of softmax(x) with the right classes, and its slope.

    ``loss = −1/N Σ_n ln(exp(x[n, y_n]) / Σ_c exp(x[n, c]))``; C equal scores give ln C.

    Parameters
    ----------
    x : ndarray, shape (N, C)
        Scores; float32 or float64, which dx keeps.
    y : ndarray of int, shape (N,)
        The right class of each row, 0 ≤ y < C.

    Returns
    -------
    loss : float
        In nats.
    dx : ndarray, shape (N, C)

    Raises
    ------
    ShapeError
        Labels do not belong to the scores.
    """
    rows = _rows(x, y)
    kind = floating(x)
    # Only differences of scores matter; the largest at 0, exp cannot overflow.
    shifted = x.astype(kind, copy=False) - x.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    chosen = np.log(sums[:, 0]) - shifted[rows, y]
    dx = exponentials / sums
    dx[rows, y] -= 1
    dx /= kind.type(len(x))
    return float(chosen.mean(dtype=np.float64)), dx


def svm_loss(x: NDArray[Any], y: NDArray[Any]) -> tuple[float, NDArray[Any]]:
    """Return the multiclass hinge loss, and its slope.

    ``loss = 1/N Σ_n Σ_{c ≠ y_n} max(0, x[n, c] − x[n, y_n] + 1)``: the right score should be
    larger than any other by 1. Parameters and returns are those of `softmax_loss`.

    References
    ----------
    Weston, Watkins, "Support vector machines for multi-class pattern recognition", 1999.
    """
    rows = _rows(x, y)
    kind = floating(x)
    scores = x.astype(kind, copy=False)
    margins = np.maximum(0, scores - scores[rows, y][:, None] + 1)
    margins[rows, y] = 0
    dx = (margins > 0).astype(kind)
    dx[rows, y] = -dx.sum(axis=1)
    dx /= kind.type(len(x))
    return float(margins.sum(dtype=np.float64) / len(x)), dx


def l2_loss(w: NDArray[Any], reg: float) -> tuple[float, NDArray[Any]]:
    """Return ``reg/2 Σ w²`` and its slope ``reg w``."""
    squares = float(np.square(w, dtype=floating(w)).sum(dtype=np.float64))
    return reg / 2 * squares, w * floating(w).type(reg)


def _rows(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.int64]:
    """Return 0 … N − 1, once the labels are known to belong to the scores."""
    if x.ndim != 2 or not x.size or y.shape != x.shape[:1]:
        raise ShapeError(f"Scores of the shape {x.shape} and labels of the shape {y.shape}.")
    if y.dtype.kind not in "iu":
        raise ShapeError(f"Labels are {y.dtype}, not whole numbers.")
    wrong = (y < 0) | (y >= x.shape[1])
    if wrong.any():
        raise ShapeError(
            f"Label {y[wrong][0]} of row {int(wrong.argmax())} is not one of {x.shape[1]} classes.",
            f"Classes are numbered from 0 to {x.shape[1] - 1}.",
        )
    return np.arange(len(x))
