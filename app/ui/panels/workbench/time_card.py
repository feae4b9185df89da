"""How fast a layer is at a chosen shape: loops, compiled, torch, and what the machine could do."""

from __future__ import annotations

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import (
    QComboBox,
    QPushButton,
)

from app.core.checks.comparison import Comparison, parts_of, times
from app.core.checks.layer_case import LAYER_TITLES, TimingSpec
from app.core.checks.machine_rate import MachineRate
from app.core.checks.timing import Timed
from app.core.params import describe
from app.ui.panels.workbench.remote_job import RemoteJob
from app.ui.panels.workbench.shape_form import ShapeForm
from app.ui.widgets.card import Card, ChoiceButton, quiet_label
from app.ui.widgets.choice_box import ChoiceBox
from app.ui.widgets.error_line import ErrorLine
from app.ui.widgets.progress_line import ProgressLine
from app.ui.widgets.time_bars import TimeBar, TimeBars
from app.workers.thread import Runner

__all__ = ["TimeCard"]

EMPTY_TEXT = (
    "Choose a shape and press “Time it”: the readable loops, the compiled layer and torch "
    "compute the same numbers, one after the other"
)
START_TIP = (
    "Takes some seconds. Everything runs in a process of its own, on all cores; torch is "
    "loaded there and only now"
)
NAMES = {
    "NumPy": ("readable", "quiet"),
    "compiled": ("compiled", "accent"),
    "torch": ("torch", "warm"),
}


