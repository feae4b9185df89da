"""Files of a run folder, read as a stranger's."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import safetensors.numpy
from numpy.typing import NDArray

from app.core.errors import UsageError

__all__ = [
    "BEST",
    "HISTORY",
    "LABELS",
    "MOST_HISTORY_BYTES",
    "MOST_WEIGHTS_BYTES",
    "UNITS",
    "folders_of",
    "is_numbered",
    "read",
    "read_safetensors",
]

BEST = "best.safetensors"
LABELS = "labels.json"
HISTORY = "history.jsonl"
UNITS = "units.jsonl"
MOST_HISTORY_BYTES = 4 << 30
MOST_WEIGHTS_BYTES = 2 << 30


def folders_of(root: Path) -> list[Path]:
    """Return the folders below `root`, or none when nobody may look."""
    try:
        return [path for path in root.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []


def is_numbered(path: Path) -> bool:
    """Return whether a file is one that a run writes for a step."""
    return re.fullmatch("[0-9]{1,15}", path.stem) is not None and not path.is_symlink()


def read(path: Path, most: int, otherwise: str) -> bytes:
    """Return a file of a run folder; links are not followed."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise UsageError(f"{path.name} is a link, which is not followed.")
        if not stat.S_ISREG(found.st_mode):
            # To open a pipe would be to wait for whoever writes into it.
            raise UsageError(f"{path.name} is no file.")
        if found.st_size > most:
            raise UsageError(f"{path.name} is larger than it can be.")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{otherwise}: {path.name}: {error.strerror}.") from None
    except ValueError:
        raise UsageError(f"{otherwise}.") from None


def read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file; the library checks lengths before it allocates."""
    data = read(path, MOST_WEIGHTS_BYTES, "There are no weights")
    try:
        arrays: dict[str, NDArray[Any]] = safetensors.numpy.load(data)
    except Exception:
        # The library has exceptions of its own for every way a file can be wrong.
        raise UsageError(f"{path.name} is damaged.") from None
    return arrays
