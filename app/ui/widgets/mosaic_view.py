"""Pictures of many small tiles as one crisp image: whole device pixels, nearest neighbour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PyQt6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.core.mosaic import Mosaic, fitting, interleaved, mosaic
from app.ui.theme import theme
from app.ui.widgets.mosaic_marks import paint_band_names, paint_frames, paint_tag

__all__ = ["MosaicView"]

# How much of a dimmed tile is covered, of 255.
VEIL = 170


class MosaicView(QWidget):
    """Shows tiles in a grid that fills the widget at the largest whole zoom.

    Tiles keep their order, so that a cell stays the same unit while it trains. With bands
    (input, reconstruction, residual), tile i of every band stands below tile i of the first.

    Parameters
    ----------
    name : str
        Object name.
    describe : callable, optional
        Returns the line of text for tile ``index``; shown when the mouse rests on it.
    label : str, optional
        What it shows, for those who hear the window.

    Signals
    -------
    tile_clicked(int), tile_hovered(int)
        Index of the tile within its band; hovering emits −1 when the mouse leaves.
    """

    tile_clicked = pyqtSignal(int)
    tile_hovered = pyqtSignal(int)

    def __init__(
        self, name: str, describe: Callable[[int], str] | None = None, label: str = ""
    ) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(label or name)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(60, 60)
        self.describe = describe
        self.scale = "own"
        self.empty_text = ""
        self.selected: int | None = None
        self.band_names: tuple[str, ...] = ()
        self._bands: NDArray[Any] | None = None
        self._frames: dict[int, str] = {}
        self._dimmed: frozenset[int] = frozenset()
        self._tag: tuple[int, str] | None = None
        self._mosaic: Mosaic | None = None
        self._image = QImage()
        self._buffer: NDArray[np.uint8] | None = None
        self._hovered = -1
        self._shown = 0
        theme.changed.connect(self._rebuild)

    def sizeHint(self) -> QSize:
        """Qt: a fair share of the card."""
        return QSize(320, 320)

    @property
    def mosaic(self) -> Mosaic | None:
        """What is on the screen, as an export would write it."""
        return self._mosaic

    @property
    def count(self) -> int:
        """Number of tiles in a band."""
        return 0 if self._bands is None else min(self._shown, self._bands.shape[1])

    def set_tiles(self, tiles: NDArray[Any] | None) -> None:
        """Show ``tiles`` (n, C, h, w) or (n, h, w); None or no tiles shows `empty_text`."""
        self.set_bands(None if tiles is None else [tiles])

    def set_bands(self, bands: Sequence[NDArray[Any]] | None, names: Sequence[str] = ()) -> None:
        """Show bands of equally many tiles, interleaved row by row."""
        self.band_names = tuple(names)
        self._bands = None if not bands or len(bands[0]) == 0 else np.stack(list(bands))
        self._rebuild()
        if self.selected is not None and self.selected >= self.count:
            self.selected = None

    def set_scale(self, scale: str) -> None:
        """Choose how values become grey levels: own, common, diverging or unit."""
        self.scale = scale
        self._rebuild()

    def set_frames(self, frames: dict[int, str]) -> None:
        """Frame tiles in the named theme colour, ``{index: colour name}``."""
        if frames != self._frames:
            self._frames = frames
            self.update()

    def dim(self, tiles: Iterable[int]) -> None:
        """Draw these tiles faintly: they stand aside."""
        dimmed = frozenset(tiles)
        if dimmed != self._dimmed:
            self._dimmed = dimmed
            self.update()

    def tag(self, index: int | None, text: str = "") -> None:
        """Write a few letters at a tile, until another is tagged; None tags none."""
        tag = None if index is None else (index, text)
        if tag != self._tag:
            self._tag = tag
            self.update()

    def select(self, index: int | None) -> None:
        """Draw a frame around tile `index`."""
        self.selected = index
        self.update()

    def _margin(self) -> int:
        return 56 if self.band_names else 0

    def _rebuild(self) -> None:
        if self._bands is None:
            self._mosaic = None
            self.update()
            return
        bands, count, *_, height, width = self._bands.shape
        ratio = self.devicePixelRatioF()
        room = max(1.0, self.height() * ratio), max(1.0, (self.width() - self._margin()) * ratio)
        columns, self._shown = fitting((height, width), count, room, bands)
        tiles = interleaved(self._bands[:, : self._shown], columns)
        background = theme.colour("card")
        level = (background.red(), background.green(), background.blue())
        self._mosaic = mosaic(tiles, columns=columns, scale=self.scale, background=level)  # type: ignore[arg-type]
        pixels = self._mosaic.pixels
        # QImage does not keep the array alive: we do.
        self._buffer = pixels
        height, width = pixels.shape[:2]
        kind = QImage.Format.Format_RGB888 if pixels.ndim == 3 else QImage.Format.Format_Grayscale8
        self._image = QImage(
            pixels.data,  # type: ignore[call-overload] # any buffer will do
            width,
            height,
            pixels.strides[0],
            kind,
        )
        self.update()

    def _place(self) -> tuple[float, float, float]:
        """Return left, top and zoom of the image in logical pixels, on whole device pixels."""
        ratio = self.devicePixelRatioF()
        width, height = self._image.width(), self._image.height()
        margin = self._margin() * ratio
        room_x, room_y = self.width() * ratio - margin, self.height() * ratio
        zoom = min(room_x / width, room_y / height)
        zoom = float(int(zoom)) if zoom >= 1 else zoom
        left = int((room_x - width * zoom) / 2 + margin)
        top = int((room_y - height * zoom) / 2)
        return left / ratio, top / ratio, zoom / ratio

    def _raw_index(self, index: int, band: int) -> int:
        """Position in the mosaic of tile `index` of `band`."""
        assert self._mosaic is not None
        assert self._bands is not None
        if len(self._bands) == 1:
            return index
        columns = self._mosaic.columns
        block, column = divmod(index, columns)
        return (block * len(self._bands) + band) * columns + column

    def tile_rect(self, index: int, band: int = 0) -> QRectF:
        """Return where tile `index` stands, in logical pixels."""
        assert self._mosaic is not None
        left, top, zoom = self._place()
        x, y, width, height = self._mosaic.rectangle(self._raw_index(index, band))
        return QRectF(left + x * zoom, top + y * zoom, width * zoom, height * zoom)

    def tile_at(self, position: QPointF) -> int:
        """Return the index of the tile at a point, or −1."""
        if self._mosaic is None or self._bands is None:
            return -1
        left, top, zoom = self._place()
        raw = self._mosaic.tile_at(
            int((position.x() - left) // zoom), int((position.y() - top) // zoom)
        )
        if raw is None:
            return -1
        if len(self._bands) == 1:
            return raw if raw < self.count else -1
        row, column = divmod(raw, self._mosaic.columns)
        return (row // len(self._bands)) * self._mosaic.columns + column

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: draw the image, then frames and row names."""
        painter = QPainter(self)
        if self._mosaic is None or self._bands is None:
            painter.setPen(theme.colour("quiet"))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect(), int(flags), self.empty_text)
            return
        left, top, zoom = self._place()
        target = QRectF(left, top, self._image.width() * zoom, self._image.height() * zoom)
        ratio = self.devicePixelRatioF()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, zoom * ratio < 1)
        painter.drawImage(target, self._image)
        veil = theme.colour("card")
        veil.setAlpha(VEIL)
        for index in self._dimmed:
            if index < self.count:
                for band in range(len(self._bands)):
                    painter.fillRect(self.tile_rect(index, band), veil)
        # No wider than its half of the gap, so that it is seen whose frame it is.
        width = min(2.0, max(1.0, zoom / 2))
        framed = [(index, colour, width) for index, colour in self._frames.items()]
        if self._hovered >= 0:
            framed.append((self._hovered, "quiet", 1.5))
        if self.selected is not None:
            framed.append((self.selected, "accent", 3.0))
        for index, colour, thick in framed:
            if index < self.count:
                rects = [self.tile_rect(index, band) for band in range(len(self._bands))]
                paint_frames(painter, rects, colour, thick)
        if self.band_names:
            firsts = range(0, self.count - self._mosaic.columns + 1, self._mosaic.columns)
            rows = [
                (name, self.tile_rect(first, band))
                for first in firsts
                for band, name in enumerate(self.band_names)
            ]
            paint_band_names(painter, rows, left)
        if self._tag is not None and self._tag[0] < self.count:
            paint_tag(painter, self.tile_rect(self._tag[0]), self._tag[1], self.rect())
        if self.hasFocus() and self.selected is None:
            painter.setPen(QPen(theme.colour("accent"), 1, Qt.PenStyle.DotLine))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _hover(self, index: int) -> None:
        if index != self._hovered:
            self._hovered = index
            self.tile_hovered.emit(index)
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Qt: name the tile under the mouse."""
        assert event is not None
        self._hover(self.tile_at(event.position()))

    def leaveEvent(self, event: QEvent | None) -> None:
        """Qt: the mouse is gone."""
        self._hover(-1)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Qt: choose a tile."""
        assert event is not None
        index = self.tile_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and index >= 0:
            self.select(index)
            self.tile_clicked.emit(index)

    def event(self, event: QEvent | None) -> bool:
        """Qt: answer tooltips with the line for the tile under the mouse."""
        if event is not None and event.type() == QEvent.Type.ToolTip and self.describe is not None:
            index = self.tile_at(QPointF(event.pos()))  # type: ignore[attr-defined]
            text = self.describe(index) if index >= 0 else ""
            if text:
                QToolTip.showText(event.globalPos(), text, self)  # type: ignore[attr-defined]
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Qt: arrows move the choice, so that the mouse is not needed."""
        assert event is not None
        moves = {
            Qt.Key.Key_Left: -1,
            Qt.Key.Key_Right: 1,
            Qt.Key.Key_Up: -(self._mosaic.columns if self._mosaic else 1),
            Qt.Key.Key_Down: self._mosaic.columns if self._mosaic else 1,
        }
        key = Qt.Key(event.key())
        if key in moves and self.count:
            index = 0 if self.selected is None else self.selected + moves[key]
            if 0 <= index < self.count:
                self.select(index)
                self.tile_clicked.emit(index)
            return
        super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Qt: the best number of columns may have changed."""
        self._rebuild()
        super().resizeEvent(event)
