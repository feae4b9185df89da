"""The folder in which everything happens: a home, files good and bad, and disks that take nothing."""

from __future__ import annotations

import errno
import os
import random
import re
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from app.core import storage

PLACES = ("home", "runs", "files", "saved", "full", "read only", "temporary")
FOLDERS = {
    "HOME": "home",
    "XDG_CONFIG_HOME": "home/.config",
    "XDG_DATA_HOME": "home/.local/share",
    "XDG_STATE_HOME": "home/.local/state",
    "XDG_CACHE_HOME": "home/.cache",
    "XDG_DESKTOP_DIR": "home/Desktop",
    "FILTERSCOPE_RUNS": "runs",
    "TMPDIR": "temporary",
}
# Nobody answers there: whoever wants to download hears that the network is down.
NO_NETWORK = "http://127.0.0.1:9"
# So many seconds a disk stays full at most.
FULL_SECONDS = 6.0

MODEL = """
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self, num_classes, image_shape):
        super().__init__()
        self.scores = nn.Linear(image_shape[0] * image_shape[1] * image_shape[2], num_classes)

    def forward(self, x):
        return self.scores(x.flatten(1))
"""


class Scratch:
    """A temporary folder that the program takes for a person's whole computer."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or Path(tempfile.mkdtemp(prefix="filterscope-user-")).resolve()
        for name in PLACES:
            (self.root / name).mkdir(parents=True, exist_ok=True)
        (self.root / "home/Desktop").mkdir(exist_ok=True)
        self.runs, self.files = self.root / "runs", self.root / "files"

    def take_over(self) -> None:
        """Let this process and its children find their folders here, and no network."""
        for name, below in FOLDERS.items():
            os.environ[name] = str(self.root / below)
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            os.environ[name] = NO_NETWORK
        tempfile.tempdir = None

    def fill(self) -> None:
        """Write the files that are opened, one of each kind that the program reads, and bad ones."""
        rng = np.random.default_rng(0)
        files = self.files
        pixels = rng.integers(0, 256, (300, 3, 8, 8), np.uint8)
        np.save(files / "colours.npy", pixels)
        np.save(files / "grey.npy", rng.random((200, 6, 6)).astype(np.float32))
        np.save(files / "one.npy", pixels[:1])
        np.save(files / "flat.npy", np.full((50, 8, 8), 7, np.uint8))
        np.save(files / "holes.npy", np.full((50, 8, 8), np.nan, np.float32))
        np.savez(files / "two sets.npz", a=pixels[:100], b=pixels[100:, :, :6, :6])
        y = np.arange(300) % 3
        np.savez(files / "labelled.npz", images=pixels, labels=y)
        np.savez(files / "weights.npz", W1=rng.random((4, 4)), b1=np.zeros(4))
        np.save(files / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
        for place in range(12):
            folder = files / "classes" / "ab"[place % 2]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[place].transpose(1, 2, 0)).save(folder / f"{place}.png")
        photograph = rng.integers(0, 256, (60, 80, 3), np.uint8)
        (files / "photographs").mkdir(exist_ok=True)
        for name in ("a.png", "b.jpg"):
            Image.fromarray(photograph).save(files / "photographs" / name)
        (files / "empty folder").mkdir(exist_ok=True)
        (files / "model.py").write_text(MODEL, encoding="utf-8")
        (files / "broken model.py").write_text("import this is no program\n", encoding="utf-8")
        (files / "empty.npy").write_bytes(b"")
        (files / "text.h5").write_bytes(b"not a picture at all")
        (files / "cut short.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40))
        (files / "bad.filterscope").write_bytes(b"PK\x03\x04" + bytes(60))
        (files / "bad.safetensors").write_bytes(b"\xff" * 90)
        (files / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))
        (files / "na\u0308me <b>& %s\u202e.npy").write_bytes((files / "colours.npy").read_bytes())

    def anything_to_open(self, choose: random.Random, kinds: str = "") -> Path:
        """Return a file or folder to open: ours, one that was saved, a run, or none that is there.

        Half of the time it is of the `kinds` that a dialog asks for, such as ``Models (*.py)``.
        """
        found = sorted(self.files.rglob("*")) + sorted((self.root / "saved").iterdir())
        endings = tuple(re.findall(r"\*(\.\w+)", kinds))
        fitting = [path for path in found if path.name.endswith(endings)] if endings else []
        if fitting and choose.random() < 0.5:
            return choose.choice(fitting)
        found += [*sorted(self.runs.iterdir())[:3], self.root / "gone.npy", Path("relative.npy")]
        return choose.choice(found)

    def somewhere_to_save(self, choose: random.Random, name: str) -> Path:
        """Return a name to save as: mostly good, else full, read-only, missing or a folder."""
        folder = choose.choice(["saved"] * 6 + ["full", "read only", "not there", "files/grey.npy"])
        name = choose.choice([name] * 5 + ["untitled", "x" * 300, "saved.txt", "picture.png", ".."])
        return self.root / folder / name


class BadDisk(storage.FileSystem):
    """A disk on which two folders take nothing, and which gets full for a while."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._full_until = 0.0
        self._on_full: set[int] = set()
        # Files that were not written, or not to their end.
        self.refused: set[Path] = set()

    def get_full(self, seconds: float) -> None:
        """Take nothing more for a while."""
        self._full_until = time.monotonic() + min(seconds, FULL_SECONDS)

    @property
    def full(self) -> bool:
        """Whether it is full just now."""
        return time.monotonic() < self._full_until

    def create(self, path: Path) -> int:
        if path.is_relative_to(self._scratch.root / "read only"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        descriptor = super().create(path)
        if path.is_relative_to(self._scratch.root / "full"):
            self._on_full.add(descriptor)
        return descriptor

    def write(self, descriptor: int, data: memoryview) -> int:
        if self.full or descriptor in self._on_full:
            # Logs are open already when a disk gets full: the system knows what they are called.
            self.refused.add(Path(f"/proc/self/fd/{descriptor}").resolve())
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(descriptor, data)

    def close(self, descriptor: int) -> None:
        self._on_full.discard(descriptor)
        super().close(descriptor)
