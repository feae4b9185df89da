"""A slim bar below the pictures: which moment of a training is seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PyQt6.QtCore import QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QStyle,
    QToolButton,
)

from app.ui.theme import theme
from app.ui.widgets.card import ChoiceButton, elided_label, quiet_label
from app.ui.widgets.in_reach import InReach
from app.ui.widgets.number_field import NumberField

__all__ = ["ScrubBar"]

# Pixels of a slider's handle, as the theme's style sheet has them.
HANDLE = 14
# Keyframes closer than this would make a grey line of their ticks.
LEAST_GAP = 4.0
# Pixels of what changes its text, and of a bar that has room for all of it.
UNIT_WIDTH, NEWEST_WIDTH, WHERE_WIDTH, SHORT_WIDTH, WIDE = 82, 84, 138, 66, 760
# What the run takes on the disk stands there where there is more room than that.
USE_WIDTH = 70


class _Moments(QSlider):
    """A slider over moments, one position each, with a tick for each and a dot where values moved."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(0, 0)
        self.setSingleStep(1)
        self.setPageStep(10)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumWidth(90)
        self.marks: tuple[int, ...] = ()

    def _x(self, position: int) -> float:
        room = max(1, self.width() - HANDLE)
        return HANDLE / 2 + position / max(self.maximum(), 1) * room

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: ticks and dots, then the slider."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        gap = max(1, self.width() - HANDLE) / max(self.maximum(), 1)
        if gap >= LEAST_GAP:
            painter.setBrush(theme.colour("quiet"))
            for position in range(self.maximum() + 1):
                painter.drawRect(QRectF(self._x(position) - 0.5, self.height() - 3.0, 1.0, 3.0))
        painter.setBrush(theme.colour("warm"))
        for position in self.marks:
            painter.drawEllipse(QRectF(self._x(position) - 2.5, 0.0, 5.0, 5.0))
        painter.end()
        super().paintEvent(event)

    def _go_to(self, x: float) -> None:
        self.setSliderPosition(
            QStyle.sliderValueFromPosition(
                0, self.maximum(), round(x - HANDLE / 2), max(1, self.width() - HANDLE)
            )
        )

    # Qt would page towards a click between two moments: here the nearest of them is meant, and
    # the hand holds the handle from there on.

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Qt: a click puts the handle there."""
        assert event is not None
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self._go_to(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Qt: the handle follows the hand."""
        assert event is not None
        if self.isSliderDown():
            self._go_to(event.position().x())

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Qt: the hand lets go."""
        self.setSliderDown(False)


class ScrubBar(InReach):
    """A slider over the moments of a training; its right end is the newest one, which it follows.

    Hidden until there is something to choose from.

    Parameters
    ----------
    name : str
        Of the lab, for the names of its parts.

    Signals
    -------
    moved(int)
        The person chose the moment at this place.
    value_typed(float)
        The person typed where to go, in the unit that is shown.
    unit_chosen(str)
        ``epoch``, ``step`` or ``second``.
    newest_wanted()
        The person wants to follow the training again.
    branch_wanted()
        The person wants to go on from what is seen, with other settings.
    """

    moved = pyqtSignal(int)
    value_typed = pyqtSignal(float)
    unit_chosen = pyqtSignal(str)
    newest_wanted = pyqtSignal()
    branch_wanted = pyqtSignal()

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName("card")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 4, 10, 4)
        layout.setSpacing(6)
        self.back = self._arrow(f"{name}ScrubBack", "‹", "An earlier moment  ( [ )", -1)
        self.forward = self._arrow(f"{name}ScrubForward", "›", "A later moment  ( ] )", 1)
        self.slider = _Moments()
        self.slider.setObjectName(f"{name}ScrubSlider")
        self.slider.setAccessibleName("Which moment of the training is seen")
        self.slider.setToolTip(
            "Drag back to see filters, reconstructions, activations and weights as they were.\n"
            "A dot marks where a live value moved. The right end follows the training."
        )
        self.slider.valueChanged.connect(self._on_slider)
        self.field = NumberField(f"{name}ScrubValue")
        self.field.setAccessibleName("The moment that is seen")
        self.field.setToolTip("Type where to go: the last kept moment before it is shown")
        self.field.setFixedWidth(72)
        self.field.value_typed.connect(self.value_typed)
        self.field.problem.connect(self._on_problem)
        self.unit = ChoiceButton(
            f"{name}ScrubUnit",
            "What moments are counted in",
            {"epoch": "epochs", "step": "steps", "second": "seconds"},
            self.unit_chosen.emit,
        )
        self.unit.set_tip("second", "Seconds that the steps took, pauses left out")
        # Texts change while the hand moves; the slider's ends must not move for it.
        self.unit.setFixedWidth(UNIT_WIDTH)
        self.where: QLabel = elided_label(f"{name}ScrubWhere")
        self.where.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self.where.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.branch = QPushButton("Branch from here…")
        self.branch.setObjectName(f"{name}ScrubBranch")
        self.branch.setProperty("flat", True)
        self.branch.setAccessibleName("Branch from here")
        self.branch.setToolTip(
            "Go on from the moment that is seen with other settings, as a run of its own"
        )
        self.branch.clicked.connect(self.branch_wanted)
        self.newest = QToolButton()
        self.newest.setObjectName(f"{name}ScrubNewest")
        self.newest.setProperty("flat", True)
        self.newest.setCheckable(True)
        self.newest.setFixedWidth(NEWEST_WIDTH)
        self.newest.clicked.connect(self._on_newest)
        for widget in (self.back, self.slider, self.forward, self.field, self.unit, self.where):
            layout.addWidget(widget, 1 if widget is self.slider else 0)
        self.use = quiet_label(name=f"{name}ScrubUse")
        self.use.setFixedWidth(USE_WIDTH)
        self.use.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(self.use)
        layout.addWidget(self.branch)
        layout.addWidget(self.newest)
        self.set_follows(True, running=False)
        self.hide()
        theme.changed.connect(self.slider.update)

    def _arrow(self, name: str, text: str, tip: str, by: int) -> QToolButton:
        button = QToolButton()
        button.setObjectName(name)
        button.setText(text)
        button.setToolTip(tip)
        button.setAccessibleName(tip.partition("  ")[0])
        button.setProperty("flat", True)
        button.setAutoRepeat(True)
        button.clicked.connect(lambda: self.step_by(by))
        return button

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Qt: in a small window the slider needs the room most."""
        super().resizeEvent(event)
        self.where.setFixedWidth(WHERE_WIDTH if self.width() >= WIDE else SHORT_WIDTH)
        self.branch.setText("Branch from here…" if self.width() >= WIDE else "Branch…")
        self.use.setVisible(self.width() >= WIDE + USE_WIDTH)

    # --- what the person does

    def step_by(self, count: int) -> None:
        """Go so many moments on, or back."""
        if self.isVisible():
            self.slider.setValue(self.slider.value() + count)

    def _on_slider(self, place: int) -> None:
        self.moved.emit(place)

    def _on_newest(self) -> None:
        # It is on or off as `set_follows` says, not as a click toggles it.
        self.newest.setChecked(True)
        self.newest_wanted.emit()

    def _on_problem(self, reason: str) -> None:
        self.field.setToolTip(reason or "Type where to go: the last kept moment before it is shown")

    # --- what the session says

    def set_moments(self, count: int, marks: Sequence[int]) -> None:
        """Offer so many places; values moved at the places `marks`."""
        slider = self.slider
        slider.blockSignals(True)
        slider.setRange(0, max(count - 1, 0))
        slider.blockSignals(False)
        slider.marks = tuple(int(mark) for mark in np.unique(np.asarray(marks, int)))
        slider.update()

    def show_use(self, size: str, parts: str) -> None:
        """Say how much of the disk the run takes, and what for."""
        self.use.setText(size)
        self.use.setToolTip(parts)
        self.use.setAccessibleName(parts)

    def show_place(
        self, place: int, value: float, where: str, short: str = "", decimals: int | None = None
    ) -> None:
        """Put the handle at a place, without telling anybody; say where that is.

        `short` is said where there is no room for `where`; `decimals` are those of the value.
        """
        slider = self.slider
        if slider.value() != place and not slider.isSliderDown():
            slider.blockSignals(True)
            slider.setValue(place)
            slider.blockSignals(False)
        self.back.setEnabled(slider.value() > 0)
        self.forward.setEnabled(slider.value() < slider.maximum())
        if not (self.field.hasFocus() and self.field.isModified()):
            self.field.set_value(value, decimals)
        self.where.setProperty("short", short or where)
        self.where.setText(where)

    def set_follows(self, follows: bool, *, running: bool) -> None:
        """Say whether the newest weights are seen, and whether newer ones come."""
        self.newest.setChecked(follows)
        self.newest.setText("● Live" if running else "● Newest")
        tip = "The newest weights are shown" if follows else "Show the newest weights again  (End)"
        self.newest.setToolTip(tip)
        self.newest.setAccessibleName(tip.partition("  ")[0])
