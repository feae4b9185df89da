"""What is read of the chosen runs, off the window's thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.core.errors import Cancelled, FilterscopeError
from app.core.history import History
from app.core.run_exports import export_run
from app.core.run_table import Difference, RunRow, differences
from app.core.runs import RunFolder
from app.workers.task_worker import Task

__all__ = ["Chosen", "Values", "read_chosen"]

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Values:
    """What is drawn of one run: places in epochs and values, of the cost and of accuracy."""

    row: RunRow
    cost: Curve
    accuracy: Curve


@dataclass(frozen=True)
class Chosen:
    """What is shown of the chosen runs; `filters` are PNG files, or why there is none."""

    values: list[Values]
    differences: list[Difference]
    filters: list[tuple[RunRow, bytes, str]]
    notes: list[str] = field(default_factory=list)


def read_chosen(rows: Sequence[RunRow]) -> Callable[[Task], Chosen]:
    """Return the job that reads the curves of `rows`, and compares the first two."""

    def job(task: Task) -> Chosen:
        values, notes, filters = [], [], []
        for row in rows:
            if task.cancelled():
                raise Cancelled("Others were chosen.")
            try:
                history, note = row.run.read_history()
            except FilterscopeError as error:
                history, note = History(row.run.info.term_names), error.message
            if note and row.state != "running":
                notes.append(f"{row.path.name}: {note}")
            values.append(_values(row, history))
        for row in rows[:2]:
            if task.cancelled():
                raise Cancelled("Others were chosen.")
            try:
                # One that is trained has other weights by now than when the table was read.
                picture, _ = export_run(RunFolder.open(row.path), "filters", "png", zoom=3)
                filters.append((row, picture, ""))
            except FilterscopeError as error:
                filters.append((row, b"", str(error)))
        found = differences(rows[0].run, rows[1].run) if len(rows) > 1 else []
        return Chosen(values, found, filters, notes)

    return job


def _values(row: RunRow, history: History) -> Values:
    per_epoch = max(row.run.info.steps_per_epoch, 1)
    named = [
        (event.step / per_epoch, event.validation_accuracy)
        for event in history.evaluations
        if event.validation_accuracy is not None
    ]
    places = np.array([x for x, _ in named], np.float64)
    accuracy = np.array([100 * y for _, y in named], np.float64)
    return Values(row, (history.steps / per_epoch, history.terms.sum(axis=1)), (places, accuracy))
