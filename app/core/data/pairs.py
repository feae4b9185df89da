"""Images and labels that lie side by side in an HDF5 or ``.npz`` file: which belong together."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.core.data.files import Limits, list_arrays
from app.core.data.layouts import batch_axis, image_shape, possible_layouts
from app.core.errors import FilterscopeError, RefusedInputError

__all__ = ["MOST_CLASSES", "NeedsPairError", "Pair", "find_pairs", "named_pair"]

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
        self.asked = f"{name} has several arrays that could be images and labels."
        super().__init__(
            f"{self.asked.rstrip('.')}: {said}.",
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


def named_pair(path: Path, wanted: str, limits: Limits) -> Pair:
    """Return the pair that a person names as ``images,labels``.

    Raises
    ------
    RefusedInputError
        One is not there, must not be read, or they are not images and their labels.
    """
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
