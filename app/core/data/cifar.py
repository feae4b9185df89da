"""CIFAR-10 as it is published: a folder, one batch, or an archive; the parent's side."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.data.child import Child
from app.core.data.files import Limits, file_sha256, opened, read_all
from app.core.data.images import LabelledImages
from app.core.data.patches import Source
from app.core.errors import Cancelled, RefusedInputError
from app.core.waiting import Cancel, Progress

__all__ = ["CIFAR10", "CIFAR10_CLASSES", "cifar10_folder", "is_archive", "is_batch", "read_cifar10"]

CIFAR10 = "CIFAR-10"
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
MOST_FILE = 200 << 20
MOST_ARCHIVE = 1 << 30

LAYOUTS = {"pickled": "", "binary": ".bin"}
NAMES_FILE = {"pickled": "batches.meta", "binary": "batches.meta.txt"}
BATCH = re.compile(r"(?:data_batch_[1-5]|test_batch)(?:\.bin)?")

# Of the archives, SHA-256; of the files in the pickled one, which publishes no other, MD5.
PUBLISHED_ARCHIVES = {
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
}
PUBLISHED_BATCHES = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}


def batch_names(layout: str) -> list[str]:
    """Return the files of a layout in order: five to train with, one to test."""
    ending = LAYOUTS[layout]
    return [*(f"data_batch_{k}{ending}" for k in range(1, 6)), f"test_batch{ending}"]


def cifar10_folder(folder: Path) -> Path | None:
    """Return the folder that holds the batches, `folder` or the published one in it, or None."""
    for place in (folder, folder / "cifar-10-batches-bin", folder / "cifar-10-batches-py"):
        if any((place / name).exists() for layout in LAYOUTS for name in batch_names(layout)):
            return place
    return None


def is_batch(path: Path) -> bool:
    """Return whether a file is called like a batch."""
    return BATCH.fullmatch(path.name) is not None


def is_archive(start: bytes) -> bool:
    """Return whether a file's first 512 bytes are those of a tar archive, packed by gzip or not."""
    return start.startswith(b"\x1f\x8b") or start[257:262] == b"ustar"


class _Parts:
    """Collects what the child read, whatever the order in which it comes."""

    def __init__(self) -> None:
        self.batches: dict[str, tuple[NDArray[np.int64], NDArray[np.uint8]]] = {}
        self.classes: tuple[str, ...] | None = None

    def receive(self, child: Child, message: dict[str, Any]) -> str:
        """Take in one content whose first message is `message`; returns its name."""
        name = str(message.get("name", ""))
        if "classes" in message:
            names = message["classes"]
            if not isinstance(names, list) or len(names) != len(CIFAR10_CLASSES):
                raise child.broken()
            self.classes = tuple(str(name)[:60] for name in names)
            return name
        count = message.get("count")
        if not BATCH.fullmatch(name) or not isinstance(count, int) or not 0 < count <= 80_000:
            raise child.broken()
        labels = np.frombuffer(child.receive_bytes(count), np.uint8).astype(np.int64)
        pixels = np.frombuffer(child.receive_bytes(count * PIXELS), np.uint8)
        if labels.max() >= len(CIFAR10_CLASSES):
            raise child.broken()
        self.batches[name] = labels, pixels.reshape(count, *SHAPE)
        return name

    def layout(self, name: str) -> str:
        """Return the layout of what came; raises `RefusedInputError` where batches are missing."""
        there = [n for n in LAYOUTS if any(b in self.batches for b in batch_names(n))]
        if not there:
            raise RefusedInputError(
                f"{name} holds no batch of CIFAR-10.",
                "They are called data_batch_1 … 5 and test_batch, or the same with .bin.",
            )
        if len(there) > 1:
            raise RefusedInputError(
                f"{name} holds CIFAR-10 in both layouts.", "Open one folder of batches."
            )
        _complete(name, self.batches, there[0])
        return there[0]


def _complete(name: str, there: Collection[str], layout: str) -> None:
    missing = [batch for batch in batch_names(layout) if batch not in there]
    if missing:
        raise RefusedInputError(
            f"{name} lacks {', '.join(missing)}.", "A single batch can be opened by its own name."
        )


