"""Images in folders, one for each class: ``cats/1.png``, or ``train/cats/1.png`` beside ``test/``."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.core.data.child import Child
from app.core.data.files import PHOTOGRAPHS, Limits, opened, read_all
from app.core.data.images import LabelledImages
from app.core.data.patches import Source
from app.core.errors import Cancelled, RefusedInputError
from app.core.memory import enough_memory
from app.core.waiting import Cancel, Progress

__all__ = ["NeedsSizeError", "read_class_folders", "receive_image"]

# The parts in the order of their rows, and what people call their folders.
LEVELS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}
MOST_CLASSES = 1_000
MOST_FILE = 200 << 20
NAMED = 5


class NeedsSizeError(RefusedInputError):
    """Images of one folder have several sizes, and nobody said to which they are brought."""


@dataclass(frozen=True)
class _File:
    level: str
    label: int
    path: Path

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}"


def read_class_folders(
    folder: Path,
    *,
    side: int = 0,
    limits: Limits | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> LabelledImages:
    """Read the images of a folder whose subfolders are classes.

    Parameters
    ----------
    folder : Path
        Holds a folder for each class, or ``train`` and, where wanted, ``validation`` and
        ``test`` with such folders in them.
    side : int
        The middle square of each image is brought to this size. 0 takes images as they are:
        all must have one size then.
    limits : Limits, optional
    cancel, progress : callable, optional

    Returns
    -------
    LabelledImages
        RGB, or one channel where all are grey. Each part is mixed, always alike, for the files
        come class by class. What was left out is named in the notes.

    Raises
    ------
    RefusedInputError
        There are no two classes with images, or no image can be read.
    NeedsSizeError
        Sizes differ, and no side was given.
    """
    limits = limits or Limits()
    files, classes, notes = _collect(folder)
    digest = hashlib.sha256()
    labels = np.empty(len(files), np.int64)
    levels: list[str] = []
    left_out: list[str] = []
    x: NDArray[np.uint8] | None = None
    child: Child | None = None
    kept: list[_File] = []
    try:
        for number, file in enumerate(files):
            if cancel is not None and cancel():
                raise Cancelled("Reading was given up.")
            if child is None:
                child = Child(file.name, patience=limits.patience, cancel=cancel)
                child.send({"do": "decode"})
            child.name = file.name
            try:
                with opened(file.path, Limits(file_bytes=MOST_FILE)) as (descriptor, _, _):
                    data = read_all(descriptor)
                child.send({"side": side}, data)
                image = receive_image(child)
            except RefusedInputError as refusal:
                left_out.append(refusal.message)
                if child.gone:
                    child.close()
                    child = None
                continue
            if x is None:
                enough_memory(len(files) * image.nbytes, f"{len(files):,} images")
                x = np.empty((len(files), *image.shape), np.uint8)
            if image.shape != x.shape[1:]:
                first, other = (f"{s[1]}×{s[2]}" for s in (x.shape[1:], image.shape))
                raise NeedsSizeError(
                    f"{kept[0].name} has {first} pixels, {file.name} has {other}: all images of a set have one size.",
                    "Give a size, as in FOLDER::32: the middle of each image is brought to it.",
                )
            x[len(kept)], labels[len(kept)] = image, file.label
            kept.append(file)
            levels.append(file.level)
            digest.update(data)
            if progress is not None:
                progress((number + 1) / len(files), f"Reading {file.path.parent.name}")
    finally:
        if child is not None:
            child.close()
    if x is None:
        raise RefusedInputError(
            f"None of the {len(files):,} images can be used: {left_out[0]}",
            "Too large ones can be brought to a size, as in FOLDER::32.",
        )
    x, y = x[: len(kept)], labels[: len(kept)]
    if bool((x == x[:, :1]).all()):
        x = np.ascontiguousarray(x[:, :1])
        notes.append("all images are grey: they have one channel")
    x.flags.writeable = y.flags.writeable = False
    notes += [text.rstrip(".") for text in left_out[:NAMED]]
    if len(left_out) > NAMED:
        notes.append(f"{len(left_out) - NAMED} more images are left out")
    for label, name in enumerate(classes):
        if not (y == label).any():
            raise RefusedInputError(
                f"No image of class {name} can be used.", "Mend or remove its folder."
            )
    channels, height, width = x.shape[1:]
    source = Source(
        str(folder.absolute()), str(side) if side else "", "NCHW", "0..255", len(x),
        (channels, height, width), "uint8", digest.hexdigest(),
    )  # fmt: skip
    return LabelledImages(
        x, y, classes, source, levels.count("test"), levels.count("validation"), tuple(notes)
    )


def _collect(folder: Path) -> tuple[list[_File], tuple[str, ...], list[str]]:
    """Return the files, mixed within each part, the names of the classes, and notes."""
    inside = {place.name.lower(): place for place in _folders(folder)}
    parts: dict[str, Path] = {}
    for level, names in LEVELS.items():
        found = [inside[name] for name in names if name in inside]
        if found:
            parts[level] = found[0]
    if "train" not in parts or not _folders(parts["train"]):
        parts = {"train": folder}
    notes: list[str] = []
    images: dict[tuple[str, str], list[Path]] = {}
    for level, place in parts.items():
        for class_folder in _folders(place):
            found = _images(class_folder)
            name = class_folder.name.encode("utf-8", "replace").decode()
            if found:
                images[level, name] = found
            else:
                where = f"{place.name}/{name}" if place != folder else name
                notes.append(f"class {where} has no images")
    classes = tuple(sorted({name for _, name in images}))
    if len(classes) < 2:
        loose = " Images of a class lie in a folder of its name." if _images(folder) else ""
        said = f": {'; '.join(notes)}" if notes else ""
        raise RefusedInputError(
            f"{folder.name} has no two folders with images{said}.",
            f"They would be the classes.{loose}",
        )
    if len(classes) > MOST_CLASSES:
        raise RefusedInputError(
            f"{folder.name} has {len(classes)} classes, more than {MOST_CLASSES}."
        )
    files: list[_File] = []
    for level in parts:
        some = [
            _File(level, classes.index(name), path)
            for (at, name), paths in sorted(images.items())
            if at == level
            for path in paths
        ]
        order = np.random.default_rng([len(some), 8]).permutation(len(some))
        files += [some[place] for place in order]
    return files, classes, notes


def _folders(place: Path) -> list[Path]:
    """Return the folders in a folder by name, without hidden ones."""
    return sorted(p for p in _entries(place) if not p.name.startswith((".", "__")) and p.is_dir())


def _images(place: Path) -> list[Path]:
    """Return the images in a folder by name."""
    return sorted(
        p for p in _entries(place) if p.suffix.lower() in PHOTOGRAPHS and not p.name.startswith(".")
    )


def _entries(place: Path) -> list[Path]:
    try:
        return [place / name for name in os.listdir(place)]  # noqa: PTH208 - says what is wrong at once
    except OSError as error:
        raise RefusedInputError(f"{place.name} cannot be opened: {error.strerror}.") from None


def receive_image(child: Child) -> NDArray[np.uint8]:
    """Return the image (3, H, W) that the child decoded."""
    shape = child.receive_json().get("shape")
    if not isinstance(shape, list) or len(shape) != 3 or not all(type(n) is int for n in shape):
        raise child.broken()
    if shape[0] != 3 or not all(0 < n <= 1 << 12 for n in shape):
        raise child.broken()
    data = child.receive_bytes(shape[0] * shape[1] * shape[2])
    return np.frombuffer(data, np.uint8).reshape(shape)
