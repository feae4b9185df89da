"""The network of the CNN lab in five ways: how far apart they are, how fast, and their code."""

from __future__ import annotations

from dataclasses import dataclass, field

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.core.checks.comparison import times
from app.core.checks.five_ways import Ways, WayTold
from app.core.checks.ladders import NetworkSource
from app.core.network_code import LEVELS, TITLES, CodeLevel
from app.core.nn.ways import BOUNDS, WAYS
from app.ui.panels.workbench.gradient_card import figure
from app.ui.panels.workbench.holds_card import CheckBlock
from app.ui.panels.workbench.ladder_page import EXERCISE, scrolled
from app.ui.panels.workbench.remote_job import RemoteJob
from app.ui.panels.workbench.ways_code import WaysCode
from app.ui.widgets.card import ChoiceButton, TabbedCard, elided_label, quiet_label
from app.ui.widgets.check_list import FAILS, HOLDS, NOT_HERE, NOT_RUN, RUNNING, WAITING, Standing
from app.ui.widgets.progress_line import ProgressLine
from app.ui.widgets.splitters import one_below_another
from app.ui.widgets.way_rows import WayRow, WayRows
from app.workers.thread import Runner

__all__ = ["CIFAR10_SHAPE", "FiveWaysPage", "Found"]

NAMES = {"reference": "readable loops", "compiled": "compiled kernels", **TITLES}
COLOURS = {"reference": "quiet", "compiled": "accent"}
# What the code is written for while no images are open: those of CIFAR-10.
CIFAR10_SHAPE = ((3, 32, 32), 10)
START_TIP = (
    "Send a few images through, forward and backward, in a process of its own: some "
    "seconds for a small network; torch is loaded there and only now"
)


@dataclass
class Found:
    """What is known of one network: what was about to be compared, and what came of it."""

    ways: Ways | None = None
    told: dict[str, WayTold] = field(default_factory=dict)


