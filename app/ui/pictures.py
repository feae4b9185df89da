"""Plots as picture files: drawn by Qt into bytes, which the storage seam then writes."""

from __future__ import annotations

from PyQt6.QtCore import QBuffer, QByteArray, QIODevice, QRectF, QSize
from PyQt6.QtGui import QImage, QPainter
from PyQt6.QtSvg import QSvgGenerator
from PyQt6.QtWidgets import QWidget

from app.ui.theme import theme

__all__ = ["widget_png", "widget_svg"]


def widget_png(widget: QWidget, scale: int = 2, text: dict[str, str] | None = None) -> bytes:
    """Return a PNG of `widget` at `scale` pixels a logical pixel, whatever the screen has."""
    size = widget.size()
    image = QImage(size * scale, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(scale)
    image.fill(theme.colour("card"))
    for key, value in (text or {}).items():
        image.setText(key, value)
    painter = QPainter(image)
    widget.render(painter)
    painter.end()
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    buffer.close()
    return bytes(data.data())


def widget_svg(widget: QWidget, title: str) -> bytes:
    """Return an SVG drawing of `widget`."""
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    size = QSize(widget.width(), widget.height())
    generator.setSize(size)
    generator.setViewBox(QRectF(0, 0, size.width(), size.height()))
    generator.setTitle(title)
    painter = QPainter(generator)
    painter.fillRect(0, 0, size.width(), size.height(), theme.colour("card"))
    widget.render(painter)
    painter.end()
    buffer.close()
    return bytes(data.data())
