"""Writes a training into its run folder while it happens."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.errors import DiskFullError
from app.core.events import (
    Checkpoint,
    EpochEnded,
    Evaluated,
    Event,
    Failed,
    Finished,
    Noted,
    ParamsChanged,
    Snapshot,
    Started,
    Steps,
)
from app.core.history import History
from app.core.memory import to_safetensors
from app.core.runs.checkpoint import SavedCheckpoint, checkpoint_bytes, checkpoint_files
from app.core.runs.files import BEST, HISTORY, UNITS
from app.core.runs.folder import RunFolder
from app.core.runs.info import Outcome, now
from app.core.runs.keyframes import Keyframes, fitting_arrays
from app.core.runs.log_writer import LogWriter
from app.core.runs.room import LEAST_FREE, RESERVE
from app.core.runs.unit_writer import UnitWriter
from app.core.storage import free_bytes, point, remove_files, save_bytes
from app.core.words import size_in_words

__all__ = ["Recorder"]

# The first ones may take so many seconds all together: filters change fastest then.
KEYFRAME_ALLOWANCE = 0.15
# Least seconds between two later keyframes; one that takes the disk long comes later.
KEYFRAME_SECONDS = 0.2
KEYFRAME_SHARE = 0.005
HISTORY_SECONDS = 1.0
# Live values that move while a slider is dragged make one keyframe in so many seconds.
MARK_SECONDS = 1.0
# How often free space is asked for, and how long a full disk is left alone.
ROOM_SECONDS, RETRY_SECONDS = 1.0, 5.0


class Recorder:
    """Writes the events of one training into its run folder, in the training's thread.

    A disk that is full ends nothing: what happens waits in memory, in order, and is written when
    there is room again. Before it is full, no more keyframes are kept.

    Parameters
    ----------
    run : RunFolder
    keyframe_budget : int, optional
        Bytes for keyframes; what the run's settings say by default.
    clock : callable
        Seconds of the training, monotonic: those of others that take turns with it are not its.
    """

    def __init__(
        self,
        run: RunFolder,
        *,
        keyframe_budget: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run = run
        self._clock = clock
        budget = run.info.spec.keyframe_budget << 20
        budget = budget if keyframe_budget is None else keyframe_budget
        self._log = LogWriter(run.path / HISTORY)
        self._units = UnitWriter(run.path / UNITS, budget)
        self._keyframes = Keyframes(run.path, budget)
        self._changes: dict[str, Any] = {}
        self._wrote = time.monotonic()
        self._marked = self._next_frame = -math.inf
        self._last_snapshot: Snapshot | None = None
        self._whole_step = -1
        self._least_cost: float | None = None
        self._accuracy: float | None = None
        self._began = clock()
        self._spent = 0.0
        self._seconds_before = 0.0
        self._continued = self._ended = False
        # When free space is asked for again; whether there is little of it, or none.
        self._next_look = self._retry = -math.inf
        self._low = self._full = False

    def go_on(self, saved: SavedCheckpoint, history: History) -> None:
        """Take up the record of a run that goes on from `saved`, with what was recorded before."""
        self._continued = True
        self._seconds_before = saved.seconds
        self._least_cost = least_epoch_cost(history)
        for evaluated in reversed(history.evaluations):
            self._accuracy = evaluated.validation_accuracy
            break
        for step, _ in history.changes:
            self._keyframes.mark(step)

    def take(self, event: Event) -> Noted | None:
        """Keep `event`; returns what a person should be told, once.

        Raises
        ------
        StorageError
            The disk takes nothing, for another reason than that it is full.
        """
        self._keep(event)
        now_ = time.monotonic()
        if self._full and now_ < self._retry and not self._ended:
            return None
        try:
            note = self._look_at_room(now_)
            self._write(event, now_)
        except DiskFullError as error:
            self._retry = now_ + RETRY_SECONDS
            if self._full or self._ended:
                # It was told; or `close` tries once more, and tells.
                return None
            self._full = True
            return Noted(
                event.run_id,
                f"{error.message.partition(':')[0]}: the record of this run waits.",
                "Training goes on. Free some space: all that waits is written then.",
            )
        if self._full:
            self._full = False
            return Noted(event.run_id, "There is room on the disk again: the record goes on.", "")
        return note

    def close(self) -> None:
        """Nothing more will come; raises `StorageError` when something could not be written."""
        try:
            if self._ended:
                self._conclude()
        finally:
            try:
                self._units.close()
            finally:
                self._log.close()

    # --- in memory

    def _keep(self, event: Event) -> None:
        """Take in what an event says; nothing is written yet."""
        if isinstance(event, Steps):
            self._log.add(event)
        elif isinstance(event, Snapshot):
            self._last_snapshot = event
            if not self._low:
                self._units.take(event)
        elif isinstance(event, Started):
            self._changes.update(engine=event.engine, steps_per_epoch=event.steps_per_epoch)
            if self._continued:
                self._log.add({"type": "resumed", "step": event.step, "when": now()})
        elif isinstance(event, ParamsChanged):
            changes = [[change.name, change.old, change.new] for change in event.changes]
            self._log.add({"type": "changed", "step": event.step, "changes": changes})
        elif isinstance(event, EpochEnded):
            self._log.add({"type": "epoch", "step": event.step})
            cost = float(event.terms.sum())
            if math.isfinite(cost) and (self._least_cost is None or cost < self._least_cost):
                self._least_cost = cost
        elif isinstance(event, Evaluated):
            self._accuracy = event.validation_accuracy
            self._log.add(_evaluated(event))
            self._units.take(event)
        elif isinstance(event, Finished | Failed):
            self._ended = True
            self._changes.update(outcome=self._outcome(event).model_dump(), ended=now())

    def _outcome(self, event: Finished | Failed) -> Outcome:
        if isinstance(event, Failed):
            return Outcome(
                reason=event.kind,
                step=event.step,
                epoch=0.0,
                terms=None,
                seconds=0.0,
                message=event.message,
                least_cost=self._least_cost,
                accuracy=self._accuracy,
            )
        return Outcome(
            reason=event.reason,
            step=event.step,
            epoch=event.epoch,
            terms=None if event.terms is None else tuple(map(float, event.terms)),
            seconds=self._seconds_before + event.seconds,
            least_cost=self._least_cost,
            accuracy=self._accuracy,
        )

    # --- on the disk

    def _look_at_room(self, now_: float) -> Noted | None:
        """See how much room there is, now and then; keyframes end before the disk does.

        Raises
        ------
        DiskFullError
            What is left is not ours to fill.
        """
        if now_ < self._next_look:
            return None
        self._next_look = now_ + ROOM_SECONDS
        free = free_bytes(self.run.path)
        if free is None:
            return None
        if free < LEAST_FREE:
            raise DiskFullError("The disk is full: nothing more is written.")
        before, self._low = self._low, free < (2 if self._low else 1) * RESERVE
        if not self._low or before or self.run.warning:
            # It is as it was, or was said before the training began.
            return None
        return Noted(
            self.run.info.run_id,
            f"Only {size_in_words(free)} are free on the disk: no more keyframes are kept.",
            "Each step's cost and the checkpoints still are. Free some space to keep more.",
        )

    def _write(self, event: Event, now_: float) -> None:
        """Write what is due; raises `StorageError`."""
        if self._ended:
            self._conclude()
            return
        if isinstance(event, Started):
            self._write_changes()
        elif isinstance(event, ParamsChanged):
            self._log.write()
            self._mark(event.step, now_)
        elif isinstance(event, Snapshot):
            if now_ >= self._next_frame and self._keyframes.due(event.step) and not self._low:
                self._keyframe(event)
        elif isinstance(event, Checkpoint):
            self._checkpoint(event)
        if now_ - self._wrote >= HISTORY_SECONDS or self._full:
            self._wrote = now_
            self._log.write()
            self._units.write()

    def _write_changes(self) -> None:
        """Write new values into ``run.json``; what others wrote there meanwhile stays."""
        if self._changes:
            self.run.write_info(self.run.info.changed(**self._changes))
            self._changes = {}

    def _mark(self, step: int, now_: float) -> None:
        """Keep the weights at which a live value moved."""
        snapshot = self._last_snapshot
        if snapshot is None or snapshot.step != step or now_ - self._marked < MARK_SECONDS:
            return
        self._marked = now_
        self._keyframes.mark(step)
        if step > self._keyframes.newest and not self._low:
            self._keyframe(snapshot)

    def _keyframe(self, snapshot: Snapshot, *, whole: bool = False) -> None:
        weights: Mapping[str, NDArray[Any]] = snapshot.weights
        if not whole and self.run.info.kind == "cnn":
            # Of a large network the filters are worth seeing again, not millions of weights.
            weights = fitting_arrays(weights, self._keyframes.budget)
        began = time.monotonic()
        if not self._keyframes.save(snapshot.step, weights, always=whole):
            self._next_frame = math.inf
            return
        if len(weights) == len(snapshot.weights):
            self._whole_step = snapshot.step
        took = time.monotonic() - began
        self._spent += took
        # Without a least time, each that is due is kept, whatever it takes.
        waits = KEYFRAME_SECONDS and self._spent > KEYFRAME_ALLOWANCE
        self._next_frame = began + (max(KEYFRAME_SECONDS, took / KEYFRAME_SHARE) if waits else 0.0)

    def _checkpoint(self, event: Checkpoint) -> None:
        if event.step == 0 and self.run.info.seeded:
            # The seed says the same.
            return
        arrays = dict(event.state)
        if not all(np.isfinite(array).all() for array in arrays.values()):
            return
        self._log.write(sync=True)
        self._units.write()
        self._write_changes()
        folder = self.run.path / "checkpoints"
        seconds = self._seconds_before + self._clock() - self._began
        data = checkpoint_bytes(event, seconds)
        save_bytes(folder / f"{event.step:09d}.safetensors", data, overwrite=True)
        point("checkpoint saved")
        self._keep_best(arrays)
        remove_files(checkpoint_files(self.run.path)[2:])

    def _keep_best(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Write the weights that validation chose, when they are others than before."""
        best = state.get("best")
        if best is None or not len(best):
            return
        step, accuracy, loss = int(best[0]), float(best[1]), float(best[2])
        known = self.run.info.best
        if known is not None and known.step == step:
            return
        values = np.concatenate([state["best_theta"], state["best_running"]]).astype(np.float32)
        arrays, at = {}, 0
        for name, shape in self.run.shapes().items():
            size = math.prod(shape)
            arrays[name] = values[at : at + size].reshape(shape)
            at += size
        # With what was measured on the training images, so that the file can be used by itself.
        arrays.update({name: state[name] for name in ("shift", "factor")})
        metadata = {"step": str(step), "validation_accuracy": repr(accuracy)}
        save_bytes(self.run.path / BEST, to_safetensors(arrays, metadata), overwrite=True)
        point("best saved")
        self._changes["best"] = {"step": step, "accuracy": accuracy, "loss": loss}
        self._write_changes()

    def _conclude(self) -> None:
        """Write all that is left: the last weights, whatever the budget says, and the end."""
        self._log.write(sync=True)
        self._units.write(sync=True)
        last = self._last_snapshot
        if last is not None and last.step != self._whole_step:
            self._keyframe(last, whole=True)
        self._write_changes()


def least_epoch_cost(history: History) -> float | None:
    """Return the least mean cost of a whole epoch, or None before there is one."""
    ends = np.unique(np.searchsorted(history.steps, history.epoch_steps, side="right"))
    ends = ends[ends > 0]
    if not len(ends):
        return None
    starts = np.concatenate([[0], ends[:-1]])
    sums = np.add.reduceat(history.terms[: ends[-1]].sum(axis=1), starts)
    return float(np.min(sums / (ends - starts)))


def _evaluated(event: Evaluated) -> dict[str, Any]:
    loss = event.validation_loss
    return {
        "type": "evaluated",
        "step": event.step,
        "epoch": event.epoch,
        "train_accuracy": event.train_accuracy,
        "validation_accuracy": event.validation_accuracy,
        "validation_loss": loss if loss is not None and math.isfinite(loss) else None,
        "best": event.best,
    }
