"""HDF5: judged by its metadata before a number is read; what is not known to be harmless is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

# Plugins are native code: none is ever looked for.
os.environ["HDF5_PLUGIN_PRELOAD"] = "::"
for _name in ("HDF5_PLUGIN_PATH", "HDF5_VDS_PREFIX", "HDF5_EXTFILE_PREFIX"):
    os.environ.pop(_name, None)

import h5py  # noqa: E402
import numpy as np  # noqa: E402

from app.core.data.untrusted.guard import Refused, readable  # noqa: E402

__all__ = ["Hdf5File"]

MOST_LINKS = 1_000
MOST_DEPTH = 4
MOST_OBJECTS = 2_000
MOST_NAME_BYTES = 200
MOST_CHUNK_BYTES = 64 << 20
MOST_CHUNKS = 1_000_000
MOST_BYTES = 1 << 40
MOST_RATIO = 1_200
RATIO_MATTERS_ABOVE = 64 << 20
BLOCK_BYTES = 16 << 20
FLETCHER32 = 3
CHECKSUM_BYTES = 4
# After these a chunk has another size.
PACKING = {1, 32000}
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
OTHER_FILTERS = {
    4: "szip", 5: "nbit", 6: "scaleoffset", 307: "bzip2", 32001: "blosc", 32004: "lz4",
    32008: "bitshuffle", 32015: "zstd", 32026: "blosc2",
}  # fmt: skip
LINKS = {h5py.h5l.TYPE_SOFT: "a soft link", h5py.h5l.TYPE_EXTERNAL: "a link to another file"}


def _is_name(raw: bytes) -> bool:
    """Whether a link's name can be shown in one line and typed again."""
    try:
        return 0 < len(raw) <= MOST_NAME_BYTES and raw.decode().isprintable()
    except UnicodeDecodeError:
        return False


