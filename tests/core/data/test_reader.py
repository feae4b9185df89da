"""Opening good files: every layout, type and name, and the choice among several arrays."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from app.cli import main
from app.core.data.files import Limits, split_name
from app.core.data.reader import NeedsChoiceError, inspect, open_patches
from app.core.data.sample import sample_path
from app.core.errors import Cancelled, RefusedInputError
from tests.core.data.test_layouts import laid_out

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 3, 5, 5), dtype=np.uint8)


def write(path, name="data", data=IMAGES, **options):
    with h5py.File(
        path, options.pop("mode", "w"), userblock_size=options.pop("userblock", 0)
    ) as file:
        file.create_dataset(name, data=data, **options)
    return path


# One child process per file makes these the slower tests: what differs only in letters is in test_layouts.
@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "WHCN", "ND", "DN"])
@pytest.mark.parametrize(
    "options", [{}, {"chunks": True, "compression": "gzip"}], ids=["plain", "gzip"]
)
def test_a_layout_is_guessed_and_read(layout, options, tmp_path):
    path = write(tmp_path / "x.h5", data=np.ascontiguousarray(laid_out(layout, IMAGES)), **options)
    raw = open_patches(path)
    assert raw.source.layout == layout
    assert np.array_equal(raw.data, IMAGES)
    assert raw.source.shape == (3, 5, 5)
    assert not raw.data.flags.writeable


def test_a_file_of_matlab_is_read_as_it_was_seen_there(tmp_path):
    """v7.3 is HDF5 behind a block of text, with every axis reversed."""
    path = write(tmp_path / "x.mat", "patches", laid_out("NCWH", IMAGES).copy(), userblock=512)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")
    raw = open_patches(path)
    assert raw.source.layout == "NCWH"
    assert np.array_equal(raw.data, IMAGES)


def test_the_guess_can_be_changed(tmp_path):
    path = write(tmp_path / "x.h5")
    found = inspect(path).datasets[0]
    assert found.layouts == ("NCHW", "NCWH")
    turned = open_patches(path, layout="NCWH", value_range="0..1")
    assert np.array_equal(turned.data, IMAGES.transpose(0, 1, 3, 2))
    assert (turned.low, turned.high) == (0.0, 1.0)
    with pytest.raises(RefusedInputError, match="cannot be read as NHW"):
        open_patches(path, layout="NHW")
    with pytest.raises(RefusedInputError, match="no value range"):
        open_patches(path, value_range="0..7")


@pytest.mark.parametrize(
    ("dtype", "scale", "value_range"),
    [("u1", 1, "0..255"), ("<i2", 1, "0..255"), (">f4", 1 / 255, "0..1"), (">f8", 1, "0..255"),
     ("<f8", 1 / 255, "0..1"), ("<f2", 1 / 255, "0..1")],
)  # fmt: skip
def test_the_range_of_values_is_told_by_type_and_numbers(dtype, scale, value_range, tmp_path):
    data = (IMAGES * scale).astype(dtype)
    raw = open_patches(write(tmp_path / "x.h5", data=data))
    assert raw.source.value_range == value_range
    unit = raw.take(np.arange(40))
    assert np.abs(unit - IMAGES / 255).max() < 1e-3
    assert raw.source.dtype == np.dtype(dtype).name


@pytest.mark.parametrize(
    "name",
    ["ümläut.h5", "数据 集.h5", "🐈.h5", "with  spaces and 'quotes'.h5", "-dash.h5", "a::b.h5",
     "n" * 240 + ".h5", "\udcff\udcfe.h5", "line\nbreak.h5"],
)  # fmt: skip
def test_a_file_may_be_called_anything(name, tmp_path):
    path = write(tmp_path / "x.h5")
    try:
        path = path.rename(tmp_path / name)
    except OSError:
        pytest.skip("no such name on this disk")
    raw = open_patches(path)
    assert np.array_equal(raw.data, IMAGES)
    with pytest.raises(RefusedInputError) as caught:
        open_patches(path, dataset="/nothing")
    caught.value.message.encode()
    assert caught.value.message.isprintable()


def test_a_path_of_many_folders(tmp_path):
    folder = tmp_path / ("ordner-ü" * 12) / ("数" * 60)
    folder.mkdir(parents=True)
    assert open_patches(write(folder / "x.h5")).count == 40


def test_one_of_several_is_named_or_chosen(tmp_path):
    path = write(tmp_path / "x.h5", "first")
    write(path, "group/second", IMAGES[:9], mode="a")
    with pytest.raises(NeedsChoiceError, match="/first, /group/second") as caught:
        open_patches(path)
    assert "x.h5::/first" in caught.value.hint
    assert [found.path for found in caught.value.report.candidates()] == ["/first", "/group/second"]
    for named in (f"{path}::/group/second", f"{path}::group/second"):
        assert open_patches(named).count == 9
    assert open_patches(path, dataset="/first").count == 40
    with pytest.raises(RefusedInputError, match="no data set /third") as refused:
        open_patches(f"{path}::/third")
    assert "/first" in refused.value.hint


def test_what_is_called_data_and_what_are_pictures_come_first(tmp_path):
    path = write(tmp_path / "x.h5")
    write(path, "more", mode="a")
    assert open_patches(path).source.dataset == "/data"
    path = write(tmp_path / "y.h5", "pictures")
    write(path, "matrix", np.eye(25), mode="a")
    assert open_patches(path).source.dataset == "/pictures"


def test_a_name_with_two_colons_is_a_file_before_it_is_a_data_set(tmp_path):
    path = write(tmp_path / "x.h5::data")
    assert split_name(path) == (path, None)
    assert split_name(f"{path}::data") == (path, "data")
    assert split_name("missing.h5::") == (Path("missing.h5"), None)


def test_the_matrix_beside_the_data_comes_with_it(tmp_path):
    path = write(tmp_path / "x.h5")
    matrix = np.random.default_rng(0).normal(size=(75, 75))
    write(path, "xForm", matrix, mode="a")
    assert np.array_equal(open_patches(path).file_transform, matrix)
    write(path, "small/xForm", np.eye(3), mode="a")
    write(path, "small/data", IMAGES, mode="a")
    assert open_patches(path, dataset="/small/data").file_transform is None


def test_the_sample_has_the_schema_of_the_exercise():
    raw = open_patches(sample_path())
    assert (raw.count, raw.shape, raw.source.dtype) == (10240, (3, 16, 16), "uint8")
    assert raw.file_transform.shape == (768, 768)
    assert raw.source.sha256 == hashlib.sha256(sample_path().read_bytes()).hexdigest()


# --- a file that does not fit


SMALL = Limits(memory_bytes=0)


@pytest.mark.parametrize("layout", ["NCHW", "WHCN", "ND"])
@pytest.mark.parametrize("dtype", ["u1", "<f8"])
def test_a_streamed_file_is_the_same_patches(layout, dtype, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5000, 1, 4, 4)).astype(dtype)
    path = write(tmp_path / "x.h5", data=np.ascontiguousarray(laid_out(layout, images)))
    raw = open_patches(path, layout=layout, value_range="0..255", limits=SMALL)
    held = open_patches(path, layout=layout, value_range="0..255")
    assert raw.data is None
    assert np.array_equal(np.concatenate(list(raw.blocks())), images)
    assert np.array_equal(held.data, images)
    # What there is to look at is what stands in those rows, from all over the file.
    rows = raw.spread(200)
    assert len(rows) == 200
    assert np.abs(np.diff(rows)).max() < 200
    assert np.array_equal(raw.take(rows), held.take(rows))
    assert raw.source == held.source


def test_a_file_that_changes_between_two_readings_is_refused(tmp_path):
    path = write(tmp_path / "x.h5", data=np.zeros((5000, 4, 4), "u1"))
    raw = open_patches(path, limits=SMALL)
    os.utime(path, ns=(1, 1))
    with pytest.raises(RefusedInputError, match="has changed"):
        list(raw.blocks())


def test_reading_can_be_given_up(tmp_path):
    path = write(tmp_path / "x.h5", data=np.zeros((5000, 4, 4), "u1"))
    with pytest.raises(Cancelled):
        open_patches(path, cancel=lambda: True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs getrusage")
def test_memory_does_not_grow_with_the_file(tmp_path):
    """Read, examined, preprocessed and trained on, each size in a process of its own."""
    tool = Path(__file__).parents[3] / "tools" / "measure_large_file.py"
    peaks = {}
    # The rows of neither are held in memory, as those of a smaller file are.
    for mib in (448, 704):
        path = tmp_path / f"{mib}.h5"
        piece = np.random.default_rng(0).integers(0, 256, (4096, 3, 16, 16), dtype=np.uint8)
        with h5py.File(path, "w") as file:
            count = (mib << 20) // 768
            data = file.create_dataset("data", (count, 3, 16, 16), "u1", chunks=(256, 3, 16, 16))
            for start in range(0, count, 4096):
                data[start : start + 4096] = piece[: min(4096, count - start)]
        done = subprocess.run(
            [sys.executable, tool, "--measure", path, "--folder", tmp_path],
            stdout=subprocess.PIPE, check=True, timeout=280, env={**os.environ, "TMPDIR": str(tmp_path)},
        )  # fmt: skip
        path.unlink()
        peaks[mib] = json.loads(done.stdout)
    for name in ("resident_mib", "reader_mib"):
        # 256 MiB more in the file, 1 GiB more of rows. What remains grows with a number or two for
        # each patch, 15 MiB; whether two blocks of 32 MiB are held for a moment is chance.
        assert peaks[704][name] < peaks[448][name] + 80, peaks
        assert peaks[704][name] < 400


# --- filterscope info


def test_info_says_what_is_in_a_file_and_what_is_refused(tmp_path, capsys):
    path = write(tmp_path / "x.h5")
    with h5py.File(path, "a") as file:
        file["link"] = h5py.SoftLink("/data")
        file["text"] = np.full((4, 4, 4), b"text")
    assert main(["info", str(path)]) == 0
    out = capsys.readouterr().out
    assert "/data   40 × 3 × 5 × 5  uint8   NCHW (or NCWH), sampled values" in out
    assert "read as 0 … 255" in out
    assert "/link" in out
    assert "refused: it is a soft link" in out
    assert main(["info", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    rows = {row["path"]: row for row in said["datasets"]}
    assert set(rows) == {"/data", "/link", "/text"}
    data = rows["/data"]
    assert (data["shape"], data["dtype"], data["layout"]) == ([40, 3, 5, 5], "uint8", "NCHW")
    assert data["refused"] is None
    assert "plain numbers" in rows["/text"]["refused"]
    assert main(["info", f"{path}::/data", "--json"]) == 0
    assert [row["path"] for row in json.loads(capsys.readouterr().out)["datasets"]] == ["/data"]