def read_cifar10(
    path: Path,
    *,
    limits: Limits | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> LabelledImages:
    """Read CIFAR-10 in either layout.

    Parameters
    ----------
    path : Path
        A folder of the six batches, one batch, or an archive of the folder.
    limits : Limits, optional
    cancel, progress : callable, optional

    Returns
    -------
    LabelledImages
        50,000 images, then the 10,000 of the test batch; of a single batch, its own. The notes
        say whether the bytes are the published ones.

    Raises
    ------
    RefusedInputError
        A batch is missing, cut short, has a label that means nothing, or asks for more than numbers.
    """
    limits = limits or Limits()
    progress = progress or (lambda share, text: None)
    folder = cifar10_folder(path) if path.is_dir() else None
    if folder is not None:
        return _read_folder(folder, limits, cancel, progress)
    if is_batch(path):
        return _read_batch(path, limits, cancel, progress)
    return _read_archive(path, limits, cancel, progress)


def _read_files(
    parts: _Parts, paths: list[Path], limits: Limits, cancel: Cancel | None, progress: Progress
) -> Iterator[tuple[Path, bytes]]:
    """Send files to one child, add what they hold to `parts`, and yield each with its bytes."""
    with Child(paths[0].name, patience=limits.patience, cancel=cancel) as child:
        child.send({"do": "decode"})
        for number, path in enumerate(paths):
            if cancel is not None and cancel():
                raise Cancelled("Reading was given up.")
            child.name = path.name
            with opened(path, Limits(file_bytes=MOST_FILE)) as (descriptor, _, _):
                data = read_all(descriptor)
            child.send({"name": path.name}, data)
            if parts.receive(child, child.receive_json()) != path.name:
                raise child.broken()
            yield path, data
            progress((number + 1) / len(paths), f"Reading {path.name}")


def _read_folder(
    folder: Path, limits: Limits, cancel: Cancel | None, progress: Progress
) -> LabelledImages:
    layout = next(n for n in LAYOUTS if any((folder / batch).exists() for batch in batch_names(n)))
    names = batch_names(layout)
    _complete(folder.name, [name for name in names if (folder / name).exists()], layout)
    paths = [folder / name for name in names]
    if (folder / NAMES_FILE[layout]).exists():
        paths.insert(0, folder / NAMES_FILE[layout])
    digest = hashlib.sha256()
    published = True
    parts = _Parts()
    for path, data in _read_files(parts, paths, limits, cancel, progress):
        digest.update(data)
        if path.name in names:
            md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
            published = published and md5 == PUBLISHED_BATCHES.get(path.name)
    if published:
        note = "all batches have the published checksums"
    elif layout == "pickled":
        note = "the checksums are not the published ones: results may differ from other people's"
    else:
        note = "no checksums are published for these files"
    return _images(folder, layout, digest.hexdigest(), parts, names, 1, note)


def _read_batch(
    path: Path, limits: Limits, cancel: Cancel | None, progress: Progress
) -> LabelledImages:
    layout = "binary" if path.suffix == ".bin" else "pickled"
    names = path.with_name(NAMES_FILE[layout])
    parts = _Parts()
    digest = ""
    paths = [names, path] if names.exists() else [path]
    for file, data in _read_files(parts, paths, limits, cancel, progress):
        if file == path:
            digest = hashlib.sha256(data).hexdigest()
    return _images(path, layout, digest, parts, [path.name], 0, "this is one batch of six")


def _read_archive(
    path: Path, limits: Limits, cancel: Cancel | None, progress: Progress
) -> LabelledImages:
    parts = _Parts()
    most = Limits(file_bytes=min(limits.file_bytes, MOST_ARCHIVE))
    with (
        opened(path, most) as (descriptor, status, handed),
        Child(path.name, patience=limits.patience, cancel=cancel, descriptor=descriptor) as child,
    ):
        child.send({"do": "archive", "path": handed, "size": status.st_size})
        while not (message := child.receive_json()).get("end"):
            if len(parts.batches) > 2 * len(PUBLISHED_BATCHES):
                raise child.broken()
            name = parts.receive(child, message)
            progress(len(parts.batches) / len(PUBLISHED_BATCHES), f"Reading {name}")
    layout = parts.layout(path.name)
    digest = file_sha256(path, cancel)
    if digest in PUBLISHED_ARCHIVES:
        note = "The archive has the published checksum"
    else:
        note = "the checksum is not the published one: results may differ from other people's"
    return _images(path, layout, digest, parts, batch_names(layout), 1, note)


def _images(
    path: Path, layout: str, digest: str, parts: _Parts, names: list[str], tests: int, note: str
) -> LabelledImages:
    """Return the batches `names` in order, of which the last `tests` are the test set."""
    x = np.concatenate([parts.batches[name][1] for name in names])
    y = np.concatenate([parts.batches[name][0] for name in names])
    x.flags.writeable = y.flags.writeable = False
    source = Source(
        str(path.absolute()),
        f"{CIFAR10}, {layout}",
        "NCHW",
        "0..255",
        len(x),
        SHAPE,
        "uint8",
        digest,
    )
    tested = len(parts.batches[names[-1]][0]) if tests else 0
    return LabelledImages(
        x, y, parts.classes or CIFAR10_CLASSES, source, tested, notes=(note[:1].upper() + note[1:],)
    )
