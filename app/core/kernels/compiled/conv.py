"""Compiled convolution, alone and with what often follows it: shapes and types are checked here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.errors import ShapeError
from app.core.kernels import _layers
from app.core.kernels.compiled.sharing import helpers_for, kind_of, parts_for
from app.core.kernels.geometry import Windows, conv_windows, pool_windows

__all__ = [
    "conv_backward",
    "conv_forward",
    "conv_relu_backward",
    "conv_relu_forward",
    "conv_relu_pool_backward",
    "conv_relu_pool_forward",
]

# Places in a padded picture are 32-bit numbers in the kernel.
MOST_PLACES = 2**31 - 2**16


def conv_forward(
    x: NDArray[Any], w: NDArray[Any], b: NDArray[Any], conv_param: Mapping[str, Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """See `app.core.kernels.reference.conv_forward`."""
    windows = conv_windows(x.shape, w.shape, b.shape, conv_param)
    out, x, w, _ = _forward(x, w, b, windows)
    return out, (x, w, b, dict(conv_param))


def conv_backward(
    dout: NDArray[Any], cache: tuple[Any, ...], need_dx: bool = True
) -> tuple[NDArray[Any] | None, NDArray[Any], NDArray[Any]]:
    """See `app.core.kernels.reference.conv_backward`."""
    x, w, b, conv_param = cache
    windows = conv_windows(x.shape, w.shape, b.shape, conv_param)
    return _backward(dout, x, w, windows, need_dx)


def conv_relu_forward(
    x: NDArray[Any], w: NDArray[Any], b: NDArray[Any], conv_param: Mapping[str, Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """See `app.core.kernels.reference.conv_relu_forward`; one pass over the pictures."""
    windows = conv_windows(x.shape, w.shape, b.shape, conv_param)
    out, x, w, _ = _forward(x, w, b, windows, relu=True)
    return out, (x, w, windows, out)


def conv_relu_backward(
    dout: NDArray[Any], cache: tuple[Any, ...], need_dx: bool = True
) -> tuple[NDArray[Any] | None, NDArray[Any], NDArray[Any]]:
    """See `app.core.kernels.reference.conv_relu_backward`."""
    x, w, windows, seen = cache
    return _backward(dout, x, w, windows, need_dx, seen=seen)


def conv_relu_pool_forward(
    x: NDArray[Any],
    w: NDArray[Any],
    b: NDArray[Any],
    conv_param: Mapping[str, Any],
    pool_param: Mapping[str, Any],
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """See `app.core.kernels.reference.conv_relu_pool_forward`.

    The convolution's own output is never held as a whole: each picture is pooled at once.
    """
    windows = conv_windows(x.shape, w.shape, b.shape, conv_param)
    between = (len(x), len(w), *windows.places)
    pooled = pool_windows(between, pool_param)
    out, x, w, where = _forward(x, w, b, windows, pooled=pooled)
    return out, (x, w, windows, pooled, where)


def conv_relu_pool_backward(
    dout: NDArray[Any], cache: tuple[Any, ...], need_dx: bool = True
) -> tuple[NDArray[Any] | None, NDArray[Any], NDArray[Any]]:
    """See `app.core.kernels.reference.conv_relu_pool_backward`."""
    x, w, windows, pooled, where = cache
    return _backward(dout, x, w, windows, need_dx, pooled=pooled, where=where)


def _forward(
    x: NDArray[Any],
    w: NDArray[Any],
    b: NDArray[Any],
    windows: Windows,
    relu: bool = False,
    pooled: Windows | None = None,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.int32] | None]:
    """Return the output, x and w as they were used, and the places of a pool's maxima."""
    kind = kind_of(x, w)
    x, w, b = (np.ascontiguousarray(one, kind) for one in (x, w, b))
    height, width = (x.shape[2 + i] + 2 * windows.pad[i] + windows.stride[i] for i in (0, 1))
    _small_enough(x.shape[1], (height, width))
    places = pooled.places if pooled else windows.places
    out = np.empty((len(x), len(w), *places), kind)
    where = np.empty(out.shape, np.int32) if pooled else None
    if out.size:
        parts = parts_for(len(x) * w.size * math.prod(windows.places), len(x))
        _layers.conv_forward(x, w, b, out, windows, relu, pooled, where, parts, helpers_for(parts))
    return out, x, w, where


def _backward(
    dout: NDArray[Any],
    x: NDArray[Any],
    w: NDArray[Any],
    windows: Windows,
    need_dx: bool,
    seen: NDArray[Any] | None = None,
    pooled: Windows | None = None,
    where: NDArray[np.int32] | None = None,
) -> tuple[NDArray[Any] | None, NDArray[Any], NDArray[Any]]:
    expected = (len(x), len(w), *(pooled.places if pooled else windows.places))
    if dout.shape != expected:
        raise ShapeError(f"dout has the shape {dout.shape}; the output's was {expected}.")
    _small_enough(len(w), [windows.places[axis] + 2 * windows.size[axis] + 2 for axis in (0, 1)])
    kind = kind_of(x, w)
    x, w, dout = (np.ascontiguousarray(one, kind) for one in (x, w, dout))
    if not dout.size or not w.size:
        return (
            np.zeros(x.shape, kind) if need_dx else None,
            np.zeros(w.shape, kind),
            dout.sum(axis=(0, 2, 3)),
        )
    dx = np.empty(x.shape, kind) if need_dx else None
    dw, db = np.empty(w.shape, kind), np.empty(len(w), kind)
    work = len(x) * w.size * math.prod(windows.places) * (2 if need_dx else 1)
    parts = parts_for(work, min(len(x), _layers.MOST_GROUPS))
    _layers.conv_backward(
        dout, x, w, dx, dw, db, windows, seen, pooled, where, parts, helpers_for(parts)
    )
    return dx, dw, db


def _small_enough(channels: int, size: Sequence[int]) -> None:
    """Refuse padded pictures whose places are not told apart by the kernel's numbers."""
    if channels * size[0] * size[1] > MOST_PLACES:
        raise ShapeError(
            f"{channels} channels of {size[0]}×{size[1]}, padding included, are too large."
        )
