"""The workbench as a person uses it: read, check, look, time, climb, filter, stop, close."""

from __future__ import annotations

import functools
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QLineEdit,
    QListWidget,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.core.checks import CHECKS, Measure, Outcome, run_check
from app.core.checks.ladder import STEPS, LadderStep
from app.core.checks.ladders import NetworkSource
from app.core.checks.layer_case import TimingSpec
from app.core.checks.machine_rate import MachineRate
from app.core.checks.timing import Timed
from app.core.checks.topics import TOPICS
from app.core.errors import FilterscopeError
from app.core.filter_design import DESIGNS, filtered
from app.core.network_code import LEVELS
from app.core.nn.gradient_check import check_gradient
from app.core.specs import ConvNetSpec, ImageSpec
from app.ui.main_window import MainWindow
from app.ui.panels.workbench import remote_job
from app.ui.panels.workbench.gradient_card import figure
from app.ui.panels.workbench_panel import WorkbenchPanel
from app.ui.widgets.check_list import FAILS, HOLDS, NOT_RUN
from app.workers.thread import Runner

Say = Callable[..., Iterator[dict[str, Any]]]


def click(qtbot: QtBot, panel: QWidget, name: str) -> None:
    button = panel.findChild(QAbstractButton, name)
    assert button is not None, name
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.fixture
def panel(qtbot: QtBot, runner: Runner) -> Iterator[WorkbenchPanel]:
    """Return the workbench, out of sight, so that nothing begins by itself."""
    panel = WorkbenchPanel(runner)
    qtbot.addWidget(panel)
    panel.resize(1200, 760)
    yield panel
    runner.shutdown(30.0)
    QApplication.processEvents()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """Let jobs be answered here and at once, without a process; return what each job says."""
    said: dict[str, list[Any]] = {}

    def ask(job: str, *, cancelled: Any = None, **_request: Any) -> Iterator[dict[str, Any]]:
        for message in said[job]:
            if isinstance(message, Exception):
                raise message
            yield message

    monkeypatch.setattr(remote_job, "ask", ask)
    return said


@functools.lru_cache
def outcome_of(name: str) -> Outcome:
    return run_check(CHECKS[name])


def outcomes(*names: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    for name in names:
        told += [{"begun": name}, {"outcome": outcome_of(name)}]
    return told


# --- reading


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.key)
def test_every_topic_shows_its_code(panel: WorkbenchPanel, topic: Any) -> None:
    panel.show_topic(topic.key)
    if topic.key == "pictures":
        assert panel.pages.currentWidget() is panel.playground
        return
    if topic.key == "five_ways":
        # Its code is that of a network: `test_five_ways_page` reads it.
        assert panel.pages.currentWidget() is panel.five_ways
        return
    assert panel.code.function.count() > 0
    for place in range(panel.code.function.count()):
        panel.code.function.setCurrentIndex(place)
        name = panel.code.function.currentText().rpartition(".")[2]
        panel.code.show_page(0)
        assert re.search(rf"(def|class) {name}\b", panel.code.twin.toPlainText())
        panel.code.show_page(1)
        assert panel.code.compiled.toPlainText()


def test_notes_are_whole_docstrings(qtbot: QtBot, panel: WorkbenchPanel) -> None:
    assert "Parameters" not in panel.code.twin.toPlainText()
    click(qtbot, panel, "codeDocs")
    assert "Parameters" in panel.code.twin.toPlainText()
    click(qtbot, panel, "codeCopy")
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    assert clipboard.text().startswith("def conv_forward(")


# --- checking


def test_a_layer_is_checked_and_its_gradient_looked_at(
    qtbot: QtBot, panel: WorkbenchPanel, answers: dict[str, list[Any]]
) -> None:
    answers["checks"] = outcomes("conv_forward", "conv_backward")
    assert panel.layers.list.standing("conv") is NOT_RUN
    click(qtbot, panel, "checkLayer")
    assert panel.layers.check_all.text() == "Stop"
    qtbot.waitUntil(lambda: not panel.checks.running)
    assert panel.layers.list.standing("conv") is HOLDS
    said = panel.layers.summary.text()
    assert said.startswith(
        f"2 of 2 hold, {len(CHECKS) - 2} not made yet\n“Check all” makes the rest"
    )
    assert said.endswith("checked just now")
    check = panel.gradient.check
    assert check is not None
    assert check.name == "x"
    assert panel.gradient.worst.text().startswith("worst   x[")
    assert [row.reference for row in panel.gradient.rows.rows] == ["1.2e-8", "2.2e-10", "3.4e-11"]
    click(qtbot, panel, "gradientRows_dw")
    assert panel.gradient.check.name == "w"
    panel.gradient.map.choose((0, 0, 0, 0))
    assert panel.gradient.worst.text().startswith("w[0, 0, 0, 0]")


