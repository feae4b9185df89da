"""The ways in which one network was computed: how far apart, and how long each took."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QAbstractButton, QSizePolicy, QVBoxLayout, QWidget

from app.ui.theme import theme
from app.ui.widgets.check_list import Standing, paint_standing
from app.ui.widgets.time_bars import duration

__all__ = ["WayRow", "WayRows"]

ROW_HEIGHT, HEAD_HEIGHT = 25, 20
# Where the columns of a row begin, in pixels; the bar has the rest.
NAME, SCORES, GRADIENT, BAR = 25, 148, 218, 296
FIGURE_WIDTH = 66
# Beyond the end of the longest bar, for its time and how many times faster it is.
FIGURES = 128
HEADS = (
    (SCORES, "scores"),
    (GRADIENT, "gradient"),
    (BAR, "time forward and backward, on a logarithmic scale"),
)


@dataclass(frozen=True)
class WayRow:
    """One way: its name, what is known of it, both differences and its time, as they are shown.

    `seconds` is 0 while nobody knows it; `tip` says what happens when it is pressed.
    """

    key: str
    name: str
    standing: Standing
    scores: str = ""
    gradient: str = ""
    seconds: float = 0.0
    note: str = ""
    colour: str = "accent"
    tip: str = ""


class _Row(QAbstractButton):
    """One way, which can be pressed to see its code."""

    def __init__(self, parent: WayRows, key: str) -> None:
        super().__init__(parent)
        self.row = WayRow(key, "", Standing("", "", "quiet"))
        self.setObjectName(f"{parent.objectName()}_{key}")
        self.setFixedHeight(ROW_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCheckable(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_row(self, row: WayRow) -> None:
        """Show what is known now."""
        self.row = row
        said = [row.name, row.standing.word]
        if row.seconds:
            said += [f"scores {row.scores} apart", f"gradient {row.gradient} apart"]
            said += [duration(row.seconds), row.note]
        self.setAccessibleName(", ".join(word for word in said if word))
        self.setToolTip(f"{self.accessibleName()}\n{row.tip}")
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: mark, name, both differences, a bar and its time."""
        owner = self.parent()
        assert isinstance(owner, WayRows)
        row, painter = self.row, QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        room = QRectF(self.rect())
        if self.isChecked() or self.underMouse():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.colour("hover"))
            painter.drawRoundedRect(room, 4, 4)
        if self.hasFocus():
            painter.setPen(theme.colour("accent"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(room.adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        middle = room.center().y()
        paint_standing(painter, QRectF(6, middle - 6, 12, 12), row.standing)
        font = painter.font()
        font.setPixelSize(12)
        painter.setFont(font)
        left = int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
        right = int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight)
        failed = row.standing.key == "fails"
        painter.setPen(theme.colour("text"))
        painter.drawText(QRectF(NAME, 0, SCORES - NAME, ROW_HEIGHT), left, row.name)
        painter.setPen(theme.colour("bad" if failed else "text"))
        for x, text in ((SCORES, row.scores), (GRADIENT, row.gradient)):
            painter.drawText(QRectF(x, 0, FIGURE_WIDTH, ROW_HEIGHT), right, text)
        if not row.seconds:
            painter.setPen(theme.colour("quiet"))
            painter.drawText(QRectF(BAR, 0, room.width() - BAR, ROW_HEIGHT), left, row.note)
            return
        reach = owner.reach(room.width())
        low, high = owner.ends()
        painter.setPen(QPen(theme.colour("faint"), 1))
        for decade in range(low, high + 1):
            at = BAR + (decade - low) / (high - low) * reach
            painter.drawLine(QPointF(at, 0), QPointF(at, ROW_HEIGHT))
        length = max((math.log10(row.seconds) - low) / (high - low) * reach, 2.0)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.colour(row.colour))
        painter.drawRoundedRect(QRectF(BAR, middle - 7, length, 14), 2, 2)
        painter.setPen(theme.colour("text"))
        time = duration(row.seconds)
        beyond = QRectF(BAR + length + 8, 0, FIGURES, ROW_HEIGHT)
        painter.drawText(beyond, left, time)
        painter.setPen(theme.colour("quiet"))
        width = painter.fontMetrics().horizontalAdvance(f"{time}   ")
        painter.drawText(beyond.adjusted(width, 0, 0, 0), left, row.note)


class WayRows(QWidget):
    """Shows the ways one below the other; each can be pressed.

    Signals
    -------
    opened(str)
        The key of the way that was pressed.
    """

    opened = pyqtSignal(str)

    def __init__(self, name: str, keys: Sequence[str]) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName("One network in several ways")
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, HEAD_HEIGHT, 0, 0)
        self._layout.setSpacing(0)
        self._rows = {key: _Row(self, key) for key in keys}
        for row in self._rows.values():
            row.clicked.connect(self._on_clicked)
            self._layout.addWidget(row)
        self._layout.addStretch(1)
        theme.changed.connect(self.update)

    @property
    def rows(self) -> tuple[WayRow, ...]:
        """What is shown."""
        return tuple(row.row for row in self._rows.values())

    def sizeHint(self) -> QSize:
        """Qt: all rows."""
        return QSize(520, HEAD_HEIGHT + ROW_HEIGHT * len(self._rows))

    def minimumSizeHint(self) -> QSize:
        """Qt: all rows, and a short bar."""
        return QSize(BAR + FIGURES + 40, HEAD_HEIGHT + ROW_HEIGHT * len(self._rows))

    def set_rows(self, rows: Sequence[WayRow]) -> None:
        """Show these instead; one for each key."""
        for row in rows:
            self._rows[row.key].show_row(row)
        for one in self._rows.values():
            one.update()

    def choose(self, key: str) -> None:
        """Mark a way as the one whose code is seen."""
        for name, row in self._rows.items():
            row.setChecked(name == key)

    def ends(self) -> tuple[int, int]:
        """Return the powers of ten of seconds where bars begin and may end."""
        logs = [math.log10(row.seconds) for row in self.rows if row.seconds]
        low = math.floor(min(logs) - 0.3)
        return low, max(math.ceil(max(logs)), low + 1)

    def reach(self, width: float) -> float:
        """Return how long the longest possible bar is."""
        return max(width - BAR - FIGURES - 8, 30.0)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: what the columns are."""
        painter = QPainter(self)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(theme.colour("quiet"))
        for x, text in HEADS:
            bar = x == BAR
            side = Qt.AlignmentFlag.AlignLeft if bar else Qt.AlignmentFlag.AlignRight
            room = QRectF(x, 0, self.width() - x if bar else FIGURE_WIDTH, HEAD_HEIGHT)
            painter.drawText(room, int(side | Qt.AlignmentFlag.AlignVCenter), text)

    def _on_clicked(self) -> None:
        row = self.sender()
        if isinstance(row, _Row):
            self.choose(row.row.key)
            self.opened.emit(row.row.key)
