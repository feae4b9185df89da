"""To go on from any moment of a run with other settings, as a run of its own.

The parent is only read. Where one of its checkpoints is of that very step, the child goes on with
all that the solver remembers, to the same bits; else it has the weights of a keyframe, and the
solver begins to remember anew.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.files import Cancel
from app.core.data.files import Progress as Report
from app.core.data.patches import Source
from app.core.data.weights_file import WeightsFile
from app.core.errors import FilterscopeError, UsageError
from app.core.events import Change, Checkpoint, Event
from app.core.history import History
from app.core.learners import Learner
from app.core.memory import to_safetensors
from app.core.params import Parameter, describe
from app.core.resume import check_data, learner_of, open_data
from app.core.runs import ParentInfo, Recorder, RunFolder
from app.core.runs.checkpoint import (
    SavedCheckpoint,
    checkpoint_bytes,
    checkpoint_files,
    read_checkpoint,
)
from app.core.specs import TrainingSpec
from app.core.specs.training import live_changes
from app.core.storage import save_bytes
from app.core.timeline import Part, Timeline, parts_of, read_history
from app.core.training import Progress, train
from app.core.weights_import import begin_with

__all__ = [
    "FIXED",
    "Branch",
    "branch_settings",
    "known_state",
    "parent_info",
    "prepare_branch",
    "settings_then",
]

# What the weights, their order of visiting and what computes them depend on.
FIXED = (
    "hidden_units",
    "decoder",
    "held_out",
    "layers",
    "initialisation",
    "weight_scale",
    "precision",
    "seed",
    "engine",
    "device",
    "level",
    "mixed_precision",
    "channels_last",
    "compile",
    # By what the best model of the parent was chosen.
    "mirror_looks",
)
ANEW = "There is no checkpoint of that step: the solver begins to remember anew."


def branch_settings(spec: type[TrainingSpec]) -> list[Parameter]:
    """Return the settings in which a branch may differ from its parent."""
    return [parameter for parameter in describe(spec) if parameter.name not in FIXED]


def settings_then(run: RunFolder, history: History, step: int) -> TrainingSpec:
    """Return the settings with which a run took the step after `step`."""
    moved = {change.name: change.new for at, change in history.changes if at <= step}
    known = {name: value for name, value in moved.items() if hasattr(run.info.spec, name)}
    return run.info.spec.changed(**known)


def parent_info(
    run: RunFolder, step: int, epoch: float, before: TrainingSpec, now: TrainingSpec
) -> ParentInfo:
    """Return what a child says of the run it goes on from, and of what was changed."""
    then, since = before.model_dump(), now.model_dump()
    return ParentInfo(
        run_id=run.info.run_id,
        name=run.path.name,
        step=step,
        epoch=epoch,
        changes=tuple(
            (name, then[name], since[name])
            for name in since
            if name in then and then[name] != since[name]
        ),
    )


@dataclass
class Branch:
    """A child that is ready to begin; nothing has been written yet.

    Attributes
    ----------
    parent : RunFolder
    run : RunFolder
        The parent, until `recorder` has made the child's own folder.
    step : int
        Of the parent: where it is left. The child's own first step comes after `progress`.
    history : History
        What the parent recorded until there, where the child's steps are as long.
    exact : bool
        Whether the solver goes on with all that it remembered.
    notes : list of str
        What a person should know, a sentence each.
    """

    parent: RunFolder
    run: RunFolder
    data: Any
    spec: TrainingSpec
    learner: Learner
    order: EpochOrder
    step: int
    progress: Progress
    history: History
    exact: bool
    notes: list[str]
    origin: ParentInfo
    path: Path | None
    threads: int
    _weights: Mapping[str, NDArray[np.float32]] = field(repr=False)

    def recorder(self) -> Recorder:
        """Make the child's folder, from which it could be resumed at once; return what writes it.

        Raises
        ------
        StorageError
            It cannot be made.
        """
        info = self.parent.info
        run = RunFolder.create(
            self.parent.path.parent,
            path=self.path,
            kind=info.kind,
            run_id=uuid.uuid4().hex,
            spec=self.spec,
            preprocess=info.preprocess,
            source=Source(**info.source.model_dump()),
            threads=self.threads,
            classes=info.classes,
            large=info.large,
        )
        at = self.progress
        run.write_info(
            run.info.changed(
                parent=self.origin.model_dump(),
                began=at.step,
                steps_per_epoch=self.learner.steps_per_epoch(self.spec),
            )
        )
        name = f"{at.step:09d}.safetensors"
        first = to_safetensors(self._weights, {"step": str(at.step)})
        save_bytes(run.path / "keyframes" / name, first, overwrite=True)
        saved = Checkpoint(
            run.info.run_id,
            at.step,
            at.epoch,
            at.steps_into_epoch,
            self.spec,
            self.learner.state(),
        )
        save_bytes(run.path / "checkpoints" / name, checkpoint_bytes(saved, 0.0), overwrite=True)
        self.run = run
        return Recorder(run)

    def events(self, control: Control) -> Iterator[Event]:
        """Train."""
        return train(
            self.learner,
            self.spec,
            control,
            examples=self.order.count,
            order=self.order,
            run_id=self.run.info.run_id,
            resume=self.progress,
        )


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
    parent, at, saved, weights, notes = _moment(line, step)
    changes = dict(changes or {})
    _check_changes(type(parent.info.spec), changes)
    history, damage = read_history([Part(part.run, part.until) for part in _until(line, parent)])
    notes.extend(damage)
    before = settings_then(parent, history, at)
    place = _place(saved, at, parent.info.steps_per_epoch)
    wanted = before.changed(**changes)
    wanted = wanted.changed(epochs=_epochs(parent, wanted, place, epochs, "epochs" in changes))
    state = known_state(parent)
    if data is None:
        data = open_data(parent, state, cancel, progress)
    else:
        check_data(parent.info, data, state)
    info = parent.info.changed(spec=wanted.model_dump())
    learner, order = learner_of(info, data, wanted, threads)
    same = learner.steps_per_epoch(wanted) == parent.info.steps_per_epoch
    exact = False
    if saved is not None and same and wanted.solver == before.solver:
        exact = _restored(learner, saved, before, wanted)
    if not exact:
        place = _begin(learner, weights, parent, place, wanted)
        if wanted.solver == before.solver and wanted.solver != "sgd":
            notes.append(ANEW if saved is None else "The solver begins to remember anew.")
    past = history.until(at) if same else History(parent.info.term_names)
    if same:
        moved = live_changes(before, wanted)
        past.changes.extend((at, Change(name, old, new)) for name, (old, new) in moved.items())
    epoch = _fraction(_place(saved, at, parent.info.steps_per_epoch), parent.info.steps_per_epoch)
    return Branch(
        parent=parent,
        run=parent,
        data=data,
        spec=wanted,
        learner=learner,
        order=order,
        step=at,
        progress=place,
        history=past,
        exact=exact,
        notes=notes,
        origin=parent_info(parent, at, epoch, before, wanted),
        path=path,
        threads=threads or parent.info.threads,
        _weights=weights,
    )


def _moment(
    line: Timeline, step: int
) -> tuple[RunFolder, int, SavedCheckpoint | None, dict[str, NDArray[np.float32]], list[str]]:
    """Return the last moment at or before `step` of which all weights are known."""
    notes: list[str] = []
    saved = _checkpoints(line.run)
    frames = {at: line.run_at(at) for at in line.steps if at <= step}
    kept = {one.step: one for one in saved if one.step <= step}
    for at in sorted({*frames, *kept}, reverse=True):
        run = frames.get(at, line.run)
        exact = kept.get(at) if run is line.run else None
        if at in frames:
            try:
                snapshot = line.exactly(at)
            except UsageError as error:
                notes.append(f"Keyframe {at} cannot be used ({error.message.rstrip('.')}).")
                continue
            if line.is_whole(snapshot):
                return run, at, exact, dict(snapshot.weights), notes
        if exact is not None:
            return run, at, exact, _of_checkpoint(run, exact), notes
    whole = [at for at in line.steps[-1:] if at > step]
    hint = f"Step {whole[0]} is kept whole." if whole else "Train it anew."
    raise UsageError(
        f"No moment of {line.run.name} until step {step} is kept with all weights.", hint
    )


def _checkpoints(run: RunFolder) -> list[SavedCheckpoint]:
    found: list[SavedCheckpoint] = []
    for path in checkpoint_files(run.path):
        try:
            found.append(read_checkpoint(path))
        except UsageError:
            continue
    return found


def _of_checkpoint(run: RunFolder, saved: SavedCheckpoint) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a checkpoint by their names, as a keyframe has them."""
    try:
        values = [saved.state["theta"], saved.state.get("running", np.empty(0))]
        flat = np.concatenate(values).astype(np.float32)
        arrays, at = {}, 0
        for name, shape in run.shapes().items():
            size = int(np.prod(shape))
            arrays[name] = flat[at : at + size].reshape(shape)
            at += size
        if at != flat.size:
            raise ValueError("of another network")
    except (KeyError, ValueError):
        raise UsageError(f"Checkpoint {saved.step} is of another network.") from None
    return arrays


