"""Checks of convolution."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from app.core import kernels
from app.core.checks.common import best_time, draws, engines, gradients, ramp
from app.core.checks.outcomes import Conditions, Measure, NotHere, check
from app.core.kernels import reference
from app.core.nn.gradient_check import relative_error

__all__ = ["CHECKS"]

GROUP = "Convolution"
CODE = ("conv_forward", "conv_backward")

# As the report prints them: eight digits behind the point.
FORWARD = np.array(
    [
        [
            [[-0.08759809, -0.10987781], [-0.18387192, -0.2109216]],
            [[0.21027089, 0.21661097], [0.22847626, 0.23004637]],
            [[0.50813986, 0.54309974], [0.64082444, 0.67101435]],
        ],
        [
            [[-0.98053589, -1.03143541], [-1.19128892, -1.24695841]],
            [[0.69108355, 0.66880383], [0.59480972, 0.56776003]],
            [[2.36270298, 2.36904306], [2.38090835, 2.38247847]],
        ],
    ]
)


@check(GROUP, "A convolution of two ramps gives the array that the report prints", code=CODE)
def conv_forward(_: Conditions) -> Iterator[Measure]:
    x, w, b = ramp(-0.1, 0.5, 2, 3, 4, 4), ramp(-0.2, 0.3, 3, 3, 4, 4), np.linspace(-0.1, 0.2, 3)
    for layers in engines("conv_forward"):
        out, _cache = layers.conv_forward(x, w, b, {"stride": 2, "pad": 1})
        yield Measure("out", relative_error(out, FORWARD), 3e-8, "2.2e-8", engine=layers.NAME)


@check(GROUP, "A convolution's gradients agree with central differences", code=CODE)
def conv_backward(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    x, w, b = rng.randn(4, 3, 5, 5), rng.randn(2, 3, 3, 3), rng.randn(2)
    dout = rng.randn(4, 2, 5, 5)
    yield from gradients(
        "conv",
        lambda forward: lambda x, w, b: forward(x, w, b, {"stride": 1, "pad": 1}),
        {"x": x, "w": w, "b": b},
        dout,
        1e-7,
        {"x": "1.2e-8", "w": "2.2e-10", "b": "3.4e-11"},
    )


@check(
    GROUP,
    "The gradients of oblong filters, strides and paddings agree with central differences",
    code=CODE,
)
def conv_oblong(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    x, w, b = rng.randn(2, 3, 7, 6), rng.randn(4, 3, 2, 5), rng.randn(4)
    conv_param = {"stride": (3, 1), "pad": (1, 2)}
    dout = rng.randn(*reference.conv_forward(x, w, b, conv_param)[0].shape)
    yield from gradients(
        "conv",
        lambda forward: lambda x, w, b: forward(x, w, b, conv_param),
        {"x": x, "w": w, "b": b},
        dout,
        1e-7,
    )


@check(
    GROUP,
    "Compiled and readable convolution agree at the report's shapes; how many times faster it is",
    code=CODE,
    slow=True,
)
def conv_fast(conditions: Conditions) -> Iterator[Measure]:
    if not kernels.COMPILED:
        raise NotHere(f"There are no compiled kernels: {kernels.REASON}.", "a compiler")
    compiled = kernels.choose("compiled")
    rng = draws()
    x, w, b = rng.randn(100, 3, 31, 31), rng.randn(25, 3, 3, 3), rng.randn(25)
    dout = rng.randn(100, 25, 16, 16)
    conv_param = {"stride": 2, "pad": 1}
    conditions.between("The readable convolution, forward", 0.0)
    start = time.perf_counter()
    out, cache = reference.conv_forward(x, w, b, conv_param)
    slow_forward = time.perf_counter() - start
    conditions.between("The readable convolution, backward", 0.4)
    start = time.perf_counter()
    slow = reference.conv_backward(dout, cache)
    slow_backward = time.perf_counter() - start
    conditions.between("The compiled convolution", 0.95)
    fast_out, fast_cache = compiled.conv_forward(x, w, b, conv_param)
    fast = compiled.conv_backward(dout, fast_cache)
    yield Measure("out", relative_error(out, fast_out), 1e-9, "4.9e-11")
    for name, ours, twin, ref in zip(
        ("dx", "dw", "db"), fast, slow, ("1.9e-11", "5.7e-13", "0.0"), strict=True
    ):
        assert ours is not None
        assert twin is not None
        yield Measure(name, relative_error(ours, twin), 1e-9, ref)
    fast_forward = best_time(lambda: compiled.conv_forward(x, w, b, conv_param))
    fast_backward = best_time(lambda: compiled.conv_backward(dout, fast_cache))
    yield Measure("times faster forward", slow_forward / fast_forward, None, "602×")
    yield Measure("times faster backward", slow_backward / fast_backward, None, "497×")


CHECKS = (conv_forward, conv_backward, conv_oblong, conv_fast)
