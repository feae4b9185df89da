"""Compiled normalizations: shapes and types are checked here.

Their caches keep the input itself, the mean and 1/σ in place of x̂: less to write and to read.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.core.errors import ShapeError, UsageError
from app.core.kernels import _norms
from app.core.kernels.compiled.sharing import helpers_for, kind_of, parts_for
from app.core.kernels.norm_shapes import check_features, check_groups, check_pictures, check_rows
from app.core.kernels.reference.norm import EPS, MOMENTUM

__all__ = [
    "batchnorm_backward",
    "batchnorm_forward",
    "layernorm_backward",
    "layernorm_forward",
    "spatial_batchnorm_backward",
    "spatial_batchnorm_forward",
    "spatial_batchnorm_relu_backward",
    "spatial_batchnorm_relu_forward",
    "spatial_groupnorm_backward",
    "spatial_groupnorm_forward",
]


@dataclass(frozen=True)
class _Layout:
    """How an array falls into groups that are normalized together; see ``_norms.normalize``.

    Attributes
    ----------
    kind : {"maps", "columns", "rows"}
    maps : tuple of int
        Maps, channels, and numbers in a map.
    groups : tuple of int
        Groups, maps in each, from one group to the next, and from one map of it to the next.
    """

    kind: Literal["maps", "columns", "rows"]
    maps: tuple[int, int, int]
    groups: tuple[int, int, int, int]

    def parts(self, passes: int) -> int:
        """Return how many threads share a call that reads or writes everything `passes` times."""
        return parts_for(passes * self.maps[0] * self.maps[2], max(1, self.groups[0]))


def batchnorm_forward(
    x: NDArray[Any], gamma: NDArray[Any], beta: NDArray[Any], bn_param: MutableMapping[str, Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """See `app.core.kernels.reference.batchnorm_forward`."""
    check_rows(x)
    check_features(gamma, beta, x.shape[1])
    return _batch_forward(x, gamma, beta, bn_param, False)


def batchnorm_backward(
    dout: NDArray[Any], cache: tuple[Any, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """See `app.core.kernels.reference.batchnorm_backward`."""
    return _backward(dout, cache)


def spatial_batchnorm_forward(
    x: NDArray[Any], gamma: NDArray[Any], beta: NDArray[Any], bn_param: MutableMapping[str, Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """See `app.core.kernels.reference.spatial_batchnorm_forward`."""
    check_pictures(x)
    check_features(gamma, beta, x.shape[1])
    return _batch_forward(x, gamma, beta, bn_param, False)


def spatial_batchnorm_backward(
    dout: NDArray[Any], cache: tuple[Any, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """See `app.core.kernels.reference.spatial_batchnorm_backward`."""
    return _backward(dout, cache)


def spatial_batchnorm_relu_forward(
    x: NDArray[Any], gamma: NDArray[Any], beta: NDArray[Any], bn_param: MutableMapping[str, Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """See `app.core.kernels.reference.spatial_batchnorm_relu_forward`."""
    check_pictures(x)
    check_features(gamma, beta, x.shape[1])
    return _batch_forward(x, gamma, beta, bn_param, True)


def spatial_batchnorm_relu_backward(
    dout: NDArray[Any], cache: tuple[Any, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """See `app.core.kernels.reference.spatial_batchnorm_relu_backward`."""
    return _backward(dout, cache)


def spatial_groupnorm_forward(
    x: NDArray[Any], gamma: NDArray[Any], beta: NDArray[Any], G: int, gn_param: Mapping[str, Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """See `app.core.kernels.reference.spatial_groupnorm_forward`."""
    check_groups(x, gamma, beta, G)
    pictures, channels, height, width = x.shape
    members = channels // G
    maps = pictures * channels, channels, height * width
    layout = _Layout("maps", maps, (pictures * G, members, members, 1))
    return _example_forward(x, gamma, beta, layout, gn_param.get("eps", EPS))


def spatial_groupnorm_backward(
    dout: NDArray[Any], cache: tuple[Any, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """See `app.core.kernels.reference.spatial_groupnorm_backward`."""
    return _backward(dout, cache)


def layernorm_forward(
    x: NDArray[Any], gamma: NDArray[Any], beta: NDArray[Any], ln_param: Mapping[str, Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """See `app.core.kernels.reference.layernorm_forward`."""
    check_rows(x)
    check_features(gamma, beta, x.shape[1])
    count, width = x.shape
    layout = _Layout("rows", (count, width, width), (count, 1, 1, 1))
    return _example_forward(x, gamma, beta, layout, ln_param.get("eps", EPS))


def layernorm_backward(
    dout: NDArray[Any], cache: tuple[Any, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """See `app.core.kernels.reference.layernorm_backward`."""
    return _backward(dout, cache)


def _batch_forward(
    x: NDArray[Any],
    gamma: NDArray[Any],
    beta: NDArray[Any],
    bn_param: MutableMapping[str, Any],
    relu: bool,
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    kind, (count, channels) = kind_of(x), x.shape[:2]
    mode, eps = bn_param["mode"], bn_param.get("eps", EPS)
    if mode not in ("train", "test"):
        raise UsageError(f"The mode of a batchnorm is {mode!r}, not train or test.")
    pixels = int(np.prod(x.shape[2:]))
    # Maps of one pixel are features beside each other.
    layout = _Layout(
        "columns" if pixels == 1 else "maps",
        (count * channels, channels, pixels),
        (channels, count, 1, channels),
    )
    running = [
        bn_param.get(name, np.zeros(channels, kind)) for name in ("running_mean", "running_var")
    ]
    moments = np.empty((3, channels))
    given = mode == "test"
    if given:
        moments[0], moments[1] = running
        moments[2] = 1 / np.sqrt(moments[1] + eps)
    out, cache = _forward(x, gamma, beta, layout, moments, eps, given, relu)
    if not given:
        keep = bn_param.get("momentum", MOMENTUM)
        # New arrays: what another thread reads meanwhile stays whole.
        for name, before, batch in zip(
            ("running_mean", "running_var"), running, moments[:2], strict=True
        ):
            bn_param[name] = (keep * before + (1 - keep) * batch).astype(kind)
    return out, cache


def _example_forward(
    x: NDArray[Any], gamma: NDArray[Any], beta: NDArray[Any], layout: _Layout, eps: float
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    moments = np.empty((3, layout.groups[0]))
    return _forward(x, gamma, beta, layout, moments, eps, False, False)


def _forward(
    x: NDArray[Any],
    gamma: NDArray[Any],
    beta: NDArray[Any],
    layout: _Layout,
    moments: NDArray[Any],
    eps: float,
    given: bool,
    relu: bool,
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    kind, shapes = kind_of(x), (gamma.shape, beta.shape)
    x, gamma, beta = (np.ascontiguousarray(one, kind) for one in (x, gamma, beta))
    out = np.empty(x.shape, kind)
    parts = layout.parts(2)
    _norms.normalize(
        layout.kind, x, gamma, beta, out, moments, layout.maps, layout.groups, eps, given, relu,
        parts, helpers_for(parts),
    )  # fmt: skip
    return out, (x, moments, gamma, beta, shapes, layout, given, relu)


def _backward(
    dout: NDArray[Any], cache: tuple[Any, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    x, moments, gamma, beta, shapes, layout, given, relu = cache
    if dout.shape != x.shape:
        raise ShapeError(f"dout has the shape {dout.shape}; the output's was {x.shape}.")
    dout = np.ascontiguousarray(dout, x.dtype)
    dx = np.empty(x.shape, x.dtype)
    dgamma, dbeta = (np.empty(shape, x.dtype) for shape in shapes)
    sums = np.empty(2 * layout.maps[0] if layout.kind == "maps" else 0)
    parts = layout.parts(3)
    _norms.normalize_backward(
        layout.kind, dout, x, gamma, beta, moments, sums, dx, dgamma, dbeta, layout.maps,
        layout.groups, given, relu, parts, helpers_for(parts),
    )  # fmt: skip
    return dx, dgamma, dbeta
