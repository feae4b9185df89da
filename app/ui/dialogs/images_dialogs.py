"""Asks what is meant of images with labels: to which size they are brought, which arrays they are."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QDialog, QLabel, QListWidget, QVBoxLayout, QWidget

from app.core.data.class_folders import NeedsSizeError
from app.core.data.pairs import NeedsPairError
from app.core.params import Hyper, Spec
from app.ui.dialogs.buttons import open_or_cancel
from app.ui.param_form import ParamForm

__all__ = ["PairDialog", "SizeDialog", "dialog_about"]


class SizeSpec(Spec):
    """How large the images of a folder become."""

    side: Annotated[
        int,
        Field(ge=2, le=512),
        Hyper(
            "",
            "Side of an image",
            "The middle of each image, a square, is brought to this size.",
            unit="pixels",
        ),
    ] = 32


class _Question(QDialog):
    """What is asked, something to answer with, Open and Cancel."""

    def __init__(self, title: str, text: str, answer: QWidget, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        layout = QVBoxLayout(self)
        layout.setSpacing(12)
        layout.setContentsMargins(18, 16, 18, 16)
        said = QLabel(text)
        said.setTextFormat(Qt.TextFormat.PlainText)
        said.setWordWrap(True)
        layout.addWidget(said)
        layout.addWidget(answer)
        layout.addWidget(open_or_cancel(self))

    def answer(self) -> str:
        """Return what stands behind ``PATH::``."""
        raise TypeError(f"{type(self).__name__} asks nothing")


class SizeDialog(_Question):
    """To which size images of several sizes are brought."""

    def __init__(self, question: NeedsSizeError, parent: QWidget | None = None) -> None:
        self.form = ParamForm(SizeSpec())
        text = f"{question.message} The middle square of each is brought to the size given here."
        super().__init__("Images of several sizes", text, self.form, parent)
        self.resize(420, self.sizeHint().height())

    def answer(self) -> str:
        """Return the size."""
        spec = self.form.spec
        assert isinstance(spec, SizeSpec)
        return str(spec.side)


class PairDialog(_Question):
    """Which arrays of a file are the images and their labels."""

    def __init__(self, question: NeedsPairError, parent: QWidget | None = None) -> None:
        self.list = QListWidget()
        self.list.setObjectName("pairs")
        self.pairs = question.pairs
        for pair in self.pairs:
            shape = " × ".join(str(n) for n in (pair.count, *pair.shape))
            self.list.addItem(f"{pair.images} with {pair.labels}    {shape}  {pair.dtype}")
        self.list.setCurrentRow(0)
        super().__init__("Which images, which labels?", question.asked, self.list, parent)
        self.list.itemDoubleClicked.connect(self.accept)
        self.resize(560, 320)

    def answer(self) -> str:
        """Return the names of both arrays."""
        pair = self.pairs[max(0, self.list.currentRow())]
        return f"{pair.images.strip('/')},{pair.labels.strip('/')}"


def dialog_about(
    question: NeedsSizeError | NeedsPairError, parent: QWidget | None = None
) -> SizeDialog | PairDialog:
    """Return the dialog that asks what an error wants to know."""
    if isinstance(question, NeedsPairError):
        return PairDialog(question, parent)
    return SizeDialog(question, parent)