def _until(line: Timeline, parent: RunFolder) -> list[Part]:
    """Return the parts that lead to `parent`, itself with all that it recorded."""
    found: list[Part] = []
    for part in line.parts:
        if part.run is parent:
            return [*found, Part(parent)]
        found.append(part)
    return [Part(parent)]


def _check_changes(spec: type[TrainingSpec], changes: Mapping[str, Any]) -> None:
    allowed = [parameter.name for parameter in branch_settings(spec)]
    for name in changes:
        if name in FIXED:
            raise UsageError(
                f"A branch keeps {name}: its weights depend on it.",
                f"It may change {', '.join(allowed)}.",
            )


def _place(saved: SavedCheckpoint | None, step: int, rhythm: int) -> Progress:
    """Return how far the parent was."""
    if saved is not None:
        return Progress(saved.step, saved.epoch, saved.steps_into_epoch)
    return Progress(step, *divmod(step, max(rhythm, 1)))


def _fraction(place: Progress, rhythm: int) -> float:
    return place.epoch + place.steps_into_epoch / max(rhythm, 1)


def _epochs(
    parent: RunFolder, wanted: TrainingSpec, place: Progress, asked: int | None, given: bool
) -> int:
    """Return how many epochs the child has in all."""
    epochs = wanted.epochs if asked is None else asked
    done = _fraction(place, parent.info.steps_per_epoch)
    if epochs > done:
        return epochs
    raise UsageError(
        f"{done:g} epochs are done at that moment, and the branch would have {epochs}.",
        f"Ask for more: --epochs {max(2 * int(done), 1)}."
        if not given
        else "Ask for more epochs in all.",
    )


