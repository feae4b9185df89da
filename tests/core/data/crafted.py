"""HDF5 files made to harm or to confuse, and the verdict on each; nothing of this is stored.

    python -m tests.core.data.crafted FOLDER        writes them all, to look at

`outside` is a path that no reader may open: tests put a FIFO there, which holds up whoever does.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

SHAPE = (20, 3, 4, 4)


def pixels(shape=SHAPE, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


@dataclass(frozen=True)
class Case:
    """A file; `verdict` is what is said of `dataset`, or of the file where that is empty."""

    name: str
    make: Callable[[Path, Path], None]
    verdict: str
    dataset: str = "/x"


CASES: list[Case] = []


def case(verdict: str, dataset: str = "/x"):
    """Register a function that writes into an open file, given the path that is outside."""

    def register(write):
        def make(path: Path, outside: Path) -> None:
            with h5py.File(path, "w") as file:
                write(file, outside)

        CASES.append(Case(write.__name__, make, verdict, dataset))
        return write

    return register


def patched(verdict: str, dataset: str = "/x"):
    """Register a function that first writes a file, then changes its bytes."""

    def register(change):
        def make(path: Path, outside: Path) -> None:
            path.write_bytes(change(path))

        CASES.append(Case(change.__name__, make, verdict, dataset))
        return change

    return register


def low(file, type_, shape=SHAPE, plist=None, name=b"x"):
    """Create a data set without the help of the high level."""
    space = h5py.h5s.create_simple(shape)
    return h5py.h5d.create(file.id, name, type_, space, plist)


def chunked(chunk=(5, 3, 4, 4)):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk(chunk)
    return plist


# --- what leads to another file


@case("a link to another file")
def external_link(file, outside):
    file["x"] = h5py.ExternalLink(str(outside), "/data")


@case("a link to another file", "/group")
def external_link_on_the_way(file, outside):
    file["group"] = h5py.ExternalLink(str(outside), "/")


@case("a soft link")
def soft_link(file, outside):
    file["real"] = pixels()
    file["x"] = h5py.SoftLink("/real")


@case("a soft link")
def soft_link_to_nothing(file, outside):
    file["x"] = h5py.SoftLink("/nothing")


@case("a soft link")
def soft_link_through_an_external_one(file, outside):
    file["away"] = h5py.ExternalLink(str(outside), "/")
    file["x"] = h5py.SoftLink("/away/data")


@case("its numbers lie in another file")
def external_storage(file, outside):
    size = int(np.prod(SHAPE))
    file.create_dataset("x", SHAPE, np.uint8, external=[(str(outside), 0, size)])


@case("put together from other files")
def virtual(file, outside):
    layout = h5py.VirtualLayout(SHAPE, np.uint8)
    layout[:] = h5py.VirtualSource(str(outside), "data", SHAPE)
    file.create_virtual_dataset("x", layout)


@case("put together from other files")
def virtual_of_itself(file, outside):
    file["real"] = pixels()
    layout = h5py.VirtualLayout(SHAPE, np.uint8)
    layout[:] = h5py.VirtualSource(".", "real", SHAPE)
    file.create_virtual_dataset("x", layout)


# --- what is larger than it looks


@case("4.0 TiB")
def shape_bomb(file, outside):
    file.create_dataset("x", (1 << 30, 64, 64), np.uint8, chunks=(64, 64, 64), compression=1)


@case("nothing is stored")
def shape_bomb_below_the_limit(file, outside):
    file.create_dataset("x", (1 << 25, 64, 64), np.uint8, chunks=(64, 64, 64), compression=1)


@case("times its size")
def sparse_bomb(file, outside):
    data = file.create_dataset("x", (1 << 20, 32, 32), np.uint8, chunks=(64, 32, 32), compression=1)
    data[:64] = 1


@case("16777216.0 TiB")
def product_overflow(file, outside):
    file.create_dataset("x", (1 << 32, 1 << 16, 1 << 16), np.uint8, chunks=(64, 64, 64))


@case("nothing is stored")
def never_written(file, outside):
    low(file, h5py.h5t.NATIVE_UINT8)


@case("compressed twice")
def gzip_twice(file, outside):
    plist = chunked()
    plist.set_deflate(9)
    plist.set_deflate(9)
    low(file, h5py.h5t.NATIVE_UINT8, plist=plist).write(h5py.h5s.ALL, h5py.h5s.ALL, pixels())


@case("400 MiB")
def huge_chunk(file, outside):
    plist = chunked((400, 1024, 1024))
    plist.set_deflate(9)
    data = low(file, h5py.h5t.NATIVE_UINT8, (400, 1024, 1024), plist)
    data.write_direct_chunk((0, 0, 0), zlib.compress(bytes(1 << 20)))


@case("more than 2000 entries", "/")
def hard_links_to_the_same_group(file, outside):
    # Four groups, but 300³ paths.
    groups = [file.create_group(name) for name in "abc"]
    groups[-1]["x"] = pixels()
    for above, below in zip([file["/"], *groups], groups, strict=False):
        for number in range(300):
            above[f"{number}"] = below


@case("back to a group above", "/a/loop/a")
def loop_of_hard_links(file, outside):
    file.create_group("a")["loop"] = file["/"]


@case("more than 1000", "/")
def a_thousand_links(file, outside):
    file["x"] = pixels()
    for number in range(1000):
        file[f"n{number}"] = file["x"]


@case("deeper than 4", "/1/2/3/4")
def deep(file, outside):
    file["1/2/3/4/5/x"] = pixels()


@case("65 attributes")
def many_attributes(file, outside):
    data = file.create_dataset("x", data=pixels())
    for number in range(65):
        data.attrs[f"a{number}"] = number


# --- what is no array of plain numbers


@case("not hold plain numbers")
def references(file, outside):
    data = file.create_dataset("x", (20, 4, 4), h5py.ref_dtype)
    data[0, 0, 0] = file.ref


@case("not hold plain numbers")
def variable_length(file, outside):
    file.create_dataset("x", (20, 4, 4), h5py.vlen_dtype(np.uint8))[0, 0, 0] = [1, 2]


@case("not hold plain numbers")
def strings(file, outside):
    file["x"] = np.full((20, 4, 4), b"text")


@case("not hold plain numbers")
def compound(file, outside):
    file["x"] = np.zeros((20, 4, 4), [("a", "u1"), ("b", "f4")])


@case("not hold plain numbers")
def opaque(file, outside):
    file["x"] = np.zeros((20, 4, 4), "V4")


@case("not hold plain numbers")
def time(file, outside):
    low(file, h5py.h5t.UNIX_D32LE)


@case("not hold plain numbers")
def complex_numbers(file, outside):
    file["x"] = np.zeros((20, 4, 4), np.complex64)


@case("not hold plain numbers")
def booleans(file, outside):
    file["x"] = np.zeros((20, 4, 4), bool)


@case("not hold plain numbers")
def arrays_in_an_array(file, outside):
    low(file, h5py.h5t.array_create(h5py.h5t.NATIVE_UINT8, (4, 4)), (20, 4))


@case("have 16 bytes")
def long_doubles(file, outside):
    file["x"] = np.zeros((20, 4, 4), np.longdouble)


@case("has no shape")
def empty(file, outside):
    file["x"] = h5py.Empty("f4")


@case("has no shape")
def scalar(file, outside):
    file["x"] = 3.5


@case("it is empty")
def no_patches(file, outside):
    file.create_dataset("x", (0, 3, 4, 4), np.uint8)


@case("has 5 axes")
def five_axes(file, outside):
    file["x"] = np.zeros((2, 2, 3, 4, 4), np.uint8)


@case("type is defined elsewhere")
def named_type(file, outside):
    file["t"] = np.dtype("u1")
    low(file, h5py.h5t.open(file.id, b"t")).write(h5py.h5s.ALL, h5py.h5s.ALL, pixels())


@case("neither a group nor a data set")
def a_type_instead_of_data(file, outside):
    file["x"] = np.dtype("u1")


@case("is not that of patches")
def a_shape_of_no_patches(file, outside):
    file["x"] = np.zeros((20, 7, 4, 5), np.uint8)


# --- filters


@case(r"compression 32015 \(zstd\), which is not supported")
def unknown_filter(file, outside):
    plist = chunked()
    plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))
    low(file, h5py.h5t.NATIVE_UINT8, plist=plist).write(h5py.h5s.ALL, h5py.h5s.ALL, pixels())


@case("compression 31337, which")
def filter_nobody_knows(file, outside):
    plist = chunked()
    plist.set_filter(31337, h5py.h5z.FLAG_OPTIONAL, ())
    low(file, h5py.h5t.NATIVE_UINT8, plist=plist).write(h5py.h5s.ALL, h5py.h5s.ALL, pixels())


@case(r"compression 6 \(scaleoffset\)")
def scale_offset(file, outside):
    file.create_dataset("x", data=pixels(), chunks=(5, 3, 4, 4), scaleoffset=0)


# --- names


@case("no plain text", "/one\ufffdtwo")
def name_of_two_lines(file, outside):
    file["one\ntwo"] = pixels()


@case("no plain text", "/\ufffd[31mred")
def name_that_colours_a_terminal(file, outside):
    file["\x1b[31mred"] = pixels()


@case("no plain text", "/\ufffd\ufffd")
def name_that_is_no_text(file, outside):
    file[b"\xff\xfe"] = pixels()


@case("too long", "/" + 200 * "n")
def long_name(file, outside):
    file[5000 * "n"] = pixels()


# --- bytes that lie


def two_chunks(path: Path) -> tuple[bytes, int, int]:
    """Write a data set of two chunks; returns the bytes, and where the chunks lie."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset("x", data=pixels(), chunks=(10, 3, 4, 4))
        first, second = (data.id.get_chunk_info(n).byte_offset for n in (0, 1))
    content = path.read_bytes()
    assert content.count(struct.pack("<Q", second)) == 1
    return content, first, second


