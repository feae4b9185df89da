"""The workbench: every layer to read, to check and to time."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QShowEvent
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QStackedWidget,
    QWidget,
)

from app.core.checks import CHECKS
from app.core.checks.ladders import NetworkSource
from app.core.checks.topics import TOPICS, topic_of
from app.core.data.image_reader import images_kind
from app.core.data.synthetic import SYNTHETIC_TITLE
from app.core.errors import FilterscopeError
from app.ui.panels.workbench.check_session import CheckSession
from app.ui.panels.workbench.code_card import CodeCard
from app.ui.panels.workbench.five_ways_page import CIFAR10_SHAPE, FiveWaysPage
from app.ui.panels.workbench.gradient_card import GradientCard
from app.ui.panels.workbench.holds_card import HoldsCard
from app.ui.panels.workbench.ladder_page import EXERCISE
from app.ui.panels.workbench.layers_card import LayersCard
from app.ui.panels.workbench.playground import Playground
from app.ui.panels.workbench.time_card import TimeCard
from app.ui.widgets.splitters import one_below_another, side_by_side
from app.workers.thread import Runner

__all__ = ["WorkbenchPanel"]

# The topics that have a ladder.
NETWORKS = ("convnet", "network")
# The layer that is timed where a topic has one.
TIMED = {
    "conv": "conv",
    "max_pool": "max_pool",
    "avg_pool": "avg_pool",
    "affine": "affine",
    "spatial_batchnorm": "spatial_batchnorm",
    "sandwiches": "conv_relu_pool",
}


class WorkbenchPanel(QWidget):
    """Everything about the layers.

    Signals
    -------
    problem(str, str, str)
        Message, hint and, for a bug, the report.
    """

    problem = pyqtSignal(str, str, str)

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.setObjectName("workbenchPanel")
        self._runner = runner
        self.checks = CheckSession(runner, self)
        self.checks.check_changed.connect(self._on_check)
        self.checks.running_changed.connect(self._on_running)
        self.checks.problem.connect(self.problem)
        self.topic = TOPICS[0]
        self.network: Callable[[], tuple[NetworkSource, str]] = _exercise
        self.images_shape: Callable[[], tuple[tuple[int, int, int], int]] = lambda: CIFAR10_SHAPE
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        self.layers = LayersCard(self.checks)
        self.layers.chosen.connect(self.show_topic)
        self.layers.all_wanted.connect(self._on_check_all)
        self.layers.one_wanted.connect(self._on_check_one)
        layout.addWidget(self.layers)
        layout.addWidget(self._build_pages(), 1)
        self._show_topic()
        self._on_running()

    def _build_pages(self) -> QWidget:
        self.code = CodeCard()
        self.gradient = GradientCard()
        self.holds = HoldsCard(self._runner)
        self.holds.ladder.changed.connect(self._on_ladder)
        self.holds.ladder.problem.connect(self.problem)
        self.holds.measure_opened.connect(self.gradient.show_measure)
        self.time = TimeCard(self._runner)
        self.time.problem.connect(self.problem)
        self.time.running_changed.connect(self._on_timing)
        self.playground = Playground(self._runner)
        self.playground.problem.connect(self.problem)
        self.five_ways = FiveWaysPage(self._runner)
        self.five_ways.problem.connect(self.problem)
        self.five_ways.changed.connect(self._on_timing)
        self.pages = QStackedWidget()
        top = side_by_side({self.code: 560, self.gradient: 560})
        bottom = side_by_side({self.holds: 560, self.time: 560})
        self.pages.addWidget(one_below_another({top: 430, bottom: 330}, "workbenchSplitter"))
        self.pages.addWidget(self.playground)
        self.pages.addWidget(self.five_ways)
        return self.pages

    # --- what the person does

    def show_topic(self, key: str) -> None:
        """Turn to a layer of the list; its quick checks are made when they never were."""
        self.topic = next(topic for topic in TOPICS if topic.key == key)
        self.layers.choose(key)
        self._show_topic()
        self._check_unseen()

    def cancel(self) -> None:
        """Give up all that is under way: the window closes."""
        for part in (
            self.checks, self.time, self.holds.ladder, self.playground, self.five_ways
        ):  # fmt: skip
            part.cancel()

    def open_photograph(self, path: str) -> None:
        """Filter a photograph of the person's."""
        self.show_topic("pictures")
        self.playground.open_photograph(path)

    def _check_unseen(self) -> None:
        # Times would be those of a busy machine.
        if not self.isVisible() or self._timing:
            return
        names = [name for name in self.topic.checks if name not in self.checks.outcomes]
        self.checks.run([name for name in names if not CHECKS[name].slow])

    def _on_check_all(self) -> None:
        if self.checks.running:
            self.checks.cancel()
        else:
            self._find_data()
            self.checks.run(list(CHECKS))

    def _on_check_one(self) -> None:
        self._find_data()
        self.checks.run(self.topic.checks)

    def _find_data(self) -> None:
        """Let checks that train take CIFAR-10 from where the CNN lab has it."""
        path = self.network()[0].path
        try:
            known = images_kind(path) == "cifar10"
        except FilterscopeError:
            known = False  # It was there when it was opened; the checks do without.
        self.checks.data = path if known else None

    # --- what is shown

    def _show_topic(self) -> None:
        topic = self.topic
        self.code.set_topic(topic)
        self.holds.set_checks(topic.checks)
        for name in topic.checks:
            self.holds.show_check(name, self.checks.standing(name), self.checks.outcomes.get(name))
        if topic.key in NETWORKS:
            self._show_network()
            self.holds.show_page(1)
        else:
            self.holds.show_page(0)
        self._show_gradients()
        self._show_busy()
        self.pages.setCurrentIndex({"pictures": 1, "five_ways": 2}.get(topic.key, 0))
        if topic.key == "pictures":
            self.playground.begin()
        elif topic.key == "five_ways":
            self._show_five_ways()
        elif topic.key in TIMED:
            self.time.set_layer(TIMED[topic.key])

    def _show_network(self) -> None:
        ladder = self.holds.ladder
        ladder.set_source(*(self.network() if self.topic.key == "network" else _exercise()))

    def _show_five_ways(self) -> None:
        self.five_ways.set_source(*self.network(), self.images_shape())
        name = "five_ways"
        self.five_ways.check.show_outcome(
            self.checks.standing(name), self.checks.outcomes.get(name)
        )

    def network_changed(self) -> None:
        """Show the person's network as it is now: the CNN lab has another."""
        if self.topic.key == "five_ways":
            self._show_five_ways()
        if self.topic.key == "network" and self.network()[0] != self.holds.ladder.source:
            self._show_network()
            self._show_gradients()
            self._on_ladder()

    @property
    def _timing(self) -> bool:
        """Whether something is timed, which nothing else may disturb."""
        return self.time.running or self.five_ways.running

    def _on_timing(self) -> None:
        self._show_busy()
        if not self._timing:
            self._check_unseen()

    def _show_busy(self) -> None:
        """Offer what can be begun now: checks and times are in each other's way."""
        timing, checking = self._timing, self.checks.running
        self.layers.check_all.setEnabled(not timing)
        self.layers.check_one.setEnabled(bool(self.topic.checks) and not checking and not timing)
        self.holds.ladder.climb.setEnabled(not timing)
        self.time.set_waiting(self._under_way(beside=self.time))
        self.five_ways.set_waiting(self._under_way(beside=self.five_ways))

    def _under_way(self, *, beside: QWidget) -> str:
        """Say what is waited for before something is timed; empty where nothing else computes."""
        parts = (
            (self.checks, "the checks are made"),
            (self.holds.ladder, "the ladder is climbed"),
            (self.time, "the layer is timed"),
            (self.five_ways, "the five ways are compared"),
        )
        return next((what for part, what in parts if part is not beside and part.running), "")

    def _on_ladder(self) -> None:
        self._show_busy()
        standing = self.holds.ladder.standing_of(self.network()[0])
        self.layers.list.set_standing("network", *standing)
        if self.topic.key in NETWORKS:
            self._show_gradients()

    def _show_gradients(self) -> None:
        if self.topic.key == "network":
            found = self.holds.ladder.outcome()
            text = "Press “Climb”: the third step of the ladder checks the gradients"
            self.gradient.set_outcomes([] if found is None else [found], text)
            return
        known = [self.checks.outcomes.get(name) for name in self.topic.checks]
        outcomes = [outcome for outcome in known if outcome is not None]
        text = "Press “Check this layer”" if self.topic.checks else ""
        if self.checks.running:
            text = "Checking …"
        elif len(outcomes) == len(known):
            text = "None of its checks is about a gradient"
        self.gradient.set_outcomes(outcomes, text)

    def _on_check(self, name: str) -> None:
        topic = topic_of(name)
        self.layers.show_topic(topic)
        self.holds.show_check(name, self.checks.standing(name), self.checks.outcomes.get(name))
        if topic is self.topic:
            self._show_gradients()
            if topic.key == "five_ways":
                self._show_five_ways()

    def _on_running(self) -> None:
        self._show_busy()
        if not self.checks.running:
            self._show_gradients()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Qt: the workbench came into sight."""
        super().showEvent(event)
        self._check_unseen()


def _exercise() -> tuple[NetworkSource, str]:
    return EXERCISE, SYNTHETIC_TITLE
