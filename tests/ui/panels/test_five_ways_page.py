"""One network in five ways, as a person sees it: compared, stopped, read and taken away."""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtWidgets import QAbstractButton, QApplication
from pytestqt.qtbot import QtBot

from app.core.checks.five_ways import Ways, WayTold
from app.core.checks.ladders import NetworkSource
from app.core.errors import Cancelled, FilterscopeError
from app.core.network_code import LEVELS, network_code
from app.core.nn.ways import WAYS
from app.core.specs import ConvNetSpec, ImageSpec
from app.ui.main_window import MainWindow
from app.ui.panels.workbench import remote_job
from app.ui.panels.workbench.five_ways_page import FiveWaysPage
from app.ui.panels.workbench_panel import WorkbenchPanel
from app.ui.widgets.check_list import FAILS, HOLDS, NOT_HERE, NOT_RUN, RUNNING, WAITING
from app.workers.thread import Runner

SHAPE = ((3, 16, 16), 4)
SPEC = ConvNetSpec(layers="conv 3 5x5, leaky_relu 0.1, pool 2, affine 6, relu", loss="svm")
SOURCE = NetworkSource(SPEC, ImageSpec())


def told(name: str, apart: float = 1e-7, seconds: float = 0.01) -> dict[str, Any]:
    return {"way": WayTold(name, 2.25, apart, apart / 2, seconds)}


