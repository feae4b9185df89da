"""CIFAR-10 in both layouts, and everything that only pretends to be it."""

from __future__ import annotations

import codecs
import gzip
import os
import pickle
import random
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.data import cifar as parent
from app.core.data.child import Child
from app.core.data.files import Limits
from app.core.data.image_reader import open_images
from app.core.data.untrusted import cifar as reader
from app.core.data.untrusted import pickles
from app.core.data.untrusted.guard import Refused
from app.core.errors import Cancelled, RefusedInputError
from tests.core.data import cifar_files as files


def expected(count: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels and labels of the six pickled batches in order."""
    x = [files.pixels_of(count, seed).reshape(-1, 3, 32, 32) for seed in range(6)]
    return np.concatenate(x), np.concatenate([files.labels_of(count, seed) for seed in range(6)])


@pytest.fixture(scope="module")
def flat_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the binary layout; its training batches are one file under five names."""
    folder = tmp_path_factory.mktemp("flat") / "cifar-10-batches-bin"
    files.write(folder, {"data_batch_1.bin": files.flat(0), "test_batch.bin": files.flat(1)})
    for k in range(2, 6):
        os.link(folder / "data_batch_1.bin", folder / f"data_batch_{k}.bin")
    (folder / "batches.meta.txt").write_text("\n".join(files.CLASSES) + "\n\n")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return files.write(tmp_path / "cifar-10-batches-py", files.pickled_files())


# --- what is read


def test_the_binary_layout_is_read_as_it_is_described(flat_folder: Path) -> None:
    """A label, then 1,024 bytes each of red, green and blue, row by row."""
    images = open_images(flat_folder)
    assert images.x.shape == (60_000, 3, 32, 32)
    assert images.x.dtype == np.uint8
    assert images.test_count == 10_000
    assert images.classes == tuple(files.CLASSES)
    row = 20_123
    record = (flat_folder / "data_batch_3.bin").read_bytes()[123 * 3073 : 124 * 3073]
    assert images.y[row] == record[0]
    red, green, blue = (record[1 + k * 1024 : 1 + (k + 1) * 1024] for k in range(3))
    assert images.x[row, 0].tobytes() == red
    assert images.x[row, 1].tobytes() == green
    assert images.x[row, 2, 5].tobytes() == blue[5 * 32 : 6 * 32]
    assert (images.x[50_000:] == open_images(flat_folder / "test_batch.bin").x).all()


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_the_pickled_layout_is_read_whatever_wrote_it(tmp_path: Path, protocol: int) -> None:
    folder = files.write(tmp_path / "batches", files.pickled_files(protocol=protocol))
    images = open_images(folder)
    x, y = expected()
    assert (images.x == x).all()
    assert (images.y == y).all()
    assert images.test_count == 20
    assert images.classes == tuple(files.CLASSES)
    assert not images.x.flags.writeable
    assert not images.y.flags.writeable


def test_a_pickle_of_python_2_is_read() -> None:
    """The published batches: texts are Python 2's strings, and NumPy has its old name."""
    pixels = files.pixels_of(3, 0)

    def text(data: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(data)) + data

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\nt" + text(b"b") + b"tR"
        b"(I1\n(I3\nI3072\nt" + b"cnumpy\ndtype\n(" + text(b"u1") + b"I0\nI1\ntR"
        b"(I3\n" + text(b"|") + b"NNNI-1\nI-1\nI0\ntb" + b"I00\n" + text(pixels.tobytes()) + b"tb"
    )
    data = (
        b"\x80\x02}(" + text(b"data") + array + text(b"labels") + b"(lI7\naI0\naI9\na"
        + text(b"batch_label") + text(b"training batch 1 of 5") + b"u."
    )  # fmt: skip
    # The hand-made program is what Python's own unpickler takes it for.
    known = pickle.loads(data, encoding="bytes")
    assert (known[b"data"] == pixels).all()
    labels, found = reader.parse("data_batch_1", data)
    assert labels.tolist() == [7, 0, 9]
    assert (found == pixels).all()


def test_a_folder_around_the_published_one_is_enough(folder: Path) -> None:
    assert open_images(folder.parent).source.sha256 == open_images(folder).source.sha256


@pytest.mark.parametrize("mode", ["w:gz", "w"])
@pytest.mark.parametrize("prefix", ["cifar-10-batches-py/", "./", ""])
def test_an_archive_is_read_without_being_unpacked(tmp_path: Path, mode: str, prefix: str) -> None:
    path = tmp_path / "cifar-10-python.tar.gz"
    path.write_bytes(files.archive(files.member("readme.html", b"hello"), mode=mode, prefix=prefix))
    images = open_images(path)
    x, y = expected()
    assert (images.x == x).all()
    assert (images.y == y).all()
    assert list(tmp_path.iterdir()) == [path]


