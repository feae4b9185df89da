"""What must hold of a layer, and what was measured of it; the ladder of a network."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.core.checks import CHECKS, Measure, Outcome
from app.ui.panels.workbench.check_session import advice_on
from app.ui.panels.workbench.gradient_card import figure
from app.ui.panels.workbench.ladder_page import LadderPage, scrolled
from app.ui.widgets.card import TabbedCard, quiet_label
from app.ui.widgets.check_list import FAILS, HOLDS, Standing
from app.ui.widgets.measure_rows import MeasureRow, MeasureRows
from app.workers.thread import Runner

__all__ = ["CheckBlock", "HoldsCard"]

# Of the report's figures and of the bounds, in pixels.
COLUMNS = (98.0, 90.0)


def _measure_row(place: int, measure: Measure) -> MeasureRow:
    sign = "≥ " if measure.at_least else ""
    return MeasureRow(
        str(place),
        HOLDS if measure.passed else FAILS,
        measure.name,
        figure(measure.value),
        f"{sign}{figure(measure.bound)}" if measure.bound is not None else "",
        measure.reference,
        "What was measured, what the exercise's report had, and the bound it must keep"
        + ("\nPress to see it element by element" if measure.detail is not None else ""),
        opens=measure.detail is not None,
        aside={"NumPy": "readable"}.get(measure.engine, measure.engine),
    )


class CheckBlock(QWidget):
    """One check: its sentence, and a row for each figure."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.setObjectName(f"check_{name}")
        self.measures: tuple[Measure, ...] = ()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 4, 6)
        layout.setSpacing(1)
        self.sentence = QLabel(f"{CHECKS[name].description}.")
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setWordWrap(True)
        self.sentence.setToolTip(f"On the command line: filterscope check {name}")
        self.said = quiet_label()
        self.said.setWordWrap(True)
        self.rows = MeasureRows(f"measures_{name}", COLUMNS)
        for widget in (self.sentence, self.said, self.rows):
            layout.addWidget(widget)

    def show_outcome(self, standing: Standing, outcome: Outcome | None) -> None:
        """Show what is known of the check now."""
        measures = self.measures = outcome.measures if outcome is not None else ()
        note = outcome.note if outcome is not None else ""
        if outcome is not None and advice_on(outcome.needs):
            # The note speaks of the command line.
            note = f"Needs {outcome.needs}. {advice_on(outcome.needs)}"
        decided = standing in (HOLDS, FAILS)
        slow = CHECKS[self.name].slow and outcome is None
        said = note or ("" if decided else f"{standing.word}{', takes a while' if slow else ''}")
        self.said.setText(said)
        self.said.setVisible(bool(said))
        self.rows.set_rows([_measure_row(*pair) for pair in enumerate(measures)])
        self.rows.setVisible(bool(measures))
        self.setAccessibleName(f"{self.sentence.text()} {standing.word}")


class HoldsCard(TabbedCard):
    """Lists the checks of a topic; its other page is the sanity ladder.

    Signals
    -------
    measure_opened(object)
        The person wants to see a `Measure` element by element.
    """

    measure_opened = pyqtSignal(object)

    def __init__(self, runner: Runner) -> None:
        super().__init__(["What must hold", "Sanity ladder"], "holds")
        self.tabs[1].setToolTip(
            "Before training for hours: does the network behave as any sound one does?"
        )
        self._list = QWidget()
        self._layout = QVBoxLayout(self._list)
        self._layout.setContentsMargins(0, 2, 0, 0)
        self._layout.setSpacing(2)
        self._layout.addStretch(1)
        self.ladder = LadderPage(runner)
        self.add_page(scrolled(self._list, "checksScroll"))
        self.add_page(self.ladder)
        self.blocks: dict[str, CheckBlock] = {}

    def set_checks(self, names: Sequence[str]) -> None:
        """Show the checks of another topic."""
        if tuple(names) == tuple(self.blocks):
            return
        for old in self.blocks.values():
            self._layout.removeWidget(old)
            old.hide()
            old.deleteLater()
        self.blocks = {}
        for place, name in enumerate(names):
            self.blocks[name] = CheckBlock(name)
            self.blocks[name].rows.opened.connect(self._on_opened)
            self._layout.insertWidget(place, self.blocks[name])

    def show_check(self, name: str, standing: Standing, outcome: Outcome | None) -> None:
        """Show what is known of a check, if it is in sight."""
        if name in self.blocks:
            self.blocks[name].show_outcome(standing, outcome)

    def _on_opened(self, key: str) -> None:
        rows = self.sender()
        for block in self.blocks.values():
            if block.rows is rows:
                self.measure_opened.emit(block.measures[int(key)])
            else:
                block.rows.choose("")
