"""The one way in for images with labels, whatever they are kept in."""

from __future__ import annotations

import os
from pathlib import Path

from app.core.data.cifar import cifar10_folder, is_archive, is_batch, read_cifar10
from app.core.data.class_folders import read_class_folders
from app.core.data.download import downloaded_cifar10
from app.core.data.files import (
    PHOTOGRAPHS,
    Cancel,
    Limits,
    PathLike,
    Progress,
    opened,
    split_name,
)
from app.core.data.images import LabelledImages
from app.core.data.labelled_arrays import read_labelled_arrays
from app.core.data.synthetic import SYNTHETIC_NAME, synthetic_images
from app.core.errors import RefusedInputError

__all__ = ["CIFAR10_NAME", "open_images"]

CIFAR10_NAME = "cifar10"


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
    text = os.fspath(path)
    if text == SYNTHETIC_NAME:
        return synthetic_images(cancel=cancel, progress=progress)
    if text == CIFAR10_NAME:
        return read_cifar10(downloaded_cifar10(), limits=limits, cancel=cancel, progress=progress)
    file, wanted = split_name(text)
    if file.is_dir():
        if cifar10_folder(file) is not None:
            return read_cifar10(file, limits=limits, cancel=cancel, progress=progress)
        return read_class_folders(
            file,
            side=_side(file, wanted) or side,
            limits=limits,
            cancel=cancel,
            progress=progress,
        )
    with opened(file, limits) as (descriptor, _, _):
        start = os.read(descriptor, 512)
    if is_batch(file) or is_archive(start):
        return read_cifar10(file, limits=limits, cancel=cancel, progress=progress)
    if file.suffix.lower() in PHOTOGRAPHS:
        raise RefusedInputError(
            f"{file.name} is one image.", "Open the folder in which each class has a folder."
        )
    return read_labelled_arrays(
        file,
        wanted=wanted,
        value_range=value_range,
        limits=limits,
        cancel=cancel,
        progress=progress,
    )


def _side(folder: Path, wanted: str | None) -> int:
    """Return the size in ``FOLDER::32``, or 0."""
    if wanted is None:
        return 0
    if not wanted.isdecimal() or not 2 <= int(wanted[:5]) <= 512:
        raise RefusedInputError(
            f"“{wanted}” is no size for the images of {folder.name}.", "Give 2 to 512 pixels."
        )
    return int(wanted)
