"""What is asked before a film or a whole run is written, against the file that comes of it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QCheckBox, QComboBox
from pytestqt.qtbot import QtBot

from app.core.errors import UsageError
from app.core.run_exports import export_run
from app.core.runs import RunFolder
from app.core.runs.checkpoint import checkpoint_files
from app.core.specs import AutoencoderSpec
from app.ui.dialogs.take_away_dialogs import ArchiveDialog, FilmDialog
from app.ui.widgets.number_field import NumberField
from tests.core.trained import images, record, write

SPEC = AutoencoderSpec(hidden_units=5, batch_size=32, epochs=4)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return record(tmp_path, write(tmp_path / "some patches.h5", images()), SPEC)


def type_into(qtbot: QtBot, field: NumberField, text: str) -> None:
    field.selectAll()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def test_the_estimate_of_a_film_is_what_the_film_has(qtbot: QtBot, run: RunFolder) -> None:
    dialog = FilmDialog(run)
    qtbot.addWidget(dialog)
    type_into(qtbot, dialog.findChild(NumberField, "fps"), "4")
    scale = dialog.findChild(QComboBox, "scale")
    scale.setCurrentIndex(scale.findData("diverging"))
    assert dialog.choices() == {"fps": 4.0, "scale": "diverging"}
    data, _ = export_run(run, "film", "png", **dialog.choices())
    with Image.open(io.BytesIO(data)) as film:
        seconds = 0.0
        for number in range(film.n_frames):
            film.seek(number)
            seconds += film.info["duration"] / 1000
        said = dialog.estimate.text()
        assert said.startswith(f"{film.n_frames} frames, {seconds:.3g} seconds")
        assert f"{film.width} × {film.height} pixels" in said


def test_frames_that_memory_does_not_hold_are_said(
    qtbot: QtBot, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.takeaway.film.MOST_BYTES", 1)
    dialog = FilmDialog(run)
    qtbot.addWidget(dialog)
    keyframes = len(run.keyframes())
    assert dialog.estimate.text().startswith("2 frames, 2.08 seconds")
    assert f"has {keyframes} keyframes; memory holds 2" in dialog.estimate.text()


def test_a_film_needs_two_keyframes_before_anything_is_asked(run: RunFolder) -> None:
    for _, path in run.keyframes()[1:]:
        path.unlink()
    with pytest.raises(UsageError, match="needs two"):
        FilmDialog(run)


def test_no_film_is_made_with_a_wrong_number(qtbot: QtBot, run: RunFolder) -> None:
    dialog = FilmDialog(run)
    qtbot.addWidget(dialog)
    type_into(qtbot, dialog.findChild(NumberField, "fps"), "900")
    with qtbot.assertNotEmitted(dialog.accepted):
        dialog.accept()
    assert dialog.choices()["fps"] == 12.0


def test_an_archive_has_what_was_chosen_and_about_its_size(qtbot: QtBot, run: RunFolder) -> None:
    dialog = ArchiveDialog(run)
    qtbot.addWidget(dialog)
    dialog.findChild(QCheckBox, "checkpoints").setChecked(False)
    dialog.findChild(QCheckBox, "data").setChecked(True)
    assert dialog.choices() == {"checkpoints": False, "data": True}
    assert checkpoint_files(run.path)
    data, _ = export_run(run, "archive", "filterscope", **dialog.choices())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sizes = {one.filename: one.file_size for one in archive.infolist()}
    del sizes["manifest.json"]
    assert not any(name.startswith("checkpoints/") for name in sizes)
    assert "data/some-patches.h5" in sizes or "data/some patches.h5" in sizes
    assert dialog.plan.size(checkpoints=False, data=True) == sum(sizes.values())


def test_data_that_is_gone_cannot_be_chosen(qtbot: QtBot, run: RunFolder) -> None:
    Path(run.info.source.path).unlink()
    dialog = ArchiveDialog(run)
    qtbot.addWidget(dialog)
    assert not dialog.findChild(QCheckBox, "data").isEnabled()
    assert "some patches.h5 is not there any more." in dialog.estimate.text()
