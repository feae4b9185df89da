"""The sanity ladder: steps that a network must climb, each with its figure, reason and remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.ui.theme import theme
from app.ui.widgets.card import quiet_label
from app.ui.widgets.check_list import FAILS, HOLDS, Standing, paint_standing

__all__ = ["Ladder", "Rung"]


@dataclass(frozen=True)
class Rung:
    """One step: what is asked, what was seen, what should be, why it matters, and what to do if it fails."""

    key: str
    title: str
    standing: Standing
    value: str = ""
    expected: str = ""
    reason: str = ""
    remedy: str = ""


class _Mark(QWidget):
    """The mark of a step, and the rail to the next one."""

    def __init__(self, first: bool, last: bool) -> None:
        super().__init__()
        self.setFixedWidth(24)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.standing: Standing | None = None
        self._first, self._last = first, last

    def sizeHint(self) -> QSize:
        """Qt: as high as the text beside it."""
        return QSize(24, 24)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: the rail, a disc, the mark."""
        if self.standing is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        decided = self.standing in (HOLDS, FAILS)
        rail = theme.colour(self.standing.colour if decided else "border")
        painter.setPen(QPen(theme.colour("border"), 2))
        if not self._first:
            painter.drawLine(11, 0, 11, 3)
        if not self._last:
            painter.drawLine(11, 22, 11, self.height())
        painter.setPen(QPen(rail, 1.4))
        painter.setBrush(theme.colour("field"))
        painter.drawEllipse(QRectF(1.5, 3, 19, 19))
        paint_standing(painter, QRectF(6, 7.5, 10, 10), self.standing)


class _Step(QWidget):
    def __init__(self, rung: Rung, first: bool, last: bool) -> None:
        super().__init__()
        self.setObjectName(f"rung_{rung.key}")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        self.mark = _Mark(first, last)
        layout.addWidget(self.mark)
        texts = QVBoxLayout()
        texts.setContentsMargins(0, 3, 0, 9)
        texts.setSpacing(1)
        self.title, self.value = QLabel(), QLabel()
        self.title.setProperty("heading", True)
        self.reason, self.remedy = quiet_label(), quiet_label()
        for label in (self.title, self.value, self.reason, self.remedy):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            texts.addWidget(label)
        layout.addLayout(texts, 1)
        self.show_rung(rung)

    def show_rung(self, rung: Rung) -> None:
        self.mark.standing = rung.standing
        self.mark.update()
        self.title.setText(rung.title)
        should = f"   should be {rung.expected}" if rung.expected else ""
        self.value.setText(f"{rung.value}{should}")
        self.value.setVisible(bool(rung.value))
        self.reason.setText(rung.reason)
        self.reason.setVisible(bool(rung.reason))
        failed = rung.standing is FAILS
        self.remedy.setText(f"→ {rung.remedy}" if rung.remedy else "")
        self.remedy.setVisible(failed and bool(rung.remedy))
        self.setAccessibleName(f"{rung.title}: {rung.standing.word} {rung.value}".strip())
        colour = {True: theme.colours.bad, False: theme.colours.text}[failed]
        self.value.setStyleSheet(f"color: {colour}; font-size: 12px;")
        self.remedy.setStyleSheet(f"color: {theme.colours.text};")


class Ladder(QWidget):
    """Shows the steps from the first to the last."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("ladder")
        self.setAccessibleName("Sanity ladder")
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 4, 0)
        self._layout.setSpacing(0)
        self._layout.addStretch(1)
        self.rungs: tuple[Rung, ...] = ()
        self._steps: list[_Step] = []
        theme.changed.connect(self._repaint)

    def set_rungs(self, rungs: Sequence[Rung]) -> None:
        """Show these steps."""
        same = [rung.key for rung in rungs] == [rung.key for rung in self.rungs]
        self.rungs = tuple(rungs)
        if not same:
            for old in self._steps:
                self._layout.removeWidget(old)
                old.hide()
                old.deleteLater()
            self._steps = []
            for place, rung in enumerate(rungs):
                step = _Step(rung, place == 0, place == len(rungs) - 1)
                self._layout.insertWidget(place, step)
                self._steps.append(step)
        for step, rung in zip(self._steps, rungs, strict=True):
            step.show_rung(rung)

    def _repaint(self) -> None:
        for step, rung in zip(self._steps, self.rungs, strict=True):
            step.show_rung(rung)
