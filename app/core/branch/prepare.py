"""All that a child of a run needs, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from app.core.branch.child import Branch
from app.core.branch.moment import Moment, find_moment
from app.core.branch.settings import check_changes, parent_info, settings_then
from app.core.data.weights_file import WeightsFile
from app.core.errors import FilterscopeError, UsageError
from app.core.events import Change
from app.core.history import History
from app.core.learners import Learner
from app.core.rebuilt import check_data, known_state, learner_of, open_data
from app.core.runs import RunFolder
from app.core.specs import TrainingSpec
from app.core.specs.training import live_changes
from app.core.timeline import Part, Timeline, parts_of, read_history
from app.core.training import Progress
from app.core.waiting import Cancel
from app.core.waiting import Progress as Report
from app.core.weights_import import begin_with

__all__ = ["prepare_branch"]

ANEW = "There is no checkpoint of that step: the solver begins to remember anew."


def prepare_branch(
    parent_path: Path,
    step: int,
    changes: Mapping[str, Any] | None = None,
    *,
    epochs: int | None = None,
    path: Path | None = None,
    threads: int | None = None,
    data: Any = None,
    cancel: Cancel | None = None,
    progress: Report | None = None,
) -> Branch:
    """Read all that a child of a run needs, and check it.

    Parameters
    ----------
    parent_path : Path
        The parent's folder; it may also have a parent itself, whose moments count.
    step : int
        Where it is left: the last moment at or before, of which all weights are known.
    changes : mapping, optional
        Settings that are other ones from there on; see `branch_settings`.
    epochs : int, optional
        How many epochs the child is to have in all, those before it included; as many as the
        parent's settings say by default.
    path : Path, optional
        The child's folder; beside the parent's by default.
    threads : int, optional
    data : Patches or FittedImages, optional
        What is open already; it is opened by default.

    Raises
    ------
    FilterscopeError
        It is still trained, there is no such moment, or the settings do not go together.
    """
    line = Timeline(parts_of(RunFolder.open(parent_path)))
    if line.run.info.state == "running":
        raise UsageError(
            f"{line.run.name} is being trained right now.", "Stop it first, then branch."
        )
    if line.run.info.model is not None:
        raise UsageError("A network of your own program cannot be branched.", "Train it anew.")
    line.look()
    moment = find_moment(line, step)
    parent, notes = moment.run, list(moment.notes)
    changes = dict(changes or {})
    check_changes(type(parent.info.spec), changes)
    history, damage = read_history([Part(part.run, part.until) for part in _until(line, parent)])
    notes.extend(damage)
    before = settings_then(parent, history, moment.step)
    wanted = before.changed(**changes)
    wanted = wanted.changed(epochs=_epochs(moment, wanted, epochs, "epochs" in changes))
    state = known_state(parent)
    if data is None:
        data = open_data(parent, state, cancel, progress)
    else:
        check_data(parent.info, data, state)
    info = parent.info.changed(spec=wanted.model_dump())
    learner, order = learner_of(info, data, wanted, threads)
    same = learner.steps_per_epoch(wanted) == parent.info.steps_per_epoch
    place = moment.place
    exact = same and wanted.solver == before.solver and _restored(learner, moment, before, wanted)
    if not exact:
        place = _begin(learner, moment, wanted)
        if wanted.solver == before.solver and wanted.solver != "sgd":
            notes.append(
                ANEW if moment.checkpoint is None else "The solver begins to remember anew."
            )
    past = history.until(moment.step) if same else History(parent.info.term_names)
    if same:
        moved = live_changes(before, wanted)
        past.changes.extend(
            (moment.step, Change(name, old, new)) for name, (old, new) in moved.items()
        )
    return Branch(
        parent=parent,
        run=parent,
        data=data,
        spec=wanted,
        learner=learner,
        order=order,
        step=moment.step,
        progress=place,
        history=past,
        exact=exact,
        notes=notes,
        origin=parent_info(parent, moment.step, moment.epochs, before, wanted),
        path=path,
        threads=threads or parent.info.threads,
        _weights=moment.weights,
    )


def _until(line: Timeline, parent: RunFolder) -> list[Part]:
    """Return the parts that lead to `parent`, itself with all that it recorded."""
    found: list[Part] = []
    for part in line.parts:
        if part.run is parent:
            return [*found, Part(parent)]
        found.append(part)
    return [Part(parent)]


def _epochs(moment: Moment, wanted: TrainingSpec, asked: int | None, given: bool) -> int:
    """Return how many epochs the child has in all."""
    epochs = wanted.epochs if asked is None else asked
    done = moment.epochs
    if epochs > done:
        return epochs
    raise UsageError(
        f"{done:g} epochs are done at that moment, and the branch would have {epochs}.",
        f"Ask for more: --epochs {max(2 * int(done), 1)}."
        if not given
        else "Ask for more epochs in all.",
    )


def _restored(learner: Learner, moment: Moment, before: TrainingSpec, wanted: TrainingSpec) -> bool:
    """Take up the moment's checkpoint; returns whether there is one that fits."""
    if moment.checkpoint is None:
        return False
    try:
        learner.restore(moment.checkpoint.state)
    except (FilterscopeError, KeyError, ValueError, IndexError, TypeError):
        return False
    if live_changes(before, wanted):
        learner.params_changed(before, wanted)
    return True


def _begin(learner: Learner, moment: Moment, wanted: TrainingSpec) -> Progress:
    """Let a new learner begin with a moment's weights; returns the place in its own steps."""
    begin_with(learner, WeightsFile(str(moment.run.path), "", moment.weights))
    per_epoch, before = learner.steps_per_epoch(wanted), max(moment.run.info.steps_per_epoch, 1)
    place = moment.place
    into = place.steps_into_epoch * per_epoch // before
    step = place.epoch * per_epoch + into
    state = learner.state()
    if "counters" in state:
        # Batches, dropout and schedules are functions of the step; what the solver remembers
        # begins here, and the validation comes when it is due next.
        state["counters"] = np.array([step, step, step], np.int64)
        learner.restore(state)
    return Progress(step, place.epoch, into)
