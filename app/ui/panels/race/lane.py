"""One racer on the screen: its name, its filters, how it does, and a value to move."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from PyQt6.QtCore import QEvent, Qt, pyqtSignal
from PyQt6.QtWidgets import QApplication, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.core.errors import UsageError
from app.core.params import Parameter
from app.core.race.contestant import Contestant
from app.core.race.standing import ordinal
from app.ui.widgets.card import elided_label, quiet_label
from app.ui.widgets.mosaic_view import MosaicView
from app.ui.widgets.number_field import NumberField
from app.ui.widgets.slider import Slider

__all__ = ["Lane"]


class Lane(QWidget):
    """A column for one racer.

    Signals
    -------
    moved(int, str, float)
        The lane's number, a live setting and its new value.
    problem(str)
        What is wrong with a value that was typed.
    """

    moved = pyqtSignal(int, str, float)
    problem = pyqtSignal(str)

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self._parameter: Parameter | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        head = QHBoxLayout()
        head.setSpacing(6)
        self.swatch = QLabel("━")
        self.name = elided_label(f"raceName{number}")
        self.name.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.name.setProperty("strong", True)
        self.place = QLabel()
        self.place.setObjectName("cardTitle")
        head.addWidget(self.swatch)
        head.addWidget(self.name, 1)
        head.addWidget(self.place)
        layout.addLayout(head)
        self.figures = elided_label(f"raceFigures{number}")
        self.figures.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(self.figures)
        self.filters = MosaicView(f"raceFilters{number}", label="Filters of a racer")
        layout.addWidget(self.filters, 1)
        row = QHBoxLayout()
        row.setSpacing(6)
        self.symbol = quiet_label()
        self.slider = Slider()
        self.slider.setObjectName(f"raceSlider{number}")
        self.field = NumberField(f"raceValue{number}")
        self.field.setFixedWidth(76)
        row.addWidget(self.symbol)
        row.addWidget(self.slider, 1)
        row.addWidget(self.field)
        self._live = QWidget()
        self._live.setLayout(row)
        row.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._live)
        self.slider.valueChanged.connect(self._on_slider)
        self.field.value_typed.connect(self._on_typed)
        self.field.problem.connect(self.problem)

    def show_racer(self, one: Contestant) -> None:
        """Stand for another racer."""
        self.swatch.setStyleSheet(f"color: {one.colour}; font-size: 12px;")
        self.filters.setAccessibleName(f"Filters with {one.name}")
        self.filters.empty_text = "No filters to see: the first layer is no convolution"
        self.filters.set_tiles(None)

    def show_live(self, parameter: Parameter, value: Any, *, running: bool) -> None:
        """Offer a live setting to be moved."""
        self._parameter = parameter
        hyper = parameter.hyper
        self.symbol.setText(hyper.symbol or hyper.label)
        tip = f"{hyper.label} of this racer alone: its next batch uses it"
        for widget in (self.slider, self.field):
            widget.setToolTip(tip)
            widget.setAccessibleName(f"{hyper.label}, racer {self.number + 1}")
        self._live.setEnabled(running)
        self._show_value(float(value))

    def _show_value(self, value: float) -> None:
        assert self._parameter is not None
        self.field.set_value(value)
        self.slider.blockSignals(True)
        self.slider.setValue(self._parameter.to_position(value))
        self.slider.blockSignals(False)

    def show_tiles(self, tiles: NDArray[Any] | None) -> None:
        """Draw other filters."""
        self.filters.set_tiles(tiles)

    def show_figures(
        self, one: Contestant, place: int | None, figures: str, in_short: str, gap: str = ""
    ) -> None:
        """Write how the racer does, and how far it is behind."""
        self.figures.setProperty("short", "" if one.out else in_short)
        self.name.setText(one.called)
        rank = "out" if one.out else "" if place is None else ordinal(place)
        self.place.setText(f"{rank}  {gap}" if gap else rank)
        self.place.setToolTip(f"{gap} against the first" if gap else "")
        self.figures.setText(one.out or figures)

    def show_leads(self, leads: bool, *, won: bool) -> None:
        """Mark the racer that is ahead of all others, or has won."""
        mark = ("won" if won else "ahead") if leads else ""
        if mark != self.place.property("leads"):
            self.place.setProperty("leads", mark)
            style = self.place.style()
            assert style is not None
            style.polish(self.place)
            # Its frame is what the style pads: it has to measure itself again.
            QApplication.sendEvent(self.place, QEvent(QEvent.Type.StyleChange))

    def _on_slider(self, position: int) -> None:
        assert self._parameter is not None
        value = self._parameter.from_position(position)
        self.field.set_value(value)
        self.moved.emit(self.number, self._parameter.name, value)

    def _on_typed(self, value: float) -> None:
        assert self._parameter is not None
        self._show_value(value)
        self.moved.emit(self.number, self._parameter.name, value)

    def refuse(self, error: UsageError) -> None:
        """Say that a value is not taken."""
        self.field.refuse(error.message)
