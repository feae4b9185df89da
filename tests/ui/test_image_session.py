"""Images with labels are read and fitted beside the window; the newest wish wins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.core.specs import ImageSpec
from app.ui.image_session import ImageRequest, ImageSession
from app.workers.thread import Runner
from tests.core.small_images import small_images


@pytest.fixture
def session(runner: Runner) -> ImageSession:
    return ImageSession(runner)


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    images = small_images()
    path = tmp_path / "few images.npz"
    np.savez(path, x=images.x, y=images.y)
    return path


def test_a_file_is_opened_and_fitted(qtbot: QtBot, session: ImageSession, image_file: Path) -> None:
    said: list[str] = []
    session.working.connect(said.append)
    with qtbot.waitSignal(session.changed, timeout=20_000):
        session.open(ImageRequest(str(image_file)))
    assert session.images is not None
    assert session.images.count == 90
    assert session.fitted is not None
    assert said == ["Reading few images.npz", ""]


def test_other_settings_divide_anew_without_reading(
    qtbot: QtBot, session: ImageSession, image_file: Path
) -> None:
    with qtbot.waitSignal(session.changed, timeout=20_000):
        session.open(ImageRequest(str(image_file)))
    image_file.unlink()
    with qtbot.waitSignal(session.changed, timeout=10_000):
        session.set_spec(ImageSpec(train_count=40, validation_count=20))
    assert session.fitted is not None
    assert len(session.fitted.split.train) == 40


def test_what_is_refused_leaves_what_was_open(
    qtbot: QtBot, session: ImageSession, image_file: Path, tmp_path: Path
) -> None:
    with qtbot.waitSignal(session.changed, timeout=20_000):
        session.open(ImageRequest(str(image_file)))
    before = session.images
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"not an archive")
    with qtbot.waitSignal(session.problem, timeout=20_000) as told:
        session.open(ImageRequest(str(bad)))
    assert "bad.npz" in told.args[0]
    assert session.images is before


def test_the_newest_wish_wins(qtbot: QtBot, session: ImageSession, image_file: Path) -> None:
    changes: list[int] = []
    session.changed.connect(lambda: changes.append(1))
    session.open(ImageRequest())
    with qtbot.waitSignal(session.changed, timeout=20_000):
        session.open(ImageRequest(str(image_file)))
    assert session.request == ImageRequest(str(image_file))
    assert changes == [1]


def test_too_few_images_are_said_and_can_be_looked_at(
    qtbot: QtBot, session: ImageSession, tmp_path: Path
) -> None:
    path = tmp_path / "one.npz"
    np.savez(path, x=np.zeros((2, 3, 8, 8), np.uint8), y=np.array([0, 1]))
    session.spec = ImageSpec(train_count=5, validation_count=5)
    with qtbot.waitSignals([session.changed], timeout=20_000):
        session.open(ImageRequest(str(path)))
    assert session.images is not None


def test_names_are_what_people_say() -> None:
    assert ImageRequest().name == "drawn shapes"
    assert ImageRequest("cifar10", download=True).name == "CIFAR-10"
    assert ImageRequest("/some/where/set.h5::x,y").name == "set.h5"
