"""The affine layer: every output sees every input."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from app.core.errors import ShapeError

__all__ = ["affine_backward", "affine_forward"]


def affine_forward(
    x: NDArray[Any], w: NDArray[Any], b: NDArray[Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """Return ``x w + b``, each x laid out as one row.

    Parameters
    ----------
    x : ndarray, shape (N, d1, ..., dk)
        Anything with D = d1 ⋯ dk values each.
    w : ndarray, shape (D, M)
    b : ndarray, shape (M,)

    Returns
    -------
    out : ndarray, shape (N, M)
    cache : tuple
        What `affine_backward` needs.

    Raises
    ------
    ShapeError
        The arrays do not belong together.
    """
    values = math.prod(x.shape[1:])
    if w.ndim != 2 or w.shape[0] != values:
        raise ShapeError(f"x has {values} values each and w the shape {w.shape}.")
    if b.shape != (w.shape[1],):
        raise ShapeError(f"b has the shape {b.shape}; {w.shape[1]} outputs need ({w.shape[1]},).")
    return x.reshape(len(x), values) @ w + b, (x, w, b)


def affine_backward(
    dout: NDArray[Any], cache: tuple[Any, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return dx (N, d1, ..., dk), dw (D, M) and db (M,) from dout (N, M)."""
    x, w, _ = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout if x.size else 0 * w
    return dx, dw, dout.sum(axis=0)
