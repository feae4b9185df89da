#!/usr/bin/env python3
"""Measure a file larger than memory: how much stays resident, and what a patch costs beside one of a file that fits.

    python tools/measure_large_file.py [--gib 8] [--dtype uint8|float64] [--folder FOLDER] [--whiten]

Two HDF5 files of (N, 3, 16, 16) patches are made in pieces in a temporary folder, which needs
about three times --gib of room for uint8 and less than twice for float64, and are removed
afterwards. Each is opened, examined, preprocessed and trained on for one epoch (64 hidden units,
batch 128, Adam) in a process of its own, so that its peak is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.health import examine
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.data.sample import sample_path
from app.core.learners import AutoencoderLearner
from app.core.specs import AutoencoderSpec, PreprocessSpec
from app.core.threads import kernel_threads
from app.core.training import train

PIECE = 8192
FITS = 192 << 20


def make(path: Path, size: int, dtype: str) -> None:
    """Write a file of about `size` bytes: crops of the sample, shifted in brightness so that none is like another."""
    with h5py.File(sample_path(), "r") as file:
        crops = file["data"][:PIECE]
    count = size // (768 * np.dtype(dtype).itemsize)
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", (count, 3, 16, 16), dtype, chunks=(1024, 3, 16, 16))
        for start in range(0, count, PIECE):
            rows = min(PIECE, count - start)
            shifts = rng.integers(0, 64, (rows, 1, 1, 1), np.uint8)
            piece = crops[:rows] // 2 + crops[rng.permutation(PIECE)[:rows]] // 4 + shifts
            data[start : start + rows] = piece if dtype == "uint8" else piece / 255


def measure(path: str, whiten: bool) -> dict[str, float]:
    """Take one file all the way; returns seconds of each part, and the greatest resident memory."""
    took: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        took[name], clock = now - clock, now

    raw = open_patches(path)
    lap("open")
    examine(raw)
    lap("examine")
    patches = preprocess(raw, PreprocessSpec(whiten="computed" if whiten else "none"))
    lap("preprocess")
    spec = AutoencoderSpec(epochs=1, solver="adam", hidden_units=64, batch_size=128)
    learner = AutoencoderLearner(
        patches.x, spec, threads=kernel_threads(window=False), release=patches.release_pages
    )
    order = EpochOrder(len(patches.x), spec.seed, large=patches.large)
    for _ in train(learner, spec, Control(), examples=len(patches.x), order=order, run_id="run"):
        pass
    lap("train")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    took["resident_mib"] = _most_resident(unit)
    took["reader_mib"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
    took["patches"] = raw.count
    return took


def _most_resident(unit: int) -> float:
    """Return the most memory (MiB) that this process ever held.

    On Linux what a process is started from counts in its `ru_maxrss`; `VmHWM` is its own alone.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (x for x in status.read_text("ascii").splitlines() if x.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gib", type=float, default=8.0)
    parser.add_argument("--dtype", choices=("uint8", "float64"), default="float64")
    parser.add_argument(
        "--folder", type=Path, help="where there is room; else the temporary folder"
    )
    parser.add_argument("--whiten", action="store_true", help="with ZCA whitening")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.whiten)))
        return 0
    results = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for name, size in (("fits", FITS), ("large", int(options.gib * 2**30))):
            path = Path(folder) / f"{name}.h5"
            print(f"making {name}: {size / 2**30:.2f} GiB", file=sys.stderr)
            make(path, size, options.dtype)
            done = subprocess.run(
                [sys.executable, __file__, "--measure", str(path), *["--whiten"] * options.whiten],
                stdout=subprocess.PIPE,
                check=True,
                text=True,
            )
            results[name] = json.loads(done.stdout)
    print(f"{'':12}{'fits':>12}{'large':>12}{'ratio':>8}    microseconds a patch")
    names = ("open", "examine", "preprocess", "train")
    for found in results.values():
        found["all"] = sum(found[name] for name in names)
    for name in (*names, "all"):
        fits, large = (1e6 * found[name] / found["patches"] for found in results.values())
        print(f"{name:12}{fits:12.1f}{large:12.1f}{large / fits:8.2f}")
    for name in ("resident_mib", "reader_mib"):
        print(f"{name:12}" + "".join(f"{found[name]:12.0f}" for found in results.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
