"""The past of a training, seen as the present was, also while it goes on."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable

import numpy as np
import pytest
import safetensors.numpy
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QAction
from pytestqt.qtbot import QtBot

from app.core import training
from app.core.events import Snapshot
from app.core.runs import recorder
from app.core.specs import AutoencoderSpec
from app.core.words import size_in_words
from app.ui.labs.autoencoder_lab import AutoencoderLab
from app.ui.main_window import MainWindow
from app.ui.training_session import State

SHORT = AutoencoderSpec(hidden_units=6, batch_size=60, epochs=8)
ENDLESS = SHORT.changed(epochs=1_000_000)


@pytest.fixture(autouse=True)
def dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a keyframe of every step that is due: these trainings last no second."""
    monkeypatch.setattr(recorder, "KEYFRAME_SECONDS", 0.0)
    every = functools.partial(training.train, snapshot_seconds=0.0)
    monkeypatch.setattr("app.core.one_training.train", every)
    monkeypatch.setattr("app.ui.scrub_session.LOOK_SECONDS", 0.05)


@pytest.fixture
def lab(window: MainWindow) -> AutoencoderLab:
    return window.autoencoder_lab


def train(qtbot: QtBot, lab: AutoencoderLab, spec: AutoencoderSpec = SHORT) -> None:
    """Train to the end, with everything seen."""
    lab.take_spec(spec)
    lab.start()
    qtbot.waitUntil(lambda: lab.training.state is State.ENDED, timeout=20_000)
    settled(qtbot, lab)


def settled(qtbot: QtBot, lab: AutoencoderLab) -> None:
    qtbot.waitUntil(lambda: not lab.runner.busy and not lab.scrub.busy, timeout=20_000)


def seen_step(lab: AutoencoderLab) -> int | None:
    return None if lab.scrub.held is None else lab.scrub.held.snapshot.step


def go_to(qtbot: QtBot, lab: AutoencoderLab, step: int) -> None:
    lab.scrub.show_step(step)
    qtbot.waitUntil(lambda: seen_step(lab) == step, timeout=10_000)
    settled(qtbot, lab)


def running(qtbot: QtBot, lab: AutoencoderLab, keyframes: int = 3) -> None:
    """Train without an end, until there is something to look back to."""
    lab.take_spec(ENDLESS)
    lab.start()
    qtbot.waitUntil(
        lambda: lab.scrub.timeline is not None and len(lab.scrub.timeline.steps) >= keyframes
        and lab.panel.scrub_bar.isVisible(),
        timeout=20_000,
    )  # fmt: skip


def action(window: MainWindow, name: str) -> QAction:
    found = window.findChild(QAction, name)
    assert found is not None
    return found


def shown(lab: AutoencoderLab) -> dict[str, np.ndarray]:
    """Return everything that the panel draws of a model, as it is on the screen."""
    panel = lab.panel
    assert panel.reading is not None
    return {
        "filters": panel.filters.mosaic.pixels.copy(),
        "reconstructions": panel.reconstructions.mosaic.pixels.copy(),
        "rho_hat": panel.reading.rho_hat.copy(),
        "errors": panel.reading.errors.copy(),
        "bars": panel.bars._values.copy(),
    }


def test_the_bar_is_hidden_until_there_is_a_past(qtbot: QtBot, lab: AutoencoderLab) -> None:
    bar = lab.panel.scrub_bar
    assert not bar.isVisible()
    train(qtbot, lab)
    assert bar.isVisible()
    assert bar.newest.isChecked()
    assert bar.slider.value() == bar.slider.maximum() == len(lab.scrub.timeline.steps) - 1
    lab.reset(1)
    assert not bar.isVisible()


