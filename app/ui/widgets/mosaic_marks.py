"""What is drawn over a mosaic: frames around tiles, names beside rows, a tag at one tile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PyQt6.QtCore import QRect, QRectF, Qt
from PyQt6.QtGui import QPainter, QPen

from app.ui.theme import theme

__all__ = ["paint_band_names", "paint_frames", "paint_tag"]

# Rows that are less high, in pixels, have no names.
LEAST_ROW = 12


def paint_frames(painter: QPainter, tiles: Iterable[QRectF], colour: str, width: float) -> None:
    """Draw a line of a theme's colour around each of these tiles."""
    pen = QPen(theme.colour(colour), width, Qt.PenStyle.SolidLine)
    pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    half = width / 2
    for tile in tiles:
        painter.drawRect(tile.adjusted(-half, -half, half, half))


def paint_tag(painter: QPainter, tile: QRectF, text: str, room: QRect) -> None:
    """Write a few letters above a tile, or below it where there is no room."""
    font = painter.font()
    font.setPixelSize(12)
    painter.setFont(font)
    metrics = painter.fontMetrics()
    width, height = metrics.horizontalAdvance(text) + 12.0, metrics.height() + 4.0
    top = tile.top() - height - 4
    if top < 0:
        top = min(tile.bottom() + 4, room.height() - height)
    left = min(max(0.0, tile.center().x() - width / 2), room.width() - width)
    box = QRectF(left, top, width, height)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.colour("accent"))
    painter.drawRoundedRect(box, 4, 4)
    painter.setPen(theme.colour("accent_text"))
    painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)


def paint_band_names(painter: QPainter, rows: Sequence[tuple[str, QRectF]], left: float) -> None:
    """Write names at the left of rows, each with the first tile of its row."""
    font = painter.font()
    font.setPixelSize(11)
    painter.setFont(font)
    painter.setPen(theme.colour("quiet"))
    for name, tile in rows:
        if tile.height() < LEAST_ROW:
            return
        room = QRectF(left - 60, tile.top(), 54, tile.height())
        flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(room, int(flags), name)
