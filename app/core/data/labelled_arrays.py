"""Images and labels that lie side by side in an HDF5 or ``.npz`` file: which belong together."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.data.child import Child
from app.core.data.class_folders import enough_memory
from app.core.data.files import (
    Cancel,
    Limits,
    Progress,
    file_sha256,
    list_arrays,
    opened,
    receive_array,
)
from app.core.data.images import LabelledImages
from app.core.data.layouts import batch_axis, image_shape, possible_layouts, to_nchw
from app.core.data.patches import Source
from app.core.errors import Cancelled, FilterscopeError, RefusedInputError

__all__ = ["NeedsPairError", "Pair", "find_pairs", "read_labelled_arrays"]

MOST_CLASSES = 1_000
PARTS = ("train", "validation", "test")
PART_WORDS = {
    "train": "train", "training": "train", "tr": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test", "te": "test",
}  # fmt: skip
IMAGE_WORDS = {"x", "data", "image", "images", "img", "imgs", "pixels", "features", "inputs"}
LABEL_WORDS = {"y", "label", "labels", "target", "targets", "class", "classes", "category"}


@dataclass(frozen=True)
class _Array:
    """One array of a file, as the child tells of it."""

    path: str
    shape: tuple[int, ...]
    dtype: str
    refused: str | None
    matlab: bool

    @property
    def words(self) -> set[str]:
        """What its path is made of, in lower case: ``/x_train`` and ``/xtrain`` are x and train."""
        words = set(re.split(r"[^a-z]+", self.path.lower()))
        for word in tuple(words):
            if word[:1] in ("x", "y") and word[1:] in PART_WORDS:
                words |= {word[:1], word[1:]}
        return words

    @property
    def layouts(self) -> tuple[str, ...]:
        """How it could be read as images, the likeliest first."""
        if len(self.shape) < 2 or 0 in self.shape:
            return ()
        return possible_layouts(self.shape, matlab=self.matlab)

    @property
    def part(self) -> str:
        """``train``, ``validation``, ``test``, or nothing."""
        return next((PART_WORDS[word] for word in sorted(self.words) if word in PART_WORDS), "")

    @property
    def folder(self) -> str:
        """The group in which it lies."""
        return self.path.rpartition("/")[0]

    @property
    def label_count(self) -> int:
        """How many labels it could hold, or 0."""
        if len(self.shape) == 1:
            return self.shape[0]
        if len(self.shape) == 2 and 1 in self.shape:
            return max(self.shape)
        one_hot = len(self.shape) == 2 and self.shape[1] <= MOST_CLASSES
        return self.shape[0] if one_hot and self.words & LABEL_WORDS else 0


@dataclass(frozen=True)
class Pair:
    """An array of images and one with as many labels.

    `part` is ``train``, ``validation``, ``test``, or empty for the only one; `layout` is the
    likeliest reading of the images, see `layouts.LAYOUTS`.
    """

    images: str
    labels: str
    part: str
    layout: str
    count: int
    shape: tuple[int, int, int]
    dtype: str


class NeedsPairError(FilterscopeError):
    """Several arrays could be the images or the labels."""

    exit_code = 2

    def __init__(self, name: str, pairs: tuple[Pair, ...]) -> None:
        said = "; ".join(f"{pair.images} with {pair.labels}" for pair in pairs[:6])
        first = f"{pairs[0].images.strip('/')},{pairs[0].labels.strip('/')}"
        super().__init__(
            f"{name} has several arrays that could be images and labels: {said}.",
            f"Name two, as in {name}::{first}",
        )
        self.pairs = pairs


def _understand(row: dict[str, Any]) -> _Array:
    refused = row["refused"]
    return _Array(
        str(row["path"])[:1000],
        tuple(int(n) for n in row["shape"]),
        str(row["dtype"])[:20],
        None if refused is None else " ".join(str(refused).split())[:300],
        row.get("matlab") is True,
    )


def find_pairs(path: Path, limits: Limits | None = None) -> tuple[Pair, ...]:
    """Return the images with labels that a file has: one pair, or one for each part.

    Raises
    ------
    RefusedInputError
        The file as a whole is not opened.
    NeedsPairError
        It could be several, and the names do not tell.
    """
    _, arrays = list_arrays(path, limits or Limits(), _understand)
    ranked: dict[str, list[tuple[int, Pair]]] = {}
    for images in arrays:
        for labels in arrays:
            pair = _pair(images, labels)
            if pair is not None:
                ranked.setdefault(pair.part, []).append((_likeness(images, labels), pair))
    best: dict[str, Pair] = {}
    for part, found in ranked.items():
        most = max(rank for rank, _ in found)
        likeliest = tuple(pair for rank, pair in found if rank == most)
        if len(likeliest) > 1:
            raise NeedsPairError(path.name, likeliest)
        best[part] = likeliest[0]
    if "train" in best:
        shape = best["train"].shape
        return tuple(best[p] for p in PARTS if p in best and best[p].shape == shape)
    # Without a part to train with, a lone pair is one whatever it is called.
    lone = best.get("") or next(iter(best.values()), None)
    return () if lone is None else (replace(lone, part=""),)


def _pair(images: _Array, labels: _Array) -> Pair | None:
    """Return what two arrays are together, or None where they are not images and labels."""
    if images is labels or images.refused is not None or labels.refused is not None:
        return None
    if images.part != labels.part or images.words & LABEL_WORDS or not labels.label_count:
        return None
    if labels.words & IMAGE_WORDS and not labels.words & LABEL_WORDS:
        return None
    for layout in images.layouts:
        if images.shape[batch_axis(layout)] == labels.label_count:
            shape = image_shape(layout, images.shape)
            assert shape is not None
            return Pair(
                images.path,
                labels.path,
                images.part,
                layout,
                labels.label_count,
                shape,
                images.dtype,
            )
    return None


def _likeness(images: _Array, labels: _Array) -> int:
    """Return how much two arrays look like a pair: by their names, then by what they are."""
    points = 8 * bool(images.words & IMAGE_WORDS) + 8 * bool(labels.words & LABEL_WORDS)
    points += 4 * (images.folder == labels.folder)
    points += 2 * (len(images.shape) > 2) + (labels.dtype[:1] in "iu")
    return points


def _named(path: Path, wanted: str, limits: Limits) -> Pair:
    """Return the pair that a person names as ``images,labels``."""
    names = [name.strip().strip("/") for name in wanted.split(",")]
    _, arrays = list_arrays(path, limits, _understand)
    known = {array.path.strip("/"): array for array in arrays}
    for name in names:
        if name not in known:
            there = ", ".join(known) or "nothing"
            raise RefusedInputError(
                f"{path.name} has no data set {name}.", f"It has {there[:200]}."
            )
        if known[name].refused is not None:
            raise RefusedInputError(f"{path.name}: {name} is not opened: {known[name].refused}.")
    if len(names) != 2:
        raise RefusedInputError(
            f"“{wanted}” does not name images and labels.", f"Name two, as in {path.name}::x,y"
        )
    images, labels = (known[name] for name in names)
    count = labels.label_count or (labels.shape[0] if len(labels.shape) == 2 else 0)
    for layout in images.layouts:
        shape = image_shape(layout, images.shape)
        if shape is not None and images.shape[batch_axis(layout)] == count:
            return Pair(images.path, labels.path, "", layout, count, shape, images.dtype)
    shapes = " and ".join(" × ".join(map(str, array.shape)) for array in (images, labels))
    raise RefusedInputError(
        f"{path.name}: {names[0]} and {names[1]}, with shapes {shapes}, are not images and their labels."
    )


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
    pairs = (_named(path, wanted, limits),) if wanted else find_pairs(path, limits)
    if not pairs:
        raise RefusedInputError(
            f"{path.name} has no images with labels.",
            "They are an array of images and one whole number for each, called x and y, say.",
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
