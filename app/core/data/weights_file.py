"""Weights that a person brings: read in the child process, believed as far as their numbers go."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.data.child import Child
from app.core.data.files import Limits, PathLike, list_arrays, opened, sha256, shown, unchanged
from app.core.errors import RefusedInputError
from app.core.waiting import Cancel

__all__ = ["SUFFIXES", "WeightsFile", "holds_weights", "is_weights", "read_weights_file"]

SUFFIXES = (".safetensors", ".pt", ".pth", ".npz")
MOST_FILE_BYTES = 2 << 30
MOST_ARRAYS = 4_000
# To import PyTorch takes some seconds, and on a busy machine many.
PATIENCE = 120.0


@dataclass(frozen=True)
class WeightsFile:
    """What a file of weights holds.

    Attributes
    ----------
    path : str
    sha256 : str
        Of the whole file.
    arrays : mapping
        float32 or float64 by name, as the file names them.
    """

    path: str
    sha256: str
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)

    @property
    def name(self) -> str:
        """What the file is called, in one line."""
        return shown(self.path)


def is_weights(path: PathLike) -> bool:
    """Return whether a file's name is that of weights and of nothing else that is opened here."""
    return Path(path).suffix.lower() in (".safetensors", ".pt", ".pth")


def holds_weights(path: PathLike) -> bool:
    """Return whether an ``.npz`` has the weights of a network, and no images.

    Raises
    ------
    RefusedInputError
        It is an ``.npz`` by its name alone.
    """
    file = Path(path)
    if file.suffix.lower() != ".npz":
        return False
    _, names = list_arrays(file, Limits(), lambda row: str(row["path"]))
    return {"W1", "b1"} <= set(names)


def read_weights_file(
    path: PathLike, *, cancel: Cancel | None = None, limits: Limits | None = None
) -> WeightsFile:
    """Read safetensors, a state_dict of torch or an ``.npz``.

    Raises
    ------
    RefusedInputError
        It is none of them, damaged, made to harm, or some number in it is not finite.
    Cancelled
        `cancel` returned true.
    """
    limits = limits or Limits(file_bytes=MOST_FILE_BYTES, patience=PATIENCE)
    file = Path(path)
    arrays: dict[str, NDArray[Any]] = {}
    with opened(file, limits) as (descriptor, status, handed):
        digest = sha256(descriptor, cancel)
        os.lseek(descriptor, 0, os.SEEK_SET)
        with Child(
            shown(file), patience=limits.patience, cancel=cancel, descriptor=descriptor
        ) as child:
            torch = file.suffix.lower() != ".npz"
            child.send({"do": "weights", "path": handed, "size": status.st_size, "torch": torch})
            left = 4 * status.st_size
            while True:
                message = child.receive_json()
                if message.get("end"):
                    break
                name, array = _receive(child, message, left)
                left -= array.nbytes
                if name in arrays or len(arrays) >= MOST_ARRAYS:
                    raise child.broken()
                arrays[name] = array
        unchanged(status, descriptor, shown(file))
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise RefusedInputError(
                f"{shown(file)} is not used: {name} holds values that are no finite numbers.",
                "They may be those of a training that diverged.",
            )
    return WeightsFile(os.fspath(file.absolute()), digest, arrays)


def _receive(child: Child, message: dict[str, Any], left: int) -> tuple[str, NDArray[Any]]:
    """Return the array that the child announced, once its length is what it may be."""
    name, shape, kind = (message.get(key) for key in ("name", "shape", "dtype"))
    if not isinstance(name, str) or not name.isprintable() or kind not in ("float32", "float64"):
        raise child.broken()
    if not isinstance(shape, list) or len(shape) > 8:
        raise child.broken()
    if not all(type(length) is int and length > 0 for length in shape):
        raise child.broken()
    size = math.prod(shape) * np.dtype(kind).itemsize
    # Numbers of 16 bits come as 32, and shared ones more than once.
    if size > 2 * left:
        raise child.broken()
    return name, np.frombuffer(child.receive_bytes(size), kind).reshape(shape)
