"""A race in the window: started, steered and followed; one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from app.core.data.patches import Patches
from app.core.events import (
    Event,
    Failed,
    Noted,
)
from app.core.feed import Feed
from app.core.history import History
from app.core.race.contestant import Contestant
from app.core.race.entry import Settings, check_race, names_of
from app.core.race.line_up import line_up, new_ids
from app.core.race.lockstep import RaceControl
from app.core.race.standing import places
from app.core.runs.info import TERM_NAMES
from app.core.settings import data_folder
from app.core.specs import AutoencoderSpec
from app.core.studies.job import check_fits
from app.core.threads import kernel_threads
from app.ui.pace import TICK_MILLISECONDS
from app.ui.training_session import State
from app.ui.widgets.run_curves import PALETTE
from app.workers.race_worker import RaceWorker
from app.workers.thread import Runner

__all__ = ["RaceSession"]


class RaceSession(QObject):
    """Starts, steers and follows a race.

    Signals
    -------
    state_changed()
        `state` is another.
    ticked(list)
        At most 30 times a second while there is news: the places of those whose snapshot is new.
    told(str, str, str, str)
        Something for the person: kind (plain, good, problem), message, hint, report.
    """

    state_changed = pyqtSignal()
    ticked = pyqtSignal(list)
    told = pyqtSignal(str, str, str, str)

    def __init__(self, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state = State.IDLE
        self.contestants: list[Contestant] = []
        self.data: Any = None
        self.threads = kernel_threads(window=True)
        self._runner = runner
        self._control = RaceControl(0)
        self._worker: RaceWorker | None = None
        self._after: Any = None
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MILLISECONDS)
        self._timer.timeout.connect(self.tick)

    # --- steering

    def start(self, data: Any, specs: Sequence[Settings], *, single: bool = False) -> None:
        """Race these settings on `data`; with `single`, let all take one batch and wait.

        Raises
        ------
        UsageError
            They cannot race, or not on this data.
        """
        if self.state.alive:
            return
        check_race(specs)
        for spec in specs:
            check_fits(data, spec)
        ids = new_ids(len(specs))
        terms = TERM_NAMES["autoencoder" if isinstance(specs[0], AutoencoderSpec) else "cnn"]
        self.data = data
        self.contestants = [
            Contestant(name, colour, spec, Feed(run_id), History(terms))
            for name, colour, spec, run_id in zip(
                names_of(specs), PALETTE[: len(specs)], specs, ids, strict=True
            )
        ]
        self._control = RaceControl(len(specs))
        if single:
            self._control.pause()
            self._control.single_step()
        begin = partial(line_up, data, specs, root=data_folder(), threads=self.threads, run_ids=ids)
        feeds = {run_id: one.feed for run_id, one in zip(ids, self.contestants, strict=True)}
        self._worker = RaceWorker(begin, self._control, feeds)
        self._worker.ended.connect(self._on_ended)
        self._set_state(State.STARTING)
        self._runner.start(self._worker)
        self._timer.start()

    def pause(self) -> None:
        """Wait when all have taken this batch."""
        if self.state in (State.RUNNING, State.STARTING):
            self._control.pause()

    def resume(self) -> None:
        """Go on."""
        if self.state is State.PAUSED:
            self._control.resume()

    def single_step(self) -> None:
        """Let all take one batch, then wait."""
        if self.state in (State.RUNNING, State.PAUSED):
            self._control.single_step()

    def stop(self) -> None:
        """End when all have taken this batch; every run is kept."""
        if self.state.alive and self.state is not State.STOPPING:
            self._set_state(State.STOPPING)
            self._control.stop()

    def set_live(self, place: int, name: str, value: Any) -> None:
        """Let one racer use another value from its next batch on; raises `UsageError`."""
        if not self.state.alive or place >= len(self.contestants):
            return
        one = self.contestants[place]
        one.spec = one.spec.changed(**{name: value})
        self._control.set_live(place, one.spec)

    def discard(self) -> None:
        """Forget the race; the folders of its runs stay. One that is under way is stopped first."""
        if self.state.alive:
            self._after = self.discard
            self.stop()
            return
        self.contestants, self.data = [], None
        self._set_state(State.IDLE)

    def cancel(self) -> None:
        """Stop: the window closes."""
        self._after = None
        self.stop()

    # --- following

    @property
    def of_patches(self) -> bool:
        """Whether autoencoders race, or did."""
        return isinstance(self.data, Patches)

    def values(self, judge: str) -> list[float | None]:
        """Return what each is judged by."""
        return [one.value(judge) for one in self.contestants]

    def places(self, judge: str, *, least_is_best: bool) -> list[int | None]:
        """Return the place of each."""
        return places(self.values(judge), least_is_best=least_is_best)

    def _set_state(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            self.state_changed.emit()

    def tick(self) -> None:
        """Gather what came in since the last time; the timer calls it."""
        if self._worker is not None:
            for one, racer in zip(self.contestants, self._worker.racers, strict=False):
                if one.racer is None:
                    one.racer = racer
                    if racer.run.warning:
                        self.told.emit("problem", racer.run.warning, "", "")
        fresh, news = [], False
        for place, one in enumerate(self.contestants):
            events, snapshot = one.feed.collect()
            for event in events:
                self._take(one, event)
            if snapshot is not None:
                one.snapshot = snapshot
                fresh.append(place)
            news = news or bool(events)
        if news or fresh:
            self._follow_state()
            self.ticked.emit(fresh)

    def _take(self, one: Contestant, event: Event) -> None:
        said = one.take(event)
        if isinstance(said, Noted):
            self.told.emit("problem", said.message, said.hint, "")
        elif isinstance(said, Failed):
            # What would help it alone is no advice in a race.
            hint = "The others go on." if said.kind == "diverged" else said.hint
            message = f"{one.name} is out: {said.message}"
            self.told.emit("problem", message, hint, said.traceback_text)

    def _follow_state(self) -> None:
        """Say whether all wait, or any runs."""
        if self.state is State.STOPPING or not self.state.alive:
            return
        racing = [one for one in self.contestants if one.ending is None]
        if racing and all(one.waits for one in racing):
            self._set_state(State.PAUSED)
        elif any(one.total_steps for one in self.contestants):
            self._set_state(State.RUNNING)

    def _on_ended(self) -> None:
        self._timer.stop()
        self.tick()
        worker, self._worker = self._worker, None
        if worker is None:
            return
        if worker.error is not None:
            self.told.emit("problem", *worker.error, "")
        elif worker.bug:
            self.told.emit("problem", "The race ended with a fault in the program.", "", worker.bug)
        failed = worker.error is not None or bool(worker.bug)
        self._set_state(State.FAILED if failed else State.ENDED)
        after, self._after = self._after, None
        if after is not None:
            after()
