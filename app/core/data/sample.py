"""The patches that come with the program."""

from __future__ import annotations

from pathlib import Path

import resources

__all__ = ["SAMPLE_NAME", "sample_path"]

SAMPLE_NAME = "sample patches"


def sample_path() -> Path:
    """Return the path of the bundled HDF5 file."""
    return Path(resources.__file__).with_name("sample_patches.h5")
