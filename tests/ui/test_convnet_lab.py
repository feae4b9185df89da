"""The CNN lab in the window: open, edit, train, look, test, take away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from app.core.errors import Cancelled
from app.core.nn.reading import Look
from app.core.runs import list_runs
from app.core.settings import data_folder
from app.core.specs import ConvNetSpec, ImageSpec
from app.ui import image_session
from app.ui.image_session import ImageRequest
from app.ui.labs.convnet_lab import ConvNetLab
from app.ui.main_window import MainWindow
from app.ui.panels.cnn.maps_card import MapsCard
from app.ui.training_session import State
from tests.core.small_images import small_images

SPEC = ConvNetSpec.build(
    {
        "layers": "conv 6 3x3, relu, pool 2, affine 12, relu",
        "epochs": 3,
        "batch_size": 9,
        "initialisation": "he",
        "evaluate_every": 2,
    }
)


@pytest.fixture
def cnn(qtbot: QtBot, make_window: Callable[[], MainWindow], tmp_path: Path) -> MainWindow:
    """Return a window whose CNN lab has a few tiny images open."""
    images = small_images()
    path = tmp_path / "few.npz"
    np.savez(path, x=images.x, y=images.y)
    window = make_window()
    lab = window.convnet_lab
    lab.session.spec = ImageSpec(train_count=45, validation_count=30, normalisation="per_channel")
    with qtbot.waitSignal(lab.session.changed, timeout=20_000):
        lab.session.open(ImageRequest(str(path)))
    window.show_lab(2)
    lab.spec = SPEC
    lab.show_spec()
    qtbot.waitUntil(lambda: not window.runner.busy, timeout=10_000)
    return window


def ended(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: window.training.state is State.ENDED, timeout=60_000)
    qtbot.waitUntil(lambda: not window.convnet_lab.readings.busy, timeout=20_000)


def test_the_lab_shows_what_is_open(cnn: MainWindow) -> None:
    assert "few.npz" in cnn.info.text()
    assert "45 / 30" in cnn.info.text()
    page = cnn.cnn.images_page
    assert "90 images, 8 × 8 RGB" in page.source.text()
    assert "3 classes, 30 images each" in page.counts.text()
    assert cnn.cnn.maps_card.samples.count == 24
    assert cnn.cnn.maps_card.samples.describe is not None
    assert cnn.cnn.maps_card.samples.describe(0).startswith("image 0")
    # The bar at the bottom belongs to this lab now.
    assert cnn.lab is cnn.convnet_lab
    assert cnn.transport.main.isEnabled()


def test_training_fills_every_picture(qtbot: QtBot, cnn: MainWindow) -> None:
    panel = cnn.cnn
    cnn.on_main()
    ended(qtbot, cnn)
    training = cnn.training.training
    assert training is not None
    assert len(training.history) == 15
    assert panel.filters.count == 6
    assert len(training.history.evaluations) >= 7
    assert panel.answers is not None
    assert panel.answers.confusion().sum() == 30
    assert panel.loss_card.plot._terms.shape == (15, 2)
    assert "validation" in cnn.transport.status.text()
    # Weights, answers and the last evaluation are of the same moment.
    last = training.history.evaluations[-1]
    if last.step == 15:
        assert panel.answers.accuracy == pytest.approx(last.validation_accuracy)
    (run,) = list_runs(data_folder())
    assert run.info.kind == "cnn"


def test_cards_keep_their_width_when_figures_come(qtbot: QtBot, cnn: MainWindow) -> None:
    cnn.resize(1024, 700)
    panel = cnn.cnn
    panel.layout().activate()
    cards = [panel.filters_card, panel.maps_card, panel.confusion_card]
    cards += [panel.loss_card, panel.accuracy_card, panel.mistakes_card]
    before = [card.width() for card in cards]
    cnn.on_main()
    ended(qtbot, cnn)
    panel.maps_card.show_page(0)
    panel.maps_card.view_choice.set_value("excites")
    panel.loss_card.show_page(1)
    qtbot.waitUntil(lambda: panel.maps_card.maps.isVisible())
    panel.layout().activate()
    assert [card.width() for card in cards] == before


def test_a_clicked_image_is_seen_through_each_layer(qtbot: QtBot, cnn: MainWindow) -> None:
    panel = cnn.cnn
    cnn.on_main()
    ended(qtbot, cnn)
    with qtbot.waitSignal(cnn.convnet_lab.readings.read, timeout=10_000):
        panel.maps_card._on_sample(4)
    assert panel.maps_card.chosen == panel.maps_card._sample[4]
    assert panel.maps_card.page == 0
    assert panel.maps_card.maps.count == 6
    assert panel.maps_card.true.text() == "0"
    assert "%" in panel.maps_card.says[0].text()
    texts = [
        panel.maps_card.layer_choice.itemText(n)
        for n in range(panel.maps_card.layer_choice.count())
    ]
    assert texts == [
        "1  conv 6 3x3",
        "2  relu",
        "3  pool 2",
        "4  affine 12",
        "5  relu",
        "6  affine 3",
    ]
    assert not panel.maps_card.layer_choice.isHidden()
    empty = MapsCard()
    qtbot.addWidget(empty)
    assert empty.layer_choice.isHidden()
    # “conv 3” would be another row.
    assert panel.maps_card.layer_choice.shown_text() == "1  conv 6 3x3"
    panel.maps_card.layer_choice.setCurrentIndex(5)
    with qtbot.waitSignal(cnn.convnet_lab.readings.read, timeout=10_000):
        panel._look()
    assert panel.maps_card.maps.count == 1


def test_an_image_is_looked_into_in_other_ways(qtbot: QtBot, cnn: MainWindow) -> None:
    panel, readings = cnn.cnn, cnn.convnet_lab.readings
    cnn.on_main()
    ended(qtbot, cnn)
    card = panel.maps_card
    with qtbot.waitSignal(readings.read, timeout=10_000):
        card._on_sample(4)
    for view, count in (("saliency", 2), ("cam", 2), ("excites", 6), ("maps", 6)):
        with qtbot.waitSignal(readings.read, timeout=20_000):
            card.view_choice._actions[view].trigger()
        assert card.view == view
        assert card.maps.count == count
        assert card.maps.describe is not None
        assert card.maps.describe(0)
        assert card.layer_choice.isEnabled() == (view != "saliency")
        assert ("of “" in card.note.text()) == (view in ("saliency", "cam"))
    # What was asked for before is not shown as what is asked for now.
    card.view_choice.set_value("saliency")
    shown = card.maps.count
    card.set_look(Look((0,), np.zeros((3, 4, 4), np.float32), np.full(3, 1 / 3), "maps"))
    assert card.maps.count == shown


def test_a_cell_of_the_matrix_opens_its_images(qtbot: QtBot, cnn: MainWindow) -> None:
    panel = cnn.cnn
    cnn.on_main()
    ended(qtbot, cnn)
    assert panel.answers is not None
    true, said = (int(n) for n in np.argwhere(panel.answers.confusion())[0])
    panel.confusion_card.matrix._choose((true, said))
    assert panel.confusion_card.page == 1
    assert panel.confusion_card.images.count == panel.answers.confusion()[true, said]
    caption = f"{true}, named right" if true == said else f"{true}, called {said}"
    assert panel.confusion_card.caption.text() == caption


def test_the_layers_page_tells_how_they_behave(qtbot: QtBot, cnn: MainWindow) -> None:
    panel = cnn.cnn
    cnn.on_main()
    ended(qtbot, cnn)
    with qtbot.waitSignal(cnn.convnet_lab.readings.read, timeout=10_000):
        panel.loss_card.show_page(1)
    table = panel.loss_card.behaviour.table
    assert table.topLevelItemCount() == 6
    item = table.topLevelItem(1)
    assert item is not None
    assert item.text(0) == "relu"
    assert item.text(3).endswith("%")
    for kind in ("weights", "gradients", "outputs"):
        panel.loss_card.behaviour.set_kind(kind)
    assert panel.loss_card.behaviour.histogram.grab().isNull() is False


def test_live_values_are_marked(qtbot: QtBot, cnn: MainWindow) -> None:
    cnn.on_step()
    qtbot.waitUntil(lambda: cnn.training.state is State.PAUSED, timeout=30_000)
    cnn.cnn.network_page.form.rows["reg"].changed.emit("reg", 0.25)
    cnn.on_main()
    ended(qtbot, cnn)
    training = cnn.training.training
    assert training is not None
    ((step, change),) = training.history.changes
    assert (step, change.name, change.new) == (1, "reg", 0.25)


def test_what_cannot_change_is_locked_while_it_trains(qtbot: QtBot, cnn: MainWindow) -> None:
    cnn.on_step()
    qtbot.waitUntil(lambda: cnn.training.state is State.PAUSED, timeout=30_000)
    panel = cnn.cnn
    assert not panel.network_page.layers.add_button.isEnabled()
    assert not panel.network_page.form.rows["batch_size"].isEnabled()
    assert panel.network_page.form.rows["dropout"].isEnabled()
    assert not panel.images_page.form.isEnabled()
    cnn.on_stop()
    ended(qtbot, cnn)
    assert panel.network_page.layers.add_button.isEnabled()
    # The model stays, and can be trained on.
    assert "Continue" in cnn.transport.main.text()


def test_an_edited_list_begins_another_network(qtbot: QtBot, cnn: MainWindow) -> None:
    cnn.on_step()
    qtbot.waitUntil(lambda: cnn.training.state is State.PAUSED, timeout=30_000)
    cnn.on_stop()
    ended(qtbot, cnn)
    cnn.cnn.network_page.layers._replace("conv 4 5x5, relu, global_avg_pool")
    assert cnn.convnet_lab.spec.layers == "conv 4 5x5, relu, global_avg_pool"
    assert cnn.transport.main.text().strip() == "Train"
    cnn.on_main()
    ended(qtbot, cnn)
    assert cnn.cnn.filters.count == 4


def test_an_impossible_list_is_not_trained(cnn: MainWindow) -> None:
    cnn.cnn.network_page.layers._replace("conv 4 3x3, pool 30")
    cnn.on_main()
    assert not cnn.training.state.alive
    assert "30" in cnn.notice.message.text()


def test_the_test_images_are_asked_once(qtbot: QtBot, cnn: MainWindow) -> None:
    panel = cnn.cnn
    panel.mistakes_card.test_button.click()
    assert "no network" in cnn.notice.message.text()
    cnn.on_main()
    ended(qtbot, cnn)
    for times, words in ((1, "the first time"), (2, "no longer an honest figure")):
        panel.mistakes_card.test_button.click()
        qtbot.waitUntil(lambda: cnn.convnet_lab._test_worker is None, timeout=20_000)
        assert words in panel.mistakes_card.test_text.text()
        (run,) = list_runs(data_folder())
        assert len(run.info.tested) == times
    cnn.on_reset()
    assert "play no part" in panel.mistakes_card.test_text.text()


def test_a_dropped_photograph_is_looked_at(qtbot: QtBot, cnn: MainWindow, tmp_path: Path) -> None:
    cnn.on_main()
    ended(qtbot, cnn)
    path = tmp_path / "photo.png"
    Image.fromarray(np.full((50, 70, 3), 200, np.uint8)).save(path)
    with qtbot.waitSignal(cnn.convnet_lab.readings.read, timeout=20_000):
        cnn.opening.open(str(path))
    assert cnn.cnn.maps_card.true.text() == "your image"
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    cnn.opening.open(str(bad))
    qtbot.waitUntil(lambda: "bad.png" in cnn.notice.message.text(), timeout=20_000)


def test_everything_can_be_taken_away(qtbot: QtBot, cnn: MainWindow, tmp_path: Path) -> None:
    cnn.on_main()
    ended(qtbot, cnn)
    with qtbot.waitSignal(cnn.convnet_lab.readings.read, timeout=10_000):
        cnn.cnn.choose_image(0)
    cnn.exporter.refresh()
    keys = [item.key for item in cnn.exporter.items]
    assert keys == [
        "cnn_filters", "feature_maps", "images", "mistakes", "confusion", "loss", "accuracy",
        "cnn_weights", "best", "cnn_script",
        "network_report", "network_film", "network_archive", "network_poster",
    ]  # fmt: skip
    for item in cnn.exporter.items:
        if not item.ready():
            assert item.key == "mistakes"  # a network without a mistake
            continue
        for kind in item.makers:
            path = tmp_path / f"{item.key}.{kind}"
            assert cnn.exporter.save(item.key, path)
            assert path.stat().st_size > 50
    rows = (tmp_path / "accuracy.csv").read_text().splitlines()
    assert rows[0] == "step,epoch,train_accuracy,validation_accuracy,validation_loss"
    with np.load(tmp_path / "best.npz") as best:
        assert best["W1"].shape == (6, 3, 3, 3)
    # What belongs to the other lab is not offered here.
    assert not cnn.exporter.actions["filters"].isVisible()
    kinds = cnn.exporter.actions["cnn_weights"].toolTip()
    assert kinds.endswith("NumPy arrays or safetensors or PyTorch state_dict or ONNX network")
    assert "TensorBoard" in cnn.exporter.actions["loss"].toolTip()


@pytest.mark.slow
def test_what_takes_seconds_is_written_beside_the_window(
    qtbot: QtBot, cnn: MainWindow, tmp_path: Path
) -> None:
    for package in ("torch", "onnxscript", "onnxruntime", "tensorboardX"):
        pytest.importorskip(package)
    cnn.on_main()
    ended(qtbot, cnn)
    written = []
    for item in cnn.exporter.items:
        for kind in item.later:
            assert item.ready()
            path = tmp_path / f"{item.key}.{kind}"
            assert cnn.exporter.save(item.key, path)
            qtbot.waitUntil(lambda: not cnn.runner.busy, timeout=60_000)
            qtbot.waitUntil(lambda: cnn.notice.message.text().startswith("Saved"), timeout=5_000)
            assert path.stat().st_size > 50
            written.append(path.name)
    assert written == [
        "loss.tfevents", "cnn_weights.pt", "cnn_weights.onnx", "best.pt", "best.onnx", "cnn_script.py",
    ]  # fmt: skip
    compile((tmp_path / "cnn_script.py").read_text(), "script", "exec")


def test_what_cannot_be_written_beside_the_window_is_said(
    qtbot: QtBot, cnn: MainWindow, tmp_path: Path
) -> None:
    cnn.on_main()
    ended(qtbot, cnn)
    (tmp_path / "taken.py").write_text("mine")
    assert cnn.exporter.save("cnn_script", tmp_path / "taken.py", overwrite=False)
    qtbot.waitUntil(lambda: not cnn.runner.busy, timeout=20_000)
    qtbot.waitUntil(lambda: "taken.py" in cnn.notice.message.text(), timeout=5_000)
    assert (tmp_path / "taken.py").read_text() == "mine"


def test_a_download_can_be_given_up(
    qtbot: QtBot, cnn: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is silent: giving up needs no word from it."""

    def silent(*, cancel: Callable[[], bool], progress: object) -> None:
        while not cancel():
            threading.Event().wait(0.01)
        raise Cancelled("Given up.")

    monkeypatch.setattr(image_session, "download_cifar10", silent)
    asked: list[int] = []
    monkeypatch.setattr(
        ConvNetLab, "agreed_to_download", lambda _lab: bool(asked.append(1)) or True
    )
    page, before = cnn.cnn.images_page, cnn.convnet_lab.session.images
    page.buttons[3].click()
    qtbot.waitUntil(lambda: "downloading CIFAR-10" in page.cancel.text(), timeout=5000)
    assert asked == [1]
    assert not page.cancel.isHidden()
    page.cancel.click()
    qtbot.waitUntil(lambda: not cnn.convnet_lab.session.busy, timeout=5000)
    assert page.cancel.isHidden()
    assert cnn.convnet_lab.session.images is before


