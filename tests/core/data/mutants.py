"""Damaged copies of small good files: the same number, the same damage."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import h5py
import numpy as np

KINDS = ("hdf5", "numpy")
# Lengths, addresses and counts that break what adds or multiplies them.
NUMBERS = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)


def _hdf5(write: Callable[[h5py.File], None], **options) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as file:
        write(file)
    return buffer.getvalue()


def _patches(dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, (12, 3, 4, 4)).astype(dtype)


def _plain(file: h5py.File) -> None:
    file["data"] = _patches()
    file["group/more"] = _patches(np.float64)


def _compressed(file: h5py.File) -> None:
    file.create_dataset(
        "data", data=_patches(), chunks=(4, 3, 4, 4), compression="gzip", shuffle=True
    )
    file.create_dataset("sum", data=_patches(">f4"), chunks=(5, 3, 4, 4), fletcher32=True)
    file.create_dataset("lzf", data=_patches(), chunks=(6, 3, 2, 4), compression="lzf")


def _grows(file: h5py.File) -> None:
    data = file.create_dataset("data", (4, 4, 4), "<f8", maxshape=(None, 4, None), chunks=(2, 4, 4))
    data[...] = 0.25
    data.resize((12, 4, 4))
    data.attrs["note"] = "text"
    data.attrs["numbers"] = np.arange(4)


def _links(file: h5py.File) -> None:
    file["data"] = _patches()
    file["hard"] = file["data"]
    file["soft"] = h5py.SoftLink("/data")
    file["away"] = h5py.ExternalLink("/nowhere/else.h5", "/data")
    file["stored"] = h5py.Empty("f4")
    file.create_dataset("outside", (4, 4, 4), "u1", external=[("/nowhere/raw", 0, 64)])
    file["named"] = np.dtype("i4")


def _numpy(**arrays) -> list[bytes]:
    files = []
    for save in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        save(buffer, **arrays)
        files.append(buffer.getvalue())
    for array in arrays.values():
        buffer = io.BytesIO()
        np.save(buffer, array)
        files.append(buffer.getvalue())
    return files


def originals(kind: str) -> list[bytes]:
    """Return the good files that are damaged."""
    if kind == "numpy":
        return _numpy(data=_patches(), other=np.asfortranarray(_patches(np.float32)))
    writers = (_plain, _compressed, _grows, _links)
    files = [
        _hdf5(write, libver=version) for write in writers for version in ("earliest", "latest")
    ]
    return [*files, _hdf5(_plain, userblock_size=512)]


class Mutants:
    """Any number of damaged files; `make(n)` is always the same one."""

    def __init__(self, kind: str, seed: int) -> None:
        self.files, self.seed = originals(kind), seed

    def make(self, number: int) -> bytes:
        """Return a copy with one to eight damages, most of them where the metadata is."""
        rng = np.random.default_rng([self.seed, number])
        data = bytearray(self.files[number % len(self.files)])
        for _ in range(int(rng.integers(1, 9))):
            # Where bytes are that mean something: zeros seldom do.
            at = int(rng.integers(len(data)))
            for _ in range(20):
                if data[at]:
                    break
                at = int(rng.integers(len(data)))
            match int(rng.integers(6)):
                case 0:
                    data[at] ^= 1 << int(rng.integers(8))
                case 1:
                    data[at] = int(rng.integers(256))
                case 2 | 3:
                    width, code = ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))[int(rng.integers(4))]
                    value = NUMBERS[int(rng.integers(len(NUMBERS)))] & (256**width - 1)
                    data[at : at + width] = struct.pack(f"<{code}", value)
                case 4:
                    length, source = int(rng.integers(1, 64)), int(rng.integers(len(data)))
                    data[at : at + length] = data[source : source + length]
                case 5 if rng.random() < 0.2:
                    del data[at:]
                    if not data:
                        return b"\0"
                case _:
                    data[at] = (data[at] + int(rng.choice([1, 255]))) & 255
        return bytes(data)
