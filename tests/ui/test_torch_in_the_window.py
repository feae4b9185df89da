"""A network on PyTorch in the window: it trains, is looked at, tested, and fails in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.core import devices
from app.core.devices import Device
from app.core.errors import FilterscopeError
from app.core.learners import AutoencoderLearner, ConvNetLearner, choice
from app.core.learners.torch_convnet import TorchConvNetLearner
from app.core.specs import ConvNetSpec, ImageSpec
from app.ui.data_session import DataRequest
from app.ui.image_session import ImageRequest
from app.ui.main_window import MainWindow
from app.ui.training_session import State
from tests.core.small_images import small_images

pytest.importorskip("torch")

SPEC = ConvNetSpec(
    layers="conv 6 3x3, batchnorm, relu, pool 2, affine 12, relu",
    epochs=3,
    batch_size=9,
    initialisation="he",
    evaluate_every=2,
    engine="torch",
)


@pytest.fixture
def cnn(qtbot: QtBot, make_window: Callable[[], MainWindow], tmp_path: Path) -> MainWindow:
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


def test_it_trains_and_is_looked_at_as_any_other(qtbot: QtBot, cnn: MainWindow) -> None:
    cnn.on_main()
    ended(qtbot, cnn)
    training = cnn.training.training
    assert training is not None
    assert isinstance(training.learner, TorchConvNetLearner)
    assert len(training.history) == 15
    assert training.engine.startswith("PyTorch")
    assert cnn.cnn.filters.count == 6
    assert cnn.cnn.answers is not None
    with qtbot.waitSignal(cnn.convnet_lab.readings.read, timeout=10_000):
        cnn.cnn.maps_card._on_sample(4)
    assert cnn.cnn.maps_card.maps.count == 6
    cnn.convnet_lab.ask_test()
    qtbot.waitUntil(lambda: training.run is not None and bool(training.run.info.tested))


def test_a_device_that_dies_ends_the_training_and_not_the_window(
    qtbot: QtBot, cnn: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = TorchConvNetLearner._tensor_step

    def dying(self: TorchConvNetLearner, *arguments: object) -> object:
        if self.taken == 7:
            raise RuntimeError("CUDA error: unspecified launch failure")
        return step(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(TorchConvNetLearner, "_tensor_step", dying)
    said: list[str] = []
    cnn.training.failed.connect(lambda message, _hint, report: said.append(message + report))
    cnn.on_main()
    qtbot.waitUntil(lambda: cnn.training.state is State.FAILED, timeout=60_000)
    qtbot.waitUntil(lambda: not cnn.convnet_lab.readings.busy, timeout=20_000)
    assert said == ["CPU stopped working: CUDA error: unspecified launch failure"]
    # Where the CPU failed it is no way out.
    assert cnn.notice.hint.text() == "What was kept last is good. Start the program anew."
    # What was reached can still be looked at, and another network trains.
    monkeypatch.undo()
    cnn.convnet_lab.spec = SPEC.changed(engine="compiled")
    cnn.convnet_lab.show_spec()
    cnn.on_main()
    qtbot.waitUntil(lambda: cnn.training.state.alive, timeout=20_000)
    ended(qtbot, cnn)
    training = cnn.training.training
    assert training is not None
    assert training.engine.startswith(("compiled", "NumPy"))


def test_settings_of_torch_are_seen_when_it_is_chosen(cnn: MainWindow) -> None:
    form = cnn.cnn.network_page.form
    assert not form.rows["level"].isHidden()
    cnn.convnet_lab.spec = SPEC.changed(engine="compiled")
    cnn.convnet_lab.show_spec()
    assert form.rows["level"].isHidden()


# --- what could not be had

CPU = Device("cpu", "CPU", 1 << 30, 1 << 31)


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise FilterscopeError("PyTorch is not installed.", "Install it.")

    monkeypatch.setattr(choice, "load_torch", missing)


def test_without_torch_both_labs_fall_back_with_one_notice(
    qtbot: QtBot, cnn: MainWindow, patch_file: Path, without_torch: None
) -> None:
    with qtbot.waitSignal(cnn.data.changed, timeout=20_000):
        cnn.data.open(DataRequest(patch_file))
    qtbot.waitUntil(lambda: not cnn.runner.busy, timeout=20_000)
    for lab, kind in ((cnn.convnet_lab, ConvNetLearner), (cnn.autoencoder_lab, AutoencoderLearner)):
        said: list[str] = []
        lab.training.notice.connect(lambda message, _hint, said=said: said.append(message))
        lab.take_spec(lab.spec.changed(engine="torch", epochs=1))
        lab.start()
        qtbot.waitUntil(lambda lab=lab: lab.training.state is State.ENDED, timeout=60_000)
        assert said == ["PyTorch is not installed; the program's own loops compute."]
        assert type(lab.training.training.learner) is kind
    qtbot.waitUntil(lambda: not cnn.convnet_lab.readings.busy, timeout=20_000)


@pytest.mark.parametrize(
    ("there", "settings", "said"),
    [
        (
            Device("cuda:0", "Some GPU", problem="no kernel image is available"),
            {"device": "cuda"},
            "Some GPU cannot be used: no kernel image is available; the CPU computes.",
        ),
        (
            Device("mps", "Apple GPU", 1 << 30, 1 << 31),
            {"device": "mps", "precision": "float64"},
            "Apple GPUs have no float64; the CPU computes.",
        ),
        (None, {"device": "mps"}, "PyTorch finds no Apple GPU here; the CPU computes."),
    ],
    ids=["cuda", "float64 on mps", "no mps"],
)
def test_a_device_that_cannot_be_had_is_told_once(
    qtbot: QtBot,
    cnn: MainWindow,
    monkeypatch: pytest.MonkeyPatch,
    there: Device | None,
    settings: dict[str, str],
    said: str,
) -> None:
    found = (CPU,) if there is None else (there, CPU)
    monkeypatch.setattr(devices, "find_devices", lambda: found)
    told: list[tuple[str, str]] = []
    cnn.training.notice.connect(lambda message, hint: told.append((message, hint)))
    cnn.convnet_lab.take_spec(SPEC.changed(**settings))
    cnn.on_main()
    ended(qtbot, cnn)
    assert told == [(said, "")]
    assert said[:-1] in cnn.training.training.engine
    assert cnn.notice.message.text() == said
