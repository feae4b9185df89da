"""The dialog for files on a system that has none of its own."""

from __future__ import annotations

import pytest
from PyQt6.QtGui import QIcon, QImage
from PyQt6.QtWidgets import QApplication, QFileDialog, QToolButton
from pytestqt.qtbot import QtBot

from app.ui.theme import theme

BUTTONS = ("backButton", "toParentButton", "newFolderButton", "listModeButton", "detailModeButton")


def lightness(icon: QIcon) -> float:
    """Return the mean lightness of what is drawn, 0 … 255."""
    image = icon.pixmap(48, 48).toImage().convertToFormat(QImage.Format.Format_ARGB32)
    pixels = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
    drawn = [pixel.lightness() for pixel in pixels if pixel.alpha() > 200]
    return sum(drawn) / len(drawn)


@pytest.mark.parametrize("choice", ["dark", "light"])
def test_its_buttons_are_seen_on_the_ground_of_the_theme(qtbot: QtBot, choice: str) -> None:
    before = theme.choice
    try:
        theme.choose(choice)
        dialog = QFileDialog()
        qtbot.addWidget(dialog)
        dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
        dialog.ensurePolished()
        QApplication.sendPostedEvents()
        text = theme.colour("text").lightness()
        for name in BUTTONS:
            button = dialog.findChild(QToolButton, name)
            assert button is not None
            assert lightness(button.icon()) == pytest.approx(text, abs=12), name
    finally:
        theme.choose(before)
