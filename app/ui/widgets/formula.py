"""Formulas as text, with the one sign that fonts draw badly: ρ with a hat."""

from __future__ import annotations

from PyQt6.QtCore import QPointF, QSize, Qt
from PyQt6.QtGui import QFontMetricsF, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QSizePolicy, QWidget

from app.ui.theme import theme

__all__ = ["FormulaLabel"]

HAT = "\u0302"


class FormulaLabel(QWidget):
    """Lines of text in which a combining hat is drawn over the letter before it.

    Many fonts put the hat beside the letter, or on another line.
    """

    def __init__(self, name: str, text: str = "") -> None:
        super().__init__()
        self.setObjectName(name)
        self._lines: list[str] = []
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.update)
        self.set_text(text)

    def set_text(self, text: str) -> None:
        """Show `text`, a line a line."""
        lines = text.split("\n")
        if lines == self._lines:
            return
        grew = len(lines) != len(self._lines)
        self._lines = lines
        self.setAccessibleName(text)
        if grew:
            self.updateGeometry()
        self.update()

    def _metrics(self) -> QFontMetricsF:
        font = self.font()
        font.setPixelSize(12)
        self.setFont(font)
        return QFontMetricsF(font)

    def sizeHint(self) -> QSize:
        """Qt: as high as its lines."""
        return QSize(100, round(self._metrics().lineSpacing() * len(self._lines)) + 2)

    def minimumSizeHint(self) -> QSize:
        """Qt: as high as its lines."""
        return QSize(20, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: draw the lines; one that is too long ends in dots."""
        metrics = self._metrics()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = theme.colour("quiet")
        y = metrics.ascent()
        for line in self._lines:
            x = 0.0
            if metrics.horizontalAdvance(line.replace(HAT, "")) > self.width():
                line = metrics.elidedText(line, Qt.TextElideMode.ElideRight, self.width())
            for number, part in enumerate(line.split(HAT)):
                if number:
                    self._hat(painter, x, y, metrics)
                painter.setPen(colour)
                painter.drawText(QPointF(x, y), part)
                x += metrics.horizontalAdvance(part)
            y += metrics.lineSpacing()

    @staticmethod
    def _hat(painter: QPainter, x: float, y: float, metrics: QFontMetricsF) -> None:
        """Draw a hat over the letter that ends at `x`."""
        width = metrics.horizontalAdvance("ρ")
        centre, top = x - width / 2 + 0.4, y - metrics.xHeight() - 3.4
        painter.setPen(QPen(theme.colour("quiet"), 1.1))
        painter.drawPolyline(
            QPolygonF(
                [
                    QPointF(centre - 2.4, top + 2),
                    QPointF(centre, top),
                    QPointF(centre + 2.4, top + 2),
                ]
            )
        )
