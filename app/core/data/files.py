"""Opening files nobody vouches for: what is handed to the child process, and what is believed of its answer."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.core.data.child import Child
from app.core.errors import Cancelled, RefusedInputError
from app.core.waiting import Cancel
from app.core.words import size_in_words

__all__ = [
    "PHOTOGRAPHS",
    "Limits",
    "PathLike",
    "file_sha256",
    "is_photograph",
    "list_arrays",
    "opened",
    "read_all",
    "read_arrays",
    "receive_array",
    "sha256",
    "shown",
    "split_name",
    "unchanged",
]

PathLike = str | os.PathLike[str]
Report = TypeVar("Report")

PHOTOGRAPHS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".ppm")


@dataclass(frozen=True)
class Limits:
    """What is too much.

    Attributes
    ----------
    file_bytes : int
        Largest file that is looked at.
    memory_bytes : int
        Raw patches beyond this are streamed from the file whenever they are needed.
    patience : float
        Seconds without progress after which a file is given up.
    """

    file_bytes: int = 1 << 40
    memory_bytes: int = 256 << 20
    patience: float = 30.0


def split_name(path: PathLike) -> tuple[Path, str | None]:
    """Return file and data set of ``FILE::/data set``; a file that is so called comes first."""
    text = os.fspath(path)
    if "::" in text and not os.path.exists(text):  # noqa: PTH110 - any text may come in here
        text, _, dataset = text.rpartition("::")
        return Path(text), dataset or None
    return Path(text), None


def shown(path: PathLike) -> str:
    """Return a file's name as it can be written in one line, whatever it is made of."""
    text = os.fspath(path)
    name = Path(text).name or text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


@contextmanager
def opened(path: Path, limits: Limits) -> Iterator[tuple[int, os.stat_result, str]]:
    """Open a file to hand down to the child: yields descriptor, status and the child's name of it."""
    name = shown(path)
    if "\0" in str(path):
        raise RefusedInputError("A file's name cannot contain a NUL character.")
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise RefusedInputError(f"There is no file {name}.") from None
    except PermissionError:
        raise RefusedInputError(f"{name} may not be read by this user.") from None
    except OSError as error:
        raise RefusedInputError(f"{name} cannot be opened: {error.strerror}.") from None
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise RefusedInputError(f"{name} is a folder.", "Open photographs with “Photos…”.")
        if not stat.S_ISREG(status.st_mode):
            raise RefusedInputError(f"{name} is not an ordinary file.")
        if status.st_size == 0:
            raise RefusedInputError(f"{name} is empty.")
        if status.st_size > limits.file_bytes:
            raise RefusedInputError(
                f"{name} has {size_in_words(status.st_size)}; the limit is "
                f"{size_in_words(limits.file_bytes)}."
            )
        # By its descriptor the child opens this very file, whatever its name is made of.
        handed = os.fspath(path) if sys.platform == "win32" else f"/dev/fd/{descriptor}"
        yield descriptor, status, handed
    finally:
        os.close(descriptor)


def unchanged(before: os.stat_result, descriptor: int, name: str) -> None:
    """Refuse a file that is not as it was when it was opened."""
    now = os.fstat(descriptor)
    if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise RefusedInputError(f"{name} changed while it was read.", "Open it again.")


def list_arrays(
    file: Path, limits: Limits, understand: Callable[[dict[str, Any]], Report]
) -> tuple[int, tuple[Report, ...]]:
    """Return a file's size, and what `understand` makes of what the child says of each array."""
    with (
        opened(file, limits) as (descriptor, status, handed),
        Child(shown(file), patience=limits.patience, descriptor=descriptor) as child,
    ):
        child.send({"do": "inspect", "path": handed, "size": status.st_size})
        rows = child.receive_json().get("datasets")
        if not isinstance(rows, list):
            raise child.broken()
        try:
            return status.st_size, tuple(understand(row) for row in rows[:2000])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise child.broken() from None


def receive_array(
    child: Child,
    handed: str,
    size: int,
    dataset: str,
    axis: int,
    shape: tuple[int, ...] | None,
    ranges: list[tuple[int, int]] | None = None,
    *,
    narrow: bool = False,
) -> Iterator[NDArray[Any]]:
    """Yield the slices of an array along `axis`, all or those in `ranges` (start, stop).

    Every length that the child tells is checked, against `shape` where that is known. With
    `narrow`, numbers of eight bytes come as float32.
    """
    request = {"do": "read", "path": handed, "size": size, "dataset": dataset, "axis": axis}
    child.send({**request, "ranges": ranges, "narrow": narrow})
    head = child.receive_json()
    try:
        dtype = np.dtype(str(head["dtype"]))
        told = tuple(int(n) for n in head["shape"])
    except (KeyError, TypeError, ValueError):
        raise child.broken() from None
    if dtype.kind not in "iuf" or (shape is not None and told != shape):
        raise child.broken()
    if not 0 <= axis < len(told) or min(told) < 1:
        raise child.broken()
    left = told[axis] if ranges is None else sum(stop - start for start, stop in ranges)
    entry = dtype.itemsize * int(np.prod(told, dtype=object)) // told[axis]
    while True:
        message = child.receive_json()
        if message.get("end"):
            if left:
                raise child.broken()
            return
        entries = message.get("entries")
        if not isinstance(entries, int) or not 0 < entries <= left or entries * entry > 1 << 31:
            raise child.broken()
        left -= entries
        part = list(told)
        part[axis] = entries
        yield np.frombuffer(child.receive_bytes(entries * entry), dtype).reshape(part)


def read_arrays(
    path: PathLike,
    names: list[str],
    *,
    limits: Limits | None = None,
    cancel: Cancel | None = None,
) -> dict[str, NDArray[Any]]:
    """Return whole arrays of a file by their exact names; for matrices, not for patches.

    Raises
    ------
    RefusedInputError
        One is not there or must not be read.
    """
    limits = limits or Limits()
    file = Path(path)
    arrays = {}
    for name in names:
        with (
            opened(file, limits) as (descriptor, status, handed),
            Child(
                shown(file), patience=limits.patience, cancel=cancel, descriptor=descriptor
            ) as child,
        ):
            parts = list(receive_array(child, handed, status.st_size, name, 0, None))
            arrays[name] = np.concatenate(parts)
    return arrays


def read_all(descriptor: int) -> bytes:
    """Return all bytes of an open file."""
    parts = []
    while part := os.read(descriptor, 8 << 20):
        parts.append(part)
    return b"".join(parts)


def file_sha256(path: Path, cancel: Cancel | None = None) -> str:
    """Return the SHA-256 of a file's bytes, which are not interpreted."""
    with opened(path, Limits()) as (descriptor, _, _):
        return sha256(descriptor, cancel)


def sha256(descriptor: int, cancel: Cancel | None = None) -> str:
    """Return the SHA-256 of the bytes of an open file."""
    digest = hashlib.sha256()
    while block := os.read(descriptor, 4 << 20):
        if cancel is not None and cancel():
            raise Cancelled("Reading was given up.")
        digest.update(block)
    return digest.hexdigest()


def is_photograph(path: PathLike) -> bool:
    """Return whether a file's name is that of a photograph."""
    return Path(path).suffix.lower() in PHOTOGRAPHS
