"""What is in a file, and its arrays as patches: numbers put in order and given their meaning.

The file itself is opened, checked and read only in a child process (`app.core.data.untrusted`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.data.child import Child
from app.core.data.files import (
    Limits,
    PathLike,
    list_arrays,
    opened,
    read_arrays,
    receive_array,
    sha256,
    shown,
    split_name,
    unchanged,
)
from app.core.data.layouts import batch_axis, image_shape, possible_layouts, to_nchw
from app.core.data.patches import RawPatches, Source
from app.core.errors import FilterscopeError, RefusedInputError
from app.core.waiting import Cancel, Progress

__all__ = ["DatasetReport", "FileReport", "NeedsChoiceError", "inspect", "open_patches"]

# Of a file that is streamed, so many patches are kept to look at: some from each of many places.
PREVIEW = 2048
PLACES = 64


@dataclass(frozen=True)
class DatasetReport:
    """One array of a file.

    `layouts` are the readings that its shape allows, the likeliest first; `layout`, `value_range`,
    `count` and `image_shape` are the guess. `refused` says why it cannot be read; `span` are the
    least and the greatest value of a sample.
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
    span: tuple[float, float] | None = None


@dataclass(frozen=True)
class FileReport:
    """What is in a file."""

    path: str
    size: int
    datasets: tuple[DatasetReport, ...]

    def candidates(self) -> tuple[DatasetReport, ...]:
        """Return the arrays that can be read as patches."""
        return tuple(found for found in self.datasets if found.refused is None)


class NeedsChoiceError(FilterscopeError):
    """Several data sets could be meant."""

    exit_code = 2

    def __init__(self, report: FileReport) -> None:
        names = ", ".join(found.path for found in report.candidates())
        super().__init__(
            f"{shown(report.path)} has several data sets that could be patches: {names}.",
            f"Name one, as in {shown(report.path)}::{report.candidates()[0].path}",
        )
        self.report = report


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


def _report(row: dict[str, Any]) -> DatasetReport:
    """Check and complete what the child says of one array."""
    shape = tuple(int(n) for n in row["shape"])
    refused = row["refused"]
    matlab = row.get("matlab") is True
    layouts = possible_layouts(shape, matlab=matlab) if shape and min(shape) > 0 else ()
    dtype = str(row["dtype"])[:20]
    if refused is None and np.dtype(dtype).kind not in "iuf":
        raise ValueError(dtype)
    guess = layouts[0] if layouts else ""
    reason = None if refused is None else " ".join(str(refused).split())[:300]
    if reason is None and not layouts:
        reason = (
            f"its shape {' × '.join(map(str, shape))} is not that of patches with 1 or 3 channels"
        )
    low, high = (float(value) for value in row.get("span", (0.0, 1.0)))
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
        (low, high) if "span" in row else None,
    )


def _choose(report: FileReport, dataset: str | None) -> DatasetReport:
    """Return the data set that was named, or the only one that can be meant."""
    name = shown(report.path)
    if dataset is not None:
        wanted = dataset.strip("/")
        for found in report.datasets:
            if found.path.strip("/") == wanted:
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
    raise NeedsChoiceError(report)


class _FileStream:
    """Reads an array of a file from start to end, as often as it is asked to."""

    def __init__(
        self, path: Path, dataset: str, layout: str, shape: tuple[int, ...], limits: Limits
    ) -> None:
        self.path, self.dataset, self.layout = path, dataset, layout
        self.name = shown(path)
        self.shape, self.limits = shape, limits
        self._status: tuple[int, int] | None = None

    def blocks(
        self, cancel: Cancel | None = None, ranges: list[tuple[int, int]] | None = None
    ) -> Iterator[NDArray[Any]]:
        """Yield (n, C, H, W) blocks, all or the patches in `ranges`.

        They have the file's type; of eight bytes, which nothing here needs, float32 is made.
        """
        axis = batch_axis(self.layout)
        with (
            opened(self.path, self.limits) as (descriptor, status, handed),
            Child(
                self.name, patience=self.limits.patience, cancel=cancel, descriptor=descriptor
            ) as child,
        ):
            self._same(status)
            for block in receive_array(
                child,
                handed,
                status.st_size,
                self.dataset,
                axis,
                self.shape,
                ranges,
                narrow=True,
            ):
                yield to_nchw(block, self.layout)
            unchanged(status, descriptor, self.name)

    def sha256(self, cancel: Cancel | None = None) -> str:
        """Return the SHA-256 of the file that was read."""
        with opened(self.path, self.limits) as (descriptor, status, _):
            self._same(status)
            digest = sha256(descriptor, cancel)
            unchanged(status, descriptor, self.name)
        return digest

    def _same(self, status: os.stat_result) -> None:
        """Refuse another file than the one that was read before."""
        mark = (status.st_size, status.st_mtime_ns)
        if self._status not in (None, mark):
            raise RefusedInputError(f"{self.name} has changed.", "Open it again.")
        self._status = mark


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
    NeedsChoiceError
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
            f"{shown(file)}: {found.path} with shape {found.shape} cannot be read as {layout}.",
            f"It can be {', '.join(found.layouts)}.",
        )
    if value_range not in ("0..1", "0..255"):
        raise RefusedInputError(
            f"There is no value range {value_range}; there are 0..1 and 0..255."
        )
    count = found.shape[batch_axis(layout)]
    stream = _FileStream(file, found.path, layout, found.shape, limits)
    total = int(np.prod(found.shape, dtype=object)) * min(np.dtype(found.dtype).itemsize, 4)
    data: NDArray[Any] | None = None
    if total <= limits.memory_bytes:
        data = _read_whole(stream, count, shape, cancel, progress)
        wanted = np.unique(np.linspace(0, count - 1, min(count, PREVIEW)).astype(np.int64))
        preview = data[wanted]
    else:
        ranges = _places(count)
        wanted = np.concatenate([np.arange(start, stop) for start, stop in ranges])
        preview = np.concatenate(list(stream.blocks(cancel, ranges)))
    low, high = (0.0, 1.0) if value_range == "0..1" else (0.0, 255.0)
    source = Source(
        str(file.absolute()),
        found.path,
        layout,
        value_range,
        count,
        shape,
        found.dtype,
        stream.sha256(cancel),
    )
    transform = _transform(report, found, shape, limits, cancel)
    return RawPatches(
        source, low, high, data, stream if data is None else None, wanted, preview, transform
    )


def _read_whole(
    stream: _FileStream,
    count: int,
    shape: tuple[int, int, int],
    cancel: Cancel | None,
    progress: Progress | None,
) -> NDArray[Any]:
    """Return all patches (count, C, H, W), read-only."""
    data: NDArray[Any] | None = None
    at = 0
    for block in stream.blocks(cancel):
        if data is None:
            data = np.empty((count, *shape), block.dtype)
        data[at : at + len(block)] = block
        at += len(block)
        if progress is not None:
            progress(at / count, f"Reading {stream.name}")
    assert data is not None
    data.flags.writeable = False
    return data


def _places(count: int) -> list[tuple[int, int]]:
    """Return ranges of `PREVIEW` patches in all, spread over the whole file."""
    rows = PREVIEW // PLACES
    if count <= PREVIEW:
        return [(0, count)]
    starts = np.linspace(0, count - rows, PLACES).astype(int)
    return [(int(start), int(start) + rows) for start in starts]


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
