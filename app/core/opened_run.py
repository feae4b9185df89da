"""A run from the disk as it was left: to be looked at, and to be trained on from its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from app.core.branch import settings_then
from app.core.errors import FilterscopeError, UsageError
from app.core.events import Finished, Snapshot
from app.core.history import History
from app.core.learners import Learner
from app.core.rebuilt import check_data, known_state, learner_of
from app.core.runs import RunFolder
from app.core.specs import TrainingSpec
from app.core.timeline import Part, Timeline, parts_of, read_history
from app.core.training import Progress

__all__ = ["OpenedRun", "open_run"]

EVER = 1 << 53


@dataclass
class OpenedRun:
    """What a lab shows of a run that is not trained now.

    Attributes
    ----------
    parts : tuple of Part
        The run, after those it came from.
    spec : TrainingSpec
        The settings that were in force at its end.
    history : History
        All steps of `parts`.
    snapshot : Snapshot
        The last weights that were kept.
    ending : Finished or None
        How it ended, if it did.
    learner : Learner or None
        The network with all that its solver remembers, to train on from the end; None where
        there is no checkpoint of the end.
    progress : Progress
        Where it would go on.
    notes : list of str
        What a person should know, a sentence each.
    """

    run: RunFolder
    parts: tuple[Part, ...]
    data: Any
    spec: TrainingSpec
    history: History
    snapshot: Snapshot
    ending: Finished | None
    learner: Learner | None
    progress: Progress
    notes: list[str] = field(default_factory=list)


def open_run(path: Path, data: Any, *, threads: int | None = None) -> OpenedRun:
    """Read a run as it was left; nothing of it is changed.

    Parameters
    ----------
    path : Path
        Its folder.
    data : Patches or FittedImages
        What it learned from.
    threads : int, optional
        That would compute, if it is trained on.

    Raises
    ------
    FilterscopeError
        It has no weights that can be read, or `data` is not what it learned from.
    """
    run = RunFolder.open(path)
    info, parts = run.info, tuple(parts_of(run))
    check_data(info, data, known_state(run))
    line = Timeline(parts)
    line.look()
    snapshot, note = line.snapshot(EVER)
    history, notes = read_history(parts)
    notes = [*([note] if note else []), *notes]
    own, _ = run.read_history()
    spec = settings_then(run, own, EVER)
    outcome, ending = info.outcome, None
    if outcome is not None and outcome.reason in ("done", "converged", "stopped"):
        terms = None if outcome.terms is None else np.array(outcome.terms, np.float64)
        ending = Finished(
            info.run_id, outcome.step, outcome.epoch, outcome.reason, terms, outcome.seconds
        )
    learner, progress = None, Progress(snapshot.step)
    if info.state != "running" and info.model is None:
        try:
            learner, progress = _at_its_end(run, data, spec, threads, snapshot.step)
        except (FilterscopeError, KeyError, ValueError, IndexError, TypeError):
            notes.append("It has no checkpoint of its end: Train begins anew.")
    return OpenedRun(run, parts, data, spec, history, snapshot, ending, learner, progress, notes)


def _at_its_end(
    run: RunFolder, data: Any, spec: TrainingSpec, threads: int | None, step: int
) -> tuple[Learner, Progress]:
    """Return the network of the last checkpoint; raises where that is not of the last step."""
    saved, _ = run.read_checkpoint()
    if saved.step != step:
        raise UsageError("The last checkpoint is of an earlier step.")
    learner, _ = learner_of(run.info.changed(spec=spec.model_dump()), data, spec, threads)
    learner.restore(saved.state)
    return learner, Progress(saved.step, saved.epoch, saved.steps_into_epoch)
