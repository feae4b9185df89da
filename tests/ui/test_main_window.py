"""The whole window as a person uses it: open, train, drag, look, export, drop, change colours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PyQt6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PyQt6.QtGui import QAction, QDragEnterEvent, QDropEvent
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QApplication,
    QComboBox,
    QLineEdit,
    QMenu,
    QSlider,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.history import History
from app.core.learners import AutoencoderLearner
from app.core.models.autoencoder import initial_weights
from app.core.specs import AutoencoderSpec, PreprocessSpec
from app.core.training import train
from app.ui.main_window import MainWindow
from app.ui.theme import theme
from app.ui.training_session import State
from app.ui.widgets.mosaic_view import MosaicView

from .conftest import SIDE, pixels

ENDLESS = AutoencoderSpec(hidden_units=9, batch_size=50, epochs=1_000_000)


def train_button(window: MainWindow) -> QAbstractButton:
    return window.findChild(QAbstractButton, "trainButton")


def click(qtbot: QtBot, window: MainWindow, name: str) -> None:
    button = window.findChild(QAbstractButton, name)
    assert button is not None, name
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def use(window: MainWindow, spec: AutoencoderSpec) -> None:
    """Choose settings as a preset does."""
    window.autoencoder.set_spec(spec)
    window.autoencoder_lab.take_spec(spec)


def begin(qtbot: QtBot, window: MainWindow, spec: AutoencoderSpec = ENDLESS) -> None:
    use(window, spec)
    click(qtbot, window, "trainButton")
    qtbot.waitUntil(
        lambda: window.training.training is not None and len(window.training.training.history) > 0
    )


def stop(qtbot: QtBot, window: MainWindow) -> None:
    click(qtbot, window, "stopButton")
    qtbot.waitUntil(lambda: window.training.state is State.ENDED)


def drop(window: MainWindow, *paths: Path) -> None:
    """Drag files over the window and let go."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(50, 50), Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted()
    assert window.overlay.isVisible()
    event = QDropEvent(QPointF(50, 50), Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(window, event)
    assert not window.overlay.isVisible()


# --- opening


def test_nothing_looks_chosen_at_the_start(qtbot: QtBot, window: MainWindow) -> None:
    window.activateWindow()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is not None)
    assert QApplication.focusWidget() is window.centralWidget()


def test_it_opens_with_the_sample_and_train_works_at_once(
    qtbot: QtBot, make_window: Callable[[], MainWindow]
) -> None:
    window = make_window()
    assert not train_button(window).isEnabled()
    with qtbot.waitSignal(window.data.changed, timeout=30_000):
        window.opening.open_sample()
    assert window.data.patches.x.shape == (10_240, 256)
    assert "sample patches" in window.info.text()
    assert train_button(window).isEnabled()
    assert window.autoencoder.filters.count == 64
    click(qtbot, window, "trainButton")
    qtbot.waitUntil(lambda: window.training.state is State.RUNNING, timeout=10_000)
    qtbot.waitUntil(lambda: len(window.training.training.history) > 5, timeout=10_000)