ALL = [
    {"way": Ways(WAYS, "", 4, 12_345)},
    told("reference", 0.0, 2.0),
    *(told(name) for name in WAYS[1:]),
]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let the job be answered here; return what it is to say, and what it was asked."""
    said: dict[str, Any] = {"ways": ALL, "checks": []}

    def ask(job: str, *, cancelled: Any = None, **request: Any) -> Iterator[dict[str, Any]]:
        said["asked"] = request
        for message in said[job]:
            if message == "wait":
                while not cancelled():
                    pass
                raise Cancelled("The checks were given up.")
            if isinstance(message, Exception):
                raise message
            yield message

    monkeypatch.setattr(remote_job, "ask", ask)
    return said


@pytest.fixture
def page(qtbot: QtBot, runner: Runner, answers: dict[str, Any]) -> Iterator[FiveWaysPage]:
    page = FiveWaysPage(runner)
    qtbot.addWidget(page)
    page.resize(900, 700)
    page.set_source(SOURCE, "drawn shapes", SHAPE)
    yield page
    page.cancel()
    assert runner.shutdown(30.0)
    QApplication.processEvents()


def compare(qtbot: QtBot, page: FiveWaysPage) -> None:
    qtbot.mouseClick(page.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not page.running, timeout=20_000)


def standings(page: FiveWaysPage) -> list[Any]:
    return [row.standing for row in page.rows.rows]


def test_all_ways_are_compared_and_their_figures_stand_side_by_side(
    qtbot: QtBot, page: FiveWaysPage, answers: dict[str, Any]
) -> None:
    assert standings(page) == [NOT_RUN] * 5
    compare(qtbot, page)
    assert NetworkSource.from_json(answers["asked"]["source"]) == SOURCE
    assert standings(page) == [HOLDS] * 5
    compiled = page.rows.rows[1]
    assert (compiled.scores, compiled.gradient, compiled.note) == ("1e-7", "5e-8", "200×")
    assert page.rows.rows[0].scores == "–"
    assert page.verdict.text().startswith("4 images, 12\u2009345 weights; all 5 ways agree to 1e-7")
    # The longest bar is that of the loops, and it ends where there is room for its time.
    low, high = page.rows.ends()
    assert low < -2 < 0.3 < high
    assert not page.rows.grab().isNull()


def test_a_way_that_is_too_far_is_named(
    qtbot: QtBot, page: FiveWaysPage, answers: dict[str, Any]
) -> None:
    answers["ways"] = [*ALL[:4], told("module", 3e-4), ALL[5]]
    compare(qtbot, page)
    assert standings(page) == [HOLDS, HOLDS, HOLDS, FAILS, HOLDS]
    assert page.verdict.text().endswith("further apart than 1e-4: nn.Module.")


def test_without_torch_two_ways_and_why(
    qtbot: QtBot, page: FiveWaysPage, answers: dict[str, Any]
) -> None:
    why = "PyTorch is not installed."
    answers["ways"] = [{"way": Ways(WAYS[:2], why, 4, 99)}, *ALL[1:3]]
    compare(qtbot, page)
    assert standings(page) == [HOLDS, HOLDS, NOT_HERE, NOT_HERE, NOT_HERE]
    assert page.verdict.text().endswith(why)
    # The code is there to read all the same.
    assert "nn.Sequential(" in page.code_pages.columns["sequential"].view.toPlainText()


def test_it_is_stopped_and_what_is_known_stays(
    qtbot: QtBot, page: FiveWaysPage, answers: dict[str, Any]
) -> None:
    answers["ways"] = [*ALL[:3], {"text": "barebones", "share": 0.5}, "wait"]
    qtbot.mouseClick(page.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.progress.value() == 500, timeout=20_000)
    assert standings(page) == [HOLDS, HOLDS, RUNNING, WAITING, WAITING]
    assert page.start.text() == "Stop"
    qtbot.mouseClick(page.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not page.running, timeout=20_000)
    assert standings(page) == [HOLDS, HOLDS, NOT_RUN, NOT_RUN, NOT_RUN]
    assert page.start.text() == "Compare"


def test_what_goes_wrong_is_told(qtbot: QtBot, page: FiveWaysPage, answers: dict[str, Any]) -> None:
    answers["ways"] = [FilterscopeError("The images are gone.", "Open others.")]
    with qtbot.waitSignal(page.problem, timeout=20_000) as problem:
        qtbot.mouseClick(page.start, Qt.MouseButton.LeftButton)
    assert problem.args == ["The images are gone.", "Open others.", ""]
    assert standings(page) == [NOT_RUN] * 5


def test_each_precision_and_each_network_keeps_what_came_of_it(
    qtbot: QtBot, page: FiveWaysPage, answers: dict[str, Any]
) -> None:
    compare(qtbot, page)
    page.precision._actions["float64"].trigger()
    assert standings(page) == [NOT_RUN] * 5
    compare(qtbot, page)
    assert answers["asked"]["source"]["spec"]["precision"] == "float64"
    # What is near enough for float32 is not for float64.
    assert standings(page) == [HOLDS, FAILS, FAILS, FAILS, FAILS]
    other = NetworkSource(SPEC.changed(layers="affine 5, relu"), ImageSpec())
    page.set_source(other, "", SHAPE)
    assert standings(page) == [NOT_RUN] * 5
    page.set_source(SOURCE, "", SHAPE)
    assert page.precision.value == "float32"
    assert standings(page) == [HOLDS] * 5


# --- its code


def test_the_code_is_that_of_the_network(qtbot: QtBot, page: FiveWaysPage) -> None:
    for level in LEVELS:
        column = page.code_pages.columns[level]
        assert column.view.code == network_code(level, SPEC, *SHAPE).rstrip("\n")
        qtbot.mouseClick(column.copy, Qt.MouseButton.LeftButton)
        clipboard = QApplication.clipboard()
        assert clipboard is not None
        ast.parse(clipboard.text())
        assert "leaky_relu" in clipboard.text() or "LeakyReLU" in clipboard.text()


def test_a_press_on_a_row_shows_the_code_of_that_way(qtbot: QtBot, page: FiveWaysPage) -> None:
    def press(name: str) -> None:
        row = page.rows.findChild(QAbstractButton, f"wayRows_{name}")
        assert row is not None
        qtbot.mouseClick(row, Qt.MouseButton.LeftButton, pos=QPoint(40, 8))

    press("reference")
    assert page.code_pages.currentWidget() is page.code_pages.layer_code
    functions = [
        page.code_pages.layer_code.function.itemText(n)
        for n in range(page.code_pages.layer_code.function.count())
    ]
    assert functions == [
        *(f"{name}_{way}" for name in ("conv", "leaky_relu", "max_pool", "affine", "relu")
          for way in ("forward", "backward")),
        "svm_loss",
        "Network.loss",
    ]  # fmt: skip
    assert "def conv_forward(" in page.code_pages.layer_code.twin.toPlainText()
    press("compiled")
    assert page.code_pages.layer_code.page == 1
    press("module")
    assert page.code_pages.currentWidget() is not page.code_pages.layer_code


def test_an_impossible_network_is_said_where_its_code_would_be(page: FiveWaysPage) -> None:
    source = NetworkSource(SPEC.changed(layers="pool 40, affine 5"), ImageSpec())
    page.set_source(source, "", SHAPE)
    assert page.code == {}
    for column in page.code_pages.columns.values():
        assert "pool" in column.view.toPlainText()


# --- in the window


@pytest.fixture
def bench(qtbot: QtBot, window: MainWindow, answers: dict[str, Any]) -> WorkbenchPanel:
    window.show_lab([title for title, _ in window.labs].index("Workbench"))
    window.workbench.show_topic("five_ways")
    qtbot.waitUntil(lambda: not window.workbench.checks.running, timeout=30_000)
    return window.workbench


def test_the_network_is_that_of_the_cnn_lab(window: MainWindow, bench: WorkbenchPanel) -> None:
    lab = window.convnet_lab
    lab.take_spec(lab.spec.changed(layers="conv 5 3x3, relu", precision="float64"))
    page = bench.five_ways
    assert page.network.text().startswith("conv 5 3x3, relu")
    assert page.precision.value == "float64"
    assert "nn.Conv2d(3, 5, 3" in page.code["module"]


def test_nothing_else_begins_while_ways_are_timed(
    qtbot: QtBot, bench: WorkbenchPanel, answers: dict[str, Any]
) -> None:
    answers["ways"] = [*ALL[:3], "wait"]
    qtbot.mouseClick(bench.five_ways.start, Qt.MouseButton.LeftButton)
    for button in (
        bench.layers.check_all,
        bench.layers.check_one,
        bench.time.start,
        bench.holds.ladder.climb,
    ):
        assert not button.isEnabled()
    bench.cancel()
    qtbot.waitUntil(lambda: not bench.five_ways.running, timeout=20_000)
    for button in (
        bench.layers.check_all,
        bench.layers.check_one,
        bench.time.start,
        bench.five_ways.start,
    ):
        qtbot.waitUntil(button.isEnabled)


def test_table_picture_and_code_are_exported(
    qtbot: QtBot, window: MainWindow, bench: WorkbenchPanel, tmp_path: Path
) -> None:
    ready = {item.key for item in window.exporter.items if item.ready()}
    assert ready == {f"network_{level}" for level in LEVELS}
    compare(qtbot, bench.five_ways)
    assert window.exporter.save("ways", tmp_path / "ways.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "ways.csv").read_text())))
    assert [row["way"] for row in rows] == list(WAYS)
    assert {key: rows[1][key] for key in ("precision", "images", "scores_apart", "seconds")} == {
        "precision": "float32",
        "images": "4",
        "scores_apart": "1e-07",
        "seconds": "0.01",
    }
    assert window.exporter.save("ways", tmp_path / "ways.svg")
    for level in LEVELS:
        assert window.exporter.save(f"network_{level}", tmp_path / f"{level}.py")
        assert (tmp_path / f"{level}.py").read_text() == bench.five_ways.code[level]


@pytest.mark.slow
def test_a_real_process_finds_the_ways_equal(
    qtbot: QtBot, make_window: Callable[[], MainWindow]
) -> None:
    window = make_window()
    lab = window.convnet_lab
    lab.take_spec(lab.spec.changed(layers="conv 3 5x5 stride 2, relu, affine 6, relu"))
    window.show_lab([title for title, _ in window.labs].index("Workbench"))
    window.workbench.show_topic("five_ways")
    page = window.workbench.five_ways
    qtbot.waitUntil(lambda: page.start.isEnabled(), timeout=60_000)
    qtbot.mouseClick(page.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not page.running, timeout=120_000)
    assert page.found.ways is not None
    assert [name for name in WAYS if name in page.found.ways.names] == list(page.found.told)
    assert FAILS not in standings(page)
