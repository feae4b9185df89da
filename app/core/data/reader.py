"""The one way in for files nobody vouches for: the parent's side.

A file is opened, checked and read only in a child process (`app.core.data.untrusted`), which
hands over plain numbers; here they are put in order and given their meaning.
"""

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
from app.core.data.layouts import batch_axis, image_shape, possible_layouts, to_nchw
from app.core.data.patches import RawPatches, Source
from app.core.errors import Cancelled, FilterscopeError, RefusedInputError

__all__ = [
    "DatasetReport",
    "FileReport",
    "Limits",
    "cut_patches",
    "inspect",
    "list_arrays",
    "open_patches",
    "opened",
    "read_all",
    "read_arrays",
    "receive_array",
]

Cancel = Callable[[], bool]
Progress = Callable[[float, str], None]
PathLike = str | os.PathLike[str]
Report = TypeVar("Report")

PHOTOGRAPHS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".ppm")
PREVIEW = 2048


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


@dataclass(frozen=True)
class DatasetReport:
    """One array of a file.

    `layouts` are the readings that its shape allows, the likeliest first; `layout`, `value_range`,
    `count` and `image_shape` are the guess. `refused` says why it cannot be read.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    layouts: tuple[str, ...]
    layout: str
    value_range: str
    count: int
    image_shape: tuple[int, int, int] | None
    refused: str | None


@dataclass(frozen=True)
class FileReport:
    """What is in a file."""

    path: str
    size: int
    datasets: tuple[DatasetReport, ...]

    def candidates(self) -> tuple[DatasetReport, ...]:
        """Return the arrays that can be read as patches."""
        return tuple(found for found in self.datasets if found.refused is None)


class NeedsChoice(FilterscopeError):
    """Several data sets could be meant."""

    exit_code = 2

    def __init__(self, report: FileReport) -> None:
        names = ", ".join(found.path for found in report.candidates())
        super().__init__(
            f"{Path(report.path).name} has several data sets that could be patches: {names}.",
            f"Name one, as in {Path(report.path).name}::{report.candidates()[0].path}",
        )
        self.report = report


def split_name(path: PathLike) -> tuple[Path, str | None]:
    """Return file and data set of ``FILE::/data set``; a file that is so called comes first."""
    text = os.fspath(path)
    if "::" in text and not os.path.exists(text):  # noqa: PTH110 - any text may come in here
        text, _, dataset = text.rpartition("::")
        return Path(text), dataset or None
    return Path(text), None


@contextmanager
def opened(path: Path, limits: Limits) -> Iterator[tuple[int, os.stat_result, str]]:
    """Open a file to hand down to the child: yields descriptor, status and the child's name of it."""
    name = path.name or str(path)
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
                f"{name} has {status.st_size / 2**30:.0f} GiB; the limit is "
                f"{limits.file_bytes / 2**30:.0f}."
            )
        # By its descriptor the child opens this very file, whatever its name is made of.
        handed = os.fspath(path) if sys.platform == "win32" else f"/dev/fd/{descriptor}"
        yield descriptor, status, handed
    finally:
        os.close(descriptor)


def _unchanged(before: os.stat_result, descriptor: int, name: str) -> None:
    now = os.fstat(descriptor)
    if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise RefusedInputError(f"{name} changed while it was read.", "Open it again.")


def inspect(path: PathLike, *, limits: Limits | None = None) -> FileReport:
    """Say what is in an HDF5, ``.npy`` or ``.npz`` file, and what is refused, and why.

    Raises
    ------
    RefusedInputError
        The file as a whole is not opened.
    """
    file, _ = split_name(path)
    size, datasets = list_arrays(file, limits or Limits(), _report)
    return FileReport(str(file), size, datasets)


def list_arrays(
    file: Path, limits: Limits, understand: Callable[[dict[str, Any]], Report]
) -> tuple[int, tuple[Report, ...]]:
    """Return a file's size, and what `understand` makes of what the child says of each array."""
    with (
        opened(file, limits) as (descriptor, status, handed),
        Child(file.name, patience=limits.patience, descriptor=descriptor) as child,
    ):
        child.send({"do": "inspect", "path": handed, "size": status.st_size})
        rows = child.receive_json().get("datasets")
        if not isinstance(rows, list):
            raise child.broken()
        try:
            return status.st_size, tuple(understand(row) for row in rows[:2000])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise child.broken() from None