class FiveWaysPage(QWidget):
    """Compares one network at a time and keeps what came of the others.

    Signals
    -------
    changed()
        A way is known, or it began or ended.
    problem(str, str, str)
        Message, hint and, for a bug, the report.
    """

    changed = pyqtSignal()
    problem = pyqtSignal(str, str, str)

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.setObjectName("fiveWaysPage")
        self.source = EXERCISE
        self.images_shape = CIFAR10_SHAPE
        self._compared: NetworkSource | None = None
        self._doing = ""
        self._until = ""
        self._found: dict[NetworkSource, Found] = {}
        self._job = RemoteJob(runner, self)
        self._job.said.connect(self._on_said)
        self._job.progressed.connect(self._on_progress)
        self._job.ended.connect(self._on_ended)
        self._job.problem.connect(self.problem)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.code_pages = WaysCode()
        self.code_pages.back_wanted.connect(lambda: self.show_code_of(LEVELS[0]))
        parts = {self._build_rows(): 230, self.code_pages: 500}
        layout.addWidget(one_below_another(parts, "fiveWaysSplitter", stretch=(0, 1)))
        self.set_source(EXERCISE, "", CIFAR10_SHAPE)

    def _build_rows(self) -> QWidget:
        self.card = TabbedCard(
            ["Five ways", "What must hold"],
            "fiveWays",
            [
                "The network of the CNN lab, sent through in five ways from the same weights",
                "The check of a small network with every kind of layer",
            ],
        )
        self.precision = ChoiceButton(
            "waysPrecision",
            "How exact numbers are: the ways must agree to 1e-4 in float32, to 1e-9 in float64",
            {name: name for name in BOUNDS},
            self._on_precision,
        )
        self.precision.set_value(EXERCISE.spec.precision)
        self.start = QPushButton("Compare")
        self.start.setObjectName("compareWays")
        self.start.setAccessibleName("Compare the five ways")
        self.start.setToolTip(START_TIP)
        self.start.setFixedWidth(84)
        self.start.clicked.connect(self._on_start)
        self.card.add_tool(self.precision)
        self.card.add_tool(self.start)
        self.network = elided_label("waysNetwork", Qt.AlignmentFlag.AlignLeft)
        self.rows = WayRows("wayRows", WAYS)
        self.rows.opened.connect(self.show_code_of)
        self.verdict = quiet_label(name="waysVerdict")
        self.verdict.setWordWrap(True)
        self.progress = ProgressLine("waysProgress", "Progress of the comparison")
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        for widget in (self.network, self.rows, self.verdict, self.progress):
            column.addWidget(widget)
        column.addStretch(1)
        self.check = CheckBlock("five_ways")
        self.card.add_page(page)
        self.card.add_page(scrolled(self.check, "waysCheckScroll"))
        return self.card

    # --- what there is

    @property
    def running(self) -> bool:
        """Whether ways are being compared."""
        return self._job.running

    @property
    def code(self) -> dict[CodeLevel, str]:
        """The network in sight as a program, at each of PyTorch's levels."""
        return self.code_pages.code

    @property
    def found(self) -> Found:
        """What is known of the network in sight."""
        return self._found.get(self._asked, Found())

    @property
    def _asked(self) -> NetworkSource:
        """The network in sight, in the precision that is chosen."""
        source = self.source
        spec = source.spec.changed(precision=self.precision.value)
        return NetworkSource(spec, source.images, source.path, source.side)

    # --- what the person does

    def set_source(
        self, source: NetworkSource, images: str, shape: tuple[tuple[int, int, int], int]
    ) -> None:
        """Turn to another network; `images` says what goes through, `shape` (C, H, W) and classes."""
        if source != self.source:
            self.precision.set_value(source.spec.precision)
        self.source, self.images_shape = source, shape
        self.network.setText(f"{source.spec.layers}{'   ·   ' + images if images else ''}")
        self.code_pages.write(source.spec, *shape)
        self._show()

    def set_waiting(self, until: str) -> None:
        """Offer to compare only while nothing else computes; `until` says what is waited for."""
        self._until = until
        self.start.setEnabled(not until or self.running)
        self.start.setToolTip(f"“Compare” waits until {until}" if until else START_TIP)
        self._show()

    def show_code_of(self, way: str) -> None:
        """Show the code of a way."""
        self.rows.choose(way)
        self.code_pages.show_way(way)

    def cancel(self) -> None:
        """Give up; the ways that are known stay."""
        self._job.cancel()

    def _on_precision(self, _precision: str) -> None:
        self._show()

    def _on_start(self) -> None:
        if self.running:
            self.cancel()
            return
        asked = self._compared = self._asked
        self._found[asked] = Found()
        self._doing = ""
        self._job.start("ways", source=asked.as_json())
        self.card.show_page(0)
        self._show()
        self.changed.emit()

    # --- what comes in

    def _on_said(self, message: dict[str, object]) -> None:
        if self._compared is None:
            return
        found, told = self._found[self._compared], message.get("way")
        if isinstance(told, Ways):
            found.ways = told
        elif isinstance(told, WayTold):
            found.told[told.name] = told
        self._show()
        self.changed.emit()

    def _on_progress(self, share: float, text: str) -> None:
        self.progress.set_share(share)
        self._doing = text
        self._show()

    def _on_ended(self, _cancelled: bool) -> None:
        self._show()
        self.changed.emit()

    # --- what is shown

    def _show(self) -> None:
        running, found = self.running, self.found
        here = running and self._compared == self._asked
        self.start.setText("Stop" if running else "Compare")
        self.precision.setEnabled(not running)
        self.progress.setVisible(running)
        if not running:
            self.progress.setValue(0)
        self.rows.set_rows([self._row(name, found, here) for name in WAYS])
        self.verdict.setText(self._sentence(found, here))

    def _row(self, name: str, found: Found, here: bool) -> WayRow:
        tip = "Press to see its code"
        way, names = found.told.get(name), WAYS if found.ways is None else found.ways.names
        colour = COLOURS.get(name, "warm")
        if way is None:
            standing: Standing = NOT_RUN
            if name not in names:
                standing = NOT_HERE
            elif here:
                standing = RUNNING if name == self._doing else WAITING
            note = "" if standing is NOT_RUN else standing.word
            return WayRow(name, NAMES[name], standing, note=note, tip=tip)
        first = found.told.get(WAYS[0])
        if name == WAYS[0] or first is None:
            return WayRow(
                name, NAMES[name], HOLDS, "–", "–", way.seconds, colour=colour,
                tip=f"The others are held against it\n{tip}",
            )  # fmt: skip
        holds = way.apart <= BOUNDS[self.precision.value]
        return WayRow(
            name, NAMES[name], HOLDS if holds else FAILS, figure(way.scores_apart),
            figure(way.gradient_apart), way.seconds, times(first.seconds / way.seconds), colour, tip,
        )  # fmt: skip

    def _sentence(self, found: Found, here: bool) -> str:
        if here and found.ways is None:
            return f"{self._doing or 'Starting'} …"
        if found.ways is None:
            begin = f"“Compare” waits until {self._until}" if self._until else "Press “Compare”"
            return (
                "Differences are the largest from the readable loops, relative to the largest "
                f"number there. {begin}."
            )
        ways = found.ways
        text = f"{ways.images} images, {ways.weights:_} weights".replace("_", "\u2009")
        others = [way for name, way in found.told.items() if name != WAYS[0]]
        if others and not here:
            bound = BOUNDS[self.precision.value]
            far = [NAMES[way.name] for way in others if way.apart > bound]
            agree = len(others) + 1
            text += (
                f"; further apart than {figure(bound)}: {', '.join(far)}" if far
                else f"; all {agree} ways agree to {figure(max(way.apart for way in others))}, "
                f"{figure(bound)} is allowed"
            )  # fmt: skip
        return f"{text}.{'  ' + ways.missing if ways.missing else ''}"
