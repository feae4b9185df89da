"""Whether there is room for something, asked before it is begun."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import psutil
import safetensors.numpy
from numpy.typing import NDArray

from app.core.errors import FilterscopeError

__all__ = ["enough_memory", "to_safetensors"]


def enough_memory(
    size: int, what: str, hint: str = "Close other programs, or use fewer or smaller images."
) -> None:
    """Raise `FilterscopeError` when `size` bytes are more than four fifths of what is free."""
    free = psutil.virtual_memory().available
    if size > 0.8 * free:
        raise FilterscopeError(
            f"{what} need {size / 2**30:.1f} GiB of memory; {free / 2**30:.1f} GiB are free.", hint
        )


def to_safetensors(
    arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None
) -> bytes:
    """Return arrays as the bytes of a safetensors file.

    Raises
    ------
    MemoryError
        There is no room for the copies that are made. The library itself would end the whole
        program then, so the room is asked for first.
    """
    total = sum(array.nbytes for array in arrays.values())
    room = np.empty(3 * total + (1 << 20), np.uint8)
    del room
    data: bytes = safetensors.numpy.save(dict(arrays), dict(metadata or {}))
    return data
