"""Reads the images and labels of an HDF5 or ``.npz`` file, and gives numbers their meaning."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.data.child import Child
from app.core.data.files import Limits, file_sha256, opened, receive_array
from app.core.data.images import LabelledImages
from app.core.data.layouts import batch_axis, to_nchw
from app.core.data.pairs import MOST_CLASSES, find_pairs, named_pair
from app.core.data.patches import Source
from app.core.errors import Cancelled, RefusedInputError
from app.core.memory import enough_memory
from app.core.waiting import Cancel, Progress

__all__ = ["read_labelled_arrays"]


def read_labelled_arrays(
    path: Path,
    *,
    wanted: str | None = None,
    value_range: str | None = None,
    limits: Limits | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> LabelledImages:
    """Read images with labels from an HDF5 or ``.npz`` file.

    Parameters
    ----------
    path : Path
    wanted : str, optional
        ``images,labels``: the person's choice where the file could be meant in several ways.
    value_range : {"0..1", "0..255"}, optional
        By default floating point that stays below 1.5 is taken for 0 … 1.
    limits : Limits, optional
    cancel, progress : callable, optional

    Returns
    -------
    LabelledImages
        Bytes stay bytes; floating point becomes float32, 0 … 255. Labels may be whole numbers
        or one-hot rows. Images with values that are no finite numbers are left out, and a file
        that is ordered by class is mixed, always alike: the notes say so.

    Raises
    ------
    RefusedInputError
        There is no such pair, or labels are no classes.
    NeedsPairError
        There are several.
    """
    limits = limits or Limits()
    pairs = (named_pair(path, wanted, limits),) if wanted else find_pairs(path, limits)
    if not pairs:
        raise RefusedInputError(
            f"{path.name} has no images with labels.",
            "They are an array of images and one whole number for each, called x and y, say; "
            "patches without labels are for the autoencoder.",
        )
    if value_range not in (None, "0..1", "0..255"):
        raise RefusedInputError(
            f"There is no value range {value_range}; there are 0..1 and 0..255."
        )
    total = sum(pair.count for pair in pairs)
    shape = pairs[0].shape
    kind = np.uint8 if all(pair.dtype.startswith(("int", "uint")) for pair in pairs) else np.float32
    enough_memory(total * int(np.prod(shape)) * np.dtype(kind).itemsize, f"{total:,} images")
    x = np.empty((total, *shape), kind)
    labels: list[NDArray[np.int64]] = []
    at = 0
    for pair in pairs:
        for block in _blocks(path, pair.images, batch_axis(pair.layout), limits, cancel):
            images = to_nchw(block, pair.layout)
            _whole_bytes(images, x.dtype, f"{path.name}: {pair.images}")
            x[at : at + len(images)] = images
            at += len(images)
            if progress is not None:
                progress(at / total, f"Reading {path.name}")
        numbers = np.concatenate(list(_blocks(path, pair.labels, 0, limits, cancel)))
        labels.append(_classes_of(numbers, f"{path.name}: {pair.labels}"))
    notes: list[str] = []
    counts = [pair.count for pair in pairs]
    x, y, counts = _finite(x, np.concatenate(labels), counts, notes)
    if not len(x):
        raise RefusedInputError(f"{path.name}: no image has only finite numbers.")
    value_range = _scale(x, value_range, notes)
    y, classes = _name_classes(y, notes)
    if _ordered(y[: counts[0]]):
        order = np.random.default_rng([counts[0], 8]).permutation(counts[0])
        x[: counts[0]], y[: counts[0]] = x[order], y[order]
        notes.append("the file is ordered by class: its images are mixed")
    x.flags.writeable = y.flags.writeable = False
    found = {pair.part: count for pair, count in zip(pairs, counts, strict=True)}
    source = Source(
        str(path.absolute()), f"{pairs[0].images.strip('/')},{pairs[0].labels.strip('/')}" if wanted else "",
        pairs[0].layout, value_range, len(x), shape, pairs[0].dtype, file_sha256(path, cancel),
    )  # fmt: skip
    return LabelledImages(
        x, y, classes, source, found.get("test", 0), found.get("validation", 0), tuple(notes)
    )


def _blocks(path: Path, name: str, axis: int, limits: Limits, cancel: Cancel | None) -> Any:
    """Yield an array of a file in slices along `axis`."""
    with (
        opened(path, limits) as (descriptor, status, handed),
        Child(path.name, patience=limits.patience, cancel=cancel, descriptor=descriptor) as child,
    ):
        for block in receive_array(child, handed, status.st_size, name, axis, None):
            if cancel is not None and cancel():
                raise Cancelled("Reading was given up.")
            yield block


def _whole_bytes(images: NDArray[Any], kind: np.dtype[Any], where: str) -> None:
    """Refuse whole numbers that are no bytes: what they mean is not known."""
    if kind == np.uint8 and images.dtype != np.uint8 and images.size:
        low, high = int(images.min()), int(images.max())
        if low < 0 or high > 255:
            raise RefusedInputError(
                f"{where} has values {low} … {high}; images have 0 … 255.",
                "Scale them, or store them as floating point in 0 … 1.",
            )


def _classes_of(numbers: NDArray[Any], where: str) -> NDArray[np.int64]:
    """Return labels (n,) of whole numbers (n,), (n, 1), (1, n), or one-hot rows (n, classes)."""
    if numbers.ndim == 2 and 1 not in numbers.shape:
        hot = numbers.max(axis=1) == 1
        if not (hot & (np.count_nonzero(numbers, axis=1) == 1)).all():
            raise RefusedInputError(f"{where} has rows that are not one-hot.")
        return np.asarray(np.argmax(numbers, axis=1), np.int64)
    flat = numbers.reshape(-1)
    if not np.isfinite(flat).all() or (flat != np.floor(flat)).any():
        raise RefusedInputError(f"{where} has labels that are not whole numbers.")
    wrong = np.flatnonzero((flat < 0) | (flat > 1e9))
    if len(wrong):
        raise RefusedInputError(
            f"{where}: the label of image {int(wrong[0])} is {float(flat[wrong[0]]):.6g}, which is no class."
        )
    return flat.astype(np.int64)


def _finite(
    x: NDArray[Any], y: NDArray[np.int64], counts: list[int], notes: list[str]
) -> tuple[NDArray[Any], NDArray[np.int64], list[int]]:
    """Leave out images with values that are no finite numbers."""
    if x.dtype.kind != "f":
        return x, y, counts
    # The sum of an image is finite only where all its values are; no temporary array is needed.
    with np.errstate(over="ignore", invalid="ignore"):
        good = np.isfinite(x.sum(axis=(1, 2, 3), dtype=np.float64))
    if good.all():
        return x, y, counts
    notes.append(f"{int((~good).sum())} images with NaN or infinity are left out")
    ends = np.cumsum([0, *counts])
    left = [int(good[a:b].sum()) for a, b in itertools.pairwise(ends)]
    return x[good], y[good], left


def _scale(x: NDArray[Any], value_range: str | None, notes: list[str]) -> str:
    """Bring floating point to 0 … 255 in place; returns the range it had."""
    if x.dtype.kind != "f":
        return "0..255"
    low, high = float(x.min()), float(x.max())
    chosen = value_range or ("0..1" if high <= 1.5 else "0..255")
    top = 1 if chosen == "0..1" else 255
    if low < 0 or high > top:
        notes.append(f"some values lie outside 0 … {top}: {low:.4g} … {high:.4g}")
    if chosen == "0..1":
        x *= 255
    return chosen


def _name_classes(
    y: NDArray[np.int64], notes: list[str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels from 0, and names: the numbers in the file, which may begin at 1."""
    first = 1 if y.min() == 1 else 0
    last = int(y.max())
    if last - first + 1 > min(MOST_CLASSES, len(y)):
        raise RefusedInputError(
            f"The labels go from {int(y.min())} to {last}: that is not a number for each class.",
            f"There may be {MOST_CLASSES} classes, and no more than images.",
        )
    if last == first:
        raise RefusedInputError("All images have the same label: there is nothing to tell apart.")
    names = tuple(str(number) for number in range(first, last + 1))
    y = y - first
    counts = np.bincount(y, minlength=len(names))
    empty = [names[label] for label in np.flatnonzero(counts == 0)[:20]]
    if empty:
        plural = "es" if len(empty) > 1 else ""
        notes.append(f"class{plural} {', '.join(empty)} ha{'ve' if plural else 's'} no images")
    return y, names


def _ordered(y: NDArray[np.int64]) -> bool:
    """Return whether images come class by class, so that the first ones are not like the rest."""
    share = np.bincount(y) / len(y)
    expected = (1 - float(share @ share)) * (len(y) - 1)
    return int((y[1:] != y[:-1]).sum()) < expected / 4