def test_what_is_seen_of_a_moment_is_what_the_live_view_showed(
    qtbot: QtBot, lab: AutoencoderLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(qtbot, lab)
    history = lab.training.training.history
    per_epoch = lab.training.training.steps_per_epoch
    for step in lab.scrub.timeline.steps[1:-1:3]:
        go_to(qtbot, lab, step)
        then = shown(lab)
        expected = history.terms[max(step - per_epoch, 0) : step].mean(axis=0)
        np.testing.assert_allclose(lab.panel.cost._then[:-1], expected)
        # The live path, given the very snapshot.
        snapshot: Snapshot = lab.scrub.held.snapshot
        lab.panel.moment = None
        lab.panel.weights = None
        monkeypatch.setattr("app.ui.panels.autoencoder_panel.READING_SECONDS", 0.0)
        lab.panel.tick(snapshot, True)
        for name, array in shown(lab).items():
            np.testing.assert_array_equal(then[name], array, err_msg=name)


def test_the_newest_moment_is_the_live_view(qtbot: QtBot, lab: AutoencoderLab) -> None:
    train(qtbot, lab)
    live = shown(lab)
    go_to(qtbot, lab, lab.scrub.timeline.steps[0])
    assert not np.array_equal(shown(lab)["filters"], live["filters"])
    assert not lab.panel.scrub_bar.newest.isChecked()
    qtbot.mouseClick(lab.panel.scrub_bar.newest, Qt.MouseButton.LeftButton)
    assert seen_step(lab) is None
    assert lab.panel.scrub_bar.newest.isChecked()
    for name, array in shown(lab).items():
        np.testing.assert_array_equal(array, live[name])
    assert not lab.panel.cost._cursor_line.isVisible()


def test_training_goes_on_and_the_view_stays(qtbot: QtBot, lab: AutoencoderLab) -> None:
    running(qtbot, lab)
    step = lab.scrub.timeline.steps[1]
    go_to_running(qtbot, lab, step)
    still = shown(lab)
    trained = len(lab.training.training.history)
    qtbot.waitUntil(lambda: len(lab.training.training.history) > trained + 50, timeout=20_000)
    for name, array in shown(lab).items():
        np.testing.assert_array_equal(array, still[name])
    where = lab.panel.scrub_bar.where.text()
    assert where.startswith("training is at ")
    assert seen_step(lab) == step
    lab.scrub.show_newest()
    assert lab.panel.weights is lab.training.training.snapshot.weights
    lab.training.stop()
    qtbot.waitUntil(lambda: not lab.training.state.alive, timeout=10_000)
    settled(qtbot, lab)


def go_to_running(qtbot: QtBot, lab: AutoencoderLab, step: int) -> None:
    lab.scrub.show_step(step)
    qtbot.waitUntil(lambda: seen_step(lab) == step and not lab.scrub.held.prompt, timeout=10_000)


def test_numbers_have_as_many_decimals_as_tell_moments_apart(
    qtbot: QtBot, lab: AutoencoderLab
) -> None:
    train(qtbot, lab)
    bar, step = lab.panel.scrub_bar, lab.scrub.timeline.steps[3]
    rhythm = lab.training.training.steps_per_epoch
    go_to(qtbot, lab, step)
    settled(qtbot, lab)
    decimals = 1 if rhythm <= 10 else 2
    assert bar.field.text() == f"{step / rhythm:.{decimals}f}"
    assert bar.where.text() == f"of {lab.scrub.newest_step / rhythm:.{decimals}f}"
    lab.scrub._on_unit("step")
    assert bar.field.text() == str(step)
    assert bar.where.text() == f"of {lab.scrub.newest_step}"


def test_what_the_run_takes_on_the_disk_is_seen(qtbot: QtBot, lab: AutoencoderLab) -> None:
    train(qtbot, lab)
    use, bar = lab.scrub.timeline.disk_use(), lab.panel.scrub_bar
    assert bar.use.text() == size_in_words(use.total)
    said = (
        f"moments of the past {size_in_words(use.keyframes)}, of at most {lab.spec.keyframe_budget}"
    )
    assert said in bar.use.toolTip()


def test_the_end_of_training_moves_nothing(qtbot: QtBot, lab: AutoencoderLab) -> None:
    running(qtbot, lab)
    step = lab.scrub.timeline.steps[1]
    go_to_running(qtbot, lab, step)
    still = shown(lab)
    lab.training.stop()
    qtbot.waitUntil(lambda: lab.training.state is State.ENDED, timeout=10_000)
    settled(qtbot, lab)
    for name, array in shown(lab).items():
        np.testing.assert_array_equal(array, still[name])
    assert lab.panel.scrub_bar.where.text().startswith("of ")


def test_to_train_on_follows_the_training_again(qtbot: QtBot, lab: AutoencoderLab) -> None:
    train(qtbot, lab)
    first = lab.scrub.timeline.steps
    go_to(qtbot, lab, first[1])
    lab.start()
    assert seen_step(lab) is None
    qtbot.waitUntil(lambda: lab.training.state is State.ENDED, timeout=20_000)
    settled(qtbot, lab)
    # The moments of the run that it went on from are there too.
    assert lab.scrub.timeline.steps[: len(first)] == first
    assert lab.scrub.timeline.steps[-1] == 2 * first[-1]


@pytest.mark.parametrize(("unit", "value"), [("epoch", 1.7), ("step", 5.0)])
def test_a_moment_is_typed_in_the_persons_own_unit(
    qtbot: QtBot, lab: AutoencoderLab, unit: str, value: float
) -> None:
    train(qtbot, lab)
    rhythm = lab.training.training.steps_per_epoch
    bar = lab.panel.scrub_bar
    bar.unit.set_value(unit)
    bar.unit_chosen.emit(unit)
    bar.field.value_typed.emit(value)
    step = int(value * rhythm) if unit == "epoch" else int(value)
    wanted = max(one for one in lab.scrub.timeline.steps if one <= step)
    qtbot.waitUntil(lambda: seen_step(lab) == wanted, timeout=10_000)
    settled(qtbot, lab)
    assert bar.field.value == pytest.approx(
        wanted if unit == "step" else wanted / rhythm, abs=0.006
    )
    assert bar.slider.value() == lab.scrub.timeline.place(wanted)


def test_seconds_are_offered_and_lead_there(qtbot: QtBot, lab: AutoencoderLab) -> None:
    train(qtbot, lab)
    history = lab.training.training.history
    lab.panel.scrub_bar.unit_chosen.emit("second")
    lab.scrub._on_typed(1e9)
    assert seen_step(lab) is None
    assert lab.panel.scrub_bar.field.value == pytest.approx(history.seconds[-1], abs=0.006)
    lab.scrub._on_typed(0.0)
    qtbot.waitUntil(lambda: seen_step(lab) == 0, timeout=10_000)
    settled(qtbot, lab)


def test_keys_step_back_and_forward(qtbot: QtBot, window: MainWindow, lab: AutoencoderLab) -> None:
    train(qtbot, lab)
    steps = lab.scrub.timeline.steps
    action(window, "actionEarlier").trigger()
    qtbot.waitUntil(lambda: seen_step(lab) == steps[-2], timeout=10_000)
    action(window, "actionEarlier").trigger()
    qtbot.waitUntil(lambda: seen_step(lab) == steps[-3], timeout=10_000)
    action(window, "actionLater").trigger()
    qtbot.waitUntil(lambda: seen_step(lab) == steps[-2], timeout=10_000)
    action(window, "actionLater").trigger()
    assert seen_step(lab) is None
    settled(qtbot, lab)
    qtbot.keyClick(lab.panel.scrub_bar.slider, Qt.Key.Key_Home)
    qtbot.waitUntil(lambda: seen_step(lab) == 0, timeout=10_000)
    settled(qtbot, lab)
    qtbot.keyClick(lab.panel.scrub_bar.slider, Qt.Key.Key_End)
    assert seen_step(lab) is None


def test_a_click_beside_a_moment_goes_to_it_and_the_hand_holds_the_handle(
    qtbot: QtBot, lab: AutoencoderLab
) -> None:
    train(qtbot, lab)
    slider = lab.panel.scrub_bar.slider
    gap = (slider.width() - 14) / slider.maximum()
    for place, beside in ((3, 0.4), (5, -0.4), (1, 0.0)):
        x = round(7 + (place + beside) * gap)
        qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(x, 9))
        assert slider.value() == place
        qtbot.mouseMove(slider, QPoint(round(7 + (place + 1) * gap), 9))
        assert slider.value() == place + 1
        qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(x, 9))
        assert slider.value() == place + 1
        settled(qtbot, lab)
        assert seen_step(lab) == lab.scrub.timeline.steps[place + 1]


