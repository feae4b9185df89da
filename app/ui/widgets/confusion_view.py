"""Which class is taken for which: a square of shaded cells that open their images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PyQt6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.ui.theme import theme

__all__ = ["ConfusionView"]

# Labels take at most this share of the width and of the height; longer names are shortened.
MOST_LABEL = 0.3


class ConfusionView(QWidget):
    """Counts (C, C): a row for each true class, a column for what was said.

    A cell's shade is its share of the row; on the diagonal stands what is right. Names of
    columns are written upwards, so that ten of them have room.

    Signals
    -------
    cell_clicked(int, int)
        True class and said class of the chosen cell.
    """

    cell_clicked = pyqtSignal(int, int)

    def __init__(self, name: str = "confusion") -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName("Confusion: true class against what was said")
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(120, 120)
        self.empty_text = "Appears with the first validation"
        self.selected: tuple[int, int] | None = None
        self._counts: NDArray[np.int64] = np.zeros((0, 0), np.int64)
        self._names: tuple[str, ...] = ()
        self._hovered: tuple[int, int] | None = None
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Qt: a small square."""
        return QSize(240, 240)

    def set_counts(self, counts: NDArray[np.int64] | None, names: Sequence[str]) -> None:
        """Show `counts` (C, C) of the classes `names`; None shows nothing."""
        self._names = tuple(names)
        size = len(self._names)
        self._counts = np.zeros((0, 0), np.int64) if counts is None else np.asarray(counts)
        if self.selected is not None and max(self.selected) >= size:
            self.selected = None
        self.update()

    def select(self, cell: tuple[int, int] | None) -> None:
        """Frame a cell."""
        self.selected = cell
        self.update()

    # --- geometry

    def _font(self) -> QFont:
        font = QFont(self.font())
        font.setPixelSize(11)
        return font

    def _square(self) -> tuple[float, float, float]:
        """Return left and top of the cells, and the side of one, in logical pixels."""
        metrics = QFontMetricsF(self._font())
        longest = max((metrics.horizontalAdvance(name) for name in self._names), default=0.0) + 8
        title = metrics.height() + 2
        across = min(longest, MOST_LABEL * self.width()) + title
        down = min(longest, MOST_LABEL * self.height()) + title
        count = max(len(self._counts), 1)
        side = min((self.width() - across - 2) / count, (self.height() - down - 2) / count)
        side = max(float(int(side)), 1.0)
        left = across + (self.width() - across - side * count) / 2
        spare = self.height() - down - 8 - side * count
        return float(int(left)), float(int(max(1.0, spare / 2))), side

    def cell_rect(self, true: int, said: int) -> QRectF:
        """Return where a cell stands, in logical pixels."""
        left, top, side = self._square()
        return QRectF(left + said * side, top + true * side, side, side)

    def cell_at(self, place: QPointF) -> tuple[int, int] | None:
        """Return (true, said) of the cell at `place`, or None."""
        left, top, side = self._square()
        said, true = (place.x() - left) // side, (place.y() - top) // side
        count = len(self._counts)
        return (int(true), int(said)) if 0 <= true < count and 0 <= said < count else None

    # --- drawing

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: draw cells, names, and what is chosen."""
        painter = QPainter(self)
        if not len(self._counts):
            painter.setPen(theme.colour("quiet"))
            painter.drawText(
                self.rect(),
                int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap),
                self.empty_text,
            )
            return
        painter.setFont(self._font())
        left, top, side = self._square()
        shares = self._counts / np.maximum(self._counts.sum(axis=1, keepdims=True), 1)
        card = theme.colour("card")
        for (true, said), share in np.ndenumerate(shares):
            rect = self.cell_rect(true, said)
            colour = _between(
                theme.colour("faint"),
                theme.colour("accent" if true == said else "warm"),
                float(share) ** 0.7,
            )
            painter.fillRect(rect.adjusted(0, 0, -1, -1), colour)
            count = int(self._counts[true, said])
            if side >= 22 and count:
                painter.setPen(card if share > 0.45 else theme.colour("text"))
                painter.drawText(rect, int(Qt.AlignmentFlag.AlignCenter), str(count))
        self._write_names(painter, left, top, side)
        for cell, name, width in ((self._hovered, "quiet", 1.5), (self.selected, "text", 2.0)):
            if cell is not None and max(cell) < len(self._counts):
                painter.setPen(QPen(theme.colour(name), width))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRect(self.cell_rect(*cell).adjusted(0, 0, -1, -1))
        if self.hasFocus() and self.selected is None:
            painter.setPen(QPen(theme.colour("accent"), 1, Qt.PenStyle.DotLine))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _write_names(self, painter: QPainter, left: float, top: float, side: float) -> None:
        metrics = QFontMetricsF(self._font())
        title = metrics.height() + 2
        bottom = top + side * len(self._counts)
        room_left = left - title - 6
        room_below = self.height() - bottom - title - 4
        every = 1 if side >= metrics.height() - 3 else int(-(-(metrics.height() - 3) // side))
        painter.setPen(theme.colour("quiet"))
        elide = Qt.TextElideMode.ElideRight
        for number, name in enumerate(self._names):
            if number % every:
                continue
            middle = (number + 0.5) * side
            text = metrics.elidedText(name, elide, room_left)
            box = QRectF(title, top + middle - 10, room_left, 20)
            painter.drawText(
                box, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), text
            )
            painter.save()
            painter.translate(left + middle, bottom + 4)
            painter.rotate(-90)
            text = metrics.elidedText(name, elide, room_below)
            box = QRectF(-room_below, -10, room_below, 20)
            painter.drawText(
                box, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), text
            )
            painter.restore()
        width = side * len(self._counts)
        longest = max(metrics.horizontalAdvance(name) for name in self._names)
        below = bottom + 6 + min(longest, room_below)
        painter.drawText(
            QRectF(left, below, width, title), int(Qt.AlignmentFlag.AlignCenter), "said"
        )
        painter.save()
        painter.translate(0, top + width)
        painter.rotate(-90)
        painter.drawText(QRectF(0, 0, width, title), int(Qt.AlignmentFlag.AlignCenter), "true")
        painter.restore()

    # --- mouse and keys

    def describe(self, true: int, said: int) -> str:
        """Return the sentence for a cell."""
        count, total = int(self._counts[true, said]), int(self._counts[true].sum())
        if true == said:
            return f"{count} of {total} {self._names[true]} named right"
        return f"{count} of {total} {self._names[true]} taken for {self._names[said]}\nclick to see them"

    def event(self, event: QEvent | None) -> bool:
        """Qt: answer tooltips with the sentence of the cell under the mouse."""
        if event is not None and event.type() == QEvent.Type.ToolTip:
            cell = self.cell_at(QPointF(event.pos()))  # type: ignore[attr-defined]
            if cell is None:
                QToolTip.hideText()
            else:
                QToolTip.showText(event.globalPos(), self.describe(*cell), self)  # type: ignore[attr-defined]
            return True
        return super().event(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Qt: frame the cell under the mouse."""
        assert event is not None
        self._hovered = self.cell_at(event.position())
        self.update()

    def leaveEvent(self, event: QEvent | None) -> None:
        """Qt: the mouse is gone."""
        self._hovered = None
        self.update()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Qt: choose a cell."""
        assert event is not None
        cell = self.cell_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and cell is not None:
            self._choose(cell)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Qt: arrows move the choice, so that the mouse is not needed."""
        assert event is not None
        moves = {
            Qt.Key.Key_Left: (0, -1),
            Qt.Key.Key_Right: (0, 1),
            Qt.Key.Key_Up: (-1, 0),
            Qt.Key.Key_Down: (1, 0),
        }
        key = Qt.Key(event.key())
        if key in moves and len(self._counts):
            true, said = self.selected or (0, 0)
            down, right = moves[key] if self.selected is not None else (0, 0)
            cell = true + down, said + right
            if min(cell) >= 0 and max(cell) < len(self._counts):
                self._choose(cell)
            return
        super().keyPressEvent(event)

    def _choose(self, cell: tuple[int, int]) -> None:
        self.select(cell)
        self.cell_clicked.emit(*cell)


def _between(a: QColor, b: QColor, share: float) -> QColor:
    """Return the colour at `share` of the way from `a` to `b`."""
    mixed = [x + share * (y - x) for x, y in zip(a.getRgb()[:3], b.getRgb()[:3], strict=True)]
    return QColor(*(round(value) for value in mixed))
