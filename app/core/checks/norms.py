"""Checks of normalizations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.checks.common import draws, engines, gradients
from app.core.checks.outcomes import Conditions, Measure, check

__all__ = ["CHECKS"]

GROUP = "Normalizations"
BATCH = ("spatial_batchnorm_forward", "spatial_batchnorm_backward", "batchnorm_forward")
GROUPS = ("spatial_groupnorm_forward", "spatial_groupnorm_backward")
PIXELS = (0, 2, 3)


def _apart(values: NDArray[Any], expected: Any) -> float:
    return float(np.abs(values - expected).max())


@check(
    GROUP,
    "After spatial batchnorm in training each channel has mean 0 and deviation 1, or β and γ",
    code=BATCH,
)
def spatial_batchnorm_train(_: Conditions) -> Iterator[Measure]:
    x = 4 * draws().randn(2, 3, 4, 5) + 10
    one, zero = np.ones(3), np.zeros(3)
    gamma, beta = np.array([3.0, 4.0, 5.0]), np.array([6.0, 7.0, 8.0])
    for layers in engines(*BATCH):
        out, _cache = layers.spatial_batchnorm_forward(x, one, zero, {"mode": "train"})
        yield Measure("mean", _apart(out.mean(axis=PIXELS), 0), 1e-5, "5.9e-16", engine=layers.NAME)
        yield Measure(
            "deviation", _apart(out.std(axis=PIXELS), 1), 1e-5, "4.9e-7", engine=layers.NAME
        )
        out, _cache = layers.spatial_batchnorm_forward(x, gamma, beta, {"mode": "train"})
        yield Measure("mean β", _apart(out.mean(axis=PIXELS), beta), 1e-5, "0", engine=layers.NAME)
        yield Measure(
            "deviation γ", _apart(out.std(axis=PIXELS), gamma), 1e-5, "2.0e-6", engine=layers.NAME
        )


@check(
    GROUP,
    "After 50 batches of N(13, 2.3) spatial batchnorm in the test leaves means within 0.1 of 0 and "
    "deviations within 0.05 of 1",
    code=BATCH,
)
def spatial_batchnorm_test(_: Conditions) -> Iterator[Measure]:
    for layers in engines(*BATCH):
        rng = draws()
        one, zero, bn_param = np.ones(4), np.zeros(4), {"mode": "train"}
        for _step in range(50):
            x = 2.3 * rng.randn(10, 4, 11, 12) + 13
            layers.spatial_batchnorm_forward(x, one, zero, bn_param)
        bn_param["mode"] = "test"
        x = 2.3 * rng.randn(10, 4, 11, 12) + 13
        out, _cache = layers.spatial_batchnorm_forward(x, one, zero, bn_param)
        yield Measure("mean", _apart(out.mean(axis=PIXELS), 0), 0.1, "0.080", engine=layers.NAME)
        yield Measure(
            "deviation", _apart(out.std(axis=PIXELS), 1), 0.05, "0.033", engine=layers.NAME
        )


@check(GROUP, "Spatial batchnorm's gradients agree with central differences", code=BATCH)
def spatial_batchnorm_gradient(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    x = 5 * rng.randn(2, 3, 4, 5) + 12
    gamma, beta, dout = rng.randn(3), rng.randn(3), rng.randn(2, 3, 4, 5)
    yield from gradients(
        "spatial_batchnorm",
        lambda forward: lambda x, gamma, beta: forward(x, gamma, beta, {"mode": "train"}),
        {"x": x, "gamma": gamma, "beta": beta},
        dout,
        1e-6,
        {"x": "3.1e-7", "gamma": "7.1e-12", "beta": "3.3e-12"},
    )


@check(
    GROUP,
    "After spatial groupnorm each group of channels has mean 0 and deviation 1, and the output has "
    "the shape of the input (the report's has seven axes)",
    code=GROUPS,
)
def spatial_groupnorm_forward(_: Conditions) -> Iterator[Measure]:
    x = 4 * draws().randn(2, 6, 4, 5) + 10
    gamma, beta = np.ones((1, 6, 1, 1)), np.zeros((1, 6, 1, 1))
    for layers in engines(*GROUPS):
        out, _cache = layers.spatial_groupnorm_forward(x, gamma, beta, 2, {})
        grouped = out.reshape(4, -1)
        yield Measure("mean", _apart(grouped.mean(axis=1), 0), 1e-5, "5.3e-16", engine=layers.NAME)
        yield Measure(
            "deviation", _apart(grouped.std(axis=1), 1), 1e-5, "5.2e-7", engine=layers.NAME
        )
        yield Measure("axes too many", abs(out.ndim - 4), 0.0, "3", engine=layers.NAME)


@check(GROUP, "Spatial groupnorm's gradients agree with central differences", code=GROUPS)
def spatial_groupnorm_gradient(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    x = 5 * rng.randn(2, 6, 4, 5) + 12
    gamma, beta = rng.randn(1, 6, 1, 1), rng.randn(1, 6, 1, 1)
    dout = rng.randn(2, 6, 4, 5)
    yield from gradients(
        "spatial_groupnorm",
        lambda forward: lambda x, gamma, beta: forward(x, gamma, beta, 2, {}),
        {"x": x, "gamma": gamma, "beta": beta},
        dout,
        1e-6,
        {"x": "6.3e-8", "gamma": "1.1e-11", "beta": "3.8e-12"},
    )


@check(
    GROUP,
    "Batchnorm's gradients agree with central differences, in training and in the test",
    code=("batchnorm_forward", "batchnorm_backward"),
)
def batchnorm_gradient(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    arrays = {"x": 5 * rng.randn(4, 5) + 12, "gamma": rng.randn(5), "beta": rng.randn(5)}
    dout = rng.randn(4, 5)
    test = {"mode": "test", "running_mean": rng.randn(5), "running_var": 1 + rng.rand(5)}
    for bn_param in ({"mode": "train"}, test):
        yield from _named(bn_param, arrays, dout)


def _named(
    bn_param: dict[str, Any], arrays: dict[str, NDArray[Any]], dout: NDArray[Any]
) -> Iterator[Measure]:
    for one in gradients(
        "batchnorm",
        lambda forward: lambda x, gamma, beta: forward(x, gamma, beta, bn_param),
        arrays,
        dout,
        1e-6,
    ):
        yield replace(one, name=f"{one.name}, {bn_param['mode']}")


@check(
    GROUP,
    "Layernorm's gradients agree with central differences",
    code=("layernorm_forward", "layernorm_backward"),
)
def layernorm_gradient(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    arrays = {"x": 5 * rng.randn(4, 5) + 12, "gamma": rng.randn(5), "beta": rng.randn(5)}
    yield from gradients(
        "layernorm",
        lambda forward: lambda x, gamma, beta: forward(x, gamma, beta, {}),
        arrays,
        rng.randn(4, 5),
        1e-6,
    )


CHECKS = (
    spatial_batchnorm_train,
    spatial_batchnorm_test,
    spatial_batchnorm_gradient,
    spatial_groupnorm_forward,
    spatial_groupnorm_gradient,
    batchnorm_gradient,
    layernorm_gradient,
)
