"""Rows of figures: what was measured, what it must keep to, and what the exercise's report had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PyQt6.QtCore import QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QAbstractButton, QSizePolicy, QVBoxLayout, QWidget

from app.ui.theme import theme
from app.ui.widgets.check_list import Standing, paint_standing

__all__ = ["MeasureRow", "MeasureRows"]

ROW_HEIGHT = 23
# Below this width the report's figure stands in the tooltip only: what a row is of matters more.
NARROW = 400


@dataclass(frozen=True)
class MeasureRow:
    """One row of figures; ``key`` is told when it can be pressed, ``aside`` stands behind the name."""

    key: str
    standing: Standing
    name: str
    value: str
    bound: str = ""
    reference: str = ""
    tip: str = ""
    opens: bool = False
    aside: str = ""


class _Row(QAbstractButton):
    def __init__(self, row: MeasureRow, parent: MeasureRows) -> None:
        super().__init__(parent)
        self.row = row
        self.setObjectName(f"{parent.objectName()}_{row.key}")
        said = [f"{row.name} {row.aside}".strip(), row.standing.word, row.value]
        said += [f"bound {row.bound}"] if row.bound else []
        said += [f"report {row.reference}"] if row.reference else []
        self.setAccessibleName(", ".join(said))
        self.setToolTip(f"{', '.join(said)}\n{row.tip}".strip())
        self.setFixedHeight(ROW_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCheckable(row.opens)
        if row.opens:
            self.setCursor(Qt.CursorShape.PointingHandCursor)
        else:
            self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: mark, name, value; bound and the report's figure at the right."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        room = QRectF(self.rect())
        if self.isChecked() or (self.row.opens and self.underMouse()):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.colour("hover"))
            painter.drawRoundedRect(room, 4, 4)
        if self.hasFocus():
            painter.setPen(theme.colour("accent"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(room.adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        paint_standing(painter, QRectF(5, room.center().y() - 6, 12, 12), self.row.standing)
        small = painter.font()
        small.setPixelSize(12)
        left = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        right = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        painter.setFont(small)
        quiet, text = theme.colour("quiet"), theme.colour("text")
        edge = room.right() - 6
        narrow = room.width() < NARROW
        owner = self.parent()
        assert isinstance(owner, MeasureRows)
        for words, width in (
            (f"bound {self.row.bound}" if self.row.bound else "", owner.bound_width),
            (f"report {self.row.reference}" if self.row.reference else "", owner.reference_width),
        ):
            if width and not (narrow and words.startswith("report")):
                painter.setPen(quiet)
                painter.drawText(QRectF(edge - width, 0, width, room.height()), int(left), words)
                edge -= width + 12
        failed = self.row.standing.key == "fails"
        painter.setPen(theme.colour("bad") if failed else text)
        value_width = painter.fontMetrics().horizontalAdvance(self.row.value) + 2
        painter.drawText(
            QRectF(edge - value_width, 0, value_width, room.height()), int(right), self.row.value
        )
        bold = painter.font()
        bold.setWeight(bold.Weight.DemiBold if self.row.opens else bold.Weight.Normal)
        painter.setFont(bold)
        painter.setPen(text)
        name_room = QRectF(24, 0, max(edge - value_width - 34, 20), room.height())
        name = painter.fontMetrics().elidedText(
            self.row.name, Qt.TextElideMode.ElideRight, int(name_room.width())
        )
        painter.drawText(name_room, int(left), name)
        behind = painter.fontMetrics().horizontalAdvance(f"{name}  ")
        painter.setFont(small)
        painter.setPen(quiet)
        aside = painter.fontMetrics().elidedText(
            self.row.aside, Qt.TextElideMode.ElideRight, max(int(name_room.width() - behind), 0)
        )
        painter.drawText(name_room.adjusted(behind, 0, 0, 0), int(left), aside)


class MeasureRows(QWidget):
    """Shows rows one below the other; those that open something can be pressed.

    Signals
    -------
    opened(str)
        The key of the row that was pressed.
    """

    opened = pyqtSignal(str)

    def __init__(self, name: str, columns: tuple[float, float] = (0, 0)) -> None:
        super().__init__()
        self.setObjectName(name)
        # Least widths of the report's figure and of the bound, so that several lists line up.
        self._columns = columns
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(0)
        self._rows: dict[str, _Row] = {}
        self.bound_width = self.reference_width = 0.0
        theme.changed.connect(self.update)

    @property
    def rows(self) -> tuple[MeasureRow, ...]:
        """What is shown."""
        return tuple(row.row for row in self._rows.values())

    def set_rows(self, rows: Sequence[MeasureRow]) -> None:
        """Show these rows instead."""
        if tuple(rows) == self.rows:
            return
        for old in self._rows.values():
            self._layout.removeWidget(old)
            old.hide()
            old.deleteLater()
        self._rows = {}
        metrics = self.fontMetrics()
        bounds = [metrics.horizontalAdvance(f"bound {row.bound}") for row in rows if row.bound]
        reports = [
            metrics.horizontalAdvance(f"report {row.reference}") for row in rows if row.reference
        ]
        self.reference_width = max([self._columns[0], *reports])
        self.bound_width = max([self._columns[1], *bounds])
        for row in rows:
            widget = _Row(row, self)
            widget.clicked.connect(self._on_clicked)
            self._layout.addWidget(widget)
            self._rows[row.key] = widget
        self.updateGeometry()

    def choose(self, key: str) -> None:
        """Mark a row as the one that is open."""
        for name, widget in self._rows.items():
            widget.setChecked(name == key and widget.row.opens)

    def _on_clicked(self) -> None:
        row = self.sender()
        if isinstance(row, _Row) and row.row.opens:
            self.choose(row.row.key)
            self.opened.emit(row.row.key)