def test_a_click_in_the_curves_goes_there(qtbot: QtBot, lab: AutoencoderLab) -> None:
    train(qtbot, lab)
    rhythm = lab.training.training.steps_per_epoch
    plot = lab.panel.cost.plot
    # On logarithmic epochs there is room between early steps.
    step, later = lab.scrub.timeline.steps[2:4]
    box = plot.getPlotItem().getViewBox()
    x = np.log10((step + later) / 2 / rhythm)
    place = box.mapViewToScene(QPointF(x, np.mean(box.viewRange()[1])))
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=plot.mapFromScene(place))
    qtbot.waitUntil(lambda: seen_step(lab) == step, timeout=10_000)
    settled(qtbot, lab)


def test_what_is_taken_away_says_which_moment_it_is_of(
    qtbot: QtBot, window: MainWindow, lab: AutoencoderLab
) -> None:
    train(qtbot, lab)
    item = next(item for item in window.exporter.items if item.key == "weights")
    step = lab.scrub.timeline.steps[2]
    go_to(qtbot, lab, step)
    data = item.makers["safetensors"]()
    size = int.from_bytes(data[:8], "little")
    assert json.loads(data[8 : 8 + size])["__metadata__"]["step"] == str(step)
    weights = safetensors.numpy.load(data)
    np.testing.assert_array_equal(weights["W1"], lab.scrub.held.snapshot.weights["W1"])


