"""Compiled ReLU, leaky ReLU, dropout and global average pool: types are checked here.

Their caches are those of the twins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.errors import ShapeError
from app.core.kernels import _norms, reference
from app.core.kernels.compiled.sharing import helpers_for, kind_of, parts_for

__all__ = [
    "dropout_backward",
    "dropout_forward",
    "global_avg_pool_backward",
    "global_avg_pool_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "relu_backward",
    "relu_forward",
]


def relu_forward(x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """See `app.core.kernels.reference.relu_forward`."""
    if not _ours(x):
        return reference.relu_forward(x)
    x = np.ascontiguousarray(x)
    out = np.empty(x.shape, x.dtype)
    parts = parts_for(2 * x.size, max(1, x.size))
    _norms.relu_forward(x, out, parts, helpers_for(parts))
    return out, x


def relu_backward(dout: NDArray[Any], cache: NDArray[Any]) -> NDArray[Any]:
    """See `app.core.kernels.reference.relu_backward`."""
    if not _ours(dout, cache):
        return reference.relu_backward(dout, cache)
    dout, x = np.ascontiguousarray(dout), np.ascontiguousarray(cache)
    dx = np.empty(x.shape, x.dtype)
    parts = parts_for(3 * x.size, max(1, x.size))
    _norms.relu_backward(dout, x, dx, parts, helpers_for(parts))
    return dx


def leaky_relu_forward(
    x: NDArray[Any], slope: float = 0.01
) -> tuple[NDArray[Any], tuple[NDArray[Any], float]]:
    """See `app.core.kernels.reference.leaky_relu_forward`."""
    if not _ours(x):
        return reference.leaky_relu_forward(x, slope)
    x = np.ascontiguousarray(x)
    return _leaky(x, x, slope), (x, slope)


def leaky_relu_backward(dout: NDArray[Any], cache: tuple[NDArray[Any], float]) -> NDArray[Any]:
    """See `app.core.kernels.reference.leaky_relu_backward`."""
    x, slope = cache
    if not _ours(dout, x):
        return reference.leaky_relu_backward(dout, cache)
    return _leaky(np.ascontiguousarray(dout), np.ascontiguousarray(x), slope)


def dropout_forward(
    x: NDArray[Any], dropout_param: Mapping[str, Any]
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """See `app.core.kernels.reference.dropout_forward`; the same mask from the same generator."""
    p = dropout_param["p"]
    if dropout_param["mode"] != "train" or not 0 < p <= 1 or not _ours(x):
        return reference.dropout_forward(x, dropout_param)
    rng = dropout_param.get("rng")
    if rng is None:
        rng = np.random.default_rng(dropout_param.get("seed"))
    x = np.ascontiguousarray(x)
    drawn = rng.random(x.shape)
    mask, out = np.empty(x.shape, x.dtype), np.empty(x.shape, x.dtype)
    parts = parts_for(5 * x.size, max(1, x.size))
    _norms.dropout(x, drawn, p, mask, out, parts, helpers_for(parts))
    return out, mask


def dropout_backward(dout: NDArray[Any], cache: NDArray[Any] | None) -> NDArray[Any]:
    """See `app.core.kernels.reference.dropout_backward`."""
    if cache is None or not _ours(dout, cache):
        return reference.dropout_backward(dout, cache)
    dout = np.ascontiguousarray(dout)
    dx = np.empty(dout.shape, dout.dtype)
    parts = parts_for(3 * dout.size, max(1, dout.size))
    _norms.multiply(dout, cache, dx, parts, helpers_for(parts))
    return dx


def global_avg_pool_forward(x: NDArray[Any]) -> tuple[NDArray[Any], tuple[int, ...]]:
    """See `app.core.kernels.reference.global_avg_pool_forward`."""
    if x.ndim != 4 or not x.size or not _ours(x):
        return reference.global_avg_pool_forward(x)
    x = np.ascontiguousarray(x)
    out = np.empty(x.shape[:2], x.dtype)
    parts = parts_for(x.size, out.size)
    _norms.mean_forward(x, out, x.shape[2] * x.shape[3], parts, helpers_for(parts))
    return out, x.shape


def global_avg_pool_backward(dout: NDArray[Any], cache: tuple[int, ...]) -> NDArray[Any]:
    """See `app.core.kernels.reference.global_avg_pool_backward`."""
    if dout.shape != cache[:2]:
        raise ShapeError(f"dout has the shape {dout.shape}; the output's was {cache[:2]}.")
    dout = np.ascontiguousarray(dout, kind_of(dout))
    dx = np.empty(cache, dout.dtype)
    parts = parts_for(dx.size, max(1, dout.size))
    _norms.mean_backward(dout, dx, cache[2] * cache[3], parts, helpers_for(parts))
    return dx


def _leaky(values: NDArray[Any], x: NDArray[Any], slope: float) -> NDArray[Any]:
    out = np.empty(x.shape, x.dtype)
    parts = parts_for(3 * x.size, max(1, x.size))
    _norms.leaky(values, x, slope, out, parts, helpers_for(parts))
    return out


def _ours(*arrays: NDArray[Any]) -> bool:
    """Whether arrays have one shape and a type that there are loops for; else the twin serves."""
    first = arrays[0]
    return first.dtype in (np.float32, np.float64) and all(
        one.dtype == first.dtype and one.shape == first.shape for one in arrays
    )
