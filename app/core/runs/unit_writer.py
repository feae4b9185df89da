"""Writes ``units.jsonl``, as often as there is room for it."""

from __future__ import annotations

from pathlib import Path

from app.core.events import Evaluated, Snapshot
from app.core.runs.log import line
from app.core.runs.log_writer import LogWriter
from app.core.runs.statistics import measured, record_of, spacing

__all__ = ["UnitWriter"]


class UnitWriter:
    """Takes statistics out of events and writes them.

    Parameters
    ----------
    path : Path
        The log; what is in it stays.
    budget : int
        Bytes of the run's keyframes, of which a share again may be used here.
    """

    def __init__(self, path: Path, budget: int) -> None:
        self._log = LogWriter(path)
        self._budget = budget
        # Of snapshots and of evaluations: the step from which on the next one counts.
        self._next = {Snapshot: -1, Evaluated: -1}
        self._labelled: set[str] = set()

    def take(self, event: Snapshot | Evaluated) -> None:
        """Keep what is measured in an event, when it is due; see `write`."""
        if event.step < self._next[type(event)]:
            return
        values, labels = measured(event)
        if not values:
            return
        new = {name: words for name, words in labels.items() if name not in self._labelled}
        self._labelled.update(new)
        record = record_of(event.step, values, new)
        self._log.add(record)
        size = len(line(record))
        self._next[type(event)] = event.step + spacing(event.step, size, self._budget)

    def write(self, *, sync: bool = False) -> None:
        """Write what waits; raises `StorageError`."""
        self._log.write(sync=sync)

    def close(self) -> None:
        """Write what waits, and close the file; raises `StorageError`."""
        self._log.close()
