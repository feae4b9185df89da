"""A choice whose text is longer than its room."""

from __future__ import annotations

import pytest

from app.ui.widgets.choice_box import ChoiceBox

pytestmark = pytest.mark.gui

LONG = "First layer of the three-layer network"


def test_what_does_not_fit_ends_in_dots_and_is_whole_in_the_tooltip(qtbot):
    box = ChoiceBox("choice", "Choice", "What it is for")
    qtbot.addWidget(box)
    box.setSizeAdjustPolicy(box.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.addItems([LONG, "short"])
    box.resize(120, 28)
    box.grab()
    assert box.shown_text().endswith("…")
    assert box.toolTip() == f"{LONG}\nWhat it is for"
    box.setCurrentIndex(1)
    box.grab()
    assert box.shown_text() == "short"
    assert box.toolTip() == "What it is for"
    box.setCurrentIndex(0)
    box.resize(420, 28)
    box.grab()
    assert box.shown_text() == LONG
    assert box.toolTip() == "What it is for"
    box.setToolTip("Said anew")
    box.resize(120, 28)
    box.grab()
    assert box.toolTip() == f"{LONG}\nSaid anew"
