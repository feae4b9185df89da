"""Compiled pools: shapes and types are checked here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.errors import ShapeError
from app.core.kernels import _layers
from app.core.kernels.compiled.sharing import helpers_for, kind_of, parts_for
from app.core.kernels.geometry import pool_windows

__all__ = [
    "avg_pool_backward",
    "avg_pool_forward",
    "max_pool_backward",
    "max_pool_forward",
]


def max_pool_forward(
    x: NDArray[Any], pool_param: Mapping[str, Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """See `app.core.kernels.reference.max_pool_forward`; where the maxima are is remembered."""
    windows = pool_windows(x.shape, pool_param)
    x = np.ascontiguousarray(x, kind_of(x))
    out = np.empty((*x.shape[:2], *windows.places), x.dtype)
    where = np.empty(out.shape, np.int32)
    if out.size:
        parts = parts_for(x.size, x.shape[0] * x.shape[1])
        _layers.max_pool_forward(x, out, where, windows, parts, helpers_for(parts))
    return out, (x, dict(pool_param), where)


def max_pool_backward(dout: NDArray[Any], cache: tuple[Any, ...]) -> NDArray[Any]:
    """See `app.core.kernels.reference.max_pool_backward`."""
    x, pool_param, where = cache
    windows = pool_windows(x.shape, pool_param)
    _same_shape(dout, where.shape)
    dx = np.empty(x.shape, x.dtype)
    if dx.size:
        parts = parts_for(x.size, x.shape[0] * x.shape[1])
        dout = np.ascontiguousarray(dout, x.dtype)
        _layers.max_pool_backward(dout, where, dx, windows, parts, helpers_for(parts))
    return dx


def avg_pool_forward(
    x: NDArray[Any], pool_param: Mapping[str, Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """See `app.core.kernels.reference.avg_pool_forward`."""
    windows = pool_windows(x.shape, pool_param)
    x = np.ascontiguousarray(x, kind_of(x))
    out = np.empty((*x.shape[:2], *windows.places), x.dtype)
    if out.size:
        parts = parts_for(x.size, x.shape[0] * x.shape[1])
        _layers.avg_pool_forward(x, out, windows, parts, helpers_for(parts))
    return out, (x.shape, x.dtype, dict(pool_param))


def avg_pool_backward(dout: NDArray[Any], cache: tuple[Any, ...]) -> NDArray[Any]:
    """See `app.core.kernels.reference.avg_pool_backward`."""
    shape, kind, pool_param = cache
    windows = pool_windows(shape, pool_param)
    _same_shape(dout, (*shape[:2], *windows.places))
    dx = np.empty(shape, kind)
    if dx.size:
        parts = parts_for(dx.size, shape[0] * shape[1])
        dout = np.ascontiguousarray(dout, kind)
        _layers.avg_pool_backward(dout, dx, windows, parts, helpers_for(parts))
    return dx


def _same_shape(dout: NDArray[Any], expected: tuple[int, ...]) -> None:
    if dout.shape != expected:
        raise ShapeError(f"dout has the shape {dout.shape}; the output's was {expected}.")
