#!/usr/bin/env python3
"""Write resources/sample_patches.h5: 10,240 RGB crops of 16×16 with the schema of the exercise.

    python tools/make_sample_patches.py [DEST]

`data` (10240, 3, 16, 16) uint8, `xForm` and `invXForm` (768, 768): the ZCA whitening matrix of
values in 0 … 1 (ε = 0.01) and its inverse. The photographs are those that scikit-image
ships in its package and whose licence is CC0 or the public domain; see
resources/ATTRIBUTIONS.md. Needs scikit-image; the same output every time.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import h5py
import numpy as np
from skimage import data, transform

from app.core.storage import save_bytes

COUNT, SIZE = 10_240, 16
# Share of the crops: the coloured photographs carry most of them.
SHARES = {
    "astronaut": 4,
    "coffee": 3,
    "chelsea": 3,
    "rocket": 2,
    "camera": 8,
    "brick": 2,
    "grass": 1,
    "gravel": 2,
}


def crops(name: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return crops with something in them, at full and at half size."""
    whole = getattr(data, name)()
    if whole.ndim == 2:
        whole = np.repeat(whole[:, :, None], 3, axis=2)
    half = transform.rescale(whole, 0.5, anti_aliasing=True, channel_axis=2, preserve_range=True)
    found: list[np.ndarray] = []
    seen: set[bytes] = set()
    for image, wanted in (
        (whole, count // 2),
        (np.rint(half).astype(np.uint8), count - count // 2),
    ):
        kept = 0
        while kept < wanted:
            top = rng.integers(0, image.shape[0] - SIZE + 1)
            left = rng.integers(0, image.shape[1] - SIZE + 1)
            crop = image[top : top + SIZE, left : left + SIZE].transpose(2, 0, 1)
            contrast = crop.mean(axis=0).std()
            # Bare sky teaches nothing; a third of the plain ones is kept, as in the world.
            plain = contrast <= 6 and rng.random() > 1 / 3
            if contrast >= 1 and not plain and crop.tobytes() not in seen:
                seen.add(crop.tobytes())
                found.append(crop)
                kept += 1
    return np.stack(found)


def shaved(matrix: np.ndarray, bits: int) -> np.ndarray:
    """Return float32 with `bits` of mantissa, so that it compresses."""
    raw = matrix.astype(np.float32).view(np.uint32)
    drop = np.uint32(23 - bits)
    half = np.uint32(1 << (22 - bits))
    return (((raw + half) >> drop) << drop).view(np.float32)


def main() -> int:
    dest = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("resources/sample_patches.h5")
    rng = np.random.default_rng(20)
    total = sum(SHARES.values())
    parts, left = [], COUNT
    for number, (name, share) in enumerate(SHARES.items()):
        count = left if number == len(SHARES) - 1 else COUNT * share // total
        left -= count
        parts.append(crops(name, count, rng))
    patches = np.concatenate(parts)[rng.permutation(COUNT)]
    flat = patches.reshape(COUNT, -1) / 255.0
    values, vectors = np.linalg.eigh(np.cov((flat - flat.mean(axis=0)).T))
    scale = np.sqrt(values + 0.01)
    x_form = shaved((vectors / scale) @ vectors.T, 7)
    inverse = shaved((vectors * scale) @ vectors.T, 7)
    print(
        "xForm · invXForm differs from 1 by at most", np.abs(x_form @ inverse - np.eye(768)).max()
    )
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver="latest", track_order=False) as file:
        options = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
        file.create_dataset("data", data=patches, chunks=(1024, 3, SIZE, SIZE), **options)
        file.create_dataset("xForm", data=x_form, chunks=(128, 768), **options)
        file.create_dataset("invXForm", data=inverse, chunks=(128, 768), **options)
    save_bytes(dest, memory.getvalue(), overwrite=True)
    with h5py.File(memory, "r") as file:
        print({name: file[name].id.get_storage_size() for name in file})
    print(f"wrote {dest}, {dest.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
