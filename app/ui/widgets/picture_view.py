"""One picture, crisp at a whole zoom, with a window under the mouse."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDropEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PyQt6.QtWidgets import QSizePolicy, QWidget

from app.ui.theme import theme

__all__ = ["PictureView"]


class PictureView(QWidget):
    """Shows pixels (C, H, W), one channel or three.

    Signals
    -------
    pointed(object)
        Row and column under the mouse or chosen with the arrows, None when the mouse leaves.
    dropped(str)
        A file was dropped here.
    """

    pointed = pyqtSignal(object)
    dropped = pyqtSignal(str)

    def __init__(self, name: str, accessible_name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(accessible_name)
        self.setMouseTracking(True)
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(120, 120)
        self.empty_text = ""
        self.pixels: NDArray[np.uint8] | None = None
        self.place: tuple[int, int] | None = None
        self.window_size = 1
        self._buffer: NDArray[np.uint8] | None = None
        self._image = QImage()
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Qt: a fair share of the card."""
        return QSize(400, 400)

    def set_pixels(self, pixels: NDArray[np.uint8] | None) -> None:
        """Show pixels (1, H, W) or (3, H, W)."""
        self.pixels = pixels
        if pixels is not None:
            # QImage does not keep the array alive: we do.
            self._buffer = np.ascontiguousarray(np.moveaxis(pixels, 0, -1))
            height, width, channels = self._buffer.shape
            kind = QImage.Format.Format_RGB888 if channels == 3 else QImage.Format.Format_Grayscale8
            self._image = QImage(
                self._buffer.data,  # type: ignore[call-overload] # any buffer will do
                width,
                height,
                width * channels,
                kind,
            )
        self.update()

    def show_place(self, place: tuple[int, int] | None, size: int) -> None:
        """Frame the window of `size` pixels around a place."""
        if (place, size) != (self.place, self.window_size):
            self.place, self.window_size = place, size
            self.update()

    def _frame(self) -> tuple[float, float, float]:
        """Return left, top and zoom in logical pixels, on whole device pixels."""
        ratio = self.devicePixelRatioF()
        width, height = self._image.width(), self._image.height()
        room_x, room_y = self.width() * ratio, self.height() * ratio
        zoom = min(room_x / width, room_y / height)
        # Whole zooms are crisp; halves waste less of the room and are seldom seen.
        zoom = float(int(zoom)) if zoom >= 1 else zoom
        left, top = int((room_x - width * zoom) / 2), int((room_y - height * zoom) / 2)
        return left / ratio, top / ratio, zoom / ratio

    def place_at(self, position: QPointF) -> tuple[int, int] | None:
        """Return row and column at a point, None beside the picture."""
        if self.pixels is None:
            return None
        left, top, zoom = self._frame()
        row, column = int((position.y() - top) // zoom), int((position.x() - left) // zoom)
        inside = 0 <= row < self._image.height() and 0 <= column < self._image.width()
        return (row, column) if inside else None

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: the picture, the window."""
        painter = QPainter(self)
        if self.pixels is None:
            painter.setPen(theme.colour("quiet"))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect(), int(flags), self.empty_text)
            return
        left, top, zoom = self._frame()
        width, height = self._image.width() * zoom, self._image.height() * zoom
        painter.setRenderHint(
            QPainter.RenderHint.SmoothPixmapTransform, zoom * self.devicePixelRatioF() < 1
        )
        painter.drawImage(QRectF(left, top, width, height), self._image)
        if self.place is None:
            return
        half = self.window_size // 2
        row, column = self.place
        rect = QRectF(
            left + (column - half) * zoom,
            top + (row - half) * zoom,
            self.window_size * zoom,
            self.window_size * zoom,
        )
        spare = max(0.0, 8 - rect.width()) / 2
        # Two lines, dark and bright: one of them is seen on any picture.
        for colour, thick in ((QColor(Qt.GlobalColor.black), 3.0), (QColor("#6aa0ff"), 1.5)):
            pen = QPen(colour, thick)
            pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
            painter.setPen(pen)
            painter.drawRect(rect.adjusted(-spare, -spare, spare, spare))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Qt: the window follows the mouse."""
        assert event is not None
        self.pointed.emit(self.place_at(event.position()))

    def leaveEvent(self, event: QEvent | None) -> None:
        """Qt: the mouse is gone."""
        self.pointed.emit(None)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Qt: arrows move the window, so that the mouse is not needed."""
        assert event is not None
        moves = {
            Qt.Key.Key_Left: (0, -1),
            Qt.Key.Key_Right: (0, 1),
            Qt.Key.Key_Up: (-1, 0),
            Qt.Key.Key_Down: (1, 0),
        }
        key = Qt.Key(event.key())
        if key not in moves or self.pixels is None:
            super().keyPressEvent(event)
            return
        height, width = self._image.height(), self._image.width()
        row, column = self.place or (height // 2, width // 2)
        down, across = moves[key]
        self.pointed.emit(
            (min(max(row + down, 0), height - 1), min(max(column + across, 0), width - 1))
        )

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Qt: take a file."""
        assert event is not None
        mime = event.mimeData()
        if mime is not None and any(url.isLocalFile() for url in mime.urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Qt: hand the file on."""
        assert event is not None
        mime = event.mimeData()
        paths = [url.toLocalFile() for url in mime.urls() if url.isLocalFile()] if mime else []
        if paths:
            self.dropped.emit(paths[0])
