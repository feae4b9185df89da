"""The child itself: one request on standard input, the answer on standard output, then the end.

python process.py        (started by `app.core.data.child`, never by hand)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# The program is started in isolated mode, which forgets where it lies.
sys.path.insert(0, str(Path(__file__).resolve().parents[4]))

import numpy as np

from app.core.data.untrusted.frames import (
    Broken,
    read_frame,
    write_bytes,
    write_json,
)
from app.core.data.untrusted.guard import Refused, close_the_door, hold_still

MEMORY = 1 << 30
TOO_MUCH = "reading it needs more memory than a reader may have"


def open_source(path: str, size: int) -> Any:
    """Open a file by its first bytes, whatever it is called."""
    # Loaded before the file is met: afterwards nothing else is opened.
    from app.core.data.untrusted.arrays import NpyFile, NpzFile
    from app.core.data.untrusted.hdf5 import Hdf5File

    hold_still(MEMORY, 60 + size // (10 << 20))
    with open(path, "rb") as file:  # noqa: PTH123
        start = file.read(2056)
    if start.startswith(b"\x93NUMPY"):
        source: Any = NpyFile(path, size)
    elif start.startswith(b"PK\x03\x04"):
        source = NpzFile(path, size)
    # HDF5 may begin after a user block of 512 bytes or more; MATLAB's files do.
    elif any(start[at : at + 8] == b"\x89HDF\r\n\x1a\n" for at in (0, 512, 1024, 2048)):
        source = Hdf5File(path, size, matlab=start.startswith(b"MATLAB"))
    else:
        raise Refused("it is not an HDF5, .npy or .npz file")
    close_the_door()
    return source


def listing(source: Any) -> list[dict[str, Any]]:
    """Return a row for every array of a file."""
    rows = []
    if hasattr(source, "list_datasets"):
        for path, dataset, refused in source.list_datasets():
            row: dict[str, Any] = {"path": path, "refused": refused, "shape": [], "dtype": ""}
            row["matlab"] = source.matlab
            if dataset is not None:
                row.update(_facts(source, dataset, refused))
            rows.append(row)
    else:
        for path, array, refused in source.list_arrays():
            row = {"path": path, "refused": refused, "shape": [], "dtype": ""}
            if array is not None:
                row["shape"], row["dtype"] = list(map(int, array.shape)), str(array.dtype.name)
                try:
                    first = next(source.blocks(path, [(0, min(64, array.shape[0]))]))
                    row["span"] = _span(first)
                except Refused as refusal:
                    row["refused"] = str(refusal)
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
    """Send an array, entry by entry along one axis: its description, then its blocks.

    ``ranges`` of the request, a list of [start, stop], are the entries that are wanted; without
    it, all. With ``narrow``, numbers of eight bytes come as float32.
    """
    axis = int(request["axis"])
    if hasattr(source, "find"):
        found = source.find(request["dataset"])
    else:
        name = request["dataset"].strip("/")
        found = {name: array for name, array, _ in source.list_arrays()}.get(name)
        if found is None:
            raise Refused(f"there is no array {name} that may be read")
    shape = list(map(int, found.shape))
    ranges = request.get("ranges") or [(0, shape[axis])]
    if hasattr(source, "find"):
        blocks = source.blocks(found, axis, ranges)
    elif axis == 0:
        blocks = source.blocks(name, ranges)
    else:
        # A stream is read from its start: the whole array must fit, then.
        whole = np.concatenate(list(source.blocks(name, [(0, shape[0])])))
        blocks = _slices(whole, axis, ranges)
    first = True
    for block in blocks:
        kind = block.dtype.newbyteorder("=")
        if request.get("narrow") and kind.itemsize == 8:
            kind = np.dtype(np.float32)
        with np.errstate(over="ignore"):
            block = np.ascontiguousarray(block, kind)
        if first:
            write_json(out, {"shape": shape, "dtype": block.dtype.name, "axis": axis})
            first = False
        write_json(out, {"entries": int(block.shape[axis])})
        send_bytes(out, block)
    write_json(out, {"end": True})


def _slices(whole: Any, axis: int, ranges: list[tuple[int, int]]) -> Iterator[Any]:
    """Yield an array's entries in `ranges` along `axis`, some MiB at a time."""
    rows = max(1, (16 << 20) * whole.shape[axis] // whole.nbytes)
    for first, stop in ranges:
        for start in range(first, stop, rows):
            yield np.take(whole, range(start, min(start + rows, stop)), axis)


def send_bytes(out: BinaryIO, array: Any) -> None:
    """Send the numbers of a contiguous array, in as many messages as it takes."""
    view = memoryview(array.reshape(-1)).cast("B")
    for start in range(0, len(view), 64 << 20):
        write_bytes(out, view[start : start + (64 << 20)])


def send_content(out: BinaryIO, name: str, content: Any) -> None:
    """Send a batch of CIFAR-10, or the names of its classes."""
    if isinstance(content, list):
        write_json(out, {"name": name, "classes": content})
        return
    labels, pixels = content
    write_json(out, {"name": name, "count": len(labels)})
    write_bytes(out, labels.tobytes())
    write_bytes(out, np.ascontiguousarray(pixels).reshape(-1).data)


def decode_each(requests: BinaryIO, out: BinaryIO) -> None:
    """Read files that come as bytes, one after the other, until nobody sends any more."""
    from app.core.data.untrusted.cifar import parse

    # Pillow loads its decoders when it first needs them: let it, before the door closes.
    from app.core.data.untrusted.photographs import load_decoders, whole

    load_decoders()
    hold_still(MEMORY, 3600)
    close_the_door()
    while True:
        task = read_frame(requests)
        data = read_frame(requests)
        if not isinstance(task, dict) or not isinstance(data, bytes):
            raise Broken("a file was expected")
        try:
            if "side" in task:
                image = whole(data, int(task["side"]))
                write_json(out, {"shape": list(image.shape)})
                write_bytes(out, image.tobytes())
            else:
                send_content(out, task["name"], parse(task["name"], data))
        except Refused as refusal:
            write_json(out, {"refused": str(refusal)})
        except MemoryError:
            write_json(out, {"refused": TOO_MUCH})


def send_archive(request: dict[str, Any], out: BinaryIO) -> None:
    """Send what an archive of CIFAR-10 holds, member after member."""
    from app.core.data.untrusted.cifar import walk

    size = int(request["size"])
    hold_still(MEMORY, 120 + size // (1 << 20))
    with open(request["path"], "rb") as file:  # noqa: PTH123
        close_the_door()
        for name, content in walk(file):
            send_content(out, name, content)
    write_json(out, {"end": True})


def send_weights(request: dict[str, Any], out: BinaryIO) -> None:
    """Send all arrays of a file of weights: name, shape and type of each, then its numbers."""
    from app.core.data.untrusted.weights import prepare_torch, read_weights, starts_as_archive

    size = int(request["size"])
    with open(request["path"], "rb") as file:  # noqa: PTH123
        # PyTorch takes its time: it is loaded for what may be its own, and before the door closes.
        torch = prepare_torch() if request["torch"] and starts_as_archive(file) else None
        hold_still(max(MEMORY, 4 * size), 120 + size // (10 << 20))
        arrays = read_weights(file, size, torch)
        close_the_door()
        for name, array in arrays:
            write_json(out, {"name": name, "shape": array.shape, "dtype": array.dtype.name})
            send_bytes(out, array)
    write_json(out, {"end": True})


def send_run(request: dict[str, Any], out: BinaryIO) -> None:
    """Send the members of a run's archive: for each its name and size, then its bytes."""
    from app.core.data.untrusted.run_archives import read_members

    size = int(request["size"])
    # Names in an archive are in this encoding, which is loaded when it is first needed.
    b"x".decode("cp437")
    hold_still(MEMORY, 120 + size // (1 << 20))
    with open(request["path"], "rb") as file:  # noqa: PTH123
        close_the_door()
        for name, length, blocks in read_members(file, size):
            write_json(out, {"name": name, "bytes": length})
            for block in blocks:
                write_bytes(out, block)
    write_json(out, {"end": True})


def answer(request: dict[str, Any], requests: BinaryIO, out: BinaryIO) -> None:
    """Do what was asked."""
    if request["do"] == "cut":
        # Pillow loads its decoders when it first needs them: let it, before the door closes.
        from PIL import Image

        from app.core.data.untrusted.photographs import cut

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
            except MemoryError:
                write_json(out, {"refused": TOO_MUCH})
            else:
                write_json(out, {"count": len(patches)})
                send_bytes(out, patches)
    if request["do"] == "decode":
        decode_each(requests, out)
    if request["do"] == "archive":
        send_archive(request, out)
        return
    if request["do"] == "weights":
        send_weights(request, out)
        return
    if request["do"] == "run":
        send_run(request, out)
        return
    size = int(request["size"])
    source = open_source(request["path"], size)
    if request["do"] == "inspect":
        write_json(out, {"datasets": listing(source)})
    elif request["do"] == "read":
        send_array(out, source, request)


def serve(requests: BinaryIO, out: BinaryIO) -> int:
    """Answer one request; returns the status to end with."""
    try:
        request = read_frame(requests)
        if isinstance(request, dict):
            answer(request, requests, out)
    except Refused as refusal:
        write_json(out, {"refused": str(refusal)})
    except MemoryError:
        write_json(out, {"refused": TOO_MUCH})
    except (Broken, BrokenPipeError):
        return 1
    except (OSError, RuntimeError, ValueError) as error:
        # libhdf5 noticed damage while reading; its own words go to the log, not to the person.
        print(error, file=sys.stderr)
        write_json(out, {"refused": "it is damaged: its numbers cannot be read"})
    return 0


if __name__ == "__main__":
    sys.exit(serve(sys.stdin.buffer, sys.stdout.buffer))
