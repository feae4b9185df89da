"""What is read of the chosen runs, off the window's thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.core.errors import Cancelled, FilterscopeError
from app.core.history import History
from app.core.run_table import RunRow, settings_that_differ
from app.core.runs import RunInfo
from app.workers.task_worker import Task

__all__ = ["Chosen", "Recorded", "read_chosen"]


@dataclass(frozen=True)
class Recorded:
    """A run with all its steps."""

    row: RunRow
    history: History

    @property
    def info(self) -> RunInfo:
        """What ``run.json`` says."""
        return self.row.run.info


@dataclass(frozen=True)
class Chosen:
    """What is shown of the chosen runs.

    `differences` are name, label and the value in each run of every setting that not all have in
    common; `notes` are sentences on what could not be read.
    """

    runs: list[Recorded] = field(default_factory=list)
    differences: list[tuple[str, str, tuple[Any, ...]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_chosen(rows: Sequence[RunRow]) -> Callable[[Task], Chosen]:
    """Return the job that reads the curves of `rows`, and compares their settings."""

    def job(task: Task) -> Chosen:
        found, notes = [], []
        for row in rows:
            if task.cancelled():
                raise Cancelled("Others were chosen.")
            try:
                history, note = row.run.read_history()
            except FilterscopeError as error:
                history, note = History(row.run.info.term_names), error.message
            if note and row.state != "running":
                notes.append(f"{row.name}: {note}")
            found.append(Recorded(row, history))
        return Chosen(found, settings_that_differ([row.run for row in rows]) if rows else [], notes)

    return job
