"""The child itself: one request on standard input, the answer on standard output, then the end.

    python process.py        (started by `app.core.data.reader`, never by hand)
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# The program is started in isolated mode, which forgets where it lies.
sys.path.insert(0, str(Path(__file__).resolve().parents[4]))

import numpy as np  # noqa: E402

from app.core.data.untrusted.frames import (  # noqa: E402
    Broken,
    read_frame,
    write_bytes,
    write_json,
)
from app.core.data.untrusted.guard import Refused, close_the_door, hold_still  # noqa: E402

MEMORY = 1 << 30


def open_source(path: str, size: int) -> Any:
    """Open a file by its first bytes, whatever it is called."""
    with open(path, "rb") as file:  # noqa: PTH123
        start = file.read(2056)
    if start.startswith(b"\x93NUMPY"):
        from app.core.data.untrusted.arrays import NpyFile

        return NpyFile(path, size)
    if start.startswith(b"PK\x03\x04"):
        from app.core.data.untrusted.arrays import NpzFile

        return NpzFile(path, size)
    # HDF5 may begin after a user block of 512 bytes or more; MATLAB's files do.
    if any(start[at : at + 8] == b"\x89HDF\r\n\x1a\n" for at in (0, 512, 1024, 2048)):
        from app.core.data.untrusted.hdf5 import Hdf5File

        return Hdf5File(path, size)
    raise Refused("it is not an HDF5, .npy or .npz file")


def listing(source: Any) -> list[dict[str, Any]]:
    """Return a row for every array of a file."""
    rows = []
    if hasattr(source, "list_datasets"):
        for path, dataset, refused in source.list_datasets():
            row: dict[str, Any] = {"path": path, "refused": refused, "shape": [], "dtype": ""}
            if dataset is not None:
                row.update(_facts(source, dataset, refused))
            rows.append(row)
    else:
        for path, array, refused in source.list_arrays():
            row = {"path": path, "refused": refused, "shape": [], "dtype": ""}
            if array is not None:
                row["shape"], row["dtype"] = list(map(int, array.shape)), str(array.dtype.name)
                row["span"] = _span(next(source.blocks(path))[:64])
            rows.append(row)
    return rows


def _facts(source: Any, dataset: Any, refused: str | None) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    try:
        facts["shape"] = [int(n) for n in dataset.shape]
        facts["dtype"] = np.dtype(dataset.dtype).name
        if refused is None:
            facts["span"] = _span(source.sample(dataset))
    except Exception:
        facts["refused"] = refused or "it cannot be read"
    return facts


def _span(sample: Any) -> list[float]:
    """Return the least and greatest finite value of a sample."""
    good = np.asarray(sample, np.float64)
    good = good[np.isfinite(good)]
    return [float(good.min()), float(good.max())] if good.size else [0.0, 0.0]


def send_array(out: BinaryIO, source: Any, request: dict[str, Any]) -> None:
    """Send an array, entry by entry along one axis: its description, then its blocks."""
    axis = int(request["axis"])
    if hasattr(source, "find"):
        dataset = source.find(request["dataset"])
        shape, blocks = list(map(int, dataset.shape)), source.blocks(dataset, axis)
    else:
        found = {name: array for name, array, _ in source.list_arrays()}
        array = found.get(request["dataset"].strip("/"))
        if array is None:
            raise Refused(f"there is no array {request['dataset']} that may be read")
        shape, blocks = list(map(int, array.shape)), source.blocks(request["dataset"])
        if axis != 0:
            # A stream is read from its start: the whole array must fit, then.
            whole = np.concatenate(list(blocks))
            blocks = iter(np.array_split(whole, max(1, whole.nbytes >> 24), axis=axis))
    first = True
    for block in blocks:
        block = np.ascontiguousarray(block, block.dtype.newbyteorder("="))
        if first:
            write_json(out, {"shape": shape, "dtype": block.dtype.name, "axis": axis})
            first = False
        write_json(out, {"entries": int(block.shape[axis])})
        view = memoryview(block.reshape(-1)).cast("B")
        for start in range(0, len(view), 64 << 20):
            write_bytes(out, view[start : start + (64 << 20)])
    write_json(out, {"end": True})


def answer(request: dict[str, Any], requests: BinaryIO, out: BinaryIO) -> None:
    """Do what was asked."""
    if request["do"] == "cut":
        from app.core.data.untrusted.photographs import cut

        # Pillow loads its decoders when it first needs them: let it, before the door closes.
        from PIL import Image

        Image.init()
        hold_still(MEMORY, 600)
        close_the_door()
        while True:
            task = read_frame(requests)
            data = read_frame(requests)
            if not isinstance(task, dict) or not isinstance(data, bytes):
                raise Broken("a photograph was expected")
            try:
                patches = cut(data, task["size"], task["count"], task["seed"])
            except Refused as refusal:
                write_json(out, {"refused": str(refusal)})
            else:
                write_json(out, {"count": len(patches)})
                write_bytes(out, patches.tobytes())
    size = int(request["size"])
    # What is opened lazily must be there before the door closes.
    import h5py  # noqa: F401
    import zipfile, zlib  # noqa: E401, F401

    hold_still(MEMORY, 60 + size // (10 << 20))
    source = open_source(request["path"], size)
    close_the_door()
    if request["do"] == "inspect":
        write_json(out, {"datasets": listing(source)})
    elif request["do"] == "read":
        send_array(out, source, request)


def main() -> int:
    """Answer one request."""
    requests, out = sys.stdin.buffer, sys.stdout.buffer
    try:
        request = read_frame(requests)
        if isinstance(request, dict):
            answer(request, requests, out)
    except Refused as refusal:
        write_json(out, {"refused": str(refusal)})
    except MemoryError:
        write_json(out, {"refused": "reading it needs more memory than a reader may have"})
    except (Broken, BrokenPipeError):
        return 1
    except (OSError, RuntimeError, ValueError) as error:
        # libhdf5 noticed damage while reading; its own words go to the log, not to the person.
        print(error, file=sys.stderr)
        write_json(out, {"refused": "it is damaged: its numbers cannot be read"})
    return 0


if __name__ == "__main__":
    sys.exit(main())
