"""Which images a network learns from: where they come from, how they are divided and prepared."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QFrame,
    QGridLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.core.words import grouped
from app.ui.image_session import ImageSession
from app.ui.param_form import ParamForm
from app.ui.widgets.card import quiet_label

__all__ = ["ImagesPage"]

BUTTONS = (
    (
        "imagesFile",
        "File…",
        "CIFAR-10 (a batch, or its archive), HDF5 or .npz with images and labels",
    ),
    (
        "imagesFolder",
        "Folder…",
        "A folder of CIFAR-10, or one with a folder of images for each class",
    ),
    ("imagesDrawn", "Drawn shapes", "Ten classes of shapes on natural patches; they need no file"),
    ("imagesDownload", "CIFAR-10", "60 000 photographs of ten classes; 170 MB are downloaded once"),
)


class ImagesPage(QWidget):
    """Where images come from, and every choice about them.

    Signals
    -------
    file_clicked(), folder_clicked(), drawn_clicked(), download_clicked()
        Which other images the person wants.
    spec_changed(object)
        Another `ImageSpec`.
    """

    file_clicked = pyqtSignal()
    folder_clicked = pyqtSignal()
    drawn_clicked = pyqtSignal()
    download_clicked = pyqtSignal()
    spec_changed = pyqtSignal(object)

    def __init__(self, session: ImageSession) -> None:
        super().__init__()
        self.setObjectName("imagesPage")
        self.session = session
        session.working.connect(self._on_working)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        grid = QGridLayout()
        grid.setSpacing(6)
        signals = (
            self.file_clicked,
            self.folder_clicked,
            self.drawn_clicked,
            self.download_clicked,
        )
        self.buttons: list[QPushButton] = []
        self.cancel = QPushButton("Cancel")
        self.cancel.setObjectName("imagesCancel")
        self.cancel.setToolTip("Give up reading or downloading; what was open stays")
        self.cancel.setAccessibleName("Cancel")
        self.cancel.clicked.connect(session.cancel)
        self.cancel.hide()
        for place, ((name, text, tip), signal) in enumerate(zip(BUTTONS, signals, strict=True)):
            button = QPushButton(text)
            button.setObjectName(name)
            button.setToolTip(tip)
            button.setAccessibleName(text)
            button.setAccessibleDescription(tip)
            button.clicked.connect(signal)
            grid.addWidget(button, place // 2, place % 2)
            self.buttons.append(button)
        layout.addLayout(grid)
        layout.addWidget(self.cancel)
        self.source = QLabel()
        self.source.setObjectName("imagesSource")
        self.source.setTextFormat(Qt.TextFormat.PlainText)
        self.source.setProperty("heading", True)
        self.source.setWordWrap(True)
        self.counts = quiet_label(name="imagesCounts")
        self.counts.setWordWrap(True)
        layout.addWidget(self.source)
        layout.addWidget(self.counts)
        self.form = ParamForm(session.spec, ("train_count", "validation_count", "crop"))
        self.form.changed.connect(self.spec_changed)
        scroll = QScrollArea()
        scroll.setObjectName("imagesScroll")
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.form)
        column.addStretch(1)
        scroll.setWidget(inside)
        layout.addWidget(scroll, 1)

    def _on_working(self, text: str) -> None:
        self.cancel.setText(f"Cancel {text[:1].lower()}{text[1:]}")
        self.cancel.setVisible(bool(text))

    def refresh(self) -> None:
        """Say what is open."""
        images, fitted, request = self.session.images, self.session.fitted, self.session.request
        if images is None or request is None:
            self.source.setText("No images are open")
            self.counts.setText("")
            return
        channels, height, width = images.shape
        kind = "RGB" if channels == 3 else "grey"
        count = grouped(images.count)
        self.source.setText(f"{request.name}: {count} images, {height} × {width} {kind}")
        lines = [] if fitted is None else [fitted.split.sentence.replace(",0", " 0")]
        per_class = images.counts()
        low, high = int(per_class.min()), int(per_class.max())
        each = str(low) if low == high else f"{low} to {high}"
        lines.append(
            f"{len(images.classes)} classes, {each} images each: {', '.join(images.classes)}"
        )
        lines.extend(images.notes)
        self.counts.setText("\n".join(lines))

    def set_locked(self, locked: bool) -> None:
        """Lock what cannot change while a network trains on these images."""
        self.form.setEnabled(not locked)
        for button in self.buttons:
            button.setEnabled(not locked)
