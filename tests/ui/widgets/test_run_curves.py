"""What the legend of several curves says of their last values."""

from __future__ import annotations

import numpy as np
from pytestqt.qtbot import QtBot

from app.core.compare.curves import RunCurve
from app.ui.widgets.run_curves import RunCurves


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
