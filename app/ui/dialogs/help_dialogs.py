"""What every key does, and what this program is."""

from __future__ import annotations

from PyQt6.QtCore import PYQT_VERSION_STR, QT_VERSION_STR, QSize, Qt
from PyQt6.QtGui import QAction, QKeySequence
from PyQt6.QtWidgets import QDialog, QGridLayout, QLabel, QVBoxLayout, QWidget

from app import __version__
from app.core import kernels
from app.ui.widgets.card import quiet_label

__all__ = ["AboutDialog", "ShortcutsDialog"]


class ShortcutsDialog(QDialog):
    """The keys, read from the actions themselves."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        grid = QGridLayout(self)
        grid.setContentsMargins(20, 16, 24, 18)
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(7)
        row = 0
        for action in parent.findChildren(QAction):
            keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            if keys and action.text():
                grid.addWidget(quiet_label(keys), row, 0)
                grid.addWidget(QLabel(action.text().rstrip("…")), row, 1)
                row += 1
        for keys, text in (("← → ↑ ↓", "Move between filters"), ("Tab", "Move between controls")):
            grid.addWidget(quiet_label(keys), row, 0)
            grid.addWidget(QLabel(text), row, 1)
            row += 1


class AboutDialog(QDialog):
    """Version, licence and what it runs on."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("About Filterscope")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(28, 22, 28, 22)
        layout.setSpacing(8)
        picture = QLabel()
        picture.setPixmap(parent.windowIcon().pixmap(QSize(72, 72)))
        picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(picture)
        title = QLabel(f"Filterscope {__version__}")
        title.setProperty("heading", True)
        title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(title)
        engine = "compiled kernels" if kernels.COMPILED else f"NumPy twins ({kernels.REASON})"
        for text in (
            "A desktop laboratory for seeing what small networks learn",
            f"{engine} · Qt {QT_VERSION_STR} · PyQt {PYQT_VERSION_STR}",
            "GPL-3.0-or-later, without any warranty",
        ):
            line = quiet_label(text)
            line.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(line)
