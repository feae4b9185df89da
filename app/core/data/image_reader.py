"""The one way in for images with labels, whatever they are kept in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from app.core.data.cifar import CIFAR10, cifar10_folder, is_archive, is_batch, read_cifar10
from app.core.data.class_folders import read_class_folders
from app.core.data.download import downloaded_cifar10
from app.core.data.files import PHOTOGRAPHS, Limits, PathLike, is_photograph, opened, split_name
from app.core.data.images import LabelledImages
from app.core.data.labelled_arrays import read_labelled_arrays
from app.core.data.patches import Source
from app.core.data.synthetic import SYNTHETIC_NAME, synthetic_images
from app.core.errors import RefusedInputError
from app.core.waiting import Cancel, Progress

__all__ = ["CIFAR10_NAME", "images_kind", "open_images", "open_images_again", "plainly_images"]

CIFAR10_NAME = "cifar10"
# A run's file says how many images were drawn; one that was tampered with may say anything.
MOST_DRAWN = 1_000_000


def open_images(
    path: PathLike = SYNTHETIC_NAME,
    *,
    side: int = 0,
    value_range: str | None = None,
    limits: Limits | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> LabelledImages:
    """Open images with labels.

    Parameters
    ----------
    path : str or path
        ``synthetic``: the images that the program draws. ``cifar10``: what was downloaded. A
        folder or an archive of CIFAR-10, or one of its batches. A folder with a folder of
        images for each class. An HDF5 or ``.npz`` file with images and labels.
        ``FILE::images,labels`` names two arrays, ``FOLDER::32`` a size.
    side : int
        For a folder of classes: the middle of each image is brought to this size; 0 leaves them.
    value_range : {"0..1", "0..255"}, optional
        Of floating point in a file; guessed by default.
    limits : Limits, optional
    cancel, progress : callable, optional

    Raises
    ------
    RefusedInputError
        It is not opened, and why.
    NeedsPairError
        Several arrays of a file could be meant.
    Cancelled
        The person gave up.
    """
    limits = limits or Limits()
    file, wanted = split_name(path)
    kind = images_kind(path)
    if kind == "drawn":
        return synthetic_images(cancel=cancel, progress=progress)
    if kind == "cifar10":
        place = downloaded_cifar10() if os.fspath(path) == CIFAR10_NAME else file
        return read_cifar10(place, limits=limits, cancel=cancel, progress=progress)
    if kind == "folders":
        side = _side(file, wanted) or side
        return read_class_folders(file, side=side, limits=limits, cancel=cancel, progress=progress)
    return read_labelled_arrays(
        file,
        wanted=wanted,
        value_range=value_range,
        limits=limits,
        cancel=cancel,
        progress=progress,
    )


def open_images_again(
    source: Source, *, cancel: Cancel | None = None, progress: Progress | None = None
) -> LabelledImages:
    """Open what a run was trained on, and make sure that it is the same.

    Raises
    ------
    RefusedInputError
        It is not there any more, or not what it was.
    """
    path = source.path
    if path == SYNTHETIC_NAME:
        seed = source.dataset.removeprefix("seed ")
        if not seed.isdecimal() or not 0 < source.count <= MOST_DRAWN:
            raise RefusedInputError(f"“{source.dataset}” does not say how the images were drawn.")
        images = synthetic_images(source.count, int(seed), cancel=cancel, progress=progress)
    else:
        if source.dataset and not source.dataset.startswith(CIFAR10):
            path = f"{path}::{source.dataset}"
        images = open_images(path, value_range=source.value_range, cancel=cancel, progress=progress)
    if images.source.sha256 != source.sha256:
        raise RefusedInputError(
            f"{Path(source.path).name} is not what it was when the run was made."
        )
    return images


def images_kind(path: PathLike) -> Literal["drawn", "cifar10", "folders", "arrays"]:
    """Return what `open_images` takes a name or path for; of a file, by its name and first bytes.

    Raises
    ------
    RefusedInputError
        It is not there, or a single image.
    """
    text = os.fspath(path)
    if text in (SYNTHETIC_NAME, CIFAR10_NAME):
        return "drawn" if text == SYNTHETIC_NAME else "cifar10"
    file, _ = split_name(path)
    if os.path.isdir(file):  # noqa: PTH112 - a name that is too long is no folder, and no error
        return "folders" if cifar10_folder(file) is None else "cifar10"
    with opened(file, Limits()) as (descriptor, _, _):
        start = os.read(descriptor, 512)
    if is_batch(file) or is_archive(start):
        return "cifar10"
    if file.suffix.lower() in PHOTOGRAPHS:
        raise RefusedInputError(
            f"{file.name} is one image.", "Open the folder in which each class has a folder."
        )
    return "arrays"


def plainly_images(path: PathLike) -> bool:
    """Return whether a name or path can only be images with labels.

    These are drawn ones, CIFAR-10, and a folder of folders without any photograph beside them.
    """
    try:
        kind = images_kind(path)
        return kind in ("drawn", "cifar10") or (kind == "folders" and _holds_folders(path))
    except (RefusedInputError, OSError):
        return False


def _holds_folders(path: PathLike) -> bool:
    inside = list(split_name(path)[0].iterdir())
    return not any(is_photograph(one) for one in inside) and any(one.is_dir() for one in inside)


def _side(folder: Path, wanted: str | None) -> int:
    """Return the size in ``FOLDER::32``, or 0."""
    if wanted is None:
        return 0
    if not wanted.isdecimal() or not 2 <= int(wanted[:5]) <= 512:
        raise RefusedInputError(
            f"“{wanted}” is no size for the images of {folder.name}.", "Give 2 to 512 pixels."
        )
    return int(wanted)
