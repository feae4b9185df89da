"""A run as one file that opens again anywhere: a zip of its folder, the same bytes each time.

manifest.json first: what the file is, and size and SHA-256 of every other member. The members
have the names that the run's folder has; of the data, its checksum or, when it is small and
wanted, a copy. `app.core.takeaway.opening` is the way back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.core.data.files import file_sha256
from app.core.data.synthetic import SYNTHETIC_NAME
from app.core.data.untrusted.run_archives import write_members
from app.core.errors import Cancelled, FilterscopeError, UsageError
from app.core.file_names import safe_name
from app.core.runs import RunFolder
from app.core.runs.checkpoint import checkpoint_files
from app.core.runs.files import BEST, HISTORY, LABELS, UNITS, read
from app.core.waiting import Cancel, Progress

__all__ = ["FORMAT", "MOST_DATA_BYTES", "SUFFIX", "ArchivePlan", "archive_bytes", "plan_archive"]

FORMAT = "filterscope-run"
SUFFIX = ".filterscope"
# What is put into one file is held in memory while that is made.
MOST_ARCHIVE_BYTES = 1 << 30
# Data larger than this is named by its checksum only.
MOST_DATA_BYTES = 128 << 20


@dataclass(frozen=True)
class ArchivePlan:
    """How large a run is as one file, known before it is packed.

    Attributes
    ----------
    rest, checkpoints : int
        Bytes of what always goes along, and of its checkpoints.
    data : int or None
        Bytes of its data; None where that cannot go along.
    why_no_data : str
        Why not.
    """

    rest: int
    checkpoints: int
    data: int | None
    why_no_data: str = ""

    def size(self, *, checkpoints: bool, data: bool) -> int:
        """Return about how many bytes the file has."""
        return self.rest + checkpoints * self.checkpoints + (self.data or 0) * data


def plan_archive(run: RunFolder) -> ArchivePlan:
    """Return how large a run is as one file, and whether its data can go along."""

    def total(checkpoints: bool) -> int:
        found = 0
        for _, path in _files(run, checkpoints):
            try:
                found += path.stat().st_size
            except OSError:
                continue
        return found

    rest = total(False)
    try:
        data, why = _data_file(run).stat().st_size, ""
    except UsageError as error:
        data, why = None, error.message
    except OSError:
        data, why = None, f"The data of {run.name} cannot be read."
    return ArchivePlan(rest, total(True) - rest, data, why)


def archive_bytes(
    run: RunFolder,
    *,
    checkpoints: bool = True,
    data: bool = False,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Return a run as one file.

    Parameters
    ----------
    run : RunFolder
        It must not be training.
    checkpoints : bool
        Whether it can be gone on with where it is opened.
    data : bool
        Whether a copy of its data goes along: one file of at most `MOST_DATA_BYTES`.
    cancel, progress : callable, optional

    Raises
    ------
    UsageError
        It is training, it or its data is too large, or its data is not what it was.
    """
    if run.info.state == "running":
        raise UsageError(f"{run.name} is being trained right now.", "Stop it first.")
    members: dict[str, bytes] = {}
    files = list(_files(run, checkpoints))
    total = 0
    for number, (name, path) in enumerate(files):
        if cancel is not None and cancel():
            raise Cancelled("The file was given up.")
        if progress is not None:
            progress((number + 1) / len(files), "Packing the run")
        members[name] = read(path, MOST_ARCHIVE_BYTES - total, f"{name} cannot be packed")
        total += len(members[name])
    if data:
        name, members[f"data/{name}"] = _data(run)
    manifest = {
        "format": FORMAT,
        "version": 1,
        "run_id": run.info.run_id,
        "members": {
            name: {"bytes": len(one), "sha256": hashlib.sha256(one).hexdigest()}
            for name, one in members.items()
        },
    }
    first = {"manifest.json": json.dumps(manifest, indent=1).encode()}
    return write_members({**first, **members})


def _files(run: RunFolder, checkpoints: bool) -> Iterator[tuple[str, Path]]:
    for name in ("run.json", HISTORY, UNITS, LABELS, BEST):
        if (run.path / name).exists():
            yield name, run.path / name
    for _, path in run.keyframes():
        yield f"keyframes/{path.name}", path
    if checkpoints:
        for path in reversed(checkpoint_files(run.path)):
            yield f"checkpoints/{path.name}", path


def _data_file(run: RunFolder) -> Path:
    """Return the file of a run's data; raises `UsageError` when it is none, or too large."""
    path = Path(run.info.source.path)
    if not path.is_file():
        if run.info.source.path == SYNTHETIC_NAME:
            why = "The program draws these images anywhere: they need no copy."
        elif path.is_dir():
            why = f"{path.name} is a folder, which does not go along: hand it on beside the file."
        else:
            why = f"{path.name} is not there any more."
        raise UsageError(why, "Leave it out: its checksum goes along.")
    size = path.stat().st_size
    if size > MOST_DATA_BYTES:
        raise UsageError(
            f"{path.name} has {size >> 20} MiB: more than {MOST_DATA_BYTES >> 20} do not go along.",
            "Leave it out: its checksum goes along.",
        )
    return path


def _data(run: RunFolder) -> tuple[str, bytes]:
    """Return a name and the bytes of a run's data, which must be what it was."""
    path = _data_file(run)
    name = safe_name(path.name, "data").lstrip(".-") or "data"
    try:
        same = file_sha256(path) == run.info.source.sha256
    except FilterscopeError as error:
        raise UsageError(f"{path.name} cannot be packed: {error.message}") from None
    if not same:
        raise UsageError(f"{path.name} is not what it was when the run was made.")
    return name, read(path, MOST_DATA_BYTES, f"{path.name} cannot be packed")
