"""Accuracy curves: what is written beside them, whatever is missing."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import QPointF
from pytestqt.qtbot import QtBot

from app.ui.widgets.accuracy_plot import AccuracyPlot


@pytest.fixture
def plot(qtbot: QtBot) -> AccuracyPlot:
    plot = AccuracyPlot()
    qtbot.addWidget(plot)
    plot.resize(400, 240)
    plot.show()
    return plot


def said(plot: AccuracyPlot) -> str:
    return " ".join(label.text() for label in (*plot._readouts.values(), plot._best))


def test_newest_and_best_are_written(plot: AccuracyPlot) -> None:
    plot.set_values(np.arange(1, 4), np.array([0.3, 0.5, 0.7]), np.array([0.2, 0.48, 0.41]), 10)
    assert "train 70.0" in said(plot)
    assert "val 41.0" in said(plot)
    assert "○ 48.0" in said(plot)
    assert plot._chance.value() == 10
    low, high = plot.plot.getPlotItem().getViewBox().viewRange()[1]
    assert low < 10
    assert high > 70


@pytest.mark.parametrize("values", [[], [np.nan], [np.nan, 0.5, np.nan], [0.0], [1.0] * 500])
def test_missing_values_do_no_harm(plot: AccuracyPlot, values: list[float]) -> None:
    there = np.array(values)
    plot.set_values(np.arange(len(there)), there, np.full(len(there), np.nan), 0)
    assert "○" not in said(plot)
    assert not plot.grab().isNull()


def test_its_figures_have_room_in_a_small_window(plot: AccuracyPlot) -> None:
    plot.resize(204, 200)
    plot.set_values(np.arange(1, 3), np.array([0.3, 0.988]), np.array([0.2, 0.878]), 10)
    plot.layout().activate()
    for label in (*plot._readouts.values(), plot._best):
        assert label.width() >= label.fontMetrics().horizontalAdvance(label.text())


def test_before_the_first_validation_the_axis_has_all_per_cent(plot: AccuracyPlot) -> None:
    nothing = np.empty(0)
    plot.set_values(nothing, nothing, nothing, 10)
    low, high = plot.plot.getPlotItem().getViewBox().viewRange()[1]
    assert low <= 0
    assert high >= 100


@pytest.mark.parametrize("size", [(204, 200), (400, 240)])
def test_the_ring_of_the_best_is_whole_in_the_corner(
    plot: AccuracyPlot, size: tuple[int, int]
) -> None:
    plot.resize(*size)
    plot.set_values(np.arange(1, 3), np.array([0.9, 1.0]), np.array([0.5, 1.0]), 10)
    box = plot.plot.getPlotItem().getViewBox()
    room, best = box.boundingRect(), box.mapFromView(QPointF(2.0, 100.0))
    assert room.right() - best.x() >= 8
    assert best.y() - room.top() >= 8