class TimeCard(Card):
    """Times one layer, in a process of its own.

    Signals
    -------
    running_changed()
        It began or ended to time.
    problem(str, str, str)
        Message, hint and, for a bug, the report.
    """

    running_changed = pyqtSignal()
    problem = pyqtSignal(str, str, str)

    def __init__(self, runner: Runner) -> None:
        super().__init__("Time", "time")
        self.comparison: Comparison | None = None
        self._known: dict[str, Comparison] = {}
        self._coming: list[Timed | MachineRate] = []
        self._job = RemoteJob(runner, self)
        self._job.said.connect(self._on_said)
        self._job.progressed.connect(self._on_progress)
        self._job.ended.connect(self._on_ended)
        self._job.problem.connect(self.problem)
        self.shape_form = ShapeForm()
        self.shape_form.changed.connect(self._on_shape)
        self.error = ErrorLine("timingError")
        self.shape_form.problem.connect(self.error.say)
        self._build_tools()
        self.body.addWidget(self.shape_form)
        self.verdict = quiet_label(name="timingVerdict")
        self.verdict.setWordWrap(True)
        self.bars = TimeBars("timeBars")
        self.bars.empty_text = EMPTY_TEXT
        self.bars.setToolTip(
            "machine: how long the layer’s products and sums would take at the best rate seen here,\n"
            "of matrix products by NumPy, torch and our own kernels, our convolution and the layer "
            "itself"
        )
        self.progress = ProgressLine("timingProgress", "Progress of the timing")
        self.progress.hide()
        self.body.addWidget(self.error)
        self.body.addWidget(self.bars, 1)
        self.body.addWidget(self.verdict)
        self.body.addWidget(self.progress)
        self._on_shape()

    def _build_tools(self) -> None:
        teaches = {one.name: one.hyper.teaches for one in describe(TimingSpec)}
        self.layer = ChoiceBox("timingLayer", "Layer that is timed", teaches["layer"])
        self.layer.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.layer.setMinimumContentsLength(10)
        self.layer.setMinimumWidth(90)
        for key, title in LAYER_TITLES.items():
            self.layer.addItem(title, key)
        self.layer.currentIndexChanged.connect(self._on_layer)
        self.direction = ChoiceButton(
            "timingDirection",
            "Forward makes the output, backward the gradients",
            {"forward": "forward", "backward": "backward", "both": "both"},
            self._on_direction,
        )
        self.direction.set_value("both")
        self.start = QPushButton("Time it")
        self.start.setObjectName("timeIt")
        self.start.setAccessibleName("Time the layer")
        self.start.setToolTip(START_TIP)
        self.start.clicked.connect(self._on_start)
        self.start.setFixedWidth(84)
        self.title_row.insertWidget(1, self.layer)
        self.add_tool(self.direction)
        self.add_tool(self.start)

    # --- what the person does

    def set_layer(self, layer: str) -> None:
        """Turn to a layer, at the shape it had last; what was measured of it is shown again."""
        if layer not in LAYER_TITLES or self.running:
            return
        self.shape_form.set_layer(layer)

    def _on_layer(self, place: int) -> None:
        self.set_layer(self.layer.itemData(place))

    def _on_shape(self) -> None:
        self.layer.blockSignals(True)
        self.layer.setCurrentIndex(self.layer.findData(self.spec.layer))
        self.layer.blockSignals(False)
        self._show_comparison()

    def _on_direction(self, _direction: str) -> None:
        self._show_comparison()

    def _on_start(self) -> None:
        if self.running:
            self.cancel()
        else:
            self.run()

    def set_waiting(self, until: str) -> None:
        """Offer to time only while nothing else computes; `until` says what is waited for."""
        self.start.setEnabled(not until or self.running)
        self.start.setToolTip(f"“Time it” waits until {until}" if until else START_TIP)
        self.bars.empty_text = f"“Time it” waits until {until}" if until else EMPTY_TEXT
        self.bars.update()

    # --- timing

    @property
    def spec(self) -> TimingSpec:
        """What is timed, at which shape."""
        return self.shape_form.spec

    @property
    def running(self) -> bool:
        """Whether a layer is being timed."""
        return self._job.running

    def run(self) -> None:
        """Time the layer at the shape that is shown."""
        if self.running:
            return
        self._coming = []
        self._job.start("timing", spec=self.spec.model_dump())
        self._show_running("Starting")
        self.running_changed.emit()

    def cancel(self) -> None:
        """Give up."""
        self._job.cancel()

    def _on_said(self, message: dict[str, object]) -> None:
        timed = message.get("timed")
        if isinstance(timed, Timed | MachineRate):
            self._coming.append(timed)
            self._keep()

    def _on_progress(self, share: float, text: str) -> None:
        self.progress.set_share(share)
        self.verdict.setText(f"{text} …")

    def _keep(self) -> None:
        rate, measured = parts_of(self._coming)
        self.comparison = Comparison(self.spec, rate, measured)
        self._known[self.spec.model_dump_json()] = self.comparison
        self._show_bars()

    def _on_ended(self, cancelled: bool) -> None:
        self._show_running("")
        self.running_changed.emit()
        if cancelled:
            self.verdict.setText("Stopped.")

    # --- what is shown

    def _show_running(self, doing: str) -> None:
        running = self.running
        self.start.setText("Stop" if running else "Time it")
        self.progress.setVisible(running)
        self.progress.setValue(0)
        for widget in (self.layer, self.shape_form):
            widget.setEnabled(not running)
        if running:
            self.verdict.setText(f"{doing} …")
        else:
            self._show_bars()

    def _show_comparison(self) -> None:
        self.comparison = self._known.get(self.spec.model_dump_json())
        self._show_bars()

    def _show_bars(self) -> None:
        found, direction = self.comparison, self.direction.value
        if found is None:
            self.bars.set_bars(())
            if not self.running:
                self.verdict.setText("")
            return
        bars = []
        for one in found.compared(direction):
            name, colour = NAMES[one.engine]
            notes = [times(one.speedup)] if one.speedup is not None else []
            if one.gflops is not None and one.engine != "NumPy":
                notes.append(f"{one.gflops:.3g} GFLOP/s")
            if one.pictures < found.spec.batch:
                notes.append(f"from {one.pictures} of {found.spec.batch} pictures")
            bars.append(TimeBar(name, one.seconds, "   ".join(notes), colour))
        limit = found.limit(direction)
        if limit is not None and found.rate is not None:
            threads = "1 thread" if found.rate.threads == 1 else f"{found.rate.threads} threads"
            note = f"{found.rate.gflops:.3g} GFLOP/s   best seen: {found.rate.by}, {threads}"
            bars.append(TimeBar("machine", limit, note, "border"))
        self.bars.set_bars(bars)
        if not self.running:
            self.verdict.setText(found.sentence(direction))
