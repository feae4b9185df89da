"""Opening data in the background: the newest request wins, a refusal leaves what was open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from app.core.specs import PreprocessSpec
from app.ui.data_session import DataRequest, DataSession
from app.workers.thread import Runner

from .conftest import SIDE, pixels


@pytest.fixture
def session(runner: Runner) -> Iterator[DataSession]:
    session = DataSession(runner)
    yield session
    session.cancel()
    assert runner.shutdown(10.0)
    session.deleteLater()


def opened(qtbot: QtBot, session: DataSession, request: DataRequest) -> None:
    with qtbot.waitSignal(session.changed, timeout=20_000):
        session.open(request)


def refused(qtbot: QtBot, session: DataSession, request: DataRequest) -> tuple[str, str]:
    with qtbot.waitSignal(session.problem, timeout=20_000) as problem:
        session.open(request)
    return tuple(problem.args)


def test_a_file_becomes_patches(qtbot, session, patch_file: Path) -> None:
    words = []
    session.working.connect(words.append)
    opened(qtbot, session, DataRequest(patch_file))
    assert session.patches.x.shape == (300, SIDE * SIDE)
    assert session.raw.shape == (3, SIDE, SIDE)
    assert session.request.name == "small patches.npy"
    assert "no NaN" in session.health.sentence
    assert words == ["Reading small patches.npy", ""]
    assert not session.busy


def test_other_preprocessing_of_the_same_file(qtbot, session, patch_file: Path) -> None:
    opened(qtbot, session, DataRequest(patch_file))
    raw = session.raw
    with qtbot.waitSignal(session.changed, timeout=20_000):
        session.set_preprocess(PreprocessSpec(grayscale=False))
    assert session.patches.x.shape == (300, 3 * SIDE * SIDE)
    assert session.raw is raw, "the file is not read again"


def test_the_same_preprocessing_is_not_done_again(qtbot, session, patch_file: Path) -> None:
    opened(qtbot, session, DataRequest(patch_file))
    session.set_preprocess(PreprocessSpec())
    assert not session.busy


def test_the_newest_request_wins(qtbot, session, tmp_path: Path, patch_file: Path) -> None:
    other = tmp_path / "other.npy"
    np.save(other, pixels(120, seed=5))
    heard = []
    session.changed.connect(lambda: heard.append(session.request.name))
    session.open(DataRequest(patch_file))
    session.open(DataRequest(patch_file))
    session.open(DataRequest(other))
    qtbot.waitUntil(lambda: bool(heard), timeout=20_000)
    assert heard == ["other.npy"]
    assert len(session.patches.x) == 120


def test_a_switch_moved_while_reading_counts(qtbot, session, patch_file: Path) -> None:
    session.open(DataRequest(patch_file))
    session.set_preprocess(PreprocessSpec(grayscale=False))
    qtbot.waitUntil(lambda: session.patches is not None and not session.busy, timeout=20_000)
    assert session.patches.x.shape[1] == 3 * SIDE * SIDE


BAD = {
    "cut short": b"\x89HDF\r\n\x1a\n" + bytes(40),
    "text.h5": b"not a picture at all",
    "empty.npy": b"",
    "pickle.npy": None,
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_sentence_and_leaves_what_was_open(
    qtbot, session, tmp_path: Path, patch_file: Path, name: str
) -> None:
    opened(qtbot, session, DataRequest(patch_file))
    patches = session.patches
    path = tmp_path / (name if "." in name else f"{name}.h5")
    if BAD[name] is None:
        np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    else:
        path.write_bytes(BAD[name])
    message, _ = refused(qtbot, session, DataRequest(path))
    assert message
    assert "\n" not in message
    assert "Traceback" not in message
    assert session.patches is patches
    assert session.request.path == patch_file


@pytest.mark.parametrize("first", [True, False])
def test_a_file_that_is_refused_while_a_switch_is_moved_is_told(
    qtbot, session, tmp_path: Path, patch_file: Path, first: bool
) -> None:
    if not first:
        opened(qtbot, session, DataRequest(patch_file))
    heard = []
    session.working.connect(heard.append)
    session.changed.connect(lambda: heard.append("changed"))
    with qtbot.waitSignal(session.problem) as problem:
        session.open(DataRequest(tmp_path / "gone.h5"))
        session.set_preprocess(PreprocessSpec(grayscale=False))
    assert "gone.h5" in problem.args[0]
    # After the preparing, whose end outdates what was said before.
    assert heard[0] == "Reading gone.h5"
    assert heard[1:] == ([""] if first else ["Preprocessing", "", "changed"])
    assert not session.busy
    if not first:
        assert session.patches.x.shape[1] == 3 * SIDE * SIDE


def test_a_file_that_is_not_there(qtbot, session, tmp_path: Path) -> None:
    message, _ = refused(qtbot, session, DataRequest(tmp_path / "gone.h5"))
    assert "gone.h5" in message


def test_of_several_data_sets_one_must_be_chosen(qtbot, session, tmp_path: Path) -> None:
    path = tmp_path / "two.h5"
    with h5py.File(path, "w") as file:
        file["first"] = pixels(60)
        file["second"] = pixels(80)
    with qtbot.waitSignal(session.choice_needed, timeout=20_000) as choice:
        session.open(DataRequest(path))
    report = choice.args[0]
    assert [found.path for found in report.candidates()] == ["/first", "/second"]
    assert session.patches is None
    opened(qtbot, session, DataRequest(path, dataset="/second"))
    assert len(session.patches.x) == 80


def test_data_that_cannot_be_preprocessed_can_still_be_looked_at(
    qtbot, session, tmp_path: Path
) -> None:
    path = tmp_path / "flat.npy"
    np.save(path, np.full((50, SIDE, SIDE), 7, np.uint8))
    with qtbot.waitSignals([session.changed, session.problem], timeout=20_000):
        session.open(DataRequest(path))
    assert session.raw is not None
    assert session.patches is None
    assert session.refusal is not None
    assert "constant" in session.health.sentence


def test_patches_with_nan_are_left_out_and_said(qtbot, session, tmp_path: Path) -> None:
    path = tmp_path / "hole.npy"
    values = pixels().astype(np.float32) / 255
    values[17, 0, 2, 2] = np.nan
    np.save(path, values)
    opened(qtbot, session, DataRequest(path))
    assert "1 with NaN or infinity" in session.health.sentence
    assert np.isfinite(session.patches.x).all()
    assert len(session.patches.x) == 299


def test_photographs_are_cut(qtbot, session, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (40, 50, 3), np.uint8)).save(
            folder / f"{number}.png"
        )
    opened(qtbot, session, DataRequest(folder, cut_size=8, cut_count=64, cut_seed=3))
    assert session.raw.shape == (3, 8, 8)
    assert len(session.patches.x) == 64
    first = session.patches.x.copy()
    opened(qtbot, session, DataRequest(folder, cut_size=8, cut_count=64, cut_seed=3))
    np.testing.assert_array_equal(session.patches.x, first)


def test_a_fault_of_the_program_is_one_line_with_a_report(
    qtbot, session, patch_file: Path, monkeypatch, logs
) -> None:
    logs.expect("A worker ended with a bug")

    def broken(*_: object, **__: object) -> None:
        raise KeyError("boom")

    monkeypatch.setattr("app.ui.data_session.examine", broken)
    with qtbot.waitSignal(session.fault, timeout=20_000) as fault:
        session.open(DataRequest(patch_file))
    line, report = fault.args
    assert "\n" not in line
    assert "KeyError" in report
    assert not session.busy


def test_cancel_gives_up_quietly(qtbot, session, patch_file: Path) -> None:
    session.open(DataRequest(patch_file))
    with qtbot.assertNotEmitted(session.problem), qtbot.assertNotEmitted(session.changed):
        session.cancel()
        qtbot.waitUntil(lambda: not session.busy, timeout=20_000)


@pytest.mark.parametrize(
    "name", ["Übung 1.npy", "画像.npy", "emoji 😀.npy", "a" * 200 + ".npy", "dots..and spaces .npy"]
)
def test_names_of_every_kind(qtbot, session, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    np.save(path, pixels(40))
    opened(qtbot, session, DataRequest(path))
    assert session.request.name == name