def known_state(parent: RunFolder) -> Mapping[str, Any]:
    """Return how the parent's images were normalised; nothing of patches, which say it themselves."""
    if parent.info.kind == "autoencoder":
        return {}
    shift, factor = parent.read_normalisation()
    return {"shift": shift, "factor": factor}


def _restored(
    learner: Learner, saved: SavedCheckpoint, before: TrainingSpec, wanted: TrainingSpec
) -> bool:
    """Take up a checkpoint; returns whether it fits."""
    try:
        learner.restore(saved.state)
    except (FilterscopeError, KeyError, ValueError, IndexError, TypeError):
        return False
    if live_changes(before, wanted):
        learner.params_changed(before, wanted)
    return True


def _begin(
    learner: Learner,
    weights: Mapping[str, NDArray[np.float32]],
    parent: RunFolder,
    place: Progress,
    wanted: TrainingSpec,
) -> Progress:
    """Let a new learner begin with weights at a place; returns the place in its own steps."""
    begin_with(learner, WeightsFile(str(parent.path), "", weights))
    rhythm, old = learner.steps_per_epoch(wanted), max(parent.info.steps_per_epoch, 1)
    into = place.steps_into_epoch * rhythm // old
    step = place.epoch * rhythm + into
    state = learner.state()
    if "counters" in state:
        # Batches, dropout and schedules are functions of the step; what the solver remembers
        # begins here, and the validation comes when it is due next.
        state["counters"] = np.array([step, step, step], np.int64)
        learner.restore(state)
    return Progress(step, place.epoch, into)