def test_the_order_in_an_archive_does_not_matter(tmp_path: Path) -> None:
    """The published one begins with batch 4."""
    path = tmp_path / "any.tar"
    with tarfile.open(path, "w") as tar:
        some = list(files.pickled_files().items())
        random.Random(0).shuffle(some)
        for name, data in some:
            path_in = tmp_path / name
            path_in.write_bytes(data)
            tar.add(path_in, f"cifar-10-batches-py/{name}")
            path_in.unlink()
    assert (open_images(path).x == expected()[0]).all()


def test_one_batch_can_be_opened_by_itself(folder: Path, flat_folder: Path) -> None:
    images = open_images(folder / "data_batch_2")
    assert (images.x == files.pixels_of(20, 1).reshape(-1, 3, 32, 32)).all()
    assert images.test_count == 0
    assert images.classes == tuple(files.CLASSES)
    assert open_images(flat_folder / "test_batch.bin").count == 10_000


def test_without_a_file_of_names_the_known_ones_are_used(folder: Path) -> None:
    (folder / "batches.meta").unlink()
    assert open_images(folder).classes == parent.CIFAR10_CLASSES


def test_the_notes_say_whether_the_bytes_are_the_published_ones(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    assert open_images(folder).notes[0].startswith("The checksums are not the published ones")
    md5 = {
        name: hashlib.md5((folder / name).read_bytes(), usedforsecurity=False).hexdigest()
        for name in files.BATCHES
    }
    monkeypatch.setattr(parent, "PUBLISHED_BATCHES", md5)
    assert open_images(folder).notes == ("All batches have the published checksums",)
    path = tmp_path / "a.tar.gz"
    path.write_bytes(files.archive())
    assert open_images(path).notes[0].startswith("The checksum is not the published one")
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(parent, "PUBLISHED_ARCHIVES", {sha})
    assert open_images(path).notes == ("The archive has the published checksum",)
    assert open_images(path).source.sha256 == sha


def test_progress_is_told_and_reading_can_be_given_up(folder: Path) -> None:
    told: list[float] = []
    open_images(folder, progress=lambda share, text: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1
    with pytest.raises(Cancelled):
        open_images(folder, cancel=lambda: True)


# --- what is refused


def refusal(path: Path) -> str:
    with pytest.raises(RefusedInputError) as caught:
        open_images(path)
    assert "\n" not in caught.value.message
    return str(caught.value)


@pytest.mark.parametrize("short", [1, 3073, 30_729_999])
def test_a_flat_batch_that_is_cut_short(tmp_path: Path, short: int) -> None:
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(files.flat()[:-short])
    assert "cut short" in refusal(path)


def test_a_flat_batch_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(files.flat() + b"\0")
    assert "30,730,001 bytes" in refusal(path)


def test_a_flat_batch_with_a_wrong_label(tmp_path: Path) -> None:
    data = bytearray(files.flat())
    data[17 * 3073] = 10
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(bytes(data))
    assert "the label of image 17 is 10, they go from 0 to 9" in refusal(path)


def test_one_bad_batch_of_a_folder_is_named(folder: Path) -> None:
    (folder / "data_batch_4").write_bytes(files.pickled()[:-100])
    said = refusal(folder)
    assert said.startswith("data_batch_4 is not opened")
    assert "cut short" in said


def test_a_missing_batch_is_named(folder: Path) -> None:
    (folder / "data_batch_4").unlink()
    (folder / "test_batch").unlink()
    assert "lacks data_batch_4, test_batch" in refusal(folder)


WRONG: dict[str, dict[str, Any]] = {
    "label of image 3 is 10": {"labels": np.array([0, 1, 2, 10, *[0] * 16])},
    "a label is -1": {"labels": [-1] * 20},
    "a label is 1e+30": {"labels": [10**30] * 20},
    "labels are not whole numbers": {"labels": [0.0] * 20},
    "labels are not whole": {"labels": [True] * 20},
    "19 labels for 20 images": {"labels": [0] * 19},
    "no list “labels”": {"labels": "0123"},
    "no array “data”": {"data": None},
    "no array": {"data": [1, 2, 3]},
    "20 × 3071 uint8": {"data": np.zeros((20, 3071), np.uint8)},
    "20 × 3072 int64": {"data": np.zeros((20, 3072), np.int64)},
    "3 × 32 × 32 uint8": {"data": np.zeros((20, 3, 32, 32), np.uint8)},
    "unexpected type": {"data": np.zeros((20, 3072), np.float32)},
    "of an unexpected type": {"data": np.array([b"a", None] * 10, dtype=object)},
}


@pytest.mark.parametrize("said", WRONG)
def test_a_pickle_of_something_else(said: str) -> None:
    data = files.pickled(**WRONG[said])
    with pytest.raises(Refused, match=said.replace("+", r"\+")):
        reader.parse("data_batch_1", data)


def test_an_empty_batch() -> None:
    data = files.pickled(protocol=4, labels=[], data=np.zeros((0, 3072), np.uint8))
    with pytest.raises(Refused, match="empty"):
        reader.parse("test_batch", data)


@pytest.mark.parametrize(
    "names",
    [
        ["a"] * 10,
        ["a", "b"],
        [1] * 10,
        "abcdefghij",
        [*"abcdefghi", "j" * 61],
        [*"abcdefghi", "\a"],
    ],
)
def test_names_that_are_none(names: Any) -> None:
    with pytest.raises(Refused):
        reader.parse("batches.meta", pickle.dumps({b"label_names": names}))


def test_a_text_of_names_with_the_wrong_number(flat_folder: Path, tmp_path: Path) -> None:
    os.link(flat_folder / "test_batch.bin", tmp_path / "test_batch.bin")
    (tmp_path / "batches.meta.txt").write_bytes(b"one\ntwo\n")
    assert "2 names of classes, not 10" in refusal(tmp_path / "test_batch.bin")


# --- pickles that are programs


class Payload:
    """Would run a command when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


PAYLOADS: dict[str, Any] = {
    "os.system": (os.system, "touch {canary}"),
    "eval": (eval, "open({canary!r}, 'w')"),
    "open": (open, "{canary}", "w"),
    "mkdir": (os.mkdir, "{canary}"),
    "codecs": (codecs.lookup, "{canary}"),
    "frombuffer": (np.frombuffer, b"1234"),
    "fromfile": (np.fromfile, "{canary}"),
}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_never_runs(tmp_path: Path, name: str, protocol: int) -> None:
    canary = tmp_path / "canary"
    function, *arguments = PAYLOADS[name]
    told = [a.format(canary=str(canary)) if isinstance(a, str) else a for a in arguments]
    data = pickle.dumps({b"data": Payload(function, *told), b"labels": [1]}, protocol)
    with pytest.raises(Refused, match="could run code"):
        pickles.read_pickle(data)
    assert not canary.exists()


def test_a_payload_in_a_batch_is_refused_in_the_child(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    path = tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps({b"data": Payload(os.system, f"touch {canary}")}, 2))
    assert "could run code" in refusal(path)
    assert not canary.exists()
    # The same bytes do run where nobody looks.
    pickle.loads(path.read_bytes())
    assert canary.exists()


@pytest.mark.parametrize(
    "program",
    [
        # numpy.ndarray((2**41,)), by calling the class, and by NEWOBJ
        b"\x80\x02cnumpy\nndarray\n\x8a\x06\x00\x00\x00\x00\x00\x02\x85\x85R.",
        b"\x80\x02cnumpy\nndarray\n\x8a\x06\x00\x00\x00\x00\x00\x02\x85\x85\x81.",
        # an array of 2 TiB whose bytes are not there
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
        b"(K\x01\x8a\x06\x00\x00\x00\x00\x00\x02\x85cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85R\x89C\x01atb.",
        # a text of 2 TiB, a frame of 2 TiB, a byte array of 2 TiB
        b"\x80\x04\x8d\x00\x00\x00\x00\x00\x02\x00\x00a.",
        b"\x80\x04\x95\x00\x00\x00\x00\x00\x02\x00\x00a.",
        b"\x80\x05\x96\x00\x00\x00\x00\x00\x02\x00\x00a.",
        # place 2³¹ of the memo
        b"\x80\x02K\x01r\xff\xff\xff\x7f.",
    ],
)
def test_a_pickle_that_asks_for_two_tebibytes(tmp_path: Path, program: bytes) -> None:
    path = tmp_path / "data_batch_1"
    path.write_bytes(program)
    said = refusal(path)
    reasons = ("damaged", "no data set does", "are needed", "memory", "no dictionary")
    assert any(reason in said for reason in reasons)


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02cnumpy\nndarray\n}b.",  # alters a class
        b"\x80\x02cnumpy\nndarray\n(N}(X\x08\x00\x00\x00__init__K\x01utb.",
        b"\x80\x02c_codecs\nencode\n(N}(X\x07\x00\x00\x00__new__K\x01utb.",
        b"\x80\x02cnumpy\ndtype\n(N}(X\x04\x00\x00\x00nameK\x01utb.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x04\x00\x00\x00zlib\x86R.",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nc_codecs\nencode\nK\x00\x85C\x01b\x87R.",
        b"\x80\x02cnumpy\ndtype\nX\x01\x00\x00\x00O\x85R.",
        b"\x80\x02X\x01\x00\x00\x00aQ.",  # a persistent identifier
        b"\x80\x02\x82\x01.",  # an extension code
        b"\x80\x02]K\x01a.",  # a list, not a dictionary
        b"\x80\x02}(]K\x01u.",  # a key that is none
        b"\x80\x02}(K\x01K\x01u.",
        b"\x80\x02}(C\x01aK\x01X\x01\x00\x00\x00aK\x01u.",  # one key as bytes and as text
        b"\x80\x02.",
        b"",
        b"\x80\xff.",
    ],
)
def test_a_pickle_that_bends_what_it_is_given(program: bytes) -> None:
    kinds = [value.__dict__.copy() for value in set(pickles.KNOWN.values())]
    with pytest.raises(Refused):
        pickles.read_pickle(program)
    assert [value.__dict__.copy() for value in set(pickles.KNOWN.values())] == kinds


def test_a_pickle_that_takes_for_ever_is_given_up(tmp_path: Path) -> None:
    """Tuples of tuples, twice each: the hash of the outermost takes 2⁶⁰ steps."""
    program = b"\x80\x02}(K\x01" + b"2\x86" * 60 + b"K\x01u."
    path = tmp_path / "data_batch_1"
    path.write_bytes(program)
    with pytest.raises(RefusedInputError, match="did not get on"):
        open_images(path, limits=Limits(patience=0.5))


# --- archives that are traps


TRAPS = {
    "leads out": [
        files.member("../data_batch_1", b"x"),
        files.member("/tmp/data_batch_1", b"x"),
        files.member("a/../../b", b"x"),
        files.member("..\\b", b"x"),
    ],
    "is a link": [
        files.member("data_batch_9", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        files.member("other", type=tarfile.LNKTYPE, linkname="data_batch_1"),
    ],
    "no ordinary file": [
        files.member("console", type=tarfile.CHRTYPE),
        files.member("disk", type=tarfile.BLKTYPE),
        files.member("pipe", type=tarfile.FIFOTYPE),
        files.member("gaps", b"x" * 512, type=tarfile.GNUTYPE_SPARSE),
    ],
    "comes twice": [
        files.member("data_batch_1", files.pickled()),
        files.member("cifar-10-batches-py/data_batch_1", files.pickled()),
        files.member("./batches.meta", files.names()),
    ],
    "10,240 MiB, more than 96": [
        files.member("big", b"", size=10 << 30),
        files.member("data_batch_1.bin", b"", size=10 << 30),
    ],
    "both layouts": [files.member("data_batch_1.bin", files.flat())],
}


@pytest.mark.parametrize(
    ("said", "trap"),
    [(said, trap) for said, traps in TRAPS.items() for trap in traps],
    ids=lambda value: value if isinstance(value, str) else value[0].name,
)
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_archive_with_what_no_data_set_has(
    tmp_path: Path, said: str, trap: tuple[tarfile.TarInfo, bytes], mode: str
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    path = place / "a.tar"
    path.write_bytes(files.archive(trap, mode=mode))
    assert said in refusal(path)
    assert list(place.iterdir()) == [path]
    assert list(tmp_path.iterdir()) == [place]


def test_an_archive_with_a_link_in_a_batch_s_place(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    link = files.member(
        "cifar-10-batches-py/data_batch_1", type=tarfile.SYMTYPE, linkname="/etc/passwd"
    )
    with tarfile.open(path, "w") as tar:
        tar.addfile(link[0])
    assert "is a link" in refusal(path)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_an_archive_that_is_cut_short(tmp_path: Path, mode: str, share: float) -> None:
    whole = files.archive(mode=mode)
    if mode == "w":
        # Without the padding at its end, which is no loss.
        whole = whole.rstrip(b"\0")
    path = tmp_path / "a.tar"
    path.write_bytes(whole[: int(len(whole) * share)])
    said = refusal(path)
    assert "cut short" in said or "lacks" in said or "no batch" in said


def test_an_archive_that_unpacks_to_too_much(tmp_path: Path) -> None:
    """A gigabyte of zeros in a megabyte, as members that are each allowed."""
    head = files.member("zeros", size=64 << 20)[0].tobuf(tarfile.PAX_FORMAT)
    one = gzip.compress(head + bytes(64 << 20))
    path = tmp_path / "a.tar.gz"
    path.write_bytes(16 * one)
    assert path.stat().st_size < 2 << 20
    assert "unpacks to more than 640 MiB" in refusal(path)


def test_an_archive_of_very_many_members(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(files.archive(*(files.member(f"m{k}") for k in range(1000))))
    assert "more than 1000 members" in refusal(path)


def test_a_damaged_archive_is_told_by_its_checksum(tmp_path: Path) -> None:
    data = bytearray(files.archive())
    data[-6] ^= 1
    path = tmp_path / "a.tar.gz"
    path.write_bytes(bytes(data))
    assert "damaged" in refusal(path)


def test_an_archive_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(*[files.member("hello")[0]])
    assert "holds no batch of CIFAR-10" in refusal(path)


# --- anything at all


def judged(function: Any, *arguments: Any) -> None:
    """Call what reads a stranger's bytes: it returns or refuses, and does nothing else."""
    try:
        function(*arguments)
    except (Refused, MemoryError):
        return


@given(st.binary(max_size=300))
def test_any_bytes_as_a_pickle(data: bytes) -> None:
    judged(reader.parse, "data_batch_1", data)
    judged(reader.parse, "batches.meta", b"\x80\x02" + data)
    judged(reader.parse, "batches.meta.txt", data)
    judged(reader.parse, "test_batch.bin", data)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=9)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
)


