"""Whether there is room for something, asked before it is begun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
import safetensors.numpy
from numpy.typing import NDArray

from app.core.errors import FilterscopeError
from app.core.words import size_in_words

__all__ = ["SHARE", "Need", "enough_for", "enough_memory", "to_safetensors"]

# What may be asked for of the memory that is free.
SHARE = 0.8


@dataclass(frozen=True)
class Need:
    """What a training takes of one memory, in bytes.

    Attributes
    ----------
    weights : int
        Weights, gradients, what the solver remembers, and all copies of them.
    each : int
        One example of a batch: what every layer gives for it, and its slope.
    batch : int
        Examples that are looked at at once.
    data : int
        What else is kept there, such as all images.
    """

    weights: int
    each: int
    batch: int
    data: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.data + self.each * self.batch

    def fitting(self, free: int) -> int:
        """Return the largest halving of the batch for which there is room, 0 for none."""
        batch = self.batch
        while batch and self.weights + self.data + self.each * batch > SHARE * free:
            batch //= 2
        return batch


def enough_for(
    need: Need, what: str, noun: str, hint: str, *, free: int | None = None, where: str = "memory"
) -> None:
    """Raise `FilterscopeError` when a training takes more than four fifths of what is free.

    Parameters
    ----------
    what : str
        What is trained, in the plural.
    noun : str
        What a batch consists of, in the plural.
    hint : str
        What to do where no batch would fit.
    free : int, optional
        Bytes of that memory; of this machine by default.
    where : str
        Which memory.
    """
    free = psutil.virtual_memory().available if free is None else free
    if need.total <= SHARE * free:
        return
    fits = need.fitting(free)
    parts = [
        f"{size_in_words(need.weights)} for weights, gradients and the solver",
        f"{size_in_words(need.each * need.batch)} for {need.batch:,} {noun} at once",
        f"{size_in_words(need.data)} for all {noun}" if need.data else "",
    ]
    raise FilterscopeError(
        f"{what} need {size_in_words(need.total)} of {where} ({', '.join(p for p in parts if p)}); "
        f"{size_in_words(free)} are free.",
        f"A batch of {fits} would fit." if fits else hint,
    )


def enough_memory(
    size: int, what: str, hint: str = "Close other programs, or use fewer or smaller images."
) -> None:
    """Raise `FilterscopeError` when `size` bytes are more than four fifths of what is free."""
    free = psutil.virtual_memory().available
    if size > SHARE * free:
        raise FilterscopeError(
            f"{what} need {size_in_words(size)} of memory; {size_in_words(free)} are free.", hint
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
