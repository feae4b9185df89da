"""What covers a part of the window that has nothing to show, and says why."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QLabel, QWidget

from app.ui.theme import theme

__all__ = ["Veil"]

OPAQUE = 0.88
# A little less than the frame of a card has.
RADIUS = 7


class Veil(QLabel):
    """Lies over a widget while there is a reason; what is below is dimmed and out of reach."""

    def __init__(self, below: QWidget) -> None:
        super().__init__(below)
        self.setObjectName(f"{below.objectName()}Veil")
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("quiet", True)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setMargin(12)
        self.hide()
        below.installEventFilter(self)

    def say(self, reason: str) -> None:
        """Cover what is below for a reason; an empty one uncovers it."""
        self.setText(reason)
        self._fit()
        self.setVisible(bool(reason))
        self.raise_()

    def _fit(self) -> None:
        below = self.parentWidget()
        assert below is not None
        self.setGeometry(below.rect())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Qt: keep as large as what is below."""
        if event is not None and event.type() == QEvent.Type.Resize:
            self._fit()
        return super().eventFilter(watched, event)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: a ground that lets little through, then the reason."""
        painter = QPainter(self)
        ground = theme.colour("card")
        ground.setAlphaF(OPAQUE)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ground)
        # The frame of what is below stays to be seen.
        painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), RADIUS, RADIUS)
        painter.end()
        super().paintEvent(event)
