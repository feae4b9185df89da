"""Layers that are often used one after the other, as one.

Arguments are those of the layers they join, in that order. The cache is the layers' caches.

References
----------
CS231n, assignment 2, ``layer_utils.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from numpy.typing import NDArray

from app.core.kernels.reference.activations import relu_backward, relu_forward
from app.core.kernels.reference.conv import conv_backward, conv_forward
from app.core.kernels.reference.dense import affine_backward, affine_forward
from app.core.kernels.reference.norm import spatial_batchnorm_backward, spatial_batchnorm_forward
from app.core.kernels.reference.pool import max_pool_backward, max_pool_forward

__all__ = [
    "affine_relu_backward",
    "affine_relu_forward",
    "conv_norm_relu_pool_backward",
    "conv_norm_relu_pool_forward",
    "conv_relu_backward",
    "conv_relu_forward",
    "conv_relu_pool_backward",
    "conv_relu_pool_forward",
    "spatial_batchnorm_relu_backward",
    "spatial_batchnorm_relu_forward",
]


def affine_relu_forward(
    x: NDArray[Any], w: NDArray[Any], b: NDArray[Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """Affine layer, then ReLU."""
    a, affine_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (affine_cache, relu_cache)


def affine_relu_backward(
    dout: NDArray[Any], cache: tuple[Any, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return dx, dw and db."""
    affine_cache, relu_cache = cache
    return affine_backward(relu_backward(dout, relu_cache), affine_cache)


def conv_relu_forward(
    x: NDArray[Any], w: NDArray[Any], b: NDArray[Any], conv_param: Mapping[str, Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """Convolution, then ReLU."""
    a, conv_cache = conv_forward(x, w, b, conv_param)
    out, relu_cache = relu_forward(a)
    return out, (conv_cache, relu_cache)


def conv_relu_backward(
    dout: NDArray[Any], cache: tuple[Any, ...], need_dx: bool = True
) -> tuple[NDArray[Any] | None, NDArray[Any], NDArray[Any]]:
    """Return dx (None when it is not needed), dw and db."""
    conv_cache, relu_cache = cache
    return conv_backward(relu_backward(dout, relu_cache), conv_cache, need_dx)


def conv_relu_pool_forward(
    x: NDArray[Any],
    w: NDArray[Any],
    b: NDArray[Any],
    conv_param: Mapping[str, Any],
    pool_param: Mapping[str, Any],
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """Convolution, ReLU, max pool."""
    a, conv_cache = conv_forward(x, w, b, conv_param)
    s, relu_cache = relu_forward(a)
    out, pool_cache = max_pool_forward(s, pool_param)
    return out, (conv_cache, relu_cache, pool_cache)


def conv_relu_pool_backward(
    dout: NDArray[Any], cache: tuple[Any, ...], need_dx: bool = True
) -> tuple[NDArray[Any] | None, NDArray[Any], NDArray[Any]]:
    """Return dx (None when it is not needed), dw and db."""
    conv_cache, relu_cache, pool_cache = cache
    da = relu_backward(max_pool_backward(dout, pool_cache), relu_cache)
    return conv_backward(da, conv_cache, need_dx)


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
    """Convolution, spatial batchnorm, ReLU, max pool."""
    a, conv_cache = conv_forward(x, w, b, conv_param)
    an, norm_cache = spatial_batchnorm_forward(a, gamma, beta, bn_param)
    s, relu_cache = relu_forward(an)
    out, pool_cache = max_pool_forward(s, pool_param)
    return out, (conv_cache, norm_cache, relu_cache, pool_cache)


def conv_norm_relu_pool_backward(
    dout: NDArray[Any], cache: tuple[Any, ...], need_dx: bool = True
) -> tuple[NDArray[Any] | None, NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return dx (None when it is not needed), dw, db, dgamma and dbeta."""
    conv_cache, norm_cache, relu_cache, pool_cache = cache
    dan = relu_backward(max_pool_backward(dout, pool_cache), relu_cache)
    da, dgamma, dbeta = spatial_batchnorm_backward(dan, norm_cache)
    dx, dw, db = conv_backward(da, conv_cache, need_dx)
    return dx, dw, db, dgamma, dbeta


def spatial_batchnorm_relu_forward(
    x: NDArray[Any], gamma: NDArray[Any], beta: NDArray[Any], bn_param: MutableMapping[str, Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """Batchnorm of pictures, then ReLU."""
    a, norm_cache = spatial_batchnorm_forward(x, gamma, beta, bn_param)
    out, relu_cache = relu_forward(a)
    return out, (norm_cache, relu_cache)


def spatial_batchnorm_relu_backward(
    dout: NDArray[Any], cache: tuple[Any, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return dx, dgamma and dbeta."""
    norm_cache, relu_cache = cache
    return spatial_batchnorm_backward(relu_backward(dout, relu_cache), norm_cache)