def test_presets_bring_their_images(qtbot: QtBot, cnn: MainWindow) -> None:
    with qtbot.waitSignal(cnn.convnet_lab.session.changed, timeout=10_000):
        cnn.convnet_lab.use_preset("overfit")
    assert cnn.convnet_lab.spec.epochs == 15
    assert cnn.convnet_lab.session.spec.train_count == 100
    assert cnn.cnn.images_page.form.spec == cnn.convnet_lab.session.spec


def test_nothing_of_other_images_stays_under_a_new_name(
    qtbot: QtBot, cnn: MainWindow, tmp_path: Path
) -> None:
    lab, panel = cnn.convnet_lab, cnn.cnn
    cnn.on_step()
    qtbot.waitUntil(lambda: cnn.training.state is State.PAUSED, timeout=30_000)
    images = small_images(channels=1)
    path = tmp_path / "others.npz"
    np.savez(path, x=images.x, y=images.y)
    # While a network trains the images stay.
    cnn.opening.open(str(path))
    assert "training" in cnn.notice.message.text()
    assert not lab.session.busy
    cnn.on_stop()
    ended(qtbot, cnn)
    assert panel.answers is not None
    with qtbot.waitSignal(lab.session.changed, timeout=20_000):
        cnn.opening.open(str(path))
    assert "others.npz" in cnn.info.text()
    assert panel.answers is None
    assert panel.filters.count == 0
    assert panel.accuracy._readouts["validation"].text() == "━ val"
    assert cnn.transport.status.text() == "Ready"
    assert panel.maps_card.samples.count == 24


