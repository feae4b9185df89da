"""How much this machine multiplies and adds in a second: the best that was seen, whoever did it.

No single library tells it. A BLAS that does not know the processor runs it with half as wide
registers as it has, and our own kernels, which ask the processor itself, are then twice as fast.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.threads import cores

__all__ = ["MachineRate", "least_time", "machine_rate"]

# Calls are repeated until both are behind: clocks and threads have their own grain.
ROUNDS = 12
LEAST = 0.1
MOST_ROUNDS = 200
# Sides of square products: in the near caches, and beyond.
PRODUCTS = (512, 1024)
# Pictures for each core, channels, side, filters, window: all that is read again stays near.
CONVOLUTION = (16, 64, 16, 64, 5)

Array = NDArray[Any]


@dataclass(frozen=True)
class MachineRate:
    """The best rate that was seen on this machine, on as many threads as the layers have.

    Attributes
    ----------
    gflops : float
        In 10⁹ operations a second; a product and its sum are two.
    threads : int
    precision : str
    by : str
        What reached it, for people.
    """

    gflops: float
    threads: int
    precision: str
    by: str = ""

    def or_better(self, *others: tuple[float | None, str]) -> MachineRate:
        """Return the best of this and of `others`, each a rate and what reached it."""
        best = self
        for gflops, by in others:
            if gflops is not None and gflops > best.gflops:
                best = MachineRate(gflops, self.threads, self.precision, by)
        return best


def machine_rate(precision: str, *, torch: bool = False) -> MachineRate:
    """Return the best of NumPy's product, of our own product and convolution, and of torch's.

    Parameters
    ----------
    precision : {"float32", "float64"}
    torch : bool
        Ask torch too, where it is installed; loading it takes a second.
    """
    rate = MachineRate(0.0, cores(), precision)
    found = [*_numpy_rates(precision), *_own_rates(precision)]
    return rate.or_better(*found, *(_torch_rates(precision) if torch else ()))


def least_time(function: Callable[[], object]) -> float:
    """Return the least seconds of some calls: noise only ever makes them longer."""
    best = np.inf
    start = time.perf_counter()
    for number in range(MOST_ROUNDS):
        before = time.perf_counter()
        function()
        now = time.perf_counter()
        best = min(best, now - before)
        if number + 1 >= ROUNDS and now - start > LEAST:
            break
    return float(best)


def _rate(operations: int, function: Callable[[], object]) -> float:
    return operations / least_time(function) / 1e9


def _numpy_rates(precision: str) -> Iterator[tuple[float, str]]:
    """Yield rates of NumPy's product, its rows divided over all threads.

    The threads are ours, as they are for the layers: BLAS's own wait for each other in loops, and
    on a busy machine two of them are slower than one.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores()) as pool:
        for side in PRODUCTS:
            yield _rate(2 * side**3, _shared_product(side, precision, pool)), "NumPy’s product"


def _shared_product(side: int, precision: str, pool: ThreadPoolExecutor) -> Callable[[], object]:
    a, b = _draw(precision, (side, side), (side, side))
    out = np.empty_like(a)
    edges = np.linspace(0, side, cores() + 1).astype(int)
    parts = [slice(low, high) for low, high in pairwise(edges)]
    return lambda: list(pool.map(lambda part: np.matmul(a[part], b, out=out[part]), parts))


def _own_rates(precision: str) -> Iterator[tuple[float, str]]:
    """Yield rates of our own product and convolution; none without compiled kernels."""
    if not kernels.COMPILED:
        return
    layers = kernels.choose("compiled")
    for side in PRODUCTS:
        x, w, b = _draw(precision, (side, side), (side, side), (side,))
        yield _rate(2 * side**3, partial(layers.affine_forward, x, w, b)), "own product"
    each, channels, side, filters, window = CONVOLUTION
    count = each * cores()
    shapes = (count, channels, side, side), (filters, channels, window, window), (filters,)
    x, w, b = _draw(precision, *shapes)
    # Padded so that there are as many places as pixels.
    call = partial(layers.conv_forward, x, w, b, {"stride": 1, "pad": window // 2})
    yield _rate(2 * count * filters * side**2 * channels * window**2, call), "own convolution"


def _torch_rates(precision: str) -> Iterator[tuple[float, str]]:
    """Yield rates of torch's product on all cores; none without torch."""
    try:
        import torch
    except (ImportError, OSError):
        return
    with ExitStack() as afterwards:
        afterwards.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(cores())
        for side in PRODUCTS:
            a, b = (torch.from_numpy(one) for one in _draw(precision, (side, side), (side, side)))
            out = torch.empty_like(a)
            yield _rate(2 * side**3, partial(torch.matmul, a, b, out=out)), "torch’s product"


def _draw(precision: str, *shapes: tuple[int, ...]) -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(precision) for shape in shapes]
