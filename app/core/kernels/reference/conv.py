"""Convolution, as one would write it down: a loop for every axis of the output.

As everywhere in this field it is a correlation: the filter is not turned around. Slow, and meant
to be read; the compiled twin has the same names and gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.errors import ShapeError
from app.core.kernels.geometry import conv_windows, floating

__all__ = ["conv_backward", "conv_forward"]


def conv_forward(
    x: NDArray[Any], w: NDArray[Any], b: NDArray[Any], conv_param: Mapping[str, Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """Slide filters over pictures.

    ``out[n, f, i, j] = Σ_{c,p,q} x[n, c, i·stride + p − pad, j·stride + q − pad] · w[f, c, p, q]
    + b[f]``, where x is zero outside of the picture.

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W)
        Pictures; float32 or float64, which is kept.
    w : ndarray, shape (F, C, HH, WW)
        Filters, not necessarily square.
    b : ndarray, shape (F,)
        Biases.
    conv_param : mapping
        ``stride`` and ``pad`` in pixels, each one number or a (vertical, horizontal) pair.

    Returns
    -------
    out : ndarray, shape (N, F, H', W')
        H' = ⌊(H + 2 pad − HH) / stride⌋ + 1, and W' likewise. Rows and columns that are left
        over at the end are not looked at, as in torch.
    cache : tuple
        What `conv_backward` needs.

    Raises
    ------
    ShapeError
        The arrays do not belong together, or no window fits.

    References
    ----------
    CS231n, assignment 2, ``conv_forward_naive``.
    """
    windows = conv_windows(x.shape, w.shape, b.shape, conv_param)
    (window_height, window_width), (down, right), (top, left), (rows, columns) = windows
    padded = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)))
    pictures, filters = len(x), len(w)
    out = np.empty((pictures, filters, rows, columns), floating(x, w))
    for n in range(pictures):
        for f in range(filters):
            for i in range(rows):
                for j in range(columns):
                    y, z = i * down, j * right
                    window = padded[n, :, y : y + window_height, z : z + window_width]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (x, w, b, dict(conv_param))


def conv_backward(
    dout: NDArray[Any], cache: tuple[Any, ...], need_dx: bool = True
) -> tuple[NDArray[Any] | None, NDArray[Any], NDArray[Any]]:
    """Return the gradients of a convolution.

    Every output is a sum of products. So each of its slopes goes back along the same window: to
    the filter in proportion to the pixels, to the pixels in proportion to the filter.

    Parameters
    ----------
    dout : ndarray, shape (N, F, H', W')
        Slope of the loss along each output.
    cache : tuple
        From `conv_forward`.
    need_dx : bool
        The first layer's dx is of no use to anybody; without it there is less to do.

    Returns
    -------
    dx : ndarray, shape (N, C, H, W), or None
        None when it is not needed.
    dw : ndarray, shape (F, C, HH, WW)
    db : ndarray, shape (F,)
    """
    x, w, b, conv_param = cache
    windows = conv_windows(x.shape, w.shape, b.shape, conv_param)
    (window_height, window_width), (down, right), (top, left), (rows, columns) = windows
    expected = (len(x), len(w), rows, columns)
    if dout.shape != expected:
        raise ShapeError(f"dout has the shape {dout.shape}; the output's was {expected}.")
    padded = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)))
    kind = floating(x, w)
    dpadded = np.zeros(padded.shape, kind)
    dw = np.zeros(w.shape, kind)
    db = dout.sum(axis=(0, 2, 3)).astype(kind, copy=False)
    for n in range(len(x)):
        for f in range(len(w)):
            for i in range(rows):
                for j in range(columns):
                    y, z = i * down, j * right
                    window = (
                        n,
                        slice(None),
                        slice(y, y + window_height),
                        slice(z, z + window_width),
                    )
                    dw[f] += dout[n, f, i, j] * padded[window]
                    if need_dx:
                        dpadded[window] += dout[n, f, i, j] * w[f]
    if not need_dx:
        return None, dw, db
    height, width = x.shape[2:]
    return dpadded[:, :, top : top + height, left : left + width], dw, db
