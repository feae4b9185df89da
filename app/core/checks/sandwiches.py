"""Checks of layers that are used one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from app.core.checks.common import draws, gradients
from app.core.checks.outcomes import Conditions, Measure, check

__all__ = ["CHECKS"]

GROUP = "Sandwiches"
ONE = {"stride": 1, "pad": 1}
TWO = {"pool_height": 2, "pool_width": 2, "stride": 2}


@check(
    GROUP,
    "The gradients of convolution, ReLU and pool agree with central differences",
    code=("conv_relu_pool_forward", "conv_relu_pool_backward"),
)
def conv_relu_pool(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    x, w, b = rng.randn(2, 3, 16, 16), rng.randn(3, 3, 3, 3), rng.randn(3)
    yield from gradients(
        "conv_relu_pool",
        lambda forward: lambda x, w, b: forward(x, w, b, ONE, TWO),
        {"x": x, "w": w, "b": b},
        rng.randn(2, 3, 8, 8),
        1e-6,
        {"x": "6.5e-9", "w": "1.5e-8", "b": "2.0e-9"},
    )


@check(
    GROUP,
    "The gradients of convolution and ReLU agree with central differences",
    code=("conv_relu_forward", "conv_relu_backward"),
)
def conv_relu(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    x, w, b = rng.randn(2, 3, 8, 8), rng.randn(3, 3, 3, 3), rng.randn(3)
    yield from gradients(
        "conv_relu",
        lambda forward: lambda x, w, b: forward(x, w, b, ONE),
        {"x": x, "w": w, "b": b},
        rng.randn(2, 3, 8, 8),
        1e-6,
        {"x": "3.6e-9", "w": "2.2e-10", "b": "1.3e-10"},
    )


@check(
    GROUP,
    "The gradients of convolution, batchnorm, ReLU and pool agree with central differences",
    code=("conv_norm_relu_pool_forward", "conv_norm_relu_pool_backward"),
)
def conv_norm_relu_pool(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    x, w, b = rng.randn(2, 3, 8, 8), rng.randn(3, 3, 3, 3), rng.randn(3)
    gamma, beta = rng.randn(3), rng.randn(3)
    bn = {"mode": "train"}
    yield from gradients(
        "conv_norm_relu_pool",
        lambda forward: lambda x, w, b, g, beta: forward(x, w, b, g, beta, ONE, bn, TWO),
        {"x": x, "w": w, "b": b, "gamma": gamma, "beta": beta},
        rng.randn(2, 3, 4, 4),
        1e-6,
        # The norm takes a shift of all values out again: the slope along b is 0, and the
        # relative error of next to nothing says nothing.
        leave_out=("b",),
    )


@check(
    GROUP,
    "The gradients of affine layer and ReLU agree with central differences",
    code=("affine_relu_forward", "affine_relu_backward"),
)
def affine_relu(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    arrays = {"x": rng.randn(2, 3, 4), "w": rng.randn(12, 10), "b": rng.randn(10)}
    yield from gradients("affine_relu", lambda forward: forward, arrays, rng.randn(2, 10), 1e-6)


@check(
    GROUP,
    "The gradients of spatial batchnorm and ReLU agree with central differences",
    code=("spatial_batchnorm_relu_forward", "spatial_batchnorm_relu_backward"),
)
def spatial_batchnorm_relu(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    bn = {"mode": "train"}
    yield from gradients(
        "spatial_batchnorm_relu",
        lambda forward: lambda x, g, beta: forward(x, g, beta, bn),
        {"x": rng.randn(2, 3, 4, 5), "gamma": rng.randn(3), "beta": rng.randn(3)},
        rng.randn(2, 3, 4, 5),
        1e-6,
    )


CHECKS = (conv_relu_pool, conv_relu, conv_norm_relu_pool, affine_relu, spatial_batchnorm_relu)
