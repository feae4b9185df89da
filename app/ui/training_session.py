"""The training that is under way or was last: its state, its curves and the hand on it."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from app.core.branch import Branch
from app.core.control import Control
from app.core.errors import FilterscopeError
from app.core.events import (
    Event,
    Failed,
    Finished,
    Noted,
    ParamsChanged,
    Paused,
    Resumed,
    Started,
    Steps,
)
from app.core.feed import Feed
from app.core.history import History
from app.core.learners.own_model import OwnModelLearner
from app.core.one_training import Training
from app.core.own_model.file import ModelFile
from app.core.recipes import Recipe
from app.core.resume import Continuation
from app.core.runs import Recorder
from app.core.specs import TrainingSpec
from app.core.threads import kernel_threads
from app.ui.pace import TICK_MILLISECONDS, Pace
from app.workers.thread import Runner
from app.workers.training_worker import TrainingWorker

__all__ = ["State", "TrainingSession"]


class State(Enum):
    """What a training is doing."""

    IDLE = "idle"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    ENDED = "ended"
    FAILED = "failed"

    @property
    def alive(self) -> bool:
        """Whether a thread is at work."""
        return self in (State.STARTING, State.RUNNING, State.PAUSED, State.STOPPING)


class TrainingSession(QObject):
    """Starts, steers and follows trainings; one at a time.

    Signals
    -------
    state_changed()
        `state` is another.
    ticked(object, bool)
        At most 30 times a second while there is news, see `Pace`: the newest snapshot, if it
        is new, and whether the curves grew.
    failed(str, str, str)
        Message, hint and, for a bug, the report.
    notice(str, str)
        Something the person should know though training goes on.
    """

    state_changed = pyqtSignal()
    ticked = pyqtSignal(object, bool)
    failed = pyqtSignal(str, str, str)
    notice = pyqtSignal(str, str)

    def __init__(
        self,
        runner: Runner,
        recipe: Recipe,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.state = State.IDLE
        self.training: Training | None = None
        self.speed = 0.0  # examples a second, smoothed
        self.threads = kernel_threads(window=True)
        self._runner = runner
        self.recipe = recipe
        self._control = Control()
        self._feed: Feed | None = None
        self._worker: TrainingWorker | None = None
        self._after: Callable[[], None] | None = None
        self._pace = Pace()
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MILLISECONDS)
        self._timer.timeout.connect(self.tick)

    def can_continue(self, data: Any, spec: TrainingSpec, model: ModelFile | None = None) -> bool:
        """Whether Train would go on with the model that is there."""
        training = self.training
        return (
            self.state is State.ENDED
            and training is not None
            and data is not None
            and training.continues(data, spec, model)
        )

    def start(
        self,
        data: Any,
        spec: TrainingSpec,
        *,
        single: bool = False,
        model: ModelFile | None = None,
    ) -> None:
        """Train: on from the weights that are there when they fit, else from new ones.

        With `single`, take one step and wait; `model` is a network of the person's own.
        """
        if self.state.alive:
            return
        if self.can_continue(data, spec, model):
            assert self.training is not None
            training = self.training
            spec, origin = training.go_on(spec)
        else:
            weights = None if self.training is None else self.training.weights
            training = Training(self.recipe, data, spec, History(self.recipe.term_names))
            # Another solver or batch begins anew, with the weights that the person brought.
            training.weights, training.model = weights, model
            origin = None
        run_id = uuid.uuid4().hex
        try:
            recorder = self.recipe.make_recorder(
                run_id, spec, data, self.threads, training.progress.step
            )
            if isinstance(recorder, Recorder) and origin is not None:
                run = recorder.run
                run.write_info(run.info.changed(parent=origin.model_dump()))
            if isinstance(recorder, Recorder) and recorder.run.warning:
                self.notice.emit(recorder.run.warning, "")
        except FilterscopeError as error:
            self.notice.emit(
                error.message, f"{error.hint} Training goes on without a record.".strip()
            )
            recorder = None
        self._launch(training, recorder, run_id, single=single)

    def go_on(self, going: Continuation | Branch) -> None:
        """Go on with a run from the disk in its own folder, or with a branch in one of its own.

        Raises
        ------
        FilterscopeError
            Its folder cannot be continued.
        """
        recorder = going.recorder()
        training = Training(self.recipe, going.data, going.spec, going.history)
        training.learner, training.progress = going.learner, going.progress
        if isinstance(going.learner, OwnModelLearner):
            training.model = going.learner.model
        self._launch(training, recorder, going.run.info.run_id)

    def _launch(
        self, training: Training, recorder: Recorder | None, run_id: str, *, single: bool = False
    ) -> None:
        """Start the thread that trains."""
        self.training = training
        training.ending = None
        if isinstance(recorder, Recorder):
            training.recorded_in(recorder.run)
            with contextlib.suppress(FilterscopeError):
                # A disk that does not take it will be told of by the recorder.
                training.note_beginning()
        else:
            training.run, training.parts = None, ()
        self._control = Control()
        if single:
            self._control.pause()
            self._control.single_step()
        self._feed = Feed(run_id)
        control, threads = self._control, self.threads

        def begin() -> Iterator[Event]:
            return training.events(control, run_id, threads)

        step = training.progress.step
        self._worker = TrainingWorker(begin, control, self._feed, recorder, step)
        self._worker.ended.connect(self._on_ended)
        self._set_state(State.STARTING)
        self._runner.start(self._worker)
        self._pace.begin()
        self._timer.start(TICK_MILLISECONDS)

    def put(self, training: Training) -> None:
        """Hold a training that ended in the past, as if it had just ended; tells nobody."""
        if not self.state.alive:
            self.training, self.state = training, State.ENDED

    def set_live(self, spec: TrainingSpec) -> None:
        """Let the next mini-batch use the live values of `spec`."""
        if self.state.alive:
            self._control.set_live(spec)

    def pause(self) -> None:
        """Wait after this mini-batch."""
        if self.state in (State.RUNNING, State.STARTING):
            self._control.pause()

    def resume(self) -> None:
        """Go on."""
        if self.state is State.PAUSED:
            self._control.resume()

    def single_step(self) -> None:
        """Take one step, then wait."""
        if self.state in (State.RUNNING, State.PAUSED):
            self._control.single_step()

    def stop(self) -> None:
        """End after this mini-batch; the model is kept."""
        if self.state.alive and self.state is not State.STOPPING:
            self._set_state(State.STOPPING)
            self._control.stop()

    def stop_then(self, slot: Callable[[], None]) -> None:
        """Stop, and call `slot` when the thread has ended."""
        self._after = slot
        self.stop()

    def adopt(self, training: Training) -> None:
        """Have a model that was made elsewhere; Train goes on with it."""
        if not self.state.alive:
            self.training = training
            self._set_state(State.ENDED)

    def discard(self) -> None:
        """Forget the model (the run's folder stays)."""
        if not self.state.alive:
            self.training = None
            self._set_state(State.IDLE)

    def _set_state(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            self.state_changed.emit()

    def tick(self) -> None:
        """Gather what came in since the last time; the timer calls it."""
        training = self.training
        if self._feed is None or training is None:
            return
        events, snapshot = self._feed.collect()
        for event in events:
            self._take(event)
        if snapshot is not None:
            training.snapshot = snapshot
        if events or snapshot is not None:
            self.ticked.emit(snapshot, bool(events))
        if self._timer.isActive():
            self._timer.setInterval(self._pace.milliseconds(gives_way=training.gives_way))

    def _take(self, event: Event) -> None:
        training = self.training
        assert training is not None
        training.history.take(event)
        if isinstance(event, Started):
            training.steps_per_epoch = event.steps_per_epoch
            training.total_steps = event.total_steps
            training.engine = event.engine
            notes = () if training.learner is None else training.learner.notes
            if notes:
                text = "; ".join(notes)
                self.notice.emit(f"{text[0].upper()}{text[1:]}.", "")
            if self.state is State.STARTING:
                self._set_state(State.RUNNING)
        elif isinstance(event, Steps):
            rate = event.examples / max(event.seconds, 1e-9)
            self.speed = rate if self.speed == 0 else 0.95 * self.speed + 0.05 * rate
        elif isinstance(event, ParamsChanged):
            moved = {change.name: change.new for change in event.changes}
            training.spec = training.spec.changed(**moved)
        elif isinstance(event, Paused):
            if self.state is not State.STOPPING:
                self._set_state(State.PAUSED)
        elif isinstance(event, Resumed):
            if self.state is not State.STOPPING:
                self._set_state(State.RUNNING)
        elif isinstance(event, Noted):
            self.notice.emit(event.message, event.hint)
        elif isinstance(event, Finished | Failed):
            training.ending = event
            self.speed = 0.0

    def _on_ended(self) -> None:
        worker, self._worker = self._worker, None
        self._timer.stop()
        self.tick()
        training = self.training
        if worker is None or training is None:
            return
        if worker.recording_error is not None:
            message, hint = worker.recording_error
            self.notice.emit(f"This run was not recorded to its end: {message}", hint)
        ending = training.ending
        if isinstance(ending, Failed):
            # What diverged can be trained on from its last good weights.
            self._set_state(State.ENDED if ending.kind == "diverged" else State.FAILED)
            self.failed.emit(ending.message, ending.hint, ending.traceback_text)
        elif worker.bug:
            self._set_state(State.FAILED)
            self.failed.emit("Training ended with a fault in the program.", "", worker.bug)
        else:
            self._set_state(State.ENDED)
        after, self._after = self._after, None
        if after is not None:
            after()

    def seconds_left(self) -> float | None:
        """Estimate of the time to the last step, or None while it is unknown."""
        training = self.training
        if training is None or self.speed <= 0 or not len(training.history.steps):
            return None
        step = int(training.history.steps[-1])
        rows = self.recipe.examples(training.data, training.spec)
        return (training.total_steps - step) * rows / training.steps_per_epoch / self.speed
