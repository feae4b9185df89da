"""Opening images by a name or a path, and opening again what a run was trained on."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.core.data.image_reader import images_kind, open_images, open_images_again
from app.core.data.images import LabelledImages
from app.core.data.synthetic import synthetic_images
from app.core.errors import RefusedInputError
from tests.core.data import cifar_files as files


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """One of each kind."""
    files.write(tmp_path / "cifar-10-batches-py", files.pickled_files())
    (tmp_path / "cifar.tar.gz").write_bytes(files.archive())
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (50, 3, 8, 8), dtype=np.uint8), rng.integers(0, 2, 50)
    np.savez(tmp_path / "set.npz", x=x, y=y)
    np.savez(tmp_path / "two.npz", x=x / 255, first=y, second=1 - y)
    for name in "ab":
        (tmp_path / "classes" / name).mkdir(parents=True)
        for k in range(3):
            Image.fromarray(x[k].transpose(1, 2, 0)).save(tmp_path / "classes" / name / f"{k}.png")
    return {
        "folder": str(tmp_path / "cifar-10-batches-py"),
        "batch": str(tmp_path / "cifar-10-batches-py" / "test_batch"),
        "archive": str(tmp_path / "cifar.tar.gz"),
        "arrays": str(tmp_path / "set.npz"),
        "named": f"{tmp_path / 'two.npz'}::x,second",
        "classes": str(tmp_path / "classes"),
        "sized": f"{tmp_path / 'classes'}::4",
    }


KINDS = {
    "folder": "cifar10",
    "batch": "cifar10",
    "archive": "cifar10",
    "arrays": "arrays",
    "named": "arrays",
    "classes": "folders",
    "sized": "folders",
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_opened_can_be_opened_again(places: dict[str, str], kind: str) -> None:
    assert images_kind(places[kind]) == KINDS[kind]
    images = open_images(places[kind])
    again = open_images_again(images.source)
    assert (again.x == images.x).all()
    assert (again.y == images.y).all()
    assert again.source == images.source
    assert again.test_count == images.test_count


def test_drawn_images_are_drawn_again() -> None:
    images = synthetic_images(120, seed=7)
    assert (open_images_again(images.source).x == images.x).all()


def test_a_file_called_like_a_name_is_opened_by_its_path(
    places: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(places["classes"]).rename(tmp_path / "synthetic")
    monkeypatch.chdir(tmp_path)
    assert images_kind("synthetic") == "drawn"
    assert images_kind("./synthetic") == "folders"


def test_what_has_changed_is_told(places: dict[str, str]) -> None:
    images = open_images(places["classes"])
    Image.new("RGB", (8, 8)).save(Path(places["classes"]) / "a" / "0.png")
    with pytest.raises(RefusedInputError, match="classes is not what it was"):
        open_images_again(images.source)
    Path(places["arrays"]).rename(Path(places["arrays"]).with_name("gone"))
    with pytest.raises(RefusedInputError, match="There is no file"):
        open_images(places["arrays"])


@pytest.mark.parametrize(
    "changed", [{"dataset": "seed x"}, {"dataset": ""}, {"count": 0}, {"count": 10**12}]
)
def test_a_run_that_does_not_say_what_was_drawn(changed: dict[str, Any]) -> None:
    source = dataclasses.replace(synthetic_images(20).source, **changed)
    with pytest.raises(RefusedInputError, match="does not say how"):
        open_images_again(source)


def test_what_is_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk" * 200)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "nothing").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, said in {
        "junk": "not an HDF5",
        "empty": "is empty",
        "nothing": "no two folders",
        "pipe": "not an ordinary file",
        "missing": "There is no file",
        "nul\0": "NUL",
    }.items():
        with pytest.raises(RefusedInputError, match=said):
            open_images(tmp_path / name)


def test_images_are_never_written_to(places: dict[str, str]) -> None:
    for kind in KINDS:
        images: LabelledImages = open_images(places[kind])
        assert not images.x.flags.writeable
        assert not images.y.flags.writeable
        assert images.x.shape[1:] == images.source.shape == images.shape
        assert len(images.x) == len(images.y) == images.source.count
        assert 0 <= images.y.min() <= images.y.max() < len(images.classes)
