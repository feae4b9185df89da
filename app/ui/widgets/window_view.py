"""What a filter sees at one place: the pixels under its window, and what they add up to."""

from __future__ import annotations

from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from app.core.filter_design import FilterDesign, Place, short
from app.ui.theme import theme

__all__ = ["WindowView"]

MOST_CELL = 46.0


class WindowView(QWidget):
    """Draws red, green and blue under the window, each times its weight, and the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("windowView")
        self.setAccessibleName("Pixels under the window of the filter")
        self.setToolTip(
            "Each pixel is multiplied by the number of the grid at its place. The products of a "
            "channel are summed and multiplied by the channel's weight."
        )
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(84)
        self.place: Place | None = None
        self.design: FilterDesign | None = None
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Qt: room for grids of a few rows."""
        return QSize(500, 124)

    def show_window(self, place: Place | None, design: FilterDesign) -> None:
        """Show another place; None asks for one."""
        self.place, self.design = place, design
        said = "" if place is None else place.sentence(design)
        self.setAccessibleDescription(said)
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: three grids, their sums, the value."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        centre = int(Qt.AlignmentFlag.AlignCenter)
        if self.place is None or self.design is None:
            painter.setPen(theme.colour("quiet"))
            painter.drawText(self.rect(), centre, "Point at a pixel of either picture")
            return
        place, design = self.place, self.design
        foot = 22.0
        block = self.width() / 3.9
        cell = min((self.height() - foot) / design.size, (block - 34) / design.size, MOST_CELL)
        side = cell * design.size
        left = 0.0
        for channel in range(3):
            self._paint_grid(painter, left + (block - side) / 2, cell, channel)
            weight, total = design.channels[channel], place.sums[channel]
            painter.setPen(theme.colour("text" if weight else "quiet"))
            font = painter.font()
            font.setPixelSize(12)
            painter.setFont(font)
            room = QRectF(left, side, block, foot)
            painter.drawText(room, centre, f"{'RGB'[channel]}   {weight:g} × {short(total)}")
            if channel < 2 and not design.colour:
                painter.setPen(theme.colour("quiet"))
                painter.drawText(QRectF(left + block - 8, 0, 16, side), centre, "+")
            left += block
        self._paint_value(painter, left, side)

    def _paint_grid(self, painter: QPainter, left: float, cell: float, channel: int) -> None:
        assert self.place is not None
        assert self.design is not None
        font = painter.font()
        font.setPixelSize(int(min(max(cell * 0.32, 7), 12)))
        painter.setFont(font)
        middle = self.design.size // 2
        for row in range(self.design.size):
            for column in range(self.design.size):
                level = int(self.place.pixels[channel, row, column])
                shades = [0, 0, 0]
                shades[channel] = level
                room = QRectF(left + column * cell, row * cell, cell - 1, cell - 1)
                painter.fillRect(room, QColor(*shades))
                weight = self.design.kernel[row][column]
                counts = bool(weight and self.design.channels[channel])
                bright = channel == 1 and level > 150
                ink = QColor(Qt.GlobalColor.black if bright else Qt.GlobalColor.white)
                ink.setAlpha(255 if counts else 90)
                painter.setPen(ink)
                if cell >= 15:
                    text = str(level)
                    if cell >= 34:
                        text = f"{level}\n× {weight:g}"
                    painter.drawText(room, int(Qt.AlignmentFlag.AlignCenter), text)
                if row == column == middle:
                    painter.setPen(theme.colour("text"))
                    painter.drawRect(room.adjusted(0.5, 0.5, -0.5, -0.5))

    def _paint_value(self, painter: QPainter, left: float, side: float) -> None:
        assert self.place is not None
        assert self.design is not None
        values = [min(max(round(value), 0), 255) for value in self.place.values]
        shade = QColor(*(values if len(values) == 3 else values * 3))
        room = QRectF(left + 30, max(side / 2 - 26, 0), 52, 52)
        font = painter.font()
        font.setPixelSize(14)
        painter.setFont(font)
        painter.setPen(theme.colour("quiet"))
        painter.drawText(QRectF(left, 0, 20, side), int(Qt.AlignmentFlag.AlignCenter), "=")
        painter.fillRect(room, shade)
        painter.setPen(theme.colour("border"))
        painter.drawRect(room)
        font.setPixelSize(12)
        painter.setFont(font)
        painter.setPen(theme.colour("text"))
        text = ", ".join(short(value) for value in self.place.values)
        below = QRectF(room.center().x() - 90, room.bottom() + 3, 180, 20)
        painter.drawText(below, int(Qt.AlignmentFlag.AlignCenter), text)
