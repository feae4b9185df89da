"""NumPy's own files, without pickles: the header is read and believed only where the bytes agree."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from app.core.data.untrusted.guard import Refused, readable

__all__ = ["NpyFile", "NpzFile"]

MOST_MEMBERS = 200
MOST_RATIO = 1_200
MOST_NAME = 200
BLOCK_BYTES = 16 << 20


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether the order is Fortran's, and type."""
    try:
        version = npy.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = npy.read_array_header_1_0(stream, max_header_size=10_000)
        elif version == (2, 0):
            shape, fortran, dtype = npy.read_array_header_2_0(stream, max_header_size=10_000)
        else:
            raise Refused(f"its format {version} is not known")
    except Refused:
        raise
    except Exception:
        raise Refused("its header is damaged") from None
    if dtype.hasobject:
        raise Refused("it holds Python objects, which can run code")
    if dtype.kind not in "iuf" or dtype.itemsize not in (1, 2, 4, 8):
        raise Refused("it does not hold plain numbers")
    if not 1 <= len(shape) <= 4:
        raise Refused(f"it has {len(shape)} axes")
    if any(type(length) is not int or length < 0 for length in shape):
        raise Refused("its header is damaged")
    if 0 in shape:
        raise Refused("it is empty")
    return shape, fortran, dtype


class _Array:
    """One array whose bytes follow a header in a stream."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self.shape, self.fortran, self.dtype = _header(stream)
        needed = self.dtype.itemsize
        for length in self.shape:
            needed *= int(length)
        if stream.tell() + needed != size:
            raise Refused(
                f"{size - stream.tell()} bytes follow its header where {needed} are needed"
            )
        if self.fortran:
            # Fortran's order is C's order of the axes reversed.
            self.shape = self.shape[::-1]
        self.start = stream.tell()

    def blocks(
        self, stream: IO[bytes], ranges: list[tuple[int, int]]
    ) -> Iterator[np.ndarray[Any, Any]]:
        """Yield the entries of the first axis as it lies in the file, those in `ranges`."""
        entry = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        rows = max(1, BLOCK_BYTES // max(1, entry))
        for first, stop in ranges:
            stream.seek(self.start + first * entry)
            for start in range(first, stop, rows):
                count = min(rows, stop - start)
                data = stream.read(count * entry)
                if len(data) != count * entry:
                    raise Refused("the file is cut short")
                block = np.frombuffer(data, self.dtype).reshape(count, *self.shape[1:])
                yield block.astype(self.dtype.newbyteorder("="), copy=False)


class NpyFile:
    """A ``.npy`` file with one array, called ``array``."""

    def __init__(self, path: str, size: int) -> None:
        self.stream = open(path, "rb")  # noqa: SIM115, PTH123 - open as long as the process
        self.array = _Array(self.stream, size)

    def list_arrays(self) -> Iterator[tuple[str, _Array | None, str | None]]:
        """Yield (name, array, why it is refused)."""
        yield "array", self.array, None

    def blocks(self, name: str, ranges: list[tuple[int, int]]) -> Iterator[np.ndarray[Any, Any]]:
        """Yield the array's entries in `ranges`."""
        yield from self.array.blocks(self.stream, ranges)


class NpzFile:
    """A ``.npz`` archive of arrays."""

    def __init__(self, path: str | IO[bytes], size: int) -> None:
        try:
            self.archive = zipfile.ZipFile(path)
            members = self.archive.infolist()
        except MemoryError:
            raise
        except Exception:
            raise Refused("it is damaged or not an archive") from None
        if len(members) > MOST_MEMBERS:
            raise Refused(f"it has {len(members)} members, more than {MOST_MEMBERS}")
        names = [member.filename for member in members]
        if len(set(names)) != len(names):
            raise Refused("two of its members have the same name")
        packed = sum(member.compress_size for member in members)
        if packed > size:
            raise Refused("its members are larger than the file")
        self.members = {member.filename: member for member in members}

    def _open(self, member: zipfile.ZipInfo) -> IO[bytes]:
        if member.flag_bits & 1:
            raise Refused("it is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused("it is compressed in an unusual way")
        if member.file_size > 64 << 20 and member.file_size > MOST_RATIO * max(
            1, member.compress_size
        ):
            raise Refused("it would unpack to over a thousand times its size")
        try:
            return self.archive.open(member)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
            raise Refused("it is damaged") from None

    def list_arrays(self) -> Iterator[tuple[str, _Array | None, str | None]]:
        """Yield (name, array or None, why it is refused or None)."""
        for name, member in self.members.items():
            if name in ("", ".npy") or len(name) > MOST_NAME or not name.isprintable():
                yield readable(name) or "(no name)", None, "its name is too long or no plain text"
                continue
            if not name.endswith(".npy"):
                yield name, None, "it is no array"
                continue
            try:
                with self._open(member) as stream:
                    found = _Array(stream, member.file_size)
            except Refused as refusal:
                yield name.removesuffix(".npy"), None, str(refusal)
            except Exception:
                yield name.removesuffix(".npy"), None, "it is damaged"
            else:
                yield name.removesuffix(".npy"), found, None

    def blocks(self, name: str, ranges: list[tuple[int, int]]) -> Iterator[np.ndarray[Any, Any]]:
        """Yield an array's entries in `ranges`."""
        member = self.members[f"{name}.npy"]
        try:
            with self._open(member) as stream:
                yield from _Array(stream, member.file_size).blocks(stream, ranges)
        except (Refused, MemoryError):
            raise
        except Exception:
            # Whatever zlib or zipfile make of it, it is the archive that is wrong.
            raise Refused("it is damaged") from None
