"""How many threads share a call of a layer's kernel, and which."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.kernels import _layers
from app.core.kernels.geometry import floating
from app.core.kernels.helpers import Helpers
from app.core.threads import cores

__all__ = ["helpers_for", "kind_of", "parts_for", "use_threads"]

# Operations that are worth another thread: handing work over costs some ten microseconds.
WORTH_A_THREAD = 1_000_000

_own = threading.local()


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Let layers called from this thread use `count` threads; all cores by default.

    Results do not depend on it.
    """
    before = getattr(_own, "count", None)
    _own.count = count
    try:
        yield
    finally:
        _own.count = before


def parts_for(operations: int, most: int) -> int:
    """Return how many parts a call with so many multiplications is cut into.

    Parameters
    ----------
    operations : int
        Multiplications, or numbers that are read and written.
    most : int
        As many parts there can be.
    """
    wanted: int = getattr(_own, "count", None) or cores()
    parts = min(wanted, most, 1 + operations // WORTH_A_THREAD, _layers.MAX_THREADS)
    # The machine may refuse to start as many; the result is the same.
    return max(1, min(parts, 1 + len(helpers_for(parts).inboxes)))


def helpers_for(parts: int) -> Helpers:
    """Return this thread's helpers; the calling thread takes a share itself."""
    helpers: Helpers | None = getattr(_own, "helpers", None)
    if helpers is None or helpers.wanted < parts - 1:
        helpers = _own.helpers = Helpers(parts - 1)
    return helpers


def kind_of(*arrays: NDArray[Any]) -> np.dtype[Any]:
    """Return the type that a kernel computes these with: float32 or float64."""
    kind = floating(*arrays)
    return np.dtype(np.float64 if kind.itemsize >= 8 else np.float32)
