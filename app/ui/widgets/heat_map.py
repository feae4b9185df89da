"""The errors of a gradient, element by element, as a map: decades of error, kinks, the worst."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PyQt6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.core.error_map import LEAST_ERROR, Arrangement, Kind, arrange, kinds, place_of, shares
from app.core.nn.gradient_check import GradientCheck
from app.ui.theme import theme

__all__ = ["HeatLegend", "HeatMap", "element_text", "short_power"]

# Cells larger than this look like an error of the program.
MOST_ZOOM = 40
# Lines between cells, once cells are large enough to spare a pixel.
LINES_FROM = 9

SAID = {
    Kind.FINE: "",
    Kind.FAULT: "above the bound",
    Kind.KINK: "a kink within h: no fault",
    Kind.ROUNDING: "lost in rounding: no fault",
    Kind.UNSEEN: "not looked at",
}


def heat_colours() -> NDArray[np.uint8]:
    """Return the 256 colours of errors up to the bound, (256, 3), from unseen to bright."""
    low, high = theme.colour("faint"), theme.colour("warm")
    ends = np.array([[c.red(), c.green(), c.blue()] for c in (low, high)], np.float64)
    # A little bent, so that what comes near the bound draws the eye.
    share = np.linspace(0, 1, 256)[:, None] ** 1.3
    colours: NDArray[np.uint8] = np.rint(ends[0] + share * (ends[1] - ends[0])).astype(np.uint8)
    return colours


def kind_colour(kind: Kind) -> QColor:
    """Return the colour of an element that is not merely small or large."""
    if kind is Kind.UNSEEN:
        # Between the card and the least error: the tile is seen, and that nothing is known.
        card, faint = theme.colour("card"), theme.colour("faint")
        pairs = zip(card.getRgb()[:3], faint.getRgb()[:3], strict=True)
        return QColor(*(round(a + 0.4 * (b - a)) for a, b in pairs))
    names = {Kind.FAULT: "bad", Kind.KINK: "accent", Kind.ROUNDING: "quiet"}
    return theme.colour(names.get(kind, "card"))


def short_power(value: float) -> str:
    """Write 1.2e-8 where Python writes 1.2e-08."""
    mantissa, mark, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}" if mark and value else f"{value:g}"


def _number(value: float) -> str:
    return f"{value:.6g}".replace("-", "−", 1) if value < 0 else f"{value:.6g}"


def element_text(check: GradientCheck, index: tuple[int, ...]) -> str:
    """Name an element and say all that is known of it."""
    place = ", ".join(map(str, place_of(check, index)))
    analytic, numeric = (_number(float(one[index])) for one in (check.analytic, check.numeric))
    if not check.looked[index]:
        return f"{check.name}[{place}]   analytic {analytic}   not looked at"
    kind = SAID[Kind(int(kinds(check)[index]))]
    return (
        f"{check.name}[{place}]   analytic {analytic}   numeric {numeric}   "
        f"error {short_power(float(check.errors[index]))}{'   ' + kind if kind else ''}"
    )


class HeatMap(QWidget):
    """Shows one `GradientCheck`, a cell for each element, a tile for each filter and channel.

    Signals
    -------
    element_changed(object)
        The element under the mouse or chosen with the keyboard, as a tuple; None when the
        mouse leaves.
    """

    element_changed = pyqtSignal(object)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName("Errors of the gradient, element by element")
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(80, 50)
        self.empty_text = ""
        self.check: GradientCheck | None = None
        self.element: tuple[int, ...] | None = None
        self._arrangement: Arrangement | None = None
        self._image = QImage()
        self._pixels: NDArray[np.uint8] | None = None
        theme.changed.connect(self._rebuild)

    def sizeHint(self) -> QSize:
        """Qt: a fair share of the card."""
        return QSize(360, 200)

    @property
    def pixels(self) -> NDArray[np.uint8] | None:
        """One pixel a cell, (H, W, 3), as an export would write it."""
        return self._pixels

    def set_check(self, check: GradientCheck | None) -> None:
        """Show another gradient; None shows `empty_text`."""
        self.check = check
        self.element = None
        self._rebuild()

    def _rebuild(self) -> None:
        if self.check is None or not self.check.errors.size:
            self._arrangement = self._pixels = None
            self.update()
            return
        check = self.check
        self._arrangement = arrange(check.errors.shape, self.width(), self.height())
        said = kinds(check)
        levels = np.rint(shares(check.errors, check.bound) * 255).astype(np.uint8)
        cells = heat_colours()[self._arrangement.picture(levels, 0)]
        kind_cells = self._arrangement.picture(said, 255)
        for kind in (Kind.FAULT, Kind.KINK, Kind.ROUNDING, Kind.UNSEEN):
            colour = kind_colour(kind)
            cells[kind_cells == kind] = (colour.red(), colour.green(), colour.blue())
        card = theme.colour("card")
        cells[kind_cells == 255] = (card.red(), card.green(), card.blue())
        # QImage does not keep the array alive: we do.
        self._pixels = np.ascontiguousarray(cells)
        height, width = cells.shape[:2]
        self._image = QImage(
            self._pixels.data,  # type: ignore[call-overload] # any buffer will do
            width,
            height,
            width * 3,
            QImage.Format.Format_RGB888,
        )
        self.update()

    def _place(self) -> tuple[float, float, float]:
        """Return left, top and zoom in logical pixels, on whole device pixels."""
        ratio = self.devicePixelRatioF()
        rows, columns = self._image.height(), self._image.width()
        room_x, room_y = (self.width() - 4) * ratio, (self.height() - 4) * ratio
        zoom = min(room_x / columns, room_y / rows, MOST_ZOOM * ratio)
        zoom = float(int(zoom)) if zoom >= 1 else zoom
        left, top = int((room_x - columns * zoom) / 2), int((room_y - rows * zoom) / 2)
        return left / ratio + 2, top / ratio + 2, zoom / ratio

    def cell_rect(self, index: tuple[int, ...]) -> QRectF:
        """Return where an element is drawn, in logical pixels."""
        assert self._arrangement is not None
        left, top, zoom = self._place()
        row, column = self._arrangement.cell(index)
        return QRectF(left + column * zoom, top + row * zoom, zoom, zoom)

    def element_at(self, position: QPointF) -> tuple[int, ...] | None:
        """Return the element at a point."""
        if self._arrangement is None:
            return None
        left, top, zoom = self._place()
        row, column = (position.y() - top) // zoom, (position.x() - left) // zoom
        return self._arrangement.index(int(row), int(column))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: cells, lines between them, the worst and the one in question."""
        painter = QPainter(self)
        if self._arrangement is None or self.check is None:
            painter.setPen(theme.colour("quiet"))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(20, 0, -20, 0), int(flags), self.empty_text)
            return
        left, top, zoom = self._place()
        rows, columns = self._image.height(), self._image.width()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, zoom < 1)
        painter.drawImage(QRectF(left, top, columns * zoom, rows * zoom), self._image)
        if zoom >= LINES_FROM:
            painter.setPen(QPen(theme.colour("card"), 1))
            for column in range(columns + 1):
                x = left + column * zoom
                painter.drawLine(QPointF(x, top), QPointF(x, top + rows * zoom))
            for row in range(rows + 1):
                y = top + row * zoom
                painter.drawLine(QPointF(left, y), QPointF(left + columns * zoom, y))
        if self.check.worst:
            self._frame(painter, self.check.worst, theme.colour("text"), 2.0)
        if self.element is not None and self.element != self.check.worst:
            self._frame(painter, self.element, theme.colour("accent"), 2.0)

    def _frame(
        self, painter: QPainter, index: tuple[int, ...], colour: QColor, width: float
    ) -> None:
        pen = QPen(colour, width)
        pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        # A cell of less than a pixel still gets a frame that is seen.
        rect = self.cell_rect(index)
        spare = max(0.0, 5 - rect.width()) / 2
        painter.drawRect(rect.adjusted(-spare, -spare, spare, spare))

    def choose(self, index: tuple[int, ...] | None) -> None:
        """Ask about another element."""
        if index != self.element:
            self.element = index
            self.element_changed.emit(index)
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Qt: the element under the mouse is the one in question."""
        assert event is not None
        self.choose(self.element_at(event.position()))

    def leaveEvent(self, event: QEvent | None) -> None:
        """Qt: the mouse is gone."""
        self.choose(None)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Qt: arrows go from cell to cell, so that the mouse is not needed."""
        assert event is not None
        moves = {
            Qt.Key.Key_Left: (0, -1),
            Qt.Key.Key_Right: (0, 1),
            Qt.Key.Key_Up: (-1, 0),
            Qt.Key.Key_Down: (1, 0),
        }
        key = Qt.Key(event.key())
        if key not in moves or self._arrangement is None or self.check is None:
            super().keyPressEvent(event)
            return
        row, column = self._arrangement.cell(self.element or self.check.worst)
        # A gap between tiles is stepped over.
        for steps in (1, 2):
            down, across = moves[key]
            found = self._arrangement.index(row + down * steps, column + across * steps)
            if found is not None:
                self.choose(found)
                return

    def event(self, event: QEvent | None) -> bool:
        """Qt: a tooltip names the element under the mouse."""
        if event is not None and event.type() == QEvent.Type.ToolTip and self.check is not None:
            index = self.element_at(QPointF(event.pos()))  # type: ignore[attr-defined]
            if index is None:
                QToolTip.hideText()
            else:
                text = element_text(self.check, index).replace("   ", "\n")
                QToolTip.showText(event.globalPos(), text, self)  # type: ignore[attr-defined]
            return True
        return super().event(event)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Qt: another arrangement may fit better."""
        self._rebuild()
        super().resizeEvent(event)


class HeatLegend(QWidget):
    """What the colours of a heat map mean: a ruler of decades, and what is no fault."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("heatLegend")
        self.setAccessibleName("What the colours mean")
        self.setToolTip(
            "Colours are decades of the relative error. Red is above the bound and without an "
            "excuse.\nAt a kink (ReLU at 0, equal values in a pool) the function has two slopes, "
            "and central differences mix them.\nThe white or black frame is the worst element."
        )
        self.setFixedHeight(26)
        self.bound = 1e-6
        self.shown: tuple[Kind, ...] = ()
        theme.changed.connect(self.update)

    def set_check(self, check: GradientCheck | None) -> None:
        """Explain the colours of this check."""
        if check is not None:
            self.bound = check.bound
            present = set(np.unique(kinds(check)).tolist())
            order = (Kind.FAULT, Kind.KINK, Kind.ROUNDING)
            self.shown = tuple(kind for kind in order if kind in present)
        self.setVisible(check is not None)
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: the ruler on the left, the kinds on the right."""
        painter = QPainter(self)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        metrics = painter.fontMetrics()
        words = {Kind.FAULT: "fault", Kind.KINK: "kink", Kind.ROUNDING: "rounding"}
        right = float(self.width())
        for kind in reversed(self.shown):
            right -= metrics.horizontalAdvance(words[kind])
            painter.setPen(theme.colour("quiet"))
            painter.drawText(QPointF(right, 12), words[kind])
            right -= 14
            painter.fillRect(QRectF(right, 4, 9, 9), kind_colour(kind))
            right -= 10
        width = min(max(right - 8, 60.0), 320.0)
        bar = QRectF(0, 3, width, 9)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        colours = heat_colours()
        for place in range(0, 256, 15):
            red, green, blue = (int(level) for level in colours[place])
            gradient.setColorAt(place / 255, QColor(red, green, blue))
        painter.fillRect(bar, gradient)
        painter.setPen(theme.colour("quiet"))
        low, high = np.log10(LEAST_ERROR), np.log10(self.bound)
        every = 3 if width > 150 else 6
        last = -1.0
        for exponent in range(int(low), int(np.ceil(high)), every):
            x = (exponent - low) / (high - low) * width
            text = f"1e{exponent}" if exponent else "1"
            if x + metrics.horizontalAdvance(text) > width - 64 or x < last:
                break
            painter.drawText(QPointF(x, 24), text)
            last = x + metrics.horizontalAdvance(text) + 6
        text = f"bound {short_power(self.bound)}"
        painter.drawText(QPointF(width - metrics.horizontalAdvance(text), 24), text)