def _report(row: dict[str, Any]) -> DatasetReport:
    """Check and complete what the child says of one array."""
    shape = tuple(int(n) for n in row["shape"])
    refused = row["refused"]
    layouts = possible_layouts(shape) if shape and min(shape) > 0 else ()
    dtype = str(row["dtype"])[:20]
    guess = layouts[0] if layouts else ""
    reason = None if refused is None else " ".join(str(refused).split())[:300]
    if reason is None and not layouts:
        reason = f"its shape {' × '.join(map(str, shape))} is not that of patches with 1 or 3 channels"
    low, high = (float(v) for v in row.get("span", (0.0, 1.0)))
    bytes_like = dtype.startswith(("uint", "int")) or high > 1.5
    return DatasetReport(
        str(row["path"])[:1000],
        shape,
        dtype,
        layouts,
        guess,
        "0..255" if bytes_like else "0..1",
        shape[batch_axis(guess)] if guess else 0,
        image_shape(guess, shape) if guess else None,
        reason,
    )


def _choose(report: FileReport, dataset: str | None) -> DatasetReport:
    """Return the data set that was named, or the only one that can be meant."""
    name = Path(report.path).name
    if dataset is not None:
        wanted = dataset.strip("/")
        for found in report.datasets:
            if found.path.strip("/") == wanted:
                if found.refused is not None and not found.layouts:
                    raise RefusedInputError(f"{name}: {found.path} is not opened: {found.refused}.")
                if found.refused is not None:
                    raise RefusedInputError(f"{name}: {found.path} is not opened: {found.refused}.")
                return found
        there = ", ".join(found.path for found in report.datasets[:8]) or "nothing"
        raise RefusedInputError(f"{name} has no data set {dataset}.", f"It has {there}.")
    found_all = report.candidates()
    if not found_all:
        reasons = [f"{found.path}: {found.refused}" for found in report.datasets[:3]]
        raise RefusedInputError(
            f"{name} has no data set that could be patches"
            + (f" ({'; '.join(reasons)})." if reasons else ".")
        )
    if len(found_all) == 1:
        return found_all[0]
    for found in found_all:
        if found.path.strip("/") == "data":
            return found
    # A lone array of images beside plain matrices is what is meant.
    pictures = [found for found in found_all if len(found.shape) > 2]
    if len(pictures) == 1:
        return pictures[0]
    raise NeedsChoice(report)


class _FileStream:
    """Reads an array of a file from start to end, as often as it is asked to."""

    def __init__(
        self, path: Path, dataset: str, layout: str, shape: tuple[int, ...], limits: Limits
    ) -> None:
        self.path, self.dataset, self.layout = path, dataset, layout
        self.shape, self.limits = shape, limits
        self._status: tuple[int, int] | None = None

    def blocks(self, cancel: Cancel | None = None) -> Iterator[NDArray[Any]]:
        """Yield (n, C, H, W) blocks in the file's type."""
        axis = batch_axis(self.layout)
        with (
            opened(self.path, self.limits) as (descriptor, status, handed),
            Child(
                self.path.name, patience=self.limits.patience, cancel=cancel, descriptor=descriptor
            ) as child,
        ):
            mark = (status.st_size, status.st_mtime_ns)
            if self._status is not None and self._status != mark:
                raise RefusedInputError(f"{self.path.name} has changed.", "Open it again.")
            self._status = mark
            for block in receive_array(
                child, handed, status.st_size, self.dataset, axis, self.shape
            ):
                yield to_nchw(block, self.layout)
            _unchanged(status, descriptor, self.path.name)


