"""``.npy`` and ``.npz``: good ones, and headers and archives that lie."""

from __future__ import annotations

import io
import pickle
import re
import struct
import zipfile

import numpy as np
import pytest

from app.core.data.reader import NeedsChoiceError, inspect, open_patches
from app.core.errors import RefusedInputError

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 3, 5, 5), dtype=np.uint8)


def header(shape="(40, 3, 5, 5)", descr="'|u1'", fortran="False", version=(1, 0)):
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    length = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text


def archive(members, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as file:
        for name, data in members:
            file.writestr(name, data)
    return buffer.getvalue()


def saved(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_is_read_in_either_order(order, tmp_path):
    np.save(tmp_path / "x.npy", np.asarray(IMAGES, order=order))
    raw = open_patches(tmp_path / "x.npy")
    assert raw.source.dataset == "array"
    assert np.array_equal(raw.data, IMAGES)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_members_are_listed_and_named(save, tmp_path):
    path = tmp_path / "x.npz"
    save(path, first=IMAGES, second=(IMAGES[:7] / 255).astype(">f4"), other=np.arange(4))
    with pytest.raises(NeedsChoiceError):
        open_patches(path)
    assert np.array_equal(open_patches(f"{path}::first").data, IMAGES)
    second = open_patches(f"{path}::second")
    assert second.source.value_range == "0..1"
    assert np.allclose(second.take(np.arange(7)), IMAGES[:7] / 255)
    with pytest.raises(RefusedInputError, match="not that of patches"):
        open_patches(f"{path}::other")


def test_a_streamed_array_is_the_same(tmp_path):
    from app.core.data.files import Limits

    np.save(tmp_path / "x.npy", IMAGES)
    raw = open_patches(tmp_path / "x.npy", limits=Limits(memory_bytes=0))
    assert np.array_equal(np.concatenate(list(raw.blocks())), IMAGES)


class Payload:
    """What a pickle does when it is loaded: makes a file."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return open, (str(self.canary), "w")


BAD = {
    "4 TiB of header": (header("(1099511627776, 2, 2)"), "bytes follow its header"),
    "one byte short": (saved(IMAGES)[:-1], "bytes follow its header"),
    "one byte more": (saved(IMAGES) + b"\0", "bytes follow its header"),
    "objects": (header(descr="'|O'") + bytes(3000), "Python objects"),
    "records": (header(descr="[('a', '<f4')]") + bytes(12000), "plain numbers"),
    "complex": (header(descr="'<c8'") + bytes(24000), "plain numbers"),
    "text": (header(descr="'<U4'") + bytes(48000), "plain numbers"),
    "long double": (header(descr="'<f16'") + bytes(48000), "plain numbers"),
    "no axes": (header("()") + b"\0", "0 axes"),
    "five axes": (header("(2, 2, 3, 4, 4)") + bytes(192), "5 axes"),
    "nothing": (header("(0, 3, 5, 5)"), "empty"),
    "two negative axes": (header("(-40, -3, 5, 5)") + bytes(3000), "damaged"),
    "an axis that is a truth": (header("(True, 3, 5, 5)") + bytes(75), "damaged"),
    "code for a shape": (header("(__import__('os').getpid(), 3, 5, 5)"), "damaged"),
    "a deep header": (header("(" * 900 + ")" * 900), "damaged"),
    "an endless header": (b"\x93NUMPY\2\0\xff\xff\xff\xff" + bytes(5000), "damaged"),
    "version 3": (b"\x93NUMPY\3\0" + header()[8:], "format"),
    "no header": (b"\x93NUMPY", "damaged"),
    "damaged archive": (archive([("a.npy", saved(IMAGES))])[:-30], "damaged or not an archive"),
    "archive of nothing": (b"PK\x03\x04" + bytes(40), "damaged or not an archive"),
    "too many members": (archive([(f"{n}.npy", b"") for n in range(201)]), "201 members"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_lies_is_refused(name, tmp_path):
    content, reason = BAD[name]
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(RefusedInputError, match=reason) as caught:
        inspect(path)
    assert caught.value.message.isprintable()


def test_two_members_of_one_name_are_refused(tmp_path):
    path = tmp_path / "x.npz"
    with pytest.warns(UserWarning, match="Duplicate"):
        path.write_bytes(archive([("a.npy", saved(IMAGES)), ("a.npy", saved(IMAGES))]))
    with pytest.raises(RefusedInputError, match="the same name"):
        inspect(path)


def test_a_pickle_never_runs(tmp_path):
    canary = tmp_path / "canary"
    pickled = pickle.dumps(Payload(canary))
    pickle.loads(pickled).close()
    assert canary.exists(), "the payload must be able to do harm"
    canary.unlink()
    objects = np.array([Payload(canary)], dtype=object)
    np.save(tmp_path / "x.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "x.npz", a=objects)
    (tmp_path / "plain.npy").write_bytes(pickled)
    for name in ("x.npy", "x.npz", "plain.npy"):
        with pytest.raises(RefusedInputError):
            open_patches(tmp_path / name)
    assert not canary.exists()


def test_each_member_is_judged_by_itself(tmp_path):
    """One that is damaged or made to harm does not hide the good one beside it."""
    bomb = zipfile.ZipInfo("bomb.npy")
    bomb.compress_type = zipfile.ZIP_DEFLATED
    wrong_sum = saved(IMAGES)
    names = ["../out", "/absolute", "C:\\windows", "nul\x01", "a" * 300, ".npy", "\x1b[31m"]
    members = [("good.npy", saved(IMAGES)), ("code.py", b"import os"), ("bad.npy", wrong_sum)]
    members += [(f"{name}.npy" if name != ".npy" else name, saved(IMAGES[:2])) for name in names]
    content = archive([*members, (bomb, header("(70000, 1000)") + bytes(70_000_000))])
    # A wrong byte in the stored numbers of `bad` alone: its sum no longer holds.
    at = content.index(saved(IMAGES), content.index(b"bad.npy"))
    content = bytearray(content)
    content[at + 500] ^= 1
    path = tmp_path / "x.npz"
    path.write_bytes(bytes(content))
    report = inspect(path)
    said = {found.path: found.refused for found in report.datasets}
    assert said["good"] is None
    assert said["code.py"] == "it is no array"
    # Zeros in deflate reach 1,026 to 1, which is allowed: the limit is above.
    assert "not that of patches" in said["bomb"] or "thousand times" in said["bomb"]
    for found in report.datasets:
        assert found.path.isprintable()
        assert found.path
    assert sum("no plain text" in (reason or "") for reason in said.values()) >= 3
    assert open_patches(path, dataset="good").count == 40
    with pytest.raises(RefusedInputError, match="damaged"):
        open_patches(path, dataset="bad")
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]


def lying(member_size, packed=None):
    """Return an archive whose central directory tells another size of its one member."""
    content = archive([("a.npy", saved(IMAGES))], compression=zipfile.ZIP_DEFLATED)
    at = content.index(b"PK\x01\x02")
    real_packed, real = struct.unpack_from("<II", content, at + 20)
    fields = struct.pack("<II", real_packed if packed is None else packed, member_size or real)
    return content[: at + 20] + fields + content[at + 28 :]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lying(0xFFFFFFF0), "thousand times|bytes follow|damaged"),
        (lying(0, packed=1 << 30), "larger than the file"),
        (lying(100), "bytes follow|damaged"),
    ],
)
def test_sizes_that_an_archive_tells_are_not_believed(content, reason, tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(RefusedInputError) as caught:
        open_patches(path)
    assert re.search(reason, str(caught.value))


def test_what_is_encrypted_or_packed_in_another_way_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    content = bytearray(archive([("a.npy", saved(IMAGES))]))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(RefusedInputError, match="encrypted"):
        open_patches(path)
    path.write_bytes(archive([("a.npy", saved(IMAGES))], compression=zipfile.ZIP_BZIP2))
    with pytest.raises(RefusedInputError, match="unusual way"):
        open_patches(path)