@patched("chunks overlap")
def overlapping_chunks(path):
    content, first, second = two_chunks(path)
    return content.replace(struct.pack("<Q", second), struct.pack("<Q", first + 1))


@patched("beyond the end of the file")
def chunk_beyond_the_end(path):
    content, _, second = two_chunks(path)
    return content.replace(struct.pack("<Q", second), struct.pack("<Q", len(content) - 1))


@patched("nothing is stored for a chunk")
def chunk_shorter_than_its_checksum(path):
    """libhdf5 2.0 reads on and on: found by mutants."""
    with h5py.File(path, "w") as file:
        options = {"chunks": (10, 3, 4, 4), "compression": "gzip", "fletcher32": True}
        data = file.create_dataset("x", data=pixels(), **options)
        size = data.id.get_chunk_info(0).size
    content = path.read_bytes()
    # A key of the index: size, mask, and the place of the first chunk.
    key = struct.pack("<IIQQQQQ", size, 0, 0, 0, 0, 0, 0)
    assert content.count(key) == 1
    return content.replace(key, struct.pack("<I", 2) + key[4:])


@patched("beyond the end of the file|damaged")
def index_of_chunks_leads_nowhere(path):
    content, first, _ = two_chunks(path)
    return content.replace(struct.pack("<Q", first), struct.pack("<Q", 1 << 62))