@given(TREES, TREES, st.sampled_from([2, 4]))
def test_any_values_as_a_batch(pixels: Any, labels: Any, protocol: int) -> None:
    data = pickle.dumps({b"data": pixels, b"labels": labels}, protocol)
    with pytest.raises(Refused):
        reader.parse("data_batch_1", data)


@given(
    st.lists(st.integers(-3, 300), max_size=6),
    st.integers(0, 6),
    st.sampled_from([3072, 3071]),
)
@settings(max_examples=200)
def test_a_batch_is_read_exactly_when_it_is_sound(labels: list[int], rows: int, width: int) -> None:
    data = files.pickled(protocol=4, labels=labels, data=np.full((rows, width), 7, np.uint8))
    sound = len(labels) == rows > 0 and width == 3072 and all(0 <= n < 10 for n in labels)
    if sound:
        found, pixels = reader.parse("data_batch_1", data)
        assert found.tolist() == labels
        assert (pixels == 7).all()
    else:
        with pytest.raises(Refused):
            reader.parse("data_batch_1", data)


def mutants(data: bytes, count: int, seed: int) -> Any:
    """Yield copies of `data` with some bytes changed, cut out or doubled."""
    rng = random.Random(seed)
    for _ in range(count):
        mutant = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(mutant))
            kind = rng.randrange(4)
            if kind == 0:
                mutant[at] = rng.randrange(256)
            elif kind == 1:
                mutant[at] ^= 1 << rng.randrange(8)
            elif kind == 2:
                del mutant[at : at + rng.randint(1, 40)]
            else:
                mutant[at:at] = mutant[at : at + rng.randint(1, 40)]
            if not mutant:
                break
        yield bytes(mutant)