def test_the_newest_wish_wins(qtbot: QtBot, lab: AutoencoderLab) -> None:
    train(qtbot, lab)
    shown_steps: list[int] = []
    lab.scrub.changed.connect(
        lambda: shown_steps.append(-1 if lab.scrub.held is None else lab.scrub.held.snapshot.step)
    )
    steps = lab.scrub.timeline.steps
    for step in steps[:-1]:
        lab.scrub.show_step(step)
    qtbot.waitUntil(lambda: seen_step(lab) == steps[-2], timeout=10_000)
    settled(qtbot, lab)
    # The first was under way; all between it and the last are left out.
    assert shown_steps == [steps[0], steps[-2], steps[-2]]


def test_a_hand_does_not_rest_at_a_place_that_it_left(
    qtbot: QtBot, lab: AutoencoderLab, monkeypatch
) -> None:
    train(qtbot, lab)
    first, second = lab.scrub.timeline.steps[1:3]
    read, may_read = lab.scrub.timeline.snapshot, threading.Event()

    def slow(step: int):
        assert step != second or may_read.wait(20)
        return read(step)

    monkeypatch.setattr(lab.scrub.timeline, "snapshot", slow)
    lab.scrub.show_step(first)
    lab.scrub.show_step(second)
    qtbot.waitUntil(lambda: seen_step(lab) == first, timeout=10_000)
    qtbot.waitUntil(lambda: not lab.scrub._rest.isActive(), timeout=10_000)
    may_read.set()
    settled(qtbot, lab)
    assert seen_step(lab) == second
    assert lab.panel.scrub_bar.slider.value() == lab.scrub.timeline.place(second)


def test_values_in_force_are_those_of_the_moment(qtbot: QtBot, lab: AutoencoderLab) -> None:
    running(qtbot, lab)
    before = lab.spec.rho
    lab.panel._on_focused("rho")
    lab.panel.form._on_row("rho", 0.3)
    qtbot.waitUntil(lambda: bool(lab.training.training.history.changes), timeout=10_000)
    moved_at = lab.training.training.history.changes[0][0]
    lab.training.stop()
    qtbot.waitUntil(lambda: lab.training.state is State.ENDED, timeout=10_000)
    settled(qtbot, lab)
    go_to(qtbot, lab, 0)
    assert lab.panel.bars._rho == before
    assert lab.panel.seen_spec.rho == before
    assert lab.panel.scrub_bar.slider.marks
    assert f"{before:g} ln" in lab.panel.settings.explain_text.accessibleName()
    lab.scrub.show_newest()
    assert lab.panel.bars._rho == 0.3
    assert "0.3 ln" in lab.panel.settings.explain_text.accessibleName()
    assert moved_at > 0


def test_a_damaged_keyframe_is_told_once_and_an_earlier_one_is_seen(
    qtbot: QtBot, window: MainWindow, lab: AutoencoderLab
) -> None:
    train(qtbot, lab)
    steps = lab.scrub.timeline.steps
    run = lab.training.training.run
    dict(run.keyframes())[steps[3]].write_bytes(b"nothing")
    lab.scrub.show_step(steps[3])
    qtbot.waitUntil(lambda: seen_step(lab) == steps[2], timeout=10_000)
    settled(qtbot, lab)
    assert window.notice.isVisible()
    assert lab.panel.scrub_bar.slider.value() == 2


def test_all_parts_have_names(qtbot: QtBot, lab: AutoencoderLab) -> None:
    train(qtbot, lab)
    bar = lab.panel.scrub_bar
    for part in (bar.back, bar.forward, bar.slider, bar.field, bar.unit, bar.branch, bar.newest):
        assert part.objectName()
        assert part.accessibleName()
        assert part.toolTip()


def test_closing_while_a_moment_is_read(
    qtbot: QtBot, make_window: Callable[[], MainWindow], lab: AutoencoderLab
) -> None:
    train(qtbot, lab)
    lab.scrub.show_step(lab.scrub.timeline.steps[0])


@pytest.mark.parametrize("width", [1024, 1400])
def test_nothing_in_the_bar_lies_over_anything(
    qtbot: QtBot, window: MainWindow, lab: AutoencoderLab, width: int
) -> None:
    window.resize(width, 700)
    train(qtbot, lab)
    bar = lab.panel.scrub_bar
    parts = (bar.back, bar.slider, bar.forward, bar.field, bar.unit, bar.where, bar.branch)
    qtbot.waitUntil(lambda: bar.newest.geometry().right() < bar.width(), timeout=5000)
    for left, right in zip(parts, (*parts[1:], bar.newest), strict=True):
        assert left.geometry().right() < right.geometry().left()
    ends = bar.slider.geometry()
    go_to(qtbot, lab, lab.scrub.timeline.steps[1])
    assert bar.slider.geometry() == ends
