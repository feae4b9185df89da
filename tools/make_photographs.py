#!/usr/bin/env python3
"""Write resources/photo_cat.png and photo_astronaut.png: the pictures of the convolution demo.

    python tools/make_photographs.py [FOLDER]

The largest square in the middle of each photograph, made 200×200. They are among those that
scikit-image ships in its package and are CC0 and in the public domain; see
resources/ATTRIBUTIONS.md. Needs scikit-image; the same output every time.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from skimage import data

from app.core.storage import save_bytes

SIDE = 200
# The cat is wide and has to be cropped; the astronaut is square already.
PHOTOGRAPHS = {"photo_cat.png": data.chelsea, "photo_astronaut.png": data.astronaut}


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("resources")
    for name, load in PHOTOGRAPHS.items():
        image = Image.fromarray(load())
        width, height = image.size
        least = min(width, height)
        left, top = (width - least) // 2, (height - least) // 2
        square = image.resize(
            (SIDE, SIDE),
            Image.Resampling.LANCZOS,
            box=(left, top, left + least, top + least),
        )
        memory = io.BytesIO()
        square.save(memory, "PNG", optimize=True)
        save_bytes(folder / name, memory.getvalue(), overwrite=True)
        print(f"wrote {folder / name}, {len(memory.getvalue())} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
