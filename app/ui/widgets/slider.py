"""A slider that a page can be scrolled over, with good values marked."""

from __future__ import annotations

from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QMouseEvent, QPainter, QPaintEvent, QWheelEvent
from PyQt6.QtWidgets import QSlider, QStyle, QStyleOptionSlider

from app.core.params import SLIDER_POSITIONS
from app.ui.theme import theme

__all__ = ["Slider"]

# Pixels of a slider's handle, as the theme's style sheet has them.
HANDLE = 14


class Slider(QSlider):
    """A slider that jumps to a click and leaves the mouse wheel to the page."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(0, SLIDER_POSITIONS)
        self.setSingleStep(5)
        self.setPageStep(50)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.band: tuple[int, int] | None = None

    def set_band(self, band: tuple[int, int] | None) -> None:
        """Mark the positions between two as good ones; None marks none."""
        self.band = band
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: the slider, and a thin line below its groove where the band is."""
        super().paintEvent(event)
        if self.band is None:
            return
        low, high = (
            QStyle.sliderPositionFromValue(
                0, SLIDER_POSITIONS, position, max(1, self.width() - HANDLE)
            )
            for position in self.band
        )
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        colour = theme.colour("good")
        colour.setAlphaF(1.0 if self.isEnabled() else 0.4)
        painter.setBrush(colour)
        # As long as the handle's middle may go; at least as long as can be seen.
        left, length = low + HANDLE / 2, max(4, high - low)
        painter.drawRoundedRect(QRectF(left, self.height() - 3.0, length, 3.0), 1.5, 1.5)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Qt: a click on the groove puts the handle there."""
        assert event is not None
        if event.button() == Qt.MouseButton.LeftButton:
            option = QStyleOptionSlider()
            self.initStyleOption(option)
            x = int(event.position().x()) - HANDLE // 2
            position = QStyle.sliderValueFromPosition(
                0, SLIDER_POSITIONS, x, max(1, self.width() - HANDLE)
            )
            self.setSliderPosition(position)
        super().mousePressEvent(event)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Qt: scrolling the form must not change a value."""
        assert event is not None
        event.ignore()
