"""Asks which data set of a file is meant when several could be."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QDialog,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.core.data.reader import FileReport
from app.ui.data_session import DataRequest
from app.ui.dialogs.buttons import open_or_cancel

__all__ = ["DatasetDialog"]


class DatasetDialog(QDialog):
    """A list of the data sets of a file; those that are refused say why."""

    def __init__(self, report: FileReport, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Which data set?")
        self.resize(560, 320)
        self._path = Path(report.path)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 16)
        layout.setSpacing(12)
        title = QLabel(f"{self._path.name} holds several data sets that could be patches.")
        title.setTextFormat(Qt.TextFormat.PlainText)
        title.setWordWrap(True)
        layout.addWidget(title)
        self.list = QListWidget()
        self.list.setObjectName("datasets")
        for found in report.datasets:
            shape = " × ".join(str(n) for n in found.shape)
            text = f"{found.path}    {shape}  {found.dtype}"
            item = QListWidgetItem(text if found.refused is None else f"{text}\n{found.refused}")
            item.setData(Qt.ItemDataRole.UserRole, found.path)
            if found.refused is not None:
                item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addItem(item)
        for row in range(self.list.count()):
            item_at = self.list.item(row)
            if item_at is not None and item_at.flags() & Qt.ItemFlag.ItemIsEnabled:
                self.list.setCurrentRow(row)
                break
        self.list.itemDoubleClicked.connect(self.accept)
        layout.addWidget(self.list)
        layout.addWidget(open_or_cancel(self))

    def request(self) -> DataRequest:
        """Return the file with the chosen data set."""
        item = self.list.currentItem()
        name = None if item is None else item.data(Qt.ItemDataRole.UserRole)
        return DataRequest(self._path, dataset=name)
