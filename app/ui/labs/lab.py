"""What every lab that trains can do; the bar at the bottom steers the one in sight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtWidgets import QWidget

from app.core.events import Snapshot
from app.core.one_training import Training
from app.core.own_model.file import ModelFile
from app.core.recipes import Recipe
from app.core.specs import TrainingSpec
from app.core.words import duration_in_words
from app.ui.cost_watch import CostWatch, newest_cost
from app.ui.scrub_session import ScrubSession
from app.ui.training_session import State, TrainingSession
from app.workers.thread import Runner

if TYPE_CHECKING:
    from app.ui.weights_session import WeightsSession

__all__ = ["Lab"]


class Lab(QObject):
    """A panel, its settings and its training. Subclasses say what is learned from.

    Signals
    -------
    changed()
        Its state, its data or its progress is another.
    told(str, str, str, str)
        Something for the person: kind (plain, good, problem), message, hint, report.
    began()
        A training starts: the lab wants to be seen.
    """

    changed = pyqtSignal()
    told = pyqtSignal(str, str, str, str)
    began = pyqtSignal()

    title: str
    panel: QWidget
    spec: Any

    def __init__(self, runner: Runner, recipe: Recipe, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.runner = runner
        self.training = TrainingSession(runner, recipe, self)
        self.training.state_changed.connect(self.on_state)
        self.training.ticked.connect(self._on_tick)
        self.training.failed.connect(self._on_failed)
        self.training.notice.connect(self._on_notice)
        self._watch = CostWatch()
        self._weights: WeightsSession | None = None
        # The person's own network, where one takes the place of what the settings say.
        self.model: ModelFile | None = None
        # What moves its panel through the past, where the panel can be moved.
        self.scrub: ScrubSession | None = None
        # Whether its panel is on the screen: drawing what nobody sees takes time from training.
        self.visible = False

    # --- what a lab fills in

    @property
    def data(self) -> Any:
        """What Train would learn from, or None."""
        raise TypeError(f"{type(self).__name__} has no data")

    def why_nothing(self) -> tuple[str, str] | None:
        """Return why there is no data to train with, if somebody should be told."""
        return None

    def cannot_train(self, data: Any) -> tuple[str, str] | None:
        """Return why these settings cannot be trained on `data`, and what to do."""
        return None

    def show_spec(self) -> None:
        """Let the panel show `spec`."""
        raise TypeError(f"{type(self).__name__} shows nothing")

    def show_training(self, training: Training | None) -> None:
        """Let the panel show another training, or none."""
        raise TypeError(f"{type(self).__name__} shows nothing")

    def show_locked(self, locked: bool) -> None:
        """Let the panel lock what cannot change while training."""

    def refresh(self) -> None:
        """Let the panel draw everything as it stands now."""

    def tick(self, snapshot: Snapshot | None, grew: bool) -> None:
        """Let the panel draw what is due."""

    @property
    def takes_weights(self) -> WeightsSession:
        """What puts the weights of a file into the network."""
        from app.ui.weights_session import WeightsSession

        if self._weights is None:
            self._weights = WeightsSession(self)
        return self._weights

    def info(self) -> str:
        """Return one line on the data that is open."""
        return ""

    def cancel(self) -> None:
        """Stop what is under way: the window closes."""
        # The end of the training must not begin a last look at it.
        self.visible = False
        if self.scrub is not None:
            self.scrub.cancel()
        if self._weights is not None:
            self._weights.cancel()
        self.training.stop()

    # --- what they share

    @property
    def state(self) -> State:
        """What its training is doing."""
        return self.training.state

    @property
    def ready(self) -> bool:
        """Whether there is something to train on."""
        return self.data is not None

    def stop(self) -> None:
        """End after this mini-batch; the model is kept."""
        self.training.stop()

    def on_main(self) -> None:
        """Train, pause or go on, whichever the state asks for."""
        state = self.training.state
        if state in (State.RUNNING, State.STARTING):
            self.training.pause()
        elif state is State.PAUSED:
            self.training.resume()
        elif not state.alive:
            self.start()

    def on_step(self) -> None:
        """Take one step."""
        if self.training.state.alive:
            self.training.single_step()
        else:
            self.start(single=True)

    def start(self, *, single: bool = False) -> None:
        """Train, if there is something to train on."""
        data = self.data
        problem = self.why_nothing() if data is None else self.cannot_train(data)
        if data is None or problem is not None:
            if problem is not None:
                self.told.emit("problem", *problem, "")
            return
        self.began.emit()
        self.training.start(data, self.spec, single=single, model=self.model)
        self.show_training(self.training.training)

    def reset(self, seed: int) -> None:
        """Go back to the first weights that `seed` gives."""
        self.spec = self.spec.changed(seed=seed)
        if self.training.state.alive:
            self.training.stop_then(self._finish_reset)
        else:
            self._finish_reset()

    def _finish_reset(self) -> None:
        self.show_spec()
        self.forget()

    def show_past(self, training: Training) -> None:
        """Show a training that ended in the past, with its settings; Train goes on from its end."""
        self.spec = training.spec
        self.show_spec()
        self.training.put(training)
        self.show_training(training)
        self.on_state()

    def forget(self) -> None:
        """Show the first weights instead of what was trained last (its run stays recorded)."""
        self.training.discard()
        self.show_training(None)
        self.on_state()

    def is_open(self, data: Any) -> bool:
        """Return whether `data`, on which something was trained, is what is open now."""
        return data is self.data

    def on_other_data(self) -> None:
        """Other data is open, or the same was prepared anew; a lab calls it whenever that is so.

        What was learned of other data goes: its numbers would stand under the new name. What
        is being trained just now stays to be seen, and `info` has to name its data.
        """
        training, alive = self.training.training, self.training.state.alive
        if training is None or alive or self.is_open(training.data):
            self.on_state()
        else:
            self.forget()

    def forget_unless_it_goes_on(self) -> None:
        """Forget a model of another structure: a whole set of settings was chosen."""
        if self.training.training is None or self.training.state.alive:
            return
        if not self.goes_on:
            self.forget()

    def take_spec(self, spec: TrainingSpec) -> None:
        """Take other settings; live ones reach the next mini-batch."""
        self.spec = spec
        self.training.set_live(spec)
        if not self.training.state.alive:
            self.on_state()

    @property
    def goes_on(self) -> bool:
        """Whether Train would use the weights that are there."""
        return self.training.can_continue(self.data, self.spec, self.model)

    def on_state(self) -> None:
        """Show another state of the training."""
        alive = self.training.state.alive
        self.show_locked(alive)
        if self.scrub is not None:
            self.scrub.follow(self.training.training)
            self.scrub.look()
        if not alive and self.visible:
            self.refresh()
        self.changed.emit()

    def _on_tick(self, snapshot: Any, grew: bool) -> None:
        if self.visible:
            self.tick(snapshot, grew)
        if self.scrub is not None:
            self.scrub.tick()
        if self.training.training is not None:
            warning = self._watch.look(self.training.training)
            if warning is not None:
                self.told.emit("warning", *warning, "")
        self.changed.emit()

    def _on_failed(self, message: str, hint: str, report: str) -> None:
        self.told.emit("problem", message, hint, report)

    def _on_notice(self, message: str, hint: str) -> None:
        self.told.emit("problem", message, hint, "")

    def progress(self) -> tuple[float, str]:
        """Return how far the training is (0 … 1), and one line of figures."""
        training = self.training.training
        if training is None or not len(training.history.steps):
            return 0.0, "Ready" if self.data is not None else ""
        step = int(training.history.steps[-1])
        total = max(training.total_steps, 1)
        epoch = step / max(training.steps_per_epoch, 1)
        parts = [
            f"epoch {int(epoch)} / {total // max(training.steps_per_epoch, 1)}",
            self.figure(training),
        ]
        if self.training.state is State.RUNNING and self.training.speed:
            parts.append(f"{_rate(self.training.speed)} {self.training.recipe.noun}/s")
            left = self.training.seconds_left()
            if left is not None:
                parts.append(f"{duration_in_words(max(round(left), 0))} left")
        elif self.training.state is State.PAUSED:
            parts.append(f"paused after step {step}")
        elif self.training.state is State.STOPPING:
            parts.append("finishing this batch")
        elif not self.training.state.alive and not self.goes_on:
            parts.insert(0, "last run")
        parts.append(training.engine)
        return step / total, "   ·   ".join(part for part in parts if part)

    def figure(self, training: Training) -> str:
        """Return the number that sums up how good the network is now."""
        newest, _ = newest_cost(training)
        return "" if newest is None else f"J {newest.sum():.3g}"


def _rate(value: float) -> str:
    return f"{value / 1000:.0f} k" if value >= 10_000 else f"{value:.0f}"