@pytest.mark.parametrize("protocol", [2, 4])
def test_mutants_of_a_pickle_end_in_a_batch_or_one_sentence(protocol: int) -> None:
    """Through the child, which must not die of any."""
    seed_file = files.pickled(2, protocol=protocol)
    outcomes = {"read": 0, "refused": 0}
    with Child("a mutant") as child:
        child.send({"do": "decode"})
        for mutant in mutants(seed_file, 300, protocol):
            parts = parent._Parts()
            child.send({"name": "data_batch_1"}, mutant)
            try:
                parts.receive(child, child.receive_json())
            except RefusedInputError:
                outcomes["refused"] += 1
            else:
                outcomes["read"] += 1
            assert not child.gone
    assert min(outcomes.values()) > 0, outcomes


def test_mutants_of_an_archive_end_in_batches_or_a_refusal(tmp_path: Path) -> None:
    outcomes = {"read": 0, "refused": 0}
    for mode in ("w", "w:gz"):
        # Most of an archive is pixels: mutants of its first two thousand bytes say more.
        whole = files.archive(mode=mode)
        for mutant in mutants(whole[:2000], 150, 7):
            path = tmp_path / "a.tar"
            path.write_bytes(mutant + whole[2000:])
            with path.open("rb") as stream:
                try:
                    list(reader.walk(stream))
                except (Refused, MemoryError):
                    outcomes["refused"] += 1
                else:
                    outcomes["read"] += 1
    assert min(outcomes.values()) > 0, outcomes
