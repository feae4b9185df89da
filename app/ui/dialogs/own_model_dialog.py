"""Asks, in plain words, whether a person's own program may run."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from app.core.own_model.file import ModelFile
from app.ui.widgets.card import quiet_label

__all__ = ["OwnModelDialog"]

WARNING = "This file is a program. It will run with your rights on this computer."
MORE = (
    "It could read, change or delete whatever you can, and use the network. "
    "Run it only if you know where it comes from."
)


class OwnModelDialog(QDialog):
    """The path of a file, what running it means, and two buttons; Cancel is the usual one."""

    def __init__(self, model: ModelFile, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Run a network of your own?")
        self.setMinimumWidth(460)
        layout = QVBoxLayout(self)
        layout.setSpacing(12)
        layout.setContentsMargins(18, 16, 18, 16)
        title = QLabel(WARNING)
        title.setProperty("heading", True)
        path = QLabel(
            "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in model.text)
        )
        path.setObjectName("ownModelPath")
        for label in (title, path):
            # A path may hold what looks like markup.
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            layout.addWidget(label)
        more = quiet_label(MORE)
        more.setWordWrap(True)
        layout.addWidget(more)
        buttons = QDialogButtonBox()
        run = buttons.addButton("Run", QDialogButtonBox.ButtonRole.AcceptRole)
        assert run is not None
        run.setObjectName("ownModelRun")
        run.setAutoDefault(False)
        cancel = buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        assert cancel is not None
        cancel.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout.addWidget(buttons)
        cancel.setFocus()