class Hdf5File:
    """An open HDF5 file, read-only.

    Parameters
    ----------
    path : str
        What to open.
    size : int
        Size of the file; nothing may claim to lie beyond it.
    matlab : bool
        Whether the file says that MATLAB wrote it, which reverses the order of axes.
    """

    def __init__(self, path: str, size: int, *, matlab: bool = False) -> None:
        while h5py.h5pl.size():
            h5py.h5pl.remove(0)
        self.size, self.matlab = size, matlab
        self.met = 0
        try:
            self.file = h5py.File(path, "r", locking="best-effort")
        except (OSError, RuntimeError, ValueError) as error:
            text = str(error)
            if "truncated" in text:
                raise Refused("the file is cut short") from None
            if "lock" in text:
                raise Refused(
                    "another program has it open for writing; close it there, then try again"
                ) from None
            raise Refused("it is damaged or not an HDF5 file") from None

    def list_datasets(self) -> Iterator[tuple[str, Any, str | None]]:
        """Yield (path, dataset or None, why it is refused or None) for everything in the file.

        No more than `MOST_OBJECTS` are looked at: hard links can name one group a thousand
        times, and its members as often.
        """
        self.met = 0
        yield from self._walk(self.file.id, "", 0, set())
        if self.met > MOST_OBJECTS:
            yield "/", None, f"it has more than {MOST_OBJECTS} entries; the others are left out"

    def _walk(
        self, group: Any, prefix: str, depth: int, seen: set[Any]
    ) -> Iterator[tuple[str, Any, str | None]]:
        try:
            count = group.get_num_objs()
            if count > MOST_LINKS:
                yield prefix or "/", None, f"it has {count} entries, more than {MOST_LINKS}"
                return
            names = [group.get_objname_by_idx(index) for index in range(count)]
        except (RuntimeError, ValueError, KeyError, OSError):
            yield prefix or "/", None, "its list of entries is damaged"
            return
        for raw_name in names:
            self.met += 1
            if self.met > MOST_OBJECTS:
                return
            path = f"{prefix}/{readable(raw_name.decode('utf-8', 'replace'))}"
            if not _is_name(raw_name):
                yield path, None, "its name is too long or no plain text"
                continue
            try:
                link = group.links.get_info(raw_name)
                if link.type != h5py.h5l.TYPE_HARD:
                    yield path, None, f"it is {LINKS.get(link.type, 'a link of an unknown kind')}"
                    continue
                # Asked of the link: asked of the object, libhdf5 walks the index of its chunks,
                # and does not survive damage there.
                address = link.u
                found = h5py.h5o.open(group, raw_name)
            except (RuntimeError, ValueError, KeyError, OSError, TypeError, NotImplementedError):
                yield path, None, "it is damaged"
                continue
            if isinstance(found, h5py.h5g.GroupID):
                if address in seen:
                    yield path, None, "it leads back to a group above it"
                elif depth + 1 >= MOST_DEPTH:
                    yield path, None, f"it lies deeper than {MOST_DEPTH} groups"
                else:
                    yield from self._walk(found, path, depth + 1, seen | {address})
            elif isinstance(found, h5py.h5d.DatasetID):
                yield path, found, self.judge(found)
            else:
                yield path, None, "it is neither a group nor a data set"

    def find(self, path: str) -> Any:
        """Return the data set at `path`, walked part by part over hard links only.

        Raises
        ------
        Refused
            It is not there, or must not be read.
        """
        parts = [part for part in path.split("/") if part]
        if not parts or len(parts) > MOST_DEPTH:
            raise Refused(f"there is no data set {path}")
        here: Any = self.file.id
        for place, part in enumerate(parts):
            try:
                if not isinstance(here, h5py.h5g.GroupID):
                    raise KeyError
                name = part.encode()
                kind = here.links.get_info(name).type
                if kind != h5py.h5l.TYPE_HARD:
                    raise Refused(
                        f"{path}: {LINKS.get(kind, 'a link of an unknown kind')} is not followed"
                    )
                here = h5py.h5o.open(here, name)
            except Refused:
                raise
            except Exception:
                raise Refused(f"there is no data set /{'/'.join(parts[: place + 1])}") from None
        if not isinstance(here, h5py.h5d.DatasetID):
            raise Refused(f"{path} is not a data set")
        reason = self.judge(here)
        if reason:
            raise Refused(f"{path}: {reason}")
        return here

    def judge(self, dataset: Any) -> str | None:
        """Return why a data set must not be read, or None; by metadata only."""
        try:
            return self._judge(dataset)
        except Exception:
            return "its description is damaged"

    def _judge(self, dataset: Any) -> str | None:
        plist = dataset.get_create_plist()
        if plist.get_external_count() > 0:
            return "its numbers lie in another file"
        layout = plist.get_layout()
        if layout == h5py.h5d.VIRTUAL:
            return "it is put together from other files"
        if layout not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED):
            return "its storage is of an unknown kind"
        type_ = dataset.get_type()
        if type_.committed():
            return "its type is defined elsewhere in the file"
        if type_.get_class() not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT):
            return "it does not hold plain numbers"
        width = type_.get_size()
        if width not in (1, 2, 4, 8):
            return f"its numbers have {width} bytes"
        space = dataset.get_space()
        if space.get_simple_extent_type() != h5py.h5s.SIMPLE:
            return "it has no shape"
        shape = space.get_simple_extent_dims()
        if not 1 <= len(shape) <= 4:
            return f"it has {len(shape)} axes"
        if 0 in shape:
            return "it is empty"
        declared = width
        for length in shape:
            declared *= int(length)
        if declared > MOST_BYTES:
            return f"it says that it has {declared / 2**40:.1f} TiB"
        attributes = h5py.h5a.get_num_attrs(dataset)
        if attributes > 64:
            return f"it has {attributes} attributes"
        filters = [plist.get_filter(index)[0] for index in range(plist.get_nfilters())]
        for number in filters:
            if number not in FILTERS:
                name = OTHER_FILTERS.get(number)
                called = f" ({name})" if name else ""
                return f"it needs compression {number}{called}, which is not supported"
        if len(set(filters)) != len(filters):
            return "it is compressed twice"
        if FLETCHER32 in filters[:-1]:
            # What is unpacked may be shorter than a checksum, and libhdf5 does not look.
            return "its checksums are not of what is stored"
        stored = dataset.get_storage_size()
        if stored == 0:
            return "nothing is stored for it"
        if stored > self.size:
            return "it says that it is larger than the file"
        if layout != h5py.h5d.CHUNKED:
            if stored != declared:
                return f"{stored} bytes are stored where {declared} are needed"
            offset = dataset.get_offset()
            if layout == h5py.h5d.CONTIGUOUS and (offset is None or offset + stored > self.size):
                return "it lies beyond the end of the file"
            return None
        return self._judge_chunks(dataset, plist, width, stored, declared, filters)

    def _judge_chunks(
        self, dataset: Any, plist: Any, width: int, stored: int, declared: int, filters: list[int]
    ) -> str | None:
        chunk_bytes = width
        for length in plist.get_chunk():
            chunk_bytes *= int(length)
        if chunk_bytes > MOST_CHUNK_BYTES:
            return (
                f"its chunks have {chunk_bytes / 2**20:.0f} MiB, more than {MOST_CHUNK_BYTES >> 20}"
            )
        if declared > RATIO_MATTERS_ABOVE and declared / stored > MOST_RATIO:
            return f"it would unpack to {declared / stored:.0f} times its size"
        packed = bool(PACKING & set(filters))
        checksum = CHECKSUM_BYTES if FLETCHER32 in filters else 0
        places: list[tuple[int, int]] = []
        found: list[str] = []

        def visit(chunk: Any) -> bool | None:
            if chunk.byte_offset is None or chunk.byte_offset + chunk.size > self.size:
                found.append("a chunk lies beyond the end of the file")
            elif len(places) >= MOST_CHUNKS:
                found.append(f"it has more than {MOST_CHUNKS:,} chunks")
            elif packed or chunk.filter_mask:
                if chunk.size <= checksum:
                    found.append("nothing is stored for a chunk")
            elif chunk.size != chunk_bytes + checksum:
                found.append(f"a chunk has {chunk.size} bytes where {chunk_bytes} are needed")
            places.append((chunk.byte_offset, chunk.size))
            # What is not None ends the visit.
            return True if found else None

        # Asked one by one, n chunks would cost n² steps.
        dataset.chunk_iter(visit)
        if found:
            return found[0]
        places.sort()
        for (offset, size), (next_offset, _) in pairwise(places):
            if offset + size > next_offset:
                return "two of its chunks overlap"
        return None

    def blocks(
        self, dataset: Any, axis: int, ranges: list[tuple[int, int]]
    ) -> Iterator[np.ndarray[Any, Any]]:
        """Yield slices along `axis`, all that lie in `ranges` (start, stop), in their order.

        Each has at most `BLOCK_BYTES`, or one entry.
        """
        array = h5py.Dataset(dataset)
        entry = array.dtype.itemsize * int(np.prod(array.shape)) // array.shape[axis]
        rows = max(1, BLOCK_BYTES // max(1, entry))
        chunks = array.chunks
        if chunks is not None and rows > chunks[axis]:
            # Whole chunks: none is unpacked twice.
            rows -= rows % chunks[axis]
        for first, stop in ranges:
            for start in range(first, stop, rows):
                where = [slice(None)] * array.ndim
                where[axis] = slice(start, min(start + rows, stop))
                yield array[tuple(where)]

    def sample(self, dataset: Any) -> np.ndarray[Any, Any]:
        """Return some thousand numbers from the start, to guess their range."""
        array = h5py.Dataset(dataset)
        where = tuple(slice(0, min(length, 32)) for length in array.shape)
        sample: np.ndarray[Any, Any] = array[where]
        return sample
