"""What a Dask worker does: train one run, and hand its files over where no disk is shared."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.core.control import Control
from app.core.errors import UsageError
from app.core.storage import make_folder, save_bytes
from app.core.studies.job import Job, Stage
from app.core.studies.process import answer
from app.core.threads import cores

__all__ = ["read_files", "stop_here", "train_here", "write_files"]

MOST_FILES, MOST_BYTES = 4096, 1 << 30

_stage = Stage()
_lock = threading.Lock()
_at_work: dict[str, Control] = {}


def train_here(
    values: dict[str, Any], topic: str, files: dict[str, bytes] | None
) -> dict[str, Any]:
    """Train a run in this worker; returns what `perform` does.

    Parameters
    ----------
    values : dict
        The job.
    topic : str
        Where its progress is told.
    files : dict or None
        None when the run's folder is on a disk that the asker sees too. Otherwise what the run
        has so far, and ``files`` of the answer are what it has then.
    """
    from distributed import get_worker

    worker = get_worker()
    job = Job.build(values)
    control = Control()

    def say(words: dict[str, Any]) -> None:
        worker.log_event(topic, {"key": job.key, **words})

    with _lock:
        _at_work[job.key] = control
    say({"began": True, "worker": worker.address})
    try:
        if files is None:
            return answer(job, say, control, _stage)
        share = max(1, cores() // max(worker.state.nthreads, 1))
        with tempfile.TemporaryDirectory(prefix="filterscope-") as folder:
            run = Path(folder) / "run"
            if files:
                write_files(run, files)
            there = job.changed(folder=str(run), threads=share)
            ended = answer(there, say, control, _stage)
            ended["files"] = read_files(run)
            return ended
    finally:
        with _lock:
            _at_work.pop(job.key, None)


async def stop_here(keys: Sequence[str]) -> None:
    """Have these runs end after their mini-batch, if they are trained in this worker.

    A coroutine, so that Dask does not wait for a worker that hangs.
    """
    with _lock:
        for key in keys:
            if key in _at_work:
                _at_work[key].stop(in_haste=True)


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the files of a run folder by their names in it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files of a run into its folder, ``run.json`` last; names are checked.

    Raises
    ------
    UsageError
        A name leads elsewhere, or there is too much.
    StorageError
        They cannot be written.
    """
    if len(files) > MOST_FILES or sum(map(len, files.values())) > MOST_BYTES:
        raise UsageError("A worker sent more than a run can be.")
    plain = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
    for name in files:
        if not re.fullmatch(f"({plain}/)?{plain}", name):
            raise UsageError("A worker sent a file that no run has.")
    for name in sorted(files, key=lambda name: (name == "run.json", name)):
        path = folder / name
        make_folder(path.parent, exist_ok=True)
        save_bytes(path, files[name], overwrite=True)
