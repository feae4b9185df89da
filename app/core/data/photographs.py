"""Single photographs, whole: what the convolution demo looks at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import resources
from app.core.data.child import Child
from app.core.data.class_folders import receive_image
from app.core.data.files import Limits, PathLike, opened, read_all
from app.core.waiting import Cancel

__all__ = ["BUNDLED_PHOTOGRAPHS", "bundled_photograph", "read_photograph"]

# What they show, and their files; where they come from: resources/ATTRIBUTIONS.md.
BUNDLED_PHOTOGRAPHS = {"cat": "photo_cat.png", "astronaut": "photo_astronaut.png"}
MOST_FILE = 200 << 20


def read_photograph(
    path: PathLike, side: int = 200, *, cancel: Cancel | None = None
) -> NDArray[np.uint8]:
    """Return the middle square of a photograph, brought to a size.

    Parameters
    ----------
    path : str or path
        An image file; decoded in the process that opens what strangers wrote.
    side : int
        Height and width of the result, in pixels.
    cancel : callable, optional

    Returns
    -------
    ndarray of uint8, shape (3, side, side)

    Raises
    ------
    RefusedInputError
        It cannot be opened or is no photograph.
    Cancelled
        The person gave up.
    """
    file = Path(path)
    with (
        opened(file, Limits(file_bytes=MOST_FILE)) as (descriptor, _, _),
        Child(file.name, cancel=cancel) as child,
    ):
        child.send({"do": "decode"})
        child.send({"side": side}, read_all(descriptor))
        return receive_image(child)


def bundled_photograph(name: str, side: int = 200) -> NDArray[np.uint8]:
    """Return one of `BUNDLED_PHOTOGRAPHS` (3, side, side)."""
    return read_photograph(Path(resources.__file__).with_name(BUNDLED_PHOTOGRAPHS[name]), side)