@patched("damaged")
def index_of_chunks_is_none(path):
    """libhdf5 2.0 does not survive to be asked about the object: found by mutants."""
    with h5py.File(path, "w", libver="latest") as file:
        more = {"maxshape": (None, 3, 4, None), "chunks": (10, 3, 4, 4)}
        file.create_dataset("x", data=pixels(), **more)
    content = path.read_bytes()
    assert content.count(b"BTHD") == 1
    return content.replace(b"BTHD", b"BTHX")


@case("checksums are not of what is stored")
def checksum_before_compression(file, outside):
    plist = chunked()
    plist.set_fletcher32()
    plist.set_deflate(9)
    low(file, h5py.h5t.NATIVE_UINT8, plist=plist).write(h5py.h5s.ALL, h5py.h5s.ALL, pixels())


@patched("it is damaged|beyond the end of the file")
def contiguous_beyond_the_end(path):
    with h5py.File(path, "w") as file:
        data = file.create_dataset("x", data=pixels())
        # The message that says where: version 3, contiguous, address, size.
        says = struct.Struct("<BBQQ")
        message = says.pack(3, 1, data.id.get_offset(), data.nbytes)
    content = path.read_bytes()
    assert content.count(message) == 1
    return content.replace(message, says.pack(3, 1, len(content) - 1, pixels().nbytes))


@patched("cut short", "")
def cut_in_half(path):
    with h5py.File(path, "w") as file:
        file["x"] = pixels()
    content = path.read_bytes()
    return content[: len(content) // 2]


@patched("damaged or not an HDF5 file", "")
def signature_and_nothing(path):
    return b"\x89HDF\r\n\x1a\n" + bytes(2040)


@patched("not an HDF5, .npy or .npz file", "")
def another_kind_of_file(path):
    return b"\x7fELF" + bytes(4096)


def write_all(folder: Path, outside: Path) -> dict[str, Path]:
    """Write every file; returns their paths by name."""
    paths = {}
    for found in CASES:
        paths[found.name] = folder / f"{found.name}.h5"
        found.make(paths[found.name], outside)
    return paths


if __name__ == "__main__":
    print(*write_all(Path(sys.argv[1]), Path(sys.argv[1]) / "outside").values(), sep="\n")
