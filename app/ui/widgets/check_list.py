"""A list of things that can be checked, each with what is known of it so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PyQt6.QtCore import QModelIndex, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QPainter, QPen
from PyQt6.QtWidgets import (
    QFrame,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from app.ui.theme import theme

__all__ = ["CheckItem", "CheckList", "Standing", "paint_standing"]

ROLE = Qt.ItemDataRole.UserRole
ROW_HEIGHT = 31


@dataclass(frozen=True)
class Standing:
    """What is known of a check: not run, running, holds, fails, or cannot be made here."""

    key: str
    word: str
    colour: str


NOT_RUN = Standing("not_run", "not run", "quiet")
WAITING = Standing("waiting", "waiting", "quiet")
RUNNING = Standing("running", "running", "accent")
HOLDS = Standing("holds", "holds", "good")
FAILS = Standing("fails", "fails", "bad")
NOT_HERE = Standing("not_here", "cannot be made here", "quiet")


def paint_standing(painter: QPainter, room: QRectF, standing: Standing) -> None:
    """Draw the mark of a standing, which differs in shape and not in colour alone."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    colour = QColor(theme.colour(standing.colour))
    middle, size = room.center(), min(room.width(), room.height())
    unit = size / 12
    pen = QPen(colour, 1.8 * unit, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)

    def line(*places: float) -> None:
        x1, y1, x2, y2 = (place * unit for place in places)
        x, y = middle.x(), middle.y()
        painter.drawLine(
            QRectF(x + x1, y + y1, 0, 0).topLeft(), QRectF(x + x2, y + y2, 0, 0).topLeft()
        )

    if standing is HOLDS:
        line(-4, 0.5, -1.2, 3.4)
        line(-1.2, 3.4, 4, -3.4)
    elif standing is FAILS:
        line(-3.4, -3.4, 3.4, 3.4)
        line(-3.4, 3.4, 3.4, -3.4)
    elif standing is NOT_HERE:
        line(-3.6, 0, 3.6, 0)
    elif standing is RUNNING:
        painter.drawArc(
            QRectF(middle.x() - 4 * unit, middle.y() - 4 * unit, 8 * unit, 8 * unit), 0, 270 * 16
        )
    else:
        colour.setAlpha(130 if standing is NOT_RUN else 220)
        painter.setPen(QPen(colour, 1.3 * unit))
        painter.drawEllipse(middle, 3 * unit, 3 * unit)
    painter.restore()


@dataclass(frozen=True)
class CheckItem:
    """One row: its key, what it is called, and one sentence for its tooltip."""

    key: str
    title: str
    teaches: str


class _Delegate(QStyledItemDelegate):
    """Draws a row: mark, title, and at the right what was measured."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """Qt: rows are all as high."""
        return QSize(120, ROW_HEIGHT)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Qt: draw a row."""
        assert painter is not None
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        room = QRectF(option.rect).adjusted(1, 1.5, -1, -1.5)
        state = option.state
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        if chosen or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.colour("hover"))
            painter.drawRoundedRect(room, 6, 6)
        if chosen:
            focused = bool(state & QStyle.StateFlag.State_HasFocus)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.colour("accent" if focused else "border"), 1))
            painter.drawRoundedRect(room.adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        standing, said = index.data(ROLE + 1), index.data(ROLE + 2) or ""
        paint_standing(painter, QRectF(room.left() + 8, room.center().y() - 6, 12, 12), standing)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        right = painter.fontMetrics().horizontalAdvance(said)
        painter.setPen(theme.colour("quiet"))
        flags = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(room.adjusted(0, 0, -7, 0), int(flags | Qt.AlignmentFlag.AlignRight), said)
        font.setPixelSize(13)
        font.setWeight(font.Weight.DemiBold if chosen else font.Weight.Normal)
        painter.setFont(font)
        painter.setPen(theme.colour("text"))
        words = room.adjusted(27, 0, -right - 11, 0)
        title = painter.fontMetrics().elidedText(
            index.data(), Qt.TextElideMode.ElideRight, int(words.width())
        )
        painter.drawText(words, int(flags | Qt.AlignmentFlag.AlignLeft), title)
        painter.restore()


class CheckList(QListWidget):
    """Rows with their standing; one is chosen.

    Signals
    -------
    chosen(str)
        The key of the row that the person turned to.
    """

    chosen = pyqtSignal(str)

    def __init__(self, name: str, items: Sequence[CheckItem]) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName("Layers and what is checked of them")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setItemDelegate(_Delegate(self))
        self.setMouseTracking(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setStyleSheet("QListWidget { background: transparent; border: none; outline: none; }")
        self._rows: dict[str, QListWidgetItem] = {}
        self._titles = {item.key: item.title for item in items}
        self._teaches = {item.key: item.teaches for item in items}
        for item in items:
            row = QListWidgetItem(item.title)
            row.setData(ROLE, item.key)
            self.addItem(row)
            self._rows[item.key] = row
            self.set_standing(item.key, NOT_RUN)
        self.currentItemChanged.connect(self._on_current)
        theme.changed.connect(self._repaint)

    def _repaint(self) -> None:
        viewport = self.viewport()
        assert viewport is not None
        viewport.update()

    def set_standing(self, key: str, standing: Standing, said: str = "") -> None:
        """Show what is known of a row, and a few words at its right."""
        row = self._rows[key]
        row.setData(ROLE + 1, standing)
        row.setData(ROLE + 2, said)
        words = f"{self._titles[key]}: {standing.word}{', ' + said if said else ''}"
        row.setData(Qt.ItemDataRole.AccessibleTextRole, words)
        row.setToolTip(f"{words}\n{self._teaches[key]}")

    def standing(self, key: str) -> Standing:
        """Return what is shown of a row."""
        found: Standing = self._rows[key].data(ROLE + 1)
        return found

    def choose(self, key: str) -> None:
        """Turn to a row."""
        self.setCurrentItem(self._rows[key])

    def _on_current(self, row: QListWidgetItem | None, _before: object) -> None:
        if row is not None:
            self.chosen.emit(row.data(ROLE))