def receive_array(
    child: Child, handed: str, size: int, dataset: str, axis: int, shape: tuple[int, ...] | None
) -> Iterator[NDArray[Any]]:
    """Yield the slices of an array along `axis`; every length is checked against `shape`."""
    child.send({"do": "read", "path": handed, "size": size, "dataset": dataset, "axis": axis})
    head = child.receive_json()
    try:
        dtype = np.dtype(str(head["dtype"]))
        told = tuple(int(n) for n in head["shape"])
    except (KeyError, TypeError, ValueError):
        raise child.broken() from None
    if dtype.kind not in "iuf" or (shape is not None and told != shape):
        raise child.broken()
    left = told[axis]
    entry = dtype.itemsize * int(np.prod(told, dtype=object)) // max(1, told[axis])
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


def open_patches(
    path: PathLike,
    *,
    dataset: str | None = None,
    layout: str | None = None,
    value_range: str | None = None,
    limits: Limits | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    report: FileReport | None = None,
) -> RawPatches:
    """Open an array of a file as patches.

    Parameters
    ----------
    path : str or path
        An HDF5, ``.npy`` or ``.npz`` file, or ``FILE::/data set``.
    dataset, layout, value_range : str, optional
        The person's choice where the guess is wrong; layouts are in `layouts.LAYOUTS`, ranges
        ``0..1`` and ``0..255``.
    limits : Limits, optional
    cancel, progress : callable, optional
    report : FileReport, optional
        What `inspect` said of this file, if it was asked already.

    Raises
    ------
    RefusedInputError
        The file or the data set is not opened, and why.
    NeedsChoice
        Several data sets could be meant.
    """
    limits = limits or Limits()
    file, named = split_name(path)
    report = report or inspect(file, limits=limits)
    found = _choose(report, dataset or named)
    layout = layout or found.layout
    value_range = value_range or found.value_range
    shape = image_shape(layout, found.shape) if layout in found.layouts else None
    if shape is None:
        raise RefusedInputError(
            f"{file.name}: {found.path} with shape {found.shape} cannot be read as {layout}.",
            f"It can be {', '.join(found.layouts)}.",
        )
    if value_range not in ("0..1", "0..255"):
        raise RefusedInputError(f"There is no value range {value_range}; there are 0..1 and 0..255.")
    count = found.shape[batch_axis(layout)]
    stream = _FileStream(file, found.path, layout, found.shape, limits)
    total = int(np.prod(found.shape, dtype=object)) * np.dtype(found.dtype).itemsize
    kept: list[NDArray[Any]] = []
    wanted = np.unique(np.linspace(0, count - 1, min(count, PREVIEW)).astype(np.int64))
    previews: list[NDArray[Any]] = []
    held = total <= limits.memory_bytes
    at = 0
    if held:
        for block in stream.blocks(cancel):
            kept.append(block)
            at += len(block)
            if progress is not None:
                progress(at / count, f"Reading {file.name}")
        data: NDArray[Any] | None = kept[0] if len(kept) == 1 else np.concatenate(kept)
        assert data is not None
        data.flags.writeable = False
        preview = data[wanted]
    else:
        data = None
        # The first blocks are enough to look at; the rest streams by when it is needed.
        for block in stream.blocks(cancel):
            previews.append(np.array(block[: PREVIEW // 4]))
            at += len(block)
            if sum(map(len, previews)) >= PREVIEW:
                break
        preview = np.concatenate(previews)[:PREVIEW]
        wanted = np.arange(len(preview), dtype=np.int64) * (count // max(len(preview), 1))
    low, high = (0.0, 1.0) if value_range == "0..1" else (0.0, 255.0)
    source = Source(
        str(file.absolute()),
        found.path,
        layout,
        value_range,
        count,
        shape,
        found.dtype,
        file_sha256(file, cancel),
    )
    transform = _transform(report, found, shape, limits, cancel)
    return RawPatches(
        source, low, high, data, None if held else stream, wanted, preview, transform
    )


def file_sha256(path: Path, cancel: Cancel | None = None) -> str:
    """Return the SHA-256 of a file's bytes, which are not interpreted."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(8 << 20):
            if cancel is not None and cancel():
                raise Cancelled("Reading was given up.")
            digest.update(block)
    return digest.hexdigest()


def _transform(
    report: FileReport,
    found: DatasetReport,
    shape: tuple[int, int, int],
    limits: Limits,
    cancel: Cancel | None,
) -> NDArray[np.float64] | None:
    """Return the whitening matrix xForm beside the data set, if there is one that fits."""
    width = int(np.prod(shape))
    folder = found.path.rpartition("/")[0]
    for other in report.datasets:
        if other.path == f"{folder}/xForm" and other.shape == (width, width) and width <= 4096:
            arrays = read_arrays(report.path, [other.path], limits=limits, cancel=cancel)
            return np.asarray(arrays[other.path], np.float64)
    return None


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
            Child(file.name, patience=limits.patience, cancel=cancel, descriptor=descriptor) as child,
        ):
            parts = list(receive_array(child, handed, status.st_size, name, 0, None))
            arrays[name] = np.concatenate(parts)
    return arrays


def cut_patches(
    folder: PathLike,
    *,
    size: int = 16,
    count: int = 10_000,
    seed: int = 0,
    limits: Limits | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> RawPatches:
    """Cut patches at random places from the photographs of a folder, as many from each.

    Parameters
    ----------
    folder : path
        Its photographs are taken in the order of their names; subfolders are left out.
    size : int
        Side of a patch, in pixels.
    count : int
        Number of patches.
    seed : int
        Same seed and photographs, same patches.

    Raises
    ------
    RefusedInputError
        There is no photograph that can be used. One that cannot is named in the notes.
    """
    limits = limits or Limits()
    place = Path(folder)
    try:
        photographs = sorted(p for p in place.iterdir() if p.suffix.lower() in PHOTOGRAPHS)
    except OSError as error:
        raise RefusedInputError(f"{place.name} cannot be opened: {error.strerror}.") from None
    if not photographs:
        raise RefusedInputError(
            f"{place.name} has no photographs.", f"They end in {', '.join(PHOTOGRAPHS)}."
        )
    parts: list[NDArray[np.uint8]] = []
    left_out: list[str] = []
    digest = hashlib.sha256()
    child: Child | None = None
    try:
        for number, photograph in enumerate(photographs):
            missing = count - sum(map(len, parts))
            wanted = -(-missing // (len(photographs) - number))
            if wanted == 0:
                break
            if child is None:
                child = Child(photograph.name, patience=limits.patience, cancel=cancel)
                child.send({"do": "cut"})
            child.name = photograph.name
            try:
                with opened(photograph, Limits(file_bytes=200 << 20)) as (descriptor, _, _):
                    data = read_all(descriptor)
                child.send({"size": size, "count": wanted, "seed": [seed, number]}, data)
                told = child.receive_json().get("count")
                if told != wanted:
                    raise child.broken()
                cut = np.frombuffer(child.receive_bytes(wanted * 3 * size * size), np.uint8)
            except RefusedInputError as refusal:
                left_out.append(refusal.message)
                if child.process.poll() is not None:
                    child.close()
                    child = None
                continue
            digest.update(data)
            parts.append(cut.reshape(wanted, 3, size, size))
            if progress is not None:
                progress((number + 1) / len(photographs), f"Cutting {photograph.name}")
    finally:
        if child is not None:
            child.close()
    if not parts:
        raise RefusedInputError(f"None of the {len(photographs)} photographs can be used: {left_out[0]}")
    data_all = np.concatenate(parts)
    # Neighbours come from one photograph: mixed, any part of the set is like the whole.
    np.random.default_rng([seed, len(photographs)]).shuffle(data_all)
    data_all.flags.writeable = False
    preview = np.unique(np.linspace(0, len(data_all) - 1, min(len(data_all), PREVIEW)).astype(np.int64))
    source = Source(
        str(place.absolute()), f"cut {size}×{size}, seed {seed}", "NCHW", "0..255", len(data_all),
        (3, size, size), "uint8", digest.hexdigest(),
    )  # fmt: skip
    return RawPatches(
        source, 0.0, 255.0, data_all, None, preview, data_all[preview], None, tuple(left_out)
    )


def read_all(descriptor: int) -> bytes:
    """Return all bytes of an open file."""
    parts = []
    while part := os.read(descriptor, 8 << 20):
        parts.append(part)
    return b"".join(parts)