def test_a_dropped_file_is_opened(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    other = tmp_path / "dropped.npy"
    np.save(other, pixels(120, seed=3))
    with qtbot.waitSignal(window.data.changed, timeout=20_000):
        drop(window, other)
    assert len(window.data.patches.x) == 120
    assert "dropped.npy" in window.info.text()
    assert window.notice.isHidden()
    assert window.settings.recent[0] == str(other)


def test_a_bad_file_is_one_line_and_changes_nothing(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.h5"
    bad.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    patches = window.data.patches
    with qtbot.waitSignal(window.data.problem, timeout=20_000):
        drop(window, bad)
    assert window.notice.isVisible()
    assert window.notice.property("kind") == "problem"
    assert "bad.h5" in window.notice.message.text()
    assert "\n" not in window.notice.message.text()
    assert window.data.patches is patches
    assert train_button(window).isEnabled()
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert window.notice.isHidden()


def test_what_is_no_file_is_not_taken(window: MainWindow) -> None:
    data = QMimeData()
    data.setText("hello")
    event = QDragEnterEvent(
        QPoint(5, 5),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    event.ignore()
    QApplication.sendEvent(window, event)
    assert not event.isAccepted()
    assert not window.overlay.isVisible()


# --- training


def test_train_pause_step_stop_continue_and_reset(qtbot: QtBot, window: MainWindow) -> None:
    first_noise = window.autoencoder.filters.mosaic.pixels.copy()
    begin(qtbot, window, ENDLESS.changed(hidden_units=64))
    assert train_button(window).text().strip() == "Pause"
    click(qtbot, window, "trainButton")
    qtbot.waitUntil(lambda: window.training.state is State.PAUSED)
    assert train_button(window).text().strip() == "Resume"
    done = len(window.training.training.history)
    click(qtbot, window, "stepButton")
    qtbot.waitUntil(lambda: len(window.training.training.history) == done + 1)
    qtbot.waitUntil(lambda: window.training.state is State.PAUSED)
    assert f"paused after step {done + 1}" in window.transport.status.text()
    stop(qtbot, window)
    assert train_button(window).text().strip() == "Continue"
    assert not np.array_equal(window.autoencoder.filters.mosaic.pixels, first_noise)
    click(qtbot, window, "resetButton")
    assert train_button(window).text().strip() == "Train"
    assert window.training.training is None
    np.testing.assert_array_equal(window.autoencoder.filters.mosaic.pixels, first_noise)
    window.findChild(QAction, "actionNewSeed").trigger()
    assert window.spec.seed == 1
    assert not np.array_equal(window.autoencoder.filters.mosaic.pixels, first_noise)


def test_reset_while_it_trains_stops_first(qtbot: QtBot, window: MainWindow) -> None:
    begin(qtbot, window)
    click(qtbot, window, "resetButton")
    qtbot.waitUntil(lambda: window.training.state is State.IDLE)
    assert window.training.training is None


def test_a_dragged_slider_reaches_the_next_steps_and_is_marked(
    qtbot: QtBot, window: MainWindow
) -> None:
    begin(qtbot, window)
    slider = window.findChild(QSlider, "rhoSlider")
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(10, slider.height() // 2))
    qtbot.mouseMove(slider, QPoint(slider.width() - 30, slider.height() // 2))
    qtbot.mouseRelease(
        slider, Qt.MouseButton.LeftButton, pos=QPoint(slider.width() - 30, slider.height() // 2)
    )
    wanted = window.spec.rho
    assert wanted != 0.05
    history = window.training.training.history
    qtbot.waitUntil(lambda: bool(history.changes) and history.changes[-1][1].new == wanted)
    assert window.training.training.spec.rho == wanted
    step = history.changes[-1][0]
    qtbot.waitUntil(lambda: len(history) > step + 1)
    stop(qtbot, window)
    marked_x, _ = window.autoencoder.cost._mark_lines.getData()
    assert len(marked_x) == 2, "one drag is one mark"
    assert history.changes[0][1].name == "rho"


def test_what_cannot_change_is_locked_while_it_trains(qtbot: QtBot, window: MainWindow) -> None:
    begin(qtbot, window)
    field = window.autoencoder.findChild(QLineEdit, "hidden_units")
    assert not field.isEnabled()
    assert window.autoencoder.findChild(QLineEdit, "rho").isEnabled()
    stop(qtbot, window)
    assert field.isEnabled()


def test_the_curve_is_the_same_as_the_command_line_s(qtbot: QtBot, window: MainWindow) -> None:
    spec = AutoencoderSpec(hidden_units=9, batch_size=50, epochs=4, seed=3)
    use(window, spec)
    click(qtbot, window, "trainButton")
    qtbot.waitUntil(lambda: window.training.state is State.ENDED)
    x = window.data.patches.x
    twin = History(AutoencoderLearner.term_names)
    for event in train(
        AutoencoderLearner(x, spec),
        spec,
        Control(),
        examples=len(x),
        order=EpochOrder(len(x), 3),
        run_id="twin",
    ):
        twin.take(event)
    np.testing.assert_array_equal(window.training.training.history.terms, twin.terms)


def test_divergence_is_said_and_a_smaller_rate_is_suggested(
    qtbot: QtBot, window: MainWindow
) -> None:
    use(window, ENDLESS.changed(solver="sgd", decoder="linear", learning_rate=1e8))
    click(qtbot, window, "trainButton")
    qtbot.waitUntil(lambda: window.training.state is State.ENDED)
    assert window.notice.isVisible()
    assert "stopped being a finite number at step" in window.notice.message.text()
    assert "rate" in window.notice.hint.text()
    assert train_button(window).isEnabled()
    assert all(np.isfinite(w).all() for w in window.autoencoder.weights.values())


def test_training_that_cannot_be_meant_is_refused_with_a_reason(
    qtbot: QtBot, window: MainWindow
) -> None:
    use(window, ENDLESS.changed(held_out=100_000))
    click(qtbot, window, "trainButton")
    assert "held out" in window.notice.message.text()
    assert window.training.state is State.IDLE
    use(window, ENDLESS)
    with qtbot.waitSignal(window.data.changed, timeout=20_000):
        window.data_panel.set_preprocess(PreprocessSpec(rescale=False))
    click(qtbot, window, "trainButton")
    assert "sigmoid" in window.notice.message.text()


def test_a_sigmoid_is_refused_by_the_values_not_by_the_way_they_were_made(
    qtbot: QtBot, window: MainWindow
) -> None:
    use(window, ENDLESS)
    plain = PreprocessSpec(rescale=False, remove_mean=False, clip=False)
    with qtbot.waitSignal(window.data.changed, timeout=20_000):
        window.data_panel.set_preprocess(plain)
    x = window.data.patches.x
    assert window.data.patches.value_range == (x.min(), x.max())
    assert window.data.patches.value_range[0] >= 0
    click(qtbot, window, "trainButton")
    qtbot.waitUntil(lambda: window.training.state is State.RUNNING)


def test_a_preset_brings_its_preprocessing(qtbot: QtBot, window: MainWindow) -> None:
    from app.core.presets import PRESETS

    name = next(n for n, p in PRESETS.items() if p.preprocess.whiten != "none")
    with qtbot.waitSignal(window.data.changed, timeout=20_000):
        window.use_preset(name)
    assert window.data.preprocess == PRESETS[name].preprocess
    assert window.spec == PRESETS[name].spec
    assert PRESETS[name].title in window.notice.message.text()


def test_what_was_learned_of_other_data_goes(
    qtbot: QtBot, trained: MainWindow, tmp_path: Path
) -> None:
    other = tmp_path / "other.npy"
    np.save(other, pixels(120, seed=3))
    assert trained.transport.progress.value() == 1000
    with qtbot.waitSignal(trained.data.changed, timeout=20_000):
        trained.opening.open(str(other))
    panel = trained.autoencoder
    assert trained.training.training is None
    assert trained.transport.progress.value() == 0
    assert "other.npy" in trained.info.text()
    assert len(panel.cost._x) == 0
    first = initial_weights(trained.data.patches.x.shape[1], trained.spec)
    np.testing.assert_array_equal(panel.weights["W1"], first["W1"])


def test_a_preset_of_another_structure_shows_its_first_weights(
    trained: MainWindow,
) -> None:
    trained.use_preset("sparse")
    assert trained.training.training is None
    assert trained.autoencoder.filters.count == trained.spec.hidden_units != 9


def test_data_opened_while_it_trains_is_named_as_the_next(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    other = tmp_path / "other.npy"
    np.save(other, pixels(120, seed=3))
    begin(qtbot, window)
    with qtbot.waitSignal(window.data.changed, timeout=20_000):
        window.opening.open(str(other))
    assert window.info.text().startswith("small patches.npy")
    assert window.info.text().endswith("next: other.npy")
    stop(qtbot, window)
    assert window.info.text().startswith("small patches.npy")
    assert window.transport.status.text().startswith("last run")
    click(qtbot, window, "resetButton")
    assert window.info.text().startswith("other.npy")


def test_data_of_another_size_that_was_opened_while_it_trained_is_learned_from(
    qtbot: QtBot, window: MainWindow
) -> None:
    begin(qtbot, window)
    with qtbot.waitSignal(window.data.changed):
        window.data.set_preprocess(PreprocessSpec(grayscale=False))
    stop(qtbot, window)
    panel = window.autoencoder
    assert panel.weights is not None
    assert len(panel.weights["W1"]) == 36
    window.on_main()
    # Curves may grow before the first weights come; what is in sight is asked for meanwhile.
    panel._last_reading = 0.0
    panel.tick(None, True)
    panel.open_unit(0)
    qtbot.waitUntil(lambda: panel.reading is not None)
    assert len(panel.weights["W1"]) == 3 * 36
    stop(qtbot, window)


def test_the_last_run_is_called_so_when_train_would_begin_anew(
    trained: MainWindow,
) -> None:
    assert "last run" not in trained.transport.status.text()
    use(trained, ENDLESS.changed(hidden_units=16))
    assert trained.transport.status.text().startswith("last run")
    assert trained.autoencoder.filters.count == 9


def test_the_bound_of_principal_components_is_drawn(qtbot: QtBot, window: MainWindow) -> None:
    use(window, ENDLESS)
    qtbot.waitUntil(lambda: window.autoencoder.cost._bound is not None)
    x = window.data.patches.x.astype(np.float64)
    rest = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[9:]
    assert window.autoencoder.cost._bound == pytest.approx(0.5 * (rest**2).sum() / len(x), rel=1e-4)


# --- looking


def test_a_filter_is_opened_by_a_click(qtbot: QtBot, window: MainWindow) -> None:
    begin(qtbot, window)
    stop(qtbot, window)
    panel = window.autoencoder
    place = panel.filters.tile_rect(4).center().toPoint()
    qtbot.mouseClick(panel.filters, Qt.MouseButton.LeftButton, pos=place)
    assert panel.right.page == 1
    assert panel.unit.unit == 4
    assert panel.right.tabs[1].text() == "Unit 4"
    assert panel.unit.strongest.count == 24
    assert "mean\xa0activation" in panel.unit.numbers.text()
    assert "4" in panel.settings.explain_title.text()
    norm = np.linalg.norm(panel.weights["W1"][:, 4])
    assert f"{norm:.3g}" in panel.unit.numbers.text()


def test_what_is_explained_follows_the_focus(qtbot: QtBot, window: MainWindow) -> None:
    window.activateWindow()
    for name in ("rho", "beta", "lam", "learning_rate", "hidden_units"):
        window.autoencoder._on_focused(name)
        assert window.autoencoder.settings.explain_title.text()
        assert window.autoencoder.settings.explain_text.accessibleName()


def test_every_page_of_the_lab_is_drawn(qtbot: QtBot, window: MainWindow) -> None:
    begin(qtbot, window, ENDLESS.changed(held_out=40))
    stop(qtbot, window)
    panel = window.autoencoder
    for which in ("worst", "held out", "spread"):
        panel.right.shown_set.set_value(which)
        panel._read()
        assert panel.reconstructions.count > 0
    for scale in ("common", "diverging", "own"):
        panel.filters.set_scale(scale)
    panel.units_card.show_page(1)
    assert panel.units_card.note.text() == "W1 and W2"
    for place in range(len(window.labs)):
        window.show_lab(place)
        assert not window.grab().isNull()


@pytest.mark.parametrize("choice", ["dark", "light"])
def test_the_theme_is_switched_and_remembered(window: MainWindow, home: Path, choice: str) -> None:
    window.findChild(QAction, f"actionTheme{choice.title()}").trigger()
    picture = window.grab().toImage()
    assert theme.colours.name == choice
    assert picture.pixelColor(3, picture.height() // 2) == theme.colour("window")
    saved = json.loads((home / ".config/filterscope/settings.json").read_text())
    assert saved["theme"] == choice


def test_a_fault_is_told_with_a_report(window: MainWindow) -> None:
    window.report_bug("ValueError: boom", "Traceback …")
    assert "boom" in window.notice.message.text()
    assert window.notice.copy.isVisible()


# --- taking away


EXPORTS = {
    "filters": "png svg",
    "patches": "png svg",
    "normalized": "png svg",
    "reconstructions": "png svg",
    "curves": "png svg csv",
    "activations": "png svg csv",
    "histogram": "png svg csv",
    "weights": "npz safetensors",
}


def check_export(window: MainWindow, key: str, path: Path) -> None:
    data = path.read_bytes()
    if path.suffix == ".png":
        with Image.open(path) as image:
            image.load()
            assert image.size > (20, 20)
            if key in ("filters", "curves"):
                assert "0.05" in " ".join(str(value) for value in image.info.values())
    elif path.suffix == ".svg":
        assert data.lstrip().startswith((b"<?xml", b"<svg"))
    elif path.suffix == ".csv" and key != "curves":
        table = np.genfromtxt(path, delimiter=",", names=True)
        if key == "activations":
            rho_hat = window.autoencoder.reading.rho_hat
            np.testing.assert_array_equal(table["mean_activation"].astype(np.float32), rho_hat)
        else:
            assert table["count"].sum() == 2 * 9 * SIDE * SIDE
            assert np.all(table["from"] < table["to"])
    elif path.suffix == ".csv":
        rows = [line for line in data.decode().splitlines() if not line.startswith("#")]
        assert len(rows) == len(window.training.training.history) + 1
    elif path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            shapes = {name: arrays[name].shape for name in arrays}
        depth = SIDE * SIDE
        assert shapes == {"W1": (depth, 9), "b1": (9,), "W2": (9, depth), "b2": (depth,)}
    else:
        assert b"W1" in data


def test_each_thing_is_exported_as_each_kind(trained: MainWindow, tmp_path: Path) -> None:
    assert {
        item.key: " ".join(item.makers) for item in trained.exporter.items if item.makers
    } == EXPORTS
    for key, suffixes in EXPORTS.items():
        assert trained.exporter.actions[key].isEnabled()
        for suffix in suffixes.split():
            path = tmp_path / f"{key}.{suffix}"
            assert trained.exporter.save(key, path, overwrite=False)
            check_export(trained, key, path)
            assert trained.notice.property("kind") == "good"
            assert f"Saved {path.name}" in trained.notice.message.text()


@pytest.fixture
def trained(qtbot: QtBot, window: MainWindow) -> MainWindow:
    begin(qtbot, window, ENDLESS.changed(epochs=2))
    qtbot.waitUntil(lambda: window.training.state is State.ENDED)
    return window


def test_an_export_that_fails_leaves_what_was_there(trained: MainWindow, tmp_path: Path) -> None:
    path = tmp_path / "filters.png"
    path.write_bytes(b"precious")
    assert not trained.exporter.save("filters", path, overwrite=False)
    assert path.read_bytes() == b"precious"
    assert trained.notice.property("kind") == "problem"
    assert not trained.exporter.save("filters", tmp_path / "no such folder" / "a.png")
    assert trained.notice.property("kind") == "problem"


def test_a_kind_of_file_that_it_cannot_be_is_refused(trained: MainWindow, tmp_path: Path) -> None:
    assert not trained.exporter.save("filters", tmp_path / "filters.csv", "png")
    assert "cannot be saved as CSV" in trained.notice.message.text()
    assert "PNG or SVG" in trained.notice.hint.text()
    assert list(tmp_path.glob("filters*")) == []
    assert trained.exporter.save("filters", tmp_path / "filters.v2", "png")
    assert (tmp_path / "filters.v2.png").is_file()


def test_a_picture_is_exported_at_the_chosen_zoom_whatever_the_screen(
    trained: MainWindow, tmp_path: Path
) -> None:
    mosaic = trained.autoencoder.filters.mosaic
    for zoom in (1, 4):
        trained.exporter.zoom = zoom
        path = tmp_path / f"{zoom}.png"
        trained.exporter.save("filters", path)
        with Image.open(path) as image:
            np.testing.assert_array_equal(np.asarray(image), mosaic.zoomed(zoom))


# --- what everybody needs


def interactive(window: QWidget) -> list[QWidget]:
    kinds = (QAbstractButton, QAbstractSlider, QComboBox, QLineEdit, MosaicView)
    found = [w for kind in kinds for w in window.findChildren(kind)]
    return [
        w
        for w in found
        # Parts that Qt makes inside its own widgets, and pyqtgraph's menus that are never shown.
        if not w.objectName().startswith("qt_")
        and not isinstance(w.parentWidget(), QComboBox)
        and not any(isinstance(p, QMenu) for p in ancestors(w))
        and type(w).__name__ != "QScrollBar"
    ]


def ancestors(widget: QWidget) -> list[QWidget]:
    found = []
    parent = widget.parentWidget()
    while parent is not None:
        found.append(parent)
        parent = parent.parentWidget()
    return found


def test_every_control_has_a_name_and_says_what_it_is(window: MainWindow) -> None:
    controls = interactive(window)
    assert len(controls) > 40
    nameless = [
        f"{type(w).__name__} in {[p.objectName() for p in ancestors(w)][:3]}"
        for w in controls
        if not w.objectName()
    ]
    assert nameless == []
    mute = [
        w.objectName()
        for w in controls
        if not w.accessibleName() and not (isinstance(w, QAbstractButton) and w.text())
    ]
    assert mute == []


def test_every_button_has_a_tooltip(window: MainWindow) -> None:
    plain = [
        w.objectName()
        for w in interactive(window)
        if isinstance(w, QAbstractButton) and not w.toolTip()
    ]
    assert plain == []


def test_every_action_has_a_name_and_a_tooltip_that_says_more_than_its_text(
    window: MainWindow,
) -> None:
    def bare(text: str) -> str:
        return text.replace("&", "").rstrip("…").strip()

    actions = [
        a
        for a in window.findChildren(QAction)
        if a.text()
        and not a.isSeparator()
        and a.menu() is None
        and not any(
            type(p).__name__ in ("GraphicsScene", "QMenu") and not p.objectName() for p in above(a)
        )
    ]
    assert len(actions) > 20
    assert [a.text() for a in actions if not a.objectName()] == []
    assert [a.text() for a in actions if bare(a.toolTip()) == bare(a.text())] == []


def above(action: QAction) -> list[object]:
    found, parent = [], action.parent()
    while parent is not None:
        found.append(parent)
        parent = parent.parent()
    return found


def test_no_two_actions_share_a_key(window: MainWindow) -> None:
    keys = [
        a.shortcut().toString() for a in window.findChildren(QAction) if not a.shortcut().isEmpty()
    ]
    assert len(keys) == len(set(keys))


def test_space_trains_unless_something_else_has_the_focus(qtbot: QtBot, window: MainWindow) -> None:
    use(window, ENDLESS)
    window.activateWindow()
    window.autoencoder.filters.setFocus()
    window.findChild(QAction, "actionTrain").trigger()
    qtbot.waitUntil(lambda: window.training.state is State.RUNNING)
    stop(qtbot, window)


def space(window: MainWindow) -> None:
    window.findChild(QAction, "actionTrain").trigger()


def test_space_trains_after_a_reset_by_mouse(qtbot: QtBot, window: MainWindow) -> None:
    window.activateWindow()
    begin(qtbot, window)
    click(qtbot, window, "resetButton")
    qtbot.waitUntil(lambda: window.training.state is State.IDLE)
    assert window.focusWidget() is window.centralWidget()
    space(window)
    qtbot.waitUntil(lambda: window.training.state is State.RUNNING)
    assert window.place == 1
    space(window)
    qtbot.waitUntil(lambda: window.training.state is State.PAUSED)
    space(window)
    qtbot.waitUntil(lambda: window.training.state is State.RUNNING)


@pytest.mark.parametrize("lab", [0, 2, 3])
def test_another_lab_gives_the_focus_to_nothing(window: MainWindow, lab: int) -> None:
    window.activateWindow()
    window.autoencoder.right.tabs[0].setFocus()
    window.show_lab(lab)
    assert window.focusWidget() is window.centralWidget()


def test_what_is_locked_passes_the_focus_to_nothing(window: MainWindow) -> None:
    window.activateWindow()
    field = window.autoencoder.findChild(QLineEdit, "hidden_units")
    field.setFocus()
    window.autoencoder.set_locked(True)
    assert window.focusWidget() in (None, window.centralWidget())
    window.transport.step.setFocus()
    window.transport.step.setEnabled(False)
    assert window.focusWidget() is window.centralWidget()


def test_space_presses_a_button_only_where_tab_went_to_it(qtbot: QtBot, window: MainWindow) -> None:
    use(window, ENDLESS)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    first, second = (window.findChild(QAbstractButton, f"cost_log_{a}") for a in "xy")
    second.setFocus(Qt.FocusReason.MouseFocusReason)
    space(window)
    qtbot.waitUntil(lambda: window.training.state is State.RUNNING)
    assert second.isChecked()
    first.setFocus()
    qtbot.keyClick(first, Qt.Key.Key_Tab)
    assert QApplication.focusWidget() is second
    space(window)
    assert not second.isChecked()
    assert window.training.state is State.RUNNING
    # The same button, but chosen by mouse since then.
    first.setFocus(Qt.FocusReason.MouseFocusReason)
    second.setFocus(Qt.FocusReason.MouseFocusReason)
    space(window)
    qtbot.waitUntil(lambda: window.training.state is State.PAUSED)


def test_the_keyboard_reaches_every_control_of_a_lab(window: MainWindow) -> None:
    """Tab goes round and comes back, and on its way visits the boxes and the buttons."""
    start = window.transport.main
    reached = set()
    widget: QWidget | None = start
    for _ in range(2000):
        widget = widget.nextInFocusChain()
        if widget is start or widget is None:
            break
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisible():
            reached.add(widget.objectName())
    assert widget is start
    assert {"rho", "rhoSlider", "filters", "exportButton", "stopButton", "solver"} <= reached | {
        "stopButton"
    }
