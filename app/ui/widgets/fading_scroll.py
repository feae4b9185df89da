"""A column that scrolls, and shows at its lower edge that there is more."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import QFrame, QScrollArea, QWidget

from app.ui.theme import theme

__all__ = ["FadingScroll"]

FADE = 28


class _Fade(QWidget):
    """The lower edge, running into the colour of the card."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: from nothing to the card's colour."""
        solid = theme.colour("card")
        clear = QColor(solid)
        clear.setAlpha(0)
        gradient = QLinearGradient(0, 0, 0, self.height())
        gradient.setColorAt(0, clear)
        gradient.setColorAt(1, solid)
        QPainter(self).fillRect(self.rect(), gradient)


class FadingScroll(QScrollArea):
    """Scrolls `content` up and down."""

    def __init__(self, name: str, content: QWidget) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(content)
        self._fade = _Fade(self)
        bar = self.verticalScrollBar()
        assert bar is not None
        bar.valueChanged.connect(self._place)
        bar.rangeChanged.connect(self._place)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Qt: the fade stays at the lower edge."""
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        bar, view = self.verticalScrollBar(), self.viewport()
        assert bar is not None
        assert view is not None
        self._fade.setGeometry(0, view.height() - FADE, view.width(), FADE)
        self._fade.setVisible(bar.value() < bar.maximum())
        self._fade.raise_()
