"""Pools, as one would write them down: a loop for every axis of the output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.errors import ShapeError
from app.core.kernels.geometry import floating, pool_windows

__all__ = [
    "avg_pool_backward",
    "avg_pool_forward",
    "global_avg_pool_backward",
    "global_avg_pool_forward",
    "max_pool_backward",
    "max_pool_forward",
]


def max_pool_forward(
    x: NDArray[Any], pool_param: Mapping[str, Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """Keep the largest value of each window.

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W)
        Pictures; float32 or float64, which is kept.
    pool_param : mapping
        ``pool_height``, ``pool_width`` and ``stride`` in pixels (a number or a (vertical,
        horizontal) pair). Windows may overlap.

    Returns
    -------
    out : ndarray, shape (N, C, H', W')
        H' = ⌊(H − pool_height) / stride⌋ + 1, and W' likewise.
    cache : tuple
        What `max_pool_backward` needs.

    Raises
    ------
    ShapeError
        No window fits.

    References
    ----------
    CS231n, assignment 2, ``max_pool_forward_naive``.
    """
    (height, width), (down, right), _, (rows, columns) = pool_windows(x.shape, pool_param)
    pictures, channels = x.shape[:2]
    out = np.empty((pictures, channels, rows, columns), floating(x))
    for n in range(pictures):
        for c in range(channels):
            for i in range(rows):
                for j in range(columns):
                    y, z = i * down, j * right
                    out[n, c, i, j] = x[n, c, y : y + height, z : z + width].max()
    return out, (x, dict(pool_param))


def max_pool_backward(dout: NDArray[Any], cache: tuple[Any, ...]) -> NDArray[Any]:
    """Give each slope to the value that won its window.

    Where several values of a window are equally large, the first of them wins, row by row from
    the top left, as in torch. A value that won several windows gets the sum.

    Parameters
    ----------
    dout : ndarray, shape (N, C, H', W')
    cache : tuple
        From `max_pool_forward`.

    Returns
    -------
    dx : ndarray, shape (N, C, H, W)
    """
    x, pool_param = cache
    (height, width), (down, right), _, (rows, columns) = pool_windows(x.shape, pool_param)
    _same_shape(dout, (*x.shape[:2], rows, columns))
    dx = np.zeros(x.shape, floating(x))
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(rows):
                for j in range(columns):
                    y, z = i * down, j * right
                    # argmax returns the first of equals, in this very order.
                    winner = int(x[n, c, y : y + height, z : z + width].argmax())
                    dx[n, c, y + winner // width, z + winner % width] += dout[n, c, i, j]
    return dx


def avg_pool_forward(
    x: NDArray[Any], pool_param: Mapping[str, Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """Keep the mean of each window; shapes and errors are those of `max_pool_forward`."""
    (height, width), (down, right), _, (rows, columns) = pool_windows(x.shape, pool_param)
    pictures, channels = x.shape[:2]
    out = np.empty((pictures, channels, rows, columns), floating(x))
    for n in range(pictures):
        for c in range(channels):
            for i in range(rows):
                for j in range(columns):
                    y, z = i * down, j * right
                    out[n, c, i, j] = x[n, c, y : y + height, z : z + width].mean()
    return out, (x.shape, out.dtype, dict(pool_param))


def avg_pool_backward(dout: NDArray[Any], cache: tuple[Any, ...]) -> NDArray[Any]:
    """Give each slope in equal shares to the values of its window."""
    shape, kind, pool_param = cache
    (height, width), (down, right), _, (rows, columns) = pool_windows(shape, pool_param)
    _same_shape(dout, (*shape[:2], rows, columns))
    dx = np.zeros(shape, kind)
    for n in range(shape[0]):
        for c in range(shape[1]):
            for i in range(rows):
                for j in range(columns):
                    y, z = i * down, j * right
                    share = dout[n, c, i, j] / (height * width)
                    dx[n, c, y : y + height, z : z + width] += share
    return dx


def global_avg_pool_forward(x: NDArray[Any]) -> tuple[NDArray[Any], tuple[int, ...]]:
    """Keep the mean of each channel's whole map: (N, C, H, W) becomes (N, C).

    References
    ----------
    Lin, Chen, Yan, "Network In Network", 2013.
    """
    if x.ndim != 4 or not x.shape[2] * x.shape[3]:
        raise ShapeError(f"x has the shape {x.shape}, not (N, C, H, W).")
    return x.mean(axis=(2, 3)), x.shape


def global_avg_pool_backward(dout: NDArray[Any], cache: tuple[int, ...]) -> NDArray[Any]:
    """Give each slope in equal shares to the values of its map."""
    height, width = cache[2:]
    _same_shape(dout, cache[:2])
    shares = dout / (height * width)
    return np.broadcast_to(shares[:, :, None, None], cache).copy()


def _same_shape(dout: NDArray[Any], expected: tuple[int, ...]) -> None:
    if dout.shape != expected:
        raise ShapeError(f"dout has the shape {dout.shape}; the output's was {expected}.")
