"""Files that are dropped on the window, and what it shows while one is held over it."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QMimeData, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QDragEnterEvent, QDropEvent
from PyQt6.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

__all__ = ["DropOverlay"]


class DropOverlay(QFrame):
    """Covers the inside of a window with an invitation to let go.

    Signals
    -------
    dropped(str)
        The first of the files that were dropped.
    """

    dropped = pyqtSignal(str)

    def __init__(self, window: QWidget, inside: QWidget) -> None:
        super().__init__(inside)
        self.setObjectName("overlay")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        layout = QVBoxLayout(self)
        label = QLabel("Drop to open")
        label.setProperty("heading", True)
        label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(label)
        self.hide()
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Qt: something is dragged over the window."""
        if isinstance(event, QDragEnterEvent):
            # A drop is an event of its own kind; a move is accepted as its entrance was.
            if not _files(event.mimeData()):
                return False
            event.acceptProposedAction()
            self._cover()
            return True
        if event is not None and event.type() == QEvent.Type.DragLeave:
            self.hide()
        elif isinstance(event, QDropEvent) and event.type() == QEvent.Type.Drop:
            self.hide()
            files = _files(event.mimeData())
            if files:
                self.dropped.emit(files[0])
            return True
        return super().eventFilter(watched, event)

    def _cover(self) -> None:
        """Lie over the whole parent."""
        parent = self.parentWidget()
        assert parent is not None
        self.setGeometry(parent.rect().adjusted(12, 12, -12, -12))
        self.raise_()
        self.show()


def _files(mime: QMimeData | None) -> list[str]:
    """Return the files of this computer that are dragged."""
    urls = [] if mime is None else mime.urls()
    return [url.toLocalFile() for url in urls if url.isLocalFile()]
