"""CIFAR-10 in its two layouts: flat batches, pickled batches, and archives of either.

A flat batch is 10,000 times a label and 3 · 32 · 32 bytes of pixels, red, green, blue. A pickled
batch is a dictionary of `data` (n, 3072) and `labels`. An archive is never unpacked: the members
that are known by name are streamed, the others passed over.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from app.core.data.untrusted.guard import Refused
from app.core.data.untrusted.pickles import read_pickle

__all__ = ["Batch", "parse", "walk"]

PIXELS = 3 * 32 * 32
RECORD = 1 + PIXELS
COUNT = 10_000
CLASSES = 10

# A pickled batch as NumPy writes it today is half again as long as the published one.
MOST_MEMBER = 96 << 20
MOST_UNPACKED = 640 << 20
MOST_MEMBERS = 1_000
MOST_NAMES = 64 << 10

# Labels (n,) and pixels (n, 3072), both uint8.
Batch = tuple[NDArray[np.uint8], NDArray[np.uint8]]

MEMBER = re.compile(
    r"(?:\./)?(?:cifar-10-batches-(?:py|bin)/)?"
    r"((?:data_batch_[1-5]|test_batch)(?:\.bin)?|batches\.meta(?:\.txt)?)"
)


def parse(name: str, data: bytes) -> Batch | list[str]:
    """Return what a file of CIFAR-10 holds: a batch, or the names of the classes.

    Parameters
    ----------
    name : str
        ``batches.meta`` and ``batches.meta.txt`` hold names; of the others, those that end in
        ``.bin`` are flat.

    Raises
    ------
    Refused
        It is not what its name says.
    """
    if name == "batches.meta.txt":
        return _names(data[: MOST_NAMES + 1].split(b"\n"))
    if name == "batches.meta":
        return _names(read_pickle(data).get("label_names"))
    return _flat(data) if name.endswith(".bin") else _pickled(data)


def _flat(data: bytes) -> Batch:
    if len(data) != COUNT * RECORD:
        cut = "it is cut short: " if len(data) < COUNT * RECORD else ""
        raise Refused(f"{cut}it has {len(data):,} bytes, a batch has {COUNT * RECORD:,}")
    rows = np.frombuffer(data, np.uint8).reshape(COUNT, RECORD)
    return _sound(rows[:, 0], rows[:, 1:])


def _pickled(data: bytes) -> Batch:
    record = read_pickle(data)
    pixels, labels = record.get("data"), record.get("labels")
    if not isinstance(pixels, np.ndarray):
        raise Refused("its pickle has no array “data”")
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != PIXELS:
        shape = " × ".join(map(str, pixels.shape))
        raise Refused(f"its data are {shape} {pixels.dtype.name}, not n × {PIXELS} uint8")
    if isinstance(labels, list):
        # A bool is an int to Python, and no label.
        if any(type(label) is not int for label in labels):
            raise Refused("its labels are not whole numbers")
        if any(not 0 <= label < 256 for label in labels):
            wrong = next(label for label in labels if not 0 <= label < 256)
            raise Refused(f"a label is {wrong:.6g}, they go from 0 to {CLASSES - 1}")
        labels = np.array(labels, np.int64)
    if not isinstance(labels, np.ndarray) or labels.ndim != 1:
        raise Refused("its pickle has no list “labels”")
    return _sound(labels, pixels)


def _sound(labels: NDArray[Any], pixels: NDArray[np.uint8]) -> Batch:
    """Return a batch whose labels are as many as its images, and mean something."""
    if len(labels) != len(pixels):
        raise Refused(f"it has {len(labels):,} labels for {len(pixels):,} images")
    if not len(labels):
        raise Refused("it is empty")
    wrong = np.flatnonzero((labels < 0) | (labels >= CLASSES))
    if len(wrong):
        at = int(wrong[0])
        raise Refused(
            f"the label of image {at} is {int(labels[at])}, they go from 0 to {CLASSES - 1}"
        )
    return labels.astype(np.uint8), pixels


def _names(found: Any) -> list[str]:
    if not isinstance(found, list):
        raise Refused("it has no list of names")
    texts = [name.decode("utf-8", "replace") if type(name) is bytes else name for name in found]
    if any(type(text) is not str for text in texts):
        raise Refused("a name in it is no text")
    names = [text.strip() for text in texts if text.strip()]
    if len(names) != CLASSES or len(set(names)) != CLASSES:
        raise Refused(f"it has {len(set(names))} names of classes, not {CLASSES}")
    if any(len(name) > 60 or not name.isprintable() for name in names):
        raise Refused("a name in it cannot be printed")
    return names


class _Counted(io.RawIOBase):
    """Passes bytes on and counts them: what unpacks to too much is given up on the way."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile) -> None:
        self.stream, self.passed = stream, 0

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(min(size, 1 << 20) if size >= 0 else 1 << 20)
        self.passed += len(data)
        if self.passed > MOST_UNPACKED:
            raise Refused(f"it unpacks to more than {MOST_UNPACKED >> 20} MiB")
        return data


def walk(stream: IO[bytes]) -> Iterator[tuple[str, Batch | list[str]]]:
    """Yield (name, content) of each known member of an archive, in its order.

    Raises
    ------
    Refused
        The archive is damaged, or has a member that no data set has: a link, a device, a path
        that leads out of it, a name that comes twice, a size that is absurd.
    """
    packed = stream.read(2) == b"\x1f\x8b"
    stream.seek(0)
    plain = _Counted(gzip.GzipFile(fileobj=stream) if packed else stream)
    seen: set[str] = set()
    try:
        with tarfile.open(fileobj=plain, mode="r|") as archive:
            for number, member in enumerate(archive):
                if number >= MOST_MEMBERS:
                    raise Refused(f"it has more than {MOST_MEMBERS} members")
                _judge(member)
                known = MEMBER.fullmatch(member.name)
                if known is None or not member.isfile():
                    continue
                name = known.group(1)
                if name in seen:
                    raise Refused(f"{name} comes twice in it")
                seen.add(name)
                yield name, _content(archive, member, name)
        # The checksum of all bytes comes at the very end.
        while plain.read(1 << 20):
            pass
    except (EOFError, tarfile.ReadError, tarfile.StreamError):
        raise Refused("the archive is cut short or damaged") from None
    except (gzip.BadGzipFile, zlib.error, tarfile.TarError, UnicodeError, ValueError, OSError):
        raise Refused("the archive is damaged") from None


def _judge(member: tarfile.TarInfo) -> None:
    """Refuse what no archive of a data set contains; nothing is ever written anyway."""
    name = "".join(c for c in member.name if c.isprintable())[-60:]
    if member.name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", member.name):
        raise Refused(f"its member {name} leads out of the archive")
    if member.issym() or member.islnk():
        raise Refused(f"its member {name} is a link")
    if member.isdir():
        return
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse is not None:
        raise Refused(f"its member {name} is no ordinary file")
    if not 0 <= member.size <= MOST_MEMBER:
        raise Refused(
            f"its member {name} has {member.size / 2**20:,.0f} MiB, more than {MOST_MEMBER >> 20}"
        )


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> Batch | list[str]:
    file = archive.extractfile(member)
    data = file.read(member.size) if file is not None else b""
    if len(data) != member.size:
        raise Refused("the archive is cut short")
    try:
        return parse(name, data)
    except Refused as refusal:
        raise Refused(f"{name}: {refusal}") from None
