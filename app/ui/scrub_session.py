"""Which moment of a lab's training is seen: read beside the window, always the newest wish."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from app.core.events import Snapshot
from app.core.one_training import Training
from app.core.runs import DiskUse
from app.core.timeline import Ruler, Timeline, Unit, settings_at
from app.core.words import grouped, size_in_words
from app.ui.moment import Moment, ShowsMoments
from app.workers.task_worker import Task, TaskWorker

if TYPE_CHECKING:
    from app.ui.labs.lab import Lab

__all__ = ["ScrubSession"]

# How often the folder is looked into for keyframes while training goes on.
LOOK_SECONDS = 1.0
# A hand that rested so long is no longer moving.
REST_MILLISECONDS = 120
# With fewer moments there is nothing to choose from.
LEAST_MOMENTS = 2


@dataclass(frozen=True)
class _Read:
    """What came back from the other thread."""

    snapshot: Snapshot
    note: str
    whole: bool
    seen: Any
    prompt: bool


class ScrubSession(QObject):
    """Moves a lab's panel through the moments of its training.

    While an older moment is seen, training goes on and the panel stays where it is. Keyframes
    are read, and what is drawn of them is worked out, in a thread of their own; a wish that came
    too late for the hand is left out.

    Signals
    -------
    changed()
        Another moment is seen, or the newest again.
    """

    changed = pyqtSignal()

    def __init__(self, lab: Lab, panel: ShowsMoments) -> None:
        super().__init__(lab)
        self._lab, self._panel = lab, panel
        self.bar = panel.scrub_bar
        self.timeline: Timeline | None = None
        self.held: Moment | None = None
        self.unit: Unit = "epoch"
        self._training: Training | None = None
        # The step that is wanted in sight, None for the newest; and what is to be read for it
        # next: the step, and whether a hand moves.
        self._target: int | None = None
        self._wish: tuple[int, bool] | None = None
        self._worker: TaskWorker[_Read] | None = None
        self._looking: TaskWorker[DiskUse] | None = None
        self._again = False
        self._looked = -np.inf
        self._told: set[str] = set()
        # Bumped when something else is to be seen: what is read of the last is dropped.
        self._generation = self._read_generation = 0
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MILLISECONDS)
        self._rest.timeout.connect(self._on_rest)
        self.bar.moved.connect(self._on_moved)
        self.bar.value_typed.connect(self._on_typed)
        self.bar.unit_chosen.connect(self._on_unit)
        self.bar.newest_wanted.connect(self.show_newest)
        panel.curves.clicked.connect(self._on_curve)

    @property
    def busy(self) -> bool:
        """Whether something is read or looked for, or a hand has yet to rest."""
        under_way = self._worker is not None or self._looking is not None
        return under_way or self._wish is not None or self._rest.isActive()

    @property
    def _moves(self) -> bool:
        """Whether a hand moves the bar: whatever can wait does."""
        return self._rest.isActive() or (self._wish is not None and self._wish[1])

    # --- what the lab says

    def follow(self, training: Training | None) -> None:
        """Another training is in sight, or goes on in another folder: its moments are offered."""
        parts = [] if training is None else training.parts
        if training is not self._training:
            self._forget()
        elif self.timeline is not None and self.timeline.parts == tuple(parts):
            return
        elif self._target is not None:
            # It goes on: that is what the person wants to see.
            self.show_newest()
        self._training = training
        if training is None or not parts:
            self.timeline = None
            self.bar.hide()
            return
        self.timeline = Timeline(parts)
        self._looked = -np.inf
        self.look()

    def _forget(self) -> None:
        self.held = self._wish = self._target = None
        self._generation += 1
        self._rest.stop()
        self._told.clear()
        self.bar.hide()

    def tick(self) -> None:
        """Offer what was kept meanwhile: the training has gone on."""
        if self.timeline is None:
            return
        if time.monotonic() - self._looked >= LOOK_SECONDS and not self._moves:
            self.look()
        if self.bar.isVisible():
            self._show_place()

    def look(self) -> None:
        """Look into the folder, in another thread."""
        timeline = self.timeline
        if timeline is None:
            return
        if self._looking is not None:
            self._again = True
            return
        self._looked = time.monotonic()
        self._looking = TaskWorker(_look(timeline))
        self._looking.ended.connect(self._on_looked)
        self._lab.runner.start(self._looking)

    def _on_looked(self) -> None:
        worker, self._looking = self._looking, None
        if worker is not None and worker.result is not None and self.timeline is not None:
            self._show_use(worker.result)
        self._offer()
        if self._again:
            # What was asked for meanwhile may have come too late for that look.
            self._again = False
            self.look()

    def cancel(self) -> None:
        """Give up what is under way: the window closes."""
        self._wish = None
        self._rest.stop()
        self._generation += 1
        self.timeline = None
        for worker in (self._worker, self._looking):
            if worker is not None:
                worker.request_stop()

    # --- what is offered

    @property
    def _ruler(self) -> Ruler:
        """What says a step in the person's own unit; an epoch's length is known once it trains."""
        training = self._training
        assert training is not None
        return Ruler(training.history, training.steps_per_epoch)

    @property
    def newest_step(self) -> int:
        """Steps that are done."""
        training = self._training
        return 0 if training is None or training.snapshot is None else training.snapshot.step

    def _count(self) -> int:
        """Return how many places there are: keyframes, and the newest weights where they are newer."""
        steps = () if self.timeline is None else self.timeline.steps
        return len(steps) + (not steps or self.newest_step > steps[-1])

    def _offer(self) -> None:
        """Let the bar offer what there is."""
        training, timeline = self._training, self.timeline
        if training is None or timeline is None:
            return
        steps = timeline.steps
        if len(steps) < LEAST_MOMENTS:
            self.bar.hide()
            return
        moved = [step for step, _ in training.history.moves()]
        marks = np.searchsorted(steps, moved, side="left")
        self.bar.set_moments(self._count(), [int(m) for m in marks if m < len(steps)])
        self._show_place()
        if not self.bar.isVisible():
            self.bar.show()

    def _show_place(self) -> None:
        timeline = self.timeline
        if self._training is None or timeline is None or not timeline.steps:
            return
        running = self._lab.training.state.alive
        end = self._written(self.newest_step)
        self.bar.unit.offer(set(self._ruler.units))
        if self._target is None:
            place, step = self._count() - 1, self.newest_step
            where = short = "" if running else f"of {end}"
        else:
            step, place = self._target, timeline.place(self._target)
            where = f"training is at {end}" if running else f"of {end}"
            short = f"now {end}" if running else where
        if place > self.bar.slider.maximum():
            self.bar.set_moments(self._count(), self.bar.slider.marks)
        decimals = self._ruler.decimals(self.unit, self.newest_step)
        self.bar.show_place(place, self._rounded(step), where, short, decimals)
        self.bar.set_follows(self._target is None, running=running)

    def _rounded(self, step: int) -> float:
        ruler = self._ruler
        return round(ruler.measure(step, self.unit), ruler.decimals(self.unit, self.newest_step))

    def _written(self, step: int) -> str:
        decimals = self._ruler.decimals(self.unit, self.newest_step)
        return grouped(self._rounded(step), decimals)

    def _show_use(self, use: DiskUse) -> None:
        """Say what the run takes on the disk, and how much of it its keyframes may."""
        assert self.timeline is not None
        budget = self.timeline.run.info.spec.keyframe_budget << 20
        self.bar.show_use(
            size_in_words(use.total),
            f"On the disk: moments of the past {size_in_words(use.keyframes)}, of at most "
            f"{size_in_words(budget)}; checkpoints {size_in_words(use.checkpoints)}; "
            f"each step’s figures {size_in_words(use.history)}",
        )

    # --- what the person does

    def _on_moved(self, place: int) -> None:
        if self.timeline is None or not self.timeline.steps:
            return
        if place >= self._count() - 1:
            self.show_newest()
        else:
            self.show_step(self.timeline.steps[min(place, len(self.timeline.steps) - 1)])

    def _on_typed(self, value: float) -> None:
        if self._training is not None:
            self._go_to(self._ruler.step_at(value, self.unit))

    def _on_curve(self, epoch: float) -> None:
        if self._training is not None and self.bar.isVisible():
            self._go_to(self._ruler.step_at(epoch, "epoch"))

    def _go_to(self, step: int) -> None:
        if self.timeline is None or not self.timeline.steps:
            return
        if step >= self.newest_step:
            self.show_newest()
        else:
            self.show_step(self.timeline.steps[self.timeline.place(step)])
        self._show_place()

    def _on_unit(self, unit: str) -> None:
        self.unit = cast(Unit, unit)
        self._show_place()

    def show_step(self, step: int) -> None:
        """Show the moment of a keyframe."""
        self._target, self._wish = step, (step, True)
        self._rest.stop()
        self._show_place()
        self._start()

    def show_newest(self) -> None:
        """Show the newest weights, and follow the training."""
        was_held = self.held is not None
        self.held = self._wish = self._target = None
        self._generation += 1
        self._rest.stop()
        if was_held:
            self._panel.show_newest()
        self._show_place()
        self.changed.emit()

    # --- reading

    def _start(self) -> None:
        timeline = self.timeline
        if self._worker is not None or self._wish is None or timeline is None:
            return
        (step, prompt), self._wish = self._wish, None
        see = self._panel.seer(prompt)
        self._read_generation = self._generation
        self._worker = TaskWorker(_reading(timeline, step, prompt, see))
        self._worker.ended.connect(self._on_read)
        self._lab.runner.start(self._worker)

    def _on_read(self) -> None:
        worker, self._worker = self._worker, None
        current = self._read_generation == self._generation and self.timeline is not None
        if worker is not None and current:
            if worker.result is not None:
                self._show(worker.result)
            elif worker.error is not None:
                self._lab.told.emit("problem", *worker.error, "")
                self.show_newest()
            elif worker.bug:
                said = "A moment of the past could not be shown."
                self._lab.told.emit("problem", said, "", worker.bug)
                self.show_newest()
        self._start()

    def _show(self, read: _Read) -> None:
        training = self._training
        assert training is not None
        spec = settings_at(training.spec, training.history, read.snapshot.step)
        self.held = Moment(read.snapshot, spec, read.whole, read.note, read.prompt, read.seen)
        if self._wish is None:
            # Where its keyframe could not be used, it is an earlier one.
            self._target = read.snapshot.step
        self._panel.show_moment(self.held)
        if read.note and read.note not in self._told:
            self._told.add(read.note)
            self._lab.told.emit("problem", read.note, "", "")
        if read.prompt:
            self._rest.start()
        self._show_place()
        self.changed.emit()

    def _on_rest(self) -> None:
        """Look at the same moment as the live views do: the hand rests."""
        # While another place is read, the hand rests when that one is in sight.
        if self.held is not None and self._wish is None and self._worker is None:
            self._wish = self.held.snapshot.step, False
            self._start()


def _look(timeline: Timeline) -> Callable[[Task], DiskUse]:
    def job(_task: Task) -> DiskUse:
        timeline.look()
        return timeline.disk_use()

    return job


def _reading(
    timeline: Timeline, step: int, prompt: bool, see: Callable[[Snapshot], Any]
) -> Callable[[Task], _Read]:
    def job(_task: Task) -> _Read:
        snapshot, note = timeline.snapshot(step)
        return _Read(snapshot, note, timeline.is_whole(snapshot), see(snapshot), prompt)

    return job
