"""Normalizations: values are shifted and scaled to mean 0 and variance 1, then by γ and β.

They differ in what is normalized together: a feature over the batch (batch), an example over its
features (layer), a channel over batch and pixels (spatial batch), a group of channels of one
picture (spatial group).

References
----------
Ioffe, Szegedy, "Batch normalization", 2015. Ba, Kiros, Hinton, "Layer normalization", 2016.
Wu, He, "Group normalization", 2018. CS231n, assignment 2.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.errors import UsageError
from app.core.kernels.geometry import floating
from app.core.kernels.norm_shapes import check_features, check_groups, check_pictures, check_rows

__all__ = [
    "batchnorm_backward",
    "batchnorm_forward",
    "layernorm_backward",
    "layernorm_forward",
    "spatial_batchnorm_backward",
    "spatial_batchnorm_forward",
    "spatial_groupnorm_backward",
    "spatial_groupnorm_forward",
]

EPS = 1e-5
MOMENTUM = 0.9


def batchnorm_forward(
    x: NDArray[Any],
    gamma: NDArray[Any],
    beta: NDArray[Any],
    bn_param: MutableMapping[str, Any],
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """Normalize each feature over the batch.

    Parameters
    ----------
    x : ndarray, shape (N, D)
        float32 or float64, which is kept.
    gamma, beta : ndarray, shape (D,)
        Scale and shift afterwards.
    bn_param : mutable mapping
        ``mode``: "train" or "test". ``eps``: added to the variance, 1e-5 when not there.
        ``momentum``: how much of the running averages is kept in a step, 0.9 when not there
        (torch's momentum is one minus this). ``running_mean`` and ``running_var``, shape (D,):
        replaced in "train", used in "test". As in CS231n the running variance averages the
        batch's own, Σ(x−μ)²/N; torch averages the one over N − 1.

    Returns
    -------
    out : ndarray, shape (N, D)
    cache : tuple
        What `batchnorm_backward` needs, in either mode.

    Raises
    ------
    ShapeError
        The arrays do not belong together.
    UsageError
        The mode is neither.
    """
    check_rows(x)
    width = x.shape[1]
    check_features(gamma, beta, width)
    kind = floating(x)
    mode, eps = bn_param["mode"], bn_param.get("eps", EPS)
    if mode not in ("train", "test"):
        raise UsageError(f"The mode of a batchnorm is {mode!r}, not train or test.")
    running_mean = bn_param.get("running_mean", np.zeros(width, kind))
    running_var = bn_param.get("running_var", np.zeros(width, kind))
    if mode == "train":
        mean, var = x.mean(axis=0), x.var(axis=0)
        keep = bn_param.get("momentum", MOMENTUM)
        # New arrays: what another thread reads meanwhile stays whole.
        bn_param["running_mean"] = (keep * running_mean + (1 - keep) * mean).astype(kind)
        bn_param["running_var"] = (keep * running_var + (1 - keep) * var).astype(kind)
    else:
        mean, var = running_mean, running_var
    inverse = (1 / np.sqrt(var + eps)).astype(kind)
    x_hat = ((x - mean) * inverse).astype(kind, copy=False)
    out = (gamma * x_hat + beta).astype(kind, copy=False)
    return out, (x_hat, inverse, gamma, mode)


def batchnorm_backward(
    dout: NDArray[Any], cache: tuple[Any, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return dx (N, D), dgamma (D,) and dbeta (D,) from dout (N, D).

    In "train" mean and variance depend on x too, which takes two terms away:
    ``dx = (d − mean(d) − x̂ mean(d x̂)) / σ`` with ``d = γ dout``.
    """
    x_hat, inverse, gamma, mode = cache
    dx_hat = (gamma * dout).astype(x_hat.dtype, copy=False)
    dbeta, dgamma = dout.sum(axis=0), (dout * x_hat).sum(axis=0)
    if mode == "test":
        return dx_hat * inverse, dgamma, dbeta
    return _normalized_backward(dx_hat, x_hat, inverse, 0), dgamma, dbeta


def layernorm_forward(
    x: NDArray[Any], gamma: NDArray[Any], beta: NDArray[Any], ln_param: Mapping[str, Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """Normalize each example over its features; the same in training and test.

    Parameters
    ----------
    x : ndarray, shape (N, D)
    gamma, beta : ndarray, shape (D,)
        Scale and shift afterwards.
    ln_param : mapping
        ``eps``: added to the variance, 1e-5 when not there.
    """
    check_rows(x)
    check_features(gamma, beta, x.shape[1])
    x_hat, inverse = _normalized(x, 1, ln_param.get("eps", EPS))
    out = (gamma * x_hat + beta).astype(x_hat.dtype, copy=False)
    return out, (x_hat, inverse, gamma)


def layernorm_backward(
    dout: NDArray[Any], cache: tuple[Any, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return dx (N, D), dgamma (D,) and dbeta (D,) from dout (N, D)."""
    x_hat, inverse, gamma = cache
    dx_hat = (gamma * dout).astype(x_hat.dtype, copy=False)
    dx = _normalized_backward(dx_hat, x_hat, inverse, 1)
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


def spatial_batchnorm_forward(
    x: NDArray[Any],
    gamma: NDArray[Any],
    beta: NDArray[Any],
    bn_param: MutableMapping[str, Any],
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """Normalize each channel over batch and pixels: a batchnorm whose rows are pixels.

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W)
    gamma, beta : ndarray, shape (C,)
    bn_param : mutable mapping
        As for `batchnorm_forward`; running averages have the shape (C,).
    """
    rows = _pixels_as_rows(x)
    out, cache = batchnorm_forward(rows, gamma, beta, bn_param)
    return _rows_as_pixels(out, x.shape), cache


def spatial_batchnorm_backward(
    dout: NDArray[Any], cache: tuple[Any, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return dx (N, C, H, W), dgamma (C,) and dbeta (C,) from dout (N, C, H, W)."""
    dx, dgamma, dbeta = batchnorm_backward(_pixels_as_rows(dout), cache)
    return _rows_as_pixels(dx, dout.shape), dgamma, dbeta


def spatial_groupnorm_forward(
    x: NDArray[Any],
    gamma: NDArray[Any],
    beta: NDArray[Any],
    G: int,
    gn_param: Mapping[str, Any],
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """Normalize each group of channels of each picture; the same in training and test.

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W)
    gamma, beta : ndarray, shape (C,) or (1, C, 1, 1)
        Scale and shift of each channel afterwards. The output keeps the shape of x either way.
    G : int
        Number of groups; C is a multiple of it.
    gn_param : mapping
        ``eps``: added to the variance, 1e-5 when not there.
    """
    check_groups(x, gamma, beta, G)
    pictures, channels = x.shape[:2]
    groups, inverse = _normalized(x.reshape(pictures * G, -1), 1, gn_param.get("eps", EPS))
    x_hat = groups.reshape(x.shape)
    out = gamma.reshape(1, channels, 1, 1) * x_hat + beta.reshape(1, channels, 1, 1)
    return out.astype(x_hat.dtype, copy=False), (x_hat, inverse, gamma, beta.shape, G)


def spatial_groupnorm_backward(
    dout: NDArray[Any], cache: tuple[Any, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return dx (N, C, H, W), and dgamma and dbeta of the shapes of gamma and beta."""
    x_hat, inverse, gamma, beta_shape, G = cache
    dx_hat = (gamma.reshape(1, -1, 1, 1) * dout).astype(x_hat.dtype, copy=False)
    rows = (len(dout) * G, -1)
    dx = _normalized_backward(dx_hat.reshape(rows), x_hat.reshape(rows), inverse, 1)
    dgamma = (dout * x_hat).sum(axis=(0, 2, 3)).reshape(gamma.shape)
    return dx.reshape(dout.shape), dgamma, dout.sum(axis=(0, 2, 3)).reshape(beta_shape)


def _normalized(x: NDArray[Any], axis: int, eps: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return x̂ with mean 0 and variance 1 along an axis, and 1/σ."""
    kind = floating(x)
    inverse = (1 / np.sqrt(x.var(axis=axis, keepdims=True) + eps)).astype(kind)
    return ((x - x.mean(axis=axis, keepdims=True)) * inverse).astype(kind, copy=False), inverse


def _normalized_backward(
    dx_hat: NDArray[Any], x_hat: NDArray[Any], inverse: NDArray[Any], axis: int
) -> NDArray[Any]:
    """Return the slope along x of x̂ = (x − μ)/σ, where μ and σ depend on x themselves."""
    mean = dx_hat.mean(axis=axis, keepdims=True)
    tilt = (dx_hat * x_hat).mean(axis=axis, keepdims=True)
    dx: NDArray[Any] = (dx_hat - mean - x_hat * tilt) * inverse
    return dx


def _pixels_as_rows(x: NDArray[Any]) -> NDArray[Any]:
    """Return (N·H·W, C) of (N, C, H, W)."""
    check_pictures(x)
    return x.transpose(0, 2, 3, 1).reshape(-1, x.shape[1])


def _rows_as_pixels(rows: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return (N, C, H, W) of (N·H·W, C)."""
    count, channels, height, width = shape
    back = rows.reshape(count, height, width, channels).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(back)
