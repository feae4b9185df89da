"""The layers that can be checked, how their checks stand, and the buttons that make them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PyQt6.QtCore import QTimer, pyqtSignal
from PyQt6.QtGui import QHideEvent, QShowEvent
from PyQt6.QtWidgets import QPushButton

from app.core.checks import CHECKS
from app.core.checks.topics import TOPICS, Topic
from app.core.words import age_in_words
from app.ui.panels.workbench.check_session import CheckSession, advice_on
from app.ui.widgets.card import Card, quiet_label
from app.ui.widgets.check_list import (
    FAILS,
    HOLDS,
    NOT_HERE,
    NOT_RUN,
    RUNNING,
    WAITING,
    CheckItem,
    CheckList,
    Standing,
)
from app.ui.widgets.progress_line import ProgressLine

__all__ = ["LayersCard"]

CLOCK_MILLISECONDS = 5000


class LayersCard(Card):
    """Lists the layers and follows a session's checks.

    Signals
    -------
    chosen(str)
        The key of the layer that the person turned to.
    all_wanted(), one_wanted()
        All checks are to be made, or those of the chosen layer.
    """

    chosen = pyqtSignal(str)
    all_wanted = pyqtSignal()
    one_wanted = pyqtSignal()

    def __init__(self, checks: CheckSession) -> None:
        super().__init__("Layers", "layers")
        self.setFixedWidth(222)
        self._checks = checks
        self.list = CheckList(
            "layerList", [CheckItem(one.key, one.title, one.teaches) for one in TOPICS]
        )
        self.list.choose(TOPICS[0].key)
        self.list.chosen.connect(self.chosen)
        self.summary = quiet_label(name="checkSummary")
        self.summary.setWordWrap(True)
        self.doing = quiet_label(name="checkDoing")
        self.doing.setWordWrap(True)
        self.progress = ProgressLine("checkProgress", "Progress of the checks")
        self.check_all = QPushButton("Check all")
        self.check_all.setObjectName("checkAll")
        self.check_all.setProperty("primary", True)
        self.check_all.setToolTip(
            "Make every check, the slow ones too; “filterscope check” does the same"
        )
        self.check_one = QPushButton("Check this layer")
        self.check_one.setObjectName("checkLayer")
        self.check_one.setToolTip("Make all checks of the chosen layer again, the slow ones too")
        for button in (self.check_all, self.check_one):
            button.setAccessibleName(button.text())
        self.check_all.clicked.connect(lambda _: self.all_wanted.emit())
        self.check_one.clicked.connect(lambda _: self.one_wanted.emit())
        self.body.addWidget(self.list, 1)
        for widget in (self.doing, self.progress, self.summary, self.check_one, self.check_all):
            self.body.addWidget(widget)
        # "2 min ago" becomes "3 min ago" by itself, while somebody looks.
        self._clock = QTimer(self)
        self._clock.setInterval(CLOCK_MILLISECONDS)
        self._clock.timeout.connect(self.show_summary)
        checks.progressed.connect(self._on_progress)
        checks.running_changed.connect(self._on_running)
        self._on_running()

    def choose(self, key: str) -> None:
        """Show a layer as the chosen one, telling nobody."""
        self.list.blockSignals(True)
        self.list.choose(key)
        self.list.blockSignals(False)

    def show_topic(self, topic: Topic) -> None:
        """Show how the checks of a layer stand, and those of all."""
        standings = [self._checks.standing(name) for name in topic.checks]
        self.list.set_standing(topic.key, *_together(standings))
        self.show_summary()

    def show_summary(self) -> None:
        """Say how all checks stand, what some of them need, and when they were made."""
        found = self._checks.summary(list(CHECKS))
        lines = [found.sentence()]
        ended = self._checks.ended_at
        if not self._checks.running:
            lines += [advice_on(needs) for needs in dict.fromkeys(found.missing)]
            if found.made and found.unknown:
                lines.append("“Check all” makes the rest, which takes a while.")
            if ended is not None:
                lines.append(f"checked {age_in_words(time.monotonic() - ended)}")
        self.summary.setText("\n".join(line for line in lines if line))
        outcomes = self._checks.outcomes.values()
        missing = [f"{one.check.name}: {one.note}" for one in outcomes if one.passed is None]
        self.summary.setToolTip("\n".join(missing))

    def _on_progress(self, share: float, text: str) -> None:
        self.progress.set_share(share)
        self.doing.setText(text)

    def _on_running(self) -> None:
        running = self._checks.running
        self.progress.setVisible(running)
        self.doing.setVisible(running)
        self.progress.set_share(0)
        self.check_all.setText("Stop" if running else "Check all")
        self.show_summary()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Qt: the workbench came into sight."""
        super().showEvent(event)
        self._clock.start()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Qt: nobody looks."""
        self._clock.stop()
        super().hideEvent(event)


def _together(standings: Sequence[Standing]) -> tuple[Standing, str]:
    """Return the mark of a layer with these checks, and how many of those that were made hold."""
    for first in (RUNNING, FAILS, WAITING):
        if first in standings:
            break
    else:
        decided = {one for one in standings if one is not NOT_RUN}
        first = HOLDS if HOLDS in decided else NOT_HERE if decided else NOT_RUN
    made = [one for one in standings if one in (HOLDS, FAILS)]
    # One that was not made has not failed.
    return first, f"{sum(one is HOLDS for one in made)}/{len(made)}" if made else ""
