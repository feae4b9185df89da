"""Memory that two processes see: weights and batches need not be sent.

It has no name that others could open (on Windows, one that nobody can guess), and goes with the
last process that has it.
"""

from __future__ import annotations

import mmap
import os
import secrets
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Layout", "SharedMemory", "lay_out", "views"]

# Name of each array -> (offset in bytes, type, count).
Layout = Mapping[str, tuple[int, str, int]]
ALIGNED = 64


def lay_out(arrays: Mapping[str, tuple[str, int]]) -> tuple[Layout, int]:
    """Return where arrays of (type, count) lie one after the other, and the bytes of all."""
    layout: dict[str, tuple[int, str, int]] = {}
    at = 0
    for name, (kind, count) in arrays.items():
        layout[name] = at, kind, count
        at += -(-max(1, count) * np.dtype(kind).itemsize // ALIGNED) * ALIGNED
    return layout, at


def views(memory: mmap.mmap, layout: Layout) -> dict[str, NDArray[Any]]:
    """Return the arrays that lie in `memory`."""
    return {
        name: np.frombuffer(memory, kind, count, offset) if count else np.empty(0, kind)
        for name, (offset, kind, count) in layout.items()
    }


class SharedMemory:
    """The end that made it.

    Attributes
    ----------
    handle : int or str
        What the other process opens it with: a descriptor to be inherited, or a name.
    """

    def __init__(self) -> None:
        self._descriptor = -1
        self.handle: int | str
        if sys.platform == "win32":
            self.handle = f"filterscope-{secrets.token_hex(16)}"
        else:
            self.handle = self._descriptor = _anonymous()

    def resize(self, size: int) -> mmap.mmap:
        """Make it `size` bytes of zeros long, and return it."""
        if sys.platform == "win32":
            return open_shared(self.handle, size)
        os.ftruncate(self._descriptor, size)
        return open_shared(self.handle, size)

    def close(self) -> None:
        """Let go of it; what was mapped stays as long as somebody has it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def open_shared(handle: int | str, size: int) -> mmap.mmap:
    """Return the memory as this process sees it."""
    if sys.platform == "win32":
        return mmap.mmap(-1, size, tagname=str(handle))
    return mmap.mmap(int(handle), size)


def _anonymous() -> int:
    """Return the descriptor of memory without a name, or of a file that has none any more."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("filterscope")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
