"""Writes a training into its run folder while it happens."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.events import (
    Checkpoint,
    EpochEnded,
    Evaluated,
    Event,
    Failed,
    Finished,
    ParamsChanged,
    Snapshot,
    Started,
    Steps,
)
from app.core.history import History
from app.core.memory import to_safetensors
from app.core.runs.checkpoint import SavedCheckpoint, checkpoint_bytes, checkpoint_files
from app.core.runs.files import BEST, MOST_WEIGHTS_BYTES
from app.core.runs.folder import RunFolder
from app.core.runs.info import Outcome, now
from app.core.runs.log import line
from app.core.storage import append, explain, open_log, save_bytes

__all__ = ["Recorder"]

KEYFRAME_SECONDS = 1.0
KEYFRAME_BUDGET = 64 << 20
HISTORY_SECONDS = 1.0
# Of a convolutional network, larger arrays are only in the last keyframe.
SMALL_ARRAY = 1 << 17

# First step, terms and accuracies; minus the step of an epoch's end, and nothing.
_Pending = tuple[int, NDArray[np.float64], NDArray[np.float64] | None]


class Recorder:
    """Writes the events of one training into its run folder, in the training's thread."""

    def __init__(self, run: RunFolder, *, keyframe_budget: int = KEYFRAME_BUDGET) -> None:
        self.run = run
        self._log = open_log(run.path / "history.jsonl")
        self._pending: list[_Pending] = []
        self._wrote = self._framed = time.monotonic()
        self._budget = keyframe_budget
        self._next_frame = 0
        self._last_snapshot: Snapshot | None = None
        self._saved_step = -1
        self._least_cost: float | None = None
        self._accuracy: float | None = None
        self._began = self._wrote
        self._seconds_before = 0.0
        self._continued = False

    def go_on(self, saved: SavedCheckpoint, history: History) -> None:
        """Take up the record of a run that goes on from `saved`, with what was recorded before."""
        self._continued = True
        self._seconds_before = saved.seconds
        self._least_cost = least_epoch_cost(history)
        for evaluated in reversed(history.evaluations):
            self._accuracy = evaluated.validation_accuracy
            break
        for step, path in self.run.keyframes():
            self._budget -= path.stat().st_size
            self._next_frame = step + max(1, step // 10)

    def take(self, event: Event) -> None:
        """Keep `event`; raises `StorageError` when the disk does not take it."""
        if isinstance(event, Steps):
            self._pending.append((event.first_step, event.terms, event.accuracies))
            if time.monotonic() - self._wrote >= HISTORY_SECONDS:
                self._flush(sync=False)
        elif isinstance(event, Snapshot):
            self._last_snapshot = event
            if event.step >= self._next_frame and (
                event.step == 0 or time.monotonic() - self._framed >= KEYFRAME_SECONDS
            ):
                self._keyframe(event, whole=self.run.info.kind == "autoencoder")
        elif isinstance(event, Started):
            self._change(engine=event.engine, steps_per_epoch=event.steps_per_epoch)
            if self._continued:
                self._write({"type": "resumed", "step": event.step, "when": now()})
        elif isinstance(event, ParamsChanged):
            self._flush(sync=False)
            changes = [[change.name, change.old, change.new] for change in event.changes]
            self._write({"type": "changed", "step": event.step, "changes": changes})
        elif isinstance(event, EpochEnded):
            self._pending.append((-event.step, np.empty((0, 0)), None))
            cost = float(event.terms.sum())
            if math.isfinite(cost) and (self._least_cost is None or cost < self._least_cost):
                self._least_cost = cost
        elif isinstance(event, Evaluated):
            self._flush(sync=False)
            self._accuracy = event.validation_accuracy
            self._write(_evaluated(event))
        elif isinstance(event, Checkpoint):
            self._checkpoint(event)
        elif isinstance(event, Finished):
            terms = None if event.terms is None else tuple(map(float, event.terms))
            self._end(
                Outcome(
                    reason=event.reason,
                    step=event.step,
                    epoch=event.epoch,
                    terms=terms,
                    seconds=self._seconds_before + event.seconds,
                    least_cost=self._least_cost,
                    accuracy=self._accuracy,
                )
            )
        elif isinstance(event, Failed):
            self._end(
                Outcome(
                    reason=event.kind,
                    step=event.step,
                    epoch=0.0,
                    terms=None,
                    seconds=0.0,
                    message=event.message,
                    least_cost=self._least_cost,
                    accuracy=self._accuracy,
                )
            )

    def close(self) -> None:
        """Nothing more will come."""
        try:
            self._flush(sync=True)
        finally:
            self._log.close()

    def _write(self, record: Mapping[str, Any], *, sync: bool = False) -> None:
        append(self._log, line(record), self.run.path / "history.jsonl", sync=sync)

    def _flush(self, *, sync: bool) -> None:
        """Write the steps that wait, many to a line; an epoch's end has a line of its own."""
        self._wrote = time.monotonic()
        pending, self._pending = self._pending, []
        first = 0
        rows: list[list[float]] = []
        named: list[float] = []

        def write() -> None:
            if rows:
                record = {"type": "steps", "first": first, "terms": rows}
                self._write({**record, "accuracies": named} if named else record)

        for number, terms, accuracies in pending:
            if number < 0 or (rows and number != first + len(rows)):
                write()
                rows, named = [], []
            if number < 0:
                self._write({"type": "epoch", "step": -number})
                continue
            if not rows:
                first = number
            rows.extend(terms.tolist())
            named.extend([] if accuracies is None else accuracies.tolist())
        write()
        if sync:
            append(self._log, b"", self.run.path / "history.jsonl", sync=True)

    def _keyframe(self, snapshot: Snapshot, *, whole: bool) -> None:
        if snapshot.step == self._saved_step and not whole:
            return
        weights = dict(snapshot.weights)
        if not whole:
            # Of a large network the filters are worth seeing again, not millions of weights.
            weights = {name: one for name, one in weights.items() if one.size <= SMALL_ARRAY}
        data = to_safetensors(weights, {"step": str(snapshot.step)})
        if len(data) > self._budget:
            return
        self._budget -= len(data)
        path = self.run.path / "keyframes" / f"{snapshot.step:09d}.safetensors"
        save_bytes(path, data, overwrite=True)
        self._saved_step = snapshot.step
        self._framed = time.monotonic()
        # Dense at first, when filters change fast: each keyframe a tenth later than the last.
        self._next_frame = snapshot.step + max(1, snapshot.step // 10)

    def _checkpoint(self, event: Checkpoint) -> None:
        arrays = dict(event.state)
        if not all(np.isfinite(array).all() for array in arrays.values()):
            return
        self._flush(sync=True)
        folder = self.run.path / "checkpoints"
        seconds = self._seconds_before + time.monotonic() - self._began
        data = checkpoint_bytes(event, seconds)
        save_bytes(folder / f"{event.step:09d}.safetensors", data, overwrite=True)
        self._keep_best(arrays)
        for old in checkpoint_files(self.run.path)[2:]:
            try:
                old.unlink()
            except OSError as error:
                raise explain(error, old) from None

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
        self._change(best={"step": step, "accuracy": accuracy, "loss": loss})

    def _end(self, outcome: Outcome) -> None:
        self._flush(sync=True)
        if self._last_snapshot is not None and (
            self._last_snapshot.step != self._saved_step or self.run.info.kind == "cnn"
        ):
            # The last weights are kept whatever the budget says.
            self._budget = max(self._budget, MOST_WEIGHTS_BYTES)
            self._keyframe(self._last_snapshot, whole=True)
        self._change(outcome=outcome.model_dump(), ended=now())

    def _change(self, **values: Any) -> None:
        """Write new values into ``run.json``; what others wrote there meanwhile stays."""
        self.run.write_info(self.run.info.changed(**values))


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
