"""Plots: whatever is given to them they draw something and never raise; marks and labels do not meet."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.ui.theme import theme
from app.ui.widgets.bar_plots import HistogramPlot, UnitBars
from app.ui.widgets.cost_plot import CostPlot, Mark, change_text
from app.ui.widgets.plots import _Axis, calm_top, to_plottable

NAMES = ("reconstruction", "decay", "sparsity")
ODD = {
    "empty": np.empty((0, 3)),
    "one": np.ones((1, 3)),
    "zeros": np.zeros((50, 3)),
    "all NaN": np.full((50, 3), np.nan),
    "some NaN": np.where(np.arange(150).reshape(50, 3) % 7 == 0, np.nan, 1.0),
    "inf": np.where(np.arange(150).reshape(50, 3) % 5 == 0, np.inf, 2.0),
    "negative": -np.arange(150.0).reshape(50, 3),
    "huge": np.full((50, 3), 1e300),
    "tiny": np.full((50, 3), 1e-300),
    "many": np.random.default_rng(0).random((20_000, 3)),
}


def is_blank(widget: QWidget) -> bool:
    picture = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    width, height = picture.width(), picture.height()
    return len({picture.pixel(x, y) for x in range(0, width, 3) for y in range(0, height, 3)}) < 2


@pytest.fixture
def cost(qtbot: QtBot) -> CostPlot:
    plot = CostPlot(NAMES)
    qtbot.addWidget(plot)
    plot.resize(500, 260)
    plot.show()
    return plot


@pytest.mark.parametrize("terms", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("log_x", [True, False])
@pytest.mark.parametrize("log_y", [True, False])
@pytest.mark.parametrize("more", ["plain", "stacked", "each_step"])
def test_no_curve_disturbs_it(cost: CostPlot, terms, log_x: bool, log_y: bool, more: str) -> None:
    cost.set_options(
        log_x=log_x, log_y=log_y, stacked=more == "stacked", each_step=more == "each_step"
    )
    x = np.arange(1, len(terms) + 1) / 10
    marks = [Mark(1.0, "ρ 0.25 → 0.05"), Mark(0.0, "β 1 → 2")]
    cost.set_curves(x, terms, marks, "epoch")
    assert not is_blank(cost)


@pytest.mark.parametrize("bound", [None, 0.0, 0.2, 1e-12, np.nan])
def test_no_bound_disturbs_it(cost: CostPlot, bound: float | None) -> None:
    cost.set_curves(np.arange(1, 51) / 10, ODD["some NaN"], [], "epoch")
    cost.set_bound(bound, 64)
    assert not is_blank(cost)


def test_all_of_the_curve_lies_inside_the_axes(cost: CostPlot) -> None:
    terms = np.geomspace(10, 0.1, 300)[:, None] * np.array([1, 0.1, 0.5])
    for log_x, log_y, stacked in ((True, True, False), (False, False, False), (False, False, True)):
        cost.set_options(log_x=log_x, log_y=log_y, stacked=stacked)
        cost.set_curves(np.arange(1, 301) / 80, terms, [], "epoch")
        (left, right), (low, high) = cost.plot.getPlotItem().getViewBox().viewRange()
        curves = cost._bands if stacked else cost._curves
        for curve in curves:
            x, y = curve.getData()
            assert len(x) > 2
            assert left <= x.min() <= x.max() <= right
            assert low <= y.min() <= y.max() <= high


def test_the_newest_values_are_written(cost: CostPlot) -> None:
    cost.set_curves(np.array([1.0, 2.0]), np.array([[1, 2, 3], [0.25, 0.5, 0.125]]), [], "epoch")
    written = [label.text() for label in cost._readouts]
    assert written == ["━ reconstruction 0.25", "━ decay 0.5", "━ sparsity 0.125", "━ J 0.875"]


def test_the_figures_can_be_given_with_what_they_mean(cost: CostPlot) -> None:
    terms = np.array([[1.0, 2, 3], [0.25, 0.5, 0.125]])
    cost.set_curves(np.array([1.0, 2.0]), terms, [], "epoch", np.array([1.0, 2, 4]), "a mean")
    assert cost._readouts[-1].text() == "━ J 7"
    assert cost._readouts[-1].toolTip() == "a mean"


def test_a_cost_that_has_risen_far_does_not_push_the_old_curve_out(cost: CostPlot) -> None:
    rise = np.concatenate([np.geomspace(10, 0.5, 100), np.geomspace(1, 1e15, 20)])
    cost.set_curves(np.arange(1, 121) / 10, rise[:, None] * np.array([1, 0.1, 0.5]), [], "epoch")
    (_, _), (low, high) = cost.plot.getPlotItem().getViewBox().viewRange()
    _, drawn = cost._curves[-1].getData()
    assert low <= drawn.min() < drawn.max() <= high


def test_marks_that_would_touch_give_way_to_newer_ones(cost: CostPlot) -> None:
    x = np.arange(1, 1001) / 10
    marks = [Mark(place, f"ρ {place:.2f} → 0.5") for place in np.linspace(1, 100, 60)]
    cost.set_options(log_x=False)
    cost.set_curves(x, np.ones((1000, 3)), marks, "epoch")
    (ticks,) = cost.plot.getAxis("top")._tickLevels
    assert marks[-1].text in [text for _, text in ticks]
    assert 1 < len(ticks) < 30
    lines_x, _ = cost._mark_lines.getData()
    assert len(lines_x) == 2 * 60, "the line of a mark without a label stays"


def test_what_a_mark_says() -> None:
    assert change_text("ρ", 0.25, 0.05) == "ρ 0.25 → 0.05"
    assert change_text("λ", 1e-4, 1.0) == "λ 1e-4 → 1"


def test_plottable_pairs_are_finite_and_positive_where_needed() -> None:
    x = np.array([0.0, 1, 2, np.nan, 4, 5])
    y = np.array([1.0, np.inf, -2, 3, 4])
    assert [list(a) for a in to_plottable(x, y)] == [[0, 2, 4], [1, -2, 4]]
    assert [list(a) for a in to_plottable(x, y, log_x=True, log_y=True)] == [[4], [4]]
    assert all(len(a) == 0 for a in to_plottable(np.empty(0), np.empty(0)))


@pytest.fixture
def holder(qtbot: QtBot) -> QWidget:
    """Return a window to put plots in: one that is closed by itself is taken apart."""
    holder = QWidget()
    qtbot.addWidget(holder)
    return holder


@pytest.fixture
def bars(qtbot: QtBot, holder: QWidget) -> UnitBars:
    plot = UnitBars()
    QVBoxLayout(holder).addWidget(plot)
    holder.resize(400, 200)
    holder.show()
    return plot


@pytest.mark.parametrize(
    "values",
    [
        np.empty(0),
        np.zeros(3),
        np.full(64, np.nan),
        np.array([np.inf, 0.1]),
        np.ones(1),
        np.random.default_rng(0).random(5000),
    ],
)
def test_no_activation_disturbs_the_bars(bars: UnitBars, values) -> None:
    bars.set_values(values, 0.05, {0: "bad", 1: "warm", 9999: "bad"})
    bars.select(1)
    bars.select(None)
    assert not is_blank(bars)


@pytest.mark.qt_log_ignore("Mouse event .* not accepted", extend=True)
def test_a_bar_is_clicked(qtbot: QtBot, bars: UnitBars) -> None:
    bars.set_values(np.full(10, 0.1), 0.05, {})
    scene = bars.getPlotItem().getViewBox().mapViewToScene
    place = bars.mapFromScene(scene(QPointF(7, 0.05)))
    with qtbot.waitSignal(bars.unit_clicked, timeout=2000) as clicked:
        qtbot.mouseClick(bars.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert clicked.args == [7]


@pytest.mark.parametrize(
    "values",
    [
        np.empty(0),
        np.array([np.nan]),
        np.zeros(5),
        np.array([np.inf, 1.0]),
        np.array([1e300, -1e300]),
        np.random.default_rng(0).random(10_000),
    ],
)
def test_no_value_disturbs_a_histogram(qtbot: QtBot, values) -> None:
    plot = HistogramPlot("test", "value")
    qtbot.addWidget(plot)
    plot.resize(300, 160)
    plot.set_values(values)
    assert not is_blank(plot)
    plot.set_counts(np.ones(4), np.arange(5.0), back=np.zeros(4), mark=0.5)
    assert not is_blank(plot)


def test_plots_follow_the_theme(qtbot: QtBot, bars: UnitBars, cost: CostPlot) -> None:
    bars.set_values(np.full(5, 0.07), 0.05, {})
    theme.choose("dark")
    for plot in (bars, cost.plot):
        # Numbers on an axis mean what they say, whatever was drawn when it was named.
        assert all(plot.getAxis(side).autoSIPrefixScale == 1.0 for side in ("left", "bottom"))
        picture = plot.grab().toImage()
        assert picture.pixelColor(2, picture.height() - 2) == theme.colour("card")


@pytest.mark.parametrize("side", ["left", "bottom"])
@pytest.mark.parametrize(
    ("low", "high"),
    [
        (1e-6, 1e6),
        (0.1, 10),
        (0.2, 0.9),
        (0.61, 0.63),
        (0.6111, 0.6112),
        (5, 5),
        (1e-300, 1e300),
        (9, 11),
    ],
)
@pytest.mark.parametrize("size", [0, 60, 200, 2000])
def test_ticks_of_a_logarithmic_axis_have_room(
    qapp, side: str, low: float, high: float, size: int
) -> None:
    axis = _Axis(orientation=side)
    places = [
        v
        for _, values in axis.logTickValues(np.log10(low), np.log10(high), size, [])
        for v in values
    ]
    assert len(places) <= max(2, size // 24) + 1
    assert all(np.log10(low) - 1e-6 <= place <= np.log10(high) + 1e-6 for place in places)
    written = axis.logTickStrings(places, 1.0, None)
    assert len(set(written)) == len(written)
    for place, text in zip(places, written, strict=True):
        if "10" not in text:
            assert float(text) == pytest.approx(10**place, rel=0.006)


@pytest.mark.parametrize("size", [40, 95, 138, 300, 900])
@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 1), (0, 2), (-0.4, 20.3), (0, 0.01), (0, 450), (3, 4), (0, 1e6), (0, 1e300)],
)
def test_labels_below_a_chart_do_not_meet(qapp, low: float, high: float, size: int) -> None:
    axis = _Axis(orientation="bottom")
    for step, _ in axis.tickSpacing(low, high, size):
        if step < high - low < 1e5:
            decimals = 0 if step >= 1 else len(f"{step:.6f}".rstrip("0")) - 2
            label = 6.5 * len(f"{high:.{decimals}f}")
            assert step / (high - low) * size > label
        assert f"{step:.0e}"[0] in "125"


def test_a_low_axis_has_a_tick_where_its_label_is_written(qapp) -> None:
    axis = _Axis(orientation="left")
    ((_, places),) = axis.logTickValues(-1.1, 1.1, 50, [])
    assert any(abs(place) < 0.8 for place in places)


@pytest.mark.parametrize("highest", [1e-9, 0.0123, 0.05, 0.0999, 1.0, 7.3, 9.99, 123_456.0])
def test_an_axis_ends_a_little_above_what_is_highest(highest: float) -> None:
    top = calm_top(highest)
    assert highest <= top * (1 + 1e-12) <= 1.35 * highest
    assert calm_top(0.99 * top) == top


@pytest.mark.parametrize("nothing", [0.0, -1.0, np.nan, np.inf])
def test_an_axis_of_nothing_has_an_end(nothing: float) -> None:
    assert calm_top(nothing) > 0


def test_an_axis_stays_where_it_is_while_bars_move_a_little(bars: UnitBars) -> None:
    ends = set()
    for height in np.linspace(0.21, 0.23, 9):
        bars.set_values(np.array([0.1, height]), 0.05, {})
        ends.add(bars.getPlotItem().getViewBox().viewRange()[1][1])
    assert len(ends) == 1
    assert ends.pop() > 0.23
