"""Checks of pools."""

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

GROUP = "Pools"
CODE = ("max_pool_forward", "max_pool_backward")
TWO = {"pool_height": 2, "pool_width": 2, "stride": 2}

# As the report prints them: eight digits behind the point.
FORWARD = np.array(
    [
        [
            [[-0.26315789, -0.24842105], [-0.20421053, -0.18947368]],
            [[-0.14526316, -0.13052632], [-0.08631579, -0.07157895]],
            [[-0.02736842, -0.01263158], [0.03157895, 0.04631579]],
        ],
        [
            [[0.09052632, 0.10526316], [0.14947368, 0.16421053]],
            [[0.20842105, 0.22315789], [0.26736842, 0.28210526]],
            [[0.32631579, 0.34105263], [0.38526316, 0.4]],
        ],
    ]
)


@check(GROUP, "A max pool of a ramp gives the array that the report prints", code=CODE)
def max_pool_forward(_: Conditions) -> Iterator[Measure]:
    x = ramp(-0.3, 0.4, 2, 3, 4, 4)
    for layers in engines("max_pool_forward"):
        out, _cache = layers.max_pool_forward(x, TWO)
        yield Measure("out", relative_error(out, FORWARD), 5e-8, "4.2e-8", engine=layers.NAME)


@check(GROUP, "A max pool's gradient agrees with central differences", code=CODE)
def max_pool_backward(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    x, dout = rng.randn(3, 2, 8, 8), rng.randn(3, 2, 4, 4)
    yield from gradients(
        "max_pool",
        lambda forward: lambda x: forward(x, TWO),
        {"x": x},
        dout,
        1e-10,
        {"x": "3.3e-12"},
    )


@check(
    GROUP,
    "The gradient of a max pool whose windows overlap agrees with central differences",
    code=CODE,
)
def max_pool_overlap(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    x, dout = rng.randn(2, 3, 7, 6), rng.randn(2, 3, 3, 5)
    pool_param = {"pool_height": 3, "pool_width": 2, "stride": (2, 1)}
    yield from gradients(
        "max_pool",
        lambda forward: lambda x: forward(x, pool_param),
        {"x": x},
        dout,
        1e-9,
    )


@check(GROUP, "Of equal values in a max pool the first, row by row, gets the slope", code=CODE)
def max_pool_ties(_: Conditions) -> Iterator[Measure]:
    x = np.zeros((1, 2, 4, 6))
    dout = ramp(1.0, 12.0, 1, 2, 2, 3)
    expected = np.zeros_like(x)
    expected[:, :, ::2, ::2] = dout
    for layers in engines(*CODE):
        _out, cache = layers.max_pool_forward(x, TWO)
        dx = layers.max_pool_backward(dout, cache)
        yield Measure("dx", relative_error(dx, expected), 0.0, engine=layers.NAME)


@check(
    GROUP,
    "An average pool's gradient agrees with central differences",
    code=("avg_pool_forward", "avg_pool_backward"),
)
def avg_pool(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    x, dout = rng.randn(2, 3, 7, 6), rng.randn(2, 3, 3, 5)
    pool_param = {"pool_height": 3, "pool_width": 2, "stride": (2, 1)}
    yield from gradients(
        "avg_pool",
        lambda forward: lambda x: forward(x, pool_param),
        {"x": x},
        dout,
        1e-8,
    )


@check(
    GROUP,
    "The gradient of a global average pool agrees with central differences",
    code=("global_avg_pool_forward", "global_avg_pool_backward"),
)
def global_avg_pool(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    yield from gradients(
        "global_avg_pool",
        lambda forward: forward,
        {"x": rng.randn(3, 4, 5, 6)},
        rng.randn(3, 4),
        1e-7,
    )


@check(
    GROUP,
    "Compiled and readable 2×2 pool are equal at the report's shape; how many times faster it is",
    code=CODE,
)
def pool_fast(conditions: Conditions) -> Iterator[Measure]:
    if not kernels.COMPILED:
        raise NotHere(f"There are no compiled kernels: {kernels.REASON}.", "a compiler")
    compiled = kernels.choose("compiled")
    rng = draws()
    x, dout = rng.randn(100, 3, 32, 32), rng.randn(100, 3, 16, 16)
    conditions.between("The readable pool", 0.0)
    start = time.perf_counter()
    out, cache = reference.max_pool_forward(x, TWO)
    slow_forward = time.perf_counter() - start
    start = time.perf_counter()
    dx = reference.max_pool_backward(dout, cache)
    slow_backward = time.perf_counter() - start
    conditions.between("The compiled pool", 0.9)
    fast_out, fast_cache = compiled.max_pool_forward(x, TWO)
    fast_dx = compiled.max_pool_backward(dout, fast_cache)
    yield Measure("out", relative_error(out, fast_out), 0.0, "0.0")
    yield Measure("dx", relative_error(dx, fast_dx), 0.0, "0.0")
    fast_forward = best_time(lambda: compiled.max_pool_forward(x, TWO))
    fast_backward = best_time(lambda: compiled.max_pool_backward(dout, fast_cache))
    yield Measure("times faster forward", slow_forward / fast_forward, None, "80×")
    yield Measure("times faster backward", slow_backward / fast_backward, None, "31×")


CHECKS = (
    max_pool_forward,
    max_pool_backward,
    max_pool_overlap,
    max_pool_ties,
    avg_pool,
    global_avg_pool,
    pool_fast,
)
