"""Times side by side on a logarithmic axis: bars, milliseconds, and how many times faster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy, QWidget

from app.ui.theme import theme

__all__ = ["TimeBar", "TimeBars", "duration"]


@dataclass(frozen=True)
class TimeBar:
    """One bar: what it is, how long it took, what to say beside it, and its colour in the theme."""

    name: str
    seconds: float
    note: str = ""
    colour: str = "accent"


def duration(seconds: float) -> str:
    """Write a time with three figures and the unit that suits it."""
    if not math.isfinite(seconds) or seconds <= 0:
        return "–"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size or unit == "µs":
            value = seconds / size
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    raise AssertionError("unreachable")


def _decade(exponent: int) -> str:
    return duration(10.0**exponent)


class TimeBars(QWidget):
    """Draws the bars of one comparison."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName("Times of the same layer")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(200, 90)
        self.empty_text = ""
        self.bars: tuple[TimeBar, ...] = ()
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Qt: room for a few bars."""
        return QSize(400, 170)

    def set_bars(self, bars: Sequence[TimeBar]) -> None:
        """Show these bars; none shows `empty_text`."""
        self.bars = tuple(bar for bar in bars if math.isfinite(bar.seconds) and bar.seconds > 0)
        said = "; ".join(f"{bar.name} {duration(bar.seconds)} {bar.note}" for bar in self.bars)
        self.setAccessibleDescription(said)
        self.update()

    def ends(self) -> tuple[int, int]:
        """Return the powers of ten of seconds where the axis begins and ends."""
        logs = [math.log10(bar.seconds) for bar in self.bars]
        low = math.floor(min(logs) - 0.3)
        return low, max(math.ceil(max(logs)), low + 1)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: names at the left, bars, figures at their ends, decades below."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self.bars:
            painter.setPen(theme.colour("quiet"))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(20, 0, -20, 0), int(flags), self.empty_text)
            return
        font = painter.font()
        font.setPixelSize(12)
        painter.setFont(font)
        metrics = painter.fontMetrics()
        names = max(metrics.horizontalAdvance(bar.name) for bar in self.bars) + 12
        notes = max(
            metrics.horizontalAdvance(f"{duration(bar.seconds)}   {bar.note}") for bar in self.bars
        )
        foot = 20.0
        plot = QRectF(names, 2, self.width() - names - 2, self.height() - foot - 4)
        # Figures stand beyond the longest bar, so that none is covered or cut.
        reach = max(plot.width() - notes - 14, plot.width() * 0.25)
        low, high = self.ends()
        self._paint_axis(painter, plot, reach, low, high)
        row = plot.height() / len(self.bars)
        thick = min(row * 0.56, 26.0)
        for place, bar in enumerate(self.bars):
            middle = plot.top() + (place + 0.5) * row
            share = (math.log10(bar.seconds) - low) / (high - low)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.colour(bar.colour))
            painter.drawRoundedRect(
                QRectF(plot.left(), middle - thick / 2, max(share * reach, 2), thick), 2, 2
            )
            painter.setPen(theme.colour("text"))
            room = QRectF(0, middle - 10, names - 10, 20)
            flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(room, int(flags), bar.name)
            x = plot.left() + max(share * reach, 2) + 8
            time = duration(bar.seconds)
            painter.drawText(QPointF(x, middle + 4.5), time)
            painter.setPen(theme.colour("quiet"))
            painter.drawText(
                QPointF(x + metrics.horizontalAdvance(f"{time}   "), middle + 4.5), bar.note
            )

    def _paint_axis(
        self, painter: QPainter, plot: QRectF, reach: float, low: int, high: int
    ) -> None:
        painter.save()
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        metrics = painter.fontMetrics()
        every = max(1, math.ceil((high - low) * 52 / max(reach, 1)))
        for exponent in range(low, high + 1, every):
            x = plot.left() + (exponent - low) / (high - low) * reach
            painter.setPen(QPen(theme.colour("faint"), 1))
            painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()))
            text = _decade(exponent)
            width = metrics.horizontalAdvance(text)
            left = min(max(x - width / 2, 0.0), self.width() - width)
            painter.setPen(theme.colour("quiet"))
            painter.drawText(QPointF(left, self.height() - 5), text)
        painter.restore()
