"""Patches cut from a folder of photographs, good ones and others."""

from __future__ import annotations

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from app.core.data import cutting
from app.core.data.cutting import cut_patches
from app.core.data.untrusted.guard import Refused
from app.core.data.untrusted.photographs import cut
from app.core.errors import Cancelled, RefusedInputError, UsageError


def photograph(path, height=40, width=60, **options):
    """Save a picture whose every pixel says where it is: row, column, and 7."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([rows, columns, np.full_like(rows, 7)], axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(path, **options)


def encoded(pixels, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.tif", "C.PNG"):
        photograph(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no photograph")
    (tmp_path / "below").mkdir()
    return tmp_path


def test_patches_are_whole_pieces_of_the_photographs(folder):
    raw = cut_patches(folder, size=8, count=100, seed=3)
    assert raw.data.shape == (100, 3, 8, 8)
    assert raw.notes == ()
    rows, columns = raw.data[:, 0], raw.data[:, 1]
    # Each is a window: rows and columns go up by one, wherever it begins.
    assert (np.diff(rows.astype(int), axis=1) == 1).all()
    assert (np.diff(columns.astype(int), axis=2) == 1).all()
    assert (raw.data[:, 2] == 7).all()
    # Every place can be met, the last row and column too.
    many = cut_patches(folder, size=8, count=20_000)
    assert set(many.data[:, 0, 0, 0]) == set(range(33))
    assert set(many.data[:, 1, 0, 0]) == set(range(53))


def test_the_same_seed_gives_the_same_patches(folder):
    one, two = (cut_patches(folder, size=8, count=64, seed=5) for _ in range(2))
    assert np.array_equal(one.data, two.data)
    assert one.source == two.source
    assert not np.array_equal(one.data, cut_patches(folder, size=8, count=64, seed=6).data)
    photograph(folder / "a.png", height=41)
    assert cut_patches(folder, size=8, count=64, seed=5).source.sha256 != one.source.sha256


def test_as_many_from_each_and_mixed(tmp_path):
    for value in (10, 20, 30):
        Image.fromarray(np.full((20, 20, 3), value, np.uint8)).save(tmp_path / f"{value}.png")
    values = cut_patches(tmp_path, size=4, count=300).data[:, 0, 0, 0]
    assert np.array_equal(np.unique(values, return_counts=True)[1], [100, 100, 100])
    assert len(np.unique(values[:30])) == 3


def test_photographs_that_cannot_be_used_are_named_and_the_others_give_more(folder):
    (folder / "a1.png").write_bytes(b"no picture at all")
    (folder / "z.jpg").write_bytes((folder / "a.png").read_bytes()[:100])
    photograph(folder / "tiny.png", height=5)
    (folder / "empty.png").touch()
    (folder / "folder.png").mkdir()
    raw = cut_patches(folder, size=8, count=101)
    assert raw.count == len(raw.data) == 101
    for name in ("a1.png", "z.jpg", "tiny.png", "empty.png", "folder.png"):
        assert sum(name in note for note in raw.notes) == 1
    assert any("smaller than a patch of 8×8" in note for note in raw.notes)
    assert (np.diff(raw.data[:, 0].astype(int), axis=1) == 1).all()


def test_very_many_that_cannot_be_used_are_counted(folder):
    for number in range(9):
        (folder / f"bad{number}.png").write_bytes(b"no")
    notes = cut_patches(folder, size=8, count=10).notes
    assert len(notes) == cutting.MOST_NOTES + 1
    assert "4 more" in notes[-1]


def test_a_folder_without_a_usable_photograph_is_refused(tmp_path):
    with pytest.raises(RefusedInputError, match="no photographs"):
        cut_patches(tmp_path)
    photograph(tmp_path / "tiny.png", height=5)
    with pytest.raises(RefusedInputError, match="None of the 1 photographs"):
        cut_patches(tmp_path)
    with pytest.raises(RefusedInputError, match="cannot be opened"):
        cut_patches(tmp_path / "missing")


@pytest.mark.parametrize(("size", "count"), [(1, 10), (513, 10), (16, 0), (16, -1), (512, 10**9)])
def test_what_cannot_be_meant_is_said_before_anything_is_read(size, count, tmp_path):
    with pytest.raises(UsageError):
        cut_patches(tmp_path / "missing", size=size, count=count)


def test_cutting_can_be_given_up(folder):
    told = []
    with pytest.raises(Cancelled):
        cut_patches(folder, size=8, cancel=lambda: bool(told), progress=lambda *_: told.append(1))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_what_only_looks_like_a_photograph_is_not_waited_for(folder):
    os.mkfifo(folder / "fifo.png")
    (folder / "device.png").symlink_to("/dev/zero")
    raw = cut_patches(folder, size=8, count=10)
    assert sum("not an ordinary file" in note for note in raw.notes) == 2


def test_a_reader_that_dies_takes_one_photograph_with_it(folder, monkeypatch):
    """The next one gets another reader."""
    real, killed = cutting.read_all, []

    class Dying(cutting.Child):
        def send(self, message, data=None):
            if data == b"kill" and not killed:
                killed.append(True)
                self.process.kill()
            super().send(message, data)

    def read(descriptor):
        content = real(descriptor)
        return b"kill" if content == b"bad" else content

    monkeypatch.setattr(cutting, "Child", Dying)
    monkeypatch.setattr(cutting, "read_all", read)
    (folder / "a0.png").write_bytes(b"bad")
    raw = cut_patches(folder, size=8, count=30)
    assert killed
    assert len(raw.notes) == 1
    assert "a0.png" in raw.notes[0]


# --- the decoder itself, which runs in the child


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM"])
def test_every_kind_that_is_offered_is_read(kind):
    grey = np.full((20, 30, 3), 90, np.uint8)
    patches = cut(encoded(grey, kind), 8, 5, [0])
    assert patches.shape == (5, 3, 8, 8)
    assert np.abs(patches.astype(int) - 90).max() <= 3


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "I;16"])
def test_every_kind_of_pixel_becomes_rgb(mode):
    buffer = io.BytesIO()
    Image.new(mode, (20, 20)).save(buffer, "TIFF" if mode == "CMYK" else "PNG")
    assert cut(buffer.getvalue(), 8, 2, [0]).shape == (2, 3, 8, 8)


def test_a_bomb_is_not_unpacked():
    """A PNG of a few hundred bytes that says it has 900 million pixels."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    data = (
        b"\x89PNG\r\n\x1a\n"
        + head
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(Refused, match="million pixels"):
        cut(data, 8, 1, [0])


def test_formats_that_run_other_programs_are_not_tried():
    """Encapsulated PostScript is handed to Ghostscript by those who let Pillow guess."""
    with pytest.raises(Refused, match="cannot be decoded"):
        cut(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n", 8, 1, [0])


def test_damaged_photographs_are_refused_or_read():
    rng = np.random.default_rng(0)
    good = [
        encoded(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8), kind)
        for kind in ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM")
    ]
    reasons = []
    for number in range(700):
        data = bytearray(good[number % len(good)])
        for at in rng.integers(0, len(data), 4):
            data[at] = rng.integers(256)
        try:
            assert cut(bytes(data), 8, 1, [0]).shape == (1, 3, 8, 8)
        except Refused as refusal:
            reasons.append(str(refusal))
    assert 50 < len(reasons) < 650
    assert all(reason.isprintable() for reason in reasons)