def test_a_figure_of_the_list_opens_its_map(
    qtbot: QtBot, panel: WorkbenchPanel, answers: dict[str, list[Any]]
) -> None:
    answers["checks"] = outcomes("conv_backward")
    panel.checks.run(["conv_backward"])
    qtbot.waitUntil(lambda: not panel.checks.running)
    block = panel.holds.blocks["conv_backward"]
    for place, measure in enumerate(block.measures):
        click(qtbot, block, f"measures_conv_backward_{place}")
        assert panel.gradient.check is measure.detail


def test_a_failing_check_is_red_with_its_reason(
    qtbot: QtBot, panel: WorkbenchPanel, answers: dict[str, list[Any]]
) -> None:
    wrong = (Measure("dx", 0.5, 1e-7, "1.2e-8"),)
    broken = Outcome(CHECKS["conv_oblong"], (), "ValueError: no", False, 0.1)
    answers["checks"] = [
        {"outcome": Outcome(CHECKS["conv_backward"], wrong, "", False, 0.1)},
        {"outcome": broken},
    ]
    panel.checks.run(["conv_backward", "conv_oblong"])
    qtbot.waitUntil(lambda: not panel.checks.running)
    assert panel.layers.list.standing("conv") is FAILS
    assert "2 fail" in panel.layers.summary.text()
    assert panel.holds.blocks["conv_oblong"].said.text() == "ValueError: no"
    assert panel.holds.blocks["conv_backward"].rows.rows[0].standing is FAILS


def test_what_is_asked_meanwhile_comes_afterwards(
    qtbot: QtBot, panel: WorkbenchPanel, answers: dict[str, list[Any]]
) -> None:
    answers["checks"] = outcomes("relu", "affine")
    panel.checks.run(["relu"])
    panel.checks.run(["affine", "relu"])
    assert panel.checks.standing("affine").key == "waiting"
    qtbot.waitUntil(lambda: not panel.checks.running)
    assert panel.checks.standing("affine") is HOLDS


def test_what_goes_wrong_around_the_checks_is_told(
    qtbot: QtBot, panel: WorkbenchPanel, answers: dict[str, list[Any]], logs: Any
) -> None:
    answers["checks"] = [{"begun": "relu"}, FilterscopeError("It went away.", "Try again.")]
    with qtbot.waitSignal(panel.problem) as told:
        panel.checks.run(["relu"])
    assert told.args == ["It went away.", "Try again.", ""]
    assert panel.checks.standing("relu") is NOT_RUN
    logs.expect("A worker ended with a bug")
    answers["checks"] = [RuntimeError("in the process of the checks:\nTraceback")]
    with qtbot.waitSignal(panel.problem) as told:
        panel.checks.run(["relu"])
    assert "in the process of the checks" in told.args[2]


def test_checks_run_in_a_process_and_can_be_stopped(qtbot: QtBot, panel: WorkbenchPanel) -> None:
    panel.checks.run(["relu", "conv_fast"])
    qtbot.waitUntil(lambda: panel.checks.standing("conv_fast").key == "running", timeout=20_000)
    click(qtbot, panel, "checkAll")
    qtbot.waitUntil(lambda: not panel.checks.running, timeout=5_000)
    assert panel.checks.standing("relu") is HOLDS
    assert panel.checks.standing("conv_fast") is NOT_RUN


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1.46e-8, "1.5e-8"), (2.302585, "2.30259"), (1480.4, "1 480"), (1e-2, "1e-2")],
)
def test_figures_are_short(value: float, text: str) -> None:
    assert figure(value) == text
    assert figure(float("nan")) == "nan"


