"""How many threads compute, and that BLAS does not start threads of its own."""

from __future__ import annotations

import os

__all__ = ["cores", "kernel_threads"]


def cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def kernel_threads(*, window: bool) -> int:
    """Return how many threads a training uses: all cores, less one that the window keeps.

    The environment variable ``FILTERSCOPE_THREADS`` overrides it.
    """
    wanted = os.environ.get("FILTERSCOPE_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return max(1, cores() - 1) if window else cores()
