"""How fast a layer is at a chosen shape: readable loops, compiled, torch, and what the machine gives.

All are given the same arrays and are held against each other. The readable loops go picture by
picture until enough of them are done to tell the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.checks.layer_case import LayerCase, TimingSpec, draw_case
from app.core.checks.machine_rate import MachineRate, least_time, machine_rate
from app.core.threads import cores

__all__ = ["Doing", "Timed", "time_layer"]

# The readable loops are given up after so long; what they did by then tells the rest.
PATIENCE = 6.0
MACHINE = "What this machine can do"

Array = NDArray[Any]


@dataclass(frozen=True)
class Doing:
    """What is being done, and how much of all is behind (0 … 1)."""

    text: str
    share: float


@dataclass(frozen=True)
class Timed:
    """One implementation, one direction.

    Attributes
    ----------
    engine : {"NumPy", "compiled", "torch"}
    direction : {"forward", "backward"}
    seconds : float
        The least of some calls.
    gflops : float or None
        Products and sums a second, where the layer is made of such.
    error : float or None
        Largest difference from the readable loops, over the size of the largest number; None
        for themselves.
    pictures : int
        How many pictures were really computed; fewer than the batch for slow loops.
    """

    engine: str
    direction: str
    seconds: float
    gflops: float | None
    error: float | None
    pictures: int


def time_layer(spec: TimingSpec) -> Iterator[Doing | MachineRate | Timed]:
    """Time a layer; a generator, so that it can be watched and given up between two pictures.

    Yields
    ------
    Doing
        Before each part.
    Timed
        Forward and backward of the readable loops, of the compiled layer and of torch, as far as
        they are here.
    MachineRate
        Once, at the end.

    Raises
    ------
    ShapeError
        The layer cannot be computed at that shape, or would fill the memory.
    """
    case = draw_case(spec)
    yield Doing(MACHINE, 0.0)
    rates = [machine_rate(spec.precision)]
    yield from _loops(case)
    twin = kernels.reference
    # The loops' answer for a few pictures; the others are held against it.
    few = slice(0, min(2, spec.batch))
    small = case.few(few)
    expected_out, cache = small.forward(twin)
    expected = (expected_out, *small.backward(twin, cache))
    timed: list[Timed] = []
    if kernels.COMPILED:
        compiled = kernels.choose("compiled")
        yield Doing("Compiled", 0.55)
        error = _error(small, compiled, expected)
        for one in _repeat("compiled", case, error, *_calls(case, compiled)):
            timed.append(one)
            yield one
    # A machine has better and worse moments: between two layers it is asked again.
    rates.append(machine_rate(spec.precision))
    yield Doing("torch", 0.75)
    for one in _torch(case, small, expected):
        timed.append(one)
        yield one
    yield Doing(MACHINE, 0.95)
    rates.append(machine_rate(spec.precision, torch=True))
    best = max(rates, key=lambda rate: rate.gflops)
    # What a layer reached the machine can do.
    yield best.or_better(*((one.gflops, f"this layer, {one.engine}") for one in timed))


def _timed(
    engine: str, case: LayerCase, direction: str, seconds: float, error: float | None, pictures: int
) -> Timed:
    # The slopes along x and along the weights are as much work as the forward pass each.
    operations = case.operations * (2 if direction == "backward" else 1)
    rate = operations / seconds / 1e9 if operations and seconds > 0 else None
    return Timed(engine, direction, seconds, rate, error, pictures)


def _loops(case: LayerCase) -> Iterator[Doing | Timed]:
    """Time the readable layer, picture by picture while patience lasts."""
    twin, count = kernels.reference, case.spec.batch
    if case.spec.layer in ("affine", "spatial_batchnorm"):
        # No loops here: NumPy computes the batch at once, and a norm means all of it.
        yield Doing("NumPy", 0.05)
        yield from _repeat("NumPy", case, None, *_calls(case, twin))
        return
    # Both ways of a picture before the next one, so that both tell of the same pictures.
    start, forward, backward, done = time.perf_counter(), 0.0, 0.0, 0
    while done < count and (not done or time.perf_counter() - start < PATIENCE):
        share = min(1.0, max(done / count, (time.perf_counter() - start) / PATIENCE))
        yield Doing(f"Readable loops, picture {done + 1} of {count}", 0.05 + 0.45 * share)
        part = slice(done, done + 1)
        before = time.perf_counter()
        cache = case.forward(twin, part)[1]
        between = time.perf_counter()
        case.backward(twin, cache, part)
        forward += between - before
        backward += time.perf_counter() - between
        done += 1
    for direction, spent in (("forward", forward), ("backward", backward)):
        yield _timed("NumPy", case, direction, spent / done * count, None, done)


def _calls(case: LayerCase, layers: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    _, cache = case.forward(layers)
    return lambda: case.forward(layers), lambda: case.backward(layers, cache)


def _repeat(
    engine: str,
    case: LayerCase,
    error: float | None,
    forward: Callable[[], Any],
    backward: Callable[[], Any],
) -> Iterator[Timed]:
    for direction, call in (("forward", forward), ("backward", backward)):
        yield _timed(engine, case, direction, least_time(call), error, case.spec.batch)


def _error(case: LayerCase, layers: Any, expected: tuple[Array, ...]) -> float:
    out, cache = case.forward(layers)
    return _apart((out, *case.backward(layers, cache)), expected)


def _apart(found: tuple[Array, ...], expected: tuple[Array, ...]) -> float:
    """Return the largest difference in units of the largest number of its array."""
    return max(
        float(np.abs(one - other).max()) / max(float(np.abs(other).max()), 1e-30)
        for one, other in zip(found, expected, strict=True)
    )


def _torch(case: LayerCase, small: LayerCase, expected: tuple[Array, ...]) -> Iterator[Timed]:
    """Time torch's eager layer on all cores; nothing without torch."""
    try:
        import torch
    except (ImportError, OSError):
        return
    with ExitStack() as afterwards:
        afterwards.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(cores())
        error = _apart(_torch_once(small), expected)
        function = _torch_function(case.spec)
        tensors = [torch.from_numpy(a).requires_grad_() for a in (case.x, *case.arrays)]
        out, dout = function(*tensors), torch.from_numpy(case.dout)

        def forward() -> None:
            with torch.no_grad():
                function(*tensors)

        def backward() -> None:
            torch.autograd.grad(out, tensors, dout, retain_graph=True)

        yield from _repeat("torch", case, error, forward, backward)


def _torch_once(case: LayerCase) -> tuple[Array, ...]:
    import torch

    tensors = [torch.from_numpy(a.copy()).requires_grad_() for a in (case.x, *case.arrays)]
    out = _torch_function(case.spec)(*tensors)
    slopes = torch.autograd.grad(out, tensors, torch.from_numpy(case.dout.copy()))
    return out.detach().numpy(), *(slope.numpy() for slope in slopes)


def _torch_function(spec: TimingSpec) -> Callable[..., Any]:
    from torch.nn import functional

    stride, pad, window = spec.stride, spec.pad, spec.window
    functions: dict[str, Callable[..., Any]] = {
        "conv": lambda x, w, b: functional.conv2d(x, w, b, stride, pad),
        "conv_relu_pool": lambda x, w, b: functional.max_pool2d(
            functional.relu(functional.conv2d(x, w, b, stride, pad)), 2
        ),
        "max_pool": lambda x: functional.max_pool2d(x, window, stride),
        "avg_pool": lambda x: functional.avg_pool2d(x, window, stride),
        "affine": lambda x, w, b: x.flatten(1) @ w + b,
        "spatial_batchnorm": lambda x, g, b: functional.batch_norm(x, None, None, g, b, True),
    }
    return functions[spec.layer]
