"""Folders of images, one for each class."""

from __future__ import annotations

import io
import os
import random
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from app.core.data.child import Child
from app.core.data.class_folders import read_class_folders, receive_image
from app.core.data.image_reader import open_images
from app.core.errors import Cancelled, FilterscopeError, RefusedInputError


def png(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    memory = io.BytesIO()
    Image.fromarray(pixels).save(memory, kind)
    return memory.getvalue()


def picture(seed: int, height: int = 12, width: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def fill(folder: Path, count: int, first: int = 0, height: int = 12, width: int = 12) -> None:
    folder.mkdir(parents=True)
    for seed in range(first, first + count):
        (folder / f"{seed:03}.png").write_bytes(png(picture(seed, height, width)))


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    place = tmp_path / "animals"
    fill(place / "cats", 6)
    fill(place / "dogs", 9, first=100)
    return place


def test_subfolders_are_classes(animals: Path) -> None:
    images = open_images(animals)
    assert images.classes == ("cats", "dogs")
    assert images.counts().tolist() == [6, 9]
    assert images.x.shape == (15, 3, 12, 12)
    assert images.test_count == images.validation_count == 0
    assert images.notes == ()
    # Every image is there once, under its own label.
    seeds = {0: range(6), 1: range(100, 109)}
    for label, some in seeds.items():
        found = {image.tobytes() for image in images.x[images.y == label]}
        assert found == {picture(seed).transpose(2, 0, 1).tobytes() for seed in some}


def test_images_come_mixed_and_always_in_the_same_order(animals: Path) -> None:
    first, second = open_images(animals), open_images(animals)
    assert (first.x == second.x).all()
    assert first.source == second.source
    assert (np.diff(first.y) < 0).any()


def test_parts_are_kept_apart(tmp_path: Path) -> None:
    for part, count in (("train", 5), ("val", 3), ("test", 2)):
        fill(tmp_path / "set" / part / "cats", count, first=10 * count)
        fill(tmp_path / "set" / part / "dogs", count, first=100 * count)
    images = open_images(tmp_path / "set")
    assert (images.count, images.validation_count, images.test_count) == (20, 6, 4)
    tests = {image.tobytes() for image in images.x[-4:]}
    assert tests == {picture(s).transpose(2, 0, 1).tobytes() for s in (20, 21, 200, 201)}
    middle = {image.tobytes() for image in images.x[10:16]}
    expected = {picture(s).transpose(2, 0, 1).tobytes() for s in (*range(30, 33), *range(300, 303))}
    assert middle == expected


def test_a_class_called_train_is_one_where_it_has_no_folders(tmp_path: Path) -> None:
    fill(tmp_path / "toys" / "train", 2)
    fill(tmp_path / "toys" / "ball", 2)
    assert open_images(tmp_path / "toys").classes == ("ball", "train")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF"])
def test_formats_without_loss_give_back_the_pixels(tmp_path: Path, kind: str) -> None:
    few = (picture(1) // 128 * 255).astype(np.uint8)
    for name in "ab":
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / f"1.{kind.lower()}").write_bytes(png(few, kind))
    assert (open_images(tmp_path / "set").x == few.transpose(2, 0, 1)).all()


def test_grey_images_have_one_channel(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "1.png").write_bytes(png(picture(1)[:, :, 0]))
    images = open_images(tmp_path / "set")
    assert images.x.shape == (2, 1, 12, 12)
    assert (images.x[0, 0] == picture(1)[:, :, 0]).all()
    assert "grey" in images.notes[0]


def test_mixed_sizes_are_refused_and_two_are_named(animals: Path) -> None:
    (animals / "cats" / "000.png").write_bytes(png(picture(0, 20, 15)))
    with pytest.raises(RefusedInputError) as caught:
        open_images(animals)
    assert "20×15" in caught.value.message
    assert "12×12" in caught.value.message
    assert "cats/000.png" in caught.value.message
    assert "::32" in caught.value.hint


def test_mixed_sizes_are_brought_to_one_on_request(animals: Path) -> None:
    """The middle square is taken: a picture with a frame left and right loses just the frame."""
    framed = np.zeros((16, 40, 3), np.uint8)
    framed[:, 12:28] = 200
    (animals / "cats" / "000.png").write_bytes(png(framed))
    images = open_images(f"{animals}::8")
    assert images.x.shape == (15, 3, 8, 8)
    assert (images.x == 200).all(axis=(1, 2, 3)).sum() == 1
    assert images.source.dataset == "8"
    assert (images.x == read_class_folders(animals, side=8).x).all()


@pytest.mark.parametrize("size", ["x", "1", "513", "-8", "99999999"])
def test_a_size_that_is_none(animals: Path, size: str) -> None:
    with pytest.raises(RefusedInputError, match="is no size"):
        open_images(f"{animals}::{size}")


@pytest.mark.parametrize(
    "damage",
    [b"", b"no image", png(picture(3))[:60], b"\x89PNG\r\n\x1a\n" + bytes(40)],
    ids=["empty", "text", "cut", "zeros"],
)
def test_an_image_that_cannot_be_read_is_named_and_left_out(animals: Path, damage: bytes) -> None:
    (animals / "dogs" / "bad.png").write_bytes(damage)
    images = open_images(animals)
    assert images.counts().tolist() == [6, 9]
    assert len(images.notes) == 1
    assert "bad.png" in images.notes[0]


def test_an_image_of_too_many_pixels_is_left_out(animals: Path) -> None:
    whole = png(np.zeros((4, 4, 3), np.uint8))
    # The header of a PNG says width and height; its checksum is looked at later.
    bomb = whole[:16] + (60_000).to_bytes(4, "big") * 2 + whole[24:]
    (animals / "dogs" / "bomb.png").write_bytes(bomb)
    (note,) = open_images(animals).notes
    assert "dogs/bomb.png" in note


def test_very_many_bad_images_are_counted(animals: Path) -> None:
    for k in range(8):
        (animals / "dogs" / f"bad{k}.png").write_bytes(b"x")
    notes = open_images(animals).notes
    assert len(notes) == 6
    assert notes[-1] == "3 more images are left out"


def test_a_pipe_among_the_images_is_left_out(animals: Path) -> None:
    os.mkfifo(animals / "cats" / "pipe.png")
    (note,) = open_images(animals).notes
    assert "pipe.png is not an ordinary file" in note


def test_a_class_without_images_is_named(animals: Path) -> None:
    (animals / "birds").mkdir()
    (animals / "birds" / "list.txt").write_text("none")
    (animals / ".hidden").mkdir()
    images = open_images(animals)
    assert images.classes == ("cats", "dogs")
    assert images.notes == ("class birds has no images",)


def test_a_class_of_which_no_image_can_be_read(animals: Path) -> None:
    (animals / "birds").mkdir()
    (animals / "birds" / "1.png").write_bytes(b"x")
    with pytest.raises(RefusedInputError, match="No image of class birds can be used"):
        open_images(animals)


def test_one_class_is_none(tmp_path: Path) -> None:
    fill(tmp_path / "set" / "cats", 3)
    (tmp_path / "set" / "dogs").mkdir()
    with pytest.raises(RefusedInputError, match="no two folders with images: class dogs has no"):
        open_images(tmp_path / "set")


def test_loose_images_are_no_classes(tmp_path: Path) -> None:
    fill(tmp_path / "loose", 3)
    with pytest.raises(RefusedInputError) as caught:
        open_images(tmp_path / "loose")
    assert "in a folder of its name" in caught.value.hint


def test_images_too_large_as_they_are(tmp_path: Path) -> None:
    for name in "ab":
        fill(tmp_path / "set" / name, 1, height=600, width=20)
    with pytest.raises(RefusedInputError) as caught:
        open_images(tmp_path / "set")
    assert "600×20" in caught.value.message
    assert "::32" in caught.value.hint
    assert open_images(f"{tmp_path / 'set'}::32").shape == (3, 32, 32)


def test_too_many_for_the_memory(animals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = type("Free", (), {"available": 1000})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(FilterscopeError, match=r"images need .* of memory; .* are free"):
        open_images(animals)


def test_one_image_is_no_set(animals: Path) -> None:
    with pytest.raises(RefusedInputError, match="is one image"):
        open_images(animals / "cats" / "000.png")


def test_reading_can_be_given_up(animals: Path) -> None:
    seen: list[float] = []
    with pytest.raises(Cancelled):
        open_images(
            animals, progress=lambda share, text: seen.append(share), cancel=lambda: len(seen) > 2
        )
    assert 0 < len(seen) < 15


def test_progress_ends_at_one(animals: Path) -> None:
    seen: list[float] = []
    open_images(animals, progress=lambda share, text: seen.append(share))
    assert seen == sorted(seen)
    assert seen[-1] == 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "PPM", "WEBP"])
def test_mutants_of_an_image_end_in_pixels_or_one_sentence(kind: str) -> None:
    """Through the child, which must not die of any."""
    original = png(picture(1), kind)
    rng = random.Random(kind)
    read = 0
    with Child("a mutant") as child:
        child.send({"do": "decode"})
        for _ in range(60):
            mutant = bytearray(original)
            for _ in range(rng.randint(1, 3)):
                mutant[rng.randrange(len(mutant))] = rng.randrange(256)
            if rng.random() < 0.2:
                del mutant[rng.randrange(1, len(mutant)) :]
            child.send({"side": 8}, bytes(mutant))
            try:
                assert receive_image(child).shape == (3, 8, 8)
                read += 1
            except RefusedInputError:
                assert not child.gone
    assert read < 60
