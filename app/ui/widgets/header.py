"""The top of the window: a tab for each lab, what is open, and the two buttons for files."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QButtonGroup, QHBoxLayout, QMenu, QPushButton, QWidget

from app.ui.widgets.card import elided_label

__all__ = ["Header"]


class Header(QWidget):
    """Tabs, one line on the data, Open and Export.

    Signals
    -------
    lab_wanted(int)
        The place of a tab that was clicked.
    open_wanted(), export_wanted()

    Attributes
    ----------
    tabs : QButtonGroup
        By their places.
    info : QLabel
        What is open.
    """

    lab_wanted = pyqtSignal(int)
    open_wanted = pyqtSignal()
    export_wanted = pyqtSignal()

    def __init__(self, titles: Sequence[str]) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self.tabs = QButtonGroup(self)
        for place, title in enumerate(titles):
            tab = QPushButton(title)
            tab.setObjectName(f"tab{title}")
            tab.setProperty("tab", True)
            tab.setCheckable(True)
            # A ring around a tab is for the keyboard; a click has chosen it already.
            tab.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            tab.setToolTip(f"The {title} lab (Ctrl+{place + 1})")
            self.tabs.addButton(tab, place)
            row.addWidget(tab)
        self.tabs.idClicked.connect(self.lab_wanted)
        row.addStretch(1)
        self.info = elided_label("dataInfo")
        row.addWidget(self.info, 100)
        row.addSpacing(10)
        open_button = QPushButton("Open…")
        open_button.setObjectName("openButton")
        open_button.setToolTip("Open a file of patches (Ctrl+O), or drop one on the window")
        open_button.clicked.connect(lambda _: self.open_wanted.emit())
        self._export = QPushButton("Export…")
        self._export.setObjectName("exportButton")
        self._export.setToolTip("Take filters, curves and weights away as files")
        self._export.clicked.connect(lambda _: self.export_wanted.emit())
        row.addWidget(open_button)
        row.addWidget(self._export)

    def choose(self, place: int) -> None:
        """Show a tab as the chosen one."""
        button = self.tabs.button(place)
        if button is not None:
            button.setChecked(True)

    def show_exports(self, menu: QMenu) -> None:
        """Open a menu below the button, right edges in line: it stays inside the window."""
        corner = self._export.rect().bottomRight()
        corner.setX(corner.x() - menu.sizeHint().width())
        menu.popup(self._export.mapToGlobal(corner))
