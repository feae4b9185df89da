"""What a run is called where a person reads of it, and where a person types it."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["NETWORKS", "run_name", "short_id"]

# What each kind of network is called.
NETWORKS = {"autoencoder": "autoencoder", "cnn": "CNN"}
# As `RunFolder.create` names a folder: when it began, the network, the first letters of its id;
# in the trash with a number where there was one of that name already.
FOLDER = re.compile(r"\d{8}-\d{6}-(autoencoder|cnn)-([0-9a-f]{6})(-\d+)?")
# A study and its runs have a title there, and a number.
STAMPED = re.compile(r"\d{8}-\d{6}-(.+)")


def run_name(folder: str) -> str:
    """Return what the run in a folder of this name is called, such as ``CNN 4d4c10``.

    When it began is said elsewhere. A study and its runs are called by its title; a folder with a
    name that a person chose keeps it.
    """
    found = FOLDER.fullmatch(folder)
    if found is not None:
        return f"{NETWORKS[found[1]]} {found[2]}{found[3] or ''}"
    stamped = STAMPED.fullmatch(folder)
    return folder if stamped is None else stamped[1]


def short_id(path: Path) -> str:
    """Return the letters of a run's id that are in its folder's name; none of another name."""
    found = FOLDER.fullmatch(path.name)
    return "" if found is None else found[2]