def test_other_settings_of_images_leave_what_was_learned_under_its_own_name(
    qtbot: QtBot, cnn: MainWindow
) -> None:
    lab = cnn.convnet_lab
    cnn.on_main()
    ended(qtbot, cnn)
    with qtbot.waitSignal(lab.session.changed, timeout=10_000):
        lab.session.set_spec(lab.session.spec.changed(normalisation="scale"))
    assert cnn.cnn.filters.count == 6
    assert "σ 1" in cnn.info.text()
    # What comes next is another network.
    assert cnn.transport.main.text().strip() == "Train"


def test_maps_and_filters_name_each_other(qtbot: QtBot, cnn: MainWindow) -> None:
    cnn.on_main()
    ended(qtbot, cnn)
    with qtbot.waitSignal(cnn.convnet_lab.readings.read, timeout=10_000):
        cnn.cnn.pictures._on_filter(4)
    assert cnn.cnn.maps_card.maps.selected == 4
    cnn.cnn.maps_card.maps.tile_clicked.emit(2)
    assert cnn.cnn.filters.selected == 2


def test_both_labs_keep_their_trainings_apart(qtbot: QtBot, cnn: MainWindow) -> None:
    cnn.on_step()
    qtbot.waitUntil(lambda: cnn.training.state is State.PAUSED, timeout=30_000)
    cnn.show_lab(1)
    assert cnn.lab is cnn.autoencoder_lab
    assert cnn.training.state is State.IDLE
    cnn.show_lab(2)
    assert cnn.training.state is State.PAUSED
    cnn.on_stop()
    ended(qtbot, cnn)
