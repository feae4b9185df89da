"""Writes CIFAR-10 files for tests: small ones, whole ones, and ones that nobody should open."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

BATCHES = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
CLASSES = [f"thing {k}" for k in range(10)]


def labels_of(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 10, count)


def pixels_of(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 1]).integers(0, 256, (count, 3072), dtype=np.uint8)


def pickled(count: int = 20, seed: int = 0, protocol: int = 2, **changed: Any) -> bytes:
    """Return a pickled batch; `changed` replaces entries, or leaves them out where None."""
    record: dict[bytes, Any] = {
        b"batch_label": b"a batch",
        b"labels": [int(label) for label in labels_of(count, seed)],
        b"data": pixels_of(count, seed),
        b"filenames": [b"a.png"] * count,
    }
    record |= {name.encode(): value for name, value in changed.items()}
    kept = {name: value for name, value in record.items() if value is not None}
    return pickle.dumps(kept, protocol=protocol)


def names(protocol: int = 2) -> bytes:
    found = {b"num_cases_per_batch": 20, b"label_names": [name.encode() for name in CLASSES]}
    return pickle.dumps(found, protocol=protocol)


def flat(seed: int = 0) -> bytes:
    """Return a whole flat batch of 10,000 images."""
    some = pixels_of(100, seed)
    rows = np.concatenate([labels_of(10_000, seed)[:, None], np.tile(some, (100, 1))], axis=1)
    return rows.astype(np.uint8).tobytes()


def pickled_files(count: int = 20, protocol: int = 2) -> dict[str, bytes]:
    """Return name and bytes of all files of the pickled layout."""
    found = {name: pickled(count, seed, protocol) for seed, name in enumerate(BATCHES)}
    return {"batches.meta": names(protocol), **found}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def member(name: str, data: bytes = b"", **facts: Any) -> tuple[tarfile.TarInfo, bytes]:
    """Return a member of an archive; `facts` are attributes of its header."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in facts.items():
        setattr(info, key, value)
    return info, data


def archive(*more: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz", prefix: str = "") -> bytes:
    """Return an archive of the pickled layout with more members after it."""
    memory = io.BytesIO()
    files = [member(prefix + name, data) for name, data in pickled_files().items()]
    with tarfile.open(fileobj=memory, mode=mode) as tar:
        for info, data in (*files, *more):
            # The header may lie about the size: what is written is what the test wants.
            tar.fileobj.write(info.tobuf(tarfile.PAX_FORMAT))
            tar.fileobj.write(data + bytes(-len(data) % 512))
            tar.offset += 512 + len(data) + -len(data) % 512
    return memory.getvalue()
