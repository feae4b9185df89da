"""Layers that are often used one after the other, of compiled ones where there are any."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from numpy.typing import NDArray

from app.core.kernels.compiled.conv import conv_backward, conv_forward
from app.core.kernels.compiled.norm import (
    spatial_batchnorm_relu_backward,
    spatial_batchnorm_relu_forward,
)
from app.core.kernels.compiled.pool import max_pool_backward, max_pool_forward

__all__ = ["conv_norm_relu_pool_backward", "conv_norm_relu_pool_forward"]


def conv_norm_relu_pool_forward(
    x: NDArray[Any],
    w: NDArray[Any],
    b: NDArray[Any],
    gamma: NDArray[Any],
    beta: NDArray[Any],
    conv_param: Mapping[str, Any],
    bn_param: MutableMapping[str, Any],
    pool_param: Mapping[str, Any],
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """See `app.core.kernels.reference.conv_norm_relu_pool_forward`."""
    a, conv_cache = conv_forward(x, w, b, conv_param)
    s, norm_cache = spatial_batchnorm_relu_forward(a, gamma, beta, bn_param)
    out, pool_cache = max_pool_forward(s, pool_param)
    return out, (conv_cache, norm_cache, pool_cache)


def conv_norm_relu_pool_backward(
    dout: NDArray[Any], cache: tuple[Any, ...], need_dx: bool = True
) -> tuple[NDArray[Any] | None, NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """See `app.core.kernels.reference.conv_norm_relu_pool_backward`."""
    conv_cache, norm_cache, pool_cache = cache
    ds = max_pool_backward(dout, pool_cache)
    da, dgamma, dbeta = spatial_batchnorm_relu_backward(ds, norm_cache)
    dx, dw, db = conv_backward(da, conv_cache, need_dx)
    return dx, dw, db, dgamma, dbeta
