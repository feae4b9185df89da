"""To go on with a run exactly where its last checkpoint was made.

Weights, the solver's memory, counters and the settings in force come from the newest checkpoint
that is whole; the order of the rows, dropout and augmentation are functions of seed and step. So
on the compiled engine the run ends with the same bits as one that was never interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.distributed import Group
from app.core.errors import FilterscopeError, UsageError
from app.core.events import Event
from app.core.history import History
from app.core.learners import Learner
from app.core.learners.own_model import let_go
from app.core.rebuilt import check_data, learner_of, open_data
from app.core.runs import Recorder, RunFolder
from app.core.runs.checkpoint import SavedCheckpoint, checkpoint_files, read_checkpoint
from app.core.runs.files import BEST, HISTORY, MOST_HISTORY_BYTES, UNITS, read
from app.core.runs.info import RunInfo, versions
from app.core.runs.log import cut_log, line, replay
from app.core.runs.statistics import cut_units
from app.core.specs import TrainingSpec
from app.core.specs.training import live_changes
from app.core.storage import remove_files, save_bytes, sweep_parts, writable_problem
from app.core.training import Progress, train
from app.core.waiting import Cancel
from app.core.waiting import Progress as Report

__all__ = [
    "Continuation",
    "can_go_on",
    "check_resumable",
    "prepare",
    "where_it_stopped",
]


@dataclass
class Continuation:
    """A run that is ready to go on; nothing of it has been changed on the disk yet.

    Attributes
    ----------
    data : Patches or FittedImages
        What it learns from.
    spec : TrainingSpec
        The settings that were in force.
    history : History
        All steps until `progress`.
    notes : list of str
        What a person should know, a sentence each.
    """

    run: RunFolder
    data: Any
    spec: TrainingSpec
    learner: Learner
    order: EpochOrder
    progress: Progress
    history: History
    notes: list[str]
    _saved: SavedCheckpoint = field(repr=False)
    _records: list[dict[str, Any]] = field(repr=False)

    def recorder(self) -> Recorder:
        """Make the run's folder ready to be continued, and return what continues it.

        What was recorded after the checkpoint is left out: it is computed anew. Whatever
        moment this is killed at, the run can be continued again.

        Raises
        ------
        FilterscopeError
            Somebody else goes on with it by now, or it cannot be written to.
        """
        folder, step = self.run.path, self.progress.step
        self.run = RunFolder.open(folder)
        info = self.run.info
        check_resumable(self.run)
        problem = writable_problem(folder)
        if problem is not None:
            raise problem
        self.run.warning = self.run.check_room()
        for part in (folder, folder / "keyframes", folder / "checkpoints"):
            sweep_parts(part)
        best = None if info.best is None or info.best.step > step else info.best.model_dump()
        self.run.write_info(
            info.changed(
                spec=info.spec.changed(epochs=self.spec.epochs).model_dump(),
                outcome=None,
                ended=None,
                best=best,
                pid=os.getpid(),
                pid_started=psutil.Process().create_time(),
                versions=versions(),
            )
        )
        log = b"".join(line(record) for record in self._records)
        save_bytes(folder / HISTORY, log, overwrite=True)
        save_bytes(folder / UNITS, _statistics(folder, step), overwrite=True)
        later = [path for number, path in self.run.keyframes() if number > step]
        later += [path for path in checkpoint_files(folder) if int(path.stem) > step]
        later += [folder / BEST] if best is None else []
        remove_files(later)
        recorder = Recorder(self.run)
        recorder.go_on(self._saved, self.history)
        return recorder

    def events(self, control: Control) -> Iterator[Event]:
        """Train on."""
        return train(
            self.learner,
            self.spec,
            control,
            examples=self.order.count,
            order=self.order,
            run_id=self.run.info.run_id,
            resume=self.progress,
        )


def check_resumable(run: RunFolder) -> None:
    """Raise `UsageError` when a run cannot go on, whatever its files say."""
    state = run.info.state
    if state == "running":
        raise UsageError(
            f"{run.name} is being trained right now, by process {run.info.pid}.",
            "Stop it there first.",
        )
    if state == "diverged":
        raise UsageError(
            f"{run.name} diverged: it would do so again.",
            "Train anew with a smaller learning rate.",
        )
    if state == "converged":
        raise UsageError(
            f"{run.name} has converged: no step leads lower any more.",
            "Train anew with other settings.",
        )


def prepare(
    path: Path,
    *,
    epochs: int | None = None,
    threads: int | None = None,
    data: Any = None,
    cancel: Cancel | None = None,
    progress: Report | None = None,
    group: Group | None = None,
    trust_code: bool = False,
) -> Continuation:
    """Read all that is needed to go on with a run, and check it.

    Parameters
    ----------
    path : Path
        Its folder.
    epochs : int, optional
        How many epochs it is to have in all, for one that is done; its own by default.
    threads : int, optional
    data : Patches or FittedImages, optional
        What is open already; it is opened by default.
    cancel, progress : callable, optional
        Asked and told while CIFAR-10 or a large file is read.
    group : Group, optional
        Other processes that take their share of its batches; see `hand_over`.
    trust_code : bool
        Whether the person agreed that the file is run that is the run's network.

    Raises
    ------
    FilterscopeError
        It cannot go on: it is still trained, done, or its data or all its checkpoints are not
        what they were.
    """
    run = RunFolder.open(path)
    check_resumable(run)
    info = run.info
    wanted = info.spec.changed(epochs=info.spec.epochs if epochs is None else epochs)
    kept, notes = _whole_checkpoints(run)
    # One that was killed between its last step and its end only needs to be ended.
    if kept[0].epoch >= wanted.epochs + (info.outcome is None):
        raise UsageError(
            f"All {wanted.epochs} epochs of {run.name} are done.",
            f"To train on, ask for more: --epochs {2 * wanted.epochs}.",
        )
    if info.versions.get("numpy") != versions()["numpy"] or (
        info.versions.get("filterscope") != versions()["filterscope"]
    ):
        notes.append("It was begun with other versions: the last digits may differ.")
    state = None if _begins_anew(run) else kept[0].state
    if data is None:
        data = open_data(run, state, cancel, progress)
    else:
        check_data(info, data, state)
    learner, order = learner_of(info, data, wanted, threads, group, trust_code=trust_code)
    for saved in kept:
        try:
            spec = _in_force(info, wanted, saved)
            if state is not None:
                learner.restore(saved.state)
        except (FilterscopeError, KeyError, ValueError, IndexError, TypeError):
            notes.append(f"Checkpoint {saved.step} is of another network; an earlier one is used.")
            continue
        break
    else:
        let_go(learner)
        raise UsageError(f"{run.name} has no checkpoint that fits its settings.")
    records, history = _recorded(run, saved, learner, spec)
    if saved.step > info.began and (not len(history) or history.steps[-1] < saved.step):
        notes.append("Some steps before the checkpoint are missing in the history.")
    moved = {c.name: c.new for at, c in history.changes if at == saved.step}
    live = spec.changed(**{name: new for name, new in moved.items() if hasattr(spec, name)})
    if live_changes(spec, live):
        # It moved right after the checkpoint was made.
        learner.params_changed(spec, live)
    place = Progress(saved.step, saved.epoch, saved.steps_into_epoch)
    return Continuation(run, data, live, learner, order, place, history, notes, saved, records)


def _whole_checkpoints(run: RunFolder) -> tuple[list[SavedCheckpoint], list[str]]:
    """Return the checkpoints that can be read, the newest first, and what is said of others."""
    if _begins_anew(run):
        return [SavedCheckpoint(0, 0, 0, 0.0, run.info.spec.model_dump(), {})], []
    kept, notes = [], []
    for path in checkpoint_files(run.path):
        try:
            kept.append(read_checkpoint(path))
        except UsageError as error:
            notes.append(f"Checkpoint {int(path.stem)} cannot be used ({error.message})")
    if not kept:
        raise UsageError(
            f"{run.name} has no checkpoint to go on from.",
            "It ended before the first was made: train it anew.",
        )
    if notes:
        notes.append(f"The one of step {kept[0].step} is used.")
    return kept, notes


def _begins_anew(run: RunFolder) -> bool:
    """Return whether a run ended before its first checkpoint, and its seed leads there again.

    It was killed, or stopped before its first step.
    """
    outcome = run.info.outcome
    nothing_lost = outcome is None or outcome.step == 0
    return run.info.seeded and nothing_lost and not checkpoint_files(run.path)


def can_go_on(run: RunFolder) -> bool:
    """Return whether there is something to go on from, as far as its folder says at a glance."""
    return bool(checkpoint_files(run.path)) or _begins_anew(run)


def _in_force(info: RunInfo, wanted: TrainingSpec, saved: SavedCheckpoint) -> TrainingSpec:
    """Return the settings of the run with the live values of a checkpoint."""
    then = type(info.spec).build(saved.values)
    changes = live_changes(wanted, then)
    return wanted.changed(**{name: new for name, (_, new) in changes.items()})


def _recorded(
    run: RunFolder, saved: SavedCheckpoint, learner: Learner, spec: TrainingSpec
) -> tuple[list[dict[str, Any]], History]:
    """Return what was recorded until the checkpoint, as records and as a history."""
    history = History(run.info.term_names)
    try:
        data = read(run.path / HISTORY, MOST_HISTORY_BYTES, "There is no history")
    except UsageError:
        data = b""
    records = list(
        cut_log(
            data,
            saved.step,
            len(run.info.term_names),
            epoch_ended=saved.steps_into_epoch == 0,
            evaluated=not learner.evaluation_due(spec),
        )
    )
    for record in records:
        replay(history, record)
    return records, history


def _statistics(folder: Path, step: int) -> bytes:
    """Return what was measured of units until the checkpoint, as lines."""
    try:
        data = read(folder / UNITS, MOST_HISTORY_BYTES, "There are no statistics")
    except UsageError:
        data = b""
    return b"".join(map(line, cut_units(data, step)))


def where_it_stopped(run: RunFolder) -> float:
    """Return how many epochs of a run are done, as far as its folder says at a glance."""
    info = run.info
    if info.outcome is not None and info.outcome.step:
        return info.outcome.step / max(info.steps_per_epoch, 1)
    newest = checkpoint_files(run.path)[:1]
    return int(newest[0].stem) / max(info.steps_per_epoch, 1) if newest else 0.0
