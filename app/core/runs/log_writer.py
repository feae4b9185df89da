"""Writes a log: what happened waits in memory, in order, until the disk takes it.

If the disk is full, all that waits goes on waiting, and is written once there is room: the log
has no gap then, and no torn line.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.events import Steps
from app.core.runs.log import line, pack
from app.core.storage import append, open_log, point

__all__ = ["LogWriter"]


class LogWriter:
    """The end of a log.

    Parameters
    ----------
    path : Path
        It is made if it is not there; what is in it stays.

    Raises
    ------
    StorageError
        It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open_log(path)
        self._pending: list[Steps | Mapping[str, Any]] = []
        # Lines that the disk has not taken yet.
        self._lines = b""

    @property
    def waiting(self) -> bool:
        """Whether something is not written yet."""
        return bool(self._pending or self._lines)

    def add(self, item: Steps | Mapping[str, Any]) -> None:
        """Keep steps or a record until the next `write`."""
        self._pending.append(item)

    def write(self, *, sync: bool = False) -> None:
        """Write all that waits, in one go, and with `sync` wait for the disk.

        Raises
        ------
        StorageError
            The disk took nothing; it all waits for the next call.
        """
        pending, self._pending = self._pending, []
        self._lines += b"".join(map(line, _records(pending)))
        if self._lines or sync:
            append(self._file, self._lines, self.path, sync=sync)
            self._lines = b""
            point("log appended")

    def close(self) -> None:
        """Write all that waits, and close the file; raises `StorageError`."""
        try:
            self.write(sync=True)
        finally:
            self._file.close()


def _records(pending: list[Steps | Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return what waits as records: steps that follow each other are one."""
    records: list[Mapping[str, Any]] = []
    run: list[Steps] = []
    for item in pending:
        if run and not (isinstance(item, Steps) and item.first_step == run[-1].last_step + 1):
            records.append(_joined(run))
            run = []
        if isinstance(item, Steps):
            run.append(item)
        else:
            records.append(item)
    if run:
        records.append(_joined(run))
    return records


def _joined(run: list[Steps]) -> dict[str, Any]:
    record: dict[str, Any] = {
        "type": "steps",
        "first": run[0].first_step,
        "terms": pack(np.concatenate([steps.terms for steps in run])),
        "seconds": round(sum(steps.seconds for steps in run), 6),
    }
    named: list[NDArray[np.float64]] = [s.accuracies for s in run if s.accuracies is not None]
    if named:
        record["accuracies"] = pack(np.concatenate(named))
    return record