def test_checks_that_train_take_the_cifar_of_the_cnn_lab(
    qtbot: QtBot, panel: WorkbenchPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def ask(_job: str, **request: Any) -> Iterator[dict[str, Any]]:
        asked.append(request["data"])
        return iter(())

    monkeypatch.setattr(remote_job, "ask", ask)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for number in range(1, 6):
        (folder / f"data_batch_{number}.bin").write_bytes(bytes(3073))
    (folder / "test_batch.bin").write_bytes(bytes(3073))
    for path in (str(folder), "synthetic", str(tmp_path / "gone")):
        source = NetworkSource(ConvNetSpec(), ImageSpec(), path)
        panel.network = lambda source=source: (source, "")
        click(qtbot, panel, "checkLayer")
        qtbot.waitUntil(lambda: not panel.checks.running)
    assert asked == [str(folder), None, None]


def test_what_cannot_be_made_here_says_why(
    qtbot: QtBot, panel: WorkbenchPanel, answers: dict[str, list[Any]]
) -> None:
    why = Outcome(CHECKS["convnet_epoch"], (), "CIFAR-10 is not here.", None, 0.0, "CIFAR-10")
    answers["checks"] = [{"outcome": why}]
    panel.checks.run(["convnet_epoch"])
    qtbot.waitUntil(lambda: not panel.checks.running)
    assert "1 needs CIFAR-10\nOpen it in Data, then press" in panel.layers.summary.text()
    assert "CIFAR-10 is not here." in panel.layers.summary.toolTip()
    assert panel.layers.list.standing("convnet").key == "not_here"
    panel.show_topic("convnet")
    assert "Needs CIFAR-10. Open it in Data" in panel.holds.blocks["convnet_epoch"].said.text()


# --- timing


def test_a_layer_is_timed_at_a_shape(
    qtbot: QtBot, panel: WorkbenchPanel, answers: dict[str, list[Any]]
) -> None:
    answers["timing"] = [
        {"share": 0.5, "text": "Compiled"},
        {"timed": MachineRate(100.0, 2, "float32", "own product")},
        {"timed": Timed("NumPy", "forward", 1.0, 0.1, None, 2)},
        {"timed": Timed("compiled", "forward", 0.001, 100.0, 1e-7, 50)},
    ]
    card = panel.time
    card.direction.set_value("forward")
    click(qtbot, panel, "timeIt")
    assert not card.shape_form.fields["batch"].isEnabled()
    qtbot.waitUntil(lambda: not card.running)
    assert [bar.name for bar in card.bars.bars] == ["readable", "compiled", "machine"]
    assert "from 2 of 50 pictures" in card.bars.bars[0].note
    assert "1 000×" in card.verdict.text()
    # Another shape has other times; the first has them still.
    field = card.shape_form.fields["batch"]
    field.selectAll()
    qtbot.keyClicks(field, "8")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert card.spec.batch == 8
    assert card.bars.bars == ()
    card.shape_form._change(batch=50)
    assert len(card.bars.bars) == 3


def test_an_impossible_size_is_refused_at_its_box(qtbot: QtBot, panel: WorkbenchPanel) -> None:
    field = panel.time.shape_form.fields["window"]
    field.selectAll()
    qtbot.keyClicks(field, "0")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert field.property("wrong")
    assert "out of range" in panel.time.error.text()
    assert panel.time.spec.window == 7


def test_a_layer_brings_its_own_boxes(panel: WorkbenchPanel) -> None:
    panel.show_topic("max_pool")
    assert panel.time.spec.layer == "max_pool"
    hidden = {name for name, field in panel.time.shape_form.fields.items() if field.isHidden()}
    assert hidden == {"filters", "pad"}
    panel.show_topic("conv")
    assert panel.time.spec == TimingSpec()


def test_times_and_checks_keep_out_of_each_others_way(
    qtbot: QtBot, panel: WorkbenchPanel, answers: dict[str, list[Any]]
) -> None:
    answers["timing"], answers["checks"] = [], outcomes("relu")
    panel.time.run()
    assert not panel.layers.check_all.isEnabled()
    assert not panel.layers.check_one.isEnabled()
    qtbot.waitUntil(lambda: not panel.time.running)
    panel.checks.run(["relu"])
    # Neither page asks to press a button that cannot be pressed.
    waits = "waits until the checks are made"
    assert not panel.time.start.isEnabled()
    assert panel.time.bars.empty_text == f"“Time it” {waits}"
    assert not panel.five_ways.start.isEnabled()
    assert panel.five_ways.verdict.text().endswith(f"“Compare” {waits}.")
    qtbot.waitUntil(lambda: not panel.checks.running)
    assert panel.time.start.isEnabled()
    assert "press “Time it”" in panel.time.bars.empty_text
    assert panel.five_ways.verdict.text().endswith("Press “Compare”.")
    assert panel.layers.check_all.isEnabled()


# --- the ladder


def steps(**failing: str) -> list[dict[str, Any]]:
    check = check_gradient(lambda a: a * a, np.ones(5), np.full(5, 2.0), name="W1")
    found = []
    for name in STEPS:
        gradients = {"W1": check} if name == "gradient" else None
        remedy = failing.get(name, "")
        found.append({"step": LadderStep(name, not remedy, "1", "1", "So.", remedy, gradients)})
    return found


def test_the_persons_network_climbs_and_shows_its_gradients(
    qtbot: QtBot, panel: WorkbenchPanel, answers: dict[str, list[Any]]
) -> None:
    source = NetworkSource(ConvNetSpec(layers="conv 4 3x3, relu"), ImageSpec())
    panel.network = lambda: (source, "my images")
    answers["ladder"] = steps()
    panel.show_topic("network")
    assert "conv 4 3x3" in panel.holds.ladder.network.text()
    assert "my images" in panel.holds.ladder.network.text()
    click(qtbot, panel, "climbLadder")
    qtbot.waitUntil(lambda: not panel.holds.ladder.running)
    assert panel.layers.list.standing("network") is HOLDS
    assert panel.gradient.check is not None
    assert panel.gradient.check.name == "W1"
    # Another network has climbed nothing yet.
    panel.network = lambda: (NetworkSource(ConvNetSpec(), ImageSpec()), "")
    panel.network_changed()
    assert panel.gradient.check is None
    assert panel.layers.list.standing("network") is NOT_RUN


def test_a_step_that_fails_says_what_to_try(
    qtbot: QtBot, panel: WorkbenchPanel, answers: dict[str, list[Any]]
) -> None:
    answers["ladder"] = steps(overfit="Raise the rate.")
    panel.show_topic("network")
    click(qtbot, panel, "climbLadder")
    qtbot.waitUntil(lambda: not panel.holds.ladder.running)
    assert panel.layers.list.standing("network") is FAILS
    rung = panel.holds.ladder.ladder.rungs[3]
    assert (rung.standing, rung.remedy) == (FAILS, "Raise the rate.")


# --- photographs


@pytest.fixture
def filtering(qtbot: QtBot, panel: WorkbenchPanel) -> WorkbenchPanel:
    panel.show_topic("pictures")
    qtbot.waitUntil(lambda: panel.playground.result is not None, timeout=20_000)
    return panel


def settle(qtbot: QtBot, panel: WorkbenchPanel) -> None:
    qtbot.waitUntil(lambda: not panel.playground.photographs.filtering, timeout=20_000)


def test_a_photograph_is_filtered_as_the_filter_is_edited(
    qtbot: QtBot, filtering: WorkbenchPanel
) -> None:
    play = filtering.playground
    assert play.picture is not None
    np.testing.assert_allclose(play.result, filtered(play.picture, DESIGNS["edges"]))
    for name in ("blur", "sobel_x"):
        play.presets.setCurrentIndex(play.presets.findData(name))
        play.presets.activated.emit(play.presets.currentIndex())
    settle(qtbot, filtering)
    np.testing.assert_allclose(play.result, filtered(play.picture, DESIGNS["sobel_x"]))
    field = play.grid.fields[1, 1]
    field.selectAll()
    qtbot.keyClicks(field, "4")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    settle(qtbot, filtering)
    assert play.presets.currentText() == "Your own"
    assert play.design.kernel[1][1] == 4
    play.bias.selectAll()
    qtbot.keyClicks(play.bias, "10")
    qtbot.keyClick(play.bias, Qt.Key.Key_Return)
    play.channels[2].selectAll()
    qtbot.keyClicks(play.channels[2], "0.5")
    qtbot.keyClick(play.channels[2], Qt.Key.Key_Return)
    play.colour.click()
    play._on_size("5")
    settle(qtbot, filtering)
    assert (play.design.bias, play.design.channels[2]) == (10, 0.5)
    assert play.design.colour
    np.testing.assert_allclose(play.result, filtered(play.picture, play.design))
    before = play.after.pixels
    play.stretch.click()
    assert play.after.pixels is not before


def test_a_pixel_is_explained(filtering: WorkbenchPanel) -> None:
    play = filtering.playground
    play.after.pointed.emit((10, 20))
    assert play.before.place == play.after.place == (10, 20)
    assert play.window_card.note.text().startswith("[10, 20]   1 × ")
    play.after.pointed.emit(None)
    assert play.before.place is None


def test_a_photograph_of_ones_own(qtbot: QtBot, filtering: WorkbenchPanel, tmp_path: Path) -> None:
    path = tmp_path / "mine.png"
    Image.fromarray(np.full((40, 60, 3), (200, 100, 50), np.uint8)).save(path)
    filtering.open_photograph(str(path))
    play = filtering.playground
    qtbot.waitUntil(lambda: play.which.currentText() == "mine.png", timeout=20_000)
    settle(qtbot, filtering)
    assert play.picture is not None
    assert play.picture[:, 5, 5].tolist() == [200, 100, 50]
    (tmp_path / "no.png").write_bytes(b"no picture")
    with qtbot.waitSignal(filtering.problem, timeout=20_000) as told:
        filtering.open_photograph(str(tmp_path / "no.png"))
    assert "no.png" in told.args[0]
    assert play.which.currentText() == "mine.png"


# --- in the window


@pytest.fixture
def bench(qtbot: QtBot, window: MainWindow, answers: dict[str, list[Any]]) -> WorkbenchPanel:
    answers["checks"] = outcomes("conv_forward", "conv_backward", "conv_oblong")
    place = [title for title, _ in window.labs].index("Workbench")
    window.show_lab(place)
    qtbot.waitUntil(lambda: not window.workbench.checks.running, timeout=30_000)
    return window.workbench


def test_quick_checks_are_made_when_a_layer_is_first_seen(
    qtbot: QtBot, bench: WorkbenchPanel, answers: dict[str, list[Any]]
) -> None:
    answers["checks"] = outcomes("max_pool_backward")
    assert bench.layers.list.standing("conv") is HOLDS
    qtbot.keyClick(bench.layers.list, Qt.Key.Key_Down)
    assert bench.topic.key == "max_pool"
    qtbot.waitUntil(lambda: not bench.checks.running, timeout=30_000)
    assert bench.layers.list.standing("max_pool") is HOLDS


def test_results_are_exported(
    qtbot: QtBot, window: MainWindow, bench: WorkbenchPanel, tmp_path: Path
) -> None:
    keys = [item.key for item in window.exporter.items]
    levels = [f"network_{level}" for level in LEVELS]
    assert keys == ["checks", "gradient_errors", "times", "filtered", "ways", *levels]
    ready = {item.key for item in window.exporter.items if item.ready()}
    assert ready == {"checks", "gradient_errors"}
    for key, kind in (("checks", "json"), ("checks", "csv"), ("gradient_errors", "csv")):
        assert window.exporter.save(key, tmp_path / f"{key}.{kind}")
    assert {row["name"] for row in json.loads((tmp_path / "checks.json").read_text())} == set(
        bench.checks.outcomes
    )
    assert window.exporter.save("gradient_errors", tmp_path / "errors.png")
    picture = Image.open(tmp_path / "errors.png")
    assert picture.text["array"] == "x"
    bench.show_topic("pictures")
    qtbot.waitUntil(lambda: bench.playground.result is not None, timeout=30_000)
    window.exporter.zoom = 1
    assert window.exporter.save("filtered", tmp_path / "filtered.png")
    found = np.asarray(Image.open(io.BytesIO((tmp_path / "filtered.png").read_bytes())))
    shown = bench.playground.after.pixels
    assert shown is not None
    np.testing.assert_array_equal(found, shown[0])


def test_the_window_opens_a_photograph_here(
    qtbot: QtBot, window: MainWindow, bench: WorkbenchPanel, tmp_path: Path
) -> None:
    path = tmp_path / "mine.png"
    Image.fromarray(np.zeros((30, 30, 3), np.uint8)).save(path)
    window.opening.open(str(path))
    qtbot.waitUntil(lambda: bench.playground.which.currentText() == "mine.png", timeout=30_000)
    assert bench.topic.key == "pictures"


def test_the_network_is_that_of_the_cnn_lab(window: MainWindow, bench: WorkbenchPanel) -> None:
    bench.show_topic("network")
    window.convnet_lab.take_spec(window.convnet_lab.spec.changed(layers="conv 5 3x3, relu"))
    assert "conv 5 3x3" in bench.holds.ladder.network.text()


def test_every_control_has_a_name_and_teaches(bench: WorkbenchPanel) -> None:
    kinds = QAbstractButton | QComboBox | QLineEdit | QListWidget
    for widget in bench.findChildren(QWidget):
        if not isinstance(widget, kinds) or widget.objectName().startswith("qt_"):
            continue
        named = widget.objectName()
        assert named, f"{widget} in {widget.parent()}"
        assert widget.accessibleName() or (isinstance(widget, QAbstractButton) and widget.text()), (
            named
        )
        assert (
            widget.toolTip() or isinstance(widget, QListWidget) or named.endswith(("Tab0", "Tab1"))
        ), named


@pytest.mark.slow
def test_the_window_closes_in_the_middle_of_everything(qtbot: QtBot, window: MainWindow) -> None:
    panel = window.workbench
    window.show_lab([title for title, _ in window.labs].index("Workbench"))
    panel.time.run()
    panel.checks.run(["conv_fast"])
    panel.show_topic("network")
    panel.holds.ladder._on_climb()
    panel.show_topic("pictures")
    qtbot.waitUntil(lambda: panel.checks.standing("conv_fast").key == "running", timeout=60_000)
    panel.checks.run(["relu"])
    assert window.close()
    assert not window.runner.busy
