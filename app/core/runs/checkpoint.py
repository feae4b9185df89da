"""Checkpoints on the disk: all that an exact continuation needs, with a checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from app.core.errors import FilterscopeError, UsageError
from app.core.events import Checkpoint
from app.core.memory import to_safetensors
from app.core.runs.files import MOST_WEIGHTS_BYTES, is_numbered, read
from app.core.settings import read_json

__all__ = ["SavedCheckpoint", "checkpoint_bytes", "checkpoint_files", "read_checkpoint"]

MOST_HEADER_BYTES = 1 << 20
MOST_COUNT = 1 << 53


@dataclass(frozen=True)
class SavedCheckpoint:
    """What a checkpoint's file says.

    `step` steps are done, `epoch` epochs are complete and `steps_into_epoch` steps of the next
    one; `seconds` went by until then. `values` are the settings that were in force, unchecked.
    """

    step: int
    epoch: int
    steps_into_epoch: int
    seconds: float
    values: Mapping[str, Any]
    state: Mapping[str, NDArray[Any]] = field(repr=False)


def checkpoint_bytes(event: Checkpoint, seconds: float) -> bytes:
    """Return a checkpoint as the bytes of its file."""
    arrays = dict(event.state)
    metadata = {
        "step": str(event.step),
        "epoch": str(event.epoch),
        "steps_into_epoch": str(event.steps_into_epoch),
        "seconds": repr(seconds),
        "spec": event.spec.to_json().decode(),
        "sha256": _digest(arrays),
    }
    return to_safetensors(arrays, metadata)


def checkpoint_files(folder: Path) -> list[Path]:
    """Return the files of a run's checkpoints, the newest first."""
    files = (folder / "checkpoints").glob("*.safetensors")
    return sorted(
        (path for path in files if is_numbered(path)), key=lambda path: int(path.stem), reverse=True
    )


def read_checkpoint(path: Path) -> SavedCheckpoint:
    """Return what a checkpoint's file says, once all of it has been checked.

    Raises
    ------
    UsageError
        It is damaged.
    """
    data = read(path, MOST_WEIGHTS_BYTES, "There is no checkpoint")
    try:
        arrays: dict[str, NDArray[Any]] = safetensors.numpy.load(data)
    except Exception:
        # The library has exceptions of its own for every way a file can be wrong.
        raise UsageError(f"{path.name} is damaged.") from None
    try:
        # The library looked at the header's length already.
        size = int.from_bytes(data[:8], "little")
        said = read_json(data[8 : 8 + size], MOST_HEADER_BYTES)["__metadata__"]
        if said.get("sha256", "") not in ("", _digest(arrays)):
            raise UsageError("Its checksum does not match.")
        step, epoch, into = (_count(said[name]) for name in ("step", "epoch", "steps_into_epoch"))
        seconds = float(said.get("seconds", "0"))
        values = read_json(said["spec"].encode())
        if not isinstance(values, dict) or not 0 <= seconds < float("inf"):
            raise ValueError("no settings")
    except (FilterscopeError, KeyError, TypeError, ValueError, AttributeError):
        raise UsageError(f"{path.name} is damaged.") from None
    return SavedCheckpoint(step, epoch, into, seconds, values, arrays)


def _count(text: str) -> int:
    value = int(text)
    if not 0 <= value < MOST_COUNT:
        raise ValueError(f"{value} is no count")
    return value


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return a checksum over names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        # The bytes as they lie there: copies of a large network's would take as long as the sum.
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
