"""The Race lab: two to four settings on the same batches, their filters beside each other."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QShowEvent
from PyQt6.QtWidgets import QHBoxLayout, QWidget

from app.core.compare.curves import of_what, unit_of
from app.core.data.in_words import title_of
from app.core.data.patches import Patches
from app.core.errors import FilterscopeError, UsageError
from app.core.race import telling
from app.core.race.contestant import Contestant
from app.core.race.entry import MOST, Settings
from app.ui.panels.race.form import RaceForm
from app.ui.panels.race.lane import Lane
from app.ui.race_session import RaceSession
from app.ui.training_session import State
from app.ui.widgets.card import Card, quiet_label
from app.ui.widgets.run_curves import RunCurves
from app.ui.widgets.splitters import one_below_another
from app.workers.thread import Runner

__all__ = ["RacePanel"]

# Least seconds between two drawings of figures, and of curves, of which all are drawn anew.
FIGURE_SECONDS, CURVE_SECONDS = 0.1, 1.0
# Grids that are drawn in one look at what came in.
GRIDS_AT_ONCE = 2
EMPTY = (
    "Choose a setting and two to four values at the left, then press Train: each value trains its "
    "own network on the same batches, and you see whose filters form first."
)

# Data and settings of a lab, by the kind of its network.
Given = Callable[[str], tuple[Any, Settings]]


class RacePanel(QWidget):
    """What is raced at the left; a lane for each racer, and below all curves, at the right.

    The bar at the bottom of the window steers it as it steers a lab.

    Signals
    -------
    changed()
        Its state or its progress is another.
    told(str, str, str, str)
        Something for the person: kind (plain, good, problem), message, hint, report.

    Attributes
    ----------
    given : callable
        Returns, for a kind of network, the data and the settings of its lab. It raises
        `UsageError` where there is no data.
    ready : bool
        Whether something could race.
    """

    changed = pyqtSignal()
    told = pyqtSignal(str, str, str, str)

    goes_on = False

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.given: Given = _nothing_given
        self.seed: int | None = None
        self.session = RaceSession(runner, self)
        self.ready = False
        self._stale: list[int] = []
        self._next_figures = self._next_curves = 0.0
        self._drawn = ""
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        self.form = RaceForm()
        layout.addWidget(self.form)
        parts = {self._build_lanes(): 430, self._build_curves(): 320}
        layout.addWidget(one_below_another(parts), 1)
        self.form.changed.connect(self._on_form)
        self.form.judge_changed.connect(self._on_judge)
        self.form.live_changed.connect(self._show_live)
        self.session.state_changed.connect(self._on_state)
        self.session.ticked.connect(self._on_tick)
        self.session.told.connect(self.told)
        self._show_racers()

    def _build_lanes(self) -> Card:
        card = self.card = Card("Racers", "racers")
        self.empty = quiet_label(EMPTY, "noRace")
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        card.body.addWidget(self.empty, 1)
        self.track = QWidget()
        row = QHBoxLayout(self.track)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(16)
        self.lanes = [Lane(number) for number in range(MOST)]
        for lane in self.lanes:
            lane.moved.connect(self._on_moved)
            lane.problem.connect(self._on_problem)
            row.addWidget(lane, 1)
        card.body.addWidget(self.track, 1)
        return card

    def _build_curves(self) -> Card:
        card = self.curve_card = Card("Curves", "raceCurves")
        self.curves = RunCurves()
        card.body.addWidget(self.curves)
        return card

    # --- what the bar at the bottom asks of it

    @property
    def state(self) -> State:
        """What the race is doing."""
        return self.session.state

    @property
    def spec(self) -> Settings:
        """The settings on top of which the values of the form stand."""
        _, base = self.given(self.form.kind)
        return base if self.seed is None else base.changed(seed=self.seed)

    def on_main(self) -> None:
        """Race, pause or go on, whichever the state asks for."""
        state = self.session.state
        if state in (State.RUNNING, State.STARTING):
            self.session.pause()
        elif state is State.PAUSED:
            self.session.resume()
        elif not state.alive:
            self.start()

    def on_step(self) -> None:
        """Let all take one batch."""
        if self.session.state.alive:
            self.session.single_step()
        else:
            self.start(single=True)

    def stop(self) -> None:
        """End when all have taken this batch; every run is kept."""
        self.session.stop()

    def reset(self, seed: int) -> None:
        """Forget the race; the next one begins with `seed`. Raises `UsageError` if it cannot."""
        self.spec.changed(seed=seed)
        self.seed = seed
        self.session.discard()

    def start(self, *, single: bool = False) -> None:
        """Begin a race, if there is something to race on."""
        try:
            data, specs = self._entry()
            self.session.start(data, specs, single=single)
        except FilterscopeError as error:
            self.form.tell(error)
            return
        self.form.tell(None)
        self._show_racers()

    def _entry(self) -> tuple[Any, list[Settings]]:
        data, _ = self.given(self.form.kind)
        return data, self.form.specs(self.spec)

    def progress(self) -> tuple[float, str]:
        """Return how far the race is (0 … 1), and one line of figures."""
        racers = self.session.contestants
        if not racers:
            return 0.0, "Ready" if self.ready else ""
        share, words = telling.line(racers)
        if self.state is State.PAUSED:
            words += "   ·   all wait after the same batch"
        elif self.state is State.STOPPING:
            words += "   ·   finishing this batch"
        return share, words

    def info(self) -> str:
        """Return one line on what is raced, and on what."""
        names = ", ".join(one.name for one in self.session.contestants)
        data = self.session.data
        if not names:
            return ""
        source = data.source if isinstance(data, Patches) else data.images.source
        return f"{names}   on {title_of(source.path)}"

    def cancel(self) -> None:
        """Stop what is under way: the window closes."""
        self.session.cancel()

    # --- what is shown

    def refresh(self) -> None:
        """Draw everything as it stands now."""
        self._check()
        for place in range(len(self.session.contestants)):
            self._draw_filters(place)
        self._draw_figures()
        self._draw_curves(anew=True)

    def on_data(self) -> None:
        """Other data is open in a lab: perhaps something can race now."""
        if not self.session.state.alive:
            self._check()
            self.changed.emit()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Qt: what came in meanwhile is drawn now."""
        super().showEvent(event)
        self.refresh()

    def _check(self) -> None:
        """Say beside the form what cannot race."""
        try:
            self._entry()
        except FilterscopeError as error:
            self.ready = False
            self.form.tell(error)
        else:
            self.ready = True
            self.form.tell(None)

    def _on_form(self) -> None:
        if not self.session.state.alive:
            self._check()
            self.changed.emit()

    def _on_judge(self) -> None:
        if self.session.contestants and self._of_form:
            self._draw_figures()
            self._draw_curves(anew=True)

    @property
    def _of_form(self) -> bool:
        """Whether the racers are of the kind that the form is about."""
        return self.session.of_patches == (self.form.kind == "autoencoder")

    def _on_state(self) -> None:
        alive = self.session.state.alive
        self.form.set_locked(alive)
        self._show_live()
        if self.session.state is State.IDLE:
            self._show_racers()
        elif not alive or self.session.state is State.PAUSED:
            self.refresh()
        self.changed.emit()

    def _show_racers(self) -> None:
        racers, self._stale = self.session.contestants, []
        self.empty.setVisible(not racers)
        for part in (self.track, self.curve_card):
            part.setVisible(bool(racers))
        for place, lane in enumerate(self.lanes):
            lane.setVisible(place < len(racers))
            if place < len(racers):
                lane.show_racer(racers[place])
        self.form.offer_racers([one.name for one in racers])
        self._show_live()
        self._draw_figures()
        self._draw_curves(anew=True)
        self.changed.emit()

    def _show_live(self) -> None:
        racers = self.session.contestants
        if not racers or not self._of_form:
            return
        parameter = self.form.moves
        for lane, one in zip(self.lanes, racers, strict=False):
            running = self.session.state.alive and one.ending is None
            lane.show_live(parameter, getattr(one.spec, parameter.name), running=running)

    def _on_moved(self, place: int, name: str, value: float) -> None:
        try:
            self.session.set_live(place, name, value)
        except UsageError as error:
            self.lanes[place].refuse(error)

    def _on_problem(self, reason: str) -> None:
        if reason:
            self.told.emit("problem", reason, "", "")

    def _on_tick(self, fresh: list[int]) -> None:
        now = time.monotonic()
        due = now >= self._next_figures
        if due:
            self._next_figures = now + FIGURE_SECONDS
        if self.isVisible():
            self._stale += [place for place in fresh if place not in self._stale]
            if now >= self._next_curves:
                self._draw_curves()
                # Long curves may take a tenth of the time at most.
                self._next_curves = now + max(CURVE_SECONDS, 10 * (time.monotonic() - now))
            else:
                # Those that have waited longest come first; never beside the curves.
                for place in self._stale[:GRIDS_AT_ONCE]:
                    self._draw_filters(place)
                del self._stale[:GRIDS_AT_ONCE]
                if due:
                    self._draw_figures()
        if due:
            self.changed.emit()

    @property
    def drawn(self) -> str:
        """The quantity of which there are curves, as `curve_of` names it."""
        return self._drawn

    def _draw_filters(self, place: int) -> None:
        one = self.session.contestants[place]
        if one.snapshot is not None:
            self.lanes[place].show_tiles(one.tiles(self.session.data))

    def _draw_figures(self) -> None:
        racers = self.session.contestants
        if not racers or not self._of_form:
            return
        judge, least = self.form.judged_by, self.form.least_is_best
        places = self.session.places(judge, least_is_best=least)
        words, ended = self.form.judge.currentText(), not self.session.state.alive
        best = next(
            (one.value(judge) for one, p in zip(racers, places, strict=True) if p == 1), None
        )
        for lane, one, place in zip(self.lanes, racers, places, strict=False):
            gap = telling.behind(one.value(judge), best, judge)
            lane.show_figures(
                one, place, telling.figures(one, judge, words), telling.figures(one, judge, ""), gap
            )
            lane.show_leads(place == 1 and places.count(1) == 1, won=ended)
        said = telling.verdict(racers, self.form.kind, judge, ended=ended)
        self.card.note.setText(said)
        self.card.note.setProperty("short", said.partition(";")[0])

    @property
    def exported(self) -> Contestant | None:
        """Whose run is taken away: the one that was chosen, else who is ahead, or the first."""
        racers, place = self.session.contestants, self.form.taken_away
        if not racers:
            return None
        if place is None and self._of_form:
            judge, least = self.form.judged_by, self.form.least_is_best
            place = telling.leader(racers, judge, least_is_best=least)
        return racers[place or 0]

    def _draw_curves(self, *, anew: bool = False) -> None:
        judge = self.form.judged_by if not self.session.contestants or self._of_form else "cost"
        racers = self.session.contestants
        what = telling.judged_curves(racers, judge)
        found = [one.curve(what) for one in racers]
        curves = [curve for curve in found if curve is not None]
        growing = self.session.state.alive
        if growing != self.curves.growing:
            anew = True
        if anew or len(curves) != len(self.curves.curves) or what != self._drawn:
            self._drawn = what
            accuracy = what == "validation"
            self.curves.set_options(
                log_x=not accuracy, log_y=not accuracy, smooth=not accuracy, growing=growing
            )
            self.curves.set_curves(curves, unit_of(what), of=of_what(what))
        else:
            self.curves.renew(curves)


def _nothing_given(kind: str) -> tuple[Any, Settings]:
    raise UsageError("No data is open.")
