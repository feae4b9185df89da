"""The sanity ladder of a network, climbed in a process of its own."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.core.checks import Check, Measure, Outcome
from app.core.checks.ladder import STEPS, LadderStep
from app.core.checks.ladders import NetworkSource
from app.core.specs import ConvNetSpec, ImageSpec
from app.ui.panels.workbench.remote_job import RemoteJob
from app.ui.widgets.card import quiet_label
from app.ui.widgets.check_list import FAILS, HOLDS, NOT_RUN, RUNNING, WAITING, Standing
from app.ui.widgets.ladder import Ladder, Rung
from app.ui.widgets.progress_line import ProgressLine
from app.workers.thread import Runner

__all__ = ["LadderPage", "scrolled"]

EXERCISE = NetworkSource(ConvNetSpec(), ImageSpec())


def scrolled(widget: QWidget, name: str) -> QScrollArea:
    """Return a quiet frame in which `widget` scrolls up and down."""
    scroll = QScrollArea()
    scroll.setObjectName(name)
    scroll.setWidgetResizable(True)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
    scroll.setWidget(widget)
    return scroll


class LadderPage(QWidget):
    """Shows the ladder of one network at a time and keeps what came of the others.

    Signals
    -------
    changed()
        A step was tried, or it began or ended.
    problem(str, str, str)
        Message, hint and, for a bug, the report.
    """

    changed = pyqtSignal()
    problem = pyqtSignal(str, str, str)

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.setObjectName("ladderPage")
        self.source = EXERCISE
        self._climbed: NetworkSource | None = None
        self._steps: dict[NetworkSource, dict[str, LadderStep]] = {}
        self._job = RemoteJob(runner, self)
        self._job.said.connect(self._on_said)
        self._job.progressed.connect(self._on_progress)
        self._job.ended.connect(self._on_ended)
        self._job.problem.connect(self.problem)
        self.network = quiet_label(name="ladderNetwork")
        self.network.setWordWrap(True)
        self.climb = QPushButton("Climb")
        self.climb.setObjectName("climbLadder")
        self.climb.setAccessibleName("Try all steps of the ladder")
        self.climb.setToolTip(
            "Try all five steps with this network: it takes up to a few minutes, and can be stopped"
        )
        self.climb.setFixedWidth(84)
        self.climb.clicked.connect(self._on_climb)
        self.progress = ProgressLine("ladderProgress", "Progress on the ladder")
        self.doing = quiet_label(name="ladderDoing")
        self.ladder = Ladder()
        head = QHBoxLayout()
        head.addWidget(self.network, 1)
        head.addWidget(self.climb)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addLayout(head)
        layout.addWidget(scrolled(self.ladder, "ladderScroll"), 1)
        layout.addWidget(self.doing)
        layout.addWidget(self.progress)
        self.set_source(EXERCISE, "")

    @property
    def running(self) -> bool:
        """Whether steps are being tried."""
        return self._job.running

    @property
    def steps(self) -> dict[str, LadderStep]:
        """What came of the steps of the network in sight."""
        return self._steps.get(self.source, {})

    def set_source(self, source: NetworkSource, images: str) -> None:
        """Turn to another network; `images` says what it is tried with."""
        self.source = source
        self.network.setText(f"{source.spec.layers}{'   ·   ' + images if images else ''}")
        self._show()

    def standing_of(self, source: NetworkSource) -> tuple[Standing, str]:
        """Return what is known of a network, and how many steps it has climbed."""
        steps = self._steps.get(source, {})
        said = f"{sum(step.passed for step in steps.values())}/{len(STEPS)}" if steps else ""
        if self.running and self._climbed == source:
            return RUNNING, said
        if any(not step.passed for step in steps.values()):
            return FAILS, said
        return (HOLDS if len(steps) == len(STEPS) else NOT_RUN), said

    def outcome(self) -> Outcome | None:
        """Return the gradient checks of the ladder as the outcome of a check."""
        step = self.steps.get("gradient")
        if step is None or not step.gradients:
            return None
        measures = tuple(
            Measure(name, check.clear_error, check.bound, detail=check)
            for name, check in step.gradients.items()
        )
        return Outcome(
            Check("network", "", step.title, lambda _conditions: ()),
            measures,
            "",
            step.passed,
            step.seconds,
        )

    def cancel(self) -> None:
        """Give up; the steps that were tried stay."""
        self._job.cancel()

    def _on_climb(self) -> None:
        if self.running:
            self.cancel()
            return
        self._climbed = self.source
        self._steps[self.source] = {}
        self._job.start("ladder", source=self.source.as_json())
        self.doing.setText("Starting …")
        self._show()
        self.changed.emit()

    def _on_said(self, message: dict[str, object]) -> None:
        step = message.get("step")
        if isinstance(step, LadderStep) and self._climbed is not None:
            self._steps[self._climbed][step.name] = step
            self._show()
            self.changed.emit()

    def _on_progress(self, share: float, text: str) -> None:
        self.progress.set_share(share)
        self.doing.setText(f"{text} …")

    def _on_ended(self, _cancelled: bool) -> None:
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        running = self.running
        self.climb.setText("Stop" if running else "Climb")
        self.progress.setVisible(running)
        self.doing.setVisible(running)
        if not running:
            self.progress.setValue(0)
        steps = self.steps
        climbing = running and self._climbed == self.source
        following = next((name for name in STEPS if name not in steps), "")
        rungs = []
        for name, title in STEPS.items():
            step = steps.get(name)
            if step is not None:
                standing = HOLDS if step.passed else FAILS
                told = (step.value, step.expected, step.reason, step.remedy)
                rungs.append(Rung(name, title, standing, *told))
            elif climbing:
                rungs.append(Rung(name, title, RUNNING if name == following else WAITING))
            else:
                rungs.append(Rung(name, title, NOT_RUN))
        self.ladder.set_rungs(rungs)
