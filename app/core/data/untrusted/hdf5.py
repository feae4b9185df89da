"""HDF5: judged by its metadata before a number is read; what is not known to be harmless is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

# Plugins are native code: none is ever looked for.
os.environ["HDF5_PLUGIN_PRELOAD"] = "::"
for _name in ("HDF5_PLUGIN_PATH", "HDF5_VDS_PREFIX", "HDF5_EXTFILE_PREFIX"):
    os.environ.pop(_name, None)

import h5py  # noqa: E402
import numpy as np  # noqa: E402

from app.core.data.untrusted.guard import Refused  # noqa: E402

__all__ = ["Hdf5File"]

MOST_LINKS = 1_000
MOST_DEPTH = 4
MOST_CHUNK_BYTES = 64 << 20
MOST_CHUNKS = 1_000_000
MOST_BYTES = 1 << 40
MOST_RATIO = 1_200
RATIO_MATTERS_ABOVE = 64 << 20
BLOCK_BYTES = 16 << 20
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
OTHER_FILTERS = {
    4: "szip", 5: "nbit", 6: "scaleoffset", 307: "bzip2", 32001: "blosc", 32004: "lz4",
    32008: "bitshuffle", 32015: "zstd", 32026: "blosc2",
}  # fmt: skip
LINKS = {h5py.h5l.TYPE_SOFT: "a soft link", h5py.h5l.TYPE_EXTERNAL: "a link to another file"}


class Hdf5File:
    """An open HDF5 file, read-only.

    Parameters
    ----------
    path : str
        What to open.
    size : int
        Size of the file; nothing may claim to lie beyond it.
    """

    def __init__(self, path: str, size: int) -> None:
        while h5py.h5pl.size():
            h5py.h5pl.remove(0)
        self.size = size
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
        """Yield (path, dataset or None, why it is refused or None) for everything in the file."""
        yield from self._walk(self.file.id, "", 0, set())

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
            path = f"{prefix}/{raw_name.decode('utf-8', 'replace')}"
            try:
                kind = group.links.get_info(raw_name).type
                if kind != h5py.h5l.TYPE_HARD:
                    yield path, None, f"it is {LINKS.get(kind, 'a link of an unknown kind')}"
                    continue
                found = h5py.h5o.open(group, raw_name)
                address = h5py.h5o.get_info(found).addr
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
                name = part.encode("utf-8", "surrogateescape")
                kind = here.links.get_info(name).type
                if kind != h5py.h5l.TYPE_HARD:
                    raise Refused(f"{path}: {LINKS.get(kind, 'a link of an unknown kind')} is not followed")
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
        return self._judge_chunks(dataset, plist, width, stored, declared)

    def _judge_chunks(
        self, dataset: Any, plist: Any, width: int, stored: int, declared: int
    ) -> str | None:
        chunk_bytes = width
        for length in plist.get_chunk():
            chunk_bytes *= int(length)
        if chunk_bytes > MOST_CHUNK_BYTES:
            return f"its chunks have {chunk_bytes / 2**20:.0f} MiB, more than {MOST_CHUNK_BYTES >> 20}"
        if declared > RATIO_MATTERS_ABOVE and declared / stored > MOST_RATIO:
            return f"it would unpack to {declared / stored:.0f} times its size"
        count = dataset.get_num_chunks()
        if count > MOST_CHUNKS:
            return f"it has {count} chunks"
        places = []
        for index in range(count):
            chunk = dataset.get_chunk_info(index)
            if chunk.byte_offset is None or chunk.byte_offset + chunk.size > self.size:
                return "a chunk lies beyond the end of the file"
            places.append((chunk.byte_offset, chunk.size))
        places.sort()
        for (offset, size), (next_offset, _) in zip(places, places[1:], strict=False):
            if offset + size > next_offset:
                return "two of its chunks overlap"
        return None

    def blocks(self, dataset: Any, axis: int) -> Iterator[np.ndarray[Any, Any]]:
        """Yield consecutive slices along `axis`, each of at most `BLOCK_BYTES` (or one entry)."""
        array = h5py.Dataset(dataset)
        entry = array.dtype.itemsize * int(np.prod(array.shape)) // array.shape[axis]
        rows = max(1, BLOCK_BYTES // max(1, entry))
        chunks = array.chunks
        if chunks is not None and rows > chunks[axis]:
            # Whole chunks: none is unpacked twice.
            rows -= rows % chunks[axis]
        for start in range(0, array.shape[axis], rows):
            where = [slice(None)] * array.ndim
            where[axis] = slice(start, start + rows)
            yield array[tuple(where)]

    def sample(self, dataset: Any) -> np.ndarray[Any, Any]:
        """Return some thousand numbers from the start, to guess their range."""
        array = h5py.Dataset(dataset)
        where = tuple(slice(0, min(length, 32)) for length in array.shape)
        return array[where]
