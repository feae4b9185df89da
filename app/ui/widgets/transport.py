"""The bar at the bottom: train, pause, step, stop, how far, how fast, how long."""

from __future__ import annotations

from PyQt6.QtCore import QSize, pyqtSignal
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy

from app.ui.icons import icon
from app.ui.theme import theme
from app.ui.training_session import State
from app.ui.widgets.card import elided_label
from app.ui.widgets.progress_line import ProgressLine

__all__ = ["Transport"]


class Transport(QFrame):
    """Buttons and read-outs of the training that is open.

    Signals
    -------
    main_clicked(), step_clicked(), stop_clicked(), reset_clicked()
        What the person asked for; what the first means depends on the state.
    """

    main_clicked = pyqtSignal()
    step_clicked = pyqtSignal()
    stop_clicked = pyqtSignal()
    reset_clicked = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("card")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 8, 14, 8)
        layout.setSpacing(6)
        self.main = self._button("trainButton", "Train", "Train, pause or go on (Space)")
        self.main.setProperty("primary", True)
        self.main.setMinimumWidth(112)
        self.step = self._button("stepButton", "Step", "Take one step, then wait (.)")
        self.stop = self._button(
            "stopButton", "Stop", "End after this mini-batch; the model is kept (Ctrl+.)"
        )
        self.reset = self._button(
            "resetButton",
            "Reset",
            "Back to the same first weights (Ctrl+R); a new seed is in the menu Train",
        )
        self.main.clicked.connect(self.main_clicked)
        self.step.clicked.connect(self.step_clicked)
        self.stop.clicked.connect(self.stop_clicked)
        self.reset.clicked.connect(self.reset_clicked)
        self.progress = ProgressLine("progress", "Progress of the training")
        self.progress.setMinimumWidth(60)
        self.status = elided_label("status")
        self.status.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.status.setMinimumWidth(1)
        for widget in (self.main, self.step, self.stop, self.reset):
            layout.addWidget(widget)
        layout.addSpacing(10)
        layout.addWidget(self.progress, 1)
        layout.addSpacing(10)
        layout.addWidget(self.status)
        theme.changed.connect(self._paint_icons)
        self._main_icon = "play"
        self._paint_icons()
        self.show_state(State.IDLE, ready=False, goes_on=False)

    def _button(self, name: str, text: str, tip: str) -> QPushButton:
        button = QPushButton(f" {text}")
        button.setObjectName(name)
        button.setToolTip(tip)
        button.setAccessibleName(text)
        button.setAccessibleDescription(tip)
        button.setIconSize(QSize(11, 11))
        return button

    def _paint_icons(self) -> None:
        c = theme.colours
        self.main.setIcon(icon(self._main_icon, c.accent_text, c.quiet))
        for button, name in ((self.step, "step"), (self.stop, "stop"), (self.reset, "reset")):
            button.setIcon(icon(name, c.text, c.quiet))

    def show_state(self, state: State, *, ready: bool, goes_on: bool) -> None:
        """Offer what can be done in `state`; `goes_on` when Train would use the weights there."""
        text, shape, usable = {
            State.STARTING: ("Pause", "pause", True),
            State.RUNNING: ("Pause", "pause", True),
            State.PAUSED: ("Resume", "play", True),
            State.STOPPING: ("Stopping…", "stop", False),
        }.get(state, ("Continue" if goes_on else "Train", "play", ready))
        self.main.setText(f" {text}")
        self.main.setAccessibleName(text)
        self.main.setEnabled(usable)
        self._main_icon = shape
        self.step.setEnabled(state in (State.RUNNING, State.PAUSED) or (ready and not state.alive))
        self.stop.setEnabled(state in (State.STARTING, State.RUNNING, State.PAUSED))
        self.reset.setEnabled(ready and state is not State.STOPPING)
        self._paint_icons()

    def show_progress(self, share: float, text: str) -> None:
        """Show how far it is (0 … 1) and one line of figures."""
        self.progress.set_share(share)
        self.status.setText(text)
