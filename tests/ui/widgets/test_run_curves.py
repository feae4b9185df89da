"""Colours that are seen on both themes, and what the legend of several curves says."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtGui import QColor
from pytestqt.qtbot import QtBot

from app.core.compare.curves import RunCurve
from app.ui.theme import DARK, LIGHT
from app.ui.widgets.run_curves import LEGEND_WIDTH, PALETTE, RunCurves


def falling(*, growing: bool) -> RunCurve:
    x = np.arange(1.0, 101)
    return RunCurve("one", "#0072b2", x, (1 / x)[:, None], growing=growing)


def test_the_legend_says_raw_values_and_which_of_them_are_not_the_last(qtbot: QtBot) -> None:
    widget = RunCurves()
    qtbot.addWidget(widget)
    assert widget.where.text() == ""
    widget.set_options(smooth=True)
    over, growing = falling(growing=False), falling(growing=True)
    widget.set_curves([over], "cost")
    assert (widget.where.text(), widget.values()) == ("at the end", ["0.01"])
    widget.set_curves([growing], "cost")
    assert (widget.where.text(), widget.values()) == ("so far", ["0.01 …"])
    widget.set_curves([over, growing], "cost")
    assert widget.where.text() == "at the end, or so far (…)"
    assert widget.values() == ["0.01", "0.01 …"]
    # At a place it is the value there, whatever comes later.
    widget.read_at(50.0)
    assert (widget.where.text(), widget.values()) == ("epoch 50", ["0.02", "0.02"])


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2."""
    channels = np.array(QColor(colour).getRgbF()[:3])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("colour", PALETTE)
@pytest.mark.parametrize("ground", [LIGHT.card, LIGHT.field, DARK.card, DARK.field])
def test_a_thin_line_is_seen_on_both_themes(colour: str, ground: str) -> None:
    low, high = sorted((luminance(colour), luminance(ground)))
    # What WCAG 2 asks of graphics, and on a dark ground, where thin lines fade, a third more.
    least = 3.0 if luminance(ground) > 0.5 else 4.0
    assert (high + 0.05) / (low + 0.05) >= least


def test_the_legend_takes_what_it_needs_and_leaves_the_curves_the_rest(qtbot: QtBot) -> None:
    widget = RunCurves()
    qtbot.addWidget(widget)
    widget.resize(600, 200)
    widget.show()
    short = falling(growing=True)
    widget.set_curves([short], "cost", of="one batch")
    small = widget._side.width()
    assert widget.where.text() == "so far, one batch"
    assert widget.where.fontMetrics().horizontalAdvance(widget.where.text()) <= small
    assert small < LEGEND_WIDTH / 2
    # Nothing moves for the mouse, nor when the training ends.
    widget.read_at(50.0)
    widget.renew([falling(growing=False)])
    assert widget._side.width() == small
    widget.set_curves([RunCurve("a name " * 20, "#0072b2", short.x, short.y)], "cost")
    assert widget._side.width() == 0.45 * 600
    widget.resize(1200, 200)
    assert widget._side.width() == LEGEND_WIDTH
