"""Data of a run that is not where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.data.synthetic import SYNTHETIC_NAME
from app.core.moved_data import is_missing, move_data, was_folder
from app.core.rebuilt import check_data, open_data
from app.core.runs import RunFolder, SourceInfo
from app.core.specs import AutoencoderSpec
from tests.core.trained import images, record, write


def source(path: str, dataset: str = "") -> SourceInfo:
    return SourceInfo(
        path=path, dataset=dataset, layout="NCHW", value_range="0..255", count=9,
        shape=(3, 8, 8), dtype="uint8", sha256="0" * 64,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "dataset", "folder"),
    [
        ("/a/patches.h5", "data", False),
        ("/a/cifar-10-python.tar.gz", "cifar10 pickled", False),
        ("/a/cifar-10-batches-bin", "cifar10 binary", True),
        ("/a/animals", "", True),
        ("/a/animals.v2", "32", True),
        ("/a/photos.old", "cut 16 with seed 3", True),
    ],
)
def test_whether_it_was_a_folder_is_told_by_its_name(path: str, dataset: str, folder: bool) -> None:
    assert was_folder(source(path, dataset)) is folder


def test_what_is_drawn_is_never_missing(tmp_path: Path) -> None:
    assert not is_missing(source(SYNTHETIC_NAME))
    assert not is_missing(source(str(tmp_path)))
    assert is_missing(source(str(tmp_path / "gone.h5")))


def test_a_run_reads_its_data_where_it_moved(tmp_path: Path) -> None:
    file = write(tmp_path / "p.npy", images())
    spec = AutoencoderSpec(hidden_units=5, batch_size=32, epochs=1)
    run = record(tmp_path / "runs", file, spec)
    file.rename(tmp_path / "q.npy")
    moved = move_data(run, tmp_path / "q.npy")
    check_data(moved.info, open_data(moved, None, None, None), None)  # type: ignore[arg-type]
    # Nothing is written yet.
    assert RunFolder.open(run.path).info.source.path == str(file)
